// Booleans, integers, floats and numeric.
#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>

#include "protocol/value_internal.h"
#include "protocol/wire.h"

namespace pgparity::protocol::value_internal {
namespace {

template <typename T>
void AppendNumber(T value, std::string* out) {
  char buffer[64];
  const auto result = std::to_chars(buffer, buffer + sizeof(buffer), value);
  out->append(buffer, result.ptr);
}

template <typename T>
bool IntegerFromText(std::string_view text, std::string* out) {
  T value{};
  const auto result = std::from_chars(text.data(), text.data() + text.size(), value);
  if (result.ec != std::errc() || result.ptr != text.data() + text.size()) return false;
  AppendNumber(value, out);
  return true;
}

template <typename T>
void AppendReal(T value, std::string* out) {
  if (std::isnan(value)) {
    out->append("NaN");
  } else if (std::isinf(value)) {
    out->append(value < 0 ? "-Infinity" : "Infinity");
  } else {
    AppendNumber(value, out);
  }
}

template <typename T>
bool RealFromText(std::string_view text, std::string* out) {
  if (text == "NaN" || text == "Infinity" || text == "-Infinity") {
    out->append(text);
    return true;
  }
  // from_chars would take "inf" and "nan" too, which the server never prints.
  const size_t first = text.starts_with('-') ? 1 : 0;
  if (first >= text.size() || (text[first] != '.' && (text[first] < '0' || text[first] > '9'))) {
    return false;
  }
  T value{};
  const auto result = std::from_chars(text.data(), text.data() + text.size(), value);
  if (result.ec != std::errc() || result.ptr != text.data() + text.size()) return false;
  AppendNumber(value, out);
  return true;
}

std::string_view TakeDigits(std::string_view* text) {
  size_t n = 0;
  while (n < text->size() && (*text)[n] >= '0' && (*text)[n] <= '9') ++n;
  std::string_view digits = text->substr(0, n);
  text->remove_prefix(n);
  return digits;
}

// 10^131072 is numeric's limit; beyond what this allows nothing is a number.
constexpr int64_t kMaxExponent = 200'000;
constexpr int64_t kMaxScale = 16'383;
// Numbers that print longer than this are written with an exponent: "1E+100000" as plain digits
// would make a few bytes of binary into 128 KiB.
constexpr int64_t kMaxPlain = 64;

// Appends 0.DIGITS * 10^point, printed with `scale` digits after the decimal point. False when
// there are more digits than that.
bool AppendDecimal(bool negative, std::string_view digits, int64_t point, int64_t scale,
                   std::string* out) {
  while (!digits.empty() && digits.front() == '0') {
    digits.remove_prefix(1);
    --point;
  }
  while (!digits.empty() && digits.back() == '0') digits.remove_suffix(1);
  const auto size = static_cast<int64_t>(digits.size());
  if (size - point > scale && size > 0) return false;
  if (size == 0) point = 0;
  if (negative && size > 0) out->push_back('-');
  if (std::max<int64_t>(point, 1) + scale > kMaxPlain) {
    out->append(digits).push_back('E');
    AppendNumber(point, out);
    out->push_back('S');
    AppendNumber(scale, out);
    return true;
  }
  const auto digit = [&](int64_t at) {
    return at >= 0 && at < size ? digits[static_cast<size_t>(at)] : '0';
  };
  if (point <= 0) out->push_back('0');
  for (int64_t i = 0; i < point; ++i) out->push_back(digit(i));
  if (scale > 0) out->push_back('.');
  for (int64_t i = 0; i < scale; ++i) out->push_back(digit(point + i));
  return true;
}

// numeric_send: ndigits, weight, sign, dscale, then the base-10000 digits.
bool NumericFromBinary(std::string_view value, std::string* out) {
  WireReader in(value);
  const uint16_t count = in.ReadUint16();
  const int16_t weight = in.ReadInt16();
  const uint16_t sign = in.ReadUint16();
  const uint16_t scale = in.ReadUint16();
  if (!in.ok() || in.remaining() != size_t{count} * 2) return false;
  if (sign == 0xC000 || sign == 0xD000 || sign == 0xF000) {
    out->append(sign == 0xC000 ? "NaN" : sign == 0xD000 ? "Infinity" : "-Infinity");
    return count == 0;
  }
  if ((sign != 0 && sign != 0x4000) || scale > kMaxScale) return false;
  std::string digits(size_t{count} * 4, '0');
  for (size_t i = 0; i < count; ++i) {
    int digit = in.ReadUint16();
    if (digit > 9999) return false;
    for (size_t j = 4; j-- > 0; digit /= 10) {
      digits[i * 4 + j] = static_cast<char>('0' + digit % 10);
    }
  }
  return AppendDecimal(sign != 0, digits, (int64_t{weight} + 1) * 4, scale, out);
}

}  // namespace

bool AppendBool(std::string_view value, Format format, std::string* out) {
  if (value.size() != 1) return false;
  if (format == Format::binary) {
    out->push_back(value[0] != 0 ? '1' : '0');
    return true;
  }
  out->push_back(value[0] == 't' ? '1' : '0');
  return value[0] == 't' || value[0] == 'f';
}

bool AppendInteger(std::string_view value, Format format, int bits, bool is_signed,
                   std::string* out) {
  if (format == Format::text) {
    if (!is_signed) {
      return bits == 64 ? IntegerFromText<uint64_t>(value, out)
                        : IntegerFromText<uint32_t>(value, out);
    }
    return bits == 16   ? IntegerFromText<int16_t>(value, out)
           : bits == 32 ? IntegerFromText<int32_t>(value, out)
                        : IntegerFromText<int64_t>(value, out);
  }
  if (value.size() * 8 != static_cast<size_t>(bits)) return false;
  WireReader in(value);
  if (!is_signed) {
    AppendNumber(bits == 64 ? static_cast<uint64_t>(in.ReadInt64()) : in.ReadUint32(), out);
  } else {
    AppendNumber(bits == 16   ? int64_t{in.ReadInt16()}
                 : bits == 32 ? int64_t{in.ReadInt32()}
                              : in.ReadInt64(),
                 out);
  }
  return true;
}

void AppendDouble(double value, std::string* out) { AppendReal(value, out); }

bool AppendFloat(std::string_view value, Format format, bool is_double, std::string* out) {
  if (format == Format::text) {
    return is_double ? RealFromText<double>(value, out) : RealFromText<float>(value, out);
  }
  WireReader in(value);
  if (is_double) {
    AppendReal(std::bit_cast<double>(static_cast<uint64_t>(in.ReadInt64())), out);
  } else {
    AppendReal(std::bit_cast<float>(in.ReadUint32()), out);
  }
  return in.AtEnd();
}

// The exponent form is not the server's output for numeric; jsonb's input and other stores have it.
bool AppendNumericText(std::string_view text, std::string* out) {
  const bool negative = text.starts_with('-');
  if (negative) text.remove_prefix(1);
  const std::string_view whole = TakeDigits(&text);
  std::string_view fraction;
  if (text.starts_with('.')) {
    text.remove_prefix(1);
    fraction = TakeDigits(&text);
  }
  if (whole.empty() && fraction.empty()) return false;
  int64_t exponent = 0;
  if (text.starts_with('e') || text.starts_with('E')) {
    text.remove_prefix(1);
    if (text.starts_with('+')) text.remove_prefix(1);
    const auto result = std::from_chars(text.data(), text.data() + text.size(), exponent);
    if (result.ec != std::errc() || std::abs(exponent) > kMaxExponent) return false;
    text.remove_prefix(static_cast<size_t>(result.ptr - text.data()));
  }
  if (!text.empty()) return false;
  const auto whole_size = static_cast<int64_t>(whole.size());
  const auto fraction_size = static_cast<int64_t>(fraction.size());
  const int64_t scale = std::max<int64_t>(0, fraction_size - exponent);
  std::string digits;
  digits.reserve(whole.size() + fraction.size());
  digits.append(whole).append(fraction);
  return AppendDecimal(negative, digits, whole_size + exponent, scale, out);
}

bool AppendNumeric(std::string_view value, Format format, std::string* out) {
  if (format == Format::binary) return NumericFromBinary(value, out);
  if (value == "NaN" || value == "Infinity" || value == "-Infinity") {
    out->append(value);
    return true;
  }
  return AppendNumericText(value, out);
}

}  // namespace pgparity::protocol::value_internal
