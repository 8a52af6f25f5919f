// The session tracker against a real server: whatever a client sends, the transaction status that
// the tracker works out equals the status byte of every ReadyForQuery, and no reply is lost, given
// twice or made up.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <random>

#include "protocol/frame.h"
#include "protocol/session_tracker.h"
#include "tests/integration/environment.h"
#include "tests/support/libpq_client.h"
#include "tests/support/raw_client.h"
#include "tests/support/wire_recorder.h"

namespace pgparity::support {
namespace {

using protocol::Frame;
using protocol::FrameReader;
using protocol::Reply;
using protocol::SessionTracker;
using protocol::StatementEvent;
using protocol::TransactionStatus;

class Events : public protocol::TrackerEvents {
 public:
  void OnCommitSent(protocol::Stamp) override {}
  void OnBusy(protocol::Stamp) override {}
  void OnCopyInData(const std::shared_ptr<const std::string>&, std::string_view data) override {
    copy_in_bytes += data.size();
  }
  void OnStatement(StatementEvent event) override {
    ASSERT_NE(event.sql, nullptr);
    ++ends[event.reply.end];
    (event.reply.copy_out ? copy_out_rows : rows) += event.reply.row_count;
    texts.push_back(*event.sql);
  }
  void OnReady(TransactionStatus predicted, TransactionStatus actual, protocol::Stamp,
               bool) override {
    ++ready;
    if (predicted != actual) {
      ADD_FAILURE() << "at ReadyForQuery " << ready << ": predicted "
                    << static_cast<char>(predicted) << ", actual " << static_cast<char>(actual)
                    << ", after: " << (texts.empty() ? "" : texts.back());
    }
  }
  void OnParameterStatus(std::string_view, std::string_view) override {}
  void OnLost(const absl::Status& why) override { lost = std::string(why.message()); }

  std::map<Reply::End, uint64_t> ends;
  uint64_t ready = 0, rows = 0, copy_out_rows = 0, copy_in_bytes = 0;
  std::string lost;
  std::vector<std::string> texts;
};

// How a recording is cut before it is fed: not at all, byte by byte, or at random.
enum class Cut { as_recorded, bytes, random };

void Feed(FrameReader* reader, std::string_view bytes, protocol::Stamp stamp,
          const std::function<void(const Frame&)>& to) {
  // An exact-size copy: the sanitizer sees a read past its end.
  const std::unique_ptr<char[]> copy(new char[bytes.size()]);
  std::memcpy(copy.get(), bytes.data(), bytes.size());
  reader->Push({copy.get(), bytes.size()}, stamp);
  for (;;) {
    auto frame = reader->Next();
    ASSERT_TRUE(frame.ok()) << frame.status();
    if (!frame->has_value()) return;
    to(**frame);
  }
}

constexpr size_t small_recording = 1 << 20;

size_t Size(const Recording& recording) {
  size_t size = 0;
  for (const Piece& piece : recording) size += piece.bytes.size();
  return size;
}

Events Track(const Recording& recording, Cut cut, uint32_t seed) {
  Events events;
  SessionTracker tracker(&events);
  FrameReader client(1 << 20), server(1 << 20);
  std::mt19937 random(seed);
  protocol::Stamp stamp = 0;
  const size_t piece_limit = Size(recording) > small_recording ? 4000 : 40;
  for (const Piece& piece : recording) {
    std::string_view rest = piece.bytes;
    while (!rest.empty()) {
      size_t size = rest.size();
      if (cut == Cut::bytes) size = 1;
      if (cut == Cut::random) size = std::min<size_t>(size, 1 + random() % piece_limit);
      if (piece.from == Direction::client) {
        Feed(&client, rest.substr(0, size), ++stamp,
             [&](const Frame& frame) { tracker.OnClientFrame(frame); });
      } else {
        Feed(&server, rest.substr(0, size), ++stamp,
             [&](const Frame& frame) { tracker.OnServerFrame(frame); });
      }
      rest.remove_prefix(size);
    }
  }
  return events;
}

std::map<char, uint64_t> Tags(const Recording& recording, Direction from) {
  std::map<char, uint64_t> tags;
  for (const WireMessage& message : Messages(recording, from)) ++tags[message.tag];
  return tags;
}

void ExpectTrackedFaithfully(const Recording& whole, uint32_t seed) {
  const Recording recording = AfterLogin(whole);
  auto server = Tags(recording, Direction::server);
  ASSERT_GT(server['Z'], 0U);
  for (const Cut cut : {Cut::as_recorded, Cut::bytes, Cut::random}) {
    if (cut == Cut::bytes && Size(recording) > small_recording) continue;  // it takes too long
    Events events = Track(recording, cut, seed);
    SCOPED_TRACE("cut " + std::to_string(static_cast<int>(cut)));
    EXPECT_EQ(events.lost, "");
    EXPECT_EQ(events.ready, server['Z']);
    EXPECT_EQ(events.ends[Reply::End::command_complete], server['C']);
    EXPECT_EQ(events.ends[Reply::End::empty_query], server['I']);
    EXPECT_EQ(events.ends[Reply::End::portal_suspended], server['s']);
    EXPECT_EQ(events.ends[Reply::End::function_result], server['V']);
    // Errors of Parse and Bind need no statement of their own.
    EXPECT_LE(events.ends[Reply::End::error], server['E']);
    EXPECT_EQ(events.rows, server['D']);
    EXPECT_EQ(events.copy_out_rows, server['d']);
  }
}

// One thing a client does, sent in one write, and how many ReadyForQuery it brings.
struct Exchange {
  MessageBuilder messages;
  int ready = 1;
};

Exchange Simple(std::string_view sql) { return {MessageBuilder().Query(sql), 1}; }

Exchange Extended(std::string_view sql,
                  const std::vector<std::optional<std::string>>& values = {}) {
  return {
      MessageBuilder().Parse("", sql).Bind("", "", values).DescribePortal("").Execute("").Sync(),
      1};
}

void RunExchanges(RawClient* client, const std::vector<Exchange>& exchanges) {
  std::string bytes;
  int ready = 0;
  for (const Exchange& exchange : exchanges) {
    bytes += exchange.messages.bytes();
    ready += exchange.ready;
  }
  client->Send(bytes);
  for (int i = 0; i < ready; ++i) {
    const auto messages = client->ReadUntil('Z');
    ASSERT_FALSE(messages.empty() || messages.back().tag != 'Z') << "the server does not answer";
  }
}

const std::vector<std::string> setup = {
    "CREATE TABLE log (id int, v text)",
    "CREATE TABLE keyed (id int PRIMARY KEY, parent int REFERENCES keyed DEFERRABLE INITIALLY "
    "DEFERRED, v text)",
    "INSERT INTO log SELECT i, 'row ' || i FROM generate_series(1, 20) AS i",
    "CREATE PROCEDURE commits() LANGUAGE plpgsql AS 'BEGIN INSERT INTO log VALUES (0, NULL); "
    "COMMIT; INSERT INTO log VALUES (1, NULL); ROLLBACK; END'",
};

std::vector<Exchange> Corpus() {
  std::vector<Exchange> corpus;
  for (const std::string_view sql :
       {"SELECT 1",
        "",
        ";",
        " -- only a comment",
        "SELECT 1; SELECT 2; SELECT 3",
        "SELECT 1; SELECT 1/0; SELECT 3",
        "syntax error here",
        "BEGIN",
        "SELECT 1/0",
        "SELECT 'refused'",
        "ROLLBACK",
        "ROLLBACK",
        "COMMIT",
        "BEGIN; SELECT 1/0; COMMIT",
        "COMMIT",
        "BEGIN; INSERT INTO log VALUES (1, 'a'); COMMIT; SELECT 1",
        "INSERT INTO log VALUES (2, 'b'); BEGIN; SELECT 1",
        "COMMIT",
        "INSERT INTO log VALUES (3, 'c'); COMMIT; SELECT 2",
        "BEGIN",
        "SAVEPOINT s",
        "SELECT 1/0",
        "ROLLBACK TO s",
        "SELECT 1",
        "RELEASE s",
        "COMMIT AND CHAIN",
        "SELECT 1",
        "ROLLBACK AND CHAIN",
        "SELECT 1/0",
        "COMMIT AND CHAIN",
        "SELECT 1",
        "END",
        "START TRANSACTION ISOLATION LEVEL SERIALIZABLE, READ ONLY",
        "SELECT * FROM log",
        "ABORT",
        "BEGIN",
        "INSERT INTO log VALUES (4, 'd')",
        "PREPARE TRANSACTION 'one'",
        "SELECT 1",
        "COMMIT PREPARED 'one'",
        "BEGIN",
        "SELECT 1/0",
        "PREPARE TRANSACTION 'two'",
        "SELECT 1",
        "ROLLBACK PREPARED 'none'",
        "BEGIN; INSERT INTO log VALUES (5, 'e'); PREPARE TRANSACTION "
        "'three'; SELECT 1; ROLLBACK PREPARED 'three'",
        "ROLLBACK PREPARED 'three'",
        "BEGIN; COMMIT; BEGIN",
        "BEGIN",
        "COMMIT; COMMIT",
        "BEGIN",
        "SAVEPOINT a; SAVEPOINT b",
        "SELECT 1/0",
        "ROLLBACK TO b; SELECT 1",
        "ROLLBACK TO SAVEPOINT a",
        "COMMIT",
        "INSERT INTO keyed VALUES (1, NULL)",
        "INSERT INTO keyed VALUES (1, NULL)",
        "BEGIN",
        "INSERT INTO keyed VALUES (2, 77)",
        "COMMIT",
        "INSERT INTO keyed VALUES (3, 77)",
        "BEGIN",
        "INSERT INTO keyed VALUES (4, 77)",
        "COMMIT AND CHAIN",
        "SELECT 1",
        "ROLLBACK",
        "CALL commits()",
        "BEGIN",
        "CALL commits()",
        "ROLLBACK",
        "DO 'BEGIN COMMIT; END'",
        "PREPARE p AS SELECT $1::int",
        "EXECUTE p(3)",
        "EXECUTE p(1); EXECUTE p(2)",
        "DEALLOCATE p",
        "EXECUTE p(3)",
        "BEGIN",
        "DECLARE c CURSOR FOR SELECT * FROM log",
        "FETCH 3 FROM c",
        "MOVE 2 FROM c",
        "FETCH ALL FROM c; CLOSE c",
        "COMMIT",
        "FETCH 1 FROM c",
        "VACUUM log",
        "BEGIN",
        "VACUUM log",
        "END",
        "SET search_path = public",
        "SHOW work_mem",
        "EXPLAIN SELECT 1",
        "LISTEN l; NOTIFY l, 'hello'",
        "NOTIFY l",
        "UNLISTEN *",
        "SET LOCAL work_mem = '1MB'",
        "DISCARD ALL",
        "CREATE TEMP TABLE t AS SELECT 1 AS a",
        "TABLE t",
        "COPY log TO STDOUT",
        "COPY none TO STDOUT",
        "COPY (SELECT 1/(3-i) FROM generate_series(1, 5) AS i) TO STDOUT",
        "COPY log TO STDOUT; SELECT 1; COPY (SELECT 1) TO STDOUT",
        "DO 'BEGIN RAISE NOTICE ''noted''; END'"}) {
    corpus.push_back(Simple(sql));
  }
  const auto copy_in = [&](std::string_view sql, std::string_view data) {
    corpus.push_back({MessageBuilder().Query(sql).CopyData(data).CopyDone(), 1});
  };
  copy_in("COPY log FROM STDIN", "7\tseven\n8\teight\n");
  copy_in("COPY log FROM STDIN", "not a number\tx\n");
  copy_in("COPY none FROM STDIN", "1\t2\n");
  copy_in("SELECT 1; COPY log FROM STDIN; SELECT 2", "9\tnine\n");
  copy_in("BEGIN; COPY log FROM STDIN; SELECT 1/0", "9\tnine\n");
  corpus.push_back(Simple("ROLLBACK"));
  corpus.push_back(
      {MessageBuilder().Query("COPY log FROM STDIN").CopyData("1\tx\n").CopyFail("no more"), 1});
  corpus.push_back({MessageBuilder()
                        .Query("COPY log FROM STDIN; COPY log FROM STDIN")
                        .CopyData("1\tx\n")
                        .CopyDone()
                        .CopyData("2\ty\n")
                        .CopyDone(),
                    1});
  // Flush and Sync inside COPY are ignored.
  corpus.push_back({MessageBuilder()
                        .Parse("", "COPY log FROM STDIN")
                        .Bind("", "")
                        .Execute("")
                        .Sync()
                        .CopyData("1\tx\n")
                        .Flush()
                        .CopyDone()
                        .Sync(),
                    1});
  corpus.push_back({MessageBuilder()
                        .Parse("", "COPY log FROM STDIN")
                        .Bind("", "")
                        .Execute("")
                        .CopyData("bad\tx\n")
                        .CopyDone()
                        .Sync(),
                    1});
  corpus.push_back(Extended("COPY log TO STDOUT"));
  for (const std::string_view sql :
       {"SELECT 1", "", "SELECT 1/0", "syntax error", "BEGIN", "SELECT 1/0", "SELECT 1", "COMMIT",
        "BEGIN", "COMMIT AND CHAIN", "ROLLBACK"}) {
    corpus.push_back(Extended(sql));
  }
  corpus.push_back(Extended("INSERT INTO log VALUES ($1, $2) RETURNING *", {"11", std::nullopt}));
  corpus.push_back(Extended("SELECT $1::int", {"not a number"}));
  corpus.push_back(Extended("SELECT $1::int", {}));
  return corpus;
}

std::vector<Exchange> PortalCorpus() {
  std::vector<Exchange> corpus;
  corpus.push_back({MessageBuilder()
                        .Parse("many", "SELECT i FROM generate_series(1, 7) AS i")
                        .DescribeStatement("many")
                        .Bind("p", "many")
                        .DescribePortal("p")
                        .Execute("p", 3)
                        .Execute("p", 3)
                        .Execute("p", 3)
                        .Execute("p", 3)
                        .Sync(),
                    1});
  // Outside a transaction the portal ends with the Sync.
  corpus.push_back(
      {MessageBuilder().Bind("p", "many").Execute("p", 2).Sync().Execute("p", 2).Sync(), 2});
  corpus.push_back(Simple("BEGIN"));
  corpus.push_back(
      {MessageBuilder().Bind("p", "many").Execute("p", 2).Sync().Execute("p", 2).Sync(), 2});
  corpus.push_back({MessageBuilder().Bind("", "many").Execute("", 1).Sync(), 1});
  // A simple query closes the unnamed portal, not the named one.
  corpus.push_back(Simple("SELECT 1"));
  corpus.push_back({MessageBuilder().Execute("p", 2).Execute("", 2).Sync(), 1});
  corpus.push_back(Simple("ROLLBACK"));
  // An error makes the server skip to the Sync, whatever lies between.
  corpus.push_back({MessageBuilder()
                        .Parse("bad", "SELECT 1/0")
                        .Bind("", "bad")
                        .Execute("")
                        .Parse("skipped", "SELECT 2")
                        .Bind("", "skipped")
                        .DescribePortal("")
                        .Execute("")
                        .CloseStatement("bad")
                        .Flush()
                        .Sync(),
                    1});
  corpus.push_back({MessageBuilder().Bind("", "skipped").Execute("").Sync(), 1});
  corpus.push_back({MessageBuilder().Parse("many", "SELECT 'there already'").Sync(), 1});
  corpus.push_back({MessageBuilder().CloseStatement("many").CloseStatement("never was").Sync(), 1});
  corpus.push_back({MessageBuilder()
                        .Parse("a", "BEGIN")
                        .Parse("b", "INSERT INTO log VALUES (20, 'x')")
                        .Parse("c", "COMMIT")
                        .Bind("", "a")
                        .Execute("")
                        .Bind("", "b")
                        .Execute("")
                        .Bind("", "c")
                        .Execute("")
                        .Sync(),
                    1});
  // Two writes and no BEGIN: one implicit transaction, which the error takes back whole.
  corpus.push_back({MessageBuilder()
                        .Bind("", "b")
                        .Execute("")
                        .Bind("", "bad")
                        .Execute("")
                        .Sync()
                        .Bind("", "b")
                        .Execute("")
                        .Sync()
                        .Sync(),
                    3});
  corpus.push_back(
      {MessageBuilder().Bind("", "a").Execute("").Bind("", "b").Execute("").Sync(), 1});
  corpus.push_back(
      {MessageBuilder().Bind("", "c").Execute("").Bind("", "b").Execute("").Sync(), 1});
  corpus.push_back({MessageBuilder().FunctionCall(870, {"LOWER"}), 1});  // lower(text)
  corpus.push_back({MessageBuilder().FunctionCall(4000000000U, {}), 1});
  corpus.push_back({MessageBuilder().Execute("none").Sync(), 1});
  corpus.push_back({MessageBuilder().DescribeStatement("none").Sync(), 1});
  corpus.push_back(
      {MessageBuilder().Parse("e", "").Bind("", "e").DescribePortal("").Execute("").Sync(), 1});
  // The text of a statement may change under its name.
  corpus.push_back(
      {MessageBuilder().CloseStatement("a").Parse("a", "SELECT 5").Bind("", "a").Execute("").Sync(),
       1});
  corpus.push_back(Simple("DEALLOCATE ALL"));
  corpus.push_back({MessageBuilder().Bind("", "a").Execute("").Sync(), 1});
  return corpus;
}

// A statement of a random session. No lock can be waited for: the table has no key.
std::string RandomText(std::mt19937& random) {
  static constexpr std::array texts = {"SELECT 1",
                                       "SELECT i FROM generate_series(1, 9) AS i",
                                       "INSERT INTO log VALUES (1, 'r')",
                                       "UPDATE log SET v = 'u' WHERE id < 0",
                                       "SELECT 1/0",
                                       "nonsense",
                                       "",
                                       "BEGIN",
                                       "BEGIN",
                                       "COMMIT",
                                       "COMMIT",
                                       "ROLLBACK",
                                       "END",
                                       "ABORT",
                                       "COMMIT AND CHAIN",
                                       "ROLLBACK AND CHAIN",
                                       "SAVEPOINT s",
                                       "ROLLBACK TO s",
                                       "RELEASE s",
                                       "PREPARE TRANSACTION 'g1'",
                                       "PREPARE TRANSACTION 'g2'",
                                       "COMMIT PREPARED 'g1'",
                                       "ROLLBACK PREPARED 'g2'",
                                       "ROLLBACK PREPARED 'g1'",
                                       "CALL commits()",
                                       "SET LOCAL work_mem = '2MB'",
                                       "COPY (SELECT 1) TO STDOUT",
                                       "DECLARE c CURSOR FOR SELECT 1",
                                       "FETCH ALL FROM c",
                                       "INSERT INTO keyed VALUES (-1, 77)",
                                       "START TRANSACTION READ ONLY",
                                       "BEGIN ISOLATION LEVEL REPEATABLE READ",
                                       "DO 'BEGIN RAISE WARNING ''w''; END'"};
  return texts[random() % texts.size()];
}

Exchange RandomExchange(std::mt19937& random) {
  if (random() % 3 == 0) {
    std::string sql;
    for (uint32_t i = 0, n = 1 + random() % 4; i < n; ++i) sql += RandomText(random) + ";";
    return Simple(sql);
  }
  MessageBuilder messages;
  const auto name = [&] { return std::array{"", "a", "b"}[random() % 3]; };
  for (uint32_t i = 0, n = random() % 10; i < n; ++i) {
    switch (random() % 9) {
      case 0:
        messages.Bind(name(), name());
        break;
      case 1:
        messages.Execute(name(), static_cast<int32_t>(random() % 4));
        break;
      case 2:
        messages.DescribeStatement(name());
        break;
      case 3:
        messages.DescribePortal(name());
        break;
      case 4:
        messages.CloseStatement(name());
        break;
      case 5:
        messages.ClosePortal(name());
        break;
      case 6:
        messages.Flush();
        break;
      default: {
        const std::string used = name();
        if (!used.empty()) messages.CloseStatement(used);
        messages.Parse(used, RandomText(random)).Bind("", used).Execute("");
      }
    }
  }
  messages.Sync();
  return {messages, 1};
}

class TrackerDifferential : public ::testing::Test {
 protected:
  void SetUp() override {
    pair_.Seed(setup);
    LibpqClient admin(pair_.PrimaryUrl());
    admin.Query("ALTER DATABASE \"" + pair_.name() + "\" SET lock_timeout = '5s'");
  }
  void TearDown() override {
    LibpqClient admin(pair_.PrimaryUrl());
    for (const char* gid : {"one", "two", "three", "g1", "g2"}) {
      admin.Query(std::string("ROLLBACK PREPARED '") + gid + "'");
    }
  }

  // Runs `script` against the primary through a recorder, and checks the tracker on the recording.
  void Check(const std::function<void(int port)>& script, uint32_t seed = 1) {
    WireRecorder recorder(PrimaryCluster().port());
    script(recorder.port());
    for (const Recording& recording : recorder.Finish()) ExpectTrackedFaithfully(recording, seed);
  }

  DatabasePair pair_{"tracker"};
};

TEST_F(TrackerDifferential, ExchangesOneByOne) {
  Check([&](int port) {
    RawClient client(port, pair_.name());
    for (const Exchange& exchange : Corpus()) RunExchanges(&client, {exchange});
    for (const Exchange& exchange : PortalCorpus()) RunExchanges(&client, {exchange});
    client.Send(MessageBuilder().Terminate());
  });
}

TEST_F(TrackerDifferential, ExchangesAllInFlightAtOnce) {
  Check([&](int port) {
    RawClient client(port, pair_.name());
    RunExchanges(&client, PortalCorpus());
    RunExchanges(&client, PortalCorpus());
    client.Send(MessageBuilder().Terminate());
  });
}

TEST_F(TrackerDifferential, RandomSessions) {
  const uint32_t seed = std::random_device{}();
  std::printf("seed %u\n", seed);
  std::mt19937 random(seed);
  SCOPED_TRACE("seed " + std::to_string(seed));
  Check(
      [&](int port) {
        for (int session = 0; session < 8; ++session) {
          RawClient client(port, pair_.name());
          for (int round = 0; round < 30; ++round) {
            std::vector<Exchange> flight;
            for (uint32_t i = 0, n = 1 + random() % 5; i < n; ++i) {
              flight.push_back(RandomExchange(random));
            }
            RunExchanges(&client, flight);
          }
          client.Send(MessageBuilder().Terminate());
        }
      },
      seed);
}

TEST_F(TrackerDifferential, RealClients) {
  Check([&](int port) {
    // The recordings begin with the startup packet, so no SSLRequest before it.
    const std::string url =
        PostgresCluster::UrlAt(port, pair_.name()) + "?sslmode=disable&gssencmode=disable";
    EXPECT_EQ(RunCommand({PostgresProgram("pgbench"), "-i", "-q", url}).exit, 0);
    for (const char* protocol : {"simple", "extended", "prepared"}) {
      EXPECT_EQ(
          RunCommand({PostgresProgram("pgbench"), "-n", "-M", protocol, "-t", "20", "-c", "4", url})
              .exit,
          0);
    }
    EXPECT_EQ(RunCommand({PostgresProgram("psql"), "-X", "-c", "\\d+ log", "-c",
                          "\\copy log to "
                          "/dev/null",
                          url})
                  .exit,
              0);
    EXPECT_EQ(RunCommand({PostgresProgram("pg_dump"), "-f", "/dev/null", url}).exit, 0);
  });
}

}  // namespace
}  // namespace pgparity::support
