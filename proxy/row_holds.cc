#include "proxy/row_holds.h"

#include <algorithm>

namespace pgparity::proxy {

bool RowHolds::Take(uint64_t row, uint64_t session, const Grant* grant) {
  Shard& shard = ShardOf(row);
  MutexLock lock(&shard.mutex);
  const auto [found, fresh] = shard.rows.try_emplace(row);
  if (fresh) {
    found->second.owner = session;
    return true;
  }
  found->second.waiting.push_back({session, grant});
  return false;
}

bool RowHolds::Has(uint64_t row, uint64_t session) {
  Shard& shard = ShardOf(row);
  MutexLock lock(&shard.mutex);
  const auto found = shard.rows.find(row);
  return found != shard.rows.end() && found->second.owner == session;
}

bool RowHolds::GiveUp(uint64_t row, uint64_t session) {
  Shard& shard = ShardOf(row);
  MutexLock lock(&shard.mutex);
  const auto found = shard.rows.find(row);
  if (found == shard.rows.end()) return false;
  if (found->second.owner == session) return true;
  auto& waiting = found->second.waiting;
  waiting.erase(std::remove_if(waiting.begin(), waiting.end(),
                               [&](const Waiter& waiter) { return waiter.session == session; }),
                waiting.end());
  return false;
}

void RowHolds::Release(uint64_t row) {
  Waiter next{0, nullptr};
  {
    Shard& shard = ShardOf(row);
    MutexLock lock(&shard.mutex);
    const auto found = shard.rows.find(row);
    if (found == shard.rows.end()) return;
    if (found->second.waiting.empty()) {
      shard.rows.erase(found);
      return;
    }
    next = found->second.waiting.front();
    found->second.waiting.erase(found->second.waiting.begin());
    found->second.owner = next.session;
  }
  (*next.grant)(next.session);
}

}  // namespace pgparity::proxy
