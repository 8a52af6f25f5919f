#include "shadow/overlap.h"

#include <gtest/gtest.h>

namespace pgparity::shadow {
namespace {

RowAccess Row(const char* table, uint64_t key) { return {table, key}; }
RowAccess Table(const char* table) { return {table, std::nullopt}; }

TEST(OverlapIndex, AnOverlappingWriteOfTheSameRowCounts) {
  OverlapIndex index;
  index.Note(1, {10, 20}, 20, {Row("t", 7)});
  EXPECT_TRUE(index.Overlapped(2, {15, 30}, {Row("t", 7)}));
}

TEST(OverlapIndex, TouchingEndsOverlap) {
  OverlapIndex index;
  index.Note(1, {10, 20}, 20, {Row("t", 7)});
  EXPECT_TRUE(index.Overlapped(2, {20, 30}, {Row("t", 7)}));
  EXPECT_FALSE(index.Overlapped(2, {21, 30}, {Row("t", 7)}));
  EXPECT_TRUE(index.Overlapped(2, {1, 10}, {Row("t", 7)}));
  EXPECT_FALSE(index.Overlapped(2, {1, 9}, {Row("t", 7)}));
}

TEST(OverlapIndex, AnotherRowOfTheSameTableExcusesNothing) {
  OverlapIndex index;
  index.Note(1, {10, 20}, 20, {Row("t", 8)});
  EXPECT_FALSE(index.Overlapped(2, {15, 30}, {Row("t", 7)}));
}

TEST(OverlapIndex, AWholeTableMeetsEveryRowOfIt) {
  OverlapIndex index;
  index.Note(1, {10, 20}, 20, {Table("t")});
  index.Note(3, {10, 20}, 20, {Row("u", 1)});
  EXPECT_TRUE(index.Overlapped(2, {15, 30}, {Row("t", 7)}));
  EXPECT_TRUE(index.Overlapped(2, {15, 30}, {Table("u")}));
  EXPECT_FALSE(index.Overlapped(2, {15, 30}, {Table("v")}));
}

TEST(OverlapIndex, AUnitDoesNotExcuseItself) {
  OverlapIndex index;
  index.Note(1, {10, 20}, 20, {Row("t", 7)});
  EXPECT_FALSE(index.Overlapped(1, {10, 20}, {Row("t", 7)}));
}

TEST(OverlapIndex, ALaterLongUnitIsFoundBehindManyShortOnes) {
  OverlapIndex index;
  for (Position unit = 1; unit <= 100; ++unit)
    index.Note(unit, {unit * 10, unit * 10 + 1}, unit * 10 + 1, {Row("t", unit)});
  index.Note(200, {5, 2000}, 2000, {Row("t", 7)});
  EXPECT_TRUE(index.Overlapped(300, {500, 501}, {Row("t", 7)}));
}

TEST(OverlapIndex, AnEndThatDoesNotAscendHidesNothing) {
  OverlapIndex index;
  index.Note(1, {10, 500}, 500, {Row("t", 7)});
  for (Position unit = 2; unit <= 50; ++unit)
    index.Note(unit, {unit + 10, unit + 11}, unit + 11, {Row("t", 100)});
  EXPECT_TRUE(index.Overlapped(99, {400, 401}, {Row("t", 7)}));
}

TEST(OverlapIndex, ForgettingLeavesWhatMayStillBeAskedFor) {
  OverlapIndex index;
  index.Note(1, {10, 20}, 20, {Row("t", 7)});
  index.Note(2, {10, 40}, 40, {Row("t", 8)});
  index.Forget(30);
  EXPECT_FALSE(index.Overlapped(3, {15, 16}, {Row("t", 7)}));
  EXPECT_TRUE(index.Overlapped(3, {35, 36}, {Row("t", 8)}));
}

TEST(OverlapIndex, WritesOfOneRowInOverlappingUnitsAreUnproved) {
  OverlapIndex index;
  EXPECT_TRUE(index.Note(1, {10, 20}, 20, {Row("t", 7), Row("t", 8)}).empty());
  const std::vector<RowAccess> unproved = index.Note(2, {15, 30}, 30, {Row("t", 7), Row("t", 9)});
  ASSERT_EQ(unproved.size(), 1u);
  EXPECT_EQ(unproved[0].key, 7u);
}

TEST(OverlapIndex, TheTimeToTheAcknowledgementProvesNothingAboutTheOrderOfWrites) {
  OverlapIndex index;
  index.Note(1, {10, 10}, 30, {Row("t", 7)});
  EXPECT_TRUE(index.Note(2, {20, 20}, 40, {Row("t", 7)}).empty());
  EXPECT_TRUE(index.Overlapped(3, {25, 26}, {Row("t", 7)}));
}

}  // namespace
}  // namespace pgparity::shadow
