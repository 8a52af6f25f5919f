// Client drivers, each with a script that does what applications do: its transcript through the
// proxy, shadowing on, is the transcript of a direct run. Rows: drivers. Columns: how clients and
// proxy connect (Variant); add one there.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <functional>
#include <regex>

#include "tests/integration/environment.h"
#include "tests/support/libpq_client.h"

namespace pgparity::support {
namespace {

using ::testing::IsEmpty;

// A way to connect: what `pgparity serve` is started with, and what a client's URL ends with.
struct Variant {
  std::string name;
  std::vector<std::string> serve_arguments;
  std::string url_parameters;  // such as "?sslmode=require"
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

class DriverMatrix : public ::testing::TestWithParam<std::tuple<Variant, Driver>> {};

TEST_P(DriverMatrix, TheTranscriptIsThatOfADirectRun) {
  const auto& [variant, driver] = GetParam();
  // Databases of the same name length: the scripts' output does not name them.
  DatabasePair direct("driver"), through("driver");
  direct.Seed(schema);
  through.Seed(schema);
  const RunResult expected = driver.run(direct.PrimaryUrl());
  ASSERT_EQ(expected.exit, 0) << expected.out << expected.err << "\nis all of tools/setup there?";
  ASSERT_GT(expected.out.size(), 10U);

  std::vector<std::string> arguments = {"--threads", "2"};
  arguments.insert(arguments.end(), variant.serve_arguments.begin(), variant.serve_arguments.end());
  ProxyProcess proxy(ProxyFor(through, arguments));
  ASSERT_TRUE(proxy.started()) << proxy.Log();
  RunResult got = driver.run(proxy.Url(through.name()) + variant.url_parameters);
  const auto neutral = [&](std::string text) {
    return std::regex_replace(text, std::regex(direct.name() + "|" + through.name()), "database");
  };
  EXPECT_EQ(got.exit, 0) << got.err;
  EXPECT_EQ(neutral(got.out), neutral(expected.out));
  // Not what was said on stderr: psycopg says there what it met while it was taking objects down.

  ASSERT_TRUE(proxy.Drain());
  EXPECT_EQ(proxy.StatusNumber("tracker_desynchronised"), 0.0);
  ExpectEqualTables(through, {"pgbench_history.mtime"});
  const ReportJson report = proxy.Report();
  EXPECT_THAT(report.divergences, IsEmpty()) << report.Summary();
  for (const auto& [reason, count] : report.gaps) {
    EXPECT_TRUE(driver.gaps.contains(reason)) << reason << "\n" << report.Summary();
  }
}

INSTANTIATE_TEST_SUITE_P(
    Plain, DriverMatrix,
    ::testing::Combine(::testing::Values(Variant{"Plain", {}, ""},
                                         Variant{"Exact", {"--ordering", "exact"}, ""}),
                       ::testing::ValuesIn(Drivers())),
    [](const auto& test) {
      return std::get<0>(test.param).name + "_" + std::get<1>(test.param).name;
    });

}  // namespace
}  // namespace pgparity::support
