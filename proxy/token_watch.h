// Whether the primary answers an LSN token at all: asked on a connection of our own at the start,
// at each reconnect of the primary, and now and then while it refuses (a hot standby may become a
// primary). Ordering `exact` is offered to sessions while it does.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <thread>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "compare/mutex.h"

namespace pgparity::proxy {

// Thread-safe.
class TokenWatch {
 public:
  enum class Answer : uint8_t {
    unknown,  // the primary could not be asked yet
    answered,
    refused,
  };
  struct Hooks {
    // One try: OK, Unavailable when the primary could not be reached, else its refusal.
    // `identity`: which primary answered; left empty where it does not say.
    std::function<absl::Status(std::string* identity)> ask;
    std::function<void()> changed;  // another primary, or another timeline, than the time before
    std::function<bool()> primary_reachable;
    std::function<void(bool)> offer;  // exact is offered, or is not
    std::function<void(std::string_view)> log_info, log_warning;
  };

  explicit TokenWatch(Hooks hooks) : hooks_(std::move(hooks)) {}
  ~TokenWatch() { Stop(); }

  // Goes on in a thread of its own. Ask() before it.
  void Start();
  void Stop();

  Answer answer() const;
  std::string refusal() const;  // empty: none

  // A step of its thread: `since_asked` ago it asked last. Whether it is to ask now.
  bool IsDue(bool reachable, absl::Duration since_asked);
  void Ask();

 private:
  void Run();

  const Hooks hooks_;
  mutable Mutex mutex_;
  std::condition_variable stopped_;
  bool stop_ ABSL_GUARDED_BY(mutex_) = false;
  Answer answer_ ABSL_GUARDED_BY(mutex_) = Answer::unknown;
  std::string refusal_ ABSL_GUARDED_BY(mutex_);
  std::string identity_ ABSL_GUARDED_BY(mutex_);
  bool was_reachable_ ABSL_GUARDED_BY(mutex_) = true;
  std::thread thread_;
};

// Asks over a connection that is made for it and closed again. `identity`: system identifier (where
// the role may see it) and timeline.
absl::Status AskForToken(const std::string& conninfo, absl::Duration connect_timeout,
                         std::string* identity);

}  // namespace pgparity::proxy
