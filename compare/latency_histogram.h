// Latencies as counts in logarithmic buckets.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace pgparity::compare {

// Base-2 logarithmic buckets with 8 linear steps each, over microseconds; quantiles within 7%.
// Values of 2^42 microseconds (50 days) and more share the last bucket.
class LatencyHistogram {
 public:
  static constexpr size_t kBuckets = 8 * 40;

  void Add(uint64_t micros, uint64_t count = 1) { AddToBucket(BucketOf(micros), count); }
  void AddToBucket(size_t bucket, uint64_t count);
  void Merge(const LatencyHistogram& other);
  uint64_t count() const { return count_; }
  // Microseconds; 0 when empty. `q` is clamped to 0..1.
  double Quantile(double q) const;
  // Of all values, microseconds; within 7%.
  double Sum() const;
  // How many values are at most `micros`, to the resolution of the buckets.
  uint64_t CountBelow(uint64_t micros) const;
  // Only buckets in use are written: a version byte, then pairs of variable-length integers, the
  // distance to the next bucket in use and its count.
  std::string Serialise() const;
  // Of malformed bytes, what came before the malformation.
  static LatencyHistogram Deserialise(std::string_view bytes);

  static size_t BucketOf(uint64_t micros);

 private:
  std::array<uint64_t, kBuckets> buckets_{};
  uint64_t count_ = 0;
};

}  // namespace pgparity::compare
