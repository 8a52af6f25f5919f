// The journal: an append-only record of finished units in completion order (DESIGN, "The way of the
// data" 4). A record's offset is its position: bytes since the first record ever, across segments.
// The format is written down at the head of journal_format.h.
//
// Threads: one JournalWriter (capture thread); any number of JournalReaders, each on one thread, in this process
// or another.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "shadow/unit.h"

namespace pgparity::shadow {

using Position = uint64_t;

enum class RecordType : uint8_t {
  unit = 1,        // a whole unit: header, statements
  unit_part = 2,   // statements of a unit that is not finished yet
  unit_end = 3,    // header and last statements of a unit that came in parts
  watermark = 4,   // no unit; the watermark alone
  gap = 5,         // reason, detail: nothing is known of a stretch
};

struct Record {
  RecordType type = RecordType::watermark;
  Position position = 0;
  Position next = 0;              // of the record behind it
  Stamp watermark = 0;            // every unit journalled after this record has a key >= this
  Stamp settled = 0;              // every request sent before this had its replies by then (<= watermark or not)
  uint64_t unit_id = 0;           // unit_part, unit_end: which unit in the making; 0 otherwise
  Position first_part = 0;        // unit_end: position of the unit's first part
  std::string_view header;        // unit, unit_end: DecodeHeader's input
  std::string_view statements;    // DecodeStatements' input
  std::string_view gap_reason, gap_detail;   // gap
};

struct JournalOptions {
  uint64_t segment_bytes = 64 << 20;
  uint64_t keep_bytes = 8ull << 30;   // segments wholly before the reader's release position are deleted beyond this
};

class JournalWriter {
 public:
  // Opens or creates the journal in `dir`. A torn or corrupt tail is cut off at the first bad record
  // (`repaired` says where and why). Fails when another process holds the journal, or on another version's.
  static absl::StatusOr<std::unique_ptr<JournalWriter>> Open(const std::string& dir, const JournalOptions& options);
  virtual ~JournalWriter() = default;

  // Appends and returns the record's position. After an error (disk full) the tail is cut back to
  // the last whole record and the writer can be used again.
  virtual absl::StatusOr<Position> Append(const Record& record) = 0;
  virtual Position end() const = 0;              // thread-safe: where the next record will stand
  virtual uint64_t last_ordinal() const = 0;     // of the newest unit in the journal, 0 if none
  virtual Stamp last_stamp() const = 0;          // no stamp in the journal is larger
  virtual std::string repaired() const = 0;      // empty if the tail was whole
  // Segments wholly before `position` are no longer needed.
  virtual void Release(Position position) = 0;
  virtual absl::Status Sync() = 0;
};

class JournalReader {
 public:
  // Reads the journal in `dir`, also while it is being written.
  static absl::StatusOr<std::unique_ptr<JournalReader>> Open(const std::string& dir);
  virtual ~JournalReader() = default;
  virtual Position begin() const = 0;            // of the oldest record kept
  virtual absl::Status Seek(Position position) = 0;
  // The next record, or nullopt at the present end. Views are valid until the next call. A corrupt
  // record is a DataLoss error that names its position.
  virtual absl::StatusOr<std::optional<Record>> Next() = 0;
  // A record by position, without moving.
  virtual absl::StatusOr<Record> ReadAt(Position position) = 0;
};

}  // namespace pgparity::shadow
