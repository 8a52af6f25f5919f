// What the tests of protocol/value.h share.
#pragma once

#include <string>
#include <string_view>

#include "protocol/value.h"
#include "tests/support/message_builders.h"

namespace pgparity::protocol {

inline std::string FromHex(std::string_view hex) {
  std::string bytes;
  for (size_t i = 0; i + 1 < hex.size(); i += 2) {
    bytes.push_back(static_cast<char>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16)));
  }
  return bytes;
}

// From a buffer of exactly the value's size.
inline absl::StatusOr<CanonicalValue> Canonical(std::string_view value, uint32_t type,
                                                Format format,
                                                const TypeResolver& types = BuiltinTypes(),
                                                const TextSettings& settings = {}) {
  const pgparity::testing::ExactBuffer exact(value);
  return Canonicalise(exact.view(), type, format, types, settings);
}

// The canonical bytes of a text value that has them.
inline std::string Bytes(std::string_view text, uint32_t type, const TextSettings& settings = {}) {
  const auto value = Canonical(text, type, Format::text, BuiltinTypes(), settings);
  return value.ok() && value->typed ? value->bytes : "no value: " + std::string(text);
}

}  // namespace pgparity::protocol
