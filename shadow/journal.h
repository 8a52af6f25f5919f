// The journal: an append-only record of finished units in completion order (DESIGN, "The way of the
// data" 4). A record's offset is its position: bytes since the first record ever, across segments.
// The format is written down at the head of journal_format.h.
//
// Threads: one JournalWriter (capture thread); any number of JournalReaders, each on one thread, in
// this process or another.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "shadow/file.h"
#include "shadow/unit.h"

namespace pgparity::shadow {

using Position = uint64_t;

enum class RecordType : uint8_t {
  unit = 1,       // a whole unit: header, statements
  unit_part = 2,  // statements of a unit that is not finished yet
  unit_end = 3,   // header and last statements of a unit that came in parts
  watermark = 4,  // no unit; the watermark alone
  gap = 5,        // reason, detail: nothing is known of a stretch
  start = 6,  // a new process writes from here on: units in parts not ended before it never will be
  unit_dropped = 7,   // the parts of `unit_id` count for nothing
  reads_skipped = 8,  // so many read-only units and statements were not journalled, by choice
};

struct Record {
  RecordType type = RecordType::watermark;
  Position position = 0;
  Position next = 0;  // of the record behind it
  // Every unit journalled after this record has a key of at least order().
  Stamp watermark = 0;
  uint32_t watermark_epoch = 0;
  uint64_t watermark_lsn = 0;
  OrderKey order() const { return {watermark_epoch, watermark_lsn, watermark}; }
  Stamp settled =
      0;            // every request sent before this had its replies by then (<= watermark or not)
  Stamp stamp = 0;  // of the newest event seen when it was written
  uint64_t unit_id = 0;  // unit_part, unit_end, unit_dropped: which unit in the making; 0 otherwise
  Position first_part = 0;  // unit_end: position of the unit's first part
  uint64_t skipped_units = 0, skipped_statements = 0;  // reads_skipped
  std::string_view header;                             // unit, unit_end: DecodeHeader's input
  std::string_view statements;              // unit, unit_part, unit_end: DecodeStatements' input
  std::string_view gap_reason, gap_detail;  // gap
};

struct JournalOptions {
  uint64_t segment_bytes = 64 << 20;
  uint64_t keep_bytes =
      8ull << 30;  // segments wholly before the reader's release position are deleted beyond this
  uint64_t max_bytes = 0;  // Append fails with ResourceExhausted beyond this; 0: as the disk allows
  uint64_t buffer_bytes =
      64 << 10;                 // records are written out when so many bytes wait, and on Flush
  FileSystem* files = nullptr;  // outlives the writer; nullptr: PosixFileSystem()
};

class JournalWriter {
 public:
  // Opens or creates the journal of data directory `dir` (segments in dir/journal, lock file
  // dir/lock). A torn or corrupt tail is cut off at the first bad record (`repaired` says where and
  // why); positions cut off are never used again. FailedPrecondition when another process holds the
  // directory, or for another version's journal.
  static absl::StatusOr<std::unique_ptr<JournalWriter>> Open(const std::string& dir,
                                                             const JournalOptions& options);
  // Flushes what it can.
  virtual ~JournalWriter() = default;

  // Appends and returns the record's position (`position`, `next` and the views' owners are not
  // kept). Readers see it after the next Flush, or sooner. After an error (disk full) the record is
  // not in the journal, those accepted before it still are, and the writer can be used again.
  virtual absl::StatusOr<Position> Append(const Record& record) = 0;
  // Writes out the records that wait. After an error they go on waiting.
  virtual absl::Status Flush() = 0;
  virtual Position end() const = 0;           // thread-safe: where the next record will stand
  virtual Position flushed() const = 0;       // thread-safe: readers see all before it
  virtual uint64_t last_ordinal() const = 0;  // of the newest unit in the journal, 0 if none
  virtual Stamp last_stamp() const = 0;       // no stamp in the journal is larger
  virtual std::string repaired() const = 0;   // empty if the tail was whole
  // Segments wholly before `position` are no longer needed. Thread-safe; deletes on the calling
  // thread.
  virtual void Release(Position position) = 0;
  // Flush, and wait until it is on stable storage.
  virtual absl::Status Sync() = 0;
  // 32 hex digits, drawn when the data directory was made.
  virtual std::string stream_id() const = 0;
};

struct SegmentInfo {
  std::string file;    // path
  Position start = 0;  // of its first record
  Position end = 0;    // as its size says
};

class JournalReader {
 public:
  // What lies at the end of the last segment, as Next() last found it.
  enum class Tail : uint8_t {
    clean,       // ends with a whole record
    incomplete,  // an unfinished record: the writer is at work, or stopped in the middle
    corrupt,     // the last record is whole and its checksum does not hold
  };

  // Reads the journal of data directory `dir`, also while it is being written. NotFound when there
  // is none.
  static absl::StatusOr<std::unique_ptr<JournalReader>> Open(const std::string& dir,
                                                             FileSystem* files = nullptr);
  virtual ~JournalReader() = default;
  virtual Position begin() const = 0;     // of the oldest record kept
  virtual Position position() const = 0;  // of what Next() reads next
  // OutOfRange for a position before begin(). A stretch that a repair cut off is passed over.
  virtual absl::Status Seek(Position position) = 0;
  // The next record, or nullopt at the present end. Views are valid until the next call. A corrupt
  // record is a DataLoss error that names its position and file, again at every call until Seek.
  virtual absl::StatusOr<std::optional<Record>> Next() = 0;
  // A record by position, without moving.
  virtual absl::StatusOr<Record> ReadAt(Position position) = 0;
  virtual Tail tail() const = 0;
  // Where reading can go on behind a corrupt record: the next segment's start, if there is one.
  virtual std::optional<Position> NextSegment() const = 0;
  virtual absl::StatusOr<std::vector<SegmentInfo>> Segments() const = 0;
  virtual std::string stream_id() const = 0;
};

}  // namespace pgparity::shadow
