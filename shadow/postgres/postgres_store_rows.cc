// Single rows by their keys, for settling and repair.
#include "protocol/check.h"
#include "protocol/text.h"
#include "shadow/postgres/postgres_store.h"
#include "shadow/postgres/store_statements.h"

namespace pgparity::shadow::postgres {

using protocol::StrCat;

absl::StatusOr<std::vector<compare::Observation>> PostgresStore::ReadRows(
    const std::vector<RowKey>& keys) {
  PGPARITY_CHECK(window_.empty());
  if (lane_ == nullptr) return absl::UnavailableError("the shadow is not connected");
  std::vector<compare::Observation> rows;
  for (const RowKey& key : keys) {
    ShadowStatement statement;
    statement.sql = StrCat("SELECT * FROM ", key.table, " WHERE true");
    for (const auto& [column, value] : key.columns) {
      statement.values.emplace_back(value);
      statement.sql += StrCat(" AND ", column, " = $", statement.values.size());
    }
    auto observed = lane_->Run(statement, CaptureLimits{});
    if (!observed.ok()) return Lost(observed.status());
    rows.push_back(*std::move(observed));
  }
  return rows;
}

absl::Status PostgresStore::WriteRow(
    const RowKey& key,
    const std::vector<std::pair<std::string, std::optional<std::string>>>& columns) {
  PGPARITY_CHECK(window_.empty());
  if (lane_ == nullptr) return absl::UnavailableError("the shadow is not connected");
  ShadowStatement remove, insert;
  remove.sql = StrCat("DELETE FROM ", key.table, " WHERE true");
  for (const auto& [column, value] : key.columns) {
    remove.values.emplace_back(value);
    remove.sql += StrCat(" AND ", column, " = $", remove.values.size());
  }
  std::string names, marks;
  for (const auto& [column, value] : columns) {
    insert.values.push_back(value);
    names += StrCat(names.empty() ? "" : ", ", column);
    marks += StrCat(marks.empty() ? "$" : ", $", insert.values.size());
  }
  insert.sql = StrCat("INSERT INTO ", key.table, " (", names, ") OVERRIDING SYSTEM VALUE VALUES (",
                      marks, ")");
  at_ = lane_.get();
  if (absl::Status status = Expect("BEGIN"); !status.ok()) return status;
  for (const ShadowStatement* statement : {&remove, &insert}) {
    if (statement == &insert && columns.empty()) continue;
    auto done = lane_->Run(*statement, CaptureLimits{});
    if (!done.ok()) return Lost(done.status());
    if (!IsError(*done)) continue;
    if (absl::Status back = Expect("ROLLBACK"); !back.ok()) return back;
    return absl::AbortedError(ErrorText(*done));
  }
  return Expect("COMMIT");
}

}  // namespace pgparity::shadow::postgres
