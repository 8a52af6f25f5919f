// One message of a client: tag and body.
#include <cstdint>
#include <string_view>

#include "protocol/frontend.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view body(reinterpret_cast<const char*>(data + 1), size - 1);
  (void)pgparity::protocol::DecodeFrontend(static_cast<char>(data[0]), body);
  return 0;
}
