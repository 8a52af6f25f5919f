#include "shadow/read_only.h"

#include <gtest/gtest.h>

namespace pgparity::shadow {
namespace {

TEST(TextReadsOnly, KnowsPlainReads) {
  for (const char* sql : {
           "SELECT 1",
           "select * from t where id = $1",
           "  /* x */ (SELECT count(*), max(a) FROM t) UNION (SELECT 1, 2)",
           "SELECT 'INSERT INTO' AS \"UPDATE\" FROM t",
           "SELECT t.update FROM t",
           "VALUES (1), (2)",
           "TABLE t",
           "SHOW search_path",
           "WITH x AS (SELECT 1) SELECT * FROM x WHERE a IN (1, 2) AND EXISTS (SELECT 1)",
           "SELECT pg_catalog.lower(a) FROM t",
           "SELECT a::varchar(10), (a)(1) FROM t",
       }) {
    EXPECT_TRUE(TextReadsOnly(sql)) << sql;
  }
}

TEST(TextReadsOnly, DoubtsEverythingElse) {
  for (const char* sql : {
           "",
           "INSERT INTO t VALUES (1)",
           "SELECT nextval('s')",
           "SELECT app.lower(a) FROM t",
           "SELECT \"lower\"(a) FROM t",
           "SELECT * FROM t FOR UPDATE",
           "SELECT * FROM t FOR SHARE",
           "SELECT 1 INTO u",
           "CREATE TABLE t AS SELECT 1",
           "WITH x AS (DELETE FROM t RETURNING *) SELECT * FROM x",
           "EXPLAIN ANALYZE INSERT INTO t VALUES (1)",
           "EXECUTE q",
           "SELECT 'a\\', pay(1), '",
           "SELECT pay (1)",
           "SELECT pay/* */(1)",
       }) {
    EXPECT_FALSE(TextReadsOnly(sql)) << sql;
  }
}

TEST(StatementReadsOnly, GoesByTagAndText) {
  Statement statement;
  statement.sql = "SELECT 1";
  statement.primary.tag = "SELECT 1";
  EXPECT_TRUE(StatementReadsOnly(statement));
  statement.known_text = false;
  EXPECT_FALSE(StatementReadsOnly(statement));
  statement = Statement();
  statement.sql = "SELECT 1";
  statement.primary.tag = "INSERT 0 1";  // a rule or a wrong pairing: the tag counts
  EXPECT_FALSE(StatementReadsOnly(statement));
  statement.transaction_command = protocol::TransactionCommand::commit;
  EXPECT_TRUE(StatementReadsOnly(statement));
  statement.transaction_command = protocol::TransactionCommand::commit_prepared;
  EXPECT_FALSE(StatementReadsOnly(statement));
}

TEST(CommitsAtOnce, KnowsWhatRefusesABlock) {
  Statement statement;
  statement.primary.tag = "CREATE INDEX";
  statement.sql = "CREATE INDEX i ON t (a)";
  EXPECT_FALSE(CommitsAtOnce(statement));
  statement.sql = "CREATE INDEX concurrently i ON t (a)";
  EXPECT_TRUE(CommitsAtOnce(statement));
  statement.primary.tag = "VACUUM";
  EXPECT_TRUE(CommitsAtOnce(statement));
}

}  // namespace
}  // namespace pgparity::shadow
