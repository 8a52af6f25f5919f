// Comparison: frozen times, digests, and large results.
#include <xxhash.h>

#include <algorithm>
#include <chrono>
#include <random>

#include "compare/comparison.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/compare/comparison_test_util.h"

namespace pgparity::compare {
namespace {

using protocol::Format;
using ::testing::ElementsAre;
namespace oid = protocol::oid;

// --- Frozen times

const std::vector<ColumnSpec> kStamped = {{"id", oid::kInt4},
                                          {"at", oid::kTimestamptz, Format::binary}};

Observation Stamped(const std::vector<std::pair<int, int64_t>>& rows) {
  std::vector<Row> result;
  for (const auto& [id, at] : rows) result.push_back({std::to_string(id), Binary64(at)});
  return Rows(kStamped, result);
}

CompareOptions Frozen(int64_t tolerance) {
  CompareOptions options = Options();
  options.frozen_time = {false, true};
  options.time_tolerance_us = tolerance;
  return options;
}

TEST(FrozenTime, TheToleranceIsInclusive) {
  for (const int64_t sign : {1, -1}) {
    EXPECT_TRUE(Compare(Stamped({{1, 0}}), Stamped({{1, sign * 1000}}), Frozen(1000)).equal());
    const Comparison past = Compare(Stamped({{1, 0}}), Stamped({{1, sign * 1001}}), Frozen(1000));
    EXPECT_EQ(past.kind, Kind::rows);
    EXPECT_THAT(past.differing_columns, ElementsAre(1));
  }
  EXPECT_TRUE(Compare(Stamped({{1, 5}}), Stamped({{1, 5}}), Frozen(0)).equal());
  EXPECT_FALSE(Compare(Stamped({{1, 5}}), Stamped({{1, 6}}), Frozen(0)).equal());
  EXPECT_FALSE(
      Compare(Stamped({{1, INT64_MAX - 1}}), Stamped({{1, INT64_MIN + 1}}), Frozen(INT64_MAX))
          .equal());
}

TEST(FrozenTime, WithoutItEveryMicrosecondCounts) {
  EXPECT_EQ(Compare(Stamped({{1, 0}}), Stamped({{1, 1}}), Options()).kind, Kind::rows);
}

TEST(FrozenTime, TheOtherColumnsStillCount) {
  EXPECT_EQ(Compare(Stamped({{1, 0}}), Stamped({{2, 0}}), Frozen(1000)).kind, Kind::rows);
}

TEST(FrozenTime, PairsAcrossTheOrderOfRows) {
  // Taken as they come, (1,0) would go to (1,10), and (1,20) would be left with (1,10).
  EXPECT_TRUE(Compare(Stamped({{1, 10}, {1, 0}}), Stamped({{1, 10}, {1, 20}}), Frozen(10)).equal());
  EXPECT_TRUE(
      Compare(Stamped({{1, 0}, {2, 5}, {1, 100}}), Stamped({{1, 101}, {1, 1}, {2, 4}}), Frozen(1))
          .equal());
  EXPECT_EQ(Compare(Stamped({{1, 0}, {1, 0}}), Stamped({{1, 0}, {1, 50}}), Frozen(10)).kind,
            Kind::rows);
}

TEST(FrozenTime, SeveralFrozenColumns) {
  const std::vector<ColumnSpec> columns = {{"a", oid::kTimestamp, Format::binary},
                                           {"b", oid::kTimestamp, Format::binary}};
  const auto rows = [&](const std::vector<std::pair<int64_t, int64_t>>& times) {
    std::vector<Row> result;
    for (const auto& [a, b] : times) result.push_back({Binary64(a), Binary64(b)});
    return Rows(columns, result);
  };
  CompareOptions options = Options();
  options.frozen_time = {true, true};
  options.time_tolerance_us = 2;
  EXPECT_TRUE(Compare(rows({{10, 20}, {11, 5}}), rows({{10, 5}, {11, 20}}), options).equal());
  EXPECT_FALSE(Compare(rows({{10, 20}, {11, 5}}), rows({{10, 5}, {11, 23}}), options).equal());
}

TEST(FrozenTime, NullAndInfinityAreNotTimes) {
  const auto one = [](std::optional<std::string> value) {
    return Rows(kStamped, {{"1", std::move(value)}});
  };
  EXPECT_FALSE(Compare(one(std::nullopt), one(Binary64(0)), Frozen(INT64_MAX)).equal());
  EXPECT_FALSE(Compare(one(Binary64(INT64_MAX)), one(Binary64(0)), Frozen(INT64_MAX)).equal());
  EXPECT_TRUE(Compare(one(Binary64(INT64_MAX)), one(Binary64(INT64_MAX)), Frozen(0)).equal());
}

TEST(FrozenTime, TextAgainstBinary) {
  const Observation text =
      Rows({{"id", oid::kInt4}, {"at", oid::kTimestamptz}}, {{"1", "2000-01-01 00:00:00.0005+00"}});
  EXPECT_TRUE(Compare(text, Stamped({{1, 0}}), Frozen(500)).equal());
  EXPECT_FALSE(Compare(text, Stamped({{1, 0}}), Frozen(499)).equal());
}

// --- Digests

// Keeps the first `limit` rows and digests the others, as the tap does.
Observation Elided(const std::vector<std::string>& values, size_t limit,
                   uint32_t type = oid::kText) {
  Observation observation = Rows({{"v", type}}, {});
  for (size_t i = 0; i < values.size(); ++i) {
    if (i < limit) {
      AddRow({values[i]}, &observation);
      continue;
    }
    std::string framed;
    AppendRow({std::string_view(values[i])}, &framed);
    const uint64_t hash = XXH3_64bits(framed.data() + 4, framed.size() - 4);
    observation.digest.rows += 1;
    observation.digest.bytes += framed.size() - 4;
    observation.digest.sum += hash;
    observation.digest.chain = observation.digest.chain * 0x9E3779B97F4A7C15U + hash;
  }
  observation.tag = "SELECT " + std::to_string(values.size());
  return observation;
}

TEST(Digest, EqualResults) {
  const Observation a = Elided({"a", "b", "c", "d"}, 2);
  const Comparison result = Compare(a, a, Options(true));
  EXPECT_TRUE(result.equal());
  EXPECT_TRUE(result.digest_only);
  EXPECT_FALSE(result.order_differs || result.incomplete);
}

TEST(Digest, UnorderedResultsMayHaveOtherRowsInFront) {
  const Comparison result =
      Compare(Elided({"a", "b", "c", "d"}, 2), Elided({"d", "c", "b", "a"}, 2), Options());
  EXPECT_TRUE(result.equal());
  EXPECT_TRUE(result.digest_only);
  EXPECT_FALSE(result.order_differs);
  EXPECT_TRUE(
      Compare(Elided({"a", "b", "c", "d"}, 2), Elided({"d", "c", "b", "a"}, 2), Options(true))
          .order_differs);
  EXPECT_TRUE(
      Compare(Elided({"a", "b", "c", "d"}, 2), Elided({"a", "b", "d", "c"}, 2), Options(true))
          .order_differs);
}

TEST(Digest, ADifferenceBeyondTheLimit) {
  const Comparison result =
      Compare(Elided({"a", "b", "c", "d"}, 2), Elided({"a", "b", "c", "e"}, 2), Options());
  EXPECT_EQ(result.kind, Kind::rows);
  EXPECT_EQ(result.what, "digest of 4 rows differs");
  // A duplicate in place of another row is one too.
  EXPECT_EQ(
      Compare(Elided({"a", "b", "c", "c"}, 2), Elided({"a", "b", "b", "c"}, 2), Options(true)).kind,
      Kind::rows);
}

TEST(Digest, AnOrderedDifferenceInFrontIsShown) {
  const Comparison result =
      Compare(Elided({"a", "b", "c", "d"}, 2), Elided({"a", "x", "c", "d"}, 2), Options(true));
  EXPECT_EQ(result.kind, Kind::rows);
  EXPECT_EQ(result.what, "column 1 (v) differs in row 2");
}

TEST(Digest, OtherLimitsOnTheTwoSides) {
  const Observation all = Elided({"a", "b", "c", "d"}, 10);
  for (const bool ordered : {false, true}) {
    const Comparison same = Compare(all, Elided({"a", "b", "c", "d"}, 1), Options(ordered));
    EXPECT_TRUE(same.equal());
    EXPECT_FALSE(same.incomplete || same.order_differs);
    EXPECT_EQ(Compare(all, Elided({"a", "b", "c", "e"}, 1), Options(ordered)).kind, Kind::rows);
  }
}

TEST(Digest, OtherTotals) {
  const Comparison result =
      Compare(Elided({"a", "b", "c"}, 2), Elided({"a", "b", "c", "d"}, 2), Options());
  EXPECT_EQ(result.kind, Kind::row_count);
  EXPECT_EQ(result.what, "3 rows against 4");
}

TEST(Digest, MixedFormatsAreIncomplete) {
  Observation binary = Rows({{"v", oid::kInt4, Format::binary}}, {{Binary32(1)}, {Binary32(2)}});
  binary.digest.rows = 1;
  binary.tag = "SELECT 3";
  const Comparison ordered = Compare(Elided({"1", "2", "3"}, 2, oid::kInt4), binary, Options(true));
  EXPECT_TRUE(ordered.equal());
  EXPECT_TRUE(ordered.incomplete);
  EXPECT_FALSE(ordered.digest_only);
  EXPECT_EQ(Compare(Elided({"1", "7", "3"}, 2, oid::kInt4), binary, Options(true)).kind,
            Kind::rows);
  // Unordered, the rows in front need not be the same ones.
  const Comparison unordered =
      Compare(Elided({"3", "2", "1"}, 2, oid::kInt4), binary, Options(false));
  EXPECT_TRUE(unordered.equal());
  EXPECT_TRUE(unordered.incomplete);
}

TEST(Digest, IgnoredColumnsMakeItIncompleteUnlessAllIsEqual) {
  CompareOptions options = Options(true);
  options.ignored = {true};
  EXPECT_TRUE(Compare(Elided({"a", "b"}, 1), Elided({"a", "c"}, 1), options).incomplete);
  EXPECT_TRUE(Compare(Elided({"a", "b"}, 1), Elided({"a", "c"}, 1), options).equal());
  EXPECT_FALSE(Compare(Elided({"a", "b"}, 1), Elided({"a", "b"}, 1), options).incomplete);
}

TEST(Digest, BytesThatHoldOidsDoNotDecide) {
  // The digests of records differ with the OIDs within.
  Observation a = Rows({{"r", oid::kRecord, Format::binary}}, {});
  a.digest = {2, 10, 111, 111};
  Observation b = a;
  b.digest = {2, 10, 222, 222};
  EXPECT_TRUE(Compare(a, b, Options()).equal());
  EXPECT_TRUE(Compare(a, b, Options()).incomplete);
}

// --- Size

TEST(LargeResult, ShuffledRowsCompareInTime) {
  constexpr int kRows = 100'000;
  std::vector<Row> rows;
  std::vector<Row> binary;
  for (int i = 0; i < kRows; ++i) {
    rows.push_back(
        {std::to_string(i), "some text that is a little longer", std::to_string(i) + ".50"});
    binary.push_back({Binary32(i), "some text that is a little longer", std::to_string(i) + ".50"});
  }
  const std::vector<ColumnSpec> columns = {
      {"id", oid::kInt4}, {"t", oid::kText}, {"n", oid::kNumeric}};
  std::vector<ColumnSpec> mixed = columns;
  mixed[0].format = Format::binary;
  const Observation a = Rows(columns, rows);
  std::mt19937 random(7);
  std::shuffle(rows.begin(), rows.end(), random);
  std::shuffle(binary.begin(), binary.end(), random);
  const Observation b = Rows(columns, rows);
  rows[kRows / 2][1] = "another text";
  const Observation c = Rows(columns, rows);
  const Observation d = Rows(mixed, binary);

  const auto started = std::chrono::steady_clock::now();
  EXPECT_TRUE(Compare(a, b, Options()).equal());
  const Comparison differs = Compare(a, c, Options());
  EXPECT_EQ(differs.kind, Kind::rows);
  EXPECT_THAT(differs.differing_columns, ElementsAre(1));
  EXPECT_TRUE(Compare(a, d, Options()).equal());
  const auto taken = std::chrono::steady_clock::now() - started;
  // Not a bound: anything quadratic would take hours.
  RecordProperty("milliseconds", std::to_string(taken / std::chrono::milliseconds(1)));
}

}  // namespace
}  // namespace pgparity::compare
