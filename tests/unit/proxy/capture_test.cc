#include "proxy/capture.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "proxy/relay_login.h"

namespace pgparity::proxy {
namespace {

using testing::ElementsAre;

// Writes down what it is told, and checks what CaptureThread promises of AdvanceTo.
class RecordingSink : public CaptureSink {
 public:
  void SessionOpened(uint64_t session, shadow::SessionInfo info, Stamp stamp) override {
    Note(stamp, "opened " + std::to_string(session) + " " + info.user);
  }
  void ClientBytes(uint64_t session, std::string_view bytes, Stamp stamp) override {
    last_client_[session] = stamp;
    Note(stamp, "client " + std::string(bytes));
  }
  void ServerBytes(uint64_t, std::string_view bytes, Stamp stamp) override {
    Note(stamp, "server " + std::string(bytes));
  }
  void ElidedRows(uint64_t, const protocol::RowDigest& digest, Stamp stamp) override {
    Note(stamp, "elided " + std::to_string(digest.rows) + " " + std::to_string(digest.chain));
  }
  void TokenSent(uint64_t, Stamp stamp) override { Note(stamp, "token sent"); }
  void TokenSeen(uint64_t, const shadow::LsnToken& token, Stamp stamp) override {
    Note(stamp, "token " + std::to_string(token.lsn) + " " + token.snapshot);
  }
  void Lost(uint64_t, std::string_view reason, Stamp stamp) override {
    Note(stamp, "lost " + std::string(reason));
  }
  void Resynchronised(uint64_t, Stamp stamp) override { Note(stamp, "resynchronised"); }
  void SessionClosed(uint64_t, Stamp stamp) override { Note(stamp, "closed"); }
  void AdvanceTo(Stamp bound) override {
    EXPECT_GT(bound, bound_);
    bound_ = bound;
  }

  void Note(Stamp stamp, std::string text) {
    if (stamp < bound_) ++late_;
    ++count_;
    if (keep_) notes_.push_back(std::move(text));
  }

  bool keep_ = true;
  std::vector<std::string> notes_;
  std::map<uint64_t, Stamp> last_client_;
  Stamp bound_ = 0;
  uint64_t late_ = 0, count_ = 0;
};

struct Producer {
  std::unique_ptr<Ring> ring = *Ring::Anonymous(1 << 20);
  std::unique_ptr<Tap> tap;
};

class CaptureTest : public testing::Test {
 protected:
  void Make(int producers) {
    std::vector<CaptureThread::Source> sources;
    for (int i = 0; i < producers; ++i) {
      Producer producer;
      producer.tap = std::make_unique<Tap>(producer.ring.get(), &switch_, &waker_);
      sources.push_back({producer.ring.get(), &producer.tap->announcement()});
      producers_.push_back(std::move(producer));
    }
    capture_ = std::make_unique<CaptureThread>(sources, &sink_, &clock_, &waker_);
  }
  TapSession Open(int producer, uint64_t id) {
    TapSession session;
    session.id = id;
    shadow::SessionInfo info;
    info.user = "ann";
    producers_[producer].tap->Opened(&session, EncodeSessionInfo(info), false, clock_.Now());
    return session;
  }

  StampClock clock_{1'000'000};
  CaptureSwitch switch_;
  CaptureWaker waker_;
  RecordingSink sink_;
  std::vector<Producer> producers_;
  std::unique_ptr<CaptureThread> capture_;
};

TEST_F(CaptureTest, DeliversEveryKindOfRecord) {
  Make(1);
  Tap& tap = *producers_[0].tap;
  TapSession session = Open(0, 3);
  tap.Client(&session, "query", clock_.Now());
  tap.Server(&session, "reply", clock_.Now());
  tap.Elided(&session, {5, 6, 7, 8}, clock_.Now());
  switch_.TurnOff("paused");
  tap.Client(&session, "unseen", clock_.Now());
  switch_.TurnOn();
  tap.Resume(&session, clock_.Now());
  tap.Closed(&session, clock_.Now());
  EXPECT_EQ(capture_->Round(), 7u);
  EXPECT_THAT(sink_.notes_, ElementsAre("opened 3 ann", "client query", "server reply",
                                        "elided 5 8", "lost paused", "resynchronised", "closed"));
  EXPECT_EQ(sink_.late_, 0u);
}

TEST_F(CaptureTest, DoesNotAdvancePastAThreadThatIsBusy) {
  Make(2);
  TapSession session = Open(0, 1);
  const Stamp busy_since = clock_.Now();
  producers_[0].tap->Busy(busy_since);
  const Stamp stamp = clock_.Now();
  while (clock_.Now() < busy_since + 100'000) capture_->Round();
  EXPECT_EQ(sink_.bound_, busy_since);
  capture_->Round();
  EXPECT_EQ(sink_.bound_, busy_since);
  // A record that was under way arrives behind the bound, not before it.
  producers_[0].tap->Client(&session, "late", stamp);
  producers_[0].tap->Idle();
  while (capture_->advanced() <= stamp) capture_->Round();
  EXPECT_EQ(sink_.late_, 0u);
  EXPECT_EQ(sink_.notes_.back(), "client late");
}

TEST_F(CaptureTest, AdvancesWithTheClockWhileAllAreIdle) {
  Make(2);
  const Stamp before = clock_.Now();
  while (capture_->advanced() <= before) capture_->Round();
  EXPECT_GT(sink_.bound_, before);
}

TEST_F(CaptureTest, DeliversWhatIsLeftWhenItIsStopped) {
  Make(1);
  TapSession session = Open(0, 1);
  capture_->Start();
  for (int i = 0; i < 100; ++i) producers_[0].tap->Client(&session, "x", clock_.Now());
  capture_->Stop();
  EXPECT_EQ(sink_.count_, 101u);
}

TEST_F(CaptureTest, AWaitEndsWhenTheThreadDoes) {
  Make(1);
  capture_->Start();
  const Stamp never = clock_.Now() + 3'600'000'000'000;
  bool reached = true;
  std::thread waiter([&] { reached = capture_->WaitDrainedTo(never, std::chrono::hours(1)); });
  capture_->Stop();
  waiter.join();
  EXPECT_FALSE(reached);
  EXPECT_FALSE(capture_->WaitDrainedTo(never, std::chrono::milliseconds(1)));
}

// Forwarding threads in batches of random sizes against the capture thread: nothing arrives behind
// a bound that has passed it, nothing is missed, and a wait means what it says.
TEST_F(CaptureTest, NoRecordComesBehindItsBoundWithThreadsAtWork) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  constexpr int kThreads = 3;
  constexpr int kBatches = 4000;
  Make(kThreads);
  sink_.keep_ = false;
  capture_->Start();
  std::atomic<uint64_t> appended{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&, i] {
      std::mt19937 random(seed + i);
      Tap& tap = *producers_[i].tap;
      tap.Busy(clock_.Now());
      TapSession session = Open(i, i + 1);
      tap.Idle();
      for (int batch = 0; batch < kBatches; ++batch) {
        tap.Busy(clock_.Now());
        for (int events = 1 + random() % 4; events > 0; --events) {
          const Stamp stamp = clock_.Now();
          tap.Client(&session, "some bytes", stamp);
        }
        tap.Idle();
        if (random() % 64 == 0) std::this_thread::yield();
        while (session.state != CaptureState::on) {  // the ring was full
          tap.Busy(clock_.Now());
          if (tap.Resume(&session, clock_.Now())) break;
          tap.Idle();
          std::this_thread::yield();
        }
      }
      tap.Idle();
      appended += producers_[i].tap->counters().records.value();
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_TRUE(capture_->WaitDrainedTo(clock_.Now(), std::chrono::minutes(1)));
  capture_->Stop();
  EXPECT_EQ(sink_.late_, 0u);
  EXPECT_GE(sink_.count_, appended.load());  // a record may come in two parts
  EXPECT_GE(sink_.count_, 3u * kBatches);
}

TEST_F(CaptureTest, AfterAWaitEverythingStampedBeforeItIsDelivered) {
  Make(1);
  sink_.keep_ = false;
  capture_->Start();
  Tap& tap = *producers_[0].tap;
  TapSession session = Open(0, 1);
  uint64_t sent = 1;
  for (int i = 0; i < 50; ++i) {
    tap.Busy(clock_.Now());
    tap.Client(&session, "x", clock_.Now());
    ++sent;
    tap.Idle();
    ASSERT_TRUE(capture_->WaitDrainedTo(clock_.Now(), std::chrono::minutes(1)));
  }
  capture_->Stop();
  EXPECT_EQ(sink_.count_, sent);
}

}  // namespace
}  // namespace pgparity::proxy
