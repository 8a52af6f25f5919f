#include "shadow/cut_search.h"

#include <gtest/gtest.h>

namespace pgparity::shadow {
namespace {

class CutSearchTest : public ::testing::Test {
 protected:
  static Plan Unit(uint64_t turn, Interval interval) {
    shadow::Unit unit;
    unit.header.interval = interval;
    unit.header.done = interval.hi;
    unit.statements.resize(1);
    unit.statements[0].sent = interval.lo;
    unit.statements[0].done = interval.hi;
    Plan plan;
    plan.turn = turn;
    plan.unit = std::make_shared<PlannedUnit>();
    plan.unit->ref.position = turn;
    plan.unit->unit = std::make_shared<const shadow::Unit>(std::move(unit));
    plan.unit->statements.resize(1);
    return plan;
  }
  static Plan Write(uint64_t turn, Interval interval, uint64_t key) {
    Plan plan = Unit(turn, interval);
    plan.writes = {{"t", key}};
    return plan;
  }
  Plan Read(uint64_t turn, Interval interval, uint64_t key) {
    Plan plan = Unit(turn, interval);
    plan.unit->lane = PlannedUnit::Lane::snapshot;
    plan.cuts = std::make_shared<CutObservations>();
    plan.cut_reads.push_back({0, interval, {{"t", key}}});
    search_.Planned(plan);
    return plan;
  }

  CutSearch search_;
};

TEST_F(CutSearchTest, AReadIsRunBeforeAndBetweenTheWritesThatItOverlaps) {
  const Plan first = Write(1, {10, 20}, 7), second = Write(2, {12, 22}, 7);
  const Plan read = Read(3, {15, 25}, 7);
  EXPECT_EQ(search_.Before(first).size(), 1u);
  EXPECT_TRUE(search_.After(first).empty());
  EXPECT_EQ(search_.Before(second).size(), 1u);
  // Behind the second it is run at its turn.
  EXPECT_TRUE(search_.After(second).empty());
  EXPECT_EQ(read.cuts->pending, 2);
}

TEST_F(CutSearchTest, WhatWasAcknowledgedBeforeItWasSentItHasSeen) {
  Read(3, {15, 25}, 7);
  EXPECT_TRUE(search_.Before(Write(1, {10, 14}, 7)).empty());
  EXPECT_EQ(search_.Before(Write(2, {10, 15}, 7)).size(), 1u);
}

TEST_F(CutSearchTest, AWriteBehindItsTurnMayHaveBeenSeenIfItWasSentBeforeTheAnswer) {
  const Plan read = Read(1, {15, 25}, 7);
  search_.Dispatched(read);
  const Plan overlapping = Write(2, {24, 30}, 7), later = Write(3, {26, 31}, 7);
  // Its snapshot may be older than its turn, so that it is run before as well.
  EXPECT_EQ(search_.Before(overlapping).size(), 1u);
  EXPECT_EQ(search_.After(overlapping).size(), 1u);
  EXPECT_TRUE(search_.Before(later).empty());
  EXPECT_TRUE(search_.After(later).empty());
}

TEST_F(CutSearchTest, OtherRowsAndRolledBackUnitsDoNotMatter) {
  Read(3, {15, 25}, 7);
  EXPECT_TRUE(search_.Before(Write(1, {10, 20}, 8)).empty());
  const Plan rolled_back = Write(2, {10, 20}, 7);
  rolled_back.unit->finish = PlannedUnit::Finish::roll_back;
  EXPECT_TRUE(search_.Before(rolled_back).empty());
}

TEST_F(CutSearchTest, AProbeRunsTheReadAloneAndIsRolledBack) {
  Read(3, {15, 25}, 7);
  const std::vector<CutProbe> probes = search_.Before(Write(1, {10, 20}, 7));
  ASSERT_EQ(probes.size(), 1u);
  EXPECT_EQ(probes[0].unit->finish, PlannedUnit::Finish::roll_back);
  EXPECT_EQ(probes[0].unit->lane, PlannedUnit::Lane::window);
  EXPECT_EQ(probes[0].unit->statements[0].action, PlannedStatement::Action::run);
}

TEST_F(CutSearchTest, AHotRowsReadIsNotRunForEver) {
  const Plan read = Read(1000, {15, 25}, 7);
  for (uint64_t turn = 1; turn < 100; ++turn) search_.Before(Write(turn, {10, 20}, 7));
  EXPECT_LE(read.cuts->pending, 12);
}

}  // namespace
}  // namespace pgparity::shadow
