// Freezes the transaction's time functions to one instant, and says which result columns hold such
// times.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "shadow/rewrite_internal.h"

namespace pgparity::shadow {
namespace {

// Views over views are followed so far.
constexpr int kMaxViewDepth = 8;

// "2024-05-06 07:08:09.123456+00"; in every DateStyle the server reads it alike.
std::string IsoTimestamp(int64_t microseconds) {
  int64_t seconds = microseconds / 1'000'000;
  int64_t fraction = microseconds % 1'000'000;
  if (fraction < 0) {
    fraction += 1'000'000;
    --seconds;
  }
  int64_t days = seconds / 86400;
  int64_t second_of_day = seconds % 86400;
  if (second_of_day < 0) {
    second_of_day += 86400;
    --days;
  }
  // Howard Hinnant's civil_from_days.
  days += 719468;
  const int64_t era = (days >= 0 ? days : days - 146096) / 146097;
  const int64_t day_of_era = days - era * 146097;
  const int64_t year_of_era =
      (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
  const int64_t day_of_year =
      day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const int64_t shifted_month = (5 * day_of_year + 2) / 153;
  const int64_t day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
  const int64_t month = shifted_month < 10 ? shifted_month + 3 : shifted_month - 9;
  const int64_t year = year_of_era + era * 400 + (month <= 2 ? 1 : 0);
  char text[64];
  std::snprintf(text, sizeof text, "%04d-%02d-%02d %02d:%02d:%02d.%06d+00", static_cast<int>(year),
                static_cast<int>(month), static_cast<int>(day),
                static_cast<int>(second_of_day / 3600), static_cast<int>(second_of_day / 60 % 60),
                static_cast<int>(second_of_day % 60), static_cast<int>(fraction));
  return text;
}

std::string_view TypeOf(TimeCall::Kind kind) {
  switch (kind) {
    case TimeCall::Kind::timestamptz:
      return "timestamptz";
    case TimeCall::Kind::timestamp:
      return "timestamp";
    case TimeCall::Kind::date:
      return "date";
    case TimeCall::Kind::time:
      return "time";
    case TimeCall::Kind::timetz:
      return "timetz";
  }
  return "timestamptz";
}

// Types in which a time may hide inside an expression's value.
bool MayHoldTime(uint32_t type_oid) {
  using namespace protocol::oid;
  return type_oid == kJson || type_oid == kJsonb || type_oid == kRecord || type_oid == kXml ||
         type_oid == kInterval;
}

}  // namespace

bool IsTimeType(uint32_t type_oid) {
  using namespace protocol::oid;
  return type_oid == kTimestamptz || type_oid == kTimestamp || type_oid == kDate ||
         type_oid == kTime || type_oid == kTimetz;
}

// "" if there is no room for the parameter.
std::string Rewriter::FrozenExpression(const TimeCall& call) {
  const int64_t instant = call.statement_time && context_.statement_instant_us != 0
                              ? context_.statement_instant_us
                              : context_.instant_us;
  int& parameter = instants_[instant];
  if (parameter == 0)
    parameter = AddParameter(protocol::oid::kTimestamptz, IsoTimestamp(instant), 0);
  if (parameter == 0) return {};
  // The server itself converts the instant, by the session's TimeZone.
  std::string value = absl::StrCat("$", parameter, "::pg_catalog.timestamptz");
  const std::string precision = call.precision >= 0 ? absl::StrCat("(", call.precision, ")") : "";
  const std::string_view type = TypeOf(call.kind);
  if (call.kind != TimeCall::Kind::timestamptz || !precision.empty()) {
    value = absl::StrCat("(", value, ")::pg_catalog.", std::string(type), precision);
  }
  return call.column_name.empty() ? absl::StrCat("(", value, ")")
                                  : absl::StrCat("(SELECT ", value, " AS ", call.column_name, ")");
}

void Rewriter::FreezeTimeCalls() {
  for (const TimeCall& call : analysis_.time_calls) {
    if (splicer_.Covers(call.offset)) continue;
    std::string value = FrozenExpression(call);
    if (!value.empty()) splicer_.Replace(call.offset, call.length, std::move(value));
  }
}

// The column's default with its time calls frozen.
std::string Rewriter::FrozenDefault(const CatalogColumn& column) {
  Splicer splicer;
  for (const TimeCall& call : column.default_times) {
    std::string value = FrozenExpression(call);
    if (value.empty()) return {};
    splicer.Replace(call.offset, call.length, std::move(value));
  }
  return absl::StrCat("(", splicer.Apply(column.default_text), ")");
}

void Rewriter::NoteFrozenWrites() {
  for (const TimeColumn& time : analysis_.time_columns) {
    const CatalogTable* table =
        context_.primary->FindTable(time.table.schema, time.table.name, context_.search_path);
    if (table == nullptr) continue;
    for (size_t i = 0; i < table->columns.size(); ++i) {
      const CatalogColumn& column = table->columns[i];
      const bool meant = time.column.empty()
                             ? time.position < 0 || static_cast<size_t>(time.position) == i
                             : column.name == time.column;
      if (meant && IsTimeType(column.type_oid))
        out_->frozen_writes.emplace_back(table->oid, column.attribute);
    }
  }
}

bool Rewriter::IsFrozenColumn(const CatalogTable& table, const CatalogColumn& column,
                              int depth) const {
  if (!IsTimeType(column.type_oid)) return false;
  if (table.kind == 'v' || table.kind == 'm') return HasFrozenColumn(table, depth);
  const ColumnId id{table.oid, column.attribute};
  const auto& written = out_->frozen_writes;
  return column.default_kind == DefaultKind::now ||
         std::find(written.begin(), written.end(), id) != written.end() ||
         (context_.frozen_columns != nullptr && context_.frozen_columns->contains(id));
}

bool Rewriter::HasFrozenColumn(const CatalogTable& table, int depth) const {
  if (depth > kMaxViewDepth) return true;
  for (const uint32_t read : table.view_of) {
    const CatalogTable* base = context_.primary->FindTable(read);
    if (base != nullptr && HasFrozenColumn(*base, depth + 1)) return true;
  }
  if (!table.view_of.empty()) return false;
  return std::any_of(table.columns.begin(), table.columns.end(), [&](const CatalogColumn& column) {
    return column.time_by_trigger || IsFrozenColumn(table, column, depth + 1);
  });
}

bool Rewriter::TouchesFrozenTable() const {
  const auto frozen = [&](const TableName& name) {
    const CatalogTable* table =
        context_.primary->FindTable(name.schema, name.name, context_.search_path);
    return table != nullptr && HasFrozenColumn(*table, 0);
  };
  return std::any_of(analysis_.reads.begin(), analysis_.reads.end(), frozen) ||
         std::any_of(analysis_.writes.begin(), analysis_.writes.end(), frozen);
}

void Rewriter::MarkResultColumns() {
  const auto& columns = statement_.primary.columns;
  if (columns.empty()) return;
  const bool freezes = !analysis_.time_calls.empty();
  std::optional<bool> touches;
  std::vector<bool> frozen(columns.size(), false);
  for (size_t i = 0; i < columns.size(); ++i) {
    const bool time = IsTimeType(columns[i].type_oid);
    const CatalogTable* table = context_.primary->FindTable(columns[i].table_oid);
    const CatalogColumn* column =
        table == nullptr ? nullptr : table->FindAttribute(columns[i].attribute);
    if (column != nullptr) {
      // Inside triggers nothing can be frozen.
      if (time && column->time_by_trigger) {
        out_->ignored.resize(columns.size(), false);
        out_->ignored[i] = true;
      }
      frozen[i] = time && IsFrozenColumn(*table, *column, 0);
    } else if (time || MayHoldTime(columns[i].type_oid)) {
      if (!touches) touches = TouchesFrozenTable();
      frozen[i] = time && (freezes || *touches);
      if (!time && (freezes || *touches)) out_->mismatch_reason = "frozen-time-in-value";
    }
  }
  if (std::find(frozen.begin(), frozen.end(), true) != frozen.end())
    out_->frozen_time = std::move(frozen);
}

}  // namespace pgparity::shadow
