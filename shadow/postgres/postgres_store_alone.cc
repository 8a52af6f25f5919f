// Units that run with nothing else in flight: alone, outside a transaction, in parts.
#include "protocol/check.h"
#include "protocol/text.h"
#include "shadow/postgres/postgres_store.h"
#include "shadow/postgres/store_statements.h"
#include "shadow/postgres/transient.h"

namespace pgparity::shadow::postgres {

using protocol::StrCat;

namespace {

// The progress of a connection of another role.
constexpr char kCallAdvance[] =
    "SELECT CASE WHEN CURRENT_USER OPERATOR(pg_catalog.=) $6::pg_catalog.name"
    " AND SESSION_USER OPERATOR(pg_catalog.=) $7::pg_catalog.name THEN pgparity.advance("
    "$1::pg_catalog.int8, $2::pg_catalog.int8, $3::pg_catalog.int8, $4::pg_catalog.int8,"
    " $5::pg_catalog.text) END";

}  // namespace

absl::Status PostgresStore::Expect(std::string_view sql) {
  auto done = at_->Run(sql);
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

absl::StatusOr<compare::Observation> PostgresStore::MoveProgress(const PlannedUnit& unit) {
  ShadowStatement statement = ProgressStatement(unit);
  if (unit.connection == 0) return lane_->Run(statement, CaptureLimits{});
  const RoleFacts& facts = role_lanes_[unit.connection].facts;
  statement.sql = kCallAdvance;
  statement.values[5] = facts.current;
  statement.values[6] = facts.session;
  auto moved = at_->Run(statement, CaptureLimits{});
  if (!moved.ok() || IsError(*moved)) return moved;
  compare::RowReader rows(moved->rows);
  compare::RowView row;
  const bool one = rows.Next(&row) && row.size() == 1;
  if (one && !row[0].has_value()) return ProgressMoved();
  moved->tag = one && *row[0] == "1" ? "UPDATE 1" : "UPDATE 0";
  return moved;
}

absl::Status PostgresStore::Become(size_t role) {
  if (options_.roles.empty() || role_ == role) return absl::OkStatus();
  role_ = role;
  const std::string sql = SetLocalRole(options_.roles, role);
  auto done = at_->Run(sql);
  if (!done.ok()) return Lost(done.status());
  if (!IsError(*done)) return absl::OkStatus();
  return Lost(absl::FailedPreconditionError(StrCat(sql, " on the shadow: ", ErrorText(*done))));
}

absl::Status PostgresStore::Begin(const PlannedUnit& unit) {
  at_ = LaneOf(unit.connection);
  role_ = unit.connection;
  if (absl::Status status = at_->ApplySettings(unit.settings()); !status.ok()) return Lost(status);
  if (absl::Status status = Expect("BEGIN"); !status.ok()) return status;
  if (unit.finish != PlannedUnit::Finish::commit) return absl::OkStatus();
  auto moved = MoveProgress(unit);
  if (!moved.ok()) return Lost(moved.status());
  return CheckMoved(*moved);
}

absl::Status PostgresStore::RunOne(const PlannedUnit& unit, const PlannedStatement& planned,
                                   bool guarded, UnitOutcome* outcome) {
  if (absl::Status status = Become(planned.role); !status.ok()) return status;
  if (guarded) {
    if (absl::Status status = Expect("SAVEPOINT pgparity_statement"); !status.ok()) return status;
  }
  auto observed =
      planned.action == PlannedStatement::Action::copy_in
          ? at_->CopyIn(planned.shadow.sql, unit.unit->statements[planned.index].copy_data)
          : at_->Run(planned.shadow, LimitsOf(planned));
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
    // As the shadow URL's role, on its own connection: setval() is in no transaction.
    if (unit.connection == 0) {
      if (absl::Status status = Become(0); !status.ok()) return status;
    }
    auto moved = lane_->Run(SequenceStatement(sequence, value), CaptureLimits{});
    if (!moved.ok()) return Lost(moved.status());
  }
  return absl::OkStatus();
}

// A statement that refuses a transaction block, as the role of the session.
absl::StatusOr<compare::Observation> PostgresStore::RunOutside(const PlannedStatement& planned) {
  const ShadowRole& role = options_.roles.roles()[planned.role];
  const bool becomes = role.kind == ShadowRole::Kind::set_role;
  if (becomes) {
    if (absl::Status status = Expect(StrCat("SET ROLE ", QuoteRole(role.name))); !status.ok())
      return Lost(status);
  }
  auto observed = at_->Run(planned.shadow, LimitsOf(planned));
  if (!observed.ok()) return Lost(observed.status());
  if (becomes) {
    if (absl::Status status = Expect("RESET ROLE"); !status.ok()) return Lost(status);
  }
  return observed;
}

absl::StatusOr<UnitOutcome> PostgresStore::ApplyOutsideTransaction(const PlannedUnit& unit) {
  UnitOutcome outcome;
  at_ = LaneOf(unit.connection);
  if (absl::Status status = at_->ApplySettings(unit.settings()); !status.ok()) return Lost(status);
  for (const PlannedStatement& planned : unit.statements) {
    if (planned.action == PlannedStatement::Action::skip) continue;
    auto observed = RunOutside(planned);
    if (!observed.ok()) return observed.status();
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
      auto control = at_->Run(planned.shadow, CaptureLimits{});
      if (!control.ok()) return Lost(control.status());
      role_.reset();
      continue;
    }
    const bool expected = IsError(unit.unit->statements[planned.index].primary);
    const bool guarded = guard == Guard::everything || expected;
    status = RunOne(unit, planned, guarded, &outcome);
    if (status.ok() && !guarded) *unexpected_error = IsError(outcome.statements.back().shadow);
  }
  if (lane_ == nullptr) return status;
  if (unit.changes_settings) at_->ForgetSettings();
  if (status.ok() && !*unexpected_error) return Finish(unit, std::move(outcome));
  if (absl::Status back = at_->Run("ROLLBACK").status(); !back.ok()) return Lost(back);
  if (!status.ok()) return status;
  return outcome;
}

absl::StatusOr<UnitOutcome> PostgresStore::Finish(const PlannedUnit& unit, UnitOutcome outcome) {
  const bool commit = unit.finish == PlannedUnit::Finish::commit;
  if (commit && unit.opaque_code) {
    auto escaped = LookForEscape(unit);
    if (!escaped.ok()) return Lost(escaped.status());
    if (!escaped->empty()) return Undo(*std::move(escaped));
  }
  auto finished = at_->Run(commit ? "COMMIT" : "ROLLBACK");
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
  if (unit.changes_catalog) {
    lane_->ForgetPrepared();
    for (RoleLane& role : role_lanes_) {
      if (role.lane != nullptr) role.lane->ForgetPrepared();
    }
  }
  return outcome;
}

absl::StatusOr<std::string> PostgresStore::LookForEscape(const PlannedUnit& unit) {
  const OwnRow row{stream_id_, unit.ref.position};
  return unit.connection == 0 ? FindEscape(at_, facts_, &row)
                              : FindEscape(at_, role_lanes_[unit.connection].facts, nullptr);
}

absl::StatusOr<UnitOutcome> PostgresStore::Undo(std::string escaped) {
  if (absl::Status status = Expect("ROLLBACK"); !status.ok()) return Lost(status);
  at_->ForgetSettings();
  UnitOutcome outcome;
  outcome.status = UnitOutcome::Status::failed;
  outcome.escaped = std::move(escaped);
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
    if (absl::Status status = Become(planned.role); !status.ok()) return status;
    auto refused = at_->CopyBegin(planned.shadow.sql);
    if (!refused.ok()) return Lost(refused.status());
    copying_ = refused->has_value() ? Copying::refused : Copying::open;
    copy_refusal_ = *std::move(refused);
  }
  if (copying_ == Copying::open) {
    if (absl::Status status = at_->CopyPut(statement.copy_data); !status.ok()) return Lost(status);
  }
  if (statement.copy_continues) return absl::OkStatus();
  if (copying_ == Copying::open) {
    auto ended = at_->CopyEnd();
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
      status = at_->Run(planned.shadow, CaptureLimits{}).status();
      role_.reset();
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
  if (whole.changes_settings && at_ != nullptr) at_->ForgetSettings();
  return Finish(whole, {});
}

void PostgresStore::AbandonParts() {
  if (lane_ == nullptr) return;
  // In the middle of a COPY there is no way back but a new connection.
  if (copying_ == Copying::open || at_ == nullptr || !at_->Run("ROLLBACK").ok())
    Lost(absl::OkStatus()).IgnoreError();
  if (at_ != nullptr) at_->ForgetSettings();
  copying_ = Copying::no;
}

}  // namespace pgparity::shadow::postgres
