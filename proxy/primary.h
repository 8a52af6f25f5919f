// Where the primary is: resolves its name off the forwarding threads, and knows whether it could be
// reached lately.
#pragma once

#include <sys/socket.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "compare/mutex.h"

namespace pgparity::proxy {

struct ResolvedAddress {
  sockaddr_storage address{};
  socklen_t length = 0;
  int family() const { return address.ss_family; }
};
using AddressList = std::shared_ptr<const std::vector<ResolvedAddress>>;

// Thread-safe.
class Primary {
 public:
  // `host`: a name, an address, or the directory of a Unix socket (it begins with '/').
  Primary(std::string host, uint16_t port);
  ~Primary();
  Primary(const Primary&) = delete;
  Primary& operator=(const Primary&) = delete;

  using Resolved = std::function<void(absl::StatusOr<AddressList>)>;
  // Calls `done` at once, on this thread, where the addresses are known; else later on another
  // thread, with an error when the name cannot be resolved and never could.
  void Resolve(Resolved done);

  // The outcome of a connect of ours.
  void NoteConnect(bool connected);
  // The latest outcome, of a session's connect or, without sessions, of a probe every 5 s that
  // connects and closes.
  bool reachable() const { return reachable_.load(std::memory_order_relaxed); }
  // "host:port", or the socket's path.
  const std::string& where() const { return where_; }

  // Stops the resolving and probing; callbacks that wait are dropped.
  void Stop();

 private:
  void Run();
  void Lookup();
  void Probe();
  // Known without a lookup.
  AddressList Fixed() const;

  const std::string host_;
  const uint16_t port_;
  std::string where_;
  std::atomic<bool> reachable_{false};
  std::atomic<int64_t> last_connect_ms_{0};  // steady clock; 0: never

  Mutex mutex_;
  std::condition_variable changed_;
  bool stop_ ABSL_GUARDED_BY(mutex_) = false;
  bool wanted_ ABSL_GUARDED_BY(mutex_) = false;
  AddressList known_ ABSL_GUARDED_BY(mutex_);
  std::chrono::steady_clock::time_point known_at_ ABSL_GUARDED_BY(mutex_);
  std::vector<Resolved> waiting_ ABSL_GUARDED_BY(mutex_);
  bool fixed_ = false;
  std::thread thread_;
};

}  // namespace pgparity::proxy
