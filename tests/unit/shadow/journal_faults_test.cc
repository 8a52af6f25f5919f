#include "shadow/journal.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "protocol/text.h"
#include "shadow/journal_format.h"
#include "tests/support/faulty_files.h"
#include "tests/support/journal_builders.h"
#include "tests/support/temp_dir.h"

namespace pgparity::shadow {
namespace {

using support::AppendPart;
using support::AppendUnit;
using support::AppendWatermark;
using support::FaultyFiles;
using support::MakeHeader;
using support::MakeStatement;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr char kDir[] = "/d";
constexpr char kFirst[] = "/d/journal/0000000000000000.pgj";

std::unique_ptr<JournalWriter> OpenWriter(FaultyFiles* files, JournalOptions options = {}) {
  options.files = files;
  auto writer = JournalWriter::Open(kDir, options);
  EXPECT_TRUE(writer.ok()) << writer.status();
  return *std::move(writer);
}

std::unique_ptr<JournalReader> OpenReader(FaultyFiles* files) {
  auto reader = JournalReader::Open(kDir, files);
  EXPECT_TRUE(reader.ok()) << reader.status();
  return *std::move(reader);
}

// Watermarks of all records up to the end or the first error.
struct Walk {
  std::vector<Stamp> watermarks;
  std::vector<Position> positions;
  absl::Status status;
  JournalReader::Tail tail = JournalReader::Tail::clean;
};
Walk WalkAll(JournalReader* reader) {
  Walk walk;
  while (true) {
    const auto record = reader->Next();
    walk.status = record.status();
    if (!record.ok() || !record->has_value()) break;
    walk.watermarks.push_back((*record)->watermark);
    walk.positions.push_back((*record)->position);
  }
  walk.tail = reader->tail();
  return walk;
}

// Each byte of a journal flipped in turn: what comes before the hurt record is read, then there is
// an error that names its position, and a writer cuts the journal there.
TEST(JournalCorruption, EachFlippedByteIsFound) {
  FaultyFiles whole;
  std::vector<Position> positions;
  Position end = 0;
  {
    auto writer = OpenWriter(&whole);
    positions.push_back(AppendWatermark(writer.get(), 1));
    positions.push_back(AppendUnit(writer.get(), MakeHeader(1, 5), {MakeStatement("INSERT")}, 2));
    positions.push_back(AppendWatermark(writer.get(), 3));
    end = writer->end();
  }
  for (Position at = 0; at < end; ++at) {
    for (const int flip : {0x01, 0x80}) {
      auto files = whole.Copy();
      char& byte = files->Contents(kFirst)[kSegmentHeaderSize + at];
      byte = static_cast<char>(byte ^ flip);
      const size_t hurt = at >= positions[2] ? 2 : at >= positions[1] ? 1 : 0;
      auto reader = OpenReader(files.get());
      const Walk walk = WalkAll(reader.get());
      EXPECT_EQ(walk.watermarks.size(), hurt) << at;
      if (walk.status.ok()) {
        // Nothing lies behind it: a reader waits for the writer to repair it.
        EXPECT_EQ(hurt, 2u) << at;
        EXPECT_EQ(walk.tail, JournalReader::Tail::corrupt) << at;
      } else {
        EXPECT_EQ(walk.status.code(), absl::StatusCode::kDataLoss);
        EXPECT_THAT(walk.status.ToString(),
                    HasSubstr(protocol::StrCat("position ", positions[hurt])));
        EXPECT_THAT(walk.status.ToString(), HasSubstr(kFirst));
      }
      auto writer = OpenWriter(files.get());
      EXPECT_THAT(writer->repaired(), HasSubstr(protocol::StrCat("position ", positions[hurt])))
          << at;
      EXPECT_EQ(writer->end(), end);
      AppendWatermark(writer.get(), 9);
      ASSERT_TRUE(writer->Flush().ok());
      const Walk after = WalkAll(OpenReader(files.get()).get());
      EXPECT_TRUE(after.status.ok()) << after.status;
      EXPECT_EQ(after.watermarks.size(), hurt + 1) << at;
      EXPECT_EQ(after.watermarks.back(), 9u);
      // The reader that met the error goes on as well, once it has been repaired.
      EXPECT_EQ(WalkAll(reader.get()).watermarks, std::vector<Stamp>{9}) << at;
    }
  }
}

TEST(JournalCorruption, EachTruncationIsATornTail) {
  FaultyFiles whole;
  std::vector<Position> ends = {0};
  {
    auto writer = OpenWriter(&whole);
    for (Stamp i = 1; i < 4; ++i) {
      AppendUnit(writer.get(), MakeHeader(i, i), {MakeStatement("INSERT")}, i);
      ends.push_back(writer->end());
    }
  }
  for (Position size = 0; size <= ends.back(); ++size) {
    auto files = whole.Copy();
    files->Contents(kFirst).resize(kSegmentHeaderSize + size);
    size_t records = 0;
    while (records + 1 < ends.size() && ends[records + 1] <= size) ++records;
    const bool boundary = ends[records] == size;
    const Walk walk = WalkAll(OpenReader(files.get()).get());
    EXPECT_TRUE(walk.status.ok()) << size << walk.status;
    EXPECT_EQ(walk.watermarks.size(), records) << size;
    EXPECT_EQ(walk.tail, boundary ? JournalReader::Tail::clean : JournalReader::Tail::incomplete)
        << size;
    auto writer = OpenWriter(files.get());
    EXPECT_EQ(writer->repaired().empty(), boundary) << size;
    EXPECT_EQ(writer->last_ordinal(), records);
    AppendWatermark(writer.get(), 9);
    ASSERT_TRUE(writer->Flush().ok());
    EXPECT_EQ(WalkAll(OpenReader(files.get()).get()).watermarks.size(), records + 1) << size;
  }
}

TEST(JournalCorruption, ZerosOfAPowerFailureAreATornTail) {
  FaultyFiles files;
  { AppendWatermark(OpenWriter(&files).get(), 1); }
  files.Contents(kFirst).append(5000, '\0');
  const Walk walk = WalkAll(OpenReader(&files).get());
  EXPECT_TRUE(walk.status.ok()) << walk.status;
  EXPECT_EQ(walk.watermarks.size(), 1u);
  EXPECT_EQ(walk.tail, JournalReader::Tail::incomplete);
  EXPECT_THAT(OpenWriter(&files)->repaired(), HasSubstr("5000 bytes"));
}

TEST(JournalCorruption, ATornHeaderOfTheLastSegmentIsRemoved) {
  for (const size_t size : {size_t{0}, size_t{10}, kSegmentHeaderSize - 1}) {
    FaultyFiles files;
    Position end = 0;
    {
      auto writer = OpenWriter(&files);
      AppendWatermark(writer.get(), 1);
      end = writer->end();
    }
    files.Contents("/d/journal/" + SegmentName(end)) =
        EncodeSegmentHeader({.stream_id = std::string(32, 'a'), .start = end}).substr(0, size);
    auto writer = OpenWriter(&files);
    EXPECT_THAT(writer->repaired(), HasSubstr(SegmentName(end)));
    EXPECT_EQ(writer->end(), end);
    AppendWatermark(writer.get(), 2);
    ASSERT_TRUE(writer->Flush().ok());
    EXPECT_THAT(WalkAll(OpenReader(&files).get()).watermarks, ElementsAre(1, 2));
  }
}

TEST(JournalCorruption, ATruncatedOlderSegmentIsAnErrorEvenAtARecordsEnd) {
  FaultyFiles files;
  std::vector<Position> positions;
  {
    auto writer = OpenWriter(&files, {.segment_bytes = 100});
    for (Stamp i = 0; i < 4; ++i) positions.push_back(AppendWatermark(writer.get(), i));
  }
  files.Contents(kFirst).resize(kSegmentHeaderSize + positions[1]);
  auto reader = OpenReader(&files);
  const Walk walk = WalkAll(reader.get());
  EXPECT_EQ(walk.status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(walk.watermarks, ElementsAre(0));
  // And reading can go on behind it.
  const std::optional<Position> next = reader->NextSegment();
  ASSERT_TRUE(next.has_value());
  ASSERT_TRUE(reader->Seek(*next).ok());
  EXPECT_TRUE(WalkAll(reader.get()).status.ok());
}

TEST(JournalCorruption, ASegmentOfAnotherDirectoryIsRefused) {
  FaultyFiles a, b;
  for (FaultyFiles* files : {&a, &b}) {
    auto writer = OpenWriter(files, {.segment_bytes = 100});
    for (Stamp i = 0; i < 4; ++i) AppendWatermark(writer.get(), i);
  }
  auto reader = OpenReader(&a);
  const std::string second = a.Paths().at(1);
  a.Contents(second) = b.Contents(second);
  EXPECT_FALSE(reader->Seek(ParseSegmentName(second.substr(11)).value()).ok());
}

TEST(JournalFaults, DiskFullLosesNothingAcceptedAndRecovers) {
  for (uint64_t room = 0; room < 300; ++room) {
    FaultyFiles files;
    auto writer = OpenWriter(&files, {.segment_bytes = 250, .buffer_bytes = 80});
    files.faults.room = room;
    std::vector<Stamp> accepted;
    int refused = 0;
    for (Stamp i = 1; i <= 12; ++i) {
      Record record;
      record.watermark = i;
      const Position end = writer->end();
      if (writer->Append(record).ok()) {
        accepted.push_back(i);
      } else {
        ++refused;
        EXPECT_EQ(writer->end(), end);
      }
    }
    EXPECT_GT(refused, 0) << room;
    // What a crash now leaves is a whole prefix.
    auto crashed = files.Copy();
    const Walk partial = WalkAll(OpenReader(crashed.get()).get());
    EXPECT_TRUE(partial.status.ok()) << partial.status;
    EXPECT_LE(partial.watermarks.size(), accepted.size());
    files.faults.room.reset();
    Record record;
    record.watermark = 99;
    ASSERT_TRUE(writer->Append(record).ok()) << room;
    accepted.push_back(99);
    ASSERT_TRUE(writer->Flush().ok());
    const Walk walk = WalkAll(OpenReader(&files).get());
    EXPECT_TRUE(walk.status.ok()) << room << walk.status;
    EXPECT_EQ(walk.watermarks, accepted) << room;
  }
}

// Records larger than the buffer are written at once, and must be taken back whole.
TEST(JournalFaults, AFailedLargeRecordIsCutBack) {
  for (const int truncates : {0, 1, 2}) {
    FaultyFiles files;
    auto writer = OpenWriter(&files, {.buffer_bytes = 100});
    AppendWatermark(writer.get(), 1);
    ASSERT_TRUE(writer->Flush().ok());
    files.faults.fail_writes = 1;
    files.faults.fail_truncates = truncates;
    Record large;
    const std::string detail(1000, 'x');
    large.type = RecordType::gap;
    large.watermark = 2;
    large.gap_detail = detail;
    EXPECT_FALSE(writer->Append(large).ok());
    // While the tail cannot be cut, nothing may be written over it.
    Record small;
    small.watermark = 3;
    ASSERT_TRUE(writer->Append(small).ok());
    EXPECT_EQ(writer->Flush().ok(), truncates < 2);
    ASSERT_TRUE(writer->Flush().ok());
    const Walk walk = WalkAll(OpenReader(&files).get());
    EXPECT_TRUE(walk.status.ok()) << walk.status;
    EXPECT_THAT(walk.watermarks, ElementsAre(1, 3)) << truncates;
  }
}

TEST(JournalFaults, ShortAndFailedWritesAreFinishedLater) {
  FaultyFiles files;
  auto writer = OpenWriter(&files);
  auto reader = OpenReader(&files);
  files.faults.short_write = 3;
  AppendWatermark(writer.get(), 1);
  AppendWatermark(writer.get(), 2);
  ASSERT_TRUE(writer->Flush().ok());
  EXPECT_THAT(WalkAll(reader.get()).watermarks, ElementsAre(1, 2));
  files.faults.short_write = SIZE_MAX;
  files.faults.fail_writes = 2;
  AppendWatermark(writer.get(), 3);
  EXPECT_FALSE(writer->Flush().ok());
  const Walk torn = WalkAll(reader.get());
  EXPECT_TRUE(torn.status.ok());
  EXPECT_THAT(torn.watermarks, IsEmpty());
  EXPECT_EQ(torn.tail, JournalReader::Tail::incomplete);
  EXPECT_FALSE(writer->Flush().ok());
  ASSERT_TRUE(writer->Flush().ok());
  EXPECT_THAT(WalkAll(reader.get()).watermarks, ElementsAre(3));
}

TEST(JournalFaults, ASegmentThatCannotBeMadeIsTriedAgain) {
  FaultyFiles files;
  auto writer = OpenWriter(&files, {.segment_bytes = 100});
  AppendWatermark(writer.get(), 1);
  AppendWatermark(writer.get(), 2);
  Record record;
  record.watermark = 3;
  files.faults.fail_creates = 1;
  EXPECT_EQ(writer->Append(record).status().code(), absl::StatusCode::kResourceExhausted);
  files.faults.fail_renames = 1;
  EXPECT_FALSE(writer->Append(record).ok());
  EXPECT_TRUE(writer->Append(record).ok());
  ASSERT_TRUE(writer->Flush().ok());
  EXPECT_THAT(WalkAll(OpenReader(&files).get()).watermarks, ElementsAre(1, 2, 3));
  for (const std::string& path : files.Paths()) EXPECT_FALSE(path.ends_with(".tmp")) << path;
}

TEST(JournalFaults, AFailedReadIsAnErrorAndPasses) {
  FaultyFiles files;
  auto writer = OpenWriter(&files);
  AppendWatermark(writer.get(), 1);
  ASSERT_TRUE(writer->Flush().ok());
  auto reader = OpenReader(&files);
  files.faults.fail_reads = 2;  // the segment's header, then a record
  EXPECT_EQ(reader->Next().status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(reader->Next().status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(reader->Next().value().value().watermark, 1u);
}

}  // namespace
}  // namespace pgparity::shadow
