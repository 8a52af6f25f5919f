#include "proxy/frame_cutter.h"

#include <gtest/gtest.h>

#include <memory>
#include <random>
#include <string>
#include <vector>

#include "protocol/wire.h"

namespace pgparity::proxy {
namespace {

using Cut = FrameCutter::Cut;
using Kind = Cut::Kind;

std::string Message(char tag, size_t size) {
  std::string message;
  protocol::AppendMessage(&message, tag, std::string(size, tag));
  return message;
}

TEST(FrameCutter, GivesWholeFramesAndKeepsWhatIsNot) {
  FrameCutter cutter(100, 1 << 20);
  const std::string stream = Message('Q', 10) + Message('S', 0) + Message('P', 20);
  cutter.Give(std::string_view(stream).substr(0, 25));
  Cut cut = cutter.Next(false);
  EXPECT_EQ(cut.kind, Kind::frame);
  EXPECT_EQ(cut.bytes, Message('Q', 10));
  EXPECT_EQ(cut.body(), std::string(10, 'Q'));
  EXPECT_FALSE(cut.kept);
  EXPECT_EQ(cutter.rest(), std::string_view(stream).substr(15, 10));
  EXPECT_EQ(cutter.Next(false).bytes, Message('S', 0));
  EXPECT_TRUE(cutter.AtBoundary());
  EXPECT_EQ(cutter.Next(false).kind, Kind::none);
  EXPECT_FALSE(cutter.AtBoundary());
  cutter.Give(std::string_view(stream).substr(25));
  cut = cutter.Next(false);
  EXPECT_EQ(cut.bytes, Message('P', 20));
  EXPECT_TRUE(cut.kept);
  EXPECT_EQ(cutter.Next(false).kind, Kind::none);
  EXPECT_TRUE(cutter.AtBoundary());
}

TEST(FrameCutter, LargeFramesAndRowsComeInParts) {
  FrameCutter cutter(1000, 1 << 20);
  const std::string large = Message('B', 5000), row = Message('D', 100);
  cutter.Give(std::string_view(large).substr(0, 200));
  EXPECT_EQ(cutter.Next(false).kind, Kind::none) << "its prefix is not there yet";
  cutter.Give(std::string_view(large).substr(200, 300));
  Cut cut = cutter.Next(false);
  EXPECT_EQ(cut.kind, Kind::begin);
  EXPECT_EQ(cut.bytes, std::string_view(large).substr(0, FrameCutter::kHeader + 256));
  EXPECT_EQ(cutter.Next(false).kind, Kind::rest);
  EXPECT_FALSE(cutter.AtBoundary());
  cutter.Give(std::string(std::string_view(large).substr(500)));
  cut = cutter.Next(false);
  EXPECT_EQ(cut.kind, Kind::rest);
  EXPECT_EQ(cut.tag, 'B');
  EXPECT_TRUE(cutter.AtBoundary());
  cutter.Give(std::string_view(row).substr(0, 50));
  EXPECT_EQ(cutter.Next(false).kind, Kind::begin);
  cutter.Give(std::string_view(row).substr(50));
  EXPECT_EQ(cutter.Next(false).kind, Kind::rest);
  cutter.Give(std::string_view(row).substr(0, 50));
  EXPECT_EQ(cutter.Next(true).kind, Kind::none);
  cutter.Give(std::string_view(row).substr(50));
  EXPECT_EQ(cutter.Next(true).kind, Kind::frame);
}

TEST(FrameCutter, BehindABadLengthBytesComeAsTheyAre) {
  for (const std::string& bad :
       {std::string("Q\0\0\0\3rest", 9), std::string("Q\x7f\xff\xff\xffrest", 9)}) {
    FrameCutter cutter(100, 1 << 20);
    const std::string stream = Message('S', 0) + bad;
    cutter.Give(stream);
    EXPECT_EQ(cutter.Next(false).kind, Kind::frame);
    Cut cut = cutter.Next(false);
    EXPECT_EQ(cut.kind, Kind::opaque);
    EXPECT_EQ(cut.bytes, bad);
    EXPECT_EQ(cutter.Next(false).kind, Kind::none);
    cutter.Give("Q");
    EXPECT_EQ(cutter.Next(false).kind, Kind::opaque);
  }
}

// All bytes come, in their order, and each frame of up to the limit in one.
TEST(FrameCutter, HoweverTheStreamIsCut) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937 random(seed);
  std::string stream;
  std::vector<std::string> small;
  for (int i = 0; i < 2000; ++i) {
    const std::string message = Message("QPDd"[random() % 4], random() % 600);
    stream += message;
    if (message.size() <= 300 && message[0] != 'D' && message[0] != 'd') small.push_back(message);
  }
  FrameCutter cutter(300, 1 << 20);
  std::string all;
  std::vector<std::string> whole;
  for (size_t at = 0; at < stream.size();) {
    const size_t size = std::min<size_t>(1 + random() % 400, stream.size() - at);
    const auto piece = std::make_unique<char[]>(size);
    stream.copy(piece.get(), size, at);
    at += size;
    cutter.Give({piece.get(), size});
    for (Cut cut = cutter.Next(false); cut.kind != Kind::none; cut = cutter.Next(false)) {
      all += cut.bytes;
      if (cut.kind == Kind::frame && cut.bytes.size() <= 300 && cut.tag != 'D' && cut.tag != 'd') {
        whole.emplace_back(cut.bytes);
      }
    }
  }
  EXPECT_TRUE(all == stream);
  EXPECT_EQ(whole, small);
}

}  // namespace
}  // namespace pgparity::proxy
