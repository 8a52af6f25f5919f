// {database} in the shadow's URL while databases are odd, come and go, and the proxy dies.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <random>
#include <thread>

#include "tests/integration/environment.h"
#include "tests/support/libpq_client.h"

namespace pgparity::support {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

const std::vector<std::string> schema = {"CREATE TABLE item (id serial PRIMARY KEY, v text)",
                                         "INSERT INTO item (v) VALUES ('seed')"};

ProxyOptions PerDatabase(const DatabasePair& main, std::vector<std::string> arguments = {}) {
  ProxyOptions options = ProxyFor(main, std::move(arguments));
  options.shadow_url =
      "postgres://postgres@127.0.0.1:" + std::to_string(ShadowCluster().port()) + "/{database}";
  return options;
}

void Write(ProxyProcess& proxy, const std::string& database, int n) {
  LibpqClient client(proxy.Url(database));
  ASSERT_TRUE(client.ok()) << client.error();
  for (int i = 0; i < n; ++i) {
    EXPECT_TRUE(client.Query("INSERT INTO item (v) VALUES ($1)", {std::to_string(i)}).ok);
    EXPECT_TRUE(client.Query("SELECT count(*) FROM item").ok);
  }
}

std::string Count(const std::string& url) {
  return LibpqClient(url).Query("SELECT count(*) FROM item").Scalar();
}

// Waits until `ctl status` has this text in it; false after a minute.
bool WaitForStatus(ProxyProcess& proxy, const std::string& text) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::minutes(1);
  while (std::chrono::steady_clock::now() < deadline) {
    if (proxy.StatusJson().find(text) != std::string::npos) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  return false;
}

TEST(DatabaseNames, MayHoldAnything) {
  DatabasePair main("we\"ird 'main' \\ %20 =x é✓"), other("k'o\"m\\i% sch=\tß {database}");
  // As long as names may be.
  DatabasePair longest(std::string(60, 'L'));
  for (const DatabasePair* pair : {&main, &other, &longest}) pair->Seed(schema);
  ProxyProcess proxy(PerDatabase(main));
  ASSERT_TRUE(proxy.started()) << proxy.Log();
  for (const DatabasePair* pair : {&main, &other, &longest}) Write(proxy, pair->name(), 5);
  ASSERT_TRUE(proxy.Drain()) << proxy.Log();
  // The list of databases is read again.
  EXPECT_EQ(proxy.Stop(), 0);
  ASSERT_TRUE(proxy.Start());
  for (const DatabasePair* pair : {&main, &other, &longest}) Write(proxy, pair->name(), 5);
  ASSERT_TRUE(proxy.Drain()) << proxy.Log();
  for (const DatabasePair* pair : {&main, &other, &longest}) {
    SCOPED_TRACE(pair->name());
    EXPECT_EQ(Count(pair->ShadowUrl()), "11");
    ExpectEqualTables(*pair);
  }
  const ReportJson report = proxy.Report();
  ASSERT_TRUE(report.parsed) << report.text;
  EXPECT_EQ(report.divergences.size(), 0u) << report.Summary();
  EXPECT_EQ(report.gaps.size(), 0u) << report.Summary();
  EXPECT_EQ(report.statements.at("match"), 60u) << report.Summary();
  EXPECT_EQ(proxy.StatusText("state"), "shadowing");
}

// Names are bytes: PostgreSQL checks their encoding nowhere.
TEST(DatabaseNames, OfNoEncodingAreCounted) {
  const std::string name = "raw\xff\xc3";
  DatabasePair main("names");
  PrimaryCluster().CreateDatabase("ascii",
                                  "TEMPLATE template0 ENCODING 'SQL_ASCII' LC_COLLATE 'C' "
                                  "LC_CTYPE 'C'");
  const QueryResult made =
      LibpqClient(PrimaryCluster().Url("ascii"))
          .Query("CREATE DATABASE \"" + name +
                 "\" TEMPLATE template0 ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C'");
  EXPECT_TRUE(made.ok) << made.message;
  {
    ProxyProcess proxy(PerDatabase(main));
    ASSERT_TRUE(proxy.started()) << proxy.Log();
    {
      LibpqClient client(proxy.Url(name));
      EXPECT_TRUE(client.Query("CREATE TABLE t (i int)").ok) << client.error();
    }
    EXPECT_TRUE(WaitForStatus(proxy, "\"database\":\"raw\\\\xFF\\\\xC3\",\"state\":\"stopped\""))
        << proxy.StatusJson();
    EXPECT_TRUE(LibpqClient(proxy.Url(name)).Query("INSERT INTO t VALUES (1)").ok);
    // The capture thread counts it.
    EXPECT_TRUE(WaitForStatus(proxy, "\"sessions\":1"));
    EXPECT_TRUE(proxy.Drain());
    const ReportJson report = proxy.Report();
    ASSERT_TRUE(report.parsed) << report.text;
    EXPECT_EQ(report.gaps.at("database-without-shadow"), 2u) << report.Summary();
    EXPECT_EQ(proxy.StatusText("state"), "shadowing");
  }
  LibpqClient(PrimaryCluster().Url("ascii")).Query("DROP DATABASE \"" + name + "\"");
  PrimaryCluster().DropDatabase("ascii");
}

class ChangingDatabases : public ::testing::Test {
 protected:
  void SetUp() override {
    for (const DatabasePair* pair : {&main_, &other_}) pair->Seed(schema);
  }
  DatabasePair main_{"change"}, other_{"change"};
};

TEST_F(ChangingDatabases, AShadowDroppedInTheMiddleIsGivenUp) {
  ProxyProcess proxy(PerDatabase(main_));
  ASSERT_TRUE(proxy.started()) << proxy.Log();
  Write(proxy, other_.name(), 3);
  ASSERT_TRUE(proxy.Drain()) << proxy.Log();
  LibpqClient open(proxy.Url(other_.name()));
  ASSERT_TRUE(open.ok());
  ShadowCluster().DropDatabase(other_.name());
  EXPECT_TRUE(open.Query("INSERT INTO item (v) VALUES ('after')").ok);
  EXPECT_TRUE(WaitForStatus(proxy, "\"state\":\"stopped\"")) << proxy.Log();
  EXPECT_TRUE(open.Query("INSERT INTO item (v) VALUES ('later')").ok);
  Write(proxy, other_.name(), 1);
  Write(proxy, main_.name(), 2);
  ASSERT_TRUE(proxy.Drain()) << proxy.Log();
  ExpectEqualTables(main_);
  EXPECT_EQ(Count(other_.PrimaryUrl()), "7");
  const ReportJson report = proxy.Report();
  EXPECT_TRUE(report.gaps.contains("database-without-shadow")) << report.Summary();
  EXPECT_EQ(report.divergences.size(), 0u) << report.Summary();
  EXPECT_EQ(proxy.StatusText("state"), "shadowing");
}

// The same that a restore from an older backup would be. In the instant between the two renames the
// other one may be found missing, and is given up.
TEST_F(ChangingDatabases, AShadowMadeAnewInTheMiddleIsNoticed) {
  ProxyProcess proxy(PerDatabase(main_));
  ASSERT_TRUE(proxy.started()) << proxy.Log();
  for (const DatabasePair* pair : {&main_, &other_}) {
    SCOPED_TRACE(pair == &main_ ? "main" : "other");
    Write(proxy, pair->name(), 3);
    ASSERT_TRUE(proxy.Drain()) << proxy.Log();
    // At once, as far as those that connect can see.
    LibpqClient admin(ShadowCluster().Url("postgres"));
    const std::string name = "\"" + pair->name() + "\"";
    ASSERT_TRUE(admin.Query("CREATE DATABASE \"new\"").ok);
    ASSERT_TRUE(LibpqClient(ShadowCluster().Url("new")).Script(schema).ok);
    ASSERT_TRUE(admin
                    .Query("UPDATE pg_database SET datallowconn = false WHERE datname = '" +
                           pair->name() + "'")
                    .ok);
    ASSERT_TRUE(admin
                    .Query("SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity "
                           "WHERE datname = '" +
                           pair->name() + "'")
                    .ok);
    ASSERT_TRUE(admin.Query("ALTER DATABASE " + name + " RENAME TO \"old\"").ok);
    ASSERT_TRUE(admin.Query("ALTER DATABASE \"new\" RENAME TO " + name).ok);
    Write(proxy, pair->name(), 3);
    proxy.Drain();
    EXPECT_TRUE(admin.Query("DROP DATABASE \"old\"").ok);
  }
  const ReportJson report = proxy.Report();
  EXPECT_TRUE(report.gaps.contains("shadow-set-back")) << report.Summary();
  EXPECT_NE(report.verdict, "PASS");
  // What differs follows from that.
  EXPECT_EQ(report.statements.at("divergent"), 0u) << report.Summary();
}

TEST_F(ChangingDatabases, APrimaryDatabaseCanBeDroppedAndMadeAnew) {
  ProxyProcess proxy(PerDatabase(main_));
  ASSERT_TRUE(proxy.started()) << proxy.Log();
  Write(proxy, other_.name(), 3);
  ASSERT_TRUE(proxy.Drain()) << proxy.Log();
  LibpqClient client(proxy.Url(main_.name()));
  // Nothing of ours is in the way.
  QueryResult result = client.Query("DROP DATABASE \"" + other_.name() + "\"");
  EXPECT_TRUE(result.ok) << result.message;
  result = client.Query("CREATE DATABASE \"" + other_.name() + "\"");
  EXPECT_TRUE(result.ok) << result.message;
  EXPECT_TRUE(LibpqClient(proxy.Url(other_.name())).Script(schema).ok);
  Write(proxy, other_.name(), 2);
  Write(proxy, main_.name(), 2);
  ASSERT_TRUE(proxy.Drain()) << proxy.Log();
  ExpectEqualTables(main_);
  const ReportJson report = proxy.Report();
  EXPECT_FALSE(report.gaps.empty()) << report.Summary();
  EXPECT_NE(report.verdict, "PASS");
}

// Our connections to a template would keep others from copying it.
TEST_F(ChangingDatabases, TemplatesPassThrough) {
  ProxyProcess proxy(PerDatabase(main_));
  ASSERT_TRUE(proxy.started()) << proxy.Log();
  {
    LibpqClient client(proxy.Url("template1"));
    EXPECT_EQ(client.Query("SELECT 1").Scalar(), "1") << client.error();
  }
  Write(proxy, main_.name(), 1);
  ASSERT_TRUE(proxy.Drain()) << proxy.Log();
  const ReportJson report = proxy.Report();
  EXPECT_EQ(report.gaps.at("database-without-shadow"), 1u) << report.Summary();
  for (PostgresCluster* cluster : {&PrimaryCluster(), &ShadowCluster()}) {
    LibpqClient admin(cluster->Url("postgres"));
    EXPECT_EQ(
        admin.Query("SELECT count(*) FROM pg_stat_activity WHERE datname = 'template1'").Scalar(),
        "0");
  }
}

// Two clients for each database; returns when all have written.
void WriteAtOnce(const ProxyProcess& proxy, const std::vector<const DatabasePair*>& pairs,
                 size_t rows) {
  std::vector<std::thread> writers;
  for (size_t i = 0; i < pairs.size() * 2; ++i) {
    writers.emplace_back([&proxy, rows, database = pairs[i / 2]->name()] {
      LibpqClient client(proxy.Url(database));
      for (size_t k = 0; k < rows; ++k) {
        EXPECT_TRUE(client.Query("INSERT INTO item (v) VALUES ($1)", {std::to_string(k)}).ok);
        EXPECT_TRUE(client.Query("UPDATE item SET v = v || '.' WHERE id = 1").ok);
      }
    });
  }
  for (std::thread& writer : writers) writer.join();
}

TEST_F(ChangingDatabases, NothingIsLostOrDoubledOverRestarts) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::minstd_rand random(seed);
  DatabasePair third("change");
  third.Seed(schema);
  const std::vector<const DatabasePair*> pairs = {&main_, &other_, &third};
  ProxyProcess proxy(PerDatabase(main_, {"--window", "8"}));
  ASSERT_TRUE(proxy.started()) << proxy.Log();
  for (int round = 0; round < 4; ++round) {
    const bool kill = round % 2 == 1;
    // A lock on a shadow keeps units of that database back, while those of the others go on.
    std::optional<LibpqClient> lock;
    if (kill) {
      lock.emplace(other_.ShadowUrl());
      ASSERT_TRUE(lock->Script({"BEGIN", "LOCK TABLE item IN ACCESS EXCLUSIVE MODE"}).ok);
    }
    WriteAtOnce(proxy, pairs, 20 + random() % 60);
    if (kill) {
      // Fails, and has brought all that was captured into the journal.
      EXPECT_FALSE(proxy.Drain("3s"));
      proxy.Kill();
      lock.reset();
    } else {
      EXPECT_EQ(proxy.Stop(), 0);
    }
    ASSERT_TRUE(proxy.Start()) << proxy.Log();
  }
  ASSERT_TRUE(proxy.Drain()) << proxy.Log();
  for (const DatabasePair* pair : pairs) ExpectEqualTables(*pair);
  const ReportJson report = proxy.Report();
  EXPECT_EQ(report.divergences.size(), 0u) << report.Summary();
  EXPECT_EQ(report.units.at("pending"), 0u) << report.Summary();
}

}  // namespace
}  // namespace pgparity::support
