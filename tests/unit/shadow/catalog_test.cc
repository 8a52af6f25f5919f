#include "shadow/catalog.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "shadow/identifiers.h"
#include "tests/support/catalog_builders.h"

namespace pgparity::shadow {
namespace {

using support::TableBuilder;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

struct DefaultCase {
  const char* text;
  DefaultKind kind;
};

class DefaultTest : public ::testing::TestWithParam<DefaultCase> {};

TEST_P(DefaultTest, IsClassified) {
  CatalogColumn column;
  column.default_text = GetParam().text;
  ClassifyDefault(*Catalog::Empty(), &column);
  EXPECT_EQ(static_cast<int>(column.default_kind), static_cast<int>(GetParam().kind))
      << GetParam().text;
}

// As pg_get_expr prints them.
INSTANTIATE_TEST_SUITE_P(
    Defaults, DefaultTest,
    ::testing::Values(DefaultCase{"", DefaultKind::none}, DefaultCase{"0", DefaultKind::constant},
                      DefaultCase{"'now()'::text", DefaultKind::constant},
                      DefaultCase{"'{}'::jsonb", DefaultKind::constant},
                      DefaultCase{"now()", DefaultKind::now},
                      DefaultCase{"CURRENT_TIMESTAMP", DefaultKind::now},
                      DefaultCase{"CURRENT_TIMESTAMP(3)", DefaultKind::now},
                      DefaultCase{"LOCALTIMESTAMP", DefaultKind::now},
                      DefaultCase{"CURRENT_DATE", DefaultKind::now},
                      DefaultCase{"(now())::date", DefaultKind::now},
                      DefaultCase{"timezone('utc'::text, now())", DefaultKind::now},
                      DefaultCase{"(now() + '7 days'::interval)", DefaultKind::now},
                      DefaultCase{"clock_timestamp()", DefaultKind::now},
                      DefaultCase{"nextval('public.t_id_seq'::regclass)", DefaultKind::sequence},
                      DefaultCase{"('INV-'::text || nextval('public.s'::regclass))",
                                  DefaultKind::volatile_value},
                      DefaultCase{"gen_random_uuid()", DefaultKind::volatile_value},
                      DefaultCase{"extensions.uuid_generate_v4()", DefaultKind::volatile_value},
                      DefaultCase{"md5((random())::text)", DefaultKind::volatile_value},
                      DefaultCase{"CURRENT_USER", DefaultKind::volatile_value},
                      DefaultCase{"(now())::text || random()", DefaultKind::volatile_value},
                      DefaultCase{"not sql (", DefaultKind::volatile_value}));

TEST(CatalogTest, DefaultNamesItsSequenceAndTimes) {
  CatalogColumn column;
  column.default_text = "nextval('public.\"T_id_seq\"'::regclass)";
  ClassifyDefault(*Catalog::Empty(), &column);
  EXPECT_EQ(column.sequence, "public.\"T_id_seq\"");
  CatalogColumn time;
  time.default_text = "timezone('utc'::text, now())";
  ClassifyDefault(*Catalog::Empty(), &time);
  ASSERT_EQ(time.default_times.size(), 1u);
  EXPECT_EQ(time.default_text.substr(time.default_times[0].offset, time.default_times[0].length),
            "now()");
  EXPECT_EQ(time.default_times[0].column_name, "");
}

TEST(CatalogTest, GeneratedColumnsAreNoDefaults) {
  CatalogColumn column;
  column.default_text = "(a + 1)";
  column.generated_stored = true;
  ClassifyDefault(*Catalog::Empty(), &column);
  EXPECT_EQ(column.default_kind, DefaultKind::none);
}

TEST(CatalogTest, FindsTablesAlongThePath) {
  TableBuilder a(1, "t"), b(2, "t"), c(3, "u");
  b->schema = "other";
  const auto catalog = Catalog::FromTables({a, b, c});
  EXPECT_EQ(catalog->FindTable("", "t", {"other", "public"})->oid, 2u);
  EXPECT_EQ(catalog->FindTable("", "t", {"none", "public"})->oid, 1u);
  EXPECT_EQ(catalog->FindTable("other", "t", {"public"})->oid, 2u);
  EXPECT_EQ(catalog->FindTable("other", "u", {"public"}), nullptr);
  EXPECT_EQ(catalog->FindTable("", "t", {}), nullptr);
  EXPECT_EQ(catalog->FindTable(3)->name, "u");
  EXPECT_EQ(catalog->FindTable(9), nullptr);
  // A dot inside a name does not make two of it.
  EXPECT_EQ(catalog->FindTable("", "other.t", {"", "public"}), nullptr);
}

TEST(CatalogTest, FindsSequencesAsRegclassNamesThem) {
  TableBuilder t(1, "t");
  t.Identity("id", 20, "public.\"S\"");
  const auto catalog = Catalog::FromTables({t});
  EXPECT_EQ(catalog->FindSequence("\"S\"", {"public"}), "public.\"S\"");
  EXPECT_EQ(catalog->FindSequence("PUBLIC.\"S\"", {}), "public.\"S\"");
  EXPECT_EQ(catalog->FindSequence("S", {"public"}), std::nullopt);
  EXPECT_EQ(catalog->FindSequence("16402", {"public"}), std::nullopt);
  EXPECT_EQ(catalog->FindSequence("s; DROP TABLE t", {"public"}), std::nullopt);
}

TEST(CatalogTest, ForeignKeysBothWays) {
  TableBuilder parent(1, "p"), child(2, "c"), other(3, "o");
  child.References(1, {2}, {1}).References(1, {3}, {1});
  other.References(1, {1}, {1});
  const auto catalog = Catalog::FromTables({parent, child, other});
  EXPECT_THAT(catalog->FindTable(2)->references, ElementsAre(1u));
  EXPECT_THAT(catalog->FindReferencing(1),
              ElementsAre(catalog->FindTable(2), catalog->FindTable(3)));
  EXPECT_THAT(catalog->FindReferencing(2), IsEmpty());
}

TEST(CatalogTest, QuotesNamesWhereNeeded) {
  TableBuilder t(1, "Order");
  EXPECT_EQ(static_cast<CatalogTable>(t).QualifiedName(), "public.\"Order\"");
  EXPECT_EQ(QuoteIdentifier("order"), "\"order\"");
  EXPECT_EQ(QuoteIdentifier("orders_2"), "orders_2");
  EXPECT_EQ(QuoteIdentifier("2x"), "\"2x\"");
  EXPECT_EQ(QuoteIdentifier("a\"b"), "\"a\"\"b\"");
  EXPECT_EQ(QuoteIdentifier(""), "\"\"");
  EXPECT_EQ(QuoteIdentifier("é"), "\"é\"");
}

TEST(CatalogTest, ParsesQualifiedNames) {
  EXPECT_THAT(*ParseQualifiedName("a.\"B.\"\"c\""), ElementsAre("a", "B.\"c"));
  EXPECT_THAT(*ParseQualifiedName(" Foo "), ElementsAre("foo"));
  for (const char* bad : {"", "a.", ".a", "a b", "a.b.c.d", "'a'", "a;b", "\"a"}) {
    EXPECT_EQ(ParseQualifiedName(bad), std::nullopt) << bad;
  }
}

TEST(CatalogTest, ParsesSearchPaths) {
  EXPECT_THAT(ParseSearchPath("\"$user\", public"), ElementsAre("$user", "public"));
  EXPECT_THAT(ParseSearchPath("$user,Public"), ElementsAre("$user", "public"));
  EXPECT_THAT(ParseSearchPath("\"A \"\"b\", c"), ElementsAre("A \"b", "c"));
  EXPECT_THAT(ParseSearchPath(""), IsEmpty());
  EXPECT_THAT(ParseSearchPath("\"\""), IsEmpty());
  EXPECT_THAT(ParseSearchPath("\"unterminated"), IsEmpty());
}

TEST(CatalogTest, LoadSaysThatThereIsNoConnection) { EXPECT_FALSE(Catalog::Load(nullptr).ok()); }

}  // namespace
}  // namespace pgparity::shadow
