// The LSN part of order keys and of the watermark (DESIGN, "Ordering"): which LSN had been seen
// when. Belongs to the capture thread. Without tokens everything is 0.
#pragma once

#include <cstdint>
#include <map>
#include <set>

#include "shadow/unit.h"

namespace pgparity::shadow {

class LsnOrder {
 public:
  // No token was seen yet.
  bool none() const { return seen_.empty(); }
  // A token's reply. Stamps need not rise.
  void Seen(uint64_t lsn, Stamp stamp);
  // The highest LSN seen at `stamp` or before. Of stamps long past, a lower bound.
  uint64_t At(Stamp stamp) const;

  // A token was asked for and has not ended its unit: what comes has an LSN of At(since) or more.
  void Asked(Stamp since) { asked_.insert(since); }
  void Over(Stamp since);
  // No unit that ends later has a lower LSN, if everything stamped before `bound` is known and no
  // commit has been in flight since before `oldest_commit`. A token asked for too long ago does not
  // hold it up.
  uint64_t Watermark(Stamp bound, Stamp oldest_commit) const;

 private:
  static constexpr Stamp kPatience = 1'000'000'000;  // 1 s
  static constexpr size_t kKept = 100000;

  std::map<Stamp, uint64_t> seen_;  // rising with the stamps
  std::multiset<Stamp> asked_;
};

}  // namespace pgparity::shadow
