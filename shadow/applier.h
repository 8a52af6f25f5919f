// The applier: takes units in order from the sequencer, runs them on the store, gives both
// observations to the judge. One thread, which owns everything in here; the public methods may be
// called from any thread.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <thread>

#include "absl/time/time.h"
#include "compare/mutex.h"
#include "compare/parity_log.h"
#include "shadow/cut_search.h"
#include "shadow/judge.h"
#include "shadow/plan.h"
#include "shadow/reader_pool.h"
#include "shadow/sequencer.h"
#include "shadow/settling.h"
#include "shadow/store.h"

namespace pgparity::shadow {

enum class ApplierState : uint8_t { starting, shadowing, catching_up, degraded, stopped };
std::string_view StateName(ApplierState state);  // as `ctl status` spells it

// The fact that keeps the tables with unsettled rows, with commas between them; of several
// databases the name follows.
inline constexpr std::string_view kUnsettledFact = "unsettled tables";

struct ApplierOptions {
  size_t window = 64;  // units in flight on the write lane
  size_t snapshot_lanes = 1;
  PlannerOptions planner;
  JudgeOptions judge;
  // Of several appliers on one journal, the one that tells of its events and of the soak.
  bool main = true;
  Position first = 0;  // where a stream without progress begins
  SettlingOptions settling;
  // What an earlier process left to be settled (kUnsettledFact of the parity log): tables, rows.
  std::vector<std::string> unsettled_tables;
  uint64_t unsettled_rows = 0;
  Position events_reported_to = 0;  // gaps of the journal before this are in the parity log
  absl::Duration catching_up_after = absl::Seconds(5);  // of lag
};

// What the capture side has published: valid for whoever has read the journal to `journal_end`.
struct LivePoint {
  OrderKey watermark;
  Stamp settled = 0;
  Position journal_end = 0;
};

struct ApplierHooks {
  std::function<LivePoint()> live_point;   // thread-safe
  std::function<Stamp()> now;              // the stamp clock
  std::function<uint64_t()> last_ordinal;  // of the newest unit journalled; thread-safe
  std::function<void(Position)>
      release;  // the journal before this is not needed any more; thread-safe
  // Everything before is applied, compared and settled; unset: goes into the parity log.
  std::function<void(Position)> settled = nullptr;
  // All other appliers on the journal are shadowing; unset: there are none.
  std::function<bool()> others_shadow = nullptr;
  // Whether to stop for good after such a failure to connect; unset: never.
  std::function<bool(const absl::Status&)> give_up = nullptr;
  // A newer catalog of the primary; NotFound where there never will be one (no credentials),
  // another error where it is worth asking again.
  std::function<absl::StatusOr<std::shared_ptr<const Catalog>>()> load_primary_catalog;
  // Rows of the primary, for settling; called on a thread of the applier's. Empty: none can be
  // read.
  Settling::ReadPrimary read_primary;
  // Called once, on the first connection to the shadow, before anything is applied.
  std::function<void(bool first_start)> on_first_connect;
  std::function<void(std::string_view line)> log_info, log_warning;
};

struct ApplierStatus {
  ApplierState state = ApplierState::starting;
  uint64_t lag_units = 0;
  double lag_seconds = 0;
  uint64_t applied = 0;
  std::string trouble;  // why degraded, one line
};

class Applier {
 public:
  // The journal of `data_dir` is read by a reader of its own; `store`, `log` outlive the applier.
  Applier(ApplierOptions options, ApplierHooks hooks, std::string data_dir, Store* store,
          compare::ParityLog* log);
  ~Applier();

  absl::Status Start();
  void Stop();
  // There may be something new in the journal or among the read results.
  void Wake();
  ApplierStatus status() const;
  // Waits until everything journalled before `end` has been applied and compared, and, for a while,
  // until suspect rows have been settled.
  absl::Status WaitFor(Position end, absl::Duration timeout);

 private:
  struct Settlement {
    Stamp settled;
    Position read_to;  // of the journal, by then
  };

  void Run();
  absl::Status EnsureConnected();
  absl::Status FirstConnected(const Progress& progress);
  void Reconnected(const Progress& progress);
  absl::Status CompleteOrder(UnitRef* ref);
  // Submits what can be submitted, collects what is done. True if something moved.
  absl::StatusOr<bool> Round();
  absl::StatusOr<std::optional<Plan>> NextPlan();
  // Plans what is known of the order, as far ahead as the bounds allow.
  absl::Status LookAhead();
  bool MayGo(const Plan& plan) const;
  absl::Status Probe(std::vector<CutProbe> probes);
  absl::StatusOr<std::optional<UnitRef>> NextOwn();
  absl::StatusOr<bool> IsOwn(const UnitRef& ref);
  void TakePassed();
  absl::StatusOr<Plan> MakePlan(const UnitRef& ref);
  absl::Status Dispatch(Plan plan);
  absl::Status DispatchRead(const Plan& plan);
  absl::Status SettleSome();
  absl::Status RunAlone(const Plan& plan);
  absl::StatusOr<UnitOutcome> TryAlone(const Plan& plan);
  absl::StatusOr<UnitOutcome> RunParts(const Plan& plan);
  absl::StatusOr<UnitOutcome> RunEachPart(const Plan& plan);
  absl::Status CollectSome(absl::Duration timeout);
  absl::Status DrainWindow();
  void TakeReadResults();
  void ReloadCatalogs();
  void ReadFailed(const Plan& plan, const absl::Status& why);
  void Done(const Plan& plan);
  // Decides what can be: units that began before some stamp are all planned.
  void SettleDue();
  void Housekeeping(bool idle);
  absl::Status SaveIdleProgress();
  Position SettledPosition() const;
  void PublishStatus(std::optional<Position> settled_to);
  void Degrade(const absl::Status& why);
  // True when it is no use trying again.
  bool GaveUp(const absl::Status& why);
  void WaitForWork(absl::Duration at_most);
  bool Quiet() const;

  const ApplierOptions options_;
  const ApplierHooks hooks_;
  const std::string data_dir_;
  Store* const store_;
  compare::ParityLog* const log_;

  std::unique_ptr<JournalReader> reader_;
  std::unique_ptr<Sequencer> sequencer_;
  Planner planner_;
  Judge judge_;
  std::unique_ptr<ReaderPool> readers_;
  std::unique_ptr<Settling> settling_;
  CutSearch cut_search_;
  // The newest unit of another database, and our newest before it.
  std::optional<Progress> passed_;
  uint64_t passed_turn_ = 0;
  // Planned and not dispatched. A write waits until the reads that it overlaps are known.
  std::deque<Plan> ahead_;
  uint64_t ahead_bytes_ = 0;
  std::string unsettled_;                // as the fact says
  std::optional<uint64_t> settle_turn_;  // of the newest plan when a reading was ripe
  uint64_t turn_ = 0;                    // of the newest plan
  uint64_t dispatched_ = 0;              // the newest turn dispatched
  std::shared_ptr<const Catalog> primary_catalog_ = Catalog::Empty();
  Stamp primary_catalog_read_ = 0;  // it has what was done before
  bool connected_ = false;
  std::multiset<Position> reads_out_;  // first positions of the units that readers hold
  std::deque<Plan> window_;            // submitted, in order
  std::deque<Plan> again_;             // to be run before anything new, in order
  bool first_of_again_alone_ = false;  // it failed in the window
  std::deque<Settlement> settlements_;
  Progress handed_on_;        // of the newest unit taken from the sequencer
  Progress saved_;            // as the shadow has it
  bool own_unsaved_ = false;  // a unit of our database is among those handed on since
  absl::Time next_foreign_save_ = absl::InfinitePast();
  uint64_t ordinal_done_ = 0, applied_ = 0;
  Stamp key_done_ = 0;
  absl::Duration backoff_ = absl::ZeroDuration();
  absl::Time next_housekeeping_ = absl::InfinitePast(), next_soak_ = absl::InfinitePast();
  absl::Time catalog_again_ =
      absl::InfiniteFuture();  // when to ask for the primary's catalog again
  std::string trouble_;

  mutable Mutex mutex_;
  std::condition_variable_any changed_;
  bool work_ ABSL_GUARDED_BY(mutex_) = false;
  ApplierStatus published_ ABSL_GUARDED_BY(mutex_);
  // Everything before it is applied, compared and settled; nothing is known before the first
  // connection.
  std::optional<Position> settled_to_ ABSL_GUARDED_BY(mutex_);
  uint64_t published_done_ ABSL_GUARDED_BY(mutex_) = 0;  // the newest ordinal done by then
  absl::Time published_at_ ABSL_GUARDED_BY(mutex_) = absl::Now();
  bool settling_idle_ ABSL_GUARDED_BY(mutex_) = true;  // as of settled_to_
  size_t settling_open_ ABSL_GUARDED_BY(mutex_) = 0;
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

}  // namespace pgparity::shadow
