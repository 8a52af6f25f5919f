// Cutting into units, prepared transactions.
#include "tests/unit/shadow/assembler_fixture.h"

namespace pgparity::shadow {
namespace {

TEST_F(AssemblerTest, AutocommitStatementsAreUnits) {
  Simple(kA, "INSERT 1", {"INSERT 0 1"}, 'I');
  Simple(kA, "SELECT 1", {"SELECT 1"}, 'I');
  Simple(kA, "BAD", {"!"}, 'I');
  Simple(kA, "", {""}, 'I');
  EXPECT_THAT(Summaries(), ElementsAre("committed: INSERT 1;", "committed: SELECT 1;",
                                       "rolled back: BAD!;", "committed: ;"));
}

TEST_F(AssemblerTest, AnExplicitBlockIsAUnitAtItsCommit) {
  const Stamp begin = now_ + 1;
  Simple(kA, "BEGIN", {"BEGIN"}, 'T');
  Simple(kA, "INSERT 1", {"INSERT 0 1"}, 'T');
  const Stamp commit = Client(kA, client::Query("COMMIT"));
  const Stamp done = Server(kA, server::CommandComplete("COMMIT") + server::ReadyForQuery('I'));
  const std::vector<Unit> units = Units();
  ASSERT_EQ(units.size(), 1u);
  EXPECT_EQ(Summary(units[0]), "committed at: BEGIN; INSERT 1; COMMIT;");
  const UnitHeader& header = units[0].header;
  EXPECT_EQ(header.key, commit);
  EXPECT_EQ(header.interval.lo, commit);
  EXPECT_EQ(header.interval.hi, commit);
  EXPECT_EQ(header.done, done);
  EXPECT_EQ(header.user, "alice");
  EXPECT_EQ(header.database, "shop");
  EXPECT_EQ(header.wall_offset, 1000u);
  EXPECT_EQ(header.ordinal, 1u);
  EXPECT_EQ(units[0].statements[0].sent, begin);
}

TEST_F(AssemblerTest, ASingleShotHasAnInterval) {
  const Stamp sent = Client(kA, client::Query("INSERT 1"));
  Server(kA, server::CommandComplete("INSERT 0 1"));
  const Stamp ready = Server(kA, server::ReadyForQuery('I'));
  const UnitHeader header = Units().at(0).header;
  EXPECT_EQ(header.interval.lo, sent);
  EXPECT_EQ(header.interval.hi, ready);
  EXPECT_EQ(header.key, ready);
  EXPECT_FALSE(header.explicit_block);
}

TEST_F(AssemblerTest, ABlockInOneQueryHasAnInterval) {
  const Stamp sent = now_ + 1;
  Simple(kA, "BEGIN; INSERT 1; COMMIT", {"BEGIN", "INSERT 0 1", "COMMIT"}, 'I');
  const Unit unit = Units().at(0);
  EXPECT_EQ(Summary(unit), "committed: BEGIN; INSERT 1; COMMIT;");
  EXPECT_EQ(unit.header.interval.lo, sent);
  EXPECT_EQ(unit.header.key, sent + 1);
}

// The INSERT's locks are taken after the Query that holds the COMMIT was sent.
TEST_F(AssemblerTest, ACommitBehindAStatementInOneQueryIsNoInstant) {
  Simple(kA, "BEGIN", {"BEGIN"}, 'T');
  Simple(kA, "INSERT 1; COMMIT", {"INSERT 0 1", "COMMIT"}, 'I');
  const Unit unit = Units().at(0);
  EXPECT_FALSE(unit.header.explicit_block);
  EXPECT_LT(unit.header.interval.lo, unit.header.interval.hi);
  EXPECT_EQ(unit.header.key, now_);
}

TEST_F(AssemblerTest, APipelinedCommitIsNoInstant) {
  const Stamp sent = Client(kA, client::Query("BEGIN"));
  Client(kA, client::Query("INSERT 1"));
  Client(kA, client::Query("COMMIT"));
  Server(kA, server::CommandComplete("BEGIN") + server::ReadyForQuery('T'));
  Server(kA, server::CommandComplete("INSERT 0 1") + server::ReadyForQuery('T'));
  const Stamp done = Server(kA, server::CommandComplete("COMMIT") + server::ReadyForQuery('I'));
  const Unit unit = Units().at(0);
  EXPECT_EQ(Summary(unit), "committed: BEGIN; INSERT 1; COMMIT;");
  EXPECT_EQ(unit.header.interval.lo, sent);
  EXPECT_EQ(unit.header.key, done);
}

TEST_F(AssemblerTest, AnExtendedCommitIsAnInstant) {
  Client(kA, Extended("BEGIN") + Extended("INSERT 1") + client::Sync());
  Server(kA, Answer("BEGIN") + Answer("INSERT 0 1") + server::ReadyForQuery('T'));
  const Stamp commit = Client(kA, Extended("COMMIT") + client::Sync());
  Server(kA, Answer("COMMIT") + server::ReadyForQuery('I'));
  const Unit unit = Units().at(0);
  EXPECT_EQ(Summary(unit), "committed at: BEGIN; INSERT 1; COMMIT;");
  EXPECT_EQ(unit.header.key, commit);
}

TEST_F(AssemblerTest, SeveralUnitsInOneQuery) {
  Simple(kA, "INSERT 1; BEGIN; INSERT 2; COMMIT; INSERT 3; INSERT 4",
         {"INSERT 0 1", "BEGIN", "INSERT 0 1", "COMMIT", "INSERT 0 1", "INSERT 0 1"}, 'I');
  // BEGIN takes in what the implicit block did before it.
  EXPECT_THAT(Summaries(), ElementsAre("committed: INSERT 1; BEGIN; INSERT 2; COMMIT;",
                                       "committed: INSERT 3; INSERT 4;"));
}

TEST_F(AssemblerTest, AnErrorBehindACommitRollsBackOnlyWhatFollowsIt) {
  Simple(kA, "BEGIN; INSERT 1; COMMIT; INSERT 2; INSERT 3; INSERT 4",
         {"BEGIN", "INSERT 0 1", "COMMIT", "INSERT 0 1", "!"}, 'I');
  EXPECT_THAT(Summaries(), ElementsAre("committed: BEGIN; INSERT 1; COMMIT;",
                                       "rolled back: INSERT 2; INSERT 3!;"));
}

TEST_F(AssemblerTest, ABlockThatIsLeftOpenByAQueryGoesOn) {
  Simple(kA, "INSERT 1; BEGIN; INSERT 2", {"INSERT 0 1", "BEGIN", "INSERT 0 1"}, 'T');
  EXPECT_THAT(Summaries(), IsEmpty());
  Simple(kA, "ROLLBACK; INSERT 3", {"ROLLBACK", "INSERT 0 1"}, 'I');
  EXPECT_THAT(Summaries(), ElementsAre("rolled back: INSERT 1; BEGIN; INSERT 2; ROLLBACK;",
                                       "committed: INSERT 3;"));
}

TEST_F(AssemblerTest, CommitAnsweredRollbackDidNotCommit) {
  Simple(kA, "BEGIN", {"BEGIN"}, 'T');
  Simple(kA, "INSERT 1", {"!"}, 'E');
  Simple(kA, "COMMIT", {"ROLLBACK"}, 'I');
  EXPECT_THAT(Summaries(), ElementsAre("rolled back: BEGIN; INSERT 1!; COMMIT;"));
}

TEST_F(AssemblerTest, ACommitThatFailsRollsBack) {
  Simple(kA, "BEGIN", {"BEGIN"}, 'T');
  Simple(kA, "INSERT 1", {"INSERT 0 1"}, 'T');
  Simple(kA, "COMMIT", {"!"}, 'I');
  EXPECT_THAT(Summaries(), ElementsAre("rolled back: BEGIN; INSERT 1; COMMIT!;"));
}

TEST_F(AssemblerTest, RollbackToASavepointHealsTheBlock) {
  Simple(kA, "BEGIN", {"BEGIN"}, 'T');
  Simple(kA, "SAVEPOINT s", {"SAVEPOINT"}, 'T');
  Simple(kA, "INSERT 1", {"!"}, 'E');
  Simple(kA, "ROLLBACK TO s", {"ROLLBACK"}, 'T');
  Simple(kA, "COMMIT", {"COMMIT"}, 'I');
  EXPECT_THAT(Summaries(),
              ElementsAre("committed at: BEGIN; SAVEPOINT s; INSERT 1!; ROLLBACK TO s; COMMIT;"));
}

TEST_F(AssemblerTest, CommitAndChainStartsTheNext) {
  Simple(kA, "BEGIN", {"BEGIN"}, 'T');
  Simple(kA, "INSERT 1", {"INSERT 0 1"}, 'T');
  Simple(kA, "COMMIT AND CHAIN", {"COMMIT"}, 'T');
  Simple(kA, "INSERT 2", {"INSERT 0 1"}, 'T');
  Simple(kA, "ROLLBACK AND CHAIN", {"ROLLBACK"}, 'T');
  Simple(kA, "INSERT 3", {"INSERT 0 1"}, 'T');
  Simple(kA, "COMMIT", {"COMMIT"}, 'I');
  Simple(kA, "INSERT 4", {"INSERT 0 1"}, 'I');
  EXPECT_THAT(Summaries(), ElementsAre("committed at: BEGIN; INSERT 1; COMMIT AND CHAIN;",
                                       "rolled back: INSERT 2; ROLLBACK AND CHAIN;",
                                       "committed at: INSERT 3; COMMIT;", "committed: INSERT 4;"));
}

TEST_F(AssemblerTest, AChainedBlockOfNothingLeavesNoUnit) {
  Simple(kA, "BEGIN", {"BEGIN"}, 'T');
  Simple(kA, "COMMIT AND CHAIN", {"COMMIT"}, 'T');
  Close(kA);
  EXPECT_THAT(Summaries(), ElementsAre("committed at: BEGIN; COMMIT AND CHAIN;"));
}

TEST_F(AssemblerTest, APipelineIsOneUnitUpToItsSync) {
  const Stamp sent = Client(kA, Extended("INSERT 1") + Extended("INSERT 2") + client::Sync());
  Server(kA, Answer("INSERT 0 1") + Answer("INSERT 0 1"));
  EXPECT_THAT(Summaries(), IsEmpty());
  const Stamp ready = Server(kA, server::ReadyForQuery('I'));
  const Unit unit = Units().at(0);
  EXPECT_EQ(Summary(unit), "committed: INSERT 1; INSERT 2;");
  EXPECT_EQ(unit.header.interval.lo, sent);
  EXPECT_EQ(unit.header.interval.hi, ready);
}

TEST_F(AssemblerTest, AnErrorInAPipelineRollsAllBackAndSkips) {
  Client(kA, Extended("INSERT 1") + Extended("INSERT 2") + Extended("INSERT 3") + client::Sync());
  Server(kA, Answer("INSERT 0 1") + server::ParseComplete() + server::BindComplete() +
                 server::Error("23505") + server::ReadyForQuery('I'));
  EXPECT_THAT(Summaries(), ElementsAre("rolled back: INSERT 1; INSERT 2!; INSERT 3~;"));
}

TEST_F(AssemblerTest, AParseErrorWithoutExecuteRollsThePipelineBack) {
  Client(kA, Extended("INSERT 1") + client::Parse("", "BAD") + client::Sync());
  Server(kA, Answer("INSERT 0 1") + server::Error("42601") + server::ReadyForQuery('I'));
  EXPECT_THAT(Summaries(), ElementsAre("rolled back: INSERT 1; BAD!;"));
}

TEST_F(AssemblerTest, ASyncThatFailsToCommitRollsBack) {
  Client(kA, Extended("INSERT 1") + client::Sync());
  Server(kA, Answer("INSERT 0 1") + server::Error("23503") + server::ReadyForQuery('I'));
  EXPECT_THAT(Summaries(), ElementsAre("rolled back: INSERT 1; COMMIT!;"));
}

TEST_F(AssemblerTest, ACommitInAPipelineEndsAUnitAndTheRestIsAnother) {
  Client(kA, Extended("INSERT 1") + Extended("COMMIT") + Extended("INSERT 2") +
                 Extended("INSERT 3") + client::Sync());
  Server(kA, Answer("INSERT 0 1") + Answer("COMMIT") + server::ParseComplete() +
                 server::BindComplete() + server::Error("23505") + server::ReadyForQuery('I'));
  EXPECT_THAT(Summaries(),
              ElementsAre("committed: INSERT 1; COMMIT;", "rolled back: INSERT 2!; INSERT 3~;"));
}

TEST_F(AssemblerTest, VacuumInAPipelineCommitsWhatCameBefore) {
  Client(kA, Extended("INSERT 1") + Extended("VACUUM t") + Extended("INSERT 2") + client::Sync());
  Server(kA, Answer("INSERT 0 1") + Answer("VACUUM") + server::ParseComplete() +
                 server::BindComplete() + server::Error("23505") + server::ReadyForQuery('I'));
  EXPECT_THAT(Summaries(),
              ElementsAre("committed: INSERT 1; VACUUM t;", "rolled back: INSERT 2!;"));
}

TEST_F(AssemblerTest, ReplyOfAStatementIsKept) {
  Client(kA, client::Query("SELECT 1"));
  Server(kA, server::RowDescription({{"a", 23}}) + server::DataRow({"7"}) +
                 server::CommandComplete("SELECT 1") + server::ReadyForQuery('I'));
  const Statement statement = Units().at(0).statements.at(0);
  EXPECT_EQ(statement.primary.columns.at(0).name, "a");
  EXPECT_EQ(statement.primary.row_count, 1u);
  EXPECT_EQ(statement.primary.tag, "SELECT 1");
}

TEST_F(AssemblerTest, APreparedUnitIsJournalledAtItsCommit) {
  Open(kB);
  Simple(kA, "BEGIN", {"BEGIN"}, 'T');
  Simple(kA, "INSERT 1", {"INSERT 0 1"}, 'T');
  Simple(kA, "PREPARE TRANSACTION 'it''s'", {"PREPARE TRANSACTION"}, 'I');
  Simple(kA, "INSERT 2", {"INSERT 0 1"}, 'I');
  EXPECT_THAT(Summaries(), ElementsAre("committed: INSERT 2;"));
  Close(kA);
  const Stamp commit = Client(kB, client::Query("COMMIT PREPARED $$it's$$"));
  Server(kB, server::CommandComplete("COMMIT PREPARED") + server::ReadyForQuery('I'));
  const std::vector<Unit> units = Units();
  ASSERT_EQ(units.size(), 2u);
  EXPECT_EQ(Summary(units[1]),
            "committed at gid=it's: BEGIN; INSERT 1; PREPARE TRANSACTION 'it''s'; COMMIT PREPARED "
            "$$it's$$;");
  EXPECT_EQ(units[1].header.session, kA);
  EXPECT_EQ(units[1].header.key, commit);
  EXPECT_THAT(gaps_, IsEmpty());
}

TEST_F(AssemblerTest, APreparedUnitIsRolledBack) {
  Simple(kA, "BEGIN", {"BEGIN"}, 'T');
  Simple(kA, "PREPARE TRANSACTION 'x'", {"PREPARE TRANSACTION"}, 'I');
  Simple(kA, "ROLLBACK PREPARED 'x'", {"ROLLBACK PREPARED"}, 'I');
  EXPECT_THAT(
      Summaries(),
      ElementsAre("rolled back gid=x: BEGIN; PREPARE TRANSACTION 'x'; ROLLBACK PREPARED 'x';"));
}

TEST_F(AssemblerTest, APrepareOfAFailedTransactionRollsBack) {
  Simple(kA, "BEGIN", {"BEGIN"}, 'T');
  Simple(kA, "INSERT 1", {"!"}, 'E');
  Simple(kA, "PREPARE TRANSACTION 'x'", {"ROLLBACK"}, 'I');
  EXPECT_THAT(Summaries(), ElementsAre("rolled back: BEGIN; INSERT 1!; PREPARE TRANSACTION 'x';"));
}

TEST_F(AssemblerTest, AnUnknownGidIsAGap) {
  Simple(kA, "COMMIT PREPARED 'x'", {"COMMIT PREPARED"}, 'I');
  Units();
  EXPECT_THAT(gaps_, ElementsAre("unknown-gid"));
}

TEST_F(AssemblerTest, ParkedUnitsAreBounded) {
  Make({.max_parked = 2});
  Open(kA);
  for (const char* gid : {"a", "b", "c"}) {
    Simple(kA, "BEGIN", {"BEGIN"}, 'T');
    Simple(kA, StrCat("PREPARE TRANSACTION '", gid, "'"), {"PREPARE TRANSACTION"}, 'I');
  }
  Units();
  EXPECT_THAT(gaps_, ElementsAre("prepared-overflow"));
  Simple(kA, "COMMIT PREPARED 'a'", {"COMMIT PREPARED"}, 'I');
  Simple(kA, "COMMIT PREPARED 'c'", {"COMMIT PREPARED"}, 'I');
  EXPECT_EQ(Units().size(), 2u);
  EXPECT_THAT(gaps_, ElementsAre("prepared-overflow", "unknown-gid"));
}

TEST_F(AssemblerTest, APreparedUnitIsInDoubtWhenItsCommitIsNotAnswered) {
  Simple(kA, "BEGIN", {"BEGIN"}, 'T');
  Simple(kA, "PREPARE TRANSACTION 'x'", {"PREPARE TRANSACTION"}, 'I');
  Client(kA, client::Query("COMMIT PREPARED 'x'"));
  Close(kA);
  EXPECT_THAT(Summaries(), ::testing::Contains("in doubt gid=x: BEGIN; PREPARE TRANSACTION 'x';"));
}

}  // namespace
}  // namespace pgparity::shadow
