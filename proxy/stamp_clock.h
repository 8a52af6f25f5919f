// The stamp clock: nanoseconds of the steady clock on a base, so that stamps of this process are
// never below those that an earlier process on the same data directory wrote.
#pragma once

#include <chrono>

#include "protocol/frame.h"

namespace pgparity::proxy {

using protocol::Stamp;

// Thread-safe. One read is a vDSO call, no system call.
class StampClock {
 public:
  explicit StampClock(Stamp base) : offset_(base - Steady()) {}
  Stamp Now() const { return Steady() + offset_; }

 private:
  static uint64_t Steady() {
    return static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(
                                     std::chrono::steady_clock::now().time_since_epoch())
                                     .count());
  }
  const uint64_t offset_;  // modulo 2^64
};

}  // namespace pgparity::proxy
