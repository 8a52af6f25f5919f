// --shadow-role-map: which role of the shadow a client's statements run as, and what is said of
// those that it may not run.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "tests/integration/environment.h"
#include "tests/support/libpq_client.h"

namespace pgparity::support {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

// Roles on both servers, once.
void MakeRoles() {
  static const bool made = [] {
    for (PostgresCluster* cluster : {&PrimaryCluster(), &ShadowCluster()}) {
      LibpqClient client(cluster->Url("postgres"));
      for (const char* sql : {"CREATE ROLE clerk LOGIN", "CREATE ROLE \"Head Clerk\" LOGIN",
                              "CREATE ROLE auditor LOGIN", "CREATE ROLE stranger LOGIN",
                              "CREATE ROLE humble LOGIN", "GRANT clerk TO auditor"}) {
        client.Query(sql);
      }
    }
    return true;
  }();
  EXPECT_TRUE(made);
}

const std::vector<std::string> schema = {
    "CREATE TABLE item (id int PRIMARY KEY, v text)", "CREATE TABLE secret (id int, v text)",
    "GRANT ALL ON item, secret TO PUBLIC", "GRANT CREATE ON SCHEMA public TO PUBLIC"};

// On the shadow, who wrote is recorded.
const std::vector<std::string> record_who = {
    "CREATE TABLE who (id int, name text)", "GRANT ALL ON who TO PUBLIC",
    "CREATE FUNCTION record_who() RETURNS trigger LANGUAGE plpgsql AS "
    "$$BEGIN INSERT INTO public.who VALUES (NEW.id, current_user || '/' || session_user); "
    "RETURN NEW; END$$",
    "CREATE TRIGGER record_who BEFORE INSERT ON item FOR EACH ROW EXECUTE FUNCTION record_who()"};

class Roles : public ::testing::Test {
 protected:
  void SetUp() override {
    MakeRoles();
    pair_.Seed(schema);
  }
  void OnShadow(const std::vector<std::string>& statements) {
    LibpqClient client(pair_.ShadowUrl());
    const QueryResult result = client.Script(statements);
    ASSERT_TRUE(result.ok) << result.message;
  }
  ProxyOptions WithMap(const std::string& map, std::vector<std::string> arguments = {}) {
    std::ofstream(dir_.Path("map")) << map;
    arguments.insert(arguments.end(), {"--shadow-role-map", dir_.Path("map")});
    return ProxyFor(pair_, arguments);
  }
  std::string Who() {
    LibpqClient client(pair_.ShadowUrl());
    return client.Query("SELECT string_agg(id || ' ' || name, ', ' ORDER BY id) FROM who").Scalar();
  }

  DatabasePair pair_{"roles"};
  TempDir dir_;
};

TEST_F(Roles, AUnitRunsAsTheRoleOfItsPresentOne) {
  OnShadow(record_who);
  ProxyProcess proxy(WithMap("postgres = clerk\nauditor = \"Head Clerk\"\n"));
  ASSERT_TRUE(proxy.started()) << proxy.Log();
  LibpqClient client(proxy.Url(pair_.name()));
  const auto insert = [&client](int id) {
    EXPECT_TRUE(client.Query("INSERT INTO item VALUES (" + std::to_string(id) + ", 'v')").ok);
  };
  insert(1);
  client.Query("SET ROLE auditor");
  insert(2);
  client.Query("BEGIN");
  insert(3);
  client.Query("SAVEPOINT s");
  client.Query("SET LOCAL ROLE stranger");  // not in the map
  insert(4);
  client.Query("ROLLBACK TO s");
  insert(5);
  client.Query("COMMIT");
  client.Query("RESET ROLE");
  insert(6);
  client.Query("SET SESSION AUTHORIZATION stranger");
  insert(7);
  client.Query("DISCARD ALL");
  insert(8);
  client.Query("BEGIN");
  client.Query("SET ROLE auditor");
  client.Query("ROLLBACK");
  insert(9);
  ASSERT_TRUE(proxy.Drain());
  EXPECT_EQ(
      Who(),
      "1 clerk/postgres, 2 Head Clerk/postgres, 3 Head Clerk/postgres, 5 Head Clerk/postgres, "
      "6 clerk/postgres, 7 postgres/postgres, 8 clerk/postgres, 9 clerk/postgres");
  const ReportJson report = proxy.Report();
  EXPECT_EQ(report.divergences.size(), 0u) << report.Summary();
  EXPECT_EQ(report.gaps.size(), 1u) << report.Summary();  // `who` is on the shadow alone
}

TEST_F(Roles, WhatTheRoleIsDeniedIsADivergenceThatNamesIt) {
  OnShadow({"REVOKE ALL ON secret FROM PUBLIC"});
  ProxyProcess proxy(WithMap("postgres = clerk\n"));
  ASSERT_TRUE(proxy.started()) << proxy.Log();
  LibpqClient client(proxy.Url(pair_.name()));
  EXPECT_TRUE(client.Query("INSERT INTO item VALUES (1, 'a')").ok);
  EXPECT_TRUE(client.Query("SELECT v FROM item WHERE id = 1").ok);
  EXPECT_TRUE(client.Query("INSERT INTO secret VALUES (7, 'hidden')").ok);
  ASSERT_TRUE(proxy.Drain());
  EXPECT_TRUE(client.Query("SELECT v FROM secret WHERE id = 7").ok);
  ASSERT_TRUE(proxy.Drain());
  const ReportJson report = proxy.Report();
  ASSERT_GE(report.divergences.size(), 1u) << report.Summary();
  EXPECT_EQ(report.verdict, "FAIL");
  EXPECT_EQ(report.divergences[0].kind, "shadow-error");
  EXPECT_THAT(report.divergences[0].shape, HasSubstr("INSERT INTO secret"));
  EXPECT_THAT(report.text, AllOf(HasSubstr("the role \\\"clerk\\\" is denied: INSERT INTO secret"),
                                 HasSubstr("--shadow-role-map")));
  EXPECT_THAT(report.text, Not(HasSubstr("hidden")));
  EXPECT_EQ(report.statements.at("match"), 2u) << report.Summary();
}

TEST_F(Roles, WhatThePrimaryDeniedRunsUnderAMappedRoleAlone) {
  pair_.Seed({"REVOKE ALL ON secret FROM PUBLIC"});
  ProxyProcess proxy(WithMap("clerk = humble\n\"Head Clerk\" = auditor\n"));
  ASSERT_TRUE(proxy.started()) << proxy.Log();
  OnShadow({"GRANT ALL ON secret TO auditor"});
  for (const std::string user : {"clerk", "stranger", "Head Clerk"}) {
    LibpqClient client(proxy.Url(pair_.name(), user));
    EXPECT_EQ(client.Query("INSERT INTO secret VALUES (1, 'a')").sqlstate, "42501");
  }
  ASSERT_TRUE(proxy.Drain());
  const ReportJson report = proxy.Report();
  // Denied on both sides; not asked of the shadow URL's own role; allowed on the shadow alone.
  EXPECT_EQ(report.statements.at("match"), 1u) << report.Summary();
  EXPECT_EQ(report.statements.at("not_compared"), 1u) << report.Summary();
  EXPECT_EQ(report.statements.at("divergent"), 1u) << report.Summary();
  EXPECT_EQ(LibpqClient(pair_.ShadowUrl()).Query("SELECT count(*) FROM secret").Scalar(), "0");
}

TEST_F(Roles, ReadsAndDdlRunAsTheRoleToo) {
  pair_.Seed({"INSERT INTO item VALUES (1, 'a')", "INSERT INTO secret VALUES (1, 'a')"});
  OnShadow({"REVOKE ALL ON secret FROM PUBLIC"});
  ProxyProcess proxy(WithMap("clerk = humble\n"));
  ASSERT_TRUE(proxy.started()) << proxy.Log();
  LibpqClient clerk(proxy.Url(pair_.name(), "clerk")), own(proxy.Url(pair_.name()));
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(clerk.Query("SELECT v AS denied FROM secret").ok);
    EXPECT_TRUE(own.Query("SELECT v AS allowed FROM secret").ok);
    EXPECT_TRUE(clerk.Query("SELECT v FROM item").ok);
  }
  EXPECT_TRUE(clerk.Query("CREATE TABLE made (id serial PRIMARY KEY, v text)").ok);
  EXPECT_TRUE(clerk.Query("INSERT INTO made (v) VALUES ('x') RETURNING id").ok);
  EXPECT_TRUE(clerk.Query("VACUUM made").ok);
  EXPECT_TRUE(clerk.Query("CREATE INDEX CONCURRENTLY ON made (v)").ok);
  EXPECT_TRUE(own.Query("INSERT INTO item VALUES (2, 'b')").ok);
  ASSERT_TRUE(proxy.Drain());
  const ReportJson report = proxy.Report();
  ASSERT_EQ(report.divergences.size(), 1u) << report.Summary();
  EXPECT_THAT(report.divergences[0].shape, HasSubstr("AS denied"));
  EXPECT_EQ(report.divergences[0].count, 3u);
  LibpqClient shadow(pair_.ShadowUrl());
  EXPECT_EQ(shadow.Query("SELECT tableowner FROM pg_tables WHERE tablename = 'made'").Scalar(),
            "humble");
  EXPECT_EQ(shadow
                .Query("SELECT count(*) FROM pg_index WHERE indrelid = 'made'::regclass AND "
                       "indisvalid")
                .Scalar(),
            "2");
  ExpectEqualTables(pair_);
}

TEST_F(Roles, ARoleWithAUrlOfItsOwnKeepsTheOrder) {
  OnShadow(record_who);
  const std::string url = ShadowCluster().Url(pair_.name(), "humble");
  ProxyProcess proxy(
      WithMap("clerk = \"" + url + "\"\n* = auditor\n", {"--shadow-connections", "4"}));
  ASSERT_TRUE(proxy.started()) << proxy.Log();
  LibpqClient clerk(proxy.Url(pair_.name(), "clerk")), other(proxy.Url(pair_.name(), "stranger"));
  for (int i = 1; i <= 20; ++i) {
    LibpqClient& insert = i % 2 == 0 ? clerk : other;
    LibpqClient& update = i % 3 == 0 ? clerk : other;
    const std::string id = std::to_string(i);
    EXPECT_TRUE(insert.Query("INSERT INTO item VALUES ($1, 'v')", {id}).ok);
    EXPECT_TRUE(update.Query("UPDATE item SET v = v || $1 WHERE id % 2 = 0", {id}).ok);
    EXPECT_TRUE(insert.Query("SELECT v FROM item ORDER BY id").ok);
  }
  // One transaction lies on one connection.
  LibpqClient super(proxy.Url(pair_.name()));
  super.Script({"BEGIN", "INSERT INTO item VALUES (100, 'mixed')", "SET LOCAL ROLE clerk",
                "INSERT INTO item VALUES (101, 'mixed')", "COMMIT"});
  ASSERT_TRUE(proxy.Drain());
  const ReportJson report = proxy.Report();
  EXPECT_EQ(report.divergences.size(), 0u) << report.Summary();
  EXPECT_TRUE(report.gaps.contains("role-over-connections")) << report.Summary();
  LibpqClient shadow(pair_.ShadowUrl());
  EXPECT_EQ(
      shadow.Query("SELECT string_agg(DISTINCT name, ', ') FROM who WHERE id % 2 = 0").Scalar(),
      "humble/humble");
  EXPECT_EQ(
      shadow.Query("SELECT string_agg(DISTINCT name, ', ') FROM who WHERE id % 2 = 1").Scalar(),
      "auditor/postgres");
  LibpqClient primary(pair_.PrimaryUrl());
  const std::string all = "SELECT string_agg(i::text, ' ' ORDER BY id) FROM item i WHERE id < 100";
  EXPECT_EQ(shadow.Query(all).Scalar(), primary.Query(all).Scalar());
  // After a restart nothing is applied twice.
  EXPECT_EQ(proxy.Stop(), 0);
  ASSERT_TRUE(proxy.Start());
  LibpqClient again(proxy.Url(pair_.name(), "clerk"));
  EXPECT_TRUE(again.Query("UPDATE item SET v = v || 'z' WHERE id = 2").ok);
  ASSERT_TRUE(proxy.Drain());
  EXPECT_EQ(shadow.Query(all).Scalar(), primary.Query(all).Scalar());
}

// "$user" in the search path is the primary's role, whoever it runs as on the shadow.
TEST_F(Roles, TheSchemaOfTheUserIsThatOfThePrimarysRole) {
  pair_.Seed({"CREATE SCHEMA clerk", "CREATE SCHEMA auditor", "CREATE TABLE clerk.own (id int)",
              "CREATE TABLE auditor.own (id int)", "GRANT ALL ON SCHEMA clerk, auditor TO PUBLIC",
              "GRANT ALL ON clerk.own, auditor.own TO PUBLIC"});
  ProxyProcess proxy(WithMap("clerk = auditor\n"));
  ASSERT_TRUE(proxy.started()) << proxy.Log();
  LibpqClient clerk(proxy.Url(pair_.name(), "clerk")), auditor(proxy.Url(pair_.name(), "auditor"));
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(clerk.Query("INSERT INTO own VALUES (1)").ok);
    EXPECT_TRUE(auditor.Query("INSERT INTO own VALUES (2)").ok);
    EXPECT_TRUE(auditor.Query("SELECT id FROM own").ok);
    EXPECT_TRUE(clerk.Query("SET search_path = public, \"$user\"").ok);
  }
  ASSERT_TRUE(proxy.Drain());
  EXPECT_EQ(proxy.Report().divergences.size(), 0u) << proxy.Report().Summary();
  ExpectEqualTables(pair_);
}

struct BadMapFile {
  std::string name, map;
  std::vector<std::string> arguments;
  std::vector<std::string> says;
};

TEST_F(Roles, AMapThatCannotBeIsRefusedAtTheStart) {
  OnShadow({"GRANT CREATE ON DATABASE " + pair_.name() + " TO humble"});
  const std::string url = ShadowCluster().Url(pair_.name(), "humble");
  const std::vector<BadMapFile> cases = {
      {"NoFile", "", {}, {"--shadow-role-map", "line 1"}},
      {"NoRole", "a = nobody\nb = clerk\nc = \"no one\"\n", {}, {"\"nobody\"", "\"no one\""}},
      {"NoMember", "a = clerk\n", {"--shadow", url}, {"\"clerk\"", "permission denied"}},
      {"NoRoom", "a = \"" + url + "\"\n", {"--shadow-connections", "3"}, {"at least 4"}},
      {"NoLogin",
       "a = \"postgres://missing:hunter2@127.0.0.1:" + std::to_string(ShadowCluster().port()) +
           "/" + pair_.name() + "\"\n",
       {"--shadow-connections", "4"},
       {"\"missing\""}}};
  for (const BadMapFile& bad : cases) {
    SCOPED_TRACE(bad.name);
    std::ofstream(dir_.Path("bad")) << (bad.map.empty() ? "nonsense" : bad.map);
    std::vector<std::string> arguments = {"serve",
                                          "--listen",
                                          "127.0.0.1:" + std::to_string(FreePort()),
                                          "--admin",
                                          "off",
                                          "--primary",
                                          pair_.PrimaryUrl(),
                                          "--data-dir",
                                          dir_.Path("d"),
                                          "--shadow-role-map",
                                          dir_.Path("bad"),
                                          "--ring-dir",
                                          dir_.path(),
                                          "--ring-size",
                                          "1MiB"};
    std::vector<std::string> more = bad.arguments;
    if (more.empty() || more[0] != "--shadow")
      more.insert(more.end(), {"--shadow", pair_.ShadowUrl()});
    arguments.insert(arguments.end(), more.begin(), more.end());
    const RunResult result = RunPgparity(arguments);
    EXPECT_GE(result.exit, 64) << result.err;
    EXPECT_LT(result.exit, 128) << result.err;
    for (const std::string& says : bad.says) EXPECT_THAT(result.err, HasSubstr(says));
    EXPECT_THAT(result.err, Not(HasSubstr("hunter2")));
  }
}

TEST_F(Roles, AStartWithoutTheShadowChecksTheMapLater) {
  std::ofstream(dir_.Path("map")) << "* = nobody\n";
  ProxyOptions options = ProxyFor(pair_, {"--shadow-role-map", dir_.Path("map")});
  options.shadow_url = PostgresCluster::UrlAt(FreePort(), pair_.name());
  ProxyProcess proxy(options);
  ASSERT_TRUE(proxy.started()) << proxy.Log();
  EXPECT_THAT(proxy.Log(), HasSubstr("--shadow-role-map could not be checked yet"));
  EXPECT_TRUE(LibpqClient(proxy.Url(pair_.name())).Query("INSERT INTO item VALUES (1, 'a')").ok);
}

TEST_F(Roles, ARoleDroppedInTheMiddleStopsTheShadowUntilItIsBack) {
  LibpqClient admin(ShadowCluster().Url("postgres"));
  admin.Query("CREATE ROLE fleeting");
  OnShadow({"GRANT ALL ON item TO fleeting"});
  ProxyProcess proxy(WithMap("clerk = \"fleeting\"\n"));
  ASSERT_TRUE(proxy.started()) << proxy.Log();
  LibpqClient clerk(proxy.Url(pair_.name(), "clerk")), other(proxy.Url(pair_.name()));
  EXPECT_TRUE(clerk.Query("INSERT INTO item VALUES (1, 'a')").ok);
  ASSERT_TRUE(proxy.Drain()) << proxy.Log();
  OnShadow({"DROP OWNED BY fleeting"});
  ASSERT_TRUE(admin.Query("DROP ROLE fleeting").ok);
  EXPECT_TRUE(other.Query("INSERT INTO item VALUES (2, 'b')").ok);
  EXPECT_TRUE(clerk.Query("INSERT INTO item VALUES (3, 'c')").ok);
  EXPECT_EQ(clerk.Query("SELECT count(*) FROM item").Scalar(), "3");
  EXPECT_FALSE(proxy.Drain("3s"));
  EXPECT_EQ(proxy.StatusText("state"), "degraded");
  EXPECT_THAT(proxy.Ctl({"status"}).out, HasSubstr("fleeting"));
  // A restart does not keep clients from the primary.
  EXPECT_EQ(proxy.Stop(), 0);
  ASSERT_TRUE(proxy.Start()) << proxy.Log();
  EXPECT_TRUE(
      LibpqClient(proxy.Url(pair_.name(), "clerk")).Query("INSERT INTO item VALUES (4, 'd')").ok);
  ASSERT_TRUE(admin.Query("CREATE ROLE fleeting").ok);
  OnShadow({"GRANT ALL ON item TO fleeting"});
  ASSERT_TRUE(proxy.Drain()) << proxy.Log();
  ExpectEqualTables(pair_);
  const ReportJson report = proxy.Report();
  EXPECT_EQ(report.divergences.size(), 0u) << report.Summary();
  EXPECT_EQ(report.units.at("pending"), 0u) << report.Summary();
  OnShadow({"DROP OWNED BY fleeting"});
  admin.Query("DROP ROLE fleeting");
}

// Code that makes its own SQL: run where the role can do no harm, and left out, said, elsewhere.
TEST_F(Roles, DynamicCodeRunsAsAConfinedRole) {
  const std::vector<std::string> code = {
      "CREATE TABLE audit (line text)", "GRANT ALL ON audit TO PUBLIC",
      "CREATE FUNCTION audit() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN "
      "EXECUTE format('INSERT INTO public.%I VALUES (%L)', 'audit', NEW.v); RETURN NEW; END$$",
      "CREATE TRIGGER audit BEFORE INSERT ON item FOR EACH ROW EXECUTE FUNCTION audit()"};
  pair_.Seed(code);
  OnShadow({"GRANT CREATE ON DATABASE " + pair_.name() + " TO humble"});
  ProxyOptions options = ProxyFor(pair_);
  options.shadow_url = ShadowCluster().Url(pair_.name(), "humble");
  ProxyProcess proxy(options);
  ASSERT_TRUE(proxy.started()) << proxy.Log();
  LibpqClient client(proxy.Url(pair_.name()));
  EXPECT_TRUE(client.Query("INSERT INTO item VALUES (1, 'one')").ok);
  EXPECT_TRUE(client
                  .Query("DO $$BEGIN EXECUTE 'INSERT INTO item VALUES (2, ''two'')'; "
                         "EXECUTE 'UPDATE item' || ' SET v = v'; END$$")
                  .ok);
  // Its own settings are its own to change, as far as PostgreSQL is concerned.
  EXPECT_TRUE(client
                  .Query("DO $$BEGIN INSERT INTO item VALUES (3, 'three'); EXECUTE "
                         "'ALTER RO' || 'LE CURRENT_USER SET work_mem = ''64kB'''; END$$")
                  .ok);
  LibpqClient(pair_.PrimaryUrl()).Query("ALTER ROLE postgres RESET ALL");
  ASSERT_TRUE(proxy.Drain());
  const ReportJson report = proxy.Report();
  EXPECT_EQ(report.statements.at("divergent"), 0u) << report.Summary();
  EXPECT_EQ(report.gaps.size(), 1u) << report.Summary();
  EXPECT_TRUE(report.gaps.contains("code-escaped")) << report.Summary();
  LibpqClient shadow(pair_.ShadowUrl());
  EXPECT_EQ(shadow.Query("SELECT string_agg(line, ',' ORDER BY line) FROM audit").Scalar(),
            "one,two");
  EXPECT_EQ(shadow
                .Query("SELECT count(*) FROM pg_db_role_setting s JOIN pg_roles r ON r.oid = "
                       "s.setrole WHERE r.rolname = 'humble'")
                .Scalar(),
            "0");
}

TEST_F(Roles, DynamicCodeIsAGapForASuperuser) {
  pair_.Seed(
      {"CREATE FUNCTION run(text) RETURNS void LANGUAGE plpgsql AS $$BEGIN EXECUTE $1; END$$"});
  ProxyProcess proxy(ProxyFor(pair_));
  ASSERT_TRUE(proxy.started()) << proxy.Log();
  LibpqClient client(proxy.Url(pair_.name()));
  EXPECT_TRUE(client.Query("SELECT run('INSERT INTO item VALUES (1, ''a'')')").ok);
  EXPECT_TRUE(client.Query("SELECT v FROM item").ok);
  ASSERT_TRUE(proxy.Drain());
  const ReportJson report = proxy.Report();
  EXPECT_THAT(proxy.Log(), HasSubstr("SUPERUSER"));
  EXPECT_TRUE(report.gaps.contains("opaque-code")) << report.Summary();
  EXPECT_EQ(report.verdict, "INCONCLUSIVE") << report.Summary();
  EXPECT_EQ(report.statements.at("divergent"), 0u) << report.Summary();
}

}  // namespace
}  // namespace pgparity::support
