#include "shadow/token_scanner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include <pg_query.h>
#include <pg_query/pg_query.pb-c.h>

namespace pgparity::shadow {
namespace {

using ::testing::ElementsAre;

std::vector<std::string> Texts(std::string_view sql) {
  std::vector<std::string> texts;
  TokenScanner scanner(sql);
  for (Token token = scanner.Next(); token.kind != TokenKind::end; token = scanner.Next()) {
    texts.emplace_back(scanner.Text(token));
    if (token.kind == TokenKind::bad && token.end() >= sql.size()) break;
  }
  return texts;
}

TEST(TokenScannerTest, Literals) {
  EXPECT_THAT(Texts("'a''b' E'\\'' e'\\\\' \"x\"\"y\" N'n' B'0' x'f' U&'\\0061' U&\"a\""),
              ElementsAre("'a''b'", "E'\\''", "e'\\\\'", "\"x\"\"y\"", "N", "'n'", "B'0'", "x'f'",
                          "U&'\\0061'", "U&\"a\""));
  EXPECT_THAT(Texts("$$a$b$$ $t$ $$ $t$ $1 a$1$ b"),
              ElementsAre("$$a$b$$", "$t$ $$ $t$", "$1", "a$1$", "b"));
  EXPECT_THAT(Texts("'a' -- c\n  'b' 'c'"), ElementsAre("'a' -- c\n  'b'", "'c'"));
  EXPECT_THAT(Texts("E'a'\n'\\'' x"), ElementsAre("E'a'\n'\\''", "x"));
  EXPECT_THAT(Texts("'a' /* no */ \n 'b'"), ElementsAre("'a'", "'b'"));
}

TEST(TokenScannerTest, OperatorsAndComments) {
  EXPECT_THAT(Texts("a+-b a*-1 @- 1 <>- =>"),
              ElementsAre("a", "+", "-", "b", "a", "*", "-", "1", "@-", "1", "<>", "-", "=>"));
  EXPECT_THAT(Texts("1+/* /* x */ ; */2--3\n4"), ElementsAre("1", "+", "2", "4"));
  EXPECT_THAT(Texts("a::int := 1..2 1.5e-3 .5 5."),
              ElementsAre("a", "::", "int", ":=", "1", "..", "2", "1.5e-3", ".5", "5."));
}

TEST(TokenScannerTest, UnterminatedTextEndsIt) {
  for (const char* sql : {"'a", "\"a", "$x$ a", "/* a", "E'\\'", "'a'\n'b"}) {
    TokenScanner scanner(sql);
    EXPECT_EQ(scanner.Next().kind, TokenKind::bad) << sql;
  }
}

// The same tokens as PostgreSQL's own scanner, where that takes the text.
void ExpectSameAsPostgres(const std::string& sql) {
  const PgQueryScanResult result = pg_query_scan(sql.c_str());
  if (result.error == nullptr) {
    PgQuery__ScanResult* scan = pg_query__scan_result__unpack(
        nullptr, result.pbuf.len, reinterpret_cast<const uint8_t*>(result.pbuf.data));
    std::vector<std::string> theirs;
    for (size_t i = 0; i < scan->n_tokens; ++i) {
      const PgQuery__ScanToken& token = *scan->tokens[i];
      if (token.token == PG_QUERY__TOKEN__SQL_COMMENT || token.token == PG_QUERY__TOKEN__C_COMMENT)
        continue;
      theirs.push_back(sql.substr(static_cast<size_t>(token.start),
                                  static_cast<size_t>(token.end - token.start)));
    }
    std::vector<std::string> ours = Texts(sql);
    // libpg_query's scanner gives no end of U&'' and U&"" literals.
    for (size_t i = 0; i < ours.size() && i < theirs.size(); ++i) {
      const bool unicode =
          ours[i].size() > 2 && (ours[i][0] == 'u' || ours[i][0] == 'U') && ours[i][1] == '&';
      if (unicode && theirs[i].size() < 2) theirs[i] = ours[i];
    }
    EXPECT_EQ(ours, theirs) << sql;
    pg_query__scan_result__free_unpacked(scan, nullptr);
  }
  pg_query_free_scan_result(result);
}

TEST(TokenScannerTest, AgreesWithPostgresOnRandomTexts) {
  const unsigned seed = std::random_device{}();
  RecordProperty("seed", static_cast<int>(seed));
  std::mt19937 random(seed);
  const std::vector<std::string> pieces = {
      "'",  "''", "\"", "\\", "$", "$a$", "$1", "E'", "u&'", "U&\"", "b'", "n'", "/*", "*/",
      "--", "\n", " ",  "\t", "a", "Z9",  "é",  "_",  "1",   "1.5",  "e5", ".",  "..", ":",
      "::", ":=", "+",  "-",  "*", "/",   "<",  ">",  "=",   "@",    "~",  "!",  "|",  "%",
      "^",  "&",  "#",  "?",  "`", "(",   ")",  "[",  "]",   ",",    ";",  "x'"};
  for (int i = 0; i < 20000 && !HasFailure(); ++i) {
    std::string sql;
    for (size_t k = random() % 12; k > 0; --k) sql += pieces[random() % pieces.size()];
    ExpectSameAsPostgres(sql);
  }
  if (HasFailure()) std::printf("seed %u\n", seed);
}

TEST(TokenScannerTest, DepthOfTexts) {
  const auto depth = [](std::string_view sql) { return MeasureText(sql, 1000, 1000).depth; };
  EXPECT_LE(depth("SELECT 1, 2, 3, f(4), (5)"), 3u);
  EXPECT_EQ(depth("1+1+1+1"), 3u);
  EXPECT_EQ(depth("1+1, 1+1, 1"), 1u);
  EXPECT_EQ(depth("((((1))))"), 4u);
  EXPECT_EQ(depth("a = 1 OR b = 2 OR c = 3"), 1u);
  EXPECT_GE(depth("x BETWEEN 1 AND NOT x BETWEEN 1 AND NOT x"), 3u);
  EXPECT_GE(depth("CASE WHEN a AND CASE WHEN b AND CASE WHEN c"), 3u);
  EXPECT_GE(depth("SELECT 1, 2 UNION SELECT 1, 2 UNION SELECT 1, 2"), 3u);
  EXPECT_LE(depth(")))))"), 1u);
}

}  // namespace
}  // namespace pgparity::shadow
