#include "proxy/proxy_protocol.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>

namespace pgparity::proxy {
namespace {

// From an exact-size heap block, so that the sanitizers see an overrun.
absl::StatusOr<std::optional<ProxyHeader>> Parse(std::string_view bytes) {
  const std::unique_ptr<char[]> block(new char[bytes.size()]);
  bytes.copy(block.get(), bytes.size());
  return ParseProxyHeader({block.get(), bytes.size()});
}

const std::string& Version2() {
  static const std::string& bytes =
      *new std::string(std::string("\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c", 16) +
                       std::string("\xc0\0\x02\x01\xc6\x33\x64\x02\x30\x39\x15\x38", 12));
  return bytes;
}

TEST(ProxyProtocol, Version1) {
  const std::string line = "PROXY TCP4 192.0.2.1 198.51.100.2 12345 5432\r\n";
  const auto header = Parse(line + "rest");
  ASSERT_TRUE(header.ok() && header->has_value());
  EXPECT_EQ((*header)->length, line.size());
  EXPECT_EQ((*header)->source, "192.0.2.1");
  EXPECT_EQ((*header)->source_port, 12345);
  EXPECT_FALSE((*header)->local);
  const auto six = Parse("PROXY TCP6 2001:db8::1 2001:db8::2 1 2\r\n");
  ASSERT_TRUE(six.ok() && six->has_value());
  EXPECT_EQ((*six)->source, "2001:db8::1");
  const auto unknown = Parse("PROXY UNKNOWN whatever it says\r\n");
  ASSERT_TRUE(unknown.ok() && unknown->has_value());
  EXPECT_TRUE((*unknown)->local);
}

TEST(ProxyProtocol, Version2) {
  const auto header = Parse(Version2() + "rest");
  ASSERT_TRUE(header.ok() && header->has_value());
  EXPECT_EQ((*header)->length, 28U);
  EXPECT_EQ((*header)->source, "192.0.2.1");
  EXPECT_EQ((*header)->source_port, 12345);
}

TEST(ProxyProtocol, TheTlvsOfVersion2AreSkipped) {
  std::string bytes = Version2();
  bytes[15] = 12 + 5;
  bytes += std::string("\x04\0\x02zz", 5);
  const auto header = Parse(bytes);
  ASSERT_TRUE(header.ok() && header->has_value());
  EXPECT_EQ((*header)->length, 33U);
}

TEST(ProxyProtocol, LocalOfVersion2IsAHealthCheck) {
  const auto header = Parse(std::string("\r\n\r\n\0\r\nQUIT\n\x20\0\0\0", 16));
  ASSERT_TRUE(header.ok() && header->has_value());
  EXPECT_TRUE((*header)->local);
  EXPECT_EQ((*header)->length, 16U);
}

TEST(ProxyProtocol, EveryPrefixIsNotWholeYet) {
  const std::string line = "PROXY TCP4 192.0.2.1 198.51.100.2 12345 5432\r\n";
  for (const std::string& whole : {line, Version2()}) {
    for (size_t size = 0; size < whole.size(); ++size) {
      const auto header = Parse(whole.substr(0, size));
      ASSERT_TRUE(header.ok()) << size;
      EXPECT_FALSE(header->has_value()) << size;
    }
  }
}

TEST(ProxyProtocol, WhatIsNoHeaderIsRefused) {
  for (const std::string& bytes : {
           std::string("\0\0\0\x08\x04\xd2\x16\x2f", 8),  // an SSLRequest
           std::string("GET / HTTP/1.1\r\n"),
           std::string("PROXY TCP4 192.0.2.1 198.51.100.2 12345\r\n"),
           std::string("PROXY TCP4 192.0.2.1 198.51.100.2 12345 65536\r\n"),
           std::string("PROXY TCP4 192.0.2.1 198.51.100.2 012 5432\r\n"),
           std::string("PROXY TCP4 2001:db8::1 198.51.100.2 1 2\r\n"),
           std::string("PROXY UDP4 192.0.2.1 198.51.100.2 1 2\r\n"),
           "PROXY " + std::string(120, 'x'),
           std::string("\r\n\r\n\0\r\nQUIT\n\x11\x11\0\x0c", 16),
           std::string("\r\n\r\n\0\r\nQUIT\n\x22\x11\0\x0c", 16),
           std::string("\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0b", 16),
           std::string("\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff", 16),
       }) {
    EXPECT_TRUE(absl::IsInvalidArgument(Parse(bytes).status())) << testing::PrintToString(bytes);
  }
}

}  // namespace
}  // namespace pgparity::proxy
