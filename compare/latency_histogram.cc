#include "compare/latency_histogram.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace pgparity::compare {
namespace {

constexpr char kVersion = 1;

void AppendVarint(uint64_t value, std::string* out) {
  while (value >= 0x80) {
    out->push_back(static_cast<char>(value | 0x80));
    value >>= 7;
  }
  out->push_back(static_cast<char>(value));
}

bool ReadVarint(std::string_view* bytes, uint64_t* value) {
  *value = 0;
  for (int shift = 0; shift < 64; shift += 7) {
    if (bytes->empty()) return false;
    const auto byte = static_cast<uint8_t>(bytes->front());
    bytes->remove_prefix(1);
    *value |= static_cast<uint64_t>(byte & 0x7f) << shift;
    if (byte < 0x80) return true;
  }
  return false;
}

// The middle of a bucket: values below 8 have one each, and each power of two above has 8.
double MiddleOf(size_t bucket) {
  if (bucket < 8) return static_cast<double>(bucket);
  const size_t exponent = bucket / 8 - 1;
  const double width = std::ldexp(1.0, static_cast<int>(exponent));
  return (8.0 + static_cast<double>(bucket % 8)) * width + (width - 1) / 2;
}

uint64_t SaturatingAdd(uint64_t a, uint64_t b) { return a + b < a ? UINT64_MAX : a + b; }

}  // namespace

size_t LatencyHistogram::BucketOf(uint64_t micros) {
  if (micros < 8) return micros;
  const auto exponent = static_cast<size_t>(std::bit_width(micros)) - 4;
  const size_t bucket = (exponent + 1) * 8 + ((micros >> exponent) & 7);
  return std::min(bucket, kBuckets - 1);
}

void LatencyHistogram::AddToBucket(size_t bucket, uint64_t count) {
  bucket = std::min(bucket, kBuckets - 1);
  buckets_[bucket] = SaturatingAdd(buckets_[bucket], count);
  count_ = SaturatingAdd(count_, count);
}

void LatencyHistogram::Merge(const LatencyHistogram& other) {
  for (size_t i = 0; i < kBuckets; ++i) {
    if (other.buckets_[i] != 0) AddToBucket(i, other.buckets_[i]);
  }
}

double LatencyHistogram::Sum() const {
  double sum = 0;
  for (size_t i = 0; i < kBuckets; ++i) sum += MiddleOf(i) * static_cast<double>(buckets_[i]);
  return sum;
}

uint64_t LatencyHistogram::CountBelow(uint64_t micros) const {
  uint64_t count = 0;
  for (size_t i = 0; i <= BucketOf(micros); ++i) count = SaturatingAdd(count, buckets_[i]);
  return count;
}

double LatencyHistogram::Quantile(double q) const {
  if (count_ == 0) return 0;
  const double wanted = std::clamp(q, 0.0, 1.0) * static_cast<double>(count_);
  const double rank = std::max(1.0, std::ceil(wanted));
  double seen = 0;
  size_t last = 0;
  for (size_t i = 0; i < kBuckets; ++i) {
    if (buckets_[i] == 0) continue;
    seen += static_cast<double>(buckets_[i]);
    last = i;
    if (seen >= rank) break;
  }
  return MiddleOf(last);
}

std::string LatencyHistogram::Serialise() const {
  std::string out(1, kVersion);
  size_t next = 0;
  for (size_t i = 0; i < kBuckets; ++i) {
    if (buckets_[i] == 0) continue;
    AppendVarint(i - next, &out);
    AppendVarint(buckets_[i], &out);
    next = i + 1;
  }
  return out;
}

LatencyHistogram LatencyHistogram::Deserialise(std::string_view bytes) {
  LatencyHistogram histogram;
  if (bytes.empty() || bytes.front() != kVersion) return histogram;
  bytes.remove_prefix(1);
  uint64_t next = 0;
  uint64_t skip = 0;
  uint64_t count = 0;
  while (ReadVarint(&bytes, &skip) && ReadVarint(&bytes, &count)) {
    if (skip >= kBuckets - next) break;
    histogram.AddToBucket(next + skip, count);
    next += skip + 1;
    if (next >= kBuckets) break;
  }
  return histogram;
}

}  // namespace pgparity::compare
