// The session tracker over the simple protocol.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "tests/unit/protocol/tracker_session.h"

namespace pgparity::protocol {
namespace {

namespace client = testing::client;
namespace server = testing::server;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::StartsWith;

std::string Prefixed(const std::string& body) {
  const auto size = static_cast<uint32_t>(body.size());
  std::string bytes(sizeof(size), '\0');
  std::memcpy(bytes.data(), &size, sizeof(size));
  return bytes + body;
}

TEST(TrackerSimple, OneQuery) {
  TrackedSession session;
  session.Client(client::Query("SELECT 1;"));
  session.Server(server::RowDescription({{"a", 23}}) + server::DataRow({"1"}));
  EXPECT_THAT(session.Take(), IsEmpty());
  session.Server(server::CommandComplete("SELECT 1") + server::ReadyForQuery('I'));
  EXPECT_THAT(session.Take(), ElementsAre("SELECT 1 -> SELECT 1", "ready I"));
  const StatementEvent& event = session.Last();
  EXPECT_EQ(event.protocol, QueryProtocol::simple);
  EXPECT_EQ(event.sent_first, 1u);
  EXPECT_EQ(event.sent_last, 1u);
  EXPECT_EQ(event.done, 3u);
  EXPECT_FALSE(event.replies_outstanding_at_send);
  EXPECT_EQ(event.reply.row_description, server::RowDescriptionBody({{"a", 23}}));
  EXPECT_EQ(event.reply.rows, Prefixed(server::DataRowBody({"1"})));
  EXPECT_EQ(event.reply.row_count, 1u);
  EXPECT_THAT(session.events.busy_stamps, ElementsAre(1u));
}

TEST(TrackerSimple, StampsOfAQueryInPieces) {
  TrackedSession session;
  const std::string query = client::Query("SELECT 1");
  session.Client(query.substr(0, 3)).Client(query.substr(3, 4)).Client(query.substr(7));
  session.Server(server::CommandComplete("SELECT 1")).Server(server::ReadyForQuery('I'));
  EXPECT_EQ(session.Last().sent_first, 1u);
  EXPECT_EQ(session.Last().sent_last, 3u);
  EXPECT_EQ(session.Last().done, 4u);
  EXPECT_THAT(session.events.busy_stamps, ElementsAre(1u));
}

TEST(TrackerSimple, SeveralStatementsGetTheirOwnTexts) {
  TrackedSession session;
  session.Client(client::Query("BEGIN; INSERT INTO t VALUES (';'); COMMIT AND CHAIN; SELECT 1"));
  session.Server(server::CommandComplete("BEGIN") + server::CommandComplete("INSERT 0 1") +
                 server::CommandComplete("COMMIT") + server::RowDescription({{"a"}}) +
                 server::DataRow({"1"}) + server::CommandComplete("SELECT 1") +
                 server::ReadyForQuery('T'));
  EXPECT_THAT(session.Take(),
              ElementsAre("BEGIN -> BEGIN", "INSERT INTO t VALUES (';') -> INSERT 0 1",
                          "COMMIT AND CHAIN -> COMMIT", "SELECT 1 -> SELECT 1", "ready T"));
  const auto& statements = session.events.statements;
  EXPECT_EQ(statements[2].transaction_command, TransactionCommand::commit_and_chain);
  EXPECT_FALSE(statements[0].replies_outstanding_at_send);
  EXPECT_TRUE(statements[1].replies_outstanding_at_send);
  EXPECT_FALSE(statements[1].reply.row_description.has_value());
  EXPECT_EQ(statements[3].reply.row_count, 1u);
}

TEST(TrackerSimple, AnErrorEndsTheQuery) {
  TrackedSession session;
  session.Client(client::Query("BEGIN; SELECT 1/0; SELECT 2"));
  session.Server(server::CommandComplete("BEGIN") + server::RowDescription({{"a"}}) +
                 server::Error("22012") + server::ReadyForQuery('E'));
  EXPECT_THAT(session.Take(),
              ElementsAre("BEGIN -> BEGIN", "SELECT 1/0 -> error 22012", "ready E"));
  session.Client(client::Query("SELECT 3"))
      .Server(server::Error("25P02") + server::ReadyForQuery('E'));
  session.Client(client::Query("COMMIT"))
      .Server(server::CommandComplete("ROLLBACK") + server::ReadyForQuery('I'));
  EXPECT_THAT(session.Take(), ElementsAre("SELECT 3 -> error 25P02", "ready E", "commit sent",
                                          "COMMIT -> ROLLBACK", "ready I"));
}

TEST(TrackerSimple, ASyntaxErrorBelongsToTheWholeQuery) {
  TrackedSession session;
  session.Client(client::Query("INSERT INTO t VALUES (1); SELEC 2"));
  session.Server(server::Error("42601", "no", "ERROR", "27") + server::ReadyForQuery('I'));
  EXPECT_THAT(session.Take(),
              ElementsAre("INSERT INTO t VALUES (1); SELEC 2 -> error 42601", "ready I"));
  // Not without a position in the text: such an error was raised while the first statement ran.
  session.Client(client::Query("SELECT f(); SELECT 2"));
  session.Server(server::Error("42601") + server::ReadyForQuery('I'));
  EXPECT_THAT(session.Take(), ElementsAre("SELECT f() -> error 42601", "ready I"));
  // Not once a statement of it has run: then the error cannot be of the parse.
  session.Client(client::Query("SELECT 1; SELECT f(); SELECT 3"));
  session.Server(server::CommandComplete("SELECT 1") + server::Error("42601", "no", "ERROR", "1") +
                 server::ReadyForQuery('I'));
  EXPECT_THAT(session.Take(),
              ElementsAre("SELECT 1 -> SELECT 1", "SELECT f() -> error 42601", "ready I"));
}

TEST(TrackerSimple, CommitsThatFail) {
  TrackedSession session;
  const auto begin = [&] {
    session.Client(client::Query("BEGIN"))
        .Server(server::CommandComplete("BEGIN") + server::ReadyForQuery('T'));
    session.Take();
  };
  begin();
  session.Client(client::Query("COMMIT"))
      .Server(server::Error("23503") + server::ReadyForQuery('I'));
  EXPECT_THAT(session.Take(), ElementsAre("commit sent", "COMMIT -> error 23503", "ready I"));
  begin();
  session.Client(client::Query("COMMIT nonsense"));
  session.Server(server::Error("42601", "no", "ERROR", "8") + server::ReadyForQuery('E'));
  EXPECT_THAT(session.Take(),
              ElementsAre("commit sent", "COMMIT nonsense -> error 42601", "ready E"));
  session.Client(client::Query("ROLLBACK"))
      .Server(server::CommandComplete("ROLLBACK") + server::ReadyForQuery('I'));
  EXPECT_THAT(session.Take(), ElementsAre("ROLLBACK -> ROLLBACK", "ready I"));
  // Cancelled: either status is right.
  for (const char status : {'I', 'E'}) {
    begin();
    session.Client(client::Query("COMMIT"))
        .Server(server::Error("57014") + server::ReadyForQuery(status));
    EXPECT_THAT(session.Take(), ElementsAre("commit sent", "COMMIT -> error 57014",
                                            std::string("ready ") + status));
    session.Client(client::Query("ROLLBACK"))
        .Server(server::CommandComplete("ROLLBACK") + server::ReadyForQuery('I'));
    session.Take();
  }
}

TEST(TrackerSimple, WrongPredictionIsTold) {
  TrackedSession session;
  session.Client(client::Query("SELECT 1"))
      .Server(server::CommandComplete("SELECT 1") + server::ReadyForQuery('T'));
  EXPECT_THAT(session.Take(), ElementsAre("SELECT 1 -> SELECT 1", "ready T predicted I"));
  EXPECT_EQ(session.tracker.status(), TransactionStatus::in_block);
}

TEST(TrackerSimple, Savepoints) {
  TrackedSession session;
  session.Client(client::Query("BEGIN; SAVEPOINT s"))
      .Server(server::CommandComplete("BEGIN") + server::CommandComplete("SAVEPOINT") +
              server::ReadyForQuery('T'));
  session.Client(client::Query("bad")).Server(server::Error("42601") + server::ReadyForQuery('E'));
  session.Client(client::Query("ROLLBACK TO s"))
      .Server(server::CommandComplete("ROLLBACK") + server::ReadyForQuery('T'));
  session.Client(client::Query("RELEASE s"))
      .Server(server::CommandComplete("RELEASE") + server::ReadyForQuery('T'));
  session.Client(client::Query("PREPARE TRANSACTION 'x'"));
  session.Server(server::CommandComplete("PREPARE TRANSACTION") + server::ReadyForQuery('I'));
  session.Client(client::Query("COMMIT PREPARED 'x'"));
  session.Server(server::CommandComplete("COMMIT PREPARED") + server::ReadyForQuery('I'));
  for (const std::string& line : session.Take())
    EXPECT_EQ(line.find("predicted"), std::string::npos) << line;
  EXPECT_EQ(session.events.commit_stamps.size(), 2u);
}

TEST(TrackerSimple, EmptyQueries) {
  TrackedSession session;
  session.Client(client::Query("-- ping\n;"))
      .Server(server::EmptyQueryResponse() + server::ReadyForQuery('I'));
  EXPECT_THAT(session.Take(), ElementsAre("-- ping\n; -> empty", "ready I"));
  session.Client(client::Query(""))
      .Server(server::EmptyQueryResponse() + server::ReadyForQuery('I'));
  EXPECT_THAT(session.Take(), ElementsAre(" -> empty", "ready I"));
}

TEST(TrackerSimple, AsynchronousMessagesComeAtAnyTime) {
  TrackedSession session;
  const std::string noise = server::Notice("n") + server::Notification("c", "p") +
                            server::ParameterStatus("TimeZone", "UTC");
  session.Server(noise)
      .Client(client::Query("SELECT 1; SELECT 2"))
      .Server(noise + server::RowDescription({{"a"}}) + noise);
  session.Server(server::DataRow({"1"}) + noise + server::CommandComplete("SELECT 1") + noise);
  session.Server(server::CommandComplete("SELECT 1") + noise + server::ReadyForQuery('I') + noise);
  std::vector<std::string> lines;
  for (const std::string& line : session.Take()) {
    if (line != "parameter TimeZone=UTC") lines.push_back(line);
  }
  EXPECT_THAT(lines, ElementsAre("SELECT 1 -> SELECT 1", "SELECT 2 -> SELECT 1", "ready I"));
}

TEST(TrackerSimple, SplitsByStandardConformingStrings) {
  const std::string sql = R"(SELECT '\'; SELECT '; SELECT 2)";
  TrackedSession on;
  on.Client(client::Query(sql));
  on.Server(server::CommandComplete("SELECT 1"));
  EXPECT_THAT(on.Take(), ElementsAre(R"(SELECT '\' -> SELECT 1)"));
  TrackedSession off;
  off.Server(server::ParameterStatus("standard_conforming_strings", "off"));
  off.Take();
  off.Client(client::Query(sql)).Server(server::CommandComplete("SELECT 1"));
  EXPECT_THAT(off.Take(), ElementsAre(R"(SELECT '\'; SELECT ' -> SELECT 1)"));
  TrackedSession told;
  told.tracker.SetStandardConformingStrings(false);
  told.Client(client::Query(sql)).Server(server::CommandComplete("SELECT 1"));
  EXPECT_THAT(told.Take(), ElementsAre(R"(SELECT '\'; SELECT ' -> SELECT 1)"));
}

TEST(TrackerSimple, CommitSentOnlyWhereItIsAloneAndNothingIsOutstanding) {
  TrackedSession session;
  session.Client(client::Query("COMMIT; SELECT 1"));
  session.Server(server::CommandComplete("COMMIT") + server::CommandComplete("SELECT 1") +
                 server::ReadyForQuery('I'));
  session.Client(client::Query("SELECT 1; COMMIT"));
  session.Server(server::CommandComplete("SELECT 1") + server::CommandComplete("COMMIT") +
                 server::ReadyForQuery('I'));
  session.Client(client::Query("SELECT 1")).Client(client::Query("COMMIT"));
  session.Server(server::CommandComplete("SELECT 1") + server::ReadyForQuery('I'));
  session.Server(server::CommandComplete("COMMIT") + server::ReadyForQuery('I'));
  EXPECT_THAT(session.events.commit_stamps, IsEmpty());
  EXPECT_TRUE(session.Last().replies_outstanding_at_send);
  session.Client(client::Query(" /**/ end ; -- x"));
  EXPECT_THAT(session.events.commit_stamps, ElementsAre(session.stamp()));
}

TEST(TrackerSimple, BusyOnceForQueriesThatQueue) {
  TrackedSession session;
  session.Client(client::Query("a")).Client(client::Query("b"));
  session.Server(server::CommandComplete("A") + server::ReadyForQuery('I'));
  EXPECT_THAT(session.Take(), ElementsAre("a -> A", "ready I outstanding"));
  session.Server(server::CommandComplete("B") + server::ReadyForQuery('I'));
  EXPECT_THAT(session.Take(), ElementsAre("b -> B", "ready I"));
  session.Client(client::Query("c"));
  EXPECT_THAT(session.events.busy_stamps, ElementsAre(1u, 5u));
}

TEST(TrackerSimple, FunctionCalls) {
  TrackedSession session;
  session.Client(client::FunctionCall(5, {"a", std::nullopt}, {1}));
  session.Server(server::FunctionCallResponse("r") + server::ReadyForQuery('I'));
  EXPECT_THAT(session.Take(), ElementsAre("<function> -> function result", "ready I"));
  EXPECT_THAT(session.Last().parameters.formats, ElementsAre(1, 1));
  EXPECT_THAT(session.Last().parameters.values, ElementsAre("a", std::nullopt));
  session.Client(client::FunctionCall(6))
      .Server(server::Error("42883") + server::ReadyForQuery('I'));
  EXPECT_THAT(session.Take(), ElementsAre("<function> -> error 42883", "ready I"));
}

TEST(TrackerSimple, FatalErrorsEndQuietly) {
  TrackedSession idle;
  idle.Server(server::Error("57P01", "bye", "FATAL"));
  EXPECT_THAT(idle.Take(), IsEmpty());
  EXPECT_FALSE(idle.tracker.lost());
  TrackedSession busy;
  busy.Client(client::Query("INSERT")).Client(client::Query("COMMIT"));
  busy.Server(server::Error("57P01", "bye", "FATAL")).Client(client::Query("x"));
  EXPECT_THAT(busy.Take(), ElementsAre("INSERT -> error 57P01"));
}

TEST(TrackerSimple, ElidedRowsAreCounted) {
  TrackedSession session;
  session.Client(client::Query("SELECT 1"))
      .Server(server::RowDescription({{"a"}}) + server::DataRow({"1"}));
  session.tracker.OnElidedRows({2, 20, 30, 40});
  session.tracker.OnElidedRows({1, 5, 6, 7});
  session.Server(server::CommandComplete("SELECT 4") + server::ReadyForQuery('I'));
  const Reply& reply = session.Last().reply;
  EXPECT_EQ(reply.row_count, 1u);
  EXPECT_EQ(reply.digest, (RowDigest{3, 25, 36, 40 * 0x9E3779B97F4A7C15u + 7}));
  session.tracker.OnElidedRows({1, 1, 1, 1});
  EXPECT_TRUE(session.tracker.lost());
}

TEST(TrackerSimple, DigestsCombineAsIfRowsHadComeInOneStretch) {
  const auto digest = [](const std::vector<uint64_t>& hashes) {
    RowDigest made;
    for (const uint64_t hash : hashes) {
      ++made.rows;
      made.sum += hash;
      made.chain = made.chain * 0x9E3779B97F4A7C15u + hash;
    }
    return made;
  };
  EXPECT_EQ(Combine(digest({1, 2}), digest({3, 4, 5})), digest({1, 2, 3, 4, 5}));
  EXPECT_EQ(Combine({}, digest({9})), digest({9}));
  EXPECT_EQ(Combine(digest({9}), {}), digest({9}));
}

}  // namespace
}  // namespace pgparity::protocol
