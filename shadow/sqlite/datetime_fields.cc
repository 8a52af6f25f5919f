// date_trunc, extract and to_char of dates and times. Source: timestamp.c, formatting.c.
#include <array>
#include <cmath>
#include <cstdio>

#include "protocol/text.h"
#include "shadow/sqlite/datetime.h"
#include "shadow/sqlite/decimal.h"
#include "shadow/words.h"

namespace pgparity::shadow::sqlite {
namespace {

using protocol::StrCat;

int64_t FloorDiv(int64_t a, int64_t b) { return a / b - (a % b < 0 ? 1 : 0); }

// 0 is Sunday.
int WeekDay(int64_t days) { return static_cast<int>(((days + 6) % 7 + 7) % 7); }

// The Monday of the first ISO week of a year.
int64_t FirstIsoWeek(int64_t year) {
  const int64_t fourth = DaysFromCivil(year, 1, 4);
  return fourth - (WeekDay(fourth) + 6) % 7;
}

int64_t IsoYear(int64_t days) {
  const int64_t year = CivilFromDays(days).year;
  if (days < FirstIsoWeek(year)) return year - 1;
  return days >= FirstIsoWeek(year + 1) ? year + 1 : year;
}

int64_t IsoWeek(int64_t days) { return (days - FirstIsoWeek(IsoYear(days))) / 7 + 1; }

std::string Scaled6(int64_t us, int scale) {
  // us / 10^6 with `scale` digits: exact.
  Decimal value = DivideToScale(Decimal::FromInteger(us < 0 ? -us : us),
                                Decimal::FromInteger(kSecondUs), scale, false);
  return (us < 0 ? value.Negated() : value).ToString();
}

std::string SingularField(std::string_view field) {
  std::string name = Lower(field);
  if (name == "decades" || name == "years" || name == "months" || name == "days" ||
      name == "hours" || name == "minutes" || name == "seconds" || name == "weeks" ||
      name == "quarters" || name == "milliseconds" || name == "microseconds") {
    if (name != "milliseconds" && name != "microseconds") name.pop_back();
  } else if (name == "millisecond" || name == "microsecond") {
    name += "s";
  }
  if (name == "centuries") name = "century";
  if (name == "millenniums" || name == "millennia") name = "millennium";
  return name;
}

constexpr std::array<const char*, 12> kMonths = {"January",   "February", "March",    "April",
                                                 "May",       "June",     "July",     "August",
                                                 "September", "October",  "November", "December"};
constexpr std::array<const char*, 7> kDays = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                              "Thursday", "Friday", "Saturday"};

}  // namespace

std::optional<int64_t> TruncateTimestamp(std::string_view given, int64_t local) {
  if (local == kInfinity || local == kMinusInfinity) return local;
  const std::string field = SingularField(given);
  const int64_t days = FloorDiv(local, kDayUs);
  const Civil civil = CivilFromDays(days);
  auto units = [&](int64_t unit) { return FloorDiv(local, unit) * unit; };
  if (field == "microseconds") return local;
  if (field == "milliseconds") return units(1000);
  if (field == "second") return units(kSecondUs);
  if (field == "minute") return units(60 * kSecondUs);
  if (field == "hour") return units(3600 * kSecondUs);
  if (field == "day") return days * kDayUs;
  if (field == "week") return (days - (WeekDay(days) + 6) % 7) * kDayUs;
  if (field == "month") return DaysFromCivil(civil.year, civil.month, 1) * kDayUs;
  if (field == "quarter") {
    return DaysFromCivil(civil.year, (civil.month - 1) / 3 * 3 + 1, 1) * kDayUs;
  }
  if (field == "year") return DaysFromCivil(civil.year, 1, 1) * kDayUs;
  if (civil.year <= 0) return std::nullopt;
  if (field == "decade") return DaysFromCivil(civil.year / 10 * 10, 1, 1) * kDayUs;
  if (field == "century") return DaysFromCivil((civil.year - 1) / 100 * 100 + 1, 1, 1) * kDayUs;
  if (field == "millennium") {
    return DaysFromCivil((civil.year - 1) / 1000 * 1000 + 1, 1, 1) * kDayUs;
  }
  return std::nullopt;
}

std::optional<Interval> TruncateInterval(std::string_view given, Interval i) {
  const std::string field = SingularField(given);
  auto cut = [&](int64_t unit) { i.us = i.us / unit * unit; };
  if (field == "microseconds") return i;
  if (field == "milliseconds") return cut(1000), i;
  if (field == "second") return cut(kSecondUs), i;
  if (field == "minute") return cut(60 * kSecondUs), i;
  if (field == "hour") return cut(3600 * kSecondUs), i;
  i.us = 0;
  if (field == "day") return i;
  i.days = 0;
  if (field == "month") return i;
  if (field == "quarter") return Interval{i.months / 3 * 3, 0, 0};
  if (field == "year") return Interval{i.months / 12 * 12, 0, 0};
  return std::nullopt;
}

namespace {

std::optional<std::string> ExtractClock(const std::string& field, int64_t clock) {
  if (field == "microseconds") return std::to_string(clock % (60 * kSecondUs));
  if (field == "milliseconds") {
    return DivideToScale(Decimal::FromInteger(clock % (60 * kSecondUs)), Decimal::FromInteger(1000),
                         3, false)
        .ToString();
  }
  if (field == "second") return Scaled6(clock % (60 * kSecondUs), 6);
  if (field == "minute") return std::to_string(clock / (60 * kSecondUs) % 60);
  if (field == "hour") return std::to_string(clock / (3600 * kSecondUs));
  return std::nullopt;
}

std::optional<std::string> ExtractDay(const std::string& field, int64_t days) {
  const Civil civil = CivilFromDays(days);
  if (field == "day") return std::to_string(civil.day);
  if (field == "month") return std::to_string(civil.month);
  if (field == "quarter") return std::to_string((civil.month - 1) / 3 + 1);
  if (field == "week") return std::to_string(IsoWeek(days));
  if (field == "dow") return std::to_string(WeekDay(days));
  if (field == "isodow") return std::to_string((WeekDay(days) + 6) % 7 + 1);
  if (field == "doy") return std::to_string(days - DaysFromCivil(civil.year, 1, 1) + 1);
  if (civil.year <= 0) return std::nullopt;
  if (field == "year") return std::to_string(civil.year);
  if (field == "isoyear") return std::to_string(IsoYear(days));
  if (field == "decade") return std::to_string(civil.year / 10);
  if (field == "century") return std::to_string((civil.year + 99) / 100);
  if (field == "millennium") return std::to_string((civil.year + 999) / 1000);
  return std::nullopt;
}

}  // namespace

std::optional<std::string> Extract(std::string_view given, char kind, int64_t local,
                                   int64_t instant, const absl::TimeZone& zone) {
  const std::string field = SingularField(given);
  if (local == kInfinity || local == kMinusInfinity) return std::nullopt;
  if (kind == 'c') {
    if (field == "epoch") return Scaled6(local, 6);
    return ExtractClock(field, local);
  }
  const int64_t days = FloorDiv(local, kDayUs);
  if (field == "epoch") {
    constexpr int64_t kEpochUs = 946'684'800 * kSecondUs;
    if (kind == 'd') return std::to_string(days * 86400 + 946'684'800);
    return Scaled6((kind == 'z' ? instant : local) + kEpochUs, 6);
  }
  if (kind == 'z' && field.starts_with("timezone")) {
    const int64_t seconds = (ToLocal(instant, zone) - instant) / kSecondUs;
    if (field == "timezone") return std::to_string(seconds);
    if (field == "timezone_hour") return std::to_string(seconds / 3600);
    if (field == "timezone_minute") return std::to_string(seconds / 60 % 60);
  }
  if (kind != 'd') {
    if (auto clock = ExtractClock(field, local - days * kDayUs)) return clock;
  }
  return ExtractDay(field, days);
}

std::optional<std::string> ExtractInterval(std::string_view given, const Interval& i) {
  const std::string field = SingularField(given);
  if (field == "epoch") {
    // Years have 365.25 days here, months 30.
    const Decimal days =
        Add(Multiply(Decimal::FromInteger(i.months / 12), *Decimal::Parse("365.25")),
            Decimal::FromInteger(i.months % 12 * 30 + i.days));
    return Add(Multiply(days, Decimal::FromInteger(86400)), *Decimal::Parse(Scaled6(i.us, 6)))
        .Rounded(6)
        .ToString();
  }
  if (field == "day") return std::to_string(i.days);
  if (field == "month") return std::to_string(i.months % 12);
  if (field == "year") return std::to_string(i.months / 12);
  if (field == "quarter") return std::to_string(i.months % 12 / 3 + 1);
  return ExtractClock(field, i.us);
}

namespace {

std::string Number(int64_t value, int width, bool fill) {
  char text[32];
  std::snprintf(text, sizeof text, "%0*d", fill ? width : 0, static_cast<int>(value));
  return text;
}

std::string Cased(std::string text, std::string_view pattern) {
  if (pattern == Lower(pattern)) return Lower(text);
  const bool all_upper = pattern.size() > 1 && pattern[1] >= 'A' && pattern[1] <= 'Z';
  if (all_upper) {
    for (char& c : text) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
  }
  return text;
}

std::string Padded(std::string text, bool fill) {
  if (fill) text.resize(std::max<size_t>(text.size(), 9), ' ');
  return text;
}

}  // namespace

std::optional<std::string> FormatTimestamp(int64_t local, std::string_view format) {
  if (local == kInfinity || local == kMinusInfinity) return std::nullopt;
  const int64_t days = FloorDiv(local, kDayUs), clock = local - days * kDayUs;
  const Civil civil = CivilFromDays(days);
  if (civil.year <= 0) return std::nullopt;
  const int64_t hour = clock / (3600 * kSecondUs), us = clock % kSecondUs;
  const std::string month = kMonths[static_cast<size_t>(civil.month - 1)];
  const std::string day = kDays[static_cast<size_t>(WeekDay(days))];
  bool fill = true;
  std::string out;
  auto take = [&](std::string_view pattern) {
    if (!format.starts_with(pattern)) return false;
    format.remove_prefix(pattern.size());
    return true;
  };
  auto take_any = [&](std::string_view pattern) {  // numbers' patterns come in either case
    if (format.size() < pattern.size() || !SameWord(format.substr(0, pattern.size()), pattern))
      return false;
    format.remove_prefix(pattern.size());
    return true;
  };
  while (!format.empty()) {
    if (take("\"")) {
      const size_t end = format.find('"');
      if (end == std::string_view::npos) return std::nullopt;
      out += format.substr(0, end);
      format.remove_prefix(end + 1);
      continue;
    }
    if (take("FM")) {
      fill = false;
      continue;
    }
    const size_t before = out.size();
    const std::string_view at = format;
    if (take_any("HH24"))
      out += Number(hour, 2, fill);
    else if (take_any("HH12") || take_any("HH"))
      out += Number((hour + 11) % 12 + 1, 2, fill);
    else if (take_any("MI"))
      out += Number(clock / (60 * kSecondUs) % 60, 2, fill);
    else if (take_any("SSSS"))
      return std::nullopt;
    else if (take_any("SS"))
      out += Number(clock / kSecondUs % 60, 2, fill);
    else if (take_any("MS"))
      out += Number(us / 1000, 3, true);
    else if (take_any("US"))
      out += Number(us, 6, true);
    else if (take("AM") || take("PM"))
      out += hour >= 12 ? "PM" : "AM";
    else if (take("am") || take("pm"))
      out += hour >= 12 ? "pm" : "am";
    else if (take_any("YYYY"))
      out += Number(civil.year, 4, fill);
    else if (take_any("YYY"))
      out += Number(civil.year % 1000, 3, fill);
    else if (take_any("YY"))
      out += Number(civil.year % 100, 2, fill);
    else if (take_any("IYYY"))
      out += Number(IsoYear(days), 4, fill);
    else if (take_any("IW"))
      out += Number(IsoWeek(days), 2, fill);
    else if (take_any("MONTH"))
      out += Padded(Cased(month, at.substr(0, 5)), fill);
    else if (take_any("MON"))
      out += Cased(month.substr(0, 3), at.substr(0, 3));
    else if (take_any("MM"))
      out += Number(civil.month, 2, fill);
    else if (take_any("DDD"))
      out += Number(days - DaysFromCivil(civil.year, 1, 1) + 1, 3, fill);
    else if (take_any("DAY"))
      out += Padded(Cased(day, at.substr(0, 3)), fill);
    else if (take_any("DY"))
      out += Cased(day.substr(0, 3), at.substr(0, 2));
    else if (take_any("DD"))
      out += Number(civil.day, 2, fill);
    else if (take_any("ID"))
      out += Number((WeekDay(days) + 6) % 7 + 1, 1, fill);
    else if (take("Q"))
      out += Number((civil.month - 1) / 3 + 1, 1, fill);
    if (out.size() != before) {
      fill = true;
      continue;
    }
    const char c = format.front();
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '\\';
    // "T" between a date and a time stands for itself, as letters that begin no pattern do.
    if (letter && c != 'T') return std::nullopt;
    if (c == 'T' &&
        (format.starts_with("TM") || format.starts_with("TZ") || format.starts_with("TH")))
      return std::nullopt;
    out += c;
    format.remove_prefix(1);
  }
  return out;
}

}  // namespace pgparity::shadow::sqlite
