#include "proxy/login.h"

#include <algorithm>

#include "protocol/wire.h"

namespace pgparity::proxy {
namespace {

using protocol::WireReader;

constexpr size_t kHeader = 5;
constexpr size_t kMaxParameterBytes = 64 << 10;

}  // namespace

void LoginFacts::Note(char tag, std::string_view body) {
  WireReader reader(body);
  if (tag == 'S') {
    const std::string_view name = reader.ReadCString();
    const std::string_view value = reader.ReadCString();
    parameter_bytes_ += body.size();
    if (!reader.ok() || parameter_bytes_ > kMaxParameterBytes) return;
    parameters_.insert_or_assign(std::string(name), std::string(value));
  } else if (tag == 'K') {
    const int32_t process_id = reader.ReadInt32();
    const std::string_view key = reader.ReadRest();
    if (key.size() < protocol::kMinCancelKey || key.size() > protocol::kMaxCancelKey) return;
    process_id_ = process_id;
    cancel_key_ = std::string(key);
  }
}

std::optional<LoginFrame> ReadLoginFrame(std::string_view bytes, uint32_t limit,
                                         uint32_t error_limit) {
  if (bytes.size() < kHeader) return std::nullopt;
  LoginFrame frame;
  frame.tag = bytes[0];
  const uint32_t length = WireReader(bytes.substr(1, 4)).ReadUint32();
  const bool is_error = frame.tag == 'E' || frame.tag == 'N';
  frame.bad = length < 4 || length > (is_error ? std::max(limit, error_limit) : limit);
  if (frame.bad) return frame;
  frame.wire_length = size_t{1} + length;
  frame.whole = bytes.size() >= frame.wire_length;
  if (frame.whole) frame.body = bytes.substr(kHeader, frame.wire_length - kHeader);
  return frame;
}

}  // namespace pgparity::proxy
