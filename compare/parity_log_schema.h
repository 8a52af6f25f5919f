// The parity log's tables. Version 1 of the schema, in PRAGMA user_version.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "compare/sqlite_db.h"

namespace pgparity::compare {

inline constexpr int64_t kParityLogVersion = 1;
inline constexpr int64_t kParityLogApplication = 0x70677061;  // "pgpa", PRAGMA application_id

// Times are microseconds since 1970 (_us), buckets are seconds since 1970.
inline constexpr char kParityLogSchema[] = R"sql(
-- Single values: soak_started_us, soak_ended_us, applied_position, events_position, hours_before and
-- days_before (the seconds since 1970 before which a bucket of tally and latency is an hour, or a day,
-- and not a minute).
CREATE TABLE meta (
  name   TEXT PRIMARY KEY,
  value  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Free-form facts, the latest value of each: versions, role of the shadow's connection, the check at start.
CREATE TABLE fact (
  name   TEXT PRIMARY KEY,
  value  TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- All counters, each by the bucket in which it was counted. kind and key:
--   counter      units_seen, units_applied, units_read_only, units_rolled_back, units_in_doubt, statements_seen,
--                rows_unproved, rows_settled, rows_repaired, statements_ambiguous_resolved
--   class        match, divergent, consequence, ambiguous, volatile, waived, refused, not-compared: statements
--   reason       CLASS/REASON of those that are not a plain match
--   note         incomplete, bytewise, digest-only: matches that were compared only so far
--   read, write  a table: statements that read or write it
--   divergence, consequence   a divergence's id
--   soak         us, clean_us: soaked microseconds
CREATE TABLE tally (
  bucket INTEGER NOT NULL,
  kind   TEXT NOT NULL,
  key    TEXT NOT NULL,
  n      INTEGER NOT NULL,
  PRIMARY KEY (bucket, kind, key)
) STRICT, WITHOUT ROWID;

-- Latencies of all statements: primary, shadow, proxy_added. Histograms as LatencyHistogram writes them.
CREATE TABLE latency (
  bucket    INTEGER NOT NULL,
  name      TEXT NOT NULL,
  histogram BLOB NOT NULL,
  PRIMARY KEY (bucket, name)
) STRICT, WITHOUT ROWID;

-- One row a shape: its text with the constants taken out, and its whole life's counts and latencies.
-- The shape 'other' stands for all beyond the limit of distinct ones.
CREATE TABLE shape (
  fingerprint  TEXT PRIMARY KEY,
  text         TEXT NOT NULL,
  "match"      INTEGER NOT NULL,
  divergent    INTEGER NOT NULL,
  consequence  INTEGER NOT NULL,
  ambiguous    INTEGER NOT NULL,
  volatile     INTEGER NOT NULL,
  waived       INTEGER NOT NULL,
  refused      INTEGER NOT NULL,
  not_compared INTEGER NOT NULL,
  primary_us   BLOB NOT NULL,
  shadow_us    BLOB NOT NULL,
  first_at_us  INTEGER NOT NULL,
  last_at_us   INTEGER NOT NULL
) STRICT;

-- One row for each shape, class (divergent, consequence, ambiguous) and kind that diverged, with the
-- first example. Examples hold user data as it came; reports redact it.
CREATE TABLE divergence (
  id                INTEGER PRIMARY KEY,
  fingerprint       TEXT NOT NULL,
  class             TEXT NOT NULL,
  kind              TEXT NOT NULL,
  shape             TEXT NOT NULL,
  what              TEXT NOT NULL,
  cause             TEXT NOT NULL,
  advice            TEXT NOT NULL,
  tables            TEXT NOT NULL,     -- joined by line feeds
  count             INTEGER NOT NULL,
  consequences      INTEGER NOT NULL,
  first_position    INTEGER NOT NULL,  -- in the journal
  last_position     INTEGER NOT NULL,
  first_at_us       INTEGER NOT NULL,
  last_at_us        INTEGER NOT NULL,
  example_statement TEXT NOT NULL,
  example_primary   TEXT NOT NULL,
  example_shadow    TEXT NOT NULL,
  UNIQUE (fingerprint, class, kind)
) STRICT;

-- The first examples of each divergence, the one above among them.
CREATE TABLE divergence_examples (
  divergence INTEGER NOT NULL REFERENCES divergence (id),
  position   INTEGER NOT NULL,
  at_us      INTEGER NOT NULL,
  what       TEXT NOT NULL,
  statement  TEXT NOT NULL,
  "primary"  TEXT NOT NULL,
  shadow     TEXT NOT NULL
) STRICT;
CREATE INDEX divergence_examples_of ON divergence_examples (divergence);

-- What may have left the shadow's contents different, or was not observed.
CREATE TABLE gap (
  id          INTEGER PRIMARY KEY,
  reason      TEXT NOT NULL,
  detail      TEXT NOT NULL,
  count       INTEGER NOT NULL,
  first_at_us INTEGER NOT NULL,
  last_at_us  INTEGER NOT NULL
) STRICT;
)sql";

// Is the file a parity log of this version? A clear error otherwise, naming `path`. `*empty` is set
// when the file holds nothing yet, which is no error.
absl::Status CheckParityLogVersion(SqliteDatabase* db, const std::string& path, bool* empty);

// The bucket of a time, in seconds since 1970, `width` seconds wide.
inline constexpr int64_t kMinute = 60, kHour = 3600, kDay = 86400;
constexpr int64_t BucketStart(int64_t seconds, int64_t width) {
  const int64_t remainder = seconds % width;
  return seconds - (remainder < 0 ? remainder + width : remainder);
}

}  // namespace pgparity::compare
