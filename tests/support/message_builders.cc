#include "tests/support/message_builders.h"

namespace pgparity::testing {
namespace {

std::string BigEndian(uint64_t value, int width) {
  std::string bytes;
  for (int shift = 8 * (width - 1); shift >= 0; shift -= 8)
    bytes.push_back(static_cast<char>(value >> shift & 0xff));
  return bytes;
}

std::string Formats(const std::vector<int>& formats) {
  std::string bytes = Int16(static_cast<int>(formats.size()));
  for (const int format : formats) bytes += Int16(format);
  return bytes;
}

std::string CountedValues(const Values& values) {
  std::string bytes = Int16(static_cast<int>(values.size()));
  for (const std::optional<std::string>& value : values) {
    bytes += value ? Int32(static_cast<int64_t>(value->size())) + *value : Int32(-1);
  }
  return bytes;
}

std::string CopyResponse(char tag, int columns, int format) {
  std::string body(1, static_cast<char>(format));
  body += Formats(std::vector<int>(static_cast<size_t>(columns), format));
  return Message(tag, body);
}

}  // namespace

std::string Int16(int value) { return BigEndian(static_cast<uint64_t>(value), 2); }
std::string Int32(int64_t value) { return BigEndian(static_cast<uint64_t>(value), 4); }
std::string CString(std::string_view text) { return std::string(text) + '\0'; }

std::string Message(char tag, std::string_view body) {
  std::string bytes;
  if (tag != 0) bytes.push_back(tag);
  bytes += Int32(static_cast<int64_t>(body.size()) + 4);
  bytes += body;
  return bytes;
}

namespace client {

std::string Query(std::string_view sql) { return Message('Q', CString(sql)); }
std::string Parse(std::string_view statement, std::string_view sql,
                  const std::vector<uint32_t>& types) {
  std::string body = CString(statement) + CString(sql) + Int16(static_cast<int>(types.size()));
  for (const uint32_t type : types) body += Int32(type);
  return Message('P', body);
}
std::string Bind(std::string_view portal, std::string_view statement, const Values& values,
                 const std::vector<int>& formats, const std::vector<int>& result_formats) {
  return Message('B', CString(portal) + CString(statement) + Formats(formats) +
                          CountedValues(values) + Formats(result_formats));
}
std::string DescribeStatement(std::string_view name) { return Message('D', "S" + CString(name)); }
std::string DescribePortal(std::string_view name) { return Message('D', "P" + CString(name)); }
std::string CloseStatement(std::string_view name) { return Message('C', "S" + CString(name)); }
std::string ClosePortal(std::string_view name) { return Message('C', "P" + CString(name)); }
std::string Execute(std::string_view portal, int max_rows) {
  return Message('E', CString(portal) + Int32(max_rows));
}
std::string Flush() { return Message('H', ""); }
std::string Sync() { return Message('S', ""); }
std::string FunctionCall(uint32_t function, const Values& values, const std::vector<int>& formats) {
  return Message('F', Int32(function) + Formats(formats) + CountedValues(values) + Int16(0));
}
std::string CopyData(std::string_view data) { return Message('d', data); }
std::string CopyDone() { return Message('c', ""); }
std::string CopyFail(std::string_view reason) { return Message('f', CString(reason)); }
std::string Password(std::string_view secret) { return Message('p', CString(secret)); }
std::string Terminate() { return Message('X', ""); }

}  // namespace client

namespace server {

std::string AuthenticationOk() { return Message('R', Int32(0)); }
std::string BackendKeyData(int process_id, std::string_view key) {
  return Message('K', Int32(process_id) + std::string(key));
}
std::string BindComplete() { return Message('2', ""); }
std::string CloseComplete() { return Message('3', ""); }
std::string CommandComplete(std::string_view tag) { return Message('C', CString(tag)); }
std::string CopyInResponse(int columns, int format) { return CopyResponse('G', columns, format); }
std::string CopyOutResponse(int columns, int format) { return CopyResponse('H', columns, format); }
std::string CopyBothResponse() { return CopyResponse('W', 0, 0); }
std::string CopyData(std::string_view data) { return Message('d', data); }
std::string CopyDone() { return Message('c', ""); }
std::string DataRowBody(const Values& values) { return CountedValues(values); }
std::string DataRow(const Values& values) { return Message('D', DataRowBody(values)); }
std::string EmptyQueryResponse() { return Message('I', ""); }
std::string ErrorBody(std::string_view sqlstate, std::string_view message,
                      std::string_view severity, std::string_view position) {
  std::string body = "S" + CString(severity) + "V" + CString(severity) + "C" + CString(sqlstate) +
                     "M" + CString(message);
  if (!position.empty()) body += "P" + CString(position);
  return body + '\0';
}
std::string Error(std::string_view sqlstate, std::string_view message, std::string_view severity,
                  std::string_view position) {
  return Message('E', ErrorBody(sqlstate, message, severity, position));
}
std::string Notice(std::string_view message) {
  return Message('N', ErrorBody("00000", message, "NOTICE"));
}
std::string FunctionCallResponse(const std::optional<std::string>& value) {
  return Message('V', value ? Int32(static_cast<int64_t>(value->size())) + *value : Int32(-1));
}
std::string NoData() { return Message('n', ""); }
std::string Notification(std::string_view channel, std::string_view payload) {
  return Message('A', Int32(7) + CString(channel) + CString(payload));
}
std::string ParameterDescription(const std::vector<uint32_t>& types) {
  std::string body = Int16(static_cast<int>(types.size()));
  for (const uint32_t type : types) body += Int32(type);
  return Message('t', body);
}
std::string ParameterStatus(std::string_view name, std::string_view value) {
  return Message('S', CString(name) + CString(value));
}
std::string ParseComplete() { return Message('1', ""); }
std::string PortalSuspended() { return Message('s', ""); }
std::string ReadyForQuery(char status) { return Message('Z', std::string(1, status)); }
std::string RowDescriptionBody(const std::vector<Field>& fields) {
  std::string body = Int16(static_cast<int>(fields.size()));
  for (const Field& field : fields) {
    body += CString(field.name) + Int32(0) + Int16(0) + Int32(field.type) + Int16(-1) + Int32(-1) +
            Int16(field.format);
  }
  return body;
}
std::string RowDescription(const std::vector<Field>& fields) {
  return Message('T', RowDescriptionBody(fields));
}

}  // namespace server

std::string StartupPacket(const std::vector<std::pair<std::string, std::string>>& parameters,
                          int major, int minor) {
  std::string body = Int16(major) + Int16(minor);
  for (const auto& [name, value] : parameters) body += CString(name) + CString(value);
  return Message(0, body + '\0');
}

}  // namespace pgparity::testing
