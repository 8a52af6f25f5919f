// Internal to the functions: one call of a function of ours by SQLite.
#pragma once

#include <sqlite3.h>

#include <cmath>
#include <string>
#include <string_view>

#include "protocol/text.h"
#include "shadow/sqlite/decimal.h"
#include "shadow/sqlite/functions.h"

namespace pgparity::shadow::sqlite {

class Call {
 public:
  Call(sqlite3_context* context, int count, sqlite3_value** values, FunctionSession* session)
      : context_(context), count_(count), values_(values), session_(session) {}

  int count() const { return count_; }
  bool IsNull(int i) const { return sqlite3_value_type(values_[i]) == SQLITE_NULL; }
  bool AnyNull() const {
    for (int i = 0; i < count_; ++i)
      if (IsNull(i)) return true;
    return false;
  }
  int64_t Int(int i) const { return sqlite3_value_int64(values_[i]); }
  double Real(int i) const { return sqlite3_value_double(values_[i]); }
  // Of text and blobs; valid during the call.
  std::string_view Text(int i) const {
    const void* data = sqlite3_value_type(values_[i]) == SQLITE_BLOB
                           ? sqlite3_value_blob(values_[i])
                           : static_cast<const void*>(sqlite3_value_text(values_[i]));
    if (data == nullptr) return {};
    return {static_cast<const char*>(data), static_cast<size_t>(sqlite3_value_bytes(values_[i]))};
  }
  // A numeric, or an integer.
  Decimal Number(int i) const {
    if (sqlite3_value_type(values_[i]) == SQLITE_INTEGER) return Decimal::FromInteger(Int(i));
    return Decimal::Parse(Text(i)).value_or(Decimal());
  }
  SqlValue Value(int i) const {
    switch (sqlite3_value_type(values_[i])) {
      case SQLITE_INTEGER:
        return SqlValue::Integer(Int(i));
      case SQLITE_FLOAT:
        return SqlValue::Real(Real(i));
      case SQLITE_TEXT:
        return SqlValue::Text(std::string(Text(i)));
      case SQLITE_BLOB:
        return SqlValue::Blob(std::string(Text(i)));
      default:
        return {};
    }
  }
  int64_t Timestamp(int i) const { return ReadTimestamp(Text(i)).value; }
  Interval Span(int i) const { return ReadInterval(Text(i)).value; }

  void Return(int64_t value) { sqlite3_result_int64(context_, value); }
  void Return(bool value) { sqlite3_result_int64(context_, value ? 1 : 0); }
  void Return(std::string_view text) {
    sqlite3_result_text64(context_, text.data() == nullptr ? "" : text.data(), text.size(),
                          SQLITE_TRANSIENT, SQLITE_UTF8);
  }
  void ReturnBlob(std::string_view bytes) {
    sqlite3_result_blob64(context_, bytes.data() == nullptr ? "" : bytes.data(), bytes.size(),
                          SQLITE_TRANSIENT);
  }
  void Return(const Decimal& value) { Return(std::string_view(value.ToString())); }
  // An infinity or NaN that did not come in is an overflow.
  void ReturnReal(double value, bool infinite_allowed = false) {
    if (std::isnan(value)) return Refused("NaN in a float");
    if (std::isinf(value) && !infinite_allowed)
      return Error("22003", "value out of range: overflow");
    sqlite3_result_double(context_, value);
  }
  void ReturnNull() { sqlite3_result_null(context_); }
  void Return(const SqlValue& value) {
    switch (value.kind) {
      case SqlValue::Kind::null:
        return ReturnNull();
      case SqlValue::Kind::integer:
        return Return(value.integer);
      case SqlValue::Kind::real:
        return sqlite3_result_double(context_, value.real);
      case SqlValue::Kind::text:
        return Return(std::string_view(value.bytes));
      case SqlValue::Kind::blob:
        return ReturnBlob(value.bytes);
    }
  }
  void ReturnTimestamp(std::optional<int64_t> us) {
    if (!us) return Error("22008", "timestamp out of range");
    const std::optional<std::string> text = StoredTimestamp(*us);
    if (!text) return Refused("timestamp outside the years 1 to 9999");
    Return(std::string_view(*text));
  }
  void ReturnInterval(const std::optional<Interval>& interval) {
    if (!interval) return Error("22008", "interval out of range");
    Return(std::string_view(StoredInterval(*interval)));
  }
  template <typename T>
  void ReturnResult(const Result<T>& result) {
    if (const auto* problem = std::get_if<Problem>(&result)) return Stop(*problem);
    if constexpr (std::is_same_v<T, SqlValue>) {
      Return(std::get<T>(result));
    } else {
      Return(std::string_view(std::get<T>(result)));
    }
  }

  void Error(std::string_view sqlstate, std::string_view message) {
    Stop({std::string(sqlstate), std::string(message)});
  }
  void Refused(std::string_view construct) { Stop(Refuse(std::string(construct))); }
  void Stop(const Problem& problem) {
    const std::string text = protocol::StrCat(
        "PG", problem.refused() ? "REFUSED" : problem.sqlstate, "|", problem.message);
    sqlite3_result_error(context_, text.data(), static_cast<int>(text.size()));
  }

  FunctionSession& session() const { return *session_; }
  sqlite3_value* raw(int i) const { return values_[i]; }
  sqlite3_context* context() const { return context_; }

 private:
  sqlite3_context* const context_;
  const int count_;
  sqlite3_value** const values_;
  FunctionSession* const session_;
};

struct FunctionDefinition {
  const char* name;
  int arguments;  // -1: any number
  void (*run)(Call&);
  bool takes_null = false;
  bool deterministic = true;
};

// One list a file.
extern const std::vector<FunctionDefinition> kNumberFunctions, kTextFunctions, kTimeFunctions,
    kJsonFunctions, kArrayFunctions;
// functions_aggregates.cc
absl::Status RegisterAggregates(sqlite3* db, FunctionSession* session);
// functions.cc: the collations' orders
int CompareNumerics(std::string_view a, std::string_view b);
int CompareIntervalTexts(std::string_view a, std::string_view b);
int CompareText(const FunctionSession& session, std::string_view a, std::string_view b);
// json_text.cc
int CompareArrays(std::string_view a, std::string_view b);
int CompareJsonb(std::string_view a, std::string_view b);

}  // namespace pgparity::shadow::sqlite
