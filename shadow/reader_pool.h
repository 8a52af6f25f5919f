// Runs read-only units on snapshot lanes, one thread a lane, beside the writes (DESIGN, "Reads").
//
// The applier asks at a unit's turn in the order. A snapshot that is open serves it if no unit that
// was acknowledged before the unit's first read was sent has been applied since; otherwise the
// applier lets the window run dry and has a new one taken. So a read is compared at a prefix of the
// order that its interval permits.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "compare/mutex.h"
#include "shadow/plan.h"
#include "shadow/store.h"

namespace pgparity::shadow {

struct ReadResult {
  Plan plan;
  absl::StatusOr<UnitOutcome> outcome;
};

// Methods are called by the applier's thread.
class ReaderPool {
 public:
  using OpenLane = std::function<absl::StatusOr<std::unique_ptr<SnapshotLane>>()>;
  // `on_result` is called on a reader's thread whenever results can be taken.
  ReaderPool(size_t lanes, OpenLane open, std::function<void()> on_result);
  ~ReaderPool();

  // True if the unit was given to a lane whose snapshot may serve it.
  bool TryOpenSnapshot(const Plan& plan);
  // Nothing is in flight: takes a new snapshot for the unit, and waits until it stands. An error
  // leaves the unit with the caller.
  absl::Status TakeSnapshotFor(const Plan& plan);
  // A unit whose key has this time, and that writes, is about to be submitted.
  void WriteFollows(Stamp key);
  // Waits until all reads given are done and no snapshot is open (before DDL).
  void Quiesce();
  std::vector<ReadResult> TakeResults();
  // Units given whose results have not been taken.
  size_t outstanding() const { return outstanding_; }

 private:
  struct Reader {
    std::thread thread;
    std::unique_ptr<SnapshotLane> lane;
    // Guarded by the pool's mutex:
    std::deque<Plan> queue;
    enum class Command : uint8_t { none, begin, end, stop } command = Command::none;
    bool busy = false;
    absl::Status begun;
    // The applier's own:
    bool open = false;
    // Of the writes since the snapshot, the earliest time: all were acknowledged after it.
    std::optional<Stamp> first_write_after;
  };

  void Run(Reader* reader);
  void RunBatch(Reader* reader, std::vector<Plan> batch);
  void Give(Reader* reader, const Plan& plan);
  void WaitIdle(Reader* reader) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Order(Reader* reader, Reader::Command command);

  const OpenLane open_;
  const std::function<void()> on_result_;
  mutable Mutex mutex_;
  std::condition_variable_any changed_;
  std::vector<ReadResult> results_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::unique_ptr<Reader>> readers_;
  size_t outstanding_ = 0;
};

}  // namespace pgparity::shadow
