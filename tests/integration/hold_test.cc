// Ordering `hold` against a real server.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <thread>

#include "tests/integration/environment.h"
#include "tests/support/libpq_client.h"
#include "tests/support/raw_client.h"

namespace pgparity::support {
namespace {

using ::testing::IsEmpty;

using M = MessageBuilder;

class Hold : public ::testing::Test {
 protected:
  void Start(const std::string& wait) {
    pair_.Seed(
        {"CREATE TABLE t (id int PRIMARY KEY, v text)", "INSERT INTO t VALUES (1, ''), (2, '')"});
    proxy_ = std::make_unique<ProxyProcess>(
        ProxyFor(pair_, {"--ordering", "hold", "--hold-wait", wait, "--threads", "2"}));
    ASSERT_TRUE(proxy_->started()) << proxy_->Log();
    EXPECT_EQ(proxy_->StatusText("ordering"), "hold");
  }
  double Held(const std::string& key) { return proxy_->StatusNumber("held." + key).value_or(-1); }
  void WaitForHeld(const std::string& key, double value) {
    while (Held(key) < value) std::this_thread::yield();
  }
  // Until the text is known.
  void Teach(RawClient* client, const M& messages) {
    const double before = Held("at_once");
    do {
      client->Send(messages);
      client->ReadUntil('Z');
    } while (Held("at_once") == before);
  }
  bool WaitForLocks(int sessions) {
    return WaitForScalar(pair_.PrimaryUrl(),
                         "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
                         "AND wait_event_type = 'Lock'",
                         std::to_string(sessions));
  }
  static M Set(std::string_view v, int id) {
    return M().Query("UPDATE t SET v = v || '" + std::string(v) +
                     "' WHERE id = " + std::to_string(id));
  }

  DatabasePair pair_{"hold"};
  std::unique_ptr<ProxyProcess> proxy_;
};

TEST_F(Hold, AWriteWaitsForTheOneBeforeItOnTheSameRow) {
  Start("60s");
  RawClient first(proxy_->port(), pair_.name()), second(proxy_->port(), pair_.name()),
      third(proxy_->port(), pair_.name());
  const std::string prepared = "UPDATE t SET v = v || $1 WHERE id = $2";
  const auto bound = [&](const std::string& v, const std::string& id) {
    return M().Parse("", prepared).Bind("", "", {v, id}).Execute("").Sync();
  };
  Teach(&first, Set("", 2));
  Teach(&second, bound("", "2"));
  LibpqClient direct(pair_.PrimaryUrl());
  ASSERT_TRUE(direct.Query("BEGIN; SELECT FROM t WHERE id = 1 FOR UPDATE").ok);
  first.Send(Set("a", 1));
  ASSERT_TRUE(WaitForLocks(1));
  second.Send(bound("b", "1"));
  WaitForHeld("waited", 1);
  third.Send(Set("c", 1));
  WaitForHeld("waited", 2);
  // Neither has reached the primary; and other rows are free.
  EXPECT_TRUE(WaitForLocks(1));
  LibpqClient other(proxy_->Url(pair_.name()));
  EXPECT_TRUE(other.Query("UPDATE t SET v = v || 'x' WHERE id = 2").ok);
  ASSERT_TRUE(direct.Query("COMMIT").ok);
  for (RawClient* client : {&first, &second, &third}) {
    EXPECT_EQ(client->ReadUntil('Z').back().body, "I");
  }
  EXPECT_EQ(other.Query("SELECT v FROM t WHERE id = 1").Scalar(), "abc");
  EXPECT_EQ(Held("timed_out"), 0);
  ASSERT_TRUE(proxy_->Drain());
  ExpectEqualTables(pair_);
  const ReportJson report = proxy_->Report();
  EXPECT_THAT(report.divergences, IsEmpty()) << report.Summary();
}

// A client that goes while it waits, or while others wait for it, leaves nobody behind.
TEST_F(Hold, ClientsThatLeave) {
  Start("60s");
  auto first = std::make_unique<RawClient>(proxy_->port(), pair_.name());
  auto second = std::make_unique<RawClient>(proxy_->port(), pair_.name());
  RawClient third(proxy_->port(), pair_.name());
  Teach(first.get(), Set("", 2));
  LibpqClient direct(pair_.PrimaryUrl());
  ASSERT_TRUE(direct.Query("BEGIN; SELECT FROM t WHERE id = 1 FOR UPDATE").ok);
  first->Send(Set("a", 1));
  ASSERT_TRUE(WaitForLocks(1));
  second->Send(Set("b", 1));
  WaitForHeld("waited", 1);
  third.Send(Set("c", 1));
  WaitForHeld("waited", 2);
  second.reset();
  first.reset();
  ASSERT_TRUE(direct.Query("COMMIT").ok);
  EXPECT_EQ(third.ReadUntil('Z').back().body, "I");
  EXPECT_EQ(Held("timed_out"), 0);
}

TEST_F(Hold, TimesOut) {
  Start("50ms");
  RawClient first(proxy_->port(), pair_.name()), second(proxy_->port(), pair_.name());
  Teach(&first, Set("", 2));
  LibpqClient direct(pair_.PrimaryUrl());
  ASSERT_TRUE(direct.Query("BEGIN; SELECT FROM t WHERE id = 1 FOR UPDATE").ok);
  first.Send(Set("a", 1));
  ASSERT_TRUE(WaitForLocks(1));
  second.Send(Set("b", 1));
  ASSERT_TRUE(WaitForLocks(2));
  EXPECT_EQ(Held("timed_out"), 1);
  ASSERT_TRUE(direct.Query("COMMIT").ok);
  EXPECT_EQ(first.ReadUntil('Z').back().body, "I");
  EXPECT_EQ(second.ReadUntil('Z').back().body, "I");
}

}  // namespace
}  // namespace pgparity::support
