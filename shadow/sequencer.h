// Hands on units in order-key order once the watermark has passed them (DESIGN, "Ordering").
// Reads only the journal, so that any reader derives the same order from it.
#pragma once

#include <cstdint>
#include <optional>
#include <queue>
#include <vector>

#include "shadow/journal.h"

namespace pgparity::shadow {

// Where a unit lies, and where it stands in the order.
struct UnitRef {
  Stamp key = 0;
  Position position = 0;                 // of its last record; ties of the key are broken by it
  std::vector<Position> parts;           // of unit_part records before it, in order
  friend bool operator<(const UnitRef& a, const UnitRef& b) {
    return a.key != b.key ? a.key < b.key : a.position < b.position;
  }
};

class Sequencer {
 public:
  // `on_gap` is called for each gap record passed.
  explicit Sequencer(JournalReader* reader) : reader_(reader) {}

  // Starts at the journal's beginning or, after a restart, at `low`, leaving out all units at or
  // before `applied` in the order.
  absl::Status Start(Position low, std::optional<UnitRef> applied);

  // The next unit in order, or nullopt if none is settled yet. Reads ahead no further than it must.
  absl::StatusOr<std::optional<UnitRef>> Next();

  // Loads a unit with all its statements (parts joined).
  absl::StatusOr<Unit> Load(const UnitRef& ref);

  // No unit not yet handed on has a record before this position.
  Position low() const;
  Position read_to() const { return read_to_; }
  Stamp watermark() const { return watermark_; }
  Stamp settled() const { return settled_; }
  // Units read and waiting for the watermark.
  size_t waiting() const { return heap_.size(); }

 private:
  struct Later {
    bool operator()(const UnitRef& a, const UnitRef& b) const { return b < a; }
  };
  JournalReader* reader_;
  std::priority_queue<UnitRef, std::vector<UnitRef>, Later> heap_;
  std::optional<UnitRef> applied_;
  Position read_to_ = 0;
  Stamp watermark_ = 0, settled_ = 0;
};

}  // namespace pgparity::shadow
