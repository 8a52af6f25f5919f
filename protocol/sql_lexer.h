// A bounded lexer for what the protocol itself needs to know of SQL: where the statements of a
// simple Query begin, and which statements end or begin a transaction. It is no parser.
// Source of the rules: PostgreSQL manual, "Lexical Structure", and psql's psqlscan.l.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace pgparity::protocol {

// What a statement does to the transaction status.
enum class TransactionCommand : uint8_t {
  none,
  begin,                  // BEGIN, START TRANSACTION
  commit,                 // COMMIT, END
  commit_and_chain,
  rollback,               // ROLLBACK, ABORT
  rollback_and_chain,
  rollback_to_savepoint,
  savepoint,
  release_savepoint,
  prepare_transaction,
  commit_prepared,
  rollback_prepared,
};

// The statements of `sql`, without their semicolons and surrounding white space and comments; empty
// statements are left out, as the server leaves them out. The views point into `sql`. Knows quotes
// (E'' and standard_conforming_strings), dollar quotes, nested comments, parentheses, and
// BEGIN ATOMIC bodies. Linear time on any input, unterminated quotes included.
std::vector<std::string_view> SplitStatements(std::string_view sql, bool standard_conforming_strings);

// Classifies one statement (leading comments allowed). Looks at no more than its first 64 tokens.
TransactionCommand ClassifyTransactionCommand(std::string_view statement);

// The statement's first keyword in upper case ("SELECT", "INSERT", ...), at most 31 bytes, or empty.
// The view points into a static table for known keywords; unknown ones give "".
std::string_view FirstKeyword(std::string_view statement);

}  // namespace pgparity::protocol
