// Settings, secrets and watermarks.
#include "tests/unit/shadow/assembler_fixture.h"

namespace pgparity::shadow {
namespace {

TEST_F(AssemblerTest, SettingsAreThoseAtTheUnitsBegin) {
  Open(kB, {{"search_path", "a"}, {"TimeZone", "UTC"}, {"application_name", "x"}});
  Simple(kB, "INSERT 1", {"INSERT 0 1"}, 'I');
  Simple(kB, "SET search_path = b", {"SET"}, 'I');
  Client(kB, client::Query("SET timezone = 'Asia/Tokyo'"));
  Server(kB, server::CommandComplete("SET") + server::ParameterStatus("TimeZone", "Asia/Tokyo") +
                 server::ReadyForQuery('I'));
  Simple(kB, "INSERT 2", {"INSERT 0 1"}, 'I');
  const std::vector<Unit> units = Units();
  ASSERT_EQ(units.size(), 4u);
  EXPECT_EQ(units[0].header.settings, (Settings{{"search_path", "a"}, {"timezone", "UTC"}}));
  EXPECT_EQ(units[1].header.settings, (Settings{{"search_path", "a"}, {"timezone", "UTC"}}));
  EXPECT_EQ(units[3].header.settings, (Settings{{"search_path", "b"}, {"timezone", "Asia/Tokyo"}}));
}

TEST_F(AssemblerTest, ASettingOfARolledBackTransactionReverts) {
  Simple(kA, "BEGIN; SET search_path = b", {"BEGIN", "SET"}, 'T');
  Simple(kA, "ROLLBACK", {"ROLLBACK"}, 'I');
  Simple(kA, "INSERT 1", {"INSERT 0 1"}, 'I');
  EXPECT_THAT(Units().at(1).header.settings, IsEmpty());
}

TEST_F(AssemblerTest, ReplicationRoleIsAGap) {
  Simple(kA, "SET session_replication_role = replica", {"SET"}, 'I');
  EXPECT_THAT(Units().at(0).header.settings, IsEmpty());
  EXPECT_THAT(gaps_, ElementsAre("session-replication-role"));
}

TEST_F(AssemblerTest, SecretsAreNotStored) {
  Client(kA, client::Query("CREATE ROLE bob PASSWORD 'hunter2'"));
  Server(kA, server::Error("42601", "syntax error at or near \"hunter2\"") +
                 server::ReadyForQuery('I'));
  Client(kA, client::Parse("", "SELECT dblink_connect($1)") +
                 client::Bind("", "", {"password=hunter2"}) + client::Execute() + client::Sync());
  Server(kA, Answer("SELECT 1") + server::ReadyForQuery('I'));
  assembler_.reset();
  EXPECT_EQ(Units().size(), 2u);
  for (const std::string& path : files_.Paths()) {
    EXPECT_THAT(files_.Contents(path), ::testing::Not(HasSubstr("hunter2"))) << path;
  }
}

TEST_F(AssemblerTest, ALongStatementStallsOnlyTheSettledStamp) {
  Open(kB);
  const Stamp sent = Client(kA, client::Query("SELECT slow()"));
  Simple(kB, "INSERT 1", {"INSERT 0 1"}, 'I');
  Advance();
  EXPECT_EQ(assembler_->watermark(), now_);
  EXPECT_EQ(assembler_->live().Load().settled, sent);
  Server(kA, server::CommandComplete("SELECT 1") + server::ReadyForQuery('I'));
  Advance();
  EXPECT_EQ(assembler_->live().Load().settled, now_);
  EXPECT_EQ(assembler_->live().Load().journal_end, journal_->end());
  EXPECT_EQ(assembler_->live().Load().last_ordinal, 2u);
}

TEST_F(AssemblerTest, ACommitThatTheParserRefusedLeavesTheWatermark) {
  Simple(kA, "BEGIN", {"BEGIN"}, 'T');
  Simple(kA, "COMMIT nonsense", {"!"}, 'E');
  Advance();
  EXPECT_EQ(assembler_->watermark(), now_);
  Simple(kA, "ROLLBACK", {"ROLLBACK"}, 'I');
  EXPECT_EQ(Units().size(), 1u);
}

// A client that always has the next request out would hold the settled stamp for ever.
TEST_F(AssemblerTest, PipeliningMovesTheSettledStamp) {
  Client(kA, client::Query("SELECT 1"));
  const Stamp second = Client(kA, client::Query("SELECT 2"));
  Server(kA, server::CommandComplete("SELECT 1") + server::ReadyForQuery('I'));
  Client(kA, client::Query("SELECT 3"));
  Server(kA, server::CommandComplete("SELECT 1") + server::ReadyForQuery('I'));
  Advance();
  EXPECT_EQ(assembler_->live().Load().settled, second);
}

TEST_F(AssemblerTest, AnIdleSystemWritesOneWatermarkAndNoMore) {
  Simple(kA, "INSERT 1", {"INSERT 0 1"}, 'I');
  for (int i = 0; i < 100; ++i) {
    now_ += 50'000'000;
    Advance();
  }
  Units();
  EXPECT_EQ(watermarks_, 1u);
  // By which a reader of another process gets the unit.
  auto reader = JournalReader::Open("/d", &files_).value();
  Sequencer sequencer(reader.get());
  ASSERT_TRUE(sequencer.Start(0, std::nullopt).ok());
  EXPECT_TRUE(sequencer.Next().value().has_value());
}

TEST_F(AssemblerTest, AWatermarkIsJournalledOnceTheCommitThatHeldItIsOver) {
  Open(kB);
  Simple(kA, "BEGIN", {"BEGIN"}, 'T');
  Client(kA, client::Query("COMMIT"));
  Simple(kB, "INSERT 1", {"INSERT 0 1"}, 'I');
  for (int i = 0; i < 10; ++i) {
    now_ += 300'000'000;
    Advance();
  }
  Close(kA);  // read-only and in doubt of nothing: a unit all the same
  for (int i = 0; i < 10; ++i) {
    now_ += 300'000'000;
    Advance();
  }
  Units();
  EXPECT_LE(watermarks_, 2u);
  auto reader = JournalReader::Open("/d", &files_).value();
  Sequencer sequencer(reader.get());
  ASSERT_TRUE(sequencer.Start(0, std::nullopt).ok());
  EXPECT_TRUE(sequencer.Next().value().has_value());
  EXPECT_TRUE(sequencer.Next().value().has_value());
}

TEST_F(AssemblerTest, AKeyBelowTheWatermarkIsRaisedAndMarked) {
  const Stamp before = now_;
  assembler_->AdvanceTo(before + 1000);
  Simple(kA, "INSERT 1", {"INSERT 0 1"}, 'I');  // stamped before what was promised
  const UnitHeader header = Units().at(0).header;
  EXPECT_TRUE(header.late);
  EXPECT_EQ(header.key, before + 1000);
  EXPECT_LT(header.interval.hi, before + 1000);
  EXPECT_EQ(assembler_->counters().late, 1u);
}

TEST_F(AssemblerTest, OrdinalsAndOrderGoOnOverARestart) {
  Simple(kA, "INSERT 1", {"INSERT 0 1"}, 'I');
  Simple(kA, "INSERT 2", {"INSERT 0 1"}, 'I');
  ReopenJournal({});
  EXPECT_EQ(journal_->last_stamp(), now_);
  Make({});
  Open(kB);
  Simple(kB, "INSERT 3", {"INSERT 0 1"}, 'I');
  const std::vector<Unit> units = Units();
  ASSERT_EQ(units.size(), 3u);
  EXPECT_EQ(units[2].header.ordinal, 3u);
  EXPECT_FALSE(units[2].header.late);
}

// A clock that went back cannot put a new unit before those of the process before.
TEST_F(AssemblerTest, NothingComesBeforeTheUnitsOfTheProcessBefore) {
  Simple(kA, "INSERT 1", {"INSERT 0 1"}, 'I');
  const Stamp last = now_;
  ReopenJournal({});
  Make({});
  now_ = 10;
  Open(kB);
  Simple(kB, "INSERT 2", {"INSERT 0 1"}, 'I');
  const std::vector<Unit> units = Units();
  EXPECT_EQ(units[1].header.key, last + 1);
  EXPECT_TRUE(units[1].header.late);
  auto reader = JournalReader::Open("/d", &files_).value();
  Sequencer sequencer(reader.get());
  ASSERT_TRUE(sequencer.Start(0, std::nullopt).ok());
  EXPECT_EQ(sequencer.Next().value().value().key, last);
}

// A's token is the lower one, and its unit ends later.
TEST_F(AssemblerTest, UnitsWithTokensGoByLsn) {
  Open(kB);
  const auto make = [](uint64_t lsn) {
    LsnToken made;
    made.lsn = lsn;
    return made;
  };
  Client(kA, client::Query("INSERT INTO t VALUES (1)"));
  assembler_->TokenSent(kA, now_);
  Client(kB, client::Query("INSERT INTO t VALUES (1)"));
  assembler_->TokenSent(kB, now_);
  assembler_->TokenSeen(kB, make(200), ++now_);
  Server(kB, server::CommandComplete("INSERT 0 1") + server::ReadyForQuery('I'));
  Advance();
  EXPECT_EQ(assembler_->live().Load().watermark.lsn, 0u);  // A may be anywhere
  assembler_->TokenSeen(kA, make(100), ++now_);
  Server(kA, server::CommandComplete("INSERT 0 1") + server::ReadyForQuery('I'));
  Simple(kB, "SELECT 1 FROM t", {"SELECT 1"}, 'I');
  Advance();
  EXPECT_EQ(assembler_->live().Load().watermark.lsn, 200u);
  const std::vector<Unit> units = Units();
  ASSERT_EQ(units.size(), 3u);
  EXPECT_EQ(units[0].header.token, make(200));
  EXPECT_EQ(units[1].header.lsn, 100u);
  EXPECT_FALSE(units[1].header.late);
  EXPECT_LT(KeyOf(units[1].header), KeyOf(units[0].header));
  // Without a token: what had been seen by then.
  EXPECT_EQ(units[2].header.lsn, 200u);
  EXPECT_FALSE(units[2].header.token.has_value());
}

// Its LSNs may be lower, and its units come later all the same.
TEST_F(AssemblerTest, AnotherPrimaryBeginsAnEpoch) {
  LsnToken token;
  token.lsn = 500;
  assembler_->TokenSeen(kA, token, ++now_);
  Simple(kA, "INSERT INTO t VALUES (1)", {"INSERT 0 1"}, 'I');
  Advance();
  assembler_->PrimaryChanged();
  Advance();
  token.lsn = 100;
  assembler_->TokenSeen(kA, token, ++now_);
  Simple(kA, "INSERT INTO t VALUES (2)", {"INSERT 0 1"}, 'I');
  Advance();
  const std::vector<Unit> units = Units();
  ASSERT_EQ(units.size(), 2u);
  EXPECT_LT(KeyOf(units[0].header), KeyOf(units[1].header));
  EXPECT_EQ(units[1].header.lsn, 100u);
  EXPECT_FALSE(units[1].header.late);
}

}  // namespace
}  // namespace pgparity::shadow
