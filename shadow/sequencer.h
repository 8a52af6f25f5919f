// Hands on units in order-key order once the watermark has passed them (DESIGN, "Ordering").
// Reads only the journal, so that any reader derives the same order from it.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <queue>
#include <set>
#include <utility>
#include <vector>

#include "shadow/journal.h"

namespace pgparity::shadow {

// Where a unit lies, and where it stands in the order.
struct UnitRef {
  Stamp key = 0;  // the order key's time, and its other parts
  uint32_t epoch = 0;
  uint64_t lsn = 0;
  Position position = 0;        // of its last record; ties of the key are broken by it
  std::vector<Position> parts;  // of unit_part records before it, in order
  uint64_t bytes = 0;           // of all its records
  OrderKey order() const { return {epoch, lsn, key}; }
  Position first() const { return parts.empty() ? position : parts.front(); }
  friend bool operator<(const UnitRef& a, const UnitRef& b) {
    const auto order = a.order() <=> b.order();
    return order != 0 ? order < 0 : a.position < b.position;
  }
};

class Sequencer {
 public:
  // What is passed on the way, in journal order; views are valid during the call.
  struct Events {
    std::function<void(const Record& gap)> on_gap;  // record type gap
    std::function<void(uint64_t units, uint64_t statements)> on_reads_skipped;
  };

  // `reader` outlives the sequencer, which alone moves it.
  explicit Sequencer(JournalReader* reader, Events events = {})
      : reader_(reader), events_(std::move(events)) {}

  // Starts at the journal's beginning or, after a restart, at `low`, leaving out all units at or
  // before `applied` in the order. Events of records before `report_from` are not told again.
  absl::Status Start(Position low, std::optional<UnitRef> applied, Position report_from = 0);

  // The next unit in order, or nullopt if none is settled yet. Reads ahead no further than it must.
  // A DataLoss error (corrupt journal) stays until SkipCorruption().
  absl::StatusOr<std::optional<UnitRef>> Next();

  // The capture thread's watermark (LiveWatermark): every unit from `valid_from_end` on has a key
  // of at least `watermark`. Used once the reader has come that far.
  void RaiseWatermark(const OrderKey& watermark, Stamp settled, Position valid_from_end);

  // Goes on at the next segment after a DataLoss error: the caller counts the gap. False when there
  // is none.
  bool SkipCorruption();

  // Loads a unit with all its statements (parts joined; a COPY that continues stays several
  // Statements).
  absl::StatusOr<Unit> Load(const UnitRef& ref);
  // The same piece by piece, for a unit too large to hold: parts 0 .. ref.parts.size().
  absl::StatusOr<UnitHeader> LoadHeader(const UnitRef& ref);
  absl::StatusOr<std::vector<Statement>> LoadPart(const UnitRef& ref, size_t part);

  // No unit not yet handed on has a record before this position.
  Position low() const;
  Position read_to() const { return read_to_; }
  const OrderKey& watermark() const { return watermark_; }
  Stamp settled() const { return settled_; }
  // Units read and waiting for the watermark.
  size_t waiting() const { return heap_.size(); }

 private:
  struct Later {
    bool operator()(const UnitRef& a, const UnitRef& b) const { return b < a; }
  };
  struct Making {
    std::vector<Position> parts;
    uint64_t bytes = 0;
  };

  absl::Status Take(const Record& record);
  absl::Status TakeUnit(const Record& record);
  void ReportLostParts(const Record& end);
  void UseLiveWatermark();
  bool NextIsSettled() const { return !heap_.empty() && heap_.top().order() < watermark_; }
  void Push(UnitRef ref);
  bool Applied(const UnitRef& ref) const { return applied_ && !(*applied_ < ref); }

  JournalReader* reader_;
  Events events_;
  std::priority_queue<UnitRef, std::vector<UnitRef>, Later> heap_;
  std::set<Position> waiting_first_;   // first() of the refs in the heap
  std::map<uint64_t, Making> making_;  // by unit_id
  std::optional<UnitRef> applied_;
  absl::Status error_;    // of a record that could be read and makes no sense
  bool skipped_ = false;  // a corrupt stretch was passed over
  Position report_from_ = 0;
  Position read_to_ = 0;
  OrderKey watermark_, live_watermark_;
  Stamp settled_ = 0, live_settled_ = 0;
  Position live_from_ = 0;
};

}  // namespace pgparity::shadow
