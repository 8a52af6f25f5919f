// The journal on disk, version 2. Integers are little-endian.
//
// <data-dir>/journal/ holds segments `<16 hex digits: start position>.pgj`. A segment is a header
// of 64 bytes and records back to back; the record at position p lies at offset 64 + p - start.
//
//   segment header: 0 "PGPARJNL"
//                   8 u32 version
//                  12 u32 check: low half of XXH3_64 of bytes 16..63
//                  16 stream id, 16 bytes: drawn at random when the data directory was made
//                  32 u64 start position
//                  40 u64 end of the segment before; it differs from `start` where a repair cut off
//                  what lies between 48 u64 ordinal of the newest unit before this segment 56 u64
//                  largest stamp before this segment
//
//   record: 0 u32 length of the body
//           4 u32 frame check: low half of XXH3_64(length word, seed = position)
//           8 u32 body check: low half of XXH3_64(body, seed = position)
//          12 body: u8 type, u64 watermark, u32 epoch, u64 lsn (of the watermark), u64 settled, u64
//          stamp, then by type
//             unit:          u32 header length, header, statements to the end
//             unit_part:     u64 unit_id, statements to the end
//             unit_end:      u64 unit_id, u64 first_part, u32 header length, header, statements to
//             the end gap:           u32 reason length, reason, detail to the end unit_dropped: u64
//             unit_id reads_skipped: u64 units, u64 statements watermark, start: nothing
//
// The length has a check of its own, so that a flipped bit in it cannot pass for a record that is
// still being written. The position in the seed keeps bytes of another place from passing for a
// record.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "shadow/journal.h"

namespace pgparity::shadow {

inline constexpr uint32_t kJournalVersion = 2;
inline constexpr size_t kSegmentHeaderSize = 64;
inline constexpr size_t kRecordFrameSize = 12;
inline constexpr uint64_t kMaxRecordBody = 512u << 20;

struct SegmentHeader {
  std::string stream_id;  // 32 hex digits
  Position start = 0;
  Position previous_end = 0;
  uint64_t last_ordinal = 0;
  Stamp last_stamp = 0;
};

std::string EncodeSegmentHeader(const SegmentHeader& header);
// DataLoss for bytes that are none, FailedPrecondition for another version.
absl::StatusOr<SegmentHeader> DecodeSegmentHeader(std::string_view bytes);

std::string SegmentName(Position start);
std::optional<Position> ParseSegmentName(std::string_view name);
std::string JournalDirectory(const std::string& data_dir);

// InvalidArgument when the record is larger than a record may be.
absl::Status EncodeRecord(const Record& record, Position position, std::string* out);

struct ParsedRecord {
  enum class State : uint8_t {
    ok,
    incomplete,  // `bytes` end before the record does; `size` as far as known
    bad_frame,   // no record begins here
    bad_body,    // framed, but its checksum does not hold or its fields make no sense
  };
  State state = State::incomplete;
  uint64_t size = kRecordFrameSize;  // of the record, frame included
  Record record;                     // views into `bytes`
};
ParsedRecord ParseRecord(std::string_view bytes, Position position);

// The stamps and ordinal that a record brings, for JournalWriter::last_ordinal and last_stamp.
void NoteNumbers(const Record& record, uint64_t* last_ordinal, Stamp* last_stamp);

}  // namespace pgparity::shadow
