#include "shadow/sqlite/json_text.h"

#include <algorithm>

#include "protocol/text.h"
#include "shadow/sqlite/decimal.h"
#include "shadow/sqlite/function_call.h"

namespace pgparity::shadow::sqlite {
namespace {

bool IsSpace(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

class Walker {
 public:
  explicit Walker(std::string_view text) : rest_(text) {}
  void Space() {
    while (!rest_.empty() && IsSpace(rest_[0])) rest_.remove_prefix(1);
  }
  bool Take(char c) {
    Space();
    if (!rest_.starts_with(c)) return false;
    rest_.remove_prefix(1);
    return true;
  }
  char peek() {
    Space();
    return rest_.empty() ? '\0' : rest_[0];
  }
  // The text of one value.
  std::string_view Value() {
    Space();
    const std::string_view begin = rest_;
    if (rest_.starts_with('"')) {
      SkipString();
    } else if (rest_.starts_with('{') || rest_.starts_with('[')) {
      int depth = 0;
      while (!rest_.empty()) {
        const char c = rest_[0];
        if (c == '"') {
          SkipString();
          continue;
        }
        depth += c == '{' || c == '[' ? 1 : c == '}' || c == ']' ? -1 : 0;
        rest_.remove_prefix(1);
        if (depth == 0) break;
      }
    } else {
      while (!rest_.empty() && rest_[0] != ',' && rest_[0] != '}' && rest_[0] != ']' &&
             !IsSpace(rest_[0]))
        rest_.remove_prefix(1);
    }
    return begin.substr(0, begin.size() - rest_.size());
  }

 private:
  void SkipString() {
    rest_.remove_prefix(1);
    while (!rest_.empty() && rest_[0] != '"')
      rest_.remove_prefix(rest_[0] == '\\' && rest_.size() > 1 ? 2 : 1);
    if (!rest_.empty()) rest_.remove_prefix(1);
  }
  std::string_view rest_;
};

uint32_t HexValue(std::string_view digits) {
  uint32_t value = 0;
  for (const char c : digits)
    value = value * 16 + static_cast<uint32_t>(c <= '9' ? c - '0' : (c | 32) - 'a' + 10);
  return value;
}

void AppendUtf8(uint32_t c, std::string* out) {
  if (c < 0x80) {
    *out += static_cast<char>(c);
  } else if (c < 0x800) {
    *out += {static_cast<char>(0xC0 | c >> 6), static_cast<char>(0x80 | (c & 0x3F))};
  } else if (c < 0x10000) {
    *out += {static_cast<char>(0xE0 | c >> 12), static_cast<char>(0x80 | (c >> 6 & 0x3F)),
             static_cast<char>(0x80 | (c & 0x3F))};
  } else {
    *out += {static_cast<char>(0xF0 | c >> 18), static_cast<char>(0x80 | (c >> 12 & 0x3F)),
             static_cast<char>(0x80 | (c >> 6 & 0x3F)), static_cast<char>(0x80 | (c & 0x3F))};
  }
}

std::string Unquoted(std::string_view json) {
  std::string out;
  for (size_t i = 1; i + 1 < json.size(); ++i) {
    if (json[i] != '\\') {
      out += json[i];
      continue;
    }
    constexpr std::string_view kFrom = "bfnrt", kTo = "\b\f\n\r\t";
    const char c = json[++i];
    if (const size_t at = kFrom.find(c); at != std::string_view::npos) {
      out += kTo[at];
    } else if (c == 'u' && i + 4 < json.size()) {
      uint32_t code = HexValue(json.substr(i + 1, 4));
      i += 4;
      if (code >= 0xD800 && code < 0xDC00 && i + 6 < json.size() && json[i + 1] == '\\') {
        code = 0x10000 + ((code - 0xD800) << 10) + (HexValue(json.substr(i + 3, 4)) - 0xDC00);
        i += 6;
      }
      AppendUtf8(code, &out);
    } else {
      out += c;
    }
  }
  return out;
}

// compareJsonbContainers()'s order of kinds.
int Rank(std::string_view json) {
  switch (json.empty() ? 'n' : json[0]) {
    case 'n':
      return 0;
    case '"':
      return 1;
    case 't':
    case 'f':
      return 3;
    case '[':
      return 4;
    case '{':
      return 5;
    default:
      return 2;
  }
}

}  // namespace

JsonParts PartsOf(std::string_view json) {
  JsonParts parts;
  Walker walker(json);
  if (walker.Take('{')) {
    parts.kind = '{';
    while (walker.peek() == '"') {
      std::string key = Unquoted(walker.Value());
      walker.Take(':');
      parts.members.emplace_back(std::move(key), walker.Value());
      if (!walker.Take(',')) break;
    }
  } else if (walker.Take('[')) {
    parts.kind = '[';
    while (walker.peek() != ']' && walker.peek() != '\0') {
      parts.members.emplace_back(std::string(), walker.Value());
      if (!walker.Take(',')) break;
    }
  }
  return parts;
}

std::optional<std::string> ScalarText(std::string_view json) {
  Walker walker(json);
  const std::string_view value = walker.Value();
  if (value == "null") return std::nullopt;
  return value.starts_with('"') ? Unquoted(value) : std::string(value);
}

std::string_view JsonTypeOf(std::string_view json) {
  Walker walker(json);
  switch (walker.peek()) {
    case '{':
      return "object";
    case '[':
      return "array";
    case '"':
      return "string";
    case 't':
    case 'f':
      return "boolean";
    case 'n':
      return "null";
    default:
      return "number";
  }
}

std::string JsonbObject(std::vector<std::pair<std::string, std::string>> members) {
  // Of equal keys the last one stays. Keys go by length, then by bytes.
  std::vector<std::pair<std::string, std::string>> kept;
  for (auto& member : members) {
    auto same = std::find_if(kept.begin(), kept.end(),
                             [&](const auto& other) { return other.first == member.first; });
    if (same == kept.end()) {
      kept.push_back(std::move(member));
    } else {
      same->second = std::move(member.second);
    }
  }
  std::sort(kept.begin(), kept.end(), [](const auto& a, const auto& b) {
    return a.first.size() != b.first.size() ? a.first.size() < b.first.size() : a.first < b.first;
  });
  std::string out = "{";
  for (const auto& [key, value] : kept)
    out += protocol::StrCat(out.size() == 1 ? "" : ", ", JsonQuoted(key), ": ", value);
  return out + "}";
}

std::string JsonbArray(const std::vector<std::string>& items) {
  std::string out = "[";
  for (const std::string& item : items) out += protocol::StrCat(out.size() == 1 ? "" : ", ", item);
  return out + "]";
}

int CompareJsonb(std::string_view a, std::string_view b) {
  if (a == b) return 0;
  const int x = Rank(a), y = Rank(b);
  if (x != y) return x < y ? -1 : 1;
  if (x == 1) {
    const std::string s = Unquoted(a), t = Unquoted(b);
    return s < t ? -1 : s > t ? 1 : 0;
  }
  if (x == 2) return CompareNumerics(a, b);
  if (x == 3) return a == "true" ? 1 : -1;
  const JsonParts one = PartsOf(a), two = PartsOf(b);
  if (one.members.size() != two.members.size()) {
    // An empty top-level array sorts below null; such rarities aside, the longer is the greater.
    return one.members.size() < two.members.size() ? -1 : 1;
  }
  for (size_t i = 0; i < one.members.size(); ++i) {
    if (one.members[i].first != two.members[i].first) {
      const std::string &k = one.members[i].first, &l = two.members[i].first;
      return k.size() != l.size() ? (k.size() < l.size() ? -1 : 1) : k < l ? -1 : 1;
    }
    if (const int order = CompareJsonb(one.members[i].second, two.members[i].second); order != 0)
      return order;
  }
  return 0;
}

bool JsonbContains(std::string_view whole, std::string_view part) {
  const JsonParts a = PartsOf(whole), b = PartsOf(part);
  if (a.kind == '[' && b.kind == 'v') {
    // An array contains a scalar that is one of its items; at the top level alone.
    return std::any_of(a.members.begin(), a.members.end(),
                       [&](const auto& item) { return CompareJsonb(item.second, part) == 0; });
  }
  if (a.kind != b.kind) return false;
  if (a.kind == 'v') return CompareJsonb(whole, part) == 0;
  return std::all_of(b.members.begin(), b.members.end(), [&](const auto& wanted) {
    return std::any_of(a.members.begin(), a.members.end(), [&](const auto& item) {
      if (a.kind == '{' && item.first != wanted.first) return false;
      const char item_kind = PartsOf(item.second).kind, wanted_kind = PartsOf(wanted.second).kind;
      if (item_kind != wanted_kind) return false;
      return item_kind == 'v' ? CompareJsonb(item.second, wanted.second) == 0
                              : JsonbContains(item.second, wanted.second);
    });
  });
}

std::vector<std::optional<std::string>> ArrayItems(std::string_view json) {
  std::vector<std::optional<std::string>> items;
  for (const auto& [key, value] : PartsOf(json).members) items.push_back(ScalarText(value));
  return items;
}

int CompareArrays(std::string_view a, std::string_view b) {
  if (a == b) return 0;
  const JsonParts one = PartsOf(a), two = PartsOf(b);
  for (size_t i = 0; i < std::min(one.members.size(), two.members.size()); ++i) {
    const std::string_view x = one.members[i].second, y = two.members[i].second;
    if (x == y) continue;
    // NULL is above all else.
    if (x == "null" || y == "null") return x == "null" ? 1 : -1;
    int order = 0;
    if (x[0] == '[') {
      order = CompareArrays(x, y);
    } else if (x[0] == '"') {
      const std::string s = Unquoted(x), t = Unquoted(y);
      order = s < t ? -1 : s > t ? 1 : 0;
    } else {
      order = CompareNumerics(x, y);
    }
    if (order != 0) return order;
  }
  return one.members.size() < two.members.size()   ? -1
         : one.members.size() > two.members.size() ? 1
                                                   : 0;
}

}  // namespace pgparity::shadow::sqlite
