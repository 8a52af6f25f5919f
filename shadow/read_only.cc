#include "shadow/read_only.h"

#include <string>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/ascii.h"
#include "protocol/sql_tokens.h"
#include "protocol/text.h"

namespace pgparity::shadow {
namespace {

using protocol::Token;
using protocol::TokenKind;
using protocol::TransactionCommand;
using Words = absl::flat_hash_set<std::string>;

const Words& Beginnings() {
  static const Words& words =
      *new Words{"SELECT", "VALUES", "TABLE", "SHOW", "WITH", "FETCH", "MOVE", "CLOSE"};
  return words;
}

// Words that begin something that writes or locks, wherever they stand.
const Words& Writers() {
  static const Words& words =
      *new Words{"INSERT", "UPDATE", "DELETE", "MERGE", "INTO",    "CREATE", "EXECUTE",
                 "CALL",   "SHARE",  "LOCK",   "COPY",  "ANALYZE", "SET",    "DO"};
  return words;
}

// Keywords that an opening parenthesis may follow, and functions that only read.
const Words& HarmlessBeforeParenthesis() {
  static const Words& words = *new Words{"SELECT",
                                         "VALUES",
                                         "FROM",
                                         "WHERE",
                                         "AND",
                                         "OR",
                                         "NOT",
                                         "IN",
                                         "EXISTS",
                                         "ANY",
                                         "ALL",
                                         "SOME",
                                         "AS",
                                         "ON",
                                         "USING",
                                         "UNION",
                                         "INTERSECT",
                                         "EXCEPT",
                                         "THEN",
                                         "ELSE",
                                         "WHEN",
                                         "CASE",
                                         "HAVING",
                                         "BY",
                                         "LIMIT",
                                         "OFFSET",
                                         "OVER",
                                         "FILTER",
                                         "ARRAY",
                                         "ROW",
                                         "WITH",
                                         "DISTINCT",
                                         "BETWEEN",
                                         "LIKE",
                                         "ILIKE",
                                         "IS",
                                         "LATERAL",
                                         "JOIN",
                                         "CAST",
                                         "EXTRACT",
                                         "COALESCE",
                                         "NULLIF",
                                         "GREATEST",
                                         "LEAST",
                                         "COUNT",
                                         "SUM",
                                         "AVG",
                                         "MIN",
                                         "MAX",
                                         "LOWER",
                                         "UPPER",
                                         "LENGTH",
                                         "TRIM",
                                         "SUBSTRING",
                                         "SUBSTR",
                                         "POSITION",
                                         "ROUND",
                                         "ABS",
                                         "CEIL",
                                         "FLOOR",
                                         "NOW",
                                         "DATE_TRUNC",
                                         "DATE_PART",
                                         "TO_CHAR",
                                         "TO_DATE",
                                         "TO_TIMESTAMP",
                                         "CONCAT",
                                         "REPLACE",
                                         "ARRAY_AGG",
                                         "STRING_AGG",
                                         "JSON_AGG",
                                         "JSONB_AGG",
                                         "JSON_BUILD_OBJECT",
                                         "JSONB_BUILD_OBJECT",
                                         "UNNEST",
                                         "GENERATE_SERIES",
                                         "ROW_NUMBER",
                                         "RANK",
                                         "DENSE_RANK",
                                         "LAG",
                                         "LEAD",
                                         "FIRST_VALUE",
                                         "LAST_VALUE",
                                         "BOOL_AND",
                                         "BOOL_OR",
                                         "EVERY",
                                         "VARCHAR",
                                         "NUMERIC",
                                         "CHAR",
                                         "CHARACTER",
                                         "VARYING",
                                         "DECIMAL",
                                         "BIT",
                                         "TIMESTAMP",
                                         "TIME",
                                         "INTERVAL",
                                         "CURRENT_TIMESTAMP",
                                         "VERSION",
                                         "CURRENT_SCHEMA",
                                         "CURRENT_DATABASE",
                                         "CARDINALITY",
                                         "ARRAY_LENGTH",
                                         "SPLIT_PART",
                                         "LEFT",
                                         "RIGHT",
                                         "LPAD",
                                         "RPAD"};
  return words;
}

std::string Upper(std::string_view text) { return absl::AsciiStrToUpper(protocol::ToAbsl(text)); }

bool IsPgCatalog(const Token& token) { return token.Is("PG_CATALOG"); }

}  // namespace

bool TextReadsOnly(std::string_view sql) {
  // Whether a backslash quotes depends on a setting, and with it where strings end.
  if (sql.find('\\') != std::string_view::npos) return false;
  protocol::SqlTokenizer tokens(sql, true);
  Token token = tokens.Next();
  while (token.IsSymbol('(')) token = tokens.Next();
  if (token.kind != TokenKind::word || !Beginnings().contains(Upper(token.text))) return false;
  Token previous = token;
  Token qualifier;         // x in x.name
  bool qualified = false;  // `previous` is the name in x.name
  while (true) {
    token = tokens.Next();
    if (token.kind == TokenKind::end) return true;
    if (token.IsSymbol('(')) {
      if (previous.kind == TokenKind::quoted_identifier) return false;
      if (previous.kind == TokenKind::word &&
          (!HarmlessBeforeParenthesis().contains(Upper(previous.text)) ||
           (qualified && !IsPgCatalog(qualifier)))) {
        return false;
      }
    }
    const bool name = token.kind == TokenKind::word || token.kind == TokenKind::quoted_identifier;
    const bool behind_dot = name && previous.IsSymbol('.');
    if (token.kind == TokenKind::word && !behind_dot && Writers().contains(Upper(token.text)))
      return false;
    if (token.IsSymbol('.')) qualifier = previous;
    qualified = behind_dot;
    previous = token;
  }
}

bool StatementReadsOnly(const Statement& statement) {
  using Kind = compare::Observation::Kind;
  switch (statement.transaction_command) {
    case TransactionCommand::none:
      break;
    case TransactionCommand::prepare_transaction:
    case TransactionCommand::commit_prepared:
    case TransactionCommand::rollback_prepared:
      return false;
    default:
      return true;
  }
  const Kind kind = statement.primary.kind;
  if (kind == Kind::empty_query || kind == Kind::skipped) return true;
  const std::string_view tag = statement.primary.tag;
  const std::string_view verb = tag.substr(0, tag.find(' '));
  const bool reads = verb.empty() || verb == "SELECT" || verb == "SHOW" || verb == "FETCH" ||
                     verb == "MOVE" || tag == "CLOSE CURSOR";
  return reads && statement.known_text &&
         statement.protocol != protocol::QueryProtocol::function_call &&
         TextReadsOnly(statement.sql);
}

bool CommitsAtOnce(const Statement& statement) {
  const std::string_view tag = statement.primary.tag;
  if (tag == "VACUUM" || tag == "CREATE DATABASE" || tag == "DROP DATABASE" ||
      tag == "CREATE TABLESPACE" || tag == "DROP TABLESPACE" || tag == "ALTER SYSTEM") {
    return true;
  }
  if (tag != "CREATE INDEX" && tag != "DROP INDEX" && tag != "REINDEX") return false;
  protocol::SqlTokenizer tokens(statement.sql, true);
  for (Token token = tokens.Next(); token.kind != TokenKind::end; token = tokens.Next()) {
    if (token.Is("CONCURRENTLY")) return true;
  }
  return false;
}

}  // namespace pgparity::shadow
