// Single rows by their keys, for settling and repair.
#include "protocol/check.h"
#include "protocol/text.h"
#include "shadow/postgres/postgres_store.h"
#include "shadow/postgres/store_statements.h"

namespace pgparity::shadow::postgres {

using protocol::StrCat;

namespace {

constexpr CaptureLimits kNoLimit{UINT64_MAX, UINT64_MAX};

std::string WhereKey(const RowSelection& table, const KeyText& key, ShadowStatement* statement) {
  std::string where;
  for (size_t i = 0; i < table.key.size(); ++i) {
    statement->values.emplace_back(key[i]);
    where += StrCat(i == 0 ? " WHERE " : " AND ", table.key[i].name, " = $",
                    statement->values.size(), "::", table.key[i].type);
  }
  return where;
}

ShadowStatement WriteStatement(const RowSelection& table, const RowWrite& row) {
  ShadowStatement statement;
  if (!row.values) {
    statement.sql = StrCat("DELETE FROM ", table.table);
    statement.sql += WhereKey(table, row.key, &statement);
    return statement;
  }
  std::string names, marks;
  for (size_t i = 0; i < table.columns.size(); ++i) {
    statement.values.push_back((*row.values)[i]);
    names += StrCat(i == 0 ? "" : ", ", table.columns[i]);
    marks += StrCat(i == 0 ? "$" : ", $", i + 1);
  }
  statement.sql = StrCat("INSERT INTO ", table.table, " (", names,
                         ") OVERRIDING SYSTEM VALUE VALUES (", marks, ")");
  return statement;
}

}  // namespace

absl::StatusOr<compare::Observation> PostgresStore::ReadRows(const RowSelection& selection) {
  PGPARITY_CHECK(window_.empty());
  if (lane_ == nullptr) return absl::UnavailableError("the shadow is not connected");
  if (absl::Status status = lane_->ApplySettings(RowTextSettings()); !status.ok())
    return Lost(status);
  auto observed = lane_->Run(SelectRows(selection), kNoLimit);
  if (!observed.ok()) return Lost(observed.status());
  return observed;
}

// Code that makes its own SQL runs in units alone, which are looked at before their commit.
absl::Status PostgresStore::CheckCodeOf(const std::vector<ShadowStatement>& statements) const {
  for (const ShadowStatement& statement : statements) {
    const CodeFinding finding = catalog_->code().Reached(statement.sql, false);
    if (!finding.reason.empty() || finding.opaque)
      return absl::AbortedError("the table's triggers, checks or defaults may run any SQL");
  }
  return absl::OkStatus();
}

// Rows that are there go first, so that a unique value can move from one row to another.
absl::Status PostgresStore::WriteRows(const RowSelection& table,
                                      const std::vector<RowWrite>& rows) {
  PGPARITY_CHECK(window_.empty());
  if (lane_ == nullptr) return absl::UnavailableError("the shadow is not connected");
  std::vector<ShadowStatement> statements;
  for (const RowWrite& row : rows)
    if (row.exists) statements.push_back(WriteStatement(table, {row.key, true, std::nullopt}));
  for (const RowWrite& row : rows)
    if (row.values) statements.push_back(WriteStatement(table, row));
  if (absl::Status status = CheckCodeOf(statements); !status.ok()) return status;
  if (absl::Status status = lane_->ApplySettings(RowTextSettings()); !status.ok())
    return Lost(status);
  at_ = lane_.get();
  if (absl::Status status = Expect("BEGIN"); !status.ok()) return status;
  // Without the right to it triggers fire and foreign keys are checked; the next reading tells.
  for (const char* sql : {"SAVEPOINT pgparity", "SET LOCAL session_replication_role = replica",
                          "ROLLBACK TO SAVEPOINT pgparity"}) {
    auto done = lane_->Run(sql);
    if (!done.ok()) return Lost(done.status());
    if (std::string_view(sql).starts_with("SET") && !IsError(*done)) break;
  }
  for (const ShadowStatement& statement : statements) {
    auto done = lane_->Run(statement, kNoLimit);
    if (!done.ok()) return Lost(done.status());
    if (!IsError(*done)) continue;
    if (absl::Status back = Expect("ROLLBACK"); !back.ok()) return back;
    return absl::AbortedError(ErrorText(*done));
  }
  return Expect("COMMIT");
}

}  // namespace pgparity::shadow::postgres
