#include "protocol/wire.h"

#include <gtest/gtest.h>

#include "tests/support/message_builders.h"

namespace pgparity::protocol {
namespace {

using testing::Bytes;
using testing::ExactBuffer;

TEST(WireReader, ReadsBigEndianIntegers) {
  const ExactBuffer buffer(Bytes("\xfe\xff\xfe\x80\x00\x00\x01\xff\xff\xff\xff\xff\xff\xff\xfe"));
  WireReader reader(buffer.view());
  EXPECT_EQ(reader.ReadUint8(), 0xfe);
  EXPECT_EQ(reader.ReadInt16(), -2);
  EXPECT_EQ(reader.ReadInt32(), -2147483647);
  EXPECT_EQ(reader.ReadInt64(), -2);
  EXPECT_TRUE(reader.AtEnd());
}

TEST(WireReader, FailureStaysAndGivesZeroes) {
  const ExactBuffer buffer(Bytes("\x01\x02\x03"));
  WireReader reader(buffer.view());
  EXPECT_EQ(reader.ReadInt32(), 0);
  EXPECT_FALSE(reader.ok());
  // The three bytes that were there must not be readable after the failure.
  EXPECT_EQ(reader.ReadUint8(), 0);
  EXPECT_EQ(reader.remaining(), 0u);
  EXPECT_FALSE(reader.AtEnd());
}

TEST(WireReader, StringWithoutTerminatorFails) {
  const ExactBuffer buffer("abc");
  WireReader reader(buffer.view());
  EXPECT_EQ(reader.ReadCString(), "");
  EXPECT_FALSE(reader.ok());
}

TEST(WireReader, StringsEndAtTheirNull) {
  const ExactBuffer buffer(Bytes("ab\0\0c\0"));
  WireReader reader(buffer.view());
  EXPECT_EQ(reader.ReadCString(), "ab");
  EXPECT_EQ(reader.ReadCString(), "");
  EXPECT_EQ(reader.ReadCString(), "c");
  EXPECT_TRUE(reader.AtEnd());
}

TEST(WireReader, BytesBeyondTheEndFail) {
  const ExactBuffer buffer("abc");
  WireReader exact(buffer.view());
  EXPECT_EQ(exact.ReadBytes(3), "abc");
  EXPECT_TRUE(exact.AtEnd());
  WireReader beyond(buffer.view());
  EXPECT_EQ(beyond.ReadBytes(4), "");
  EXPECT_FALSE(beyond.ok());
}

TEST(WireWriter, WritesWhatTheReaderReads) {
  std::string out;
  WireWriter(&out).Uint8(1).Int16(-2).Int32(3).Int64(-4).CString(std::string_view("a\0b", 3));
  EXPECT_EQ(out, Bytes("\x01\xff\xfe\0\0\0\x03\xff\xff\xff\xff\xff\xff\xff\xfc"
                       "a\0"));
}

TEST(WireWriter, MessagesHaveTheirLength) {
  std::string out = "before";
  WireWriter writer(&out);
  writer.BeginMessage('Q').CString("x").EndMessage();
  writer.BeginMessage(0).EndMessage();
  EXPECT_EQ(out, Bytes("beforeQ\0\0\0\x06x\0\0\0\0\x04"));
}

TEST(WireWriter, ErrorResponseOmitsEmptyFields) {
  std::string out;
  AppendErrorResponse(&out, "FATAL", "57P03", "starting");
  EXPECT_EQ(out, Bytes("E\0\0\0\x24SFATAL\0VFATAL\0C57P03\0Mstarting\0\0"));
}

}  // namespace
}  // namespace pgparity::protocol
