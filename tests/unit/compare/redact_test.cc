#include "compare/redact.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <random>

namespace pgparity::compare {
namespace {

using testing::HasSubstr;
using testing::Not;

template <typename Function>
std::string OnExactCopy(const std::string& text, Function function) {
  std::unique_ptr<char[]> exact(new char[text.size()]);
  std::copy(text.begin(), text.end(), exact.get());
  return function(std::string_view(exact.get(), text.size()));
}

std::string Sql(const std::string& text) { return OnExactCopy(text, RedactStatement); }
std::string Values(const std::string& text) { return OnExactCopy(text, RedactValues); }
std::string Escaped(const std::string& text) { return OnExactCopy(text, EscapeControl); }

TEST(RedactStatement, TakesConstantsOut) {
  EXPECT_EQ(Sql("SELECT * FROM t WHERE a = 'x' AND b=12 AND c > -3.5e-10"),
            "SELECT * FROM t WHERE a = ? AND b=? AND c > -?");
  EXPECT_EQ(Sql("SELECT .5, 0x1F, 1_000, 5."), "SELECT ?, ?, ?, ?");
  EXPECT_EQ(Sql("SELECT 'it''s', '', ''''"), "SELECT ?, ?, ?");
  EXPECT_EQ(Sql("SELECT B'101', x'ff', N'a', U&'d\\0061t'"), "SELECT ?, ?, ?, ?");
}

TEST(RedactStatement, KeepsNamesParametersAndKeywords) {
  EXPECT_EQ(Sql("SELECT t1.c2, \"we\"\"ird 'x'\", $12 FROM e, null1 WHERE a IS NULL"),
            "SELECT t1.c2, \"we\"\"ird 'x'\", $12 FROM e, null1 WHERE a IS NULL");
  EXPECT_EQ(Sql("SELECT a$1b, \xC3\xA4 9"), "SELECT a$1b, \xC3\xA4 ?");
}

TEST(RedactStatement, TakesCommentsOutAndWhiteSpaceTogether) {
  EXPECT_EQ(Sql("/* secret */ SELECT -- secret\n  a /* x /* nested secret */ y */ , b"),
            "SELECT a , b");
  EXPECT_EQ(Sql("SELECT a/* never closed"), "SELECT a");
  EXPECT_EQ(Sql("SELECT a -- secret"), "SELECT a");
}

TEST(RedactStatement, DollarQuotes) {
  EXPECT_EQ(Sql("DO $$ secret $x$ $$ LANGUAGE plpgsql"), "DO ? LANGUAGE plpgsql");
  EXPECT_EQ(Sql("SELECT $tag$a $$ secret$tag$, $1"), "SELECT ?, $1");
  EXPECT_EQ(Sql("SELECT $tag$ secret"), "SELECT ?...");
}

TEST(RedactStatement, EscapeStrings) {
  EXPECT_EQ(Sql("SELECT E'a\\'secret', 'b'"), "SELECT ?, ?");
  EXPECT_EQ(Sql("SELECT e'a\\\\', b"), "SELECT ?, b");
  // The second half is an escape string too.
  EXPECT_THAT(Sql("SELECT E'a'\n  'b\\'secret'"), Not(HasSubstr("secret")));
  EXPECT_THAT(Sql("SELECT E'a' -- x\n  'b\\'secret'"), Not(HasSubstr("secret")));
}

TEST(RedactStatement, WhatCanBeReadInTwoWaysGoes) {
  // With standard_conforming_strings off the string goes on behind \'.
  EXPECT_EQ(Sql("SELECT 'a\\' secret ' , b"), "SELECT ?...");
  EXPECT_EQ(Sql("SELECT 'a\\''secret' , b"), "SELECT ?...");
  EXPECT_EQ(Sql("SELECT 'a\\\\' , b"), "SELECT ? , b");
  EXPECT_EQ(Sql("SELECT 'unclosed secret"), "SELECT ?...");
  EXPECT_EQ(Sql("SELECT \"unclosed secret"), "SELECT ?...");
  EXPECT_EQ(Sql("SELECT E'x\\"), "SELECT ?...");
}

TEST(RedactStatement, NeverShowsAMarkedConstant) {
  const auto seed = std::random_device{}();
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  // Closed constants of every kind, put together with what may stand between them.
  const std::vector<std::string> constants = {"'zqz'",    "E'z\\'qzqz'",   "$$zqz$$",  "$a$zqz$a$",
                                              "'a''zqz'", "/* zqz */",     "-- zqz\n", "9zqz",
                                              "b'zqz'",   "e'\\\\zqz\\''", "U&'zqz'"};
  const std::vector<std::string> between = {" ",   ",",         "+",       "(",  "\n",
                                            " a ", " \"n''\" ", "::text ", "$1 "};
  for (int i = 0; i < 5000; ++i) {
    std::string sql = "SELECT ";
    for (int j = 0; j < 6; ++j) {
      sql += constants[random() % constants.size()] + between[random() % between.size()];
    }
    EXPECT_THAT(Sql(sql), Not(HasSubstr("zqz"))) << sql;
  }
}

TEST(RedactStatement, TakesAnyBytesInLinearTime) {
  const auto seed = std::random_device{}();
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  constexpr std::string_view kAlphabet = "'\"$\\/*-eEuU&a1 .\n\xff";
  for (int i = 0; i < 5000; ++i) {
    std::string sql(random() % 30, '\0');
    for (char& c : sql) c = kAlphabet[random() % kAlphabet.size()];
    Sql(sql);
  }
  // Would take hours if each of these began a search to the end.
  for (const char* piece : {"$a", "E'' ", "/*", "$$", "'\\", "- "}) {
    std::string sql;
    for (int i = 0; i < 300'000; ++i) sql += piece;
    Sql(sql);
  }
}

TEST(RedactValues, HidesValues) {
  EXPECT_EQ(Values("'abc'"), "<text 3>");
  EXPECT_EQ(Values("('abc', NULL, 12, 'it''s', '')"),
            "(<text 3>, NULL, <number>, <text 4>, <text 0>)");
  EXPECT_EQ(Values("'\xC3\xA4\xC3\xB6'"), "<text 2>");
  EXPECT_EQ(Values("-1.5e3"), "<number>");
  EXPECT_EQ(Values("NULL"), "NULL");
  EXPECT_EQ(Values("'NULL'"), "<text 4>");
}

TEST(RedactValues, KeepsSqlstateAndHidesMessages) {
  EXPECT_EQ(Values("SQLSTATE 23505: duplicate key DETAIL: Key (email)=(ann@example.org) exists"),
            "SQLSTATE 23505: <text 13> DETAIL: <text 3> (<text 5>)=(<text 15>) <text 6>");
  // A code alone might be a value.
  EXPECT_EQ(Values("23505"), "<number>");
}

TEST(RedactValues, KeepsACommandTagOrCountThatStandsAlone) {
  EXPECT_EQ(Values("INSERT 0 1"), "INSERT 0 1");
  EXPECT_EQ(Values("CREATE TABLE"), "CREATE TABLE");
  EXPECT_EQ(Values("12 rows"), "12 rows");
  EXPECT_EQ(Values("12 rows of gold"), "<number> rows of <text 4>");
  EXPECT_EQ(Values("SECRET 12"), "<text 9>");
  EXPECT_EQ(Values("12"), "<number>");
  EXPECT_EQ(Values("DELETE 'x'"), "DELETE <text 1>");
}

TEST(RedactValues, UnbalancedQuotesHideTheRest) {
  EXPECT_EQ(Values("'abc"), "<text 3>");
  EXPECT_THAT(Values("it's secret, 'and secret"), Not(HasSubstr("secret")));
}

TEST(RedactValues, NoOtherWordGetsThrough) {
  const auto seed = std::random_device{}();
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  constexpr std::string_view kAround = "'(), =:\n\t\"\\;|[]";
  for (int i = 0; i < 5000; ++i) {
    std::string text;
    for (int j = 0; j < 8; ++j) {
      text += kAround[random() % kAround.size()];
      if (random() % 2 == 0) text += "zqz";
    }
    EXPECT_THAT(Values(text), Not(HasSubstr("zqz"))) << text;
  }
}

TEST(EscapeControl, KeepsText) {
  EXPECT_EQ(Escaped("plain \"text\" \xC3\xA4 \xE2\x82\xAC \xF0\x9F\x90\x98"),
            "plain \"text\" \xC3\xA4 \xE2\x82\xAC \xF0\x9F\x90\x98");
}

TEST(EscapeControl, EscapesWhatDrivesATerminal) {
  EXPECT_EQ(Escaped("\x1b[2J\n\t\r"), "\\x1B[2J\\x0A\\x09\\x0D");
  EXPECT_EQ(Escaped(std::string("a\0b\x7f", 4)), "a\\x00b\\x7F");
  EXPECT_EQ(Escaped("\xC2\x9B"), "\\xC2\\x9B");           // C1 control sequence introducer
  EXPECT_EQ(Escaped("\xE2\x80\xAE"), "\\xE2\\x80\\xAE");  // right-to-left override
  EXPECT_EQ(Escaped("\xE2\x81\xA6"), "\\xE2\\x81\\xA6");  // left-to-right isolate
}

TEST(EscapeControl, EscapesInvalidUtf8) {
  EXPECT_EQ(Escaped("\xff"), "\\xFF");
  EXPECT_EQ(Escaped("a\xC3"), "a\\xC3");  // cut short
  EXPECT_EQ(Escaped("\xC3(x"), "\\xC3(x");
  EXPECT_EQ(Escaped("\xC0\xAF"), "\\xC0\\xAF");  // overlong
  EXPECT_EQ(Escaped("\xE0\x80\xAF"), "\\xE0\\x80\\xAF");
  EXPECT_EQ(Escaped("\xED\xA0\x80"), "\\xED\\xA0\\x80");  // surrogate
  EXPECT_EQ(Escaped("\xF4\x90\x80\x80"), "\\xF4\\x90\\x80\\x80");
}

}  // namespace
}  // namespace pgparity::compare
