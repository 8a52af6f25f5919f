// Unit assembly: from the bytes that the tap saw to units in the journal. Runs on the capture thread
// alone; no SQL is parsed here but what carries a secret.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "shadow/journal.h"
#include "shadow/unit.h"

namespace pgparity::shadow {

struct SessionInfo {
  std::string user, database, application;
  Settings startup;          // settings of the startup packet and its options, and ParameterStatus of login
  bool replication = false;  // passed through, never shadowed: a gap
};

struct AssemblerOptions {
  size_t max_frame = 64 << 20;        // larger frames are not captured: a gap
  size_t part_bytes = 4 << 20;        // a unit in the making larger than this is journalled in parts
  double read_sample = 1.0;           // share of read-only units that is journalled (--reads)
};

struct AssemblerCounters {
  uint64_t units = 0, statements = 0, lost_sessions = 0, desynchronised = 0, journal_errors = 0;
};

class UnitAssembler {
 public:
  // `on_gap`(reason, detail) is told of every gap that could not be written into the journal.
  using GapFn = std::function<void(std::string_view reason, std::string_view detail)>;
  UnitAssembler(JournalWriter* journal, AssemblerOptions options, Stamp wall_offset, GapFn on_gap);
  ~UnitAssembler();

  // What the tap recorded, in its order for each session.
  void SessionOpened(uint64_t session, SessionInfo info, Stamp stamp);
  void ClientBytes(uint64_t session, std::string_view bytes, Stamp stamp);
  void ServerBytes(uint64_t session, std::string_view bytes, Stamp stamp);
  void ElidedRows(uint64_t session, const protocol::RowDigest& digest, Stamp stamp);
  // The tap left bytes out from here on ("ring-full", "paused"); the session's state is unknown until Resynchronised.
  void Lost(uint64_t session, std::string_view reason, Stamp stamp);
  void Resynchronised(uint64_t session, Stamp stamp);
  void SessionClosed(uint64_t session, Stamp stamp);

  // Everything stamped before `bound` has been delivered. Moves the watermark, and journals it when no unit
  // has carried it for `idle`.
  void AdvanceTo(Stamp bound);

  Stamp watermark() const;
  const AssemblerCounters& counters() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace pgparity::shadow
