#include "proxy/tap.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace pgparity::proxy {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class TapTest : public testing::Test {
 protected:
  // "kind session payload" of everything in the ring, which is empty afterwards.
  std::vector<std::string> Drain(size_t most = 1000000) {
    static const char* const kNames[] = {"pad",    "opened", "client",         "server",
                                         "elided", "lost",   "resynchronised", "closed"};
    std::vector<std::string> records;
    while (records.size() < most) {
      const auto record = ring_->Next(ring_->Head());
      if (!record) break;
      std::string text = kNames[static_cast<int>(record->kind)];
      text += " " + std::to_string(record->session);
      if (record->payload.size() < 100) text += " " + std::string(record->payload);
      records.push_back(text);
      ring_->Release(*record);
    }
    return records;
  }
  // Takes all room but what only records about capture itself may use.
  void Fill() {
    while (ring_->Append(RecordKind::server_bytes, 99, 1, std::string(976, 'x'), 16 << 10)) {
    }
    while (ring_->Append(RecordKind::server_bytes, 99, 1, "", 16 << 10)) {
    }
  }
  // And that, too.
  void FillWholly() {
    Fill();
    while (ring_->Append(RecordKind::server_bytes, 99, 1, "", 0)) {
    }
  }
  void DrainFiller() {
    for (const std::string& record : Drain()) ASSERT_EQ(record.rfind("server 99", 0), 0u) << record;
  }
  TapSession Opened(uint64_t id) {
    TapSession session;
    session.id = id;
    tap_.Opened(&session, "info", false, 1);
    return session;
  }

  std::unique_ptr<Ring> ring_ = *Ring::Anonymous(Ring::kMinCapacity);
  CaptureSwitch switch_;
  CaptureWaker waker_;
  Tap tap_{ring_.get(), &switch_, &waker_};
};

TEST_F(TapTest, RecordsASessionInOrder) {
  TapSession session = Opened(5);
  tap_.Client(&session, "query", 2);
  tap_.Server(&session, "reply", 3);
  tap_.Elided(&session, {1, 2, 3, 4}, 4);
  tap_.Closed(&session, 5);
  auto records = Drain();
  ASSERT_EQ(records.size(), 5u);
  EXPECT_EQ(records[3].substr(0, 8), "elided 5");
  records.erase(records.begin() + 3);
  EXPECT_THAT(records,
              ElementsAre("opened 5 info", "client 5 query", "server 5 reply", "closed 5 "));
}

TEST_F(TapTest, RecordsNothingBeforeLoginAndNothingOfReplicationButItsEnds) {
  TapSession session;
  tap_.Client(&session, "x", 1);
  tap_.Closed(&session, 1);
  EXPECT_THAT(Drain(), IsEmpty());

  TapSession replication;
  replication.id = 6;
  tap_.Opened(&replication, "info", true, 1);
  tap_.Client(&replication, "x", 2);
  EXPECT_FALSE(tap_.Resume(&replication, 3));
  tap_.Server(&replication, "y", 4);
  tap_.Closed(&replication, 5);
  EXPECT_THAT(Drain(), ElementsAre("opened 6 info", "closed 6 "));
}

TEST_F(TapTest, SaysOnceThatAFullRingLostBytesAndResumesOnlyWhenToldAndWithRoom) {
  TapSession session = Opened(5);
  Drain();
  Fill();
  tap_.Client(&session, "not recorded", 2);
  tap_.Server(&session, "nor this", 3);
  EXPECT_EQ(session.state, CaptureState::lost);
  EXPECT_FALSE(tap_.Resume(&session, 4)) << "the ring is still full";
  auto records = Drain();
  EXPECT_EQ(records.back(), "lost 5 ring-full");
  tap_.Client(&session, "still in the dark", 5);
  EXPECT_THAT(Drain(), IsEmpty());
  EXPECT_TRUE(tap_.Resume(&session, 6));
  tap_.Client(&session, "seen", 7);
  EXPECT_THAT(Drain(), ElementsAre("resynchronised 5 ", "client 5 seen"));
  EXPECT_EQ(tap_.counters().lost.value(), 1u);
}

TEST_F(TapTest, DoesNotResumeIntoARingThatIsNearlyFull) {
  TapSession session = Opened(5);
  Fill();
  tap_.Client(&session, "lost", 2);
  Drain(20);
  ASSERT_LT(ring_->FreeBytes(), ring_->capacity() / 2);
  EXPECT_FALSE(tap_.Resume(&session, 3));
  Drain();
  EXPECT_TRUE(tap_.Resume(&session, 4));
}

TEST_F(TapTest, SaysLostLaterWhenThereWasNotEvenRoomForThat) {
  TapSession session = Opened(5);
  Drain();
  FillWholly();
  tap_.Client(&session, "a", 2);
  tap_.Client(&session, "b", 3);
  EXPECT_EQ(session.state, CaptureState::losing);
  DrainFiller();
  tap_.Client(&session, "c", 4);
  EXPECT_THAT(Drain(), ElementsAre("lost 5 ring-full"));
}

TEST_F(TapTest, ASessionThatOpenedWithoutRoomIsOpenedAndLostOnceThereIs) {
  FillWholly();
  TapSession session = Opened(5);
  tap_.Client(&session, "a", 2);
  DrainFiller();
  EXPECT_TRUE(tap_.Resume(&session, 3));
  tap_.Client(&session, "b", 4);
  tap_.Closed(&session, 5);
  EXPECT_THAT(Drain(), ElementsAre("opened 5 info", "lost 5 ring-full", "resynchronised 5 ",
                                   "client 5 b", "closed 5 "));
}

TEST_F(TapTest, OwesTheRecordsOfSessionsThatEndedWithoutRoom) {
  TapSession known = Opened(5);
  Drain();
  FillWholly();
  TapSession unknown = Opened(6);
  tap_.Client(&unknown, "x", 2);
  tap_.Closed(&unknown, 3);
  tap_.Closed(&known, 3);
  EXPECT_TRUE(tap_.owes());
  tap_.PayDebts(4);
  EXPECT_TRUE(tap_.owes());
  DrainFiller();
  tap_.PayDebts(5);
  EXPECT_FALSE(tap_.owes());
  EXPECT_THAT(Drain(), ElementsAre("opened 6 info", "lost 6 ring-full", "closed 6 ", "closed 5 "));
}

TEST_F(TapTest, KeepsABoundedNumberOfDebtsAndCountsTheRest) {
  FillWholly();
  for (int i = 0; i < 10100; ++i) {
    TapSession session = Opened(100 + i);
    tap_.Closed(&session, 2);
  }
  EXPECT_EQ(tap_.counters().unrecorded_sessions.value(), 100u);
}

TEST_F(TapTest, APauseLosesOnlySessionsWithTrafficAndEndsWhenTheyAreIdle) {
  TapSession busy = Opened(5), quiet = Opened(6);
  Drain();
  switch_.TurnOff("paused");
  tap_.Client(&busy, "a", 2);
  EXPECT_FALSE(tap_.Resume(&busy, 3));
  switch_.TurnOn();
  tap_.Client(&busy, "b", 4);
  tap_.Client(&quiet, "c", 5);
  EXPECT_TRUE(tap_.Resume(&busy, 6));
  EXPECT_FALSE(tap_.Resume(&quiet, 6)) << "it was never lost";
  EXPECT_THAT(Drain(), ElementsAre("lost 5 paused", "client 6 c", "resynchronised 5 "));
}

TEST_F(TapTest, WakesTheConsumerAt64KiBUnreadAndNotBefore) {
  TapSession session = Opened(5);
  const std::string block(1000, 'x');
  for (int i = 0; i < 60; ++i) tap_.Client(&session, block, 2);
  EXPECT_FALSE(waker_.Sleep(0, false));
  for (int i = 0; i < 5; ++i) tap_.Client(&session, block, 2);
  EXPECT_TRUE(waker_.Sleep(0, false));
  // What the consumer has read meanwhile does not count.
  Drain();
  for (int i = 0; i < 60; ++i) tap_.Client(&session, block, 3);
  EXPECT_FALSE(waker_.Sleep(0, false));
  Drain();
  for (int i = 0; i < 60; ++i) tap_.Client(&session, block, 3);
  EXPECT_FALSE(waker_.Sleep(0, false));
}

TEST_F(TapTest, AnnouncesItselfAroundABatch) {
  EXPECT_EQ(tap_.announcement().since.load(), BusyAnnouncement::kIdle);
  tap_.Busy(42);
  EXPECT_EQ(tap_.announcement().since.load(), 42u);
  tap_.Idle();
  EXPECT_EQ(tap_.announcement().since.load(), BusyAnnouncement::kIdle);
}

}  // namespace
}  // namespace pgparity::proxy
