#include "protocol/startup.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/message_builders.h"

namespace pgparity::protocol {
namespace {

using testing::Bytes;
using ::testing::ElementsAre;
using testing::ExactBuffer;
using testing::Message;
using ::testing::Pair;
using testing::StartupPacket;

absl::StatusOr<protocol::StartupPacket> Decode(std::string_view bytes) {
  const ExactBuffer buffer(bytes);
  return DecodeStartup(buffer.view());
}

TEST(Startup, DecodesRequestsFromBytes) {
  EXPECT_EQ(*Decode(Bytes("\0\0\0\x08\x04\xd2\x16\x2f")), protocol::StartupPacket(SslRequest{}));
  EXPECT_EQ(*Decode(Bytes("\0\0\0\x08\x04\xd2\x16\x30")), protocol::StartupPacket(GssEncRequest{}));
  EXPECT_EQ(*Decode(Bytes("\0\0\0\x10\x04\xd2\x16\x2e\0\0\x30\x39\x01\x02\x03\x04")),
            protocol::StartupPacket(CancelRequest{12345, "\x01\x02\x03\x04"}));
}

TEST(Startup, DecodesParametersInTheirOrder) {
  const auto decoded = Decode(Bytes("\0\0\0\x1d\0\x03\0\x02user\0amy\0database\0d\0\0"));
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  const auto& message = std::get<StartupMessage>(*decoded);
  EXPECT_EQ(message.major, 3);
  EXPECT_EQ(message.minor, 2);
  EXPECT_THAT(message.parameters, ElementsAre(Pair("user", "amy"), Pair("database", "d")));
}

TEST(Startup, DatabaseDefaultsToUserAndTheLastOfTwoCounts) {
  const auto decoded = Decode(StartupPacket({{"user", "a"}, {"user", "b"}, {"database", ""}}));
  ASSERT_TRUE(decoded.ok());
  EXPECT_EQ(std::get<StartupMessage>(*decoded).user(), "b");
  EXPECT_EQ(std::get<StartupMessage>(*decoded).database(), "b");
}

TEST(Startup, ReplicationIsReadAsTheServerReadsIt) {
  for (const auto& [value, expected] :
       std::vector<std::pair<std::string, bool>>{{"", false},
                                                 {"0", false},
                                                 {"off", false},
                                                 {"of", false},
                                                 {"NO", false},
                                                 {"f", false},
                                                 {"1", true},
                                                 {"on", true},
                                                 {"true", true},
                                                 {"database", true}}) {
    StartupMessage message;
    message.parameters = {{"replication", value}};
    EXPECT_EQ(message.replication(), expected) << value;
  }
}

TEST(Startup, CancelKeysHaveBounds) {
  const auto cancel = [](size_t key) {
    return Decode(Message(0, Bytes("\x04\xd2\x16\x2e\0\0\0\x01") + std::string(key, 'k'))).ok();
  };
  EXPECT_FALSE(cancel(0));
  EXPECT_FALSE(cancel(3));
  EXPECT_TRUE(cancel(4));
  EXPECT_TRUE(cancel(256));
  EXPECT_FALSE(cancel(257));
}

TEST(Startup, RefusesMalformedPackets) {
  EXPECT_FALSE(Decode("").ok());
  EXPECT_FALSE(Decode(Bytes("\0\0\0\x07\0\x03\0")).ok());           // shorter than a version
  EXPECT_FALSE(Decode(Bytes("\0\0\0\x09\x04\xd2\x16\x2fX")).ok());  // bytes behind SSLRequest
  EXPECT_FALSE(Decode(Bytes("\0\0\0\x08\0\x03\0\0")).ok());         // no final null
  EXPECT_FALSE(Decode(Bytes("\0\0\0\x0d\0\x03\0\0user\0")).ok());   // a name without a value
  EXPECT_FALSE(Decode(Bytes("\0\0\0\x0a\0\x03\0\0\0x")).ok());      // bytes behind the end
  EXPECT_FALSE(Decode(Bytes("\0\0\0\x0a\0\x03\0\0\0")).ok());       // length does not match
  EXPECT_FALSE(Decode(Bytes("\0\0\0\x08\x04\xd2\x16\x31")).ok());   // unknown request
  EXPECT_EQ(Decode(Bytes("\0\0\0\x09\0\x02\0\0\0")).status().code(),
            absl::StatusCode::kUnimplemented);
}

TEST(Startup, LengthIsKnownFromFourBytesAndBounded) {
  EXPECT_EQ(*StartupPacketLength(Bytes("\0\0\0")), std::nullopt);
  EXPECT_EQ(*StartupPacketLength(Bytes("\0\0\0\x08")), std::optional<size_t>(8));
  EXPECT_EQ(*StartupPacketLength(Bytes("\0\0\x27\x10")), std::optional<size_t>(10000));
  EXPECT_FALSE(StartupPacketLength(Bytes("\0\0\x27\x11")).ok());
  EXPECT_FALSE(StartupPacketLength(Bytes("\0\0\0\x04")).ok());
  EXPECT_FALSE(StartupPacketLength("GET ").ok());
}

TEST(Startup, EncodingIsTheInverse) {
  StartupMessage message;
  message.minor = 2;
  message.parameters = {{"user", "u"}, {"options", "-c a=b"}};
  for (const protocol::StartupPacket& packet :
       {protocol::StartupPacket(SslRequest{}), protocol::StartupPacket(GssEncRequest{}),
        protocol::StartupPacket(CancelRequest{-5, std::string(32, '\0')}),
        protocol::StartupPacket(message)}) {
    const auto decoded = Decode(EncodeStartup(packet));
    ASSERT_TRUE(decoded.ok()) << decoded.status();
    EXPECT_EQ(*decoded, packet);
  }
}

}  // namespace
}  // namespace pgparity::protocol
