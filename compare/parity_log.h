// The parity log: an SQLite file in the data directory that holds divergences, gaps and examples one
// by one, and matches as counters and latency histograms per shape. Reports are made from it alone.
// Its tables are described in parity_log.cc beside their CREATE statements.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "compare/comparison.h"
#include "compare/mutex.h"

struct sqlite3;

namespace pgparity::compare {

// DESIGN, "Classes in the report".
enum class Class : uint8_t { match, divergent, consequence, ambiguous, volatile_value, waived, refused, not_compared };
std::string_view ClassName(Class value);   // "match", ..., "volatile", ..., "not-compared"

// Base-2 logarithmic buckets with 8 linear steps each, over microseconds; quantiles within 7%.
class LatencyHistogram {
 public:
  void Add(uint64_t micros, uint64_t count = 1);
  void Merge(const LatencyHistogram& other);
  uint64_t count() const { return count_; }
  double Quantile(double q) const;   // microseconds; 0 when empty
  std::string Serialise() const;
  static LatencyHistogram Deserialise(std::string_view bytes);

 private:
  static constexpr size_t kBuckets = 8 * 40;
  std::array<uint32_t, kBuckets> buckets_{};
  uint64_t count_ = 0;
};

// One statement's outcome.
struct StatementRecord {
  std::string_view fingerprint;     // 16 hex digits, from statement analysis
  std::string_view shape;           // the text with the constants taken out
  Class cls = Class::match;
  std::string_view reason;          // of refused, not_compared, volatile and ambiguous: a short code
  std::vector<std::string> tables_read, tables_written;
  uint64_t primary_us = 0, shadow_us = 0;
  uint64_t position = 0;            // of its unit in the journal
  // Divergent, consequence, ambiguous:
  Comparison comparison;
  std::string_view statement;       // the text as sent; kept as example, redacted when shown
  std::string_view advice, cause;
};

// Absolute counters. All are kept across restarts.
enum class Counter : uint8_t {
  units_seen, units_applied, units_read_only, units_rolled_back, units_in_doubt,
  statements_seen, kCount
};

// Thread-safe. Records are buffered and written in one SQLite transaction by Flush(), which the
// owner calls a few times a second and at the end; a crash loses at most what was not flushed.
class ParityLog {
 public:
  // Creates the file if it is not there. A file of another schema version is an error that says so.
  static absl::StatusOr<std::unique_ptr<ParityLog>> Open(const std::string& path);
  ~ParityLog();

  void Record(const StatementRecord& record);
  void Add(Counter counter, uint64_t n);
  // A gap now, at wall-clock `at_us` (microseconds since 1970). Gaps of one reason within a minute
  // of each other are one row with a count; detail is one line without user data.
  void Gap(std::string_view reason, std::string_view detail, int64_t at_us, uint64_t count = 1);
  // Soak time: called about once a second while traffic is being shadowed without degradation.
  void SoakTick(int64_t now_us, bool clean);
  // Free-form facts that the report shows: versions, role of the shadow connection, start check.
  void SetFact(std::string_view name, std::string_view value);
  void AddProxyLatency(const LatencyHistogram& added_us);
  absl::Status Flush();

 private:
  struct Impl;
  explicit ParityLog(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace pgparity::compare
