// Ordering `exact` against a real server: a client sees what it sees without the proxy, wherever a
// token is put in and wherever one must not be; and each unit that should have one has it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/integration/environment.h"
#include "tests/support/libpq_client.h"
#include "tests/support/raw_client.h"

namespace pgparity::support {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

using M = MessageBuilder;

// Messages sent at once, and the tag up to which the answers are then read.
struct Step {
  M messages;
  char until = 'Z';
};

std::string Shown(const ServerMessage& message) {
  std::string text(1, message.tag);
  for (const char c : message.body) text += c == '\0' ? '~' : c;
  return text;
}

std::vector<std::string> Answers(int port, const std::string& database, const std::string& user,
                                 const std::vector<Step>& steps) {
  RawClient client(port, database, user);
  std::vector<std::string> answers;
  for (const Step& step : steps) {
    client.Send(step.messages);
    const auto messages = client.ReadUntil(step.until);
    answers.push_back("-- step " + std::to_string(&step - steps.data()));
    for (const ServerMessage& message : messages) answers.push_back(Shown(message));
    if (messages.empty() || messages.back().tag != step.until) {
      answers.emplace_back("nothing more");
      break;
    }
  }
  return answers;
}

M Do(std::string_view sql) {
  M messages;
  messages.Parse("", sql).Bind("", "").Execute("");
  return messages;
}
M Query(std::string_view sql) { return M().Query(sql); }

class Exact : public ::testing::Test {
 protected:
  Exact() {
    pair_.Seed({"CREATE TABLE t (id int PRIMARY KEY, v text)",
                "CREATE TABLE parent (id int PRIMARY KEY)",
                "CREATE TABLE child (id int PRIMARY KEY, parent int REFERENCES parent DEFERRABLE "
                "INITIALLY DEFERRED)",
                "CREATE TABLE numbered (id serial PRIMARY KEY, v text)"});
  }
  void StartProxy() {
    proxy_ = std::make_unique<ProxyProcess>(ProxyFor(pair_, {"--ordering", "exact"}));
    ASSERT_TRUE(proxy_->started()) << proxy_->Log();
  }
  uint64_t Number(const std::string& key) {
    return static_cast<uint64_t>(proxy_->StatusNumber(key).value_or(1e9));
  }
  void Reset() {
    pair_.Seed({"TRUNCATE t, parent, child, numbered RESTART IDENTITY",
                "INSERT INTO t SELECT i, 'v' || i FROM generate_series(1, 9) AS i"});
  }

  // The steps end the same directly and through the proxy, in the same database; that many tokens
  // are put in, all of which are answered unless `seen` says otherwise.
  void Same(const std::vector<Step>& steps, uint64_t sent, std::optional<uint64_t> seen = {},
            const std::string& user = "postgres") {
    Reset();
    const auto expected = Answers(PrimaryCluster().port(), pair_.name(), user, steps);
    EXPECT_EQ(expected.back()[0], 'Z') << expected.back();
    Reset();
    if (proxy_ == nullptr) StartProxy();
    const uint64_t sent_before = Number("tokens.sent"), seen_before = Number("tokens.seen");
    const auto answers = Answers(proxy_->port(), pair_.name(), user, steps);
    EXPECT_EQ(answers, expected);
    EXPECT_EQ(Number("tokens.sent") - sent_before, sent);
    EXPECT_EQ(Number("tokens.seen") - seen_before, seen.value_or(sent));
    ASSERT_TRUE(proxy_->Drain());
    EXPECT_EQ(proxy_->StatusNumber("tracker_desynchronised"), 0.0);
    if (!look_at_shadow_) return;
    ExpectEqualTables(pair_);
    const ReportJson report = proxy_->Report();
    EXPECT_THAT(report.divergences, IsEmpty()) << report.Summary();
  }

  DatabasePair pair_{"exact"};
  bool look_at_shadow_ = true;  // some statements cannot be the same there
  std::unique_ptr<ProxyProcess> proxy_;
};

TEST_F(Exact, SingleShots) {
  Same({{Do("INSERT INTO t VALUES (10, 'ten')").Sync()},
        {M().Parse("s", "UPDATE t SET v = $1 WHERE id = $2 RETURNING id, v").Sync()},
        {M().Bind("", "s", {"new", "3"}).DescribePortal("").Execute("").Sync()},
        {M().Bind("p", "s", {"newer", "4"}).DescribePortal("p").Execute("p").Sync()},
        // Pipelined, with a read between and the replies asked for early.
        {M().Bind("", "s", {"x", "5"}).Execute("").Bind("", "s", {"y", "6"}).Execute("").Flush(),
         'C'},
        {Do("SELECT * FROM t ORDER BY id").Sync()},
        {Query("INSERT INTO t VALUES (11, 'it''s; a /* text */') RETURNING *")},
        {Query("  UPDATE t SET v = 'a' WHERE id = 1 ; DELETE FROM t WHERE id = 2; SELECT 1; ; ")},
        {Query("WITH w AS (DELETE FROM t WHERE id = 7 RETURNING *) SELECT count(*) FROM w -- c")},
        {Query("SELECT * FROM t ORDER BY id")},
        {Query("SELECT set_config('TimeZone', 'Asia/Tokyo', false), nextval('numbered_id_seq')")},
        {Query("SELECT currval('numbered_id_seq')")}},
       9);
  EXPECT_EQ(Number("tokens.sent_again"), 0u);
  EXPECT_EQ(Number("tokens.refused_sessions"), 0u);
}

TEST_F(Exact, Transactions) {
  const std::vector<Step> steps = {
      {Query("BEGIN")},
      {Query("INSERT INTO t VALUES (10, 'ten')")},
      {Query("COMMIT")},
      {Query("BEGIN")},
      {Do("DELETE FROM t WHERE id = 1").Sync()},
      {M().Parse("", "COMMIT").Bind("", "").DescribePortal("").Execute("").Sync()},
      {Query("BEGIN")},
      {Do("DELETE FROM t WHERE id = 2").Sync()},
      {Query("COMMIT AND CHAIN")},
      {Query("SHOW transaction_isolation")},
      {Query("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE")},
      {Query("SAVEPOINT s; DELETE FROM t; ROLLBACK TO s; UPDATE t SET v = 'kept' WHERE id = 3")},
      {Query("RELEASE s")},
      {Query("end transaction;")},
      {Query("BEGIN"), 'Z'},
      {Query("DELETE FROM t")},
      {Query("ROLLBACK AND CHAIN")},
      {Query("UPDATE t SET v = 'chained' WHERE id = 4")},
      {Query("PREPARE TRANSACTION 'exact gid'")},
      {Query("COMMIT PREPARED 'exact gid'")},
      // In one flush.
      {Do("BEGIN")
           .Parse("", "DELETE FROM t WHERE id = 5")
           .Bind("", "")
           .Execute("")
           .Parse("", "COMMIT")
           .Bind("", "")
           .Execute("")
           .Sync()},
      {Query("BEGIN; DELETE FROM t WHERE id = 6; SELECT 'inside'; COMMIT")},
      {Query("START TRANSACTION; INSERT INTO t VALUES (6, 'again'); END; SELECT 'behind'")},
      {Query("INSERT INTO t VALUES (66, 'warns'); COMMIT")},
      {Query("COMMIT")},
      {Query("BEGIN")},
      {Query("BEGIN")},
      {Query("COMMIT")},
      {Query("BEGIN READ ONLY; SELECT count(*) FROM t")},
      {Query("COMMIT")},
      {Query("SELECT * FROM t ORDER BY id")}};
  Same(steps, 9);
}

// Two transactions in one pipeline, and an error in the middle of it.
TEST_F(Exact, Pipelines) {
  Same({{Do("INSERT INTO t VALUES (10, 'a')").Sync().Query("INSERT INTO t VALUES (11, 'b')")},
        {M()},
        {Do("INSERT INTO t VALUES (1, 'exists')").Sync()},
        {M().Parse("", "BEGIN")
             .Bind("", "")
             .Execute("")
             .Parse("", "INSERT INTO t VALUES (1, 'exists')")
             .Bind("", "")
             .Execute("")
             .Parse("", "COMMIT")
             .Bind("", "")
             .Execute("")
             .Sync()},
        {Query("COMMIT")},
        {M().Parse("", "BEGIN")
             .Bind("", "")
             .Execute("")
             .Parse("", "INSERT INTO t VALUES (12, 'c')")
             .Bind("", "")
             .Execute("")
             .Parse("", "COMMIT")
             .Bind("", "")
             .Execute("")
             .Parse("", "INSERT INTO t VALUES (13, 'd')")
             .Bind("", "")
             .Execute("")
             .Sync()},
        {M().Parse("", "INSERT INTO t VALUES (14, 'e')")
             .Bind("", "")
             .Execute("")
             .Parse("", "SELECT 1/0")
             .Bind("", "")
             .Execute("")
             .Sync()},
        {Query("INSERT INTO t VALUES (15, 'f'); SELECT 1/0; INSERT INTO t VALUES (16, 'g')")},
        {Query("SELECT * FROM t ORDER BY id")}},
       7, 3);
  EXPECT_GT(Number("tokens.left_out.pipelined"), 0u);
}

// A token before the Sync that follows would be in a transaction block that has just begun: its
// snapshot is then taken before SET TRANSACTION.
TEST_F(Exact, SetTransactionBehindBegin) {
  Same({{Do("INSERT INTO t VALUES (10, 'a')")
             .Parse("", "COMMIT")
             .Bind("", "")
             .Execute("")
             .Parse("", "BEGIN")
             .Bind("", "")
             .Execute("")
             .Sync()},
        {Do("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE").Sync()},
        {Do("INSERT INTO t VALUES (11, 'b')").Sync()},
        {Query("SHOW transaction_isolation")},
        {Do("COMMIT").Sync()},
        {Do("BEGIN").Sync()},
        {Do("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ").Sync()},
        {Query("SHOW transaction_isolation")},
        {Query("COMMIT")},
        {Query("BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY DEFERRABLE; COMMIT")}},
       2);
}

// The Sync that a client sends along with COPY is ignored by the server until the data has ended;
// messages before it would be taken for data.
TEST_F(Exact, CopyBeforeSync) {
  Same({{Do("INSERT INTO t VALUES (10, 'a')")
             .Parse("", "COPY t FROM STDIN")
             .Bind("", "")
             .Execute("")
             .Sync(),
         'G'},
        {M().CopyData("100\tcopied\n").CopyDone().Sync()},
        {Do("COPY t FROM STDIN").Flush(), 'G'},
        {M().CopyData("101\tcopied\n").CopyDone().Sync()},
        {Query("COPY t FROM STDIN"), 'G'},
        {M().CopyData("102\tcopied\n").CopyDone()},
        {Query("INSERT INTO t VALUES (11, 'b'); COPY t FROM STDIN; SELECT 1"), 'G'},
        {M().CopyData("103\tcopied\n").CopyDone()},
        {Query("BEGIN"), 'Z'},
        {Query("COPY t FROM STDIN"), 'G'},
        {M().CopyData("104\tcopied\n").CopyDone()},
        {Query("COMMIT")},
        {Query("COPY t TO STDOUT")},
        {Query("SELECT * FROM t ORDER BY id")}},
       1);
}

// The unnamed statement and portal, and others of the client's, stay what they were.
TEST_F(Exact, UnnamedOnesAndPortals) {
  Same({{M().Parse("", "UPDATE t SET v = v || '!' WHERE id = 1").Sync()},
        {M().Bind("", "").Execute("").Sync()},
        {M().Bind("", "").Execute("").Sync()},
        {M().Bind("", "").Execute("").Flush(), 'C'},
        {M().Bind("", "").Execute("").Sync()},
        {Query("BEGIN")},
        {M().Parse("", "SELECT id FROM t ORDER BY id").Bind("", "").Execute("", 2).Sync()},
        {M().Execute("", 2).Sync()},
        {M().Parse("c", "COMMIT").Bind("c", "c").Execute("", 1).Execute("c").Sync()},
        {M().Execute("", 2).Sync()},
        {M().Parse("r", "SELECT id FROM t ORDER BY id")
             .Bind("held", "r")
             .Execute("held", 3)
             .Parse("", "DELETE FROM t WHERE id = 9")
             .Bind("", "")
             .Execute("")
             .Execute("held", 3)
             .Sync()},
        {Query("BEGIN; DECLARE kept CURSOR WITH HOLD FOR SELECT id FROM t ORDER BY id")},
        {Query("FETCH 2 FROM kept")},
        {Query("DELETE FROM t WHERE id = 8")},
        {Query("COMMIT")},
        {Query("FETCH 3 FROM kept")},
        {M().Execute("kept", 1).Sync()},
        {M().Parse("w", "UPDATE t SET v = 'w' RETURNING id")
             .Bind("w", "w")
             .Execute("w", 2)
             .Execute("w", 1)
             .Sync()},
        {Query("SELECT * FROM t ORDER BY id")}},
       7);
}

// What fails at the commit fails as it does without the token, CommandComplete and notices
// included.
TEST_F(Exact, DeferredFailures) {
  look_at_shadow_ = false;
  pair_.Seed(
      {"CREATE FUNCTION shout() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE "
       "'at the end: %', NEW.id; RETURN NULL; END $$",
       "CREATE CONSTRAINT TRIGGER late AFTER INSERT ON t DEFERRABLE INITIALLY DEFERRED FOR "
       "EACH ROW EXECUTE FUNCTION shout()",
       "CREATE FUNCTION talk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE WARNING "
       "'now: %', NEW.id; RETURN NULL; END $$",
       "CREATE TRIGGER soon AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION talk()"});
  Same({{Query("INSERT INTO child VALUES (1, 1)")},
        {Query("INSERT INTO t VALUES (10, 'a') RETURNING v")},
        {Query("INSERT INTO t VALUES (11, 'b'); INSERT INTO child VALUES (1, 1)")},
        {Do("INSERT INTO child VALUES (1, 1)").Sync()},
        {Do("INSERT INTO t VALUES (12, 'c')").Sync()},
        {Query("BEGIN; INSERT INTO child VALUES (1, 1)")},
        {Query("COMMIT")},
        {Query("BEGIN; INSERT INTO t VALUES (13, 'd'); INSERT INTO child VALUES (1, 1); COMMIT")},
        {Query("BEGIN; INSERT INTO t VALUES (14, 'e')")},
        {M().Parse("", "COMMIT").Bind("", "").Execute("").Sync()},
        {Query("BEGIN; INSERT INTO child VALUES (1, 1)")},
        {M().Parse("", "COMMIT").Bind("", "").Execute("").Sync()},
        {Query("BEGIN; INSERT INTO child VALUES (1, 1)")},
        {Query("PREPARE TRANSACTION 'never'")},
        {Query("SELECT * FROM t ORDER BY id")}},
       10);
}

// Texts that fail, fail with the same words at the same place.
TEST_F(Exact, ErrorsAndTheirPositions) {
  std::vector<Step> steps;
  const char* const texts[] = {"INSERT INTO",
                               "INSERT INTO t VALUES (1",
                               "INSERT INTO t VALUES (1, 'x'",
                               "INSERT INTO t VALUES (1))",
                               "INSERT INTO t VALUES ('open",
                               "INSERT INTO t VALUES (1) /* open",
                               "INSERT INTO t",
                               "DELETE FROM t WHERE",
                               "DELETE FROM t WHERE id = ",
                               "DELETE FROM t WHERE nö",
                               "UPDATE t SET",
                               "UPDATE t SET v = 'ä' WHERE",
                               "UPDATE t SET v = 1 WHERE id = 'x'",
                               "UPDATE t SET w = 1",
                               "INSERT INTO t VALUES (1, 'x')",
                               "INSERT INTO t VALUES ($1, $2)",
                               "INSERT INTO nowhere VALUES (1)",
                               "DELETE FROM t; DELETE FROM",
                               "DELETE FROM t;; DELETE",
                               "DELETE FROM t WHERE id = 1/0",
                               "DELETE FROM t RETURNING nothing",
                               "DELETE FROM t AS",
                               "SELECT nextval('nö'",
                               "WITH w AS (DELETE FROM t RETURNING *)",
                               "INSERT INTO t SELECT",
                               "INSERT INTO t VALUES (50, U&'d\\0061t\\+000061')",
                               "INSERT INTO t VALUES (51, U&'!0061' UESCAPE",
                               "INSERT INTO t VALUES (52, 'a'\n'b')",
                               "INSERT INTO t VALUES (53, E'a\\'b')",
                               "INSERT INTO t VALUES (54, $q$;$q$) -- ;",
                               "INSERT INTO t VALUES (55, 'x') /* ; /* ; */ ; */",
                               "INSERT INTO t VALUES (56, 'x') -- ; '",
                               "INSERT INTO t VALUES (57, 'x') +",
                               "DELETE FROM t WHERE id = 1 AND\n\n",
                               "COMMIT foo",
                               "COMMIT AND",
                               "COMMIT; x",
                               "BEGIN; DELETE FROM t WHERE id = 9; COMMIT foo",
                               "ROLLBACK"};
  for (const char* text : texts) {
    steps.push_back({Query(text)});
    steps.push_back({Do(text).Sync()});
  }
  steps.push_back({Query("PREPARE q AS INSERT INTO numbered (v) VALUES ($1) RETURNING id")});
  steps.push_back({Query("EXECUTE q('by SQL')")});
  steps.push_back({Query("BEGIN READ ONLY; SELECT count(*) FROM t")});
  steps.push_back({Query("INSERT INTO t VALUES (67, 'refused')")});
  steps.push_back({Query("COMMIT")});
  steps.push_back({Query("BEGIN; DELETE FROM t WHERE id = 8")});
  steps.push_back({Query("COMMIT foo")});
  steps.push_back({Query("COMMIT")});
  Reset();
  const auto expected = Answers(PrimaryCluster().port(), pair_.name(), "postgres", steps);
  Reset();
  StartProxy();
  EXPECT_EQ(Answers(proxy_->port(), pair_.name(), "postgres", steps), expected);
  EXPECT_GT(Number("tokens.sent_again"), 10u);
  EXPECT_EQ(Number("tokens.refused_sessions"), 0u);
}

TEST_F(Exact, SettingsThatChangeHowATextIsRead) {
  look_at_shadow_ = false;
  Same({{Query("SET standard_conforming_strings = off")},
        {Query("INSERT INTO t VALUES (10, 'a\\'); --')")},
        {Query("SET standard_conforming_strings = on")},
        {Query("SET client_encoding = SJIS")},
        {Query("INSERT INTO t VALUES (11, '\x95\x5c')")},
        {Query("DELETE FROM t WHERE id = 1 RETURNING")},
        {Query("SET client_encoding = LATIN1")},
        {Query("INSERT INTO t VALUES (12, 'caf\xe9') RETURNING v, \xe9")},
        {Query("RESET client_encoding")},
        {Query("SET search_path = nowhere")},
        {Query("INSERT INTO public.t VALUES (13, 'd')")},
        {Query("BEGIN; DELETE FROM public.t WHERE id = 2")},
        {Query("COMMIT")},
        {Query("RESET ALL")},
        {Query("SELECT * FROM t ORDER BY id")}},
       3, 2);
}

TEST_F(Exact, DiscardAndDeallocate) {
  Same({{Query("INSERT INTO t VALUES (10, 'a')")},
        {Query("DISCARD ALL")},
        {Query("INSERT INTO t VALUES (11, 'b')")},
        {Do("DEALLOCATE ALL").Sync()},
        {Do("INSERT INTO t VALUES (12, 'c')").Sync()},
        {Query("BEGIN")},
        {Query("INSERT INTO t VALUES (13, 'd')")},
        {Query("DEALLOCATE ALL")},
        {Query("COMMIT")},
        {M().Query("DISCARD ALL")
             .Parse("", "INSERT INTO t VALUES (14, 'e')")
             .Bind("", "")
             .Execute("")
             .Sync()},
        {M()},
        {Do("INSERT INTO t VALUES (15, 'f')").Sync()},
        {M().Parse("mine", "DELETE FROM t WHERE id = $1").Sync()},
        {M().Bind("", "mine", {"1"}).Execute("").Sync()},
        {Query("DEALLOCATE mine")},
        {M().Bind("", "mine", {"1"}).Execute("").Sync()},
        {Query("INSERT INTO t VALUES (16, 'g')")},
        {Query("SELECT * FROM t ORDER BY id")}},
       6);
  EXPECT_GT(Number("tokens.left_out.unprepared"), 0u);
}

TEST_F(Exact, NotificationsFunctionsAndRules) {
  pair_.Seed(
      {"CREATE FUNCTION put(k int) RETURNS int LANGUAGE sql AS 'INSERT INTO t VALUES (k, "
       "''put'') RETURNING id'",
       "CREATE PROCEDURE twice() LANGUAGE plpgsql AS 'BEGIN INSERT INTO t VALUES (20, ''a''); "
       "COMMIT; INSERT INTO t VALUES (21, ''b''); END'",
       "CREATE TABLE ruled (id int)",
       "CREATE RULE tell AS ON INSERT TO ruled DO ALSO SELECT 'told', NEW.id"});
  look_at_shadow_ = false;
  const std::vector<Step> steps = {
      {Query("LISTEN c")},
      {Query("SELECT put(10)")},
      {Do("SELECT put(11)").Sync()},
      {Query("CALL twice()")},
      {Query("INSERT INTO ruled VALUES (1)")},
      {Query("INSERT INTO ruled VALUES (2); INSERT INTO ruled VALUES (3)")},
      {Do("INSERT INTO ruled VALUES (4)").Sync()},
      {M().FunctionCall(177, {"40", "2"})},
      {Query("DO $$ BEGIN RAISE NOTICE 'x'; END $$")},
      {Query("CREATE INDEX CONCURRENTLY i ON t (v)")},
      {Query("VACUUM t")},
      {Do("DROP INDEX CONCURRENTLY i").Sync()},
      {Query("UNLISTEN *; SELECT * FROM t ORDER BY id")}};
  Same(steps, 5);
}

// The order of NotificationResponse, CommandComplete and ReadyForQuery.
TEST_F(Exact, OwnNotifications) {
  const std::vector<Step> steps = {{Query("LISTEN c")},
                                   {Query("SELECT pg_notify('c', 'one')")},
                                   {Do("SELECT pg_notify('c', 'two')").Sync()},
                                   {Query("BEGIN; SELECT pg_notify('c', 'three')")},
                                   {Query("COMMIT")}};
  // They carry the server's process id.
  const auto tags = [&](int port) {
    std::string text;
    for (const std::string& answer : Answers(port, pair_.name(), "postgres", steps)) {
      text += answer[0];
    }
    return text;
  };
  StartProxy();
  EXPECT_EQ(tags(proxy_->port()), tags(PrimaryCluster().port()));
  EXPECT_EQ(Number("tokens.seen"), 3u);
}

class ExactRoles : public Exact {
 protected:
  ExactRoles() {
    for (PostgresCluster* cluster : {&PrimaryCluster(), &ShadowCluster()}) {
      LibpqClient client(cluster->Url("postgres"));
      client.Query("CREATE ROLE exact_inserter LOGIN");
    }
  }
};

TEST_F(ExactRoles, InsertOnlyAndRowSecurity) {
  pair_.Seed({"GRANT INSERT ON t TO exact_inserter",
              "CREATE TABLE guarded (id int, who text DEFAULT current_user)",
              "ALTER TABLE guarded ENABLE ROW LEVEL SECURITY",
              "CREATE POLICY p ON guarded USING (false) WITH CHECK (id < 10)",
              "GRANT INSERT, SELECT ON guarded TO exact_inserter"});
  look_at_shadow_ = false;
  Same({{Query("INSERT INTO t VALUES (10, 'a')")},
        {Do("INSERT INTO t VALUES (11, 'b')").Sync()},
        {Query("BEGIN; INSERT INTO t VALUES (12, 'c')")},
        {Query("COMMIT")},
        {Query("SELECT * FROM t")},
        {Query("INSERT INTO t VALUES (13, 'd') RETURNING v")},
        {Query("INSERT INTO guarded VALUES (1)")},
        {Do("INSERT INTO guarded VALUES (2)").Sync()},
        {Query("INSERT INTO guarded VALUES (11)")},
        {Query("SELECT count(*) FROM guarded")}},
       7, 5, "exact_inserter");
}

// A role that may not call one of the token's functions: it is found out before any statement of
// the client's.
TEST_F(ExactRoles, ARoleToWhichItIsRefused) {
  LibpqClient direct(pair_.PrimaryUrl());
  ASSERT_TRUE(
      direct.Query("REVOKE EXECUTE ON FUNCTION pg_current_wal_insert_lsn() FROM PUBLIC").ok);
  pair_.Seed({"GRANT ALL ON t TO exact_inserter"});
  Same({{Query("INSERT INTO t VALUES (10, 'a')")},
        {Do("INSERT INTO t VALUES (11, 'b')").Sync()},
        {Query("BEGIN; INSERT INTO t VALUES (12, 'c')")},
        {Query("COMMIT")}},
       0, 0, "exact_inserter");
  EXPECT_EQ(Number("tokens.refused_sessions"), 1u);
  EXPECT_EQ(Number("tokens.left_out.refused"), 3u);
  EXPECT_THAT(proxy_->Log(), HasSubstr("permission denied for function pg_current_wal_insert_lsn"));
}

// The snapshot and the transaction's own time come along.
TEST_F(Exact, StatusAndMetrics) {
  StartProxy();
  EXPECT_EQ(proxy_->StatusText("ordering"), "exact");
  EXPECT_THAT(proxy_->Log(), HasSubstr("the primary tells its WAL position"));
  LibpqClient client(proxy_->Url(pair_.name()));
  ASSERT_TRUE(client.Query("INSERT INTO t VALUES (10, 'a')").ok);
  ASSERT_TRUE(client.Query("CREATE TABLE u ()").ok);
  EXPECT_EQ(Number("tokens.seen"), 1u);
  EXPECT_EQ(Number("tokens.left_out.other-statement"), 1u);
}

// A client that is gone while its Query is under way.
TEST_F(Exact, AClientThatLeavesInTheMiddle) {
  StartProxy();
  {
    RawClient client(proxy_->port(), pair_.name());
    client.Send(Query("INSERT INTO t SELECT 10, pg_sleep(0.2)::text").Terminate());
  }
  EXPECT_TRUE(WaitForScalar(pair_.PrimaryUrl(), "SELECT count(*) FROM t WHERE id = 10", "1"));
  EXPECT_TRUE(WaitForScalar(pair_.PrimaryUrl(),
                            "SELECT count(*) FROM pg_stat_activity WHERE datname = '" +
                                pair_.name() +
                                "' AND pid <> pg_backend_pid() AND "
                                "application_name <> 'pgparity'",
                            "0"));
}

class ExactStandby : public ::testing::Test {
 protected:
  ExactStandby() { primary_.CreateDatabase("app"); }
  PostgresCluster primary_{{.name = "standby"}};
};

TEST_F(ExactStandby, IsRefusedAndNothingFails) {
  LibpqClient(primary_.Url("app")).Query("CREATE TABLE t (id int PRIMARY KEY)");
  primary_.StopFast();
  WriteFile(primary_.socket_directory() + "/data/standby.signal", "");
  primary_.Start();
  DatabasePair pair("standby");
  ProxyOptions options;
  options.primary_url = primary_.Url("app");
  options.shadow_url = pair.ShadowUrl();
  options.arguments = {"--ordering", "exact"};
  ProxyProcess proxy(options);
  ASSERT_TRUE(proxy.started()) << proxy.Log();
  EXPECT_EQ(proxy.StatusText("ordering"), "passive");
  EXPECT_THAT(proxy.StatusText("ordering_refused"), HasSubstr("recovery is in progress"));
  EXPECT_THAT(proxy.Log(), HasSubstr("as --ordering passive finds it"));
  LibpqClient client(proxy.Url("app"));
  EXPECT_EQ(client.Query("SELECT count(*) FROM t").Scalar(), "0");
  EXPECT_EQ(client.Query("INSERT INTO t VALUES (1)").sqlstate, "25006");
  // It becomes a primary.
  ASSERT_TRUE(LibpqClient(primary_.Url("app")).Query("SELECT pg_promote()").ok);
  ASSERT_TRUE(client.Query("INSERT INTO t VALUES (1)").ok);
}

}  // namespace
}  // namespace pgparity::support
