// pgbouncer before the proxy, and behind it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
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
    if (i % 3 == 0) {
      EXPECT_TRUE(client.Query("SET search_path = one").ok);
    }
    if (i % 3 == 1) {
      EXPECT_TRUE(client.Query("SET search_path = two, public").ok);
    }
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
    if (i % 10 == 3) {
      EXPECT_TRUE(client.Query("SET search_path = two, public").ok);
    }
    if (i % 10 == 7) {
      EXPECT_TRUE(client.Query("RESET search_path").ok);
    }
    EXPECT_TRUE(
        client.Query("INSERT INTO public.t (v, at) VALUES ($1, '2024-03-03 03:30')", {Number(i)})
            .ok);
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
    EXPECT_TRUE(client.Query("INSERT INTO t VALUES ($1, 'y', '2024-03-03 03:30')", {Number(i)}).ok);
    // Ids that the primary made are pinned: our own connection reads the catalog behind pgbouncer.
    EXPECT_TRUE(other.Query("INSERT INTO t (v) VALUES ('x') RETURNING id").ok);
    EXPECT_TRUE(client.Query("COMMIT").ok);
    EXPECT_TRUE(client.Query("SELECT id, v FROM t ORDER BY id").ok);
  }
  ExpectClean(proxy, pair);
}

const std::string password = PostgresCluster::LoginPassword();

std::string Verifier() {
  return LibpqClient(PrimaryCluster().Url("postgres"))
      .Query("SELECT rolpassword FROM pg_authid WHERE rolname = 'scram_user'")
      .Scalar();
}

class PgbouncerAuth : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override { pair_.Seed(schema); }
  // Serves with --auth of the test's parameter.
  ProxyOptions Options(const std::string& primary_url, std::vector<std::string> arguments = {}) {
    arguments.insert(arguments.end(), {"--auth", GetParam()});
    if (GetParam() == "scram") {
      std::ofstream(dir_.Path("users")) << "\"scram_user\" \"" << Verifier() << "\"\n";
      arguments.insert(arguments.end(), {"--auth-file", dir_.Path("users")});
    }
    ProxyOptions options = ProxyFor(pair_, std::move(arguments));
    options.primary_url = primary_url;
    return options;
  }
  void ExpectWork(const std::string& url) {
    LibpqClient client(url);
    ASSERT_TRUE(client.ok()) << client.error();
    EXPECT_EQ(client.Query("SELECT current_user").Scalar(), "scram_user");
    for (int i = 0; i < 12; ++i) {
      EXPECT_TRUE(client.Query("INSERT INTO t (v) VALUES ($1)", {Number(i)}).ok);
      EXPECT_TRUE(client.Query("SELECT v FROM t ORDER BY id").ok);
    }
  }

  DatabasePair pair_{"bounced"};
  TempDir dir_;
};

TEST_P(PgbouncerAuth, InFrontItLogsIn) {
  ProxyProcess proxy(Options(PrimaryCluster().Url(pair_.name(), "scram_user", password)));
  ASSERT_TRUE(proxy.started()) << proxy.Log();
  for (const char* tls : {"disable", "require"}) {
    SCOPED_TRACE(tls);
    Pgbouncer pgbouncer({.server_port = proxy.port(),
                         .settings = {{"server_tls_sslmode", tls}},
                         .users = {{"scram_user", password}}});
    ExpectWork(pgbouncer.Url(pair_.name(), "scram_user"));
    Pgbouncer wrong({.server_port = proxy.port(),
                     .settings = {{"server_tls_sslmode", tls}},
                     .users = {{"scram_user", "wrong"}}});
    EXPECT_FALSE(LibpqClient(wrong.Url(pair_.name(), "scram_user")).ok());
  }
  ExpectClean(proxy, pair_);
}

// It holds the primary's own verifier, as does --auth-file.
TEST_P(PgbouncerAuth, BehindItIsLoggedInTo) {
  Pgbouncer pgbouncer({.server_port = PrimaryCluster().port(),
                       .pool_mode = "transaction",
                       .settings = {{"auth_type", "scram-sha-256"}},
                       .users = {{"scram_user", Verifier()}}});
  ProxyProcess proxy(Options(pgbouncer.Url(pair_.name(), "scram_user", password)));
  ASSERT_TRUE(proxy.started()) << proxy.Log();
  ExpectWork(proxy.Url(pair_.name(), "scram_user", password));
  EXPECT_FALSE(LibpqClient(proxy.Url(pair_.name(), "scram_user", "wrong")).ok());
  ExpectClean(proxy, pair_);
}

INSTANTIATE_TEST_SUITE_P(Each, PgbouncerAuth, ::testing::Values("pass", "url", "scram"),
                         [](const auto& test) { return test.param; });

}  // namespace
}  // namespace pgparity::support
