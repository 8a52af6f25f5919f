// The first packet of a connection, which has no tag (PostgreSQL protocol, "Message Formats":
// SSLRequest, GSSENCRequest, CancelRequest, StartupMessage).
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

// The server's own limit (pqcomm.h, MAX_STARTUP_PACKET_LENGTH), length word included.
inline constexpr size_t kMaxStartupPacket = 10000;
// Of a cancel key's secret: 4 bytes in protocol 3.0, up to 256 from 3.2 on.
inline constexpr size_t kMinCancelKey = 4;
inline constexpr size_t kMaxCancelKey = 256;

struct SslRequest {
  friend bool operator==(const SslRequest&, const SslRequest&) = default;
};
struct GssEncRequest {
  friend bool operator==(const GssEncRequest&, const GssEncRequest&) = default;
};
struct CancelRequest {
  int32_t process_id = 0;
  std::string key;  // a secret
  friend bool operator==(const CancelRequest&, const CancelRequest&) = default;
};
struct StartupMessage {
  uint16_t major = 3;
  uint16_t minor = 0;
  std::vector<std::pair<std::string, std::string>>
      parameters;  // in the order sent, duplicates kept

  // The value that counts of a parameter: the last one, as in the server. "" when absent.
  std::string_view Get(std::string_view name) const;
  std::string_view user() const { return Get("user"); }
  // The user's name where no database is named, as in the server.
  std::string_view database() const;
  // A connection that asks for replication: true, on, yes, 1 or database.
  bool replication() const;

  friend bool operator==(const StartupMessage&, const StartupMessage&) = default;
};

using StartupPacket = std::variant<SslRequest, GssEncRequest, CancelRequest, StartupMessage>;

// Bytes of the packet at the head of `buffer`, length word included; nullopt until four bytes are
// there. Error: a length below 8 or above kMaxStartupPacket.
absl::StatusOr<std::optional<size_t>> StartupPacketLength(std::string_view buffer);

// Decodes one whole packet, length word included. Errors: InvalidArgument for a malformed packet;
// Unimplemented for a major version other than 3 (of which nothing more is known).
absl::StatusOr<StartupPacket> DecodeStartup(std::string_view packet);

// The packet's bytes, length word included. A null in a name or value would end it: it is cut
// there.
std::string EncodeStartup(const StartupPacket& packet);

}  // namespace pgparity::protocol
