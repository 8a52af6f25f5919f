// The cancel keys of live sessions: a CancelRequest is forwarded only for one of these, and not
// more often than the limits here.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/container/flat_hash_map.h"
#include "compare/mutex.h"
#include "protocol/frame.h"

namespace pgparity::proxy {

using protocol::Stamp;

// Tokens come back at `per_second`; at most `burst` are kept.
class TokenBucket {
 public:
  TokenBucket(double per_second, double burst)
      : per_second_(per_second), burst_(burst), tokens_(burst) {}
  bool Take(Stamp now);

 private:
  double per_second_, burst_, tokens_;
  Stamp at_ = 0;
};

// Thread-safe. Used at a session's login and end and for cancels, never for a message.
class CancelRegistry {
 public:
  void Add(int32_t process_id, std::string_view key);
  void Remove(int32_t process_id, std::string_view key);
  // Whether a CancelRequest with this key may be forwarded now.
  bool Admit(int32_t process_id, std::string_view key, Stamp now);

 private:
  struct Entry {
    uint32_t sessions = 0;  // a primary behind a balancer may give out the same key twice
    TokenBucket bucket{10, 20};
  };
  Mutex mutex_;
  absl::flat_hash_map<std::string, Entry> live_ ABSL_GUARDED_BY(mutex_);
  TokenBucket all_ ABSL_GUARDED_BY(mutex_){200, 400};
};

}  // namespace pgparity::proxy
