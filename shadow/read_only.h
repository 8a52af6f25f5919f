// A cheap look at whether a statement can have written anything. Errs towards "it can".
#pragma once

#include <string_view>

#include "shadow/unit.h"

namespace pgparity::shadow {

// The text is a SELECT, VALUES, TABLE, SHOW or WITH in which nothing that writes is mentioned, and
// no function but well-known ones that only read is called. Views and operators may still hide one.
bool TextReadsOnly(std::string_view sql);

// Reads only by its command tag (where it has one) and its text; transaction control, empty queries
// and what the server skipped count as reading.
bool StatementReadsOnly(const Statement& statement);

// Ends the transaction that a pipeline has open without waiting for Sync, since it refuses to run
// inside of one (XACT_FLAGS_NEEDIMMEDIATECOMMIT in src/backend/tcop/postgres.c).
bool CommitsAtOnce(const Statement& statement);

}  // namespace pgparity::shadow
