#include "shadow/postgres/postgres_store.h"

#include <libpq-fe.h>

#include "absl/strings/numbers.h"
#include "protocol/check.h"
#include "protocol/text.h"
#include "shadow/postgres/snapshot_lane.h"
#include "shadow/postgres/transient.h"

namespace pgparity::shadow::postgres {

using protocol::StrCat;

namespace {

// Tags of a unit's commands in the pipeline; statements count up from kStatement.
enum Tag : uint64_t {
  kSettings,
  kSettingsSync,
  kBegin,
  kProgress,
  kFinish,
  kUnitSync,
  kSequence,
  kStatement = 16
};

constexpr char kUpdateProgress[] =
    "UPDATE pgparity.progress SET pos = CASE WHEN pos = $1::int8 THEN $2::int8 END, key = "
    "$3::int8, low = $4::int8"
    " WHERE stream = $5::text AND lane = 0";

std::string ErrorText(const compare::Observation& observation) {
  const compare::ErrorFields fields = compare::DecodeErrorFields(observation.error);
  return StrCat(fields.message, " (SQLSTATE ", fields.sqlstate, ")");
}

bool IsError(const compare::Observation& observation) {
  return observation.kind == compare::Observation::Kind::error;
}

// Moves a sequence up to a value and never back; setval is not undone by a rollback, as on the
// primary.
ShadowStatement SequenceStatement(const std::string& sequence, int64_t value) {
  ShadowStatement statement;
  statement.sql = StrCat("SELECT pg_catalog.setval($1::regclass, $2::int8) FROM ", sequence,
                         " WHERE last_value < $2::int8 OR NOT is_called");
  statement.values = {sequence, StrCat(value)};
  return statement;
}

CaptureLimits LimitsOf(const PlannedStatement& planned) {
  return {planned.capture_rows, planned.capture_bytes};
}

}  // namespace

absl::Status PostgresStore::Lost(absl::Status why) {
  lane_.reset();
  window_.clear();
  return why;
}

absl::StatusOr<Progress> ReadProgress(Lane* lane, const std::string& stream_id) {
  auto rows = lane->Query(
      "SELECT pos, key, low FROM pgparity.progress WHERE stream = $1 AND lane = 0", {stream_id});
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
  window_.clear();
  stream_id_ = stream_id;
  absl::StatusOr<std::unique_ptr<Lane>> lane =
      Lane::Connect(options_.conninfo + " application_name=pgparity", options_.connect_timeout);
  if (!lane.ok()) return lane.status();
  lane_ = *std::move(lane);
  absl::StatusOr<Progress> progress = PrepareProgress();
  if (!progress.ok()) return Lost(progress.status());
  if (absl::Status status = ReloadCatalog(); !status.ok()) return Lost(status);
  auto facts = lane_->Query(
      "SELECT current_user, (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = "
      "current_user),"
      " current_setting('server_version'), current_setting('max_connections'),"
      " (SELECT count(*) FROM pg_catalog.pg_stat_activity WHERE backend_type = 'client backend')");
  if (!facts.ok()) return Lost(facts.status());
  const auto& row = facts->front();
  description_ =
      StrCat("PostgreSQL ", row[2], " as role ", row[0],
             row[1] == "t" ? " (a SUPERUSER: replayed statements run with all privileges)" : "",
             ", ", row[4], " of ", row[3], " connections in use");
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
  auto catalog = Catalog::Load(lane_->connection());
  if (!catalog.ok()) return catalog.status();
  catalog_ = *std::move(catalog);
  return absl::OkStatus();
}

ShadowStatement PostgresStore::ProgressStatement(const PlannedUnit& unit) const {
  ShadowStatement statement;
  statement.sql = kUpdateProgress;
  statement.values = {StrCat(sent_.position), StrCat(unit.ref.position), StrCat(unit.ref.key),
                      StrCat(unit.low), stream_id_};
  return statement;
}

absl::Status PostgresStore::SendUnit(const PlannedUnit& unit) {
  if (absl::Status status =
          lane_->SendSettings(unit.unit->header.settings, kSettings, kSettingsSync).status();
      !status.ok()) {
    return status;
  }
  if (absl::Status status = lane_->Send("BEGIN", kBegin); !status.ok()) return status;
  if (unit.finish == PlannedUnit::Finish::commit) {
    if (absl::Status status = lane_->Send(ProgressStatement(unit), {}, kProgress); !status.ok())
      return status;
  }
  for (size_t i = 0; i < unit.statements.size(); ++i) {
    const PlannedStatement& planned = unit.statements[i];
    if (planned.action == PlannedStatement::Action::skip) continue;
    if (absl::Status status = lane_->Send(planned.shadow, LimitsOf(planned), kStatement + i);
        !status.ok()) {
      return status;
    }
    for (const auto& [sequence, value] : planned.shadow.sequences) {
      if (absl::Status status = lane_->Send(SequenceStatement(sequence, value), {}, kSequence);
          !status.ok()) {
        return status;
      }
    }
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
    unit.outcome = {
        .status = UnitOutcome::Status::not_attempted, .statements = {}, .commit_error = {}};
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
    unit.outcome = {
        .status = UnitOutcome::Status::not_attempted, .statements = {}, .commit_error = {}};
    done.push_back(std::move(unit));
  }
  if (absl::Status status = DrainBehindFailure(&done); !status.ok()) return Lost(status);
  return done;
}

absl::Status PostgresStore::Expect(std::string_view sql) {
  auto done = lane_->Run(sql);
  if (!done.ok()) return Lost(done.status());
  if (IsError(*done)) return absl::AbortedError(StrCat(sql, " on the shadow: ", ErrorText(*done)));
  return absl::OkStatus();
}

// What the conditional update of the progress row answered.
absl::Status PostgresStore::CheckMoved(const compare::Observation& moved) {
  if (IsError(moved)) {
    const bool not_null = compare::DecodeErrorFields(moved.error).sqlstate == "23502";
    return not_null ? ProgressMoved() : absl::AbortedError(ErrorText(moved));
  }
  if (moved.tag == "UPDATE 1") return absl::OkStatus();
  return absl::FailedPreconditionError(
      "the row of pgparity.progress on the shadow was removed while shadowing; copy the shadow "
      "anew");
}

absl::Status PostgresStore::Begin(const PlannedUnit& unit) {
  if (absl::Status status = lane_->ApplySettings(unit.unit->header.settings); !status.ok())
    return Lost(status);
  if (absl::Status status = Expect("BEGIN"); !status.ok()) return status;
  if (unit.finish != PlannedUnit::Finish::commit) return absl::OkStatus();
  auto moved = lane_->Run(ProgressStatement(unit), CaptureLimits{});
  if (!moved.ok()) return Lost(moved.status());
  return CheckMoved(*moved);
}

absl::Status PostgresStore::RunOne(const PlannedUnit& unit, const PlannedStatement& planned,
                                   bool guarded, UnitOutcome* outcome) {
  if (guarded) {
    if (absl::Status status = Expect("SAVEPOINT pgparity_statement"); !status.ok()) return status;
  }
  auto observed =
      planned.action == PlannedStatement::Action::copy_in
          ? lane_->CopyIn(planned.shadow.sql, unit.unit->statements[planned.index].copy_data)
          : lane_->Run(planned.shadow, LimitsOf(planned));
  if (!observed.ok()) return Lost(observed.status());
  const bool failed = IsError(*observed);
  if (failed && IsTransientError(compare::DecodeErrorFields(observed->error).sqlstate)) {
    return absl::AbortedError(ErrorText(*observed));
  }
  outcome->statements.push_back({planned.index, *std::move(observed)});
  if (guarded) {
    if (failed) {
      if (absl::Status status = Expect("ROLLBACK TO SAVEPOINT pgparity_statement"); !status.ok())
        return status;
    }
    if (absl::Status status = Expect("RELEASE SAVEPOINT pgparity_statement"); !status.ok())
      return status;
  }
  for (const auto& [sequence, value] : planned.shadow.sequences) {
    if (failed) break;
    auto moved = lane_->Run(SequenceStatement(sequence, value), CaptureLimits{});
    if (!moved.ok()) return Lost(moved.status());
  }
  return absl::OkStatus();
}

absl::StatusOr<UnitOutcome> PostgresStore::ApplyOutsideTransaction(const PlannedUnit& unit) {
  UnitOutcome outcome;
  if (absl::Status status = lane_->ApplySettings(unit.unit->header.settings); !status.ok())
    return Lost(status);
  for (const PlannedStatement& planned : unit.statements) {
    if (planned.action == PlannedStatement::Action::skip) continue;
    auto observed = lane_->Run(planned.shadow, LimitsOf(planned));
    if (!observed.ok()) return Lost(observed.status());
    outcome.statements.push_back({planned.index, *std::move(observed)});
  }
  if (absl::Status status = SaveProgress({unit.ref.key, unit.ref.position, unit.low}); !status.ok())
    return status;
  return outcome;
}

absl::StatusOr<UnitOutcome> PostgresStore::TryAlone(const PlannedUnit& unit, Guard guard,
                                                    bool* unexpected_error) {
  UnitOutcome outcome;
  absl::Status status = Begin(unit);
  for (const PlannedStatement& planned : unit.statements) {
    if (!status.ok() || *unexpected_error) break;
    if (planned.action == PlannedStatement::Action::skip) continue;
    if (planned.action == PlannedStatement::Action::control) {
      auto control = lane_->Run(planned.shadow, CaptureLimits{});
      if (!control.ok()) return Lost(control.status());
      continue;
    }
    const bool expected = IsError(unit.unit->statements[planned.index].primary);
    const bool guarded = guard == Guard::everything || expected;
    status = RunOne(unit, planned, guarded, &outcome);
    if (status.ok() && !guarded) *unexpected_error = IsError(outcome.statements.back().shadow);
  }
  if (lane_ == nullptr) return status;
  if (unit.changes_settings) lane_->ForgetSettings();
  if (status.ok() && !*unexpected_error) return Finish(unit, std::move(outcome));
  if (absl::Status back = lane_->Run("ROLLBACK").status(); !back.ok()) return Lost(back);
  if (!status.ok()) return status;
  return outcome;
}

absl::StatusOr<UnitOutcome> PostgresStore::Finish(const PlannedUnit& unit, UnitOutcome outcome) {
  const bool commit = unit.finish == PlannedUnit::Finish::commit;
  auto finished = lane_->Run(commit ? "COMMIT" : "ROLLBACK");
  if (!finished.ok()) return Lost(finished.status());
  if (IsError(*finished)) {
    if (IsTransientError(compare::DecodeErrorFields(finished->error).sqlstate)) {
      return absl::AbortedError(ErrorText(*finished));
    }
    outcome.status = UnitOutcome::Status::failed;
    outcome.commit_error = *std::move(finished);
    return outcome;
  }
  if (commit) sent_ = applied_ = {unit.ref.key, unit.ref.position, unit.low};
  if (unit.changes_catalog) lane_->ForgetPrepared();
  return outcome;
}

absl::StatusOr<UnitOutcome> PostgresStore::ApplyAlone(const PlannedUnit& unit) {
  PGPARITY_CHECK(window_.empty());
  if (lane_ == nullptr) return absl::UnavailableError("the shadow is not connected");
  if (unit.lane == PlannedUnit::Lane::outside_transaction) return ApplyOutsideTransaction(unit);
  bool unexpected_error = false;
  absl::StatusOr<UnitOutcome> outcome = TryAlone(unit, Guard::expected_errors, &unexpected_error);
  if (!outcome.ok() || !unexpected_error) return outcome;
  unexpected_error = false;
  return TryAlone(unit, Guard::everything, &unexpected_error);
}

absl::Status PostgresStore::BeginParts(const PlannedUnit& whole) {
  PGPARITY_CHECK(window_.empty());
  if (lane_ == nullptr) return absl::UnavailableError("the shadow is not connected");
  copying_ = Copying::no;
  copy_refusal_.reset();
  absl::Status status = Begin(whole);
  if (!status.ok()) AbandonParts();
  return status;
}

absl::Status PostgresStore::RunCopyPiece(const Statement& statement,
                                         const PlannedStatement& planned, UnitOutcome* outcome) {
  if (copying_ == Copying::no) {
    auto refused = lane_->CopyBegin(planned.shadow.sql);
    if (!refused.ok()) return Lost(refused.status());
    copying_ = refused->has_value() ? Copying::refused : Copying::open;
    copy_refusal_ = *std::move(refused);
  }
  if (copying_ == Copying::open) {
    if (absl::Status status = lane_->CopyPut(statement.copy_data); !status.ok())
      return Lost(status);
  }
  if (statement.copy_continues) return absl::OkStatus();
  if (copying_ == Copying::open) {
    auto ended = lane_->CopyEnd();
    if (!ended.ok()) return Lost(ended.status());
    copy_refusal_ = *std::move(ended);
  }
  copying_ = Copying::no;
  outcome->statements.push_back({planned.index, *std::move(copy_refusal_)});
  copy_refusal_.reset();
  return absl::OkStatus();
}

absl::StatusOr<UnitOutcome> PostgresStore::RunPart(const PlannedUnit& part) {
  if (lane_ == nullptr) return absl::UnavailableError("the shadow is not connected");
  UnitOutcome outcome;
  absl::Status status;
  for (const PlannedStatement& planned : part.statements) {
    if (!status.ok() || outcome.status == UnitOutcome::Status::failed) break;
    if (planned.action == PlannedStatement::Action::skip) continue;
    const Statement& statement = part.unit->statements[planned.index];
    if (planned.action == PlannedStatement::Action::control) {
      status = lane_->Run(planned.shadow, CaptureLimits{}).status();
      if (!status.ok()) Lost(status).IgnoreError();
      continue;
    }
    const bool expected = IsError(statement.primary);
    const size_t before = outcome.statements.size();
    status = planned.action == PlannedStatement::Action::copy_in
                 ? RunCopyPiece(statement, planned, &outcome)
                 : RunOne(part, planned, expected, &outcome);
    const bool failed =
        outcome.statements.size() > before && IsError(outcome.statements.back().shadow);
    if (failed && !expected) outcome.status = UnitOutcome::Status::failed;
  }
  if (!status.ok() || outcome.status == UnitOutcome::Status::failed) AbandonParts();
  if (!status.ok()) return status;
  return outcome;
}

absl::StatusOr<UnitOutcome> PostgresStore::FinishParts(const PlannedUnit& whole) {
  if (lane_ == nullptr) return absl::UnavailableError("the shadow is not connected");
  return Finish(whole, {});
}

void PostgresStore::AbandonParts() {
  if (lane_ == nullptr) return;
  // In the middle of a COPY there is no way back but a new connection.
  if (copying_ == Copying::open || !lane_->Run("ROLLBACK").ok()) lane_.reset();
  copying_ = Copying::no;
}

absl::Status PostgresStore::SaveProgress(const Progress& progress) {
  PGPARITY_CHECK(window_.empty());
  if (lane_ == nullptr) return absl::UnavailableError("the shadow is not connected");
  ShadowStatement statement;
  statement.sql = kUpdateProgress;
  statement.values = {StrCat(sent_.position), StrCat(progress.position), StrCat(progress.key),
                      StrCat(progress.low), stream_id_};
  auto moved = lane_->Run(statement, CaptureLimits{});
  if (!moved.ok()) return Lost(moved.status());
  if (absl::Status status = CheckMoved(*moved); !status.ok()) return status;
  sent_ = applied_ = progress;
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<SnapshotLane>> PostgresStore::OpenSnapshotLane() {
  return std::unique_ptr<SnapshotLane>(new PostgresSnapshotLane(
      options_.conninfo + " application_name=pgparity", options_.connect_timeout, stream_id_));
}

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
