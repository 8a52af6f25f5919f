// Small text helpers of the codecs.
#include <algorithm>
#include <charconv>

#include "protocol/value_internal.h"

namespace pgparity::protocol::value_internal {

bool ParseInt64(std::string_view text, int64_t* value) {
  if (text.starts_with('+')) {
    text.remove_prefix(1);
    if (text.starts_with('-')) return false;
  }
  const auto result = std::from_chars(text.data(), text.data() + text.size(), *value);
  return result.ec == std::errc() && result.ptr == text.data() + text.size();
}

std::vector<std::string_view> SplitAtSpaces(std::string_view text, size_t limit) {
  std::vector<std::string_view> parts;
  while (parts.size() + 1 < limit) {
    const size_t space = text.find(' ');
    if (space == std::string_view::npos) break;
    parts.push_back(text.substr(0, space));
    text.remove_prefix(space + 1);
  }
  parts.push_back(text);
  return parts;
}

bool ContainsIgnoringCase(std::string_view text, std::string_view lower_case_part) {
  const auto same = [](char a, char b) { return (a >= 'A' && a <= 'Z' ? a - 'A' + 'a' : a) == b; };
  return std::search(text.begin(), text.end(), lower_case_part.begin(), lower_case_part.end(),
                     same) != text.end();
}

std::string HexText(std::string_view bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string result;
  result.reserve(bytes.size() * 2);
  for (const char c : bytes) {
    result.push_back(kDigits[static_cast<uint8_t>(c) >> 4]);
    result.push_back(kDigits[static_cast<uint8_t>(c) & 15]);
  }
  return result;
}

}  // namespace pgparity::protocol::value_internal
