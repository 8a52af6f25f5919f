#include "protocol/frame.h"

#include <gtest/gtest.h>

#include <random>

#include "tests/support/message_builders.h"

namespace pgparity::protocol {
namespace {

using testing::Bytes;
using testing::ExactBuffer;
using testing::Message;

struct Seen {
  char tag;
  std::string body;
  Stamp first, last;
  bool truncated;
  uint64_t wire_length;
  friend bool operator==(const Seen&, const Seen&) = default;
};

// Pushes one piece from a buffer that is gone afterwards, and reads all frames.
absl::Status Feed(FrameReader* reader, std::string_view piece, Stamp stamp,
                  std::vector<Seen>* seen) {
  const ExactBuffer buffer(piece);
  reader->Push(buffer.view(), stamp);
  while (true) {
    const absl::StatusOr<std::optional<Frame>> frame = reader->Next();
    if (!frame.ok()) return frame.status();
    if (!*frame) return absl::OkStatus();
    const Frame& f = **frame;
    seen->push_back({f.tag, std::string(f.body), f.first, f.last, f.truncated, f.wire_length});
  }
}

TEST(FrameReader, GivesWholeFramesWithoutCopying) {
  const std::string bytes = Message('Q', "ab") + Message('S', "");
  FrameReader reader(100);
  reader.Push(bytes, 7);
  const auto frame = *reader.Next();
  EXPECT_EQ(frame->body.data(), bytes.data() + 5);
  EXPECT_EQ(frame->first, 7u);
  EXPECT_EQ((*reader.Next())->tag, 'S');
  EXPECT_FALSE(reader.Next()->has_value());
  EXPECT_TRUE(reader.AtBoundary());
}

TEST(FrameReader, ByteByByteKeepsTheStampsOfFirstAndLast) {
  FrameReader reader(100);
  std::vector<Seen> seen;
  Stamp stamp = 10;
  for (const char byte : Message('Q', "ab") + Message('S', "")) {
    ASSERT_TRUE(Feed(&reader, std::string(1, byte), stamp++, &seen).ok());
  }
  ASSERT_EQ(seen.size(), 2u);
  EXPECT_EQ(seen[0], (Seen{'Q', "ab", 10, 16, false, 7}));
  EXPECT_EQ(seen[1], (Seen{'S', "", 17, 21, false, 5}));
}

TEST(FrameReader, BodyOfExactlyTheLimitIsKept) {
  FrameReader reader(4);
  std::vector<Seen> seen;
  ASSERT_TRUE(
      Feed(&reader, Message('d', "1234") + Message('d', "12345") + Message('S', ""), 1, &seen)
          .ok());
  ASSERT_EQ(seen.size(), 3u);
  EXPECT_EQ(seen[0].body, "1234");
  EXPECT_EQ(seen[1], (Seen{'d', "", 1, 1, true, 10}));
  EXPECT_EQ(seen[2].tag, 'S');
}

TEST(FrameReader, OversizedFrameInPiecesIsReportedOnceWhenItHasPassed) {
  const std::string bytes = Message('d', std::string(50, 'x')) + Message('S', "");
  for (size_t cut = 1; cut < bytes.size(); ++cut) {
    FrameReader reader(8);
    std::vector<Seen> seen;
    ASSERT_TRUE(Feed(&reader, bytes.substr(0, cut), 1, &seen).ok());
    EXPECT_EQ(seen.size(), cut < 55 ? 0u : 1u) << cut;
    EXPECT_EQ(reader.AtBoundary(), cut == 55) << cut;
    ASSERT_TRUE(Feed(&reader, bytes.substr(cut), 2, &seen).ok());
    ASSERT_EQ(seen.size(), 2u) << cut;
    EXPECT_EQ(seen[0], (Seen{'d', "", 1, cut < 55 ? Stamp{2} : Stamp{1}, true, 55})) << cut;
    EXPECT_EQ(seen[1].tag, 'S');
  }
}

TEST(FrameReader, ImpossibleLengthsAreAnErrorThatStays) {
  for (const std::string& header : {Bytes("Q\0\0\0\x03"), Bytes("Q\0\0\0\0"), Bytes("Q\x80\0\0\0"),
                                    Bytes("Q\xff\xff\xff\xff")}) {
    FrameReader reader(100);
    std::vector<Seen> seen;
    EXPECT_FALSE(Feed(&reader, header, 1, &seen).ok());
    EXPECT_FALSE(Feed(&reader, Message('S', ""), 2, &seen).ok());
    EXPECT_TRUE(seen.empty());
    reader.Reset();
    EXPECT_TRUE(Feed(&reader, Message('S', ""), 3, &seen).ok());
    EXPECT_EQ(seen.size(), 1u);
  }
}

TEST(FrameReader, DeclaredLengthReservesNothing) {
  FrameReader reader(size_t{1} << 40);
  std::vector<Seen> seen;
  // Two gigabytes are declared; were they reserved, a thousand such readers would not fit.
  std::vector<FrameReader> readers(1000, reader);
  for (FrameReader& one : readers)
    ASSERT_TRUE(Feed(&one, Bytes("d\x7f\xff\xff\xff"), 1, &seen).ok());
  EXPECT_FALSE(readers[0].AtBoundary());
}

TEST(FrameReader, PushBeforeTheLastWasReadOutLosesNothing) {
  FrameReader reader(100);
  const std::string first = Message('A', "1") + Message('B', "2");
  reader.Push(first, 1);
  EXPECT_EQ((*reader.Next())->tag, 'A');
  const std::string second = Message('C', "3");
  reader.Push(second, 2);
  EXPECT_EQ((*reader.Next())->tag, 'B');
  EXPECT_EQ((*reader.Next())->tag, 'C');
}

TEST(FrameReader, AnyFragmentationGivesTheSameFrames) {
  const auto seed = std::random_device{}();
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  for (int round = 0; round < 300; ++round) {
    std::string stream;
    std::vector<std::pair<std::string, bool>> expected;
    for (int i = 0; i < 20; ++i) {
      const std::string body(random() % 40, static_cast<char>('a' + i));
      stream += Message('d', body);
      expected.emplace_back(body.size() > 25 ? "" : body, body.size() > 25);
    }
    FrameReader reader(25);
    std::vector<Seen> seen;
    for (size_t at = 0; at < stream.size();) {
      const size_t size = 1 + random() % 30;
      ASSERT_TRUE(Feed(&reader, std::string_view(stream).substr(at, size), at, &seen).ok());
      at += size;
    }
    ASSERT_EQ(seen.size(), expected.size());
    for (size_t i = 0; i < seen.size(); ++i) {
      EXPECT_EQ(seen[i].body, expected[i].first);
      EXPECT_EQ(seen[i].truncated, expected[i].second);
    }
    EXPECT_TRUE(reader.AtBoundary());
  }
}

}  // namespace
}  // namespace pgparity::protocol
