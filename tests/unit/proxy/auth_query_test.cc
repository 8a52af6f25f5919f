#include "proxy/auth_query.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <mutex>

namespace pgparity::proxy {
namespace {

using Kind = CredentialAnswer::Kind;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::SizeIs;

constexpr char kVerifier[] =
    "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:"
    "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=";

class AuthQueryTest : public testing::Test {
 protected:
  // Users: ann has a verifier, md5 something else, broken an error, nobody else is known.
  void Start() {
    options_.now = [this] { return absl::FromUnixMillis(now_ms_.load()); };
    options_.complain = [this](std::string_view line) { complaints_.emplace_back(line); };
    query_ = std::make_unique<AuthQuery>(
        [this](const std::string& user) -> absl::StatusOr<std::optional<std::string>> {
          std::unique_lock<std::mutex> lock(mutex_);
          asked_.push_back(user);
          changed_.notify_all();
          changed_.wait(lock, [this] { return open_; });
          if (user == "broken") return absl::UnavailableError("no connection");
          if (user == "ann") return kVerifier;
          if (user == "md5") return "md5d1167df71a1d8fb7ca8e6827a0351fac";
          return std::nullopt;
        },
        options_);
  }
  // Begins a look-up; its outcome comes into answers_.
  void Begin(const std::string& user) {
    query_->Find(user, [this](CredentialAnswer answer) {
      const std::lock_guard<std::mutex> lock(mutex_);
      answers_.push_back(answer.kind);
      changed_.notify_all();
    });
  }
  void WaitFor(size_t answers) {
    std::unique_lock<std::mutex> lock(mutex_);
    ASSERT_TRUE(changed_.wait_for(lock, std::chrono::seconds(60),
                                  [&] { return answers_.size() >= answers; }));
  }
  void WaitUntilAsked(size_t queries) {
    std::unique_lock<std::mutex> lock(mutex_);
    ASSERT_TRUE(changed_.wait_for(lock, std::chrono::seconds(60),
                                  [&] { return asked_.size() >= queries; }));
  }
  Kind Find(const std::string& user) {
    const size_t before = answers_.size();
    Begin(user);
    WaitFor(before + 1);
    return answers_.back();
  }
  void SetOpen(bool open) {
    const std::lock_guard<std::mutex> lock(mutex_);
    open_ = open;
    changed_.notify_all();
  }

  AuthQuery::Options options_;
  std::atomic<int64_t> now_ms_{1'000'000};
  std::mutex mutex_;
  std::condition_variable changed_;
  bool open_ = true;
  std::vector<std::string> asked_, complaints_;
  std::vector<Kind> answers_;
  std::unique_ptr<AuthQuery> query_;  // its thread ends first
};

TEST_F(AuthQueryTest, KeepsWhatItFoundForAWhileUnknownUsersToo) {
  Start();
  EXPECT_EQ(Find("ann"), Kind::found);
  EXPECT_EQ(Find("ann"), Kind::found);
  EXPECT_EQ(Find("bob"), Kind::unknown);
  EXPECT_EQ(Find("bob"), Kind::unknown);
  EXPECT_THAT(asked_, ElementsAre("ann", "bob"));
  now_ms_ += 5000;
  EXPECT_EQ(Find("ann"), Kind::found);
  EXPECT_THAT(asked_, ElementsAre("ann", "bob", "ann"));
  query_->Clear();
  EXPECT_EQ(Find("ann"), Kind::found);
  EXPECT_THAT(asked_, SizeIs(4));
}

TEST_F(AuthQueryTest, LooksAUserUpOnceForAllThatWait) {
  Start();
  SetOpen(false);
  for (int i = 0; i < 3; ++i) Begin("ann");
  WaitUntilAsked(1);
  for (int i = 0; i < 3; ++i) Begin("ann");
  query_->Clear();  // does not lose those that wait
  EXPECT_TRUE(answers_.empty());
  SetOpen(true);
  WaitFor(6);
  EXPECT_THAT(asked_, ElementsAre("ann"));
  EXPECT_THAT(answers_, testing::Each(Kind::found));
}

TEST_F(AuthQueryTest, AsksNoMoreOftenThanItsRate) {
  options_.rate = 2;
  options_.keep = absl::ZeroDuration();
  Start();
  EXPECT_EQ(Find("a"), Kind::unknown);
  EXPECT_EQ(Find("b"), Kind::unknown);
  EXPECT_EQ(Find("c"), Kind::busy);
  now_ms_ += 499;
  EXPECT_EQ(Find("d"), Kind::busy);
  now_ms_ += 1;
  EXPECT_EQ(Find("e"), Kind::unknown);
  now_ms_ += 3'600'000;  // an hour of rest gives no more than a second's worth
  for (const char* user : {"f", "g"}) EXPECT_EQ(Find(user), Kind::unknown);
  EXPECT_EQ(Find("h"), Kind::busy);
  EXPECT_THAT(asked_, ElementsAre("a", "b", "e", "f", "g"));
}

TEST_F(AuthQueryTest, IsBusyWhenTooManyWait) {
  options_.max_waiting = 2;
  Start();
  SetOpen(false);
  Begin("a");
  WaitUntilAsked(1);
  Begin("b");
  Begin("c");
  EXPECT_EQ(Find("d"), Kind::busy);
  SetOpen(true);
  WaitFor(4);
  EXPECT_THAT(asked_, ElementsAre("a", "b", "c"));
}

TEST_F(AuthQueryTest, KeepsABoundedNumberOfAnswers) {
  options_.max_users = 3;
  options_.rate = 1000;
  Start();
  for (int i = 0; i < 100; ++i) EXPECT_EQ(Find("user" + std::to_string(i)), Kind::unknown);
  EXPECT_EQ(Find("user99"), Kind::unknown);
  EXPECT_THAT(asked_, SizeIs(100)) << "the latest is kept";
  EXPECT_EQ(Find("user0"), Kind::unknown);
  EXPECT_THAT(asked_, SizeIs(101)) << "the first is not";
}

TEST_F(AuthQueryTest, FailuresAreSaidAndNotKept) {
  Start();
  EXPECT_EQ(Find("broken"), Kind::failed);
  EXPECT_EQ(Find("broken"), Kind::failed);
  EXPECT_THAT(asked_, SizeIs(2));
  EXPECT_THAT(complaints_, ElementsAre(HasSubstr("no connection"))) << "once a second";
  now_ms_ += 1000;
  EXPECT_EQ(Find("md5"), Kind::unknown);
  EXPECT_THAT(complaints_, ElementsAre(testing::_, HasSubstr("user \"md5\"")));
  EXPECT_THAT(complaints_.back(), Not(HasSubstr("d1167")));
}

TEST_F(AuthQueryTest, FindsNothingOnceItHasStopped) {
  Start();
  query_->Stop();
  EXPECT_EQ(Find("ann"), Kind::busy);
}

}  // namespace
}  // namespace pgparity::proxy
