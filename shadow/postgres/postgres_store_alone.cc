// Units that run with nothing else in flight: alone, outside a transaction, in parts.
#include "protocol/check.h"
#include "protocol/text.h"
#include "shadow/postgres/postgres_store.h"
#include "shadow/postgres/store_statements.h"
#include "shadow/postgres/transient.h"

namespace pgparity::shadow::postgres {

using protocol::StrCat;

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
  if (whole.changes_settings) lane_->ForgetSettings();
  return Finish(whole, {});
}

void PostgresStore::AbandonParts() {
  if (lane_ == nullptr) return;
  // In the middle of a COPY there is no way back but a new connection.
  if (copying_ == Copying::open || !lane_->Run("ROLLBACK").ok()) lane_.reset();
  if (lane_ != nullptr) lane_->ForgetSettings();
  copying_ = Copying::no;
}

}  // namespace pgparity::shadow::postgres
