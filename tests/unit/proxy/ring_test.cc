#include "proxy/ring.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <random>
#include <thread>

namespace pgparity::proxy {
namespace {

std::unique_ptr<Ring> MakeRing(size_t capacity = Ring::kMinCapacity) {
  auto ring = Ring::Anonymous(capacity);
  EXPECT_TRUE(ring.ok()) << ring.status();
  return *std::move(ring);
}

std::string Bytes(std::mt19937* random, size_t size) {
  std::string bytes(size, '\0');
  for (char& c : bytes) c = static_cast<char>((*random)());
  return bytes;
}

TEST(Ring, GivesBackInOrderWhatWasAppendedOverManyTurns) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937 random(seed);
  const auto ring = MakeRing();
  std::string expected, got;
  std::vector<uint64_t> expected_stamps, got_stamps;
  for (Stamp stamp = 1; stamp < 3000; ++stamp) {
    // Sizes around the record's padding and around what is left of the area.
    const std::string payload = Bytes(&random, random() % 3 == 0 ? random() % 10 : random() % 9000);
    if (ring->Append(RecordKind::server_bytes, 7, stamp, payload, 0)) {
      expected += payload;
      expected_stamps.push_back(stamp);
    }
    if (random() % 2 == 0) continue;
    const uint64_t head = ring->Head();
    for (int i = random() % 4; i >= 0; --i) {
      const auto record = ring->Next(head);
      if (!record) break;
      EXPECT_EQ(record->session, 7u);
      got += record->payload;
      // A record cut at the end of the area comes as two with one stamp.
      if (got_stamps.empty() || got_stamps.back() != record->stamp) {
        got_stamps.push_back(record->stamp);
      }
      ring->Release(*record);
    }
  }
  while (const auto record = ring->Next(ring->Head())) {
    got += record->payload;
    if (got_stamps.empty() || got_stamps.back() != record->stamp) {
      got_stamps.push_back(record->stamp);
    }
    ring->Release(*record);
  }
  EXPECT_GT(ring->produced(), 4 * ring->capacity());
  EXPECT_EQ(got_stamps, expected_stamps);
  EXPECT_TRUE(got == expected);
}

TEST(Ring, KeepsRecordsThatAreNoByteStreamWhole) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937 random(seed);
  const auto ring = MakeRing();
  for (int i = 0; i < 2000; ++i) {
    const std::string payload = Bytes(&random, random() % 5000);
    ASSERT_TRUE(ring->Append(RecordKind::opened, i, i, payload, 0));
    const auto record = ring->Next(ring->Head());
    ASSERT_TRUE(record);
    EXPECT_TRUE(record->payload == payload);
    ring->Release(*record);
    EXPECT_FALSE(ring->Next(ring->Head()));
  }
}

TEST(Ring, RefusesWhatDoesNotFitAndStaysAsItWas) {
  const auto ring = MakeRing();
  const std::string kilobyte(1000, 'x');
  int fitted = 0;
  while (ring->Append(RecordKind::client_bytes, 1, 1, kilobyte, 0)) ++fitted;
  EXPECT_EQ(fitted, ring->capacity() / 1024);
  const uint64_t produced = ring->produced();
  EXPECT_FALSE(ring->Append(RecordKind::client_bytes, 1, 1, kilobyte, 0));
  EXPECT_EQ(ring->produced(), produced);
  const auto first = ring->Next(ring->Head());
  ring->Release(*first);
  EXPECT_TRUE(ring->Append(RecordKind::client_bytes, 1, 1, kilobyte, 0));
  int read = 0;
  while (const auto record = ring->Next(ring->Head())) {
    read += record->payload.size() == 1000 || record->payload.size() < 1000;
    ring->Release(*record);
  }
  EXPECT_GE(read, fitted);
}

TEST(Ring, LeavesTheSpareRoomFree) {
  const auto ring = MakeRing();
  const std::string kilobyte(1000, 'x');
  while (ring->Append(RecordKind::server_bytes, 1, 1, kilobyte, 8192)) {
  }
  EXPECT_GE(ring->FreeBytes(), 8192u);
  EXPECT_LT(ring->FreeBytes(), 8192u + 2 * 1024u);
  EXPECT_TRUE(ring->Append(RecordKind::lost, 1, 1, "ring-full", 0));
}

TEST(Ring, CountsTheEndOfTheAreaThatARecordCannotUse) {
  const auto ring = MakeRing();
  const size_t half = ring->capacity() / 2;
  ASSERT_TRUE(ring->Append(RecordKind::server_bytes, 1, 1, std::string(half - 24, 'a'), 0));
  ASSERT_TRUE(ring->Append(RecordKind::server_bytes, 1, 1, std::string(half - 1024, 'b'), 0));
  ring->Release(*ring->Next(ring->Head()));
  const size_t free = ring->FreeBytes();
  ASSERT_EQ(free, half + 1000);
  // Would fit, were it not for the 1000 bytes that it cannot begin in, or for a second header.
  EXPECT_FALSE(ring->Append(RecordKind::opened, 1, 1, std::string(half, 'c'), 0));
  EXPECT_FALSE(ring->Append(RecordKind::server_bytes, 1, 1, std::string(free - 24, 'c'), 0));
  EXPECT_EQ(ring->Next(ring->Head())->payload, std::string(half - 1024, 'b'));
  EXPECT_TRUE(ring->Append(RecordKind::opened, 1, 1, std::string(half - 24, 'c'), 0));
}

TEST(Ring, RefusesARecordLargerThanItself) {
  const auto ring = MakeRing();
  EXPECT_FALSE(ring->Append(RecordKind::server_bytes, 1, 1, std::string(ring->capacity(), 'x'), 0));
  EXPECT_FALSE(ring->Append(RecordKind::opened, 1, 1, std::string(ring->capacity(), 'x'), 0));
  EXPECT_EQ(ring->Head(), 0u);
}

TEST(Ring, ZeroesWhatAClientSentOnceItIsConsumed) {
  const auto ring = MakeRing();
  for (const RecordKind kind : {RecordKind::client_bytes, RecordKind::opened}) {
    ASSERT_TRUE(ring->Append(kind, 1, 1, "PASSWORD 'sesame'", 0));
    const auto record = ring->Next(ring->Head());
    const std::string_view payload = record->payload;
    EXPECT_EQ(payload, "PASSWORD 'sesame'");
    ring->Release(*record);
    EXPECT_EQ(payload, std::string(payload.size(), '\0'));
  }
}

TEST(Ring, HandsRecordsFromOneThreadToAnother) {
  const auto ring = MakeRing();
  constexpr uint64_t kRecords = 20000;
  std::thread producer([&] {
    for (uint64_t i = 1; i <= kRecords; ++i) {
      const std::string payload(i % 700, static_cast<char>(i));
      while (!ring->Append(RecordKind::client_bytes, i, i, payload, 0)) std::this_thread::yield();
    }
  });
  uint64_t bytes = 0, last = 0;
  while (last < kRecords) {
    const auto record = ring->Next(ring->Head());
    if (!record) {
      std::this_thread::yield();
      continue;
    }
    ASSERT_TRUE(record->session == last || record->session == last + 1);
    last = record->session;
    for (const char c : record->payload) ASSERT_EQ(c, static_cast<char>(last));
    bytes += record->payload.size();
    ring->Release(*record);
    // The last record may come in two.
    if (last == kRecords) {
      while (const auto rest = ring->Next(ring->Head())) {
        bytes += rest->payload.size();
        ring->Release(*rest);
      }
    }
  }
  producer.join();
  uint64_t expected = 0;
  for (uint64_t i = 1; i <= kRecords; ++i) expected += i % 700;
  EXPECT_EQ(bytes, expected);
}

class RingFile : public testing::Test {
 protected:
  RingFile() {
    std::string pattern = testing::TempDir() + "/ring-XXXXXX";
    directory_ = mkdtemp(pattern.data());
    path_ = directory_ + "/pgparity-x-0.ring";
  }
  ~RingFile() override { std::filesystem::remove_all(directory_); }
  std::string directory_, path_;
};

TEST_F(RingFile, IsPrivateAndOfTheAskedSize) {
  std::filesystem::create_directories(directory_);
  const auto ring = Ring::Open(path_, 300 << 10, 1);
  ASSERT_TRUE(ring.ok()) << ring.status();
  EXPECT_EQ((*ring)->capacity(), 512u << 10);
  struct stat file;
  ASSERT_EQ(stat(path_.c_str(), &file), 0);
  EXPECT_EQ(file.st_mode & 07777, 0600u);
  EXPECT_EQ(file.st_size, 4096 + (512 << 10));
  EXPECT_GE(file.st_blocks * 512, file.st_size);
  EXPECT_EQ((*ring)->leftover(), 0u);
}

TEST_F(RingFile, TellsWhatAnEarlierProcessLeftUnreadAndBeginsAnew) {
  {
    auto ring = *Ring::Open(path_, 1 << 20, 1);
    ASSERT_TRUE(ring->Append(RecordKind::client_bytes, 1, 1, "read", 0));
    ring->Release(*ring->Next(ring->Head()));
    ASSERT_TRUE(ring->Append(RecordKind::client_bytes, 1, 1, "secret", 0));
  }
  // Of another size, too.
  auto ring = *Ring::Open(path_, 512 << 10, 1);
  EXPECT_EQ(ring->leftover(), 24u + 8u);
  EXPECT_FALSE(ring->Next(ring->Head()));
  ring.reset();
  EXPECT_EQ((*Ring::Open(path_, 512 << 10, 1))->leftover(), 0u);
}

TEST_F(RingFile, GoesWhenAllOfItIsRead) {
  {
    auto ring = *Ring::Open(path_, 1 << 20, 1);
    ASSERT_TRUE(ring->Append(RecordKind::client_bytes, 1, 1, "read", 0));
    ring->Release(*ring->Next(ring->Head()));
  }
  EXPECT_FALSE(std::filesystem::exists(path_));
}

TEST_F(RingFile, DoesNotKeepSecretsThatWereLeftUnread) {
  {
    auto ring = *Ring::Open(path_, 1 << 20, 1);
    ASSERT_TRUE(ring->Append(RecordKind::client_bytes, 1, 1, "sesame", 0));
  }
  const auto ring = *Ring::Open(path_, 1 << 20, 1);
  std::FILE* file = std::fopen(path_.c_str(), "r");
  std::string content(1 << 20, '\0');
  content.resize(std::fread(content.data(), 1, content.size(), file));
  std::fclose(file);
  EXPECT_EQ(content.find("sesame"), std::string::npos);
}

TEST_F(RingFile, IsForOneProcessAtATime) {
  const auto first = Ring::Open(path_, 1 << 20, 1);
  ASSERT_TRUE(first.ok());
  const auto second = Ring::Open(path_, 1 << 20, 1);
  ASSERT_FALSE(second.ok());
  EXPECT_THAT(std::string(second.status().message()), testing::HasSubstr("in use"));
}

TEST_F(RingFile, SaysWhenThereIsNoRoom) {
  const auto ring = Ring::Open(path_, size_t{1} << 46, 1);
  ASSERT_FALSE(ring.ok());
  EXPECT_TRUE(absl::IsResourceExhausted(ring.status())) << ring.status();
  EXPECT_THAT(std::string(ring.status().message()), testing::HasSubstr("--ring-dir"));
}

TEST_F(RingFile, FollowsNoLinkAndTakesNoDirectory) {
  std::filesystem::create_symlink("/etc/hostname", path_);
  EXPECT_FALSE(Ring::Open(path_, 1 << 20, 1).ok());
  EXPECT_FALSE(Ring::Open(directory_, 1 << 20, 1).ok());
  EXPECT_FALSE(Ring::Open(directory_ + "/nowhere/x.ring", 1 << 20, 1).ok());
}

TEST_F(RingFile, HoldsOnAFileOfGarbage) {
  std::FILE* file = std::fopen(path_.c_str(), "w");
  const std::string garbage(9000, '\xff');
  std::fwrite(garbage.data(), 1, garbage.size(), file);
  std::fclose(file);
  const auto ring = Ring::Open(path_, 1 << 20, 1);
  ASSERT_TRUE(ring.ok()) << ring.status();
  EXPECT_EQ((*ring)->leftover(), 0u);
  EXPECT_FALSE((*ring)->Next((*ring)->Head()));
}

}  // namespace
}  // namespace pgparity::proxy
