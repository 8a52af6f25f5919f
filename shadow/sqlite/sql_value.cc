#include "shadow/sqlite/sql_value.h"

#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>

#include "absl/strings/ascii.h"
#include "protocol/text.h"
#include "shadow/sqlite/decimal.h"
#include "shadow/words.h"

namespace pgparity::shadow::sqlite {

using protocol::StrCat;

namespace {

constexpr std::string_view kBlank = " \t\n\v\f\r";

std::string_view Stripped(std::string_view text) {
  const size_t first = text.find_first_not_of(kBlank);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlank) - first + 1);
}

Problem Malformed(Oid type, std::string_view text) {
  return {"22P02", StrCat("invalid input syntax for type ", NameOf(type), ": \"", text, "\"")};
}

Result<SqlValue> ReadInteger(std::string_view given, Oid type) {
  std::string_view text = Stripped(given);
  if (text.starts_with('+') && text.size() > 1 && text[1] != '-') text.remove_prefix(1);
  int64_t value = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (stop != text.data() + text.size() || text.empty() || error == std::errc::invalid_argument) {
    return Malformed(type, given);
  }
  const int64_t limit = type == oid::kInt2 ? INT16_MAX : type == oid::kInt4 ? INT32_MAX : INT64_MAX;
  if (error == std::errc::result_out_of_range || value > limit || value < -limit - 1) {
    return Problem{"22003",
                   StrCat("value \"", given, "\" is out of range for type ", NameOf(type))};
  }
  return SqlValue::Integer(value);
}

Result<SqlValue> ReadBool(std::string_view given) {
  const std::string text = Lower(Stripped(given));
  if (text.empty()) return Malformed(oid::kBool, given);
  auto prefix = [&](std::string_view word) { return word.starts_with(text); };
  if (prefix("true") || prefix("yes") || text == "on" || text == "1") return SqlValue::Integer(1);
  if (prefix("false") || prefix("no") || text == "off" || text == "of" || text == "0") {
    return SqlValue::Integer(0);
  }
  return Malformed(oid::kBool, given);
}

Result<SqlValue> ReadDouble(std::string_view given, bool single) {
  std::string_view text = Stripped(given);
  const Oid type = single ? oid::kFloat4 : oid::kFloat8;
  if (text.starts_with('+')) text.remove_prefix(1);
  if (SameWord(text, "nan")) return Refuse("NaN in a float");
  double value = 0;
  float small = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] =
      single ? std::from_chars(text.data(), end, small) : std::from_chars(text.data(), end, value);
  if (single) value = static_cast<double>(small);
  if (text.empty() || stop != end || error == std::errc::invalid_argument) {
    return Malformed(type, given);
  }
  if (error == std::errc::result_out_of_range) {
    return Problem{"22003", StrCat("\"", given, "\" is out of range for type ", NameOf(type))};
  }
  if (std::isnan(value)) return Refuse("NaN in a float");
  return SqlValue::Real(value);
}

Result<SqlValue> ReadUuid(std::string_view given) {
  std::string text = Lower(given);
  if (text.starts_with('{') && text.ends_with('}')) text = text.substr(1, text.size() - 2);
  std::string digits;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '-' && !digits.empty() && digits.size() % 4 == 0 && i + 1 < text.size() &&
        text[i - 1] != '-')
      continue;
    if (!absl::ascii_isxdigit(static_cast<unsigned char>(text[i]))) {
      return Malformed(oid::kUuid, given);
    }
    digits.push_back(text[i]);
  }
  if (digits.size() != 32) return Malformed(oid::kUuid, given);
  for (size_t at : {8, 13, 18, 23}) digits.insert(at, 1, '-');
  return SqlValue::Text(std::move(digits));
}

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  c = absl::ascii_tolower(static_cast<unsigned char>(c));
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

Result<SqlValue> ReadBytea(std::string_view text) {
  std::string bytes;
  if (text.starts_with("\\x")) {
    for (size_t i = 2; i < text.size(); i += 2) {
      if (absl::ascii_isspace(static_cast<unsigned char>(text[i]))) {
        --i;
        continue;
      }
      const int high = HexDigit(text[i]), low = i + 1 < text.size() ? HexDigit(text[i + 1]) : -1;
      if (high < 0 || low < 0) return Problem{"22023", "invalid hexadecimal data"};
      bytes.push_back(static_cast<char>(high * 16 + low));
    }
    return SqlValue::Blob(std::move(bytes));
  }
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\') {
      bytes.push_back(text[i]);
    } else if (i + 1 < text.size() && text[i + 1] == '\\') {
      bytes.push_back(text[++i]);
    } else if (i + 3 < text.size() && text[i + 1] >= '0' && text[i + 1] <= '3' &&
               text[i + 2] >= '0' && text[i + 2] <= '7' && text[i + 3] >= '0' &&
               text[i + 3] <= '7') {
      bytes.push_back(static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 +
                                        (text[i + 3] - '0')));
      i += 3;
    } else {
      return Malformed(oid::kBytea, text);
    }
  }
  return SqlValue::Blob(std::move(bytes));
}

Problem OfRead(ReadError error, Oid type, std::string_view text) {
  if (error == ReadError::malformed) {
    return {"22007", StrCat("invalid input syntax for type ", NameOf(type), ": \"", text, "\"")};
  }
  if (error == ReadError::overflow) {
    return {"22008", StrCat("date/time field value out of range: \"", text, "\"")};
  }
  return Refuse(StrCat("text form of ", NameOf(type)));
}

template <typename Store>
Result<SqlValue> Stored(const ReadResult<int64_t>& read, Oid type, std::string_view text,
                        Store&& store) {
  if (read.error != ReadError::none) return OfRead(read.error, type, text);
  std::optional<std::string> stored = store(read.value);
  if (!stored) return Refuse(StrCat(NameOf(type), " outside the years 1 to 9999"));
  return SqlValue::Text(*std::move(stored));
}

Result<SqlValue> ReadDateTimeValue(std::string_view text, Type type, const absl::TimeZone& zone) {
  auto rounded = [&](ReadResult<int64_t> read) {
    read.value = RoundTime(read.value, type.typmod);
    return read;
  };
  switch (type.oid) {
    case oid::kDate:
      return Stored(ReadDate(text), type.oid, text, StoredDate);
    case oid::kTime:
      return Stored(rounded(ReadTime(text)), type.oid, text, StoredTime);
    case oid::kTimestamp:
      return Stored(rounded(ReadTimestamp(text)), type.oid, text, StoredTimestamp);
    default:
      return Stored(rounded(ReadTimestamptz(text, zone)), type.oid, text, StoredTimestamp);
  }
}

}  // namespace

size_t CharacterCount(std::string_view text) {
  size_t count = 0;
  for (const char c : text) count += (c & 0xC0) != 0x80 ? 1 : 0;
  return count;
}

std::string_view FirstCharacters(std::string_view text, size_t count) {
  size_t at = 0;
  for (size_t seen = 0; at < text.size(); ++at) {
    if ((text[at] & 0xC0) == 0x80) continue;
    if (seen++ == count) break;
  }
  return text.substr(0, at);
}

namespace {

Result<SqlValue> FitText(SqlValue value, Type type, bool assign) {
  if (type.typmod < 4) return value;
  const auto limit = static_cast<size_t>(type.typmod - 4);
  const size_t count = CharacterCount(value.bytes);
  if (count > limit) {
    const std::string_view kept = FirstCharacters(value.bytes, limit);
    const std::string_view rest = std::string_view(value.bytes).substr(kept.size());
    if (assign && rest.find_first_not_of(' ') != std::string_view::npos) {
      return Problem{"22001",
                     StrCat("value too long for type ", NameOf(type.oid), "(", limit, ")")};
    }
    value.bytes.resize(kept.size());
  } else if (type.oid == oid::kBpchar) {
    value.bytes.append(limit - count, ' ');
  }
  return value;
}

Result<SqlValue> FitNumeric(SqlValue value, int32_t typmod) {
  const std::optional<Decimal> number = Decimal::Parse(value.bytes);
  if (!number) return Malformed(oid::kNumeric, value.bytes);
  const int precision = PrecisionOf(typmod), scale = ScaleOf(typmod);
  if (number->kind() == Decimal::Kind::nan) return value;
  const Decimal rounded = number->Rounded(scale);
  const Decimal limit = scale >= 0 ? Decimal::FromInteger(1) : Decimal();
  static_cast<void>(limit);
  if (!number->finite() || (!rounded.zero() && rounded.IntegerDigits() > precision - scale) ||
      (precision - scale < 0 && !rounded.zero() &&
       rounded.Abs().Compare(DivideToScale(Decimal::FromInteger(1),
                                           *Decimal::Parse(StrCat("1e", scale - precision)), scale,
                                           false)) >= 0)) {
    return Problem{"22003", "numeric field overflow"};
  }
  value.bytes = rounded.ToString();
  return value;
}

}  // namespace

Result<SqlValue> ApplyModifier(SqlValue value, Type type, bool assign) {
  if (type.typmod < 0 || value.null()) return value;
  switch (type.oid) {
    case oid::kVarchar:
    case oid::kBpchar:
      return FitText(std::move(value), type, assign);
    case oid::kNumeric:
      return FitNumeric(std::move(value), type.typmod);
    case oid::kTime:
    case oid::kTimestamp:
    case oid::kTimestamptz: {
      auto read = type.oid == oid::kTime ? ReadTime(value.bytes) : ReadTimestamp(value.bytes);
      const int64_t us = RoundTime(read.value, type.typmod);
      std::optional<std::string> stored =
          type.oid == oid::kTime ? StoredTime(us) : StoredTimestamp(us);
      if (!stored) return Refuse("timestamp outside the years 1 to 9999");
      value.bytes = *std::move(stored);
      return value;
    }
    default:
      return value;
  }
}

Result<SqlValue> ReadValue(std::string_view text, Type type, const absl::TimeZone& zone,
                           bool assign) {
  if (IsInteger(type.oid)) return ReadInteger(text, type.oid);
  if (const Oid element = ElementOf(type.oid); element != 0) {
    Result<std::string> json = ArrayToJson(text, element, zone);
    if (auto* problem = std::get_if<Problem>(&json)) return std::move(*problem);
    return SqlValue::Text(std::get<std::string>(std::move(json)));
  }
  switch (type.oid) {
    case oid::kBool:
      return ReadBool(text);
    case oid::kFloat4:
    case oid::kFloat8:
      return ReadDouble(text, type.oid == oid::kFloat4);
    case oid::kNumeric: {
      const std::optional<Decimal> number = Decimal::Parse(text);
      if (!number) return Malformed(type.oid, text);
      return ApplyModifier(SqlValue::Text(number->ToString()), type, assign);
    }
    case oid::kText:
    case oid::kName:
    case oid::kVarchar:
    case oid::kBpchar:
      return FitText(SqlValue::Text(std::string(text)), type, assign);
    case oid::kDate:
    case oid::kTime:
    case oid::kTimestamp:
    case oid::kTimestamptz:
      return ReadDateTimeValue(text, type, zone);
    case oid::kInterval: {
      const ReadResult<Interval> read = ReadInterval(text);
      if (read.error != ReadError::none) return OfRead(read.error, type.oid, text);
      if (type.typmod >= 0) return Refuse("interval with fields or precision");
      return SqlValue::Text(StoredInterval(read.value));
    }
    case oid::kUuid:
      return ReadUuid(text);
    case oid::kBytea:
      return ReadBytea(text);
    case oid::kJson:
    case oid::kJsonb: {
      // json is checked as jsonb is, and kept as it came.
      auto canonical = protocol::Canonicalise(text, oid::kJsonb, protocol::Format::text,
                                              protocol::BuiltinTypes(), {});
      if (!canonical.ok()) return Malformed(type.oid, text);
      return SqlValue::Text(type.oid == oid::kJson ? std::string(text)
                                                   : std::move(canonical->bytes));
    }
    default:
      // Enums: their labels are checked by whoever knows them.
      if (IsUser(type.oid)) return SqlValue::Text(std::string(text));
      return Refuse(StrCat("type ", NameOf(type.oid)));
  }
}

// ------------------------------------------------------------------------------------ showing

namespace {

// The shortest digits, laid out as PostgreSQL does: an exponent below -4 and from `limit` on.
template <typename T>
std::string ShowReal(T value, int limit) {
  if (std::isinf(value)) return value < 0 ? "-Infinity" : "Infinity";
  if (std::isnan(value)) return "NaN";
  char buffer[64];
  const auto end =
      std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::scientific);
  const std::string_view text(buffer, static_cast<size_t>(end.ptr - buffer));
  const size_t e = text.find('e');
  int exponent = 0;
  const std::string_view exponent_text = text.substr(e + (text[e + 1] == '+' ? 2 : 1));
  std::from_chars(exponent_text.data(), exponent_text.data() + exponent_text.size(), exponent);
  std::string digits;
  const bool negative = text[0] == '-';
  for (const char c : text.substr(0, e)) {
    if (c >= '0' && c <= '9') digits.push_back(c);
  }
  std::string out = negative ? "-" : "";
  if (exponent < -4 || exponent >= limit) {
    out += digits[0];
    if (digits.size() > 1) out += "." + digits.substr(1);
    std::snprintf(buffer, sizeof buffer, "e%c%02d", exponent < 0 ? '-' : '+', std::abs(exponent));
    return out + buffer;
  }
  if (exponent < 0)
    return out + "0." + std::string(static_cast<size_t>(-exponent - 1), '0') + digits;
  const auto whole = static_cast<size_t>(exponent + 1);
  if (digits.size() <= whole) return out + digits + std::string(whole - digits.size(), '0');
  return out + digits.substr(0, whole) + "." + digits.substr(whole);
}

}  // namespace

std::string ShowDouble(double value) { return ShowReal(value, 15); }
std::string ShowFloat(double value) { return ShowReal(static_cast<float>(value), 6); }

Result<std::string> ShowValue(const SqlValue& value, Oid type, const absl::TimeZone& zone) {
  if (const Oid element = ElementOf(type); element != 0) {
    return JsonToArray(value.bytes, element, zone);
  }
  switch (type) {
    case oid::kBool:
      return value.integer != 0 ? "t" : "f";
    case oid::kInt2:
    case oid::kInt4:
    case oid::kInt8:
      return std::to_string(value.integer);
    case oid::kFloat4:
      return ShowFloat(value.kind == SqlValue::Kind::integer ? static_cast<double>(value.integer)
                                                             : value.real);
    case oid::kFloat8:
      return ShowDouble(value.kind == SqlValue::Kind::integer ? static_cast<double>(value.integer)
                                                              : value.real);
    case oid::kTime:
      return ShowTime(ReadTime(value.bytes).value);
    case oid::kTimestamp:
      return ShowTimestamp(ReadTimestamp(value.bytes).value);
    case oid::kTimestamptz:
      return ShowTimestamptz(ReadTimestamp(value.bytes).value, zone);
    case oid::kBytea: {
      std::string text = "\\x";
      for (const char c : value.bytes) {
        constexpr char kHex[] = "0123456789abcdef";
        text += {kHex[static_cast<unsigned char>(c) >> 4], kHex[c & 15]};
      }
      return text;
    }
    default:
      return value.bytes;
  }
}

std::string LiteralOf(const SqlValue& value) {
  switch (value.kind) {
    case SqlValue::Kind::null:
      return "NULL";
    case SqlValue::Kind::integer:
      // The smallest one has no literal of its own.
      if (value.integer == INT64_MIN) return "(-9223372036854775807-1)";
      return value.integer < 0 ? StrCat("(", value.integer, ")") : StrCat(value.integer);
    case SqlValue::Kind::real: {
      if (std::isinf(value.real)) return value.real < 0 ? "(-9e999)" : "9e999";
      // Through the exact bits: SQLite's own reading of decimals may be off by one.
      int exponent = 0;
      const double mantissa = std::frexp(value.real, &exponent);
      if (value.real == std::trunc(value.real) && std::fabs(value.real) < 1e15) {
        char text[64];
        std::snprintf(text, sizeof text, "(%.1f)", value.real);
        return text;
      }
      return StrCat("pg_ldexp(", static_cast<int64_t>(std::ldexp(mantissa, 53)), ",", exponent - 53,
                    ")");
    }
    case SqlValue::Kind::text: {
      if (value.bytes.find('\0') == std::string::npos) return Quoted(value.bytes, '\'');
      break;
    }
    case SqlValue::Kind::blob:
      break;
  }
  std::string hex = value.kind == SqlValue::Kind::text ? "CAST(x'" : "x'";
  for (const char c : value.bytes) {
    constexpr char kHex[] = "0123456789abcdef";
    hex += {kHex[static_cast<unsigned char>(c) >> 4], kHex[c & 15]};
  }
  return hex + (value.kind == SqlValue::Kind::text ? "' AS TEXT)" : "'");
}

std::string JsonQuoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    switch (c) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\b':
        out += "\\b";
        break;
      case '\f':
        out += "\\f";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\t':
        out += "\\t";
        break;
      default:
        if (static_cast<unsigned char>(c) < ' ') {
          char escape[8];
          std::snprintf(escape, sizeof escape, "\\u%04x", c);
          out += escape;
        } else {
          out += c;
        }
    }
  }
  return out + "\"";
}

}  // namespace pgparity::shadow::sqlite
