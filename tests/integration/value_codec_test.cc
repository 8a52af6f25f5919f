// Differential test of protocol/value.h against a real server: a value read as text and read as
// binary must canonicalise to the same bytes, and values that print differently must not.
// Needs PGPARITY_TEST_PRIMARY_URL; creates only temporary objects.
#include <libpq-fe.h>

#include <cstdlib>
#include <map>
#include <random>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "protocol/value.h"

namespace pgparity::protocol {
namespace {

struct ClearResult {
  void operator()(PGresult* result) const { PQclear(result); }
};
using Result = std::unique_ptr<PGresult, ClearResult>;

// Types from 16384 up, read from the server's catalog.
class ServerTypes : public TypeResolver {
 public:
  TypeInfo Resolve(uint32_t type_oid) const override {
    const auto found = types_.find(type_oid);
    return found == types_.end() ? TypeInfo() : found->second;
  }
  void Add(uint32_t type_oid, TypeInfo info) { types_[type_oid] = std::move(info); }

 private:
  std::map<uint32_t, TypeInfo> types_;
};

class ValueCodec : public testing::Test {
 protected:
  void SetUp() override {
    const char* url = std::getenv("PGPARITY_TEST_PRIMARY_URL");
    if (url == nullptr) {
      GTEST_SKIP() << "PGPARITY_TEST_PRIMARY_URL is not set: no server to compare with";
    }
    connection_.reset(PQconnectdb(url));
    ASSERT_EQ(PQstatus(connection_.get()), CONNECTION_OK) << PQerrorMessage(connection_.get());
    // Fixed unless asked otherwise: a failure names the seed that it had.
    const char* seed = std::getenv("PGPARITY_TEST_SEED");
    seed_ = seed == nullptr ? "0.42" : seed;
    Query("SET timezone = 'UTC'");
    Query("SET client_min_messages = warning");
    Query("SELECT setseed(" + seed_ + ")");
    Query("CREATE TYPE pg_temp.mood AS ENUM ('sad', 'so so', 'NULL', '{,}')");
    Query("CREATE DOMAIN pg_temp.positive AS numeric CHECK (VALUE > 0)");
    Query("CREATE TYPE pg_temp.pair AS (a int, b text, c timestamptz, d numeric[])");
    Query("CREATE TYPE pg_temp.floats AS RANGE (subtype = float8)");
    LoadTypes();
  }

  Result Query(const std::string& sql, int format = 0) {
    Result result(PQexecParams(connection_.get(), sql.c_str(), 0, nullptr, nullptr, nullptr,
                               nullptr, format));
    const ExecStatusType status = PQresultStatus(result.get());
    EXPECT_TRUE(status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK)
        << PQerrorMessage(connection_.get()) << sql;
    return result;
  }

  static std::string_view Cell(const Result& result, int row, int column) {
    return {PQgetvalue(result.get(), row, column),
            static_cast<size_t>(PQgetlength(result.get(), row, column))};
  }
  static uint32_t Number(const Result& result, int row, int column) {
    return static_cast<uint32_t>(std::strtoul(PQgetvalue(result.get(), row, column), nullptr, 10));
  }

  void LoadTypes() {
    const Result result = Query(
        "SELECT t.oid, typtype, typcategory = 'A', typelem, typbasetype, coalesce(rngsubtype, 0),"
        " coalesce((SELECT rngtypid FROM pg_range m WHERE rngmultitypid = t.oid), 0),"
        " typname, typrelid FROM pg_type t LEFT JOIN pg_range ON rngtypid = t.oid"
        " WHERE t.oid >= 16384");
    for (int i = 0; i < PQntuples(result.get()); ++i) {
      TypeInfo info;
      info.name = "pg_temp." + std::string(Cell(result, i, 7));
      info.kind = Kind(Cell(result, i, 1)[0], Cell(result, i, 2) == "t");
      info.base = Number(result, i, 0);
      if (info.kind == TypeKind::array) info.base = Number(result, i, 3);
      if (info.kind == TypeKind::domain) info.base = Number(result, i, 4);
      if (info.kind == TypeKind::range) info.base = Number(result, i, 5);
      if (info.kind == TypeKind::multirange) info.base = Number(result, i, 6);
      if (info.kind == TypeKind::composite) {
        const Result fields = Query(absl::StrCat(
            "SELECT atttypid FROM pg_attribute WHERE attrelid = ", Number(result, i, 8),
            " AND attnum > 0 AND NOT attisdropped ORDER BY attnum"));
        for (int f = 0; f < PQntuples(fields.get()); ++f)
          info.fields.push_back(Number(fields, f, 0));
      }
      types_.Add(Number(result, i, 0), info);
    }
  }

  static TypeKind Kind(char typtype, bool array) {
    switch (typtype) {
      case 'e':
        return TypeKind::enumeration;
      case 'd':
        return TypeKind::domain;
      case 'c':
        return TypeKind::composite;
      case 'r':
        return TypeKind::range;
      case 'm':
        return TypeKind::multirange;
      default:
        return array ? TypeKind::array : TypeKind::base;
    }
  }

  // Reads `expression` over `rows` rows (i is the row's number) in both formats. `unique`: equal
  // canonical bytes mean equal text.
  void Check(const std::string& expression, int rows, bool unique = true) {
    SCOPED_TRACE(absl::StrCat(expression, " with seed ", seed_));
    Query("DROP TABLE IF EXISTS v");
    Query(absl::StrCat("CREATE TEMP TABLE v AS SELECT i, (", expression,
                       ") AS v FROM generate_series(1, ", rows, ") i"));
    const Result text = Query("SELECT v FROM v ORDER BY i", 0);
    const Result binary = Query("SELECT v FROM v ORDER BY i", 1);
    ASSERT_EQ(PQntuples(text.get()), rows);
    const uint32_t type = PQftype(text.get(), 0);
    std::map<std::string, std::string> texts;
    for (int i = 0; i < rows; ++i) {
      if (PQgetisnull(text.get(), i, 0) != 0) continue;
      const auto a = Canonicalise(Cell(text, i, 0), type, Format::text, types_, settings_);
      const auto b = Canonicalise(Cell(binary, i, 0), type, Format::binary, types_, settings_);
      ASSERT_TRUE(a.ok()) << a.status() << " text: " << Cell(text, i, 0);
      ASSERT_TRUE(b.ok()) << b.status() << " binary of: " << Cell(text, i, 0);
      ASSERT_TRUE(a->typed && b->typed) << Cell(text, i, 0);
      ASSERT_EQ(a->bytes, b->bytes) << Cell(text, i, 0);
      const auto [known, added] = texts.emplace(a->bytes, Cell(text, i, 0));
      if (unique && !added) {
        ASSERT_EQ(known->second, Cell(text, i, 0));
      }
    }
  }

  struct Finish {
    void operator()(PGconn* connection) const { PQfinish(connection); }
  };
  std::unique_ptr<PGconn, Finish> connection_;
  std::string seed_;
  ServerTypes types_;
  TextSettings settings_;
};

// `literals` cycles through the rows.
std::string Pick(std::string_view literals, std::string_view type) {
  return absl::StrCat("(ARRAY[", std::string(literals), "])[1 + i % cardinality(ARRAY[",
                      std::string(literals), "])]::text::", std::string(type));
}

TEST_F(ValueCodec, BuiltinTypesAreThoseOfTheServer) {
  const Result result = Query(
      "SELECT t.oid, typname, typtype, typsubscript = 'array_subscript_handler'::regproc AND "
      "typlen = -1"
      "  AND typname NOT IN ('int2vector', 'oidvector') OR typname = '_record', typelem, typdelim,"
      " coalesce(rngsubtype, 0), coalesce((SELECT rngtypid FROM pg_range WHERE rngmultitypid = "
      "t.oid), 0)"
      " FROM pg_type t LEFT JOIN pg_range ON rngtypid = t.oid"
      " WHERE t.oid < 10000 AND typtype IN ('b', 'r', 'm') AND typname !~ '^_pg_'"
      "  AND typname NOT LIKE 'pg\\_%summary' OR typname IN ('record', '_record') ORDER BY 1");
  ASSERT_GT(PQntuples(result.get()), 100);
  for (int i = 0; i < PQntuples(result.get()); ++i) {
    const TypeInfo info = BuiltinTypes().Resolve(Number(result, i, 0));
    const std::string name(Cell(result, i, 1));
    const bool array = Cell(result, i, 3) == "t";
    if (name == "record") {
      EXPECT_EQ(info.kind, TypeKind::composite);
      continue;
    }
    EXPECT_EQ(info.kind, Kind(Cell(result, i, 2)[0], array)) << name;
    if (array) {
      EXPECT_EQ(info.base, Number(result, i, 4)) << name;
      EXPECT_EQ(info.delimiter, Cell(result, i, 5)[0]) << name;
    } else if (info.kind == TypeKind::range) {
      EXPECT_EQ(info.base, Number(result, i, 6)) << name;
    } else if (info.kind == TypeKind::multirange) {
      EXPECT_EQ(info.base, Number(result, i, 7)) << name;
    }
  }
}

TEST_F(ValueCodec, Numbers) {
  Check("random() < 0.5", 100);
  Check("(random() * 65535 - 32768)::int2", 2000);
  Check("(random() * 4294967295 - 2147483648)::int4", 2000);
  Check("((random() - 0.5) * 1.8e19)::int8", 2000);
  Check(Pick("'-9223372036854775808', '9223372036854775807', '0', '-1'", "int8"), 4);
  Check("(random() * 4294967295)::int8::oid", 2000);
  Check("(random() * 4294967295)::int8::text::xid", 500);
  Check("(random() * 1e15)::int8::text::xid8", 500);
  Check("(random() - 0.5) * power(10::float8, random() * 600 - 300)", 5000);
  Check("((random() - 0.5) * power(10::float8, random() * 70 - 35))::float4", 5000);
  Check("round((random() * 1000)::numeric, 2)::float8", 2000);
  const std::string edges =
      "'-0', '0', 'NaN', 'Infinity', '-Infinity', '1e15', '1e14', '123456789012345680', '1e-5', "
      "'0.0001', '0.1', '1e6', '123456', '3.4e38', '1.1754944e-38', '1e-45'";
  Check(Pick(edges, "float4"), 32);
  Check(Pick(edges + ", '5e-324', '1.7976931348623157e308', '2.2250738585072014e-308'", "float8"),
        38);
}

TEST_F(ValueCodec, Numeric) {
  Check(
      "round(((random() - 0.5) * power(10::float8, random() * 30))::numeric, (random() * 20)::int)",
      5000);
  Check("((random() - 0.5)::numeric * 10::numeric ^ (random() * 400 - 200)::int)", 3000);
  Check("round(random()::numeric * 10000, (random() * 9 - 4)::int)", 3000);
  Check(
      Pick("'NaN', 'Infinity', '-Infinity', '0', '0.00', '-0.0', '1.0', '1.00', '1e131071', "
           "'-1e-16383', '10000', '9999.9999', '100000000', '0.0001', '1e63', '1e64', '1e65', "
           "'1e-62', '1e-63', '1e-64', '12345678901234567890123456789012345678901234567890123456789"
           "012345678901234567890'",
           "numeric"),
      42);
}

TEST_F(ValueCodec, StringsAndBytes) {
  const std::string edges =
      Pick("'', ' ', 'a', E'\\\\', '\"', 'é☃', E'tab\\t', 'NULL', '{}', '(,)'", "text");
  for (const char* type : {"text", "varchar", "char(9)", "name", "xml", "unknown", "refcursor"}) {
    if (std::string_view(type) == "xml" || std::string_view(type) == "unknown") continue;
    Check(edges + "::" + type, 20, std::string_view(type) != "char(9)");
  }
  for (const char* output : {"hex", "escape"}) {
    Query(absl::StrCat("SET bytea_output = ", output));
    Check("decode(md5(random()::text) || repeat('5c', i % 3) || '00', 'hex')", 2000);
    Check("''::bytea", 1);
    Check("decode('5c78' || md5(i::text), 'hex')", 20);
  }
  Check(R"(chr(32 + (random() * 94)::int)::"char")", 500);
  Check(R"(''::"char")", 1);
  Check("decode(md5(random()::text), 'hex')::text::bytea", 100);
  Check("(random() * 1e9)::int::bit(32)", 500);
  Check("substr((random() * 1e9)::int::bit(32)::text, 1, (random() * 32)::int)::varbit", 2000);
  Check("''::varbit", 1);
  Check("md5(random()::text)::uuid", 2000);
  Check("substr(md5(random()::text), 1, 12)::macaddr", 500);
  Check("substr(md5(random()::text), 1, 16)::macaddr8", 500);
  Check("('x' || substr(md5(random()::text), 1, 8))::bit(32)::int8::text::xid8", 10);
  Check("format('(%s,%s)', (random() * 1e9)::int, (random() * 60000)::int)::tid", 500);
  Check("(pg_lsn '0/0' + (random() * 1e18)::int8::numeric)", 500);
}

TEST_F(ValueCodec, Network) {
  const std::string four = "('0.0.0.0'::inet + (random() * 4294967295)::int8)";
  Check("set_masklen(" + four + ", (random() * 32)::int)", 2000);
  Check(four, 500);
  Check("set_masklen(" + four + "::cidr, (random() * 32)::int)", 2000);
  const std::string six =
      "(regexp_replace(substr(md5(random()::text), 1, 16) || "
      "repeat('0', (random() * 4)::int * 4) || md5(i::text), '(.{4})', '\\1:', 'g'))";
  Check("set_masklen(substr(" + six + ", 1, 39)::inet, (random() * 128)::int)", 1000);
  Check("set_masklen(substr(" + six + ", 1, 39)::inet::cidr, (random() * 128)::int)", 1000);
  Check(Pick("'::', '::1', '::/0', '::ffff:1.2.3.4', '::ffff:0:0/96', 'fe80::/64', '10/8', '1::', "
             "'::1.2.3.4', '2001:db8:0:0:1:0:0:1', '0:0:1::'",
             "cidr"),
        22);
  Check(Pick("'::', '::1', '::/0', '::ffff:1.2.3.4', '::ffff:0:0/96', 'fe80::1/64', '1::', "
             "'::1.2.3.4', '2001:db8:0:0:1:0:0:1', '0:0:1::'",
             "inet"),
        20);
}

TEST_F(ValueCodec, DatesAndTimesInEveryDateStyle) {
  for (const char* style : {"ISO, MDY", "ISO, DMY", "SQL, MDY", "SQL, DMY", "German",
                            "Postgres, MDY", "Postgres, DMY", "ISO, YMD"}) {
    SCOPED_TRACE(style);
    settings_.date_style = style;
    Query(absl::StrCat("SET DateStyle = '", style, "'"));
    Check("'2000-01-01'::date + ((random() - 0.5) * 2000000)::int * (i % 2) + i", 2000);
    Check("'2000-01-01'::date + ((random()) * 4e6)::int * 500", 500);
    Check(
        "CASE i WHEN 1 THEN 'infinity' WHEN 2 THEN '-infinity' WHEN 3 THEN '4713-01-01 BC' ELSE "
        "'5874897-12-31' END::date",
        4);
    Check(
        "CASE i WHEN 1 THEN 'infinity' WHEN 2 THEN '-infinity' WHEN 3 THEN '4713-01-01 BC' WHEN 4 "
        "THEN '0001-01-01' WHEN 5 THEN '0001-12-31 23:59:59.999999 BC' ELSE '294276-12-31 "
        "23:59:59.999999' END::timestamp",
        6);
    Check(
        "'2000-01-01'::timestamp + (random() - 0.5) * interval '12000 years' * (i % 2) + i * "
        "interval '1 day' + random() * interval '1 us'",
        3000);
    Check("(random() * interval '86400 s')::time", 1000);
    Check("CASE i WHEN 1 THEN '24:00:00' WHEN 2 THEN '00:00:00' ELSE '23:59:59.999999' END::time",
          3);
    Check(
        "format('%s%s', (random() * interval '86400 s')::time, (ARRAY['+00', '-00:30', '+05:30', "
        "'+15:59:59', '-12'])[1 + i % 5])::timetz",
        500);
    Check("'2000-01-01'::timestamptz + (random() - 0.5) * interval '2000 years'", 2000);
  }
}

TEST_F(ValueCodec, TimestampsInManyZones) {
  for (const char* zone : {"UTC", "Europe/Berlin", "America/St_Johns", "Asia/Kolkata",
                           "Africa/Monrovia", "Pacific/Kiritimati", "<-0530>+05:30"}) {
    SCOPED_TRACE(zone);
    settings_.time_zone = zone;
    Query(absl::StrCat("SET timezone = '", zone, "'"));
    Check("'2000-01-01'::timestamptz + (random() - 0.5) * interval '2000 years' * (i % 3)", 2000);
    Check("CASE i WHEN 1 THEN 'infinity' ELSE '0044-03-15 12:00 BC' END::timestamptz", 2);
  }
}

TEST_F(ValueCodec, IntervalsInEveryStyle) {
  for (const char* style : {"postgres", "postgres_verbose", "sql_standard", "iso_8601"}) {
    SCOPED_TRACE(style);
    settings_.interval_style = style;
    Query(absl::StrCat("SET IntervalStyle = ", style));
    // Parts present, absent and of either sign.
    Check(
        "make_interval(months => ((random() - 0.5) * 100)::int * (i % 2), days => ((random() - "
        "0.5) "
        "* 100)::int * (i / 2 % 2), secs => round(((random() - 0.5) * 1e6)::numeric, i % "
        "7)::float8 * "
        "(i / 4 % 2))",
        4000);
    Check(
        "make_interval(months => -(random() * 30)::int, days => -(random() * 3)::int, secs => "
        "-random())",
        1000);
    Check(
        "CASE i WHEN 1 THEN '178000000 years' WHEN 2 THEN '-178000000 years' WHEN 3 THEN '0' WHEN "
        "4 "
        "THEN '-0.000001 s' WHEN 5 THEN '2562047788:00:54.775807' ELSE '1 month -1 day' "
        "END::interval",
        6);
  }
}

TEST_F(ValueCodec, Json) {
  Check(
      "jsonb_build_object('b' || i, random(), 'a', (random() * 100)::int::numeric / 8, '', null, "
      "E'\\n\"', ARRAY[true, false], 'nested', jsonb_build_object('x', '{}'::jsonb, 'long key', "
      "'[]'::jsonb))",
      500);
  Check(
      Pick("'1', '1.0', '1.00', '-0', '1e5', '1e-5', '\"\\u00e9\\ud83d\\ude00\\u0001\\u007f\\/\"', "
           "'{\"a\":1,\"a\":2}', '[1,[2,[3]],{}]', 'null', '\"\"', '1e100', "
           "'{\"bb\":1,\"a\":2,\"ab\":3}'",
           "jsonb"),
      26);
  Check(Pick("'1.0', '{\"b\" : 1,  \"a\":2}', '[]'", "json"), 6);
  Check(Pick("'$.a[*] ? (@ > 1)', 'strict $'", "jsonpath"), 4);
  Check("(repeat('[', 400) || repeat(']', 400))::jsonb", 1);
  Check("(repeat('[', 1500) || repeat(']', 1500))::jsonb", 1);
}

TEST_F(ValueCodec, JsonbIsPrintedAsTheServerPrintsIt) {
  const Result result = Query(
      "SELECT j, j::jsonb FROM unnest(ARRAY['{\"b\":1, \"a\":[1.50,2e3, "
      "{\"z\":null,\"y\":\"\\u0041\\n\"}], "
      "\"a\":3}', '{\"bb\":1,\"c\":{\"aa\":1,\"b\":2}}', ' [ ] ', '-0.0', '1E2', '12e-3', "
      "'{\"x\":{\"q\":1,\"p\":2},\"a\":{\"q\":1,\"p\":[{\"d\":1,\"c\":2}]}}']) j");
  for (int i = 0; i < PQntuples(result.get()); ++i) {
    const auto canonical =
        Canonicalise(Cell(result, i, 0), oid::kJsonb, Format::text, types_, settings_);
    ASSERT_TRUE(canonical.ok()) << Cell(result, i, 0);
    EXPECT_EQ(canonical->bytes, Cell(result, i, 1));
  }
}

TEST_F(ValueCodec, ArraysOfEveryBuiltinElement) {
  const std::string text =
      "(ARRAY['', ' ', 'a b', 'NULL', 'null', '{', '\"', E'\\\\', ',', 'é', 'x', ';'])[1 + "
      "(random() * 11)::int]";
  Check("ARRAY[" + text + ", " + text + ", NULL]", 2000);
  Check("ARRAY[" + text + "::varchar, NULL]::varchar[]", 500);
  Check("ARRAY[[1, (random() * 9)::int], [NULL, i]]", 200);
  Check("('[2:4]={1,2,' || i || '}')::int[]", 50);
  Check("('[-1:0][3:3]={{' || i || '},{NULL}}')::float8[]", 50);
  Check("ARRAY[[[[[[i]]]]]]", 20);
  Check("'{}'::int[]", 1);
  Check("ARRAY[i::int2, NULL]", 50);
  Check("ARRAY[i::int8]", 50);
  Check("ARRAY[random()]", 500);
  Check("ARRAY[i % 2 = 0]", 4);
  Check("ARRAY[random()::numeric(20, 10), i]", 200);
  Check("ARRAY[now() + random() * interval '1 day', '-infinity']", 200);
  Check("ARRAY[now()::timestamp + random() * interval '1 day']", 200);
  Check("ARRAY[current_date + i, 'infinity']", 200);
  Check("ARRAY[random() * interval '1 year', '1 mon']", 200);
  Check("ARRAY[(random() * interval '86400 s')::time]", 200);
  Check("ARRAY[md5(random()::text)::uuid]", 200);
  Check("ARRAY[decode(md5(random()::text), 'hex'), '']", 200);
  Check("ARRAY[jsonb_build_object('a', i, 'b', ARRAY[" + text + "])]", 200);
  Check("ARRAY[json_build_object('a', i)]", 200);
  Check("ARRAY[box(point(random(), i), point(0, 0)), box '((1,1),(2,2))']", 200);
  Check("ARRAY[point(random(), i)]", 200);
  Check("ARRAY[int4range(i, 2 * i), 'empty', NULL]", 200);
  Check("ARRAY['10.0.0.0/8'::inet + i]", 50);
  Check("ARRAY[B'101', i::bit(3)]", 20);
  Check("ARRAY[i::oid]", 20);
  Check("(i || ' ' || 2 * i)::int2vector", 20);
  Check("''::int2vector", 1);
  Check("(i || ' ' || 2 * i)::oidvector", 20);
}

TEST_F(ValueCodec, RangesAndMultiranges) {
  Check("int4range(i, i + (random() * 9)::int, (ARRAY['[]', '()', '(]', '[)'])[1 + i % 4])", 500);
  Check("int8range(CASE WHEN i % 3 > 0 THEN i END, CASE WHEN i % 5 > 0 THEN 2 * i END)", 200);
  Check("numrange(random()::numeric, 1 + random()::numeric, '[]')", 500);
  Check("tsrange('2024-01-01', '2024-01-01'::timestamp + random() * interval '9 days')", 500);
  Check("tstzrange('-infinity', now() + random() * interval '9 days', '(]')", 500);
  Check("daterange(current_date, current_date + i)", 100);
  Check("daterange(NULL, NULL)", 1);
  Check("'(,)'::pg_temp.floats", 1);
  Check("pg_temp.floats(random(), 2 + random(), '[]')", 500);
  Check("int4multirange(int4range(1, 1 + i), int4range(100 + i, 200 + i))", 100);
  Check("'{}'::nummultirange", 1);
  Check(
      "tstzmultirange(tstzrange(now(), now() + i * interval '1 s'), tstzrange(now() + interval '1 "
      "h', NULL))",
      100);
}

TEST_F(ValueCodec, Geometry) {
  const std::string point = "point((random() - 0.5) * 1e6, random() * 10 ^ (i % 40 - 20))";
  Check(point, 1000);
  Check("lseg(" + point + ", " + point + ")", 500);
  Check("box(" + point + ", " + point + ")", 500);
  Check("circle(" + point + ", random())", 500);
  Check("line(" + point + ", " + point + ")", 500);
  Check("format('%s(%s),%s%s', (ARRAY['(', '['])[1 + i % 2], trim(both '()' from '1,2'), " + point +
            ", (ARRAY[')', ']'])[1 + i % 2])::path",
        500);
  Check("polygon(6, circle(" + point + ", 1 + random()))", 500);
}

TEST_F(ValueCodec, TypesOfTheDatabase) {
  Check("(enum_range(NULL::pg_temp.mood))[1 + i % 4]", 8);
  Check("enum_range(NULL::pg_temp.mood)", 1);
  Check("ARRAY[random()::numeric(9, 3) + 1]::pg_temp.positive[]", 200);
  Check(
      "ROW(i, (ARRAY['', 'a b', 'q\"', E'\\\\', ',()', NULL])[1 + i % 6], now() + i * interval '1 "
      "s', "
      "ARRAY[1.50, NULL])::pg_temp.pair",
      100);
  Check("ARRAY[ROW(i, 'x', now(), '{}')::pg_temp.pair, NULL]", 20);
}

}  // namespace
}  // namespace pgparity::protocol
