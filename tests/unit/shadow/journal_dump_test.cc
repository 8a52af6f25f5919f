#include "shadow/journal_dump.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "protocol/text.h"
#include "shadow/journal_format.h"
#include "tests/support/faulty_files.h"
#include "tests/support/journal_builders.h"

namespace pgparity::shadow {
namespace {

using support::AppendPart;
using support::AppendUnit;
using support::FaultyFiles;
using support::MakeHeader;
using support::MakeStatement;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

class JournalDumpTest : public ::testing::Test {
 protected:
  void SetUp() override {
    journal_ = JournalWriter::Open("/d", {.segment_bytes = 300, .files = &files_}).value();
  }

  std::unique_ptr<JournalReader> Reader() {
    EXPECT_TRUE(journal_->Flush().ok());
    return JournalReader::Open("/d", &files_).value();
  }
  std::string Dump(const DumpOptions& options = {}) {
    text_.clear();
    status_ =
        DumpJournal(Reader().get(), options, [this](std::string_view line) { text_ += line; });
    return text_;
  }
  std::string List() {
    text_.clear();
    status_ = ListJournal(Reader().get(), [this](std::string_view line) { text_ += line; });
    return text_;
  }

  FaultyFiles files_;
  std::unique_ptr<JournalWriter> journal_;
  std::string text_;
  absl::Status status_;
};

TEST_F(JournalDumpTest, RedactsUnlessAsked) {
  Statement statement = MakeStatement("INSERT INTO t VALUES ('secret', $1)\x1b[2J");
  statement.parameters.values = {"hidden", std::nullopt};
  const Position position =
      AppendUnit(journal_.get(), MakeHeader(7, 1'000'000'000), {statement}, 1);
  EXPECT_THAT(Dump(),
              AllOf(StartsWith(protocol::StrCat(position, " #7 s1 1970-01-01T00:00:01")),
                    HasSubstr("committed INSERT INTO t"), HasSubstr("-> INSERT 0 1\n"),
                    Not(HasSubstr("secret")), Not(HasSubstr("hidden")), Not(HasSubstr("\x1b"))));
  EXPECT_THAT(
      Dump({.reveal = true}),
      AllOf(HasSubstr("'secret'"), HasSubstr("$1='hidden', $2=NULL"), Not(HasSubstr("\x1b"))));
}

TEST_F(JournalDumpTest, ShowsErrorsGapsAndParts) {
  Statement failed = MakeStatement("UPDATE t SET a = 1", "");
  failed.primary.kind = compare::Observation::Kind::error;
  compare::ErrorFields fields;
  fields.severity = "ERROR";
  fields.sqlstate = "23505";
  fields.message = "secret";
  failed.primary.error = compare::EncodeErrorFields(fields);
  Statement copy = MakeStatement("COPY t FROM STDIN", "");
  copy.copy_in = copy.copy_continues = true;
  copy.copy_data = "secret\n";
  const Position part = AppendPart(journal_.get(), 3, {copy}, 1);
  AppendUnit(journal_.get(), MakeHeader(1, 5), {failed}, 1, 3, part);
  Record gap;
  gap.type = RecordType::gap;
  gap.gap_reason = "ring-full";
  gap.gap_detail = "session 4";
  ASSERT_TRUE(journal_->Append(gap).ok());
  EXPECT_THAT(Dump(), AllOf(HasSubstr("part 3 COPY t FROM STDIN <- 7 bytes -> (continues)"),
                            HasSubstr("-> ERROR 23505"), HasSubstr("gap ring-full: session 4"),
                            Not(HasSubstr("secret"))));
}

TEST_F(JournalDumpTest, BeginsAndEndsWhereAsked) {
  std::vector<Position> positions;
  for (uint64_t i = 1; i <= 9; ++i)
    positions.push_back(AppendUnit(journal_.get(), MakeHeader(i, i), {MakeStatement("x")}, i));
  const std::string text = Dump({.from = positions[3], .limit = 2});
  EXPECT_THAT(text, AllOf(HasSubstr("#4 "), HasSubstr("#5 "), Not(HasSubstr("#3 ")),
                          Not(HasSubstr("#6 "))));
}

TEST_F(JournalDumpTest, ListsSegmentsWithTheirUnits) {
  for (uint64_t i = 1; i <= 5; ++i)
    AppendUnit(journal_.get(), MakeHeader(i, i * 1'000'000'000), {MakeStatement("x")}, i);
  const std::string text = List();
  EXPECT_TRUE(status_.ok()) << status_;
  const auto segments = Reader()->Segments().value();
  EXPECT_GE(segments.size(), 3u);
  for (const SegmentInfo& segment : segments) EXPECT_THAT(text, HasSubstr(segment.file));
  EXPECT_THAT(text, AllOf(HasSubstr("1970-01-01T00:00:01"), HasSubstr("1970-01-01T00:00:05")));
}

TEST_F(JournalDumpTest, CheckCountsAWholeJournal) {
  const Position part = AppendPart(journal_.get(), 3, {MakeStatement("a")}, 1);
  AppendUnit(journal_.get(), MakeHeader(1, 5), {MakeStatement("b")}, 1, 3, part);
  AppendUnit(journal_.get(), MakeHeader(2, 6), {MakeStatement("c")}, 1);
  const JournalCheck check = CheckJournal(Reader().get()).value();
  EXPECT_EQ(check.records, 3u);
  EXPECT_EQ(check.units, 2u);
  EXPECT_EQ(check.statements, 3u);
  EXPECT_EQ(check.end, journal_->end());
  EXPECT_FALSE(check.torn_tail);
}

TEST_F(JournalDumpTest, ATornTailIsANoteAndACorruptRecordAnError) {
  AppendUnit(journal_.get(), MakeHeader(1, 5), {MakeStatement("a")}, 1);
  ASSERT_TRUE(journal_->Flush().ok());
  std::string& contents = files_.Contents("/d/journal/0000000000000000.pgj");
  const std::string whole = contents;
  contents.append("\1\0\0");
  EXPECT_TRUE(CheckJournal(Reader().get()).value().torn_tail);
  contents = whole;
  contents.back() ^= 1;  // the last record
  EXPECT_EQ(CheckJournal(Reader().get()).status().code(), absl::StatusCode::kDataLoss);
  contents = whole;
  contents[kSegmentHeaderSize] ^= 1;
  EXPECT_EQ(CheckJournal(Reader().get()).status().code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(List(), HasSubstr("corrupt"));
  EXPECT_FALSE(status_.ok());
}

// A checksum that holds over bytes that no encoder writes.
TEST_F(JournalDumpTest, AMalformedUnitIsAnErrorThatNamesItsPosition) {
  Record record;
  record.type = RecordType::unit;
  record.header = "nonsense";
  const Position position = journal_->Append(record).value();
  EXPECT_THAT(CheckJournal(Reader().get()).status().ToString(),
              HasSubstr(protocol::StrCat("position ", position)));
  Dump();
  EXPECT_EQ(status_.code(), absl::StatusCode::kDataLoss);
}

}  // namespace
}  // namespace pgparity::shadow
