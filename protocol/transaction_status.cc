#include "protocol/transaction_status.h"

namespace pgparity::protocol {
namespace {

TransactionStatus AfterCompletion(TransactionStatus now, TransactionCommand command) {
  switch (command) {
    case TransactionCommand::begin:
    case TransactionCommand::commit_and_chain:
    case TransactionCommand::rollback_and_chain:
    case TransactionCommand::rollback_to_savepoint:
      return TransactionStatus::in_block;
    case TransactionCommand::commit:
    case TransactionCommand::rollback:
    case TransactionCommand::prepare_transaction:
      return TransactionStatus::idle;
    case TransactionCommand::none:
    case TransactionCommand::savepoint:
    case TransactionCommand::release_savepoint:
    case TransactionCommand::commit_prepared:
    case TransactionCommand::rollback_prepared:
      break;
  }
  return now;
}

// These leave the block before they do what can fail, so that their failure leaves no failed block.
bool LeavesBlockFirst(TransactionCommand command) {
  return command == TransactionCommand::commit || command == TransactionCommand::commit_and_chain ||
         command == TransactionCommand::prepare_transaction;
}

}  // namespace

std::optional<TransactionStatus> NextStatus(TransactionStatus now, TransactionCommand command,
                                            StatementOutcome outcome) {
  if (outcome == StatementOutcome::completed) return AfterCompletion(now, command);
  if (now != TransactionStatus::in_block) return now;
  if (outcome == StatementOutcome::refused || !LeavesBlockFirst(command))
    return TransactionStatus::failed;
  if (outcome == StatementOutcome::cancelled) return std::nullopt;
  return TransactionStatus::idle;
}

bool EndsTransaction(TransactionCommand command) {
  switch (command) {
    case TransactionCommand::commit:
    case TransactionCommand::commit_and_chain:
    case TransactionCommand::rollback:
    case TransactionCommand::rollback_and_chain:
    case TransactionCommand::prepare_transaction:
      return true;
    default:
      return false;
  }
}

}  // namespace pgparity::protocol
