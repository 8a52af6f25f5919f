#include "shadow/session_state.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace pgparity::shadow {
namespace {

using protocol::TransactionCommand;
using ::testing::IsEmpty;

class SessionStateTest : public ::testing::Test {
 protected:
  void Run(const std::string& sql, const std::string& tag,
           TransactionCommand command = TransactionCommand::none) {
    Statement statement;
    statement.sql = sql;
    statement.transaction_command = command;
    state_.OnStatement(statement, tag);
  }
  std::string Value(const std::string& name) const {
    const auto found = state_.settings()->find(name);
    return found == state_.settings()->end() ? "(none)" : found->second;
  }

  AnalysisCache cache_{100};
  SessionState state_{
      {{"search_path", "start"}, {"work_mem", "1GB"}, {"session_authorization", "alice"}}, &cache_};
};

TEST_F(SessionStateTest, KeepsOnlyWhatChangesMeaning) {
  EXPECT_EQ(*state_.settings(), (Settings{{"search_path", "start"}}));
  Run("SET work_mem = '2GB'", "SET");
  Run("SET statement_timeout = 5", "SET");
  state_.Commit();
  EXPECT_EQ(state_.settings()->size(), 1u);
}

TEST_F(SessionStateTest, SetCountsFromTheCommit) {
  Run("SET search_path TO a", "SET");
  EXPECT_EQ(Value("search_path"), "start");
  state_.Commit();
  EXPECT_EQ(Value("search_path"), "a");
  Run("SET search_path TO b", "SET");
  state_.Rollback();
  EXPECT_EQ(Value("search_path"), "a");
}

TEST_F(SessionStateTest, SetLocalIsNeverKept) {
  Run("SET LOCAL search_path TO a", "SET");
  state_.Commit();
  EXPECT_EQ(Value("search_path"), "start");
}

TEST_F(SessionStateTest, ResetGoesBackToLogin) {
  Run("SET search_path TO a", "SET");
  Run("SET bytea_output TO escape", "SET");
  state_.Commit();
  EXPECT_EQ(Value("bytea_output"), "escape");
  Run("RESET search_path", "RESET");
  Run("SET bytea_output TO DEFAULT", "SET");
  state_.Commit();
  EXPECT_EQ(Value("search_path"), "start");
  EXPECT_EQ(Value("bytea_output"), "(none)");
}

TEST_F(SessionStateTest, ResetAllKeepsTheRoleAndDiscardAllDoesNot) {
  Run("SET ROLE bob", "SET");
  Run("SET search_path TO a", "SET");
  Run("RESET ALL", "RESET");
  state_.Commit();
  EXPECT_EQ(Value("role"), "bob");
  EXPECT_EQ(Value("search_path"), "start");
  Run("DISCARD ALL", "DISCARD ALL");
  state_.Commit();
  EXPECT_EQ(Value("role"), "(none)");
}

TEST_F(SessionStateTest, RoleNoneAndANewUserEndTheRole) {
  Run("SET ROLE bob", "SET");
  Run("SET ROLE NONE", "SET");
  state_.Commit();
  EXPECT_EQ(Value("role"), "(none)");
  Run("SET ROLE bob", "SET");
  Run("SET SESSION AUTHORIZATION carol", "SET");
  state_.Commit();
  EXPECT_EQ(Value("role"), "(none)");
  EXPECT_EQ(Value("session_authorization"), "carol");
  Run("RESET SESSION AUTHORIZATION", "RESET");
  state_.Commit();
  EXPECT_EQ(Value("session_authorization"), "(none)");
}

TEST_F(SessionStateTest, RollbackToASavepointUndoesWhatFollowedIt) {
  Run("SET search_path TO a", "SET");
  Run("SAVEPOINT s", "SAVEPOINT", TransactionCommand::savepoint);
  Run("SET search_path TO b", "SET");
  Run("SAVEPOINT \"T\"", "SAVEPOINT", TransactionCommand::savepoint);
  Run("SET search_path TO c", "SET");
  Run("ROLLBACK TO SAVEPOINT S", "ROLLBACK", TransactionCommand::rollback_to_savepoint);
  // The savepoint is still there.
  Run("SET search_path TO d", "SET");
  Run("ROLLBACK TO s", "ROLLBACK", TransactionCommand::rollback_to_savepoint);
  state_.Commit();
  EXPECT_EQ(Value("search_path"), "a");
}

TEST_F(SessionStateTest, AReleasedSavepointLeavesItsSettingsToTheOneBefore) {
  Run("SAVEPOINT s", "SAVEPOINT", TransactionCommand::savepoint);
  Run("SET search_path TO a", "SET");
  Run("SAVEPOINT s", "SAVEPOINT", TransactionCommand::savepoint);
  Run("SET search_path TO b", "SET");
  Run("RELEASE s", "RELEASE", TransactionCommand::release_savepoint);
  Run("ROLLBACK TO s", "ROLLBACK", TransactionCommand::rollback_to_savepoint);
  state_.Commit();
  EXPECT_EQ(Value("search_path"), "start");
}

TEST_F(SessionStateTest, ReportsWinOverTheTextAndAreHeldBack) {
  state_.OnParameterStatus("TimeZone", "Asia/Tokyo");
  EXPECT_EQ(Value("timezone"), "(none)");
  state_.TakeReported();
  EXPECT_EQ(Value("timezone"), "Asia/Tokyo");
  Run("SET timezone TO 'utc'", "SET");  // the server will report UTC
  state_.Commit();
  EXPECT_EQ(Value("timezone"), "Asia/Tokyo");
  state_.OnParameterStatus("session_authorization", "bob");
  state_.TakeReported();
  EXPECT_EQ(Value("session_authorization"), "(none)");
}

TEST_F(SessionStateTest, SetConfigCounts) {
  Run("SELECT pg_catalog.Set_Config('search_path', 'a', false)", "SELECT 1");
  state_.Commit();
  EXPECT_EQ(Value("search_path"), "a");
  Run("SELECT set_config('search_path', 'b', true)", "SELECT 1");
  state_.Commit();
  EXPECT_EQ(Value("search_path"), "a");
  Statement statement;
  statement.sql = "SELECT set_config('search_path', $1, false)";
  statement.parameters.values = {"c"};
  state_.OnStatement(statement, "SELECT 1");
  state_.Commit();
  EXPECT_EQ(Value("search_path"), "c");
}

TEST_F(SessionStateTest, ReplicationRoleIsTold) {
  EXPECT_FALSE(state_.TakeReplicationRoleChange());
  Run("SET LOCAL session_replication_role = 'replica'", "SET");
  EXPECT_TRUE(state_.TakeReplicationRoleChange());
  EXPECT_FALSE(state_.TakeReplicationRoleChange());
  SessionState at_login({{"session_replication_role", "replica"}}, &cache_);
  EXPECT_TRUE(at_login.TakeReplicationRoleChange());
  EXPECT_THAT(*at_login.settings(), IsEmpty());
}

TEST_F(SessionStateTest, UnitsHoldTheirSettingsWhileTheSessionGoesOn) {
  const std::shared_ptr<const Settings> held = state_.settings();
  Run("SET search_path TO a", "SET");
  state_.Commit();
  EXPECT_EQ(held->at("search_path"), "start");
}

}  // namespace
}  // namespace pgparity::shadow
