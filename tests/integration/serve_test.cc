// `pgparity serve` as a process: logins, cancel, errors that clients and operators see, its end.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <libpq-fe.h>

#include <csignal>

#include "tests/integration/environment.h"
#include "tests/support/libpq_client.h"
#include "tests/support/raw_client.h"

namespace pgparity::support {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

const std::vector<std::string> one_table = {"CREATE TABLE t (id int, v text)"};

TEST(Serve, PasswordLoginsPassThrough) {
  DatabasePair pair("login");
  ProxyProcess proxy(ProxyFor(pair));
  ASSERT_TRUE(proxy.started());
  for (const std::string user : {"md5_user", "scram_user"}) {
    LibpqClient good(proxy.Url(pair.name(), user, PostgresCluster::LoginPassword()));
    EXPECT_EQ(good.Query("SELECT current_user").Scalar(), user) << good.error();
    LibpqClient bad(proxy.Url(pair.name(), user, "wrong-password"));
    LibpqClient direct(PrimaryCluster().Url(pair.name(), user, "wrong-password"));
    EXPECT_FALSE(bad.ok());
    EXPECT_THAT(bad.error(), HasSubstr("password authentication failed")) << direct.error();
  }
  EXPECT_THAT(proxy.Log(), Not(HasSubstr("wrong-password")));
  EXPECT_THAT(proxy.Log(), Not(HasSubstr("Pa55")));
}

TEST(Serve, ErrorsOfTheServerAtLoginArriveAsTheyAre) {
  DatabasePair pair("login_errors");
  ProxyProcess proxy(ProxyFor(pair));
  ASSERT_TRUE(proxy.started());
  LibpqClient no_database(proxy.Url("no_such_database"));
  EXPECT_THAT(no_database.error(), HasSubstr("database \"no_such_database\" does not exist"));
  LibpqClient no_role(proxy.Url(pair.name(), "no_such_role"));
  EXPECT_THAT(no_role.error(), HasSubstr("role \"no_such_role\" does not exist"));
}

TEST(Serve, AStatementIsCancelled) {
  DatabasePair pair("cancel");
  ProxyProcess proxy(ProxyFor(pair));
  ASSERT_TRUE(proxy.started());
  LibpqClient client(proxy.Url(pair.name()));
  ASSERT_EQ(PQsendQuery(client.get(), "SELECT pg_sleep(600)"), 1);
  ASSERT_TRUE(WaitForScalar(PrimaryCluster().Url("postgres"),
                            "SELECT count(*) FROM pg_stat_activity WHERE datname = '" +
                                pair.name() +
                                "' AND query ~ '^SELECT pg_sleep' AND state = 'active'",
                            "1"));
  PGcancel* cancel = PQgetCancel(client.get());
  char error[256] = "";
  EXPECT_EQ(PQcancel(cancel, error, sizeof(error)), 1) << error;
  PQfreeCancel(cancel);
  EXPECT_EQ(TakeResult(client.get(), PQgetResult(client.get())).sqlstate, "57014");
  PQclear(PQgetResult(client.get()));
  EXPECT_EQ(client.Query("SELECT 1").Scalar(), "1");
  EXPECT_TRUE(proxy.Drain());
  EXPECT_TRUE(proxy.Report().divergences.empty()) << proxy.Report().Summary();
}

TEST(Serve, AnUnreachablePrimaryIsAnErrorThatTheClientCanRead) {
  ProxyOptions options;
  options.primary_url = PostgresCluster::UrlAt(FreePort(), "postgres");
  options.shadow_url = ShadowCluster().Url("postgres");
  options.wait_ready = false;
  ProxyProcess proxy(options);
  // Its admin address answers, and says that it is not ready.
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (proxy.HttpStatus("/healthz") != 200 && std::chrono::steady_clock::now() < deadline &&
         !proxy.Wait(std::chrono::milliseconds(20)).has_value()) {
  }
  ASSERT_EQ(proxy.HttpStatus("/healthz"), 200) << proxy.Log();
  EXPECT_EQ(proxy.HttpStatus("/readyz"), 503);

  RawClient client(proxy.port());
  client.Send(StartupPacket("postgres", "postgres"));
  const auto answer = client.Read();
  ASSERT_TRUE(answer.has_value()) << "the socket was dropped without a word";
  EXPECT_EQ(answer->tag, 'E');
  EXPECT_THAT(ErrorField(answer->body, 'C'), ::testing::AnyOf("08001", "57P03"));
  EXPECT_EQ(ErrorField(answer->body, 'S'), "FATAL");
}

TEST(Serve, SigtermAppliesWhatWasCommittedAndEnds) {
  DatabasePair pair("sigterm");
  pair.Seed(one_table);
  ProxyProcess proxy(ProxyFor(pair));
  ASSERT_TRUE(proxy.started());
  {
    LibpqClient client(proxy.Url(pair.name()));
    for (int i = 0; i < 200; ++i) {
      ASSERT_TRUE(client.Query("INSERT INTO t VALUES ($1, 'v')", {std::to_string(i)}).ok);
    }
  }
  EXPECT_EQ(proxy.Stop(), 0) << proxy.Log();
  // What was not applied before the end is applied after the next start, once.
  ASSERT_TRUE(proxy.Start());
  ASSERT_TRUE(proxy.Drain());
  ExpectEqualTables(pair);
}

TEST(Serve, SigtermLetsAnOpenTransactionFinish) {
  DatabasePair pair("sigterm_open");
  pair.Seed(one_table);
  ProxyProcess proxy(ProxyFor(pair));
  ASSERT_TRUE(proxy.started());
  {
    LibpqClient client(proxy.Url(pair.name()));
    ASSERT_TRUE(client.Query("BEGIN").ok);
    ASSERT_TRUE(client.Query("INSERT INTO t VALUES (1, 'open')").ok);
    proxy.Signal(SIGTERM);
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    bool refused = false;
    while (!refused && std::chrono::steady_clock::now() < deadline) {
      refused = !LibpqClient(proxy.Url(pair.name())).ok();
    }
    EXPECT_TRUE(refused) << "new sessions are still let in";
    EXPECT_TRUE(client.Query("INSERT INTO t VALUES (2, 'still')").ok);
    EXPECT_TRUE(client.Query("COMMIT").ok);
  }
  EXPECT_EQ(proxy.Wait(std::chrono::minutes(1)), 0) << proxy.Log();
  ASSERT_TRUE(proxy.Start());
  ASSERT_TRUE(proxy.Drain());
  EXPECT_EQ(LibpqClient(pair.ShadowUrl()).Query("SELECT count(*) FROM t").Scalar(), "2");
}

TEST(Serve, ADataDirectoryInUseIsRefused) {
  DatabasePair pair("in_use");
  ProxyProcess proxy(ProxyFor(pair));
  ASSERT_TRUE(proxy.started());
  const RunResult second =
      RunPgparity({"serve", "--listen", "127.0.0.1:" + std::to_string(FreePort()), "--admin",
                   "127.0.0.1:" + std::to_string(FreePort()), "--primary", pair.PrimaryUrl(),
                   "--shadow", pair.ShadowUrl(), "--data-dir", proxy.data_dir()});
  EXPECT_GT(second.exit, 0);
  EXPECT_LT(second.exit, 128);
  EXPECT_THAT(second.err, AllOf(HasSubstr(proxy.data_dir()), HasSubstr("in use")));
  EXPECT_TRUE(proxy.Running());
}

TEST(Serve, AnAddressInUseIsRefusedInOneLine) {
  DatabasePair pair("address");
  const TempDir dir;
  const RunResult result =
      RunPgparity({"serve", "--listen", "127.0.0.1:" + std::to_string(PrimaryCluster().port()),
                   "--admin", "127.0.0.1:" + std::to_string(FreePort()), "--primary",
                   pair.PrimaryUrl(), "--shadow", pair.ShadowUrl(), "--data-dir", dir.Path("d")});
  EXPECT_GT(result.exit, 0);
  EXPECT_LT(result.exit, 128);
  EXPECT_THAT(result.err, HasSubstr(std::to_string(PrimaryCluster().port())));
}

TEST(Serve, StatusHasItsPromisedKeys) {
  DatabasePair pair("status");
  ProxyProcess proxy(ProxyFor(pair));
  ASSERT_TRUE(proxy.started());
  ASSERT_TRUE(proxy.Drain());
  EXPECT_EQ(proxy.StatusText("state"), "shadowing");
  EXPECT_EQ(proxy.StatusNumber("lag_units"), 0.0);
  EXPECT_TRUE(proxy.StatusNumber("lag_seconds").has_value());
  EXPECT_EQ(proxy.Ctl({"pause"}).exit, 0);
  EXPECT_EQ(proxy.StatusText("state"), "paused");
  EXPECT_EQ(proxy.Ctl({"resume"}).exit, 0);
  EXPECT_EQ(proxy.HttpStatus("/healthz"), 200);
  EXPECT_EQ(proxy.HttpStatus("/no/such/path"), 404);
}

TEST(Start, TablesThatAreNotEqualAreNamed) {
  DatabasePair pair("unequal");
  pair.Seed({"CREATE TABLE same (id int)", "CREATE TABLE differs (id int)",
             "INSERT INTO same VALUES (1)", "INSERT INTO differs VALUES (1)"});
  LibpqClient(pair.ShadowUrl()).Query("INSERT INTO differs VALUES (2)");
  ProxyProcess proxy(ProxyFor(pair));
  ASSERT_TRUE(proxy.started());
  ASSERT_TRUE(proxy.Drain());
  const ReportJson report = proxy.Report();
  EXPECT_TRUE(report.gaps.contains("start-not-equal")) << report.Summary();
  EXPECT_THAT(report.text, HasSubstr("differs"));
  EXPECT_EQ(report.verdict, "INCONCLUSIVE");
}

struct BadCommand {
  std::string name;
  std::vector<std::string> arguments;
  int exit;
  std::string says;
};

void PrintTo(const BadCommand& command, std::ostream* out) { *out << command.name; }

class CommandLine : public ::testing::TestWithParam<BadCommand> {};

TEST_P(CommandLine, IsRefusedInAFewClearLines) {
  const RunResult result = RunPgparity(GetParam().arguments);
  EXPECT_EQ(result.exit, GetParam().exit) << result.out << result.err;
  EXPECT_THAT(result.err, HasSubstr(GetParam().says));
  EXPECT_THAT(result.err, Not(HasSubstr("hunter2")));
  EXPECT_LE(std::count(result.err.begin(), result.err.end(), '\n'), 3) << result.err;
}

INSTANTIATE_TEST_SUITE_P(
    Bad, CommandLine,
    ::testing::Values(
        BadCommand{"UnknownOption", {"serve", "--no-such-option"}, 64, "--no-such-option"},
        BadCommand{"UnknownSubcommand", {"swerve"}, 64, "swerve"},
        BadCommand{"NoPrimary", {"serve", "--data-dir", "/nonexistent/d"}, 64, "--primary"},
        BadCommand{"BadPort",
                   {"serve", "--primary", "postgres://u:hunter2@h:notaport/d", "--shadow",
                    "postgres://u@h/d", "--data-dir", "/tmp/never-made"},
                   64,
                   "primary"},
        BadCommand{"BadScheme",
                   {"serve", "--primary", "mysql://u:hunter2@h/d", "--shadow", "postgres://u@h/d",
                    "--data-dir", "/tmp/never-made"},
                   64,
                   "primary"},
        BadCommand{"BadShadow",
                   {"serve", "--primary", "postgres://u@h/d", "--shadow",
                    "postgres://u:hunter2@h:99999/d", "--data-dir", "/tmp/never-made"},
                   64,
                   "shadow"},
        BadCommand{"NoDataDir", {"report", "--data-dir", "/nonexistent/d"}, 64, "/nonexistent/d"},
        BadCommand{
            "UnknownFormat", {"report", "--data-dir", "/tmp", "--format", "yaml"}, 64, "yaml"},
        BadCommand{
            "NobodyListens", {"ctl", "status", "--admin", "127.0.0.1:1"}, 70, "127.0.0.1:1"}),
    [](const auto& test) { return test.param.name; });

TEST(CommandLineHelp, ReadsAtEveryLevel) {
  for (const std::vector<std::string>& command :
       {std::vector<std::string>{}, {"serve"}, {"ctl"}, {"report"}, {"verdict"}, {"journal"}}) {
    std::vector<std::string> arguments = command;
    arguments.push_back("--help");
    const RunResult result = RunPgparity(arguments);
    EXPECT_EQ(result.exit, 0);
    EXPECT_GT(result.out.size(), 100U) << (command.empty() ? "pgparity" : command[0]);
    EXPECT_EQ(result.err, "");
  }
}

}  // namespace
}  // namespace pgparity::support
