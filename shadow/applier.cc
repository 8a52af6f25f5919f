#include "shadow/applier.h"

#include <pthread.h>

#include <algorithm>
#include <random>

#include "absl/time/clock.h"
#include "protocol/text.h"

namespace pgparity::shadow {

using protocol::StrCat;

namespace {

constexpr absl::Duration kFirstBackoff = absl::Milliseconds(100);
constexpr absl::Duration kLastBackoff = absl::Seconds(5);
constexpr absl::Duration kHousekeeping = absl::Milliseconds(200);
// Units taken before the applier looks up: reads never fill the window.
constexpr int kRound = 128;
// How finely in stamps (nanoseconds) the applier remembers what was settled when.
constexpr Stamp kSettlementStep = 50'000'000;
// How long the applier lets its progress stay unsaved when nothing commits on the shadow.
constexpr absl::Duration kIdle = absl::Milliseconds(20);

bool NotAfter(const UnitRef& ref, const Progress& progress) {
  return ref.key != progress.key ? ref.key < progress.key : ref.position <= progress.position;
}

}  // namespace

std::string_view StateName(ApplierState state) {
  switch (state) {
    case ApplierState::shadowing:
      return "shadowing";
    case ApplierState::starting:
    case ApplierState::catching_up:
      return "catching-up";
    case ApplierState::degraded:
      return "degraded";
    case ApplierState::stopped:
      return "stopped";
  }
  return "degraded";
}

Applier::Applier(ApplierOptions options, ApplierHooks hooks, std::string data_dir, Store* store,
                 compare::ParityLog* log)
    : options_(std::move(options)),
      hooks_(std::move(hooks)),
      data_dir_(std::move(data_dir)),
      store_(store),
      log_(log),
      planner_(options_.planner),
      judge_(options_.judge, log) {}

Applier::~Applier() { Stop(); }

absl::Status Applier::Start() {
  absl::StatusOr<std::unique_ptr<JournalReader>> reader = JournalReader::Open(data_dir_);
  if (!reader.ok()) return reader.status();
  reader_ = *std::move(reader);
  Sequencer::Events events;
  events.on_gap = [this](const Record& gap) {
    log_->Gap(gap.gap_reason, gap.gap_detail, absl::ToUnixMicros(absl::Now()));
  };
  events.on_reads_skipped = [this](uint64_t units, uint64_t statements) {
    judge_.ReadsSkipped(units, statements);
  };
  sequencer_ = std::make_unique<Sequencer>(reader_.get(), std::move(events));
  readers_ = std::make_unique<ReaderPool>(
      options_.snapshot_lanes, [this] { return store_->OpenSnapshotLane(); }, [this] { Wake(); });
  thread_ = std::thread([this] { Run(); });
  pthread_setname_np(thread_.native_handle(), "applier");
  return absl::OkStatus();
}

void Applier::Stop() {
  if (!thread_.joinable()) return;
  stop_ = true;
  Wake();
  thread_.join();
  readers_.reset();
}

void Applier::Wake() {
  MutexLock lock(&mutex_);
  work_ = true;
  changed_.notify_all();
}

ApplierStatus Applier::status() const {
  MutexLock lock(&mutex_);
  return published_;
}

absl::Status Applier::WaitFor(Position end, absl::Duration timeout) {
  const auto deadline = std::chrono::steady_clock::now() + absl::ToChronoNanoseconds(timeout);
  MutexLock lock(&mutex_);
  while (!settled_to_.has_value() || *settled_to_ < end) {
    if (stop_) return absl::UnavailableError("the applier is stopping");
    if (changed_.wait_until(mutex_.native(), deadline) == std::cv_status::timeout &&
        settled_to_.value_or(0) < end) {
      return absl::DeadlineExceededError(
          StrCat("the shadow is still behind by ", published_.lag_units, " units",
                 published_.trouble.empty() ? "" : ": ", published_.trouble));
    }
  }
  return absl::OkStatus();
}

void Applier::WaitForWork(absl::Duration at_most) {
  MutexLock lock(&mutex_);
  if (!work_ && !stop_) {
    changed_.wait_for(mutex_.native(), absl::ToChronoNanoseconds(at_most));
  }
  work_ = false;
}

void Applier::Degrade(const absl::Status& why) {
  const std::string line(protocol::MessageOf(why));
  if (trouble_ != line)
    hooks_.log_warning(
        StrCat("the shadow cannot be written: ", line, "; the journal keeps the units"));
  trouble_ = line;
  // Jitter, so that several proxies do not come back at one instant.
  static thread_local std::minstd_rand random(std::random_device{}());
  backoff_ = std::min(kLastBackoff, std::max(kFirstBackoff, backoff_ * 2));
  PublishStatus(std::nullopt);
  const absl::Time until =
      absl::Now() + backoff_ * std::uniform_real_distribution<double>(0.5, 1.0)(random);
  while (!stop_ && absl::Now() < until) {
    WaitForWork(until - absl::Now());
    Housekeeping(false);
  }
}

absl::Status Applier::FirstConnected(const Progress& progress) {
  hooks_.on_first_connect(progress.position == 0);
  handed_on_ = saved_ = progress;
  if (progress.position == 0) {
    return sequencer_->Start(reader_->begin(), std::nullopt, options_.events_reported_to);
  }
  if (progress.low < reader_->begin()) {
    log_->Gap("journal-trimmed",
              "units that the shadow does not hold were deleted from the journal",
              absl::ToUnixMicros(absl::Now()));
  }
  UnitRef applied;
  applied.key = progress.key;
  applied.position = progress.position;
  return sequencer_->Start(std::max(progress.low, reader_->begin()), applied,
                           options_.events_reported_to);
}

void Applier::Reconnected(const Progress& progress) {
  std::deque<Plan> unknown = std::move(window_);
  window_.clear();
  for (Plan& plan : again_) unknown.push_back(std::move(plan));
  again_.clear();
  first_of_again_alone_ = false;
  for (Plan& plan : unknown) {
    if (NotAfter(plan.unit->ref, progress)) {
      judge_.OutcomeUnknown(plan, "connection-lost");
      Done(plan);
    } else {
      again_.push_back(std::move(plan));
    }
  }
  saved_ = progress;
}

absl::Status Applier::EnsureConnected() {
  if (connected_) return absl::OkStatus();
  absl::StatusOr<Progress> progress = store_->Connect(reader_->stream_id());
  if (!progress.ok()) return progress.status();
  if (saved_.position == 0 && handed_on_.position == 0) {
    if (absl::Status status = FirstConnected(*progress); !status.ok()) return status;
  } else {
    Reconnected(*progress);
  }
  connected_ = true;
  backoff_ = absl::ZeroDuration();
  trouble_.clear();
  hooks_.log_info(StrCat("shadow connected: ", store_->Describe()));
  log_->SetFact("shadow", store_->Describe());
  ReloadCatalogs();
  PublishStatus(std::nullopt);
  return absl::OkStatus();
}

void Applier::ReloadCatalogs() {
  auto primary = hooks_.load_primary_catalog();
  if (primary.ok()) primary_catalog_ = *std::move(primary);
  const bool again = !primary.ok() && !absl::IsNotFound(primary.status());
  catalog_again_ = again ? absl::Now() + absl::Seconds(1) : absl::InfiniteFuture();
}

void Applier::Run() {
  while (!stop_) {
    absl::Status status = EnsureConnected();
    bool moved = false;
    if (status.ok()) {
      absl::StatusOr<bool> round = Round();
      status = round.status();
      moved = round.ok() && *round;
    }
    if (!status.ok()) {
      connected_ = false;
      Degrade(status);
      continue;
    }
    const bool idle = !moved && window_.empty();
    // A snapshot must not outlive the quiet: what somebody else changes on the shadow is to be
    // seen.
    if (idle && reads_out_.empty()) readers_->Quiesce();
    Housekeeping(idle);
    if (idle) WaitForWork(kIdle);
  }
  if (connected_) (void)DrainWindow();
  judge_.Settle(hooks_.now());
  TakeReadResults();
  (void)SaveIdleProgress();
  (void)log_->Flush();
}

absl::StatusOr<std::optional<Plan>> Applier::NextPlan() {
  if (!again_.empty()) {
    Plan plan = std::move(again_.front());
    again_.pop_front();
    if (first_of_again_alone_) plan.unit->lane = PlannedUnit::Lane::alone;
    first_of_again_alone_ = false;
    return std::optional<Plan>(std::move(plan));
  }
  const LivePoint live = hooks_.live_point();
  const Stamp now = hooks_.now();
  sequencer_->RaiseWatermark(live.watermark, live.settled, live.journal_end);
  absl::StatusOr<std::optional<UnitRef>> ref = sequencer_->Next();
  if (absl::IsDataLoss(ref.status()) && sequencer_->SkipCorruption()) {
    hooks_.log_warning(StrCat(protocol::MessageOf(ref.status()), "; going on at the next segment"));
    log_->Gap("journal-corrupt", protocol::MessageOf(ref.status()),
              absl::ToUnixMicros(absl::Now()));
    return std::optional<Plan>();
  }
  if (!ref.ok()) return ref.status();
  if (settlements_.empty() || settlements_.back().published + kSettlementStep <= now) {
    settlements_.push_back({sequencer_->settled(), now});
  }
  if (!ref->has_value()) {
    SettleUpTo(sequencer_->watermark());
    return std::optional<Plan>();
  }
  SettleUpTo((*ref)->key);
  const Position low = sequencer_->low();
  absl::StatusOr<Plan> made = MakePlan(**ref);
  if (!made.ok()) return made.status();
  Plan plan = *std::move(made);
  plan.unit->low = low;
  handed_on_ = {plan.unit->ref.key, plan.unit->ref.position, low};
  judge_.Planned(plan);
  return std::optional<Plan>(std::move(plan));
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
  return plan;
}

absl::StatusOr<bool> Applier::Round() {
  bool moved = false;
  if (absl::Now() >= catalog_again_) ReloadCatalogs();
  TakeReadResults();
  for (int taken = 0; taken < kRound && window_.size() < options_.window && !stop_; ++taken) {
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

void Applier::Done(const Plan& plan) {
  const UnitHeader& header = plan.unit->unit->header;
  ordinal_done_ = std::max(ordinal_done_, header.ordinal);
  key_done_ = std::max(key_done_, header.key);
  ++applied_;
}

absl::Status Applier::Dispatch(Plan plan) {
  switch (plan.unit->lane) {
    case PlannedUnit::Lane::nothing:
      judge_.Outcome(plan, {}, primary_catalog_, store_->catalog());
      Done(plan);
      return absl::OkStatus();
    case PlannedUnit::Lane::snapshot:
      return DispatchRead(std::move(plan));
    case PlannedUnit::Lane::window: {
      readers_->WriteFollows(plan.unit->ref.key);
      std::shared_ptr<const PlannedUnit> unit = plan.unit;
      window_.push_back(std::move(plan));
      return store_->Submit(std::move(unit));
    }
    case PlannedUnit::Lane::alone:
    case PlannedUnit::Lane::outside_transaction:
    case PlannedUnit::Lane::parts:
      break;
  }
  again_.push_front(std::move(plan));
  if (absl::Status status = DrainWindow(); !status.ok()) return status;
  // What failed in the window stands before the unit that was to run alone.
  if (first_of_again_alone_) return absl::OkStatus();
  plan = again_.front();
  readers_->WriteFollows(plan.unit->ref.key);
  if (plan.unit->blocks_readers || plan.unit->lane == PlannedUnit::Lane::parts) readers_->Quiesce();
  absl::Status status = RunAlone(plan);
  if (status.ok()) again_.pop_front();
  return status;
}

absl::Status Applier::DispatchRead(Plan plan) {
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
  if (absl::Status status = store_->BeginParts(*plan.unit); !status.ok()) return status;
  const UnitRef& ref = plan.unit->ref;
  for (size_t i = 0; i <= ref.parts.size(); ++i) {
    absl::StatusOr<std::vector<Statement>> statements = sequencer_->LoadPart(ref, i);
    if (!statements.ok()) {
      store_->AbandonParts();
      return statements.status();
    }
    const Plan part = planner_.Make(
        std::make_shared<const Unit>(Unit{plan.unit->unit->header, *std::move(statements)}), ref,
        *primary_catalog_, *store_->catalog());
    judge_.Planned(part);
    absl::StatusOr<UnitOutcome> outcome = store_->RunPart(*part.unit);
    if (!outcome.ok()) return outcome.status();
    judge_.PartOutcome(part, *outcome, primary_catalog_, store_->catalog());
    plan.unit->changes_catalog = plan.unit->changes_catalog || part.unit->changes_catalog;
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
    ReloadCatalogs();
  }
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
    if (absl::Status status = CollectSome(absl::Seconds(1)); !status.ok()) return status;
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

void Applier::SettleUpTo(Stamp handed_on) {
  Stamp settled = 0;
  while (!settlements_.empty() && settlements_.front().published < handed_on) {
    settled = settlements_.front().settled;
    settlements_.pop_front();
  }
  // Mismatches of units still with the readers come later, and are settled by a later call.
  if (settled > 0) judge_.Settle(settled);
}

absl::Status Applier::SaveIdleProgress() {
  const bool all_done = window_.empty() && again_.empty() && reads_out_.empty() && connected_;
  if (!all_done || handed_on_.position == saved_.position) return absl::OkStatus();
  const Progress progress = handed_on_;
  absl::Status status = store_->SaveProgress(progress);
  if (status.ok()) saved_ = progress;
  return status;
}

Position Applier::SettledPosition() const {
  Position position = sequencer_->low();
  for (const Plan& plan : window_) position = std::min(position, plan.unit->ref.first());
  for (const Plan& plan : again_) position = std::min(position, plan.unit->ref.first());
  if (!reads_out_.empty()) position = std::min(position, *reads_out_.begin());
  if (auto oldest = judge_.OldestUnsettled(); oldest.has_value())
    position = std::min(position, *oldest);
  return position;
}

void Applier::Housekeeping(bool idle) {
  const absl::Time now = absl::Now();
  if (now < next_housekeeping_) return;
  next_housekeeping_ = now + kHousekeeping;
  std::optional<Position> settled_to;
  if (connected_) settled_to = SettledPosition();
  if (idle) {
    if (absl::Status status = SaveIdleProgress(); !status.ok()) connected_ = false;
  }
  if (settled_to.has_value()) log_->SetAppliedPosition(*settled_to);
  if (absl::Status status = log_->Flush(); !status.ok()) {
    hooks_.log_warning(StrCat("the parity log cannot be written: ", protocol::MessageOf(status)));
  }
  if (settled_to.has_value()) hooks_.release(std::min(saved_.low, *settled_to));
  PublishStatus(settled_to);
  if (now < next_soak_) return;
  next_soak_ = now + absl::Seconds(1);
  log_->SoakTick(absl::ToUnixMicros(now), status().state == ApplierState::shadowing);
}

void Applier::PublishStatus(std::optional<Position> settled_to) {
  const LivePoint live = hooks_.live_point();
  const bool drained = connected_ && window_.empty() && again_.empty() && reads_out_.empty() &&
                       sequencer_->waiting() == 0 && sequencer_->read_to() >= live.journal_end;
  ApplierStatus status;
  const uint64_t last = hooks_.last_ordinal();
  status.lag_units = drained || last < ordinal_done_ ? 0 : last - ordinal_done_;
  const Stamp now = hooks_.now();
  if (status.lag_units > 0 && key_done_ > 0 && now > key_done_)
    status.lag_seconds = static_cast<double>(now - key_done_) / 1e9;
  status.applied = applied_;
  status.trouble = trouble_;
  const bool behind = status.lag_units > 0 &&
                      status.lag_seconds > absl::ToDoubleSeconds(options_.catching_up_after);
  status.state = !connected_ ? ApplierState::degraded
                 : behind    ? ApplierState::catching_up
                             : ApplierState::shadowing;
  MutexLock lock(&mutex_);
  published_ = std::move(status);
  if (settled_to.has_value()) settled_to_ = std::max(settled_to_.value_or(0), *settled_to);
  changed_.notify_all();
}

}  // namespace pgparity::shadow
