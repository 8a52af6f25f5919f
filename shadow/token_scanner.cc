#include "shadow/token_scanner.h"
#include "shadow/words.h"

#include <algorithm>

#include "absl/strings/ascii.h"

namespace pgparity::shadow {
namespace {

bool IsSpace(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f'; }
bool IsNewline(char c) { return c == '\n' || c == '\r'; }
bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsIdentifierStart(char c) {
  return absl::ascii_isalpha(static_cast<unsigned char>(c)) || c == '_' || (c & 0x80) != 0;
}
bool IsIdentifierPart(char c) { return IsIdentifierStart(c) || IsDigit(c) || c == '$'; }
bool IsOperatorChar(char c) {
  return c != '\0' && std::string_view("~!@#^&|`?+-*/%<>=").find(c) != std::string_view::npos;
}

}  // namespace

bool IsWord(std::string_view sql, const Token& token, std::string_view word) {
  return token.kind == TokenKind::identifier && token.length == word.size() &&
         SameWord(sql.substr(token.offset, token.length), word);
}

bool TokenScanner::SkipBlockComment() {
  int depth = 0;
  do {
    if (at_ >= sql_.size()) return false;
    if (Peek() == '/' && Peek(1) == '*') {
      ++depth;
      at_ += 2;
    } else if (Peek() == '*' && Peek(1) == '/') {
      --depth;
      at_ += 2;
    } else {
      ++at_;
    }
  } while (depth > 0);
  return true;
}

// False if a comment does not end.
bool TokenScanner::SkipSpace() {
  while (at_ < sql_.size()) {
    if (IsSpace(sql_[at_])) {
      ++at_;
    } else if (Peek() == '-' && Peek(1) == '-') {
      while (at_ < sql_.size() && !IsNewline(sql_[at_])) ++at_;
    } else if (Peek() == '/' && Peek(1) == '*') {
      if (!SkipBlockComment()) return false;
    } else {
      break;
    }
  }
  return true;
}

// From behind the opening quote to behind the closing one.
bool TokenScanner::SkipToQuoteEnd(char quote, Quoting quoting) {
  while (at_ < sql_.size()) {
    const char c = sql_[at_++];
    if (c == quote) {
      if (Peek() != quote || at_ >= sql_.size() || quoting == Quoting::bits) return true;
      ++at_;
    } else if (c == '\\' && quoting == Quoting::escapes && at_ < sql_.size()) {
      ++at_;
    }
  }
  return false;
}

// 'a' <newline> 'b' is one literal. What lies between may hold -- comments, and at least one
// newline.
bool TokenScanner::SkipContinuation() {
  size_t at = at_;
  bool newline = false;
  while (at < sql_.size()) {
    const char c = sql_[at];
    if (IsSpace(c)) {
      newline = newline || IsNewline(c);
      ++at;
    } else if (c == '-' && at + 1 < sql_.size() && sql_[at + 1] == '-') {
      while (at < sql_.size() && !IsNewline(sql_[at])) ++at;
    } else {
      break;
    }
  }
  if (!newline || at >= sql_.size() || sql_[at] != '\'') return false;
  at_ = at + 1;
  return true;
}

Token TokenScanner::Quoted(size_t begin, TokenKind kind, Quoting quoting) {
  const char quote = sql_[at_++];
  do {
    if (!SkipToQuoteEnd(quote, quoting)) return Make(TokenKind::bad, begin);
  } while (quote == '\'' && SkipContinuation());
  return Make(kind, begin);
}

Token TokenScanner::DollarOrParameter() {
  const size_t begin = at_++;
  if (IsDigit(Peek())) {
    while (IsDigit(Peek())) ++at_;
    return Make(TokenKind::parameter, begin);
  }
  if (IsIdentifierStart(Peek())) {
    while (IsIdentifierPart(Peek()) && Peek() != '$') ++at_;
  }
  if (Peek() != '$') {
    at_ = begin + 1;
    return Make(TokenKind::bad, begin);
  }
  ++at_;
  const std::string_view tag = sql_.substr(begin, at_ - begin);
  const size_t close = sql_.find(tag, at_);
  if (close == std::string_view::npos) {
    at_ = sql_.size();
    return Make(TokenKind::bad, begin);
  }
  at_ = close + tag.size();
  return Make(TokenKind::string, begin);
}

Token TokenScanner::Number() {
  const size_t begin = at_;
  while (IsDigit(Peek())) ++at_;
  // "1..2" is 1 and an operator.
  if (Peek() == '.' && Peek(1) != '.') {
    ++at_;
    while (IsDigit(Peek())) ++at_;
  }
  if (Peek() == 'e' || Peek() == 'E') {
    const size_t sign = Peek(1) == '+' || Peek(1) == '-' ? 2 : 1;
    if (IsDigit(Peek(sign))) {
      at_ += sign;
      while (IsDigit(Peek())) ++at_;
    }
  }
  return Make(TokenKind::number, begin);
}

Token TokenScanner::Operator() {
  const size_t begin = at_;
  while (IsOperatorChar(Peek())) {
    const bool comment = (Peek() == '/' && Peek(1) == '*') || (Peek() == '-' && Peek(1) == '-');
    if (comment && at_ > begin) break;
    ++at_;
  }
  // A longer operator ends in + or - only if it holds a character that SQL's own operators have
  // not.
  if (sql_.substr(begin, at_ - begin).find_first_of("~!@#^&|`?%") == std::string_view::npos) {
    while (at_ - begin > 1 && (sql_[at_ - 1] == '+' || sql_[at_ - 1] == '-')) --at_;
  }
  return Make(TokenKind::op, begin);
}

Token TokenScanner::Word() {
  const size_t begin = at_;
  const char first = absl::ascii_tolower(static_cast<unsigned char>(Peek()));
  if (Peek(1) == '\'' && (first == 'e' || first == 'b' || first == 'x')) {
    ++at_;
    return Quoted(begin, TokenKind::string, first == 'e' ? Quoting::escapes : Quoting::bits);
  }
  if (first == 'u' && Peek(1) == '&' && (Peek(2) == '\'' || Peek(2) == '"')) {
    at_ += 2;
    const bool string = Peek() == '\'';
    return Quoted(begin, string ? TokenKind::string : TokenKind::quoted_identifier,
                  Quoting::standard);
  }
  while (IsIdentifierPart(Peek())) ++at_;
  return Make(TokenKind::identifier, begin);
}

Token TokenScanner::Next() {
  if (!SkipSpace()) return {TokenKind::bad, sql_.size(), 0};
  if (at_ >= sql_.size()) return {TokenKind::end, sql_.size(), 0};
  const size_t begin = at_;
  const char c = sql_[at_];
  if (IsIdentifierStart(c)) return Word();
  if (c == '\'') return Quoted(begin, TokenKind::string, Quoting::standard);
  if (c == '"') return Quoted(begin, TokenKind::quoted_identifier, Quoting::standard);
  if (c == '$') return DollarOrParameter();
  if (IsDigit(c) || (c == '.' && IsDigit(Peek(1)))) return Number();
  const std::string_view two = sql_.substr(begin, 2);
  if (two == "::" || two == ":=" || two == "..") {
    at_ += 2;
    return Make(TokenKind::op, begin);
  }
  if (IsOperatorChar(c)) return Operator();
  ++at_;
  const bool known = std::string_view(",()[].;:").find(c) != std::string_view::npos && c != '\0';
  return Make(known ? TokenKind::punctuation : TokenKind::bad, begin);
}

namespace {

// How deep a tree may become, from the tokens alone. Within one pair of brackets, operators nest
// into each other up to the next comma, AND or OR; joins and set operations nest across these, CASE
// and BETWEEN across AND and OR.
class DepthMeter {
 public:
  DepthMeter() { groups_.emplace_back(); }

  void Open() { groups_.emplace_back(); }
  void Close() {
    if (groups_.size() > 1) CloseOne();
  }
  void Comma() { EndList(); }
  void Connective() { EndTerm(); }
  void Chain() {
    EndTerm();
    ++groups_.back().chain;
  }
  void Branch() {
    EndTerm();
    ++groups_.back().branches;
  }
  void Level() { ++groups_.back().levels; }

  // A lower bound that grows: enough to stop early.
  size_t Now() const {
    const Group& g = groups_.back();
    return groups_.size() + g.chain + g.branches + g.levels + g.nested;
  }
  size_t Finish() {
    while (groups_.size() > 1) CloseOne();
    EndList();
    return groups_.back().chain + groups_.back().deepest_list;
  }

 private:
  struct Group {
    size_t chain = 0;         // joins, set operations
    size_t deepest_list = 0;  // of the comma-separated parts so far
    size_t branches = 0;      // CASE and BETWEEN of this part
    size_t deepest_term = 0;
    size_t levels = 0;  // operators of this term
    size_t nested = 0;  // deepest bracket in it
  };

  void EndTerm() {
    Group& g = groups_.back();
    g.deepest_term = std::max(g.deepest_term, g.levels + g.nested);
    g.levels = g.nested = 0;
  }
  void EndList() {
    EndTerm();
    Group& g = groups_.back();
    g.deepest_list = std::max(g.deepest_list, g.branches + g.deepest_term);
    g.branches = g.deepest_term = 0;
  }
  void CloseOne() {
    EndList();
    const size_t depth = 1 + groups_.back().chain + groups_.back().deepest_list;
    groups_.pop_back();
    groups_.back().nested = std::max(groups_.back().nested, depth);
  }

  std::vector<Group> groups_;
};

bool OneOf(std::string_view word, std::initializer_list<std::string_view> list) {
  return std::any_of(list.begin(), list.end(),
                     [&](std::string_view w) { return SameWord(word, w); });
}

void MeasureWord(std::string_view word, DepthMeter* meter) {
  if (word.size() < 2 || word.size() > 10) return;
  if (OneOf(word, {"and", "or", "when", "then", "else"})) {
    meter->Connective();
  } else if (OneOf(word, {"join", "union", "except", "intersect"})) {
    meter->Chain();
  } else if (OneOf(word, {"case", "between"})) {
    meter->Branch();
  } else if (OneOf(word, {"not", "is", "isnull", "notnull", "like", "ilike", "similar", "in",
                          "collate", "at", "select", "exists", "array", "row", "overlaps"})) {
    meter->Level();
  }
}

}  // namespace

TextCost MeasureText(std::string_view sql, size_t max_tokens, size_t max_depth) {
  TextCost cost;
  DepthMeter meter;
  TokenScanner scanner(sql);
  for (Token token = scanner.Next(); token.kind != TokenKind::end; token = scanner.Next()) {
    ++cost.tokens;
    switch (token.kind) {
      case TokenKind::identifier:
        MeasureWord(scanner.Text(token), &meter);
        break;
      case TokenKind::op:
      case TokenKind::bad:
        meter.Level();
        break;
      case TokenKind::punctuation: {
        const char c = sql[token.offset];
        if (c == '(' || c == '[') meter.Open();
        if (c == ')' || c == ']') meter.Close();
        if (c == ',' || c == ';') meter.Comma();
        break;
      }
      default:
        break;
    }
    cost.depth = meter.Now();
    if (cost.tokens > max_tokens || cost.depth > max_depth) return cost;
    // An unterminated comment or quote ends the text.
    if (token.kind == TokenKind::bad && token.end() >= sql.size()) break;
  }
  cost.depth = meter.Finish();
  return cost;
}

}  // namespace pgparity::shadow
