#include "shadow/replay_rules.h"

#include <gtest/gtest.h>

#include "shadow/analysis.h"

namespace pgparity::shadow {
namespace {

struct RuleCase {
  const char* sql;
  ReplayRule rule;
  const char* reason;
};

class RuleTest : public ::testing::TestWithParam<RuleCase> {};

TEST_P(RuleTest, IsJudged) {
  const Analysis analysis = Analyse(GetParam().sql);
  EXPECT_NE(analysis.kind, StatementKind::unparsed)
      << GetParam().sql << ": " << analysis.parse_error;
  EXPECT_EQ(static_cast<int>(analysis.rule), static_cast<int>(GetParam().rule)) << GetParam().sql;
  EXPECT_EQ(analysis.rule_reason, GetParam().reason) << GetParam().sql;
}

constexpr ReplayRule kReplay = ReplayRule::replay, kNever = ReplayRule::never,
                     kNoEffect = ReplayRule::no_effect, kOutside = ReplayRule::outside_transaction,
                     kRole = ReplayRule::session_role;

INSTANTIATE_TEST_SUITE_P(
    Never, RuleTest,
    ::testing::Values(
        RuleCase{"SELECT pg_terminate_backend(1)", kNever, "server-signal"},
        RuleCase{"SELECT \"pg_terminate_backend\"(1)", kNever, "server-signal"},
        RuleCase{"SELECT U&\"pg_t\\0065rminate_backend\"(1)", kNever, "server-signal"},
        RuleCase{"SELECT PG_CATALOG.PG_CANCEL_BACKEND(1)", kNever, "server-signal"},
        RuleCase{"SELECT pg_reload_conf() FROM t WHERE a = 1", kNever, "server-signal"},
        RuleCase{"SELECT 1 WHERE (SELECT pg_promote())", kNever, "server-signal"},
        RuleCase{"SELECT coalesce(null, CASE WHEN a THEN pg_cancel_backend(1) END) FROM t", kNever,
                 "server-signal"},
        RuleCase{"WITH x AS (SELECT pg_read_file('/etc/passwd') f) SELECT f FROM x", kNever,
                 "server-file"},
        RuleCase{"INSERT INTO t SELECT pg_ls_dir('.')", kNever, "server-file"},
        RuleCase{"SELECT * FROM pg_ls_logdir()", kNever, "server-file"},
        RuleCase{"SELECT * FROM ROWS FROM (pg_read_binary_file('x'), f())", kNever, "server-file"},
        RuleCase{"INSERT INTO t VALUES (1) RETURNING pg_stat_file('x')", kNever, "server-file"},
        RuleCase{"UPDATE t SET a = lo_import('/x')", kNever, "large-object"},
        RuleCase{"SELECT lo_get(5)", kNever, "large-object"},
        RuleCase{"SELECT loread(1, 2)", kNever, "large-object"},
        RuleCase{"CREATE TABLE x AS SELECT lo_export(1, 'f')", kNever, "large-object"},
        RuleCase{"CREATE VIEW v AS SELECT pg_read_file('x')", kNever, "server-file"},
        RuleCase{"ALTER TABLE t ADD a text DEFAULT pg_read_file('x')", kNever, "server-file"},
        RuleCase{"PREPARE p AS SELECT pg_reload_conf()", kNever, "server-signal"},
        RuleCase{"EXECUTE p(pg_reload_conf())", kNever, "server-signal"},
        RuleCase{"CALL p(pg_reload_conf())", kNever, "server-signal"},
        RuleCase{"DECLARE c CURSOR FOR SELECT pg_reload_conf()", kNever, "server-signal"},
        RuleCase{"COPY (SELECT pg_reload_conf()) TO STDOUT", kNever, "server-signal"},
        RuleCase{"SELECT * FROM t ORDER BY pg_reload_conf()", kNever, "server-signal"},
        RuleCase{"SELECT count(*) FILTER (WHERE pg_reload_conf()) OVER (ORDER BY pg_reload_conf()) "
                 "FROM t",
                 kNever, "server-signal"},
        RuleCase{"SELECT * FROM dblink('host=x', 'SELECT 1') AS t(a int)", kNever, "dblink"},
        RuleCase{"SELECT ext.dblink_exec('host=x', 'DROP TABLE t')", kNever, "dblink"},
        RuleCase{"SELECT pg_switch_wal()", kNever, "wal"},
        RuleCase{"SELECT pg_create_restore_point('x')", kNever, "wal"},
        RuleCase{"SELECT pg_drop_replication_slot('x')", kNever, "replication"},
        RuleCase{"SELECT pg_logical_slot_get_changes('x', null, null)", kNever, "replication"},
        RuleCase{"SELECT pg_stat_reset()", kNever, "server-state"},
        RuleCase{"SELECT cron.schedule('* * * * *', 'DELETE FROM t')", kNever, "scheduled-job"},
        RuleCase{"SELECT net.http_post('http://x')", kNever, "network"},
        RuleCase{"SELECT query_to_xml($1, true, true, '')", kNever, "dynamic-sql"},
        RuleCase{"SELECT query_to_xml('SELECT pg_reload_conf()', true, true, '')", kNever,
                 "server-signal"},
        RuleCase{"ALTER SYSTEM SET work_mem = '1GB'", kNever, "alter-system"},
        RuleCase{"COPY t FROM PROGRAM 'curl x'", kNever, "copy-program"},
        RuleCase{"COPY t TO PROGRAM 'curl x'", kNever, "copy-program"},
        RuleCase{"COPY t FROM '/tmp/x'", kNever, "copy-file"},
        RuleCase{"COPY t TO '/tmp/x'", kNever, "copy-file"},
        RuleCase{"CREATE SUBSCRIPTION s CONNECTION 'host=x' PUBLICATION p", kNever, "subscription"},
        RuleCase{"ALTER SUBSCRIPTION s DISABLE", kNever, "subscription"},
        RuleCase{"DROP SUBSCRIPTION s", kNever, "subscription"},
        RuleCase{"CREATE DATABASE d", kNever, "database"},
        RuleCase{"ALTER DATABASE d SET work_mem = '1MB'", kNever, "database"},
        RuleCase{"ALTER DATABASE d RENAME TO e", kNever, "database"},
        RuleCase{"ALTER DATABASE d OWNER TO e", kNever, "database"},
        RuleCase{"DROP DATABASE d", kNever, "database"},
        RuleCase{"GRANT CONNECT ON DATABASE d TO bob", kNever, "database"},
        RuleCase{"CREATE TABLESPACE x LOCATION '/x'", kNever, "tablespace"},
        RuleCase{"DROP TABLESPACE x", kNever, "tablespace"},
        RuleCase{"CREATE ROLE bob", kNever, "role"}, RuleCase{"CREATE USER bob", kNever, "role"},
        RuleCase{"CREATE GROUP bob", kNever, "role"},
        RuleCase{"ALTER ROLE bob SUPERUSER", kNever, "role"},
        RuleCase{"ALTER USER bob SET a.b = 1", kNever, "role"},
        RuleCase{"ALTER ROLE bob RENAME TO x", kNever, "role"},
        RuleCase{"DROP ROLE bob", kNever, "role"}, RuleCase{"GRANT admin TO bob", kNever, "role"},
        RuleCase{"DROP OWNED BY bob", kNever, "role"},
        RuleCase{"REASSIGN OWNED BY bob TO x", kNever, "role"},
        RuleCase{"LOAD 'x'", kNever, "load-library"},
        RuleCase{"CREATE FUNCTION f() RETURNS int LANGUAGE C AS 'x'", kNever, "c-function"},
        RuleCase{"CREATE FUNCTION f() RETURNS int LANGUAGE internal AS 'pg_reload_conf'", kNever,
                 "c-function"},
        RuleCase{"CREATE LANGUAGE x HANDLER h", kNever, "language"},
        RuleCase{"CREATE SERVER s FOREIGN DATA WRAPPER w", kNever, "foreign-data"},
        RuleCase{"CREATE USER MAPPING FOR bob SERVER s OPTIONS (password 'x')", kNever,
                 "foreign-data"},
        RuleCase{"DROP SERVER s", kNever, "foreign-data"},
        RuleCase{"CREATE FOREIGN TABLE t (a int) SERVER s", kNever, "foreign-data"},
        RuleCase{"DROP FOREIGN TABLE t", kNever, "foreign-data"},
        RuleCase{"IMPORT FOREIGN SCHEMA s FROM SERVER x INTO public", kNever, "foreign-data"},
        RuleCase{"COMMENT ON LARGE OBJECT 5 IS 'x'", kNever, "large-object"},
        RuleCase{"UPDATE pg_settings SET setting = 'x' WHERE name = 'role'", kNever,
                 "system-catalog-write"},
        RuleCase{"DELETE FROM pg_catalog.pg_proc", kNever, "system-catalog-write"},
        RuleCase{"INSERT INTO t SELECT set_config('role', 'x', false)", kNever, "set-config"},
        RuleCase{"EXPLAIN ANALYZE DELETE FROM t", kNever, "explain-analyze-write"},
        RuleCase{"EXPLAIN (ANALYZE, VERBOSE) SELECT nextval('s')", kNever, "explain-analyze-write"},
        RuleCase{"EXPLAIN ANALYZE EXECUTE p", kNever, "explain-analyze-write"},
        RuleCase{"EXPLAIN (ANALYZE ON) SELECT pg_reload_conf()", kNever, "server-signal"},
        RuleCase{"DO $$BEGIN PERFORM pg_reload_conf(); END$$", kNever, "server-signal"},
        RuleCase{"DO $$BEGIN EXECUTE 'ALTER SYSTEM SET a = 1'; END$$", kNever, "alter-system"},
        RuleCase{"DO $$BEGIN EXECUTE $q$COPY t FROM PROGRAM 'x'$q$; END$$", kNever, "copy-program"},
        RuleCase{"DO $$BEGIN CREATE ROLE bob; END$$", kNever, "role"},
        RuleCase{"DO $$BEGIN SET LOCAL ROLE bob; END$$", kNever, "role"},
        RuleCase{"DO $$BEGIN PERFORM set_config('role', 'bob', false); END$$", kNever, "role"}));

INSTANTIATE_TEST_SUITE_P(
    NoEffect, RuleTest,
    ::testing::Values(
        RuleCase{"SELECT pg_advisory_lock(1)", kNoEffect, "advisory-lock"},
        RuleCase{"SELECT pg_try_advisory_xact_lock(1, 2) AS ok", kNoEffect, "advisory-lock"},
        RuleCase{"SELECT pg_advisory_unlock_all()", kNoEffect, "advisory-lock"},
        RuleCase{"SELECT pg_advisory_xact_lock(hashtext('x'))::text", kNoEffect, "advisory-lock"},
        RuleCase{"SELECT pg_sleep(100)", kNoEffect, "sleep"},
        RuleCase{"SELECT pg_notify('c', 'x')", kNoEffect, "notify"},
        RuleCase{"LISTEN c", kNoEffect, "notify"}, RuleCase{"UNLISTEN *", kNoEffect, "notify"},
        RuleCase{"NOTIFY c, 'x'", kNoEffect, "notify"}, RuleCase{"LOCK TABLE t", kNoEffect, "lock"},
        RuleCase{"EXPLAIN DELETE FROM t", kNoEffect, "explain"},
        RuleCase{"EXPLAIN (ANALYZE false) DELETE FROM t", kNoEffect, "explain"},
        RuleCase{"EXPLAIN ANALYZE SELECT * FROM t", kNoEffect, "explain"},
        RuleCase{"SHOW work_mem", kNoEffect, "show"},
        RuleCase{"SET lock_timeout = 5", kNoEffect, "timeout"},
        RuleCase{"SET LOCAL statement_timeout TO '1s'", kNoEffect, "timeout"},
        RuleCase{"RESET idle_in_transaction_session_timeout", kNoEffect, "timeout"},
        RuleCase{"SELECT set_config('statement_timeout', '1', true)", kNoEffect, "timeout"},
        RuleCase{"SET TRANSACTION READ ONLY", kNoEffect, "transaction-mode"},
        RuleCase{"SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL SERIALIZABLE",
                 kNoEffect, "transaction-mode"},
        RuleCase{"SET default_transaction_read_only = on", kNoEffect, "transaction-mode"},
        RuleCase{"ANALYZE t", kNoEffect, "analyze"},
        RuleCase{"CHECKPOINT", kNoEffect, "checkpoint"},
        RuleCase{"COMMENT ON DATABASE d IS 'x'", kNoEffect, "shared-comment"}));

INSTANTIATE_TEST_SUITE_P(
    OutsideTransaction, RuleTest,
    ::testing::Values(
        RuleCase{"VACUUM", kOutside, "no-transaction"},
        RuleCase{"VACUUM FULL t", kOutside, "no-transaction"},
        RuleCase{"CREATE INDEX CONCURRENTLY i ON t (a)", kOutside, "no-transaction"},
        RuleCase{"DROP INDEX CONCURRENTLY i", kOutside, "no-transaction"},
        RuleCase{"REINDEX TABLE CONCURRENTLY t", kOutside, "no-transaction"},
        RuleCase{"REINDEX (CONCURRENTLY) INDEX i", kOutside, "no-transaction"},
        RuleCase{"REINDEX DATABASE d", kOutside, "no-transaction"},
        RuleCase{"REINDEX SCHEMA s", kOutside, "no-transaction"},
        RuleCase{"CLUSTER", kOutside, "no-transaction"},
        RuleCase{"ALTER TABLE t DETACH PARTITION p CONCURRENTLY", kOutside, "no-transaction"},
        RuleCase{"DO $$BEGIN UPDATE t SET a = 1; COMMIT; END$$", kOutside, "no-transaction"}));

INSTANTIATE_TEST_SUITE_P(
    SessionRole, RuleTest,
    ::testing::Values(
        RuleCase{"SET ROLE bob", kRole, "role"}, RuleCase{"SET LOCAL ROLE bob", kRole, "role"},
        RuleCase{"RESET ROLE", kRole, "role"}, RuleCase{"SET role TO 'bob'", kRole, "role"},
        RuleCase{"SET \"Role\" TO bob", kRole, "role"},
        RuleCase{"SET SESSION AUTHORIZATION bob", kRole, "role"},
        RuleCase{"RESET SESSION AUTHORIZATION", kRole, "role"},
        RuleCase{"RESET ALL", kRole, "reset-all"}, RuleCase{"DISCARD ALL", kRole, "discard"},
        RuleCase{"DISCARD TEMP", kRole, "discard"},
        RuleCase{"SELECT set_config('role', 'bob', true)", kRole, "role"},
        RuleCase{"SELECT set_config('ROLE', 'bob', true)", kRole, "role"},
        RuleCase{"SELECT set_config('search_path', 'a', true), set_config('role', $1, true)", kRole,
                 "role"},
        RuleCase{"SELECT set_config($1, $2, false)", kRole, "set-config"},
        RuleCase{"SELECT set_config(name, 'x', false) FROM pg_settings WHERE name = 'role'", kRole,
                 "set-config"}));

INSTANTIATE_TEST_SUITE_P(
    Replayed, RuleTest,
    ::testing::Values(
        RuleCase{"SELECT 1", kReplay, ""},
        RuleCase{"SELECT mine.pg_terminate_backend(1)", kReplay, ""},
        RuleCase{"SELECT pg_terminate_backend FROM t", kReplay, ""},
        RuleCase{"SELECT 'pg_terminate_backend(1)' -- pg_terminate_backend(1)", kReplay, ""},
        RuleCase{"SELECT a, pg_advisory_xact_lock(1) FROM t", kReplay, ""},
        RuleCase{"SELECT pg_advisory_lock(1), nextval('s')", kReplay, ""},
        RuleCase{"INSERT INTO t SELECT pg_notify('c', 'x')::text", kReplay, ""},
        RuleCase{"SET work_mem = '1MB'", kReplay, ""},
        RuleCase{"SELECT set_config('app.x', '1', false)", kReplay, ""},
        RuleCase{"GRANT SELECT ON t TO bob", kReplay, ""},
        RuleCase{"GRANT SELECT ON pg_class TO bob", kReplay, ""},
        RuleCase{"ALTER TABLE t OWNER TO bob", kReplay, ""},
        RuleCase{"CREATE EXTENSION IF NOT EXISTS pgcrypto", kReplay, ""},
        RuleCase{"CREATE LANGUAGE plpgsql", kReplay, ""},
        RuleCase{"ALTER TYPE e ADD VALUE 'x'", kReplay, ""},
        RuleCase{"CREATE INDEX i ON t (a)", kReplay, ""}, RuleCase{"CLUSTER t", kReplay, ""},
        RuleCase{"REINDEX TABLE t", kReplay, ""},
        RuleCase{"ALTER TABLE t DETACH PARTITION p", kReplay, ""},
        RuleCase{"COPY t FROM STDIN", kReplay, ""}, RuleCase{"COPY t TO STDOUT", kReplay, ""},
        RuleCase{"INSERT INTO pg_search_documents VALUES (1)", kReplay, ""},
        RuleCase{"CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN 1; END'",
                 kReplay, ""},
        RuleCase{"DO $$BEGIN CREATE TABLE t (a int) ON COMMIT DROP; END$$", kReplay, ""},
        RuleCase{"SELECT crosstab('SELECT a, b, c FROM t')", kReplay, ""}));

TEST(ReplayRulesTest, DoBlocksThatGenerateAreVolatile) {
  EXPECT_FALSE(Analyse("DO $$BEGIN ALTER TABLE t ADD a int; END$$").volatile_calls.size());
  for (const char* body :
       {"INSERT INTO t VALUES (1)", "UPDATE t SET a = now()", "PERFORM nextval('s')",
        "EXECUTE 'UPDATE t SET a = random()'", "UPDATE t SET a = CURRENT_DATE"}) {
    EXPECT_EQ(Analyse("DO $$BEGIN " + std::string(body) + "; END$$").volatile_calls.size(), 1u)
        << body;
  }
}

}  // namespace
}  // namespace pgparity::shadow
