#include "protocol/transaction_status.h"

#include <gtest/gtest.h>

namespace pgparity::protocol {
namespace {

using Command = TransactionCommand;
using Outcome = StatementOutcome;
using Status = TransactionStatus;

TEST(NextStatus, Completed) {
  for (const Status now : {Status::idle, Status::in_block, Status::failed}) {
    EXPECT_EQ(NextStatus(now, Command::begin, Outcome::completed), Status::in_block);
    EXPECT_EQ(NextStatus(now, Command::commit, Outcome::completed), Status::idle);
    EXPECT_EQ(NextStatus(now, Command::rollback, Outcome::completed), Status::idle);
    EXPECT_EQ(NextStatus(now, Command::prepare_transaction, Outcome::completed), Status::idle);
    EXPECT_EQ(NextStatus(now, Command::commit_and_chain, Outcome::completed), Status::in_block);
    EXPECT_EQ(NextStatus(now, Command::rollback_and_chain, Outcome::completed), Status::in_block);
    EXPECT_EQ(NextStatus(now, Command::none, Outcome::completed), now);
    EXPECT_EQ(NextStatus(now, Command::savepoint, Outcome::completed), now);
    EXPECT_EQ(NextStatus(now, Command::commit_prepared, Outcome::completed), now);
  }
  EXPECT_EQ(NextStatus(Status::failed, Command::rollback_to_savepoint, Outcome::completed),
            Status::in_block);
}

TEST(NextStatus, ErrorsFailABlockOnly) {
  for (const Outcome outcome : {Outcome::failed, Outcome::refused, Outcome::cancelled}) {
    EXPECT_EQ(NextStatus(Status::idle, Command::none, outcome), Status::idle);
    EXPECT_EQ(NextStatus(Status::idle, Command::begin, outcome), Status::idle);
    EXPECT_EQ(NextStatus(Status::in_block, Command::none, outcome), Status::failed);
    EXPECT_EQ(NextStatus(Status::in_block, Command::begin, outcome), Status::failed);
    EXPECT_EQ(NextStatus(Status::in_block, Command::rollback_to_savepoint, outcome),
              Status::failed);
    EXPECT_EQ(NextStatus(Status::failed, Command::none, outcome), Status::failed);
  }
}

TEST(NextStatus, ACommitThatFailsLeavesTheBlock) {
  for (const Command command :
       {Command::commit, Command::commit_and_chain, Command::prepare_transaction}) {
    EXPECT_EQ(NextStatus(Status::in_block, command, Outcome::failed), Status::idle);
    EXPECT_EQ(NextStatus(Status::in_block, command, Outcome::refused), Status::failed);
    EXPECT_EQ(NextStatus(Status::in_block, command, Outcome::cancelled), std::nullopt);
  }
}

}  // namespace
}  // namespace pgparity::protocol
