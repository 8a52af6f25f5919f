#include "shadow/sqlite/datetime.h"

#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>

#include "absl/strings/ascii.h"
#include "absl/time/civil_time.h"
#include "protocol/text.h"
#include "shadow/words.h"

namespace pgparity::shadow::sqlite {
namespace {

// Of the file's texts.
constexpr int64_t kMinYear = 1, kMaxYear = 9999;
// 2000-01-01 in seconds since 1970.
constexpr int64_t kEpochSeconds = 946'684'800;

int64_t FloorDiv(int64_t a, int64_t b) { return a / b - (a % b < 0 ? 1 : 0); }

std::string_view Stripped(std::string_view text) {
  constexpr std::string_view kBlank = " \t\n\v\f\r";
  const size_t first = text.find_first_not_of(kBlank);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlank) - first + 1);
}

// Walks a text.
class Reader {
 public:
  explicit Reader(std::string_view text) : rest_(text) {}
  bool done() const { return rest_.empty(); }
  char peek() const { return rest_.empty() ? '\0' : rest_.front(); }
  bool Take(char c) {
    if (peek() != c || rest_.empty()) return false;
    rest_.remove_prefix(1);
    return true;
  }
  // Between `least` and `most` digits.
  std::optional<int64_t> Digits(size_t least, size_t most) {
    size_t n = 0;
    int64_t value = 0;
    while (n < most && n < rest_.size() &&
           absl::ascii_isdigit(static_cast<unsigned char>(rest_[n]))) {
      value = value * 10 + (rest_[n++] - '0');
    }
    if (n < least) return std::nullopt;
    rest_.remove_prefix(n);
    return value;
  }
  // ".ffffff" in microseconds, rounded; 0 where none stands.
  int64_t Fraction() {
    if (!Take('.')) return 0;
    int64_t value = 0, unit = kSecondUs;
    bool up = false;
    for (int n = 0; absl::ascii_isdigit(static_cast<unsigned char>(peek())); ++n) {
      const int digit = rest_.front() - '0';
      rest_.remove_prefix(1);
      if (n < 6) value += digit * (unit /= 10);
      if (n == 6) up = digit >= 5;
    }
    return value + (up ? 1 : 0);
  }
  std::string_view rest() const { return rest_; }
  void Skip(size_t n) { rest_.remove_prefix(n); }

 private:
  std::string_view rest_;
};

struct Clock {
  int64_t us = 0;
  bool given = false;
};

// "HH:MM[:SS[.f]]"
ReadResult<int64_t> ReadClock(Reader* in) {
  const auto hour = in->Digits(1, 2);
  if (!hour || !in->Take(':')) return {0, ReadError::unsupported};
  const auto minute = in->Digits(2, 2);
  if (!minute) return {0, ReadError::unsupported};
  int64_t second = 0, fraction = 0;
  if (in->Take(':')) {
    const auto digits = in->Digits(2, 2);
    if (!digits) return {0, ReadError::unsupported};
    second = *digits;
    fraction = in->Fraction();
  }
  const int64_t us = ((*hour * 60 + *minute) * 60 + second) * kSecondUs + fraction;
  if (*hour > 24 || *minute > 59 || second > 60 || us > kDayUs) return {0, ReadError::overflow};
  return {us};
}

// "Z", "+02", "-03:30", "+0530", "+02:30:00"; or a name in `zone_name`.
bool ReadOffset(Reader* in, int64_t* seconds) {
  if (in->Take('Z') || in->Take('z')) {
    *seconds = 0;
    return true;
  }
  const bool west = in->peek() == '-';
  if (!in->Take('+') && !in->Take('-')) return false;
  const auto hours = in->Digits(1, 2);
  if (!hours) return false;
  in->Take(':');
  const auto minutes = in->Digits(0, 2);
  int64_t rest = 0;
  if (in->Take(':')) rest = in->Digits(2, 2).value_or(0);
  *seconds = (*hours * 60 + minutes.value_or(0)) * 60 + rest;
  if (west) *seconds = -*seconds;
  return *hours <= 15 && minutes.value_or(0) < 60;
}

struct DateTime {
  int64_t days = 0, us = 0;
  std::optional<int64_t> offset;  // seconds east
};

ReadResult<int64_t> ReadDay(Reader* in) {
  const auto year = in->Digits(4, 6);
  if (!year || !in->Take('-')) return {0, ReadError::unsupported};
  const auto month = in->Digits(1, 2);
  if (!month || !in->Take('-')) return {0, ReadError::unsupported};
  const auto day = in->Digits(1, 2);
  if (!day) return {0, ReadError::unsupported};
  if (*year == 0 || *month < 1 || *month > 12 || *day < 1 ||
      *day > DaysInMonth(*year, static_cast<int>(*month))) {
    return {0, ReadError::overflow};
  }
  return {DaysFromCivil(*year, static_cast<int>(*month), static_cast<int>(*day))};
}

ReadResult<DateTime> ReadDateTime(std::string_view text) {
  Reader in(text);
  DateTime value;
  const ReadResult<int64_t> day = ReadDay(&in);
  if (day.error != ReadError::none) return {value, day.error};
  value.days = day.value;
  if (in.Take('T') || in.Take('t') || in.peek() == ' ') {
    while (in.Take(' ')) {
    }
    const ReadResult<int64_t> clock = ReadClock(&in);
    if (clock.error != ReadError::none) return {value, clock.error};
    value.us = clock.value;
    while (in.Take(' ')) {
    }
    if (!in.done()) {
      int64_t offset = 0;
      if (!ReadOffset(&in, &offset)) return {value, ReadError::unsupported};
      value.offset = offset;
    }
  }
  if (!in.done()) return {value, ReadError::unsupported};
  return {value};
}

std::optional<int64_t> ReadInfinity(std::string_view text) {
  if (SameWord(text, "infinity") || SameWord(text, "+infinity")) return kInfinity;
  if (SameWord(text, "-infinity")) return kMinusInfinity;
  return std::nullopt;
}

// An empty text, or one that no reading of PostgreSQL's makes a date.
ReadError ErrorOf(std::string_view text, ReadError error) {
  return text.empty() ? ReadError::malformed : error;
}

}  // namespace

// --------------------------------------------------------------------------------- calendar

int64_t DaysFromCivil(int64_t year, int month, int day) {
  year -= month <= 2 ? 1 : 0;
  const int64_t era = FloorDiv(year, 400);
  const int64_t year_of_era = year - era * 400;
  const int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
  const int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
  return era * 146'097 + day_of_era - 730'425;
}

Civil CivilFromDays(int64_t days) {
  days += 730'425;
  const int64_t era = FloorDiv(days, 146'097);
  const int64_t day_of_era = days - era * 146'097;
  const int64_t year_of_era =
      (day_of_era - day_of_era / 1460 + day_of_era / 36'524 - day_of_era / 146'096) / 365;
  const int64_t day_of_year =
      day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const auto shifted = static_cast<int>((5 * day_of_year + 2) / 153);
  const int month = shifted < 10 ? shifted + 3 : shifted - 9;
  return {year_of_era + era * 400 + (month <= 2 ? 1 : 0), month,
          static_cast<int>(day_of_year - (153 * shifted + 2) / 5 + 1)};
}

int DaysInMonth(int64_t year, int month) {
  static constexpr std::array<int, 12> kDays = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  const bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
  return month == 2 && leap ? 29 : kDays[static_cast<size_t>(month - 1)];
}

// ----------------------------------------------------------------------------------- zones

int64_t ToLocal(int64_t instant, const absl::TimeZone& zone) {
  if (instant == kInfinity || instant == kMinusInfinity) return instant;
  const absl::Time time = absl::FromUnixSeconds(kEpochSeconds + FloorDiv(instant, kSecondUs));
  return instant + zone.At(time).offset * kSecondUs;
}

int64_t FromLocal(int64_t local, const absl::TimeZone& zone) {
  if (local == kInfinity || local == kMinusInfinity) return local;
  const int64_t days = FloorDiv(local, kDayUs);
  const Civil civil = CivilFromDays(days);
  const int64_t seconds = FloorDiv(local - days * kDayUs, kSecondUs);
  const absl::CivilSecond clock(civil.year, civil.month, civil.day, 0, 0, seconds);
  const absl::TimeZone::TimeInfo info = zone.At(clock);
  const absl::Time time = info.kind == absl::TimeZone::TimeInfo::REPEATED ? info.post : info.pre;
  const int64_t fraction = local - FloorDiv(local, kSecondUs) * kSecondUs;
  return (absl::ToUnixSeconds(time) - kEpochSeconds) * kSecondUs + fraction;
}

std::optional<absl::TimeZone> FindZone(std::string_view name) {
  for (std::string_view utc : {"utc", "gmt", "etc/utc", "z", "zulu", "etc/gmt", "uct"}) {
    if (SameWord(name, utc)) return absl::UTCTimeZone();
  }
  absl::TimeZone zone;
  // Names of regions alone: abbreviations and offsets have rules of their own.
  if (name.find('/') == std::string_view::npos || name.starts_with('/') ||
      name.find("..") != std::string_view::npos ||
      !absl::LoadTimeZone(protocol::ToAbsl(name), &zone)) {
    return std::nullopt;
  }
  return zone;
}

// ----------------------------------------------------------------------------------- reading

ReadResult<int64_t> ReadDate(std::string_view text) {
  text = Stripped(text);
  if (const auto infinity = ReadInfinity(text)) return {*infinity};
  const ReadResult<DateTime> read = ReadDateTime(text);
  return {read.value.days, ErrorOf(text, read.error)};
}

ReadResult<int64_t> ReadTime(std::string_view text) {
  text = Stripped(text);
  Reader in(text);
  ReadResult<int64_t> clock = ReadClock(&in);
  if (clock.error == ReadError::none && !in.done()) clock.error = ReadError::unsupported;
  clock.error = ErrorOf(text, clock.error);
  return clock;
}

ReadResult<int64_t> ReadTimestamp(std::string_view text) {
  text = Stripped(text);
  if (const auto infinity = ReadInfinity(text)) return {*infinity};
  const ReadResult<DateTime> read = ReadDateTime(text);
  return {read.value.days * kDayUs + read.value.us, ErrorOf(text, read.error)};
}

ReadResult<int64_t> ReadTimestamptz(std::string_view text, const absl::TimeZone& zone) {
  text = Stripped(text);
  if (const auto infinity = ReadInfinity(text)) return {*infinity};
  const ReadResult<DateTime> read = ReadDateTime(text);
  if (read.error != ReadError::none) return {0, ErrorOf(text, read.error)};
  const int64_t local = read.value.days * kDayUs + read.value.us;
  if (read.value.offset) return {local - *read.value.offset * kSecondUs};
  return {FromLocal(local, zone)};
}

// ----------------------------------------------------------------------------------- writing

std::optional<std::string> StoredDate(int64_t days) {
  if (days == kInfinity) return "infinity";
  if (days == kMinusInfinity) return "-infinity";
  const Civil civil = CivilFromDays(days);
  if (civil.year < kMinYear || civil.year > kMaxYear) return std::nullopt;
  char text[32];
  std::snprintf(text, sizeof text, "%04d-%02d-%02d", static_cast<int>(civil.year), civil.month,
                civil.day);
  return text;
}

std::optional<std::string> StoredTime(int64_t us) {
  char text[32];
  const int64_t seconds = us / kSecondUs;
  std::snprintf(text, sizeof text, "%02d:%02d:%02d.%06d", static_cast<int>(seconds / 3600),
                static_cast<int>(seconds / 60 % 60), static_cast<int>(seconds % 60),
                static_cast<int>(us % kSecondUs));
  return text;
}

std::optional<std::string> StoredTimestamp(int64_t us) {
  if (us == kInfinity) return "infinity";
  if (us == kMinusInfinity) return "-infinity";
  const int64_t days = FloorDiv(us, kDayUs);
  std::optional<std::string> date = StoredDate(days);
  if (!date) return std::nullopt;
  return *date + " " + *StoredTime(us - days * kDayUs);
}

std::string ShowTime(int64_t us) {
  std::string text = *StoredTime(us);
  while (text.back() == '0') text.pop_back();
  if (text.back() == '.') text.pop_back();
  return text;
}

std::string ShowTimestamp(int64_t us) {
  std::optional<std::string> text = StoredTimestamp(us);
  if (!text || us == kInfinity || us == kMinusInfinity) return text.value_or("");
  while (text->back() == '0') text->pop_back();
  if (text->back() == '.') text->pop_back();
  return *text;
}

std::string ShowTimestamptz(int64_t us, const absl::TimeZone& zone) {
  if (us == kInfinity || us == kMinusInfinity) return ShowTimestamp(us);
  const int64_t local = ToLocal(us, zone);
  const int64_t offset = (local - us) / kSecondUs, size = std::abs(offset);
  std::string text = ShowTimestamp(local);
  char buffer[16];
  std::snprintf(buffer, sizeof buffer, "%c%02d", offset < 0 ? '-' : '+',
                static_cast<int>(size / 3600));
  text += buffer;
  if (size % 3600 != 0) {
    std::snprintf(buffer, sizeof buffer, ":%02d", static_cast<int>(size / 60 % 60));
    text += buffer;
  }
  if (size % 60 != 0) {
    std::snprintf(buffer, sizeof buffer, ":%02d", static_cast<int>(size % 60));
    text += buffer;
  }
  return text;
}

// -------------------------------------------------------------------------------- arithmetic

std::optional<int64_t> AddInterval(int64_t timestamp, const Interval& interval) {
  if (timestamp == kInfinity || timestamp == kMinusInfinity) return timestamp;
  int64_t days = FloorDiv(timestamp, kDayUs);
  const int64_t clock = timestamp - days * kDayUs;
  if (interval.months != 0) {
    Civil civil = CivilFromDays(days);
    const int64_t months = civil.year * 12 + civil.month - 1 + interval.months;
    civil.year = FloorDiv(months, 12);
    civil.month = static_cast<int>(months - civil.year * 12) + 1;
    days = DaysFromCivil(civil.year, civil.month,
                         std::min(civil.day, DaysInMonth(civil.year, civil.month)));
  }
  days += interval.days;
  if (days > 200'000'000 || days < -2'500'000) return std::nullopt;
  int64_t sum = 0;
  if (__builtin_add_overflow(days * kDayUs + clock, interval.us, &sum)) return std::nullopt;
  return sum;
}

std::optional<int64_t> AddIntervalTz(int64_t instant, const Interval& interval,
                                     const absl::TimeZone& zone) {
  if (instant == kInfinity || instant == kMinusInfinity) return instant;
  // Months and days go by the local calendar, one after the other; time by the clock.
  for (const Interval part : {Interval{interval.months, 0, 0}, Interval{0, interval.days, 0}}) {
    if (part == Interval{}) continue;
    const auto moved = AddInterval(ToLocal(instant, zone), part);
    if (!moved) return std::nullopt;
    instant = FromLocal(*moved, zone);
  }
  int64_t sum = 0;
  if (__builtin_add_overflow(instant, interval.us, &sum)) return std::nullopt;
  return sum;
}

int64_t RoundTime(int64_t us, int precision) {
  static constexpr std::array<int64_t, 7> kUnits = {1'000'000, 100'000, 10'000, 1'000, 100, 10, 1};
  if (precision < 0 || precision >= 6 || us == kInfinity || us == kMinusInfinity) return us;
  const int64_t unit = kUnits[static_cast<size_t>(precision)];
  return us >= 0 ? (us + unit / 2) / unit * unit : -((-us + unit / 2) / unit * unit);
}

// timestamp_age()
Interval Age(int64_t a, int64_t b) {
  const bool negative = a < b;
  const int64_t later = std::max(a, b), earlier = std::min(a, b);
  const int64_t day1 = FloorDiv(later, kDayUs), day2 = FloorDiv(earlier, kDayUs);
  const Civil one = CivilFromDays(day1), two = CivilFromDays(day2);
  int64_t us = (later - day1 * kDayUs) - (earlier - day2 * kDayUs);
  int64_t days = one.day - two.day;
  int64_t months = (one.year - two.year) * 12 + one.month - two.month;
  if (us < 0) {
    us += kDayUs;
    --days;
  }
  while (days < 0) {
    days += DaysInMonth(two.year, two.month);
    --months;
  }
  const Interval age{months, days, us};
  return negative ? Negated(age) : age;
}

}  // namespace pgparity::shadow::sqlite
