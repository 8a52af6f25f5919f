#include "shadow/order_check.h"

#include <algorithm>

namespace pgparity::shadow {

namespace {

using compare::Observation;
using compare::RowView;

// The result's column that each key is; nullopt if one is none, or its name stands twice.
std::optional<std::vector<size_t>> KeyColumns(const std::vector<SortKey>& keys,
                                              const Observation& result) {
  std::vector<size_t> columns;
  for (const SortKey& key : keys) {
    size_t found = SIZE_MAX, matches = 0;
    for (size_t i = 0; i < result.columns.size(); ++i) {
      const bool same = key.position > 0 ? static_cast<size_t>(key.position) == i + 1
                                         : result.columns[i].name == key.column;
      if (!same) continue;
      found = i;
      ++matches;
    }
    if (matches != 1) return std::nullopt;
    columns.push_back(found);
  }
  return columns;
}

std::vector<RowView> RowsOf(const Observation& result) {
  std::vector<RowView> rows;
  compare::RowReader reader(result.rows);
  for (RowView row; reader.Next(&row);) rows.push_back(row);
  return rows;
}

// `result` with the rows that `keep` names, cut down to `columns` (all where empty).
Observation Cut(const Observation& result, const std::vector<RowView>& rows,
                const std::vector<bool>& keep, const std::vector<size_t>& columns) {
  Observation cut;
  cut.has_columns = true;
  for (size_t column : columns) cut.columns.push_back(result.columns[column]);
  if (columns.empty()) cut.columns = result.columns;
  for (size_t i = 0; i < rows.size(); ++i) {
    if (!keep[i]) continue;
    RowView row;
    for (size_t column : columns) row.push_back(rows[i][column]);
    compare::AppendRow(columns.empty() ? rows[i] : row, &cut.rows);
    ++cut.row_count;
  }
  return cut;
}

bool Elided(const Observation& result) {
  return result.digest.rows > 0 || !result.has_columns || result.copy_out;
}

bool WholeRows(const std::vector<RowView>& rows, size_t columns) {
  return std::all_of(rows.begin(), rows.end(),
                     [columns](const RowView& row) { return row.size() == columns; });
}

// Rows whose key cells are not those of `edge`.
void KeepAwayFrom(const std::vector<RowView>& rows, const RowView& edge,
                  const std::vector<size_t>& columns, std::vector<bool>* keep) {
  for (size_t i = 0; i < rows.size(); ++i) {
    const bool at_edge = std::all_of(columns.begin(), columns.end(), [&](size_t column) {
      return rows[i][column] == edge[column];
    });
    if (at_edge) (*keep)[i] = false;
  }
}

}  // namespace

OrderFinding JudgeOrder(const std::vector<SortKey>& keys, const Observation& primary,
                        const Observation& shadow, const compare::CompareOptions& options) {
  const std::optional<std::vector<size_t>> columns = KeyColumns(keys, primary);
  if (!columns || Elided(primary) || Elided(shadow) ||
      primary.columns.size() != shadow.columns.size()) {
    return OrderFinding::unknown;
  }
  const std::vector<RowView> ours = RowsOf(primary), theirs = RowsOf(shadow);
  if (!WholeRows(ours, primary.columns.size()) || !WholeRows(theirs, primary.columns.size())) {
    return OrderFinding::unknown;
  }
  compare::CompareOptions ordered = options;
  ordered.ordered = true;
  auto project = [&columns](const std::vector<bool>& flags) {
    std::vector<bool> cut;
    for (size_t column : *columns) cut.push_back(column < flags.size() && flags[column]);
    return cut;
  };
  ordered.frozen_time = project(options.frozen_time);
  ordered.ignored = project(options.ignored);
  const std::vector<bool> all(ours.size(), true);
  const compare::Comparison keys_compared = compare::Compare(
      Cut(primary, ours, all, *columns),
      Cut(shadow, theirs, std::vector<bool>(theirs.size(), true), *columns), ordered);
  return keys_compared.equal() && !keys_compared.order_differs ? OrderFinding::ties
                                                               : OrderFinding::differs;
}

OrderFinding JudgeLimit(const std::vector<SortKey>& keys, bool offset, const Observation& primary,
                        const Observation& shadow, const compare::CompareOptions& options) {
  const std::optional<std::vector<size_t>> columns = KeyColumns(keys, primary);
  if (!columns || Elided(primary) || Elided(shadow) ||
      primary.columns.size() != shadow.columns.size()) {
    return OrderFinding::unknown;
  }
  const std::vector<RowView> ours = RowsOf(primary), theirs = RowsOf(shadow);
  if (ours.size() != theirs.size() || ours.empty() || !WholeRows(ours, primary.columns.size()) ||
      !WholeRows(theirs, primary.columns.size())) {
    return OrderFinding::differs;
  }
  std::vector<bool> keep_ours(ours.size(), true), keep_theirs(theirs.size(), true);
  KeepAwayFrom(ours, ours.back(), *columns, &keep_ours);
  KeepAwayFrom(theirs, ours.back(), *columns, &keep_theirs);
  if (offset) {
    KeepAwayFrom(ours, ours.front(), *columns, &keep_ours);
    KeepAwayFrom(theirs, ours.front(), *columns, &keep_theirs);
  }
  compare::CompareOptions unordered = options;
  unordered.ordered = false;
  return compare::Compare(Cut(primary, ours, keep_ours, {}), Cut(shadow, theirs, keep_theirs, {}),
                          unordered)
                 .equal()
             ? OrderFinding::ties
             : OrderFinding::differs;
}

bool CoversPrimaryKey(const std::vector<SortKey>& keys, const Observation& primary,
                      const CatalogTable& table) {
  const std::optional<std::vector<size_t>> columns = KeyColumns(keys, primary);
  if (!columns || table.primary_key.empty()) return false;
  return std::all_of(table.primary_key.begin(), table.primary_key.end(), [&](int16_t attribute) {
    return std::any_of(columns->begin(), columns->end(), [&](size_t column) {
      return primary.columns[column].table_oid == table.oid &&
             primary.columns[column].attribute == attribute;
    });
  });
}

}  // namespace pgparity::shadow
