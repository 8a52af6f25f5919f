// Values in both forms, as PostgreSQL 15 sent them (COPY ... (FORMAT binary) and its text), and
// what must not be taken for the same. tests/integration/value_codec_test.cc does it at random.
#include <map>
#include <set>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "protocol/value.h"
#include "tests/unit/protocol/value_test_util.h"

namespace pgparity::protocol {
namespace {

struct Sample {
  uint32_t type;
  const char* text;
  const char* hex;
};

// clang-format off
const Sample kSamples[] = {
    {16, "t", "01"},
    {16, "f", "00"},
    {21, "-32768", "8000"},
    {21, "7", "0007"},
    {23, "2147483647", "7fffffff"},
    {23, "-1", "ffffffff"},
    {20, "-9223372036854775808", "8000000000000000"},
    {26, "4294967295", "ffffffff"},
    {5069, "18446744073709551615", "ffffffffffffffff"},
    {700, "0.1", "3dcccccd"},
    {700, "-0", "80000000"},
    {700, "NaN", "7fc00000"},
    {700, "1e+20", "60ad78ec"},
    {701, "0.1", "3fb999999999999a"},
    {701, "-Infinity", "fff0000000000000"},
    {701, "5e-324", "0000000000000001"},
    {701, "1e+15", "430c6bf526340000"},
    {701, "123456.75", "40fe240c00000000"},
    {1700, "0", "0000000000000000"},
    {1700, "0.00", "0000000000000002"},
    {1700, "1.0", "00010000000000010001"},
    {1700, "1.00", "00010000000000020001"},
    {1700, "-12345.6789", "0003000140000004000109291a85"},
    {1700, "10000", "00010001000000000001"},
    {1700, "0.0001", "0001ffff000000040001"},
    {1700, "NaN", "00000000c0000000"},
    {1700, "Infinity", "00000000d0000020"},
    {1700, "-Infinity", "00000000f0000020"},
    {1700, "10000000000000000000000000000000000000000000000000000000000000000000000", "00010011000000000064"},
    {1700, "0.0000000000000000000000000000000000000000000000000000000000000000000001", "0001ffee000000460064"},
    {25, "", ""},
    {25, "it's", "69742773"},
    {17, "\\x00ff5c", "00ff5c"},
    {17, "\\x", ""},
    {18, "a", "61"},
    {18, "", "00"},
    {2950, "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "a0eebc999c0b4ef8bb6d6bb9bd380a11"},
    {869, "192.168.1.5", "02200004c0a80105"},
    {869, "10.0.0.1/8", "020800040a000001"},
    {869, "::1", "0380001000000000000000000000000000000001"},
    {869, "2001:db8::/32", "0320001020010db8000000000000000000000000"},
    {650, "10.0.0.0/8", "020801040a000000"},
    {650, "::/0", "0300011000000000000000000000000000000000"},
    {829, "08:00:2b:01:02:03", "08002b010203"},
    {774, "08:00:2b:01:02:03:04:05", "08002b0102030405"},
    {1560, "10110", "00000005b0"},
    {1562, "", "00000000"},
    {1562, "101010101", "00000009aa80"},
    {27, "(7,3)", "000000070003"},
    {3220, "16/B374D848", "00000016b374d848"},
    {1082, "2000-01-01", "00000000"},
    {1082, "1999-12-31", "ffffffff"},
    {1082, "infinity", "7fffffff"},
    {1082, "-infinity", "80000000"},
    {1082, "0044-03-15 BC", "fff49d7b"},
    {1082, "5874897-12-31", "7fda970c"},
    {1083, "00:00:00", "0000000000000000"},
    {1083, "24:00:00", "000000141dd76000"},
    {1083, "12:34:56.789", "0000000a8be62608"},
    {1266, "12:00:00+05:30", "0000000a0eebb000ffffb2a8"},
    {1266, "10:00:00-08", "0000000861c4680000007080"},
    {1114, "2024-02-29 23:59:59.999999", "0002b58cd363bfff"},
    {1114, "0001-01-01 00:00:00 BC", "ff1fc63d1bb12000"},
    {1114, "294276-12-31 23:59:59.999999", "7fffff5bb3b29fff"},
    {1114, "infinity", "7fffffffffffffff"},
    {1114, "-infinity", "8000000000000000"},
    {1184, "2024-06-01 12:00:00+00", "0002bcd19bb5f000"},
    {1184, "infinity", "7fffffffffffffff"},
    {1186, "1 year 2 mons -3 days +04:05:06.7", "000000036c966ee0fffffffd0000000e"},
    {1186, "00:00:00", "00000000000000000000000000000000"},
    {1186, "-00:00:01", "fffffffffff0bdc00000000000000000"},
    {1186, "2562047788:00:54.775807", "7fffffffffffffff0000000000000000"},
    {114, "{\"a\" : 1}", "7b226122203a20317d"},
    {3802, "{\"b\": 1, \"aa\": [1.50, null]}", "017b2262223a20312c20226161223a205b312e35302c206e756c6c5d7d"},
    {3802, "\"é\\n\"", "0122c3a95c6e22"},
    {3802, "1.0", "01312e30"},
    {1007, "{}", "000000000000000000000017"},
    {1007, "{1,NULL,3}", "00000001000000010000001700000003000000010000000400000001ffffffff0000000400000003"},
    {1007, "[2:3]={4,5}", "000000010000000000000017000000020000000200000004000000040000000400000005"},
    {1007, "{{1,2},{3,4}}", "000000020000000000000017000000020000000100000002000000010000000400000001000000040000000200000004000000030000000400000004"},
    {1009, "{\"a b\",\"\",NULL,\"NULL\",\"\\\"\\\\\"}", "00000001000000010000001900000005000000010000000361206200000000ffffffff000000044e554c4c00000002225c"},
    {1020, "{(1,1),(0,0);(2,2),(0,0)}", "00000001000000000000025b0000000200000001000000203ff00000000000003ff000000000000000000000000000000000000000000000000000204000000000000000400000000000000000000000000000000000000000000000"},
    {1231, "{1.0,2.50}", "0000000100000000000006a400000002000000010000000a000100000000000100010000000c000200000000000200021388"},
    {3904, "[1,5)", "0200000004000000010000000400000005"},
    {3904, "empty", "01"},
    {3904, "(,7)", "080000000400000007"},
    {3908, "[\"2024-01-01 00:00:00\",infinity]", "06000000080002b0d5d4e94000000000087fffffffffffffff"},
    {4451, "{[1,3),[5,7)}", "00000002000000110200000004000000010000000400000003000000110200000004000000050000000400000007"},
    {4451, "{}", "00000000"},
    {600, "(1.5,-2)", "3ff8000000000000c000000000000000"},
    {601, "[(0,0),(1,1)]", "000000000000000000000000000000003ff00000000000003ff0000000000000"},
    {602, "((0,0),(1,2))", "0100000002000000000000000000000000000000003ff00000000000004000000000000000"},
    {602, "[(0,0),(1,2)]", "0000000002000000000000000000000000000000003ff00000000000004000000000000000"},
    {603, "(3,4),(1,2)", "400800000000000040100000000000003ff00000000000004000000000000000"},
    {604, "((0,0),(1,2),(3,4))", "00000003000000000000000000000000000000003ff0000000000000400000000000000040080000000000004010000000000000"},
    {628, "{1,2,3}", "3ff000000000000040000000000000004008000000000000"},
    {718, "<(1,2),3>", "3ff000000000000040000000000000004008000000000000"},
    {22, "1 2 3", "0000000100000000000000150000000300000000000000020001000000020002000000020003"},
    {30, "23", "00000001000000000000001a00000001000000000000000400000017"},
    {4072, "$.\"a\"", "01242e226122"},
};
// clang-format on

TEST(Value, TextAndBinaryOfOneValueAreTheSame) {
  for (const Sample& sample : kSamples) {
    SCOPED_TRACE(std::to_string(sample.type) + ": " + sample.text);
    const auto text = Canonical(sample.text, sample.type, Format::text);
    const auto binary = Canonical(FromHex(sample.hex), sample.type, Format::binary);
    ASSERT_TRUE(text.ok()) << text.status();
    ASSERT_TRUE(binary.ok()) << binary.status();
    EXPECT_TRUE(text->typed && binary->typed);
    EXPECT_EQ(text->bytes, binary->bytes);
  }
}

TEST(Value, DifferentValuesOfOneTypeDiffer) {
  std::map<uint32_t, std::map<std::string, std::string>> seen;
  for (const Sample& sample : kSamples) {
    const auto binary = Canonical(FromHex(sample.hex), sample.type, Format::binary);
    ASSERT_TRUE(binary.ok());
    const auto [known, added] = seen[sample.type].emplace(binary->bytes, sample.text);
    EXPECT_TRUE(added) << sample.type << ": " << sample.text << " and " << known->second;
  }
}

// Types of which any byte string, or any text, is a value.
bool TakesAnything(uint32_t type) {
  return type == oid::kText || type == oid::kBytea || type == oid::kJson || type == 4072;
}

TEST(Value, ABinaryValueWithAByteTooFewOrTooManyIsAnError) {
  for (const Sample& sample : kSamples) {
    if (TakesAnything(sample.type) || sample.type == oid::kJsonb) continue;
    SCOPED_TRACE(std::to_string(sample.type) + ": " + sample.text);
    const std::string bytes = FromHex(sample.hex);
    EXPECT_FALSE(Canonical(bytes + '\0', sample.type, Format::binary).ok());
    for (size_t size = 0; size < bytes.size(); ++size) {
      EXPECT_FALSE(Canonical(bytes.substr(0, size), sample.type, Format::binary).ok()) << size;
    }
  }
}

TEST(Value, ATextThatTheServerNeverPrintsIsAnError) {
  const std::multimap<uint32_t, std::string> bad = {
      {oid::kBool, ""},
      {oid::kBool, "x"},
      {oid::kBool, "true"},
      {oid::kInt2, "32768"},
      {oid::kInt4, "2147483648"},
      {oid::kInt4, "1 "},
      {oid::kInt4, ""},
      {oid::kInt4, "0x1"},
      {oid::kInt8, "9223372036854775808"},
      {oid::kOid, "-1"},
      {oid::kFloat8, "inf"},
      {oid::kFloat8, "nan"},
      {oid::kFloat8, "1.5x"},
      {oid::kFloat8, "-"},
      {oid::kFloat8, ""},
      {oid::kFloat8, "1e999"},
      {oid::kNumeric, ""},
      {oid::kNumeric, "."},
      {oid::kNumeric, "-"},
      {oid::kNumeric, "1.2.3"},
      {oid::kNumeric, "1e"},
      {oid::kNumeric, "1e999999999999"},
      {oid::kNumeric, "--1"},
      {oid::kBytea, "\\x0"},
      {oid::kBytea, "\\xzz"},
      {oid::kBytea, "\\9"},
      {oid::kBytea, "\\400"},
      {oid::kBytea, "\\"},
      {oid::kUuid, "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a1"},
      {oid::kUuid, "a0eebc999-c0b-4ef8-bb6d-6bb9bd380a11"},
      {oid::kInet, "1.2.3"},
      {oid::kInet, "1.2.3.4/33"},
      {oid::kInet, "::1/129"},
      {oid::kInet, "1.2.3.4/"},
      {oid::kCidr, "10.0.0.0"},
      {oid::kMacaddr, "08:00:2b:01:02"},
      {oid::kMacaddr, "08-00-2b-01-02-03"},
      {oid::kVarbit, "012"},
      {oid::kDate, "2024-13-01"},
      {oid::kDate, "2024-00-01"},
      {oid::kDate, "2024-01-32"},
      {oid::kDate, "2024-1-1"},
      {oid::kDate, "2024-01-01 "},
      {oid::kDate, "0000-01-01"},
      {oid::kDate, "2024-01-01 AD"},
      {oid::kTime, "24:00:00.000001"},
      {oid::kTime, "12:60:00"},
      {oid::kTime, "12:00"},
      {oid::kTime, "12:00:00."},
      {oid::kTime, "12:00:00.1234567"},
      {oid::kTimetz, "12:00:00"},
      {oid::kTimestamp, "2024-01-01"},
      {oid::kTimestamp, "2024-01-01 00:00:00+00"},
      {oid::kTimestamp, "9999999-01-01 00:00:00"},
      {oid::kTimestamptz, "2024-01-01 00:00:00"},
      {oid::kInterval, ""},
      {oid::kInterval, "1 fortnight"},
      {oid::kInterval, "1 day 2"},
      {oid::kInterval, "P1"},
      {oid::kInterval, "PT1Y"},
      {oid::kInterval, "1:2:3:4"},
      {oid::kInterval, "2562047789:00:00"},
      {oid::kJsonb, ""},
      {oid::kJsonb, "{"},
      {oid::kJsonb, "[1,]"},
      {oid::kJsonb, "{\"a\"}"},
      {oid::kJsonb, "01"},
      {oid::kJsonb, "1 2"},
      {oid::kJsonb, "\"\\u0000\""},
      {oid::kJsonb, "\"\\ud800\""},
      {oid::kJsonb, "\"\\udc00\""},
      {oid::kJsonb, "\"a"},
      {oid::kJsonb, "truex"},
      {oid::kJsonb, "'a'"},
      {1007, ""},
      {1007, "{"},
      {1007, "{1"},
      {1007, "{1}}"},
      {1007, "{1,}"},
      {1007, "{,}"},
      {1007, "{{1},{2,3}}"},
      {1007, "{{1},2}"},
      {1007, "[1:2]={1}"},
      {1007, "[1:1]{1}"},
      {1007, "{a}"},
      {1007, "{{{{{{{1}}}}}}}"},
      {1007, "[1:1]={}"},
      {1007, "{\"1}"},
      {1007, "{1} "},
      {1009, "{a b}"},
      {3904, "[1,2"},
      {3904, "1,2)"},
      {3904, "[1)"},
      {3904, "[1,2)x"},
      {3904, "[a,2)"},
      {3904, ""},
      {4451, "[1,2)"},
      {4451, "{[1,2)"},
      {4451, "{[1,2),}"},
      {4451, "{x}"},
      {600, "(1)"},
      {600, "(1,2,3)"},
      {600, "(a,b)"},
      {604, "((1,2),(3))"},
      {27, "(1)"},
      {27, "7,3"},
      {3220, "1"},
      {22, "1 x"},
  };
  for (const auto& [type, text] : bad) {
    EXPECT_FALSE(Canonical(text, type, Format::text).ok()) << type << ": " << text;
  }
}

TEST(Value, MalformedBinaryIsAnError) {
  const std::multimap<uint32_t, const char*> bad = {
      {oid::kNumeric, "00010000000000002710"},  // a digit of 10000
      {oid::kNumeric,
       "0001000012340000"
       "0001"},                                 // a sign that is none
      {oid::kNumeric, "00010000000040000001"},  // a scale beyond the limit
      {oid::kNumeric, "0001ffff00000001000f"},  // digits beyond the scale
      {oid::kTime, "ffffffffffffffff"},
      {oid::kTime, "000000141dd76001"},  // 24:00:00.000001
      {oid::kInet, "022100047f000001"},  // 33 bits
      {oid::kInet, "052000047f000001"},  // no such family
      {oid::kVarbit, "ffffffff"},
      {oid::kJsonb, "0231"},               // version 2
      {1007, "000000070000000000000017"},  // seven dimensions
      {1007,
       "00000001000000000000001900000000"
       "00000001"},  // elements of another type
      {1007, "0000000100000000000000177fffffff00000001"},
      {1007,
       "0000000200000000000000170001000000000001"
       "0001000000000001"},
      {1007,
       "0000000100000000000000170000000100000001"
       "fffffffe"},
      {3904, "80"},
      {3904, "0100"},
      {3904, "02fffffff0"},
      {4451, "7fffffff"},
      {2249, "7fffffff"},
      {2249, "ffffffff"},
      {604, "00000000"},
      {604, "10000001"},
  };
  for (const auto& [type, hex] : bad) {
    EXPECT_FALSE(Canonical(FromHex(hex), type, Format::binary).ok()) << type << ": " << hex;
  }
}

TEST(Value, BinaryIsShownAsTheServerPrintsIt) {
  // Those whose text form has more than one spelling for a person.
  const std::set<std::string> shown_otherwise = {"1 year 2 mons -3 days +04:05:06.7"};
  for (const Sample& sample : kSamples) {
    const TypeInfo type = BuiltinTypes().Resolve(sample.type);
    if (type.kind != TypeKind::base || shown_otherwise.count(sample.text) > 0) continue;
    switch (sample.type) {
      case oid::kInet:
      case oid::kFloat4:
      case oid::kFloat8:
      case oid::kTimetz:
      case 22:
      case 30:
        continue;
    }
    if (sample.type == oid::kNumeric && std::string_view(sample.text).size() > 60) continue;
    EXPECT_EQ(DisplayValue(FromHex(sample.hex), sample.type, Format::binary, BuiltinTypes(), {}),
              sample.text);
  }
  EXPECT_EQ(DisplayValue("\x01\x02", 99'999, Format::binary, BuiltinTypes(), {}), "\\x0102");
  EXPECT_EQ(DisplayValue("any", 99'999, Format::text, BuiltinTypes(), {}), "any");
}

}  // namespace
}  // namespace pgparity::protocol
