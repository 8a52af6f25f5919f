#include "shadow/journal_format.h"

#include <xxhash.h>

#include <algorithm>

#include "protocol/text.h"
#include "shadow/byte_codec.h"

namespace pgparity::shadow {
namespace {

constexpr std::string_view kMagic = "PGPARJNL";
constexpr std::string_view kSuffix = ".pgj";
constexpr size_t kStreamIdBytes = 16;

uint32_t Check(std::string_view bytes, uint64_t seed) {
  return static_cast<uint32_t>(XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed));
}

std::string ToHex(std::string_view bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string hex;
  for (const char byte : bytes) {
    hex.push_back(kDigits[static_cast<uint8_t>(byte) >> 4]);
    hex.push_back(kDigits[static_cast<uint8_t>(byte) & 15]);
  }
  return hex;
}

std::optional<uint8_t> HexDigit(char digit) {
  if (digit >= '0' && digit <= '9') return static_cast<uint8_t>(digit - '0');
  if (digit >= 'a' && digit <= 'f') return static_cast<uint8_t>(digit - 'a' + 10);
  return std::nullopt;
}

std::string FromHex(std::string_view hex) {
  std::string bytes;
  for (size_t i = 0; i + 1 < hex.size(); i += 2) {
    bytes.push_back(
        static_cast<char>(HexDigit(hex[i]).value_or(0) << 4 | HexDigit(hex[i + 1]).value_or(0)));
  }
  bytes.resize(kStreamIdBytes);
  return bytes;
}

void EncodeBody(const Record& record, ByteWriter* writer) {
  writer->U8(static_cast<uint8_t>(record.type));
  writer->U64(record.watermark);
  writer->U32(record.watermark_epoch);
  writer->U64(record.watermark_lsn);
  writer->U64(record.settled);
  writer->U64(record.stamp);
  switch (record.type) {
    case RecordType::unit_end:
      writer->U64(record.unit_id);
      writer->U64(record.first_part);
      [[fallthrough]];
    case RecordType::unit:
      writer->U32(static_cast<uint32_t>(record.header.size()));
      writer->Raw(record.header);
      writer->Raw(record.statements);
      return;
    case RecordType::unit_part:
      writer->U64(record.unit_id);
      writer->Raw(record.statements);
      return;
    case RecordType::gap:
      writer->U32(static_cast<uint32_t>(record.gap_reason.size()));
      writer->Raw(record.gap_reason);
      writer->Raw(record.gap_detail);
      return;
    case RecordType::unit_dropped:
      writer->U64(record.unit_id);
      return;
    case RecordType::reads_skipped:
      writer->U64(record.skipped_units);
      writer->U64(record.skipped_statements);
      return;
    case RecordType::watermark:
    case RecordType::start:
      return;
  }
}

bool DecodeByType(ByteReader* reader, Record* record) {
  switch (record->type) {
    case RecordType::unit_end:
      record->unit_id = reader->U64();
      record->first_part = reader->U64();
      [[fallthrough]];
    case RecordType::unit:
      record->header = reader->Raw(reader->U32());
      record->statements = reader->Rest();
      return reader->ok();
    case RecordType::unit_part:
      record->unit_id = reader->U64();
      record->statements = reader->Rest();
      return reader->ok();
    case RecordType::gap:
      record->gap_reason = reader->Raw(reader->U32());
      record->gap_detail = reader->Rest();
      return reader->ok();
    case RecordType::unit_dropped:
      record->unit_id = reader->U64();
      return reader->AtEnd();
    case RecordType::reads_skipped:
      record->skipped_units = reader->U64();
      record->skipped_statements = reader->U64();
      return reader->AtEnd();
    case RecordType::watermark:
    case RecordType::start:
      return reader->AtEnd();
  }
  return false;
}

bool DecodeBody(std::string_view body, Record* record) {
  ByteReader reader(body);
  record->type = static_cast<RecordType>(reader.U8());
  record->watermark = reader.U64();
  record->watermark_epoch = reader.U32();
  record->watermark_lsn = reader.U64();
  record->settled = reader.U64();
  record->stamp = reader.U64();
  return reader.ok() && DecodeByType(&reader, record);
}

}  // namespace

std::string EncodeSegmentHeader(const SegmentHeader& header) {
  std::string out;
  ByteWriter writer(&out);
  writer.Raw(kMagic);
  writer.U32(kJournalVersion);
  writer.U32(0);
  writer.Raw(FromHex(header.stream_id));
  writer.U64(header.start);
  writer.U64(header.previous_end);
  writer.U64(header.last_ordinal);
  writer.U64(header.last_stamp);
  writer.PatchU32(12, Check(std::string_view(out).substr(16), 0));
  return out;
}

absl::StatusOr<SegmentHeader> DecodeSegmentHeader(std::string_view bytes) {
  ByteReader reader(bytes.substr(0, kSegmentHeaderSize));
  if (reader.Raw(kMagic.size()) != kMagic) return absl::DataLossError("not a journal segment");
  const uint32_t version = reader.U32();
  if (reader.ok() && version != kJournalVersion) {
    return absl::FailedPreconditionError(protocol::StrCat(
        "journal of version ", version, "; this program reads and writes version ", kJournalVersion,
        ": use the program that wrote it, or another data directory"));
  }
  const uint32_t check = reader.U32();
  if (!reader.ok() || reader.remaining() != kSegmentHeaderSize - 16 ||
      Check(bytes.substr(16, kSegmentHeaderSize - 16), 0) != check) {
    return absl::DataLossError("torn or corrupt segment header");
  }
  SegmentHeader header;
  header.stream_id = ToHex(reader.Raw(kStreamIdBytes));
  header.start = reader.U64();
  header.previous_end = reader.U64();
  header.last_ordinal = reader.U64();
  header.last_stamp = reader.U64();
  return header;
}

std::string SegmentName(Position start) {
  std::string bytes;
  for (int shift = 56; shift >= 0; shift -= 8)
    bytes.push_back(static_cast<char>(start >> shift & 0xff));
  return ToHex(bytes).append(kSuffix);
}

std::optional<Position> ParseSegmentName(std::string_view name) {
  if (name.size() != 16 + kSuffix.size() || name.substr(16) != kSuffix) return std::nullopt;
  Position start = 0;
  for (const char digit : name.substr(0, 16)) {
    const std::optional<uint8_t> value = HexDigit(digit);
    if (!value) return std::nullopt;
    start = start << 4 | *value;
  }
  return start;
}

std::string JournalDirectory(const std::string& data_dir) { return data_dir + "/journal"; }

absl::Status EncodeRecord(const Record& record, Position position, std::string* out) {
  constexpr size_t kRoomForNumbers = 64;
  const uint64_t payload = record.header.size() + record.statements.size() +
                           record.gap_reason.size() + record.gap_detail.size();
  if (payload + kRoomForNumbers > kMaxRecordBody) {
    return absl::InvalidArgumentError(
        protocol::StrCat("a record of ", payload, " bytes is too large for the journal"));
  }
  const size_t begin = out->size();
  ByteWriter writer(out);
  writer.U32(0);
  writer.U32(0);
  writer.U32(0);
  EncodeBody(record, &writer);
  writer.PatchU32(begin, static_cast<uint32_t>(out->size() - begin - kRecordFrameSize));
  const std::string_view whole = std::string_view(*out).substr(begin);
  const uint32_t frame_check = Check(whole.substr(0, 4), position);
  const uint32_t body_check = Check(whole.substr(kRecordFrameSize), position);
  writer.PatchU32(begin + 4, frame_check);
  writer.PatchU32(begin + 8, body_check);
  return absl::OkStatus();
}

ParsedRecord ParseRecord(std::string_view bytes, Position position) {
  ParsedRecord parsed;
  ByteReader reader(bytes);
  const uint32_t length = reader.U32();
  const uint32_t frame_check = reader.U32();
  const uint32_t body_check = reader.U32();
  if (!reader.ok()) return parsed;
  if (Check(bytes.substr(0, 4), position) != frame_check || length > kMaxRecordBody) {
    parsed.state = ParsedRecord::State::bad_frame;
    return parsed;
  }
  parsed.size = kRecordFrameSize + uint64_t{length};
  if (reader.remaining() < length) return parsed;
  const std::string_view body = reader.Raw(length);
  parsed.state = ParsedRecord::State::bad_body;
  if (Check(body, position) != body_check || !DecodeBody(body, &parsed.record)) return parsed;
  parsed.state = ParsedRecord::State::ok;
  parsed.record.position = position;
  parsed.record.next = position + parsed.size;
  return parsed;
}

void NoteNumbers(const Record& record, uint64_t* last_ordinal, Stamp* last_stamp) {
  *last_stamp = std::max({*last_stamp, record.watermark, record.settled, record.stamp});
  if (record.type != RecordType::unit && record.type != RecordType::unit_end) return;
  const absl::StatusOr<UnitNumbers> numbers = DecodeUnitNumbers(record.header);
  if (!numbers.ok()) return;
  *last_ordinal = std::max(*last_ordinal, numbers->ordinal);
  *last_stamp = std::max({*last_stamp, numbers->key.time, numbers->interval.hi, numbers->done});
}

}  // namespace pgparity::shadow
