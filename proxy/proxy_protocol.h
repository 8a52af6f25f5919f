// The PROXY protocol, versions 1 and 2: the header by which a load balancer says whom it stands for
// (https://www.haproxy.org/download/2.9/doc/proxy-protocol.txt).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace pgparity::proxy {

struct ProxyHeader {
  size_t length = 0;  // bytes of the header; what follows is the client's
  // LOCAL or UNKNOWN: the balancer speaks for itself (a health check); no source.
  bool local = false;
  std::string source;  // an address without brackets; "" where it is not one of TCP
  uint16_t source_port = 0;
};

// The longest header that is accepted: of version 1 the specification's 107 bytes, of version 2
// this much with its TLVs, which are skipped.
inline constexpr size_t kMaxProxyHeader = 2048;

// The header at the head of `bytes`; nullopt when it is not whole yet; an error when there is none,
// or it is malformed: the connection is not the balancer's and must end.
absl::StatusOr<std::optional<ProxyHeader>> ParseProxyHeader(std::string_view bytes);

}  // namespace pgparity::proxy
