#include "shadow/secrets.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "shadow/analysis.h"

namespace pgparity::shadow {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(SecretsTest, LiteralsAreMasked) {
  EXPECT_EQ(WithoutSecret("CREATE ROLE bob PASSWORD 'geheim' VALID UNTIL '2030-01-01'"),
            "CREATE ROLE bob PASSWORD '***' VALID UNTIL '***'");
  EXPECT_EQ(WithoutSecret("alter user bob /* x */ with encrypted password\n'ge' \n 'heim';"),
            "alter user bob /* x */ with encrypted password\n'***';");
  EXPECT_EQ(
      WithoutSecret("CREATE SUBSCRIPTION s CONNECTION $c$host=x password=geheim$c$ PUBLICATION p"),
      "CREATE SUBSCRIPTION s CONNECTION '***' PUBLICATION p");
}

class SecretTest : public ::testing::TestWithParam<const char*> {};

TEST_P(SecretTest, IsTakenOut) {
  const std::string sql = GetParam();
  EXPECT_TRUE(MayCarrySecret(sql)) << sql;
  EXPECT_TRUE(Analyse(sql).carries_secret) << sql;
  EXPECT_THAT(WithoutSecret(sql), Not(HasSubstr("geheim"))) << sql;
  EXPECT_THAT(Analyse(sql).shape, Not(HasSubstr("geheim"))) << sql;
}

INSTANTIATE_TEST_SUITE_P(
    Statements, SecretTest,
    ::testing::Values(
        "CREATE USER bob PASSWORD 'geheim'", "CREATE GROUP g PASSWORD E'geheim\\''",
        "ALTER ROLE bob PASSWORD U&'geheim'",
        "ALTER USER MAPPING FOR bob SERVER s OPTIONS (SET password 'geheim')",
        "CREATE USER MAPPING FOR bob SERVER s OPTIONS (\"user\" 'x', password 'geheim')",
        "CREATE SERVER s FOREIGN DATA WRAPPER w OPTIONS (host 'geheim')",
        "ALTER SUBSCRIPTION s CONNECTION 'geheim'", "ALTER SERVER s OPTIONS (SET host 'geheim')",
        "ALTER SYSTEM SET primary_conninfo = 'password=geheim'",
        "SELECT * FROM dblink('password=geheim', 'SELECT 1') AS t(a int)",
        "SELECT DBLINK_CONNECT($$geheim$$)", "SELECT \"dblink_exec\"('geheim')",
        "SELECT x.dblink('geheim') -- and so on", "SELECT U&\"dbl\\0069nk\"('geheim')",
        "PREPARE p AS SELECT dblink('geheim', $1)", "EXPLAIN SELECT dblink('geheim', 'x')",
        "DO $$BEGIN CREATE ROLE bob PASSWORD 'geheim'; END$$",
        "DO 'BEGIN CREATE ROLE bob PASSWORD ''geheim''; END'",
        "DO $$BEGIN EXECUTE 'ALTER ROLE bob PASSWORD ''geheim'''; END$$",
        "CREATE FUNCTION f() RETURNS text LANGUAGE sql AS $$SELECT dblink('geheim', 'x')$$",
        "CREATE OR REPLACE PROCEDURE f() LANGUAGE plpgsql AS $$BEGIN EXECUTE format('ALTER ROLE a "
        "PASSWORD %L', 'geheim'); END$$",
        // Not parsed at all.
        "CREATE ROLE bob PASSWORD 'geheim' NONSENSE",
        "CREATE USER MAPPING FOR bob SERVER s OPTIONS (password 'geheim'",
        "CREATE ROLE bob PASSWORD 'geheim"));

class NoSecretTest : public ::testing::TestWithParam<const char*> {};

TEST_P(NoSecretTest, StaysAsItIs) {
  EXPECT_EQ(WithoutSecret(GetParam()), GetParam());
  EXPECT_FALSE(Analyse(GetParam()).carries_secret);
}

// What is masked cannot be replayed: a needless mask loses a write.
INSTANTIATE_TEST_SUITE_P(
    Statements, NoSecretTest,
    ::testing::Values(
        "INSERT INTO users (name, password) VALUES ('a', 'x')",
        "UPDATE users SET password = 'x' WHERE id = 1",
        "SELECT 'dblink', 'CREATE ROLE x PASSWORD ''y'''",
        "SELECT \"create\", \"user\" FROM t WHERE a = 'password'", "CREATE ROLE bob NOLOGIN",
        "CREATE TABLE t (password text DEFAULT 'x')", "COMMENT ON ROLE bob IS 'password'",
        "INSERT INTO server VALUES ('foreign system')",
        "DO $$BEGIN UPDATE users SET password = 'x'; END$$",
        "CREATE FUNCTION f() RETURNS text LANGUAGE sql AS 'SELECT password FROM users'",
        "CREATE INDEX mapping ON subscription (a)"));

TEST(SecretsTest, MayCarrySecretIgnoresCase) {
  EXPECT_TRUE(MayCarrySecret("create role x PaSsWoRd 'y'"));
  EXPECT_TRUE(MayCarrySecret("DBLINK"));
  EXPECT_FALSE(MayCarrySecret("SELECT * FROM passwor"));
  EXPECT_FALSE(MayCarrySecret(""));
}

TEST(SecretsTest, AMaskedCodeBodyIsNeverRun) {
  const std::string masked = WithoutSecret("DO $$BEGIN CREATE ROLE bob PASSWORD 'geheim'; END$$");
  EXPECT_EQ(Analyse(masked).rule, ReplayRule::never);
  EXPECT_EQ(Analyse("CREATE FUNCTION f() RETURNS int LANGUAGE sql AS '***'").rule_reason, "secret");
}

}  // namespace
}  // namespace pgparity::shadow
