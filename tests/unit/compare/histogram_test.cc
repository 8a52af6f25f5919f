#include "compare/latency_histogram.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <random>

namespace pgparity::compare {
namespace {

// A copy in a heap block of its exact size, so that a sanitizer sees a read past its end.
LatencyHistogram DeserialiseExact(const std::string& bytes) {
  std::unique_ptr<char[]> exact(new char[bytes.size()]);
  std::copy(bytes.begin(), bytes.end(), exact.get());
  return LatencyHistogram::Deserialise({exact.get(), bytes.size()});
}

TEST(LatencyHistogram, EmptyHasQuantileZero) {
  EXPECT_EQ(LatencyHistogram().Quantile(0.99), 0);
  EXPECT_EQ(LatencyHistogram().count(), 0u);
}

TEST(LatencyHistogram, SmallValuesAreExact) {
  for (uint64_t value = 0; value < 16; ++value) {
    LatencyHistogram histogram;
    histogram.Add(value);
    EXPECT_EQ(histogram.Quantile(0.5), static_cast<double>(value));
  }
}

TEST(LatencyHistogram, BucketsAreContiguousAndMonotonic) {
  size_t last = 0;
  for (uint64_t value = 1; value < 1'000'000; ++value) {
    const size_t bucket = LatencyHistogram::BucketOf(value);
    ASSERT_TRUE(bucket == last || bucket == last + 1) << value;
    last = bucket;
  }
}

TEST(LatencyHistogram, AnyValueComesBackWithinSevenPercent) {
  for (int power = 0; power < 42; ++power) {
    for (const uint64_t value :
         {1ull << power, (1ull << power) + (1ull << power) / 3, (1ull << power) * 2 - 1}) {
      LatencyHistogram histogram;
      histogram.Add(value);
      EXPECT_NEAR(histogram.Quantile(1), static_cast<double>(value),
                  0.07 * static_cast<double>(value));
    }
  }
}

TEST(LatencyHistogram, HugeValuesShareTheLastBucket) {
  LatencyHistogram histogram;
  histogram.Add(UINT64_MAX);
  histogram.Add(1ull << 60);
  EXPECT_EQ(histogram.count(), 2u);
  EXPECT_EQ(LatencyHistogram::BucketOf(UINT64_MAX), LatencyHistogram::kBuckets - 1);
}

TEST(LatencyHistogram, QuantilesPickTheRankedValue) {
  LatencyHistogram histogram;
  histogram.Add(1, 50);
  histogram.Add(2, 45);
  histogram.Add(7, 5);
  EXPECT_EQ(histogram.Quantile(0.5), 1);
  EXPECT_EQ(histogram.Quantile(0.51), 2);
  EXPECT_EQ(histogram.Quantile(0.95), 2);
  EXPECT_EQ(histogram.Quantile(0.951), 7);
  EXPECT_EQ(histogram.Quantile(0), 1);
  EXPECT_EQ(histogram.Quantile(7), 7);
}

TEST(LatencyHistogram, SurvivesSerialising) {
  LatencyHistogram histogram;
  histogram.Add(0, 3);
  histogram.Add(300, 1000);
  histogram.Add(123'456'789);
  histogram.Add(UINT64_MAX);
  const LatencyHistogram back = DeserialiseExact(histogram.Serialise());
  EXPECT_EQ(back.count(), histogram.count());
  for (const double q : {0.0, 0.001, 0.002, 0.004, 0.5, 0.99, 0.999, 1.0}) {
    EXPECT_EQ(back.Quantile(q), histogram.Quantile(q)) << q;
  }
}

TEST(LatencyHistogram, MergeAddsCounts) {
  LatencyHistogram a, b;
  a.Add(5, 10);
  b.Add(5, 1);
  b.Add(6, 11);
  a.Merge(b);
  EXPECT_EQ(a.count(), 22u);
  EXPECT_EQ(a.Quantile(0.5), 5);
  EXPECT_EQ(a.Quantile(0.51), 6);
}

TEST(LatencyHistogram, CountsDoNotWrapAround) {
  LatencyHistogram histogram;
  histogram.Add(1, UINT64_MAX);
  histogram.Add(1, 5);
  EXPECT_EQ(histogram.count(), UINT64_MAX);
}

TEST(LatencyHistogram, MalformedBytesGiveWhatCameBefore) {
  EXPECT_EQ(DeserialiseExact("").count(), 0u);
  EXPECT_EQ(DeserialiseExact("\x02\x01\x01").count(), 0u);                      // another version
  EXPECT_EQ(DeserialiseExact(std::string("\x01\x05\x02\x80", 4)).count(), 2u);  // cut in a number
  EXPECT_EQ(DeserialiseExact(std::string("\x01\xff\x7f\x02", 4)).count(), 0u);  // past the buckets
  const std::string endless = std::string(1, '\x01') + std::string(30, '\xff');
  EXPECT_EQ(DeserialiseExact(endless).count(), 0u);
}

TEST(LatencyHistogram, AnyBytesAreTaken) {
  const auto seed = std::random_device{}();
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  for (int i = 0; i < 2000; ++i) {
    std::string bytes(random() % 40, '\0');
    for (char& c : bytes) c = static_cast<char>(random());
    if (!bytes.empty()) bytes[0] = 1;
    const LatencyHistogram histogram = DeserialiseExact(bytes);
    EXPECT_GE(histogram.Quantile(1), histogram.Quantile(0));
  }
}

}  // namespace
}  // namespace pgparity::compare
