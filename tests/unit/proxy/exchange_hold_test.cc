// Ordering `hold`: exchanges that wait for a row.
#include <deque>

#include "tests/unit/proxy/edit_fixture.h"

namespace pgparity::proxy {
namespace {

using namespace message;  // NOLINT: the messages are what is read here

// A session beside the fixture's own, on the same rows.
class HoldTest : public EditTest {
 protected:
  HoldTest() {
    context_.hold = &hold_;
    offer_.Set(false);
    Take(edit_.LoggedIn("", 5));
    Know("UPDATE t SET v = 'x' WHERE id = 5", false);
    Know("UPDATE t SET v = $1 WHERE id = $2", true);
    other_context_.hold = &hold_;
    other_context_.offer = &offer_;
    other_session_.id = 2;
    edit_.SetDatabase("d");
    other_.SetDatabase("d");
    tap_.Opened(&other_session_, "info", false, 1);
    other_.SetParameters({{"client_encoding", "UTF8"}, {"standard_conforming_strings", "on"}});
    other_.LoggedIn("", 5);
  }
  void Know(std::string_view sql, bool parameters) {
    HoldShape shape;
    shape.table = 1;
    shape.count = 1;
    shape.parts[0] = {KeyType::integer, parameters, 1};
    hold_.Put(ShapeOf(sql)->fingerprint, shape);
  }
  std::string Other(std::string_view bytes, bool from_client) {
    const auto owned = std::make_unique<char[]>(bytes.size());
    bytes.copy(owned.get(), bytes.size());
    const std::string_view view(owned.get(), bytes.size());
    const auto output =
        from_client ? other_.FromClient(view, ++later_) : other_.FromServer(view, ++later_);
    other_waits_ = output.waits_for_row;
    return std::string(from_client ? output.to_primary : output.to_client);
  }
  // The waits that ended, in their order.
  std::vector<uint64_t> granted_;
  RowHolds rows_;
  HoldAnalyser analyser_{{}};  // never started: it answers nothing
  HoldContext hold_{&rows_, &analyser_, [this](uint64_t id) { granted_.push_back(id); }, 1000};
  TapSession other_session_;
  Relay other_relay_{{1 << 20, 1 << 20}, &tap_, &other_session_};
  EditContext other_context_;  // of another thread
  ExchangeEdit other_{&other_relay_, &tap_, &other_session_, &other_context_};
  bool other_waits_ = false;
  Stamp later_ = 1'000'000;
};

const std::string kFive = Query("UPDATE t SET v = 'x' WHERE id = 5");
const std::string kDone = Complete("UPDATE 1") + Ready();

TEST_F(HoldTest, TheSecondWaitsForTheFirst) {
  Exchange(kFive, kFive);
  EXPECT_EQ(Other(kFive + Query("SELECT 1"), true), "");
  EXPECT_TRUE(other_waits_);
  EXPECT_FALSE(other_.takes_client());
  EXPECT_THAT(granted_, testing::IsEmpty());
  Answer(kDone, kDone);
  EXPECT_THAT(granted_, testing::ElementsAre(2));
  EXPECT_EQ(other_.RowGranted(++later_).to_primary, kFive + Query("SELECT 1"));
  EXPECT_TRUE(other_.takes_client());
  EXPECT_EQ(hold_.counters.at_once.value(), 1u);
  EXPECT_EQ(hold_.counters.waited.value(), 1u);
  // It has the row now.
  EXPECT_EQ(TakePrimary(), "");
  Client(kFive);
  EXPECT_EQ(TakePrimary(), "");
  EXPECT_EQ(Other(kDone, false), kDone);
  EXPECT_THAT(granted_, testing::ElementsAre(2, 1));
}

TEST_F(HoldTest, OtherRowsAndReadsDoNotWait) {
  Exchange(kFive, kFive);
  for (const char* sql :
       {"UPDATE t SET v = 'x' WHERE id = 6", "SELECT 1", "UPDATE u SET v = 'x' WHERE id = 5"}) {
    EXPECT_EQ(Other(Query(sql), true), Query(sql));
    Other(kDone, false);
  }
  EXPECT_EQ(hold_.counters.unknown.value(), 1u) << "u";
}

TEST_F(HoldTest, PreparedOnesByTheirParameters) {
  const auto bind = [](std::string_view key) {
    std::string rest;
    protocol::WireWriter(&rest)
        .Int16(0)
        .Int16(2)
        .Int32(1)
        .Bytes("x")
        .Int32(static_cast<int32_t>(key.size()))
        .Bytes(key)
        .Int16(0);
    return Bind("", "s", rest) + Describe() + Execute() + Sync();
  };
  Other(Parse("s", "UPDATE t SET v = $1 WHERE id = $2") + Sync(), true);
  Other(ParseComplete() + Ready(), false);
  Exchange(kFive, kFive);
  EXPECT_EQ(Other(bind("6"), true), bind("6"));
  Other(BindComplete() + Of('n') + Complete("UPDATE 1") + Ready(), false);
  EXPECT_EQ(Other(bind("5"), true), "");
  Answer(kDone, kDone);
  EXPECT_EQ(other_.RowGranted(++later_).to_primary, bind("5"));
}

TEST_F(HoldTest, AWaitEnds) {
  Exchange(kFive, kFive);
  EXPECT_EQ(Other(kFive, true), "");
  EXPECT_EQ(other_.RowTimeout(++later_).to_primary, kFive);
  EXPECT_EQ(hold_.counters.timed_out.value(), 1u);
  // It has nothing to release, and is told nothing.
  Answer(kDone, kDone);
  EXPECT_THAT(granted_, testing::IsEmpty());
  Other(kDone, false);
  Exchange(kFive, kFive);
  EXPECT_EQ(hold_.counters.at_once.value(), 2u);
}

TEST_F(HoldTest, AGrantThatComesLateIsNoneOfAnotherWait) {
  Exchange(kFive, kFive);
  Other(kFive, true);
  Answer(kDone, kDone);  // granted, and not yet told
  EXPECT_EQ(other_.RowTimeout(++later_).to_primary, kFive) << "it has the row";
  EXPECT_EQ(hold_.counters.waited.value(), 1u);
  Other(kDone, false);
  Exchange(kFive, kFive);
  EXPECT_EQ(Other(kFive, true), "");
  EXPECT_EQ(other_.RowGranted(++later_).to_primary, "") << "of the wait before";
  EXPECT_FALSE(other_.takes_client());
  Answer(kDone, kDone);
  EXPECT_EQ(other_.RowGranted(++later_).to_primary, kFive);
}

TEST_F(HoldTest, ASessionThatEndsLetsGo) {
  {
    TapSession session;
    session.id = 3;
    tap_.Opened(&session, "info", false, 1);
    Relay relay({1 << 20, 1 << 20}, &tap_, &session);
    ExchangeEdit edit(&relay, &tap_, &session, &context_);
    edit.SetParameters({{"client_encoding", "UTF8"}, {"standard_conforming_strings", "on"}});
    edit.SetDatabase("d");
    edit.LoggedIn("", 5);
    EXPECT_EQ(edit.FromClient(kFive, 6).to_primary, kFive);
    Client(kFive);
  }
  EXPECT_THAT(granted_, testing::ElementsAre(1));
  Take(edit_.RowGranted(++later_));
  EXPECT_EQ(TakePrimary(), kFive);
  {
    TapSession session;
    session.id = 4;
    tap_.Opened(&session, "info", false, 1);
    Relay relay({1 << 20, 1 << 20}, &tap_, &session);
    ExchangeEdit edit(&relay, &tap_, &session, &context_);
    edit.SetParameters({{"client_encoding", "UTF8"}, {"standard_conforming_strings", "on"}});
    edit.SetDatabase("d");
    edit.LoggedIn("", 5);
    EXPECT_EQ(edit.FromClient(kFive, 6).to_primary, "");
  }
  Answer(kDone, kDone);
  EXPECT_THAT(granted_, testing::ElementsAre(1)) << "the one that waited is gone";
}

TEST_F(HoldTest, NothingWaitsInATransactionOrBehindSomethingOrInSeveralPieces) {
  Other(kFive, true);  // has the row
  Client(Query("BEGIN"));
  Server(Complete("BEGIN") + Ready('T'));
  TakePrimary();
  Exchange(kFive, kFive);
  Server(Complete("UPDATE 1") + Ready('T'));
  Client(Query("COMMIT"));
  Server(Complete("COMMIT") + Ready());
  TakePrimary();
  Exchange(Query("SELECT 1") + kFive, Query("SELECT 1") + kFive);
  Server(Complete("SELECT 1") + Ready() + kDone);
  // Two writes in one pipeline.
  const std::string two = Do("DELETE FROM t") + Do("DELETE FROM t") + Sync();
  Exchange(two, two);
  EXPECT_EQ(Sent(), 0u);
}

// The stamps of what waited are those of its being sent: its interval begins behind the other's.
TEST_F(HoldTest, WhatWaitedIsRecordedWhenItGoesOn) {
  Events();
  events_.clear();
  Exchange(kFive, kFive);
  Other(kFive, true);
  EXPECT_EQ(Recorded("client"), kFive);
  Answer(kDone, kDone);
  other_.RowGranted(++later_);
  EXPECT_EQ(Events(), "client server client");
}

}  // namespace
}  // namespace pgparity::proxy
