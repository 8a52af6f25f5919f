#include "shadow/assembler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "protocol/text.h"
#include "shadow/sequencer.h"
#include "tests/support/faulty_files.h"
#include "tests/support/message_builders.h"

namespace pgparity::shadow {
namespace {

namespace client = pgparity::testing::client;
namespace server = pgparity::testing::server;
using protocol::StrCat;
using support::FaultyFiles;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr uint64_t kA = 1, kB = 2;

// A journalled unit in one line: its end, whether its key is an instant, its statements.
std::string Summary(const Unit& unit) {
  std::string line;
  switch (unit.header.end) {
    case UnitEnd::committed:
      line = "committed";
      break;
    case UnitEnd::rolled_back:
      line = "rolled back";
      break;
    case UnitEnd::in_doubt:
      line = "in doubt";
      break;
    default:
      line = "?";
  }
  if (unit.header.explicit_block) line += " at";
  if (!unit.header.gid.empty()) line += " gid=" + unit.header.gid;
  line += ":";
  for (const Statement& statement : unit.statements) {
    using Kind = compare::Observation::Kind;
    const char* mark = statement.primary.kind == Kind::error     ? "!"
                       : statement.primary.kind == Kind::skipped ? "~"
                                                                 : "";
    line += StrCat(" ", statement.sql, mark, ";");
  }
  return line;
}

class AssemblerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    journal_ = JournalWriter::Open("/d", {.files = &files_}).value();
    Make({});
    Open(kA);
  }
  void TearDown() override { assembler_.reset(); }

  void Make(AssemblerOptions options) {
    assembler_.reset();
    options_ = options;
    assembler_ = std::make_unique<UnitAssembler>(journal_.get(), options, /*wall_offset=*/1000,
                                                 [this](std::string_view reason, std::string_view) {
                                                   unwritten_gaps_.emplace_back(reason);
                                                 });
  }
  void ReopenJournal(JournalOptions options) {
    assembler_.reset();
    journal_.reset();
    options.files = &files_;
    journal_ = JournalWriter::Open("/d", options).value();
  }
  void Open(uint64_t session, Settings startup = {}) {
    assembler_->SessionOpened(session, {"alice", "shop", "app", std::move(startup)}, ++now_);
  }
  // Each message is a step of the clock.
  Stamp Client(uint64_t session, const std::string& bytes) {
    const pgparity::testing::ExactBuffer buffer(bytes);
    assembler_->ClientBytes(session, buffer.view(), ++now_);
    return now_;
  }
  Stamp Server(uint64_t session, const std::string& bytes) {
    const pgparity::testing::ExactBuffer buffer(bytes);
    assembler_->ServerBytes(session, buffer.view(), ++now_);
    return now_;
  }
  // A simple Query that is answered with these tags ("!" for an error, "" for an empty query) and
  // status.
  void Simple(uint64_t session, const std::string& sql, const std::vector<std::string>& tags,
              char status) {
    Client(session, client::Query(sql));
    std::string answer;
    for (const std::string& tag : tags) {
      answer += tag == "!"    ? server::Error("23505")
                : tag.empty() ? server::EmptyQueryResponse()
                              : server::CommandComplete(tag);
    }
    Server(session, answer + server::ReadyForQuery(status));
  }
  static std::string Extended(const std::string& sql) {
    return client::Parse("", sql) + client::Bind("", "") + client::Execute();
  }
  static std::string Answer(const std::string& tag) {
    return server::ParseComplete() + server::BindComplete() + server::CommandComplete(tag);
  }
  void Close(uint64_t session) { assembler_->SessionClosed(session, ++now_); }
  void Advance() { assembler_->AdvanceTo(++now_); }

  // The units journalled so far, in journal order.
  std::vector<Unit> Units() {
    EXPECT_TRUE(journal_->Flush().ok());
    auto reader = JournalReader::Open("/d", &files_).value();
    std::vector<Unit> units;
    std::map<uint64_t, std::vector<Statement>> parts;
    gaps_.clear();
    skipped_ = watermarks_ = 0;
    while (true) {
      const auto record = reader->Next();
      EXPECT_TRUE(record.ok()) << record.status();
      if (!record.ok() || !record->has_value()) return units;
      const Record& r = **record;
      if (r.type == RecordType::gap) gaps_.push_back(std::string(r.gap_reason));
      if (r.type == RecordType::reads_skipped) skipped_ += r.skipped_units;
      if (r.type == RecordType::watermark) ++watermarks_;
      if (r.type == RecordType::unit_dropped) parts.erase(r.unit_id);
      if (r.type != RecordType::unit && r.type != RecordType::unit_part &&
          r.type != RecordType::unit_end)
        continue;
      std::vector<Statement> statements = DecodeStatements(r.statements).value();
      if (r.type == RecordType::unit_part) {
        for (Statement& s : statements) parts[r.unit_id].push_back(std::move(s));
        ++part_records_;
        continue;
      }
      Unit unit;
      unit.header = DecodeHeader(r.header).value();
      if (r.type == RecordType::unit_end) unit.statements = std::move(parts[r.unit_id]);
      for (Statement& s : statements) unit.statements.push_back(std::move(s));
      units.push_back(std::move(unit));
    }
  }
  std::vector<std::string> Summaries() {
    std::vector<std::string> lines;
    for (const Unit& unit : Units()) lines.push_back(Summary(unit));
    return lines;
  }

  FaultyFiles files_;
  std::unique_ptr<JournalWriter> journal_;
  AssemblerOptions options_;
  std::unique_ptr<UnitAssembler> assembler_;
  Stamp now_ = 100;
  std::vector<std::string> unwritten_gaps_, gaps_;
  uint64_t skipped_ = 0, watermarks_ = 0, part_records_ = 0;
};

// --- cutting
// ----------------------------------------------------------------------------------------

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

// --- prepared transactions
// --------------------------------------------------------------------------

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

// --- closing
// ----------------------------------------------------------------------------------------

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

// --- COPY and parts
// ---------------------------------------------------------------------------------

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
  real.RaiseWatermark(now_ + 1, now_ + 1, journal_->end());
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

// --- gaps
// -------------------------------------------------------------------------------------------

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

// --- reads
// ------------------------------------------------------------------------------------------

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

// --- settings and secrets
// ---------------------------------------------------------------------------

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

// --- watermarks
// -------------------------------------------------------------------------------------

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

}  // namespace
}  // namespace pgparity::shadow
