#include "shadow/lsn_order.h"

#include <gtest/gtest.h>

namespace pgparity::shadow {
namespace {

constexpr Stamp kSecond = 1'000'000'000;

TEST(LsnOrder, TheHighestSeenByThen) {
  LsnOrder order;
  EXPECT_EQ(order.At(100), 0u);
  order.Seen(50, 10);
  order.Seen(70, 30);
  order.Seen(60, 20);  // delivered late
  order.Seen(40, 25);
  EXPECT_EQ(order.At(9), 0u);
  EXPECT_EQ(order.At(10), 50u);
  EXPECT_EQ(order.At(25), 60u);
  EXPECT_EQ(order.At(30), 70u);
  order.Seen(80, 15);
  EXPECT_EQ(order.At(14), 50u);
  EXPECT_EQ(order.At(30), 80u);
}

TEST(LsnOrder, ATokenAskedForHoldsTheWatermarkUntilItsUnitEnds) {
  LsnOrder order;
  order.Seen(50, 10);
  order.Seen(70, 30);
  EXPECT_EQ(order.Watermark(100, 100), 70u);
  EXPECT_EQ(order.Watermark(30, 30), 50u);  // what has the bound's stamp may not be known yet
  order.Asked(20);
  EXPECT_EQ(order.Watermark(100, 100), 50u);
  order.Over(20);
  EXPECT_EQ(order.Watermark(100, 100), 70u);
}

TEST(LsnOrder, ACommitInFlightHoldsItToo) {
  LsnOrder order;
  order.Seen(50, 10);
  order.Seen(70, 30);
  EXPECT_EQ(order.Watermark(100, 20), 50u);
}

TEST(LsnOrder, ATokenThatDoesNotComeIsNotWaitedForForever) {
  LsnOrder order;
  order.Seen(50, 10);
  order.Asked(20);
  order.Seen(70, 30);
  EXPECT_EQ(order.Watermark(20 + kSecond, 20 + kSecond), 50u);
  EXPECT_EQ(order.Watermark(21 + kSecond, 21 + kSecond), 70u);
}

}  // namespace
}  // namespace pgparity::shadow
