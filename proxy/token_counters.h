// What became of the tokens of ordering `exact`. Written by one thread, read by any.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "proxy/counter.h"

namespace pgparity::proxy {

// Why a unit that writes, or may, went without a token: its interval orders it then.
enum class TokenLeftOut : uint8_t {
  pipelined,          // something sent before was not answered yet
  unknown_statement,  // it executes a prepared statement whose text was not seen
  other_statement,    // not only known reads and writes: COPY, CALL, CREATE, ...
  text,               // a simple Query in which no place is certain
  too_long,           // a simple Query longer than --ordering-text
  unprepared,         // behind DISCARD ALL or DEALLOCATE ALL, and not idle since
  refused,            // the primary refuses the token to this session
};
inline constexpr size_t kTokenLeftOuts = 7;

// "pipelined", "unknown-statement", ...
constexpr std::string_view NameOf(TokenLeftOut why) {
  constexpr std::string_view kNames[kTokenLeftOuts] = {
      "pipelined", "unknown-statement", "other-statement", "text",
      "too-long",  "unprepared",        "refused"};
  return kNames[static_cast<size_t>(why)];
}

struct TokenCounters {
  Counter sent, seen;
  Counter refused_sessions;  // by the primary
  Counter sent_again;        // simple Queries that went again as they were, behind a syntax error
  std::array<Counter, kTokenLeftOuts> left_out;
  void LeftOut(TokenLeftOut why) { left_out[static_cast<size_t>(why)].Add(); }
};

}  // namespace pgparity::proxy
