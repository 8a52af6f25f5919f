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

TEST(Journal, ReadsBackEveryKindOfRecord) {
  FaultyFiles files;
  auto writer = OpenWriter(&files);
  const Position unit = AppendUnit(writer.get(), MakeHeader(4, 50), {MakeStatement("INSERT")}, 7);
  const Position part = AppendPart(writer.get(), 3, {MakeStatement("a")}, 8);
  AppendUnit(writer.get(), MakeHeader(5, 60), {}, 9, 3, part);
  Record gap;
  gap.type = RecordType::gap;
  gap.watermark = 10;
  gap.settled = 11;
  gap.stamp = 70;
  gap.gap_reason = "ring-full";
  gap.gap_detail = "session 4";
  ASSERT_TRUE(writer->Append(gap).ok());
  Record skipped;
  skipped.type = RecordType::reads_skipped;
  skipped.skipped_units = 2;
  skipped.skipped_statements = 5;
  ASSERT_TRUE(writer->Append(skipped).ok());
  Record dropped;
  dropped.type = RecordType::unit_dropped;
  dropped.unit_id = 77;
  ASSERT_TRUE(writer->Append(dropped).ok());
  Record start;
  start.type = RecordType::start;
  ASSERT_TRUE(writer->Append(start).ok());
  ASSERT_TRUE(writer->Flush().ok());

  auto reader = OpenReader(&files);
  Record record = reader->Next().value().value();
  EXPECT_EQ(record.type, RecordType::unit);
  EXPECT_EQ(record.position, unit);
  EXPECT_EQ(record.watermark, 7u);
  EXPECT_EQ(DecodeHeader(record.header).value().key, 50u);
  EXPECT_EQ(DecodeStatements(record.statements).value().at(0).sql, "INSERT");
  record = reader->Next().value().value();
  EXPECT_EQ(record.type, RecordType::unit_part);
  EXPECT_EQ(record.unit_id, 3u);
  EXPECT_EQ(DecodeStatements(record.statements).value().at(0).sql, "a");
  record = reader->Next().value().value();
  EXPECT_EQ(record.type, RecordType::unit_end);
  EXPECT_EQ(record.unit_id, 3u);
  EXPECT_EQ(record.first_part, part);
  record = reader->Next().value().value();
  EXPECT_EQ(record.gap_reason, "ring-full");
  EXPECT_EQ(record.gap_detail, "session 4");
  EXPECT_EQ(record.settled, 11u);
  EXPECT_EQ(record.stamp, 70u);
  record = reader->Next().value().value();
  EXPECT_EQ(record.skipped_units, 2u);
  EXPECT_EQ(record.skipped_statements, 5u);
  record = reader->Next().value().value();
  EXPECT_EQ(record.unit_id, 77u);
  record = reader->Next().value().value();
  EXPECT_EQ(record.type, RecordType::start);
  EXPECT_EQ(record.next, writer->end());
  EXPECT_FALSE(reader->Next().value().has_value());
  EXPECT_EQ(writer->last_ordinal(), 5u);
  EXPECT_EQ(writer->last_stamp(), 70u);
}

TEST(Journal, ReaderSeesRecordsOnceFlushedAndGoesOnFromTheEnd) {
  FaultyFiles files;
  auto writer = OpenWriter(&files);
  auto reader = OpenReader(&files);
  EXPECT_FALSE(reader->Next().value().has_value());
  AppendWatermark(writer.get(), 1);
  EXPECT_FALSE(reader->Next().value().has_value());
  ASSERT_TRUE(writer->Flush().ok());
  EXPECT_EQ(writer->flushed(), writer->end());
  EXPECT_EQ(reader->Next().value().value().watermark, 1u);
  EXPECT_FALSE(reader->Next().value().has_value());
  AppendWatermark(writer.get(), 2);
  ASSERT_TRUE(writer->Flush().ok());
  EXPECT_EQ(reader->Next().value().value().watermark, 2u);
}

TEST(Journal, ManyRecordsTakeFewSystemCalls) {
  FaultyFiles files;
  auto writer = OpenWriter(&files);
  for (Stamp i = 0; i < 10000; ++i) AppendWatermark(writer.get(), i);
  ASSERT_TRUE(writer->Flush().ok());
  EXPECT_LE(files.writes, 10u);  // 370 kB in pieces of 64 KiB, and the header
  auto reader = OpenReader(&files);
  files.reads = 0;
  EXPECT_EQ(WalkAll(reader.get()).watermarks.size(), 10000u);
  EXPECT_LE(files.reads, 10u);
}

TEST(Journal, SegmentsFollowEachOther) {
  FaultyFiles files;
  std::vector<Position> written;
  {
    auto writer = OpenWriter(&files, {.segment_bytes = 200});
    for (Stamp i = 0; i < 40; ++i) written.push_back(AppendWatermark(writer.get(), i));
  }
  EXPECT_GE(files.Paths().size(), 8u);
  auto reader = OpenReader(&files);
  const Walk walk = WalkAll(reader.get());
  EXPECT_TRUE(walk.status.ok()) << walk.status;
  EXPECT_EQ(walk.positions, written);
  for (size_t i = 0; i < written.size(); ++i) {
    EXPECT_EQ(reader->ReadAt(written[i]).value().watermark, i);
    ASSERT_TRUE(reader->Seek(written[i]).ok());
    EXPECT_EQ(reader->Next().value().value().watermark, i);
  }
}

TEST(Journal, AReaderFollowsTheWriterAcrossSegments) {
  FaultyFiles files;
  auto writer = OpenWriter(&files, {.segment_bytes = 200});
  auto reader = OpenReader(&files);
  for (Stamp i = 0; i < 40; ++i) {
    AppendWatermark(writer.get(), i);
    ASSERT_TRUE(writer->Flush().ok());
    const auto record = reader->Next();
    ASSERT_TRUE(record.ok() && record->has_value()) << i << record.status();
    EXPECT_EQ((*record)->watermark, i);
    EXPECT_FALSE(reader->Next().value().has_value());
  }
}

TEST(Journal, GoesOnAfterARestart) {
  FaultyFiles files;
  std::string stream;
  Position end = 0;
  {
    auto writer = OpenWriter(&files);
    stream = writer->stream_id();
    AppendUnit(writer.get(), MakeHeader(9, 100), {}, 90);
    end = writer->end();
  }
  auto writer = OpenWriter(&files);
  EXPECT_EQ(writer->stream_id(), stream);
  EXPECT_EQ(writer->end(), end);
  EXPECT_EQ(writer->last_ordinal(), 9u);
  EXPECT_EQ(writer->last_stamp(), 100u);
  EXPECT_THAT(writer->repaired(), IsEmpty());
  EXPECT_EQ(AppendWatermark(writer.get(), 101), end);
}

// The newest ordinal and stamp may lie in an older segment than the last.
TEST(Journal, LastNumbersSurviveANewSegment) {
  FaultyFiles files;
  {
    auto writer = OpenWriter(&files, {.segment_bytes = 100});
    AppendUnit(writer.get(), MakeHeader(9, 100), {}, 90);
    AppendWatermark(writer.get(), 1);
  }
  auto writer = OpenWriter(&files);
  EXPECT_EQ(writer->last_ordinal(), 9u);
  EXPECT_EQ(writer->last_stamp(), 100u);
}

TEST(Journal, StreamIdsDiffer) {
  FaultyFiles a, b;
  const std::string id = OpenWriter(&a)->stream_id();
  EXPECT_EQ(id.size(), 32u);
  EXPECT_NE(id, OpenWriter(&b)->stream_id());
  EXPECT_EQ(OpenReader(&a)->stream_id(), id);
}

TEST(Journal, NoJournalIsNotFound) {
  FaultyFiles files;
  EXPECT_EQ(JournalReader::Open(kDir, &files).status().code(), absl::StatusCode::kNotFound);
}

TEST(Journal, AnotherVersionIsRefusedByName) {
  FaultyFiles files;
  OpenWriter(&files);
  files.Contents(kFirst)[8] = 9;
  const auto writer = JournalWriter::Open(kDir, {.files = &files});
  EXPECT_EQ(writer.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(writer.status().ToString(), HasSubstr("version 9"));
}

TEST(Journal, ASecondWriterIsRefused) {
  const support::TempDir dir;
  auto first = JournalWriter::Open(dir.path(), {});
  ASSERT_TRUE(first.ok()) << first.status();
  const auto second = JournalWriter::Open(dir.path(), {});
  EXPECT_EQ(second.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(second.status().ToString(), HasSubstr("in use by another process"));
  first->reset();
  EXPECT_TRUE(JournalWriter::Open(dir.path(), {}).ok());
}

TEST(Journal, WorksOnRealFiles) {
  const support::TempDir dir;
  {
    auto writer = JournalWriter::Open(dir.path(), {.segment_bytes = 300}).value();
    for (Stamp i = 0; i < 50; ++i) AppendWatermark(writer.get(), i);
    ASSERT_TRUE(writer->Sync().ok());
    writer->Release(500);
  }
  auto reader = JournalReader::Open(dir.path()).value();
  EXPECT_EQ(WalkAll(reader.get()).watermarks.size(), 50u);
  auto writer = JournalWriter::Open(dir.path(), {.keep_bytes = 0}).value();
  writer->Release(writer->end());
  EXPECT_EQ(reader->Segments().value().size(), 1u);
}

TEST(JournalRetention, KeepsWhatIsNotReleasedAndKeepBytes) {
  FaultyFiles files;
  auto writer = OpenWriter(&files, {.segment_bytes = 100, .keep_bytes = 300});
  std::vector<Position> positions;
  for (Stamp i = 0; i < 20; ++i) positions.push_back(AppendWatermark(writer.get(), i));
  ASSERT_TRUE(writer->Flush().ok());
  auto reader = OpenReader(&files);
  EXPECT_EQ(reader->begin(), 0u);
  writer->Release(positions[5]);  // two records a segment: 0..3 may go
  EXPECT_EQ(reader->begin(), positions[4]);
  EXPECT_EQ(reader->Seek(positions[3]).code(), absl::StatusCode::kOutOfRange);
  EXPECT_TRUE(reader->Seek(positions[5]).ok());
  writer->Release(writer->end());
  EXPECT_LE(writer->end() - reader->begin(), 300u);
  EXPECT_GE(writer->end() - reader->begin(), 200u);
}

TEST(JournalRetention, MaxBytesRefusesAndReleaseMakesRoom) {
  FaultyFiles files;
  auto writer = OpenWriter(&files, {.segment_bytes = 100, .keep_bytes = 0, .max_bytes = 400});
  Record record;
  int accepted = 0;
  while (writer->Append(record).ok()) ++accepted;
  EXPECT_EQ(accepted, 8);  // of 49 bytes
  EXPECT_EQ(writer->Append(record).status().code(), absl::StatusCode::kResourceExhausted);
  ASSERT_TRUE(writer->Flush().ok());
  writer->Release(writer->end());
  EXPECT_TRUE(writer->Append(record).ok());
}

}  // namespace
}  // namespace pgparity::shadow
