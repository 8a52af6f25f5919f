#include "proxy/options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace pgparity::proxy {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(ParseSize, Units) {
  EXPECT_EQ(*ParseSize("0"), 0u);
  EXPECT_EQ(*ParseSize("4096"), 4096u);
  EXPECT_EQ(*ParseSize("1B"), 1u);
  EXPECT_EQ(*ParseSize("512KiB"), 512u << 10);
  EXPECT_EQ(*ParseSize("64MiB"), 64u << 20);
  EXPECT_EQ(*ParseSize("64mib"), 64u << 20);
  EXPECT_EQ(*ParseSize("1.5GiB"), 3ull << 29);
}

TEST(ParseSize, Refuses) {
  for (const char* text : {"", "MiB", "64 MiB", "64MB", "64M", "-1", "1e3", "1.2.3", "0x10",
                           "64MiBs", " 1", "99999999999GiB", "nan", "."}) {
    EXPECT_FALSE(ParseSize(text).ok()) << text;
  }
}

TEST(ParseDuration, Units) {
  EXPECT_EQ(*ParseDuration("500ms"), absl::Milliseconds(500));
  EXPECT_EQ(*ParseDuration("10s"), absl::Seconds(10));
  EXPECT_EQ(*ParseDuration("1.5m"), absl::Seconds(90));
  EXPECT_EQ(*ParseDuration("48h"), absl::Hours(48));
  EXPECT_EQ(*ParseDuration("7d"), absl::Hours(168));
  EXPECT_EQ(*ParseDuration("0"), absl::ZeroDuration());
}

TEST(ParseDuration, Refuses) {
  for (const char* text :
       {"", "10", "s", "10 s", "-1s", "1us", "1h30m", "1e9s", "99999999999d", "1w"}) {
    EXPECT_FALSE(ParseDuration(text).ok()) << text;
  }
}

TEST(ParseEndpoint, Forms) {
  EXPECT_EQ(*ParseEndpoint("127.0.0.1:6432"), (Endpoint{"127.0.0.1", 6432}));
  EXPECT_EQ(*ParseEndpoint("db.example:0"), (Endpoint{"db.example", 0}));
  EXPECT_EQ(*ParseEndpoint("[::1]:65535"), (Endpoint{"::1", 65535}));
  EXPECT_EQ(*ParseEndpoint(":80"), (Endpoint{"127.0.0.1", 80}));
  EXPECT_EQ(*ParseEndpoint("80"), (Endpoint{"127.0.0.1", 80}));
  EXPECT_EQ(*ParseEndpoint("*:80"), (Endpoint{"0.0.0.0", 80}));
  EXPECT_EQ(ParseEndpoint("[::1]:80")->ToString(), "[::1]:80");
  EXPECT_EQ(ParseEndpoint("a:80")->ToString(), "a:80");
}

TEST(ParseEndpoint, Refuses) {
  for (const char* text : {"", ":", "a:", "a", "a:b", "a:65536", "a:-1", "::1:80", "[::1]",
                           "[a]:80", "[::1:80", "u@h:80", "http://h:80", "a b:80"}) {
    EXPECT_FALSE(ParseEndpoint(text).ok()) << text;
  }
}

TEST(ParseReads, Forms) {
  EXPECT_EQ(*ParseReads("all"), 1);
  EXPECT_EQ(*ParseReads("off"), 0);
  EXPECT_EQ(*ParseReads("sample=0.25"), 0.25);
  for (const char* text : {"", "some", "sample", "sample=", "sample=0", "sample=1.5", "sample=-1",
                           "sample=x", "sample=0.5x", "ALL"}) {
    EXPECT_FALSE(ParseReads(text).ok()) << text;
  }
}

TEST(ParseSwitch, Forms) {
  for (const char* text : {"on", "ON", "true", "yes", "1"}) EXPECT_TRUE(*ParseSwitch(text));
  for (const char* text : {"off", "False", "no", "0"}) EXPECT_FALSE(*ParseSwitch(text));
  for (const char* text : {"", "2", "maybe"}) EXPECT_FALSE(ParseSwitch(text).ok());
}

TEST(Format, GoesBackThroughParse) {
  for (const uint64_t bytes :
       {0ull, 1ull, 1023ull, 1024ull, 1536ull, 64ull << 20, 1ull << 30, (1ull << 30) + 1}) {
    EXPECT_EQ(*ParseSize(SizeText(bytes)), bytes) << SizeText(bytes);
  }
  EXPECT_EQ(SizeText(64 << 20), "64MiB");
  for (const int64_t ms : {0ll, 1ll, 999ll, 1000ll, 60'000ll, 90'000ll, 86'400'000ll}) {
    const absl::Duration duration = absl::Milliseconds(ms);
    EXPECT_EQ(*ParseDuration(DurationText(duration)), duration) << DurationText(duration);
  }
  EXPECT_EQ(DurationText(absl::Seconds(90)), "90s");
}

ServeOptions Valid() {
  ServeOptions options;
  options.listen = {"127.0.0.1:6432"};
  options.primary = "postgres://u:secret@h/d";
  options.data_dir = "/d";
  return options;
}

TEST(ServeOptions, DefaultsAreValid) { EXPECT_TRUE(Validate(Valid()).ok()) << Validate(Valid()); }

TEST(ServeOptions, EachBoundNamesItsOption) {
  const auto error_of = [](auto change) {
    ServeOptions options = Valid();
    change(options);
    return std::string(Validate(options).message());
  };
  EXPECT_THAT(error_of([](auto& o) { o.threads = -1; }), HasSubstr("--threads"));
  EXPECT_THAT(error_of([](auto& o) { o.max_sessions = 0; }), HasSubstr("--max-sessions"));
  EXPECT_THAT(error_of([](auto& o) { o.max_frame = 100; }), HasSubstr("--max-frame"));
  EXPECT_THAT(error_of([](auto& o) { o.shadow_connections = 0; }),
              HasSubstr("--shadow-connections"));
  EXPECT_THAT(error_of([](auto& o) { o.window = 0; }), HasSubstr("--window"));
  EXPECT_THAT(error_of([](auto& o) { o.ring_size = 0; }),
              HasSubstr("--ring-size must lie between 1MiB and 64GiB"));
  EXPECT_THAT(error_of([](auto& o) { o.listen.clear(); }), HasSubstr("--listen"));
  EXPECT_THAT(error_of([](auto& o) { o.data_dir = ""; }), HasSubstr("--data-dir"));
  EXPECT_THAT(error_of([](auto& o) { o.primary = "sqlite:///x"; }), HasSubstr("--primary"));
  EXPECT_THAT(error_of([](auto& o) { o.primary = "postgres://h/{database}"; }),
              HasSubstr("--primary"));
  EXPECT_THAT(error_of([](auto& o) { o.login_timeout = absl::ZeroDuration(); }),
              HasSubstr("--login-timeout"));
  EXPECT_THAT(error_of([](auto& o) { o.hold_wait = absl::ZeroDuration(); }),
              HasSubstr("--hold-wait"));
  EXPECT_THAT(error_of([](auto& o) { o.ordering_text = 1; }), HasSubstr("--ordering-text"));
  EXPECT_THAT(error_of([](auto& o) { o.journal_keep = o.journal_segment - 1; }),
              HasSubstr("--journal-keep"));
}

TEST(ServeOptions, UrlErrorsNameTheOptionAndHoldNoPassword) {
  ServeOptions options = Valid();
  options.shadow = "postgres://u:secret/more@h/d";
  const std::string error(Validate(options).message());
  EXPECT_THAT(error, HasSubstr("--shadow"));
  EXPECT_THAT(error, Not(HasSubstr("secret")));
}

}  // namespace
}  // namespace pgparity::proxy
