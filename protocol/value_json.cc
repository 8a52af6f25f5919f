// jsonb: parsed, and printed as jsonb_out prints it, so that any JSON text of the same jsonb value
// gives the same bytes. Source: jsonb.c, jsonb_util.c (order of keys), json.c (escape_json).
#include <algorithm>
#include <vector>

#include "protocol/value_internal.h"

namespace pgparity::protocol::value_internal {
namespace {

// Deeper documents are compared by their text, which the server prints alike in both formats.
constexpr int kMaxNesting = 500;

void AppendUtf8(uint32_t code, std::string* out) {
  const auto add = [out](uint32_t byte) { out->push_back(static_cast<char>(byte)); };
  if (code < 0x80) {
    add(code);
  } else if (code < 0x800) {
    add(0xC0 | code >> 6);
    add(0x80 | (code & 0x3F));
  } else if (code < 0x10000) {
    add(0xE0 | code >> 12);
    add(0x80 | (code >> 6 & 0x3F));
    add(0x80 | (code & 0x3F));
  } else {
    add(0xF0 | code >> 18);
    add(0x80 | (code >> 12 & 0x3F));
    add(0x80 | (code >> 6 & 0x3F));
    add(0x80 | (code & 0x3F));
  }
}

void AppendQuoted(std::string_view text, std::string* out) {
  constexpr std::string_view kEscaped = "\b\f\n\r\t\"\\";
  constexpr std::string_view kLetters = "bfnrt\"\\";
  constexpr std::string_view kHex = "0123456789abcdef";
  out->push_back('"');
  for (const char c : text) {
    const size_t at = kEscaped.find(c);
    if (at != std::string_view::npos) {
      out->push_back('\\');
      out->push_back(kLetters[at]);
    } else if (static_cast<uint8_t>(c) < 0x20) {
      out->append("\\u00");
      out->push_back(kHex[static_cast<uint8_t>(c) >> 4]);
      out->push_back(kHex[static_cast<uint8_t>(c) & 15]);
    } else {
      out->push_back(c);
    }
  }
  out->push_back('"');
}

class JsonbPrinter {
 public:
  JsonbPrinter(std::string_view text, std::string* out) : rest_(text), out_(out) {}

  bool Print() {
    if (!Value(0)) return false;
    SkipSpace();
    return rest_.empty();
  }
  bool too_deep() const { return too_deep_; }

 private:
  struct Member {
    std::string key;
    size_t begin, end;  // of `"key": value` in *out_
  };

  void SkipSpace() {
    const size_t n = rest_.find_first_not_of(" \t\r\n");
    rest_.remove_prefix(n == std::string_view::npos ? rest_.size() : n);
  }
  bool Take(char c) {
    SkipSpace();
    if (!rest_.starts_with(c)) return false;
    rest_.remove_prefix(1);
    return true;
  }
  bool Word(std::string_view word) {
    if (!rest_.starts_with(word)) return false;
    rest_.remove_prefix(word.size());
    out_->append(word);
    return true;
  }

  bool Value(int depth) {
    if (depth > kMaxNesting) {
      too_deep_ = true;
      return false;
    }
    SkipSpace();
    if (rest_.empty()) return false;
    switch (rest_[0]) {
      case '{':
        return Object(depth);
      case '[':
        return Array(depth);
      case '"':
        scratch_.clear();
        if (!String(&scratch_)) return false;
        AppendQuoted(scratch_, out_);
        return true;
      case 't':
        return Word("true");
      case 'f':
        return Word("false");
      case 'n':
        return Word("null");
      default:
        return Number();
    }
  }

  bool Number() {
    const size_t size = std::min(rest_.find_first_not_of("+-.eE0123456789"), rest_.size());
    const std::string_view number = rest_.substr(0, size);
    const size_t first = number.starts_with('-') ? 1 : 0;
    // JSON wants a digit first, and no zero before another.
    if (first >= size || number[first] < '0' || number[first] > '9') return false;
    if (number[first] == '0' && first + 1 < size && number[first + 1] >= '0' &&
        number[first + 1] <= '9') {
      return false;
    }
    rest_.remove_prefix(size);
    return AppendNumericText(number, out_);
  }

  bool Array(int depth) {
    Take('[');
    out_->push_back('[');
    if (!Take(']')) {
      for (bool first = true; first || Take(','); first = false) {
        if (!first) out_->append(", ");
        if (!Value(depth + 1)) return false;
      }
      if (!Take(']')) return false;
    }
    out_->push_back(']');
    return true;
  }

  bool Object(int depth) {
    Take('{');
    out_->push_back('{');
    std::vector<Member> members;
    if (!Take('}')) {
      for (bool first = true; first || Take(','); first = false) {
        if (!first) out_->append(", ");
        if (!AddMember(depth, &members)) return false;
      }
      if (!Take('}')) return false;
    }
    Sort(&members);
    out_->push_back('}');
    return true;
  }

  bool AddMember(int depth, std::vector<Member>* members) {
    Member& member = members->emplace_back();
    member.begin = out_->size();
    SkipSpace();
    if (!String(&member.key)) return false;
    AppendQuoted(member.key, out_);
    if (!Take(':')) return false;
    out_->append(": ");
    if (!Value(depth + 1)) return false;
    member.end = out_->size();
    return true;
  }

  // The server's order of keys: shorter first, then by bytes. Its own output has it already.
  static bool Less(const Member& a, const Member& b) {
    return a.key.size() != b.key.size() ? a.key.size() < b.key.size() : a.key < b.key;
  }

  // Reorders what was printed; of equal keys the last one stays.
  void Sort(std::vector<Member>* members) {
    const auto out_of_order =
        std::adjacent_find(members->begin(), members->end(),
                           [](const Member& a, const Member& b) { return !Less(a, b); });
    if (out_of_order == members->end()) return;
    const size_t begin = members->front().begin;
    std::stable_sort(members->begin(), members->end(), Less);
    std::string sorted;
    sorted.reserve(out_->size() - begin);
    for (size_t i = 0; i < members->size(); ++i) {
      const Member& member = (*members)[i];
      if (i + 1 < members->size() && member.key == (*members)[i + 1].key) continue;
      if (!sorted.empty()) sorted.append(", ");
      sorted.append(*out_, member.begin, member.end - member.begin);
    }
    out_->replace(begin, std::string::npos, sorted);
  }

  bool Hex4(uint32_t* code) {
    if (rest_.size() < 4) return false;
    *code = 0;
    for (const char c : rest_.substr(0, 4)) {
      const int digit = c >= '0' && c <= '9'   ? c - '0'
                        : c >= 'a' && c <= 'f' ? c - 'a' + 10
                        : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                               : -1;
      if (digit < 0) return false;
      *code = *code << 4 | static_cast<uint32_t>(digit);
    }
    rest_.remove_prefix(4);
    return true;
  }

  // Behind "\u". jsonb refuses U+0000 and lone surrogates.
  bool Unicode(std::string* text) {
    uint32_t code = 0;
    if (!Hex4(&code) || code == 0) return false;
    if (code >= 0xDC00 && code < 0xE000) return false;
    if (code >= 0xD800 && code < 0xDC00) {
      uint32_t low = 0;
      if (!rest_.starts_with("\\u")) return false;
      rest_.remove_prefix(2);
      if (!Hex4(&low) || low < 0xDC00 || low >= 0xE000) return false;
      code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
    }
    AppendUtf8(code, text);
    return true;
  }

  bool String(std::string* text) {
    if (!rest_.starts_with('"')) return false;
    rest_.remove_prefix(1);
    while (true) {
      const size_t plain = rest_.find_first_of("\"\\");
      if (plain == std::string_view::npos) return false;
      text->append(rest_.substr(0, plain));
      const char c = rest_[plain];
      rest_.remove_prefix(plain + 1);
      if (c == '"') return true;
      if (rest_.empty()) return false;
      const char escaped = rest_[0];
      rest_.remove_prefix(1);
      if (escaped == 'u') {
        if (!Unicode(text)) return false;
        continue;
      }
      constexpr std::string_view kLetters = "bfnrt\"\\/";
      const size_t at = kLetters.find(escaped);
      if (at == std::string_view::npos) return false;
      text->push_back("\b\f\n\r\t\"\\/"[at]);
    }
  }

  std::string_view rest_;
  std::string* out_;
  std::string scratch_;
  bool too_deep_ = false;
};

}  // namespace

// jsonb_send: a version byte (1) before the text.
bool AppendJsonb(std::string_view value, Format format, std::string* out) {
  if (format == Format::binary) {
    if (!value.starts_with('\1')) return false;
    value.remove_prefix(1);
  }
  const size_t begin = out->size();
  JsonbPrinter printer(value, out);
  if (printer.Print()) return true;
  if (!printer.too_deep()) return false;
  out->resize(begin);
  out->append(value);
  return true;
}

}  // namespace pgparity::protocol::value_internal
