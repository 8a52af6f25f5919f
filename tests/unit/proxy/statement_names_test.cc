#include "proxy/statement_names.h"

#include <gtest/gtest.h>

namespace pgparity::proxy {
namespace {

using Class = StatementClass;
constexpr uint64_t kUnnamed = StatementNames::kUnnamed;

class NamesTest : public testing::Test {
 protected:
  // What an Execute of that statement would run.
  Class Of(uint64_t statement) {
    names_.Bind(1, statement);
    return names_.Portal(1);
  }
  StatementNames names_;
};

TEST_F(NamesTest, HoldInTheirPipelineAndAfterwards) {
  names_.Parse(7, Class::write, 99);
  names_.Parse(kUnnamed, Class::read);
  EXPECT_EQ(Of(7), Class::write);
  EXPECT_EQ(Of(kUnnamed), Class::read);
  names_.ExchangeSent();
  names_.ParseCompleted();
  names_.ParseCompleted();
  names_.Ready(true);
  EXPECT_EQ(Of(7), Class::write);
  EXPECT_EQ(names_.Fingerprint(7), 99u);
  EXPECT_EQ(Of(kUnnamed), Class::read);
  EXPECT_EQ(Of(8), Class::unknown);
  names_.QuerySent();
  EXPECT_EQ(Of(kUnnamed), Class::unknown);
}

TEST_F(NamesTest, AParseThatFailedMadeNothing) {
  names_.Parse(7, Class::begin);
  names_.ExchangeSent();
  names_.ParseCompleted();
  names_.Ready(true);
  // The name exists: the second fails, and what follows is skipped.
  names_.Parse(7, Class::write);
  names_.Parse(8, Class::write);
  names_.ExchangeSent();
  names_.Failed();
  names_.Ready(true);
  EXPECT_EQ(Of(7), Class::begin);
  EXPECT_EQ(Of(8), Class::unknown);
}

// Several exchanges under way: each completion counts for its own.
TEST_F(NamesTest, PipelinedExchanges) {
  names_.Parse(1, Class::read);
  names_.Parse(2, Class::read);
  names_.ExchangeSent();
  names_.Parse(3, Class::write);
  names_.ExchangeSent();
  names_.ParseCompleted();
  names_.Failed();  // of 2
  names_.Ready(false);
  names_.ParseCompleted();
  names_.Ready(true);
  EXPECT_EQ(Of(1), Class::read);
  EXPECT_EQ(Of(2), Class::unknown);
  EXPECT_EQ(Of(3), Class::write);
}

// What the client has sent of the next exchange is not forgotten when it is answered.
TEST_F(NamesTest, AnExchangeThatIsOpenWhileTheOneBeforeIsAnswered) {
  names_.ExchangeSent();
  names_.Parse(4, Class::write);
  names_.Ready(true);
  EXPECT_EQ(Of(4), Class::write);
  names_.ParseCompleted();
  EXPECT_EQ(Of(4), Class::write);
}

TEST_F(NamesTest, ClosedOnesAndAllOfThem) {
  names_.Parse(1, Class::write);
  names_.Parse(2, Class::write);
  names_.CloseStatement(2);
  EXPECT_EQ(Of(2), Class::unknown);
  names_.ExchangeSent();
  names_.ParseCompleted();
  names_.ParseCompleted();
  names_.Ready(true);
  EXPECT_EQ(Of(1), Class::write);
  names_.CloseStatement(1);
  EXPECT_EQ(Of(1), Class::unknown);
  names_.Parse(3, Class::write);
  names_.ParseCompleted();
  names_.ForgetStatements();
  EXPECT_EQ(Of(3), Class::unknown);
}

TEST_F(NamesTest, PortalsEndWithTheirTransaction) {
  names_.Parse(1, Class::write);
  names_.Bind(5, 1);
  names_.Bind(kUnnamed, 1);
  EXPECT_EQ(names_.Portal(5), Class::write);
  names_.ClosePortal(5);
  EXPECT_EQ(names_.Portal(5), Class::unknown);
  EXPECT_EQ(names_.Portal(kUnnamed), Class::write);
  names_.TransactionOver();
  EXPECT_EQ(names_.Portal(kUnnamed), Class::unknown);
}

TEST_F(NamesTest, IsBounded) {
  for (uint64_t i = 1; i <= 2000; ++i) names_.Parse(i, Class::write);
  EXPECT_EQ(Of(1), Class::unknown) << "more are under way than are kept";
  names_.ExchangeSent();
  for (int i = 0; i < 2000; ++i) names_.ParseCompleted();
  names_.Ready(true);
  EXPECT_EQ(Of(1), Class::unknown);
  for (uint64_t i = 1; i <= 5000; ++i) {
    names_.Parse(i, Class::write);
    names_.ParseCompleted();
    names_.Bind(i, i);
  }
  EXPECT_EQ(Of(4000), Class::write);
  EXPECT_EQ(Of(5000), Class::unknown);
  EXPECT_EQ(names_.Portal(2), Class::write);
  EXPECT_EQ(names_.Portal(4000), Class::unknown);
}

}  // namespace
}  // namespace pgparity::proxy
