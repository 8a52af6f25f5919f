// Client drivers, each with a script that does what applications do: its transcript through the
// proxy, shadowing on, is the transcript of a direct run. Rows: drivers. Columns: how clients and
// proxy connect (Variant): each --auth, without TLS and with it on both sides; add one there.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <functional>
#include <map>
#include <regex>

#include "tests/integration/environment.h"
#include "tests/support/certificates.h"
#include "tests/support/libpq_client.h"
#include "tests/support/temp_dir.h"

namespace pgparity::support {
namespace {

using ::testing::IsEmpty;

// A way to connect: what `pgparity serve` is started with, and who the clients are.
struct Variant {
  std::string name;
  std::vector<std::string> serve_arguments = {};
  std::string user = "postgres";      // of the clients; all but this one have a password
  std::string url_user = "postgres";  // of --primary
  bool tls = false;                   // on both sides, certificates verified
};

// asyncpg knows MD5 of ASCII alone.
std::string Md5Password() { return "md5-pass word"; }

std::string PasswordOf(const std::string& user) {
  if (user == "postgres") return "";
  return user == "md5_user" ? Md5Password() : PostgresCluster::LoginPassword();
}

// A primary with ssl=on, and certificates of one authority for it and for the proxy.
class TlsServers {
 public:
  static TlsServers& Get() {
    static TlsServers servers;
    return servers;
  }
  PostgresCluster& primary() { return *primary_; }
  // Of a URL whose server is to be verified; all drivers know these two.
  std::string Parameters() const { return "?sslmode=verify-full&sslrootcert=" + ca_.certificate(); }
  std::vector<std::string> ServeArguments() const {
    return {"--tls-cert", proxy_.certificate, "--tls-key", proxy_.key, "--require-tls", "on"};
  }

 private:
  TlsServers() {
    const passwd* entry = geteuid() == 0 ? getpwnam("postgres") : nullptr;
    for (const std::string& path : {server_.key, server_.certificate}) {
      if (entry != nullptr) {
        EXPECT_EQ(chown(path.c_str(), entry->pw_uid, entry->pw_gid), 0);
      }
    }
    chmod(ca_.certificate().c_str(), 0644);
    primary_ = std::make_unique<PostgresCluster>(
        PostgresCluster::Options{.name = "tls",
                                 .settings = {{"ssl", "on"},
                                              {"ssl_cert_file", "'" + server_.certificate + "'"},
                                              {"ssl_key_file", "'" + server_.key + "'"}}});
    const QueryResult role = LibpqClient(primary_->Url("postgres"))
                                 .Script({"SET password_encryption = 'md5'",
                                          "ALTER ROLE md5_user PASSWORD '" + Md5Password() + "'"});
    EXPECT_TRUE(role.ok) << role.message;
  }

  TempDir directory_;
  TestCa ca_{directory_.path(), "ca"};
  KeyPair server_ = ca_.Issue("primary", {"x", {"IP:127.0.0.1"}});
  // node-postgres takes an address for localhost.
  KeyPair proxy_ = ca_.Issue("proxy", {"x", {"IP:127.0.0.1", "DNS:localhost"}});
  std::unique_ptr<PostgresCluster> primary_;
};

struct Driver {
  std::string name;
  // Runs the script against a URL to its end.
  std::function<RunResult(const std::string& url)> run;
  // Gaps that are right for this script.
  std::set<std::string> gaps = {};
};

std::string Script(const std::string& name) {
  return std::string(PGPARITY_SOURCE_DIR "/tests/integration/drivers/") + name;
}

RunResult RunScript(std::vector<std::string> argv, const std::string& url,
                    std::map<std::string, std::string> environment = {}) {
  ChildOptions options;
  options.argv = std::move(argv);
  options.argv.push_back(url);
  options.environment = std::move(environment);
  return RunCommand(std::move(options));
}

// Debian's own interpreter: its packages hold the drivers.
RunResult RunPython(const std::string& script, const std::string& url) {
  return RunScript({"/usr/bin/python3", Script(script)}, url, {{"PYTHONDONTWRITEBYTECODE", "1"}});
}

RunResult RunNode(const std::string& url) {
  // tools/setup installs what package-lock.json names, and tools/test says where.
  const char* modules = std::getenv("PGPARITY_TEST_NODE_MODULES");
  const char* home = std::getenv("HOME");
  return RunScript({"node", Script("node/driver.js")}, url,
                   {{"NODE_PATH", modules != nullptr ? modules
                                                     : std::string(home == nullptr ? "" : home) +
                                                           "/.cache/pgparity/node/node_modules"}});
}

RunResult RunPsql(const std::string& url) {
  RunResult result =
      RunScript({PostgresProgram("psql"), "-X", "-a", "-f", Script("psql_driver.sql"), "-d"}, url);
  // Line numbers of our sources are PostgreSQL's; a notification names the process that sent it.
  result.out = std::regex_replace(result.out, std::regex("PID [0-9]+"), "PID n");
  return result;
}

// pgbench's own figures differ from run to run: what is compared is that it ended well.
std::function<RunResult(const std::string&)> Pgbench(const std::string& protocol) {
  return [protocol](const std::string& url) {
    RunResult init = RunPgbench({"-i", "-q", url});
    if (init.exit != 0) return init;
    RunResult run = RunPgbench({"-n", "-M", protocol, "-c", "8", "-j", "2", "-t", "50", url});
    const bool all = run.out.find("actually processed: 400/400") != std::string::npos;
    return RunResult{run.exit, all ? "400 transactions" : run.out, run.exit == 0 ? "" : run.err};
  };
}

const std::vector<Driver>& Drivers() {
  static const std::vector<Driver> drivers = {
      {"Psql", RunPsql},
      {"Psycopg", [](const std::string& url) { return RunPython("psycopg_driver.py", url); }},
      {"Asyncpg", [](const std::string& url) { return RunPython("asyncpg_driver.py", url); }},
      {"NodePostgres", RunNode},
      {"PgbenchSimple", Pgbench("simple")},
      {"PgbenchExtended", Pgbench("extended")},
      {"PgbenchPrepared", Pgbench("prepared")}};
  return drivers;
}

const std::vector<std::string> schema = {
    "CREATE TABLE item (id int PRIMARY KEY, name text, price numeric(12,3), data jsonb, "
    "tags text[], raw bytea, token uuid, at timestamptz, day date, ok boolean, big bigint, "
    "ratio float8)",
    "CREATE TABLE copied (id int PRIMARY KEY, a text, b numeric)",
    "CREATE TABLE numbered (id serial PRIMARY KEY, v text)"};

// The database's name and the user's are not the same in two runs.
std::string Neutral(const std::string& text, const std::string& database) {
  return std::regex_replace(std::regex_replace(text, std::regex(database), "database"),
                            std::regex("as user \"[^\"]*\""), "as user");
}

// The transcript of a run without the proxy; once for all variants.
std::string DirectTranscript(const Driver& driver) {
  static std::map<std::string, std::string> transcripts;
  std::string& transcript = transcripts[driver.name];
  if (!transcript.empty()) return transcript;
  DatabasePair direct("driver");
  direct.Seed(schema);
  const RunResult result = driver.run(direct.PrimaryUrl());
  EXPECT_EQ(result.exit, 0) << result.out << result.err << "\nis all of tools/setup there?";
  EXPECT_GT(result.out.size(), 10U);
  transcript = Neutral(result.out, direct.name());
  return transcript;
}

ProxyOptions OptionsOf(const Variant& variant, const DatabasePair& pair,
                       const PostgresCluster& primary) {
  ProxyOptions options = ProxyFor(pair, {"--threads", "2"});
  options.primary_url = primary.Url(pair.name(), variant.url_user, PasswordOf(variant.url_user));
  if (variant.tls) options.primary_url += TlsServers::Get().Parameters();
  const std::vector<std::string> tls =
      variant.tls ? TlsServers::Get().ServeArguments() : std::vector<std::string>{"--tls", "off"};
  for (const auto& arguments : {tls, variant.serve_arguments})
    options.arguments.insert(options.arguments.end(), arguments.begin(), arguments.end());
  return options;
}

void PrintTo(const Variant& variant, std::ostream* out) { *out << variant.name; }
void PrintTo(const Driver& driver, std::ostream* out) { *out << driver.name; }

class DriverMatrix : public ::testing::TestWithParam<std::tuple<Variant, Driver>> {};

TEST_P(DriverMatrix, TheTranscriptIsThatOfADirectRun) {
  const auto& [variant, driver] = GetParam();
  const std::string expected = DirectTranscript(driver);
  ASSERT_FALSE(HasFailure());
  PostgresCluster& primary = variant.tls ? TlsServers::Get().primary() : PrimaryCluster();
  DatabasePair pair("driver", primary);
  pair.Seed(schema);
  ProxyProcess proxy(OptionsOf(variant, pair, primary));
  ASSERT_TRUE(proxy.started()) << proxy.Log();
  const RunResult got = driver.run(proxy.Url(pair.name(), variant.user, PasswordOf(variant.user)) +
                                   (variant.tls ? TlsServers::Get().Parameters() : ""));
  EXPECT_EQ(got.exit, 0) << got.err;
  EXPECT_EQ(Neutral(got.out, pair.name()), expected);
  // Not what was said on stderr: psycopg says there what it met while it was taking objects down.

  ASSERT_TRUE(proxy.Drain());
  EXPECT_EQ(proxy.StatusNumber("tracker_desynchronised"), 0.0);
  ExpectEqualTables(pair, {"pgbench_history.mtime"});
  const ReportJson report = proxy.Report();
  EXPECT_THAT(report.divergences, IsEmpty()) << report.Summary();
  for (const auto& [reason, count] : report.gaps) {
    EXPECT_TRUE(driver.gaps.contains(reason)) << reason << "\n" << report.Summary();
  }
}

std::string NameOf(const ::testing::TestParamInfo<std::tuple<Variant, Driver>>& test) {
  return std::get<0>(test.param).name + "_" + std::get<1>(test.param).name;
}

INSTANTIATE_TEST_SUITE_P(
    Plain, DriverMatrix,
    ::testing::Combine(
        ::testing::Values(
            Variant{.name = "Trust"},
            Variant{.name = "Exact", .serve_arguments = {"--ordering", "exact"}},
            Variant{.name = "Pass", .serve_arguments = {"--auth", "pass"}, .user = "scram_user"},
            Variant{.name = "Url",
                    .serve_arguments = {"--auth", "url"},
                    .user = "scram_user",
                    .url_user = "scram_user"},
            // The verifiers are found by --auth-query.
            Variant{.name = "Scram", .serve_arguments = {"--auth", "scram"}, .user = "scram_user"}),
        ::testing::ValuesIn(Drivers())),
    NameOf);

INSTANTIATE_TEST_SUITE_P(
    Tls, DriverMatrix,
    ::testing::Combine(
        ::testing::Values(
            // SCRAM cannot pass through two TLS connections (README, "Logging in").
            Variant{.name = "Pass",
                    .serve_arguments = {"--auth", "pass"},
                    .user = "md5_user",
                    .tls = true},
            Variant{.name = "Url", .user = "scram_user", .url_user = "scram_user", .tls = true},
            Variant{.name = "Scram",
                    .serve_arguments = {"--auth", "scram"},
                    .user = "scram_user",
                    .tls = true}),
        ::testing::ValuesIn(Drivers())),
    NameOf);

}  // namespace
}  // namespace pgparity::support
