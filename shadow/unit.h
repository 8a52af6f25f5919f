// A unit of work as the journal holds it (DESIGN, "Words").
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "compare/observation.h"
#include "protocol/session_tracker.h"

namespace pgparity::shadow {

using protocol::Stamp;

// [lo, hi] contains the instant at which the unit took effect (DESIGN, "Ordering").
struct Interval {
  Stamp lo = 0, hi = 0;
  bool Overlaps(const Interval& other) const { return lo <= other.hi && other.lo <= hi; }
};

// A place in the order of units (DESIGN, "Ordering"). LSNs of different epochs are never compared:
// an epoch begins with a new timeline or system identifier of the primary. Without tokens epoch and
// lsn are 0, and time alone decides.
struct OrderKey {
  uint32_t epoch = 0;
  uint64_t lsn = 0;
  Stamp time = 0;
  friend auto operator<=>(const OrderKey&, const OrderKey&) = default;
};

// What the primary said of a unit after its last write and before its commit (ordering `exact`).
struct LsnToken {
  uint64_t lsn = 0;      // pg_current_wal_insert_lsn()
  uint64_t xid = 0;      // pg_current_xact_id_if_assigned(); 0: none
  int64_t now_us = 0;    // now(), microseconds since 2000-01-01 00:00 UTC
  std::string snapshot;  // pg_current_snapshot(), of REPEATABLE READ and SERIALIZABLE; else empty
  friend bool operator==(const LsnToken&, const LsnToken&) = default;
};

enum class UnitEnd : uint8_t {
  committed,    // of a prepared unit: by COMMIT PREPARED (gid is set)
  rolled_back,  // of a prepared unit: by ROLLBACK PREPARED (gid is set)
  // Not written yet: a prepared unit is journalled when it is finished.
  prepared,
  committed_prepared,
  rolled_back_prepared,
  in_doubt,  // the session ended with the commit, or a single-shot write, unanswered
};

struct Statement {
  std::string sql;
  protocol::QueryProtocol protocol = protocol::QueryProtocol::simple;
  protocol::TransactionCommand transaction_command = protocol::TransactionCommand::none;
  protocol::BoundParameters parameters;
  int32_t max_rows = 0;
  bool continues_portal = false;
  bool known_text =
      true;  // false: prepared before the session was followed, or kept back as a secret
  Stamp sent = 0, done = 0;
  bool copy_in = false;
  std::string copy_data;        // COPY FROM STDIN: the bodies of the client's CopyData, joined
  bool copy_continues = false;  // more copy data of the same statement follows in the next
                                // Statement; no observation yet
  compare::Observation primary;
};

// Session state that changes meaning: setting name (lower case) -> value as SET would take it. The
// pseudo-settings "role" and "session_authorization" are what SET ROLE and SET SESSION
// AUTHORIZATION left; absent: the login's own.
using Settings = std::map<std::string, std::string>;

struct UnitHeader {
  uint64_t ordinal = 0;  // increases in completion order, over the life of a data directory; with
                         // holes where reads were not journalled (AssemblerOptions::read_sample)
  uint64_t session = 0;  // unique over the life of a data directory
  std::string user, database, application;
  Settings settings;  // at the unit's begin
  Interval interval;
  Stamp key = 0;  // order key: its time
  // The order key's other parts. A unit without a token has the highest LSN that was seen before
  // its completion.
  uint32_t epoch = 0;
  uint64_t lsn = 0;
  std::optional<LsnToken> token;
  Stamp done = 0;  // the reply that ended it was seen
  UnitEnd end = UnitEnd::committed;
  bool explicit_block =
      false;  // began with BEGIN; its replies were all read before COMMIT was sent
  bool late =
      false;  // its key was below a watermark already given out, and was raised: order unproved
  bool read_only = false;  // its command tags, and a look at its texts, show nothing that writes
  std::string gid;         // of PREPARE TRANSACTION and its end
  Stamp wall_offset = 0;   // wall-clock nanoseconds since 1970 = stamp + wall_offset (modulo 2^64)
};

inline OrderKey KeyOf(const UnitHeader& header) { return {header.epoch, header.lsn, header.key}; }

// The interval of a unit whose deferred constraints or triggers take locks during COMMIT.
inline Interval DeferredInterval(const UnitHeader& header) {
  return {header.interval.lo, header.done > header.interval.hi ? header.done : header.interval.hi};
}

// A unit held in memory whole: a part list of one. Larger ones are read part by part.
struct Unit {
  UnitHeader header;
  std::vector<Statement> statements;
};

// Encodes for the journal; see the format at the head of unit.cc. Decoders hold on any bytes and
// answer DataLoss for what no encoder wrote.
std::string EncodeHeader(const UnitHeader& header);
absl::StatusOr<UnitHeader> DecodeHeader(std::string_view bytes);
void EncodeStatement(const Statement& statement, std::string* out);
absl::StatusOr<std::vector<Statement>> DecodeStatements(std::string_view bytes);

// The numbers of a header, without an allocation.
struct UnitNumbers {
  uint64_t ordinal = 0, session = 0;
  Interval interval;
  OrderKey key;
  Stamp done = 0, wall_offset = 0;
  UnitEnd end = UnitEnd::committed;
};
absl::StatusOr<UnitNumbers> DecodeUnitNumbers(std::string_view header);

}  // namespace pgparity::shadow
