// Each part of the protocol through the proxy: a client sees what it sees without it, and what
// cannot be shadowed is counted as a gap.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <libpq-fe.h>
#include <libpq/libpq-fs.h>
#include <poll.h>

#include "tests/integration/environment.h"
#include "tests/support/libpq_client.h"
#include "tests/support/raw_client.h"

namespace pgparity::support {
namespace {

using ::testing::AnyOf;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Key;

constexpr char busy_sql[] =
    "SELECT count(*) FROM pg_stat_activity WHERE pid = %d AND state = 'active' AND wait_event = "
    "'PgSleep'";

bool WaitUntilItSleeps(int pid) {
  char sql[200];
  std::snprintf(sql, sizeof(sql), busy_sql, pid);
  return WaitForScalar(PrimaryCluster().Url("postgres"), sql, "1");
}

TEST(Protocol, CancelReachesItsBackendAndNoOther) {
  DatabasePair pair("cancel_threads");
  ProxyProcess proxy(ProxyFor(pair, {"--threads", "4"}));
  ASSERT_TRUE(proxy.started());
  std::vector<LibpqClient> clients;
  for (int i = 0; i < 9; ++i) clients.emplace_back(proxy.Url(pair.name()));
  for (LibpqClient& client : clients) {
    ASSERT_EQ(PQsendQuery(client.get(), "SELECT pg_sleep(600)"), 1) << client.error();
    ASSERT_TRUE(WaitUntilItSleeps(client.backend_pid()));
  }
  // Each CancelRequest is a connection of its own: nine of them go around four threads.
  for (size_t i = 0; i < clients.size(); ++i) {
    PGcancel* cancel = PQgetCancel(clients[i].get());
    char error[256] = "";
    EXPECT_EQ(PQcancel(cancel, error, sizeof(error)), 1) << error;
    PQfreeCancel(cancel);
    EXPECT_EQ(TakeResult(clients[i].get(), PQgetResult(clients[i].get())).sqlstate, "57014");
    for (size_t other = i + 1; other < clients.size(); ++other) {
      EXPECT_TRUE(WaitUntilItSleeps(clients[other].backend_pid())) << other << " after " << i;
    }
  }
}

TEST(Protocol, AnIdleClientIsNotified) {
  DatabasePair pair("notify");
  ProxyProcess proxy(ProxyFor(pair, {"--threads", "2"}));
  ASSERT_TRUE(proxy.started());
  LibpqClient listener(proxy.Url(pair.name())), sender(proxy.Url(pair.name()));
  ASSERT_TRUE(listener.Query("LISTEN \"a channel\"").ok);
  ASSERT_TRUE(sender.Query("SELECT pg_notify('a channel', 'a payload')").ok);
  pollfd waiting{PQsocket(listener.get()), POLLIN, 0};
  ASSERT_EQ(poll(&waiting, 1, 60000), 1) << "nothing came";
  PQconsumeInput(listener.get());
  PGnotify* notification = PQnotifies(listener.get());
  ASSERT_NE(notification, nullptr);
  EXPECT_STREQ(notification->relname, "a channel");
  EXPECT_STREQ(notification->extra, "a payload");
  EXPECT_EQ(notification->be_pid, sender.backend_pid());
  PQfreemem(notification);
}

std::string CopyOut(LibpqClient* client, const std::string& sql) {
  std::string data;
  PQclear(PQexec(client->get(), sql.c_str()));
  char* row = nullptr;
  for (int length = 0; (length = PQgetCopyData(client->get(), &row, 0)) > 0; PQfreemem(row)) {
    data.append(row, static_cast<size_t>(length));
  }
  while (PGresult* result = PQgetResult(client->get())) PQclear(result);
  return data;
}

TEST(Protocol, CopyBothWaysInEveryFormat) {
  DatabasePair pair("copy_formats");
  pair.Seed({"CREATE TABLE source (id int PRIMARY KEY, t text, n numeric, b bytea)",
             "INSERT INTO source SELECT i, CASE i % 3 WHEN 0 THEN NULL WHEN 1 THEN E'tab\\t, "
             "\"quote\" and\\nline ' || i ELSE '\\.' END, i / 7.0, decode(md5(i::text), 'hex') "
             "FROM generate_series(1, 2000) AS i",
             "CREATE TABLE text_copy (LIKE source)", "CREATE TABLE csv_copy (LIKE source)",
             "CREATE TABLE binary_copy (LIKE source)"});
  ProxyProcess proxy(ProxyFor(pair));
  ASSERT_TRUE(proxy.started());
  LibpqClient client(proxy.Url(pair.name())), direct(pair.PrimaryUrl());
  for (const std::string format : {"text", "csv", "binary"}) {
    SCOPED_TRACE(format);
    const std::string out =
        "COPY (SELECT * FROM source ORDER BY id) TO STDOUT (FORMAT " + format + ")";
    const std::string data = CopyOut(&client, out);
    EXPECT_GT(data.size(), 50000U);
    EXPECT_EQ(data, CopyOut(&direct, out));
    const QueryResult in =
        client.CopyIn("COPY " + format + "_copy FROM STDIN (FORMAT " + format + ")", data);
    EXPECT_TRUE(in.ok) << in.message;
    EXPECT_EQ(in.tag, "COPY 2000");
    EXPECT_EQ(client.CopyIn("COPY text_copy FROM STDIN", "1\tx\tnot a number\t\n").sqlstate,
              "22P02");
  }
  ASSERT_TRUE(proxy.Drain());
  ExpectEqualTables(pair);
  const ReportJson report = proxy.Report();
  EXPECT_THAT(report.divergences, IsEmpty()) << report.Summary();
  EXPECT_THAT(report.gaps, IsEmpty()) << report.Summary();
}

// libpq calls the server's functions by FunctionCall messages for these.
TEST(Protocol, LargeObjectsWorkAndAreAGap) {
  DatabasePair pair("large_objects");
  ProxyProcess proxy(ProxyFor(pair));
  ASSERT_TRUE(proxy.started());
  LibpqClient client(proxy.Url(pair.name()));
  std::string data(300'000, '\0');
  for (size_t i = 0; i < data.size(); ++i) data[i] = static_cast<char>(i * 7);
  ASSERT_TRUE(client.Query("BEGIN").ok);
  const Oid object = lo_creat(client.get(), INV_READ | INV_WRITE);
  ASSERT_NE(object, InvalidOid) << client.error();
  const int fd = lo_open(client.get(), object, INV_READ | INV_WRITE);
  ASSERT_GE(fd, 0) << client.error();
  EXPECT_EQ(lo_write(client.get(), fd, data.data(), data.size()), static_cast<int>(data.size()));
  EXPECT_EQ(lo_lseek64(client.get(), fd, 1000, SEEK_SET), 1000);
  std::string back(1000, '\0');
  EXPECT_EQ(lo_read(client.get(), fd, back.data(), back.size()), 1000);
  EXPECT_EQ(back, data.substr(1000, 1000));
  EXPECT_EQ(lo_close(client.get(), fd), 0);
  ASSERT_TRUE(client.Query("COMMIT").ok);
  EXPECT_EQ(client.Query("SELECT length(lo_get(" + std::to_string(object) + "))").Scalar(),
            std::to_string(data.size()));
  EXPECT_EQ(lo_open(client.get(), 1, INV_READ), -1);
  EXPECT_THAT(client.error(), HasSubstr("large object 1 does not exist"));
  ASSERT_TRUE(client.Query("SELECT lo_from_bytea(0, 'x')").ok);
  ASSERT_TRUE(proxy.Drain());
  const ReportJson report = proxy.Report();
  EXPECT_THAT(report.gaps, Contains(Key("large-object"))) << report.Summary();
  EXPECT_THAT(report.divergences, IsEmpty()) << report.Summary();
  EXPECT_EQ(report.verdict, "INCONCLUSIVE");
  EXPECT_EQ(proxy.StatusNumber("tracker_desynchronised"), 0.0);
}

// Messages sent at once, and the tag up to which the answers are then read.
struct Step {
  MessageBuilder messages;
  char until = 'Z';
};

std::vector<std::string> Answers(int port, const std::string& database,
                                 const std::vector<Step>& steps) {
  RawClient client(port, database);
  std::vector<std::string> answers;
  for (const Step& step : steps) {
    client.Send(step.messages);
    const auto messages = client.ReadUntil(step.until);
    if (messages.empty() || messages.back().tag != step.until) {
      answers.push_back("nothing more at step " + std::to_string(&step - steps.data()));
      break;
    }
    for (const ServerMessage& message : messages) answers.push_back(message.tag + message.body);
  }
  return answers;
}

std::vector<Step> PortalSteps() {
  return {{MessageBuilder()
               .Parse("numbers", "SELECT i FROM generate_series(1, 10) AS i")
               .Bind("a", "numbers")
               .DescribePortal("a")
               .Execute("a", 3)
               .Flush(),
           's'},
          {MessageBuilder().Bind("b", "numbers").Execute("b", 2).Flush(), 's'},
          {MessageBuilder().Execute("a", 3).Flush(), 's'},
          {MessageBuilder().Execute("b").Execute("a").Execute("a").ClosePortal("b").Sync()},
          {MessageBuilder().Execute("a", 1).Sync()},  // it ended with its transaction
          {MessageBuilder().Query("BEGIN")},
          {MessageBuilder().Bind("c", "numbers").Execute("c", 4).Sync()},
          {MessageBuilder().Query("SELECT 'between' AS v, count(*) FROM t")},
          {MessageBuilder().Execute("c", 4).Sync()},
          {MessageBuilder().Bind("w", "numbers").Sync().CloseStatement("numbers").Sync(), 'Z'},
          {MessageBuilder(), 'Z'},
          {MessageBuilder().Execute("c", 100).Execute("w", 1).Sync()},
          {MessageBuilder().Query("COMMIT")},
          {MessageBuilder()
               .Query("BEGIN")
               .Query("DECLARE kept CURSOR WITH HOLD FOR SELECT id FROM t ORDER BY id")
               .Query("FETCH 2 FROM kept")
               .Query("COMMIT"),
           'Z'},
          {MessageBuilder(), 'Z'},
          {MessageBuilder(), 'Z'},
          {MessageBuilder(), 'Z'},
          {MessageBuilder().Query("FETCH 2 FROM kept; MOVE 1 FROM kept; FETCH ALL FROM kept")},
          {MessageBuilder().Query("CLOSE kept")}};
}

std::vector<Step> OtherSteps() {
  return {
      {MessageBuilder().FunctionCall(177, {"40", "2"})},  // int4pl
      {MessageBuilder().FunctionCall(177, {"40", "not a number"})},
      {MessageBuilder().FunctionCall(999999, {})},
      {MessageBuilder().Query("DO $$ BEGIN RAISE NOTICE 'one'; RAISE WARNING 'two'; END $$; "
                              "SELECT 1 AS one; DO $$ BEGIN RAISE NOTICE 'three'; END $$")},
      {MessageBuilder().Query("SET TimeZone = 'Asia/Tokyo'; SET DateStyle = 'German'; SET "
                              "application_name = 'other'; SET client_encoding = 'LATIN1'")},
      {MessageBuilder().Query("SELECT at FROM t WHERE id = 1")},
      {MessageBuilder().Query("SET SESSION AUTHORIZATION plain_user; SELECT current_user")},
      {MessageBuilder().Query("RESET SESSION AUTHORIZATION; RESET ALL")},
      {MessageBuilder().Query("DISCARD ALL")},
      {MessageBuilder().Query("BEGIN; SET LOCAL TimeZone = 'PST8PDT'; SELECT 1/0")},
      {MessageBuilder().Query("ROLLBACK")},
      {MessageBuilder().Query("")},
      {MessageBuilder().Query("SELECT 1; SELECT 2; SELECT 1/0; SELECT 3")},
      {MessageBuilder().DescribeStatement("missing").Execute("missing").Sync()},
      {MessageBuilder().Parse("", "SELECT $1::int, $2").DescribeStatement("").Sync()},
      {MessageBuilder().Bind("", "", {"1", std::nullopt}).DescribePortal("").Execute("").Sync()},
      {MessageBuilder().Parse("", "COPY t TO STDOUT").Bind("", "").Execute("").Sync()},
      {MessageBuilder().Parse("", "COPY t FROM STDIN").Bind("", "").Execute("").Flush(), 'G'},
      {MessageBuilder().CopyData("100\tcopied\t2020-01-01\n").CopyDone().Sync()},
      {MessageBuilder().Query("COPY t FROM STDIN"), 'G'},
      {MessageBuilder().CopyData("bad\n").CopyFail("given up")},
      {MessageBuilder().Sync()},
      {MessageBuilder().Query("SELECT count(*) FROM t")}};
}

struct Conversation {
  std::string name;
  std::vector<Step> steps;
  std::vector<std::string> serve_arguments = {};
};

void PrintTo(const Conversation& conversation, std::ostream* out) { *out << conversation.name; }

class SameAnswers : public ::testing::TestWithParam<Conversation> {};

TEST_P(SameAnswers, AsWithoutTheProxy) {
  const std::vector<std::string> rows = {
      "DELETE FROM t",
      "INSERT INTO t SELECT i, 'v' || i, '2024-01-01 00:00:00+00' FROM generate_series(1, 9) AS i"};
  DatabasePair pair("same");
  pair.Seed({"CREATE TABLE t (id int PRIMARY KEY, v text, at timestamptz)"});
  pair.Seed(rows);
  const auto expected = Answers(PrimaryCluster().port(), pair.name(), GetParam().steps);
  EXPECT_GT(expected.size(), 30U);
  // In the same database, since a RowDescription names its table by its OID.
  pair.Seed(rows);
  ProxyProcess proxy(ProxyFor(pair, GetParam().serve_arguments));
  ASSERT_TRUE(proxy.started());
  const auto answers = Answers(proxy.port(), pair.name(), GetParam().steps);
  for (size_t i = 0; i < std::min(answers.size(), expected.size()); ++i) {
    EXPECT_EQ(expected[i], answers[i]) << "message " << i;
  }
  EXPECT_EQ(expected.size(), answers.size());
  EXPECT_EQ(expected.back()[0], 'Z') << expected.back();
  ASSERT_TRUE(proxy.Drain());
  EXPECT_EQ(proxy.StatusNumber("tracker_desynchronised"), 0.0);
  ExpectEqualTables(pair);
  const ReportJson report = proxy.Report();
  EXPECT_THAT(report.divergences, IsEmpty()) << report.Summary();
}

INSTANTIATE_TEST_SUITE_P(
    Protocol, SameAnswers,
    ::testing::Values(Conversation{"Portals", PortalSteps()}, Conversation{"Others", OtherSteps()},
                      Conversation{"PortalsExact", PortalSteps(), {"--ordering", "exact"}},
                      Conversation{"OthersExact", OtherSteps(), {"--ordering", "exact"}}),
    [](const auto& test) { return test.param.name; });

class Replication : public ::testing::Test {
 protected:
  Replication() { primary_.CreateDatabase("app"); }

  PostgresCluster primary_{{.name = "replicated", .settings = {{"wal_level", "logical"}}}};
};

TEST_F(Replication, PassesAndIsAGap) {
  PostgresCluster& primary = primary_;
  ShadowCluster().DropDatabase("app");
  ShadowCluster().CreateDatabase("app");
  ProxyOptions options;
  options.primary_url = primary.Url("app");
  options.shadow_url = ShadowCluster().Url("app");
  ProxyProcess proxy(options);
  ASSERT_TRUE(proxy.started());
  const std::string url = proxy.Url("app");
  LibpqClient client(url);
  ASSERT_TRUE(client.Query("CREATE TABLE t (id int PRIMARY KEY)").ok);

  const RunResult identity =
      RunProgram("psql", {"-X", "-At", "-c", "IDENTIFY_SYSTEM", url + "?replication=true"});
  EXPECT_EQ(identity.exit, 0) << identity.err;
  const std::string system =
      client.Query("SELECT system_identifier FROM pg_control_system()").Scalar();
  EXPECT_THAT(identity.out, HasSubstr(system));

  const TempDir dir;
  const RunResult backup = RunProgram("pg_basebackup", {"-d", url, "-D", dir.Path("backup"), "-X",
                                                        "stream", "-c", "fast", "--no-sync"});
  EXPECT_EQ(backup.exit, 0) << backup.err;
  const RunResult verified = RunProgram("pg_verifybackup", {dir.Path("backup")});
  EXPECT_EQ(verified.exit, 0) << verified.err;

  const RunResult slot = RunProgram(
      "pg_recvlogical", {"-d", url, "-S", "ours", "--create-slot", "-P", "test_decoding"});
  EXPECT_EQ(slot.exit, 0) << slot.err;
  ASSERT_TRUE(client.Query("INSERT INTO t SELECT generate_series(1, 5000)").ok);
  const std::string end = client.Query("SELECT pg_current_wal_insert_lsn()").Scalar();
  const RunResult changes = RunProgram(
      "pg_recvlogical", {"-d", url, "-S", "ours", "--start", "--endpos", end, "-f", "-"});
  EXPECT_EQ(changes.exit, 0) << changes.err;
  EXPECT_THAT(changes.out, HasSubstr("INSERT: id[integer]:5000\n"));

  ASSERT_TRUE(proxy.Drain());
  EXPECT_EQ(TableDigests(primary.Url("app")), TableDigests(ShadowCluster().Url("app")));
  const ReportJson report = proxy.Report();
  EXPECT_THAT(report.gaps, Contains(Key("replication"))) << report.Summary();
  EXPECT_THAT(report.divergences, IsEmpty()) << report.Summary();
  EXPECT_EQ(proxy.StatusNumber("tracker_desynchronised"), 0.0);
  EXPECT_EQ(proxy.Stop(), 0);
  ShadowCluster().DropDatabase("app");
}

TEST(Protocol, PingsAndProbesAreNoEvidence) {
  DatabasePair pair("pings");
  ProxyProcess proxy(ProxyFor(pair));
  ASSERT_TRUE(proxy.started());
  for (int i = 0; i < 20; ++i) {
    RawClient probe(proxy.port());  // connects and leaves, as a load balancer does
    EXPECT_FALSE(probe.closed());
  }
  for (int i = 0; i < 3; ++i) {
    LibpqClient client(proxy.Url(pair.name()));
    for (const std::string sql :
         {"SELECT 1", "select 1;", "", ";", "-- ping", "SELECT 'x' AS up"}) {
      EXPECT_TRUE(client.Query(sql).ok) << sql;
    }
    EXPECT_EQ(client.Query("SELECT 1", std::vector<Cell>{}).Scalar(), "1");
  }
  ASSERT_TRUE(proxy.Drain());
  const ReportJson report = proxy.Report();
  EXPECT_EQ(report.statements.at("compared"), 0U) << report.Summary();
  EXPECT_EQ(report.statements.at("not_compared"), 0U) << report.Summary();
  EXPECT_THAT(report.gaps, IsEmpty()) << report.Summary();
  EXPECT_THAT(proxy.Log(), Not(HasSubstr("warning")));
  // What does ask for data is evidence.
  ASSERT_TRUE(LibpqClient(proxy.Url(pair.name())).Query("SELECT 1 + 1").ok);
  ASSERT_TRUE(proxy.Drain());
  EXPECT_EQ(proxy.Report().statements.at("match"), 1U);
}

}  // namespace
}  // namespace pgparity::support
