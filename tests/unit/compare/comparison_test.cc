#include "compare/comparison.h"

#include <algorithm>
#include <random>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/compare/comparison_test_util.h"

namespace pgparity::compare {
namespace {

using protocol::Format;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
namespace oid = protocol::oid;

const std::vector<ColumnSpec> kItem = {
    {"id", oid::kInt4}, {"price", oid::kNumeric}, {"note", oid::kText}};

// --- Outcomes

TEST(Comparison, ErrorAgainstSuccess) {
  const Comparison missing = Compare(Error("23505"), Tag("INSERT 0 1"), Options());
  EXPECT_EQ(missing.kind, Kind::missing_error);
  EXPECT_EQ(missing.what, "SQLSTATE 23505 against none");
  EXPECT_EQ(missing.primary_example, "error SQLSTATE 23505: it failed");
  EXPECT_EQ(missing.shadow_example, "INSERT 0 1");
  const Comparison shadow = Compare(Tag("INSERT 0 1"), Error("23514"), Options());
  EXPECT_EQ(shadow.kind, Kind::shadow_error);
  EXPECT_EQ(shadow.what, "no error against SQLSTATE 23514");
}

TEST(Comparison, ErrorsCompareByStateAndSeverityAndNotByText) {
  EXPECT_TRUE(
      Compare(Error("23505", "doppelter Schlüssel"), Error("23505", "duplicate key"), Options())
          .equal());
  EXPECT_EQ(Compare(Error("23505"), Error("23503"), Options()).kind, Kind::error);
  EXPECT_EQ(Compare(Error("57P01", "", "FATAL"), Error("57P01", "", "ERROR"), Options()).kind,
            Kind::error);
}

TEST(Comparison, SkippedStatements) {
  Observation skipped;
  skipped.kind = Observation::Kind::skipped;
  EXPECT_TRUE(Compare(skipped, skipped, Options()).equal());
  EXPECT_EQ(Compare(skipped, Tag("BEGIN"), Options()).kind, Kind::missing_error);
  EXPECT_EQ(Compare(Tag("BEGIN"), skipped, Options()).kind, Kind::shadow_error);
  EXPECT_EQ(Compare(Error("22012"), skipped, Options()).kind, Kind::error);
}

TEST(Comparison, EmptyQueriesAndSuspendedPortals) {
  Observation empty;
  empty.kind = Observation::Kind::empty_query;
  EXPECT_TRUE(Compare(empty, empty, Options()).equal());
  EXPECT_EQ(Compare(empty, Tag("SELECT 0"), Options()).kind, Kind::shape);
  Observation suspended = Rows(kItem, {{"1", "2", "3"}});
  suspended.tag.clear();
  suspended.kind = Observation::Kind::portal_suspended;
  EXPECT_TRUE(Compare(suspended, suspended, Options()).equal());
  EXPECT_EQ(Compare(suspended, Rows(kItem, {{"1", "2", "3"}}), Options()).kind, Kind::row_count);
}

TEST(Comparison, CommandTags) {
  EXPECT_TRUE(Compare(Tag("UPDATE 3"), Tag("UPDATE 3"), Options()).equal());
  EXPECT_TRUE(Compare(Tag("UPDATE 3"), Tag(""), Options()).equal());
  EXPECT_TRUE(Compare(Tag("INSERT 0 1"), Tag("INSERT 4711 1"), Options()).equal());
  const Comparison count = Compare(Tag("UPDATE 1"), Tag("UPDATE 0"), Options());
  EXPECT_EQ(count.kind, Kind::row_count);
  EXPECT_EQ(count.what, "UPDATE of 1 rows against 0");
  EXPECT_EQ(Compare(Tag("INSERT 0 1"), Tag("INSERT 0 2"), Options()).kind, Kind::row_count);
  EXPECT_EQ(Compare(Tag("UPDATE 1"), Tag("DELETE 1"), Options()).kind, Kind::shape);
  EXPECT_EQ(Compare(Tag("COMMIT"), Tag("ROLLBACK"), Options()).kind, Kind::shape);
}

// --- Columns

TEST(Comparison, ColumnsDifferInNumberNameOrType) {
  const Observation a = Rows({{"a"}, {"b"}}, {});
  EXPECT_EQ(Compare(a, Rows({{"a"}}, {}), Options()).what, "2 columns against 1");
  const Comparison name = Compare(a, Rows({{"a"}, {"c\n"}}, {}), Options());
  EXPECT_EQ(name.kind, Kind::shape);
  EXPECT_THAT(name.what, Not(HasSubstr("\n")));
  EXPECT_THAT(name.differing_columns, ElementsAre(1));
  const Comparison type = Compare(a, Rows({{"a"}, {"b", oid::kVarchar}}, {}), Options());
  EXPECT_EQ(type.kind, Kind::shape);
  EXPECT_THAT(type.what, HasSubstr("type OID 25 against type OID 1043"));
}

TEST(Comparison, TableOidsAndTypeModifiersDoNotCount) {
  Observation a = Rows({{"a"}}, {{"x"}});
  Observation b = a;
  b.columns[0].table_oid = 99;
  b.columns[0].attribute = 3;
  b.columns[0].type_modifier = 14;
  EXPECT_TRUE(Compare(a, b, Options()).equal());
}

class NamedTypes : public protocol::TypeResolver {
 public:
  explicit NamedTypes(uint32_t shift) : shift_(shift) {}
  protocol::TypeInfo Resolve(uint32_t type_oid) const override {
    protocol::TypeInfo info;
    info.base = type_oid;
    if (type_oid == 20'000 + shift_) {
      info.kind = protocol::TypeKind::enumeration;
      info.name = "public.mood";
    } else if (type_oid == 20'001 + shift_) {
      info.kind = protocol::TypeKind::array;
      info.base = 20'000 + shift_;
      info.name = "public._mood";
    }
    return info;
  }

 private:
  uint32_t shift_;
};

TEST(Comparison, TypesOfTheDatabaseCompareByName) {
  const NamedTypes primary(0);
  const NamedTypes shadow(5);
  CompareOptions options = Options();
  options.primary_types = &primary;
  options.shadow_types = &shadow;
  EXPECT_TRUE(
      Compare(Rows({{"m", 20'000}}, {{"sad"}}), Rows({{"m", 20'005}}, {{"sad"}}), options).equal());
  EXPECT_EQ(Compare(Rows({{"m", 20'000}}, {}), Rows({{"m", 20'006}}, {}), options).kind,
            Kind::shape);
  EXPECT_EQ(Compare(Rows({{"m", 20'000}}, {}), Rows({{"m", oid::kText}}, {}), options).kind,
            Kind::shape);
}

TEST(Comparison, ArraysOfTypesWithOtherOidsAreEqualInBinary) {
  const NamedTypes primary(0);
  const NamedTypes shadow(5);
  CompareOptions options = Options();
  options.primary_types = &primary;
  options.shadow_types = &shadow;
  const auto array = [](int32_t element, const std::string& label) {
    return Binary32(1) + Binary32(0) + Binary32(element) + Binary32(1) + Binary32(1) +
           Binary32(static_cast<int32_t>(label.size())) + label;
  };
  const auto rows = [&](uint32_t type, const std::string& value) {
    return Rows({{"m", type, Format::binary}}, {{value}});
  };
  EXPECT_TRUE(
      Compare(rows(20'001, array(20'000, "sad")), rows(20'006, array(20'005, "sad")), options)
          .equal());
  EXPECT_EQ(
      Compare(rows(20'001, array(20'000, "sad")), rows(20'006, array(20'005, "mad")), options).kind,
      Kind::rows);
}

TEST(Comparison, ASideWithoutADescriptionIsReadLikeTheOther) {
  const Observation full = Rows({{"x", oid::kFloat8}}, {{"1.0"}});
  Observation bare = Rows({{"x", oid::kFloat8}}, {{"1"}});
  bare.has_columns = false;
  bare.columns.clear();
  EXPECT_TRUE(Compare(full, bare, Options()).equal());
  EXPECT_TRUE(Compare(bare, full, Options()).equal());
  Observation wide = Rows({{"x"}, {"y"}}, {{"1", "2"}});
  wide.has_columns = false;
  wide.columns.clear();
  EXPECT_EQ(Compare(full, wide, Options()).kind, Kind::shape);
  // Neither: bytes decide.
  Observation other = bare;
  other.rows.back() = '2';
  EXPECT_TRUE(Compare(bare, bare, Options()).equal());
  EXPECT_EQ(Compare(bare, other, Options()).kind, Kind::rows);
  EXPECT_TRUE(Compare(bare, other, Options()).bytewise);
}

// --- Rows

TEST(Comparison, ARowChangedIsNamedWithItsColumn) {
  const Comparison result =
      Compare(Rows(kItem, {{"1", "5.00", "a"}, {"2", "6.00", "b"}}),
              Rows(kItem, {{"1", "5.00", "a"}, {"2", "6.50", "b"}}), Options());
  EXPECT_EQ(result.kind, Kind::rows);
  EXPECT_EQ(result.what, "column 2 (price) differs in row 2");
  EXPECT_EQ(result.primary_example, "(2, 6.00, 'b')");
  EXPECT_EQ(result.shadow_example, "(2, 6.50, 'b')");
  EXPECT_THAT(result.differing_columns, ElementsAre(1));
}

TEST(Comparison, EveryDifferingColumnIsNamed) {
  const Comparison result =
      Compare(Rows(kItem, {{"1", "5.00", "a"}, {"2", "6.00", "b"}}),
              Rows(kItem, {{"2", "6.50", "b"}, {"1", "5.00", std::nullopt}}), Options());
  EXPECT_THAT(result.differing_columns, ElementsAre(1, 2));
  EXPECT_EQ(result.what, "column 3 (note) differs in row 1, and 1 more rows differ");
  EXPECT_EQ(result.primary_example, "(1, 5.00, 'a')\n(2, 6.00, 'b')");
  EXPECT_EQ(result.shadow_example, "(1, 5.00, NULL)\n(2, 6.50, 'b')");
}

TEST(Comparison, RowsMissingAndRowsTooMany) {
  const Observation two = Rows(kItem, {{"1", "5", "a"}, {"2", "6", "b"}});
  const Observation one = Rows(kItem, {{"2", "6", "b"}});
  const Comparison missing = Compare(two, one, Options());
  EXPECT_EQ(missing.kind, Kind::row_count);
  EXPECT_EQ(missing.what, "2 rows against 1");
  EXPECT_EQ(missing.primary_example, "(1, 5, 'a')");
  EXPECT_EQ(missing.shadow_example, "");
  EXPECT_EQ(Compare(one, two, Options()).what, "1 rows against 2");
}

TEST(Comparison, NullIsNotEmpty) {
  EXPECT_EQ(Compare(Rows({{"a"}}, {{std::nullopt}}), Rows({{"a"}}, {{""}}), Options()).kind,
            Kind::rows);
}

TEST(Comparison, OrderCountsOnlyWhereAskedAndThenAsANote) {
  const Observation a = Rows({{"a"}}, {{"x"}, {"y"}, {"z"}});
  const Observation b = Rows({{"a"}}, {{"z"}, {"x"}, {"y"}});
  const Comparison unordered = Compare(a, b, Options(false));
  EXPECT_TRUE(unordered.equal());
  EXPECT_FALSE(unordered.order_differs);
  const Comparison ordered = Compare(a, b, Options(true));
  EXPECT_TRUE(ordered.equal());
  EXPECT_TRUE(ordered.order_differs);
  EXPECT_FALSE(Compare(a, a, Options(true)).order_differs);
}

TEST(Comparison, DuplicatesCount) {
  const auto rows = [](const std::vector<std::string>& values) {
    std::vector<Row> result;
    for (const std::string& value : values) result.push_back({value});
    return Rows({{"a"}}, result);
  };
  EXPECT_TRUE(Compare(rows({"x", "x", "y"}), rows({"y", "x", "x"}), Options()).equal());
  EXPECT_EQ(Compare(rows({"x", "x", "y"}), rows({"x", "y", "y"}), Options()).kind, Kind::rows);
  EXPECT_EQ(Compare(rows({"x", "x", "y", "y"}), rows({"y", "y", "y", "x"}), Options()).kind,
            Kind::rows);
}

TEST(Comparison, CellsDoNotRunIntoEachOther) {
  EXPECT_EQ(
      Compare(Rows({{"a"}, {"b"}}, {{"xy", "z"}}), Rows({{"a"}, {"b"}}, {{"x", "yz"}}), Options())
          .kind,
      Kind::rows);
  EXPECT_EQ(Compare(Rows({{"a"}, {"b"}}, {{std::nullopt, "x"}}),
                    Rows({{"a"}, {"b"}}, {{"x", std::nullopt}}), Options())
                .kind,
            Kind::rows);
}

TEST(Comparison, NoTextImitatesTheBorderOfTwoCells) {
  // What stands before a cell in the form in which rows are compared, within the cell's own text.
  EXPECT_EQ(Compare(Rows({{"a"}, {"b"}}, {{"aVtb", "c"}}), Rows({{"a"}, {"b"}}, {{"a", "bVtc"}}),
                    Options())
                .kind,
            Kind::rows);
}

TEST(Comparison, TextAgainstBinaryInAnotherOrder) {
  const std::vector<ColumnSpec> text = {{"id", oid::kInt4}, {"n", oid::kInt8}};
  const std::vector<ColumnSpec> binary = {{"id", oid::kInt4, Format::binary},
                                          {"n", oid::kInt8, Format::binary}};
  const Observation a = Rows(text, {{"1", "-5"}, {"2", std::nullopt}, {"1", "-5"}});
  const Observation b =
      Rows(binary,
           {{Binary32(2), std::nullopt}, {Binary32(1), Binary64(-5)}, {Binary32(1), Binary64(-5)}});
  EXPECT_TRUE(Compare(a, b, Options()).equal());
  EXPECT_TRUE(Compare(b, a, Options()).equal());
  const Observation c =
      Rows(binary,
           {{Binary32(2), std::nullopt}, {Binary32(1), Binary64(-5)}, {Binary32(1), Binary64(-6)}});
  const Comparison differs = Compare(a, c, Options());
  EXPECT_EQ(differs.kind, Kind::rows);
  EXPECT_EQ(differs.shadow_example, "(1, -6)");
}

TEST(Comparison, IdenticalBytesInDifferentFormatsAreNotTheSameValue) {
  const Observation a = Rows({{"id", oid::kInt4}}, {{"1234"}});
  const Observation b = Rows({{"id", oid::kInt4, Format::binary}}, {{"1234"}});
  EXPECT_EQ(Compare(a, b, Options()).kind, Kind::rows);
}

TEST(Comparison, UnknownTypesCompareAsBytesInTheSameFormat) {
  const std::vector<ColumnSpec> column = {{"v", 3614}};
  EXPECT_TRUE(Compare(Rows(column, {{"'a'"}}), Rows(column, {{"'a'"}}), Options()).equal());
  const Comparison differs = Compare(Rows(column, {{"'a'"}}), Rows(column, {{"'b'"}}), Options());
  EXPECT_EQ(differs.kind, Kind::rows);
  EXPECT_TRUE(differs.bytewise);
}

TEST(Comparison, UnknownTypesInTwoFormatsAreSaidToBeUncompared) {
  const std::vector<ColumnSpec> text = {{"id", oid::kInt4}, {"v", 3614}};
  const std::vector<ColumnSpec> binary = {{"id", oid::kInt4}, {"v", 3614, Format::binary}};
  const Comparison same = Compare(Rows(text, {{"1", "a"}, {"2", "b"}}),
                                  Rows(binary, {{"2", "?"}, {"1", "!"}}), Options());
  EXPECT_TRUE(same.equal());
  EXPECT_TRUE(same.incomplete);
  EXPECT_THAT(same.uncompared_columns, ElementsAre(1));
  // The other columns still count.
  const Comparison differs =
      Compare(Rows(text, {{"1", "a"}}), Rows(binary, {{"2", "a"}}), Options());
  EXPECT_EQ(differs.kind, Kind::rows);
  EXPECT_THAT(differs.differing_columns, ElementsAre(0));
}

TEST(Comparison, AMalformedValueDiffersFromAGoodOne) {
  const Observation text = Rows({{"id", oid::kInt4}}, {{"seven"}});
  EXPECT_EQ(
      Compare(text, Rows({{"id", oid::kInt4, Format::binary}}, {{Binary32(7)}}), Options()).kind,
      Kind::rows);
  EXPECT_TRUE(Compare(text, text, Options()).equal());
}

TEST(Comparison, RegclassInBinaryIsNotCompared) {
  const std::vector<ColumnSpec> column = {{"c", 2205, Format::binary}};
  const Comparison result =
      Compare(Rows(column, {{Binary32(16'400)}}), Rows(column, {{Binary32(16'500)}}), Options());
  EXPECT_TRUE(result.equal());
  EXPECT_THAT(result.uncompared_columns, ElementsAre(0));
  EXPECT_FALSE(Compare(Rows(column, {}), Rows(column, {}), Options()).incomplete);
  EXPECT_EQ(Compare(Rows({{"c", 2205}}, {{"a"}}), Rows({{"c", 2205}}, {{"b"}}), Options()).kind,
            Kind::rows);
}

TEST(Comparison, IgnoredColumnsAreLeftOut) {
  CompareOptions options = Options();
  options.ignored = {false, true};
  const Observation a = Rows({{"a"}, {"r"}}, {{"x", "1"}, {"y", "2"}});
  EXPECT_TRUE(Compare(a, Rows({{"a"}, {"r"}}, {{"y", "3"}, {"x", std::nullopt}}), options).equal());
  EXPECT_EQ(Compare(a, Rows({{"a"}, {"r"}}, {{"y", "1"}, {"z", "2"}}), options).kind, Kind::rows);
  EXPECT_EQ(Compare(a, Rows({{"a"}, {"r"}}, {{"x", "1"}}), options).kind, Kind::row_count);
}

TEST(Comparison, DamagedRowsNeverMatch) {
  const Observation good = Rows({{"a"}}, {{"xxxx"}, {"yyyy"}});
  Observation cut = good;
  cut.rows.resize(cut.rows.size() - 1);
  EXPECT_EQ(Compare(good, cut, Options()).kind, Kind::rows);
  Observation fewer = Rows({{"a"}}, {{"xxxx"}});
  fewer.row_count = 2;
  fewer.tag = good.tag;
  EXPECT_EQ(Compare(good, fewer, Options()).kind, Kind::rows);
  // A row that is no DataRow, framed well.
  Observation garbage = Rows({{"a"}}, {{"xxxx"}});
  AppendRowBody("?", &garbage.rows);
  garbage.row_count = 2;
  garbage.tag = good.tag;
  EXPECT_EQ(Compare(good, garbage, Options()).kind, Kind::rows);
}

TEST(Comparison, ExamplesAreShortAndEscaped) {
  const std::string longest(100'000, 'x');
  std::vector<ColumnSpec> columns;
  Row a;
  Row b;
  for (int i = 0; i < 100; ++i) {
    columns.push_back({"c", oid::kText});
    a.push_back(longest);
    b.push_back("it's\x1b[31m\xff");
  }
  const Comparison result = Compare(Rows(columns, {a}), Rows(columns, {b}), Options());
  EXPECT_LE(result.primary_example.size(), 4096U);
  EXPECT_LE(result.shadow_example.size(), 4096U);
  EXPECT_THAT(result.shadow_example, HasSubstr("'it''s"));
  EXPECT_THAT(result.shadow_example, Not(HasSubstr("\x1b")));
  EXPECT_THAT(result.shadow_example, Not(HasSubstr("\xff")));
  EXPECT_LE(result.what.size(), 500U);
}

TEST(Comparison, WhatHoldsNoUserData) {
  const Comparison result = Compare(Rows(kItem, {{"77123", "88123", "geheim"}}),
                                    Rows(kItem, {{"77124", "88124", "secret"}}), Options());
  EXPECT_THAT(result.what, Not(HasSubstr("12")));
  EXPECT_THAT(result.what, Not(HasSubstr("geheim")));
  EXPECT_EQ(result.what, "columns 1 (id), 2 (price), 3 (note) differ in row 1");
}

// --- COPY OUT

Observation CopyOut(const std::vector<std::string>& lines) {
  Observation observation;
  observation.copy_out = true;
  for (const std::string& line : lines) AppendRowBody(line, &observation.rows);
  observation.row_count = lines.size();
  observation.tag = "COPY " + std::to_string(lines.size());
  return observation;
}

TEST(Comparison, CopyDataComparesLineByLine) {
  const Observation a = CopyOut({"1\tx\n", "2\ty\n"});
  EXPECT_TRUE(Compare(a, a, Options()).equal());
  EXPECT_FALSE(Compare(a, CopyOut({"2\ty\n", "1\tx\n"}), Options()).bytewise);
  EXPECT_TRUE(Compare(a, CopyOut({"2\ty\n", "1\tx\n"}), Options()).equal());
  EXPECT_TRUE(Compare(a, CopyOut({"2\ty\n", "1\tx\n"}), Options(true)).order_differs);
  const Comparison differs = Compare(a, CopyOut({"1\tx\n", "2\tz\n"}), Options());
  EXPECT_EQ(differs.kind, Kind::rows);
  EXPECT_EQ(differs.what, "row 2 differs");
  EXPECT_THAT(differs.primary_example, Not(HasSubstr("\t")));
  EXPECT_EQ(Compare(a, CopyOut({"1\tx\n"}), Options()).kind, Kind::row_count);
  EXPECT_EQ(Compare(a, Tag("COPY 2"), Options()).kind, Kind::shape);
}

}  // namespace
}  // namespace pgparity::compare
