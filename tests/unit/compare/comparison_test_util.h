// Observations for tests, built column by column.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "compare/comparison.h"

namespace pgparity::compare {

using Row = std::vector<std::optional<std::string>>;

struct ColumnSpec {
  std::string name;
  uint32_t type = protocol::oid::kText;
  protocol::Format format = protocol::Format::text;
};

inline void AddRow(const Row& row, Observation* observation) {
  RowView view;
  for (const auto& cell : row) {
    view.push_back(cell.has_value() ? Cell(*cell) : std::nullopt);
  }
  AppendRow(view, &observation->rows);
  ++observation->row_count;
}

inline Observation Rows(const std::vector<ColumnSpec>& columns, const std::vector<Row>& rows) {
  Observation observation;
  observation.has_columns = true;
  for (const ColumnSpec& spec : columns) {
    Column& column = observation.columns.emplace_back();
    column.name = spec.name;
    column.type_oid = spec.type;
    column.format = spec.format;
  }
  for (const Row& row : rows) AddRow(row, &observation);
  observation.tag = "SELECT " + std::to_string(rows.size());
  return observation;
}

inline Observation Tag(std::string tag) {
  Observation observation;
  observation.tag = std::move(tag);
  return observation;
}

inline Observation Error(std::string sqlstate, std::string message = "it failed",
                         std::string severity = "ERROR") {
  ErrorFields fields;
  fields.severity = std::move(severity);
  fields.sqlstate = std::move(sqlstate);
  fields.message = std::move(message);
  Observation observation;
  observation.kind = Observation::Kind::error;
  observation.error = EncodeErrorFields(fields);
  return observation;
}

inline CompareOptions Options(bool ordered = false) {
  CompareOptions options;
  options.ordered = ordered;
  options.primary_types = &protocol::BuiltinTypes();
  options.shadow_types = &protocol::BuiltinTypes();
  return options;
}

inline std::string Binary64(int64_t value) {
  std::string bytes;
  for (int shift = 56; shift >= 0; shift -= 8) {
    bytes.push_back(static_cast<char>(static_cast<uint64_t>(value) >> shift));
  }
  return bytes;
}

inline std::string Binary32(int32_t value) { return Binary64(value).substr(4); }

}  // namespace pgparity::compare
