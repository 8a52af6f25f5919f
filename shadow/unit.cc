// The journal's format of a unit. Integers are little-endian, `varint` is LEB128, `bytes` is a
// varint length and so many bytes, `list` is a varint count and so many items.
//
//   header    := u8 version (2; 1 had no lsn and epoch), u64 ordinal, session, lo, hi, key, done,
//                wall_offset, lsn, u32 epoch, u8 end,
//                u8 flags (1 explicit_block, 2 late, 4 read_only, 8 has a token),
//                [u64 lsn, u64 xid, u64 now_us, bytes snapshot], bytes user, database, application,
//                gid, list of settings (bytes name, bytes value)
//   statement := u32 length of what follows, u8 flags (1 continues_portal, 2 known_text, 4 copy_in,
//                8 copy_continues, 16 has parameters), u8 protocol, u8 transaction_command, u32
//                max_rows, u64 sent, u64 done, bytes sql, [parameters], bytes copy_data,
//                observation
//   parameters := list of u32 types, list of u16 formats, list of values (varint 0 for NULL, or
//                length + 1 and the bytes), list of u16 result formats
//   observation := u8 kind, u8 flags (1 has_columns, 2 copy_out, 4 has a digest), list of columns,
//                bytes rows, varint row_count, [varint rows, varint bytes, u64 sum, u64 chain],
//                bytes tag, bytes error, varint duration_us
//   column    := bytes name, u32 table, u16 attribute, u32 type, u16 length, u32 modifier, u16
//   format
#include "shadow/unit.h"

#include "shadow/byte_codec.h"

namespace pgparity::shadow {
namespace {

constexpr uint8_t kVersion = 2;

void EncodeParameters(const protocol::BoundParameters& parameters, ByteWriter* writer) {
  writer->Varint(parameters.types.size());
  for (const uint32_t type : parameters.types) writer->U32(type);
  writer->Varint(parameters.formats.size());
  for (const int16_t format : parameters.formats) writer->U16(static_cast<uint16_t>(format));
  writer->Varint(parameters.values.size());
  for (const auto& value : parameters.values) {
    writer->Varint(value ? value->size() + 1 : 0);
    if (value) writer->Raw(*value);
  }
  writer->Varint(parameters.result_formats.size());
  for (const int16_t format : parameters.result_formats) {
    writer->U16(static_cast<uint16_t>(format));
  }
}

protocol::BoundParameters DecodeParameters(ByteReader* reader) {
  protocol::BoundParameters parameters;
  for (size_t n = reader->Count(4); n > 0; --n) parameters.types.push_back(reader->U32());
  for (size_t n = reader->Count(2); n > 0; --n) {
    parameters.formats.push_back(static_cast<int16_t>(reader->U16()));
  }
  for (size_t n = reader->Count(1); n > 0; --n) {
    const uint64_t size = reader->Varint();
    if (size == 0) {
      parameters.values.emplace_back();
    } else {
      parameters.values.emplace_back(reader->Raw(size - 1));
    }
  }
  for (size_t n = reader->Count(2); n > 0; --n) {
    parameters.result_formats.push_back(static_cast<int16_t>(reader->U16()));
  }
  return parameters;
}

void EncodeObservation(const compare::Observation& observation, ByteWriter* writer) {
  const bool has_digest = observation.digest != protocol::RowDigest{};
  writer->U8(static_cast<uint8_t>(observation.kind));
  writer->U8(static_cast<uint8_t>((observation.has_columns ? 1 : 0) |
                                  (observation.copy_out ? 2 : 0) | (has_digest ? 4 : 0)));
  writer->Varint(observation.columns.size());
  for (const compare::Column& column : observation.columns) {
    writer->Bytes(column.name);
    writer->U32(column.table_oid);
    writer->U16(static_cast<uint16_t>(column.attribute));
    writer->U32(column.type_oid);
    writer->U16(static_cast<uint16_t>(column.type_length));
    writer->U32(static_cast<uint32_t>(column.type_modifier));
    writer->U16(static_cast<uint16_t>(column.format));
  }
  writer->Bytes(observation.rows);
  writer->Varint(observation.row_count);
  if (has_digest) {
    writer->Varint(observation.digest.rows);
    writer->Varint(observation.digest.bytes);
    writer->U64(observation.digest.sum);
    writer->U64(observation.digest.chain);
  }
  writer->Bytes(observation.tag);
  writer->Bytes(observation.error);
  writer->Varint(observation.duration_us);
}

compare::Column DecodeColumn(ByteReader* reader) {
  compare::Column column;
  column.name = reader->Bytes();
  column.table_oid = reader->U32();
  column.attribute = static_cast<int16_t>(reader->U16());
  column.type_oid = reader->U32();
  column.type_length = static_cast<int16_t>(reader->U16());
  column.type_modifier = static_cast<int32_t>(reader->U32());
  const uint16_t format = reader->U16();
  if (format > 1) reader->Fail();
  column.format = static_cast<protocol::Format>(format);
  return column;
}

compare::Observation DecodeObservation(ByteReader* reader) {
  compare::Observation observation;
  observation.kind = reader->Enumerator(compare::Observation::Kind::skipped);
  const uint8_t flags = reader->U8();
  observation.has_columns = (flags & 1) != 0;
  observation.copy_out = (flags & 2) != 0;
  constexpr size_t kLeastColumn = 19;
  for (size_t n = reader->Count(kLeastColumn); n > 0; --n) {
    observation.columns.push_back(DecodeColumn(reader));
  }
  observation.rows = reader->Bytes();
  observation.row_count = reader->Varint();
  if ((flags & 4) != 0) {
    observation.digest.rows = reader->Varint();
    observation.digest.bytes = reader->Varint();
    observation.digest.sum = reader->U64();
    observation.digest.chain = reader->U64();
  }
  observation.tag = reader->Bytes();
  observation.error = reader->Bytes();
  observation.duration_us = reader->Varint();
  return observation;
}

bool HasParameters(const protocol::BoundParameters& parameters) {
  return !parameters.types.empty() || !parameters.formats.empty() || !parameters.values.empty() ||
         !parameters.result_formats.empty();
}

Statement DecodeStatement(std::string_view bytes, bool* ok) {
  ByteReader reader(bytes);
  Statement statement;
  const uint8_t flags = reader.U8();
  statement.continues_portal = (flags & 1) != 0;
  statement.known_text = (flags & 2) != 0;
  statement.copy_in = (flags & 4) != 0;
  statement.copy_continues = (flags & 8) != 0;
  statement.protocol = reader.Enumerator(protocol::QueryProtocol::function_call);
  statement.transaction_command =
      reader.Enumerator(protocol::TransactionCommand::rollback_prepared);
  statement.max_rows = static_cast<int32_t>(reader.U32());
  statement.sent = reader.U64();
  statement.done = reader.U64();
  statement.sql = reader.Bytes();
  if ((flags & 16) != 0) statement.parameters = DecodeParameters(&reader);
  statement.copy_data = reader.Bytes();
  statement.primary = DecodeObservation(&reader);
  *ok = reader.AtEnd();
  return statement;
}

UnitNumbers ReadNumbers(ByteReader* reader) {
  UnitNumbers numbers;
  const uint8_t version = reader->U8();
  if (version == 0 || version > kVersion) reader->Fail();
  numbers.ordinal = reader->U64();
  numbers.session = reader->U64();
  numbers.interval.lo = reader->U64();
  numbers.interval.hi = reader->U64();
  numbers.key.time = reader->U64();
  numbers.done = reader->U64();
  numbers.wall_offset = reader->U64();
  if (version >= 2) {
    numbers.key.lsn = reader->U64();
    numbers.key.epoch = reader->U32();
  }
  numbers.end = reader->Enumerator(UnitEnd::in_doubt);
  return numbers;
}

}  // namespace

std::string EncodeHeader(const UnitHeader& header) {
  std::string out;
  ByteWriter writer(&out);
  writer.U8(kVersion);
  for (const uint64_t number :
       {header.ordinal, header.session, header.interval.lo, header.interval.hi, header.key,
        header.done, header.wall_offset, header.lsn}) {
    writer.U64(number);
  }
  writer.U32(header.epoch);
  writer.U8(static_cast<uint8_t>(header.end));
  writer.U8(static_cast<uint8_t>((header.explicit_block ? 1 : 0) | (header.late ? 2 : 0) |
                                 (header.read_only ? 4 : 0) | (header.token ? 8 : 0)));
  if (header.token) {
    for (const uint64_t number :
         {header.token->lsn, header.token->xid, static_cast<uint64_t>(header.token->now_us)}) {
      writer.U64(number);
    }
    writer.Bytes(header.token->snapshot);
  }
  writer.Bytes(header.user);
  writer.Bytes(header.database);
  writer.Bytes(header.application);
  writer.Bytes(header.gid);
  writer.Varint(header.settings.size());
  for (const auto& [name, value] : header.settings) {
    writer.Bytes(name);
    writer.Bytes(value);
  }
  return out;
}

absl::StatusOr<UnitHeader> DecodeHeader(std::string_view bytes) {
  ByteReader reader(bytes);
  const UnitNumbers numbers = ReadNumbers(&reader);
  UnitHeader header;
  header.ordinal = numbers.ordinal;
  header.session = numbers.session;
  header.interval = numbers.interval;
  header.key = numbers.key.time;
  header.epoch = numbers.key.epoch;
  header.lsn = numbers.key.lsn;
  header.done = numbers.done;
  header.wall_offset = numbers.wall_offset;
  header.end = numbers.end;
  const uint8_t flags = reader.U8();
  header.explicit_block = (flags & 1) != 0;
  header.late = (flags & 2) != 0;
  header.read_only = (flags & 4) != 0;
  if ((flags & 8) != 0) {
    LsnToken& token = header.token.emplace();
    token.lsn = reader.U64();
    token.xid = reader.U64();
    token.now_us = static_cast<int64_t>(reader.U64());
    token.snapshot = reader.Bytes();
  }
  header.user = reader.Bytes();
  header.database = reader.Bytes();
  header.application = reader.Bytes();
  header.gid = reader.Bytes();
  for (size_t n = reader.Count(2); n > 0; --n) {
    std::string name(reader.Bytes());
    header.settings.insert_or_assign(std::move(name), std::string(reader.Bytes()));
  }
  if (!reader.AtEnd()) return absl::DataLossError("malformed unit header");
  return header;
}

absl::StatusOr<UnitNumbers> DecodeUnitNumbers(std::string_view header) {
  ByteReader reader(header);
  const UnitNumbers numbers = ReadNumbers(&reader);
  if (!reader.ok()) return absl::DataLossError("malformed unit header");
  return numbers;
}

void EncodeStatement(const Statement& statement, std::string* out) {
  ByteWriter writer(out);
  const size_t block = writer.BeginBlock();
  const bool has_parameters = HasParameters(statement.parameters);
  writer.U8(static_cast<uint8_t>((statement.continues_portal ? 1 : 0) |
                                 (statement.known_text ? 2 : 0) | (statement.copy_in ? 4 : 0) |
                                 (statement.copy_continues ? 8 : 0) | (has_parameters ? 16 : 0)));
  writer.U8(static_cast<uint8_t>(statement.protocol));
  writer.U8(static_cast<uint8_t>(statement.transaction_command));
  writer.U32(static_cast<uint32_t>(statement.max_rows));
  writer.U64(statement.sent);
  writer.U64(statement.done);
  writer.Bytes(statement.sql);
  if (has_parameters) EncodeParameters(statement.parameters, &writer);
  writer.Bytes(statement.copy_data);
  EncodeObservation(statement.primary, &writer);
  writer.EndBlock(block);
}

absl::StatusOr<std::vector<Statement>> DecodeStatements(std::string_view bytes) {
  std::vector<Statement> statements;
  ByteReader reader(bytes);
  while (reader.remaining() > 0) {
    const std::string_view block = reader.Raw(reader.U32());
    bool ok = false;
    if (reader.ok()) statements.push_back(DecodeStatement(block, &ok));
    if (!ok) return absl::DataLossError("malformed statement in a unit");
  }
  if (!reader.ok()) return absl::DataLossError("malformed statement in a unit");
  return statements;
}

}  // namespace pgparity::shadow
