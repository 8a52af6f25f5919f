// How a session's transaction status moves from statement to statement.
// Source of the rules: src/backend/access/transam/xact.c.
#pragma once

#include <cstdint>
#include <optional>

#include "protocol/sql_lexer.h"

namespace pgparity::protocol {

// Transaction status as ReadyForQuery spells it.
enum class TransactionStatus : char { idle = 'I', in_block = 'T', failed = 'E' };

enum class StatementOutcome : uint8_t {
  completed,
  failed,     // an error while it ran
  refused,    // an error before it ran: syntax, Parse, Bind
  cancelled,  // an error that may have come before it ran or while it ran (57014)
};

// The status after a statement, or nullopt when only the server can tell.
std::optional<TransactionStatus> NextStatus(TransactionStatus now, TransactionCommand command,
                                            StatementOutcome outcome);

// A completed statement of this kind leaves no portal open: the transaction it was in is over.
bool EndsTransaction(TransactionCommand command);

}  // namespace pgparity::protocol
