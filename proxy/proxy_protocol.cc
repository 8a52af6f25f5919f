#include "proxy/proxy_protocol.h"

#include <arpa/inet.h>

#include <array>
#include <charconv>
#include <vector>

#include "protocol/text.h"
#include "protocol/wire.h"

namespace pgparity::proxy {
namespace {

constexpr std::string_view kSignature2("\r\n\r\n\0\r\nQUIT\n", 12);
constexpr std::string_view kSignature1 = "PROXY ";
// Section 2.1: with its CR LF.
constexpr size_t kMaxLine = 107;
constexpr size_t kFixed2 = 16;

absl::Status Malformed(std::string_view what) {
  return absl::InvalidArgumentError(
      protocol::ToAbsl(protocol::StrCat("malformed PROXY protocol header: ", what)));
}

std::vector<std::string_view> Words(std::string_view line) {
  std::vector<std::string_view> words;
  while (true) {
    const size_t space = line.find(' ');
    words.push_back(line.substr(0, space));
    if (space == std::string_view::npos) return words;
    line.remove_prefix(space + 1);
  }
}

bool IsAddress(int family, std::string_view text) {
  std::array<unsigned char, sizeof(in6_addr)> unused{};
  return inet_pton(family, std::string(text).c_str(), unused.data()) == 1;
}

std::optional<uint16_t> Port(std::string_view text) {
  uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  const bool whole = error == std::errc() && end == text.data() + text.size();
  if (!whole || (text.size() > 1 && text[0] == '0')) return std::nullopt;
  return port;
}

absl::StatusOr<std::optional<ProxyHeader>> ParseLine(std::string_view bytes) {
  const size_t end = bytes.substr(0, kMaxLine).find("\r\n");
  if (end == std::string_view::npos) {
    if (bytes.size() >= kMaxLine) return Malformed("no end within 107 bytes");
    return std::optional<ProxyHeader>();
  }
  ProxyHeader header;
  header.length = end + 2;
  const std::vector<std::string_view> words = Words(bytes.substr(0, end));
  if (words.size() >= 2 && words[1] == "UNKNOWN") {
    header.local = true;
    return std::optional(header);
  }
  if (words.size() != 6) return Malformed("not six words");
  const int family = words[1] == "TCP4" ? AF_INET : words[1] == "TCP6" ? AF_INET6 : AF_UNSPEC;
  if (family == AF_UNSPEC) return Malformed("neither TCP4, TCP6 nor UNKNOWN");
  const std::optional<uint16_t> source_port = Port(words[4]);
  if (!IsAddress(family, words[2]) || !IsAddress(family, words[3]) || !source_port ||
      !Port(words[5])) {
    return Malformed("not an address or port");
  }
  header.source = words[2];
  header.source_port = *source_port;
  return std::optional(std::move(header));
}

// Family and protocol of section 2.2's byte 14.
constexpr uint8_t kTcp4 = 0x11, kTcp6 = 0x21;

void TakeAddress(int family, std::string_view addresses, ProxyHeader* header) {
  const size_t size = family == AF_INET ? sizeof(in_addr) : sizeof(in6_addr);
  std::array<char, INET6_ADDRSTRLEN> text{};
  inet_ntop(family, addresses.data(), text.data(), text.size());
  header->source = text.data();
  header->source_port = protocol::WireReader(addresses.substr(2 * size, 2)).ReadUint16();
}

absl::StatusOr<std::optional<ProxyHeader>> ParseBinary(std::string_view bytes) {
  if (bytes.size() < kFixed2) return std::optional<ProxyHeader>();
  protocol::WireReader reader(bytes.substr(kSignature2.size(), 4));
  const uint8_t version = reader.ReadUint8(), kind = reader.ReadUint8();
  const size_t rest = reader.ReadUint16();
  if (version >> 4 != 2 || (version & 0xf) > 1) return Malformed("neither LOCAL nor PROXY");
  if (kFixed2 + rest > kMaxProxyHeader) return Malformed("longer than 2,048 bytes");
  const size_t addresses = kind == kTcp4 ? 12 : kind == kTcp6 ? 36 : 0;
  if (rest < addresses) return Malformed("shorter than its addresses");
  ProxyHeader header;
  header.length = kFixed2 + rest;
  if (bytes.size() < header.length) return std::optional<ProxyHeader>();
  header.local = (version & 0xf) == 0;
  if (!header.local && addresses != 0)
    TakeAddress(kind == kTcp4 ? AF_INET : AF_INET6, bytes.substr(kFixed2, addresses), &header);
  return std::optional(std::move(header));
}

}  // namespace

absl::StatusOr<std::optional<ProxyHeader>> ParseProxyHeader(std::string_view bytes) {
  for (const std::string_view signature : {kSignature1, kSignature2}) {
    const size_t seen = std::min(bytes.size(), signature.size());
    if (bytes.substr(0, seen) != signature.substr(0, seen)) continue;
    if (seen < signature.size()) return std::optional<ProxyHeader>();
    return signature == kSignature1 ? ParseLine(bytes) : ParseBinary(bytes);
  }
  return Malformed("there is none");
}

}  // namespace pgparity::proxy
