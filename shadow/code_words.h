// The words of code in SQL or PL/pgSQL, with those of the strings in it.
#pragma once

#include <string>
#include <string_view>

#include "absl/functional/function_ref.h"

namespace pgparity::shadow {

// Strings within strings are looked into so many levels deep.
constexpr int kMaxCodeNesting = 4;

struct CodeWord {
  std::string text;           // folded; of a quoted identifier as it stands
  std::string_view previous;  // the word before, a dot between them passed over; else ""
  bool call = false;          // '(' follows
  bool behind_dot = false;    // x.word
  bool unicode = false;       // U&"..": its text is not decoded
};

// Calls `fn` for each; views are valid during the call. Strings are read as code `nesting` deep.
void ForEachWord(std::string_view code, int nesting, absl::FunctionRef<void(const CodeWord&)> fn);

// The schema that holds our progress on the shadow, and the names of our prepared statements.
inline bool IsOwnName(std::string_view word) {
  return word == "pgparity" || word.starts_with("pgparity_");
}

// What a string literal stands for; a backslash in E'' is left as it is. `exact` says whether that
// is what the server reads: no escapes, no U&, not in pieces.
std::string Unquote(std::string_view literal, bool* exact);

}  // namespace pgparity::shadow
