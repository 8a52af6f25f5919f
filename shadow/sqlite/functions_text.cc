// Strings. Source of the rules: varlena.c, oracle_compat.c, like_match.c, formatting.c. Case goes
// by Unicode's simple mappings, one character for one, as the C library's towupper() does.
#include <unicode/uchar.h>
#include <unicode/uregex.h>
#include <unicode/ustring.h>

#include <memory>

#include "protocol/digest.h"
#include "shadow/sqlite/function_call.h"
#include "shadow/words.h"

namespace pgparity::shadow::sqlite {
namespace {

using protocol::StrCat;

std::u32string Decode(std::string_view text) {
  std::u32string out;
  for (size_t i = 0; i < text.size();) {
    const auto byte = static_cast<unsigned char>(text[i]);
    const size_t length = byte < 0x80 ? 1 : byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4;
    char32_t c = length == 1 ? byte : byte & (0xFF >> (length + 1));
    for (size_t k = 1; k < length && i + k < text.size(); ++k)
      c = c << 6 | (static_cast<unsigned char>(text[i + k]) & 0x3F);
    out.push_back(c);
    i += length;
  }
  return out;
}

std::string Encode(std::u32string_view text) {
  std::string out;
  for (const char32_t c : text) {
    if (c < 0x80) {
      out.push_back(static_cast<char>(c));
    } else if (c < 0x800) {
      out += {static_cast<char>(0xC0 | c >> 6), static_cast<char>(0x80 | (c & 0x3F))};
    } else if (c < 0x10000) {
      out += {static_cast<char>(0xE0 | c >> 12), static_cast<char>(0x80 | (c >> 6 & 0x3F)),
              static_cast<char>(0x80 | (c & 0x3F))};
    } else {
      out += {static_cast<char>(0xF0 | c >> 18), static_cast<char>(0x80 | (c >> 12 & 0x3F)),
              static_cast<char>(0x80 | (c >> 6 & 0x3F)), static_cast<char>(0x80 | (c & 0x3F))};
    }
  }
  return out;
}

char32_t ToLower(char32_t c) { return static_cast<char32_t>(u_tolower(static_cast<UChar32>(c))); }
char32_t ToUpper(char32_t c) { return static_cast<char32_t>(u_toupper(static_cast<UChar32>(c))); }

template <char32_t (*kMap)(char32_t)>
void Mapped(Call& c) {
  std::u32string text = Decode(c.Text(0));
  for (char32_t& character : text) character = kMap(character);
  c.Return(std::string_view(Encode(text)));
}

void InitCap(Call& c) {
  std::u32string text = Decode(c.Text(0));
  bool inside = false;
  for (char32_t& character : text) {
    character = inside ? ToLower(character) : ToUpper(character);
    inside = u_isalnum(static_cast<UChar32>(character)) != 0;
  }
  c.Return(std::string_view(Encode(text)));
}

// ------------------------------------------------------------------------------------- LIKE

enum class Match : uint8_t { yes, no, bad_pattern };

// One token of a pattern at `at`: any character, any string, or a literal one.
Match MatchLike(const std::u32string& text, size_t t, const std::u32string& pattern, size_t p,
                char32_t escape, bool escapes) {
  while (p < pattern.size()) {
    if (escapes && pattern[p] == escape) {
      if (++p >= pattern.size()) return Match::bad_pattern;
      if (t >= text.size() || text[t] != pattern[p]) return Match::no;
      ++p;
      ++t;
    } else if (pattern[p] == '%') {
      while (p < pattern.size() && (pattern[p] == '%' || pattern[p] == '_')) {
        if (pattern[p] == '_') {
          if (t >= text.size()) return Match::no;
          ++t;
        }
        ++p;
      }
      if (p >= pattern.size()) return Match::yes;
      for (; t < text.size(); ++t) {
        const Match rest = MatchLike(text, t, pattern, p, escape, escapes);
        if (rest != Match::no) return rest;
      }
      return Match::no;
    } else if (pattern[p] == '_') {
      if (t >= text.size()) return Match::no;
      ++p;
      ++t;
    } else {
      if (t >= text.size() || text[t] != pattern[p]) return Match::no;
      ++p;
      ++t;
    }
  }
  return t >= text.size() ? Match::yes : Match::no;
}

template <bool kFold>
void Like(Call& c) {
  std::u32string text = Decode(c.Text(0)), pattern = Decode(c.Text(1));
  const std::u32string escape = Decode(c.Text(2));
  if (escape.size() > 1) return c.Error("22025", "invalid escape string");
  if (kFold) {
    for (std::u32string* each : {&text, &pattern})
      for (char32_t& character : *each) character = ToLower(character);
  }
  const Match match =
      MatchLike(text, 0, pattern, 0, escape.empty() ? 0 : escape[0], !escape.empty());
  if (match == Match::bad_pattern)
    return c.Error("22025", "LIKE pattern must not end with escape character");
  c.Return(match == Match::yes);
}

// -------------------------------------------------------------------------------- substrings

void Substring(Call& c) {
  const std::u32string text = Decode(c.Text(0));
  const int64_t start = c.Int(1), size = static_cast<int64_t>(text.size());
  int64_t end = size + 1;
  if (c.count() == 3) {
    if (c.Int(2) < 0) return c.Error("22011", "negative substring length not allowed");
    if (__builtin_add_overflow(start, c.Int(2), &end)) end = size + 1;
  }
  const int64_t from = std::max<int64_t>(start, 1), to = std::min(end, size + 1);
  if (from >= to) return c.Return(std::string_view());
  c.Return(std::string_view(Encode(std::u32string_view(text).substr(
      static_cast<size_t>(from - 1), static_cast<size_t>(to - from)))));
}

void Side(Call& c, bool left) {
  const std::u32string text = Decode(c.Text(0));
  const int64_t size = static_cast<int64_t>(text.size()), n = c.Int(1);
  const int64_t count = std::max<int64_t>(0, std::min(size, n < 0 ? size + n : n));
  const auto length = static_cast<size_t>(count);
  const std::u32string_view view = text;
  c.Return(
      std::string_view(Encode(left ? view.substr(0, length) : view.substr(view.size() - length))));
}

// Which ends: 1 left, 2 right, 3 both.
void Trim(Call& c) {
  const std::u32string text = Decode(c.Text(0)), set = Decode(c.Text(1));
  std::u32string_view rest = text;
  auto in_set = [&](char32_t x) { return set.find(x) != std::u32string::npos; };
  while ((c.Int(2) & 1) != 0 && !rest.empty() && in_set(rest.front())) rest.remove_prefix(1);
  while ((c.Int(2) & 2) != 0 && !rest.empty() && in_set(rest.back())) rest.remove_suffix(1);
  c.Return(std::string_view(Encode(rest)));
}

void Pad(Call& c, bool left) {
  const std::u32string text = Decode(c.Text(0)), fill = Decode(c.Text(2));
  const int64_t wanted = std::max<int64_t>(0, c.Int(1));
  if (wanted > (1 << 26)) return c.Error("54000", "requested length too large");
  std::u32string kept = text.substr(0, static_cast<size_t>(wanted)), padding;
  while (!fill.empty() && kept.size() + padding.size() < static_cast<size_t>(wanted))
    padding.push_back(fill[padding.size() % fill.size()]);
  c.Return(std::string_view(Encode(left ? padding + kept : kept + padding)));
}

void Repeat(Call& c) {
  const int64_t count = std::max<int64_t>(0, c.Int(1));
  if (count * static_cast<int64_t>(c.Text(0).size()) > (1 << 28))
    return c.Error("54000", "requested length too large");
  std::string out;
  for (int64_t i = 0; i < count; ++i) out += c.Text(0);
  c.Return(std::string_view(out));
}

void Replace(Call& c) {
  const std::string_view text = c.Text(0), from = c.Text(1), to = c.Text(2);
  if (from.empty()) return c.Return(text);
  std::string out;
  size_t at = 0;
  for (size_t next; (next = text.find(from, at)) != std::string_view::npos; at = next + from.size())
    out.append(text.substr(at, next - at)).append(to);
  c.Return(std::string_view(out.append(text.substr(at))));
}

void SplitPart(Call& c) {
  const std::string_view text = c.Text(0), separator = c.Text(1);
  int64_t wanted = c.Int(2);
  if (wanted == 0) return c.Error("22023", "field position must not be zero");
  std::vector<std::string_view> parts;
  size_t at = 0;
  while (!separator.empty()) {
    const size_t next = text.find(separator, at);
    if (next == std::string_view::npos) break;
    parts.push_back(text.substr(at, next - at));
    at = next + separator.size();
  }
  parts.push_back(text.substr(at));
  if (text.empty()) return c.Return(std::string_view());
  if (wanted < 0) wanted += static_cast<int64_t>(parts.size()) + 1;
  const bool there = wanted >= 1 && wanted <= static_cast<int64_t>(parts.size());
  c.Return(there ? parts[static_cast<size_t>(wanted - 1)] : std::string_view());
}

void Translate(Call& c) {
  const std::u32string text = Decode(c.Text(0)), from = Decode(c.Text(1)), to = Decode(c.Text(2));
  std::u32string out;
  for (const char32_t character : text) {
    const size_t at = from.find(character);
    if (at == std::u32string::npos) {
      out.push_back(character);
    } else if (at < to.size()) {
      out.push_back(to[at]);
    }
  }
  c.Return(std::string_view(Encode(out)));
}

void Overlay(Call& c) {
  const std::u32string text = Decode(c.Text(0));
  const int64_t start = c.Int(2), length = c.Int(3), size = static_cast<int64_t>(text.size());
  if (start < 1) return c.Error("22011", "negative substring length not allowed");
  auto clamp = [&](int64_t at) {
    return static_cast<size_t>(std::max<int64_t>(0, std::min(at, size)));
  };
  c.Return(std::string_view(Encode(text.substr(0, clamp(start - 1))) + std::string(c.Text(1)) +
                            Encode(text.substr(clamp(start - 1 + length)))));
}

void Hex(Call& c) {
  const auto value = static_cast<uint64_t>(c.Int(1) == 4 ? static_cast<uint32_t>(c.Int(0))
                                                         : static_cast<uint64_t>(c.Int(0)));
  char text[32];
  std::snprintf(text, sizeof text, "%llx", static_cast<unsigned long long>(value));
  c.Return(std::string_view(text));
}

std::string HexOf(std::string_view bytes) {
  std::string out;
  constexpr char kHex[] = "0123456789abcdef";
  for (const char byte : bytes)
    out += {kHex[static_cast<unsigned char>(byte) >> 4], kHex[byte & 15]};
  return out;
}

// ------------------------------------------------------------------------------- other texts

void ConcatWithSeparator(Call& c) {
  if (c.IsNull(0)) return c.ReturnNull();
  std::string out;
  bool first = true;
  for (int i = 1; i < c.count(); ++i) {
    if (c.IsNull(i)) continue;
    if (!first) out += c.Text(0);
    out += c.Text(i);
    first = false;
  }
  c.Return(std::string_view(out));
}

std::string QuotedLiteral(std::string_view text) {
  std::string out = text.find('\\') != std::string_view::npos ? "E'" : "'";
  for (const char x : text) out.append(x == '\'' || x == '\\' ? 2 : 1, x);
  return out + "'";
}

// format() with %s, %L and %%; %I needs the list of keywords.
void Format(Call& c) {
  if (c.IsNull(0)) return c.ReturnNull();
  const std::string_view format = c.Text(0);
  std::string out;
  int next = 1;
  for (size_t i = 0; i < format.size(); ++i) {
    if (format[i] != '%') {
      out += format[i];
      continue;
    }
    if (++i >= format.size()) return c.Error("22023", "unterminated format() type specifier");
    if (format[i] == '%') {
      out += '%';
      continue;
    }
    if (format[i] != 's' && format[i] != 'L') return c.Refused("format() with this specifier");
    if (next >= c.count()) return c.Error("22023", "too few arguments for format()");
    if (format[i] == 'L') {
      out += c.IsNull(next) ? "NULL" : QuotedLiteral(c.Text(next));
    } else {
      out += c.Text(next);
    }
    ++next;
  }
  c.Return(std::string_view(out));
}

constexpr std::string_view kBase64 =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void EncodeBytes(Call& c) {
  const std::string_view bytes = c.Text(0), format = c.Text(1);
  if (SameWord(format, "hex")) return c.Return(std::string_view(HexOf(bytes)));
  if (!SameWord(format, "base64")) return c.Refused("encode of this format");
  std::string out;
  size_t line = 0;
  for (size_t i = 0; i < bytes.size(); i += 3) {
    uint32_t group = 0;
    const size_t have = std::min<size_t>(3, bytes.size() - i);
    for (size_t k = 0; k < 3; ++k)
      group = group << 8 | (k < have ? static_cast<unsigned char>(bytes[i + k]) : 0u);
    for (size_t k = 0; k < 4; ++k) out += k <= have ? kBase64[group >> (18 - 6 * k) & 63] : '=';
    if ((line += 4) == 76 && i + 3 < bytes.size()) {
      out += '\n';
      line = 0;
    }
  }
  if (line == 76) out += '\n';
  c.Return(std::string_view(out));
}

void DecodeBytes(Call& c) {
  if (!SameWord(c.Text(1), "hex")) return c.Refused("decode of this format");
  const Result<SqlValue> value =
      ReadValue(StrCat("\\x", c.Text(0)), {oid::kBytea}, absl::UTCTimeZone(), false);
  c.ReturnResult(value);
}

// ------------------------------------------------------------------------ regular expressions

// Patterns that ICU and PostgreSQL read alike, as far as whether they match.
bool IsPlainPattern(std::string_view pattern, bool positions) {
  for (size_t i = 0; i < pattern.size(); ++i) {
    const char x = pattern[i];
    if (static_cast<unsigned char>(x) >= 0x80) return false;
    if (x == '\\') {
      if (++i >= pattern.size()) return false;
      constexpr std::string_view kKnown = ".\\+*?()[]{}|^$/-ds";
      if (kKnown.find(pattern[i]) == std::string_view::npos) return false;
    }
    if (x == '(' && i + 1 < pattern.size() && pattern[i + 1] == '?') return false;
    if (x == '[' && i + 1 < pattern.size()) {
      const size_t end = pattern.find(']', i + 2);
      if (end == std::string_view::npos) return false;
      const std::string_view inside = pattern.substr(i + 1, end - i - 1);
      if (inside.find_first_of("[\\&") != std::string_view::npos) return false;
      i = end;
    }
    // Which of two matches is taken differs.
    if (positions &&
        (x == '|' || (x == '?' && i > 0 &&
                      std::string_view("*+?}").find(pattern[i - 1]) != std::string_view::npos)))
      return false;
    if (x == '*' && (i == 0 || pattern[i - 1] == '(' || pattern[i - 1] == '|')) return false;
    if (x == '{' && (i + 1 >= pattern.size() || pattern[i + 1] < '0' || pattern[i + 1] > '9'))
      return false;
    if (x == '#') return false;
  }
  return pattern.size() < 1000 && !pattern.starts_with("***");
}

struct RegexDeleter {
  void operator()(URegularExpression* regex) const { uregex_close(regex); }
};
using Regex = std::unique_ptr<URegularExpression, RegexDeleter>;

Regex Compile(std::string_view pattern, bool fold) {
  std::u16string wide(pattern.begin(), pattern.end());
  UErrorCode error = U_ZERO_ERROR;
  UParseError where;
  Regex regex(uregex_open(wide.data(), static_cast<int32_t>(wide.size()),
                          static_cast<uint32_t>(UREGEX_DOTALL) |
                              (fold ? static_cast<uint32_t>(UREGEX_CASE_INSENSITIVE) : 0u),
                          &where, &error));
  if (U_FAILURE(error)) regex.reset();
  return regex;
}

bool IsAscii(std::string_view text) {
  for (const char x : text)
    if (static_cast<unsigned char>(x) >= 0x80) return false;
  return true;
}

std::u16string Utf16(std::string_view text) {
  std::u16string wide(text.size(), u'\0');
  int32_t length = 0;
  UErrorCode error = U_ZERO_ERROR;
  u_strFromUTF8(wide.data(), static_cast<int32_t>(wide.size()), &length, text.data(),
                static_cast<int32_t>(text.size()), &error);
  wide.resize(U_FAILURE(error) ? 0 : static_cast<size_t>(length));
  return wide;
}

void RegexMatches(Call& c) {
  const std::string_view text = c.Text(0), pattern = c.Text(1);
  const bool foreign =
      !IsAscii(text) && (c.Int(2) != 0 || pattern.find('\\') != std::string_view::npos);
  if (!IsPlainPattern(pattern, false) || foreign || text.find('\n') != std::string_view::npos) {
    return c.Refused("regular expression");
  }
  const Regex regex = Compile(pattern, c.Int(2) != 0);
  if (regex == nullptr) return c.Refused("regular expression");
  const std::u16string wide = Utf16(text);
  UErrorCode error = U_ZERO_ERROR;
  uregex_setText(regex.get(), wide.data(), static_cast<int32_t>(wide.size()), &error);
  const bool found = uregex_find(regex.get(), 0, &error) != 0;
  if (U_FAILURE(error)) return c.Refused("regular expression");
  c.Return(found);
}

void RegexReplace(Call& c) {
  const std::string_view text = c.Text(0), pattern = c.Text(1), to = c.Text(2), flags = c.Text(3);
  if (!IsPlainPattern(pattern, true) || !IsAscii(text) ||
      text.find('\n') != std::string_view::npos || to.find('\\') != std::string_view::npos ||
      flags.find_first_not_of("gi") != std::string_view::npos) {
    return c.Refused("regexp_replace");
  }
  const Regex regex = Compile(pattern, flags.find('i') != std::string_view::npos);
  if (regex == nullptr) return c.Refused("regexp_replace");
  const std::u16string wide(text.begin(), text.end());
  UErrorCode error = U_ZERO_ERROR;
  uregex_setText(regex.get(), wide.data(), static_cast<int32_t>(wide.size()), &error);
  std::string out;
  size_t at = 0;
  bool found = uregex_find(regex.get(), 0, &error) != 0;
  while (found && U_SUCCESS(error)) {
    const auto begin = static_cast<size_t>(uregex_start(regex.get(), 0, &error));
    const auto end = static_cast<size_t>(uregex_end(regex.get(), 0, &error));
    if (begin == end) return c.Refused("regexp_replace of an empty match");
    out.append(text.substr(at, begin - at)).append(to);
    at = end;
    if (flags.find('g') == std::string_view::npos) break;
    found = uregex_findNext(regex.get(), &error) != 0;
  }
  if (U_FAILURE(error)) return c.Refused("regexp_replace");
  c.Return(std::string_view(out.append(text.substr(at))));
}

}  // namespace

const std::vector<FunctionDefinition> kTextFunctions = {
    {"pg_upper", 1, Mapped<ToUpper>},
    {"pg_lower", 1, Mapped<ToLower>},
    {"pg_initcap", 1, InitCap},
    {"pg_length", 1, [](Call& c) { c.Return(static_cast<int64_t>(CharacterCount(c.Text(0)))); }},
    {"pg_octet_length", 1, [](Call& c) { c.Return(static_cast<int64_t>(c.Text(0).size())); }},
    {"pg_like", 3, Like<false>},
    {"pg_ilike", 3, Like<true>},
    {"pg_substr", 2, Substring},
    {"pg_substr", 3, Substring},
    {"pg_left", 2, [](Call& c) { Side(c, true); }},
    {"pg_right", 2, [](Call& c) { Side(c, false); }},
    {"pg_trim", 3, Trim},
    {"pg_lpad", 3, [](Call& c) { Pad(c, true); }},
    {"pg_rpad", 3, [](Call& c) { Pad(c, false); }},
    {"pg_repeat", 2, Repeat},
    {"pg_replace", 3, Replace},
    {"pg_reverse", 1,
     [](Call& c) {
       std::u32string text = Decode(c.Text(0));
       c.Return(std::string_view(Encode(std::u32string(text.rbegin(), text.rend()))));
     }},
    {"pg_strpos", 2,
     [](Call& c) {
       const size_t at = c.Text(0).find(c.Text(1));
       c.Return(at == std::string_view::npos
                    ? int64_t{0}
                    : static_cast<int64_t>(CharacterCount(c.Text(0).substr(0, at))) + 1);
     }},
    {"pg_split_part", 3, SplitPart},
    {"pg_translate", 3, Translate},
    {"pg_overlay", 4, Overlay},
    {"pg_ascii", 1,
     [](Call& c) {
       const std::u32string text = Decode(c.Text(0));
       c.Return(text.empty() ? int64_t{0} : static_cast<int64_t>(text[0]));
     }},
    {"pg_chr", 1,
     [](Call& c) {
       const int64_t code = c.Int(0);
       if (code == 0) return c.Error("54000", "null character not permitted");
       if (code < 0 || code > 0x10FFFF)
         return c.Error("54000", "requested character too large for encoding");
       c.Return(std::string_view(Encode(std::u32string(1, static_cast<char32_t>(code)))));
     }},
    {"pg_md5", 1,
     [](Call& c) {
       const auto hex = protocol::Md5Hex(c.Text(0));
       if (!hex.ok()) return c.Refused("md5");
       c.Return(std::string_view(*hex));
     }},
    {"pg_sha256", 1, [](Call& c) { c.ReturnBlob(protocol::ViewOf(protocol::Sha256(c.Text(0)))); }},
    {"pg_starts_with", 2, [](Call& c) { c.Return(c.Text(0).starts_with(c.Text(1))); }},
    {"pg_to_hex", 2, Hex},
    {"pg_quote_ident", 1, [](Call& c) { c.Refused("quote_ident"); }},
    {"pg_quote_literal", 1, [](Call& c) { c.Return(std::string_view(QuotedLiteral(c.Text(0)))); }},
    {"pg_concat_ws", -1, ConcatWithSeparator, true},
    {"pg_format", -1, Format, true},
    {"pg_encode", 2, EncodeBytes},
    {"pg_decode", 2, DecodeBytes},
    {"pg_bool_text", 1,
     [](Call& c) { c.Return(std::string_view(c.Int(0) != 0 ? "true" : "false")); }},
    {"pg_bytea_concat", 2, [](Call& c) { c.ReturnBlob(StrCat(c.Text(0), c.Text(1))); }},
    {"pg_regexp", 3, RegexMatches},
    {"pg_regexp_replace", 4, RegexReplace},
};

}  // namespace pgparity::shadow::sqlite
