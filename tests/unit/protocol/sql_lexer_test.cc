#include "protocol/sql_lexer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>

#include "tests/support/message_builders.h"

namespace pgparity::protocol {
namespace {

using ::testing::ElementsAre;
using testing::ExactBuffer;
using ::testing::IsEmpty;

std::vector<std::string> Split(std::string_view sql, bool standard_conforming_strings = true) {
  const ExactBuffer buffer(sql);
  std::vector<std::string> statements;
  for (const std::string_view statement :
       SplitStatements(buffer.view(), standard_conforming_strings)) {
    statements.emplace_back(statement);
  }
  return statements;
}

TEST(SplitStatements, LeavesOutEmptyOnesAndSurroundings) {
  EXPECT_THAT(Split(""), IsEmpty());
  EXPECT_THAT(Split(" ; ;; -- c\n /* d */ ;"), IsEmpty());
  EXPECT_THAT(Split(" /*x*/ a ; -- y;\n b /* ; */"), ElementsAre("a", "b"));
  EXPECT_THAT(Split("a;b;"), ElementsAre("a", "b"));
  EXPECT_THAT(Split("a -- to the end"), ElementsAre("a"));
}

TEST(SplitStatements, StandardStringsKeepBackslashes) {
  EXPECT_THAT(Split(R"(a '\'; b '')"), ElementsAre(R"(a '\')", "b ''"));
  EXPECT_THAT(Split("a 'it''s;'; b"), ElementsAre("a 'it''s;'", "b"));
  EXPECT_THAT(Split(R"(a '\'; b')", false), ElementsAre(R"(a '\'; b')"));
  EXPECT_THAT(Split(R"(a N'\'; b)"), ElementsAre(R"(a N'\')", "b"));
  EXPECT_THAT(Split(R"(a N'\';'; b)", false), ElementsAre(R"(a N'\';')", "b"));
}

TEST(SplitStatements, EscapeStringsAndWhatLooksLikeThem) {
  EXPECT_THAT(Split(R"(a E'\';'; b)"), ElementsAre(R"(a E'\';')", "b"));
  EXPECT_THAT(Split(R"(a e'\\'; b)"), ElementsAre(R"(a e'\\')", "b"));
  EXPECT_THAT(Split(R"(a e'x'';\''; b)"), ElementsAre(R"(a e'x'';\'')", "b"));
  // The prefix must be a word of its own.
  EXPECT_THAT(Split(R"(ae'\'; b)"), ElementsAre(R"(ae'\')", "b"));
  EXPECT_THAT(Split(R"(a b'\'; c x'\'; d u&'\'; e)", false).size(), 4u);
}

TEST(SplitStatements, EscapeStringsGoOnBehindANewline) {
  EXPECT_THAT(Split("a E'x' \n '\\';'; b"), ElementsAre("a E'x' \n '\\';'", "b"));
  EXPECT_THAT(Split("a E'x' -- c\n '\\';'; b"), ElementsAre("a E'x' -- c\n '\\';'", "b"));
  // Without a newline, or with another comment between, it is another literal.
  EXPECT_THAT(Split("a E'x' '\\'; b"), ElementsAre("a E'x' '\\'", "b"));
  EXPECT_THAT(Split("a E'x'/*\n*/'\\'; b"), ElementsAre("a E'x'/*\n*/'\\'", "b"));
}

TEST(SplitStatements, QuotedIdentifiers) {
  EXPECT_THAT(Split(R"(a "x;""y;"; b)"), ElementsAre(R"(a "x;""y;")", "b"));
  EXPECT_THAT(Split(R"(a U&"\;"; b)"), ElementsAre(R"(a U&"\;")", "b"));
  EXPECT_THAT(Split(R"(a "\"; b)"), ElementsAre(R"(a "\")", "b"));
}

TEST(SplitStatements, DollarQuotes) {
  EXPECT_THAT(Split("a $$;$$; b"), ElementsAre("a $$;$$", "b"));
  EXPECT_THAT(Split("a $x$;$$;$y$;$x$; b"), ElementsAre("a $x$;$$;$y$;$x$", "b"));
  EXPECT_THAT(Split("a $x$;$X$;$x$; b"), ElementsAre("a $x$;$X$;$x$", "b"));
  EXPECT_THAT(Split("a $b$c$b$; d"), ElementsAre("a $b$c$b$", "d"));
  // Not dollar quotes: parameters, a dollar within a word, a tag that begins with a digit.
  EXPECT_THAT(Split("a $1;b $2"), ElementsAre("a $1", "b $2"));
  EXPECT_THAT(Split("a x$$;b $y"), ElementsAre("a x$$", "b $y"));
  EXPECT_THAT(Split("a $1$;b$"), ElementsAre("a $1$", "b$"));
  // A delimiter that shares its dollar with what looks like another tag.
  EXPECT_THAT(Split("a $x$ $b$x$; c"), ElementsAre("a $x$ $b$x$", "c"));
  EXPECT_THAT(Split("a 1$$;$$; b"), ElementsAre("a 1$$;$$", "b"));
  EXPECT_THAT(Split("a $\xc3\xa9$;$\xc3\xa9$; b").size(), 2u);
}

TEST(SplitStatements, CommentsNest) {
  EXPECT_THAT(Split("a /* ; /* ; */ ; */; b"), ElementsAre("a", "b"));
  EXPECT_THAT(Split("a /*/ ; */; b"), ElementsAre("a", "b"));
  EXPECT_THAT(Split("a /**/; b"), ElementsAre("a", "b"));
  EXPECT_THAT(Split("a +--;\n b"), ElementsAre("a +--;\n b"));
  EXPECT_THAT(Split("a /* '; */; b"), ElementsAre("a", "b"));
  EXPECT_THAT(Split("a -- '\r; b"), ElementsAre("a", "b"));
}

TEST(SplitStatements, Parentheses) {
  EXPECT_THAT(Split("CREATE RULE r AS ON INSERT TO t DO (a; b); c").size(), 2u);
  EXPECT_THAT(Split("a ); b"), ElementsAre("a )", "b"));
}

TEST(SplitStatements, RoutineBodies) {
  const std::string body = "BEGIN ATOMIC SELECT 1; SELECT CASE WHEN a THEN 1 ELSE 2 END; END";
  EXPECT_THAT(Split("CREATE FUNCTION f() RETURNS int " + body + "; b").size(), 2u);
  EXPECT_THAT(Split("create or replace procedure f() " + body + "; b").size(), 2u);
  EXPECT_THAT(
      Split("CREATE FUNCTION f() BEGIN ATOMIC SELECT 1 AS end; SELECT t.case; END; b").size(), 2u);
  // Without ATOMIC, or in another statement, these words mean nothing.
  EXPECT_THAT(Split("CREATE FUNCTION begin() AS 'x'; b").size(), 2u);
  EXPECT_THAT(Split("BEGIN; a; END; b").size(), 4u);
  EXPECT_THAT(Split("CREATE TABLE t (); BEGIN; ATOMIC; END").size(), 4u);
}

TEST(SplitStatements, UnterminatedReachesTheEnd) {
  for (const std::string_view open :
       {"'", "\"", "$$", "$t$", "/*", "/*/*", "E'\\", "E'x\\", "(", "u&'", "u&\"", "E'a'\n--"}) {
    const std::string sql = "a; b " + std::string(open) + " ; c";
    const std::vector<std::string> statements = Split(sql);
    ASSERT_EQ(statements.size(), 2u) << open;
    EXPECT_EQ(statements[0], "a");
    // Cut just behind the opening, nothing may be read beyond.
    EXPECT_LE(Split("b " + std::string(open)).size(), 1u) << open;
  }
}

TEST(SplitStatements, LinearOnHostileInput) {
  // Each of these is quadratic if the lexer looks ahead for the same end from every start. Half a
  // megabyte would then take minutes under the sanitizers.
  for (const std::string_view unit :
       {"'", "$a$", "/*", "E'x'\n", "E'x' --\n", "$a", "(", "\"", "E'\\", "; ", "$aaaaaaaa"}) {
    std::string sql;
    while (sql.size() < (512 << 10)) sql += unit;
    Split(sql);
  }
}

TEST(ClassifyTransactionCommand, Table) {
  using Command = TransactionCommand;
  const std::vector<std::pair<std::string, Command>> table = {
      {"BEGIN", Command::begin},
      {"/* c */ -- d\n begin isolation level serializable", Command::begin},
      {"START TRANSACTION READ ONLY", Command::begin},
      {"START_REPLICATION", Command::none},
      {"COMMIT", Command::commit},
      {"; commit;", Command::commit},
      {"commit work", Command::commit},
      {"COMMIT TRANSACTION AND CHAIN", Command::commit_and_chain},
      {"COMMIT AND NO CHAIN", Command::commit},
      {"END", Command::commit},
      {"END AND CHAIN", Command::commit_and_chain},
      {"COMMIT PREPARED 'x'", Command::commit_prepared},
      {"ROLLBACK", Command::rollback},
      {"ROLLBACK AND/**/CHAIN", Command::rollback_and_chain},
      {"ROLLBACK WORK AND NO CHAIN", Command::rollback},
      {"ABORT", Command::rollback},
      {"ABORT TRANSACTION AND CHAIN", Command::rollback_and_chain},
      {"ROLLBACK TO s", Command::rollback_to_savepoint},
      {"ROLLBACK WORK TO SAVEPOINT s", Command::rollback_to_savepoint},
      {"ROLLBACK PREPARED 'x'", Command::rollback_prepared},
      {"SAVEPOINT s", Command::savepoint},
      {"RELEASE s", Command::release_savepoint},
      {"PREPARE TRANSACTION 'gid'", Command::prepare_transaction},
      {"PREPARE transaction AS SELECT 1", Command::none},
      {"PREPARE p AS SELECT 1", Command::none},
      {"\"commit\"", Command::none},
      {"commits", Command::none},
      {"'commit'", Command::none},
      {"", Command::none},
      {"SELECT 1", Command::none},
  };
  for (const auto& [sql, command] : table) {
    const ExactBuffer buffer(sql);
    EXPECT_EQ(ClassifyTransactionCommand(buffer.view()), command) << sql;
  }
}

TEST(FirstKeyword, KnownOnesInUpperCase) {
  EXPECT_EQ(FirstKeyword("/**/ select 1"), "SELECT");
  EXPECT_EQ(FirstKeyword("((values (1)))"), "VALUES");
  EXPECT_EQ(FirstKeyword("With x as (select 1) select 2"), "WITH");
  EXPECT_EQ(FirstKeyword("vacuum"), "VACUUM");
  EXPECT_EQ(FirstKeyword("abort"), "ABORT");
  EXPECT_EQ(FirstKeyword("frobnicate"), "");
  EXPECT_EQ(FirstKeyword("\"select\""), "");
  EXPECT_EQ(FirstKeyword(std::string(1000, 'a')), "");
  EXPECT_EQ(FirstKeyword(""), "");
}

TEST(ClassifyPreparedStatementCommand, NamesAsTheProtocolSpellsThem) {
  using Kind = PreparedStatementCommand::Kind;
  const auto classify = [](std::string_view sql) {
    return ClassifyPreparedStatementCommand(sql, true);
  };
  auto command = classify("PREPARE Foo (int, numeric(3,1)) AS /* c */ SELECT $1 ;");
  EXPECT_EQ(command.kind, Kind::prepare);
  EXPECT_EQ(command.name, "foo");
  EXPECT_EQ(command.text, "SELECT $1");
  command = classify("prepare \"A\"\"b\" as select 1");
  EXPECT_EQ(command.name, "A\"b");
  command = classify("deallocate prepare X");
  EXPECT_EQ(command.kind, Kind::deallocate);
  EXPECT_EQ(command.name, "x");
  command = classify("DEALLOCATE prepare");
  EXPECT_EQ(command.kind, Kind::deallocate);
  EXPECT_EQ(command.name, "prepare");
  EXPECT_EQ(classify("DEALLOCATE ALL").kind, Kind::deallocate_all);
  EXPECT_EQ(classify("DEALLOCATE PREPARE ALL").kind, Kind::deallocate_all);
  EXPECT_EQ(classify("DEALLOCATE \"all\"").kind, Kind::deallocate);
  EXPECT_EQ(classify("DEALLOCATE U&\"x\"").kind, Kind::deallocate_all);
  EXPECT_EQ(classify("discard all").kind, Kind::discard_all);
  EXPECT_EQ(classify("DISCARD PLANS").kind, Kind::none);
  EXPECT_EQ(classify("PREPARE TRANSACTION 'x'").kind, Kind::none);
  EXPECT_EQ(classify("PREPARE x (").kind, Kind::none);
  // 63 bytes, cut at a character.
  EXPECT_EQ(classify("DEALLOCATE " + std::string(70, 'a')).name, std::string(63, 'a'));
  EXPECT_EQ(classify("DEALLOCATE " + std::string(62, 'a') + "\xc3\xa9").name, std::string(62, 'a'));
}

}  // namespace
}  // namespace pgparity::protocol
