#include "shadow/lsn_order.h"

#include <algorithm>

namespace pgparity::shadow {

void LsnOrder::Seen(uint64_t lsn, Stamp stamp) {
  auto next = seen_.upper_bound(stamp);
  if (next != seen_.begin() && std::prev(next)->second >= lsn) return;
  // What was seen later and is not higher says nothing any more.
  while (next != seen_.end() && next->second <= lsn) next = seen_.erase(next);
  seen_.insert_or_assign(stamp, lsn);
  if (seen_.size() > kKept) seen_.erase(seen_.begin());
}

uint64_t LsnOrder::At(Stamp stamp) const {
  const auto next = seen_.upper_bound(stamp);
  return next == seen_.begin() ? 0 : std::prev(next)->second;
}

void LsnOrder::Over(Stamp since) {
  const auto found = asked_.find(since);
  if (found != asked_.end()) asked_.erase(found);
}

uint64_t LsnOrder::Watermark(Stamp bound, Stamp oldest_commit) const {
  if (seen_.empty() || bound == 0) return 0;
  uint64_t lsn = std::min(At(bound - 1), At(oldest_commit));
  const auto waited_for = asked_.lower_bound(bound > kPatience ? bound - kPatience : 0);
  if (waited_for != asked_.end()) lsn = std::min(lsn, At(*waited_for));
  return lsn;
}

}  // namespace pgparity::shadow
