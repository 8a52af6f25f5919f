// Sessions that end.
#include "tests/unit/shadow/assembler_fixture.h"

namespace pgparity::shadow {
namespace {

TEST_F(AssemblerTest, ClosingInABlockRollsBack) {
  Simple(kA, "BEGIN", {"BEGIN"}, 'T');
  Simple(kA, "INSERT 1", {"INSERT 0 1"}, 'T');
  Client(kA, client::Terminate());
  Close(kA);
  EXPECT_THAT(Summaries(), ElementsAre("rolled back: BEGIN; INSERT 1;"));
}

TEST_F(AssemblerTest, ClosingWithAStatementOfABlockUnansweredRollsBack) {
  Simple(kA, "BEGIN", {"BEGIN"}, 'T');
  Client(kA, client::Query("INSERT 1"));
  Close(kA);
  EXPECT_THAT(Summaries(), ElementsAre("rolled back: BEGIN; INSERT 1~;"));
}

TEST_F(AssemblerTest, ClosingWithCommitInFlightIsInDoubtAndLeavesTheWatermark) {
  Simple(kA, "BEGIN", {"BEGIN"}, 'T');
  Simple(kA, "INSERT 1", {"INSERT 0 1"}, 'T');
  const Stamp commit = Client(kA, client::Query("COMMIT"));
  Advance();
  EXPECT_EQ(assembler_->watermark(), commit);
  Close(kA);
  Advance();
  EXPECT_EQ(assembler_->watermark(), now_);
  EXPECT_THAT(Summaries(), ElementsAre("in doubt: BEGIN; INSERT 1; COMMIT~;"));
  EXPECT_EQ(assembler_->counters().in_doubt, 1u);
}

TEST_F(AssemblerTest, AHealedBlockMayHaveCommittedAtTheClose) {
  Simple(kA, "BEGIN", {"BEGIN"}, 'T');
  Simple(kA, "INSERT 1", {"INSERT 0 1"}, 'T');
  Simple(kA, "SAVEPOINT s", {"SAVEPOINT"}, 'T');
  Simple(kA, "INSERT 2", {"!"}, 'E');
  Simple(kA, "ROLLBACK TO s", {"ROLLBACK"}, 'T');
  Client(kA, client::Query("COMMIT"));
  Close(kA);
  EXPECT_THAT(
      Summaries(),
      ElementsAre("in doubt: BEGIN; INSERT 1; SAVEPOINT s; INSERT 2!; ROLLBACK TO s; COMMIT~;"));
}

TEST_F(AssemblerTest, AFailedBlockCannotHaveCommittedAtTheClose) {
  Simple(kA, "BEGIN", {"BEGIN"}, 'T');
  Simple(kA, "INSERT 1", {"INSERT 0 1"}, 'T');
  Simple(kA, "INSERT 2", {"!"}, 'E');
  Client(kA, client::Query("COMMIT"));
  Close(kA);
  EXPECT_THAT(Summaries(), ElementsAre("rolled back: BEGIN; INSERT 1; INSERT 2!; COMMIT~;"));
}

TEST_F(AssemblerTest, ACommitBehindTheRunningStatementIsSeenAtTheClose) {
  Simple(kA, "BEGIN", {"BEGIN"}, 'T');
  Client(kA, client::Query("INSERT 1; INSERT 2; COMMIT"));
  Server(kA, server::CommandComplete("INSERT 0 1"));
  Close(kA);
  EXPECT_THAT(Summaries(), ElementsAre("in doubt: BEGIN; INSERT 1; INSERT 2~; COMMIT~;"));
}

TEST_F(AssemblerTest, APipelinedCommitIsSeenAtTheClose) {
  Client(kA, Extended("BEGIN") + Extended("INSERT 1") + client::Sync());
  Client(kA, Extended("COMMIT") + client::Sync());
  Server(kA, Answer("BEGIN"));
  Close(kA);
  EXPECT_THAT(Summaries(), ElementsAre("in doubt: BEGIN; INSERT 1~; COMMIT~;"));
}

TEST_F(AssemblerTest, ASingleShotWriteUnansweredAtTheCloseIsInDoubt) {
  Client(kA, client::Query("INSERT 1"));
  Close(kA);
  EXPECT_THAT(Summaries(), ElementsAre("in doubt: INSERT 1~;"));
}

TEST_F(AssemblerTest, AWriteWhoseSyncIsUnansweredIsInDoubt) {
  Client(kA, Extended("INSERT 1") + client::Sync());
  Server(kA, Answer("INSERT 0 1"));
  Close(kA);
  EXPECT_THAT(Summaries(), ElementsAre("in doubt: INSERT 1;"));
}

TEST_F(AssemblerTest, AReadUnansweredAtTheCloseIsNot) {
  Client(kA, client::Query("SELECT count(*) FROM t"));
  Close(kA);
  EXPECT_THAT(Summaries(), ElementsAre("rolled back: SELECT count(*) FROM t~;"));
}

TEST_F(AssemblerTest, AFunctionThatMayWriteUnansweredAtTheCloseIsInDoubt) {
  Client(kA, client::Query("SELECT pay(1)"));
  Close(kA);
  EXPECT_THAT(Summaries(), ElementsAre("in doubt: SELECT pay(1)~;"));
}

TEST_F(AssemblerTest, AFatalErrorInABlockRollsBackAndOnCommitIsInDoubt) {
  Open(kB);
  for (const uint64_t session : {kA, kB}) {
    Simple(session, "BEGIN", {"BEGIN"}, 'T');
    Simple(session, "INSERT 1", {"INSERT 0 1"}, 'T');
  }
  Client(kA, client::Query("INSERT 2"));
  Server(kA, server::Error("57P01", "bye", "FATAL"));
  Close(kA);
  Client(kB, client::Query("COMMIT"));
  Server(kB, server::Error("57P01", "bye", "FATAL"));
  Close(kB);
  EXPECT_THAT(Summaries(), ElementsAre("rolled back: BEGIN; INSERT 1; INSERT 2!;",
                                       "in doubt: BEGIN; INSERT 1; COMMIT!;"));
}

TEST_F(AssemblerTest, AnIdleTimeoutRollsBack) {
  Simple(kA, "BEGIN", {"BEGIN"}, 'T');
  Simple(kA, "INSERT 1", {"INSERT 0 1"}, 'T');
  Server(kA, server::Error("25P03", "idle", "FATAL"));
  Close(kA);
  EXPECT_THAT(Summaries(), ElementsAre("rolled back: BEGIN; INSERT 1;"));
}

TEST_F(AssemblerTest, AnErrorWhoseReadyIsMissingRollsBack) {
  Client(kA, client::Query("INSERT 1; INSERT 2"));
  Server(kA, server::CommandComplete("INSERT 0 1") + server::Error("23505"));
  Close(kA);
  EXPECT_THAT(Summaries(), ElementsAre("rolled back: INSERT 1; INSERT 2!;"));
}

TEST_F(AssemblerTest, ACopyThatTheClientDidNotEndRollsBack) {
  Client(kA, client::Query("COPY t FROM STDIN"));
  Server(kA, server::CopyInResponse());
  Client(kA, client::CopyData("1\n"));
  Close(kA);
  EXPECT_THAT(Summaries(), ElementsAre("rolled back: COPY t FROM STDIN~;"));
  EXPECT_EQ(Units().at(0).statements.at(0).copy_data, "1\n");
}

TEST_F(AssemblerTest, AnUnansweredPrepareIsParked) {
  Open(kB);
  Simple(kA, "BEGIN", {"BEGIN"}, 'T');
  Client(kA, client::Query("PREPARE TRANSACTION 'x'"));
  Close(kA);
  EXPECT_THAT(Summaries(), IsEmpty());
  Simple(kB, "COMMIT PREPARED 'x'", {"COMMIT PREPARED"}, 'I');
  EXPECT_THAT(Summaries(), ElementsAre("committed at gid=x: BEGIN; COMMIT PREPARED 'x';"));
}

TEST_F(AssemblerTest, TheDestructorClosesSessions) {
  Simple(kA, "BEGIN", {"BEGIN"}, 'T');
  assembler_.reset();
  EXPECT_THAT(Summaries(), ElementsAre("rolled back: BEGIN;"));
}

}  // namespace
}  // namespace pgparity::shadow
