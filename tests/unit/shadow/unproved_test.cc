#include "shadow/unproved.h"

#include <gtest/gtest.h>

namespace pgparity::shadow {
namespace {

TEST(UnprovedRows, ARowIsMetByItselfAndByItsWholeTable) {
  UnprovedRows rows;
  EXPECT_FALSE(rows.Touched({{"t", 1}}));
  rows.Add({{"t", 1}});
  EXPECT_TRUE(rows.Touched({{"t", 1}}));
  EXPECT_FALSE(rows.Touched({{"t", 2}, {"u", 1}}));
  EXPECT_TRUE(rows.Touched({{"u", 1}, {"t", std::nullopt}}));
}

TEST(UnprovedRows, AWholeTableMeetsEveryRow) {
  UnprovedRows rows;
  rows.Add({{"t", std::nullopt}});
  EXPECT_TRUE(rows.Touched({{"t", 2}}));
  EXPECT_FALSE(rows.Touched({{"u", 2}}));
}

TEST(UnprovedRows, TooManyRowsAreTheWholeTable) {
  UnprovedRows rows;
  for (uint64_t key = 0; key <= 100000; ++key) rows.Add({{"t", key}});
  EXPECT_TRUE(rows.Touched({{"t", 5000000}}));
}

}  // namespace
}  // namespace pgparity::shadow
