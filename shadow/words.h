// Small helpers on std::string_view.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/ascii.h"

namespace pgparity::shadow {

inline std::string Lower(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) c = absl::ascii_tolower(static_cast<unsigned char>(c));
  return lower;
}

inline bool SameWord(std::string_view a, std::string_view b) {
  return a.size() == b.size() &&
         std::equal(a.begin(), a.end(), b.begin(), [](unsigned char x, unsigned char y) {
           return absl::ascii_tolower(x) == absl::ascii_tolower(y);
         });
}

inline std::vector<std::string_view> SplitWords(std::string_view list) {
  std::vector<std::string_view> words;
  while (!list.empty()) {
    const size_t end = std::min(list.find(' '), list.size());
    if (end > 0) words.push_back(list.substr(0, end));
    list.remove_prefix(std::min(end + 1, list.size()));
  }
  return words;
}

// `text` with each `quote` doubled, in quotes.
inline std::string Quoted(std::string_view text, char quote) {
  std::string quoted(1, quote);
  for (const char c : text) quoted.append(c == quote ? 2 : 1, c);
  return quoted.append(1, quote);
}

// The inside of a string literal, quoted identifier or dollar quote; its escapes stay as they are.
inline std::string_view InsideOfLiteral(std::string_view literal) {
  if (literal.starts_with('$')) {
    const size_t tag = literal.find('$', 1) + 1;
    return literal.size() >= 2 * tag ? literal.substr(tag, literal.size() - 2 * tag)
                                     : std::string_view();
  }
  const size_t open = literal.find_first_of("'\"");
  if (open == std::string_view::npos || literal.size() < open + 2) return {};
  return literal.substr(open + 1, literal.size() - open - 2);
}

}  // namespace pgparity::shadow
