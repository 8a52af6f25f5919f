#include "proxy/row_holds.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <random>
#include <thread>
#include <vector>

namespace pgparity::proxy {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(RowHolds, FirstComeFirstServed) {
  RowHolds rows;
  std::vector<uint64_t> granted;
  const RowHolds::Grant grant = [&](uint64_t session) { granted.push_back(session); };
  EXPECT_TRUE(rows.Take(7, 1, &grant));
  EXPECT_TRUE(rows.Take(8, 2, &grant)) << "another row";
  EXPECT_FALSE(rows.Take(7, 3, &grant));
  EXPECT_FALSE(rows.Take(7, 4, &grant));
  EXPECT_FALSE(rows.Take(7, 5, &grant));
  EXPECT_FALSE(rows.GiveUp(7, 4)) << "it did not have it";
  EXPECT_THAT(granted, IsEmpty());
  rows.Release(7);
  EXPECT_THAT(granted, ElementsAre(3));
  EXPECT_TRUE(rows.Has(7, 3));
  EXPECT_FALSE(rows.Has(7, 1));
  EXPECT_TRUE(rows.GiveUp(7, 3)) << "it has it by now";
  rows.Release(7);
  EXPECT_THAT(granted, ElementsAre(3, 5));
  rows.Release(7);
  EXPECT_FALSE(rows.Has(7, 5));
  EXPECT_TRUE(rows.Take(7, 6, &grant));
}

// Never two owners of a row, and nobody is forgotten.
TEST(RowHolds, HasOneOwnerAtATime) {
  RowHolds rows;
  constexpr int kThreads = 4, kRounds = 20'000;
  std::array<std::atomic<int>, 4> owners{};
  std::array<std::atomic<bool>, kThreads> told{};
  const RowHolds::Grant grant = [&](uint64_t session) { told[session].store(true); };
  std::vector<std::thread> threads;
  std::atomic<int> bad{0};
  for (int id = 0; id < kThreads; ++id) {
    threads.emplace_back([&, id] {
      std::mt19937 random(static_cast<unsigned>(id));
      for (int round = 0; round < kRounds; ++round) {
        const uint64_t row = random() % owners.size();
        told[id].store(false);
        bool has = rows.Take(row, static_cast<uint64_t>(id), &grant);
        if (!has && random() % 4 == 0) {
          has = rows.GiveUp(row, static_cast<uint64_t>(id));
          if (!has) continue;
        }
        while (!has && !rows.Has(row, static_cast<uint64_t>(id))) std::this_thread::yield();
        if (owners[row].fetch_add(1) != 0) ++bad;
        owners[row].fetch_sub(1);
        rows.Release(row);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(bad, 0);
  for (uint64_t row = 0; row < owners.size(); ++row) {
    EXPECT_TRUE(rows.Take(row, 99, &grant)) << "left behind";
  }
}

}  // namespace
}  // namespace pgparity::proxy
