#include <algorithm>
#include <utility>

#include "protocol/text.h"
#include "shadow/journal_format.h"
#include "shadow/journal_segments.h"

namespace pgparity::shadow {
namespace {

using protocol::StrCat;

constexpr size_t kChunk = 256 << 10;
// Larger buffers are given back once they are not needed.
constexpr size_t kKeepBuffer = 4 << 20;

// Reads records of one segment at a time through a buffer.
class Cursor {
 public:
  bool open() const { return segment_.file != nullptr; }
  Position start() const { return segment_.header.start; }
  const std::string& path() const { return segment_.path; }
  File* file() { return segment_.file.get(); }
  void Use(OpenSegment segment) {
    segment_ = std::move(segment);
    Forget();
  }
  void Close() { Use({}); }
  // The next read comes from the file: what was buffered may have been cut off and written anew.
  void Forget() { buffer_.clear(); }

  struct Read {
    ParsedRecord parsed;
    bool at_end = false;        // nothing at all lies at the position
    bool last_of_file = false;  // bad_body: the record ends where the file does
  };
  absl::StatusOr<Read> ReadRecord(Position position);

 private:
  absl::Status Fill(Position position, uint64_t size);
  std::string_view Buffered(Position position) const {
    if (position < buffer_at_ || position - buffer_at_ >= buffer_.size()) return {};
    return std::string_view(buffer_).substr(position - buffer_at_);
  }

  OpenSegment segment_;
  std::string buffer_;
  Position buffer_at_ = 0;
};

absl::Status Cursor::Fill(Position position, uint64_t size) {
  const uint64_t offset = kSegmentHeaderSize + position - segment_.header.start;
  if (size > kChunk) {
    // A length read from the file is believed no further than the file goes.
    const absl::StatusOr<uint64_t> file_size = segment_.file->Size();
    if (!file_size.ok()) return file_size.status();
    if (offset + size > *file_size) size = 0;
  }
  if (buffer_.capacity() > kKeepBuffer && size <= kKeepBuffer) std::string().swap(buffer_);
  buffer_.resize(std::max<uint64_t>(size, kChunk));
  buffer_at_ = position;
  const absl::StatusOr<size_t> read = segment_.file->ReadAt(offset, buffer_.data(), buffer_.size());
  buffer_.resize(read.ok() ? *read : 0);
  return read.status();
}

absl::StatusOr<Cursor::Read> Cursor::ReadRecord(Position position) {
  Read result;
  result.parsed = ParseRecord(Buffered(position), position);
  // Twice: the first 12 bytes tell how long the record is.
  for (int attempt = 0; attempt < 2 && result.parsed.state == ParsedRecord::State::incomplete;
       ++attempt) {
    if (absl::Status filled = Fill(position, result.parsed.size); !filled.ok()) return filled;
    result.parsed = ParseRecord(Buffered(position), position);
  }
  const size_t left = Buffered(position).size();
  result.at_end = left == 0;
  if (result.parsed.state == ParsedRecord::State::bad_body) {
    const absl::StatusOr<uint64_t> size = segment_.file->Size();
    if (!size.ok()) return size.status();
    result.last_of_file = kSegmentHeaderSize + position - start() + result.parsed.size >= *size;
  }
  if (result.parsed.state != ParsedRecord::State::ok) Forget();
  return result;
}

class Reader : public JournalReader {
 public:
  Reader(FileSystem* files, std::string directory)
      : files_(files), directory_(std::move(directory)) {}

  absl::Status Init();

  Position begin() const override;
  Position position() const override { return position_; }
  absl::Status Seek(Position position) override;
  absl::StatusOr<std::optional<Record>> Next() override;
  absl::StatusOr<Record> ReadAt(Position position) override;
  Tail tail() const override { return tail_; }
  std::optional<Position> NextSegment() const override;
  absl::StatusOr<std::vector<SegmentInfo>> Segments() const override;
  std::string stream_id() const override { return stream_id_; }

 private:
  // Opens the segment that holds `position`, or would. `*position` moves over a stretch cut off.
  absl::Status Locate(Position* position, Cursor* cursor) const;
  absl::StatusOr<std::optional<OpenSegment>> SegmentBehind(Position start) const;
  absl::StatusOr<bool> GoOn(const Cursor::Read& read);
  absl::StatusOr<Tail> JudgeTail(const Cursor::Read& read);
  absl::Status Corrupt(const Cursor& cursor, Position position, std::string_view why) const;

  FileSystem* const files_;
  const std::string directory_;
  std::string stream_id_;
  Position position_ = 0;
  Cursor sequential_, random_;
  Tail tail_ = Tail::clean;
};

absl::Status Reader::Init() {
  const absl::StatusOr<std::vector<Position>> starts = ListSegments(files_, directory_);
  if (!starts.ok() && starts.status().code() != absl::StatusCode::kNotFound) return starts.status();
  if (!starts.ok() || starts->empty())
    return absl::NotFoundError(StrCat("no journal in ", directory_));
  const absl::StatusOr<OpenSegment> first = OpenSegmentAt(files_, directory_, starts->front());
  if (!first.ok()) return first.status();
  stream_id_ = first->header.stream_id;
  position_ = starts->front();
  return absl::OkStatus();
}

Position Reader::begin() const {
  const absl::StatusOr<std::vector<Position>> starts = ListSegments(files_, directory_);
  return starts.ok() && !starts->empty() ? starts->front() : 0;
}

absl::Status Reader::Locate(Position* position, Cursor* cursor) const {
  const absl::StatusOr<std::vector<Position>> starts = ListSegments(files_, directory_);
  if (!starts.ok()) return starts.status();
  auto behind = std::upper_bound(starts->begin(), starts->end(), *position);
  if (behind == starts->begin()) {
    return absl::OutOfRangeError(StrCat("position ", *position,
                                        " is no longer in the journal, which begins at ",
                                        starts->empty() ? 0 : starts->front()));
  }
  if (behind != starts->end()) {
    const absl::StatusOr<OpenSegment> next = OpenSegmentAt(files_, directory_, *behind);
    if (next.ok() && *position >= next->header.previous_end) {
      *position = next->header.start;
      ++behind;
    }
  }
  absl::StatusOr<OpenSegment> segment = OpenSegmentAt(files_, directory_, *std::prev(behind));
  if (!segment.ok()) return segment.status();
  if (segment->header.stream_id != stream_id_) {
    return absl::DataLossError(StrCat(segment->path, " belongs to another data directory"));
  }
  cursor->Use(*std::move(segment));
  return absl::OkStatus();
}

absl::Status Reader::Seek(Position position) {
  if (absl::Status located = Locate(&position, &sequential_); !located.ok()) return located;
  position_ = position;
  return absl::OkStatus();
}

absl::Status Reader::Corrupt(const Cursor& cursor, Position position, std::string_view why) const {
  return absl::DataLossError(protocol::ToAbsl(
      StrCat("corrupt journal at position ", position, " (", cursor.path(), ", offset ",
             kSegmentHeaderSize + position - cursor.start(), "): ", why)));
}

absl::StatusOr<std::optional<OpenSegment>> Reader::SegmentBehind(Position start) const {
  const absl::StatusOr<std::vector<Position>> starts = ListSegments(files_, directory_);
  if (!starts.ok()) return starts.status();
  const auto behind = std::upper_bound(starts->begin(), starts->end(), start);
  if (behind == starts->end()) return std::nullopt;
  absl::StatusOr<OpenSegment> segment = OpenSegmentAt(files_, directory_, *behind);
  if (!segment.ok()) return segment.status();
  return std::optional<OpenSegment>(*std::move(segment));
}

// The end of the last segment, or a record that cannot be read there.
absl::StatusOr<JournalReader::Tail> Reader::JudgeTail(const Cursor::Read& read) {
  if (read.at_end) return Tail::clean;
  if (read.parsed.state == ParsedRecord::State::incomplete) return Tail::incomplete;
  if (read.parsed.state == ParsedRecord::State::bad_body && read.last_of_file) return Tail::corrupt;
  const absl::StatusOr<bool> zeros =
      OnlyZerosFrom(sequential_.file(), kSegmentHeaderSize + position_ - sequential_.start());
  if (!zeros.ok()) return zeros.status();
  if (*zeros) return Tail::incomplete;
  return Corrupt(sequential_, position_,
                 read.parsed.state == ParsedRecord::State::bad_frame
                     ? "no record begins here"
                     : "its checksum does not hold");
}

// After a record that could not be read: true when there is more to read at position_.
absl::StatusOr<bool> Reader::GoOn(const Cursor::Read& read) {
  absl::StatusOr<std::optional<OpenSegment>> next = SegmentBehind(sequential_.start());
  if (!next.ok()) return next.status();
  if (!next->has_value()) {
    const absl::StatusOr<Tail> tail = JudgeTail(read);
    if (!tail.ok()) return tail.status();
    tail_ = *tail;
    return false;
  }
  // The writer may have finished the segment since it was read.
  const absl::StatusOr<Cursor::Read> again = sequential_.ReadRecord(position_);
  if (!again.ok()) return again.status();
  if (again->parsed.state == ParsedRecord::State::ok) return true;
  if (!again->at_end || (*next)->header.previous_end != position_) {
    return Corrupt(sequential_, position_,
                   "the segment does not go on to where the next one begins");
  }
  position_ = (*next)->header.start;
  sequential_.Use(*std::move(*next));
  return true;
}

absl::StatusOr<std::optional<Record>> Reader::Next() {
  if (!sequential_.open()) {
    if (absl::Status located = Locate(&position_, &sequential_); !located.ok()) return located;
  }
  while (true) {
    const absl::StatusOr<Cursor::Read> read = sequential_.ReadRecord(position_);
    if (!read.ok()) return read.status();
    if (read->parsed.state == ParsedRecord::State::ok) {
      position_ = read->parsed.record.next;
      tail_ = Tail::clean;
      return read->parsed.record;
    }
    const absl::StatusOr<bool> more = GoOn(*read);
    if (!more.ok()) return more.status();
    if (!*more) return std::nullopt;
  }
}

absl::StatusOr<Record> Reader::ReadAt(Position position) {
  const Position wanted = position;
  // Tried in the segment at hand first; a position past its end is looked up anew.
  for (int attempt = 0; attempt < 2; ++attempt) {
    if (attempt == 1 || !random_.open() || position < random_.start()) {
      if (absl::Status located = Locate(&position, &random_); !located.ok()) return located;
      if (position != wanted) break;
    }
    const absl::StatusOr<Cursor::Read> read = random_.ReadRecord(position);
    if (!read.ok()) return read.status();
    if (read->parsed.state == ParsedRecord::State::ok) return read->parsed.record;
    if (!read->at_end && attempt == 1) return Corrupt(random_, position, "not a whole record");
  }
  return absl::OutOfRangeError(StrCat("no record at position ", wanted));
}

std::optional<Position> Reader::NextSegment() const {
  const absl::StatusOr<std::vector<Position>> starts = ListSegments(files_, directory_);
  if (!starts.ok()) return std::nullopt;
  const auto behind = std::upper_bound(starts->begin(), starts->end(), position_);
  if (behind == starts->end()) return std::nullopt;
  return *behind;
}

absl::StatusOr<std::vector<SegmentInfo>> Reader::Segments() const {
  const absl::StatusOr<std::vector<Position>> starts = ListSegments(files_, directory_);
  if (!starts.ok()) return starts.status();
  std::vector<SegmentInfo> segments;
  for (const Position start : *starts) {
    SegmentInfo info{.file = directory_ + "/" + SegmentName(start), .start = start, .end = start};
    const absl::StatusOr<std::unique_ptr<File>> file = files_->OpenForReading(info.file);
    if (!file.ok()) continue;  // released meanwhile
    const absl::StatusOr<uint64_t> size = (*file)->Size();
    if (size.ok() && *size > kSegmentHeaderSize) info.end = start + *size - kSegmentHeaderSize;
    segments.push_back(std::move(info));
  }
  return segments;
}

}  // namespace

absl::StatusOr<std::unique_ptr<JournalReader>> JournalReader::Open(const std::string& dir,
                                                                   FileSystem* files) {
  auto reader = std::make_unique<Reader>(files != nullptr ? files : &PosixFileSystem(),
                                         JournalDirectory(dir));
  if (absl::Status ready = reader->Init(); !ready.ok()) return ready;
  return reader;
}

}  // namespace pgparity::shadow
