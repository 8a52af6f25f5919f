#include "compare/redact.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <utility>

namespace pgparity::compare {
namespace {

bool IsSpace(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsWordStart(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (c & 0x80) != 0;
}
bool IsWord(char c) { return IsWordStart(c) || IsDigit(c) || c == '$'; }

class StatementRedactor {
 public:
  explicit StatementRedactor(std::string_view sql) : sql_(sql) { out_.reserve(sql.size()); }

  std::string Run() {
    while (at_ < sql_.size()) Token();
    while (!out_.empty() && out_.back() == ' ') out_.pop_back();
    return std::move(out_);
  }

 private:
  char Peek(size_t ahead = 0) const { return at_ + ahead < sql_.size() ? sql_[at_ + ahead] : '\0'; }
  void Space() {
    if (!out_.empty() && out_.back() != ' ') out_ += ' ';
  }
  void DropRest() {
    out_ += "?...";
    at_ = sql_.size();
  }

  void Token() {
    const char c = Peek();
    if (IsSpace(c)) {
      Space();
      ++at_;
    } else if (c == '-' && Peek(1) == '-') {
      Space();
      at_ = std::min(sql_.find('\n', at_), sql_.size());
    } else if (c == '/' && Peek(1) == '*') {
      Comment();
    } else if (c == '\'') {
      String(false);
    } else if (c == '"') {
      QuotedName();
    } else if (c == '$') {
      Dollar();
    } else if (IsDigit(c) || (c == '.' && IsDigit(Peek(1)))) {
      Number();
    } else if (IsWordStart(c)) {
      Word();
    } else {
      out_ += c;
      ++at_;
    }
  }

  void Comment() {
    Space();
    size_t depth = 1;
    at_ += 2;
    while (at_ < sql_.size() && depth > 0) {
      if (Peek() == '/' && Peek(1) == '*') {
        ++depth;
        at_ += 2;
      } else if (Peek() == '*' && Peek(1) == '/') {
        --depth;
        at_ += 2;
      } else {
        ++at_;
      }
    }
    at_ = std::min(at_, sql_.size());
  }

  // At the opening quote. `escapes`: an E string, in which a backslash takes the next character.
  void String(bool escapes) {
    ++at_;
    while (at_ < sql_.size()) {
      const char c = Peek();
      const bool pair = (c == '\\' && escapes) || (c == '\'' && Peek(1) == '\'');
      if (pair) {
        at_ += 2;
      } else if (c == '\\') {
        size_t run = 1;
        while (Peek(run) == '\\') ++run;
        if (run % 2 == 1 && Peek(run) == '\'') break;
        at_ += run;
      } else if (c == '\'') {
        ++at_;
        // A string goes on behind white space with a line feed, in the manner in which it began.
        if (escapes && ContinuesBehindNewline()) return DropRest();
        out_ += '?';
        return;
      } else {
        ++at_;
      }
    }
    DropRest();
  }

  bool ContinuesBehindNewline() const {
    size_t next = at_;
    bool newline = false;
    while (next < sql_.size() && (IsSpace(sql_[next]) || sql_.substr(next, 2) == "--")) {
      newline = newline || sql_[next] == '\n' || sql_[next] == '\r';
      next = sql_[next] == '-' ? std::min(sql_.find('\n', next), sql_.size()) : next + 1;
    }
    return newline && next < sql_.size() && sql_[next] == '\'';
  }

  void QuotedName() {
    size_t end = at_ + 1;
    while (end < sql_.size()) {
      if (sql_[end] != '"') {
        ++end;
      } else if (end + 1 < sql_.size() && sql_[end + 1] == '"') {
        end += 2;
      } else {
        out_ += sql_.substr(at_, end + 1 - at_);
        at_ = end + 1;
        return;
      }
    }
    DropRest();
  }

  // $1, $$text$$ or $tag$text$tag$.
  void Dollar() {
    size_t end = at_ + 1;
    if (IsDigit(Peek(1))) {
      while (end < sql_.size() && IsDigit(sql_[end])) ++end;
      out_ += sql_.substr(at_, end - at_);
      at_ = end;
      return;
    }
    while (end < sql_.size() && IsWord(sql_[end]) && sql_[end] != '$') ++end;
    if (end >= sql_.size() || sql_[end] != '$') {
      out_ += '$';
      ++at_;
      return;
    }
    const std::string_view tag = sql_.substr(at_, end + 1 - at_);
    const size_t close = sql_.find(tag, end + 1);
    if (close == std::string_view::npos) return DropRest();
    out_ += '?';
    at_ = close + tag.size();
  }

  void Number() {
    const auto exponent = [this] {
      return (Peek() == 'e' || Peek() == 'E') && (Peek(1) == '+' || Peek(1) == '-') &&
             IsDigit(Peek(2));
    };
    while (at_ < sql_.size() && (IsWord(Peek()) || Peek() == '.')) at_ += exponent() ? 2 : 1;
    out_ += '?';
  }

  void Word() {
    size_t end = at_;
    while (end < sql_.size() && IsWord(sql_[end])) ++end;
    const std::string_view word = sql_.substr(at_, end - at_);
    const char quote = end < sql_.size() ? sql_[end] : '\0';
    const char letter = static_cast<char>(word[0] | 0x20);
    if (word.size() == 1 && quote == '\'' &&
        (letter == 'e' || letter == 'b' || letter == 'x' || letter == 'n')) {
      at_ = end;
      return String(letter == 'e');
    }
    if (word.size() == 1 && letter == 'u' && sql_.substr(end, 2) == "&'") {
      at_ = end + 1;
      return String(false);
    }
    out_ += word;
    at_ = end;
  }

  std::string_view sql_;
  size_t at_ = 0;
  std::string out_;
};

// Words that say what an example shows, and not what is in it.
constexpr std::string_view kPlainWords[] = {
    "NULL",    "row",     "rows",  "column",  "columns", "and",    "more",    "no",    "none",
    "error",   "ERROR",   "FATAL", "PANIC",   "DETAIL",  "HINT",   "MESSAGE", "tag",   "SQLSTATE",
    "empty",   "skipped", "of",    "INSERT",  "UPDATE",  "DELETE", "SELECT",  "COPY",  "MERGE",
    "primary", "shadow",  "value", "message", "detail",  "hint",   "cut",     "bytes", "nothing"};

bool IsPlainWord(std::string_view word) {
  return std::find(std::begin(kPlainWords), std::end(kPlainWords), word) != std::end(kPlainWords);
}

bool IsNumber(std::string_view word) {
  return word.find_first_not_of("0123456789+-.eE") == std::string_view::npos &&
         word.find_first_of("0123456789") != std::string_view::npos;
}

// "INSERT 0 1", "CREATE TABLE", "12 rows": a whole answer without user data.
bool IsTagOrCount(std::string_view text) {
  constexpr std::string_view kCommands[] = {
      "INSERT", "UPDATE", "DELETE", "SELECT",   "COPY",  "MERGE",  "FETCH",    "MOVE",   "CREATE",
      "ALTER",  "DROP",   "BEGIN",  "TRUNCATE", "GRANT", "REVOKE", "ROLLBACK", "COMMIT", "SET"};
  if (text.size() > 64) return false;
  const size_t digits = text.find_first_not_of("0123456789");
  if (digits != 0 && digits != std::string_view::npos) {
    return text.substr(digits) == " rows" || text.substr(digits) == " row";
  }
  const std::string_view first = text.substr(0, text.find(' '));
  return std::find(std::begin(kCommands), std::end(kCommands), first) != std::end(kCommands) &&
         text.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ 0123456789") == std::string_view::npos;
}

size_t Characters(std::string_view text) {
  return static_cast<size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xc0) != 0x80; }));
}

class ValueRedactor {
 public:
  explicit ValueRedactor(std::string_view text) : text_(text) {}

  std::string Run() {
    while (at_ < text_.size()) Token();
    Flush();
    return std::move(out_);
  }

 private:
  // A run of words that are text is shown as one.
  void Flush() {
    if (hidden_ == 0) return;
    out_ += "<text " + std::to_string(hidden_) + ">";
    out_.append(spaces_, ' ');
    hidden_ = spaces_ = 0;
  }
  void Plain(std::string_view text) {
    Flush();
    out_ += text;
  }
  void Hide(size_t characters) {
    hidden_ += spaces_ + characters;
    spaces_ = 0;
  }

  void Token() {
    const char c = text_[at_];
    if (c == ' ' && hidden_ > 0) {
      ++spaces_;
      ++at_;
    } else if (IsSpace(c) || std::string_view("()[]{},=:;|").find(c) != std::string_view::npos) {
      Plain(text_.substr(at_, 1));
      ++at_;
    } else if (c == '\'') {
      Quoted();
    } else {
      Word();
    }
  }

  void Quoted() {
    size_t end = at_ + 1;
    size_t doubled = 0;
    while (end < text_.size()) {
      if (text_[end] != '\'') {
        ++end;
      } else if (end + 1 < text_.size() && text_[end + 1] == '\'') {
        end += 2;
        ++doubled;
      } else {
        break;
      }
    }
    Flush();
    Hide(Characters(text_.substr(at_ + 1, end - at_ - 1)) - doubled);
    if (hidden_ == 0) out_ += "<text 0>";
    Flush();
    at_ = std::min(end + 1, text_.size());
  }

  void Word() {
    size_t end = at_;
    while (end < text_.size() && !IsSpace(text_[end]) &&
           std::string_view("()[]{},=:;|'").find(text_[end]) == std::string_view::npos) {
      ++end;
    }
    const std::string_view word = text_.substr(at_, end - at_);
    at_ = end;
    const bool code = after_sqlstate_ && word.size() == 5;
    after_sqlstate_ = word == "SQLSTATE";
    if (code || IsPlainWord(word)) {
      Plain(word);
    } else if (IsNumber(word) && hidden_ == 0) {
      Plain("<number>");
    } else {
      Hide(Characters(word));
    }
  }

  std::string_view text_;
  size_t at_ = 0;
  size_t hidden_ = 0, spaces_ = 0;
  bool after_sqlstate_ = false;
  std::string out_;
};

// Length of the valid UTF-8 character at the start of `text`, 0 if there is none. Sets its code.
size_t DecodeUtf8(std::string_view text, uint32_t* code) {
  const auto lead = static_cast<uint8_t>(text[0]);
  if (lead < 0x80) {
    *code = lead;
    return 1;
  }
  const size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4 || text.size() < length) return 0;
  uint32_t value = lead & (0x7f >> length);
  for (size_t i = 1; i < length; ++i) {
    const auto byte = static_cast<uint8_t>(text[i]);
    if ((byte & 0xc0) != 0x80) return 0;
    value = value << 6 | (byte & 0x3f);
  }
  constexpr std::array<uint32_t, 5> kSmallest = {0, 0, 0x80, 0x800, 0x10000};
  if (value < kSmallest[length] || value > 0x10ffff || (value >= 0xd800 && value < 0xe000))
    return 0;
  *code = value;
  return length;
}

// Controls (C0, DEL, C1), line separators, and the marks that turn the direction of text.
bool DrivesTerminal(uint32_t code) {
  return code < 0x20 || (code >= 0x7f && code < 0xa0) || code == 0x061c || code == 0x200e ||
         code == 0x200f || (code >= 0x2028 && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
}

}  // namespace

std::string RedactStatement(std::string_view sql) { return StatementRedactor(sql).Run(); }

std::string RedactValues(std::string_view example) {
  if (IsTagOrCount(example)) return std::string(example);
  return ValueRedactor(example).Run();
}

std::string EscapeControl(std::string_view text) {
  constexpr char kHex[] = "0123456789ABCDEF";
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    uint32_t code = 0;
    const size_t length = DecodeUtf8(text, &code);
    if (length > 0 && !DrivesTerminal(code)) {
      out += text.substr(0, length);
    } else {
      for (const char c : text.substr(0, std::max<size_t>(1, length))) {
        out += {'\\', 'x', kHex[static_cast<uint8_t>(c) >> 4], kHex[c & 15]};
      }
    }
    text.remove_prefix(std::max<size_t>(1, length));
  }
  return out;
}

}  // namespace pgparity::compare
