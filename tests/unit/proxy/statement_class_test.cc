#include "proxy/statement_class.h"

#include <gtest/gtest.h>

#include <string>

#include "proxy/token.h"

namespace pgparity::proxy {
namespace {

using Class = StatementClass;
using Edit = SimpleText::Edit;

TEST(Classify, TellsByTheFirstWords) {
  struct Case {
    const char* sql;
    Class expected;
  };
  const Case cases[] = {
      {"SELECT v FROM t", Class::read},
      {"(select 1)", Class::read},
      {"VALUES (1)", Class::read},
      {"TABLE t", Class::read},
      {"WITH a AS (SELECT 1) SELECT * FROM a", Class::read},
      {"", Class::read},
      {"  -- nothing", Class::read},
      {"SELECT f(1)", Class::write},
      {"SELECT nextval('s')", Class::write},
      {"SELECT v INTO u FROM t", Class::write},
      {"WITH a AS (DELETE FROM t RETURNING *) SELECT * FROM a", Class::write},
      {"/* c */ insert into t values (1)", Class::write},
      {"Update t SET v = 1", Class::write},
      {"DELETE FROM t", Class::write},
      {"MERGE INTO t USING u ON true WHEN MATCHED THEN DELETE", Class::write},
      {"EXECUTE s(1)", Class::write},
      {"begin", Class::begin},
      {"START TRANSACTION READ ONLY", Class::begin},
      {"COMMIT", Class::commit},
      {"END TRANSACTION", Class::commit},
      {"COMMIT AND NO CHAIN", Class::commit},
      {"COMMIT AND CHAIN", Class::commit_and_chain},
      {"PREPARE TRANSACTION 'g'", Class::commit},
      {"COMMIT PREPARED 'g'", Class::stop},
      {"ROLLBACK PREPARED 'g'", Class::stop},
      {"ROLLBACK", Class::rollback},
      {"ABORT AND CHAIN", Class::rollback_and_chain},
      {"ROLLBACK TO s", Class::control},
      {"SAVEPOINT s", Class::control},
      {"RELEASE s", Class::control},
      {"SET TRANSACTION ISOLATION LEVEL SERIALIZABLE", Class::control},
      {"PREPARE s AS DELETE FROM t", Class::stop},
      {"COPY t FROM STDIN", Class::stop},
      {"DEALLOCATE ALL", Class::stop},
      {"DISCARD ALL", Class::stop},
      {"VACUUM", Class::stop},
      {"CHECKPOINT", Class::stop},
      {"LOAD 'x'", Class::stop},
      {"CREATE TABLE u ()", Class::work},
      {"TRUNCATE t", Class::work},
      {"CALL p()", Class::work},
      {"DO 'x'", Class::work},
      {"FETCH c", Class::work},
      {"EXPLAIN ANALYZE DELETE FROM t", Class::work},
      {"frobnicate", Class::stop},
      {"\"select\"", Class::stop},
      {"1", Class::stop},
  };
  for (const Case& one : cases) EXPECT_EQ(Classify(one.sql), one.expected) << one.sql;
}

SimpleText Analyse(std::string_view text) {
  std::string scratch;
  return AnalyseSimple(text, &scratch);
}

TEST(AnalyseSimple, FindsThePlace) {
  struct Case {
    const char* sql;
    Edit edit;
    uint16_t statements;
    uint32_t at;
  };
  const Case cases[] = {
      {"DELETE FROM t", Edit::append, 1, 0},
      {" DELETE FROM t ; ; ", Edit::append, 1, 1},
      {"DELETE FROM t; SELECT 1;", Edit::append, 2, 15},
      {"DELETE FROM t -- all", Edit::append, 1, 0},
      {"DELETE FROM t /* all; */", Edit::append, 1, 0},
      {"COMMIT", Edit::before_commit, 0, 0},
      {";; end;", Edit::before_commit, 0, 3},
      {"BEGIN; DELETE FROM t; COMMIT", Edit::before_commit, 2, 22},
      {"DELETE FROM t; CREATE TABLE u (); COMMIT AND CHAIN;", Edit::before_commit, 2, 34},
  };
  for (const Case& one : cases) {
    const SimpleText found = Analyse(one.sql);
    EXPECT_EQ(found.edit, one.edit) << one.sql;
    EXPECT_EQ(found.statements, one.statements) << one.sql;
    EXPECT_EQ(found.at, one.at) << one.sql;
    EXPECT_TRUE(found.certain);
  }
}

TEST(AnalyseSimple, FindsNoneWhereOneIsNotCertain) {
  for (const char* sql :
       {"DELETE FROM t WHERE v = 'open", "DELETE FROM t WHERE v = 'it''", "DELETE FROM \"open",
        "DELETE FROM t WHERE v = $$open", "DELETE FROM t WHERE v = $a$open$$",
        "DELETE FROM t /* open", "DELETE FROM t /* /* open */", "DELETE FROM t WHERE (v = 1",
        "DELETE FROM t WHERE v = E'\\'", "DELETE FROM t WHERE v = U&'open"}) {
    EXPECT_EQ(Analyse(sql).edit, Edit::none) << sql;
    EXPECT_FALSE(Analyse(sql).certain) << sql;
    EXPECT_TRUE(Analyse(sql).writes) << sql;
  }
  for (const char* sql :
       {"", ";", "BEGIN", "DELETE FROM t; BEGIN", "BEGIN; DELETE FROM t", "COMMIT; SELECT 1",
        "COMMIT; COMMIT", "BEGIN; ROLLBACK; COMMIT", "BEGIN; COPY t FROM STDIN; COMMIT",
        "DISCARD ALL; DELETE FROM t", "DELETE FROM t; SET a = 1", "CREATE TABLE u ()",
        "COMMIT PREPARED 'g'", "VACUUM; COMMIT"}) {
    EXPECT_EQ(Analyse(sql).edit, Edit::none) << sql;
    EXPECT_TRUE(Analyse(sql).certain) << sql;
  }
  std::string many;
  for (int i = 0; i < 100; ++i) many += "DELETE FROM t;";
  EXPECT_EQ(Analyse(many).edit, Edit::none);
}

// A text that names what would be put behind it is no proof of its own end.
TEST(AnalyseSimple, IsNotFooledByItsOwnMark) {
  const SimpleText found = Analyse("DELETE FROM t WHERE v = '\n;EXECUTE pgparity_token");
  EXPECT_EQ(found.edit, Edit::none);
  EXPECT_EQ(Analyse("DELETE FROM t\n;EXECUTE pgparity_token").statements, 2);
}

TEST(AnalyseSimple, SaysWhetherItWorks) {
  EXPECT_FALSE(Analyse("BEGIN").works);
  EXPECT_FALSE(Analyse("SET x = 1; SAVEPOINT s").works);
  EXPECT_TRUE(Analyse("SELECT 1").works);
  EXPECT_FALSE(Analyse("SELECT 1").writes);
  EXPECT_TRUE(Analyse("SELECT f(1)").writes);
  EXPECT_TRUE(Analyse("COMMIT; SELECT 1").commits);
}

TEST(ClassCache, AnswersTheSameAgain) {
  ClassCache cache;
  for (int round = 0; round < 2; ++round) {
    for (int i = 0; i < 10'000; ++i) {
      const std::string n = std::to_string(i);
      ASSERT_EQ(cache.Class("SELECT " + n), Class::read);
      ASSERT_EQ(cache.Class("DELETE FROM t" + n), Class::write);
      ASSERT_EQ(cache.Simple("DELETE FROM t" + n).edit, Edit::append);
      ASSERT_EQ(cache.Simple("COMMIT --" + n).edit, Edit::before_commit);
    }
  }
  EXPECT_NE(cache.Hash("a"), cache.Hash("b"));
  EXPECT_NE(cache.Hash("a"), ClassCache().Hash("a"));
}

}  // namespace
}  // namespace pgparity::proxy
