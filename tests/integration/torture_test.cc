// The concurrency torture: no false alarm, and what is not known is said.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "tests/integration/environment.h"
#include "tests/support/delay_relay.h"
#include "tests/support/libpq_client.h"
#include "tests/support/torture.h"

namespace pgparity::support {
namespace {

uint64_t Setting(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text != nullptr ? std::strtoull(text, nullptr, 10) : otherwise;
}

struct Mode {
  const char* name;
  const char* ordering;
  bool fsync;
};

class Torture : public ::testing::TestWithParam<Mode> {
 protected:
  void SetUp() override { SetFsync(GetParam().fsync); }
  void TearDown() override { SetFsync(false); }
  static void SetFsync(bool on) {
    LibpqClient admin(PrimaryCluster().Url("postgres"));
    const char* const value = on ? "on" : "off";
    ASSERT_TRUE(admin.Query(std::string("ALTER SYSTEM SET fsync = ") + value).ok);
    ASSERT_TRUE(admin.Query("SELECT pg_reload_conf()").ok);
  }
};

TEST_P(Torture, NothingIsCalledDivergent) {
  TortureOptions options;
  options.seed = Setting("PGPARITY_TORTURE_SEED", 20261120);
  options.units = Setting("PGPARITY_TORTURE_UNITS", 10000);
  options.connections = static_cast<int>(Setting("PGPARITY_TORTURE_CONNECTIONS", 32));
  std::printf("seed %llu\n", static_cast<unsigned long long>(options.seed));
  DatabasePair pair("torture");
  pair.Seed(TortureSchema(options.hot_rows));
  const std::chrono::microseconds delay(Setting("PGPARITY_TORTURE_DELAY_US", 500));
  DelayRelay behind(PrimaryCluster().port(), delay, options.seed);
  ProxyOptions serve = ProxyFor(pair, {"--ordering", GetParam().ordering});
  if (const char* kept = std::getenv("PGPARITY_TORTURE_DATA_DIR")) serve.data_dir = kept;
  serve.primary_url =
      "postgres://postgres@127.0.0.1:" + std::to_string(behind.port()) + "/" + pair.name();
  ProxyProcess proxy(serve);
  ASSERT_TRUE(proxy.started());
  DelayRelay before(proxy.port(), delay, options.seed + 1);
  const TortureResult result = RunTorture(
      "postgres://postgres@127.0.0.1:" + std::to_string(before.port()) + "/" + pair.name(),
      options);
  EXPECT_EQ(result.trouble, "");
  ASSERT_TRUE(proxy.Drain(std::to_string(Setting("PGPARITY_TORTURE_DRAIN_SECONDS", 120)) + "s"));
  const ReportJson report = proxy.Report();
  std::printf("%s\n", report.Summary().c_str());
  EXPECT_EQ(report.statements.at("divergent"), 0U) << report.text;
  EXPECT_EQ(report.units.at("in_doubt"), 0U);
  // What concurrency left open was settled: the tables are equal, but for times that the two clocks
  // gave.
  EXPECT_EQ(report.rows.at("unproved"), 0U);
  EXPECT_EQ(report.statements.at("ambiguous_resolved"), report.statements.at("ambiguous"));
  ExpectEqualTables(pair, {"orders.created_at", "audit.at"});
}

INSTANTIATE_TEST_SUITE_P(Modes, Torture,
                         ::testing::Values(Mode{"Passive", "passive", false},
                                           Mode{"PassiveFsync", "passive", true},
                                           Mode{"Exact", "exact", false},
                                           Mode{"ExactFsync", "exact", true}),
                         [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace pgparity::support
