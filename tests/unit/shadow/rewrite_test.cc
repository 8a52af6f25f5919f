#include "shadow/rewrite.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "protocol/wire.h"
#include "tests/support/catalog_builders.h"

namespace pgparity::shadow {
namespace {

using namespace protocol::oid;  // NOLINT(google-build-using-namespace)
using support::Observed;
using support::ResultColumn;
using support::TableBuilder;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

constexpr int64_t kInstant = 1714979289123456;  // 2024-05-06 07:08:09.123456 UTC
constexpr char kInstantText[] = "2024-05-06 07:08:09.123456+00";

// orders: id identity always, name, created_at default now(), token default gen_random_uuid();
// legacy: serial id; notes: no defaults.
class RewriteTest : public ::testing::Test {
 protected:
  RewriteTest() {
    TableBuilder orders(100, "orders");
    orders.Identity("id", kInt8, "public.orders_id_seq")
        .Column("name", kText)
        .Column("created_at", kTimestamptz, "now()");
    TableBuilder legacy(101, "legacy");
    legacy.Column("id", kInt4, "nextval('public.legacy_id_seq'::regclass)").Column("a", kText);
    legacy.Column("day", kDate, "(timezone('utc'::text, CURRENT_TIMESTAMP))::date");
    TableBuilder tokens(102, "tokens");
    tokens.Column("token", kUuid, "gen_random_uuid()").Column("a", kInt4);
    TableBuilder notes(103, "notes");
    notes.Column("a", kInt4).Column("b", kText).Column("at", kTimestamptz);
    TableBuilder view(104, "recent");
    view.Column("at", kTimestamptz);
    view->kind = 'v';
    view->view_of = {100};
    catalog_ = Catalog::FromTables({orders, legacy, tokens, notes, view});
    context_.primary = catalog_.get();
    context_.shadow = catalog_.get();
    context_.search_path = {"public"};
    context_.instant_us = kInstant;
  }

  ShadowStatement Run(const Statement& statement) {
    return Rewrite(statement, Analyse(statement.sql), context_);
  }
  ShadowStatement Run(std::string sql) { return Run(Observed(std::move(sql))); }

  std::vector<std::string> Values(const ShadowStatement& statement) {
    std::vector<std::string> values;
    for (const auto& value : statement.values) values.push_back(value.value_or("NULL"));
    return values;
  }

  std::shared_ptr<const Catalog> catalog_;
  RewriteContext context_;
  const compare::Column id_ = ResultColumn("id", 100, 1, kInt8);
  const compare::Column created_ = ResultColumn("created_at", 100, 3, kTimestamptz);
};

TEST_F(RewriteTest, LeavesPlainStatementsAlone) {
  Statement statement = Observed("SELECT 'now()' /* now() */ WHERE a = $1");
  statement.parameters.values = {"5", std::nullopt};
  statement.parameters.formats = {0, 1};
  statement.parameters.types = {kInt4};
  const ShadowStatement shadow = Run(statement);
  EXPECT_EQ(shadow.sql, statement.sql);
  EXPECT_THAT(shadow.types, ElementsAre(kInt4, 0u));
  EXPECT_THAT(shadow.formats, ElementsAre(0, 1));
  EXPECT_THAT(Values(shadow), ElementsAre("5", "NULL"));
  EXPECT_FALSE(shadow.unseen_generated_key);
  EXPECT_THAT(shadow.frozen_time, IsEmpty());
}

TEST_F(RewriteTest, ResultFormatIsBinaryOnlyIfAllIs) {
  for (const auto& [formats, expected] : std::vector<std::pair<std::vector<int16_t>, int>>{
           {{}, 0}, {{0}, 0}, {{1}, 1}, {{1, 1}, 1}, {{1, 0}, 0}}) {
    Statement statement = Observed("SELECT 1, 2");
    statement.parameters.result_formats = formats;
    EXPECT_EQ(Run(statement).result_format, expected);
  }
}

// --------------------------------------------------------------------------- time

TEST_F(RewriteTest, FreezesTimesToOneParameter) {
  const ShadowStatement shadow = Run(
      "UPDATE notes SET at = now(), b = 'ü now()' WHERE at < CURRENT_TIMESTAMP - interval '1 day'");
  EXPECT_EQ(shadow.sql,
            "UPDATE notes SET at = ($1::pg_catalog.timestamptz), b = 'ü now()' "
            "WHERE at < ($1::pg_catalog.timestamptz) - interval '1 day'");
  EXPECT_THAT(Values(shadow), ElementsAre(kInstantText));
  EXPECT_THAT(shadow.types, ElementsAre(kTimestamptz));
  EXPECT_THAT(shadow.frozen_writes, ElementsAre(Pair(103u, 3)));
}

TEST_F(RewriteTest, OtherTimeTypesAreCastFromTheInstantByTheServer) {
  EXPECT_EQ(Run("SELECT 1 WHERE a = LOCALTIMESTAMP(0) OR b = CURRENT_DATE OR c = LOCALTIME OR d = "
                "CURRENT_TIME OR e = current_timestamp (2)")
                .sql,
            "SELECT 1 WHERE a = (($1::pg_catalog.timestamptz)::pg_catalog.timestamp(0)) "
            "OR b = (($1::pg_catalog.timestamptz)::pg_catalog.date) OR c = "
            "(($1::pg_catalog.timestamptz)::pg_catalog.time) "
            "OR d = (($1::pg_catalog.timestamptz)::pg_catalog.timetz) "
            "OR e = (($1::pg_catalog.timestamptz)::pg_catalog.timestamptz(2))");
}

TEST_F(RewriteTest, KeepsTheNamesOfResultColumns) {
  EXPECT_EQ(Run("SELECT now(), CURRENT_DATE AS d").sql,
            "SELECT (SELECT $1::pg_catalog.timestamptz AS now), "
            "(($1::pg_catalog.timestamptz)::pg_catalog.date) AS d");
}

TEST_F(RewriteTest, ParametersComeBehindTheClients) {
  Statement statement = Observed("UPDATE notes SET at = now(), b = $2 WHERE a = $1");
  statement.parameters.values = {"1", "x"};
  statement.parameters.formats = {0, 0};
  const ShadowStatement shadow = Run(statement);
  EXPECT_EQ(shadow.sql, "UPDATE notes SET at = ($3::pg_catalog.timestamptz), b = $2 WHERE a = $1");
  EXPECT_THAT(Values(shadow), ElementsAre("1", "x", kInstantText));
}

TEST_F(RewriteTest, InstantsBefore1970AndAtTheEdges) {
  for (const auto& [instant, text] : std::vector<std::pair<int64_t, std::string>>{
           {0, "1970-01-01 00:00:00.000000+00"},
           {-1, "1969-12-31 23:59:59.999999+00"},
           {951782400000000, "2000-02-29 00:00:00.000000+00"},
           {4107542399999999, "2100-02-28 23:59:59.999999+00"},
           {4107542400000000, "2100-03-01 00:00:00.000000+00"},
           {1735689599999999, "2024-12-31 23:59:59.999999+00"}}) {
    context_.instant_us = instant;
    EXPECT_THAT(Values(Run("SELECT 1 WHERE a = now()")), ElementsAre(text));
  }
}

TEST_F(RewriteTest, StatementTimesHaveTheirOwnInstant) {
  context_.statement_instant_us = kInstant + 1000000;
  const ShadowStatement shadow = Run("UPDATE notes SET at = clock_timestamp() WHERE at < now()");
  EXPECT_EQ(
      shadow.sql,
      "UPDATE notes SET at = ($1::pg_catalog.timestamptz) WHERE at < ($2::pg_catalog.timestamptz)");
  EXPECT_THAT(Values(shadow), ElementsAre("2024-05-06 07:08:10.123456+00", kInstantText));
}

TEST_F(RewriteTest, MarksResultColumnsThatHoldFrozenTimes) {
  const compare::Column at = ResultColumn("at", 103, 3, kTimestamptz);
  const compare::Column expression = ResultColumn("x", 0, 0, kTimestamptz);
  const compare::Column number = ResultColumn("n", 100, 1, kInt8);
  const auto frozen = [&](std::string sql, std::vector<compare::Column> columns) {
    return Run(Observed(std::move(sql), std::move(columns))).frozen_time;
  };
  EXPECT_THAT(frozen("SELECT created_at, id FROM orders", {created_, number}),
              ElementsAre(true, false));
  EXPECT_THAT(frozen("SELECT at FROM notes", {at}), IsEmpty());
  EXPECT_THAT(frozen("UPDATE notes SET at = now() RETURNING at", {at}), ElementsAre(true));
  EXPECT_THAT(frozen("SELECT now()", {expression}), ElementsAre(true));
  EXPECT_THAT(frozen("SELECT max(created_at) FROM orders", {expression}), ElementsAre(true));
  EXPECT_THAT(frozen("SELECT max(at) FROM notes", {expression}), IsEmpty());
  EXPECT_THAT(frozen("SELECT at FROM recent", {ResultColumn("at", 104, 1, kTimestamptz)}),
              ElementsAre(true));
  // A column that was once filled with a frozen time stays one.
  const absl::flat_hash_set<ColumnId> columns = {{103, 3}};
  context_.frozen_columns = &columns;
  EXPECT_THAT(frozen("SELECT at FROM notes", {at}), ElementsAre(true));
}

TEST_F(RewriteTest, SaysWhatAMismatchMayComeFrom) {
  const compare::Column json = ResultColumn("j", 0, 0, kJson);
  EXPECT_EQ(Run(Observed("SELECT row_to_json(o) FROM orders o", {json})).mismatch_reason,
            "frozen-time-in-value");
  EXPECT_EQ(Run(Observed("SELECT row_to_json(n) FROM notes n", {json})).mismatch_reason, "");
  EXPECT_EQ(Run(Observed("SELECT count(*) FROM orders o", {ResultColumn("c", 0, 0, kInt8)}))
                .mismatch_reason,
            "");
}

TEST_F(RewriteTest, TimesOfTriggersAreIgnored) {
  TableBuilder t(7, "t");
  t.Column("u", kTimestamptz);
  t->columns[0].time_by_trigger = true;
  catalog_ = Catalog::FromTables({t});
  context_.primary = catalog_.get();
  EXPECT_THAT(Run(Observed("SELECT u FROM t", {ResultColumn("u", 7, 1, kTimestamptz)})).ignored,
              ElementsAre(true));
}

// ------------------------------------------------------------------------- inserts

TEST_F(RewriteTest, PinsIdentityOfReturning) {
  const ShadowStatement shadow =
      Run(Observed("INSERT INTO orders (name, created_at) VALUES ('a', $1) RETURNING id", {id_},
                   {{"42"}}, "INSERT 0 1"));
  EXPECT_EQ(shadow.sql,
            "INSERT INTO orders (name, created_at, id)  OVERRIDING SYSTEM VALUE VALUES ('a', $1, "
            "$2) RETURNING id");
  EXPECT_THAT(Values(shadow), ElementsAre("NULL", "42"));
  EXPECT_EQ(shadow.types[1], kInt8);
  EXPECT_THAT(shadow.sequences, ElementsAre(Pair("public.orders_id_seq", 42)));
  EXPECT_FALSE(shadow.unseen_generated_key);
}

TEST_F(RewriteTest, PinsManyRowsByPosition) {
  const ShadowStatement shadow = Run(
      Observed("INSERT INTO orders(name)VALUES('a'),('b') RETURNING created_at,id", {created_, id_},
               {{"2024-01-01 00:00:00+01", "9"}, {"2024-01-02 00:00:00+01", "7"}}, "INSERT 0 2"));
  EXPECT_EQ(shadow.sql,
            "INSERT INTO orders(name, id, created_at) OVERRIDING SYSTEM VALUE VALUES('a', $1, "
            "$3),('b', $2, $4) "
            "RETURNING created_at,id");
  EXPECT_THAT(Values(shadow),
              ElementsAre("9", "7", "2024-01-01 00:00:00+01", "2024-01-02 00:00:00+01"));
  EXPECT_THAT(shadow.sequences, ElementsAre(Pair("public.orders_id_seq", 9)));
  EXPECT_THAT(shadow.frozen_time, ElementsAre(true, false));
}

TEST_F(RewriteTest, FreezesADefaultTimeThatNobodySaw) {
  const ShadowStatement shadow =
      Run(Observed("INSERT INTO legacy (a) VALUES ('x'), ('y')", {}, {}, "INSERT 0 2"));
  EXPECT_EQ(shadow.sql,
            "INSERT INTO legacy (a, day) VALUES ('x', ((timezone('utc'::text, "
            "($1::pg_catalog.timestamptz)))::date)), "
            "('y', ((timezone('utc'::text, ($1::pg_catalog.timestamptz)))::date))");
  EXPECT_TRUE(shadow.unseen_generated_key);  // the serial id
}

TEST_F(RewriteTest, NamesTheColumnsWhereTheClientNamesNone) {
  const Statement insert = Observed("INSERT INTO orders AS o VALUES (DEFAULT, 'x') RETURNING *",
                                    {id_, ResultColumn("name", 100, 2, kText), created_},
                                    {{"5", "x", "2024-01-01 00:00:00+00"}}, "INSERT 0 1");
  EXPECT_EQ(Run(insert).sql,
            "INSERT INTO orders AS o  (id, name, created_at)  OVERRIDING SYSTEM VALUE VALUES ($1, "
            "'x', $2) RETURNING *");
}

TEST_F(RewriteTest, ReplacesDefaultKeywords) {
  const ShadowStatement shadow =
      Run(Observed("INSERT INTO orders (id, name, created_at) VALUES (DEFAULT, 'DEFAULT', "
                   "DEFAULT), (5, DEFAULT, now()) RETURNING id",
                   {id_}, {{"8"}, {"5"}}, "INSERT 0 2"));
  EXPECT_EQ(
      shadow.sql,
      "INSERT INTO orders (id, name, created_at)  OVERRIDING SYSTEM VALUE VALUES ($1, 'DEFAULT', "
      "(($2::pg_catalog.timestamptz))), (5, DEFAULT, ($2::pg_catalog.timestamptz)) RETURNING id");
  // The second id is the client's own: the sequence did not give it.
  EXPECT_THAT(shadow.sequences, ElementsAre(Pair("public.orders_id_seq", 8)));
}

TEST_F(RewriteTest, DefaultValues) {
  EXPECT_EQ(
      Run(Observed("INSERT INTO orders DEFAULT VALUES RETURNING id", {id_}, {{"8"}}, "INSERT 0 1"))
          .sql,
      "INSERT INTO orders (id, created_at)  OVERRIDING SYSTEM VALUE  VALUES ($1, "
      "(($2::pg_catalog.timestamptz))) RETURNING id");
  EXPECT_EQ(Run(Observed("INSERT INTO notes DEFAULT VALUES", {}, {}, "INSERT 0 1")).sql,
            "INSERT INTO notes DEFAULT VALUES");
}

TEST_F(RewriteTest, Overriding) {
  EXPECT_EQ(
      Run(Observed("INSERT INTO orders (id, created_at) OVERRIDING USER VALUE VALUES (7, $1) "
                   "RETURNING id",
                   {id_}, {{"8"}}, "INSERT 0 1"))
          .sql,
      "INSERT INTO orders (id, created_at) OVERRIDING SYSTEM VALUE VALUES ($2, $1) RETURNING id");
  EXPECT_EQ(Run(Observed("INSERT INTO orders (name, created_at) OVERRIDING SYSTEM VALUE VALUES "
                         "('x', $1) RETURNING id",
                         {id_}, {{"8"}}, "INSERT 0 1"))
                .sql,
            "INSERT INTO orders (name, created_at, id) OVERRIDING SYSTEM VALUE VALUES ('x', $1, "
            "$2) RETURNING id");
}

TEST_F(RewriteTest, AColumnListStandsInFrontOfOverriding) {
  EXPECT_EQ(Run(Observed("INSERT INTO orders OVERRIDING USER VALUE VALUES (7, 'e') RETURNING id",
                         {id_}, {{"8"}}, "INSERT 0 1"))
                .sql,
            "INSERT INTO orders  (id, name, created_at) OVERRIDING SYSTEM VALUE VALUES ($1, 'e', "
            "(($2::pg_catalog.timestamptz))) RETURNING id");
}

TEST_F(RewriteTest, SerialNeedsNoOverriding) {
  const compare::Column id = ResultColumn("id", 101, 1, kInt4);
  const ShadowStatement shadow = Run(
      Observed("INSERT INTO legacy (day) VALUES (NULL) RETURNING id", {id}, {{"3"}}, "INSERT 0 1"));
  EXPECT_EQ(shadow.sql, "INSERT INTO legacy (day, id) VALUES (NULL, $1) RETURNING id");
  EXPECT_THAT(shadow.sequences, ElementsAre(Pair("public.legacy_id_seq", 3)));
}

TEST_F(RewriteTest, BinaryResultsArePassedOnAsTheyAre) {
  const compare::Column id = ResultColumn("id", 101, 1, kInt4, protocol::Format::binary);
  const ShadowStatement shadow = Run(Observed("INSERT INTO legacy (day) VALUES (NULL) RETURNING id",
                                              {id}, {{std::string("\0\0\1\2", 4)}}, "INSERT 0 1"));
  EXPECT_THAT(shadow.formats, ElementsAre(1));
  EXPECT_EQ(shadow.values[0], std::string("\0\0\1\2", 4));
  EXPECT_THAT(shadow.sequences, ElementsAre(Pair("public.legacy_id_seq", 258)));
}

TEST_F(RewriteTest, PinsOnlyWhatIsSure) {
  const std::vector<compare::Column> columns = {id_};
  // Fewer rows came back than were given: which ones is not known.
  EXPECT_TRUE(
      Run(Observed(
              "INSERT INTO orders (name) VALUES ('a'), ('b') ON CONFLICT DO NOTHING RETURNING id",
              columns, {{"1"}}, "INSERT 0 1"))
          .unseen_generated_key);
  // All came back.
  EXPECT_FALSE(
      Run(Observed("INSERT INTO orders (name) VALUES ('a') ON CONFLICT DO NOTHING RETURNING id",
                   columns, {{"1"}}, "INSERT 0 1"))
          .unseen_generated_key);
  // Nothing was inserted.
  EXPECT_FALSE(
      Run(Observed("INSERT INTO orders (name) VALUES ('a') ON CONFLICT DO NOTHING RETURNING id",
                   columns, {}, "INSERT 0 0"))
          .unseen_generated_key);
  EXPECT_TRUE(Run(Observed("INSERT INTO orders (name) SELECT 'a' RETURNING id", columns, {{"1"}},
                           "INSERT 0 1"))
                  .unseen_generated_key);
  EXPECT_TRUE(Run(Observed("INSERT INTO orders (name) VALUES ('a')", {}, {}, "INSERT 0 1"))
                  .unseen_generated_key);
  EXPECT_TRUE(Run(Observed("WITH x AS (INSERT INTO orders (name) VALUES ('a')) SELECT 1", {}, {},
                           "SELECT 1"))
                  .unseen_generated_key);
  EXPECT_TRUE(
      Run(Observed("COPY orders (name) FROM STDIN", {}, {}, "COPY 1")).unseen_generated_key);
  EXPECT_FALSE(Run(Observed("COPY orders FROM STDIN", {}, {}, "COPY 1")).unseen_generated_key);
  EXPECT_FALSE(Run(Observed("COPY orders (id, created_at) FROM STDIN", {}, {}, "COPY 1"))
                   .unseen_generated_key);
  EXPECT_FALSE(
      Run(Observed("INSERT INTO notes (a) VALUES (1)", {}, {}, "INSERT 0 1")).unseen_generated_key);
  EXPECT_FALSE(Run(Observed("INSERT INTO orders (id, name) VALUES (1, 'a')", {}, {}, "INSERT 0 1"))
                   .unseen_generated_key);
  // A column of another table under the same name is not the row's key.
  EXPECT_TRUE(
      Run(Observed(
              "INSERT INTO orders (name) VALUES ('a') RETURNING (SELECT id FROM legacy LIMIT 1)",
              {ResultColumn("id", 101, 1, kInt4)}, {{"1"}}, "INSERT 0 1"))
          .unseen_generated_key);
}

TEST_F(RewriteTest, FailedStatementsArePinnedNowhere) {
  Statement statement = Observed("INSERT INTO orders (name) VALUES ('a') RETURNING id");
  statement.primary.kind = compare::Observation::Kind::error;
  const ShadowStatement shadow = Run(statement);
  EXPECT_EQ(shadow.sql, statement.sql);
  EXPECT_FALSE(shadow.unseen_generated_key);
}

TEST_F(RewriteTest, RulesAndViewsTakeTheRowsElsewhere) {
  TableBuilder t(7, "t");
  t.Identity("id", kInt8, "public.s").Column("a", kInt4);
  t->has_rules = true;
  catalog_ = Catalog::FromTables({t});
  context_.primary = catalog_.get();
  const Statement statement = Observed("INSERT INTO t (a) VALUES (1) RETURNING id",
                                       {ResultColumn("id", 7, 1, kInt8)}, {{"1"}}, "INSERT 0 1");
  EXPECT_EQ(Run(statement).sql, statement.sql);
  EXPECT_TRUE(Run(statement).unseen_generated_key);
}

TEST_F(RewriteTest, GeneratingCallsInRowsArePinned) {
  const compare::Column token = ResultColumn("token", 102, 1, kUuid);
  const std::string uuid = "6d1c3b0e-5a0a-4b43-a8e4-0a0d6a7d2f11";
  const ShadowStatement seen =
      Run(Observed("INSERT INTO tokens (token, a) VALUES (gen_random_uuid(), 1) RETURNING token",
                   {token}, {{uuid}}, "INSERT 0 1"));
  EXPECT_EQ(seen.sql, "INSERT INTO tokens (token, a) VALUES ($1, 1) RETURNING token");
  EXPECT_THAT(Values(seen), ElementsAre(uuid));
  EXPECT_TRUE(seen.volatile_resolved);
  EXPECT_FALSE(seen.unseen_generated_key);
  const ShadowStatement unseen = Run(Observed(
      "INSERT INTO tokens (token, a) VALUES (gen_random_uuid(), 1)", {}, {}, "INSERT 0 1"));
  EXPECT_FALSE(unseen.volatile_resolved);
  EXPECT_TRUE(unseen.unseen_generated_key);
  EXPECT_TRUE(Run(Observed("UPDATE tokens SET token = gen_random_uuid()", {}, {}, "UPDATE 1"))
                  .unseen_generated_key);
}

TEST_F(RewriteTest, ATimeThatThePrimaryShowedIsPinned) {
  EXPECT_EQ(
      Run(Observed(
              "INSERT INTO orders (id, created_at) VALUES (1, now() + $1) RETURNING created_at",
              {created_}, {{"2024-01-01 00:00:00+00"}}, "INSERT 0 1"))
          .sql,
      "INSERT INTO orders (id, created_at) VALUES (1, $2) RETURNING created_at");
}

TEST_F(RewriteTest, AReplacedParameterKeepsAType) {
  Statement statement =
      Observed("INSERT INTO orders (id, created_at) VALUES ($2, now() + $1) RETURNING created_at",
               {created_}, {{"2024-01-01 00:00:00+00"}}, "INSERT 0 1");
  statement.parameters.values = {"1 day", "1"};
  statement.parameters.formats = {0, 0};
  const ShadowStatement shadow = Run(statement);
  EXPECT_EQ(shadow.sql, "INSERT INTO orders (id, created_at) VALUES ($2, $3) RETURNING created_at");
  EXPECT_THAT(shadow.types, ElementsAre(kText, 0u, kTimestamptz));
}

TEST_F(RewriteTest, MoreRowsThanTheProtocolHasParametersFor) {
  std::string sql = "INSERT INTO legacy (day) VALUES (NULL)";
  std::vector<std::vector<std::optional<std::string>>> rows = {{"1"}};
  for (int i = 2; i <= 70000; ++i) {
    sql += ",(NULL)";
    rows.push_back({std::to_string(i)});
  }
  const Statement statement =
      Observed(sql + " RETURNING id", {ResultColumn("id", 101, 1, kInt4)}, rows, "INSERT 0 70000");
  const ShadowStatement shadow = Run(statement);
  EXPECT_EQ(shadow.sql, statement.sql);
  EXPECT_TRUE(shadow.unseen_generated_key);
  EXPECT_LE(shadow.values.size(), 65535u);
}

// ----------------------------------------------------------------------- sequences

TEST_F(RewriteTest, SelectNextval) {
  const compare::Column column = ResultColumn("nextval", 0, 0, kInt8);
  const ShadowStatement one =
      Run(Observed("SELECT nextval('orders_id_seq')", {column}, {{"77"}}, "SELECT 1"));
  EXPECT_EQ(one.sql, "SELECT (SELECT $1::pg_catalog.int8 AS nextval)");
  EXPECT_THAT(Values(one), ElementsAre("77"));
  EXPECT_THAT(one.sequences, ElementsAre(Pair("public.orders_id_seq", 77)));
  const ShadowStatement many =
      Run(Observed("SELECT nextval('orders_id_seq') FROM generate_series(1, 2)", {column},
                   {{"77"}, {"78"}}, "SELECT 2"));
  EXPECT_THAT(many.ignored, ElementsAre(true));
  EXPECT_THAT(many.sequences, ElementsAre(Pair("public.orders_id_seq", 78)));
  const ShadowStatement currval =
      Run(Observed("SELECT currval('orders_id_seq') AS x", {column}, {{"77"}}, "SELECT 1"));
  EXPECT_EQ(currval.sql, "SELECT ($1::pg_catalog.int8) AS x");
  EXPECT_THAT(currval.sequences, IsEmpty());
  EXPECT_TRUE(Run(Observed("SELECT nextval('unknown')", {column}, {{"1"}}, "SELECT 1"))
                  .unseen_generated_key);
  EXPECT_TRUE(Run(Observed("SELECT abs(nextval('orders_id_seq'))", {column}, {{"1"}}, "SELECT 1"))
                  .unseen_generated_key);
  EXPECT_EQ(Run(Observed("SELECT setval('orders_id_seq', 5)", {column}, {{"5"}}, "SELECT 1")).sql,
            "SELECT setval('orders_id_seq', 5)");
}

TEST_F(RewriteTest, CurrvalFromTheSession) {
  SessionSequences session;
  session.values["public.orders_id_seq"] = 12;
  session.last = 13;
  context_.session_sequences = &session;
  const ShadowStatement shadow = Run(Observed(
      "INSERT INTO notes VALUES (currval('orders_id_seq'), lastval())", {}, {}, "INSERT 0 1"));
  EXPECT_EQ(shadow.sql, "INSERT INTO notes VALUES (($1::pg_catalog.int8), ($2::pg_catalog.int8))");
  EXPECT_THAT(Values(shadow), ElementsAre("12", "13"));
  context_.session_sequences = nullptr;
  EXPECT_TRUE(Run(Observed("INSERT INTO notes VALUES (lastval())", {}, {}, "INSERT 0 1"))
                  .unseen_generated_key);
}

TEST_F(RewriteTest, TheShadowsSequenceMayHaveAnotherName) {
  TableBuilder twin(900, "orders");
  twin.Identity("id", kInt8, "public.orders_id_seq1");
  const auto shadow_catalog = Catalog::FromTables({twin});
  context_.shadow = shadow_catalog.get();
  EXPECT_THAT(Run(Observed("INSERT INTO orders (name) VALUES ('a') RETURNING id", {id_}, {{"5"}},
                           "INSERT 0 1"))
                  .sequences,
              ElementsAre(Pair("public.orders_id_seq1", 5)));
}

// --------------------------------------------------------------------------- edits

TEST_F(RewriteTest, EditsAndPinsTogether) {
  EXPECT_EQ(
      Run(Observed("SELECT pg_sleep(5), nextval('orders_id_seq'), now()",
                   {ResultColumn("pg_sleep", 0, 0, kVoid), ResultColumn("nextval", 0, 0, kInt8),
                    ResultColumn("now", 0, 0, kTimestamptz)},
                   {{"", "4", "2024-01-01 00:00:00+00"}}, "SELECT 1"))
          .sql,
      "SELECT (SELECT pg_catalog.pg_sleep(0) AS pg_sleep), (SELECT $1::pg_catalog.int8 AS "
      "nextval), "
      "(SELECT $2::pg_catalog.timestamptz AS now)");
  // Inside a value that is pinned as a whole, nothing is replaced once more.
  EXPECT_EQ(Run(Observed("INSERT INTO orders (id, created_at) VALUES (1, now() + f(pg_sleep(1), "
                         "now())) RETURNING created_at",
                         {created_}, {{"2024-01-01 00:00:00+00"}}, "INSERT 0 1"))
                .sql,
            "INSERT INTO orders (id, created_at) VALUES (1, $1) RETURNING created_at");
}

TEST_F(RewriteTest, UtilityStatementsStay) {
  for (const char* sql :
       {"CREATE TABLE x (a timestamptz DEFAULT now())", "PREPARE p AS SELECT now()",
        "CALL p(now())", "CREATE VIEW v AS SELECT now()", "not sql", ""}) {
    const ShadowStatement shadow = Run(std::string(sql));
    EXPECT_EQ(shadow.sql, sql);
    EXPECT_THAT(shadow.values, IsEmpty());
  }
  EXPECT_EQ(Run("DECLARE c CURSOR FOR SELECT 1 WHERE now() > a").sql,
            "DECLARE c CURSOR FOR SELECT 1 WHERE ($1::pg_catalog.timestamptz) > a");
}

// --------------------------------------------------------------------------- types

std::string Int(int32_t value) {
  std::string bytes;
  protocol::WireWriter(&bytes).Int32(value);
  return bytes;
}

class TypeMappingTest : public ::testing::Test {
 protected:
  // Without a server, user types come into a catalog only by loading: below 16384 nothing is
  // mapped.
  RewriteContext context_{
      Catalog::Empty().get(), Catalog::Empty().get(), {}, 0, "UTC", 0, nullptr, nullptr};
};

TEST_F(TypeMappingTest, UnknownUserTypesAreLeftOpenAndBytesStay) {
  Statement statement = Observed("SELECT $1, $2, $3");
  const std::string array = Int(1) + Int(0) + Int(50000) + Int(1) + Int(1) + Int(1) + "x";
  statement.parameters.types = {50000, 0, 23};
  statement.parameters.values = {"x", array, Int(5)};
  statement.parameters.formats = {0, 1, 1};
  const ShadowStatement shadow = Rewrite(statement, Analyse(statement.sql), context_);
  EXPECT_THAT(shadow.types, ElementsAre(0u, 0u, 23u));
  EXPECT_EQ(shadow.values[1], array);
  EXPECT_EQ(shadow.values[2], Int(5));
}

}  // namespace
}  // namespace pgparity::shadow
