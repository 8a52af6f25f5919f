// Which units wrote what, and when: whether another unit's interval overlaps and it writes a row
// that is touched (DESIGN, "Values and effects": part one of the rule for `ambiguous`).
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "shadow/rewrite.h"
#include "shadow/sequencer.h"

namespace pgparity::shadow {

// A unit as the order knows it.
struct UnitPlace {
  Position unit = 0;
  Interval interval;
  // Begins as the interval does and ends when the unit was acknowledged: until then a read
  // elsewhere may not have seen it.
  Stamp seen = 0;
  // Where the unit brought a token: two such units of one epoch are in a proved order.
  bool exact = false;
  uint32_t epoch = 0;
};

// Belongs to the applier's thread.
class OverlapIndex {
 public:
  // Units come in the order of their keys. Returns those of `writes` whose order against another
  // unit's write of the same row is not proved.
  std::vector<RowAccess> Note(const UnitPlace& place, const std::vector<RowAccess>& writes);
  // Whether a unit other than `place` overlaps it and wrote one of `touched`. `order_counts`: the
  // statement sees the rows as they are when it has locked them, so that writes in a proved order
  // against it explain nothing.
  bool Overlapped(const UnitPlace& place, const std::vector<RowAccess>& touched,
                  bool order_counts) const;
  // Whether the row (or its table) may have been written by a unit acknowledged at `since` or
  // later.
  bool WrittenSince(const RowAccess& row, Stamp since) const;
  // The same of writes whose rows are not known.
  bool WholeWrittenSince(const std::string& table, Stamp since) const;
  // No interval asked for from now on begins before `stamp`.
  void Forget(Stamp stamp);

 private:
  struct Write {
    UnitPlace place;
    Stamp latest_end;  // of `seen` of this write and all before it, so that it ascends
    std::optional<uint64_t> key;
  };
  struct Table {
    std::deque<Write> writes;
    Stamp forgotten = 0;  // latest_end of the writes that are no longer there
  };
  // Whether `wanted` holds for one of the writes that were seen at `lo` or later.
  template <typename Fn>
  static bool AnyFrom(const std::deque<Write>& written, Stamp lo, Fn&& wanted);

  // A table's writes beyond this many are forgotten, oldest first.
  static constexpr size_t kMaxWrites = 50000;
  absl::flat_hash_map<std::string, Table> tables_;
};

}  // namespace pgparity::shadow
