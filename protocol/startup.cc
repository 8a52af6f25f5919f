#include "protocol/startup.h"

#include "absl/strings/ascii.h"
#include "protocol/text.h"
#include "protocol/wire.h"

namespace pgparity::protocol {
namespace {

// Major version 1234, which no server will ever have, marks a request (pqcomm.h).
constexpr uint16_t kRequestMajor = 1234;
constexpr uint16_t kCancelMinor = 5678;
constexpr uint16_t kSslMinor = 5679;
constexpr uint16_t kGssMinor = 5680;

absl::Status Malformed(std::string_view what) {
  return absl::InvalidArgumentError(StrCat("malformed startup packet: ", what));
}

absl::StatusOr<StartupPacket> DecodeCancel(WireReader reader) {
  CancelRequest cancel;
  cancel.process_id = reader.ReadInt32();
  cancel.key = std::string(reader.ReadRest());
  if (!reader.ok() || cancel.key.size() < kMinCancelKey || cancel.key.size() > kMaxCancelKey) {
    return Malformed("the cancel key has an impossible length");
  }
  return cancel;
}

absl::StatusOr<StartupPacket> DecodeRequest(uint16_t minor, WireReader reader) {
  switch (minor) {
    case kCancelMinor:
      return DecodeCancel(reader);
    case kSslMinor:
      if (!reader.AtEnd()) return Malformed("bytes behind an SSLRequest");
      return SslRequest{};
    case kGssMinor:
      if (!reader.AtEnd()) return Malformed("bytes behind a GSSENCRequest");
      return GssEncRequest{};
    default:
      return Malformed("an unknown request code");
  }
}

absl::StatusOr<StartupPacket> DecodeParameters(StartupMessage message, WireReader reader) {
  while (true) {
    const std::string_view name = reader.ReadCString();
    if (!reader.ok()) return Malformed("no terminator behind the parameters");
    if (name.empty()) break;
    const std::string_view value = reader.ReadCString();
    if (!reader.ok()) return Malformed("a parameter without a value");
    message.parameters.emplace_back(name, value);
  }
  if (!reader.AtEnd()) return Malformed("bytes behind the parameters");
  return message;
}

}  // namespace

std::string_view StartupMessage::Get(std::string_view name) const {
  std::string_view found;
  for (const auto& [key, value] : parameters) {
    if (key == name) found = value;
  }
  return found;
}

std::string_view StartupMessage::database() const {
  const std::string_view named = Get("database");
  return named.empty() ? user() : named;
}

bool StartupMessage::replication() const {
  const std::string value = absl::AsciiStrToLower(ToAbsl(Get("replication")));
  if (value.empty()) return false;
  // parse_bool accepts any unambiguous prefix; what it refuses ends the login.
  for (const std::string_view off : {"false", "no", "off"}) {
    if (off.substr(0, value.size()) == value && value != "o") return false;
  }
  return value != "0";
}

absl::StatusOr<std::optional<size_t>> StartupPacketLength(std::string_view buffer) {
  if (buffer.size() < 4) return std::optional<size_t>();
  const uint32_t length = WireReader(buffer).ReadUint32();
  if (length < 8) return Malformed("its length is below 8");
  if (length > kMaxStartupPacket) return Malformed("its length is above 10000");
  return std::optional<size_t>(length);
}

absl::StatusOr<StartupPacket> DecodeStartup(std::string_view packet) {
  const absl::StatusOr<std::optional<size_t>> length = StartupPacketLength(packet);
  if (!length.ok()) return length.status();
  if (*length != packet.size()) return Malformed("its length does not match");
  WireReader reader(packet.substr(4));
  StartupMessage message;
  message.major = reader.ReadUint16();
  message.minor = reader.ReadUint16();
  if (message.major == kRequestMajor) return DecodeRequest(message.minor, reader);
  if (message.major != 3) {
    return absl::UnimplementedError(
        StrCat("unsupported frontend protocol ", message.major, ".", message.minor));
  }
  return DecodeParameters(std::move(message), reader);
}

namespace {

struct Encoder {
  WireWriter& writer;

  void Request(uint16_t minor) const {
    writer.Int16(static_cast<int16_t>(kRequestMajor)).Int16(static_cast<int16_t>(minor));
  }
  void operator()(const SslRequest&) const { Request(kSslMinor); }
  void operator()(const GssEncRequest&) const { Request(kGssMinor); }
  void operator()(const CancelRequest& cancel) const {
    Request(kCancelMinor);
    writer.Int32(cancel.process_id).Bytes(cancel.key);
  }
  void operator()(const StartupMessage& message) const {
    writer.Int16(static_cast<int16_t>(message.major)).Int16(static_cast<int16_t>(message.minor));
    for (const auto& [name, value] : message.parameters) writer.CString(name).CString(value);
    writer.Uint8(0);
  }
};

}  // namespace

std::string EncodeStartup(const StartupPacket& packet) {
  std::string bytes;
  WireWriter writer(&bytes);
  writer.BeginMessage(0);
  std::visit(Encoder{writer}, packet);
  writer.EndMessage();
  return bytes;
}

}  // namespace pgparity::protocol
