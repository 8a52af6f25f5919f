#include "shadow/identifiers.h"

#include <algorithm>

#include "absl/container/flat_hash_set.h"
#include "shadow/token_scanner.h"
#include "shadow/words.h"

namespace pgparity::shadow {
namespace {

// All keywords of pg_get_keywords() but the unreserved ones, of PostgreSQL 15 to 18.
bool IsKeyword(std::string_view word) {
  static const std::vector<std::string_view>& list = *new std::vector<std::string_view>(SplitWords(
      "all analyse analyze and any array as asc asymmetric authorization between bigint binary bit "
      "boolean "
      "both case cast char character check coalesce collate collation column concurrently "
      "constraint "
      "create cross current_catalog current_date current_role current_schema current_time "
      "current_timestamp current_user dec decimal default deferrable desc distinct do else end "
      "except "
      "exists extract false fetch float for foreign freeze from full grant greatest group grouping "
      "having "
      "ilike in initially inner inout int integer intersect interval into is isnull join json "
      "json_array "
      "json_arrayagg json_exists json_object json_objectagg json_query json_scalar json_serialize "
      "json_table "
      "json_value lateral leading least left like limit localtime localtimestamp merge_action "
      "national natural "
      "nchar none normalize not notnull null nullif numeric offset on only or order out outer "
      "overlaps overlay "
      "placing position precision primary real references returning right row select session_user "
      "setof similar "
      "smallint some substring symmetric system_user table tablesample then time timestamp to "
      "trailing treat "
      "trim true union unique user using values varchar variadic verbose when where window with "
      "xmlattributes "
      "xmlconcat xmlelement xmlexists xmlforest xmlnamespaces xmlparse xmlpi xmlroot xmlserialize "
      "xmltable"));
  static const absl::flat_hash_set<std::string_view>& words =
      *new absl::flat_hash_set<std::string_view>(list.begin(), list.end());
  return words.contains(word);
}

bool IsPlain(std::string_view name) {
  if (name.empty() || absl::ascii_isdigit(static_cast<unsigned char>(name[0]))) return false;
  return std::all_of(name.begin(), name.end(), [](unsigned char c) {
    return absl::ascii_islower(c) || absl::ascii_isdigit(c) || c == '_';
  });
}

std::string Unquoted(std::string_view token) {
  std::string name;
  const std::string_view inside = InsideOfLiteral(token);
  for (size_t i = 0; i < inside.size(); ++i) {
    name.push_back(inside[i]);
    if (inside[i] == '"') ++i;
  }
  return name;
}

}  // namespace

std::string QuoteIdentifier(std::string_view name) {
  return IsPlain(name) && !IsKeyword(name) ? std::string(name) : Quoted(name, '"');
}

std::string QuoteQualified(std::string_view schema, std::string_view name) {
  return schema.empty() ? QuoteIdentifier(name)
                        : QuoteIdentifier(schema) + "." + QuoteIdentifier(name);
}

std::optional<std::vector<std::string>> ParseQualifiedName(std::string_view text) {
  std::vector<std::string> parts;
  TokenScanner scanner(text);
  for (;;) {
    const Token token = scanner.Next();
    if (token.kind == TokenKind::identifier) {
      parts.push_back(Lower(scanner.Text(token)));
    } else if (token.kind == TokenKind::quoted_identifier) {
      parts.push_back(Unquoted(scanner.Text(token)));
    } else {
      return std::nullopt;
    }
    const Token dot = scanner.Next();
    if (dot.kind == TokenKind::end) break;
    if (!IsChar(text, dot, '.') || parts.size() == 3) return std::nullopt;
  }
  return parts;
}

}  // namespace pgparity::shadow
