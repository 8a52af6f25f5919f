#include "protocol/frontend.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/message_builders.h"

namespace pgparity::protocol {
namespace {

using testing::Bytes;
using ::testing::ElementsAre;
using testing::ExactBuffer;
using ::testing::IsEmpty;

// Holds the exact-size body for as long as the message's views are read.
template <typename T>
class Decoded {
 public:
  Decoded(char tag, const std::string& body)
      : buffer_(body), message_(DecodeFrontend(tag, buffer_.view())) {}
  const T& operator*() const { return std::get<T>(*message_); }
  const T* operator->() const { return &**this; }

 private:
  ExactBuffer buffer_;
  absl::StatusOr<FrontendMessage> message_;
};

bool Refused(char tag, const std::string& body) {
  const ExactBuffer buffer(body);
  return !DecodeFrontend(tag, buffer.view()).ok();
}

TEST(Frontend, Query) {
  EXPECT_EQ(Decoded<frontend::Query>('Q', Bytes("SELECT 1\0"))->sql, "SELECT 1");
}

TEST(Frontend, Parse) {
  const Decoded<frontend::Parse> parse('P', Bytes("s1\0SELECT $1\0\0\x02\0\0\0\x17\0\0\0\0"));
  EXPECT_EQ(parse->statement, "s1");
  EXPECT_EQ(parse->sql, "SELECT $1");
  EXPECT_THAT(parse->types, ElementsAre(23u, 0u));
}

TEST(Frontend, Bind) {
  const Decoded<frontend::Bind> bind(
      'B', Bytes("p\0s\0\0\x01\0\x01\0\x03\0\0\0\x02xy\xff\xff\xff\xff\0\0\0\0\0\x02\0\0\0\x01"));
  EXPECT_EQ(bind->portal, "p");
  EXPECT_EQ(bind->statement, "s");
  EXPECT_THAT(bind->formats, ElementsAre(1));
  EXPECT_THAT(bind->values, ElementsAre("xy", std::nullopt, ""));
  EXPECT_THAT(bind->result_formats, ElementsAre(0, 1));
}

TEST(Frontend, BindCountsAreUnsigned) {
  std::string body = Bytes("\0\0\0\0\xff\xff");
  for (int i = 0; i < 65535; ++i) body += Bytes("\xff\xff\xff\xff");
  body += Bytes("\0\0");
  EXPECT_EQ(Decoded<frontend::Bind>('B', body)->values.size(), 65535u);
}

TEST(Frontend, BindFormatsMustFitTheValues) {
  // Two formats for one value, and for none.
  EXPECT_TRUE(Refused('B', Bytes("\0\0\0\x02\0\0\0\0\0\x01\0\0\0\0\0\0")));
  EXPECT_TRUE(Refused('B', Bytes("\0\0\0\x02\0\0\0\0\0\0\0\0")));
  // One format for none is what some drivers send.
  EXPECT_FALSE(Refused('B', Bytes("\0\0\0\x01\0\x01\0\0\0\0")));
}

TEST(Frontend, OthersWithFields) {
  const Decoded<frontend::Describe> describe('D', Bytes("Sname\0"));
  EXPECT_EQ(describe->kind, NamedObject::statement);
  EXPECT_EQ(describe->name, "name");
  EXPECT_EQ(Decoded<frontend::Close>('C', Bytes("P\0"))->kind, NamedObject::portal);
  const Decoded<frontend::Execute> execute('E', Bytes("p\0\0\0\x01\0"));
  EXPECT_EQ(execute->portal, "p");
  EXPECT_EQ(execute->max_rows, 256);
  EXPECT_EQ(Decoded<frontend::CopyData>('d', Bytes("a\0b"))->data, std::string_view("a\0b", 3));
  EXPECT_EQ(Decoded<frontend::CopyFail>('f', Bytes("why\0"))->reason, "why");
  const Decoded<frontend::FunctionCall> call('F', Bytes("\0\0\0\x05\0\0\0\x01\0\0\0\x01z\0\x01"));
  EXPECT_EQ(call->function, 5u);
  EXPECT_THAT(call->values, ElementsAre("z"));
  EXPECT_EQ(call->result_format, 1);
}

TEST(Frontend, MessagesWithoutFieldsTakeNone) {
  for (const char tag : std::string("HScX")) {
    EXPECT_FALSE(Refused(tag, "")) << tag;
    EXPECT_TRUE(Refused(tag, "x")) << tag;
  }
}

TEST(Frontend, EveryProperPrefixAndEveryLongerBodyIsRefused) {
  const std::vector<std::string> messages = {
      testing::client::Query("q"),
      testing::client::Parse("s", "q", {1, 2}),
      testing::client::Bind("p", "s", {"a", std::nullopt}, {0, 1}, {1}),
      testing::client::DescribeStatement("s"),
      testing::client::ClosePortal("p"),
      testing::client::Execute("p", 3),
      testing::client::FunctionCall(7, {"a"}),
      testing::client::CopyFail("x"),
  };
  for (const std::string& message : messages) {
    const std::string body = message.substr(5);
    EXPECT_FALSE(Refused(message[0], body)) << message[0];
    for (size_t size = 0; size < body.size(); ++size) {
      EXPECT_TRUE(Refused(message[0], body.substr(0, size))) << message[0] << size;
    }
    EXPECT_TRUE(Refused(message[0], body + '\0')) << message[0];
  }
}

TEST(Frontend, RefusesImpossibleValues) {
  EXPECT_TRUE(Refused('B', Bytes("\0\0\0\0\0\x01\xff\xff\xff\xfe\0\0")));  // length -2
  EXPECT_TRUE(Refused('B', Bytes("\0\0\0\0\0\x01\x7f\xff\xff\xff\0\0")));  // longer than the body
  EXPECT_TRUE(Refused('D', Bytes("Xname\0")));
  EXPECT_TRUE(Refused('\0', ""));
  EXPECT_TRUE(Refused('T', ""));
}

TEST(Frontend, ErrorsDoNotQuoteTheBody) {
  const auto status = DecodeFrontend('P', "secret").status();
  EXPECT_EQ(std::string(status.message()).find("secret"), std::string::npos);
}

}  // namespace
}  // namespace pgparity::protocol
