#include "compare/observation.h"

#include <cstring>
#include <utility>

#include "protocol/backend.h"
#include "protocol/wire.h"

namespace pgparity::compare {
namespace {

using protocol::WireReader;
using protocol::WireWriter;

// Where a field of an ErrorResponse is kept; null for one that is not read.
std::string* FieldFor(char code, ErrorFields* fields) {
  switch (code) {
    case 'S':
    case 'V':
      return &fields->severity;
    case 'C':
      return &fields->sqlstate;
    case 'M':
      return &fields->message;
    case 'D':
      return &fields->detail;
    case 'H':
      return &fields->hint;
    case 's':
      return &fields->schema;
    case 't':
      return &fields->table;
    case 'c':
      return &fields->column;
    case 'd':
      return &fields->data_type;
    case 'n':
      return &fields->constraint;
    default:
      return nullptr;
  }
}

Observation::Kind KindOf(protocol::Reply::End end) {
  switch (end) {
    case protocol::Reply::End::empty_query:
      return Observation::Kind::empty_query;
    case protocol::Reply::End::portal_suspended:
      return Observation::Kind::portal_suspended;
    case protocol::Reply::End::error:
      return Observation::Kind::error;
    case protocol::Reply::End::skipped:
      return Observation::Kind::skipped;
    case protocol::Reply::End::command_complete:
    case protocol::Reply::End::function_result:
      break;
  }
  return Observation::Kind::rows_or_tag;
}

}  // namespace

void AppendRowBody(std::string_view body, std::string* rows) {
  const auto length = static_cast<uint32_t>(body.size());
  char bytes[sizeof(length)];
  std::memcpy(bytes, &length, sizeof(length));
  rows->append(bytes, sizeof(bytes)).append(body);
}

void AppendRow(const RowView& row, std::string* rows) {
  std::string body;
  WireWriter writer(&body);
  writer.Int16(static_cast<int16_t>(row.size()));
  for (const Cell& cell : row) {
    if (cell.has_value()) {
      writer.Int32(static_cast<int32_t>(cell->size())).Bytes(*cell);
    } else {
      writer.Int32(-1);
    }
  }
  AppendRowBody(body, rows);
}

bool DecodeRow(std::string_view body, RowView* row) {
  WireReader in(body);
  row->clear();
  const uint16_t count = in.ReadUint16();
  for (uint16_t i = 0; i < count && in.ok(); ++i) {
    const int32_t length = in.ReadInt32();
    if (length == -1) {
      row->push_back(std::nullopt);
    } else if (length >= 0) {
      row->push_back(in.ReadBytes(static_cast<size_t>(length)));
    } else {
      return false;
    }
  }
  return in.AtEnd();
}

bool RowReader::NextBody(std::string_view* body) {
  if (rest_.empty()) return false;
  uint32_t length = 0;
  if (rest_.size() >= sizeof(length)) {
    std::memcpy(&length, rest_.data(), sizeof(length));
    if (length <= rest_.size() - sizeof(length)) {
      *body = rest_.substr(sizeof(length), length);
      rest_.remove_prefix(sizeof(length) + length);
      return true;
    }
  }
  rest_ = {};
  failed_ = true;
  return false;
}

bool RowReader::Next(RowView* row) {
  std::string_view body;
  if (!NextBody(&body)) return false;
  if (DecodeRow(body, row)) return true;
  rest_ = {};
  failed_ = true;
  return false;
}

absl::StatusOr<std::vector<Column>> DecodeRowDescription(std::string_view body) {
  absl::StatusOr<protocol::BackendMessage> message = protocol::DecodeBackend('T', body);
  if (!message.ok()) return message.status();
  std::vector<Column> columns;
  for (const auto& field : std::get<protocol::backend::RowDescription>(*message).fields) {
    Column& column = columns.emplace_back();
    column.name = field.name;
    column.table_oid = field.table;
    column.attribute = field.attribute;
    column.type_oid = field.type;
    column.type_length = field.type_length;
    column.type_modifier = field.type_modifier;
    if (field.format != 0 && field.format != 1) {
      return absl::InvalidArgumentError("RowDescription: a format that is neither text nor binary");
    }
    column.format = static_cast<protocol::Format>(field.format);
  }
  return columns;
}

ErrorFields DecodeErrorFields(std::string_view body) {
  ErrorFields fields;
  WireReader in(body);
  bool untranslated = false;
  while (in.remaining() > 1) {
    const char code = static_cast<char>(in.ReadUint8());
    if (code == '\0') break;
    const std::string_view value = in.ReadCString();
    if (!in.ok()) break;
    std::string* field = FieldFor(code, &fields);
    // 'V' holds whatever the order in which it and 'S' came.
    if (field == nullptr || (code == 'S' && untranslated)) continue;
    untranslated |= code == 'V';
    *field = value;
  }
  return fields;
}

std::string EncodeErrorFields(const ErrorFields& fields) {
  std::string body;
  WireWriter writer(&body);
  const auto add = [&writer](char code, const std::string& value, bool always) {
    if (always || !value.empty()) writer.Uint8(static_cast<uint8_t>(code)).CString(value);
  };
  add('S', fields.severity, true);
  add('V', fields.severity, true);
  add('C', fields.sqlstate, true);
  add('M', fields.message, true);
  add('D', fields.detail, false);
  add('H', fields.hint, false);
  add('s', fields.schema, false);
  add('t', fields.table, false);
  add('c', fields.column, false);
  add('d', fields.data_type, false);
  add('n', fields.constraint, false);
  body.push_back('\0');
  return body;
}

absl::StatusOr<Observation> ObservationFromReply(protocol::Reply reply, protocol::Stamp sent,
                                                 protocol::Stamp done) {
  Observation observation;
  observation.kind = KindOf(reply.end);
  if (reply.row_description.has_value()) {
    absl::StatusOr<std::vector<Column>> columns = DecodeRowDescription(*reply.row_description);
    if (!columns.ok()) return columns.status();
    observation.has_columns = true;
    observation.columns = *std::move(columns);
  }
  observation.rows = std::move(reply.rows);
  observation.row_count = reply.row_count;
  observation.digest = reply.digest;
  observation.tag = std::move(reply.tag);
  observation.error = std::move(reply.error);
  observation.copy_out = reply.copy_out;
  observation.duration_us = done > sent ? (done - sent) / 1000 : 0;
  return observation;
}

}  // namespace pgparity::compare
