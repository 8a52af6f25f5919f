#include "proxy/role_map.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "protocol/text.h"
#include "tests/support/temp_dir.h"

namespace pgparity::proxy {
namespace {

using Kind = shadow::ShadowRole::Kind;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

DatabaseUrl Shadow() { return *DatabaseUrl::Parse("postgres://owner:pw@shadow:6000/app"); }

TEST(RoleMapFile, NamesAndUrls) {
  const auto entries = ParseRoleMap(
      "# roles of the application\n"
      "\n"
      "  app = shadow_app   # as it is\r\n"
      "\"Jane \\\"J\\\" Doe\\\\\"=\"re ports\"\n"
      "\tadmin\t=\tpostgres://admin:s%23cret@h/{database}\t# a URL without quotes\n"
      "batch = \"postgresql://batch@h:7000\"\n"
      "* = rest");
  ASSERT_TRUE(entries.ok()) << entries.status();
  ASSERT_EQ(entries->size(), 5u);
  EXPECT_EQ((*entries)[0].client, "app");
  EXPECT_EQ((*entries)[0].role, "shadow_app");
  EXPECT_EQ((*entries)[1].client, "Jane \"J\" Doe\\");
  EXPECT_EQ((*entries)[1].role, "re ports");
  EXPECT_EQ((*entries)[2].url->user, "admin");
  EXPECT_EQ((*entries)[2].url->password, "s#cret");
  EXPECT_EQ((*entries)[3].url->port, 7000);
  EXPECT_EQ((*entries)[4].client, "*");
}

struct BadMap {
  const char* text;
  const char* says;
};

class BadRoleMap : public ::testing::TestWithParam<BadMap> {};

TEST_P(BadRoleMap, IsOneClearLine) {
  const auto entries = ParseRoleMap(GetParam().text);
  ASSERT_FALSE(entries.ok()) << GetParam().text;
  const std::string message(protocol::MessageOf(entries.status()));
  EXPECT_THAT(message, AllOf(HasSubstr("line "), HasSubstr(GetParam().says)));
  EXPECT_THAT(message, Not(HasSubstr("hunter2")));
  EXPECT_THAT(message, Not(HasSubstr("\n")));
}

INSTANTIATE_TEST_SUITE_P(
    Line, BadRoleMap,
    ::testing::Values(
        BadMap{"app", "expected ="}, BadMap{"\n\napp shadow", "line 3: expected ="},
        BadMap{"= shadow", "a role of the clients"}, BadMap{"app =", "a role of the shadow"},
        BadMap{"app = # nothing", "a role of the shadow"}, BadMap{"app = \"\"", "a role of"},
        BadMap{"app = a b", "more stands behind"}, BadMap{"app = a, b", "more stands behind"},
        BadMap{"app = \"a", "not closed"}, BadMap{"app = \"a\\n\"", "in quotes"},
        BadMap{"app = a\napp = b", "line 2: the role \"app\" comes twice"},
        BadMap{"* = a\n* = b", "comes twice"}, BadMap{"\"*\" = a", "without quotes"},
        BadMap{"[roles]\napp = a", "line 1"}, BadMap{"app = sqlite:///x", "postgres://"},
        BadMap{"app = postgres://h/d", "no user"},
        BadMap{"app = postgres://u:hunter2@h:port/d", "line 1"},
        BadMap{"app = mysql://u:hunter2@h/d", "line 1"},
        BadMap{"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa = b",
               "63 bytes"}));

TEST(RoleMapFile, TheFileIsNamed) {
  const support::TempDir dir;
  std::ofstream(dir.Path("map")) << "app shadow";
  EXPECT_THAT(std::string(protocol::MessageOf(ReadRoleMap(dir.Path("map")).status())),
              AllOf(HasSubstr(dir.Path("map")), HasSubstr("line 1")));
  EXPECT_FALSE(ReadRoleMap(dir.Path("none")).ok());
  EXPECT_FALSE(ReadRoleMap(dir.path()).ok());
}

TEST(RoleMap, FindsTheRole) {
  const auto map =
      MakeRoleMap(*ParseRoleMap("app = r\nsame = r\nother = s\nu = postgres://u:p@shadow:6000\n"
                                "v = postgres://v@shadow/{database}"),
                  Shadow(), "sales");
  EXPECT_EQ(map.Find("nobody"), 0u);
  EXPECT_EQ(map.roles()[0].kind, Kind::own);
  EXPECT_EQ(map.roles()[0].name, "owner");
  EXPECT_EQ(map.roles()[map.Find("app")].name, "r");
  EXPECT_EQ(map.Find("same"), map.Find("app"));
  EXPECT_NE(map.Find("other"), map.Find("app"));
  EXPECT_EQ(map.roles()[map.Find("u")].kind, Kind::connection);
  // A URL without a database means the shadow's.
  EXPECT_THAT(map.roles()[map.Find("u")].conninfo, HasSubstr("dbname='app'"));
  EXPECT_THAT(map.roles()[map.Find("v")].conninfo, HasSubstr("dbname='sales'"));
  EXPECT_EQ(map.connections_a_lane(), 3u);
  EXPECT_NE(MakeRoleMap(*ParseRoleMap("* = r"), Shadow(), "").Find("anybody"), 0u);
}

TEST(RoleMap, ConnectionsFitOrTheErrorSaysHowMany) {
  const auto none = MakeRoleMap({}, Shadow(), "");
  const auto one = MakeRoleMap(*ParseRoleMap("u = postgres://u@h/d"), Shadow(), "");
  EXPECT_EQ(*SnapshotLanes(2, none, true), 1u);
  EXPECT_EQ(*SnapshotLanes(1, none, true), 0u);
  EXPECT_EQ(*SnapshotLanes(4, one, true), 1u);
  EXPECT_EQ(*SnapshotLanes(7, one, true), 2u);
  EXPECT_EQ(*SnapshotLanes(2, one, false), 0u);
  EXPECT_THAT(std::string(protocol::MessageOf(SnapshotLanes(3, one, true).status())),
              AllOf(HasSubstr("--shadow-connections"), HasSubstr("at least 4")));
  EXPECT_FALSE(SnapshotLanes(1, one, false).ok());
}

}  // namespace
}  // namespace pgparity::proxy
