// Writes units, gaps and watermarks into the journal: gives out ordinals, keeps the watermark's
// promise, and turns a failing journal into gaps. One for all sessions, on the capture thread.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "shadow/assembler.h"
#include "shadow/journal.h"
#include "shadow/lsn_order.h"
#include "shadow/unit.h"

namespace pgparity::shadow {

// A unit in the making.
struct OpenUnit {
  std::shared_ptr<const Settings> settings;  // at its begin; null: no unit is open
  std::string encoded;                       // statements not journalled yet
  uint64_t statements = 0;
  uint64_t part_id = 0;  // 0: no part journalled yet
  Position first_part = 0;
  uint64_t part_bytes = 0;  // in parts
  Stamp first_sent = 0;
  Stamp last_done = 0;
  bool explicit_block = false;  // BEGIN was seen
  bool failed = false;          // a statement of it failed, and was not rolled back to a savepoint
  bool unclear_rollback = false;  // the tag ROLLBACK of a statement whose text is not known
  bool read_only = true;
  std::optional<LsnToken> token;
  std::string broken;  // gap reason: it cannot be journalled as a unit

  bool open() const { return settings != nullptr; }
  uint64_t bytes() const { return part_bytes + encoded.size(); }
};

class UnitWriter {
 public:
  // All outlive the writer.
  UnitWriter(JournalWriter* journal, const AssemblerOptions& options, Stamp wall_offset,
             UnitAssembler::GapFn on_gap, AssemblerCounters* counters);

  // The newest stamp delivered.
  void Saw(Stamp stamp) { newest_seen_ = stamp > newest_seen_ ? stamp : newest_seen_; }

  void Add(const Statement& statement, OpenUnit* unit);
  // Journals what the unit holds so far. After an error the unit is broken.
  void WritePart(OpenUnit* unit);
  // Journals the unit as header says; ordinal, wall_offset, LSN and the late rule are filled in
  // here. `unit` is empty afterwards. A broken unit becomes a gap. Where there are tokens, a unit
  // without one waits until all tokens seen before its key are known: an AdvanceTo() or two.
  void Finish(UnitHeader header, OpenUnit* unit);
  // The unit counts for nothing. No gap is written.
  void Drop(OpenUnit* unit);
  void Gap(std::string_view reason, std::string_view detail);

  // COMMITs in flight bound the watermark, requests in flight the settled stamp.
  void CommitSent(Stamp stamp) { commits_.insert(stamp); }
  void CommitOver(Stamp stamp) { Erase(&commits_, stamp); }
  void Busy(Stamp since) { busy_.insert(since); }
  void BusyOver(Stamp since) { Erase(&busy_, since); }
  // Ordering `exact`.
  void TokenSent(Stamp since) { lsns_.Asked(since); }
  void TokenOver(Stamp since) { lsns_.Over(since); }
  void TokenSeen(uint64_t lsn, Stamp stamp) { lsns_.Seen(lsn, stamp); }
  // LSNs from here on are another primary's.
  void BeginEpoch();
  void AdvanceTo(Stamp bound);
  // Writes what is owed, at the end.
  void Close();

  Stamp watermark() const { return watermark_.time; }
  const LiveWatermark& live() const { return live_; }

 private:
  struct Waiting {
    UnitHeader header;
    OpenUnit unit;
  };
  void Journal(UnitHeader header, OpenUnit* unit);
  void JournalWaiting(Stamp bound);
  static void Erase(std::multiset<Stamp>* stamps, Stamp stamp);
  absl::StatusOr<Position> Put(Record record);
  absl::StatusOr<Position> PutRaw(Record record);
  absl::Status WriteOwed();
  void Break(const absl::Status& why, OpenUnit* unit);
  bool Sampled(uint64_t ordinal) const;
  void SkipRead(OpenUnit* unit);
  void NoteUnit(const UnitHeader& header);
  void WriteSkippedReads(Stamp now);
  void WriteIdleWatermark(Stamp now);
  void Flush();

  JournalWriter* const journal_;
  const AssemblerOptions& options_;
  const Stamp wall_offset_;
  const UnitAssembler::GapFn on_gap_;
  AssemblerCounters* const counters_;
  LiveWatermark live_;

  uint64_t ordinal_ = 0;
  uint64_t last_journalled_ = 0;  // ordinal
  uint64_t part_ids_ = 0;
  bool start_owed_ = true;            // the record that tells readers of a new process
  std::vector<uint64_t> drops_owed_;  // unit_dropped records

  std::multiset<Stamp> commits_, busy_;
  Stamp newest_seen_ = 0;
  LsnOrder lsns_;
  std::deque<Waiting> waiting_;
  Stamp bound_ = 0;                         // of the last AdvanceTo()
  OrderKey watermark_, carried_watermark_;  // carried by the newest record
  Stamp settled_ = 0, carried_settled_ = 0;
  OrderKey newest_key_;  // of the units journalled
  Stamp newest_done_ = 0;
  Stamp last_record_ = 0, last_skipped_ = 0;             // when
  uint64_t skipped_units_ = 0, skipped_statements_ = 0;  // not told of in the journal yet
  bool flush_failing_ = false;
};

}  // namespace pgparity::shadow
