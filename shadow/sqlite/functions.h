// PostgreSQL's functions and sort orders for SQLite, registered on a connection. They stand in
// query text alone: nothing in the file needs them.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "shadow/sqlite/sql_value.h"

struct sqlite3;

namespace pgparity::shadow::sqlite {

// What functions take from the session whose statement runs. Changed between statements.
struct FunctionSession {
  absl::TimeZone zone = absl::UTCTimeZone();
  std::string collation;  // of the primary's database, for "pg_text": "C", "en_US.UTF-8"
};

// `session` outlives the connection.
absl::Status RegisterFunctions(sqlite3* db, FunctionSession* session);
// False where this machine has no locale of that name.
bool CollationIsKnown(const std::string& name);

// What an error of SQLite's on this connection means to PostgreSQL.
Problem ProblemOf(sqlite3* db);

}  // namespace pgparity::shadow::sqlite
