// Which units wrote what, and when: whether another unit's interval overlaps and it writes a row
// that is touched (DESIGN, "Values and effects": part one of the rule for `ambiguous`).
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "shadow/rewrite.h"
#include "shadow/sequencer.h"

namespace pgparity::shadow {

// Belongs to the applier's thread.
class OverlapIndex {
 public:
  // Units come in the order of their keys. `seen` begins as the unit's interval does and ends when
  // it was acknowledged: until then a read elsewhere may not have seen it. Returns those of
  // `writes` whose order against another unit's write of the same row is not proved: their
  // intervals overlap.
  std::vector<RowAccess> Note(Position unit, const Interval& interval, Stamp seen,
                              const std::vector<RowAccess>& writes);
  // Whether a unit other than `unit` overlaps `interval` and wrote one of `touched`.
  bool Overlapped(Position unit, const Interval& interval,
                  const std::vector<RowAccess>& touched) const;
  // No interval asked for from now on begins before `stamp`.
  void Forget(Stamp stamp);

 private:
  struct Write {
    Interval interval;
    Stamp seen;
    Stamp latest_end;  // of `seen` of this write and all before it, so that it ascends
    Position unit;
    std::optional<uint64_t> key;
  };
  // Whether `wanted` holds for one of the writes that were seen at `lo` or later.
  template <typename Fn>
  static bool AnyFrom(const std::deque<Write>& written, Stamp lo, Fn&& wanted);

  // A table's writes beyond this many are forgotten, oldest first.
  static constexpr size_t kMaxWrites = 50000;
  absl::flat_hash_map<std::string, std::deque<Write>> tables_;
};

}  // namespace pgparity::shadow
