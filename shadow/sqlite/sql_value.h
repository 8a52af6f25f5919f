// Values between PostgreSQL's text form and the form that the file holds.
#pragma once

#include <string>
#include <string_view>
#include <variant>

#include "absl/time/time.h"
#include "shadow/sqlite/datetime.h"
#include "shadow/sqlite/types.h"

namespace pgparity::shadow::sqlite {

// A value as SQLite has it.
struct SqlValue {
  enum class Kind : uint8_t { null, integer, real, text, blob };
  Kind kind = Kind::null;
  int64_t integer = 0;
  double real = 0;
  std::string bytes;  // of text and blob

  static SqlValue Integer(int64_t value) { return {Kind::integer, value, 0, {}}; }
  static SqlValue Real(double value) { return {Kind::real, 0, value, {}}; }
  static SqlValue Text(std::string value) { return {Kind::text, 0, 0, std::move(value)}; }
  static SqlValue Blob(std::string value) { return {Kind::blob, 0, 0, std::move(value)}; }
  bool null() const { return kind == Kind::null; }
};

// An error of PostgreSQL's with its SQLSTATE; or a refusal: PostgreSQL may know what to do, we do
// not.
struct Problem {
  static constexpr std::string_view kRefused = "refused";
  std::string sqlstate;
  std::string message;  // of a refusal: the construct's name
  bool refused() const { return sqlstate == kRefused; }
};
inline Problem Refuse(std::string construct) {
  return {std::string(Problem::kRefused), std::move(construct)};
}

template <typename T>
using Result = std::variant<T, Problem>;

// A text as the type's input function reads it, its modifier applied as in a cast (`assign`: as in
// an assignment, where a string that is too long is an error).
Result<SqlValue> ReadValue(std::string_view text, Type type, const absl::TimeZone& zone,
                           bool assign);
// The modifier of a type applied to a value of it.
Result<SqlValue> ApplyModifier(SqlValue value, Type type, bool assign);
// As the type's output function prints it in DateStyle ISO; the value is not NULL.
Result<std::string> ShowValue(const SqlValue& value, Oid type, const absl::TimeZone& zone);
// As SQL text for SQLite.
std::string LiteralOf(const SqlValue& value);

std::string ShowDouble(double value);  // float8's shortest form
std::string ShowFloat(double value);   // float4's
// A string as JSON, in quotes, escaped as PostgreSQL's escape_json() does.
std::string JsonQuoted(std::string_view text);
// Characters of a UTF-8 text, and its first `count` of them.
size_t CharacterCount(std::string_view text);
std::string_view FirstCharacters(std::string_view text, size_t count);

// sql_array.cc: arrays lie in the file as JSON.
Result<std::string> ArrayToJson(std::string_view text, Oid element, const absl::TimeZone& zone);
Result<std::string> JsonToArray(std::string_view json, Oid element, const absl::TimeZone& zone);

}  // namespace pgparity::shadow::sqlite
