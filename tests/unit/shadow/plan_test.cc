// What becomes of a statement on the shadow.
#include "shadow/plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace pgparity::shadow {
namespace {

using Action = PlannedStatement::Action;
using Lane = PlannedUnit::Lane;
using compare::Observation;

Statement Ran(const std::string& sql, const std::string& tag) {
  Statement statement;
  statement.sql = sql;
  statement.primary.tag = tag;
  statement.transaction_command = protocol::ClassifyTransactionCommand(sql);
  return statement;
}

Statement Refused(const std::string& sql, const std::string& sqlstate) {
  Statement statement = Ran(sql, "");
  statement.primary.kind = Observation::Kind::error;
  compare::ErrorFields fields;
  fields.severity = "ERROR";
  fields.sqlstate = sqlstate;
  fields.message = "refused";
  statement.primary.error = compare::EncodeErrorFields(fields);
  return statement;
}

class PlanTest : public ::testing::Test {
 protected:
  Plan Make(std::vector<Statement> statements, UnitEnd end = UnitEnd::committed,
            uint64_t session = 1) {
    auto unit = std::make_shared<Unit>();
    unit->header.database = database_;
    unit->header.session = session;
    unit->header.end = end;
    unit->statements = std::move(statements);
    return planner_.Make(unit, {}, *Catalog::Empty(), *Catalog::Empty());
  }
  std::string database_ = "app";
  Planner planner_{PlannerOptions{DdlMode::replay, "app", 1 << 20}};
};

TEST_F(PlanTest, AWriteGoesIntoTheWindow) {
  const Plan plan = Make({Ran("UPDATE t SET a = 1 WHERE id = 2", "UPDATE 1")});
  EXPECT_EQ(plan.unit->lane, Lane::window);
  EXPECT_EQ(plan.unit->finish, PlannedUnit::Finish::commit);
  EXPECT_FALSE(plan.writes.empty());
}

TEST_F(PlanTest, APureReadGoesToASnapshotLane) {
  EXPECT_EQ(Make({Ran("SELECT a FROM t", "SELECT 1")}).unit->lane, Lane::snapshot);
  EXPECT_EQ(Make({Ran("COPY t TO STDOUT", "COPY 1")}).unit->lane, Lane::snapshot);
}

TEST_F(PlanTest, WhatMayWriteIsNoRead) {
  EXPECT_EQ(Make({Ran("SELECT a FROM t FOR UPDATE", "SELECT 1")}).unit->lane, Lane::window);
  EXPECT_EQ(Make({Ran("SELECT nextval('s')", "SELECT 1")}).unit->lane, Lane::window);
  EXPECT_EQ(Make({Ran("SELECT charge(1)", "SELECT 1")}).unit->lane, Lane::window);
  EXPECT_EQ(
      Make({Ran("WITH d AS (DELETE FROM t RETURNING a) SELECT * FROM d", "SELECT 1")}).unit->lane,
      Lane::window);
}

TEST_F(PlanTest, AnExpectedErrorRunsAloneAndIsRolledBackAsOnThePrimary) {
  const Plan plan = Make({Refused("INSERT INTO t VALUES (1)", "23505")}, UnitEnd::rolled_back);
  EXPECT_EQ(plan.unit->lane, Lane::alone);
  EXPECT_EQ(plan.unit->finish, PlannedUnit::Finish::roll_back);
  EXPECT_EQ(plan.unit->statements[0].action, Action::run);
}

TEST_F(PlanTest, WhatThePrimaryDidNotDoIsNotDone) {
  for (const char* sqlstate : {"40001", "40P01", "55P03", "57014", "53200", "25P02", "42501"}) {
    const Plan plan = Make({Refused("DELETE FROM t", sqlstate)}, UnitEnd::rolled_back);
    EXPECT_EQ(plan.unit->lane, Lane::nothing) << sqlstate;
    EXPECT_FALSE(plan.verdicts[0].not_compared.empty()) << sqlstate;
    EXPECT_TRUE(plan.verdicts[0].gap.empty()) << sqlstate;
  }
}

TEST_F(PlanTest, SavepointsRunAndAreNotCompared) {
  const Plan plan = Make({Ran("BEGIN", "BEGIN"), Ran("SAVEPOINT a", "SAVEPOINT"),
                          Ran("DELETE FROM t", "DELETE 1"), Ran("ROLLBACK TO a", "ROLLBACK"),
                          Ran("COMMIT", "COMMIT")});
  EXPECT_EQ(plan.unit->statements[0].action, Action::skip);
  EXPECT_EQ(plan.unit->statements[1].action, Action::control);
  EXPECT_EQ(plan.unit->statements[2].action, Action::run);
  EXPECT_EQ(plan.unit->statements[3].action, Action::control);
  EXPECT_EQ(plan.unit->statements[4].action, Action::skip);
  EXPECT_TRUE(plan.verdicts[3].transaction_control);
}

TEST_F(PlanTest, WhatActsOnTheServerIsNeverReplayedAndIsAGap) {
  for (const char* sql :
       {"SELECT pg_terminate_backend(1)", "ALTER SYSTEM SET work_mem = '1MB'",
        "COPY t TO PROGRAM 'sh'", "CREATE ROLE r", "SELECT lo_import('/etc/passwd')"}) {
    const Plan plan = Make({Ran(sql, "SELECT 1")});
    EXPECT_EQ(plan.unit->statements[0].action, Action::skip) << sql;
    EXPECT_FALSE(plan.verdicts[0].gap.empty()) << sql;
  }
}

TEST_F(PlanTest, TheClientNeverChangesTheLanesRole) {
  for (const char* sql : {"SET ROLE other", "SET SESSION AUTHORIZATION other", "RESET ALL",
                          "DISCARD ALL", "SELECT set_config('role', 'other', false)"}) {
    const Plan plan =
        Make({Ran("BEGIN", "BEGIN"), Ran(sql, "SET"), Ran("DELETE FROM t", "DELETE 1")});
    EXPECT_EQ(plan.unit->statements[1].action, Action::skip) << sql;
  }
}

TEST_F(PlanTest, AnotherDatabaseIsPassedByAndItsWritesAreAGap) {
  database_ = "other";
  const Plan write = Make({Ran("DELETE FROM t", "DELETE 1")});
  EXPECT_EQ(write.unit->lane, Lane::nothing);
  EXPECT_EQ(write.verdicts[0].gap, "database-without-shadow");
  const Plan read = Make({Ran("SELECT 1 FROM t", "SELECT 1")});
  EXPECT_EQ(read.verdicts[0].not_compared, "database-without-shadow");
  EXPECT_EQ(read.verdicts[0].gap, "");
}

TEST_F(PlanTest, AnUnknownPreparedStatementThatWroteIsAGap) {
  Statement unknown = Ran("", "INSERT 0 1");
  unknown.known_text = false;
  EXPECT_EQ(Make({unknown}).verdicts[0].gap, "unknown-statement");
  unknown.primary.tag = "SELECT 1";
  EXPECT_EQ(Make({unknown}).verdicts[0].gap, "");
}

TEST_F(PlanTest, TemporaryTablesStayOnThePrimary) {
  EXPECT_EQ(Make({Ran("CREATE TEMP TABLE scratch (a int)", "CREATE TABLE")}).unit->lane,
            Lane::nothing);
  const Plan own = Make({Ran("INSERT INTO scratch VALUES (1)", "INSERT 0 1")});
  EXPECT_EQ(own.unit->lane, Lane::nothing);
  EXPECT_EQ(own.verdicts[0].gap, "");
  const Plan from = Make({Ran("INSERT INTO t SELECT a FROM scratch", "INSERT 0 1")});
  EXPECT_EQ(from.verdicts[0].gap, "temporary-table");
  // Another session's table of that name is another table.
  EXPECT_EQ(
      Make({Ran("INSERT INTO scratch VALUES (1)", "INSERT 0 1")}, UnitEnd::committed, 2).unit->lane,
      Lane::window);
}

TEST_F(PlanTest, DdlAndCopyRunAlone) {
  const Plan ddl = Make({Ran("CREATE TABLE t (a int)", "CREATE TABLE")});
  EXPECT_EQ(ddl.unit->lane, Lane::alone);
  EXPECT_TRUE(ddl.unit->blocks_readers);
  EXPECT_TRUE(ddl.unit->changes_catalog);
  EXPECT_EQ(Make({Ran("COPY t FROM STDIN", "COPY 1")}).unit->statements[0].action, Action::copy_in);
  EXPECT_EQ(Make({Ran("CREATE INDEX CONCURRENTLY i ON t (a)", "CREATE INDEX")}).unit->lane,
            Lane::outside_transaction);
}

TEST_F(PlanTest, SkippedDdlIsNotRun) {
  Planner skipping(PlannerOptions{DdlMode::skip, "app", 1 << 20});
  auto unit = std::make_shared<Unit>();
  unit->header.database = "app";
  unit->statements = {Ran("CREATE TABLE t (a int)", "CREATE TABLE")};
  const Plan plan = skipping.Make(unit, {}, *Catalog::Empty(), *Catalog::Empty());
  EXPECT_EQ(plan.unit->lane, Lane::nothing);
  EXPECT_EQ(plan.verdicts[0].not_compared, "ddl-skipped");
}

TEST_F(PlanTest, WhatThePrimaryRefusedInABlockIsNotRunOutsideOfOne) {
  const Plan plan =
      Make({Ran("BEGIN", "BEGIN"), Refused("CREATE INDEX CONCURRENTLY i ON t (a)", "25001")},
           UnitEnd::rolled_back);
  EXPECT_EQ(plan.unit->lane, Lane::alone);
  // Another refusal may leave something behind, such as an index that is not valid.
  EXPECT_EQ(
      Make({Refused("CREATE UNIQUE INDEX CONCURRENTLY i ON t (a)", "23505")}, UnitEnd::rolled_back)
          .unit->lane,
      Lane::outside_transaction);
}

TEST_F(PlanTest, APingIsNeitherComparedNorNotCompared) {
  for (const std::string sql : {"SELECT 1", "select 'up' as state;", "", "-- ping"}) {
    const Plan plan = Make({Ran(sql, "SELECT 1")});
    EXPECT_EQ(plan.unit->lane, Lane::nothing) << sql;
    EXPECT_TRUE(plan.verdicts[0].transaction_control) << sql;
  }
  for (const std::string sql :
       {"SELECT 1 FROM t", "SELECT 1, 2", "SELECT 1 + 1", "SELECT 1 LIMIT 0",
        "SELECT 1 UNION SELECT 2", "SELECT 1 WHERE false", "SELECT a FROM t", "SELECT 1 INTO t",
        "VALUES (1)"}) {
    EXPECT_FALSE(Make({Ran(sql, "SELECT 1")}).verdicts[0].transaction_control) << sql;
  }
  // One that failed says something, if only of the primary.
  EXPECT_FALSE(Make({Refused("SELECT 1", "53000")}).verdicts[0].transaction_control);
}

TEST_F(PlanTest, AUnitThatChangesSettingsRunsNothingPrepared) {
  const Plan plan = Make({Ran("BEGIN", "BEGIN"), Ran("SET LOCAL TimeZone = 'UTC'", "SET"),
                          Ran("INSERT INTO t VALUES ('2024-01-01 10:00')", "INSERT 0 1")});
  for (const PlannedStatement& step : plan.unit->statements) EXPECT_TRUE(step.shadow.unprepared);
  EXPECT_FALSE(
      Make({Ran("INSERT INTO t VALUES (1)", "INSERT 0 1")}).unit->statements[0].shadow.unprepared);
}

TEST_F(PlanTest, InDoubtIsAGapAndNotRun) {
  const Plan plan =
      Make({Ran("BEGIN", "BEGIN"), Ran("DELETE FROM t", "DELETE 1")}, UnitEnd::in_doubt);
  EXPECT_EQ(plan.unit->lane, Lane::nothing);
  EXPECT_EQ(plan.verdicts[1].gap, "in-doubt");
}

}  // namespace
}  // namespace pgparity::shadow
