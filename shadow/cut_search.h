// Reads at other cuts (DESIGN, "Ordering"): a read that overlaps writes of the rows that it touches
// may have seen some of them and others not. Beside its own turn it is run on the write lane
// between those writes, each time at a prefix of the order that its interval permits, so that a
// difference can be tried against all of them before it is called anything.
//
// Belongs to the applier's thread.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "shadow/overlap.h"
#include "shadow/plan.h"

namespace pgparity::shadow {

// One run of a read between two writes.
struct CutProbe {
  std::shared_ptr<const PlannedUnit> unit;  // rolled back, one statement
  std::shared_ptr<CutObservations> into;
};

class CutSearch {
 public:
  // A plan was made; plans come in order, and before any write that may be invisible to their reads
  // is dispatched, as far as is known by then.
  void Planned(const Plan& plan);
  // To be run before the unit, which writes, and after it.
  std::vector<CutProbe> Before(const Plan& write);
  std::vector<CutProbe> After(const Plan& write);
  // The plan itself is run now.
  void Dispatched(const Plan& plan);

 private:
  struct Read {
    uint64_t turn = 0;
    Position position = 0;
    CutRead read;
    std::shared_ptr<PlannedUnit> unit;
    std::shared_ptr<CutObservations> cuts;
    bool on_snapshot = false;
    bool dispatched = false;
    bool current = false;  // no write of its rows since it was run last
    int probes = 0;
  };

  template <typename Fn>
  void ForEachMet(const Plan& write, Fn&& met);
  static CutProbe ProbeOf(Read* read);
  void Forget(Stamp now);

  // Beyond these a read's other cuts are not looked at.
  static constexpr int kMaxProbes = 12;
  static constexpr size_t kMaxReads = 20000;

  std::deque<std::shared_ptr<Read>> reads_;  // in order of their turns
  absl::flat_hash_map<std::string, std::vector<std::shared_ptr<Read>>> by_table_;
};

UnitPlace PlaceOf(const Plan& plan);

}  // namespace pgparity::shadow
