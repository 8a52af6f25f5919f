// The PROXY protocol header: bounded, and never beyond the bytes that are there.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "proxy/proxy_protocol.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto header = pgparity::proxy::ParseProxyHeader(bytes);
  if (!header.ok()) return 0;
  if (!header->has_value()) {
    if (size >= pgparity::proxy::kMaxProxyHeader) std::abort();
    return 0;
  }
  if ((*header)->length > size || (*header)->length == 0) std::abort();
  return 0;
}
