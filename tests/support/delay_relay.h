// A TCP relay that holds every piece of bytes back for a random time, to shake the order of things.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <list>
#include <thread>

namespace pgparity::support {

class DelayRelay {
 public:
  // Listens on 127.0.0.1 and passes each connection on to 127.0.0.1:`to`; each piece waits 0 to
  // `most`, each way on its own. The delays are drawn from `seed`.
  DelayRelay(int to, std::chrono::microseconds most, uint64_t seed);
  ~DelayRelay();
  DelayRelay(const DelayRelay&) = delete;
  DelayRelay& operator=(const DelayRelay&) = delete;

  int port() const { return port_; }

 private:
  void Accept();
  void Pump(int from, int to, uint64_t seed);

  const int to_;
  const std::chrono::microseconds most_;
  const uint64_t seed_;
  int listener_ = -1, port_ = 0;
  std::atomic<bool> stop_{false};
  // Of the accepting thread, until it has ended.
  std::list<int> sockets_;
  std::list<std::thread> pumps_;
  std::thread accept_;
};

}  // namespace pgparity::support
