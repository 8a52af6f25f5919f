// The session tracker over the extended protocol.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/protocol/tracker_session.h"

namespace pgparity::protocol {
namespace {

namespace client = testing::client;
namespace server = testing::server;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

const std::string kParsedBound = server::ParseComplete() + server::BindComplete();

std::string Unnamed(const std::string& sql, const testing::Values& values = {}) {
  return client::Parse("", sql) + client::Bind("", "", values) + client::Execute();
}
std::string Done(const std::string& tag) { return kParsedBound + server::CommandComplete(tag); }

TEST(TrackerExtended, ParametersAndStamps) {
  TrackedSession session;
  session.Client(client::Parse("", "SELECT $1, $2, $3", {23, 0}));
  session.Client(client::Bind("", "", {"1", std::nullopt, "x"}, {1}, {0, 1}));
  session.Client(client::DescribePortal("")).Client(client::Execute("", 5)).Client(client::Sync());
  session.Server(kParsedBound + server::RowDescription({{"a", 23, 0}, {"b", 25, 1}}) +
                 server::DataRow({"1", "y"}));
  session.Server(server::CommandComplete("SELECT 1")).Server(server::ReadyForQuery('I'));
  EXPECT_THAT(session.Take(), ElementsAre("SELECT $1, $2, $3 -> SELECT 1", "ready I"));
  const StatementEvent& event = session.Last();
  EXPECT_EQ(event.protocol, QueryProtocol::extended);
  EXPECT_THAT(event.parameters.types, ElementsAre(23u, 0u, 0u));
  EXPECT_THAT(event.parameters.formats, ElementsAre(1, 1, 1));
  EXPECT_THAT(event.parameters.values, ElementsAre("1", std::nullopt, "x"));
  EXPECT_THAT(event.parameters.result_formats, ElementsAre(0, 1));
  EXPECT_EQ(event.max_rows, 5);
  EXPECT_EQ(event.sent_first, 1u);
  EXPECT_EQ(event.sent_last, 4u);
  EXPECT_EQ(event.done, 7u);
  EXPECT_FALSE(event.replies_outstanding_at_send);
  EXPECT_EQ(event.reply.row_description, server::RowDescriptionBody({{"a", 23, 0}, {"b", 25, 1}}));
  EXPECT_THAT(session.events.busy_stamps, ElementsAre(1u));
}

TEST(TrackerExtended, NamedStatementIsStampedFromItsBind) {
  TrackedSession session;
  session.Client(client::Parse("s", "SELECT 1") + client::Sync())
      .Server(server::ParseComplete() + server::ReadyForQuery('I'));
  session.Client(client::Bind("", "s")).Client(client::Execute()).Client(client::Sync());
  session.Server(server::BindComplete() + server::CommandComplete("SELECT 1") +
                 server::ReadyForQuery('I'));
  EXPECT_EQ(session.Last().sent_first, 3u);
  EXPECT_EQ(session.Last().sent_last, 4u);
  EXPECT_EQ(*session.Last().sql, "SELECT 1");
}

TEST(TrackerExtended, DescribedStatementGivesItsDescriptionToLaterExecutes) {
  TrackedSession session;
  session.Client(client::Parse("s", "SELECT a, b") + client::DescribeStatement("s") +
                 client::Sync());
  session.Server(server::ParseComplete() + server::ParameterDescription({}) +
                 server::RowDescription({{"a", 23}, {"b", 25}}) + server::ReadyForQuery('I'));
  for (const auto& [formats, a, b] : std::vector<std::tuple<std::vector<int>, int, int>>{
           {{}, 0, 0}, {{1}, 1, 1}, {{1, 0}, 1, 0}}) {
    session.Client(client::Bind("", "s", {}, {}, formats) + client::Execute() + client::Sync());
    session.Server(server::BindComplete() + server::DataRow({"1", "2"}) +
                   server::CommandComplete("SELECT 1") + server::ReadyForQuery('I'));
    EXPECT_EQ(session.Last().reply.row_description,
              server::RowDescriptionBody({{"a", 23, a}, {"b", 25, b}}));
  }
}

TEST(TrackerExtended, DescribeOfTheStatementBehindTheBindCounts) {
  TrackedSession session;
  session.Client(client::Parse("", "SELECT a") + client::Bind("", "", {}, {}, {1}) +
                 client::DescribeStatement("") + client::Execute() + client::Sync());
  session.Server(kParsedBound + server::ParameterDescription({}) + server::RowDescription({{"a"}}) +
                 server::DataRow({"1"}) + server::CommandComplete("SELECT 1") +
                 server::ReadyForQuery('I'));
  EXPECT_EQ(session.Last().reply.row_description, server::RowDescriptionBody({{"a", 25, 1}}));
}

TEST(TrackerExtended, NothingDescribedNoDescription) {
  TrackedSession session;
  session.Client(Unnamed("SELECT 1") + client::Sync());
  session.Server(kParsedBound + server::DataRow({"1"}) + server::CommandComplete("SELECT 1") +
                 server::ReadyForQuery('I'));
  EXPECT_FALSE(session.Last().reply.row_description.has_value());
  EXPECT_EQ(session.Last().reply.row_count, 1u);
  // A description is not that of the next statement of the same name.
  session.Client(client::Parse("", "SELECT 1") + client::DescribeStatement("") +
                 Unnamed("SELECT 2") + client::Sync());
  session.Server(server::ParseComplete() + server::ParameterDescription({}) +
                 server::RowDescription({{"a"}}) + kParsedBound + server::DataRow({"1"}) +
                 server::CommandComplete("SELECT 1") + server::ReadyForQuery('I'));
  EXPECT_FALSE(session.Last().reply.row_description.has_value());
}

TEST(TrackerExtended, APipelineOfHundreds) {
  TrackedSession session;
  std::string requests, replies;
  std::vector<std::string> expected;
  for (int i = 0; i < 300; ++i) {
    requests += Unnamed("INSERT " + std::to_string(i), {std::to_string(i)});
    replies += Done("INSERT 0 1");
    expected.push_back("INSERT " + std::to_string(i) + " -> INSERT 0 1");
    if (i % 100 == 99) {
      requests += client::Sync();
      replies += server::ReadyForQuery('I');
      expected.push_back(i == 299 ? "ready I" : "ready I outstanding");
    }
  }
  session.Client(requests).Server(replies);
  EXPECT_EQ(session.Take(), expected);
  EXPECT_EQ(session.events.busy_stamps.size(), 1u);
  EXPECT_FALSE(session.events.statements[0].replies_outstanding_at_send);
  EXPECT_TRUE(session.events.statements[1].replies_outstanding_at_send);
  EXPECT_TRUE(session.events.statements[100].replies_outstanding_at_send);
}

TEST(TrackerExtended, AnExecuteErrorSkipsToSync) {
  TrackedSession session;
  session.Client(Unnamed("a") + Unnamed("b") + Unnamed("c") + client::Sync() + Unnamed("d") +
                 client::Sync());
  session.Server(Done("A") + kParsedBound + server::Error("23505") + server::ReadyForQuery('I'));
  session.Server(Done("D") + server::ReadyForQuery('I'));
  EXPECT_THAT(session.Take(), ElementsAre("a -> A", "b -> error 23505", "c -> skipped",
                                          "ready I outstanding", "d -> D", "ready I"));
}

TEST(TrackerExtended, RequestsSentAfterTheErrorWasSeenAreSkippedToo) {
  TrackedSession session;
  session.Client(Unnamed("a") + client::Flush()).Server(kParsedBound + server::Error("23505"));
  session.Client(Unnamed("b", {"1"}) + client::Query("c; d") + client::CopyData("x") +
                 client::Flush());
  EXPECT_THAT(session.Take(),
              ElementsAre("a -> error 23505", "b -> skipped", "c -> skipped", "d -> skipped"));
  EXPECT_EQ(session.Last().done, session.stamp());
  EXPECT_EQ(session.events.busy_stamps.size(), 1u);
  session.Client(client::Sync());
  EXPECT_EQ(session.events.busy_stamps.size(), 2u);
  session.Server(server::ReadyForQuery('I'));
  EXPECT_THAT(session.Take(), ElementsAre("ready I"));
  // What was skipped does not exist: "b" was never parsed, "a" is still the unnamed statement.
  session.Client(client::Bind("", "") + client::Execute() + client::Sync());
  session.Server(server::BindComplete() + server::CommandComplete("A") +
                 server::ReadyForQuery('I'));
  EXPECT_THAT(session.Take(), ElementsAre("a -> A", "ready I"));
}

TEST(TrackerExtended, ErrorsOfParseAndBindBelongToTheirExecute) {
  TrackedSession session;
  session.Client(Unnamed("bad $1", {"7"}) + Unnamed("b") + client::Sync());
  session.Server(server::Error("42P01") + server::ReadyForQuery('I'));
  EXPECT_THAT(session.Take(), ElementsAre("bad $1 -> error 42P01", "b -> skipped", "ready I"));
  EXPECT_THAT(session.events.statements[0].parameters.values, ElementsAre("7"));
  EXPECT_EQ(session.events.statements[0].done, session.stamp());
  session.Client(Unnamed("c", {"x"}) + client::Sync());
  session.Server(server::ParseComplete() + server::Error("22P02") + server::ReadyForQuery('I'));
  EXPECT_THAT(session.Take(), ElementsAre("c -> error 22P02", "ready I"));
  session.Client(client::Parse("", "d") + client::Bind("", "") + client::DescribePortal("") +
                 client::Execute() + client::Sync());
  session.Server(kParsedBound + server::Error("25P02") + server::ReadyForQuery('I'));
  EXPECT_THAT(session.Take(), ElementsAre("d -> error 25P02", "ready I"));
}

TEST(TrackerExtended, ErrorsThatNoExecuteClaimsAreToldAtSync) {
  TrackedSession session;
  session.Client(client::Parse("s", "bad") + client::DescribeStatement("s") + client::Flush())
      .Server(server::Error("42601"));
  EXPECT_THAT(session.Take(), IsEmpty());
  session.Client(Unnamed("b") + client::Sync());
  EXPECT_THAT(session.Take(), ElementsAre("b -> skipped", "bad -> error 42601"));
  session.Server(server::ReadyForQuery('I'));
  session.Take();
  session.Client(client::DescribeStatement("nowhere") + client::Sync());
  session.Server(server::Error("26000") + server::ReadyForQuery('I'));
  EXPECT_THAT(session.Take(), ElementsAre("<unknown> -> error 26000", "ready I"));
}

TEST(TrackerExtended, AnErrorOfBindIsOfItsPortalAlone) {
  TrackedSession session;
  session.Client(client::Parse("s", "a $1") + client::Bind("p", "s", {"1"}) + client::Flush());
  session.Server(kParsedBound);
  session.Client(client::Bind("q", "s", {"bad"}) + client::Execute("p") + client::Execute("q") +
                 client::Sync());
  session.Server(server::Error("22P02") + server::ReadyForQuery('I'));
  EXPECT_THAT(session.Take(), ElementsAre("a $1 -> skipped", "a $1 -> error 22P02", "ready I"));
}

TEST(TrackerExtended, AFailedParseLeavesNoUnnamedStatement) {
  TrackedSession session;
  session.Client(client::Parse("", "one") + client::Sync());
  session.Server(server::ParseComplete() + server::ReadyForQuery('I'));
  session.Client(client::Parse("", "bad") + client::Sync())
      .Server(server::Error("42601") + server::ReadyForQuery('I'));
  session.Take();
  session.Client(client::Bind("", "") + client::Execute() + client::Sync());
  session.Server(server::Error("26000") + server::ReadyForQuery('I'));
  EXPECT_THAT(session.Take(), ElementsAre("<unknown> -> error 26000", "ready I"));
}

TEST(TrackerExtended, ErrorsInABlockFailIt) {
  TrackedSession session;
  session.Client(Unnamed("BEGIN") + client::Sync())
      .Server(Done("BEGIN") + server::ReadyForQuery('T'));
  session.Client(client::Parse("", "bad") + client::Sync())
      .Server(server::Error("42601") + server::ReadyForQuery('E'));
  session.Client(Unnamed("ROLLBACK") + client::Sync())
      .Server(Done("ROLLBACK") + server::ReadyForQuery('I'));
  EXPECT_THAT(session.Take(), ElementsAre("BEGIN -> BEGIN", "ready T", "bad -> error 42601",
                                          "ready E", "ROLLBACK -> ROLLBACK", "ready I"));
}

TEST(TrackerExtended, AnImplicitCommitThatFailsIsTold) {
  TrackedSession session;
  session.Client(Unnamed("INSERT") + client::Sync());
  session.Server(Done("INSERT 0 1") + server::Error("23503") + server::ReadyForQuery('I'));
  EXPECT_THAT(session.Take(),
              ElementsAre("INSERT -> INSERT 0 1", "<implicit commit> -> error 23503", "ready I"));
  EXPECT_TRUE(session.Last().implicit_commit);
  EXPECT_EQ(*session.Last().sql, "COMMIT");
}

TEST(TrackerExtended, AFunctionCallsImplicitCommitThatFailsIsTold) {
  TrackedSession session;
  session.Client(Unnamed("INSERT") + client::FunctionCall(1));
  session.Server(Done("INSERT 0 1") + server::FunctionCallResponse("x") + server::Error("23505") +
                 server::ReadyForQuery('I'));
  EXPECT_THAT(session.Take(), ElementsAre("INSERT -> INSERT 0 1", "<function> -> function result",
                                          "<implicit commit> -> error 23505", "ready I"));
}

TEST(TrackerExtended, CommitSent) {
  TrackedSession session;
  session.Client(Unnamed("BEGIN") + client::Sync())
      .Server(Done("BEGIN") + server::ReadyForQuery('T'));
  session.Client(Unnamed("INSERT") + client::Flush()).Server(Done("INSERT 0 1"));
  session.Client(client::Parse("c", "COMMIT"))
      .Client(client::Bind("p", "c"))
      .Client(client::Execute("p"));
  EXPECT_THAT(session.events.commit_stamps, ElementsAre(session.stamp()));
  session.Server(Done("COMMIT")).Client(client::Sync()).Server(server::ReadyForQuery('I'));
  // By the name of a statement, and of a portal, that are known already.
  session.Client(client::Bind("p", "c") + client::Execute("p"));
  EXPECT_EQ(session.events.commit_stamps.size(), 2u);
  session.Server(server::BindComplete() + server::CommandComplete("COMMIT"));
  session.Client(client::Bind("p", "c") + client::Flush()).Server(server::BindComplete());
  session.Client(client::Execute("p") + client::Sync());
  EXPECT_EQ(session.events.commit_stamps.size(), 3u);
  session.Server(server::CommandComplete("COMMIT") + server::ReadyForQuery('I'));
  // Not behind what is unanswered.
  session.Client(Unnamed("INSERT") + Unnamed("COMMIT") + client::Sync());
  session.Server(Done("INSERT 0 1") + Done("COMMIT") + server::ReadyForQuery('I'));
  EXPECT_EQ(session.events.commit_stamps.size(), 3u);
  EXPECT_FALSE(session.tracker.lost());
}

TEST(TrackerExtended, PortalSuspendedAndContinued) {
  TrackedSession session;
  session.Client(client::Parse("", "SELECT") + client::Bind("p", "", {"1"}) +
                 client::DescribePortal("p") + client::Execute("p", 1) + client::Flush());
  session.Server(kParsedBound + server::RowDescription({{"a"}}) + server::DataRow({"1"}) +
                 server::PortalSuspended());
  session.Client(client::Execute("p", 1) + client::Execute("p") + client::Sync());
  session.Server(server::DataRow({"2"}) + server::PortalSuspended() +
                 server::CommandComplete("SELECT 0") + server::ReadyForQuery('I'));
  EXPECT_THAT(session.Take(), ElementsAre("SELECT -> suspended", "SELECT -> suspended",
                                          "SELECT -> SELECT 0", "ready I"));
  const auto& statements = session.events.statements;
  EXPECT_FALSE(statements[0].continues_portal);
  EXPECT_TRUE(statements[1].continues_portal);
  EXPECT_TRUE(statements[2].continues_portal);
  EXPECT_EQ(statements[1].sent_first, 3u);
  for (const StatementEvent& event : statements) {
    EXPECT_EQ(event.reply.row_description, server::RowDescriptionBody({{"a"}}));
    EXPECT_THAT(event.parameters.values, ElementsAre("1"));
  }
}

TEST(TrackerExtended, PortalsEndWithTheTransaction) {
  TrackedSession session;
  session.Client(Unnamed("BEGIN") + client::Parse("s", "SELECT") + client::Bind("p", "s") +
                 client::Sync());
  session.Server(Done("BEGIN") + kParsedBound + server::ReadyForQuery('T'));
  session.Client(client::Execute("p") + client::Query("COMMIT"));
  session.Server(server::CommandComplete("SELECT 0") + server::CommandComplete("COMMIT") +
                 server::ReadyForQuery('I'));
  session.Client(client::Execute("p") + client::Sync());
  session.Server(server::Error("34000") + server::ReadyForQuery('I'));
  EXPECT_THAT(session.Take(),
              ElementsAre("BEGIN -> BEGIN", "ready T", "SELECT -> SELECT 0", "COMMIT -> COMMIT",
                          "ready I", "<unknown> -> error 34000", "ready I"));
}

TEST(TrackerExtended, NamesAreResolvedInTheServersOrder) {
  TrackedSession session;
  // All in one flush: each Bind means the Parse before it, and the portal outlives the statement.
  session.Client(client::Parse("s", "one") + client::Bind("p", "s") + client::CloseStatement("s") +
                 client::Parse("s", "two") + client::Bind("q", "s") + client::Execute("p") +
                 client::Execute("q") + client::ClosePortal("q") + client::Sync());
  session.Server(kParsedBound + server::CloseComplete() + kParsedBound +
                 server::CommandComplete("1") + server::CommandComplete("2") +
                 server::CloseComplete() + server::ReadyForQuery('I'));
  EXPECT_THAT(session.Take(), ElementsAre("one -> 1", "two -> 2", "ready I"));
}

TEST(TrackerExtended, LongNamesCountUpTo63Bytes) {
  TrackedSession session;
  const std::string name(63, 'n');
  session.Client(client::Parse(name + "x", "one") + client::Bind("", name + "y") +
                 client::Execute() + client::Sync());
  session.Server(kParsedBound + server::CommandComplete("1") + server::ReadyForQuery('I'));
  EXPECT_THAT(session.Take(), ElementsAre("one -> 1", "ready I"));
}

TEST(TrackerExtended, AQueryUsesTheUnnamedStatementUp) {
  TrackedSession session;
  session.Client(client::Parse("", "one") + client::Sync())
      .Server(server::ParseComplete() + server::ReadyForQuery('I'));
  session.Take();
  session.Client(client::Query("SELECT 1"))
      .Server(server::CommandComplete("SELECT 1") + server::ReadyForQuery('I'));
  session.Client(client::Bind("", "") + client::Execute() + client::Sync());
  session.Server(server::Error("26000") + server::ReadyForQuery('I'));
  EXPECT_THAT(session.Take(), ElementsAre("SELECT 1 -> SELECT 1", "ready I",
                                          "<unknown> -> error 26000", "ready I"));
}

TEST(TrackerExtended, StatementsMadeAndUnmadeInSql) {
  TrackedSession session;
  const auto query = [&](const std::string& sql, const std::string& tag) {
    session.Client(client::Query(sql))
        .Server(server::CommandComplete(tag) + server::ReadyForQuery('I'));
    session.Take();
  };
  const auto execute = [&](const std::string& name) {
    session.Client(client::Bind("", name) + client::Execute() + client::Sync());
    session.Server(server::BindComplete() + server::CommandComplete("X") +
                   server::ReadyForQuery('I'));
    return session.Take()[0];
  };
  query("PREPARE Foo (int) AS SELECT $1;", "PREPARE");
  EXPECT_EQ(execute("foo"), "SELECT $1 -> X");
  query("DEALLOCATE foo", "DEALLOCATE");
  EXPECT_EQ(execute("foo"), "<unknown> -> X");
  for (const auto& [sql, tag] : std::vector<std::pair<std::string, std::string>>{
           {"DEALLOCATE ALL", "DEALLOCATE ALL"}, {"DISCARD ALL", "DISCARD ALL"}}) {
    session.Client(client::Parse("s", "one") + client::Sync())
        .Server(server::ParseComplete() + server::ReadyForQuery('I'));
    session.Take();
    EXPECT_EQ(execute("s"), "one -> X");
    query(sql, tag);
    EXPECT_EQ(execute("s"), "<unknown> -> X");
  }
  EXPECT_FALSE(session.tracker.lost());
}

TEST(TrackerExtended, EmptyStatement) {
  TrackedSession session;
  session.Client(Unnamed("") + client::Sync());
  session.Server(kParsedBound + server::EmptyQueryResponse() + server::ReadyForQuery('I'));
  EXPECT_THAT(session.Take(), ElementsAre(" -> empty", "ready I"));
}

TEST(TrackerExtended, UnknownTextLeavesTheStatusToTheServer) {
  TrackedSession session;
  for (const auto& [tag, status] : std::vector<std::pair<std::string, char>>{
           {"BEGIN", 'T'}, {"ROLLBACK", 'T'}, {"COMMIT", 'T'}, {"COMMIT", 'I'}}) {
    session.Client(client::Bind("", "old") + client::Execute() + client::Sync());
    session.Server(server::BindComplete() + server::CommandComplete(tag) +
                   server::ReadyForQuery(status));
    EXPECT_THAT(session.Take(), ElementsAre("<unknown> -> " + tag, std::string("ready ") + status));
  }
}

TEST(TrackerExtended, AFatalErrorTellsOfWhatItRefused) {
  TrackedSession session;
  session.Client(client::Parse("", "SELECT 1") + client::Sync())
      .Server(server::Error("57P01", "bye", "FATAL"));
  EXPECT_THAT(session.Take(), ElementsAre("SELECT 1 -> error 57P01"));
  EXPECT_FALSE(session.tracker.lost());
}

}  // namespace
}  // namespace pgparity::protocol
