// Connections that end, break, say nonsense or are slow to read: each concerns its own session.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <libpq-fe.h>
#include <sys/socket.h>

#include <random>
#include <sstream>
#include <thread>

#include "tests/integration/environment.h"
#include "tests/support/libpq_client.h"
#include "tests/support/raw_client.h"

namespace pgparity::support {
namespace {

using ::testing::AnyOf;
using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const std::vector<std::string> one_table = {"CREATE TABLE t (id int PRIMARY KEY, v text)"};

// Established connections as ss lists them, once nothing that they sent waits to be acknowledged:
// one that does shows another timer.
std::string SettledSockets(const std::string& filter) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::minutes(1);
  while (std::chrono::steady_clock::now() < deadline) {
    const RunResult sockets = RunCommand({"ss", "-Htno", "state", "established", filter});
    if (sockets.out.find("timer:(on") == std::string::npos) return sockets.out;
  }
  return "";
}

TEST(Sockets, KeepAliveIsOnTowardsBothSides) {
  DatabasePair pair("keepalive");
  ProxyProcess proxy(ProxyFor(pair));
  ASSERT_TRUE(proxy.started());
  LibpqClient idle(proxy.Url(pair.name()));
  ASSERT_TRUE(idle.Query("SELECT 1").ok);
  for (const std::string& filter : {"sport = :" + std::to_string(proxy.port()),
                                    "dport = :" + std::to_string(PrimaryCluster().port())}) {
    std::istringstream lines(SettledSockets(filter));
    int count = 0;
    for (std::string line; std::getline(lines, line); ++count) {
      EXPECT_THAT(line, HasSubstr("timer:(keepalive")) << filter;
    }
    EXPECT_GE(count, 1) << filter;
  }
}

// What a client receives that sends this behind its login, then closes its sending side.
std::string AnswerToHalfClosed(int port, const std::string& database,
                               const MessageBuilder& messages) {
  RawClient client(port, database);
  client.Send(messages);
  shutdown(client.fd(), SHUT_WR);
  std::string received;
  for (std::string piece = client.ReadBytes(1 << 16); !piece.empty();
       piece = client.ReadBytes(1 << 16)) {
    received += piece;
  }
  EXPECT_TRUE(client.closed());
  return received;
}

TEST(Sockets, AHalfClosedClientGetsItsWholeAnswer) {
  DatabasePair pair("half_closed");
  pair.Seed(one_table);
  ProxyProcess proxy(ProxyFor(pair));
  ASSERT_TRUE(proxy.started());
  for (const MessageBuilder& messages :
       {MessageBuilder().Query("SELECT repeat('x', 1000) FROM generate_series(1, 20000)"),
        MessageBuilder().Parse("", "SELECT 1 FROM t").Bind("", "").Execute("").Sync(),
        MessageBuilder().Query("SELECT count(*) FROM t").Terminate(),
        MessageBuilder().Query("COPY t FROM STDIN").CopyData("1\tlost\n")}) {
    const std::string direct = AnswerToHalfClosed(PrimaryCluster().port(), pair.name(), messages);
    EXPECT_GT(direct.size(), 10U);
    EXPECT_EQ(direct, AnswerToHalfClosed(proxy.port(), pair.name(), messages));
  }
  ASSERT_TRUE(proxy.Drain());
  EXPECT_THAT(proxy.Report().divergences, IsEmpty());
  ExpectEqualTables(pair);
}

std::string RandomBytes(std::mt19937* random, size_t size) {
  std::string bytes(size, '\0');
  for (char& byte : bytes) byte = static_cast<char>((*random)());
  return bytes;
}

// Nonsense of one client; `seed` decides its kind.
void SpeakNonsense(int port, const std::string& database, uint32_t seed) {
  std::mt19937 random(seed);
  const std::string garbage = RandomBytes(&random, 1 + random() % 3000);
  switch (seed % 5) {
    case 0:
      RawClient(port).Send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
      return;
    case 1:
      RawClient(port).Send(garbage);
      return;
    case 2:
      RawClient(port).Send(StartupPacket("postgres", database) + garbage);
      return;
    case 3: {
      RawClient client(port, database);
      client.Send(garbage);
      shutdown(client.fd(), SHUT_WR);  // it may announce a message that never comes
      client.ReadUntil('\0');          // to the end of the connection
      return;
    }
    default: {
      RawClient client(port, database);
      std::string messages = MessageBuilder()
                                 .Parse("", "SELECT 1")
                                 .Bind("", "")
                                 .Execute("")
                                 .Query("SELECT 2")
                                 .CopyDone()
                                 .Sync()
                                 .bytes();
      messages[random() % messages.size()] ^= static_cast<char>(1 + random() % 255);
      client.Send(messages);
      shutdown(client.fd(), SHUT_WR);
      client.ReadUntil('\0');
      return;
    }
  }
}

TEST(Sockets, NonsenseEndsTheSessionThatSpeaksIt) {
  DatabasePair pair("nonsense");
  pair.Seed(one_table);
  ProxyProcess proxy(ProxyFor(pair, {"--threads", "2", "--login-timeout", "5s"}));
  ASSERT_TRUE(proxy.started());
  const uint32_t seed = std::random_device()();
  std::printf("seed %u\n", seed);
  std::thread nonsense([&] {
    for (uint32_t i = 0; i < 60; ++i) SpeakNonsense(proxy.port(), pair.name(), seed + i);
  });
  LibpqClient client(proxy.Url(pair.name()));
  for (int i = 0; i < 500; ++i) {
    EXPECT_TRUE(client.Query("INSERT INTO t VALUES ($1, 'v')", {std::to_string(i)}).ok)
        << client.error();
  }
  nonsense.join();
  EXPECT_EQ(client.Query("SELECT count(*) FROM t").Scalar(), "500");
  EXPECT_TRUE(proxy.Running()) << proxy.Log();
  ASSERT_TRUE(proxy.Drain());
  ExpectEqualTables(pair);
  const ReportJson report = proxy.Report();
  EXPECT_THAT(report.divergences, IsEmpty()) << report.Summary();
  EXPECT_GE(report.statements.at("match"), 501U) << report.Summary();
}

// Sends everything before it reads anything; the answers up to the last ReadyForQuery.
std::vector<std::string> AnswersToAll(int port, const std::string& database,
                                      const MessageBuilder& messages, int ready) {
  RawClient client(port, database);
  client.Send(messages);
  std::vector<std::string> answers;
  while (ready > 0) {
    const auto message = client.Read();
    if (!message.has_value()) return {"ended after " + std::to_string(answers.size())};
    if (message->tag == 'Z') --ready;
    answers.push_back(message->tag + message->body);
  }
  return answers;
}

TEST(Sockets, TwentyThousandMessagesBeforeTheFirstIsRead) {
  DatabasePair direct("deep"), through("deep");
  direct.Seed(one_table);
  through.Seed(one_table);
  ProxyProcess proxy(ProxyFor(through));
  ASSERT_TRUE(proxy.started());
  MessageBuilder one_sync, many_syncs;
  one_sync.Parse("w", "INSERT INTO t VALUES ($1, 'one Sync')");
  for (int i = 0; i < 10000; ++i) one_sync.Bind("", "w", {std::to_string(i)}).Execute("");
  one_sync.Sync();
  many_syncs.Parse("r", "SELECT count(*) FROM t WHERE id = $1").Sync();
  for (int i = 0; i < 7000; ++i) many_syncs.Bind("", "r", {std::to_string(i)}).Execute("").Sync();
  for (const auto& [messages, ready] : {std::pair(one_sync, 1), std::pair(many_syncs, 7001)}) {
    const auto expected = AnswersToAll(PrimaryCluster().port(), direct.name(), messages, ready);
    EXPECT_GT(expected.size(), 20000U);
    EXPECT_EQ(expected, AnswersToAll(proxy.port(), through.name(), messages, ready));
  }
  ASSERT_TRUE(proxy.Drain());
  ExpectEqualTables(through);
  EXPECT_EQ(proxy.StatusNumber("tracker_desynchronised"), 0.0);
  const ReportJson report = proxy.Report();
  EXPECT_THAT(report.divergences, IsEmpty()) << report.Summary();
  EXPECT_THAT(report.gaps, IsEmpty()) << report.Summary();
  EXPECT_EQ(report.statements.at("match"), 17000U) << report.Summary();
}

class Restart : public ::testing::Test {
 protected:
  Restart() {
    primary_.CreateDatabase("app");
    ShadowCluster().DropDatabase("app");
    ShadowCluster().CreateDatabase("app");
    options_.primary_url = primary_.Url("app");
    options_.shadow_url = ShadowCluster().Url("app");
    for (const std::string& url : {options_.primary_url, options_.shadow_url}) {
      EXPECT_TRUE(LibpqClient(url).Script(one_table).ok);
    }
  }
  ~Restart() override { ShadowCluster().DropDatabase("app"); }

  PostgresCluster primary_{{.name = "restarted"}};
  ProxyOptions options_;
};

// Inserts until an insert fails; the SQLSTATEs of the failure, "" where only the connection ended.
std::string InsertUntilItFails(const std::string& url, int first) {
  LibpqClient client(url);
  for (int i = first;; ++i) {
    const QueryResult result = client.Query("INSERT INTO t VALUES ($1, 'v')", {std::to_string(i)});
    if (!result.ok) return result.sqlstate;
  }
}

TEST_F(Restart, OfThePrimaryUnderLoad) {
  ProxyProcess proxy(options_);
  ASSERT_TRUE(proxy.started());
  const std::string url = proxy.Url("app");
  LibpqClient sleeper(url);
  ASSERT_EQ(PQsendQuery(sleeper.get(), "SELECT pg_sleep(600)"), 1);
  std::vector<std::string> failures(4);
  std::vector<std::thread> load;
  for (size_t i = 0; i < failures.size(); ++i) {
    load.emplace_back(
        [&, i] { failures[i] = InsertUntilItFails(url, static_cast<int>(i) * 1'000'000); });
  }
  EXPECT_TRUE(WaitForScalar(primary_.Url("app"), "SELECT count(*) > 200 FROM t", "t"));
  primary_.StopFast();
  for (std::thread& thread : load) thread.join();
  // The server's last words reach a client that waits for an answer. One that sends at that very
  // moment may find the connection reset instead, with and without a proxy.
  EXPECT_EQ(TakeResult(sleeper.get(), PQgetResult(sleeper.get())).sqlstate, "57P01");
  EXPECT_THAT(failures, Each(AnyOf("57P01", "")));
  while (PGresult* result = PQgetResult(sleeper.get())) PQclear(result);
  EXPECT_FALSE(sleeper.Query("SELECT 1").ok);
  LibpqClient refused(url);
  EXPECT_FALSE(refused.ok());
  EXPECT_THAT(refused.error(), HasSubstr("could not connect to the primary"));
  EXPECT_EQ(proxy.HttpStatus("/readyz"), 503);

  primary_.Start();
  LibpqClient again(url);
  ASSERT_TRUE(again.ok()) << again.error();
  EXPECT_TRUE(again.Query("INSERT INTO t VALUES (-1, 'after')").ok);
  EXPECT_EQ(proxy.HttpStatus("/readyz"), 200);
  ASSERT_TRUE(proxy.Drain());
  const ReportJson report = proxy.Report();
  EXPECT_THAT(report.divergences, IsEmpty()) << report.Summary();
  // An insert that was on its way has no answer: in doubt, and said to be.
  for (const auto& [reason, count] : report.gaps) EXPECT_EQ(reason, "in-doubt") << count;
  if (report.gaps.empty()) {
    EXPECT_EQ(TableDigests(primary_.Url("app")), TableDigests(ShadowCluster().Url("app")));
  }
}

}  // namespace
}  // namespace pgparity::support
