// Row holdback (DESIGN, "Ordering"): the rows on which a held write is in flight, over all threads
// of the process, and the sessions that wait for them, first come, first served.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "compare/mutex.h"

namespace pgparity::proxy {

// Thread-safe. Locks are held for the look at one row.
class RowHolds {
 public:
  // Called with a session that has been given its row; on any thread.
  using Grant = std::function<void(uint64_t session)>;

  // True: the row is the session's until it releases it. False: it will be told by `*grant`, which
  // outlives the wait.
  bool Take(uint64_t row, uint64_t session, const Grant* grant);
  bool Has(uint64_t row, uint64_t session);
  // The session waits no longer. True: it had been given the row meanwhile, and has it.
  bool GiveUp(uint64_t row, uint64_t session);
  void Release(uint64_t row);

 private:
  struct Waiter {
    uint64_t session;
    const Grant* grant;
  };
  struct Row {
    uint64_t owner = 0;
    std::vector<Waiter> waiting;
  };
  struct alignas(64) Shard {
    Mutex mutex;
    absl::flat_hash_map<uint64_t, Row> rows ABSL_GUARDED_BY(mutex);
  };
  Shard& ShardOf(uint64_t row) { return shards_[row >> 58]; }

  std::array<Shard, 64> shards_;
};

}  // namespace pgparity::proxy
