#include <algorithm>
#include <atomic>
#include <deque>
#include <random>
#include <utility>

#include "compare/mutex.h"
#include "protocol/text.h"
#include "shadow/journal_format.h"
#include "shadow/journal_segments.h"

namespace pgparity::shadow {
namespace {

using protocol::StrCat;

constexpr size_t kScanChunk = 1 << 20;
// Segments rolled since the last Sync whose files are kept open for it.
constexpr size_t kMaxUnsynced = 4;

struct Scan {
  uint64_t good = 0;  // bytes of whole records
  uint64_t size = 0;  // bytes behind the header
  uint64_t last_ordinal = 0;
  Stamp last_stamp = 0;
  std::string bad = {};  // why reading stopped before `size`
};

std::string WhyBad(ParsedRecord::State state) {
  switch (state) {
    case ParsedRecord::State::incomplete:
      return "the last record is not whole";
    case ParsedRecord::State::bad_frame:
      return "no record begins here";
    default:
      return "a record's checksum does not hold";
  }
}

// Walks all records of a segment.
absl::StatusOr<Scan> ScanSegment(const OpenSegment& segment) {
  Scan scan{.last_ordinal = segment.header.last_ordinal, .last_stamp = segment.header.last_stamp};
  const absl::StatusOr<uint64_t> size = segment.file->Size();
  if (!size.ok()) return size.status();
  scan.size = *size - kSegmentHeaderSize;
  std::string buffer;
  uint64_t buffer_at = 0;
  while (scan.good < scan.size) {
    const ParsedRecord parsed = ParseRecord(std::string_view(buffer).substr(scan.good - buffer_at),
                                            segment.header.start + scan.good);
    if (parsed.state == ParsedRecord::State::ok) {
      NoteNumbers(parsed.record, &scan.last_ordinal, &scan.last_stamp);
      scan.good += parsed.size;
      continue;
    }
    const bool more = buffer_at + buffer.size() < scan.size && scan.good + parsed.size <= scan.size;
    if (parsed.state != ParsedRecord::State::incomplete || !more) {
      scan.bad = WhyBad(parsed.state);
      break;
    }
    buffer_at = scan.good;
    buffer.resize(
        std::min<uint64_t>(std::max<uint64_t>(kScanChunk, parsed.size), scan.size - scan.good));
    const absl::StatusOr<size_t> read =
        segment.file->ReadAt(kSegmentHeaderSize + buffer_at, buffer.data(), buffer.size());
    if (!read.ok()) return read.status();
    buffer.resize(*read);
  }
  return scan;
}

class Writer : public JournalWriter {
 public:
  Writer(FileSystem* files, std::string directory, JournalOptions options,
         std::unique_ptr<FileLock> lock)
      : files_(files),
        directory_(std::move(directory)),
        options_(options),
        lock_(std::move(lock)) {}
  ~Writer() override { Flush().IgnoreError(); }

  absl::Status Recover();

  absl::StatusOr<Position> Append(const Record& record) override;
  absl::Status Flush() override;
  Position end() const override { return end_.load(std::memory_order_acquire); }
  Position flushed() const override { return flushed_.load(std::memory_order_acquire); }
  uint64_t last_ordinal() const override { return last_ordinal_; }
  Stamp last_stamp() const override { return last_stamp_; }
  std::string repaired() const override { return repaired_; }
  void Release(Position position) override;
  absl::Status Sync() override;
  std::string stream_id() const override { return stream_id_; }

 private:
  absl::Status CreateSegment(Position start, Position previous_end);
  absl::Status AdoptLast(std::vector<Position> starts);
  absl::Status DropTornHeader(std::vector<Position>* starts);
  absl::Status Accept(std::string_view bytes);
  // Writes at flushed_ and moves it; returns how much of `bytes` went out, and the error if not
  // all.
  std::pair<size_t, absl::Status> WriteOut(std::string_view bytes);
  absl::Status CutBack();
  uint64_t Offset(Position position) const {
    return kSegmentHeaderSize + position - segment_start_;
  }

  FileSystem* const files_;
  const std::string directory_;
  const JournalOptions options_;
  const std::unique_ptr<FileLock> lock_;
  std::string stream_id_;
  std::string repaired_;
  std::unique_ptr<File> file_;
  Position segment_start_ = 0;
  std::string buffer_;  // records accepted and not written out; stand at flushed_
  std::string scratch_;
  bool cut_needed_ = false;  // bytes of a refused record may lie in the file behind flushed_
  std::deque<std::unique_ptr<File>> unsynced_;
  std::atomic<Position> end_{0};
  std::atomic<Position> flushed_{0};
  uint64_t last_ordinal_ = 0;
  Stamp last_stamp_ = 0;

  Mutex mutex_;
  std::deque<Position> starts_ ABSL_GUARDED_BY(mutex_);
  std::atomic<Position> first_start_{0};
};

absl::Status Writer::Recover() {
  absl::StatusOr<std::vector<Position>> starts = ListSegments(files_, directory_);
  if (!starts.ok()) return starts.status();
  if (absl::Status dropped = DropTornHeader(&*starts); !dropped.ok()) return dropped;
  if (!starts->empty()) return AdoptLast(*std::move(starts));
  std::random_device random;
  for (int digit = 0; digit < 32; ++digit) stream_id_.push_back("0123456789abcdef"[random() % 16]);
  return CreateSegment(0, 0);
}

// A crash between the creation of a segment and its header leaves a file with nothing in it that
// counts.
absl::Status Writer::DropTornHeader(std::vector<Position>* starts) {
  if (starts->empty()) return absl::OkStatus();
  const absl::StatusOr<OpenSegment> last = OpenSegmentAt(files_, directory_, starts->back());
  if (last.ok() || last.status().code() != absl::StatusCode::kDataLoss) return last.status();
  const std::string path = directory_ + "/" + SegmentName(starts->back());
  absl::StatusOr<std::unique_ptr<File>> file = files_->OpenForReading(path);
  if (!file.ok()) return file.status();
  const absl::StatusOr<uint64_t> size = (*file)->Size();
  if (!size.ok()) return size.status();
  // More than a header: records may be in it, which is for a person to decide.
  if (*size > kSegmentHeaderSize) return last.status();
  if (absl::Status removed = files_->Remove(path); !removed.ok()) return removed;
  repaired_ = StrCat("removed ", path, ", a segment without a whole header");
  starts->pop_back();
  return absl::OkStatus();
}

absl::Status Writer::AdoptLast(std::vector<Position> starts) {
  const absl::StatusOr<OpenSegment> last = OpenSegmentAt(files_, directory_, starts.back());
  if (!last.ok()) return last.status();
  const absl::StatusOr<Scan> scan = ScanSegment(*last);
  if (!scan.ok()) return scan.status();
  absl::StatusOr<std::unique_ptr<File>> file = files_->OpenForWriting(last->path);
  if (!file.ok()) return file.status();
  file_ = *std::move(file);
  stream_id_ = last->header.stream_id;
  segment_start_ = last->header.start;
  last_ordinal_ = scan->last_ordinal;
  last_stamp_ = scan->last_stamp;
  const Position good = segment_start_ + scan->good;
  end_ = good;
  flushed_ = good;
  first_start_ = starts.front();
  {
    MutexLock lock(&mutex_);
    starts_.assign(starts.begin(), starts.end());
  }
  if (scan->good == scan->size) return absl::OkStatus();
  if (absl::Status cut = file_->Truncate(kSegmentHeaderSize + scan->good); !cut.ok()) return cut;
  const Position next = segment_start_ + scan->size;
  repaired_ = StrCat("cut off ", scan->size - scan->good, " bytes at position ", good, " of ",
                     last->path, ": ", scan->bad);
  // Positions are never used twice: a reader's progress may lie in what was cut off.
  return CreateSegment(next, good);
}

absl::Status Writer::CreateSegment(Position start, Position previous_end) {
  const std::string path = directory_ + "/" + SegmentName(start);
  const std::string temporary = path + ".tmp";
  absl::StatusOr<std::unique_ptr<File>> file = files_->OpenForWriting(temporary);
  if (!file.ok()) return file.status();
  const std::string header = EncodeSegmentHeader({.stream_id = stream_id_,
                                                  .start = start,
                                                  .previous_end = previous_end,
                                                  .last_ordinal = last_ordinal_,
                                                  .last_stamp = last_stamp_});
  absl::Status status;
  for (size_t done = 0; status.ok() && done < header.size();) {
    const absl::StatusOr<size_t> n = (*file)->WriteAt(done, std::string_view(header).substr(done));
    if (n.ok()) {
      done += *n;
    } else {
      status = n.status();
    }
  }
  if (status.ok()) status = files_->Rename(temporary, path);
  if (!status.ok()) {
    files_->Remove(temporary).IgnoreError();
    return status;
  }
  if (file_ != nullptr) unsynced_.push_back(std::move(file_));
  if (unsynced_.size() > kMaxUnsynced) unsynced_.pop_front();
  file_ = *std::move(file);
  segment_start_ = start;
  flushed_ = start;
  end_ = start;
  MutexLock lock(&mutex_);
  starts_.push_back(start);
  first_start_ = starts_.front();
  return absl::OkStatus();
}

absl::StatusOr<Position> Writer::Append(const Record& record) {
  scratch_.clear();
  const Position position = end_;
  if (absl::Status encoded = EncodeRecord(record, position, &scratch_); !encoded.ok())
    return encoded;
  if (options_.max_bytes != 0 && position - first_start_ + scratch_.size() > options_.max_bytes) {
    return absl::ResourceExhaustedError(
        StrCat("the journal has reached its limit of ", options_.max_bytes, " bytes"));
  }
  if (position > segment_start_ &&
      position - segment_start_ + scratch_.size() > options_.segment_bytes) {
    if (absl::Status flushed = Flush(); !flushed.ok()) return flushed;
    if (absl::Status created = CreateSegment(position, position); !created.ok()) return created;
  }
  if (absl::Status accepted = Accept(scratch_); !accepted.ok()) return accepted;
  end_.store(position + scratch_.size(), std::memory_order_release);
  NoteNumbers(record, &last_ordinal_, &last_stamp_);
  if (scratch_.capacity() > 2 * options_.buffer_bytes) std::string().swap(scratch_);
  return position;
}

// Puts the record into the buffer, or writes it out at once when it is large.
absl::Status Writer::Accept(std::string_view bytes) {
  if (buffer_.size() + bytes.size() > options_.buffer_bytes) {
    if (absl::Status flushed = Flush(); !flushed.ok()) return flushed;
  }
  if (bytes.size() < options_.buffer_bytes) {
    buffer_.append(bytes);
    return absl::OkStatus();
  }
  if (absl::Status cut = CutBack(); !cut.ok()) return cut;
  const Position before = flushed_;
  auto [written, status] = WriteOut(bytes);
  if (status.ok()) return status;
  flushed_.store(before, std::memory_order_release);
  cut_needed_ = true;
  CutBack().IgnoreError();
  return status;
}

absl::Status Writer::CutBack() {
  if (!cut_needed_) return absl::OkStatus();
  if (absl::Status cut = file_->Truncate(Offset(flushed_)); !cut.ok()) return cut;
  cut_needed_ = false;
  return absl::OkStatus();
}

std::pair<size_t, absl::Status> Writer::WriteOut(std::string_view bytes) {
  size_t done = 0;
  while (done < bytes.size()) {
    const absl::StatusOr<size_t> n = file_->WriteAt(Offset(flushed_), bytes.substr(done));
    if (!n.ok()) return {done, n.status()};
    done += *n;
    flushed_.fetch_add(*n, std::memory_order_release);
  }
  return {done, absl::OkStatus()};
}

absl::Status Writer::Flush() {
  if (buffer_.empty()) return absl::OkStatus();
  if (absl::Status cut = CutBack(); !cut.ok()) return cut;
  // A part that went out is not taken back: the rest of the same records follows at the next try,
  // and until then readers see an unfinished tail.
  const auto [written, status] = WriteOut(buffer_);
  buffer_.erase(0, written);
  return status;
}

absl::Status Writer::Sync() {
  if (absl::Status flushed = Flush(); !flushed.ok()) return flushed;
  for (; !unsynced_.empty(); unsynced_.pop_front()) {
    if (absl::Status synced = unsynced_.front()->Sync(); !synced.ok()) return synced;
  }
  return file_->Sync();
}

void Writer::Release(Position position) {
  MutexLock lock(&mutex_);
  while (starts_.size() > 1 && starts_[1] <= position &&
         flushed() - starts_.front() > options_.keep_bytes) {
    const absl::Status removed = files_->Remove(directory_ + "/" + SegmentName(starts_.front()));
    if (!removed.ok() && removed.code() != absl::StatusCode::kNotFound) return;
    starts_.pop_front();
    first_start_ = starts_.front();
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<JournalWriter>> JournalWriter::Open(const std::string& dir,
                                                                   const JournalOptions& options) {
  FileSystem* files = options.files != nullptr ? options.files : &PosixFileSystem();
  const std::string directory = JournalDirectory(dir);
  if (absl::Status made = files->MakeDirectory(directory); !made.ok()) return made;
  absl::StatusOr<std::unique_ptr<FileLock>> lock = files->Lock(dir + "/lock");
  if (!lock.ok()) return lock.status();
  auto writer = std::make_unique<Writer>(files, directory, options, *std::move(lock));
  if (absl::Status recovered = writer->Recover(); !recovered.ok()) return recovered;
  return writer;
}

}  // namespace pgparity::shadow
