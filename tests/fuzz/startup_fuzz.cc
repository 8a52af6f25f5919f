// A startup packet. What is decoded, encodes to a packet that decodes to the same.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "protocol/startup.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace pgparity::protocol;
  const std::string_view packet(reinterpret_cast<const char*>(data), size);
  (void)StartupPacketLength(packet);
  const absl::StatusOr<StartupPacket> decoded = DecodeStartup(packet);
  if (!decoded.ok()) return 0;
  if (const auto* message = std::get_if<StartupMessage>(&*decoded)) {
    (void)message->replication();
    (void)message->database();
  }
  if (EncodeStartup(*decoded) != packet) std::abort();
  return 0;
}
