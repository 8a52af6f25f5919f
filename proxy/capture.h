// The consumer of the capture rings: one thread that hands what the taps recorded to a sink.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <string_view>
#include <thread>
#include <vector>

#include "compare/mutex.h"
#include "proxy/stamp_clock.h"
#include "proxy/tap.h"
#include "shadow/assembler.h"

namespace pgparity::proxy {

// What shadow::UnitAssembler takes, with the promises of its header. Called on the capture thread
// alone, for each session in the order of its traffic.
class CaptureSink {
 public:
  virtual ~CaptureSink() = default;
  virtual void SessionOpened(uint64_t session, shadow::SessionInfo info, Stamp stamp) = 0;
  virtual void ClientBytes(uint64_t session, std::string_view bytes, Stamp stamp) = 0;
  virtual void ServerBytes(uint64_t session, std::string_view bytes, Stamp stamp) = 0;
  virtual void ElidedRows(uint64_t session, const protocol::RowDigest& digest, Stamp stamp) = 0;
  virtual void TokenSent(uint64_t session, Stamp stamp) = 0;
  virtual void TokenSeen(uint64_t session, const shadow::LsnToken& token, Stamp stamp) = 0;
  virtual void Lost(uint64_t session, std::string_view reason, Stamp stamp) = 0;
  virtual void Resynchronised(uint64_t session, Stamp stamp) = 0;
  virtual void SessionClosed(uint64_t session, Stamp stamp) = 0;
  // Everything stamped before `bound` has been delivered. Bounds rise.
  virtual void AdvanceTo(Stamp bound) = 0;
};

class CaptureThread {
 public:
  // A forwarding thread's ring and its announcement.
  struct Source {
    Ring* ring;
    const BusyAnnouncement* announcement;
  };

  // All outlive this.
  CaptureThread(std::vector<Source> sources, CaptureSink* sink, const StampClock* clock,
                CaptureWaker* waker);
  ~CaptureThread();
  CaptureThread(const CaptureThread&) = delete;
  CaptureThread& operator=(const CaptureThread&) = delete;

  void Start();
  // Delivers what is in the rings and ends. The producers have ended, or what they go on to append
  // stays unread.
  void Stop();

  // --- any thread ---
  // Delivers now what is in the rings, instead of within 5 ms (50 ms after a quiet while).
  void RequestFlush() { waker_->Wake(); }
  // Waits until everything stamped before `stamp` has been delivered and AdvanceTo(>= stamp) has
  // returned. False at the timeout, or once the thread has ended without it.
  bool WaitDrainedTo(Stamp stamp, std::chrono::milliseconds timeout);
  // The last AdvanceTo that returned.
  Stamp advanced() const { return advanced_.load(); }

  // One look at all rings; the number of records delivered. The thread's own step, for tests.
  uint64_t Round();

 private:
  void Run();
  void Deliver(const Record& record);

  const std::vector<Source> sources_;
  CaptureSink* const sink_;
  const StampClock* const clock_;
  CaptureWaker* const waker_;
  std::atomic<Stamp> looked_{0};
  std::atomic<Stamp> advanced_{0};
  std::atomic<bool> stop_{false};
  std::atomic<int> waiting_{0};
  Mutex mutex_;
  std::condition_variable moved_;
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace pgparity::proxy
