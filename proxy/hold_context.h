// What the sessions of one thread share under ordering `hold`.
#pragma once

#include <cstdint>
#include <string_view>

#include "absl/container/flat_hash_map.h"
#include "proxy/counter.h"
#include "proxy/hold_analyser.h"
#include "proxy/row_holds.h"
#include "proxy/stamp_clock.h"

namespace pgparity::proxy {

// Of autocommit writes. Written by one thread, read by any.
struct HoldCounters {
  Counter at_once;    // held writes that did not wait
  Counter waited;     // that began to
  Counter timed_out;  // of those, sent after --hold-wait all the same
  Counter unknown;    // not held: the text was not known yet
  Counter wait_ns;    // all in all
};

class HoldContext {
 public:
  // All outlive it. `wait`: nanoseconds.
  HoldContext(RowHolds* rows, HoldAnalyser* analyser, RowHolds::Grant grant, Stamp wait)
      : rows_(rows), analyser_(analyser), grant_(std::move(grant)), wait_(wait) {}

  // Null: not known yet, and asked for. One without parts: no statement to hold.
  const HoldShape* Find(uint64_t fingerprint, std::string_view text);
  // The same of a text that is not at hand: null also where nobody asked.
  const HoldShape* Find(uint64_t fingerprint) const;
  void Put(uint64_t fingerprint, const HoldShape& shape);

  RowHolds* rows() const { return rows_; }
  const RowHolds::Grant& grant() const { return grant_; }
  Stamp wait() const { return wait_; }
  HoldCounters counters;

 private:
  static constexpr size_t kMaxShapes = 20'000;
  struct Entry {
    bool known = false;
    HoldShape shape;
  };
  RowHolds* const rows_;
  HoldAnalyser* const analyser_;
  const RowHolds::Grant grant_;
  const Stamp wait_;
  absl::flat_hash_map<uint64_t, Entry> shapes_;
};

}  // namespace pgparity::proxy
