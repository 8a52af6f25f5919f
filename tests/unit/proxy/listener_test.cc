#include "proxy/listener.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace pgparity::proxy {
namespace {

TEST(ParseListenAddress, TakesWhatPeopleWrite) {
  const auto expect = [](std::string_view text, std::string_view host, uint16_t port) {
    const auto address = ParseListenAddress(text);
    ASSERT_TRUE(address.ok()) << address.status();
    EXPECT_EQ(address->host, host);
    EXPECT_EQ(address->port, port);
  };
  expect("127.0.0.1:6432", "127.0.0.1", 6432);
  expect("localhost:0", "localhost", 0);
  expect("[::1]:65535", "::1", 65535);
  expect(":6432", "", 6432);
  expect("*:6432", "", 6432);
}

TEST(ParseListenAddress, SaysWhatIsWrong) {
  for (const char* text : {"", "6432", "localhost", "localhost:", "localhost:x", "localhost:70000",
                           "localhost:-1", "::1:6432", "[::1:6432", "localhost:80 "}) {
    const auto address = ParseListenAddress(text);
    ASSERT_FALSE(address.ok()) << text;
    EXPECT_THAT(std::string(address.status().message()), testing::HasSubstr("it looks like"));
  }
}

TEST(Listener, SaysWhichHostIsUnknown) {
  const auto listeners = Listener::Bind("no-such-host.invalid:1");
  ASSERT_FALSE(listeners.ok());
  EXPECT_THAT(std::string(listeners.status().message()),
              testing::HasSubstr("no-such-host.invalid:1"));
}

}  // namespace
}  // namespace pgparity::proxy
