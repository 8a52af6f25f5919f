// An observation: what one side answered to a statement.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "protocol/session_tracker.h"
#include "protocol/value.h"

namespace pgparity::compare {

// A result column, as RowDescription gives it.
struct Column {
  std::string name;
  uint32_t table_oid = 0;
  int16_t attribute = 0;
  uint32_t type_oid = 0;
  int16_t type_length = 0;
  int32_t type_modifier = -1;
  protocol::Format format = protocol::Format::text;
};

// The fields of an ErrorResponse that this project reads (protocol, "Error and Notice Message
// Fields").
struct ErrorFields {
  std::string severity, sqlstate, message, detail, hint, schema, table, column, data_type,
      constraint;
};

using Cell = std::optional<std::string_view>;  // nullopt is NULL
using RowView = std::vector<Cell>;

struct Observation {
  enum class Kind : uint8_t { rows_or_tag, error, empty_query, portal_suspended, skipped };
  Kind kind = Kind::rows_or_tag;
  bool has_columns = false;
  std::vector<Column> columns;
  std::string rows;            // DataRow bodies, each behind a u32 length in host order
  uint64_t row_count = 0;      // rows in `rows`
  protocol::RowDigest digest;  // the rows after those
  std::string tag;             // command tag, empty if none
  std::string error;           // ErrorResponse body, if kind is error
  bool copy_out = false;       // `rows` holds CopyData bodies
  uint64_t duration_us = 0;
};

// Appends one row in the wire form that Observation::rows holds.
void AppendRow(const RowView& row, std::string* rows);

// Appends one CopyData body in the form that Observation::rows holds.
void AppendRowBody(std::string_view body, std::string* rows);

// Decodes a DataRow body; the cells point into it. False when it is malformed.
bool DecodeRow(std::string_view body, RowView* row);

// Walks Observation::rows; the cells point into it. False at the end or at malformed bytes;
// failed() tells the two apart.
class RowReader {
 public:
  explicit RowReader(std::string_view rows) : rest_(rows) {}
  bool Next(RowView* row);
  // The next row's body undecoded (COPY OUT data).
  bool NextBody(std::string_view* body);
  bool failed() const { return failed_; }

 private:
  std::string_view rest_;
  bool failed_ = false;
};

absl::StatusOr<std::vector<Column>> DecodeRowDescription(std::string_view body);
// Tolerant of unknown and missing fields; malformed bytes give what was read so far. `severity` is
// the untranslated one where the server sends it (from version 9.6).
ErrorFields DecodeErrorFields(std::string_view body);
std::string EncodeErrorFields(const ErrorFields& fields);

// Takes the reply's buffers over.
absl::StatusOr<Observation> ObservationFromReply(protocol::Reply reply, protocol::Stamp sent,
                                                 protocol::Stamp done);

}  // namespace pgparity::compare
