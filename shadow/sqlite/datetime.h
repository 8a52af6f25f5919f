// Dates, times and intervals as PostgreSQL has them. Instants are microseconds since 2000-01-01
// 00:00 UTC, dates are days since 2000-01-01. Source of the rules: datetime.c, timestamp.c, date.c.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/time/time.h"

namespace pgparity::shadow::sqlite {

inline constexpr int64_t kSecondUs = 1'000'000, kDayUs = 86'400 * kSecondUs;
inline constexpr int64_t kInfinity = INT64_MAX, kMinusInfinity = INT64_MIN;

struct Interval {
  int64_t months = 0, days = 0, us = 0;
  friend bool operator==(const Interval&, const Interval&) = default;
};

enum class ReadError : uint8_t {
  none,
  malformed,    // 22007
  overflow,     // 22008
  unsupported,  // PostgreSQL may take it; we do not know
};

template <typename T>
struct ReadResult {
  T value{};
  ReadError error = ReadError::none;
};

struct Civil {
  int64_t year = 2000;
  int month = 1, day = 1;
};
int64_t DaysFromCivil(int64_t year, int month, int day);
Civil CivilFromDays(int64_t days);
int DaysInMonth(int64_t year, int month);

// What a text says. A timestamp ignores a zone; a timestamptz without one is in `zone`.
ReadResult<int64_t> ReadDate(std::string_view text);
ReadResult<int64_t> ReadTime(std::string_view text);
ReadResult<int64_t> ReadTimestamp(std::string_view text);
ReadResult<int64_t> ReadTimestamptz(std::string_view text, const absl::TimeZone& zone);
ReadResult<Interval> ReadInterval(std::string_view text);

// The forms that the file holds: all six digits of a second; "infinity". nullopt outside the years
// 1 to 9999, whose texts would not sort as they should.
std::optional<std::string> StoredDate(int64_t days);
std::optional<std::string> StoredTime(int64_t us);
std::optional<std::string> StoredTimestamp(int64_t us);
std::string StoredInterval(const Interval& interval);
// As the server prints them in DateStyle ISO and IntervalStyle postgres.
std::string ShowTime(int64_t us);
std::string ShowTimestamp(int64_t us);
std::string ShowTimestamptz(int64_t us, const absl::TimeZone& zone);

// Between an instant and the local clock of a zone.
int64_t ToLocal(int64_t instant, const absl::TimeZone& zone);
int64_t FromLocal(int64_t local, const absl::TimeZone& zone);
std::optional<absl::TimeZone> FindZone(std::string_view name);

// nullopt: out of range.
std::optional<int64_t> AddInterval(int64_t timestamp, const Interval& interval);
std::optional<int64_t> AddIntervalTz(int64_t instant, const Interval& interval,
                                     const absl::TimeZone& zone);
std::optional<Interval> AddIntervals(const Interval& a, const Interval& b);
Interval Negated(const Interval& interval);
std::optional<Interval> Scaled(const Interval& interval, double factor);
int CompareIntervals(const Interval& a, const Interval& b);
Interval Age(int64_t a, int64_t b);  // age(timestamp, timestamp)
int64_t RoundTime(int64_t us, int precision);
Interval RoundInterval(Interval interval, int precision);

// date_trunc and extract; nullopt: a field that we do not know, or that does not fit the type.
std::optional<int64_t> TruncateTimestamp(std::string_view field, int64_t local);
std::optional<Interval> TruncateInterval(std::string_view field, Interval interval);
// As a numeric's text. `kind`: 't' timestamp, 'z' timestamptz (`local` and `instant` differ), 'd'
// date, 'c' time.
std::optional<std::string> Extract(std::string_view field, char kind, int64_t local,
                                   int64_t instant, const absl::TimeZone& zone);
std::optional<std::string> ExtractInterval(std::string_view field, const Interval& interval);
// to_char(timestamp, format); nullopt for a pattern that we do not know.
std::optional<std::string> FormatTimestamp(int64_t local, std::string_view format);

}  // namespace pgparity::shadow::sqlite
