#include "shadow/overlap.h"

#include <gtest/gtest.h>

namespace pgparity::shadow {
namespace {

RowAccess Row(const char* table, uint64_t key) { return {table, key}; }
RowAccess Table(const char* table) { return {table, std::nullopt}; }
UnitPlace Place(Position unit, Interval interval, Stamp seen) {
  UnitPlace place;
  place.unit = unit;
  place.interval = interval;
  place.seen = seen;
  return place;
}
UnitPlace Exact(Position unit, Interval interval, uint32_t epoch) {
  UnitPlace place = Place(unit, interval, interval.hi);
  place.exact = true;
  place.epoch = epoch;
  return place;
}

TEST(OverlapIndex, AnOverlappingWriteOfTheSameRowCounts) {
  OverlapIndex index;
  index.Note(Place(1, {10, 20}, 20), {Row("t", 7)});
  EXPECT_TRUE(index.Overlapped(Place(2, {15, 30}, 0), {Row("t", 7)}, false));
}

TEST(OverlapIndex, TouchingEndsOverlap) {
  OverlapIndex index;
  index.Note(Place(1, {10, 20}, 20), {Row("t", 7)});
  EXPECT_TRUE(index.Overlapped(Place(2, {20, 30}, 0), {Row("t", 7)}, false));
  EXPECT_FALSE(index.Overlapped(Place(2, {21, 30}, 0), {Row("t", 7)}, false));
  EXPECT_TRUE(index.Overlapped(Place(2, {1, 10}, 0), {Row("t", 7)}, false));
  EXPECT_FALSE(index.Overlapped(Place(2, {1, 9}, 0), {Row("t", 7)}, false));
}

TEST(OverlapIndex, AnotherRowOfTheSameTableExcusesNothing) {
  OverlapIndex index;
  index.Note(Place(1, {10, 20}, 20), {Row("t", 8)});
  EXPECT_FALSE(index.Overlapped(Place(2, {15, 30}, 0), {Row("t", 7)}, false));
}

TEST(OverlapIndex, AWholeTableMeetsEveryRowOfIt) {
  OverlapIndex index;
  index.Note(Place(1, {10, 20}, 20), {Table("t")});
  index.Note(Place(3, {10, 20}, 20), {Row("u", 1)});
  EXPECT_TRUE(index.Overlapped(Place(2, {15, 30}, 0), {Row("t", 7)}, false));
  EXPECT_TRUE(index.Overlapped(Place(2, {15, 30}, 0), {Table("u")}, false));
  EXPECT_FALSE(index.Overlapped(Place(2, {15, 30}, 0), {Table("v")}, false));
}

TEST(OverlapIndex, AUnitDoesNotExcuseItself) {
  OverlapIndex index;
  index.Note(Place(1, {10, 20}, 20), {Row("t", 7)});
  EXPECT_FALSE(index.Overlapped(Place(1, {10, 20}, 0), {Row("t", 7)}, false));
}

TEST(OverlapIndex, ALaterLongUnitIsFoundBehindManyShortOnes) {
  OverlapIndex index;
  for (Position unit = 1; unit <= 100; ++unit)
    index.Note(Place(unit, {unit * 10, unit * 10 + 1}, unit * 10 + 1), {Row("t", unit)});
  index.Note(Place(200, {5, 2000}, 2000), {Row("t", 7)});
  EXPECT_TRUE(index.Overlapped(Place(300, {500, 501}, 0), {Row("t", 7)}, false));
}

TEST(OverlapIndex, AnEndThatDoesNotAscendHidesNothing) {
  OverlapIndex index;
  index.Note(Place(1, {10, 500}, 500), {Row("t", 7)});
  for (Position unit = 2; unit <= 50; ++unit)
    index.Note(Place(unit, {unit + 10, unit + 11}, unit + 11), {Row("t", 100)});
  EXPECT_TRUE(index.Overlapped(Place(99, {400, 401}, 0), {Row("t", 7)}, false));
}

TEST(OverlapIndex, ForgettingLeavesWhatMayStillBeAskedFor) {
  OverlapIndex index;
  index.Note(Place(1, {10, 20}, 20), {Row("t", 7)});
  index.Note(Place(2, {10, 40}, 40), {Row("t", 8)});
  index.Forget(30);
  EXPECT_FALSE(index.Overlapped(Place(3, {15, 16}, 0), {Row("t", 7)}, false));
  EXPECT_TRUE(index.Overlapped(Place(3, {35, 36}, 0), {Row("t", 8)}, false));
}

TEST(OverlapIndex, WritesOfOneRowInOverlappingUnitsAreUnproved) {
  OverlapIndex index;
  EXPECT_TRUE(index.Note(Place(1, {10, 20}, 20), {Row("t", 7), Row("t", 8)}).empty());
  const std::vector<RowAccess> unproved =
      index.Note(Place(2, {15, 30}, 30), {Row("t", 7), Row("t", 9)});
  ASSERT_EQ(unproved.size(), 1u);
  EXPECT_EQ(unproved[0].key, 7u);
}

TEST(OverlapIndex, TheTimeToTheAcknowledgementProvesNothingAboutTheOrderOfWrites) {
  OverlapIndex index;
  index.Note(Place(1, {10, 10}, 30), {Row("t", 7)});
  EXPECT_TRUE(index.Note(Place(2, {20, 20}, 40), {Row("t", 7)}).empty());
  EXPECT_TRUE(index.Overlapped(Place(3, {25, 26}, 0), {Row("t", 7)}, false));
}

TEST(OverlapIndex, TokensOfOneEpochProveTheOrder) {
  OverlapIndex index;
  index.Note(Exact(1, {10, 20}, 1), {Row("t", 7)});
  EXPECT_TRUE(index.Note(Exact(2, {15, 30}, 1), {Row("t", 7)}).empty());
  EXPECT_FALSE(index.Overlapped(Exact(3, {15, 30}, 1), {Row("t", 7)}, true));
  EXPECT_TRUE(index.Overlapped(Exact(3, {15, 30}, 1), {Row("t", 7)}, false));
  EXPECT_EQ(index.Note(Exact(4, {15, 30}, 2), {Row("t", 7)}).size(), 1u);
  EXPECT_EQ(index.Note(Place(5, {15, 30}, 30), {Row("t", 7)}).size(), 1u);
}

TEST(OverlapIndex, AReadingHoldsUnlessTheRowWasWrittenSince) {
  OverlapIndex index;
  index.Note(Place(1, {10, 20}, 25), {Row("t", 7)});
  EXPECT_TRUE(index.WrittenSince(Row("t", 7), 25));
  EXPECT_FALSE(index.WrittenSince(Row("t", 7), 26));
  EXPECT_FALSE(index.WrittenSince(Row("t", 8), 5));
  EXPECT_FALSE(index.WholeWrittenSince("t", 5));
  index.Note(Place(2, {30, 40}, 45), {Table("t")});
  EXPECT_TRUE(index.WrittenSince(Row("t", 8), 45));
  EXPECT_TRUE(index.WholeWrittenSince("t", 45));
  EXPECT_FALSE(index.WholeWrittenSince("t", 46));
}

TEST(OverlapIndex, WhatWasForgottenMayHaveBeenAWrite) {
  OverlapIndex index;
  index.Note(Place(1, {10, 20}, 20), {Row("t", 7)});
  index.Forget(21);
  EXPECT_TRUE(index.WrittenSince(Row("t", 8), 20));
  EXPECT_FALSE(index.WrittenSince(Row("t", 7), 21));
}

}  // namespace
}  // namespace pgparity::shadow
