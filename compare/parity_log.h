// The parity log: an SQLite file in the data directory that holds divergences, gaps and examples
// one by one, and matches as counters and latency histograms per shape. Reports are made from it
// alone. Its tables are described in parity_log_schema.h beside their CREATE statements.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "compare/comparison.h"
#include "compare/latency_histogram.h"

namespace pgparity::compare {

// DESIGN, "Classes in the report".
enum class Class : uint8_t {
  match,
  divergent,
  consequence,
  ambiguous,
  volatile_value,
  waived,
  refused,
  not_compared
};
std::string_view ClassName(Class value);  // "match", ..., "volatile", ..., "not-compared"

// One statement's outcome. Views are not kept.
struct StatementRecord {
  std::string_view
      fingerprint;  // 16 hex digits, from statement analysis; empty: one is made of the shape
  std::string_view shape;  // the text with the constants taken out
  Class cls = Class::match;
  std::string_view reason;  // of refused, not_compared, volatile and ambiguous: a short code
  std::vector<std::string> tables_read, tables_written;
  uint64_t primary_us = 0, shadow_us = 0;
  uint64_t position = 0;  // of its unit in the journal
  // Divergent, consequence, ambiguous:
  Comparison comparison;
  std::string_view statement;  // the text as sent; kept as example, redacted when shown
  std::string_view advice;
  // Divergent, ambiguous: one line for the reader. Consequence: the fingerprint of the divergence
  // that it follows from, whose count of consequences it raises.
  std::string_view cause;
};

// Absolute counters. All are kept across restarts. statements_seen leaves out transaction control.
enum class Counter : uint8_t {
  units_seen,
  units_applied,
  units_read_only,
  units_rolled_back,
  units_in_doubt,
  statements_seen,
  // Rows written in an order that nothing proves, or perhaps not as on the primary.
  rows_unproved,
  // Of those, found equal since; rows that had to be made equal before; ambiguous statements all of
  // whose rows were found equal since.
  rows_settled,
  rows_repaired,
  ambiguous_resolved,
  kCount
};

// What the log holds at most; beyond it entries are counted under "other", or the oldest ones are
// merged, and nothing is dropped without being counted.
struct ParityLogLimits {
  size_t shapes = 100'000;
  size_t dirty_shapes = 10'000;  // distinct shapes between two flushes
  size_t divergences = 2'000;
  size_t examples_per_divergence = 20;
  size_t pending_examples = 500;  // between two flushes
  size_t tables = 2'000;
  size_t reasons = 500;            // of classes, and gap reasons
  size_t gaps_per_reason = 1'000;  // then the latest grows to hold the next
};

// Thread-safe. Records are buffered and written in one SQLite transaction by Flush(), which the
// owner calls a few times a second and at the end; a crash loses at most what was not flushed.
// Counts are kept by the minute in which they were recorded: by the hour after a day, by the day
// after 30.
class ParityLog {
 public:
  // Creates the file if it is not there. A file of another schema version is an error that says so
  // (FailedPrecondition). `now_us` is the wall clock, in microseconds since 1970; tests bring their
  // own.
  static absl::StatusOr<std::unique_ptr<ParityLog>> Open(const std::string& path,
                                                         std::function<int64_t()> now_us = nullptr,
                                                         const ParityLogLimits& limits = {});
  // Flushes.
  ~ParityLog();

  void Record(const StatementRecord& record);
  void Add(Counter counter, uint64_t n);
  // A gap now, at wall-clock `at_us` (microseconds since 1970). Gaps of one reason within a minute
  // of each other are one row with a count; detail is one line without user data, and a row joins
  // the different ones up to 2,000 bytes.
  void Gap(std::string_view reason, std::string_view detail, int64_t at_us, uint64_t count = 1);
  // Soak time: called about once a second while traffic is being shadowed without degradation. The
  // time since the tick before it is soaked, unless that is more than 5 s or the clock went
  // backwards; `clean` says whether that time was without a gap, a divergence or a degradation.
  void SoakTick(int64_t now_us, bool clean);
  // Every unit that stands before this position of the journal has been applied or settled, and
  // all that was seen of it was recorded here.
  void SetAppliedPosition(uint64_t position);
  // The gaps that stand before this position of the journal were recorded here.
  void SetEventsPosition(uint64_t position);
  // Free-form facts that the report shows: versions, role of the shadow connection, start check.
  void SetFact(std::string_view name, std::string_view value);
  void AddProxyLatency(const LatencyHistogram& added_us);
  // After an error (disk full) nothing is lost: the next Flush writes it.
  absl::Status Flush();

 private:
  struct Impl;
  explicit ParityLog(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace pgparity::compare
