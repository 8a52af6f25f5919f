// Messages of the server (PostgreSQL protocol, "Message Formats", B).
// Every view points into the body that was decoded.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"

namespace pgparity::protocol {
namespace backend {

// Kinds of Authentication message by their code on the wire.
enum class AuthenticationKind : int32_t {
  ok = 0,
  kerberos_v5 = 2,
  cleartext_password = 3,
  md5_password = 5,
  gss = 7,
  gss_continue = 8,
  sspi = 9,
  sasl = 10,
  sasl_continue = 11,
  sasl_final = 12,
};
struct Authentication {
  AuthenticationKind kind = AuthenticationKind::ok;
  std::string_view data;  // md5's salt; GSS, SASLContinue and SASLFinal data: opaque
  std::vector<std::string_view> mechanisms;  // sasl
};
struct BackendKeyData {
  int32_t process_id = 0;
  std::string_view key;  // 4 bytes, 4 to 256 in protocol 3.2. A secret.
};
struct BindComplete {};
struct CloseComplete {};
struct CommandComplete {
  std::string_view tag;
};
// CopyInResponse, CopyOutResponse and CopyBothResponse.
enum class CopyDirection : char { in = 'G', out = 'H', both = 'W' };
struct CopyResponse {
  CopyDirection direction = CopyDirection::in;
  int8_t format = 0;  // of the whole: 0 text, 1 binary
  std::vector<int16_t> formats;
};
struct CopyData {
  std::string_view data;
};
struct CopyDone {};

// A row not decoded yet. Walk it with RowWalker.
struct DataRow {
  uint16_t columns = 0;
  std::string_view values;
};
// The values of a DataRow one by one.
class RowWalker {
 public:
  explicit RowWalker(const DataRow& row) : left_(row.columns), rest_(row.values) {}
  // False at the end, and at malformed bytes; ok() tells the two apart. nullopt is NULL.
  bool Next(std::optional<std::string_view>* value);
  // Nothing malformed so far; once Next() gave false, the row was whole with nothing behind it.
  bool ok() const { return ok_; }

 private:
  uint16_t left_;
  std::string_view rest_;
  bool ok_ = true;
};

struct EmptyQueryResponse {};

// The fields of an ErrorResponse or NoticeResponse, checked to be well-formed.
struct ErrorFields {
  std::string_view fields;  // with their codes and nulls, without the final null
  // The first field of that code, "" when there is none. Codes: 'S' severity, 'V' severity
  // untranslated, 'C' SQLSTATE, 'M' message, 'D' detail, 'H' hint, ...
  std::string_view Get(char code) const;
  std::string_view sqlstate() const { return Get('C'); }
  // The session ends with this error (untranslated severity, where the server sends it).
  bool fatal() const;
};
struct ErrorResponse : ErrorFields {};
struct NoticeResponse : ErrorFields {};

struct FunctionCallResponse {
  std::optional<std::string_view> value;
};
struct NegotiateProtocolVersion {
  int32_t version = 0;  // of protocol 3.x: newest minor version that the server knows
  std::vector<std::string_view> unknown_options;
};
struct NoData {};
struct NotificationResponse {
  int32_t process_id = 0;
  std::string_view channel;
  std::string_view payload;
};
struct ParameterDescription {
  std::vector<uint32_t> types;
};
struct ParameterStatus {
  std::string_view name;
  std::string_view value;
};
struct ParseComplete {};
struct PortalSuspended {};
struct ReadyForQuery {
  char status = 'I';  // 'I', 'T' or 'E'
};
struct FieldDescription {
  std::string_view name;
  uint32_t table = 0;
  int16_t attribute = 0;
  uint32_t type = 0;
  int16_t type_length = 0;
  int32_t type_modifier = -1;
  int16_t format = 0;
};
struct RowDescription {
  std::vector<FieldDescription> fields;
};

}  // namespace backend

using BackendMessage =
    std::variant<backend::Authentication, backend::BackendKeyData, backend::BindComplete,
                 backend::CloseComplete, backend::CommandComplete, backend::CopyResponse,
                 backend::CopyData, backend::CopyDone, backend::DataRow,
                 backend::EmptyQueryResponse, backend::ErrorResponse, backend::NoticeResponse,
                 backend::FunctionCallResponse, backend::NegotiateProtocolVersion, backend::NoData,
                 backend::NotificationResponse, backend::ParameterDescription,
                 backend::ParameterStatus, backend::ParseComplete, backend::PortalSuspended,
                 backend::ReadyForQuery, backend::RowDescription>;

// Decodes a message's body (behind its length word). Error: InvalidArgument for an unknown tag and
// for a malformed body; it never quotes the body. A DataRow's values are not looked at.
absl::StatusOr<BackendMessage> DecodeBackend(char tag, std::string_view body);

// A RowDescription's body with the formats that a Bind asked for: one for all columns, or one each;
// none means text. Columns without a format of their own keep the one they have.
// Error: the body is malformed.
absl::StatusOr<std::string> WithResultFormats(std::string_view row_description,
                                              const std::vector<int16_t>& result_formats);

}  // namespace pgparity::protocol
