// One proxy before all databases of the primary: {database} in the shadow's URL, and without it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/integration/environment.h"
#include "tests/support/libpq_client.h"

namespace pgparity::support {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

const std::vector<std::string> schema = {"CREATE TABLE item (id serial PRIMARY KEY, v text)",
                                         "INSERT INTO item (v) VALUES ('seed')"};

class Databases : public ::testing::Test {
 protected:
  void SetUp() override {
    one_.Seed(schema);
    two_.Seed(schema);
  }
  // `one_` is the primary URL's database.
  ProxyOptions PerDatabase(std::vector<std::string> arguments = {}) {
    ProxyOptions options = ProxyFor(one_, std::move(arguments));
    options.shadow_url = ShadowCluster().Url("{database}");
    return options;
  }
  static void Write(ProxyProcess& proxy, const std::string& database, int n) {
    LibpqClient client(proxy.Url(database));
    ASSERT_TRUE(client.ok()) << client.error();
    for (int i = 0; i < n; ++i) {
      EXPECT_TRUE(
          client.Query("INSERT INTO item (v) VALUES ($1) RETURNING id", {std::to_string(i)}).ok);
      EXPECT_TRUE(client.Query("SELECT count(*) FROM item").ok);
    }
  }
  static std::string Status(ProxyProcess& proxy) { return proxy.Ctl({"status"}).out; }

  DatabasePair one_{"many"}, two_{"many"};
};

TEST_F(Databases, EachHasAShadowOfItsOwn) {
  ProxyProcess proxy(PerDatabase());
  ASSERT_TRUE(proxy.started()) << proxy.Log();
  Write(proxy, one_.name(), 10);
  Write(proxy, two_.name(), 7);
  Write(proxy, one_.name(), 3);
  ASSERT_TRUE(proxy.Drain()) << proxy.Log();
  ExpectEqualTables(one_);
  ExpectEqualTables(two_);
  const ReportJson report = proxy.Report();
  EXPECT_EQ(report.divergences.size(), 0u) << report.Summary();
  EXPECT_EQ(report.gaps.size(), 0u) << report.Summary();
  EXPECT_EQ(report.statements.at("match"), 40u) << report.Summary();
  EXPECT_EQ(report.units.at("pending"), 0u) << report.Summary();
  EXPECT_THAT(report.text, AllOf(HasSubstr("\"" + one_.name() + ".item\""),
                                 HasSubstr("\"" + two_.name() + ".item\"")));
  EXPECT_THAT(Status(proxy), AllOf(HasSubstr(one_.name()), HasSubstr(two_.name())));
  EXPECT_EQ(proxy.StatusText("state"), "shadowing");
}

TEST_F(Databases, ADifferenceIsOfItsDatabase) {
  LibpqClient(two_.ShadowUrl()).Query("UPDATE item SET v = 'planted'");
  ProxyProcess proxy(PerDatabase());
  ASSERT_TRUE(proxy.started()) << proxy.Log();
  for (const DatabasePair* pair : {&one_, &two_}) {
    LibpqClient client(proxy.Url(pair->name()));
    EXPECT_TRUE(client.Query("SELECT v FROM item WHERE id = 1").ok);
  }
  ASSERT_TRUE(proxy.Drain()) << proxy.Log();
  const ReportJson report = proxy.Report();
  ASSERT_EQ(report.divergences.size(), 1u) << report.Summary();
  EXPECT_THAT(report.divergences[0].tables, ::testing::ElementsAre(two_.name() + ".item"));
  EXPECT_EQ(report.statements.at("match"), 1u) << report.Summary();
}

TEST_F(Databases, UnequalTablesAtTheStartAreNamedWithTheirDatabase) {
  LibpqClient(two_.ShadowUrl()).Query("DELETE FROM item");
  ProxyProcess proxy(PerDatabase());
  ASSERT_TRUE(proxy.started()) << proxy.Log();
  Write(proxy, two_.name(), 1);
  ASSERT_TRUE(proxy.Drain()) << proxy.Log();
  const ReportJson report = proxy.Report();
  EXPECT_TRUE(report.gaps.contains("start-not-equal")) << report.Summary();
  EXPECT_THAT(report.text, HasSubstr("database " + two_.name() + ": public.item: 1 rows on the"));
}

TEST_F(Databases, OthersPassThroughAndAreCounted) {
  ProxyProcess proxy(ProxyFor(one_));
  ASSERT_TRUE(proxy.started()) << proxy.Log();
  Write(proxy, one_.name(), 2);
  Write(proxy, two_.name(), 3);
  Write(proxy, two_.name(), 3);
  ASSERT_TRUE(proxy.Drain()) << proxy.Log();
  EXPECT_EQ(LibpqClient(two_.PrimaryUrl()).Query("SELECT count(*) FROM item").Scalar(), "7");
  EXPECT_EQ(LibpqClient(two_.ShadowUrl()).Query("SELECT count(*) FROM item").Scalar(), "1");
  const ReportJson report = proxy.Report();
  EXPECT_EQ(report.gaps.size(), 0u) << report.Summary();
  EXPECT_EQ(report.statements.at("seen"), 4u) << report.Summary();
  EXPECT_THAT(report.reasons, ::testing::ElementsAre("soak-too-short"));
  EXPECT_THAT(report.text,
              HasSubstr("\"not shadowed: database " + two_.name() + "\":\"2 sessions\""));
  EXPECT_THAT(Status(proxy), HasSubstr("\"not_shadowed\":[{\"database\":\"" + two_.name() +
                                       "\",\"sessions\":2}]"));
  // The count goes on.
  EXPECT_EQ(proxy.Stop(), 0);
  ASSERT_TRUE(proxy.Start());
  Write(proxy, two_.name(), 1);
  ASSERT_TRUE(proxy.Drain());
  EXPECT_THAT(proxy.Report().text, HasSubstr("\"3 sessions\""));
}

TEST_F(Databases, AShadowThatIsNotThereIsAGapAndNoTroubleToClients) {
  ShadowCluster().DropDatabase(two_.name());
  ProxyProcess proxy(PerDatabase());
  ASSERT_TRUE(proxy.started()) << proxy.Log();
  Write(proxy, one_.name(), 2);
  Write(proxy, two_.name(), 2);
  Write(proxy, one_.name(), 2);
  ASSERT_TRUE(proxy.Drain()) << proxy.Log();
  ExpectEqualTables(one_);
  ReportJson report = proxy.Report();
  EXPECT_TRUE(report.gaps.contains("database-without-shadow")) << report.Summary();
  EXPECT_EQ(report.verdict, "INCONCLUSIVE");
  EXPECT_EQ(report.divergences.size(), 0u) << report.Summary();
  EXPECT_THAT(Status(proxy), HasSubstr("does not exist"));
  EXPECT_EQ(proxy.StatusText("state"), "shadowing");
  EXPECT_EQ(LibpqClient(two_.PrimaryUrl()).Query("SELECT count(*) FROM item").Scalar(), "3");
  // Made meanwhile, it is a shadow from the next start on.
  EXPECT_EQ(proxy.Stop(), 0);
  ShadowCluster().CreateDatabase(two_.name());
  LibpqClient(two_.ShadowUrl())
      .Script({schema[0], "INSERT INTO item SELECT i, 'x' FROM generate_series(1, 3) AS i",
               "SELECT setval('item_id_seq', 3)"});
  ASSERT_TRUE(proxy.Start());
  Write(proxy, two_.name(), 2);
  ASSERT_TRUE(proxy.Drain()) << proxy.Log();
  EXPECT_EQ(LibpqClient(two_.ShadowUrl()).Query("SELECT count(*) FROM item").Scalar(), "5");
  report = proxy.Report();
  EXPECT_EQ(report.gaps.at("database-without-shadow"), 1u) << report.Summary();
  EXPECT_FALSE(report.gaps.contains("start-not-equal")) << report.Summary();
}

TEST_F(Databases, NoMoreThanAsManyAsAskedFor) {
  ProxyProcess proxy(PerDatabase({"--shadow-databases", "1"}));
  ASSERT_TRUE(proxy.started()) << proxy.Log();
  Write(proxy, one_.name(), 2);
  Write(proxy, two_.name(), 2);
  ASSERT_TRUE(proxy.Drain()) << proxy.Log();
  const ReportJson report = proxy.Report();
  EXPECT_TRUE(report.gaps.contains("database-without-shadow")) << report.Summary();
  EXPECT_EQ(report.statements.at("seen"), 4u) << report.Summary();
  EXPECT_THAT(proxy.Log(), HasSubstr("--shadow-databases"));
  EXPECT_EQ(LibpqClient(two_.ShadowUrl()).Query("SELECT count(*) FROM item").Scalar(), "1");
}

TEST_F(Databases, WhatWasNotAppliedBeforeAKillIsAppliedAfterIt) {
  ProxyProcess proxy(PerDatabase());
  ASSERT_TRUE(proxy.started()) << proxy.Log();
  Write(proxy, two_.name(), 5);
  ASSERT_TRUE(proxy.Drain()) << proxy.Log();
  {
    // A lock on the shadow keeps the units of `two_` back, while those of `one_` go on.
    LibpqClient lock(two_.ShadowUrl());
    ASSERT_TRUE(lock.Script({"BEGIN", "LOCK TABLE item IN ACCESS EXCLUSIVE MODE"}).ok);
    Write(proxy, two_.name(), 20);
    Write(proxy, one_.name(), 5);
    ASSERT_TRUE(WaitForScalar(one_.ShadowUrl(), "SELECT count(*) FROM item", "6"));
    proxy.Kill();
  }
  ASSERT_TRUE(proxy.Start());
  ASSERT_TRUE(proxy.Drain()) << proxy.Log();
  ExpectEqualTables(one_);
  ExpectEqualTables(two_);
  EXPECT_EQ(proxy.Report().divergences.size(), 0u) << proxy.Report().Summary();
}

}  // namespace
}  // namespace pgparity::support
