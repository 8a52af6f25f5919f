#include "proxy/relay.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <xxhash.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "protocol/wire.h"

namespace pgparity::proxy {
namespace {

using protocol::AppendMessage;
using protocol::RowDigest;

std::string Message(char tag, std::string_view body = {}) {
  std::string message;
  AppendMessage(&message, tag, body);
  return message;
}

void Add(RowDigest* digest, std::string_view row) {
  const uint64_t hash = XXH3_64bits(row.data(), row.size());
  ++digest->rows;
  digest->bytes += row.size();
  digest->sum += hash;
  digest->chain = digest->chain * 0x9E3779B97F4A7C15u + hash;
}

std::string Text(const RowDigest& digest) {
  return "<" + std::to_string(digest.rows) + "," + std::to_string(digest.bytes) + "," +
         std::to_string(digest.sum) + "," + std::to_string(digest.chain) + ">";
}

class RelayTest : public testing::Test {
 protected:
  explicit RelayTest(Relay::Limits limits = {1 << 20, 100}) : relay_(limits, &tap_, &session_) {
    session_.id = 1;
    tap_.Opened(&session_, "info", false, 1);
    Drain();
  }

  // Pieces go in as allocations of their own size.
  Relay::Step Client(std::string_view piece) { return Give(&Relay::FromClient, piece); }
  Relay::Step Server(std::string_view piece) { return Give(&Relay::FromServer, piece); }

  // Takes what was recorded since the last call, into recorded_client_ and recorded_server_; an
  // elided record is written as its digest among the server's bytes.
  void Drain() {
    while (const auto record = ring_->Next(ring_->Head())) {
      switch (record->kind) {
        case RecordKind::client_bytes:
          recorded_client_ += record->payload;
          break;
        case RecordKind::server_bytes:
          recorded_server_ += record->payload;
          break;
        case RecordKind::elided_rows: {
          RowDigest digest;
          std::memcpy(&digest, record->payload.data(), sizeof(digest));
          recorded_server_ += Text(digest);
          break;
        }
        case RecordKind::lost:
          recorded_server_ += "<lost>";
          recorded_client_ += "<lost>";
          break;
        case RecordKind::resynchronised:
          recorded_server_ += "<resynchronised>";
          recorded_client_ += "<resynchronised>";
          break;
        default:
          break;
      }
      ring_->Release(*record);
    }
  }

  std::unique_ptr<Ring> ring_ = *Ring::Anonymous(8 << 20);
  CaptureSwitch switch_;
  CaptureWaker waker_;
  Tap tap_{ring_.get(), &switch_, &waker_};
  TapSession session_;
  Relay relay_;
  std::string recorded_client_, recorded_server_;

 private:
  Relay::Step Give(Relay::Step (Relay::*way)(std::string_view, Stamp), std::string_view piece) {
    const auto owned = std::make_unique<char[]>(piece.size());
    piece.copy(owned.get(), piece.size());
    return (relay_.*way)(std::string_view(owned.get(), piece.size()), ++stamp_);
  }
  Stamp stamp_ = 1;
};

TEST_F(RelayTest, ForwardsAndRecordsASimpleQuery) {
  const std::string query = Message('Q', "SELECT 1");
  const std::string reply = Message('T', "d") + Message('D', "r") + Message('C', "SELECT 1");
  EXPECT_EQ(Client(query).forward, query.size());
  EXPECT_FALSE(relay_.Idle());
  EXPECT_EQ(Server(reply).forward, reply.size());
  EXPECT_FALSE(relay_.Idle());
  Server(Message('Z', "T"));
  EXPECT_FALSE(relay_.Idle()) << "in a transaction";
  Client(Message('Q', "COMMIT"));
  Server(Message('C', "COMMIT") + Message('Z', "I"));
  EXPECT_TRUE(relay_.Idle());
  Drain();
  EXPECT_EQ(recorded_client_, query + Message('Q', "COMMIT"));
  EXPECT_EQ(recorded_server_,
            reply + Message('Z', "T") + Message('C', "COMMIT") + Message('Z', "I"));
}

TEST_F(RelayTest, IsNotIdleWhileAFrameIsUnderWayInEitherDirection) {
  Client(Message('Q', "x").substr(0, 3));
  EXPECT_FALSE(relay_.Idle());
  Client(Message('Q', "x").substr(3));
  Server(Message('Z', "I"));
  EXPECT_TRUE(relay_.Idle());
  Server(Message('N', "notice").substr(0, 8));
  EXPECT_FALSE(relay_.Idle());
  EXPECT_FALSE(relay_.ServerAtBoundary());
  Server(Message('N', "notice").substr(8));
  EXPECT_TRUE(relay_.Idle());
}

TEST_F(RelayTest, TakesTheStatusFromAReadyForQueryCutBeforeIt) {
  Client(Message('Q', "BEGIN"));
  const std::string ready = Message('Z', "T");
  for (const char c : ready) Server(std::string(1, c));
  EXPECT_EQ(relay_.exchange().status(), 'T');
  Drain();
  EXPECT_EQ(recorded_server_, ready);
}

// --- rows past the limit ----------------------------------------------------------------------

// Frames of the server, with what should be recorded of them at 100 bytes of rows a statement.
struct Script {
  std::string stream, recorded;
  RowDigest elided;
  uint64_t left = 100;

  void Row(char tag, const std::string& body) {
    const std::string frame = Message(tag, body);
    stream += frame;
    if (elided.rows == 0 && frame.size() <= left) {
      left -= frame.size();
      recorded += frame;
    } else {
      Add(&elided, body);
    }
  }
  void Notice() {
    stream += Message('N', "by the way");
    recorded += Message('N', "by the way");
  }
  void End(char tag, const std::string& body) {
    stream += Message(tag, body);
    if (elided.rows != 0) recorded += Text(elided);
    recorded += Message(tag, body);
    elided = {};
    left = 100;
  }
};

Script RandomScript(std::mt19937* random) {
  Script script;
  for (int statement = 0; statement < 40; ++statement) {
    script.End('T', "columns");
    const char tag = (*random)() % 4 == 0 ? 'd' : 'D';
    for (int rows = (*random)() % 12; rows > 0; --rows) {
      std::string body((*random)() % ((*random)() % 5 == 0 ? 200 : 25), '\0');
      for (char& c : body) c = static_cast<char>((*random)());
      script.Row(tag, body);
      if ((*random)() % 8 == 0) script.Notice();
    }
    script.End("CEsZ"[(*random)() % 4], "I");
  }
  return script;
}

TEST_F(RelayTest, RecordsRowsUpToTheLimitAndADigestOfTheRestHoweverTheStreamIsCut) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937 random(seed);
  for (int run = 0; run < 60; ++run) {
    const Script script = RandomScript(&random);
    const size_t largest = std::vector<size_t>{1, 2, 6, 30, 300, 100000}[run % 6];
    recorded_server_.clear();
    for (size_t at = 0; at < script.stream.size();) {
      const size_t size = std::min<size_t>(1 + random() % largest, script.stream.size() - at);
      const Relay::Step step = Server(std::string_view(script.stream).substr(at, size));
      ASSERT_EQ(step.forward, size);
      ASSERT_EQ(step.next, Relay::Next::go_on);
      at += size;
      if (random() % 50 == 0) Drain();
    }
    Drain();
    ASSERT_TRUE(recorded_server_ == script.recorded) << "pieces up to " << largest;
  }
}

TEST_F(RelayTest, RecordsARowThatJustFitsAndNoneBehindOneThatDoesNot) {
  Script script;
  script.Row('D', std::string(95, 'a'));  // 100 bytes on the wire
  script.Row('D', "");
  script.Row('D', "b");
  script.End('C', "SELECT 3");
  EXPECT_EQ(script.elided.rows, 0u);
  Server(script.stream);
  Drain();
  EXPECT_EQ(recorded_server_, script.recorded);
  EXPECT_EQ(recorded_server_.substr(0, 100), Message('D', std::string(95, 'a')));
}

TEST_F(RelayTest, HoldsBackNoMoreThanAHeaderFromTheRecord) {
  const std::string row = Message('D', "0123456789");
  Server(row.substr(0, 4));
  Drain();
  EXPECT_EQ(recorded_server_, "");
  Server(row.substr(4, 3));
  Drain();
  EXPECT_EQ(recorded_server_, row.substr(0, 7));
}

TEST_F(RelayTest, ForwardsALargeRowWithoutKeepingIt) {
  const std::string part(64 << 10, 'r');
  std::string header;
  protocol::WireWriter(&header).Uint8('D').Uint32(4 + 15 * (64 << 10));
  Server(header);
  RowDigest expected;
  std::string body;
  for (int i = 0; i < 15; ++i) {
    EXPECT_EQ(Server(part).forward, part.size());
    body += part;
  }
  Add(&expected, body);
  Server(Message('C', "SELECT 1"));
  Drain();
  EXPECT_EQ(recorded_server_, Text(expected) + Message('C', "SELECT 1"));
}

// --- malformed input --------------------------------------------------------------------------

TEST_F(RelayTest, ForwardsWhatCameBeforeABadFrameAndRecordsNoMore) {
  const std::string good = Message('Q', "SELECT 1");
  for (const std::string& bad :
       {std::string("Q\0\0\0\3", 5), std::string("Q\x7f\xff\xff\xff", 5)}) {
    Relay relay({1 << 20, 100}, &tap_, &session_);
    const Relay::Step step = relay.FromClient(good + bad + "more", 2);
    EXPECT_EQ(step.forward, good.size());
    EXPECT_EQ(step.next, Relay::Next::bad_frame);
    Drain();
    EXPECT_EQ(recorded_client_, good);
    recorded_client_.clear();
  }
  const std::string reply = Message('C', "x");
  const Relay::Step step = Server(reply + std::string("D\0\0\0\1", 5));
  EXPECT_EQ(step.forward, reply.size());
  EXPECT_EQ(step.next, Relay::Next::bad_frame);
  EXPECT_TRUE(relay_.ServerAtBoundary()) << "an error message would be understood";
  Drain();
  EXPECT_EQ(recorded_server_, reply);
}

TEST_F(RelayTest, KnowsThatPartOfABadHeaderHasGoneOn) {
  Server(std::string("D\0", 2));
  EXPECT_EQ(Server(std::string("\0\0\1", 3)).next, Relay::Next::bad_frame);
  EXPECT_FALSE(relay_.ServerAtBoundary());
}

TEST_F(RelayTest, HoldsOnAnyBytes) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937 random(seed);
  const std::string tags = "DdZCEGTNS";
  for (int run = 0; run < 300; ++run) {
    Relay relay({200, 100}, &tap_, &session_);
    for (int piece = 0; piece < 30; ++piece) {
      std::string bytes;
      while (bytes.size() < random() % 80) {
        protocol::WireWriter(&bytes)
            .Uint8(tags[random() % tags.size()])
            .Uint32(random() % 30 == 0 ? random() : 4 + random() % 9);
        bytes.resize(bytes.size() + random() % 9, static_cast<char>(random()));
      }
      const Relay::Step step =
          random() % 2 == 0 ? relay.FromServer(bytes, 2) : relay.FromClient(bytes, 2);
      ASSERT_LE(step.forward, bytes.size());
    }
    Drain();
  }
}

// --- lost and taken up again ------------------------------------------------------------------

TEST_F(RelayTest, ResumesBehindTheFirstReadyForQueryThatLeavesNothingInFlight) {
  switch_.TurnOff("paused");
  Client(Message('Q', "1") + Message('Q', "2"));
  switch_.TurnOn();
  Server(Message('C', "1") + Message('Z', "I"));  // the second is outstanding
  Client(Message('Q', "3").substr(0, 2));         // and half of a third is there
  Server(Message('C', "2") + Message('Z', "I"));
  Client(Message('Q', "3").substr(2));
  Server(Message('C', "3") + Message('Z', "T"));  // in a transaction
  Client(Message('Q', "4"));
  Server(Message('C', "4") + Message('Z', "I") + Message('A', "notification"));
  Client(Message('Q', "5"));
  Drain();
  EXPECT_EQ(recorded_client_, "<lost><resynchronised>" + Message('Q', "5"));
  EXPECT_EQ(recorded_server_, "<lost><resynchronised>" + Message('A', "notification"));
}

TEST_F(RelayTest, DoesNotResumeWhileExtendedMessagesWaitForTheirSync) {
  switch_.TurnOff("paused");
  Client(Message('P', "1") + Message('S'));
  switch_.TurnOn();
  Client(Message('P', "2") + Message('H'));
  Server(Message('1') + Message('Z', "I"));
  EXPECT_EQ(session_.state, CaptureState::lost);
  Client(Message('S'));
  Server(Message('1') + Message('Z', "I"));
  EXPECT_EQ(session_.state, CaptureState::on);
}

TEST_F(RelayTest, DoesNotResumeInsideAReadyForQueryOfAnotherLength) {
  switch_.TurnOff("paused");
  Client(Message('Q', "1"));
  switch_.TurnOn();
  Server(Message('Z', "IDD"));
  EXPECT_EQ(session_.state, CaptureState::lost);
  Server(Message('Z', ""));
  Server(Message('Z', "I"));
  EXPECT_EQ(session_.state, CaptureState::on);
}

TEST_F(RelayTest, BeginsWithAFullAllowanceOfRowsWhenItResumes) {
  Client(Message('Q', "1"));
  Server(Message('D', std::string(200, 'x')));  // left out
  switch_.TurnOff("paused");
  Server(Message('C', "SELECT 1"));
  switch_.TurnOn();
  Server(Message('Z', "I"));
  Drain();
  recorded_server_.clear();
  Script script;
  script.Row('D', "small");
  script.End('C', "SELECT 1");
  Client(Message('Q', "2"));
  Server(script.stream);
  Drain();
  EXPECT_EQ(recorded_server_, script.recorded);
}

TEST_F(RelayTest, RecordsNothingWithoutATapAndStillFollows) {
  TapSession none;
  Relay relay({1000, 100}, nullptr, &none);
  relay.FromClient(Message('Q', "1"), 1);
  EXPECT_FALSE(relay.Idle());
  relay.FromServer(Message('D', std::string(500, 'x')) + Message('Z', "I"), 2);
  EXPECT_TRUE(relay.Idle());
}

}  // namespace
}  // namespace pgparity::proxy
