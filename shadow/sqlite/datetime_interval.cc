// Intervals: reading, printing, arithmetic. Source: DecodeInterval and EncodeInterval in
// datetime.c, interval_mul and interval_cmp in timestamp.c.
#include <charconv>
#include <cmath>
#include <cstdio>

#include "absl/numeric/int128.h"
#include "absl/strings/ascii.h"
#include "protocol/text.h"
#include "shadow/sqlite/datetime.h"
#include "shadow/words.h"

namespace pgparity::shadow::sqlite {
namespace {

using protocol::StrCat;

bool IsDigit(char c) { return absl::ascii_isdigit(static_cast<unsigned char>(c)); }

// A number "12", "-3", "1.5" in thousandths of thousandths: its value times 10^6.
bool ReadNumber(std::string_view* text, int64_t* millionths) {
  const bool negative = text->starts_with('-');
  if (negative || text->starts_with('+')) text->remove_prefix(1);
  int64_t value = 0;
  size_t n = 0;
  for (; n < text->size() && IsDigit((*text)[n]); ++n) {
    if (n > 11) return false;
    value = value * 10 + ((*text)[n] - '0');
  }
  value *= kSecondUs;
  size_t digits = n;
  if (n < text->size() && (*text)[n] == '.') {
    int64_t unit = kSecondUs;
    for (++n; n < text->size() && IsDigit((*text)[n]); ++n, ++digits) {
      unit /= 10;
      value += unit * ((*text)[n] - '0');
    }
  }
  if (digits == 0) return false;
  text->remove_prefix(n);
  *millionths = negative ? -value : value;
  return true;
}

bool IsUnit(std::string_view word, std::initializer_list<std::string_view> names) {
  for (std::string_view name : names) {
    if (SameWord(word, name)) return true;
  }
  return false;
}

// Adds `millionths` of a unit; fractions go down as PostgreSQL's AdjustFract* have them.
bool AddUnit(std::string_view unit, int64_t millionths, Interval* interval) {
  const int64_t whole = millionths / kSecondUs, rest = millionths % kSecondUs;
  auto add_days = [&](int64_t fraction_of_day) {  // in millionths
    interval->us += fraction_of_day * (kDayUs / kSecondUs);
  };
  if (IsUnit(unit, {"microsecond", "microseconds", "us", "usec", "usecs"})) {
    interval->us += whole;
    return rest == 0;
  }
  if (IsUnit(unit, {"millisecond", "milliseconds", "ms", "msec", "msecs"})) {
    interval->us += millionths / 1000;
    return millionths % 1000 == 0;
  }
  if (IsUnit(unit, {"s", "sec", "secs", "second", "seconds"})) {
    interval->us += millionths;
  } else if (IsUnit(unit, {"m", "min", "mins", "minute", "minutes"})) {
    interval->us += millionths * 60;
  } else if (IsUnit(unit, {"h", "hr", "hrs", "hour", "hours"})) {
    interval->us += millionths * 3600;
  } else if (IsUnit(unit, {"d", "day", "days"})) {
    interval->days += whole;
    add_days(rest);
  } else if (IsUnit(unit, {"w", "week", "weeks"})) {
    interval->days += whole * 7 + rest * 7 / kSecondUs;
    add_days(rest * 7 % kSecondUs);
  } else if (IsUnit(unit, {"mon", "mons", "month", "months"})) {
    interval->months += whole;
    interval->days += rest * 30 / kSecondUs;
    add_days(rest * 30 % kSecondUs);
  } else if (IsUnit(unit, {"y", "yr", "yrs", "year", "years"})) {
    interval->months += whole * 12 + rest * 12 / kSecondUs;
    return rest * 12 % kSecondUs == 0;
  } else {
    return false;
  }
  return true;
}

// "[-]HH:MM[:SS[.f]]", behind the number of hours that was read already.
bool AddClock(std::string_view text, Interval* interval) {
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  int64_t parts[3] = {0, 0, 0};
  for (int i = 0; i < 3; ++i) {
    if (text.empty() || !IsDigit(text[0])) return false;
    if (!ReadNumber(&text, &parts[i])) return false;
    if (i < 2 && parts[i] % kSecondUs != 0) return false;
    if (text.empty()) {
      if (i == 0) return false;
      break;
    }
    if (i == 2 || text[0] != ':') return false;
    text.remove_prefix(1);
  }
  const int64_t us = parts[0] * 3600 + parts[1] * 60 + parts[2];
  interval->us += negative ? -us : us;
  return true;
}

int64_t SpanOf(const Interval& i) { return (i.months * 30 + i.days); }

}  // namespace

ReadResult<Interval> ReadInterval(std::string_view text) {
  Interval interval;
  bool any = false;
  constexpr ReadError kUnknown = ReadError::unsupported;
  for (std::string_view word_and_rest = text;;) {
    while (!word_and_rest.empty() &&
           absl::ascii_isspace(static_cast<unsigned char>(word_and_rest[0])))
      word_and_rest.remove_prefix(1);
    if (word_and_rest.empty()) break;
    const size_t end = std::min(word_and_rest.find(' '), word_and_rest.size());
    const std::string_view word = word_and_rest.substr(0, end);
    if (word.find(':') != std::string_view::npos) {
      if (!AddClock(word, &interval)) return {{}, kUnknown};
      word_and_rest.remove_prefix(end);
      any = true;
      continue;
    }
    if (any && SameWord(word, "ago")) {
      word_and_rest.remove_prefix(end);
      if (!word_and_rest.empty()) return {{}, kUnknown};
      return {Negated(interval)};
    }
    int64_t millionths = 0;
    if (!ReadNumber(&word_and_rest, &millionths)) return {{}, kUnknown};
    if (word_and_rest.starts_with(' ')) word_and_rest.remove_prefix(1);
    const size_t unit_end = std::min(word_and_rest.find(' '), word_and_rest.size());
    const std::string_view unit = word_and_rest.substr(0, unit_end);
    if (unit.empty()) {
      // A bare number is seconds.
      if (any) return {{}, kUnknown};
      interval.us += millionths;
    } else if (!AddUnit(unit, millionths, &interval)) {
      return {{}, kUnknown};
    }
    any = true;
    word_and_rest.remove_prefix(unit_end);
  }
  if (!any) return {{}, ReadError::malformed};
  return {interval};
}

std::string StoredInterval(const Interval& interval) {
  std::string text;
  bool before_negative = false;
  auto add = [&](int64_t value, const char* unit) {
    if (value == 0) return;
    text += StrCat(text.empty() ? "" : " ", before_negative && value > 0 ? "+" : "", value, " ",
                   unit, value == 1 ? "" : "s");
    before_negative = value < 0;
  };
  add(interval.months / 12, "year");
  add(interval.months % 12, "mon");
  add(interval.days, "day");
  if (text.empty() || interval.us != 0) {
    const bool minus = interval.us < 0;
    const std::string_view sign = minus ? "-" : before_negative ? "+" : "";
    const uint64_t us =
        minus ? 0 - static_cast<uint64_t>(interval.us) : static_cast<uint64_t>(interval.us);
    char clock[48];
    std::snprintf(clock, sizeof clock, "%02lld:%02d:%02d",
                  static_cast<long long>(us / 3600 / 1000000),
                  static_cast<int>(us / 60 / 1000000 % 60), static_cast<int>(us / 1000000 % 60));
    text += StrCat(text.empty() ? "" : " ", sign, clock);
    if (us % 1000000 != 0) {
      std::snprintf(clock, sizeof clock, ".%06d", static_cast<int>(us % 1000000));
      text += clock;
      while (text.back() == '0') text.pop_back();
    }
  }
  return text;
}

Interval Negated(const Interval& i) { return {-i.months, -i.days, -i.us}; }

std::optional<Interval> AddIntervals(const Interval& a, const Interval& b) {
  Interval sum{a.months + b.months, a.days + b.days, 0};
  if (std::abs(sum.months) > INT32_MAX || std::abs(sum.days) > INT32_MAX ||
      __builtin_add_overflow(a.us, b.us, &sum.us)) {
    return std::nullopt;
  }
  return sum;
}

// interval_mul()
std::optional<Interval> Scaled(const Interval& interval, double factor) {
  const double months = static_cast<double>(interval.months) * factor;
  const double days = static_cast<double>(interval.days) * factor;
  if (std::isnan(months) || std::fabs(months) > INT32_MAX || std::isnan(days) ||
      std::fabs(days) > INT32_MAX) {
    return std::nullopt;
  }
  auto ts_round = [](double j) { return std::rint(j * 1e6) / 1e6; };
  Interval result{static_cast<int64_t>(months), static_cast<int64_t>(days), 0};
  double month_days = (months - static_cast<double>(result.months)) * 30;
  month_days = ts_round(month_days);
  const double whole_days = static_cast<double>(static_cast<int64_t>(month_days));
  double seconds = (days - static_cast<double>(result.days) + month_days - whole_days) * 86400;
  seconds = ts_round(seconds);
  if (std::fabs(seconds) >= 86400) {
    result.days += static_cast<int64_t>(seconds / 86400);
    seconds -= static_cast<double>(static_cast<int64_t>(seconds / 86400)) * 86400;
  }
  result.days += static_cast<int64_t>(whole_days);
  const double us = std::rint(static_cast<double>(interval.us) * factor + seconds * 1e6);
  if (std::isnan(us) || std::fabs(us) > 9.2e18) return std::nullopt;
  result.us = static_cast<int64_t>(us);
  return result;
}

int CompareIntervals(const Interval& a, const Interval& b) {
  const auto span = [](const Interval& i) { return absl::int128(SpanOf(i)) * kDayUs + i.us; };
  const absl::int128 x = span(a), y = span(b);
  return x < y ? -1 : x > y ? 1 : 0;
}

// AdjustIntervalForTypmod() of a precision alone.
Interval RoundInterval(Interval interval, int precision) {
  interval.us = RoundTime(interval.us, precision);
  return interval;
}

}  // namespace pgparity::shadow::sqlite
