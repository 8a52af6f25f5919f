// One thread's event loop over epoll: the engine that carries sessions.
//
// Why not Asio's reactor, which the project uses everywhere else: a relay's cost is its system
// calls, and Boost 1.81's async_read_some makes one more recv a message that says EAGAIN (only a
// read of 0 bytes ends its speculation), its async_wait one more epoll_ctl. Here a message is one
// epoll_wait or less, one recv, one send.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "compare/mutex.h"
#include "proxy/stamp_clock.h"

namespace pgparity::proxy {

class EventLoop {
 public:
  class Handler {
   public:
    virtual ~Handler() = default;
    // `events` as epoll gives them; 0 when Again() asked for the call.
    virtual void OnEvents(uint32_t events) = 0;
  };
  // Told around each batch of events.
  class Observer {
   public:
    virtual ~Observer() = default;
    virtual void OnBatch(Stamp now) = 0;
    virtual void OnBatchDone(Stamp now) = 0;
  };
  enum class Trigger : uint8_t {
    edge,           // readable: an edge each time bytes or the end arrive
    edge_writable,  // readable and writable
    level,          // readable
  };
  // Fires once. Its owner cancels it before it goes.
  class Timer {
   public:
    explicit Timer(std::function<void()> fire) : fire_(std::move(fire)) {}
    bool armed() const { return armed_; }

   private:
    friend class EventLoop;
    std::function<void()> fire_;
    std::multimap<Stamp, Timer*>::iterator at_;
    bool armed_ = false;
  };

  // `clock` and `observer` outlive the loop; observer may be null.
  static absl::StatusOr<std::unique_ptr<EventLoop>> Create(const StampClock* clock,
                                                           Observer* observer);
  ~EventLoop();

  void Run();

  // --- any thread ---
  void Stop();
  // Runs `task` on the loop's thread. Tasks posted after the loop has ended are not run.
  void Post(std::function<void()> task);

  // --- the loop's thread (or before Run) ---
  // A handler lives until the batch in which its descriptor was closed or removed is over: see
  // Bury.
  absl::Status Add(int fd, Handler* handler, Trigger trigger);
  void Change(int fd, Handler* handler, Trigger trigger);
  void Remove(int fd);
  // Calls handler->OnEvents(0) after the events at hand, before waiting again.
  void Again(Handler* handler) { again_.push_back(handler); }
  // Takes that back; a handler that is about to go must.
  void Forget(Handler* handler);
  // Destroys it when the batch is over.
  void Bury(std::shared_ptr<void> object) { buried_.push_back(std::move(object)); }
  void Arm(Timer* timer, Stamp deadline);
  void Cancel(Timer* timer);
  // The time when this batch began.
  Stamp now() const { return now_; }

 private:
  EventLoop(int epoll, int wake, const StampClock* clock, Observer* observer)
      : epoll_(epoll), wake_(wake), clock_(clock), observer_(observer) {}
  int TimeoutMs() const;
  void RunTimers();
  void RunAgain();
  void RunPosted();

  const int epoll_, wake_;
  const StampClock* const clock_;
  Observer* const observer_;
  Stamp now_ = 0;
  std::multimap<Stamp, Timer*> timers_;
  std::vector<Handler*> again_, running_again_;
  std::vector<std::shared_ptr<void>> buried_;
  std::atomic<bool> stopped_{false};
  Mutex mutex_;
  std::vector<std::function<void()>> posted_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace pgparity::proxy
