// PostgreSQL's own programs through the proxy give the output that they give without it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

#include "tests/integration/environment.h"
#include "tests/support/libpq_client.h"

namespace pgparity::support {
namespace {

const std::vector<std::string> rich_schema = {
    "CREATE EXTENSION IF NOT EXISTS plpgsql",
    "CREATE SCHEMA shop",
    "CREATE TYPE shop.mood AS ENUM ('sad', 'ok', 'happy')",
    "CREATE TYPE shop.pair AS (a int, b text)",
    "CREATE DOMAIN shop.positive AS int CHECK (VALUE > 0)",
    "CREATE SEQUENCE shop.numbers START 100 INCREMENT 5",
    "CREATE TABLE shop.person (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, "
    "name text NOT NULL COLLATE \"C\", feels shop.mood DEFAULT 'ok', born date, "
    "tags text[], extra jsonb, score numeric(10,3), photo bytea, "
    "seen timestamptz DEFAULT '2024-02-29 12:00:00+00', "
    "initial text GENERATED ALWAYS AS (left(name, 1)) STORED)",
    "CREATE TABLE shop.sale (id int PRIMARY KEY, person bigint REFERENCES shop.person, "
    "amount shop.positive, pieces shop.pair[]) ",
    "CREATE TABLE shop.event (at date NOT NULL, what text) PARTITION BY RANGE (at)",
    "CREATE TABLE shop.event_2024 PARTITION OF shop.event FOR VALUES FROM ('2024-01-01') TO "
    "('2025-01-01')",
    "CREATE INDEX person_name ON shop.person (lower(name)) WHERE score > 0",
    "CREATE VIEW shop.happy AS SELECT * FROM shop.person WHERE feels = 'happy'",
    "CREATE MATERIALIZED VIEW shop.totals AS SELECT count(*) AS n FROM shop.sale",
    "CREATE FUNCTION shop.twice(n int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 2 * n'",
    "CREATE FUNCTION shop.touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
    "CREATE TRIGGER touch BEFORE UPDATE ON shop.person FOR EACH ROW EXECUTE FUNCTION shop.touch()",
    "COMMENT ON TABLE shop.person IS 'who buys; with a \"quote\" and a ''quote'''",
    "INSERT INTO shop.person (name, feels, born, tags, extra, score, photo) SELECT 'name ' || i, "
    "(ARRAY['sad','ok','happy'])[1 + i % 3]::shop.mood, date '2000-01-01' + i, "
    "ARRAY['a', NULL, 'with \"quotes\" and \\backslash', i::text], "
    "jsonb_build_object('i', i, 'n', NULL), i / 7.0, decode(md5(i::text), 'hex') "
    "FROM generate_series(1, 200) AS i",
    "INSERT INTO shop.sale SELECT i, i, i, ARRAY[ROW(i, E'tab\\tand\\nline')::shop.pair] "
    "FROM generate_series(1, 100) AS i",
    "INSERT INTO shop.event SELECT date '2024-01-01' + i, repeat('long ', 500) "
    "FROM generate_series(1, 100) AS i",
    "SELECT nextval('shop.numbers')",
    "REFRESH MATERIALIZED VIEW shop.totals",
    "GRANT SELECT ON shop.person TO plain_user"};

constexpr std::array meta_commands = {"\\d",
                                      "\\d+ shop.*",
                                      "\\d shop.person",
                                      "\\dt *.*person*",
                                      "\\di shop.*",
                                      "\\ds shop.*",
                                      "\\dv shop.*",
                                      "\\dm shop.*",
                                      "\\df shop.*",
                                      "\\sf shop.twice",
                                      "\\sv shop.happy",
                                      "\\dT+ shop.*",
                                      "\\dD shop.*",
                                      "\\dn+",
                                      "\\dp shop.*",
                                      "\\du",
                                      "\\dx",
                                      "\\dy",
                                      "\\des",
                                      "\\dL",
                                      "\\dO",
                                      "\\dF",
                                      "\\dC",
                                      "\\dd shop.*",
                                      "\\ddp",
                                      "\\drds",
                                      "\\dRp",
                                      "\\dPt shop.*",
                                      "\\l",
                                      "\\z shop.*",
                                      "\\d nothing"};

// pg_dump's output without what is pgparity's own, and without the key that it makes up each time.
std::string Dump(const std::string& url, std::vector<std::string> options = {}) {
  options.insert(options.end(), {"-N", "pgparity*", "-T", "pgparity*", url});
  const RunResult result = RunProgram("pg_dump", options);
  EXPECT_EQ(result.exit, 0) << result.err;
  std::istringstream lines(result.out);
  std::string dump, line;
  while (std::getline(lines, line)) {
    if (!line.starts_with("\\restrict ") && !line.starts_with("\\unrestrict ")) dump += line + "\n";
  }
  return dump;
}

TEST(Clients, PsqlMetaCommands) {
  DatabasePair pair("psql");
  pair.Seed(rich_schema);
  ProxyProcess proxy(ProxyFor(pair));
  ASSERT_TRUE(proxy.started());
  std::vector<std::string> commands = {"-X", "-q", "-v", "ON_ERROR_STOP=0"};
  for (const char* command : meta_commands) commands.insert(commands.end(), {"-c", command});
  const auto run = [&](const std::string& url) {
    std::vector<std::string> all = commands;
    all.push_back(url);
    return RunProgram("psql", all);
  };
  const RunResult direct = run(pair.PrimaryUrl());
  const RunResult through = run(proxy.Url(pair.name()));
  EXPECT_GT(direct.out.size(), 5000U);
  EXPECT_EQ(direct.out, through.out);
  EXPECT_EQ(direct.err, through.err);
  ASSERT_TRUE(proxy.Drain());
  const ReportJson report = proxy.Report();
  EXPECT_TRUE(report.divergences.empty()) << report.Summary();
}

TEST(Clients, PgDumpThroughTheProxyIsTheDumpWithoutIt) {
  DatabasePair pair("dump");
  pair.Seed(rich_schema);
  ProxyProcess proxy(ProxyFor(pair));
  ASSERT_TRUE(proxy.started());
  for (const std::vector<std::string>& options :
       {std::vector<std::string>{}, {"--inserts", "--rows-per-insert=7"}, {"--schema-only"}}) {
    const std::string direct = Dump(pair.PrimaryUrl(), options);
    EXPECT_GT(direct.size(), 3000U);
    EXPECT_EQ(direct, Dump(proxy.Url(pair.name()), options));
  }
  ASSERT_TRUE(proxy.Drain());
  const ReportJson report = proxy.Report();
  EXPECT_TRUE(report.divergences.empty()) << report.Summary();
}

TEST(Clients, PgRestoreThroughTheProxyFillsBothSides) {
  DatabasePair source("source"), target("restored");
  source.Seed(rich_schema);
  const TempDir dir;
  ASSERT_EQ(RunProgram("pg_dump", {"-Fc", "-f", dir.Path("dump"), source.PrimaryUrl()}).exit, 0);
  ProxyProcess proxy(ProxyFor(target));
  ASSERT_TRUE(proxy.started());
  const RunResult restore =
      RunProgram("pg_restore", {"-d", proxy.Url(target.name()), dir.Path("dump")});
  EXPECT_EQ(restore.exit, 0) << restore.err;
  EXPECT_EQ(restore.err, "");
  const std::string expected = Dump(source.PrimaryUrl());
  EXPECT_EQ(expected, Dump(target.PrimaryUrl()));
  ASSERT_TRUE(proxy.Drain());
  EXPECT_EQ(expected, Dump(target.ShadowUrl()));
  const ReportJson report = proxy.Report();
  EXPECT_TRUE(report.divergences.empty()) << report.Summary();
}

}  // namespace
}  // namespace pgparity::support
