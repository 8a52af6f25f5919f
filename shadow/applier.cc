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
// A status older than this is not of now.
constexpr absl::Duration kSilent = absl::Milliseconds(500);
// How long a drain waits for one more row to be settled.
constexpr absl::Duration kSettle = absl::Seconds(20);
// How long the applier lets its progress stay unsaved when nothing commits on the shadow.
constexpr absl::Duration kIdle = absl::Milliseconds(20);
constexpr absl::Duration kAheadIdle = absl::Milliseconds(2);
// How often progress is saved that only other databases' units have made.
constexpr absl::Duration kForeignSave = absl::Seconds(5);

PlannerOptions WithStore(PlannerOptions options, const Store* store) {
  options.confined = [store](size_t role) { return store->Confined(role); };
  return options;
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
      planner_(WithStore(options_.planner, store)),
      judge_(options_.judge, log) {}

Applier::~Applier() { Stop(); }

absl::Status Applier::Start() {
  absl::StatusOr<std::unique_ptr<JournalReader>> reader = JournalReader::Open(data_dir_);
  if (!reader.ok()) return reader.status();
  reader_ = *std::move(reader);
  Sequencer::Events events;
  events.on_gap = [this](const Record& gap) {
    if (!options_.main) return;
    log_->Gap(gap.gap_reason, gap.gap_detail, absl::ToUnixMicros(absl::Now()));
  };
  events.on_reads_skipped = [this](uint64_t units, uint64_t statements) {
    if (options_.main) judge_.ReadsSkipped(units, statements);
  };
  sequencer_ = std::make_unique<Sequencer>(reader_.get(), std::move(events));
  readers_ = std::make_unique<ReaderPool>(
      options_.snapshot_lanes, [this] { return store_->OpenSnapshotLane(); }, [this] { Wake(); });
  Settling::Hooks settling;
  settling.read_primary = hooks_.read_primary;
  settling.now = hooks_.now;
  settling.wake = [this] { Wake(); };
  settling.warning = hooks_.log_warning;
  settling.before_write = [this] { readers_->Quiesce(); };
  settling.divergent = [this](const RowAccess& row, const compare::Comparison& difference) {
    judge_.RowDiffers(row, difference);
  };
  settling_ = std::make_unique<Settling>(options_.settling, std::move(settling), judge_.suspects(),
                                         &judge_.overlaps(), log_);
  thread_ = std::thread([this] { Run(); });
  pthread_setname_np(thread_.native_handle(), "applier");
  return absl::OkStatus();
}

void Applier::Stop() {
  if (!thread_.joinable()) return;
  stop_ = true;
  Wake();
  thread_.join();
  settling_.reset();
  readers_.reset();
}

void Applier::Wake() {
  MutexLock lock(&mutex_);
  work_ = true;
  changed_.notify_all();
}

ApplierStatus Applier::status() const {
  ApplierStatus status;
  uint64_t done = 0;
  absl::Time at;
  {
    MutexLock lock(&mutex_);
    status = published_;
    done = published_done_;
    at = published_at_;
  }
  // The applier waits for the shadow (for a lock, in its connect): what came since is behind.
  const absl::Duration silent = absl::Now() - at;
  if (silent < kSilent || stop_) return status;
  const uint64_t last = hooks_.last_ordinal();
  status.lag_units = std::max(status.lag_units, last > done ? last - done : 0);
  if (status.lag_units > 0)
    status.lag_seconds = std::max(status.lag_seconds, absl::ToDoubleSeconds(silent));
  return status;
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
  // Rows that are written all the time cannot be settled, and are no reason not to end.
  size_t least = SIZE_MAX;
  auto patience = std::chrono::steady_clock::now();
  while (!settling_idle_ && !stop_) {
    if (settling_open_ < least) {
      least = settling_open_;
      patience =
          std::min(deadline, std::chrono::steady_clock::now() + absl::ToChronoNanoseconds(kSettle));
    }
    if (changed_.wait_until(mutex_.native(), patience) == std::cv_status::timeout) break;
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
    return sequencer_->Start(std::max(reader_->begin(), options_.first), std::nullopt,
                             options_.events_reported_to);
  }
  judge_.TakeOver(options_.unsettled_tables, options_.unsettled_rows);
  if (progress.low < reader_->begin()) {
    log_->Gap("journal-trimmed",
              "units that the shadow does not hold were deleted from the journal",
              absl::ToUnixMicros(absl::Now()));
  }
  UnitRef applied;
  applied.key = progress.key;
  applied.position = progress.position;
  if (absl::Status status = CompleteOrder(&applied); !status.ok()) return status;
  return sequencer_->Start(std::max(progress.low, reader_->begin()), applied,
                           options_.events_reported_to);
}

// The progress has the key's time alone; the unit's record has the rest.
absl::Status Applier::CompleteOrder(UnitRef* ref) {
  if (ref->position < reader_->begin()) return absl::OkStatus();
  const absl::StatusOr<Record> record = reader_->ReadAt(ref->position);
  if (!record.ok()) return record.status();
  const absl::StatusOr<UnitNumbers> numbers = DecodeUnitNumbers(record->header);
  if (!numbers.ok()) return numbers.status();
  ref->epoch = numbers->key.epoch;
  ref->lsn = numbers->key.lsn;
  return absl::OkStatus();
}

void Applier::Reconnected(const Progress& progress) {
  std::deque<Plan> unknown = std::move(window_);
  window_.clear();
  for (Plan& plan : again_) unknown.push_back(std::move(plan));
  again_.clear();
  first_of_again_alone_ = false;
  // In order: what stands before the newest that was applied was applied as well.
  const auto newest = std::find_if(unknown.rbegin(), unknown.rend(), [&](const Plan& plan) {
    return plan.probe == nullptr && plan.unit->ref.position == progress.position;
  });
  size_t applied = static_cast<size_t>(unknown.rend() - newest);
  // The shadow says what we knew of it, or what may have been applied since.
  if (applied == 0 && progress.position != saved_.position &&
      progress.position != handed_on_.position) {
    judge_.ShadowSetBack();
  }
  for (Plan& plan : unknown) {
    if (plan.probe != nullptr) --plan.probe->pending;
    if (applied > 0) {
      --applied;
      if (plan.probe != nullptr) continue;
      judge_.OutcomeUnknown(plan, "connection-lost");
      Done(plan);
    } else if (plan.probe == nullptr) {
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
  const std::string& database = options_.judge.database;
  log_->SetFact(database.empty() ? "shadow" : StrCat("shadow ", database), store_->Describe());
  ReloadCatalogs();
  PublishStatus(std::nullopt);
  return absl::OkStatus();
}

void Applier::ReloadCatalogs() {
  const Stamp begun = hooks_.now();
  auto primary = hooks_.load_primary_catalog();
  const bool again = !primary.ok() && !absl::IsNotFound(primary.status());
  if (primary.ok()) {
    primary_catalog_ = *std::move(primary);
    primary_catalog_read_ = begun;
  }
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
      if (GaveUp(status)) break;
      Degrade(status);
      continue;
    }
    const bool idle = !moved && window_.empty();
    // A snapshot must not outlive the quiet: what somebody else changes on the shadow is to be
    // seen.
    if (idle && reads_out_.empty()) readers_->Quiesce();
    Housekeeping(idle);
    if (idle) WaitForWork(!ahead_.empty() ? kAheadIdle : Quiet() ? kHousekeeping : kIdle);
  }
  // What was planned ahead goes without waiting now.
  while (connected_ && !(ahead_.empty() && again_.empty() && window_.empty())) {
    const absl::StatusOr<bool> round = Round();
    connected_ = round.ok();
    if (round.ok() && !*round) break;
  }
  judge_.Settle(hooks_.now());
  TakeReadResults();
  (void)SaveIdleProgress();
  (void)log_->Flush();
}

bool Applier::GaveUp(const absl::Status& why) {
  if (!hooks_.give_up || !hooks_.give_up(why)) return false;
  stop_ = true;
  MutexLock lock(&mutex_);
  published_.state = ApplierState::stopped;
  published_.trouble = std::string(protocol::MessageOf(why));
  changed_.notify_all();
  return true;
}

// Nothing is left to do before more is journalled.
bool Applier::Quiet() const {
  return sequencer_->waiting() == 0 && ahead_.empty() && settlements_.empty() &&
         reads_out_.empty() && handed_on_.position == saved_.position && settling_->idle();
}

void Applier::SettleDue() {
  Stamp settled = 0;
  const Position low = sequencer_->low();
  while (!settlements_.empty() && settlements_.front().read_to <= low) {
    settled = settlements_.front().settled;
    settlements_.pop_front();
  }
  // Mismatches of units still with the readers come later, and are settled by a later call.
  if (settled > 0) judge_.Settle(settled);
}

absl::Status Applier::SaveIdleProgress() {
  const bool all_done =
      window_.empty() && ahead_.empty() && again_.empty() && reads_out_.empty() && connected_;
  if (!all_done || handed_on_.position == saved_.position) return absl::OkStatus();
  if (!own_unsaved_ && !stop_ && absl::Now() < next_foreign_save_) return absl::OkStatus();
  own_unsaved_ = false;
  next_foreign_save_ = absl::Now() + kForeignSave;
  const Progress progress = handed_on_;
  absl::Status status = store_->SaveProgress(progress);
  if (status.ok()) saved_ = progress;
  return status;
}

Position Applier::SettledPosition() const {
  Position position = sequencer_->low();
  for (const Plan& plan : window_) position = std::min(position, plan.unit->ref.first());
  for (const Plan& plan : again_) position = std::min(position, plan.unit->ref.first());
  for (const Plan& plan : ahead_) position = std::min(position, plan.unit->ref.first());
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
  if (settled_to.has_value() && hooks_.settled) {
    hooks_.settled(*settled_to);
  } else if (settled_to.has_value()) {
    log_->SetAppliedPosition(*settled_to);
  }
  if (std::string unsettled = judge_.suspects()->UnprovedTables(); unsettled != unsettled_) {
    const std::string& database = options_.judge.database;
    log_->SetFact(
        database.empty() ? std::string(kUnsettledFact) : StrCat(kUnsettledFact, " of ", database),
        unsettled);
    unsettled_ = std::move(unsettled);
  }
  if (absl::Status status = log_->Flush(); !status.ok()) {
    hooks_.log_warning(StrCat("the parity log cannot be written: ", protocol::MessageOf(status)));
  }
  if (settled_to.has_value()) hooks_.release(std::min({saved_.low, saved_.position, *settled_to}));
  PublishStatus(settled_to);
  if (now < next_soak_) return;
  next_soak_ = now + absl::Seconds(1);
  if (!options_.main) return;
  const bool clean = status().state == ApplierState::shadowing &&
                     (!hooks_.others_shadow || hooks_.others_shadow());
  log_->SoakTick(absl::ToUnixMicros(now), clean);
}

void Applier::PublishStatus(std::optional<Position> settled_to) {
  const LivePoint live = hooks_.live_point();
  const bool drained = connected_ && window_.empty() && ahead_.empty() && again_.empty() &&
                       reads_out_.empty() && sequencer_->waiting() == 0 &&
                       sequencer_->read_to() >= live.journal_end;
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
  const bool idle = settling_->idle();
  const size_t open = judge_.suspects()->open();
  MutexLock lock(&mutex_);
  published_ = std::move(status);
  published_done_ = std::max(ordinal_done_, drained ? last : 0);
  published_at_ = absl::Now();
  if (settled_to.has_value()) {
    settled_to_ = std::max(settled_to_.value_or(0), *settled_to);
    settling_idle_ = idle;
    settling_open_ = open;
  }
  changed_.notify_all();
}

}  // namespace pgparity::shadow
