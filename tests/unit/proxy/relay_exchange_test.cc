#include "proxy/relay_exchange.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace pgparity::proxy {
namespace {

class ExchangeTest : public testing::Test {
 protected:
  // Upper- and lower-case tags of frames; '>' and '<' turn the direction (it begins with '>', from
  // the client), and after '<' "Z" is followed by its status.
  void Play(std::string_view script) {
    bool from_client = true;
    for (size_t i = 0; i < script.size(); ++i) {
      const char c = script[i];
      if (c == '>' || c == '<') {
        from_client = c == '>';
      } else if (from_client) {
        state_.ClientTag(c);
      } else if (c == 'Z') {
        state_.Ready(script[++i]);
      } else {
        state_.ServerTag(c);
      }
    }
  }
  ExchangeState state_;
};

TEST_F(ExchangeTest, CountsPipelinedExchanges) {
  Play(">PBESPBESQF");
  EXPECT_EQ(state_.outstanding(), 4u);
  Play("<12CZI12CZICZI");
  EXPECT_EQ(state_.outstanding(), 1u);
  EXPECT_FALSE(state_.Idle());
  Play("<VZI");
  EXPECT_TRUE(state_.Idle());
}

TEST_F(ExchangeTest, AFlushWithoutSyncIsNotIdle) {
  Play(">PBEH<12C");
  EXPECT_FALSE(state_.Idle());
  Play(">S<ZI");
  EXPECT_TRUE(state_.Idle());
}

TEST_F(ExchangeTest, CopyInOfASimpleQuery) {
  Play(">Q<G");
  EXPECT_FALSE(state_.Idle());
  Play(">ddc<CZI");
  EXPECT_TRUE(state_.Idle());
}

TEST_F(ExchangeTest, ASyncSentBeforeTheCopyBeganIsIgnoredByTheServer) {
  Play(">PBES<12G");
  EXPECT_EQ(state_.outstanding(), 0u);
  EXPECT_FALSE(state_.Idle());
  Play(">dSdcS");  // the first Sync falls into the copy data
  EXPECT_EQ(state_.outstanding(), 1u);
  Play("<CZI");
  EXPECT_TRUE(state_.Idle());
}

TEST_F(ExchangeTest, ACopySentWholeBeforeItsAnswerKeepsItsSync) {
  Play(">PBEddcS<12G");
  EXPECT_EQ(state_.outstanding(), 1u);
  EXPECT_FALSE(state_.Idle());
  Play("<CZI");
  EXPECT_TRUE(state_.Idle());
}

TEST_F(ExchangeTest, AQueryAheadOfAnExtendedCopyKeepsItsAnswer) {
  Play(">QPBES<CZI");
  EXPECT_EQ(state_.outstanding(), 1u);
  Play("<12G>dcS<CZI");
  EXPECT_TRUE(state_.Idle());
}

TEST_F(ExchangeTest, ACopyThatFailsOnTheServerEndsIt) {
  Play(">PBES<12G>d<E>dcS");
  EXPECT_EQ(state_.outstanding(), 1u);
  Play("<ZI");
  EXPECT_TRUE(state_.Idle());
}

TEST_F(ExchangeTest, UnaskedReadyForQueryDoesNoHarm) {
  Play("<ZIZI");
  EXPECT_TRUE(state_.Idle());
  EXPECT_EQ(state_.outstanding(), 0u);
}

TEST_F(ExchangeTest, CountsMoreThanItKnowsTheKindsOf) {
  Play(">" + std::string(200, 'S'));
  EXPECT_EQ(state_.outstanding(), 200u);
  std::string ready = "<";
  for (int i = 0; i < 200; ++i) ready += "ZI";
  Play(ready);
  EXPECT_TRUE(state_.Idle());
}

}  // namespace
}  // namespace pgparity::proxy
