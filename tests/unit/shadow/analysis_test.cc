#include "shadow/analysis.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace pgparity::shadow {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

std::vector<std::string> Names(const std::vector<TableName>& tables) {
  std::vector<std::string> names;
  for (const TableName& table : tables)
    names.push_back(table.schema.empty() ? table.name : table.schema + "." + table.name);
  return names;
}

// The texts of the calls, "text" or "text as name".
std::vector<std::string> Times(std::string_view sql) {
  std::vector<std::string> texts;
  for (const TimeCall& call : Analyse(sql).time_calls) {
    std::string text(sql.substr(call.offset, call.length));
    if (!call.column_name.empty()) text += " as " + call.column_name;
    texts.push_back(text);
  }
  return texts;
}

struct KindCase {
  const char* sql;
  StatementKind kind;
};

class KindTest : public ::testing::TestWithParam<KindCase> {};

TEST_P(KindTest, IsRecognised) {
  EXPECT_EQ(Analyse(GetParam().sql).kind, GetParam().kind) << GetParam().sql;
}

INSTANTIATE_TEST_SUITE_P(
    Statements, KindTest,
    ::testing::Values(
        KindCase{"SELECT 1", StatementKind::select}, KindCase{"VALUES (1)", StatementKind::select},
        KindCase{"TABLE t", StatementKind::select},
        KindCase{"(SELECT 1) UNION SELECT 2", StatementKind::select},
        KindCase{"SELECT * FROM t FOR UPDATE", StatementKind::select_for_update},
        KindCase{"SELECT * FROM (SELECT * FROM t FOR SHARE) x", StatementKind::select_for_update},
        KindCase{"WITH d AS (DELETE FROM t RETURNING 1) SELECT * FROM d", StatementKind::delete_},
        KindCase{"WITH d AS (INSERT INTO t VALUES (1) RETURNING 1) SELECT * FROM d",
                 StatementKind::insert},
        KindCase{"SELECT 1 INTO t2", StatementKind::ddl},
        KindCase{"CREATE TABLE t AS SELECT 1", StatementKind::ddl},
        KindCase{"INSERT INTO t VALUES (1)", StatementKind::insert},
        KindCase{"UPDATE t SET a = 1", StatementKind::update},
        KindCase{"DELETE FROM t", StatementKind::delete_},
        KindCase{"MERGE INTO t USING s ON t.a = s.a WHEN MATCHED THEN DELETE",
                 StatementKind::merge},
        KindCase{"COPY t FROM STDIN", StatementKind::copy_in},
        KindCase{"COPY t TO STDOUT", StatementKind::copy_out},
        KindCase{"TRUNCATE t", StatementKind::truncate},
        KindCase{"ALTER TABLE t ADD b int", StatementKind::ddl},
        KindCase{"GRANT SELECT ON t TO bob", StatementKind::ddl},
        KindCase{"COMMENT ON TABLE t IS 'x'", StatementKind::ddl},
        KindCase{"BEGIN", StatementKind::transaction},
        KindCase{"PREPARE TRANSACTION 'x'", StatementKind::transaction},
        KindCase{"SAVEPOINT a", StatementKind::transaction},
        KindCase{"SET a.b = 1", StatementKind::set}, KindCase{"RESET ALL", StatementKind::set},
        KindCase{"DISCARD ALL", StatementKind::set},
        KindCase{"SET CONSTRAINTS ALL DEFERRED", StatementKind::other},
        KindCase{"SHOW all", StatementKind::show},
        KindCase{"EXPLAIN DELETE FROM t", StatementKind::show},
        KindCase{"FETCH c", StatementKind::cursor},
        KindCase{"DECLARE c CURSOR FOR SELECT 1", StatementKind::cursor},
        KindCase{"PREPARE p AS SELECT $1", StatementKind::prepare},
        KindCase{"EXECUTE p(1)", StatementKind::execute},
        KindCase{"DEALLOCATE p", StatementKind::deallocate},
        KindCase{"CALL p()", StatementKind::call},
        KindCase{"DO $$BEGIN END$$", StatementKind::do_block},
        KindCase{"LOCK t", StatementKind::lock}, KindCase{"LISTEN c", StatementKind::notify},
        KindCase{"VACUUM t", StatementKind::maintenance},
        KindCase{"REFRESH MATERIALIZED VIEW v", StatementKind::maintenance},
        KindCase{"", StatementKind::other},
        KindCase{" -- nothing\n/* at all */", StatementKind::other},
        KindCase{"SELEC 1", StatementKind::unparsed},
        KindCase{"SELECT 1; SELECT 2", StatementKind::unparsed}));

TEST(AnalysisTest, EmptyStatementHasNoEffect) {
  EXPECT_EQ(Analyse("-- x").rule, ReplayRule::no_effect);
  EXPECT_EQ(Analyse("-- x").rule_reason, "empty");
}

TEST(AnalysisTest, UnparsedIsNeverReplayedAndSaysWhy) {
  const Analysis analysis = Analyse("SELECT FROM WHERE 'secret data'");
  EXPECT_EQ(analysis.rule, ReplayRule::never);
  EXPECT_EQ(analysis.rule_reason, "unparsed");
  EXPECT_THAT(analysis.parse_error, HasSubstr("syntax error"));
  EXPECT_EQ(analysis.shape, "SELECT FROM WHERE '?'");
  EXPECT_EQ(analysis.fingerprint.size(), 16u);
  EXPECT_EQ(analysis.fingerprint, Analyse("SELECT  FROM WHERE  'other'").fingerprint);
}

TEST(AnalysisTest, ReadsAndWritesLeaveCteNamesOut) {
  const Analysis a = Analyse(
      "WITH a AS (SELECT * FROM x), b AS (UPDATE y SET k = 1 RETURNING *) "
      "SELECT * FROM a JOIN b ON true JOIN s.z ON (SELECT count(*) FROM w) > 0");
  EXPECT_THAT(Names(a.reads), UnorderedElementsAre("x", "s.z", "w"));
  EXPECT_THAT(Names(a.writes), ElementsAre("y"));
  EXPECT_TRUE(a.cte_writes);
}

TEST(AnalysisTest, CteHidesATableOnlyFromItsEndOn) {
  // t in the CTE is the table, t outside is the CTE; with RECURSIVE both are the CTE.
  EXPECT_THAT(Names(Analyse("WITH t AS (SELECT * FROM t) SELECT * FROM t").reads),
              ElementsAre("t"));
  EXPECT_THAT(
      Names(Analyse("WITH RECURSIVE t AS (SELECT 1 UNION SELECT * FROM t) SELECT * FROM t").reads),
      IsEmpty());
  // The scope ends with its statement.
  EXPECT_THAT(Names(Analyse("SELECT * FROM (WITH t AS (SELECT 1) SELECT * FROM t) s, t").reads),
              ElementsAre("t"));
  // A qualified name is never a CTE.
  EXPECT_THAT(Names(Analyse("WITH t AS (SELECT 1) SELECT * FROM public.t").reads),
              ElementsAre("public.t"));
}

TEST(AnalysisTest, OwnTargetComesFirstAmongTheWrites) {
  const Analysis a = Analyse("WITH d AS (DELETE FROM q RETURNING *) INSERT INTO t SELECT * FROM d");
  EXPECT_THAT(Names(a.writes), ElementsAre("t", "q"));
}

TEST(AnalysisTest, WritesOfDdl) {
  EXPECT_THAT(
      Names(Analyse("ALTER TABLE a.t ADD CONSTRAINT f FOREIGN KEY (x) REFERENCES p").writes),
      ElementsAre("a.t"));
  EXPECT_THAT(Names(Analyse("DROP TABLE a, s.b").writes), ElementsAre("a", "s.b"));
  EXPECT_THAT(Names(Analyse("CREATE INDEX i ON t (x)").writes), ElementsAre("t"));
  EXPECT_THAT(Names(Analyse("TRUNCATE a, b").writes), ElementsAre("a", "b"));
  EXPECT_THAT(Names(Analyse("CREATE VIEW v AS SELECT * FROM t").writes), ElementsAre("v"));
  EXPECT_THAT(Names(Analyse("CREATE VIEW v AS SELECT * FROM t").reads), ElementsAre("t"));
  EXPECT_THAT(Names(Analyse("EXPLAIN UPDATE t SET a = 1").writes), IsEmpty());
}

TEST(AnalysisTest, OrderedIsTheOutermostQueryAlone) {
  EXPECT_TRUE(Analyse("SELECT * FROM t ORDER BY a").ordered);
  EXPECT_TRUE(Analyse("SELECT 1 UNION SELECT 2 ORDER BY 1").ordered);
  EXPECT_FALSE(Analyse("SELECT * FROM (SELECT * FROM t ORDER BY a) s").ordered);
  EXPECT_FALSE(Analyse("SELECT array_agg(x ORDER BY x) FROM t").ordered);
  EXPECT_FALSE(Analyse("(SELECT 1 ORDER BY 1) UNION ALL SELECT 2").ordered);
}

TEST(AnalysisTest, LimitWithoutOrder) {
  EXPECT_TRUE(Analyse("SELECT * FROM t LIMIT 1").limit_without_order);
  EXPECT_TRUE(Analyse("SELECT * FROM t OFFSET 1").limit_without_order);
  EXPECT_TRUE(Analyse("SELECT * FROM (SELECT * FROM t FETCH FIRST 3 ROWS ONLY) s ORDER BY 1")
                  .limit_without_order);
  EXPECT_TRUE(Analyse("SELECT DISTINCT ON (a) * FROM t").limit_without_order);
  EXPECT_FALSE(Analyse("SELECT * FROM t ORDER BY a LIMIT 1").limit_without_order);
  EXPECT_FALSE(Analyse("SELECT * FROM t LIMIT ALL").limit_without_order);
  // Whichever row is left, the answer is the same: excusing these would hide a missing row.
  EXPECT_FALSE(Analyse("SELECT 1 AS one FROM t WHERE a = 5 LIMIT 1").limit_without_order);
  EXPECT_FALSE(Analyse("SELECT EXISTS (SELECT * FROM t LIMIT 1)").limit_without_order);
  EXPECT_FALSE(Analyse("SELECT count(*), max(a) FROM t LIMIT 1").limit_without_order);
  EXPECT_TRUE(Analyse("SELECT count(*) FROM t GROUP BY a LIMIT 1").limit_without_order);
}

TEST(AnalysisTest, UnorderedAggregates) {
  EXPECT_TRUE(Analyse("SELECT array_agg(a) FROM t").unordered_aggregate);
  EXPECT_TRUE(Analyse("SELECT string_agg(DISTINCT a, ',') FROM t").unordered_aggregate);
  EXPECT_TRUE(Analyse("SELECT ARRAY(SELECT a FROM t)").unordered_aggregate);
  EXPECT_TRUE(Analyse("SELECT row_number() OVER () FROM t").unordered_aggregate);
  EXPECT_FALSE(Analyse("SELECT array_agg(a ORDER BY a) FROM t").unordered_aggregate);
  EXPECT_FALSE(Analyse("SELECT ARRAY(SELECT a FROM t ORDER BY a)").unordered_aggregate);
  EXPECT_FALSE(Analyse("SELECT row_number() OVER (ORDER BY a), count(*) OVER () FROM t")
                   .unordered_aggregate);
}

TEST(AnalysisTest, SkipLocked) {
  EXPECT_TRUE(Analyse("SELECT * FROM t FOR UPDATE OF t SKIP LOCKED").skip_locked);
  EXPECT_TRUE(
      Analyse("DELETE FROM t WHERE id IN (SELECT id FROM t FOR UPDATE SKIP LOCKED)").skip_locked);
  EXPECT_FALSE(Analyse("SELECT * FROM t FOR UPDATE NOWAIT").skip_locked);
}

std::vector<std::string> Keys(std::string_view sql) {
  std::vector<std::string> keys;
  const Analysis analysis = Analyse(sql);
  if (!analysis.key_predicates) return {"none"};
  for (const KeyPredicate& key : *analysis.key_predicates) {
    keys.push_back(key.column + "=" +
                   (key.value.kind == ValueSource::Kind::parameter
                        ? "$" + std::to_string(key.value.parameter)
                        : key.value.literal));
  }
  return keys;
}

TEST(AnalysisTest, KeyPredicates) {
  EXPECT_THAT(Keys("SELECT * FROM t WHERE a = 1 AND 'x' = b AND c > 3"), ElementsAre("a=1", "b=x"));
  EXPECT_THAT(Keys("UPDATE s.t AS u SET q = 1 WHERE u.a = $2::int AND b IN ($1)"),
              ElementsAre("a=$2", "b=$1"));
  EXPECT_THAT(Keys("DELETE FROM t WHERE (a, b) = (1, '2')"), ElementsAre("a=1", "b=2"));
  EXPECT_THAT(Keys("SELECT * FROM t WHERE (a = -5 AND (b = true))"), ElementsAre("a=-5", "b=true"));
  EXPECT_THAT(Keys("DELETE FROM t"), IsEmpty());
  // Nothing of these pins a key.
  EXPECT_THAT(Keys("SELECT * FROM t WHERE a = 1 OR b = 2"), IsEmpty());
  EXPECT_THAT(Keys("SELECT * FROM t WHERE NOT a = 1"), IsEmpty());
  EXPECT_THAT(Keys("SELECT * FROM t WHERE a IN (1, 2)"), IsEmpty());
  EXPECT_THAT(Keys("SELECT * FROM t WHERE a = ANY($1)"), IsEmpty());
  EXPECT_THAT(Keys("SELECT * FROM t WHERE a = b"), IsEmpty());
  EXPECT_THAT(Keys("SELECT * FROM t WHERE a = NULL"), IsEmpty());
  EXPECT_THAT(Keys("SELECT * FROM t WHERE a OPERATOR(other.=) 1"), IsEmpty());
  // A cast may change the value.
  EXPECT_THAT(
      Keys("SELECT * FROM t WHERE a = 1.7::int AND b = 'abc'::varchar(2) AND c = 5::int::text"),
      IsEmpty());
  // Not one table.
  EXPECT_THAT(Keys("SELECT * FROM t, u WHERE a = 1"), ElementsAre("none"));
  EXPECT_THAT(Keys("UPDATE t SET a = 1 FROM u WHERE t.a = 1"), ElementsAre("none"));
  EXPECT_THAT(Keys("DELETE FROM t USING u WHERE t.a = 1"), ElementsAre("none"));
  EXPECT_THAT(Keys("WITH t AS (SELECT 1 AS a) SELECT * FROM t WHERE a = 1"), ElementsAre("none"));
  EXPECT_THAT(Keys("SELECT * FROM (SELECT * FROM t) t WHERE a = 1"), ElementsAre("none"));
  // The CTE's rows are not those of the WHERE.
  EXPECT_THAT(Keys("WITH d AS (DELETE FROM t) UPDATE t SET b = 1 WHERE a = 1"),
              ElementsAre("none"));
}

TEST(AnalysisTest, TimeCallsWithTheirExactBytes) {
  EXPECT_THAT(Times("SELECT now()"), ElementsAre("now() as now"));
  EXPECT_THAT(Times("SELECT NOW ( ) AS x"), ElementsAre("NOW ( )"));
  EXPECT_THAT(Times("SELECT pg_catalog . now(/* ) */)"),
              ElementsAre("pg_catalog . now(/* ) */) as now"));
  EXPECT_THAT(Times("SELECT CURRENT_TIMESTAMP(3), current_date + 1"),
              ElementsAre("CURRENT_TIMESTAMP(3) as current_timestamp", "current_date"));
  EXPECT_THAT(Times("SELECT CURRENT_TIMESTAMP /* ) */ ( -- x\n 2 ) , 1"),
              ElementsAre("CURRENT_TIMESTAMP /* ) */ ( -- x\n 2 ) as current_timestamp"));
  EXPECT_THAT(Times("SELECT LOCALTIMESTAMP, localtime, current_time FROM t WHERE d = CURRENT_DATE"),
              ElementsAre("LOCALTIMESTAMP as localtimestamp", "localtime as localtime",
                          "current_time as current_time", "CURRENT_DATE"));
  EXPECT_THAT(Times("SELECT \"now\"()"), ElementsAre("\"now\"() as now"));
  EXPECT_THAT(Times("INSERT INTO t VALUES ('äöü – 日本', now())"), ElementsAre("now()"));
  EXPECT_THAT(Times("/* now() */ UPDATE t SET \"now()\" = 'now()', b = $$ now() $$, c = "
                    "transaction_timestamp()"),
              ElementsAre("transaction_timestamp()"));
  EXPECT_THAT(Times("DECLARE c CURSOR FOR SELECT now()"), ElementsAre("now() as now"));
  EXPECT_THAT(Times("MERGE INTO t USING s ON t.a = s.a WHEN MATCHED THEN UPDATE SET b = now()"),
              ElementsAre("now()"));
}

TEST(AnalysisTest, ColumnNamesThatComeFromACall) {
  // PostgreSQL names these columns by the call inside: the replacement must keep the name.
  EXPECT_THAT(Times("SELECT now()::date"), ElementsAre("now() as now"));
  EXPECT_THAT(Times("SELECT CASE WHEN a THEN 1 ELSE now() END FROM t"),
              ElementsAre("now() as now"));
  EXPECT_THAT(Times("SELECT (SELECT now())"), ElementsAre("now() as now"));
  EXPECT_THAT(Times("INSERT INTO t VALUES (1) RETURNING now()"), ElementsAre("now() as now"));
  EXPECT_THAT(Times("SELECT coalesce(a, now()), now() + b, date_trunc('day', now()) FROM t"),
              ElementsAre("now()", "now()", "now()"));
}

TEST(AnalysisTest, TimeCallsThatStay) {
  for (const char* sql :
       {"CREATE TABLE t (a timestamptz DEFAULT now())", "ALTER TABLE t ALTER a SET DEFAULT now()",
        "CREATE FUNCTION f() RETURNS timestamptz LANGUAGE sql RETURN now()",
        "CREATE FUNCTION f() RETURNS timestamptz LANGUAGE sql AS 'SELECT now()'",
        "CREATE VIEW v AS SELECT now()", "PREPARE p AS SELECT now()", "SELECT * FROM now()",
        "SELECT * FROM current_date AS d", "SELECT my.now()", "SELECT now FROM t",
        "CREATE MATERIALIZED VIEW v AS SELECT now()", "COPY (SELECT now()) TO STDOUT"}) {
    EXPECT_THAT(Times(sql), IsEmpty()) << sql;
  }
  EXPECT_THAT(Analyse("PREPARE p AS SELECT now()").volatile_calls, ElementsAre("now"));
  EXPECT_THAT(Analyse("SELECT * FROM now()").volatile_calls, ElementsAre("now"));
  // A default works later, and is not volatile itself; what fills rows now is.
  EXPECT_THAT(Analyse("CREATE TABLE t (a uuid DEFAULT gen_random_uuid())").volatile_calls,
              IsEmpty());
  EXPECT_THAT(Analyse("ALTER TABLE t ADD a uuid DEFAULT gen_random_uuid()").volatile_calls,
              ElementsAre("gen_random_uuid"));
}

TEST(AnalysisTest, TimeColumns) {
  const auto columns = [](std::string_view sql) {
    std::vector<std::string> names;
    for (const TimeColumn& time : Analyse(sql).time_columns) {
      names.push_back(time.table.name + "." +
                      (time.column.empty() ? std::to_string(time.position) : time.column));
    }
    return names;
  };
  EXPECT_THAT(columns("UPDATE t SET a = 1, b = now() - $1, c = b"), ElementsAre("t.b"));
  EXPECT_THAT(columns("INSERT INTO t (a, b) VALUES (1, 2), (now(), 3)"), ElementsAre("t.a"));
  EXPECT_THAT(columns("INSERT INTO t VALUES (1, now())"), ElementsAre("t.1"));
  EXPECT_THAT(columns("INSERT INTO t (a, b) SELECT 1, now()"), ElementsAre("t.a", "t.b"));
  EXPECT_THAT(columns("INSERT INTO t (a) VALUES (1) ON CONFLICT (a) DO UPDATE SET u = now()"),
              ElementsAre("t.u"));
  EXPECT_THAT(columns("UPDATE t SET (a, b) = (SELECT now(), 1), c = 2"), ElementsAre("t.a", "t.b"));
  EXPECT_THAT(columns("WITH x AS (UPDATE u SET z = now()) SELECT 1"), ElementsAre("u.z"));
  EXPECT_THAT(columns("UPDATE t SET a = 1 WHERE b < now()"), IsEmpty());
}

TEST(AnalysisTest, SequenceCalls) {
  const Analysis a =
      Analyse("SELECT nextval('public.\"S\"'::regclass)::int, lastval(), * , currval('x') FROM t");
  ASSERT_EQ(a.sequence_calls.size(), 3u);
  EXPECT_EQ(a.sequence_calls[0].sequence, "public.\"S\"");
  EXPECT_EQ(a.sequence_calls[0].result_column, 0);
  EXPECT_EQ(a.sequence_calls[0].column_name, "nextval");
  EXPECT_EQ(a.sequence_calls[1].kind, SequenceCall::Kind::lastval);
  EXPECT_EQ(a.sequence_calls[1].result_column, 1);
  // Behind a star the position is not known.
  EXPECT_EQ(a.sequence_calls[2].result_column, -1);
  EXPECT_EQ(Analyse("SELECT abs(nextval('s'))").sequence_calls[0].result_column, -1);
  EXPECT_EQ(Analyse("SELECT (SELECT nextval('s'))").sequence_calls[0].result_column, -1);
}

TEST(AnalysisTest, VolatileCalls) {
  EXPECT_THAT(Analyse("SELECT random(), uuid_generate_v4(), extensions.gen_random_uuid(), random()")
                  .volatile_calls,
              ElementsAre("random", "uuid_generate_v4", "gen_random_uuid"));
  EXPECT_THAT(Analyse("SELECT version(), pg_backend_pid(), inet_client_addr(), txid_current()")
                  .volatile_calls,
              ElementsAre("version", "pg_backend_pid", "inet_client_addr", "txid_current"));
  EXPECT_THAT(Analyse("SELECT 'NOW'::timestamptz, date 'today', 'now'::text").volatile_calls,
              ElementsAre("now", "today"));
  EXPECT_THAT(Analyse("SELECT current_user, t.ctid, xmin FROM t").volatile_calls,
              ElementsAre("current_user", "ctid", "xmin"));
  EXPECT_THAT(Analyse("SELECT pg_typeof(1), pg_size_pretty(5), current_schema, mine.random()")
                  .volatile_calls,
              IsEmpty());
  EXPECT_THAT(Analyse("SELECT age(a), age(a, b) FROM t").volatile_calls, ElementsAre("age"));
}

TEST(AnalysisTest, VolatileEffectIsWhatMayChangeTheRowsWritten) {
  EXPECT_TRUE(Analyse("INSERT INTO t VALUES (random())").volatile_effect);
  EXPECT_TRUE(Analyse("UPDATE t SET a = 1 WHERE xmin = '5'").volatile_effect);
  // The usual way to tell an insert from an update.
  const Analysis upsert =
      Analyse("INSERT INTO t VALUES (1) ON CONFLICT DO NOTHING RETURNING (xmax = 0)");
  EXPECT_THAT(upsert.volatile_calls, ElementsAre("xmax"));
  EXPECT_FALSE(upsert.volatile_effect);
}

TEST(AnalysisTest, SystemCatalog) {
  EXPECT_TRUE(Analyse("SELECT * FROM pg_catalog.pg_class").system_catalog);
  EXPECT_TRUE(Analyse("SELECT * FROM pg_stat_activity").system_catalog);
  EXPECT_TRUE(Analyse("SELECT * FROM information_schema.tables").system_catalog);
  EXPECT_FALSE(Analyse("SELECT * FROM pg_search_documents").system_catalog);
  EXPECT_FALSE(Analyse("SELECT * FROM public.pg_class").system_catalog);
}

TEST(AnalysisTest, TemporaryTables) {
  EXPECT_TRUE(Analyse("CREATE TEMP TABLE t (a int)").temp_table);
  EXPECT_TRUE(Analyse("CREATE TEMPORARY TABLE t AS SELECT 1").temp_table);
  EXPECT_TRUE(Analyse("SELECT 1 INTO TEMP t").temp_table);
  EXPECT_TRUE(Analyse("CREATE TABLE pg_temp.t (a int)").temp_table);
  EXPECT_FALSE(Analyse("CREATE UNLOGGED TABLE t (a int)").temp_table);
}

TEST(AnalysisTest, SettingsAsSetConfigWouldTakeThem) {
  const auto value = [](std::string_view sql) {
    return Analyse(sql).set_variable->second.value_or("<default>");
  };
  EXPECT_EQ(Analyse("SET TIME ZONE 'Europe/Berlin'").set_variable->first, "timezone");
  EXPECT_EQ(value("SET TIME ZONE 'Europe/Berlin'"), "Europe/Berlin");
  EXPECT_EQ(value("SET search_path TO a, \"B c\", \"$user\""), "a, \"B c\", \"$user\"");
  EXPECT_EQ(value("SET DateStyle = 'SQL', DMY"), "SQL, dmy");
  EXPECT_EQ(value("SET extra_float_digits = -5"), "-5");
  EXPECT_EQ(value("SET a.b = DEFAULT"), "<default>");
  EXPECT_EQ(value("RESET a.b"), "<default>");
  EXPECT_TRUE(Analyse("SET LOCAL a.b = 1").set_local);
  EXPECT_FALSE(Analyse("SET SESSION a.b = 1").set_local);
  EXPECT_FALSE(Analyse("RESET ALL").set_variable.has_value());
}

TEST(AnalysisTest, ConfigCalls) {
  const Analysis a = Analyse(
      "SELECT set_config('app.user', $1, false), pg_catalog.set_config('search_path', '', true)");
  ASSERT_EQ(a.config_calls.size(), 2u);
  EXPECT_EQ(a.config_calls[0].name.literal, "app.user");
  EXPECT_EQ(a.config_calls[0].value.parameter, 1);
  EXPECT_FALSE(a.config_calls[0].is_local);
  EXPECT_EQ(a.config_calls[1].name.literal, "search_path");
  EXPECT_TRUE(a.config_calls[1].is_local);
}

TEST(AnalysisTest, FingerprintAndShapeLeaveConstantsOut) {
  const Analysis a =
      Analyse("SELECT * FROM t WHERE a = 5 AND b = 'geheim' /* trace=abc */ LIMIT 3");
  const Analysis b = Analyse("select *  from t where a=7 and b='x' limit 9");
  EXPECT_EQ(a.fingerprint, b.fingerprint);
  EXPECT_EQ(a.shape, "SELECT * FROM t WHERE a = $1 AND b = $2 LIMIT $3");
  EXPECT_NE(a.fingerprint, Analyse("SELECT * FROM t WHERE a = 5").fingerprint);
  // Parameters keep their numbers, constants come behind them.
  EXPECT_EQ(Analyse("SELECT $2, 'x', $1").shape, "SELECT $2, $3, $1");
  EXPECT_EQ(Analyse("CREATE TABLE t (a varchar(20) DEFAULT 'geheim')").shape,
            "CREATE TABLE t (a varchar(20) DEFAULT '?')");
  EXPECT_EQ(Analyse("EXECUTE p(42, 'geheim')").shape.find("geheim"), std::string::npos);
  EXPECT_EQ(Analyse("EXECUTE p(42, 'geheim')").shape.find("42"), std::string::npos);
}

TEST(AnalysisTest, ShapeIsBoundedAndCutBetweenCharacters) {
  std::string sql = "SELECT 1 AS \"x";
  while (sql.size() < 9000) sql += "é";
  const std::string shape = Analyse(sql + "\"").shape;
  EXPECT_LE(shape.size(), 4100u);
  EXPECT_TRUE(shape.ends_with("é..."));
}

TEST(AnalysisTest, MaxParameter) {
  EXPECT_EQ(Analyse("SELECT $3, $1").max_parameter, 3);
  EXPECT_EQ(Analyse("SELECT '$9'").max_parameter, 0);
}

std::string Edited(std::string sql) {
  const Analysis analysis = Analyse(sql);
  for (auto edit = analysis.edits.rbegin(); edit != analysis.edits.rend(); ++edit) {
    sql.replace(edit->offset, edit->length, edit->text);
  }
  return sql;
}

TEST(AnalysisTest, ACursorIsNotHeldBeyondItsUnit) {
  EXPECT_EQ(Edited("DECLARE c CURSOR WITH HOLD FOR SELECT 1"), "DECLARE c CURSOR  FOR SELECT 1");
  EXPECT_EQ(
      Edited("declare hold no scroll cursor /* WITH HOLD */ with\n hold for select 'WITH HOLD'"),
      "declare hold no scroll cursor /* WITH HOLD */  for select 'WITH HOLD'");
  for (const std::string sql :
       {"DECLARE \"with hold\" CURSOR WITHOUT HOLD FOR SELECT 1", "DECLARE c CURSOR FOR SELECT 1",
        "DECLARE c CURSOR FOR WITH hold AS (SELECT 1) SELECT * FROM hold",
        "DECLARE c CURSOR WITH HOLD FOR SELECT a FROM t FOR UPDATE"}) {
    EXPECT_EQ(Edited(sql), sql);
  }
}

TEST(AnalysisTest, SleepNeverWaitsAndLocksAreNeverTaken) {
  EXPECT_EQ(Edited("SELECT a, pg_sleep( (5) ) FROM t"),
            "SELECT a, (SELECT pg_catalog.pg_sleep(0) AS pg_sleep) FROM t");
  EXPECT_EQ(Edited("INSERT INTO t SELECT 1 WHERE pg_sleep_for('1 h') IS NULL"),
            "INSERT INTO t SELECT 1 WHERE pg_catalog.pg_sleep(0) IS NULL");
  EXPECT_EQ(Edited("DELETE FROM t WHERE pg_try_advisory_lock(id)"), "DELETE FROM t WHERE true");
  EXPECT_EQ(Edited("CREATE VIEW v AS SELECT pg_sleep(1)"), "CREATE VIEW v AS SELECT pg_sleep(1)");
}

TEST(AnalysisTest, InsertShape) {
  const std::string sql =
      "INSERT INTO s.\"T\" AS x (a, \"B)\") VALUES (1, '),(') , (DEFAULT, ($2)) RETURNING a";
  const Analysis analysis = Analyse(sql);
  ASSERT_TRUE(analysis.insert.has_value());
  const InsertShape& shape = *analysis.insert;
  EXPECT_THAT(shape.columns, ElementsAre("a", "B)"));
  EXPECT_EQ(sql.substr(shape.columns_insert_at, 9), ") VALUES ");
  EXPECT_EQ(sql.substr(shape.overriding_at, 6), "VALUES");
  ASSERT_EQ(shape.rows.size(), 2u);
  EXPECT_EQ(sql.substr(shape.row_ends[0], 3), ") ,");
  EXPECT_EQ(sql.substr(shape.row_ends[1]), ") RETURNING a");
  EXPECT_EQ(shape.rows[0][1].literal, "),(");
  EXPECT_EQ(shape.rows[1][0].kind, ValueSource::Kind::default_);
  EXPECT_EQ(sql.substr(shape.rows[1][0].offset, shape.rows[1][0].length), "DEFAULT");
  EXPECT_EQ(sql.substr(shape.rows[1][1].offset, shape.rows[1][1].length), "($2)");
  EXPECT_EQ(shape.rows[1][1].parameter, 2);
  EXPECT_TRUE(shape.has_returning);
}

TEST(AnalysisTest, InsertShapeOfOtherForms) {
  EXPECT_TRUE(Analyse("INSERT INTO t DEFAULT VALUES").insert->default_values);
  EXPECT_TRUE(Analyse("INSERT INTO t SELECT 1").insert->from_select);
  EXPECT_TRUE(Analyse("INSERT INTO t (VALUES (1))").insert->from_select);
  EXPECT_TRUE(Analyse("INSERT INTO t VALUES (1), (2) ORDER BY 1 LIMIT 1").insert->from_select);
  EXPECT_TRUE(
      Analyse("INSERT INTO t (a) WITH c AS (SELECT 1) SELECT * FROM c").insert->from_select);
  EXPECT_FALSE(Analyse("INSERT INTO t (a[1], b) VALUES (1, 2)").insert.has_value());
  const InsertShape with =
      *Analyse("WITH v AS (VALUES (9)) INSERT INTO t AS values (a) VALUES (1)").insert;
  EXPECT_EQ(with.rows.size(), 1u);
  EXPECT_EQ(with.rows[0][0].literal, "1");
  const InsertShape user = *Analyse("INSERT INTO t (a) OVERRIDING USER VALUE VALUES (1)").insert;
  EXPECT_TRUE(user.has_overriding);
  EXPECT_EQ(user.overriding_user_length, std::string("OVERRIDING USER VALUE").size());
  const InsertShape conflict =
      *Analyse("INSERT INTO t VALUES (1) ON CONFLICT (a, b) DO UPDATE SET c = 1").insert;
  EXPECT_TRUE(conflict.conflict_update);
  EXPECT_THAT(conflict.conflict_columns, ElementsAre("a", "b"));
  EXPECT_THAT(Analyse("INSERT INTO t VALUES (1) ON CONFLICT (lower(a)) DO NOTHING")
                  .insert->conflict_columns,
              IsEmpty());
}

TEST(AnalysisTest, GeneratedValuesInRows) {
  const InsertShape shape = *Analyse(
                                 "INSERT INTO t VALUES (nextval('s'), 1 + nextval('s'), "
                                 "gen_random_uuid(), now() + $1, lower('x'))")
                                 .insert;
  EXPECT_EQ(shape.rows[0][0].nextval, "s");
  EXPECT_TRUE(shape.rows[0][1].generated);
  EXPECT_EQ(shape.rows[0][1].nextval, "");
  EXPECT_TRUE(shape.rows[0][2].generated);
  EXPECT_FALSE(shape.rows[0][3].generated);
  EXPECT_TRUE(shape.rows[0][3].timed);
  EXPECT_FALSE(shape.rows[0][4].generated || shape.rows[0][4].timed);
}

// ------------------------------------------------------------------------- hostile texts

std::string Repeat(std::string_view piece, size_t times) {
  std::string text;
  for (size_t i = 0; i < times; ++i) text += piece;
  return text;
}

TEST(AnalysisTest, DeepTextsAreRefusedBeforeTheParserSeesThem) {
  constexpr size_t kDeep = 100000;
  for (const std::string& sql : {
           "SELECT 1" + Repeat("+1", kDeep),
           "SELECT " + Repeat("(", kDeep) + "1" + Repeat(")", kDeep),
           "SELECT " + Repeat("f(", kDeep),
           "SELECT " + Repeat("a[", kDeep),
           "SELECT " + Repeat("- ", kDeep) + "1",
           "SELECT " + Repeat("NOT ", kDeep) + "true",
           "SELECT 1" + Repeat("::int", kDeep),
           "SELECT 1" + Repeat(" UNION SELECT 1, 2", kDeep),
           "SELECT 1 FROM t" + Repeat(" JOIN t ON a AND b", kDeep),
           "SELECT " + Repeat("CASE WHEN a AND ", kDeep) + "b",
           "SELECT " + Repeat("CASE WHEN a.end AND ", kDeep) + "b",
           "SELECT " + Repeat("x BETWEEN 1 AND NOT ", kDeep) + "b",
           "SELECT " + Repeat("(SELECT ", kDeep),
           "SELECT " + Repeat("EXISTS (SELECT 1 WHERE ", kDeep),
           "SELECT 1" + Repeat(" IS NULL", kDeep),
           "SELECT 1" + Repeat(" COLLATE x", kDeep),
           "WITH a AS " + Repeat("(WITH a AS ", kDeep),
       }) {
    const Analysis analysis = Analyse(sql);
    EXPECT_EQ(analysis.kind, StatementKind::unparsed) << sql.substr(0, 40);
    EXPECT_THAT(analysis.parse_error, HasSubstr("deep")) << sql.substr(0, 40);
    EXPECT_EQ(analysis.rule, ReplayRule::never);
  }
}

TEST(AnalysisTest, DeepestPermittedTextsAreSafe) {
  // As deep as the caps let through, under the sanitizer's larger frames.
  for (const auto& [open, middle, close] :
       std::vector<std::tuple<std::string, std::string, std::string>>{
           {"a[", "1", "]"},
           {"(SELECT ", "1", ")"},
           {"f(", "1", ")"},
           {"1+", "1", ""},
           {"- ", "1", ""},
           {"(a AND (b OR ", "c", "))"},
           {"EXISTS (SELECT 1 WHERE ", "a", ")"},
           {"f() OVER (ORDER BY ", "1", ")"}}) {
    bool parsed = false;
    for (size_t depth = 420; depth > 50 && !parsed; depth -= 10) {
      const Analysis analysis =
          Analyse("SELECT " + Repeat(open, depth) + middle + Repeat(close, depth));
      parsed = analysis.kind != StatementKind::unparsed;
      if (!parsed) {
        EXPECT_THAT(analysis.parse_error, HasSubstr("deep")) << open;
      }
    }
    EXPECT_TRUE(parsed) << open;
  }
}

TEST(AnalysisTest, WideTextsAreParsed) {
  std::string values = "INSERT INTO t (a, b) VALUES (0, 'x')";
  for (int i = 1; i < 10000; ++i)
    values += ", (" + std::to_string(i) + ", '" + std::string(80, 'x') + "')";
  ASSERT_GT(values.size(), 900000u);
  const Analysis analysis = Analyse(values);
  ASSERT_TRUE(analysis.insert.has_value()) << analysis.parse_error;
  EXPECT_EQ(analysis.insert->rows.size(), 10000u);
  EXPECT_EQ(analysis.insert->rows[9999][0].literal, "9999");

  std::string ors = "SELECT * FROM t WHERE (a = 0 AND b = 1)";
  for (int i = 1; i < 2000; ++i) ors += " OR (a = " + std::to_string(i) + " AND b = 1)";
  EXPECT_EQ(Analyse(ors).kind, StatementKind::select);
  EXPECT_EQ(Analyse("SELECT 1" + Repeat(", 1", 100000)).kind, StatementKind::select);
  EXPECT_EQ(Analyse("SELECT 1" + Repeat(" UNION ALL SELECT 1, 2", 300)).kind,
            StatementKind::select);
}

TEST(AnalysisTest, TooManyTokensAreRefused) {
  const Analysis analysis = Analyse("SELECT 1" + Repeat(",1", 400000));
  EXPECT_EQ(analysis.kind, StatementKind::unparsed);
  EXPECT_THAT(analysis.parse_error, HasSubstr("tokens"));
}

TEST(AnalysisTest, OddBytes) {
  using std::string_literals::operator""s;
  EXPECT_EQ(Analyse("SELECT 1\0; DROP TABLE t"s).kind, StatementKind::unparsed);
  EXPECT_EQ(Analyse("\0"s).kind, StatementKind::unparsed);
  EXPECT_EQ(Analyse("SELECT '\xff\xfe', now()").time_calls.size(), 1u);
  EXPECT_EQ(Analyse("SELECT \xff").kind, StatementKind::select);
  EXPECT_EQ(Analyse("SELECT '").kind, StatementKind::unparsed);
  EXPECT_EQ(Analyse("SELECT /* ").kind, StatementKind::unparsed);
  EXPECT_EQ(Analyse("SELECT $a$ x").kind, StatementKind::unparsed);
  EXPECT_EQ(Analyse("SELECT \"").kind, StatementKind::unparsed);
}

// ----------------------------------------------------------------------------- the cache

TEST(AnalysisCacheTest, GivesTheSameAnalysisAgain) {
  AnalysisCache cache;
  const std::string text = "SELECT 1";
  const auto first = cache.Get(text);
  EXPECT_EQ(cache.Get(std::string("SELECT 1")), first);
  EXPECT_EQ(cache.size(), 1u);
}

TEST(AnalysisCacheTest, DropsTheLeastRecentlyUsed) {
  AnalysisCache cache(2);
  const auto a = cache.Get("SELECT 1");
  cache.Get("SELECT 2");
  cache.Get("SELECT 1");
  cache.Get("SELECT 3");
  EXPECT_EQ(cache.size(), 2u);
  EXPECT_EQ(cache.Get("SELECT 1"), a);  // a fresh one would be another object, a being held here
}

TEST(AnalysisCacheTest, LargeTextsAreNotKept) {
  AnalysisCache cache;
  EXPECT_EQ(cache.Get("SELECT '" + std::string(70000, 'x') + "'")->kind, StatementKind::select);
  EXPECT_EQ(cache.size(), 0u);
}

TEST(AnalysisCacheTest, IsBoundedByBytes) {
  AnalysisCache cache(1000000);
  for (int i = 0; i < 1200; ++i)
    cache.Get("SELECT '" + std::string(60000, 'x') + std::to_string(i) + "'");
  EXPECT_LE(cache.bytes(), size_t{64} << 20);
  EXPECT_LT(cache.size(), 1200u);
  EXPECT_GT(cache.size(), 100u);
}

}  // namespace
}  // namespace pgparity::shadow
