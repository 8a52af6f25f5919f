#include "protocol/backend.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/message_builders.h"

namespace pgparity::protocol {
namespace {

using testing::Bytes;
using ::testing::ElementsAre;
using testing::ExactBuffer;

template <typename T>
class Decoded {
 public:
  Decoded(char tag, const std::string& body)
      : buffer_(body), message_(DecodeBackend(tag, buffer_.view())) {}
  const T& operator*() const { return std::get<T>(*message_); }
  const T* operator->() const { return &**this; }

 private:
  ExactBuffer buffer_;
  absl::StatusOr<BackendMessage> message_;
};

bool Refused(char tag, const std::string& body) {
  const ExactBuffer buffer(body);
  return !DecodeBackend(tag, buffer.view()).ok();
}

TEST(Backend, AuthenticationKinds) {
  using Kind = backend::AuthenticationKind;
  EXPECT_EQ(Decoded<backend::Authentication>('R', Bytes("\0\0\0\0"))->kind, Kind::ok);
  EXPECT_EQ(Decoded<backend::Authentication>('R', Bytes("\0\0\0\x03"))->kind,
            Kind::cleartext_password);
  EXPECT_EQ(Decoded<backend::Authentication>('R', Bytes("\0\0\0\x05salt"))->data, "salt");
  EXPECT_THAT(Decoded<backend::Authentication>(
                  'R', Bytes("\0\0\0\x0aSCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0"))
                  ->mechanisms,
              ElementsAre("SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"));
  EXPECT_EQ(Decoded<backend::Authentication>('R', Bytes("\0\0\0\x0br=x"))->data, "r=x");
  EXPECT_EQ(Decoded<backend::Authentication>('R', Bytes("\0\0\0\x0cv=y"))->kind, Kind::sasl_final);
  EXPECT_TRUE(Refused('R', Bytes("\0\0\0\x05sal")));
  EXPECT_TRUE(Refused('R', Bytes("\0\0\0\x05salt!")));
  EXPECT_TRUE(Refused('R', Bytes("\0\0\0\x0aSCRAM-SHA-256\0")));  // the list has no end
  EXPECT_TRUE(Refused('R', Bytes("\0\0\0\x63")));
}

TEST(Backend, KeyDataOfBothProtocols) {
  const Decoded<backend::BackendKeyData> old('K', Bytes("\0\0\0\x07\x01\x02\x03\x04"));
  EXPECT_EQ(old->process_id, 7);
  EXPECT_EQ(old->key, "\x01\x02\x03\x04");
  EXPECT_FALSE(Refused('K', Bytes("\0\0\0\x07") + std::string(256, 'k')));
  EXPECT_TRUE(Refused('K', Bytes("\0\0\0\x07") + std::string(257, 'k')));
  EXPECT_TRUE(Refused('K', Bytes("\0\0\0\x07") + std::string(3, 'k')));
}

TEST(Backend, RowDescription) {
  const Decoded<backend::RowDescription> rows(
      'T', Bytes("\0\x01id\0\0\0\x40\0\0\x02\0\0\0\x17\0\x04\xff\xff\xff\xff\0\x01"));
  ASSERT_EQ(rows->fields.size(), 1u);
  const backend::FieldDescription& field = rows->fields[0];
  EXPECT_EQ(field.name, "id");
  EXPECT_EQ(field.table, 16384u);
  EXPECT_EQ(field.attribute, 2);
  EXPECT_EQ(field.type, 23u);
  EXPECT_EQ(field.type_length, 4);
  EXPECT_EQ(field.type_modifier, -1);
  EXPECT_EQ(field.format, 1);
  EXPECT_TRUE(Decoded<backend::RowDescription>('T', Bytes("\0\0"))->fields.empty());
}

TEST(Backend, RowWalkerGivesValuesOneByOne) {
  const Decoded<backend::DataRow> row('D', Bytes("\0\x03\0\0\0\x01x\xff\xff\xff\xff\0\0\0\0"));
  backend::RowWalker walker(*row);
  std::optional<std::string_view> value;
  ASSERT_TRUE(walker.Next(&value));
  EXPECT_EQ(value, "x");
  ASSERT_TRUE(walker.Next(&value));
  EXPECT_EQ(value, std::nullopt);
  ASSERT_TRUE(walker.Next(&value));
  EXPECT_EQ(value, "");
  EXPECT_FALSE(walker.Next(&value));
  EXPECT_TRUE(walker.ok());
}

bool RowHolds(const std::string& body) {
  const Decoded<backend::DataRow> row('D', body);
  backend::RowWalker walker(*row);
  std::optional<std::string_view> value;
  while (walker.Next(&value)) {
  }
  return walker.ok();
}

TEST(Backend, RowWalkerStopsAtMalformedValues) {
  EXPECT_TRUE(RowHolds(Bytes("\0\0")));
  EXPECT_FALSE(RowHolds(Bytes("\0\0x")));                   // bytes behind the last value
  EXPECT_FALSE(RowHolds(Bytes("\0\x01\0\0\0\x02x")));       // a value that ends too early
  EXPECT_FALSE(RowHolds(Bytes("\0\x01\xff\xff\xff\xfe")));  // length -2
  EXPECT_FALSE(RowHolds(Bytes("\0\x01\0\0")));
}

TEST(Backend, ErrorFields) {
  const Decoded<backend::ErrorResponse> error('E', Bytes("SFEHLER\0VERROR\0C23505\0Mno\0\0"));
  EXPECT_EQ(error->sqlstate(), "23505");
  EXPECT_EQ(error->Get('M'), "no");
  EXPECT_EQ(error->Get('D'), "");
  EXPECT_FALSE(error->fatal());
  EXPECT_TRUE((Decoded<backend::ErrorResponse>('E', Bytes("SFATAL\0C57P01\0\0")))->fatal());
  EXPECT_TRUE((Decoded<backend::ErrorResponse>('E', Bytes("SSCHWER\0VPANIC\0\0")))->fatal());
  EXPECT_EQ(Decoded<backend::ErrorResponse>('E', Bytes("\0"))->sqlstate(), "");
  EXPECT_TRUE(Refused('E', ""));
  EXPECT_TRUE(Refused('E', Bytes("Mno\0")));  // no end
  EXPECT_TRUE(Refused('N', Bytes("Mno\0\0x")));
}

TEST(Backend, OthersWithFields) {
  EXPECT_EQ(Decoded<backend::CommandComplete>('C', Bytes("INSERT 0 1\0"))->tag, "INSERT 0 1");
  const Decoded<backend::CopyResponse> copy('G', Bytes("\x01\0\x02\0\x01\0\0"));
  EXPECT_EQ(copy->direction, backend::CopyDirection::in);
  EXPECT_EQ(copy->format, 1);
  EXPECT_THAT(copy->formats, ElementsAre(1, 0));
  EXPECT_EQ(Decoded<backend::FunctionCallResponse>('V', Bytes("\0\0\0\x01x"))->value, "x");
  EXPECT_EQ(Decoded<backend::FunctionCallResponse>('V', Bytes("\xff\xff\xff\xff"))->value,
            std::nullopt);
  const Decoded<backend::NegotiateProtocolVersion> negotiate('v',
                                                             Bytes("\0\0\0\x02\0\0\0\x01_pq_.x\0"));
  EXPECT_EQ(negotiate->version, 2);
  EXPECT_THAT(negotiate->unknown_options, ElementsAre("_pq_.x"));
  EXPECT_TRUE(Refused('v', Bytes("\0\0\0\0\x7f\xff\xff\xff")));  // names that are not there
  EXPECT_TRUE(Refused('v', Bytes("\0\0\0\0\xff\xff\xff\xff")));
  const Decoded<backend::NotificationResponse> notification('A', Bytes("\0\0\0\x09"
                                                                       "ch\0pay\0"));
  EXPECT_EQ(notification->process_id, 9);
  EXPECT_EQ(notification->channel, "ch");
  EXPECT_EQ(notification->payload, "pay");
  EXPECT_THAT(Decoded<backend::ParameterDescription>('t', Bytes("\0\x01\0\0\0\x17"))->types,
              ElementsAre(23u));
  EXPECT_EQ(Decoded<backend::ParameterStatus>('S', Bytes("a\0b\0"))->value, "b");
  EXPECT_EQ(Decoded<backend::ReadyForQuery>('Z', "E")->status, 'E');
  EXPECT_TRUE(Refused('Z', "X"));
}

TEST(Backend, EveryProperPrefixAndEveryLongerBodyIsRefused) {
  const std::vector<std::string> messages = {
      testing::server::CommandComplete("x"),
      testing::server::CopyInResponse(2),
      testing::server::Error("23505", "no"),
      testing::server::FunctionCallResponse("abc"),
      testing::server::Notification("c", "p"),
      testing::server::ParameterDescription({1, 2}),
      testing::server::ParameterStatus("a", "b"),
      testing::server::ReadyForQuery('I'),
      testing::server::RowDescription({{"a"}, {"b"}}),
  };
  for (const std::string& message : messages) {
    const std::string body = message.substr(5);
    EXPECT_FALSE(Refused(message[0], body)) << message[0];
    for (size_t size = 0; size < body.size(); ++size) {
      EXPECT_TRUE(Refused(message[0], body.substr(0, size))) << message[0] << size;
    }
    EXPECT_TRUE(Refused(message[0], body + '\0')) << message[0];
  }
  for (const char tag : std::string("123cnsI")) {
    EXPECT_FALSE(Refused(tag, "")) << tag;
    EXPECT_TRUE(Refused(tag, "x")) << tag;
  }
  EXPECT_TRUE(Refused('Q', ""));
}

std::vector<int> Formats(const std::string& body) {
  std::vector<int> formats;
  const Decoded<backend::RowDescription> rows('T', body);
  for (const auto& field : rows->fields) formats.push_back(field.format);
  return formats;
}

TEST(WithResultFormats, FollowsTheRuleOfBind) {
  const std::string body = testing::server::RowDescriptionBody({{"a"}, {"long name"}, {"c"}});
  EXPECT_EQ(*WithResultFormats(body, {}), body);
  EXPECT_THAT(Formats(*WithResultFormats(body, {1})), ElementsAre(1, 1, 1));
  EXPECT_THAT(Formats(*WithResultFormats(body, {1, 0, 1})), ElementsAre(1, 0, 1));
  EXPECT_THAT(Formats(*WithResultFormats(body, {0, 1})), ElementsAre(0, 1, 0));
  EXPECT_EQ(Decoded<backend::RowDescription>('T', *WithResultFormats(body, {1}))->fields[1].name,
            "long name");
}

TEST(WithResultFormats, RefusesMalformedBodies) {
  const std::string body = testing::server::RowDescriptionBody({{"a"}, {"b"}});
  for (size_t size = 0; size < body.size(); ++size) {
    const ExactBuffer buffer(body.substr(0, size));
    EXPECT_FALSE(WithResultFormats(buffer.view(), {1}).ok()) << size;
  }
  EXPECT_FALSE(WithResultFormats(body + "x", {1}).ok());
}

}  // namespace
}  // namespace pgparity::protocol
