// pgbench through the proxy, from the first table to the verdict.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/integration/environment.h"
#include "tests/support/libpq_client.h"

namespace pgparity::support {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr int clients = 16;
constexpr int transactions = 150;  // of each client and protocol

TEST(Pgbench, TpcbInAllProtocolsEndsInEqualTablesAndACleanVerdict) {
  DatabasePair pair("tpcb");
  ProxyProcess proxy(ProxyFor(pair));
  ASSERT_TRUE(proxy.started());

  const RunResult init = RunPgbench({"-i", "-q", proxy.Url(pair.name())});
  ASSERT_EQ(init.exit, 0) << init.err;
  for (const char* protocol : {"simple", "extended", "prepared"}) {
    const RunResult run =
        RunPgbench({"-n", "-M", protocol, "-c", std::to_string(clients), "-j", "2", "-t",
                    std::to_string(transactions), proxy.Url(pair.name())});
    EXPECT_EQ(run.exit, 0) << protocol << ": " << run.out << run.err;
  }
  ASSERT_TRUE(proxy.Drain());

  EXPECT_EQ(LibpqClient(pair.PrimaryUrl()).Query("SELECT count(*) FROM pgbench_history").Scalar(),
            std::to_string(3 * clients * transactions));
  ExpectEqualTables(pair, {"pgbench_history.mtime"});

  const ReportJson report = proxy.Report();
  EXPECT_THAT(report.reasons, ElementsAre("soak-too-short")) << report.Summary();
  EXPECT_EQ(report.verdict, "INCONCLUSIVE");
  EXPECT_THAT(report.divergences, IsEmpty()) << report.Summary();
  EXPECT_THAT(report.gaps, IsEmpty()) << report.Summary();
  // Of the seven statements of a transaction, BEGIN and END are neither compared nor not compared.
  EXPECT_GE(report.statements.at("match"), 3ULL * clients * transactions * 5) << report.Summary();
  EXPECT_EQ(proxy.Verdict().exit, 2);
  const RunResult pass = proxy.Verdict({"--min-soak", "1s"});
  EXPECT_EQ(pass.exit, 0) << pass.out << pass.err;
  EXPECT_EQ(proxy.Stop(), 0) << proxy.Log();
}

TEST(Pgbench, ReadsOfOneSessionAreComparedAgainstItsOwnWrites) {
  DatabasePair pair("own");
  pair.Seed(
      {"CREATE TABLE counter (id int PRIMARY KEY, n int)", "INSERT INTO counter VALUES (1, 0)"});
  ProxyProcess proxy(ProxyFor(pair));
  ASSERT_TRUE(proxy.started());
  {
    LibpqClient client(proxy.Url(pair.name()));
    for (int i = 0; i < 100; ++i) {
      ASSERT_TRUE(client.Query("UPDATE counter SET n = n + 1 WHERE id = 1").ok);
      ASSERT_EQ(client.Query("SELECT n FROM counter WHERE id = $1", {"1"}).Scalar(),
                std::to_string(i + 1));
    }
  }
  ASSERT_TRUE(proxy.Drain());
  const ReportJson report = proxy.Report();
  EXPECT_EQ(report.statements.at("match"), 200U) << report.Summary();
  EXPECT_THAT(report.divergences, IsEmpty()) << report.Summary();
  ExpectEqualTables(pair);
}

}  // namespace
}  // namespace pgparity::support
