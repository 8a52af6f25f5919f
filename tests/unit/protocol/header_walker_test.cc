#include "protocol/header_walker.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <random>

#include "protocol/wire.h"

namespace pgparity::protocol {
namespace {

using Step = HeaderWalker::Step;

struct Found {
  char tag;
  uint32_t body;
  size_t begin;  // in the whole stream
  friend bool operator==(const Found&, const Found&) = default;
};

// Walks `stream` in pieces of the sizes that `next_size` gives, each an allocation of its own size.
template <typename NextSize>
std::vector<Found> Walk(HeaderWalker* walker, std::string_view stream, NextSize next_size) {
  std::vector<Found> found;
  size_t passed = 0;
  while (passed < stream.size()) {
    const size_t size = std::min(next_size(), stream.size() - passed);
    const auto owned = std::make_unique<char[]>(size);
    stream.copy(owned.get(), size, passed);
    const std::string_view piece(owned.get(), size);
    size_t at = 0;
    while (walker->Next(piece, &at) == Step::header) {
      const HeaderWalker::Header& header = walker->header();
      const size_t begin = passed + at - HeaderWalker::kHeader;
      found.push_back({header.tag, header.body, begin});
      EXPECT_EQ(header.held, begin < passed ? passed - begin : 0);
      EXPECT_EQ(header.held_bytes(), stream.substr(begin, header.held));
    }
    passed += size;
  }
  return found;
}

TEST(HeaderWalker, FindsTheSameHeadersHoweverTheStreamIsCut) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937 random(seed);
  std::string stream;
  std::vector<Found> expected;
  for (int i = 0; i < 300; ++i) {
    const uint32_t body = random() % 4 == 0 ? 0 : random() % 40;
    const char tag = static_cast<char>('A' + random() % 26);
    expected.push_back({tag, body, stream.size()});
    AppendMessage(&stream, tag, std::string(body, 'x'));
  }
  for (const size_t largest : {1, 2, 3, 7, 64, 100000}) {
    HeaderWalker walker(1000);
    EXPECT_EQ(Walk(&walker, stream, [&]() -> size_t { return 1 + random() % largest; }), expected);
    EXPECT_TRUE(walker.AtBoundary());
  }
}

TEST(HeaderWalker, IsNotAtABoundaryInsideAHeaderOrABody) {
  std::string frame;
  AppendMessage(&frame, 'Q', "ab");
  HeaderWalker walker(100);
  for (size_t i = 0; i < frame.size(); ++i) {
    EXPECT_EQ(walker.AtBoundary(), i == 0) << i;
    size_t at = 0;
    walker.Next(std::string_view(frame).substr(i, 1), &at);
  }
  EXPECT_TRUE(walker.AtBoundary());
}

TEST(HeaderWalker, RefusesLengthsOutsideItsLimitsAndGoesOnRefusing) {
  for (const uint32_t length : {0u, 3u, 101u, 0x7fffffffu, 0xffffffffu}) {
    std::string stream;
    AppendMessage(&stream, 'S', "");
    WireWriter(&stream).Uint8('Q').Uint32(length).Bytes("body");
    HeaderWalker walker(100);
    size_t at = 0;
    EXPECT_EQ(walker.Next(stream, &at), Step::header);
    EXPECT_EQ(walker.Next(stream, &at), Step::bad_length) << length;
    EXPECT_EQ(at, 5u);
    EXPECT_EQ(walker.Next(stream, &at), Step::bad_length);
    EXPECT_FALSE(walker.AtBoundary());
  }
}

TEST(HeaderWalker, AcceptsTheSmallestAndTheLargestLength) {
  for (const uint32_t length : {4u, 100u}) {
    std::string stream;
    WireWriter(&stream).Uint8('Q').Uint32(length);
    HeaderWalker walker(100);
    size_t at = 0;
    EXPECT_EQ(walker.Next(stream, &at), Step::header) << length;
    EXPECT_EQ(walker.body_left(), length - 4);
  }
}

TEST(HeaderWalker, ReportsABadHeaderThatBeganInAnEarlierPieceAtOffsetZero) {
  HeaderWalker walker(100);
  size_t at = 0;
  EXPECT_EQ(walker.Next(std::string_view("Q\0\0", 3), &at), Step::piece_end);
  at = 0;
  EXPECT_EQ(walker.Next(std::string_view("\0\1rest", 6), &at), Step::bad_length);
  EXPECT_EQ(at, 0u);
  EXPECT_EQ(walker.header().held, 3);
}

}  // namespace
}  // namespace pgparity::protocol
