// The test harness itself: what the other tests take for granted.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/integration/environment.h"
#include "tests/support/libpq_client.h"

namespace pgparity::support {
namespace {

TEST(Harness, TableDigestsSeeOneChangedCell) {
  DatabasePair pair("harness");
  pair.Seed({"CREATE TABLE t (id int PRIMARY KEY, v text, at timestamptz)",
             "INSERT INTO t SELECT i, 'v' || i, now() FROM generate_series(1, 100) AS i"});
  EXPECT_NE(TableDigests(pair.PrimaryUrl()), TableDigests(pair.ShadowUrl()));
  ExpectEqualTables(pair, {"t.at"});
  LibpqClient shadow(pair.ShadowUrl());
  ASSERT_TRUE(shadow.Query("UPDATE t SET v = 'other' WHERE id = 50").ok);
  EXPECT_NE(TableDigests(pair.PrimaryUrl(), {"t.at"}), TableDigests(pair.ShadowUrl(), {"t.at"}));
}

TEST(Harness, LoginsByPasswordAreReallyAsked) {
  PostgresCluster& cluster = PrimaryCluster();
  for (const std::string user : {"md5_user", "scram_user"}) {
    EXPECT_FALSE(LibpqClient(cluster.Url("postgres", user, "wrong")).ok());
    EXPECT_TRUE(LibpqClient(cluster.Url("postgres", user, cluster.LoginPassword())).ok());
  }
}

TEST(Harness, AKilledClusterComesBackOnItsPortWithItsData) {
  PostgresCluster cluster({.name = "killed"});
  const int port = cluster.port();
  ASSERT_TRUE(LibpqClient(cluster.Url("postgres")).Query("CREATE TABLE kept (id int)").ok);
  cluster.KillImmediate();
  EXPECT_FALSE(LibpqClient(cluster.Url("postgres")).ok());
  cluster.Start();
  EXPECT_EQ(cluster.port(), port);
  EXPECT_TRUE(LibpqClient(cluster.Url("postgres")).Query("SELECT * FROM kept").ok);
}

TEST(Harness, RunCapturesOutputAndExitStatus) {
  const RunResult result = RunCommand({"sh", "-c", "echo out; echo err >&2; exit 3"});
  EXPECT_EQ(result.exit, 3);
  EXPECT_EQ(result.out, "out\n");
  EXPECT_EQ(result.err, "err\n");
}

}  // namespace
}  // namespace pgparity::support
