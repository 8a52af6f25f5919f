#include "shadow/postgres/own_connection.h"

#include <algorithm>

#include "absl/strings/numbers.h"
#include "protocol/text.h"

namespace pgparity::shadow::postgres {

using protocol::StrCat;

absl::Status OwnConnection::EnsureConnected() {
  if (lane_ != nullptr) return absl::OkStatus();
  auto lane = Lane::Connect(conninfo_ + " application_name=pgparity", connect_timeout_);
  if (!lane.ok()) return lane.status();
  lane_ = *std::move(lane);
  in_snapshot_ = false;
  return absl::OkStatus();
}

absl::StatusOr<std::shared_ptr<const Catalog>> OwnConnection::LoadCatalog() {
  MutexLock lock(&mutex_);
  if (turn_ == nullptr) return LoadNow();
  MutexLock turn(turn_);
  auto catalog = LoadNow();
  lane_.reset();
  return catalog;
}

absl::StatusOr<std::shared_ptr<const Catalog>> OwnConnection::LoadNow() {
  if (in_snapshot_) return absl::FailedPreconditionError("the tables are being counted");
  if (absl::Status status = EnsureConnected(); !status.ok()) return status;
  auto catalog = Catalog::Load(lane_->connection());
  if (!catalog.ok()) lane_.reset();
  return catalog;
}

absl::StatusOr<compare::Observation> OwnConnection::ReadRows(const RowSelection& selection) {
  MutexLock lock(&mutex_);
  if (turn_ == nullptr) return ReadRowsNow(selection);
  MutexLock turn(turn_);
  auto rows = ReadRowsNow(selection);
  lane_.reset();
  return rows;
}

absl::StatusOr<compare::Observation> OwnConnection::ReadRowsNow(const RowSelection& selection) {
  if (in_snapshot_) return absl::UnavailableError("the tables are being counted");
  if (absl::Status status = EnsureConnected(); !status.ok()) return status;
  if (absl::Status status = lane_->ApplySettings(RowTextSettings()); !status.ok()) {
    lane_.reset();
    return status;
  }
  auto rows = lane_->Run(SelectRows(selection), CaptureLimits{UINT64_MAX, UINT64_MAX});
  if (!rows.ok()) lane_.reset();
  return rows;
}

absl::StatusOr<std::string> OwnConnection::Database() {
  MutexLock lock(&mutex_);
  if (absl::Status status = EnsureConnected(); !status.ok()) return status;
  auto rows = lane_->Query("SELECT current_database()");
  if (!rows.ok()) return rows.status();
  return rows->front().front();
}

absl::StatusOr<bool> OwnConnection::HasDatabase(const std::string& name) {
  MutexLock lock(&mutex_);
  if (absl::Status status = EnsureConnected(); !status.ok()) return status;
  // Names are bytes of any encoding.
  if (auto set = lane_->Run("SET client_encoding = 'SQL_ASCII'"); !set.ok()) return set.status();
  auto rows = lane_->Query("SELECT datname FROM pg_catalog.pg_database");
  lane_.reset();
  if (!rows.ok()) return rows.status();
  return std::any_of(rows->begin(), rows->end(),
                     [&name](const auto& row) { return row.front() == name; });
}

absl::StatusOr<std::vector<std::string>> OwnConnection::Databases() {
  MutexLock lock(&mutex_);
  if (absl::Status status = EnsureConnected(); !status.ok()) return status;
  auto rows = lane_->Query(
      "SELECT datname FROM pg_catalog.pg_database WHERE datallowconn AND NOT datistemplate"
      " AND pg_catalog.has_database_privilege(oid, 'CONNECT') ORDER BY datname");
  if (!rows.ok()) return rows.status();
  std::vector<std::string> names;
  for (auto& row : *rows) names.push_back(std::move(row.front()));
  return names;
}

absl::Status OwnConnection::BeginCountSnapshot() {
  MutexLock lock(&mutex_);
  if (absl::Status status = EnsureConnected(); !status.ok()) return status;
  for (const char* sql : {"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
                          "SELECT pg_catalog.pg_current_snapshot()"}) {
    auto rows = lane_->Query(sql);
    if (!rows.ok()) {
      lane_.reset();
      return rows.status();
    }
  }
  in_snapshot_ = true;
  return absl::OkStatus();
}

absl::StatusOr<RowCounts> OwnConnection::CountRows(absl::Duration timeout) {
  MutexLock lock(&mutex_);
  if (!in_snapshot_ || lane_ == nullptr)
    return absl::FailedPreconditionError("no snapshot to count in");
  in_snapshot_ = false;
  const absl::Time deadline = absl::Now() + timeout;
  RowCounts counts;
  auto tables = lane_->Query(
      "SELECT n.nspname || '.' || c.relname, pg_catalog.format('%I.%I', n.nspname, c.relname)"
      " FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
      " WHERE c.relkind = 'r' AND c.relpersistence <> 't' AND n.nspname NOT IN ('pg_catalog', "
      "'information_schema', 'pgparity')"
      " AND n.nspname NOT LIKE 'pg\\_toast%' AND pg_catalog.has_table_privilege(c.oid, 'SELECT') "
      "ORDER BY 1");
  absl::Status status = tables.status();
  for (size_t i = 0; status.ok() && i < tables->size(); ++i) {
    const int64_t left = std::max<int64_t>(1, absl::ToInt64Milliseconds(deadline - absl::Now()));
    status = lane_->Query(StrCat("SET LOCAL statement_timeout = ", left)).status();
    if (!status.ok()) break;
    auto rows = lane_->Query(StrCat("SELECT pg_catalog.count(*) FROM ONLY ", (*tables)[i][1]));
    status = rows.status();
    if (rows.ok() && !absl::SimpleAtoi(rows->front().front(), &counts[(*tables)[i][0]])) {
      status = absl::InternalError("count(*) gave no number");
    }
  }
  if (!lane_->Run("ROLLBACK").ok() || !status.ok() || turn_ != nullptr) lane_.reset();
  if (!status.ok()) return status;
  return counts;
}

std::vector<std::string> UnequalTables(const RowCounts& primary, const RowCounts& shadow) {
  std::vector<std::string> lines;
  for (const auto& [table, count] : primary) {
    auto other = shadow.find(table);
    if (other == shadow.end()) {
      lines.push_back(
          StrCat(table, ": ", count,
                 " rows on the primary, no such table (or not readable) on the shadow"));
    } else if (other->second != count) {
      lines.push_back(
          StrCat(table, ": ", count, " rows on the primary, ", other->second, " on the shadow"));
    }
  }
  for (const auto& [table, count] : shadow) {
    if (primary.count(table) == 0)
      lines.push_back(StrCat(table, ": on the shadow alone (", count, " rows)"));
  }
  return lines;
}

}  // namespace pgparity::shadow::postgres
