// What is the same value and what is not, type by type.
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "protocol/value.h"
#include "tests/unit/protocol/value_test_util.h"

namespace pgparity::protocol {
namespace {

TEST(ValueRules, ScaleCountsInNumericAndInJsonb) {
  EXPECT_NE(Bytes("1.0", oid::kNumeric), Bytes("1.00", oid::kNumeric));
  EXPECT_NE(Bytes("1.0", oid::kJsonb), Bytes("1.00", oid::kJsonb));
  EXPECT_EQ(Bytes("-0.0", oid::kNumeric), "0.0");
  EXPECT_EQ(Bytes("1.5e3", oid::kJsonb), "1500");
}

TEST(ValueRules, AHugeNumericStaysSmall) {
  // 10^131068: ten bytes of binary.
  const auto value = Canonical(FromHex("00017fff000000000001"), oid::kNumeric, Format::binary);
  ASSERT_TRUE(value.ok());
  EXPECT_LT(value->bytes.size(), 100U);
  EXPECT_EQ(Bytes("1" + std::string(131068, '0'), oid::kNumeric), value->bytes);
  EXPECT_NE(Bytes("1" + std::string(131067, '0'), oid::kNumeric), value->bytes);
  EXPECT_NE(Bytes("1" + std::string(131068, '0') + ".0", oid::kNumeric), value->bytes);
}

TEST(ValueRules, FloatsCompareByTheirOwnWidth) {
  EXPECT_EQ(Bytes("0.1", oid::kFloat4), Bytes("0.100000001", oid::kFloat4));
  EXPECT_NE(Bytes("0.1", oid::kFloat8), Bytes("0.100000001", oid::kFloat8));
  EXPECT_NE(Bytes("-0", oid::kFloat8), Bytes("0", oid::kFloat8));
  // A signalling NaN with a payload.
  EXPECT_EQ(Canonical(FromHex("fff4000000000001"), oid::kFloat8, Format::binary)->bytes,
            Bytes("NaN", oid::kFloat8));
}

TEST(ValueRules, DatesAndTimesAreTheSameInEveryStyle) {
  const auto same = [](std::string_view style, std::string_view text, uint32_t type,
                       std::string_view iso) {
    TextSettings settings;
    settings.date_style = style;
    EXPECT_EQ(Bytes(text, type, settings), Bytes(iso, type)) << style << ": " << text;
  };
  same("SQL, MDY", "02/03/2024", oid::kDate, "2024-02-03");
  same("SQL, DMY", "03/02/2024", oid::kDate, "2024-02-03");
  same("German, DMY", "03.02.2024", oid::kDate, "2024-02-03");
  same("German, MDY", "03.02.2024", oid::kDate, "2024-02-03");
  same("Postgres, MDY", "02-03-2024", oid::kDate, "2024-02-03");
  same("Postgres, DMY", "03-02-0044 BC", oid::kDate, "0044-02-03 BC");
  same("Postgres, MDY", "Sat Feb 03 01:02:03.5 2024", oid::kTimestamp, "2024-02-03 01:02:03.5");
  same("Postgres, DMY", "Sat 03 Feb 01:02:03.5 2024", oid::kTimestamp, "2024-02-03 01:02:03.5");
  same("Postgres, MDY", "Sat Feb 03 01:02:03 2024 UTC", oid::kTimestamptz,
       "2024-02-03 02:02:03+01");
  same("SQL, DMY", "03/02/2024 01:02:03 UTC", oid::kTimestamptz, "2024-02-03 01:02:03+00");
  same("German, DMY", "03.02.12024 01:02:03", oid::kTimestamp, "12024-02-03 01:02:03");
  EXPECT_EQ(Bytes("1883-01-01 00:00:00-03:30:52", oid::kTimestamptz),
            Bytes("1883-01-01 03:30:52+00", oid::kTimestamptz));
  EXPECT_NE(Bytes("12:00:00+01", oid::kTimetz), Bytes("11:00:00+00", oid::kTimetz));
}

TEST(ValueRules, AnAbbreviatedTimeZoneIsNotGuessed) {
  TextSettings settings;
  settings.date_style = "SQL, MDY";
  settings.time_zone = "Asia/Kolkata";
  for (const char* text : {"02/03/2024 01:02:03 IST", "02/03/2024 01:02:03 UTC"}) {
    const auto value = Canonical(text, oid::kTimestamptz, Format::text, BuiltinTypes(), settings);
    ASSERT_TRUE(value.ok());
    EXPECT_FALSE(value->typed) << text;
  }
}

TEST(ValueRules, IntervalsAreTheSameInEveryStyle) {
  const std::string mixed = Bytes("1 year 2 mons -3 days +04:05:06.7", oid::kInterval);
  EXPECT_EQ(mixed, Bytes("@ 1 year 2 mons -3 days 4 hours 5 mins 6.7 secs", oid::kInterval));
  EXPECT_EQ(mixed, Bytes("+1-2 -3 +4:05:06.7", oid::kInterval));
  EXPECT_EQ(mixed, Bytes("P1Y2M-3DT4H5M6.7S", oid::kInterval));
  const std::string negative = Bytes("-1 mons -2 days -00:00:00.5", oid::kInterval);
  EXPECT_EQ(negative, Bytes("@ 1 mon 2 days 0.5 secs ago", oid::kInterval));
  EXPECT_EQ(negative, Bytes("P-1M-2DT-0.5S", oid::kInterval));
  EXPECT_EQ(negative, Bytes("-0-1 -2 -0:00:00.5", oid::kInterval));
  EXPECT_EQ(Bytes("-3 4:05:06", oid::kInterval), Bytes("-3 days -04:05:06", oid::kInterval));
  EXPECT_EQ(Bytes("-1-2", oid::kInterval), Bytes("-1 years -2 mons", oid::kInterval));
  for (const char* zero : {"0", "@ 0", "PT0S"}) {
    EXPECT_EQ(Bytes(zero, oid::kInterval), Bytes("00:00:00", oid::kInterval)) << zero;
  }
  // Equal to "=" in SQL, but not the same value.
  EXPECT_NE(Bytes("1 mon", oid::kInterval), Bytes("30 days", oid::kInterval));
}

TEST(ValueRules, JsonbIsOrderedAsTheServerOrdersIt) {
  EXPECT_EQ(Bytes(R"( {"bb":1,"a":{"z":1,"y":[ ]},"c":2,"a":3} )", oid::kJsonb),
            R"({"a": 3, "c": 2, "bb": 1})");
  EXPECT_EQ(Bytes(R"("\u00e9\ud83d\ude00\u0001\/\b\"")", oid::kJsonb), "\"é😀\\u0001/\\b\\\"\"");
  EXPECT_NE(Bytes(R"({"b": 1, "a": 2})", oid::kJson), Bytes(R"({"a": 2, "b": 1})", oid::kJson));
}

TEST(ValueRules, DeepJsonbIsComparedAsItsText) {
  const std::string deep = std::string(100'000, '[') + std::string(100'000, ']');
  EXPECT_EQ(Bytes(deep, oid::kJsonb), deep);
  EXPECT_EQ(Canonical("\1" + deep, oid::kJsonb, Format::binary)->bytes, deep);
}

TEST(ValueRules, ByteaInHexAndInEscapeForm) {
  EXPECT_EQ(Bytes("\\x00ff5c61", oid::kBytea), Bytes("\\000\\377\\\\a", oid::kBytea));
  // The bytes "\x41", which the escape form writes with a doubled backslash.
  EXPECT_EQ(Bytes("\\\\x41", oid::kBytea), "\\x41");
}

TEST(ValueRules, EmptyArraysAreTheSameWhateverTheirDimensions) {
  // One dimension of no elements, as some functions make it.
  EXPECT_EQ(
      Canonical(FromHex("0000000100000000000000170000000000000001"), 1007, Format::binary)->bytes,
      Bytes("{}", 1007));
}

TEST(ValueRules, BoundsNullsAndQuotesOfArraysCount) {
  EXPECT_NE(Bytes("[2:3]={1,2}", 1007), Bytes("{1,2}", 1007));
  EXPECT_EQ(Bytes("[1:2]={1,2}", 1007), Bytes("{1,2}", 1007));
  EXPECT_NE(Bytes("{NULL}", 1009), Bytes("{\"NULL\"}", 1009));
  EXPECT_NE(Bytes("{{1,2}}", 1007), Bytes("{{1},{2}}", 1007));
  EXPECT_NE(Bytes("{\"a,b\"}", 1009), Bytes("{a,b}", 1009));
  EXPECT_NE(Bytes("{ab,c}", 1009), Bytes("{a,bc}", 1009));
}

TEST(ValueRules, UnknownTypesKeepTheirBytesAndFormat) {
  for (const uint32_t type : {99'999U, 3614U, 790U}) {
    const auto text = Canonical("abc", type, Format::text);
    const auto binary = Canonical("abc", type, Format::binary);
    ASSERT_TRUE(text.ok() && binary.ok());
    EXPECT_FALSE(text->typed || binary->typed);
    EXPECT_NE(text->bytes, binary->bytes);
    EXPECT_EQ(text->bytes, Canonical("abc", type, Format::text)->bytes);
  }
}

class UserTypes : public TypeResolver {
 public:
  TypeInfo Resolve(uint32_t type_oid) const override {
    TypeInfo info;
    const auto make = [&](TypeKind kind, uint32_t base, std::string name) {
      info.kind = kind;
      info.base = base;
      info.name = std::move(name);
    };
    switch (type_oid) {
      case 20'000:
        make(TypeKind::enumeration, type_oid, "public.mood");
        break;
      case 20'001:
        make(TypeKind::array, 20'000, "public._mood");
        break;
      case 20'002:
        make(TypeKind::domain, oid::kNumeric, "public.price");
        break;
      case 20'003:
        make(TypeKind::composite, type_oid, "public.pair");
        info.fields = {oid::kInt4, 20'002};
        break;
      case 20'004:
        make(TypeKind::domain, 20'004, "public.itself");
        break;
      case 20'005:
        make(TypeKind::base, type_oid, "extensions.citext");
        break;
      case 20'006:
        make(TypeKind::composite, type_oid, "public.secret");
        break;
      case 20'007:
        make(TypeKind::composite, type_oid, "public.word");
        info.fields = {oid::kText};
        break;
    }
    return info;
  }
};

TEST(ValueRules, TypesOfTheDatabase) {
  const UserTypes types;
  const auto same = [&](uint32_t type, std::string_view text, std::string_view hex) {
    const auto a = Canonical(text, type, Format::text, types);
    const auto b = Canonical(FromHex(hex), type, Format::binary, types);
    ASSERT_TRUE(a.ok() && b.ok() && a->typed && b->typed) << text;
    EXPECT_EQ(a->bytes, b->bytes) << text;
  };
  same(20'000, "sad", "736164");
  same(20'001, "{sad,NULL}",
       "000000010000000100004e200000000200000001"
       "00000003736164"
       "ffffffff");
  same(20'002, "1.50", "000200000000000200011388");
  same(20'003, "(7,1.50)",
       "00000002"
       "00000017"
       "0000000400000007"
       "00004e22"
       "0000000c"
       "000200000000000200011388");
  same(20'003, "(,)",
       "00000002"
       "00000017"
       "ffffffff"
       "00004e22"
       "ffffffff");
  same(20'005, "ABC", "414243");
  EXPECT_FALSE(Canonical("(1)", 20'003, Format::text, types).ok());
  EXPECT_FALSE(Canonical("(1,2,3)", 20'003, Format::text, types).ok());
}

TEST(ValueRules, AnEmptyTextInARecordIsNotNull) {
  const UserTypes types;
  const auto null = Canonical("()", 20'007, Format::text, types);
  const auto empty = Canonical("(\"\")", 20'007, Format::text, types);
  ASSERT_TRUE(null.ok() && empty.ok());
  EXPECT_NE(null->bytes, empty->bytes);
  EXPECT_EQ(null->bytes,
            Canonical(FromHex("0000000100000019ffffffff"), 20'007, Format::binary, types)->bytes);
  EXPECT_EQ(empty->bytes,
            Canonical(FromHex("000000010000001900000000"), 20'007, Format::binary, types)->bytes);
}

TEST(ValueRules, ATextRecordOfUnknownFieldsIsUntyped) {
  const UserTypes types;
  EXPECT_FALSE(Canonical("(1,2)", 20'006, Format::text, types)->typed);
  EXPECT_FALSE(Canonical("(1,2)", oid::kRecord, Format::text)->typed);
  EXPECT_FALSE(Canonical("{\"(1,2)\"}", 2287, Format::text)->typed);
  EXPECT_TRUE(
      Canonical(FromHex("00000001000000170000000400000007"), oid::kRecord, Format::binary)->typed);
}

TEST(ValueRules, ATypeThatContainsItselfEnds) {
  const UserTypes types;
  EXPECT_FALSE(Canonical("x", 20'004, Format::text, types)->typed);
  // A record in a record, a thousand times.
  std::string record = FromHex("00000000");
  for (int i = 0; i < 1000; ++i) {
    const auto size = static_cast<uint32_t>(record.size());
    std::string outer = FromHex("00000001000008c9");
    for (int shift = 24; shift >= 0; shift -= 8) outer.push_back(static_cast<char>(size >> shift));
    record = outer + record;
  }
  const auto value = Canonical(record, oid::kRecord, Format::binary);
  ASSERT_TRUE(value.ok());
  EXPECT_FALSE(value->typed);
}

TEST(ValueRules, MicrosecondsOfTimes) {
  const TextSettings settings;
  const auto micros = [&](std::string_view text, uint32_t type) {
    return ToMicroseconds(text, type, Format::text, settings);
  };
  EXPECT_EQ(micros("2000-01-02", oid::kDate), 86'400'000'000);
  EXPECT_EQ(micros("2000-01-01 00:00:00.000001", oid::kTimestamp), 1);
  EXPECT_EQ(micros("1999-12-31 23:59:59", oid::kTimestamp), -1'000'000);
  EXPECT_EQ(micros("2000-01-01 01:00:00+02", oid::kTimestamptz), -3'600'000'000);
  EXPECT_EQ(micros("00:00:01", oid::kTime), 1'000'000);
  EXPECT_EQ(micros("02:00:00+01", oid::kTimetz), 3'600'000'000);
  EXPECT_EQ(micros("infinity", oid::kTimestamp), std::nullopt);
  EXPECT_EQ(micros("5874897-12-31", oid::kDate), std::nullopt);  // does not fit
  EXPECT_EQ(micros("1 day", oid::kInterval), std::nullopt);
  EXPECT_EQ(micros("1", oid::kInt4), std::nullopt);
  EXPECT_EQ(micros("yesterday", oid::kDate), std::nullopt);
  EXPECT_EQ(
      ToMicroseconds(FromHex("0000000000000001"), oid::kTimestamptz, Format::binary, settings), 1);
  EXPECT_EQ(
      ToMicroseconds(FromHex("7fffffffffffffff"), oid::kTimestamptz, Format::binary, settings),
      std::nullopt);
}

}  // namespace
}  // namespace pgparity::protocol
