#include "shadow/code_risk.h"

#include <gtest/gtest.h>

#include "shadow/code_words.h"

namespace pgparity::shadow {
namespace {

struct CodeCase {
  const char* code;
  const char* reason;
  bool opaque;
};

class CodeTest : public ::testing::TestWithParam<CodeCase> {};

TEST_P(CodeTest, IsSeenThrough) {
  const CodeFinding finding = LookAtCode(GetParam().code);
  EXPECT_EQ(finding.reason, GetParam().reason) << GetParam().code;
  EXPECT_EQ(finding.opaque, GetParam().opaque) << GetParam().code;
}

INSTANTIATE_TEST_SUITE_P(
    Harmless, CodeTest,
    ::testing::Values(
        CodeCase{"BEGIN UPDATE users SET role = 'admin' WHERE id = 1; END", "", false},
        CodeCase{"BEGIN INSERT INTO users (role) VALUES ('create role x') ON CONFLICT (id) DO "
                 "UPDATE SET role = EXCLUDED.role; END",
                 "", false},
        CodeCase{"BEGIN RAISE NOTICE 'create user failed: set role'; END", "", false},
        CodeCase{"BEGIN PERFORM set_config('app.role', 'x', true); END", "", false},
        CodeCase{"BEGIN EXECUTE 'UPDATE t SET a = $1' USING x; END", "", false},
        CodeCase{"BEGIN EXECUTE $q$SELECT 1$q$ INTO y; END", "", false},
        CodeCase{"CREATE TRIGGER x BEFORE INSERT ON t EXECUTE FUNCTION f()", "", false},
        CodeCase{"GRANT EXECUTE ON FUNCTION f TO r", "", false},
        CodeCase{"BEGIN SELECT relname INTO v FROM pg_class; END", "", false},
        CodeCase{"BEGIN CREATE EXTENSION IF NOT EXISTS pgcrypto; END", "", false},
        CodeCase{"SELECT program, copy FROM t", "", false}));

INSTANTIATE_TEST_SUITE_P(
    Acts, CodeTest,
    ::testing::Values(
        CodeCase{"BEGIN SET ROLE bob; END", "role", false},
        CodeCase{"SET /* x */ LOCAL -- y\n ROLE bob", "role", false},
        CodeCase{"IF a THEN SET \"role\" = bob; END IF", "role", false},
        CodeCase{"BEGIN SET SESSION AUTHORIZATION bob; END", "role", false},
        CodeCase{"BEGIN SET session_authorization = bob; END", "role", false},
        CodeCase{"BEGIN RESET ROLE; END", "role", false},
        CodeCase{"BEGIN GRANT a TO b; END", "role", false},
        CodeCase{"BEGIN DROP OWNED BY bob; END", "role", false},
        CodeCase{"ALTER FUNCTION f() SET role = bob", "role", false},
        CodeCase{"BEGIN PERFORM set_config('ROLE', 'bob', false); END", "role", false},
        CodeCase{"BEGIN EXECUTE 'SET ROLE bob'; END", "role", false},
        // The literal's quotes are doubled: what looks like a comment is none.
        CodeCase{"BEGIN EXECUTE 'SELECT ''a -- ''; CREATE ROLE bob'; END", "role", false},
        CodeCase{"BEGIN COPY (SELECT CASE WHEN a THEN 1 ELSE 2 END) TO '/tmp/x'; END", "copy-file",
                 false},
        CodeCase{"BEGIN COPY t FROM PROGRAM 'x'; END", "copy-program", false},
        CodeCase{"BEGIN LOAD 'x'; END", "load-library", false},
        CodeCase{"BEGIN UPDATE pg_catalog.pg_settings SET setting = 'x'; END",
                 "system-catalog-write", false},
        CodeCase{"BEGIN DELETE FROM pg_authid; END", "system-catalog-write", false},
        CodeCase{"BEGIN CREATE EXTENSION IF NOT EXISTS \"file_fdw\"; END", "extension", false},
        CodeCase{"CREATE FUNCTION f() RETURNS int LANGUAGE 'c' AS 'x'", "untrusted-language",
                 false},
        CodeCase{"BEGIN CREATE FUNCTION g() RETURNS int LANGUAGE plpgsql AS $$BEGIN ALTER SYSTEM "
                 "SET a = 1; END$$; END",
                 "alter-system", false},
        CodeCase{"BEGIN UPDATE pgparity.progress SET pos = 1; END", "own-schema", false},
        CodeCase{"BEGIN PREPARE pgparity_1 AS SELECT 1; END", "own-schema", false},
        CodeCase{"BEGIN PERFORM pg_terminate_backend(1); END", "server-signal", false}));

INSTANTIATE_TEST_SUITE_P(
    Opaque, CodeTest,
    ::testing::Values(CodeCase{"BEGIN EXECUTE 'SET RO' || 'LE bob'; END", "", true},
                      CodeCase{"BEGIN EXECUTE x; END", "", true},
                      CodeCase{"BEGIN EXECUTE ('SELECT 1'); END", "", true},
                      CodeCase{"BEGIN EXECUTE format('%I', x); END", "", true},
                      CodeCase{"BEGIN EXECUTE E'SET \\x52OLE bob'; END", "", true},
                      CodeCase{"BEGIN EXECUTE U&'SELECT 1'; END", "", true},
                      CodeCase{"BEGIN EXECUTE 'SET RO'\n'LE bob'; END", "", true},
                      CodeCase{"FOR r IN EXECUTE q LOOP", "", true},
                      CodeCase{"BEGIN RETURN QUERY EXECUTE q; END", "", true},
                      CodeCase{"BEGIN PERFORM set_config('ro' || 'le', 'bob', false); END", "",
                               true},
                      CodeCase{"BEGIN PERFORM set_config($1, $2, false); END", "", true},
                      CodeCase{"BEGIN SET U&\"r\\006fle\" = bob; END", "", true},
                      CodeCase{"BEGIN PERFORM query_to_xml(q, true, true, ''); END", "", true},
                      CodeCase{"BEGIN x := 'not closed", "", true}));

TEST(Code, NestsOnlySoFarAndIsThenOpaque) {
  std::string code = "SELECT pg_reload_conf()";
  for (int i = 0; i < 1000; ++i) {
    const std::string quote = "$q" + std::to_string(i) + "$";
    code = "DO " + quote + code + quote;
  }
  EXPECT_TRUE(LookAtCode(code).opaque);
}

TEST(Code, OtherLanguages) {
  EXPECT_EQ(LookAtCode("plpython3u", "pass").reason, "untrusted-language");
  EXPECT_TRUE(LookAtCode("plperl", "1").opaque);
  EXPECT_FALSE(LookAtCode("SQL", "SELECT 1").any());
}

using Piece = CodeRisks::Piece;

Piece Function(std::string name, std::string body) {
  return {Piece::Kind::function, std::move(name), std::move(body), {}, false, false};
}
Piece Relation(std::string name, std::string text) {
  return {Piece::Kind::relation, std::move(name), std::move(text), {}, false, false};
}

TEST(Risks, ReachThroughCallsTriggersAndViews) {
  const CodeRisks risks({Relation("orders", "audit() CREATE TRIGGER ..."),
                         Function("audit", "BEGIN PERFORM helper(1); END"),
                         Function("helper", "BEGIN EXECUTE x; END"),
                         Relation("recent", "SELECT id FROM public.orders"),
                         Function("harmless", "SELECT 1"), Relation("items", "now()")});
  EXPECT_TRUE(risks.Reached("INSERT INTO orders VALUES (1)", false).opaque);
  EXPECT_TRUE(risks.Reached("UPDATE public.\"recent\" SET a = 1", false).opaque);
  EXPECT_TRUE(risks.Reached("SELECT helper (1)", false).opaque);
  EXPECT_TRUE(risks.Reached("SELECT (t).helper FROM t", false).opaque);
  EXPECT_TRUE(risks.Reached("ALTER FUNCTION helper RENAME TO x", true).opaque);
  EXPECT_FALSE(risks.Reached("SELECT harmless(), helper FROM items", false).any());
  EXPECT_FALSE(risks.Reached("INSERT INTO items VALUES ('helper(1) orders')", false).any());
  EXPECT_FALSE(risks.Reached("SELECT \"ORDERS\"", false).any());
}

TEST(Risks, OperatorsAreReachedByAnything) {
  Piece operators = Function("", "twist()");
  operators.kind = Piece::Kind::anything;
  const CodeRisks risks({operators, Function("twist", "BEGIN EXECUTE x; END")});
  EXPECT_TRUE(risks.Reached("SELECT 1", false).opaque);
}

TEST(Risks, ADefinersCodeIsMarked) {
  Piece piece = Function("f", "BEGIN EXECUTE x; END");
  piece.secdef = piece.foreign = true;
  const CodeRisks risks({piece, Function("g", "SELECT f()")});
  EXPECT_TRUE(risks.Reached("SELECT g()", false).foreign);
}

TEST(Risks, NothingIsReachedInAnEmptyDatabase) {
  const CodeRisks risks({Function("f", "SELECT 1")});
  EXPECT_TRUE(risks.empty());
  EXPECT_FALSE(risks.Reached("SELECT f()", false).any());
}

TEST(Literals, AreUnquotedAsTheServerReadsThem) {
  bool exact = false;
  EXPECT_EQ(Unquote("'it''s'", &exact), "it's");
  EXPECT_TRUE(exact);
  EXPECT_EQ(Unquote("$a$it's$a$", &exact), "it's");
  EXPECT_TRUE(exact);
  for (const char* literal : {"'a'\n'b'", "E'\\x41'", "U&'a'", "B'1'"}) {
    Unquote(literal, &exact);
    EXPECT_FALSE(exact) << literal;
  }
}

}  // namespace
}  // namespace pgparity::shadow
