#include "proxy/token_watch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace pgparity::proxy {
namespace {

using Answer = TokenWatch::Answer;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class TokenWatchTest : public testing::Test {
 protected:
  TokenWatch watch_{{[this](std::string* identity) {
                       *identity = identity_;
                       return next_;
                     },
                     [this] { ++changes_; }, [] { return true; },
                     [this](bool on) { offers_.push_back(on); },
                     [this](std::string_view line) { lines_.emplace_back(line); },
                     [this](std::string_view line) { lines_.emplace_back(line); }}};
  absl::Status next_;
  std::string identity_;
  int changes_ = 0;
  std::vector<bool> offers_;
  std::vector<std::string> lines_;
};

TEST_F(TokenWatchTest, OffersOnceThePrimaryHasAnswered) {
  next_ = absl::UnavailableError("no route");
  watch_.Ask();
  EXPECT_EQ(watch_.answer(), Answer::unknown);
  EXPECT_THAT(offers_, IsEmpty());
  next_ = absl::OkStatus();
  watch_.Ask();
  watch_.Ask();
  EXPECT_EQ(watch_.answer(), Answer::answered);
  EXPECT_THAT(offers_, ElementsAre(true));
  EXPECT_THAT(lines_, ElementsAre(HasSubstr("the primary tells its WAL position")));
}

TEST_F(TokenWatchTest, SaysWhatItFallsBackToAndAnswersAgainAfterAPromotion) {
  next_ = absl::FailedPreconditionError("recovery is in progress");
  watch_.Ask();
  EXPECT_EQ(watch_.answer(), Answer::refused);
  EXPECT_EQ(watch_.refusal(), "recovery is in progress");
  EXPECT_THAT(lines_, ElementsAre(testing::AllOf(HasSubstr("recovery is in progress"),
                                                 HasSubstr("--ordering passive"))));
  // Away for a while, it is what it was.
  next_ = absl::UnavailableError("no route");
  watch_.Ask();
  EXPECT_EQ(watch_.answer(), Answer::refused);
  next_ = absl::OkStatus();
  watch_.Ask();
  EXPECT_EQ(watch_.refusal(), "");
  EXPECT_THAT(offers_, ElementsAre(false, true));
}

TEST_F(TokenWatchTest, AnotherPrimaryOrTimelineIsAChange) {
  identity_ = "7/00000001";
  watch_.Ask();
  watch_.Ask();
  identity_ = "";  // it did not say
  watch_.Ask();
  EXPECT_EQ(changes_, 0);
  identity_ = "7/00000002";
  watch_.Ask();
  EXPECT_EQ(changes_, 1);
}

TEST_F(TokenWatchTest, AsksAgainAtAReconnectAndWhileItDoesNotKnow) {
  EXPECT_TRUE(watch_.IsDue(true, absl::Seconds(1))) << "never answered";
  watch_.Ask();
  EXPECT_FALSE(watch_.IsDue(true, absl::Hours(1)));
  EXPECT_FALSE(watch_.IsDue(false, absl::Hours(1))) << "away";
  EXPECT_TRUE(watch_.IsDue(true, absl::ZeroDuration())) << "back";
  EXPECT_FALSE(watch_.IsDue(true, absl::ZeroDuration()));
  next_ = absl::PermissionDeniedError("no");
  watch_.Ask();
  EXPECT_FALSE(watch_.IsDue(true, absl::Seconds(1)));
  EXPECT_TRUE(watch_.IsDue(true, absl::Seconds(30)));
}

TEST_F(TokenWatchTest, StartsAndStops) {
  watch_.Ask();
  watch_.Start();
  watch_.Stop();
  EXPECT_EQ(watch_.answer(), Answer::answered);
}

}  // namespace
}  // namespace pgparity::proxy
