// A forwarding thread: an event loop, its tap, and the sessions that live on it.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <thread>

#include "absl/container/flat_hash_map.h"
#include "proxy/session.h"

namespace pgparity::proxy {

// Connections of any state, over all threads; told of each that ends.
class OpenConnections {
 public:
  size_t count() const { return count_.load(std::memory_order_relaxed); }
  void Opened() { count_.fetch_add(1); }
  void Closed();
  // False at the timeout.
  bool WaitForNone(std::chrono::milliseconds timeout);

 private:
  std::atomic<size_t> count_{0};
  std::atomic<int> waiting_{0};
  Mutex mutex_;
  std::condition_variable none_;
};

class ForwardThread final : private EventLoop::Observer {
 public:
  // `ring` and `waker` are null where nothing is recorded, `edit` where every byte goes on as it
  // came. All given outlive the thread.
  static absl::StatusOr<std::unique_ptr<ForwardThread>> Create(
      int number, const StampClock* clock, ForwardShared* shared, Primary* primary,
      OpenConnections* connections, std::unique_ptr<Ring> ring, const CaptureSwitch* capture,
      CaptureWaker* waker, std::unique_ptr<EditContext> edit);
  ~ForwardThread() override;

  void Start();
  // Closes its sessions, runs out and joins.
  void Stop();

  EventLoop* loop() { return loop_.get(); }
  Tap* tap() { return tap_.get(); }
  const ForwardCounters& counters() const { return context_.counters; }
  const TokenCounters* token_counters() const {
    return edit_ != nullptr ? &edit_->counters : nullptr;
  }

  // Ordering `hold`, before Start(). What is given outlives the thread; `wait`: nanoseconds.
  void HoldRows(RowHolds* rows, HoldAnalyser* analyser, Stamp wait);
  const HoldCounters* hold_counters() const {
    return hold_ != nullptr ? &hold_->counters : nullptr;
  }

  // --- any thread ---
  // What the analyser found.
  void LearnShape(uint64_t fingerprint, const HoldShape& shape);
  // Takes a client's connection over.
  void Take(uint64_t id, Transport client);
  // Ends sessions as they become idle, and those left at `deadline`.
  void Drain(Stamp deadline);
  compare::LatencyHistogram AddedLatency();

 private:
  ForwardThread(int number, OpenConnections* connections)
      : number_(number), connections_(connections) {}
  void OnBatch(Stamp now) override;
  void OnBatchDone(Stamp now) override;
  void Run(uint64_t id, const std::function<void(Session*)>& task);
  void Each(const std::function<void(Session*)>& task);
  void OnClosed(uint64_t id);

  const int number_;
  OpenConnections* const connections_;
  std::unique_ptr<Ring> ring_;
  std::unique_ptr<Tap> tap_;
  std::unique_ptr<EditContext> edit_;
  std::unique_ptr<HoldContext> hold_;
  std::unique_ptr<EventLoop> loop_;
  SessionContext context_;
  absl::flat_hash_map<uint64_t, std::unique_ptr<Session>> sessions_;
  std::unique_ptr<EventLoop::Timer> drain_timer_, debt_timer_;
  std::thread thread_;

  Mutex mutex_;
  std::condition_variable merged_;
  compare::LatencyHistogram published_ ABSL_GUARDED_BY(mutex_);
  uint64_t published_count_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace pgparity::proxy
