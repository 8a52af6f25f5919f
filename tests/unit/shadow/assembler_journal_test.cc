// Parts, gaps, a journal that fails, reads that are not journalled.
#include "tests/unit/shadow/assembler_fixture.h"

namespace pgparity::shadow {
namespace {

TEST_F(AssemblerTest, CopyDataIsJoined) {
  Client(kA, client::Query("COPY t FROM STDIN"));
  Server(kA, server::CopyInResponse());
  Client(kA, client::CopyData("1\n") + client::CopyData("2\n"));
  Client(kA, client::CopyDone());
  Server(kA, server::CommandComplete("COPY 2") + server::ReadyForQuery('I'));
  const Unit unit = Units().at(0);
  ASSERT_EQ(unit.statements.size(), 1u);
  EXPECT_TRUE(unit.statements[0].copy_in);
  EXPECT_FALSE(unit.statements[0].copy_continues);
  EXPECT_EQ(unit.statements[0].copy_data, "1\n2\n");
  EXPECT_EQ(unit.statements[0].primary.tag, "COPY 2");
}

TEST_F(AssemblerTest, ALargeCopyIsJournalledInParts) {
  Make({.part_bytes = 1000});
  Open(kA);
  Simple(kA, "BEGIN", {"BEGIN"}, 'T');
  Client(kA, client::Query("COPY t FROM STDIN"));
  Server(kA, server::CopyInResponse());
  std::string sent;
  for (int i = 0; i < 50; ++i) {
    const std::string line = StrCat(std::string(99, static_cast<char>('a' + i % 26)), "\n");
    sent += line;
    Client(kA, client::CopyData(line));
  }
  Client(kA, client::CopyDone());
  Server(kA, server::CommandComplete("COPY 50") + server::ReadyForQuery('T'));
  Simple(kA, "COMMIT", {"COMMIT"}, 'I');
  const std::vector<Unit> units = Units();
  ASSERT_EQ(units.size(), 1u);
  EXPECT_GE(part_records_, 4u);
  std::string data;
  const std::vector<Statement>& statements = units[0].statements;
  EXPECT_EQ(statements.front().sql, "BEGIN");
  EXPECT_EQ(statements.back().sql, "COMMIT");
  for (size_t i = 1; i + 1 < statements.size(); ++i) {
    data += statements[i].copy_data;
    EXPECT_EQ(statements[i].copy_continues, i + 2 < statements.size()) << i;
    EXPECT_EQ(statements[i].sql, "COPY t FROM STDIN");
  }
  EXPECT_EQ(data, sent);
  EXPECT_EQ(assembler_->counters().statements, 3u);

  Sequencer sequencer(nullptr);
  auto reader = JournalReader::Open("/d", &files_).value();
  Sequencer real(reader.get());
  ASSERT_TRUE(real.Start(0, std::nullopt).ok());
  real.RaiseWatermark({0, 0, now_ + 1}, now_ + 1, journal_->end());
  const UnitRef ref = real.Next().value().value();
  EXPECT_EQ(real.Load(ref).value().statements.size(), statements.size());
}

TEST_F(AssemblerTest, PartsOfALostSessionAreDropped) {
  Make({.part_bytes = 100});
  Open(kA);
  Simple(kA, "BEGIN", {"BEGIN"}, 'T');
  for (int i = 0; i < 10; ++i)
    Simple(kA, StrCat("INSERT ", std::string(50, 'x')), {"INSERT 0 1"}, 'T');
  assembler_->Lost(kA, "ring-full", ++now_);
  Advance();
  EXPECT_THAT(Summaries(), IsEmpty());
  EXPECT_THAT(gaps_, ElementsAre("ring-full"));
  auto reader = JournalReader::Open("/d", &files_).value();
  Sequencer sequencer(reader.get());
  ASSERT_TRUE(sequencer.Start(0, std::nullopt).ok());
  EXPECT_FALSE(sequencer.Next().value().has_value());
  EXPECT_EQ(sequencer.low(), journal_->end());
}

TEST_F(AssemblerTest, AReplicationConnectionIsAGapAndIgnored) {
  SessionInfo info;
  info.replication = true;
  assembler_->SessionOpened(kB, info, ++now_);
  Client(kB, "garbage that is no message");
  Close(kB);
  EXPECT_THAT(Summaries(), IsEmpty());
  EXPECT_THAT(gaps_, ElementsAre("replication"));
}

TEST_F(AssemblerTest, ALostSessionGoesOnAfterItsResynchronisation) {
  Client(kA, client::Query("INSERT 1"));
  assembler_->Lost(kA, "ring-full", ++now_);
  Client(kA, "half a mess");
  assembler_->Resynchronised(kA, ++now_);
  Simple(kA, "INSERT 2", {"INSERT 0 1"}, 'I');
  EXPECT_THAT(Summaries(), ElementsAre("committed: INSERT 2;"));
  EXPECT_THAT(gaps_, ElementsAre("ring-full"));
  EXPECT_EQ(assembler_->counters().lost_sessions, 1u);
  Advance();
  EXPECT_EQ(assembler_->watermark(), now_);
  EXPECT_EQ(assembler_->live().Load().settled, now_);
}

TEST_F(AssemblerTest, ATrackerThatLosesItsWayIsAGapUntilAllIsAnswered) {
  Client(kA, client::Query("INSERT 1"));
  Server(kA, server::BindComplete());  // answers nothing that was asked
  Client(kA, client::Query("INSERT 2"));
  Server(kA, server::CommandComplete("INSERT 0 1") + server::ReadyForQuery('I'));
  Client(kA, client::Query("INSERT 3"));  // 2 is still outstanding
  Server(kA, server::CommandComplete("INSERT 0 1") + server::ReadyForQuery('I'));
  Server(kA, server::CommandComplete("INSERT 0 1") + server::ReadyForQuery('I'));
  Simple(kA, "INSERT 4", {"INSERT 0 1"}, 'I');
  EXPECT_THAT(Summaries(), ElementsAre("committed: INSERT 4;"));
  EXPECT_THAT(gaps_, ElementsAre("tracker-lost"));
  EXPECT_EQ(assembler_->counters().desynchronised, 1u);
}

TEST_F(AssemblerTest, AFrameThatIsTooLargeIsAGap) {
  Make({.max_frame = 1000});
  Open(kA);
  Simple(kA, std::string(2000, 'x'), {"INSERT 0 1"}, 'I');
  Simple(kA, "INSERT 2", {"INSERT 0 1"}, 'I');
  EXPECT_THAT(Summaries(), ElementsAre("committed: INSERT 2;"));
  EXPECT_THAT(gaps_, ElementsAre("frame-too-large"));
  EXPECT_EQ(assembler_->counters().desynchronised, 0u);  // left out by rule
}

TEST_F(AssemblerTest, AStreamThatIsNoneIsAGap) {
  Client(kA, std::string("Q\0\0\0\1", 5));
  Client(kA, client::Query("INSERT 1"));
  EXPECT_THAT(Summaries(), IsEmpty());
  EXPECT_THAT(gaps_, ElementsAre("tracker-lost"));
}

TEST_F(AssemblerTest, BytesOfAnUnknownSessionAreAGapOnce) {
  Client(77, client::Query("INSERT 1"));
  Server(77, server::ReadyForQuery('I'));
  EXPECT_THAT(Summaries(), IsEmpty());
  EXPECT_THAT(gaps_, ElementsAre("unknown-session"));
}

TEST_F(AssemblerTest, AnUnknownPreparedStatementIsKeptAsSuch) {
  Client(kA, client::Bind("", "old") + client::Execute() + client::Sync());
  Server(kA, server::BindComplete() + server::CommandComplete("INSERT 0 1") +
                 server::ReadyForQuery('I'));
  const Unit unit = Units().at(0);
  EXPECT_FALSE(unit.statements.at(0).known_text);
  EXPECT_FALSE(unit.header.read_only);
}

TEST_F(AssemblerTest, AFullDiskIsAGapThatIsToldAtOnceAndPasses) {
  ReopenJournal({.buffer_bytes = 100});
  Make({});
  Open(kA);
  Simple(kA, "INSERT 1", {"INSERT 0 1"}, 'I');
  files_.faults.room = 0;
  Simple(kA, "INSERT 2", {"INSERT 0 1"}, 'I');
  Simple(kA, "INSERT 3", {"INSERT 0 1"}, 'I');
  EXPECT_FALSE(unwritten_gaps_.empty());
  for (const std::string& reason : unwritten_gaps_) EXPECT_EQ(reason, "journal-write-failed");
  EXPECT_EQ(assembler_->counters().units_dropped, unwritten_gaps_.size());
  files_.faults.room.reset();
  Simple(kA, "INSERT 4", {"INSERT 0 1"}, 'I');
  const std::vector<std::string> lines = Summaries();
  EXPECT_EQ(lines.size() + unwritten_gaps_.size(), 4u);
  EXPECT_EQ(lines.back(), "committed: INSERT 4;");
}

TEST_F(AssemblerTest, AUnitWhosePartCouldNotBeWrittenIsDroppedWhole) {
  ReopenJournal({.buffer_bytes = 50});
  Make({.part_bytes = 100});
  Open(kA);
  Simple(kA, "BEGIN", {"BEGIN"}, 'T');
  const std::string insert = StrCat("INSERT ", std::string(100, 'x'));
  Simple(kA, insert, {"INSERT 0 1"}, 'T');
  files_.faults.fail_writes = 1;
  Simple(kA, insert, {"INSERT 0 1"}, 'T');
  Simple(kA, insert, {"INSERT 0 1"}, 'T');
  Simple(kA, "COMMIT", {"COMMIT"}, 'I');
  Simple(kA, "INSERT 2", {"INSERT 0 1"}, 'I');
  EXPECT_THAT(Summaries(), ElementsAre("committed: INSERT 2;"));
  EXPECT_THAT(unwritten_gaps_, ElementsAre("journal-write-failed"));
  EXPECT_EQ(assembler_->counters().units_dropped, 1u);
}

TEST_F(AssemblerTest, ReadOnlyUnitsAreSampledAndCounted) {
  Make({.read_sample = 0.5});
  Open(kA);
  for (int i = 0; i < 200; ++i) Simple(kA, "SELECT 1", {"SELECT 1"}, 'I');
  for (int i = 0; i < 10; ++i) Simple(kA, "INSERT 1", {"INSERT 0 1"}, 'I');
  for (int i = 0; i < 10; ++i) Simple(kA, "SELECT pay(1)", {"SELECT 1"}, 'I');
  for (int i = 0; i < 10; ++i) Simple(kA, "CREATE TABLE t AS SELECT 1", {"SELECT 1"}, 'I');
  now_ += 2'000'000'000;
  Advance();
  const size_t journalled = Units().size();
  EXPECT_GT(journalled, 30u + 60u);
  EXPECT_LT(journalled, 30u + 140u);
  EXPECT_EQ(skipped_, 230u - journalled);
  EXPECT_EQ(assembler_->counters().reads_skipped_units, skipped_);
}

TEST_F(AssemblerTest, ReadsOffKeepsWritesOfEveryKind) {
  Make({.read_sample = 0});
  Open(kA);
  Simple(kA, "BEGIN", {"BEGIN"}, 'T');
  Simple(kA, "SELECT 1", {"SELECT 1"}, 'T');
  Simple(kA, "COMMIT", {"COMMIT"}, 'I');
  Simple(kA, "WITH x AS (INSERT INTO t VALUES (1) RETURNING *) SELECT * FROM x", {"SELECT 1"}, 'I');
  Simple(kA, "SELECT * INTO u FROM t", {"SELECT 1"}, 'I');
  Simple(kA, "SELECT * FROM t FOR UPDATE", {"SELECT 1"}, 'I');
  Simple(kA, "SELECT \"f\"()", {"SELECT 1"}, 'I');
  Simple(kA, "SELECT app.count(1)", {"SELECT 1"}, 'I');
  Simple(kA, "SELECT pg_catalog.count(1) FROM t", {"SELECT 1"}, 'I');
  EXPECT_THAT(Summaries(),
              ElementsAre(HasSubstr("WITH x"), HasSubstr("INTO u"), HasSubstr("FOR UPDATE"),
                          HasSubstr("\"f\"()"), HasSubstr("app.count")));
}

}  // namespace
}  // namespace pgparity::shadow
