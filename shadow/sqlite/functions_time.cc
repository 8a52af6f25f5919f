// Dates and times, casts through text, and modifiers.
#include "shadow/sqlite/function_call.h"

namespace pgparity::shadow::sqlite {
namespace {

int64_t Date(Call& c, int i) { return ReadDate(c.Text(i)).value; }
int64_t Time(Call& c, int i) { return ReadTime(c.Text(i)).value; }
bool Infinite(int64_t value) { return value == kInfinity || value == kMinusInfinity; }

void ReturnDate(Call& c, int64_t days) {
  const auto text = StoredDate(days);
  if (!text) return c.Refused("date outside the years 1 to 9999");
  c.Return(std::string_view(*text));
}

int64_t DayOf(int64_t us) {
  if (Infinite(us)) return us;
  return us / kDayUs - (us % kDayUs < 0 ? 1 : 0);
}

// As json has it: the zone always with minutes (xsd:dateTime).
Result<std::string> JsonTime(const SqlValue& value, Oid type, const absl::TimeZone& zone) {
  Result<std::string> shown = ShowValue(value, type, zone);
  auto* text = std::get_if<std::string>(&shown);
  if (type != oid::kTimestamptz || text == nullptr || text->size() < 3) return shown;
  const char sign = (*text)[text->size() - 3];
  if (sign == '+' || sign == '-') *text += ":00";
  return shown;
}

// pg_in(text, type, modifier)
void In(Call& c) {
  c.ReturnResult(ReadValue(c.Text(0), {static_cast<Oid>(c.Int(1)), static_cast<int32_t>(c.Int(2))},
                           c.session().zone, false));
}

void Out(Call& c) {
  const Oid type = static_cast<Oid>(c.Int(1));
  if (IsFloat(type))
    return c.Return(
        std::string_view(type == oid::kFloat4 ? ShowFloat(c.Real(0)) : ShowDouble(c.Real(0))));
  c.ReturnResult(ShowValue(c.Value(0), type, c.session().zone));
}

// pg_modify(value, type, modifier, in an assignment)
void Modify(Call& c) {
  c.ReturnResult(ApplyModifier(
      c.Value(0), {static_cast<Oid>(c.Int(1)), static_cast<int32_t>(c.Int(2))}, c.Int(3) != 0));
}

// pg_enum(text, type's name, labels...)
void Enum(Call& c) {
  for (int i = 2; i < c.count(); ++i)
    if (c.Text(i) == c.Text(0)) return c.Return(c.Text(0));
  c.Error("22P02",
          protocol::StrCat("invalid input value for enum ", c.Text(1), ": \"", c.Text(0), "\""));
}

void TimestampDiff(Call& c) {
  const int64_t a = c.Timestamp(0), b = c.Timestamp(1);
  if (Infinite(a) || Infinite(b)) return c.Error("22008", "cannot subtract infinite timestamps");
  const int64_t us = a - b;
  c.ReturnInterval(Interval{0, us / kDayUs, us % kDayUs});
}

Interval Signed(Call& c, int at, int sign) {
  const Interval interval = c.Span(at);
  return c.Int(sign) < 0 ? Negated(interval) : interval;
}

void ZonedTruncate(Call& c) {
  const auto& zone = c.session().zone;
  const auto local = TruncateTimestamp(c.Text(0), ToLocal(c.Timestamp(1), zone));
  if (!local) return c.Refused("date_trunc of this field");
  c.ReturnTimestamp(FromLocal(*local, zone));
}

void DoExtract(Call& c) {
  const std::string_view field = c.Text(0), kind = c.Text(2);
  const auto& zone = c.session().zone;
  std::optional<std::string> value;
  if (kind == "i") {
    value = ExtractInterval(field, c.Span(1));
  } else if (kind == "c") {
    value = Extract(field, 'c', Time(c, 1), 0, zone);
  } else if (kind == "d") {
    const int64_t days = Date(c, 1);
    value = Infinite(days) ? std::nullopt : Extract(field, 'd', days * kDayUs, 0, zone);
  } else {
    const int64_t instant = c.Timestamp(1);
    value = Extract(field, kind[0], kind == "z" ? ToLocal(instant, zone) : instant, instant, zone);
  }
  if (!value) return c.Refused("extract of this field or value");
  c.Return(std::string_view(*value));
}

void AtZone(Call& c, bool from_local) {
  const auto zone = FindZone(c.Text(0));
  if (!zone) return c.Refused("time zone");
  const int64_t us = c.Timestamp(1);
  c.ReturnTimestamp(from_local ? FromLocal(us, *zone) : ToLocal(us, *zone));
}

}  // namespace

const std::vector<FunctionDefinition> kTimeFunctions = {
    {"pg_in", 3, In, false, false},
    {"pg_out", 2, Out, false, false},
    {"pg_modify", 4, Modify},
    {"pg_enum", -1, Enum},
    {"pg_date_add", 2,
     [](Call& c) {
       const int64_t days = Date(c, 0);
       ReturnDate(c, Infinite(days) ? days : days + c.Int(1));
     }},
    {"pg_date_diff", 2,
     [](Call& c) {
       const int64_t a = Date(c, 0), b = Date(c, 1);
       if (Infinite(a) || Infinite(b)) return c.Error("22008", "cannot subtract infinite dates");
       c.Return(a - b);
     }},
    {"pg_date_ts", 1,
     [](Call& c) {
       const int64_t days = Date(c, 0);
       c.ReturnTimestamp(Infinite(days) ? days : days * kDayUs);
     }},
    {"pg_ts_date", 1, [](Call& c) { ReturnDate(c, DayOf(c.Timestamp(0))); }},
    {"pg_ts_time", 1,
     [](Call& c) {
       const int64_t us = c.Timestamp(0);
       if (Infinite(us)) return c.ReturnNull();
       c.Return(std::string_view(*StoredTime(us - DayOf(us) * kDayUs)));
     }},
    {"pg_ts_tstz", 1,
     [](Call& c) { c.ReturnTimestamp(FromLocal(c.Timestamp(0), c.session().zone)); }, false, false},
    {"pg_tstz_ts", 1, [](Call& c) { c.ReturnTimestamp(ToLocal(c.Timestamp(0), c.session().zone)); },
     false, false},
    {"pg_ts_add", 3,
     [](Call& c) { c.ReturnTimestamp(AddInterval(c.Timestamp(0), Signed(c, 1, 2))); }},
    {"pg_tstz_add", 3,
     [](Call& c) {
       c.ReturnTimestamp(AddIntervalTz(c.Timestamp(0), Signed(c, 1, 2), c.session().zone));
     },
     false, false},
    {"pg_ts_diff", 2, TimestampDiff},
    {"pg_interval_add", 3,
     [](Call& c) { c.ReturnInterval(AddIntervals(c.Span(0), Signed(c, 1, 2))); }},
    {"pg_interval_neg", 1, [](Call& c) { c.ReturnInterval(Negated(c.Span(0))); }},
    {"pg_interval_mul", 2, [](Call& c) { c.ReturnInterval(Scaled(c.Span(0), c.Real(1))); }},
    {"pg_interval_div", 2,
     [](Call& c) {
       if (c.Real(1) == 0) return c.Error("22012", "division by zero");
       c.Refused("interval / number");
     }},
    {"pg_time_interval", 1,
     [](Call& c) {
       c.ReturnInterval(Interval{0, 0, Time(c, 0)});
     }},
    {"pg_interval_time", 1,
     [](Call& c) {
       const int64_t us = c.Span(0).us % kDayUs;
       c.Return(std::string_view(*StoredTime(us < 0 ? us + kDayUs : us)));
     }},
    {"pg_time_add", 3,
     [](Call& c) {
       const int64_t us = (Time(c, 0) + Signed(c, 1, 2).us % kDayUs) % kDayUs;
       c.Return(std::string_view(*StoredTime(us < 0 ? us + kDayUs : us)));
     }},
    {"pg_time_diff", 2,
     [](Call& c) {
       c.ReturnInterval(Interval{0, 0, Time(c, 0) - Time(c, 1)});
     }},
    {"pg_ts_trunc", 2,
     [](Call& c) {
       const auto local = TruncateTimestamp(c.Text(0), c.Timestamp(1));
       if (!local) return c.Refused("date_trunc of this field");
       c.ReturnTimestamp(*local);
     }},
    {"pg_tstz_trunc", 2, ZonedTruncate, false, false},
    {"pg_interval_trunc", 2,
     [](Call& c) {
       const auto interval = TruncateInterval(c.Text(0), c.Span(1));
       if (!interval) return c.Refused("date_trunc of this field");
       c.ReturnInterval(*interval);
     }},
    {"pg_extract", 3, DoExtract, false, false},
    {"pg_at_zone_ts", 2, [](Call& c) { AtZone(c, true); }},
    {"pg_at_zone_tstz", 2, [](Call& c) { AtZone(c, false); }},
    {"pg_to_char", 2,
     [](Call& c) {
       const auto text = FormatTimestamp(c.Timestamp(0), c.Text(1));
       if (!text) return c.Refused("to_char of this pattern");
       c.Return(std::string_view(*text));
     }},
    {"pg_age", 2,
     [](Call& c) {
       const int64_t a = c.Timestamp(0), b = c.Timestamp(1);
       if (Infinite(a) || Infinite(b)) return c.Refused("age of infinity");
       c.ReturnInterval(Age(a, b));
     }},
    {"pg_make_date", 3,
     [](Call& c) {
       const int64_t year = c.Int(0), month = c.Int(1), day = c.Int(2);
       if (year < 1 || year > 9999) return c.Refused("date outside the years 1 to 9999");
       if (month < 1 || month > 12 || day < 1 || day > DaysInMonth(year, static_cast<int>(month)))
         return c.Error("22008", "date field value out of range");
       ReturnDate(c, DaysFromCivil(year, static_cast<int>(month), static_cast<int>(day)));
     }},
    {"pg_to_timestamp", 1,
     [](Call& c) {
       const double seconds = c.Real(0);
       if (std::isinf(seconds)) return c.ReturnTimestamp(seconds < 0 ? kMinusInfinity : kInfinity);
       if (std::fabs(seconds) > 1e12) return c.Refused("to_timestamp of a far time");
       c.ReturnTimestamp(static_cast<int64_t>(std::rint((seconds - 946684800.0) * 1e6)));
     }},
    {"pg_json_time", 2,
     [](Call& c) {
       c.ReturnResult(JsonTime(c.Value(0), static_cast<Oid>(c.Int(1)), c.session().zone));
     },
     false, false},
};

}  // namespace pgparity::shadow::sqlite
