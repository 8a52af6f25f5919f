// Unit assembly: from the bytes that the tap saw to units in the journal. Runs on the capture
// thread alone; no SQL is parsed here but what carries a secret or changes the session's settings.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "shadow/journal.h"
#include "shadow/live_watermark.h"
#include "shadow/unit.h"

namespace pgparity::shadow {

struct SessionInfo {
  std::string user, database, application;
  Settings startup;  // settings of the startup packet and its options, and ParameterStatus of login
  bool replication = false;  // passed through, never shadowed: a gap
};

struct AssemblerOptions {
  size_t max_frame = 64 << 20;  // larger frames are not captured: a gap
  size_t part_bytes = 4 << 20;  // a unit in the making larger than this is journalled in parts
  double read_sample = 1.0;     // share of read-only units that is journalled (--reads); 0: none
  Stamp idle =
      200'000'000;  // a watermark is journalled when no unit has carried it for so long (ns)
  size_t max_parked = 1000;             // prepared transactions waiting for their COMMIT PREPARED
  size_t max_parked_bytes = 256 << 20;  // of all of them
};

// Written by the capture thread, read by any.
class EventCount {
 public:
  EventCount& operator+=(uint64_t n) {
    value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
    return *this;
  }
  EventCount& operator++() { return *this += 1; }
  // NOLINTNEXTLINE(google-explicit-constructor): reads like a number
  operator uint64_t() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

struct AssemblerCounters {
  EventCount units, statements;  // journalled; seen
  EventCount lost_sessions;      // times that the tap left bytes of a session out
  EventCount desynchronised;     // times that a tracker lost its way
  EventCount journal_errors;     // appends and flushes that failed
  EventCount units_dropped;  // not journalled: an append failed, or a part of them was not captured
  EventCount rolled_back, in_doubt;  // of the units
  EventCount late;                   // units whose key had to be raised
  EventCount reads_skipped_units, reads_skipped_statements;
  EventCount gaps;  // gap records journalled
};

class UnitAssembler {
 public:
  // `on_gap`(reason, detail) is told of every gap that could not be written into the journal.
  using GapFn = std::function<void(std::string_view reason, std::string_view detail)>;
  // `journal` outlives the assembler, which alone appends to it.
  UnitAssembler(JournalWriter* journal, AssemblerOptions options, Stamp wall_offset, GapFn on_gap);
  // Sessions that are still open count as closed.
  ~UnitAssembler();

  // What the tap recorded, in its order for each session. Session ids are unique over the life of a
  // data directory.
  void SessionOpened(uint64_t session, SessionInfo info, Stamp stamp);
  void ClientBytes(uint64_t session, std::string_view bytes, Stamp stamp);
  void ServerBytes(uint64_t session, std::string_view bytes, Stamp stamp);
  void ElidedRows(uint64_t session, const protocol::RowDigest& digest, Stamp stamp);
  // Ordering `exact`: a token was asked for on the client's behalf, behind what ClientBytes has of
  // the unit's writes and before its commit; and what came, before the server's bytes that end the
  // unit. Nothing comes where the unit fails first.
  void TokenSent(uint64_t session, Stamp stamp);
  void TokenSeen(uint64_t session, const LsnToken& token, Stamp stamp);
  // The tap left bytes out from here on ("ring-full", "paused"); the session's state is unknown
  // until Resynchronised: idle, with nothing outstanding.
  void Lost(uint64_t session, std::string_view reason, Stamp stamp);
  void Resynchronised(uint64_t session, Stamp stamp);
  void SessionClosed(uint64_t session, Stamp stamp);

  // Everything stamped before `bound` has been delivered. Moves the watermark, writes out what
  // waits in the journal, and publishes live().
  void AdvanceTo(Stamp bound);

  Stamp watermark() const;
  // Any thread: the primary is another one, or on another timeline. LSNs of tokens are not compared
  // with those from before.
  void PrimaryChanged();
  // --- any thread ---
  const LiveWatermark& live() const;
  const AssemblerCounters& counters() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace pgparity::shadow
