// bytea, uuid, network addresses, bit strings, "char", tid and pg_lsn.
#include <arpa/inet.h>

#include <array>
#include <charconv>
#include <cstdio>

#include "protocol/value_internal.h"
#include "protocol/wire.h"

namespace pgparity::protocol::value_internal {
namespace {

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool AppendHexBytes(std::string_view hex, std::string* out) {
  if (hex.size() % 2 != 0) return false;
  for (size_t i = 0; i < hex.size(); i += 2) {
    const int high = HexDigit(hex[i]);
    const int low = HexDigit(hex[i + 1]);
    if (high < 0 || low < 0) return false;
    out->push_back(static_cast<char>(high << 4 | low));
  }
  return true;
}

// Three octal digits after a backslash; -1 if they are not.
int Octal(std::string_view digits) {
  if (digits.size() != 3) return -1;
  int result = 0;
  for (const char c : digits) {
    if (c < '0' || c > '7') return -1;
    result = result * 8 + (c - '0');
  }
  return result <= 255 ? result : -1;
}

// byteaout with bytea_output = escape: `\\` and `\ooo`.
bool AppendEscapedBytes(std::string_view text, std::string* out) {
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\') {
      out->push_back(text[i]);
    } else if (i + 1 < text.size() && text[i + 1] == '\\') {
      out->push_back('\\');
      ++i;
    } else {
      const int byte = Octal(text.substr(i + 1, 3));
      if (byte < 0) return false;
      out->push_back(static_cast<char>(byte));
      i += 3;
    }
  }
  return true;
}

template <typename T>
bool Parse(std::string_view text, T* value, int base = 10) {
  const auto result = std::from_chars(text.data(), text.data() + text.size(), *value, base);
  return result.ec == std::errc() && result.ptr == text.data() + text.size();
}

// Families as the server's binary form numbers them (PGSQL_AF_INET, PGSQL_AF_INET6).
constexpr uint8_t kInet4 = 2, kInet6 = 3;

bool AppendAddress(uint8_t family, unsigned bits, std::string_view address, std::string* out) {
  if (family != kInet4 && family != kInet6) return false;
  const size_t size = family == kInet4 ? 4 : 16;
  if (address.size() != size || bits > size * 8) return false;
  char text[INET6_ADDRSTRLEN];
  if (inet_ntop(family == kInet4 ? AF_INET : AF_INET6, address.data(), text, sizeof(text)) ==
      nullptr) {
    return false;
  }
  out->append(text).push_back('/');
  out->append(std::to_string(bits));
  return true;
}

bool NetworkFromText(std::string_view text, bool is_cidr, std::string* out) {
  unsigned bits = 0;
  const size_t slash = text.find('/');
  const std::string address(text.substr(0, slash));
  const bool six = address.find(':') != std::string::npos;
  if (slash == std::string_view::npos) {
    if (is_cidr) return false;
    bits = six ? 128 : 32;
  } else if (!Parse(text.substr(slash + 1), &bits)) {
    return false;
  }
  if (address.find('\0') != std::string::npos) return false;
  std::array<char, 16> bytes{};
  if (inet_pton(six ? AF_INET6 : AF_INET, address.c_str(), bytes.data()) != 1) return false;
  return AppendAddress(six ? kInet6 : kInet4, bits, {bytes.data(), six ? 16U : 4U}, out);
}

}  // namespace

bool AppendBytea(std::string_view value, Format format, std::string* out) {
  if (format == Format::binary) {
    out->append(value);
    return true;
  }
  // The escape form doubles backslashes, so that it never begins like the hex form.
  if (value.starts_with("\\x")) return AppendHexBytes(value.substr(2), out);
  return AppendEscapedBytes(value, out);
}

bool AppendUuid(std::string_view value, Format format, std::string* out) {
  if (format == Format::binary) {
    out->append(value);
    return value.size() == 16;
  }
  if (value.size() != 36) return false;
  std::string hex;
  for (size_t i = 0; i < value.size(); ++i) {
    const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    if (dash != (value[i] == '-')) return false;
    if (!dash) hex.push_back(value[i]);
  }
  return AppendHexBytes(hex, out);
}

// network_send: family, bits, is_cidr, address length, address.
bool AppendNetwork(std::string_view value, Format format, bool is_cidr, std::string* out) {
  if (format == Format::text) return NetworkFromText(value, is_cidr, out);
  WireReader in(value);
  const uint8_t family = in.ReadUint8();
  const uint8_t bits = in.ReadUint8();
  in.ReadUint8();
  const std::string_view address = in.ReadBytes(in.ReadUint8());
  return in.AtEnd() && AppendAddress(family, bits, address, out);
}

bool AppendMac(std::string_view value, Format format, size_t bytes, std::string* out) {
  if (format == Format::binary) {
    out->append(value);
    return value.size() == bytes;
  }
  if (value.size() != bytes * 3 - 1) return false;
  for (size_t i = 0; i < value.size(); i += 3) {
    if (i > 0 && value[i - 1] != ':') return false;
    if (!AppendHexBytes(value.substr(i, 2), out)) return false;
  }
  return true;
}

// varbit_send: the number of bits, then the bytes, padded with zero bits.
bool AppendBits(std::string_view value, Format format, std::string* out) {
  if (format == Format::text) {
    out->append(value);
    return value.find_first_not_of("01") == std::string_view::npos;
  }
  WireReader in(value);
  const int32_t bits = in.ReadInt32();
  if (!in.ok() || bits < 0 || (size_t{static_cast<uint32_t>(bits)} + 7) / 8 != in.remaining()) {
    return false;
  }
  const std::string_view bytes = in.ReadBytes(in.remaining());
  for (size_t i = 0; i < static_cast<size_t>(bits); ++i) {
    out->push_back((static_cast<uint8_t>(bytes[i / 8]) >> (7 - i % 8) & 1) != 0 ? '1' : '0');
  }
  return true;
}

// charout prints a zero byte as nothing and, from version 16 on, bytes above 127 as \ooo.
bool AppendSingleChar(std::string_view value, Format format, std::string* out) {
  if (format == Format::text && value.size() == 4 && value[0] == '\\') {
    const int byte = Octal(value.substr(1));
    out->push_back(static_cast<char>(byte));
    return byte >= 0;
  }
  if (value.size() == 1) {
    if (value[0] != '\0') out->push_back(value[0]);
    return true;
  }
  return format == Format::text && value.empty();
}

bool AppendTid(std::string_view value, Format format, std::string* out) {
  uint32_t block = 0;
  uint16_t offset = 0;
  if (format == Format::binary) {
    WireReader in(value);
    block = in.ReadUint32();
    offset = in.ReadUint16();
    if (!in.AtEnd()) return false;
  } else {
    const size_t comma = value.find(',');
    if (comma == std::string_view::npos || !value.starts_with('(') || !value.ends_with(')') ||
        !Parse(value.substr(1, comma - 1), &block) ||
        !Parse(value.substr(comma + 1, value.size() - comma - 2), &offset)) {
      return false;
    }
  }
  out->append("(").append(std::to_string(block)).append(",");
  out->append(std::to_string(offset)).append(")");
  return true;
}

bool AppendLsn(std::string_view value, Format format, std::string* out) {
  uint64_t lsn = 0;
  if (format == Format::binary) {
    WireReader in(value);
    lsn = static_cast<uint64_t>(in.ReadInt64());
    if (!in.AtEnd()) return false;
  } else {
    uint32_t high = 0;
    uint32_t low = 0;
    const size_t slash = value.find('/');
    if (slash == std::string_view::npos || !Parse(value.substr(0, slash), &high, 16) ||
        !Parse(value.substr(slash + 1), &low, 16)) {
      return false;
    }
    lsn = uint64_t{high} << 32 | low;
  }
  char text[24];
  snprintf(text, sizeof(text), "%X/%X", static_cast<uint32_t>(lsn >> 32),
           static_cast<uint32_t>(lsn));
  out->append(text);
  return true;
}

}  // namespace pgparity::protocol::value_internal
