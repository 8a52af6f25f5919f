// When the session tracker gives up, and how it goes on.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/protocol/tracker_session.h"

namespace pgparity::protocol {
namespace {

namespace client = testing::client;
namespace server = testing::server;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

bool LosesBy(const std::string& requests, const std::string& replies) {
  TrackedSession session;
  session.Client(requests);
  EXPECT_FALSE(session.tracker.lost());
  session.Server(replies);
  return session.tracker.lost();
}

TEST(TrackerLost, RepliesWithNothingOutstanding) {
  for (const std::string& reply :
       {server::ReadyForQuery('I'), server::CommandComplete("SELECT 1"), server::DataRow({"1"}),
        server::RowDescription({}), server::Error("42601"), server::ParseComplete(),
        server::BindComplete(), server::CloseComplete(), server::NoData(),
        server::ParameterDescription({}), server::PortalSuspended(), server::EmptyQueryResponse(),
        server::CopyInResponse(), server::CopyOutResponse(), server::CopyData("x"),
        server::CopyDone(), server::FunctionCallResponse("x"), server::AuthenticationOk(),
        server::BackendKeyData(1, "1234")}) {
    EXPECT_TRUE(LosesBy("", reply)) << reply[0];
  }
}

TEST(TrackerLost, RepliesThatDoNotAnswerTheRequest) {
  const std::string query = client::Query("SELECT 1; SELECT 2");
  EXPECT_TRUE(LosesBy(query, server::ReadyForQuery('I')));
  EXPECT_TRUE(LosesBy(query, server::ParseComplete()));
  EXPECT_TRUE(LosesBy(query, server::PortalSuspended()));
  EXPECT_TRUE(LosesBy(query, server::EmptyQueryResponse()));
  EXPECT_TRUE(LosesBy(query, server::CommandComplete("SELECT 1") + server::ReadyForQuery('I')));
  EXPECT_TRUE(LosesBy(query, server::CommandComplete("SELECT 1") +
                                 server::CommandComplete("SELECT 1") +
                                 server::CommandComplete("SELECT 1")));
  EXPECT_TRUE(LosesBy(query, server::RowDescription({}) + server::RowDescription({})));
  EXPECT_TRUE(LosesBy(query, server::CopyInResponse() + server::CommandComplete("COPY 1")));
  EXPECT_TRUE(LosesBy(query, server::CopyOutResponse() + server::CommandComplete("COPY 1")));
  EXPECT_TRUE(LosesBy(query, server::CopyOutResponse() + server::DataRow({})));
  EXPECT_TRUE(LosesBy(query, server::CommandComplete("SELECT 1") + server::DataRow({}) +
                                 server::ReadyForQuery('I')));
  EXPECT_TRUE(LosesBy(query, server::Error("42601") + server::Error("42601")));
  const std::string execute =
      client::Parse("", "a") + client::Bind("", "") + client::Execute() + client::Sync();
  const std::string bound = server::ParseComplete() + server::BindComplete();
  EXPECT_TRUE(LosesBy(execute, server::BindComplete()));
  EXPECT_TRUE(LosesBy(execute, bound + server::RowDescription({})));
  EXPECT_TRUE(LosesBy(execute, bound + server::ReadyForQuery('I')));
  EXPECT_TRUE(
      LosesBy(execute, bound + server::CommandComplete("A") + server::CommandComplete("B")));
  EXPECT_TRUE(LosesBy(client::DescribeStatement("s"), server::RowDescription({})));
  EXPECT_TRUE(LosesBy(client::DescribePortal("s"), server::ParameterDescription({})));
  EXPECT_TRUE(LosesBy(client::FunctionCall(1), server::ReadyForQuery('I')));
}

TEST(TrackerLost, ATagThatCannotBeOfTheStatement) {
  EXPECT_TRUE(LosesBy(client::Query("INSERT"), server::CommandComplete("COMMIT")));
  EXPECT_TRUE(LosesBy(client::Query("COMMIT"), server::CommandComplete("INSERT 0 1")));
  EXPECT_TRUE(LosesBy(client::Query("BEGIN"), server::CommandComplete("COMMIT")));
  EXPECT_FALSE(
      LosesBy(client::Query("START TRANSACTION"), server::CommandComplete("START TRANSACTION")));
  EXPECT_FALSE(LosesBy(client::Query("END"), server::CommandComplete("ROLLBACK")));
  EXPECT_FALSE(
      LosesBy(client::Query("PREPARE TRANSACTION 'x'"), server::CommandComplete("ROLLBACK")));
}

TEST(TrackerLost, MalformedMessages) {
  TrackedSession from_client;
  from_client.Client(testing::Message('Q', "no terminator"));
  EXPECT_THAT(from_client.Take(), ElementsAre("lost: malformed Query message"));
  TrackedSession from_server;
  from_server.Server(testing::Message('Z', "?"));
  EXPECT_THAT(from_server.Take(), ElementsAre("lost: malformed ReadyForQuery message"));
  TrackedSession unknown;
  unknown.Client(testing::Message('!', ""));
  EXPECT_TRUE(unknown.tracker.lost());
}

TEST(TrackerLost, PasswordsAfterLoginAreNotQuoted) {
  TrackedSession session;
  session.Client(client::Password("hunter2"));
  EXPECT_THAT(session.Take(), ElementsAre("lost: a password message after login"));
}

TEST(TrackerLost, FramesLargerThanTheLimit) {
  TrackedSession from_client(100);
  from_client.Client(client::CopyData(std::string(200, 'x')));
  EXPECT_TRUE(from_client.tracker.lost());
  TrackedSession from_server(100);
  from_server.Client(client::Query("SELECT 1")).Server(server::DataRow({std::string(200, 'x')}));
  EXPECT_TRUE(from_server.tracker.lost());
  // Nothing is missed with a notice.
  TrackedSession notice(100);
  notice.Server(server::Notice(std::string(200, 'x')));
  EXPECT_FALSE(notice.tracker.lost());
}

TEST(TrackerLost, IgnoresAllUntilResynchronised) {
  TrackedSession session;
  session.Client(client::Parse("s", "one") + client::Sync())
      .Server(server::ParseComplete() + server::ReadyForQuery('I'));
  session.Client(client::Query("BEGIN"))
      .Server(server::CommandComplete("BEGIN") + server::CommandComplete("BEGIN"));
  session.Take();
  EXPECT_TRUE(session.tracker.lost());
  session.Client(client::Query("x")).Server(server::ReadyForQuery('I') + server::DataRow({}));
  session.tracker.OnElidedRows({});
  EXPECT_THAT(session.Take(), IsEmpty());
  session.tracker.Resynchronise();
  EXPECT_FALSE(session.tracker.lost());
  EXPECT_EQ(session.tracker.status(), TransactionStatus::idle);
  session.Client(client::Bind("", "s") + client::Execute() + client::Sync());
  session.Server(server::BindComplete() + server::CommandComplete("X") +
                 server::ReadyForQuery('I'));
  EXPECT_THAT(session.Take(), ElementsAre("<unknown> -> X", "ready I"));
}

TEST(TrackerLost, RequestsWithoutRepliesAreBounded) {
  TrackedSession session(size_t{64} << 20);
  const std::string query = client::Query(std::string(1 << 20, ' '));
  int sent = 0;
  while (!session.tracker.lost() && sent < 100) {
    session.Client(query);
    ++sent;
  }
  EXPECT_EQ(sent, 64);  // 64 of them do not fit into 64 MiB
  // Small ones count with their bookkeeping.
  TrackedSession small;
  std::string syncs;
  for (int i = 0; i < 1000; ++i) syncs += client::Sync();
  for (int i = 0; i < 2000 && !small.tracker.lost(); ++i) small.Client(syncs);
  EXPECT_TRUE(small.tracker.lost());
}

TEST(TrackerLost, OneLargeRequestIsLetIn) {
  TrackedSession session(size_t{128} << 20);
  session.Client(client::Query("SELECT '" + std::string(size_t{70} << 20, 'x') + "'"));
  session.Server(server::CommandComplete("SELECT 1") + server::ReadyForQuery('I'));
  EXPECT_FALSE(session.tracker.lost());
}

TEST(TrackerLost, ClosedPortalsMakeRoom) {
  TrackedSession session(size_t{64} << 20);
  session.Client(client::Query("BEGIN"))
      .Server(server::CommandComplete("BEGIN") + server::ReadyForQuery('T'));
  for (int i = 0; i < 20; ++i) {
    session.Client(client::Parse("", "x") + client::Bind("p", "", {std::string(8 << 20, 'v')}) +
                   client::Execute("p") + client::ClosePortal("p") + client::Sync());
    session.Server(server::ParseComplete() + server::BindComplete() + server::CommandComplete("X") +
                   server::CloseComplete() + server::ReadyForQuery('T'));
    ASSERT_TRUE(session.Last().known_text) << i;
  }
}

TEST(TrackerLost, StatementsBeyondTheBoundAreForgottenNotLost) {
  TrackedSession session(size_t{64} << 20);
  const std::string text(8 << 20, 'x');
  for (int i = 0; i < 9; ++i) {
    session.Client(client::Parse("s" + std::to_string(i), text) + client::Sync());
    session.Server(server::ParseComplete() + server::ReadyForQuery('I'));
  }
  session.Take();
  for (const int i : {0, 8}) {
    session.Client(client::Bind("", "s" + std::to_string(i)) + client::Execute() + client::Sync());
    session.Server(server::BindComplete() + server::CommandComplete("X") +
                   server::ReadyForQuery('I'));
  }
  ASSERT_EQ(session.events.statements.size(), 2u);
  EXPECT_TRUE(session.events.statements[0].known_text);
  EXPECT_FALSE(session.events.statements[1].known_text);
  // Closing makes room again.
  session.Client(client::CloseStatement("s0") + client::Parse("new", text) +
                 client::Bind("", "new") + client::Execute() + client::Sync());
  session.Server(server::CloseComplete() + server::ParseComplete() + server::BindComplete() +
                 server::CommandComplete("X") + server::ReadyForQuery('I'));
  EXPECT_TRUE(session.Last().known_text);
}

}  // namespace
}  // namespace pgparity::protocol
