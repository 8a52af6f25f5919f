// What a parity log has recorded since its last flush. Not thread-safe.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "compare/latency_histogram.h"
#include "compare/parity_log.h"

namespace pgparity::compare {

inline constexpr size_t kClasses = static_cast<size_t>(Class::not_compared) + 1;
inline constexpr size_t kCounters = static_cast<size_t>(Counter::kCount);
inline constexpr std::array<std::string_view, kCounters> kCounterNames = {
    "units_seen",      "units_applied",
    "units_read_only", "units_rolled_back",
    "units_in_doubt",  "statements_seen",
    "rows_unproved",   "rows_settled",
    "rows_repaired",   "statements_ambiguous_resolved"};

// A histogram of few values, small while there are few.
class SparseHistogram {
 public:
  void Add(uint64_t micros);
  void MergeInto(LatencyHistogram* histogram) const;
  void Merge(const SparseHistogram& other);

 private:
  void AddToBucket(uint16_t bucket, uint64_t count);
  std::vector<std::pair<uint16_t, uint64_t>> counts_;
};

// The counts of one minute.
struct BucketDelta {
  struct Table {
    uint64_t reads = 0, writes = 0;
  };
  struct DivergenceCount {
    uint64_t count = 0, consequences = 0;
  };
  std::array<uint64_t, kClasses> classes{};
  std::array<uint64_t, kCounters> counters{};
  uint64_t incomplete = 0, bytewise = 0, digest_only = 0;
  uint64_t soak_us = 0, soak_clean_us = 0;
  absl::flat_hash_map<std::string, Table> tables;
  absl::flat_hash_map<std::string, uint64_t> reasons;  // "CLASS/REASON"
  absl::flat_hash_map<int64_t, DivergenceCount> divergences;
  LatencyHistogram primary, shadow, proxy_added;

  void Merge(const BucketDelta& other);
};

struct ShapeDelta {
  std::string fingerprint, text;
  std::array<uint64_t, kClasses> classes{};
  SparseHistogram primary, shadow;
  int64_t first_at_us = 0, last_at_us = 0;

  void Merge(const ShapeDelta& other);
};

// The parts of a divergence that do not change after its first sight.
struct DivergenceText {
  std::string fingerprint, cls, kind, shape, what, cause, advice, tables;
  std::string example_statement, example_primary, example_shadow;
};

// A divergence as it stands, and its text if that has not been written yet.
struct DivergenceState {
  int64_t id = 0;
  uint64_t count = 0, consequences = 0;
  uint64_t first_position = 0, last_position = 0;
  int64_t first_at_us = 0, last_at_us = 0;
  uint64_t examples = 0;
};

struct Example {
  int64_t divergence = 0;
  uint64_t position = 0;
  int64_t at_us = 0;
  std::string what, statement, primary, shadow;
};

struct GapState {
  int64_t id = 0;
  std::string reason, detail;
  uint64_t count = 0;
  int64_t first_at_us = 0, last_at_us = 0;
};

struct Pending {
  std::map<int64_t, BucketDelta> buckets;  // by minute
  absl::flat_hash_map<uint64_t, ShapeDelta> shapes;
  std::map<int64_t, DivergenceState> divergences;     // as they stand
  std::map<int64_t, DivergenceText> new_divergences;  // not in the file yet
  std::vector<Example> examples;
  std::map<int64_t, GapState> gaps;  // as they stand
  std::map<std::string, std::string> facts;
  std::map<std::string, int64_t> meta;

  // There must be two at least.
  void JoinOldestBuckets();
  // Takes back what could not be written; what is here is newer.
  void MergeOlder(Pending older, const ParityLogLimits& limits);
};

// The shape that stands for those beyond the limit.
inline constexpr uint64_t kOtherShape = 0;
// At most this many minutes are kept apart while nothing can be written.
inline constexpr size_t kPendingMinutes = 60;

}  // namespace pgparity::compare
