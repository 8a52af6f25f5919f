// A shadow that is absent, dies, or is slow: clients notice nothing, and the applier catches up.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/integration/environment.h"
#include "tests/support/libpq_client.h"

namespace pgparity::support {
namespace {

constexpr char history_count[] = "SELECT count(*) >= %d FROM pgbench_history";

// A pair whose shadow is a cluster of its own, that may be killed.
class Shadow : public ::testing::Test {
 protected:
  Shadow() {
    PrimaryCluster().DropDatabase(name_);
    PrimaryCluster().CreateDatabase(name_);
    shadow_.CreateDatabase(name_);
  }
  ~Shadow() override { PrimaryCluster().DropDatabase(name_); }

  ProxyOptions Options() const {
    ProxyOptions options;
    options.primary_url = PrimaryUrl();
    options.shadow_url = ShadowUrl();
    return options;
  }
  std::string PrimaryUrl() const { return PrimaryCluster().Url(name_); }
  std::string ShadowUrl() const { return shadow_.Url(name_); }
  void InitBoth() {
    for (const std::string& url : {PrimaryUrl(), ShadowUrl()}) {
      ASSERT_EQ(RunPgbench({"-i", "-q", url}).exit, 0);
    }
  }
  bool WaitForHistory(int rows) const {
    char sql[100];
    std::snprintf(sql, sizeof(sql), history_count, rows);
    return WaitForScalar(PrimaryUrl(), sql, "t");
  }
  void ExpectEqual() const {
    const std::vector<std::string> volatile_columns = {"pgbench_history.mtime"};
    EXPECT_EQ(TableDigests(PrimaryUrl(), volatile_columns),
              TableDigests(ShadowUrl(), volatile_columns));
  }

  const std::string name_ = "outage";
  PostgresCluster shadow_{{.name = "outage", .settings = {}}};
};

TEST_F(Shadow, IsKilledAndRestartedInTheMiddleOfARun) {
  InitBoth();
  ProxyProcess proxy(Options());
  ASSERT_TRUE(proxy.started());
  TempDir dir;
  ChildOptions pgbench;
  pgbench.argv = {
      PostgresProgram("pgbench"), "-n", "-c", "8", "-j", "2", "-t", "300", proxy.Url(name_)};
  pgbench.output_path = dir.Path("pgbench");
  ChildProcess run(pgbench);
  ASSERT_TRUE(WaitForHistory(300));
  shadow_.KillImmediate();
  ASSERT_TRUE(WaitForHistory(900)) << "clients do not go on without the shadow";
  shadow_.Start();
  EXPECT_EQ(run.Wait(std::chrono::minutes(2)), 0) << ReadFile(dir.Path("pgbench"));
  EXPECT_THAT(ReadFile(dir.Path("pgbench")), ::testing::HasSubstr("2400/2400"));
  ASSERT_TRUE(proxy.Drain());
  ExpectEqual();
  const ReportJson report = proxy.Report();
  EXPECT_TRUE(report.divergences.empty()) << report.Summary();
  EXPECT_EQ(proxy.Stop(), 0);
}

TEST_F(Shadow, IsAbsentAtTheStartAndAppearsLater) {
  InitBoth();
  shadow_.KillImmediate();
  ProxyProcess proxy(Options());
  ASSERT_TRUE(proxy.started()) << "readiness must not depend on the shadow";
  EXPECT_EQ(RunPgbench({"-n", "-c", "4", "-t", "50", proxy.Url(name_)}).exit, 0);
  EXPECT_NE(proxy.StatusText("state"), "shadowing");
  EXPECT_NE(proxy.Ctl({"drain", "--timeout", "1s"}).exit, 0) << "nothing can have been drained";
  shadow_.Start();
  ASSERT_TRUE(proxy.Drain());
  ExpectEqual();
  const ReportJson report = proxy.Report();
  EXPECT_TRUE(report.divergences.empty()) << report.Summary();
  EXPECT_EQ(report.units.at("pending"), 0U);
}

TEST_F(Shadow, IsAbsentWhenTheProxyIsRestarted) {
  InitBoth();
  ProxyProcess proxy(Options());
  ASSERT_TRUE(proxy.started());
  shadow_.KillImmediate();
  EXPECT_EQ(RunPgbench({"-n", "-c", "4", "-t", "50", proxy.Url(name_)}).exit, 0);
  EXPECT_EQ(proxy.Stop(), 0) << "a shadow that is away must not keep the proxy from ending";
  ASSERT_TRUE(proxy.Start());
  EXPECT_EQ(RunPgbench({"-n", "-c", "4", "-t", "50", proxy.Url(name_)}).exit, 0);
  shadow_.Start();
  ASSERT_TRUE(proxy.Drain());
  ExpectEqual();
}

TEST_F(Shadow, HoldsALockThatTheApplierWaitsFor) {
  InitBoth();
  ProxyProcess proxy(Options());
  ASSERT_TRUE(proxy.started());
  LibpqClient blocker(ShadowUrl());
  ASSERT_TRUE(blocker.Query("BEGIN; LOCK TABLE pgbench_tellers IN ACCESS EXCLUSIVE MODE").ok);
  EXPECT_EQ(RunPgbench({"-n", "-c", "4", "-t", "100", proxy.Url(name_)}).exit, 0);
  EXPECT_GT(proxy.StatusNumber("lag_units").value_or(0), 0);
  ASSERT_TRUE(blocker.Query("COMMIT").ok);
  ASSERT_TRUE(proxy.Drain());
  ExpectEqual();
  EXPECT_TRUE(proxy.Report().divergences.empty()) << proxy.Report().Summary();
}

}  // namespace
}  // namespace pgparity::support
