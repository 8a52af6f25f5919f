// date, time, timetz, timestamp and timestamptz: binary, and text in every DateStyle.
// Source: EncodeDateOnly, EncodeTimeOnly, EncodeDateTime and EncodeSpecial* in datetime.c.
#include <array>
#include <charconv>
#include <cstdio>

#include "protocol/value_internal.h"
#include "protocol/wire.h"

namespace pgparity::protocol::value_internal {
namespace {

constexpr int64_t kSecond = 1'000'000;

// Days since 2000-01-01 in the proleptic Gregorian calendar; year 0 is 1 BC.
int64_t DaysFromCivil(int64_t year, int month, int day) {
  year -= month <= 2 ? 1 : 0;
  const int64_t era = (year >= 0 ? year : year - 399) / 400;
  const int64_t year_of_era = year - era * 400;
  const int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
  const int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
  return era * 146'097 + day_of_era - 730'425;
}

struct Civil {
  int64_t year;
  int month, day;
};

Civil CivilFromDays(int64_t days) {
  days += 730'425;
  const int64_t era = (days >= 0 ? days : days - 146'096) / 146'097;
  const int64_t day_of_era = days - era * 146'097;
  const int64_t year_of_era =
      (day_of_era - day_of_era / 1460 + day_of_era / 36'524 - day_of_era / 146'096) / 365;
  const int64_t day_of_year =
      day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const auto shifted = static_cast<int>((5 * day_of_year + 2) / 153);
  const auto day = static_cast<int>(day_of_year - (153 * shifted + 2) / 5 + 1);
  const int month = shifted < 10 ? shifted + 3 : shifted - 9;
  return {year_of_era + era * 400 + (month <= 2 ? 1 : 0), month, day};
}

// Walks a text; every step says whether it was as expected.
class Cursor {
 public:
  explicit Cursor(std::string_view text) : rest_(text) {}

  bool Take(char c) {
    if (!rest_.starts_with(c)) return false;
    rest_.remove_prefix(1);
    return true;
  }
  bool Take(std::string_view word) {
    if (!rest_.starts_with(word)) return false;
    rest_.remove_prefix(word.size());
    return true;
  }
  // Up to, and without, the next `c` or the end.
  std::string_view Until(char c) {
    const std::string_view result = rest_.substr(0, rest_.find(c));
    rest_.remove_prefix(result.size());
    return result;
  }
  bool Digits(size_t min, size_t max, int64_t* value) {
    size_t n = 0;
    *value = 0;
    while (n < max && n < rest_.size() && rest_[n] >= '0' && rest_[n] <= '9') {
      *value = *value * 10 + (rest_[n++] - '0');
    }
    rest_.remove_prefix(n);
    return n >= min;
  }
  std::string_view rest() const { return rest_; }
  bool done() const { return rest_.empty(); }

 private:
  std::string_view rest_;
};

bool MakeDays(int64_t year, int64_t month, int64_t day, int64_t* days) {
  if (month < 1 || month > 12 || day < 1 || day > 31) return false;
  *days = DaysFromCivil(year, static_cast<int>(month), static_cast<int>(day));
  return true;
}

// The parts of a date as written; the year counts from 1 in its era.
struct WrittenDate {
  int64_t year = 0, month = 0, day = 0;
  // Every DateStyle puts BC at the very end of the value.
  bool Days(bool bc, int64_t* days) const {
    return year >= 1 && MakeDays(bc ? 1 - year : year, month, day, days);
  }
};

// YYYY-MM-DD whatever the style (the year has at least four digits, which no other style begins
// with); else MM/DD/YYYY (SQL), DD.MM.YYYY (German), MM-DD-YYYY (Postgres), the first with DMY also
// day first.
bool TakeDate(Cursor* in, const TextSettings& settings, WrittenDate* date) {
  int64_t first = 0;
  const size_t before = in->rest().size();
  if (!in->Digits(2, 7, &first)) return false;
  if (before - in->rest().size() >= 4) {
    date->year = first;
    return in->Take('-') && in->Digits(2, 2, &date->month) && in->Take('-') &&
           in->Digits(2, 2, &date->day);
  }
  int64_t second = 0;
  const char separator = in->rest().empty() ? '\0' : in->rest()[0];
  if (separator != '/' && separator != '.' && separator != '-') return false;
  const bool day_first = separator == '.' || ContainsIgnoringCase(settings.date_style, "dmy");
  if (!in->Take(separator) || !in->Digits(2, 2, &second) || !in->Take(separator) ||
      !in->Digits(4, 7, &date->year)) {
    return false;
  }
  date->month = day_first ? second : first;
  date->day = day_first ? first : second;
  return true;
}

// HH:MM:SS[.ffffff], up to 24:00:00.
bool TakeTime(Cursor* in, int64_t* microseconds) {
  int64_t hours = 0;
  int64_t minutes = 0;
  int64_t seconds = 0;
  int64_t fraction = 0;
  if (!in->Digits(2, 2, &hours) || !in->Take(':') || !in->Digits(2, 2, &minutes) ||
      !in->Take(':') || !in->Digits(2, 2, &seconds) || minutes > 59 || seconds > 59) {
    return false;
  }
  if (in->Take('.')) {
    const size_t before = in->rest().size();
    if (!in->Digits(1, 6, &fraction)) return false;
    for (size_t n = before - in->rest().size(); n < 6; ++n) fraction *= 10;
  }
  *microseconds = ((hours * 60 + minutes) * 60 + seconds) * kSecond + fraction;
  return *microseconds <= kMicrosecondsPerDay;
}

// [-+]HH[:MM[:SS]], as seconds east of UTC.
bool TakeOffset(Cursor* in, int64_t* seconds_east) {
  const bool west = in->Take('-');
  if (!west && !in->Take('+')) return false;
  int64_t hours = 0;
  int64_t minutes = 0;
  int64_t seconds = 0;
  if (!in->Digits(2, 3, &hours)) return false;
  if (in->Take(':') && !in->Digits(2, 2, &minutes)) return false;
  if (in->Take(':') && !in->Digits(2, 2, &seconds)) return false;
  *seconds_east = ((hours * 60 + minutes) * 60 + seconds) * (west ? -1 : 1);
  return true;
}

int MonthByName(std::string_view name) {
  constexpr std::array<std::string_view, 12> kNames = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  for (size_t i = 0; i < kNames.size(); ++i) {
    if (kNames[i] == name) return static_cast<int>(i) + 1;
  }
  return 0;
}

// DateStyle Postgres: "Wed Jan 31 12:34:56.789 2024", with DMY "Wed 31 Jan ...".
bool TakeNamedTimestamp(Cursor* in, WrittenDate* date, int64_t* time) {
  in->Until(' ');
  if (!in->Take(' ')) return false;
  const bool day_first = in->Digits(1, 2, &date->day);
  if (day_first && !in->Take(' ')) return false;
  date->month = MonthByName(in->Until(' '));
  if (date->month == 0 || !in->Take(' ')) return false;
  if (!day_first && !(in->Digits(1, 2, &date->day) && in->Take(' '))) return false;
  return TakeTime(in, time) && in->Take(' ') && in->Digits(4, 7, &date->year);
}

// The zone behind a timestamptz in text. Abbreviations do not say their offset ("IST" has three),
// but for UTC where the session's zone is UTC itself.
Outcome TakeZone(Cursor* in, const TextSettings& settings, int64_t* seconds_east) {
  in->Take(' ');
  if (in->rest().starts_with('+') || in->rest().starts_with('-')) {
    return TypedIf(TakeOffset(in, seconds_east));
  }
  const std::string_view name = in->Until(' ');
  if (name.empty()) return Outcome::malformed;
  if (name != "UTC" && name != "GMT") return Outcome::untyped;
  *seconds_east = 0;
  for (const std::string_view zone : {"UTC", "GMT", "Etc/UTC", "Etc/GMT", "Zulu", "Universal"}) {
    if (settings.time_zone == zone) return Outcome::typed;
  }
  return Outcome::untyped;
}

Outcome TimestampFromText(std::string_view text, bool zoned, const TextSettings& settings,
                          int64_t* microseconds) {
  Cursor in(text);
  WrittenDate date;
  int64_t time = 0;
  int64_t seconds_east = 0;
  const bool named = !text.empty() && (text[0] < '0' || text[0] > '9');
  if (named ? !TakeNamedTimestamp(&in, &date, &time)
            : !(TakeDate(&in, settings, &date) && (in.Take(' ') || in.Take('T')) &&
                TakeTime(&in, &time))) {
    return Outcome::malformed;
  }
  if (zoned) {
    const Outcome zone = TakeZone(&in, settings, &seconds_east);
    if (zone != Outcome::typed) return zone;
  }
  int64_t days = 0;
  const bool bc = in.Take(" BC");
  if (!in.done() || !date.Days(bc, &days)) return Outcome::malformed;
  if (__builtin_mul_overflow(days, kMicrosecondsPerDay, microseconds) ||
      __builtin_add_overflow(*microseconds, time - seconds_east * kSecond, microseconds)) {
    return Outcome::malformed;
  }
  return Outcome::typed;
}

void AppendInt(int64_t value, std::string* out) {
  char buffer[24];
  out->append(buffer, std::to_chars(buffer, buffer + sizeof(buffer), value).ptr);
}

Outcome AppendTimestamp(std::string_view value, bool zoned, Format format,
                        const TextSettings& settings, std::string* out) {
  int64_t microseconds = 0;
  if (format == Format::binary) {
    WireReader in(value);
    microseconds = in.ReadInt64();
    if (!in.AtEnd()) return Outcome::malformed;
    if (microseconds == INT64_MAX || microseconds == INT64_MIN) {
      out->append(microseconds > 0 ? "infinity" : "-infinity");
      return Outcome::typed;
    }
  } else if (value == "infinity" || value == "-infinity") {
    out->append(value);
    return Outcome::typed;
  } else {
    const Outcome outcome = TimestampFromText(value, zoned, settings, &microseconds);
    if (outcome != Outcome::typed) return outcome;
  }
  AppendInt(microseconds, out);
  return Outcome::typed;
}

bool AppendDate(std::string_view value, Format format, const TextSettings& settings,
                std::string* out) {
  int64_t days = 0;
  if (format == Format::binary) {
    WireReader in(value);
    days = in.ReadInt32();
    if (!in.AtEnd()) return false;
    if (days == INT32_MAX || days == INT32_MIN) {
      out->append(days > 0 ? "infinity" : "-infinity");
      return true;
    }
  } else if (value == "infinity" || value == "-infinity") {
    out->append(value);
    return true;
  } else {
    Cursor in(value);
    WrittenDate date;
    if (!TakeDate(&in, settings, &date)) return false;
    const bool bc = in.Take(" BC");
    if (!in.done() || !date.Days(bc, &days)) return false;
  }
  AppendInt(days, out);
  return true;
}

// timetz: the local time and the seconds west of UTC; both count, as both are printed.
bool AppendTime(std::string_view value, bool zoned, Format format, std::string* out) {
  int64_t time = 0;
  int64_t west = 0;
  if (format == Format::binary) {
    WireReader in(value);
    time = in.ReadInt64();
    if (zoned) west = in.ReadInt32();
    if (!in.AtEnd() || time < 0 || time > kMicrosecondsPerDay) return false;
  } else {
    Cursor in(value);
    if (!TakeTime(&in, &time) || (zoned && !TakeOffset(&in, &west)) || !in.done()) return false;
    west = -west;
  }
  AppendInt(time, out);
  if (zoned) {
    out->push_back(' ');
    AppendInt(west, out);
  }
  return true;
}

std::string DisplayDate(int64_t days) {
  const Civil civil = CivilFromDays(days);
  char text[48];
  snprintf(text, sizeof(text), "%04lld-%02d-%02d%s",
           static_cast<long long>(civil.year > 0 ? civil.year : 1 - civil.year), civil.month,
           civil.day, civil.year > 0 ? "" : " BC");
  return text;
}

}  // namespace

Outcome AppendDateTime(std::string_view value, uint32_t type_oid, Format format,
                       const TextSettings& settings, std::string* out) {
  switch (type_oid) {
    case oid::kDate:
      return TypedIf(AppendDate(value, format, settings, out));
    case oid::kTime:
    case oid::kTimetz:
      return TypedIf(AppendTime(value, type_oid == oid::kTimetz, format, out));
    default:
      return AppendTimestamp(value, type_oid == oid::kTimestamptz, format, settings, out);
  }
}

std::string DisplayDateTime(std::string_view canonical, uint32_t type_oid) {
  int64_t value = 0;
  const std::string_view number = canonical.substr(0, canonical.find(' '));
  if (!ParseInt64(number, &value)) return std::string(canonical);
  if (type_oid == oid::kDate) return DisplayDate(value);
  if (type_oid == oid::kTime || type_oid == oid::kTimetz) {
    std::string result;
    AppendClock(value, &result);
    int64_t west = 0;
    if (type_oid == oid::kTime || number.size() == canonical.size() ||
        !ParseInt64(canonical.substr(number.size() + 1), &west)) {
      return result;
    }
    result.push_back(west > 0 ? '-' : '+');
    std::string offset;
    AppendClock((west > 0 ? west : -west) * kSecond, &offset);
    return result + offset;
  }
  int64_t days = value / kMicrosecondsPerDay;
  int64_t time = value % kMicrosecondsPerDay;
  if (time < 0) {
    time += kMicrosecondsPerDay;
    --days;
  }
  // BC stays last, as the server has it.
  std::string date = DisplayDate(days);
  const bool bc = date.ends_with(" BC");
  if (bc) date.resize(date.size() - 3);
  date.push_back(' ');
  AppendClock(time, &date);
  if (type_oid == oid::kTimestamptz) date += "+00";
  return bc ? date + " BC" : date;
}

}  // namespace pgparity::protocol::value_internal
