#include "proxy/primary.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "protocol/text.h"
#include "proxy/transport.h"

namespace pgparity::proxy {
namespace {

using protocol::StrCat;
using std::chrono::steady_clock;

// An address older than this is looked up again while it goes on being used.
constexpr auto kFresh = std::chrono::seconds(30);
constexpr int64_t kProbeEveryMs = 5000;
constexpr int kProbeTimeoutMs = 2000;

int64_t NowMs() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             steady_clock::now().time_since_epoch())
      .count();
}

absl::StatusOr<AddressList> LookUp(const std::string& host, uint16_t port, int flags) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = flags | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const std::string service = std::to_string(port);
  if (const int error = getaddrinfo(host.c_str(), service.c_str(), &hints, &found); error != 0) {
    return absl::UnavailableError(StrCat("cannot resolve \"", host, "\": ", gai_strerror(error)));
  }
  auto list = std::make_shared<std::vector<ResolvedAddress>>();
  for (const addrinfo* entry = found; entry != nullptr; entry = entry->ai_next) {
    ResolvedAddress endpoint;
    if (entry->ai_addrlen > sizeof(endpoint.address)) continue;
    std::memcpy(&endpoint.address, entry->ai_addr, entry->ai_addrlen);
    endpoint.length = entry->ai_addrlen;
    list->push_back(endpoint);
  }
  freeaddrinfo(found);
  if (list->empty()) return absl::UnavailableError(StrCat("\"", host, "\" has no address"));
  return AddressList(std::move(list));
}

}  // namespace

Primary::Primary(std::string host, uint16_t port) : host_(std::move(host)), port_(port) {
  const bool is_path = !host_.empty() && host_[0] == '/';
  where_ = is_path ? StrCat(host_, "/.s.PGSQL.", port_) : StrCat(host_, ":", port_);
  known_ = Fixed();
  fixed_ = known_ != nullptr;
  thread_ = std::thread([this] { Run(); });
  pthread_setname_np(thread_.native_handle(), "primary-probe");
}

Primary::~Primary() { Stop(); }

void Primary::Stop() {
  {
    MutexLock lock(&mutex_);
    stop_ = true;
    waiting_.clear();
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

AddressList Primary::Fixed() const {
  if (where_[0] != '/') {
    absl::StatusOr<AddressList> numeric = LookUp(host_, port_, AI_NUMERICHOST);
    return numeric.ok() ? *numeric : nullptr;
  }
  ResolvedAddress endpoint;
  auto* address = reinterpret_cast<sockaddr_un*>(&endpoint.address);
  address->sun_family = AF_UNIX;
  // A path too long for a socket address is cut, and then does not connect.
  where_.copy(address->sun_path, sizeof(address->sun_path) - 1);
  endpoint.length = sizeof(sockaddr_un);
  return std::make_shared<std::vector<ResolvedAddress>>(1, endpoint);
}

void Primary::Resolve(Resolved done) {
  AddressList known;
  {
    MutexLock lock(&mutex_);
    known = known_;
    if (known == nullptr || (!fixed_ && steady_clock::now() - known_at_ > kFresh)) {
      wanted_ = true;
      changed_.notify_all();
    }
    if (known == nullptr) {
      waiting_.push_back(std::move(done));
      return;
    }
  }
  done(known);
}

void Primary::NoteConnect(bool connected) {
  reachable_.store(connected, std::memory_order_relaxed);
  last_connect_ms_.store(NowMs(), std::memory_order_relaxed);
  if (connected || fixed_) return;
  // Its address may have changed.
  MutexLock lock(&mutex_);
  wanted_ = true;
  changed_.notify_all();
}

void Primary::Run() ABSL_NO_THREAD_SAFETY_ANALYSIS {
  std::unique_lock<std::mutex> lock(mutex_.native());
  while (!stop_) {
    if (wanted_) {
      lock.unlock();
      Lookup();
      lock.lock();
    } else if (NowMs() - last_connect_ms_.load(std::memory_order_relaxed) >= kProbeEveryMs) {
      lock.unlock();
      Probe();
      lock.lock();
    } else {
      changed_.wait_for(lock, std::chrono::seconds(1));
    }
  }
}

void Primary::Lookup() {
  {
    MutexLock lock(&mutex_);
    wanted_ = false;
  }
  absl::StatusOr<AddressList> found = LookUp(host_, port_, AI_ADDRCONFIG);
  std::vector<Resolved> waiting;
  {
    MutexLock lock(&mutex_);
    waiting.swap(waiting_);
    known_at_ = steady_clock::now();
    if (found.ok()) known_ = *found;
  }
  for (const Resolved& done : waiting) done(found);
}

void Primary::Probe() {
  AddressList endpoints;
  {
    MutexLock lock(&mutex_);
    if (known_ == nullptr) wanted_ = true;
    endpoints = known_;
  }
  last_connect_ms_.store(NowMs(), std::memory_order_relaxed);
  if (endpoints == nullptr) {
    reachable_.store(false, std::memory_order_relaxed);
    return;
  }
  for (const ResolvedAddress& endpoint : *endpoints) {
    Transport probe(socket(endpoint.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!probe.open()) continue;
    bool connected = connect(probe.fd(), reinterpret_cast<const sockaddr*>(&endpoint.address),
                             endpoint.length) == 0;
    if (!connected && errno == EINPROGRESS) {
      pollfd entry{probe.fd(), POLLOUT, 0};
      connected = poll(&entry, 1, kProbeTimeoutMs) == 1 && probe.ConnectError() == 0;
    }
    if (connected) {
      reachable_.store(true, std::memory_order_relaxed);
      return;
    }
  }
  reachable_.store(false, std::memory_order_relaxed);
}

}  // namespace pgparity::proxy
