// The applier's work on units: from the sequencer to the store or the readers, and their outcomes
// to the judge.
#include <algorithm>

#include "absl/time/clock.h"
#include "protocol/text.h"
#include "shadow/applier.h"

namespace pgparity::shadow {

using protocol::StrCat;

namespace {

constexpr absl::Duration kFirstBackoff = absl::Milliseconds(100);
constexpr absl::Duration kLastBackoff = absl::Seconds(5);
// Units taken before the applier looks up: reads never fill the window.
constexpr int kRound = 128;
// How finely in stamps (nanoseconds) the applier remembers what was settled when.
constexpr Stamp kSettlementStep = 50'000'000;
// Units planned ahead of their turn, and their bytes in the journal.
constexpr size_t kAhead = 1000;
constexpr uint64_t kAheadBytes = 64 << 20;
// How long (nanoseconds) a write waits for what overlaps it to be known.
constexpr Stamp kPatience = 200'000'000;

}  // namespace

absl::StatusOr<std::optional<Plan>> Applier::NextPlan() {
  if (!again_.empty()) {
    Plan plan = std::move(again_.front());
    again_.pop_front();
    if (first_of_again_alone_) plan.unit->lane = PlannedUnit::Lane::alone;
    first_of_again_alone_ = false;
    return std::optional<Plan>(std::move(plan));
  }
  if (absl::Status status = LookAhead(); !status.ok()) return status;
  if (ahead_.empty()) return std::optional<Plan>();
  if (!MayGo(ahead_.front())) return std::optional<Plan>();
  Plan plan = std::move(ahead_.front());
  ahead_.pop_front();
  ahead_bytes_ -= plan.unit->ref.bytes;
  handed_on_ = {plan.unit->ref.key, plan.unit->ref.position, plan.unit->low};
  dispatched_ = plan.turn;
  TakePassed();
  return std::optional<Plan>(std::move(plan));
}

// What overlaps a write is known once everything sent before its end has been answered. A request
// that takes long is not waited for.
bool Applier::MayGo(const Plan& plan) const {
  if (plan.unit->lane == PlannedUnit::Lane::snapshot ||
      plan.unit->lane == PlannedUnit::Lane::nothing || stop_) {
    return true;
  }
  const Stamp seen = PlaceOf(plan).seen;
  return sequencer_->settled() > seen || hooks_.now() > seen + kPatience;
}

absl::Status Applier::LookAhead() {
  if (stop_) return absl::OkStatus();
  const LivePoint live = hooks_.live_point();
  sequencer_->RaiseWatermark(live.watermark, live.settled, live.journal_end);
  while (ahead_.size() < kAhead && ahead_bytes_ < kAheadBytes &&
         (ahead_.empty() || !ahead_.back().unit->changes_catalog)) {
    absl::StatusOr<std::optional<UnitRef>> ref = NextOwn();
    if (absl::IsDataLoss(ref.status()) && sequencer_->SkipCorruption()) {
      hooks_.log_warning(
          StrCat(protocol::MessageOf(ref.status()), "; going on at the next segment"));
      log_->Gap("journal-corrupt", protocol::MessageOf(ref.status()),
                absl::ToUnixMicros(absl::Now()));
      continue;
    }
    if (!ref.ok()) return ref.status();
    if (settlements_.empty() ||
        settlements_.back().settled + kSettlementStep <= sequencer_->settled()) {
      settlements_.push_back({sequencer_->settled(), sequencer_->read_to()});
    }
    if (!ref->has_value()) break;
    const Position low = sequencer_->low();
    absl::StatusOr<Plan> plan = MakePlan(**ref);
    if (!plan.ok()) return plan.status();
    plan->unit->low = low;
    judge_.Planned(*plan);
    cut_search_.Planned(*plan);
    ahead_bytes_ += plan->unit->ref.bytes;
    ahead_.push_back(*std::move(plan));
  }
  SettleDue();
  return absl::OkStatus();
}

absl::Status Applier::Probe(std::vector<CutProbe> probes) {
  for (CutProbe& probe : probes) {
    Plan plan;
    plan.unit = std::make_shared<PlannedUnit>(*probe.unit);
    plan.probe = std::move(probe.into);
    window_.push_back(std::move(plan));
    if (absl::Status status = store_->Submit(std::move(probe.unit)); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> Applier::IsOwn(const UnitRef& ref) {
  absl::StatusOr<UnitHeader> header = sequencer_->LoadHeader(ref);
  if (!header.ok()) return header.status();
  if (header->database == options_.planner.database) return true;
  ordinal_done_ = std::max(ordinal_done_, header->ordinal);
  key_done_ = std::max(key_done_, header->key);
  return false;
}

// Others' units are behind us once all of ours before them have been dispatched.
void Applier::TakePassed() {
  if (!passed_ || dispatched_ < passed_turn_) return;
  handed_on_ = *passed_;
  passed_.reset();
}

// The next unit of our database. Those of others move the progress along.
absl::StatusOr<std::optional<UnitRef>> Applier::NextOwn() {
  for (int passed = 0; passed < kRound; ++passed) {
    absl::StatusOr<std::optional<UnitRef>> ref = sequencer_->Next();
    if (!ref.ok() || !ref->has_value()) return ref;
    absl::StatusOr<bool> own = IsOwn(**ref);
    if (!own.ok()) return own.status();
    if (*own) {
      own_unsaved_ = true;
      return ref;
    }
    passed_ = {(*ref)->key, (*ref)->position, sequencer_->low()};
    passed_turn_ = turn_;
    TakePassed();
  }
  Wake();
  return std::optional<UnitRef>();
}

absl::StatusOr<Plan> Applier::MakePlan(const UnitRef& ref) {
  Unit unit;
  if (ref.parts.empty()) {
    absl::StatusOr<Unit> loaded = sequencer_->Load(ref);
    if (!loaded.ok()) return loaded.status();
    unit = *std::move(loaded);
  } else {
    absl::StatusOr<UnitHeader> header = sequencer_->LoadHeader(ref);
    if (!header.ok()) return header.status();
    unit.header = *std::move(header);
  }
  Plan plan = planner_.Make(std::make_shared<const Unit>(std::move(unit)), ref, *primary_catalog_,
                            *store_->catalog());
  if (!ref.parts.empty()) plan.unit->lane = PlannedUnit::Lane::parts;
  plan.turn = ++turn_;
  return plan;
}

absl::StatusOr<bool> Applier::Round() {
  bool moved = false;
  if (absl::Now() >= catalog_again_) ReloadCatalogs();
  TakeReadResults();
  if (absl::Status status = SettleSome(); !status.ok()) return status;
  for (int taken = 0;
       taken < kRound && window_.size() < options_.window && (!stop_ || !ahead_.empty()); ++taken) {
    absl::StatusOr<std::optional<Plan>> plan = NextPlan();
    if (!plan.ok()) return plan.status();
    if (!plan->has_value()) break;
    moved = true;
    if (absl::Status status = Dispatch(**std::move(plan)); !status.ok()) return status;
  }
  if (window_.empty()) return moved;
  if (absl::Status status = CollectSome(moved ? absl::ZeroDuration() : absl::Milliseconds(20));
      !status.ok()) {
    return status;
  }
  return true;
}

absl::Status Applier::SettleSome() {
  settling_->Ask(*primary_catalog_);
  if (!settling_->Ripe(*sequencer_)) return absl::OkStatus();
  if (!settle_turn_) settle_turn_ = turn_;
  if (dispatched_ < *settle_turn_) return absl::OkStatus();
  if (absl::Status status = DrainWindow(); !status.ok()) return status;
  // What failed in the window comes first.
  if (!again_.empty()) return absl::OkStatus();
  settle_turn_.reset();
  return settling_->Judge(store_, *primary_catalog_, dispatched_);
}

void Applier::Done(const Plan& plan) {
  const UnitHeader& header = plan.unit->unit->header;
  ordinal_done_ = std::max(ordinal_done_, header.ordinal);
  key_done_ = std::max(key_done_, header.key);
  ++applied_;
}

absl::Status Applier::Dispatch(Plan plan) {
  cut_search_.Dispatched(plan);
  switch (plan.unit->lane) {
    case PlannedUnit::Lane::nothing:
      judge_.Outcome(plan, {}, primary_catalog_, store_->catalog());
      Done(plan);
      return absl::OkStatus();
    case PlannedUnit::Lane::snapshot:
      return DispatchRead(plan);
    case PlannedUnit::Lane::window: {
      if (absl::Status status = Probe(cut_search_.Before(plan)); !status.ok()) return status;
      readers_->WriteFollows(plan.unit->ref.key);
      std::vector<CutProbe> after = cut_search_.After(plan);
      std::shared_ptr<const PlannedUnit> unit = plan.unit;
      window_.push_back(std::move(plan));
      if (absl::Status status = store_->Submit(std::move(unit)); !status.ok()) return status;
      return Probe(std::move(after));
    }
    case PlannedUnit::Lane::alone:
    case PlannedUnit::Lane::outside_transaction:
    case PlannedUnit::Lane::parts:
      break;
  }
  std::vector<CutProbe> probes = cut_search_.Before(plan);
  again_.push_front(std::move(plan));
  if (absl::Status status = Probe(std::move(probes)); !status.ok()) return status;
  if (absl::Status status = DrainWindow(); !status.ok()) return status;
  // What failed in the window stands before the unit that was to run alone.
  if (first_of_again_alone_) return absl::OkStatus();
  plan = again_.front();
  readers_->WriteFollows(plan.unit->ref.key);
  if (plan.unit->blocks_readers || plan.unit->lane == PlannedUnit::Lane::parts) readers_->Quiesce();
  absl::Status status = RunAlone(plan);
  if (!status.ok()) return status;
  again_.pop_front();
  return Probe(cut_search_.After(plan));
}

absl::Status Applier::DispatchRead(const Plan& plan) {
  if (!readers_->TryOpenSnapshot(plan)) {
    again_.push_front(plan);
    if (absl::Status status = DrainWindow(); !status.ok()) return status;
    if (first_of_again_alone_) return absl::OkStatus();
    again_.pop_front();
    if (absl::Status status = readers_->TakeSnapshotFor(plan); !status.ok()) {
      ReadFailed(plan, status);
      return absl::OkStatus();
    }
  }
  reads_out_.insert(plan.unit->ref.first());
  return absl::OkStatus();
}

void Applier::ReadFailed(const Plan& plan, const absl::Status& why) {
  if (trouble_.empty())
    hooks_.log_warning(StrCat("a read was not compared: ", protocol::MessageOf(why)));
  judge_.OutcomeUnknown(plan, "snapshot-lane-failed");
  Done(plan);
}

absl::StatusOr<UnitOutcome> Applier::TryAlone(const Plan& plan) {
  return plan.unit->lane == PlannedUnit::Lane::parts ? RunParts(plan)
                                                     : store_->ApplyAlone(*plan.unit);
}

absl::StatusOr<UnitOutcome> Applier::RunParts(const Plan& plan) {
  planner_.BeginParts(plan.unit->unit->header);
  absl::StatusOr<UnitOutcome> outcome = RunEachPart(plan);
  planner_.EndParts();
  return outcome;
}

absl::StatusOr<UnitOutcome> Applier::RunEachPart(const Plan& plan) {
  if (absl::Status status = store_->BeginParts(*plan.unit); !status.ok()) return status;
  const UnitRef& ref = plan.unit->ref;
  for (size_t i = 0; i <= ref.parts.size(); ++i) {
    absl::StatusOr<std::vector<Statement>> statements = sequencer_->LoadPart(ref, i);
    if (!statements.ok()) {
      store_->AbandonParts();
      return statements.status();
    }
    Plan part = planner_.Make(
        std::make_shared<const Unit>(Unit{plan.unit->unit->header, *std::move(statements)}), ref,
        *primary_catalog_, *store_->catalog());
    part.turn = plan.turn;
    judge_.Planned(part);
    plan.unit->changes_settings = plan.unit->changes_settings || part.unit->changes_settings;
    for (PlannedStatement& step : part.unit->statements)
      step.shadow.unprepared = plan.unit->changes_settings;
    absl::StatusOr<UnitOutcome> outcome = store_->RunPart(*part.unit);
    if (!outcome.ok()) return outcome.status();
    judge_.PartOutcome(part, *outcome, primary_catalog_, store_->catalog());
    plan.unit->changes_catalog = plan.unit->changes_catalog || part.unit->changes_catalog;
    plan.unit->opaque_code = plan.unit->opaque_code || part.unit->opaque_code;
    if (outcome->status != UnitOutcome::Status::failed) continue;
    judge_.GapOf(plan, "large-unit-refused",
                 "a unit too large to hold failed on the shadow; nothing of it was applied");
    outcome->statements.clear();
    return outcome;
  }
  return store_->FinishParts(*plan.unit);
}

absl::Status Applier::RunAlone(const Plan& plan) {
  absl::Duration pause = kFirstBackoff;
  absl::StatusOr<UnitOutcome> outcome = TryAlone(plan);
  while (absl::IsAborted(outcome.status()) && !stop_) {
    WaitForWork(pause);
    pause = std::min(pause * 2, kLastBackoff);
    Housekeeping(false);
    outcome = TryAlone(plan);
  }
  if (!outcome.ok()) return outcome.status();
  const UnitRef& ref = plan.unit->ref;
  if (outcome->status == UnitOutcome::Status::failed) {
    if (absl::Status status = store_->SaveProgress({ref.key, ref.position, plan.unit->low});
        !status.ok()) {
      return status;
    }
  }
  saved_ = {ref.key, ref.position, plan.unit->low};
  if (plan.unit->changes_catalog) {
    if (absl::Status status = store_->ReloadCatalog(); absl::IsUnavailable(status)) return status;
    // While the applier lags, one reading of the primary's catalog serves for all that it has done
    // by then: each takes a snapshot there, which holds back its vacuum.
    if (plan.unit->unit->header.done >= primary_catalog_read_) ReloadCatalogs();
  }
  if (!outcome->escaped.empty()) judge_.UnitLost(plan, "code-escaped", outcome->escaped);
  judge_.Outcome(plan, *outcome, primary_catalog_, store_->catalog());
  Done(plan);
  return absl::OkStatus();
}

absl::Status Applier::CollectSome(absl::Duration timeout) {
  absl::StatusOr<std::vector<Collected>> collected = store_->Collect(timeout);
  if (!collected.ok()) return collected.status();
  std::deque<Plan> behind;
  bool failed = false;
  for (Collected& done : *collected) {
    Plan plan = std::move(window_.front());
    window_.pop_front();
    if (plan.probe != nullptr) {
      // One that fails, or stood behind a failure, says nothing.
      --plan.probe->pending;
      if (done.outcome.status != UnitOutcome::Status::applied) continue;
      for (StatementOutcome& seen : done.outcome.statements)
        plan.probe->seen.push_back(std::move(seen));
      continue;
    }
    if (done.outcome.status == UnitOutcome::Status::applied) {
      if (plan.unit->finish == PlannedUnit::Finish::commit) {
        saved_ = {plan.unit->ref.key, plan.unit->ref.position, plan.unit->low};
      }
      judge_.Outcome(plan, done.outcome, primary_catalog_, store_->catalog());
      Done(plan);
      continue;
    }
    failed = failed || done.outcome.status == UnitOutcome::Status::failed;
    behind.push_back(std::move(plan));
  }
  if (behind.empty()) return absl::OkStatus();
  for (Plan& plan : again_) behind.push_back(std::move(plan));
  again_ = std::move(behind);
  first_of_again_alone_ = failed;
  return absl::OkStatus();
}

absl::Status Applier::DrainWindow() {
  while (!window_.empty()) {
    if (absl::Status status = CollectSome(absl::Milliseconds(200)); !status.ok()) return status;
    // The shadow may be waiting for a lock: status and progress go on.
    Housekeeping(false);
    if (stop_ && !connected_) return absl::CancelledError("stopping");
  }
  return absl::OkStatus();
}

void Applier::TakeReadResults() {
  if (readers_ == nullptr) return;
  bool lost = false;
  for (ReadResult& result : readers_->TakeResults()) {
    reads_out_.erase(reads_out_.find(result.plan.unit->ref.first()));
    if (result.outcome.ok()) {
      judge_.Outcome(result.plan, *result.outcome, primary_catalog_, store_->catalog());
      Done(result.plan);
    } else {
      lost = true;
      ReadFailed(result.plan, result.outcome.status());
    }
  }
  if (lost) readers_->Quiesce();
}

}  // namespace pgparity::shadow
