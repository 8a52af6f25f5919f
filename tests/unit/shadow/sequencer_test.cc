#include "shadow/sequencer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "shadow/journal_format.h"
#include "tests/support/faulty_files.h"
#include "tests/support/journal_builders.h"

namespace pgparity::shadow {
namespace {

using support::AppendPart;
using support::AppendUnit;
using support::AppendWatermark;
using support::FaultyFiles;
using support::MakeHeader;
using support::MakeStatement;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

class SequencerTest : public ::testing::Test {
 protected:
  void SetUp() override { OpenWriter({}); }

  void OpenWriter(JournalOptions options) {
    writer_.reset();
    options.files = &files_;
    writer_ = JournalWriter::Open("/d", options).value();
  }
  void AppendDropped(uint64_t id) {
    Record record;
    record.type = RecordType::unit_dropped;
    record.unit_id = id;
    ASSERT_TRUE(writer_->Append(record).ok());
  }
  void AppendType(RecordType type) {
    Record record;
    record.type = type;
    record.gap_reason = "because";
    ASSERT_TRUE(writer_->Append(record).ok());
  }
  void AppendUnit(uint64_t ordinal, Stamp key, Stamp watermark) {
    support::AppendUnit(writer_.get(), MakeHeader(ordinal, key), {MakeStatement("s")}, watermark);
  }

  Sequencer& Start(Position low = 0, std::optional<UnitRef> applied = {},
                   Position report_from = 0) {
    EXPECT_TRUE(writer_->Flush().ok());
    reader_ = JournalReader::Open("/d", &files_).value();
    Sequencer::Events events;
    events.on_gap = [this](const Record& record) { gaps_.emplace_back(record.gap_reason); };
    events.on_reads_skipped = [this](uint64_t units, uint64_t) { skipped_ += units; };
    sequencer_ = std::make_unique<Sequencer>(reader_.get(), events);
    EXPECT_TRUE(sequencer_->Start(low, std::move(applied), report_from).ok());
    return *sequencer_;
  }
  std::vector<Stamp> Keys() {
    EXPECT_TRUE(writer_->Flush().ok());
    std::vector<Stamp> keys;
    while (true) {
      const auto ref = sequencer_->Next();
      EXPECT_TRUE(ref.ok()) << ref.status();
      if (!ref.ok() || !ref->has_value()) return keys;
      keys.push_back((*ref)->key);
    }
  }

  FaultyFiles files_;
  std::unique_ptr<JournalWriter> writer_;
  std::unique_ptr<JournalReader> reader_;
  std::unique_ptr<Sequencer> sequencer_;
  std::vector<std::string> gaps_;
  uint64_t skipped_ = 0;
};

TEST_F(SequencerTest, HandsOnByKeyOnceTheWatermarkHasPassed) {
  AppendUnit(1, 30, 10);
  AppendUnit(2, 20, 10);
  AppendUnit(3, 40, 20);
  Start();
  EXPECT_THAT(Keys(), IsEmpty());
  AppendWatermark(writer_.get(), 30);
  EXPECT_THAT(Keys(), ElementsAre(20));  // a unit with key 30 may still come
  AppendUnit(4, 30, 30);
  AppendWatermark(writer_.get(), 41);
  EXPECT_THAT(Keys(), ElementsAre(30, 30, 40));
  EXPECT_EQ(sequencer_->waiting(), 0u);
}

TEST_F(SequencerTest, LsnsComeBeforeTimes) {
  const auto append = [this](uint64_t ordinal, uint32_t epoch, uint64_t lsn, Stamp key) {
    UnitHeader header = MakeHeader(ordinal, key);
    header.epoch = epoch;
    header.lsn = lsn;
    support::AppendUnit(writer_.get(), header, {MakeStatement("s")}, 0);
  };
  append(1, 1, 500, 10);
  append(2, 1, 400, 20);
  append(3, 2, 100, 5);
  append(4, 1, 400, 15);
  Sequencer& sequencer = Start();
  EXPECT_THAT(Keys(), IsEmpty());
  sequencer.RaiseWatermark({1, 450, 100}, 0, 0);
  EXPECT_THAT(Keys(), ElementsAre(15, 20));
  sequencer.RaiseWatermark({2, 100, 6}, 0, 0);
  EXPECT_THAT(Keys(), ElementsAre(10, 5));
}

TEST_F(SequencerTest, EqualKeysGoByPosition) {
  AppendUnit(1, 30, 1);
  AppendUnit(2, 30, 1);
  AppendWatermark(writer_.get(), 31);
  Sequencer& sequencer = Start();
  EXPECT_EQ(sequencer.Load(*sequencer.Next().value()).value().header.ordinal, 1u);
  EXPECT_EQ(sequencer.Load(*sequencer.Next().value()).value().header.ordinal, 2u);
}

TEST_F(SequencerTest, TheLiveWatermarkCountsOnlyOnceItsPlaceIsReached) {
  AppendUnit(1, 30, 1);
  Sequencer& sequencer = Start();
  AppendUnit(2, 20, 1);  // written, not yet flushed
  sequencer.RaiseWatermark({0, 0, 35}, 33, writer_->end());
  EXPECT_FALSE(sequencer.Next().value().has_value());
  EXPECT_THAT(Keys(), ElementsAre(20, 30));
  EXPECT_EQ(sequencer.watermark().time, 35u);
  EXPECT_EQ(sequencer.settled(), 33u);
}

TEST_F(SequencerTest, ReadsAheadNoFurtherThanItMust) {
  for (Stamp i = 1; i <= 1000; ++i) AppendUnit(i, i * 10, i * 10 - 15 + (i == 1 ? 15 : 0));
  Sequencer& sequencer = Start();
  for (Stamp i = 1; i <= 900; ++i) {
    ASSERT_EQ(sequencer.Next().value()->key, i * 10);
    EXPECT_LE(sequencer.waiting(), 2u);
  }
  EXPECT_LT(sequencer.read_to(), writer_->end());
}

TEST_F(SequencerTest, JoinsPartsAndLoadsThemOneByOne) {
  const Position first = AppendPart(writer_.get(), 7, {MakeStatement("a"), MakeStatement("b")}, 1);
  AppendUnit(1, 5, 1);
  AppendPart(writer_.get(), 7, {MakeStatement("c")}, 1);
  support::AppendUnit(writer_.get(), MakeHeader(2, 6), {MakeStatement("d")}, 1, 7, first);
  AppendWatermark(writer_.get(), 10);
  Sequencer& sequencer = Start();
  sequencer.Next().value();
  const UnitRef ref = *sequencer.Next().value();
  EXPECT_EQ(ref.first(), first);
  ASSERT_EQ(ref.parts.size(), 2u);
  EXPECT_GT(ref.bytes, 100u);
  const Unit unit = sequencer.Load(ref).value();
  std::string texts;
  for (const Statement& statement : unit.statements) texts += statement.sql;
  EXPECT_EQ(texts, "abcd");
  EXPECT_EQ(unit.header.ordinal, 2u);
  EXPECT_EQ(sequencer.LoadHeader(ref).value().ordinal, 2u);
  EXPECT_EQ(sequencer.LoadPart(ref, 0).value().size(), 2u);
  EXPECT_EQ(sequencer.LoadPart(ref, 1).value().at(0).sql, "c");
  EXPECT_EQ(sequencer.LoadPart(ref, 2).value().at(0).sql, "d");
}

TEST_F(SequencerTest, LowStaysBeforePartsOfUnitsInTheMaking) {
  AppendUnit(1, 5, 1);
  const Position first = AppendPart(writer_.get(), 7, {MakeStatement("a")}, 1);
  AppendUnit(2, 6, 1);
  AppendWatermark(writer_.get(), 10);
  Sequencer& sequencer = Start();
  EXPECT_EQ(Keys().size(), 2u);
  EXPECT_EQ(sequencer.low(), first);
  AppendDropped(7);
  EXPECT_THAT(Keys(), IsEmpty());
  EXPECT_EQ(sequencer.low(), writer_->end());
}

TEST_F(SequencerTest, LowStaysBeforeUnitsThatWait) {
  const Position unit = writer_->end();
  AppendUnit(1, 50, 1);
  AppendUnit(2, 5, 1);
  AppendWatermark(writer_.get(), 10);
  Start();
  EXPECT_THAT(Keys(), ElementsAre(5));
  EXPECT_EQ(sequencer_->low(), unit);
}

TEST_F(SequencerTest, ANewProcessEndsWhatTheOldOneLeft) {
  AppendPart(writer_.get(), 1, {MakeStatement("lost")}, 1);
  AppendType(RecordType::start);
  const Position first = AppendPart(writer_.get(), 1, {MakeStatement("new")}, 1);
  support::AppendUnit(writer_.get(), MakeHeader(1, 5), {}, 1, 1, first);
  AppendWatermark(writer_.get(), 10);
  Sequencer& sequencer = Start();
  const Unit unit = sequencer.Load(*sequencer.Next().value()).value();
  ASSERT_EQ(unit.statements.size(), 1u);
  EXPECT_EQ(unit.statements[0].sql, "new");
}

TEST_F(SequencerTest, TellsOfGapsOnceEvenOverARestart) {
  AppendType(RecordType::gap);
  AppendUnit(1, 5, 1);
  Record skipped;
  skipped.type = RecordType::reads_skipped;
  skipped.skipped_units = 3;
  ASSERT_TRUE(writer_->Append(skipped).ok());
  AppendWatermark(writer_.get(), 10);
  Start();
  EXPECT_EQ(Keys().size(), 1u);
  EXPECT_THAT(gaps_, ElementsAre("because"));
  EXPECT_EQ(skipped_, 3u);
  const Position reported = sequencer_->read_to();
  AppendType(RecordType::gap);
  Start(0, std::nullopt, reported);
  EXPECT_EQ(Keys().size(), 1u);
  EXPECT_EQ(gaps_.size(), 2u);
  EXPECT_EQ(skipped_, 3u);
}

TEST_F(SequencerTest, CorruptionStaysUntilSkipped) {
  OpenWriter({.segment_bytes = 200});
  for (Stamp i = 1; i <= 6; ++i) AppendUnit(i, i, i);
  AppendWatermark(writer_.get(), 100);
  ASSERT_TRUE(writer_->Flush().ok());
  files_.Contents("/d/journal/0000000000000000.pgj")[kSegmentHeaderSize + 20] ^= 1;
  Sequencer& sequencer = Start();
  EXPECT_EQ(sequencer.Next().status().code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(sequencer.Next().status().code(), absl::StatusCode::kDataLoss);
  EXPECT_TRUE(sequencer.SkipCorruption());
  const std::vector<Stamp> keys = Keys();
  EXPECT_FALSE(keys.empty());
  EXPECT_EQ(keys.back(), 6u);
  EXPECT_LT(keys.size(), 6u);
}

// --- a random journal ---

struct Handed {
  Stamp key;
  uint64_t ordinal;
  friend bool operator==(const Handed&, const Handed&) = default;
};

// Writes units of random keys and parts, in an order in which a watermark is kept.
void WriteRandomJournal(JournalWriter* writer, std::mt19937_64* random) {
  Stamp watermark = 0;
  uint64_t ordinal = 0, id = 0;
  std::map<uint64_t, Position> making;
  for (int i = 0; i < 200; ++i) {
    watermark += (*random)() % 4;
    const Stamp key = watermark + (*random)() % 20;
    switch ((*random)() % 6) {
      case 0:
        ++id;
        making[id] = AppendPart(writer, id, {MakeStatement("p")}, watermark);
        break;
      case 1:
        if (!making.empty()) {
          const auto [which, first] = *making.begin();
          support::AppendUnit(writer, MakeHeader(++ordinal, key), {MakeStatement("e")}, watermark,
                              which, first);
          making.erase(which);
        }
        break;
      case 2:
        AppendWatermark(writer, watermark);
        break;
      default:
        support::AppendUnit(writer, MakeHeader(++ordinal, key), {MakeStatement("u")}, watermark);
    }
  }
}

// Restarted at every unit boundary, with the `low` of that moment, the same sequence goes on.
TEST_F(SequencerTest, RestartsAtEveryUnitWithTheSameSequence) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE(::testing::Message() << "seed " << seed);
  std::mt19937_64 random(seed);
  OpenWriter({.segment_bytes = 2000});
  WriteRandomJournal(writer_.get(), &random);
  AppendWatermark(writer_.get(), 1000000);

  struct Point {
    UnitRef ref;
    Position low;
  };
  std::vector<Point> points;
  std::vector<Handed> all;
  Sequencer& first = Start();
  while (true) {
    const auto ref = first.Next().value();
    if (!ref) break;
    const Unit unit = first.Load(*ref).value();
    EXPECT_EQ(unit.statements.size(), ref->parts.size() + 1);
    all.push_back({ref->key, unit.header.ordinal});
    points.push_back({*ref, first.low()});
  }
  EXPECT_TRUE(std::is_sorted(all.begin(), all.end(),
                             [](const Handed& a, const Handed& b) { return a.key < b.key; }));
  EXPECT_GT(all.size(), 80u);
  for (size_t i = 0; i < points.size(); ++i) {
    Sequencer& again = Start(points[i].low, points[i].ref);
    std::vector<Handed> rest;
    while (true) {
      const auto ref = again.Next().value();
      if (!ref) break;
      rest.push_back({ref->key, again.Load(*ref).value().header.ordinal});
    }
    ASSERT_EQ(rest, std::vector<Handed>(all.begin() + static_cast<ptrdiff_t>(i) + 1, all.end()))
        << i;
  }
}

}  // namespace
}  // namespace pgparity::shadow
