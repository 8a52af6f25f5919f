#include "proxy/cancel_registry.h"

#include <gtest/gtest.h>

namespace pgparity::proxy {
namespace {

constexpr Stamp kSecond = 1'000'000'000;

TEST(CancelRegistry, AdmitsLiveKeysOnly) {
  CancelRegistry registry;
  registry.Add(7, "key1");
  EXPECT_TRUE(registry.Admit(7, "key1", kSecond));
  EXPECT_FALSE(registry.Admit(7, "key2", kSecond));
  EXPECT_FALSE(registry.Admit(7, "key", kSecond));
  EXPECT_FALSE(registry.Admit(8, "key1", kSecond));
  registry.Remove(7, "key1");
  EXPECT_FALSE(registry.Admit(7, "key1", kSecond));
}

TEST(CancelRegistry, KeepsAKeyWhileOneOfTwoSessionsWithItLives) {
  CancelRegistry registry;
  registry.Add(7, "key1");
  registry.Add(7, "key1");
  registry.Remove(7, "key1");
  EXPECT_TRUE(registry.Admit(7, "key1", kSecond));
  registry.Remove(7, "key1");
  registry.Remove(7, "key1");
  EXPECT_FALSE(registry.Admit(7, "key1", kSecond));
}

TEST(CancelRegistry, LimitsTheRateOfEachKeyAndOfAll) {
  CancelRegistry registry;
  for (int session = 0; session < 100; ++session) registry.Add(session, "key1");
  int admitted = 0;
  for (int i = 0; i < 1000; ++i) admitted += registry.Admit(1, "key1", kSecond);
  EXPECT_EQ(admitted, 20);
  EXPECT_TRUE(registry.Admit(1, "key1", 2 * kSecond)) << "tokens come back";
  admitted = 0;
  for (int session = 2; session < 100; ++session) {
    for (int i = 0; i < 20; ++i) admitted += registry.Admit(session, "key1", 2 * kSecond);
  }
  EXPECT_LE(admitted, 400);
  EXPECT_GE(admitted, 350);
}

TEST(TokenBucket, HoldsOnAClockThatGoesBack) {
  TokenBucket bucket(1, 1);
  EXPECT_TRUE(bucket.Take(10 * kSecond));
  EXPECT_FALSE(bucket.Take(5 * kSecond));
  EXPECT_TRUE(bucket.Take(11 * kSecond));
}

}  // namespace
}  // namespace pgparity::proxy
