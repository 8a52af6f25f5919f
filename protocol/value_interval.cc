// interval: binary, and text in all four IntervalStyles. Source: EncodeInterval in datetime.c.
#include <charconv>
#include <cstdio>
#include <vector>

#include "protocol/value_internal.h"
#include "protocol/wire.h"

namespace pgparity::protocol::value_internal {
namespace {

constexpr int64_t kSecond = 1'000'000;

struct Interval {
  int64_t months = 0, days = 0, microseconds = 0;

  bool Add(int64_t* field, int64_t amount, int64_t unit) {
    int64_t product = 0;
    return !__builtin_mul_overflow(amount, unit, &product) &&
           !__builtin_add_overflow(*field, product, field);
  }
  bool Negate() {
    return !__builtin_sub_overflow(int64_t{0}, months, &months) &&
           !__builtin_sub_overflow(int64_t{0}, days, &days) &&
           !__builtin_sub_overflow(int64_t{0}, microseconds, &microseconds);
  }
};

// "S", "S.f", "-S.ffffff" as microseconds.
bool ParseSeconds(std::string_view text, int64_t* microseconds) {
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  const size_t point = text.find('.');
  uint64_t seconds = 0;
  uint64_t fraction = 0;
  const std::string_view whole = text.substr(0, point);
  const auto [end, error] = std::from_chars(whole.data(), whole.data() + whole.size(), seconds);
  if (error != std::errc() || end != whole.data() + whole.size() || seconds > INT64_MAX / kSecond) {
    return false;
  }
  if (point != std::string_view::npos) {
    std::string_view digits = text.substr(point + 1);
    if (digits.empty() || digits.size() > 6) return false;
    for (size_t i = 0; i < 6; ++i) {
      const char c = i < digits.size() ? digits[i] : '0';
      if (c < '0' || c > '9') return false;
      fraction = fraction * 10 + static_cast<uint64_t>(c - '0');
    }
  }
  // The unsigned product holds: both parts lie below 2^63.
  const uint64_t magnitude = seconds * kSecond + fraction;
  if (magnitude > uint64_t{INT64_MAX} + (negative ? 1 : 0)) return false;
  *microseconds = static_cast<int64_t>(negative ? 0 - magnitude : magnitude);
  return true;
}

bool AddUnit(std::string_view unit, std::string_view number, Interval* interval) {
  int64_t amount = 0;
  if (unit.ends_with('s')) unit.remove_suffix(1);
  if (unit == "sec") {
    return ParseSeconds(number, &amount) && interval->Add(&interval->microseconds, amount, 1);
  }
  if (!ParseInt64(number, &amount)) return false;
  if (unit == "year") return interval->Add(&interval->months, amount, 12);
  if (unit == "mon") return interval->Add(&interval->months, amount, 1);
  if (unit == "day") return interval->Add(&interval->days, amount, 1);
  if (unit == "hour") return interval->Add(&interval->microseconds, amount, 3600 * kSecond);
  if (unit == "min") return interval->Add(&interval->microseconds, amount, 60 * kSecond);
  return false;
}

bool AddClock(std::string_view text, Interval* interval) {
  const std::optional<int64_t> clock = ParseClock(text);
  return clock.has_value() && interval->Add(&interval->microseconds, *clock, 1);
}

// postgres: "1 year -2 mons +3 days -04:05:06.7"; postgres_verbose: "@ 1 year 2 mons 7 secs ago".
bool FromWords(std::string_view text, Interval* interval) {
  const bool verbose = text.starts_with("@ ");
  if (verbose) text.remove_prefix(2);
  const bool ago = verbose && text.ends_with(" ago");
  if (ago) text.remove_suffix(4);
  if (verbose && text == "0") return true;
  const std::vector<std::string_view> words = SplitAtSpaces(text, 16);
  if (words.size() > 12) return false;
  for (size_t i = 0; i < words.size(); i += 2) {
    if (i + 1 == words.size()) {
      if (!AddClock(words[i], interval)) return false;
    } else if (!AddUnit(words[i + 1], words[i], interval)) {
      return false;
    }
  }
  return !ago || interval->Negate();
}

// "P1Y-2M3DT-4H5M6.7S"; zero is "PT0S".
bool FromIso(std::string_view text, Interval* interval) {
  text.remove_prefix(1);
  bool time = false;
  while (!text.empty()) {
    if (!time && text[0] == 'T') {
      time = true;
      text.remove_prefix(1);
      continue;
    }
    const size_t end = text.find_first_not_of("+-.0123456789");
    if (end == std::string_view::npos) return false;
    std::string_view unit;
    switch (text[end]) {
      case 'Y':
        unit = time ? "" : "year";
        break;
      case 'M':
        unit = time ? "min" : "mon";
        break;
      case 'D':
        unit = time ? "" : "day";
        break;
      case 'H':
        unit = time ? "hour" : "";
        break;
      case 'S':
        unit = time ? "sec" : "";
        break;
      default:
        return false;
    }
    if (!AddUnit(unit, text.substr(0, end), interval)) return false;
    text.remove_prefix(end + 1);
  }
  return true;
}

bool AddYearsAndMonths(std::string_view text, Interval* interval) {
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  const size_t dash = text.find('-');
  int64_t years = 0;
  int64_t months = 0;
  if (dash == std::string_view::npos || !ParseInt64(text.substr(0, dash), &years) ||
      !ParseInt64(text.substr(dash + 1), &months) || years < 0 || months < 0) {
    return false;
  }
  const int sign = negative ? -1 : 1;
  return interval->Add(&interval->months, years, 12 * sign) &&
         interval->Add(&interval->months, months, sign);
}

// sql_standard: "0", "1-2", "4:05:06", "3 4:05:06" (a leading sign holds for all), or, where signs
// or kinds mix, all three parts with a sign each: "+1-2 -3 +4:05:06". A lone time is also what the
// postgres style prints.
bool FromSqlStandard(std::string_view text, Interval* interval) {
  const std::vector<std::string_view> parts = SplitAtSpaces(text, 16);
  int64_t days = 0;
  switch (parts.size()) {
    case 1:
      if (text == "0") return true;
      if (text.find(':') != std::string_view::npos) return AddClock(text, interval);
      return AddYearsAndMonths(text, interval);
    case 2: {
      const bool negative = text[0] == '-';
      return parts[1].find_first_of("+-") == std::string_view::npos &&
             ParseInt64(parts[0], &days) &&
             interval->Add(&interval->days, days, negative ? -1 : 1) &&
             AddClock(parts[1], interval) && (!negative || interval->Negate());
    }
    case 3:
      return AddYearsAndMonths(parts[0], interval) && ParseInt64(parts[1], &days) &&
             interval->Add(&interval->days, days, 1) && AddClock(parts[2], interval);
    default:
      return false;
  }
}

bool FromText(std::string_view text, Interval* interval) {
  if (text.empty()) return false;
  if (text[0] == 'P') return FromIso(text, interval);
  if (text.find_first_of("@yrmonda") != std::string_view::npos) return FromWords(text, interval);
  return FromSqlStandard(text, interval);
}

}  // namespace

std::optional<int64_t> ParseClock(std::string_view text) {
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  const size_t first = text.find(':');
  if (first == std::string_view::npos) return std::nullopt;
  const size_t second = text.find(':', first + 1);
  if (second == std::string_view::npos || second != first + 3) return std::nullopt;
  int64_t hours = 0;
  int64_t minutes = 0;
  int64_t microseconds = 0;
  Interval total;
  const std::string_view seconds = text.substr(second + 1);
  if (text.substr(0, second).find_first_not_of("0123456789:") != std::string_view::npos ||
      seconds.find_first_not_of("0123456789.") != std::string_view::npos ||
      !ParseInt64(text.substr(0, first), &hours) ||
      !ParseInt64(text.substr(first + 1, 2), &minutes) || !ParseSeconds(seconds, &microseconds)) {
    return std::nullopt;
  }
  const int64_t sign = negative ? -1 : 1;
  if (!total.Add(&total.microseconds, hours, sign * 3600 * kSecond) ||
      !total.Add(&total.microseconds, minutes, sign * 60 * kSecond) ||
      !total.Add(&total.microseconds, microseconds, sign)) {
    return std::nullopt;
  }
  return total.microseconds;
}

void AppendClock(int64_t microseconds, std::string* out) {
  const uint64_t magnitude = microseconds < 0 ? 0 - static_cast<uint64_t>(microseconds)
                                              : static_cast<uint64_t>(microseconds);
  char text[48];
  snprintf(text, sizeof(text), "%s%02llu:%02llu:%02llu", microseconds < 0 ? "-" : "",
           static_cast<unsigned long long>(magnitude / (3600 * kSecond)),
           static_cast<unsigned long long>(magnitude / (60 * kSecond) % 60),
           static_cast<unsigned long long>(magnitude / kSecond % 60));
  out->append(text);
  if (magnitude % kSecond == 0) return;
  snprintf(text, sizeof(text), ".%06llu", static_cast<unsigned long long>(magnitude % kSecond));
  out->append(text);
  while (out->ends_with('0')) out->pop_back();
}

// interval_send: microseconds, days, months. All three at their limits is infinity, from
// version 17.
bool AppendInterval(std::string_view value, Format format, std::string* out) {
  Interval interval;
  if (format == Format::binary) {
    WireReader in(value);
    interval.microseconds = in.ReadInt64();
    interval.days = in.ReadInt32();
    interval.months = in.ReadInt32();
    if (!in.AtEnd()) return false;
    if (interval.microseconds == INT64_MAX && interval.days == INT32_MAX &&
        interval.months == INT32_MAX) {
      out->append("infinity");
      return true;
    }
    if (interval.microseconds == INT64_MIN && interval.days == INT32_MIN &&
        interval.months == INT32_MIN) {
      out->append("-infinity");
      return true;
    }
  } else if (value == "infinity" || value == "-infinity") {
    out->append(value);
    return true;
  } else if (!FromText(value, &interval)) {
    return false;
  }
  out->append(std::to_string(interval.months)).push_back(' ');
  out->append(std::to_string(interval.days)).push_back(' ');
  out->append(std::to_string(interval.microseconds));
  return true;
}

std::string DisplayInterval(std::string_view canonical) {
  const std::vector<std::string_view> parts = SplitAtSpaces(canonical, 4);
  int64_t months = 0;
  int64_t microseconds = 0;
  if (parts.size() != 3 || !ParseInt64(parts[0], &months) || !ParseInt64(parts[2], &microseconds)) {
    return std::string(canonical);
  }
  std::string result;
  if (months / 12 != 0) result += std::to_string(months / 12) + " years ";
  if (months % 12 != 0) result += std::to_string(months % 12) + " mons ";
  if (parts[1] != "0") result.append(parts[1]).append(" days ");
  AppendClock(microseconds, &result);
  return result;
}

}  // namespace pgparity::protocol::value_internal
