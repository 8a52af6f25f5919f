#include "tools/toml.h"

#include <algorithm>
#include <set>
#include <utility>

#include "protocol/text.h"

namespace pgparity::tools {
namespace {

using protocol::StrCat;

bool IsBareKey(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
         c == '-';
}

void AppendUtf8(uint32_t code, std::string* out) {
  if (code < 0x80) {
    *out += static_cast<char>(code);
  } else if (code < 0x800) {
    *out += {static_cast<char>(0xc0 | code >> 6), static_cast<char>(0x80 | (code & 0x3f))};
  } else if (code < 0x10000) {
    *out += {static_cast<char>(0xe0 | code >> 12), static_cast<char>(0x80 | (code >> 6 & 0x3f)),
             static_cast<char>(0x80 | (code & 0x3f))};
  } else {
    *out += {static_cast<char>(0xf0 | code >> 18), static_cast<char>(0x80 | (code >> 12 & 0x3f)),
             static_cast<char>(0x80 | (code >> 6 & 0x3f)), static_cast<char>(0x80 | (code & 0x3f))};
  }
}

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  absl::StatusOr<std::vector<TomlItem>> Run() {
    while (true) {
      SkipBlank(true);
      if (AtEnd()) return std::move(items_);
      absl::Status status = Peek() == '[' ? Table() : Item();
      if (status.ok()) status = EndOfLine();
      if (!status.ok()) return status;
    }
  }

 private:
  bool AtEnd() const { return at_ >= text_.size(); }
  char Peek() const { return AtEnd() ? '\0' : text_[at_]; }
  bool Take(char c) {
    if (Peek() != c || AtEnd()) return false;
    ++at_;
    return true;
  }
  absl::Status Error(std::string_view what) const {
    return absl::InvalidArgumentError(StrCat("line ", line_, ": ", what));
  }

  // Blanks and comments; with `lines` also line feeds.
  void SkipBlank(bool lines) {
    while (!AtEnd()) {
      const char c = Peek();
      if (c == '#') {
        at_ = std::min(text_.find('\n', at_), text_.size());
      } else if (c == '\n' && lines) {
        ++line_;
        ++at_;
      } else if (c == ' ' || c == '\t' || (c == '\r' && text_.substr(at_ + 1, 1) == "\n")) {
        ++at_;
      } else {
        return;
      }
    }
  }

  absl::Status EndOfLine() {
    SkipBlank(false);
    if (AtEnd() || Peek() == '\n') return absl::OkStatus();
    return Error("something unexpected behind the value");
  }

  absl::Status Key(std::string* key) {
    if (Peek() == '"' || Peek() == '\'') return Peek() == '"' ? Basic(key) : Literal(key);
    const size_t start = at_;
    while (!AtEnd() && IsBareKey(Peek())) ++at_;
    *key = std::string(text_.substr(start, at_ - start));
    return key->empty() ? Error("a key or a [table] is expected") : absl::OkStatus();
  }

  absl::Status Table() {
    ++at_;
    table_.clear();
    do {
      SkipBlank(false);
      std::string part;
      if (absl::Status status = Key(&part); !status.ok()) return status;
      table_ += StrCat(table_.empty() ? "" : ".", part);
      SkipBlank(false);
    } while (Take('.'));
    return Take(']') ? absl::OkStatus() : Error("the ] of a table is missing");
  }

  absl::Status Item() {
    TomlItem item;
    item.table = table_;
    item.line = line_;
    if (absl::Status status = Key(&item.key); !status.ok()) return status;
    SkipBlank(false);
    if (!Take('=')) return Error(StrCat("a = is expected behind the key ", item.key));
    SkipBlank(false);
    if (!seen_.emplace(item.table, item.key).second) {
      return Error(StrCat("the key ", item.key, " comes a second time"));
    }
    item.array = Take('[');
    absl::Status status;
    if (item.array) {
      status = Array(&item.values);
    } else {
      status = Value(&item.values.emplace_back());
    }
    if (status.ok()) items_.push_back(std::move(item));
    return status;
  }

  absl::Status Array(std::vector<std::string>* values) {
    while (true) {
      SkipBlank(true);
      if (Take(']')) return absl::OkStatus();
      if (absl::Status status = Value(&values->emplace_back()); !status.ok()) return status;
      SkipBlank(true);
      if (Take(']')) return absl::OkStatus();
      if (!Take(',')) return Error("a , or ] is expected in the array");
    }
  }

  absl::Status Value(std::string* value) {
    if (Peek() == '"') return Basic(value);
    if (Peek() == '\'') return Literal(value);
    const size_t start = at_;
    while (!AtEnd() && (IsBareKey(Peek()) || Peek() == '.' || Peek() == '+')) ++at_;
    *value = std::string(text_.substr(start, at_ - start));
    if (*value == "true" || *value == "false") return absl::OkStatus();
    value->erase(std::remove(value->begin(), value->end(), '_'), value->end());
    const bool number = value->find_first_not_of("0123456789+-.eE") == std::string::npos &&
                        value->find_first_of("0123456789") != std::string::npos;
    if (number) return absl::OkStatus();
    return Error("the value is no string, number, true or false: put text into double quotes");
  }

  absl::Status Literal(std::string* value) {
    if (text_.substr(at_, 3) == "'''") return Error("strings over several lines are not supported");
    const size_t end = text_.find_first_of("'\n", at_ + 1);
    if (end == std::string_view::npos || text_[end] == '\n') return Error("a ' is not closed");
    *value = std::string(text_.substr(at_ + 1, end - at_ - 1));
    at_ = end + 1;
    return absl::OkStatus();
  }

  absl::Status Basic(std::string* value) {
    if (text_.substr(at_, 3) == "\"\"\"")
      return Error("strings over several lines are not supported");
    ++at_;
    value->clear();
    while (!AtEnd() && Peek() != '\n') {
      if (Take('"')) return absl::OkStatus();
      if (Take('\\')) {
        if (absl::Status status = Escape(value); !status.ok()) return status;
      } else {
        *value += text_[at_++];
      }
    }
    return Error("a \" is not closed");
  }

  absl::Status Escape(std::string* value) {
    constexpr std::string_view kNames = "btnfr\"\\", kMeanings = "\b\t\n\f\r\"\\";
    const char c = Peek();
    ++at_;
    if (const size_t i = kNames.find(c); i != std::string_view::npos) {
      *value += kMeanings[i];
      return absl::OkStatus();
    }
    const size_t digits = c == 'u' ? 4 : c == 'U' ? 8 : 0;
    const std::string_view hex = text_.substr(std::min(at_, text_.size()), digits);
    if (digits == 0 || hex.size() != digits ||
        hex.find_first_not_of("0123456789abcdefABCDEF") != std::string_view::npos) {
      return Error("an unknown escape in a string: write \\ as \\\\");
    }
    const uint64_t code = std::stoull(std::string(hex), nullptr, 16);
    if (code == 0 || code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) {
      return Error("an escape in a string stands for no character");
    }
    AppendUtf8(static_cast<uint32_t>(code), value);
    at_ += digits;
    return absl::OkStatus();
  }

  std::string_view text_;
  size_t at_ = 0;
  int line_ = 1;
  std::string table_;
  std::set<std::pair<std::string, std::string>> seen_;
  std::vector<TomlItem> items_;
};

}  // namespace

absl::StatusOr<std::vector<TomlItem>> ParseToml(std::string_view text) {
  return Parser(text).Run();
}

}  // namespace pgparity::tools
