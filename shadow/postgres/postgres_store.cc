#include "shadow/postgres/postgres_store.h"

#include <libpq-fe.h>

#include "absl/strings/numbers.h"
#include "protocol/check.h"
#include "protocol/text.h"
#include "shadow/postgres/snapshot_lane.h"
#include "shadow/postgres/store_statements.h"

namespace pgparity::shadow::postgres {

using protocol::StrCat;

namespace {

// Everything is qualified: a client's search_path may be in force. Whatever role the connection may
// have become, only the one that logged in moves the progress.
constexpr char kUpdateProgress[] =
    "UPDATE pgparity.progress SET pos = CASE WHEN pos OPERATOR(pg_catalog.=) $1::pg_catalog.int8"
    " AND CURRENT_USER OPERATOR(pg_catalog.=) $6::pg_catalog.name"
    " AND SESSION_USER OPERATOR(pg_catalog.=) $7::pg_catalog.name"
    " THEN $2::pg_catalog.int8 END, key = $3::pg_catalog.int8, low = $4::pg_catalog.int8"
    " WHERE stream OPERATOR(pg_catalog.=) $5::pg_catalog.text AND lane OPERATOR(pg_catalog.=) 0";

}  // namespace

absl::Status PostgresStore::Lost(absl::Status why) {
  lane_.reset();
  role_lanes_.clear();
  at_ = nullptr;
  window_.clear();
  return why;
}

absl::StatusOr<Progress> ReadProgress(Lane* lane, const std::string& stream_id) {
  auto rows = lane->Query(
      "SELECT pos, key, low FROM pgparity.progress WHERE stream OPERATOR(pg_catalog.=) "
      "$1::pg_catalog.text AND lane OPERATOR(pg_catalog.=) 0",
      {stream_id});
  if (!rows.ok()) return rows.status();
  Progress progress;
  if (rows->size() != 1 || rows->front().size() != 3 ||
      !absl::SimpleAtoi(rows->front()[0], &progress.position) ||
      !absl::SimpleAtoi(rows->front()[1], &progress.key) ||
      !absl::SimpleAtoi(rows->front()[2], &progress.low)) {
    return absl::FailedPreconditionError(
        "the shadow's pgparity.progress row of this data directory is missing: what the shadow "
        "holds is not known; "
        "copy the shadow anew and start with an empty data directory");
  }
  return progress;
}

absl::StatusOr<Progress> PostgresStore::PrepareProgress() {
  for (const char* sql : {
           "CREATE SCHEMA IF NOT EXISTS pgparity",
           "CREATE TABLE IF NOT EXISTS pgparity.progress (stream text NOT NULL, lane int NOT NULL, "
           "pos int8 NOT NULL,"
           " key int8 NOT NULL, low int8 NOT NULL, PRIMARY KEY (stream, lane)) WITH (fillfactor = "
           "10)",
       }) {
    // Only if it is not there: a role without CREATE may be given the table by its owner.
    auto present = lane_->Query("SELECT pg_catalog.to_regclass('pgparity.progress') IS NOT NULL");
    if (!present.ok()) return present.status();
    if (present->front().front() == "t") break;
    auto made = lane_->Run(sql);
    if (!made.ok()) return made.status();
    if (IsError(*made)) {
      return absl::PermissionDeniedError(
          StrCat("cannot make the table pgparity.progress on the shadow: ", ErrorText(*made),
                 "; grant the role CREATE on the database"));
    }
  }
  auto row = lane_->Query(
      "INSERT INTO pgparity.progress VALUES ($1, 0, 0, 0, 0) ON CONFLICT (stream, lane) DO NOTHING "
      "RETURNING pos",
      {stream_id_});
  if (!row.ok()) return row.status();
  return ReadProgress(lane_.get(), stream_id_);
}

absl::StatusOr<Progress> PostgresStore::Connect(const std::string& stream_id) {
  lane_.reset();
  role_lanes_.clear();
  at_ = nullptr;
  window_.clear();
  stream_id_ = stream_id;
  absl::StatusOr<std::unique_ptr<Lane>> lane =
      Lane::Connect(options_.conninfo + " application_name=pgparity", options_.connect_timeout);
  if (!lane.ok()) return lane.status();
  lane_ = *std::move(lane);
  absl::StatusOr<Progress> progress = PrepareProgress();
  if (!progress.ok()) return Lost(progress.status());
  if (absl::Status status = ConnectRoles(); !status.ok()) return Lost(status);
  if (absl::Status status = ReloadCatalog(); !status.ok()) return Lost(status);
  auto facts = lane_->Query(
      "SELECT current_setting('server_version'), current_setting('max_connections'),"
      " (SELECT count(*) FROM pg_catalog.pg_stat_activity WHERE backend_type = 'client backend')");
  if (!facts.ok()) return Lost(facts.status());
  const auto& row = facts->front();
  description_ = StrCat(
      "PostgreSQL ", row[0], " as role ", facts_.current,
      facts_.superuser
          ? " (a SUPERUSER: replayed statements run with all privileges, and code that makes "
            "its own SQL is left out as a gap)"
          : "",
      ", ", row[2], " of ", row[1], " connections in use");
  sent_ = applied_ = *progress;
  return *progress;
}

absl::Status PostgresStore::ProgressMoved() {
  return Lost(absl::UnavailableError(
      "an earlier connection's units were still being applied; reading the progress anew"));
}

absl::Status PostgresStore::ReloadCatalog() {
  PGPARITY_CHECK(window_.empty());
  if (lane_ == nullptr) return absl::UnavailableError("the shadow is not connected");
  // Catalog::Load talks to libpq itself, outside the pipeline.
  auto left = lane_->Run("SELECT 1");
  if (!left.ok()) return Lost(left.status());
  auto catalog = Catalog::Load(lane_->connection(), true);
  if (!catalog.ok()) return catalog.status();
  catalog_ = *std::move(catalog);
  return absl::OkStatus();
}

ShadowStatement PostgresStore::ProgressStatement(const PlannedUnit& unit) const {
  ShadowStatement statement;
  statement.sql = kUpdateProgress;
  statement.values = {StrCat(sent_.position),
                      StrCat(unit.ref.position),
                      StrCat(unit.ref.key),
                      StrCat(unit.low),
                      stream_id_,
                      facts_.current,
                      facts_.session};
  return statement;
}

absl::Status PostgresStore::SendStatement(const PlannedStatement& planned, size_t i,
                                          std::optional<size_t>* role) {
  if (planned.action == PlannedStatement::Action::control) {
    role->reset();
  } else if (absl::Status status = SendRole(planned.role, role); !status.ok()) {
    return status;
  }
  if (absl::Status status = lane_->Send(planned.shadow, LimitsOf(planned), kStatement + i);
      !status.ok()) {
    return status;
  }
  for (const auto& [sequence, value] : planned.shadow.sequences) {
    absl::Status status = SendRole(0, role);
    if (status.ok()) status = lane_->Send(SequenceStatement(sequence, value), {}, kSequence);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status PostgresStore::SendUnit(const PlannedUnit& unit) {
  if (absl::Status status = lane_->SendSettings(unit.settings(), kSettings, kSettingsSync).status();
      !status.ok()) {
    return status;
  }
  if (absl::Status status = lane_->Send("BEGIN", kBegin); !status.ok()) return status;
  if (unit.finish == PlannedUnit::Finish::commit) {
    if (absl::Status status = lane_->Send(ProgressStatement(unit), {}, kProgress); !status.ok())
      return status;
  }
  std::optional<size_t> role = 0;
  for (size_t i = 0; i < unit.statements.size(); ++i) {
    if (unit.statements[i].action == PlannedStatement::Action::skip) continue;
    if (absl::Status status = SendStatement(unit.statements[i], i, &role); !status.ok())
      return status;
  }
  const bool commit = unit.finish == PlannedUnit::Finish::commit;
  if (absl::Status status = lane_->Send(commit ? "COMMIT" : "ROLLBACK", kFinish); !status.ok())
    return status;
  return lane_->Sync(kUnitSync);
}

absl::Status PostgresStore::Submit(std::shared_ptr<const PlannedUnit> unit) {
  if (lane_ == nullptr) return absl::UnavailableError("the shadow is not connected");
  if (absl::Status status = SendUnit(*unit); !status.ok()) return Lost(status);
  if (unit->changes_settings) lane_->ForgetSettings();
  if (unit->finish == PlannedUnit::Finish::commit) {
    sent_ = {unit->ref.key, unit->ref.position, unit->low};
  }
  window_.push_back({std::move(unit), {}, false});
  return absl::OkStatus();
}

absl::Status PostgresStore::Note(Response response, std::vector<Collected>* done) {
  PGPARITY_CHECK(!window_.empty());
  InFlight& oldest = window_.front();
  if (response.kind == Response::Kind::sync) {
    if (response.tag != kUnitSync) return absl::OkStatus();
    oldest.outcome.status =
        oldest.refused ? UnitOutcome::Status::failed : UnitOutcome::Status::applied;
    if (oldest.refused) oldest.outcome.statements.clear();
    if (!oldest.refused && oldest.unit->finish == PlannedUnit::Finish::commit) {
      applied_ = {oldest.unit->ref.key, oldest.unit->ref.position, oldest.unit->low};
    }
    done->push_back({std::move(oldest.unit), std::move(oldest.outcome)});
    window_.pop_front();
    return absl::OkStatus();
  }
  if (response.aborted || IsError(response.observation)) oldest.refused = true;
  if (response.tag == kProgress && !oldest.refused && response.observation.tag != "UPDATE 1") {
    return absl::FailedPreconditionError(
        "the row of pgparity.progress on the shadow was removed while shadowing; copy the shadow "
        "anew");
  }
  if (response.tag >= kStatement && !oldest.refused) {
    const PlannedStatement& planned = oldest.unit->statements[response.tag - kStatement];
    oldest.outcome.statements.push_back({planned.index, std::move(response.observation)});
  }
  return absl::OkStatus();
}

absl::Status PostgresStore::DrainBehindFailure(std::vector<Collected>* done) {
  std::vector<Collected> behind;
  while (!window_.empty()) {
    auto responses = lane_->Receive(absl::Minutes(10));
    if (!responses.ok()) return responses.status();
    if (responses->empty())
      return absl::UnavailableError("the shadow did not answer for ten minutes");
    for (Response& response : *responses) {
      if (absl::Status status = Note(std::move(response), &behind); !status.ok()) return status;
    }
  }
  for (Collected& unit : behind) {
    unit.outcome = {.status = UnitOutcome::Status::not_attempted,
                    .statements = {},
                    .commit_error = {},
                    .escaped = {}};
    done->push_back(std::move(unit));
  }
  if (absl::Status status = lane_->Run("ROLLBACK").status(); !status.ok()) return status;
  lane_->ForgetPrepared();
  lane_->ForgetSettings();
  auto progress = ReadProgress(lane_.get(), stream_id_);
  if (!progress.ok()) return progress.status();
  if (progress->position != applied_.position) return ProgressMoved();
  sent_ = applied_;
  return absl::OkStatus();
}

absl::StatusOr<std::vector<Collected>> PostgresStore::Collect(absl::Duration timeout) {
  std::vector<Collected> done;
  if (window_.empty()) return done;
  if (lane_ == nullptr) return absl::UnavailableError("the shadow is not connected");
  auto responses = lane_->Receive(timeout);
  if (!responses.ok()) return Lost(responses.status());
  bool failed = false;
  std::vector<Collected> behind;
  for (Response& response : *responses) {
    std::vector<Collected>* into = failed ? &behind : &done;
    if (absl::Status status = Note(std::move(response), into); !status.ok()) return Lost(status);
    failed = failed || (!done.empty() && done.back().outcome.status == UnitOutcome::Status::failed);
  }
  if (!failed) return done;
  for (Collected& unit : behind) {
    unit.outcome = {.status = UnitOutcome::Status::not_attempted,
                    .statements = {},
                    .commit_error = {},
                    .escaped = {}};
    done.push_back(std::move(unit));
  }
  if (absl::Status status = DrainBehindFailure(&done); !status.ok()) return Lost(status);
  return done;
}

absl::Status PostgresStore::SaveProgress(const Progress& progress) {
  PGPARITY_CHECK(window_.empty());
  if (lane_ == nullptr) return absl::UnavailableError("the shadow is not connected");
  ShadowStatement statement;
  statement.sql = kUpdateProgress;
  statement.values = {StrCat(sent_.position),
                      StrCat(progress.position),
                      StrCat(progress.key),
                      StrCat(progress.low),
                      stream_id_,
                      facts_.current,
                      facts_.session};
  auto moved = lane_->Run(statement, CaptureLimits{});
  if (!moved.ok()) return Lost(moved.status());
  if (absl::Status status = CheckMoved(*moved); !status.ok()) return status;
  sent_ = applied_ = progress;
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<SnapshotLane>> PostgresStore::OpenSnapshotLane() {
  return std::unique_ptr<SnapshotLane>(
      new PostgresSnapshotLane(options_.conninfo + " application_name=pgparity",
                               options_.connect_timeout, stream_id_, options_.roles));
}

}  // namespace pgparity::shadow::postgres
