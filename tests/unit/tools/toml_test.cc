#include "tools/toml.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <random>

namespace pgparity::tools {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

absl::StatusOr<std::vector<TomlItem>> Parse(const std::string& text) {
  std::unique_ptr<char[]> exact(new char[text.size()]);
  std::copy(text.begin(), text.end(), exact.get());
  return ParseToml({exact.get(), text.size()});
}

std::vector<TomlItem> Parsed(const std::string& text) {
  const auto items = Parse(text);
  EXPECT_TRUE(items.ok()) << text << ": " << items.status();
  return items.ok() ? *items : std::vector<TomlItem>();
}

std::string ErrorOf(const std::string& text) {
  const auto items = Parse(text);
  EXPECT_FALSE(items.ok()) << text;
  return items.ok() ? "" : std::string(items.status().message());
}

TEST(Toml, ValuesTablesAndComments) {
  const auto items = Parsed(
      "# comment\n"
      "primary = \"postgres://u:p#1@h/d\" # a # in quotes is none\r\n"
      "threads = 4\n"
      "\n"
      "[serve]\n"
      "  ring-size = '64MiB'\n"
      "start_check = true\n"
      "[ journal . ls ]\n"
      "\"quoted key\" = 1_000\n");
  ASSERT_EQ(items.size(), 5u);
  EXPECT_EQ(items[0].key, "primary");
  EXPECT_THAT(items[0].values, ElementsAre("postgres://u:p#1@h/d"));
  EXPECT_EQ(items[0].table, "");
  EXPECT_EQ(items[0].line, 2);
  EXPECT_THAT(items[1].values, ElementsAre("4"));
  EXPECT_EQ(items[2].table, "serve");
  EXPECT_THAT(items[2].values, ElementsAre("64MiB"));
  EXPECT_THAT(items[3].values, ElementsAre("true"));
  EXPECT_EQ(items[4].table, "journal.ls");
  EXPECT_EQ(items[4].key, "quoted key");
  EXPECT_THAT(items[4].values, ElementsAre("1000"));
  EXPECT_EQ(items[4].line, 9);
}

TEST(Toml, Arrays) {
  EXPECT_THAT(Parsed("a = []")[0].values, IsEmpty());
  EXPECT_TRUE(Parsed("a = []")[0].array);
  EXPECT_THAT(Parsed("a = [ \"x,y\" , 'z' ]")[0].values, ElementsAre("x,y", "z"));
  EXPECT_THAT(Parsed("a = [\n  \"x\", # one\n  \"y\",\n]\nb = 1")[0].values, ElementsAre("x", "y"));
}

TEST(Toml, Escapes) {
  EXPECT_THAT(Parsed(R"(a = "q\" b\\ t\t n\n \u00e4 \U0001F418")")[0].values,
              ElementsAre("q\" b\\ t\t n\n \xC3\xA4 \xF0\x9F\x90\x98"));
  EXPECT_THAT(Parsed(R"(a = '\n')")[0].values, ElementsAre("\\n"));
}

TEST(Toml, EmptyFilesAreFine) {
  EXPECT_THAT(Parsed(""), IsEmpty());
  EXPECT_THAT(Parsed("# only this"), IsEmpty());
  EXPECT_THAT(Parsed("[serve]"), IsEmpty());
}

TEST(Toml, ErrorsNameTheLineAndNoValue) {
  for (const char* text : {"\na",
                           "\na =",
                           "\na = zqz",
                           "\na = \"zqz",
                           "\na = 'zqz",
                           "\na = \"zqz\" zqz",
                           "\n= 1",
                           "\n[zqz",
                           "\n[]",
                           "\na = [\"zqz\"",
                           "\na = [\"x\" \"zqz\"]",
                           "\na = \"\\q zqz\"",
                           "\na = \"\\u12\"",
                           "\na = \"\\ud800\"",
                           "\na = \"\\",
                           "\na = \"\"\"zqz\"\"\"",
                           "\na = '''zqz'''",
                           "\na.b = 1",
                           "\na = {zqz = 1}",
                           "\na = 1979-05-27T07:32:00Z",
                           "\n\xff = 1",
                           "\na = [[1]]"}) {
    const std::string error = ErrorOf(text);
    EXPECT_THAT(error, HasSubstr("line 2")) << text;
    EXPECT_THAT(error, Not(HasSubstr("zqz"))) << text;
  }
}

TEST(Toml, AKeyTwiceIsAnError) {
  EXPECT_THAT(ErrorOf("a = 1\nb = 2\na = 3"), HasSubstr("line 3"));
  EXPECT_EQ(Parsed("a = 1\n[t]\na = 2").size(), 2u);
}

TEST(Toml, TakesAnyBytes) {
  const auto seed = std::random_device{}();
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  constexpr std::string_view kAlphabet = "a=\"'[]#,\\u0.\n \r\xff";
  for (int i = 0; i < 20000; ++i) {
    std::string text(random() % 20, '\0');
    for (char& c : text) c = kAlphabet[random() % kAlphabet.size()];
    Parse(text).status().IgnoreError();
  }
}

}  // namespace
}  // namespace pgparity::tools
