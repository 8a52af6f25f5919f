#include "tests/integration/environment.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <thread>

#include "tests/support/libpq_client.h"

namespace pgparity::support {

namespace {

std::unique_ptr<PostgresCluster> primary, shadow;

class Servers : public ::testing::Environment {
 public:
  void SetUp() override {
    // Not in a thread: a server ends with the thread that started it.
    primary = std::make_unique<PostgresCluster>(PostgresCluster::Options{.name = "primary"});
    shadow = std::make_unique<PostgresCluster>(PostgresCluster::Options{.name = "shadow"});
    // Tests that need one server only take it from here.
    setenv("PGPARITY_TEST_PRIMARY_URL", primary->Url("postgres").c_str(), 0);
  }
  void TearDown() override {
    primary.reset();
    shadow.reset();
  }
};

[[maybe_unused]] ::testing::Environment* const servers =
    ::testing::AddGlobalTestEnvironment(new Servers);

constexpr char tables_sql[] =
    "SELECT n.nspname, c.relname, "
    "  (SELECT string_agg(quote_ident(a.attname), ',' ORDER BY a.attnum) FROM pg_attribute a "
    "   WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped "
    "     AND NOT (c.relname || '.' || a.attname) = ANY ($1::text[])) "
    "FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
    "WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition "
    "  AND n.nspname !~ '^(pg_|information_schema$|pgparity)' AND c.relname !~ '^pgparity' "
    "ORDER BY 1, 2";

std::string ArrayLiteral(const std::vector<std::string>& items) {
  std::string literal = "{";
  for (const std::string& item : items) literal += (literal.size() > 1 ? "," : "") + item;
  return literal + "}";
}

}  // namespace

PostgresCluster& PrimaryCluster() { return *primary; }
PostgresCluster& ShadowCluster() { return *shadow; }

DatabasePair::DatabasePair(const std::string& stem, PostgresCluster& primary) : primary_(primary) {
  static int count = 0;
  name_ = stem + "_" + std::to_string(++count);
  primary_.CreateDatabase(name_);
  ShadowCluster().CreateDatabase(name_);
}

DatabasePair::~DatabasePair() {
  primary_.DropDatabase(name_);
  ShadowCluster().DropDatabase(name_);
}

void DatabasePair::Seed(const std::vector<std::string>& statements) const {
  for (const std::string& url : {PrimaryUrl(), ShadowUrl()}) {
    LibpqClient client(url);
    const QueryResult result = client.Script(statements);
    EXPECT_TRUE(result.ok) << result.message;
  }
}

ProxyOptions ProxyFor(const DatabasePair& pair, std::vector<std::string> arguments) {
  ProxyOptions options;
  options.primary_url = pair.PrimaryUrl();
  options.shadow_url = pair.ShadowUrl();
  options.arguments = std::move(arguments);
  return options;
}

std::string TableDigests(const std::string& url, const std::vector<std::string>& leave_out) {
  LibpqClient client(url);
  std::string digests;
  const QueryResult tables = client.Query(tables_sql, {ArrayLiteral(leave_out)});
  EXPECT_TRUE(tables.ok) << client.error();
  for (const Row& table : tables.rows) {
    const std::string name = *table[0] + ".\"" + *table[1] + "\"";
    const QueryResult digest = client.Query(
        "SELECT count(*) || ' ' || coalesce(md5(string_agg(line, E'\\n' "
        "ORDER BY line COLLATE \"C\")), '-') FROM (SELECT ROW(" +
        table[2].value_or("") + ")::text AS line FROM " + name + ") AS lines");
    EXPECT_TRUE(digest.ok) << digest.message;
    digests += name + " " + digest.Scalar() + "\n";
  }
  return digests;
}

void ExpectEqualTables(const DatabasePair& pair, const std::vector<std::string>& leave_out) {
  const std::string expected = TableDigests(pair.PrimaryUrl(), leave_out);
  EXPECT_FALSE(expected.empty());
  EXPECT_EQ(expected, TableDigests(pair.ShadowUrl(), leave_out));
}

RunResult RunProgram(const std::string& name, const std::vector<std::string>& arguments) {
  ChildOptions options;
  options.argv = {PostgresProgram(name)};
  options.argv.insert(options.argv.end(), arguments.begin(), arguments.end());
  return RunCommand(std::move(options), std::chrono::minutes(3));
}

RunResult RunPgbench(const std::vector<std::string>& arguments) {
  return RunProgram("pgbench", arguments);
}

bool WaitForScalar(const std::string& url, const std::string& sql, const std::string& expected) {
  LibpqClient client(url);
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::minutes(1);
  while (std::chrono::steady_clock::now() < deadline) {
    if (client.Query(sql).Scalar() == expected) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return false;
}

}  // namespace pgparity::support
