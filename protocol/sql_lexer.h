// A bounded lexer for what the protocol itself needs to know of SQL: where the statements of a
// simple Query begin, and which statements end or begin a transaction. It is no parser.
// Source of the rules: PostgreSQL manual, "Lexical Structure", and psql's psqlscan.l.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/sql_tokens.h"

namespace pgparity::protocol {

// What a statement does to the transaction status.
enum class TransactionCommand : uint8_t {
  none,
  begin,   // BEGIN, START TRANSACTION
  commit,  // COMMIT, END
  commit_and_chain,
  rollback,  // ROLLBACK, ABORT
  rollback_and_chain,
  rollback_to_savepoint,
  savepoint,
  release_savepoint,
  prepare_transaction,
  commit_prepared,
  rollback_prepared,
};

// Gives the statements of `sql`, without their semicolons and surrounding white space and comments;
// empty statements are left out, as the server leaves them out. The views point into `sql`. Knows
// quotes (E'' and standard_conforming_strings), dollar quotes, nested comments, parentheses, and
// BEGIN ATOMIC bodies. Linear time on any input, unterminated quotes included.
class StatementSplitter {
 public:
  StatementSplitter(std::string_view sql, bool standard_conforming_strings)
      : sql_(sql), tokens_(sql, standard_conforming_strings) {}
  // The next statement, nullopt at the end.
  std::optional<std::string_view> Next();

 private:
  std::string_view sql_;
  SqlTokenizer tokens_;
};

// All of them at once.
std::vector<std::string_view> SplitStatements(std::string_view sql,
                                              bool standard_conforming_strings);

// Classifies one statement (leading comments and semicolons allowed). Looks at no more than its
// first 64 tokens.
TransactionCommand ClassifyTransactionCommand(std::string_view statement);

// COMMIT, END, PREPARE TRANSACTION, COMMIT PREPARED, with AND CHAIN or without: what makes work
// last.
bool IsCommit(TransactionCommand command);

// What a statement does to the session's prepared statements by way of SQL.
struct PreparedStatementCommand {
  enum class Kind : uint8_t { none, prepare, deallocate, deallocate_all, discard_all };
  Kind kind = Kind::none;
  std::string name;       // as the protocol would spell it: case folded, unquoted, at most 63 bytes
  std::string_view text;  // prepare: the statement behind AS, pointing into the one given
};
// A DEALLOCATE whose name cannot be told (U&"...") counts as deallocate_all.
PreparedStatementCommand ClassifyPreparedStatementCommand(std::string_view statement,
                                                          bool standard_conforming_strings);

// The statement's first keyword, behind any opening parentheses, in upper case ("SELECT", "INSERT",
// ...), at most 31 bytes, or empty. The view points into a static table for known keywords; unknown
// ones give "".
std::string_view FirstKeyword(std::string_view statement);

}  // namespace pgparity::protocol
