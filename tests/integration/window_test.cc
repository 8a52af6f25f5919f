// Units that fail on the shadow with others in flight behind them, and a proxy or shadow that dies
// while units are applied: every other unit is applied exactly once.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>

#include "tests/integration/environment.h"
#include "tests/support/libpq_client.h"

namespace pgparity::support {
namespace {

constexpr int units = 400;
constexpr int failing = 57;

// No key: a unit that is applied twice is seen.
const std::vector<std::string> schema = {
    "CREATE TABLE ledger (unit int NOT NULL, part int NOT NULL)",
    "CREATE TABLE valid (v int PRIMARY KEY)", "INSERT INTO valid VALUES (1), (2), (3)",
    "CREATE TABLE fussy (v int)"};

// "unit count" of every unit that the ledger does not hold exactly once with each of its parts.
std::string NotExactlyOnce(const std::string& url) {
  LibpqClient client(url);
  const QueryResult result = client.Query(
      "SELECT unit || ' has ' || count(part) FROM generate_series(1, " + std::to_string(units) +
      ") AS unit LEFT JOIN ledger USING (unit) GROUP BY unit HAVING count(part) <> 2 OR "
      "count(DISTINCT part) <> 2 ORDER BY unit");
  std::string all;
  for (const Row& row : result.rows) all += *row[0] + "\n";
  return result.ok ? all : result.message;
}

// Keeps the shadow's ledger locked, so that units pile up behind the first one of the window.
class LedgerHeld {
 public:
  explicit LedgerHeld(const std::string& url) : client_(url) {
    EXPECT_TRUE(client_.Query("BEGIN").ok);
    EXPECT_TRUE(client_.Query("LOCK TABLE ledger IN ACCESS EXCLUSIVE MODE").ok);
  }
  void Release() { EXPECT_TRUE(client_.Query("COMMIT").ok); }

 private:
  LibpqClient client_;
};

// Units on the primary. Unit `failing` does what the shadow refuses.
void WriteUnits(ProxyProcess* proxy, const std::string& database) {
  LibpqClient client(proxy->Url(database));
  for (int unit = 1; unit <= units; ++unit) {
    const std::string id = std::to_string(unit);
    ASSERT_TRUE(client.Query("BEGIN").ok);
    ASSERT_TRUE(client.Query("INSERT INTO ledger VALUES ($1, 1)", {id}).ok);
    if (unit == failing) {
      ASSERT_TRUE(client.Query("INSERT INTO fussy VALUES (77)").ok);
    }
    ASSERT_TRUE(client.Query("INSERT INTO ledger VALUES ($1, 2)", {id}).ok);
    ASSERT_TRUE(client.Query("COMMIT").ok);
  }
}

TEST(Window, AUnitThatFailsInItsMiddle) {
  DatabasePair pair("window");
  pair.Seed(schema);
  LibpqClient(pair.ShadowUrl()).Query("ALTER TABLE fussy ADD CHECK (v < 10)");
  ProxyProcess proxy(ProxyFor(pair));
  ASSERT_TRUE(proxy.started());
  LedgerHeld held(pair.ShadowUrl());
  ASSERT_NO_FATAL_FAILURE(WriteUnits(&proxy, pair.name()));
  held.Release();
  ASSERT_TRUE(proxy.Drain());
  // Run alone, under savepoints: only its failed statement is missing.
  EXPECT_EQ(NotExactlyOnce(pair.ShadowUrl()), "");
  const ReportJson report = proxy.Report();
  ASSERT_EQ(report.divergences.size(), 1U) << report.Summary();
  EXPECT_THAT(report.divergences[0].shape, ::testing::HasSubstr("fussy")) << report.Summary();
  EXPECT_EQ(report.divergences[0].kind, "shadow-error");
  EXPECT_EQ(report.divergences[0].count, 1U);
}

TEST(Window, AUnitThatFailsAtCommit) {
  DatabasePair pair("commit");
  pair.Seed(schema);
  LibpqClient(pair.ShadowUrl())
      .Query(
          "ALTER TABLE fussy ADD FOREIGN KEY (v) REFERENCES valid DEFERRABLE INITIALLY DEFERRED");
  ProxyProcess proxy(ProxyFor(pair));
  ASSERT_TRUE(proxy.started());
  LedgerHeld held(pair.ShadowUrl());
  ASSERT_NO_FATAL_FAILURE(WriteUnits(&proxy, pair.name()));
  held.Release();
  ASSERT_TRUE(proxy.Drain());
  EXPECT_THAT(NotExactlyOnce(pair.ShadowUrl()),
              ::testing::AnyOf("", std::to_string(failing) + " has 0\n"));
  const ReportJson report = proxy.Report();
  ASSERT_EQ(report.divergences.size(), 1U) << report.Summary();
  EXPECT_EQ(report.divergences[0].kind, "shadow-error") << report.Summary();
  EXPECT_EQ(report.verdict, "FAIL");
}

TEST(Window, TheProxyIsKilledWhileUnitsAreApplied) {
  DatabasePair pair("killed");
  pair.Seed(schema);
  ProxyProcess proxy(ProxyFor(pair));
  ASSERT_TRUE(proxy.started());
  LedgerHeld held(pair.ShadowUrl());
  ASSERT_NO_FATAL_FAILURE(WriteUnits(&proxy, pair.name()));
  // What is in the journal survives; what was captured last may not yet be there.
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (proxy.StatusNumber("lag_units") != units && std::chrono::steady_clock::now() < deadline) {
  }
  // The dead proxy's backend has a window of units before it, and applies them once the lock is
  // gone, while the next proxy is at the same units. The journal may lack what was captured last.
  proxy.Kill();
  ASSERT_TRUE(proxy.Start());
  held.Release();
  proxy.Kill();
  ASSERT_TRUE(proxy.Start());
  ASSERT_TRUE(proxy.Drain());
  EXPECT_EQ(NotExactlyOnce(pair.ShadowUrl()), "");
  ExpectEqualTables(pair);
}

TEST(Window, TheLanesSessionsAreKilledWhileUnitsAreApplied) {
  DatabasePair pair("lanes");
  pair.Seed(schema);
  ProxyProcess proxy(ProxyFor(pair));
  ASSERT_TRUE(proxy.started());
  LedgerHeld held(pair.ShadowUrl());
  ASSERT_NO_FATAL_FAILURE(WriteUnits(&proxy, pair.name()));
  LibpqClient shadow(ShadowCluster().Url("postgres"));
  for (int kills = 0; kills < 5; ++kills) {
    if (kills == 2) held.Release();
    ASSERT_TRUE(
        shadow
            .Query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '" +
                   pair.name() + "' AND application_name = 'pgparity'")
            .ok);
  }
  ASSERT_TRUE(proxy.Drain());
  EXPECT_EQ(NotExactlyOnce(pair.ShadowUrl()), "");
  ExpectEqualTables(pair);
  EXPECT_TRUE(proxy.Report().divergences.empty()) << proxy.Report().Summary();
}

}  // namespace
}  // namespace pgparity::support
