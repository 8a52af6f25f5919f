// Builds wire bytes for tests. Nothing here shares code with the decoders under test.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace pgparity::testing {

// A copy in a heap allocation of exactly its size, so that the address sanitizer sees a read of one
// byte too many, and a read after it is gone.
class ExactBuffer {
 public:
  explicit ExactBuffer(std::string_view bytes)
      : data_(new char[bytes.size()]), size_(bytes.size()) {
    if (!bytes.empty()) std::memcpy(data_.get(), bytes.data(), bytes.size());
  }
  std::string_view view() const { return {data_.get(), size_}; }

 private:
  std::unique_ptr<char[]> data_;
  size_t size_;
};

// The bytes of a literal with embedded nulls, its own final null left out.
template <size_t N>
std::string Bytes(const char (&literal)[N]) {
  return std::string(literal, N - 1);
}

std::string Int16(int value);
std::string Int32(int64_t value);
std::string CString(std::string_view text);
// A whole message; tag 0 for a packet without one.
std::string Message(char tag, std::string_view body);

using Values = std::vector<std::optional<std::string>>;

// Messages of the client.
namespace client {
std::string Query(std::string_view sql);
std::string Parse(std::string_view statement, std::string_view sql,
                  const std::vector<uint32_t>& types = {});
std::string Bind(std::string_view portal, std::string_view statement, const Values& values = {},
                 const std::vector<int>& formats = {}, const std::vector<int>& result_formats = {});
std::string DescribeStatement(std::string_view name);
std::string DescribePortal(std::string_view name);
std::string CloseStatement(std::string_view name);
std::string ClosePortal(std::string_view name);
std::string Execute(std::string_view portal = "", int max_rows = 0);
std::string Flush();
std::string Sync();
std::string FunctionCall(uint32_t function, const Values& values = {},
                         const std::vector<int>& formats = {});
std::string CopyData(std::string_view data);
std::string CopyDone();
std::string CopyFail(std::string_view reason);
std::string Password(std::string_view secret);
std::string Terminate();
}  // namespace client

// Messages of the server.
namespace server {
struct Field {
  std::string name;
  uint32_t type = 25;
  int format = 0;
};
std::string AuthenticationOk();
std::string BackendKeyData(int process_id, std::string_view key);
std::string BindComplete();
std::string CloseComplete();
std::string CommandComplete(std::string_view tag);
std::string CopyInResponse(int columns = 1, int format = 0);
std::string CopyOutResponse(int columns = 1, int format = 0);
std::string CopyBothResponse();
std::string CopyData(std::string_view data);
std::string CopyDone();
std::string DataRow(const Values& values);
std::string DataRowBody(const Values& values);
std::string EmptyQueryResponse();
std::string Error(std::string_view sqlstate, std::string_view message = "no",
                  std::string_view severity = "ERROR", std::string_view position = {});
std::string ErrorBody(std::string_view sqlstate, std::string_view message = "no",
                      std::string_view severity = "ERROR", std::string_view position = {});
std::string Notice(std::string_view message);
std::string FunctionCallResponse(const std::optional<std::string>& value);
std::string NoData();
std::string Notification(std::string_view channel, std::string_view payload);
std::string ParameterDescription(const std::vector<uint32_t>& types);
std::string ParameterStatus(std::string_view name, std::string_view value);
std::string ParseComplete();
std::string PortalSuspended();
std::string ReadyForQuery(char status);
std::string RowDescription(const std::vector<Field>& fields);
std::string RowDescriptionBody(const std::vector<Field>& fields);
}  // namespace server

// Startup packets.
std::string StartupPacket(const std::vector<std::pair<std::string, std::string>>& parameters,
                          int major = 3, int minor = 0);

}  // namespace pgparity::testing
