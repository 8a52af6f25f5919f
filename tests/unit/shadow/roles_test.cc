#include "shadow/roles.h"

#include <gtest/gtest.h>

namespace pgparity::shadow {
namespace {

using protocol::TransactionCommand;

UnitHeader Header(Settings settings = {}) {
  UnitHeader header;
  header.user = "login";
  header.settings = std::move(settings);
  return header;
}

Statement Done(const std::string& sql, const std::string& tag = "SET") {
  Statement statement;
  statement.sql = sql;
  statement.primary.tag = tag;
  return statement;
}

void Follow(UnitRole* role, const Statement& statement) {
  role->After(statement, Analyse(statement.sql));
}

TEST(RoleAtBegin, IsTheSessionsPresentOne) {
  EXPECT_EQ(RoleAtBegin(Header()), "login");
  EXPECT_EQ(RoleAtBegin(Header({{"session_authorization", "a"}})), "a");
  EXPECT_EQ(RoleAtBegin(Header({{"session_authorization", "a"}, {"role", "r"}})), "r");
  EXPECT_EQ(RoleAtBegin(Header({{"role", "none"}})), "login");
}

TEST(UnitRole, FollowsSetRole) {
  UnitRole role(Header());
  EXPECT_EQ(role.current(), "login");
  Follow(&role, Done("SET LOCAL ROLE \"R\""));
  EXPECT_EQ(role.current(), "R");
  Follow(&role, Done("SET SESSION AUTHORIZATION a"));
  EXPECT_EQ(role.current(), "a");
  Follow(&role, Done("SET ROLE r"));
  Follow(&role, Done("RESET ROLE", "RESET"));
  EXPECT_EQ(role.current(), "a");
  Follow(&role, Done("SET ROLE r"));
  Follow(&role, Done("SET ROLE NONE"));
  EXPECT_EQ(role.current(), "a");
  Follow(&role, Done("RESET SESSION AUTHORIZATION", "RESET"));
  EXPECT_EQ(role.current(), "login");
  Follow(&role, Done("SELECT set_config('role', 'r', true)", "SELECT 1"));
  EXPECT_EQ(role.current(), "r");
  Follow(&role, Done("RESET ALL", "RESET"));
  EXPECT_EQ(role.current(), "r");
  Follow(&role, Done("DISCARD ALL", "DISCARD ALL"));
  EXPECT_EQ(role.current(), "login");
}

TEST(UnitRole, ParametersOfSetConfigCount) {
  UnitRole role(Header());
  Statement statement = Done("SELECT set_config($1, $2, false)", "SELECT 1");
  statement.parameters.values = {"role", "r"};
  Follow(&role, statement);
  EXPECT_EQ(role.current(), "r");
}

TEST(UnitRole, WhatFailedHasNoEffect) {
  UnitRole role(Header());
  Statement refused = Done("SET ROLE r", "");
  refused.primary.kind = compare::Observation::Kind::error;
  Follow(&role, refused);
  EXPECT_EQ(role.current(), "login");
}

TEST(UnitRole, SavepointsBringItBack) {
  UnitRole role(Header());
  auto control = [&role](const std::string& sql, TransactionCommand command) {
    Statement statement = Done(sql, "SAVEPOINT");
    statement.transaction_command = command;
    Follow(&role, statement);
  };
  Follow(&role, Done("SET LOCAL ROLE one"));
  control("SAVEPOINT s", TransactionCommand::savepoint);
  Follow(&role, Done("SET LOCAL ROLE two"));
  control("SAVEPOINT t", TransactionCommand::savepoint);
  Follow(&role, Done("SET LOCAL ROLE three"));
  control("RELEASE t", TransactionCommand::release_savepoint);
  EXPECT_EQ(role.current(), "three");
  control("ROLLBACK TO s", TransactionCommand::rollback_to_savepoint);
  EXPECT_EQ(role.current(), "one");
  Follow(&role, Done("SET LOCAL ROLE two"));
  control("ROLLBACK TO SAVEPOINT s", TransactionCommand::rollback_to_savepoint);
  EXPECT_EQ(role.current(), "one");
}

TEST(Roles, AreQuoted) { EXPECT_EQ(QuoteRole("a\"b; DROP"), "\"a\"\"b; DROP\""); }

}  // namespace
}  // namespace pgparity::shadow
