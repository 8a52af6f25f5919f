// The session tracker over COPY.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/protocol/tracker_session.h"

namespace pgparity::protocol {
namespace {

namespace client = testing::client;
namespace server = testing::server;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::string Extended(const std::string& sql) {
  return client::Parse("", sql) + client::Bind("", "") + client::DescribePortal("") +
         client::Execute();
}
const std::string& Answered() {
  static const std::string bytes =
      server::ParseComplete() + server::BindComplete() + server::NoData();
  return bytes;
}

TEST(TrackerCopy, InBySimpleQuery) {
  TrackedSession session;
  session.Client(client::Query("COPY t FROM STDIN")).Server(server::CopyInResponse());
  session.Client(client::CopyData("1\n") + client::CopyData("2\n"));
  EXPECT_THAT(session.Take(), ElementsAre("copy data: COPY t FROM STDIN: 1\n",
                                          "copy data: COPY t FROM STDIN: 2\n"));
  session.Client(client::CopyDone())
      .Server(server::CommandComplete("COPY 2") + server::ReadyForQuery('I'));
  EXPECT_THAT(session.Take(), ElementsAre("COPY t FROM STDIN -> COPY 2", "ready I"));
  EXPECT_TRUE(session.Last().reply.copy_in);
}

TEST(TrackerCopy, InSentAheadOfTheServersAnswer) {
  TrackedSession session;
  session.Client(client::Query("COPY t FROM STDIN") + client::CopyData("1") + client::CopyDone() +
                 client::Query("SELECT 1"));
  EXPECT_THAT(session.Take(), IsEmpty());
  session.Server(server::CopyInResponse());
  EXPECT_THAT(session.Take(), ElementsAre("copy data: COPY t FROM STDIN: 1"));
  session.Server(server::CommandComplete("COPY 1") + server::ReadyForQuery('I'));
  session.Server(server::CommandComplete("SELECT 1") + server::ReadyForQuery('I'));
  EXPECT_THAT(session.Take(), ElementsAre("COPY t FROM STDIN -> COPY 1", "ready I outstanding",
                                          "SELECT 1 -> SELECT 1", "ready I"));
}

TEST(TrackerCopy, InSentAheadAndRefused) {
  TrackedSession session;
  session.Client(client::Query("COPY t FROM STDIN") + client::CopyData("1") + client::CopyDone());
  session.Server(server::Error("42P01") + server::ReadyForQuery('I'));
  session.Client(client::Query("SELECT 1"))
      .Server(server::CommandComplete("SELECT 1") + server::ReadyForQuery('I'));
  EXPECT_THAT(session.Take(), ElementsAre("COPY t FROM STDIN -> error 42P01", "ready I",
                                          "SELECT 1 -> SELECT 1", "ready I"));
}

TEST(TrackerCopy, InTheMiddleOfAQuery) {
  TrackedSession session;
  session.Client(client::Query("BEGIN; COPY t FROM STDIN; COPY u FROM STDIN; COMMIT"));
  session.Server(server::CommandComplete("BEGIN") + server::CopyInResponse());
  session.Client(client::CopyData("1") + client::CopyDone());
  session.Server(server::CommandComplete("COPY 1") + server::CopyInResponse());
  session.Client(client::CopyData("2")).Client(client::CopyDone());
  session.Server(server::CommandComplete("COPY 1") + server::CommandComplete("COMMIT") +
                 server::ReadyForQuery('I'));
  EXPECT_THAT(session.Take(),
              ElementsAre("BEGIN -> BEGIN", "copy data: COPY t FROM STDIN: 1",
                          "COPY t FROM STDIN -> COPY 1", "copy data: COPY u FROM STDIN: 2",
                          "COPY u FROM STDIN -> COPY 1", "COMMIT -> COMMIT", "ready I"));
}

TEST(TrackerCopy, CopyFail) {
  TrackedSession session;
  session.Client(client::Query("COPY t FROM STDIN")).Server(server::CopyInResponse());
  session.Client(client::CopyData("1") + client::CopyFail("changed my mind"));
  session.Server(server::Error("57014") + server::ReadyForQuery('I'));
  EXPECT_THAT(session.Take(), ElementsAre("copy data: COPY t FROM STDIN: 1",
                                          "COPY t FROM STDIN -> error 57014", "ready I"));
}

TEST(TrackerCopy, AnErrorInTheMiddleOfASimpleOne) {
  TrackedSession session;
  session.Client(client::Query("COPY t FROM STDIN")).Server(server::CopyInResponse());
  session.Client(client::CopyData("bad")).Server(server::Error("22P02"));
  // The client has not seen it yet; the server drops all of this.
  session.Client(client::CopyData("2") + client::CopyDone());
  session.Server(server::ReadyForQuery('I')).Client(client::CopyData("3") + client::CopyDone());
  session.Client(client::Query("SELECT 1"))
      .Server(server::CommandComplete("SELECT 1") + server::ReadyForQuery('I'));
  EXPECT_THAT(session.Take(),
              ElementsAre("copy data: COPY t FROM STDIN: bad", "COPY t FROM STDIN -> error 22P02",
                          "ready I", "SELECT 1 -> SELECT 1", "ready I"));
}

TEST(TrackerCopy, ExtendedWithTheSyncAfterCopyDone) {
  TrackedSession session;
  session.Client(Extended("COPY t FROM STDIN") + client::Flush())
      .Server(Answered() + server::CopyInResponse());
  session.Client(client::CopyData("1") + client::CopyDone() + client::Sync());
  session.Server(server::CommandComplete("COPY 1") + server::ReadyForQuery('I'));
  EXPECT_THAT(session.Take(), ElementsAre("copy data: COPY t FROM STDIN: 1",
                                          "COPY t FROM STDIN -> COPY 1", "ready I"));
}

TEST(TrackerCopy, ExtendedTheSyncBehindExecuteIsDropped) {
  TrackedSession session;
  session.Client(Extended("COPY t FROM STDIN") + client::Sync())
      .Server(Answered() + server::CopyInResponse());
  session.Client(client::CopyData("1") + client::Flush() + client::Sync() + client::CopyData("2"));
  session.Client(client::CopyDone() + client::Sync());
  session.Server(server::CommandComplete("COPY 2") + server::ReadyForQuery('I'));
  EXPECT_THAT(session.Take(),
              ElementsAre("copy data: COPY t FROM STDIN: 1", "copy data: COPY t FROM STDIN: 2",
                          "COPY t FROM STDIN -> COPY 2", "ready I"));
  EXPECT_FALSE(session.tracker.lost());
  // No reply to the dropped ones is due any more.
  session.Server(server::ReadyForQuery('I'));
  EXPECT_TRUE(session.tracker.lost());
}

TEST(TrackerCopy, ExtendedRefusedBeforeItBeginsTheSyncCounts) {
  TrackedSession session;
  session.Client(Extended("COPY t FROM STDIN") + client::Sync());
  session.Server(server::ParseComplete() + server::BindComplete() + server::NoData() +
                 server::Error("42501") + server::ReadyForQuery('I'));
  EXPECT_THAT(session.Take(), ElementsAre("COPY t FROM STDIN -> error 42501", "ready I"));
}

TEST(TrackerCopy, ExtendedErrorInTheMiddleSkipsToSync) {
  TrackedSession session;
  session.Client(Extended("COPY t FROM STDIN") + client::Flush())
      .Server(Answered() + server::CopyInResponse());
  session.Client(client::CopyData("bad")).Server(server::Error("22P02"));
  session.Client(client::CopyData("2") + client::CopyDone() + client::Execute() + client::Sync());
  session.Server(server::ReadyForQuery('I'));
  EXPECT_THAT(session.Take(),
              ElementsAre("copy data: COPY t FROM STDIN: bad", "COPY t FROM STDIN -> error 22P02",
                          "COPY t FROM STDIN -> skipped", "ready I"));
}

TEST(TrackerCopy, ExtendedErrorBeforeTheServerReadTheSyncBehindExecute) {
  // A statement trigger fails before the server reads anything: then that Sync was not dropped.
  TrackedSession session;
  session.Client(Extended("COPY t FROM STDIN") + client::Sync())
      .Server(Answered() + server::CopyInResponse());
  session.Server(server::Error("P0001") + server::ReadyForQuery('I'));
  EXPECT_THAT(session.Take(), ElementsAre("COPY t FROM STDIN -> error P0001", "ready I"));
  session.Client(client::Query("SELECT 1"))
      .Server(server::CommandComplete("SELECT 1") + server::ReadyForQuery('I'));
  EXPECT_THAT(session.Take(), ElementsAre("SELECT 1 -> SELECT 1", "ready I"));
}

TEST(TrackerCopy, ExtendedErrorWithBothSyncsAnswered) {
  TrackedSession session;
  session.Client(Extended("COPY t FROM STDIN") + client::Sync())
      .Server(Answered() + server::CopyInResponse());
  session.Client(client::CopyData("1") + client::CopyDone() + client::Sync());
  session.Server(server::Error("P0001") + server::ReadyForQuery('I') + server::ReadyForQuery('I'));
  session.Client(client::Query("SELECT 1"))
      .Server(server::CommandComplete("SELECT 1") + server::ReadyForQuery('I'));
  EXPECT_FALSE(session.tracker.lost());
}

TEST(TrackerCopy, AnotherMessageDuringCopyInIsAnErrorToTheServer) {
  TrackedSession session;
  session.Client(client::Query("COPY t FROM STDIN")).Server(server::CopyInResponse());
  session.Client(client::Query("SELECT 1"));
  session.Server(server::Error("08P01") + server::ReadyForQuery('I'));
  EXPECT_THAT(session.Take(), ElementsAre("COPY t FROM STDIN -> error 08P01", "ready I"));
}

TEST(TrackerCopy, WhatInterruptsACopyThatHasFailedIsRunNormally) {
  TrackedSession session;
  session.Client(client::Query("COPY t FROM STDIN") + client::Query("SELECT 1"));
  session.Server(server::CopyInResponse() + server::Error("P0001") + server::ReadyForQuery('I') +
                 server::CommandComplete("SELECT 1") + server::ReadyForQuery('I'));
  EXPECT_THAT(session.Take(), ElementsAre("COPY t FROM STDIN -> error P0001", "ready I outstanding",
                                          "SELECT 1 -> SELECT 1", "ready I"));
  session.Client(Extended("COPY t FROM STDIN") + client::Sync() + Extended("SELECT 1") +
                 client::Sync());
  session.Server(Answered() + server::CopyInResponse() + server::Error("P0001") +
                 server::ReadyForQuery('I') + Answered() + server::CommandComplete("SELECT 1") +
                 server::ReadyForQuery('I'));
  EXPECT_THAT(session.Take(), ElementsAre("COPY t FROM STDIN -> error P0001", "ready I outstanding",
                                          "SELECT 1 -> SELECT 1", "ready I"));
}

TEST(TrackerCopy, Out) {
  TrackedSession session;
  session.Client(client::Query("COPY t TO STDOUT"));
  session.Server(server::CopyOutResponse() + server::CopyData("1\n") + server::CopyData("2\n") +
                 server::CopyDone() + server::CommandComplete("COPY 2") +
                 server::ReadyForQuery('I'));
  EXPECT_THAT(session.Take(), ElementsAre("COPY t TO STDOUT -> COPY 2", "ready I"));
  EXPECT_TRUE(session.Last().reply.copy_out);
  EXPECT_EQ(session.Last().reply.row_count, 2u);
  EXPECT_EQ(session.Last().reply.rows.substr(4, 2), "1\n");
}

TEST(TrackerCopy, OutThatFails) {
  TrackedSession session;
  session.Client(Extended("COPY t TO STDOUT") + client::Sync());
  session.Server(Answered() + server::CopyOutResponse() + server::CopyData("1\n") +
                 server::Error("57014") + server::ReadyForQuery('I'));
  EXPECT_THAT(session.Take(), ElementsAre("COPY t TO STDOUT -> error 57014", "ready I"));
  EXPECT_EQ(session.Last().reply.row_count, 1u);
}

TEST(TrackerCopy, StrayCopyMessagesAreDropped) {
  TrackedSession session;
  session.Client(client::CopyData("x") + client::CopyDone() + client::CopyFail("y"));
  session.Client(client::Query("SELECT 1"))
      .Server(server::CommandComplete("SELECT 1") + server::ReadyForQuery('I'));
  EXPECT_THAT(session.Take(), ElementsAre("SELECT 1 -> SELECT 1", "ready I"));
}

TEST(TrackerCopy, ReplicationIsLost) {
  TrackedSession session;
  session.Client(client::Query("START_REPLICATION 0/0")).Server(server::CopyBothResponse());
  EXPECT_THAT(session.Take(), ElementsAre("lost: replication"));
}

}  // namespace
}  // namespace pgparity::protocol
