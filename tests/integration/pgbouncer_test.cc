// pgbouncer before the proxy, and behind it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>

#include "tests/integration/environment.h"
#include "tests/support/libpq_client.h"
#include "tests/support/pgbouncer.h"

namespace pgparity::support {
namespace {

const std::vector<std::string> schema = {
    "CREATE SCHEMA one", "CREATE SCHEMA two", "CREATE TABLE one.t (id int, v text, at timestamptz)",
    "CREATE TABLE two.t (id int, v text, at timestamptz)",
    "CREATE TABLE public.t (id serial PRIMARY KEY, v text, at timestamptz)"};

void ExpectClean(ProxyProcess& proxy, const DatabasePair& pair) {
  ASSERT_TRUE(proxy.Drain()) << proxy.Log();
  const ReportJson report = proxy.Report();
  EXPECT_EQ(report.divergences.size(), 0u) << report.Summary();
  EXPECT_EQ(report.gaps.size(), 0u) << report.Summary();
  EXPECT_GT(report.statements.at("match"), 10u) << report.Summary();
  EXPECT_EQ(proxy.StatusNumber("tracker_desynchronised"), 0.0);
  ExpectEqualTables(pair);
}

std::string Number(int i) { return std::to_string(i); }

TEST(PgbouncerInFront, SessionModeHandsASessionOnWithAReset) {
  DatabasePair pair("bounced");
  pair.Seed(schema);
  ProxyProcess proxy(ProxyFor(pair));
  ASSERT_TRUE(proxy.started());
  Pgbouncer pgbouncer(
      {.server_port = proxy.port(),
       .settings = {{"default_pool_size", "1"}, {"server_reset_query", "DISCARD ALL"}}});
  for (int i = 0; i < 6; ++i) {
    LibpqClient client(pgbouncer.Url(pair.name()));
    ASSERT_TRUE(client.ok()) << client.error();
    // Nothing of the client before is left.
    EXPECT_EQ(client.Query("SELECT v FROM t WHERE v = 'nobody'").rows.size(), 0u);
    if (i % 3 == 0) EXPECT_TRUE(client.Query("SET search_path = one").ok);
    if (i % 3 == 1) EXPECT_TRUE(client.Query("SET search_path = two, public").ok);
    EXPECT_TRUE(client.Query("SET TimeZone = 'Asia/Kolkata'").ok);
    EXPECT_TRUE(
        client.Prepare("p", "INSERT INTO t (id, v, at) VALUES ($1, $2, '2024-01-01 12:00')").ok);
    for (int j = 0; j < 3; ++j)
      EXPECT_TRUE(client.ExecutePrepared("p", {Number(i * 10 + j), "prepared"}).ok);
    EXPECT_TRUE(
        client
            .Script({"BEGIN", "SET LOCAL search_path = two", "SET LOCAL TimeZone = 'UTC'",
                     "INSERT INTO t VALUES (" + Number(100 + i) + ", 'local', '2024-01-01')",
                     "COMMIT", "SELECT id, v, at FROM t ORDER BY id"})
            .ok);
    EXPECT_TRUE(client.Query("SET ROLE plain_user").ok);
  }
  ExpectClean(proxy, pair);
  EXPECT_EQ(proxy.StatusNumber("sessions_total"), 1.0) << "the pool did not share its session";
}

TEST(PgbouncerInFront, TransactionModeMixesClientsInOneSession) {
  DatabasePair pair("bounced");
  pair.Seed(schema);
  ProxyProcess proxy(ProxyFor(pair));
  ASSERT_TRUE(proxy.started());
  Pgbouncer pgbouncer({.server_port = proxy.port(),
                       .pool_mode = "transaction",
                       .settings = {{"default_pool_size", "2"}}});
  std::vector<std::unique_ptr<LibpqClient>> clients;
  for (const char* zone : {"UTC", "Asia/Kolkata", "America/New_York", "UTC"}) {
    clients.push_back(std::make_unique<LibpqClient>(pgbouncer.Url(pair.name())));
    ASSERT_TRUE(clients.back()->Query(std::string("SET TimeZone = '") + zone + "'").ok);
  }
  for (int i = 0; i < 40; ++i) {
    LibpqClient& client = *clients[static_cast<size_t>(i * 7 % 4)];
    LibpqClient& other = *clients[static_cast<size_t>((i * 7 + 1) % 4)];
    // Two transactions at a time, so that both sessions of the pool are used.
    EXPECT_TRUE(client.Query("BEGIN").ok);
    EXPECT_TRUE(other.Query("INSERT INTO t (v, at) VALUES ('x', '2024-06-01 12:00')").ok);
    EXPECT_TRUE(client.Query("SET LOCAL search_path = one").ok);
    EXPECT_TRUE(
        client.Query("INSERT INTO t VALUES (" + Number(i) + ", 'y', '2024-06-01 12:00')").ok);
    EXPECT_TRUE(client.Query(i % 5 == 0 ? "ROLLBACK" : "COMMIT").ok);
    EXPECT_TRUE(other.Query("SELECT id, at FROM t ORDER BY id").ok);
    // A setting that pgbouncer does not know stays with the session, whoever comes next.
    if (i % 10 == 3) EXPECT_TRUE(client.Query("SET search_path = two, public").ok);
    if (i % 10 == 7) EXPECT_TRUE(client.Query("RESET search_path").ok);
    EXPECT_TRUE(client.Query("INSERT INTO public.t (v, at) VALUES ($1, now())", {Number(i)}).ok);
  }
  ExpectClean(proxy, pair);
  EXPECT_LE(proxy.StatusNumber("sessions_total").value_or(99), 2.0);
}

TEST(PgbouncerBehind, TransactionModeMovesBackendsUnderTheProxy) {
  DatabasePair pair("bounced");
  pair.Seed(schema);
  Pgbouncer pgbouncer({.server_port = PrimaryCluster().port(),
                       .pool_mode = "transaction",
                       .settings = {{"default_pool_size", "3"}}});
  ProxyOptions options = ProxyFor(pair);
  options.primary_url = pgbouncer.Url(pair.name());
  ProxyProcess proxy(options);
  ASSERT_TRUE(proxy.started()) << proxy.Log();
  std::vector<std::unique_ptr<LibpqClient>> clients;
  for (int i = 0; i < 4; ++i) {
    clients.push_back(std::make_unique<LibpqClient>(proxy.Url(pair.name())));
    ASSERT_TRUE(clients.back()->ok()) << clients.back()->error();
  }
  for (int i = 0; i < 40; ++i) {
    LibpqClient& client = *clients[static_cast<size_t>(i % 4)];
    LibpqClient& other = *clients[static_cast<size_t>((i + 1) % 4)];
    EXPECT_TRUE(client.Query("BEGIN").ok);
    EXPECT_TRUE(client.Query("SET LOCAL search_path = one").ok);
    EXPECT_TRUE(client.Query("INSERT INTO t VALUES ($1, 'y', now())", {Number(i)}).ok);
    // Ids that the primary made are pinned: our own connection reads the catalog behind pgbouncer.
    EXPECT_TRUE(other.Query("INSERT INTO t (v) VALUES ('x') RETURNING id").ok);
    EXPECT_TRUE(client.Query("COMMIT").ok);
    EXPECT_TRUE(client.Query("SELECT id, v FROM t ORDER BY id").ok);
  }
  ExpectClean(proxy, pair);
}

}  // namespace
}  // namespace pgparity::support
