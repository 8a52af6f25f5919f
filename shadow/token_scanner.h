// A lexer that agrees with PostgreSQL 15's (scan.l, standard_conforming_strings on) on where each
// token begins and ends. For byte positions in the original text, caps before parsing, and masking.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace pgparity::shadow {

enum class TokenKind : uint8_t {
  end,
  identifier,  // also keywords
  quoted_identifier,
  string,  // all literal forms, continued ones included
  number,
  parameter,    // $1
  op,           // operators, one or more characters, and :: := => ..
  punctuation,  // one of , ( ) [ ] . ; :
  bad,          // unterminated, or a byte that begins no token
};

struct Token {
  TokenKind kind = TokenKind::end;
  size_t offset = 0, length = 0;
  size_t end() const { return offset + length; }
};

// Linear time on any bytes. Comments and white space are skipped.
class TokenScanner {
 public:
  // `sql` outlives the scanner.
  explicit TokenScanner(std::string_view sql, size_t from = 0) : sql_(sql), at_(from) {}
  Token Next();
  std::string_view Text(const Token& token) const {
    return sql_.substr(token.offset, token.length);
  }

 private:
  bool SkipSpace();
  bool SkipBlockComment();
  Token Make(TokenKind kind, size_t begin) const { return {kind, begin, at_ - begin}; }
  // How a quote and a backslash count inside a literal.
  enum class Quoting : uint8_t { standard, escapes, bits };
  Token Quoted(size_t begin, TokenKind kind, Quoting quoting);
  Token DollarOrParameter();
  Token Number();
  Token Operator();
  Token Word();
  bool SkipToQuoteEnd(char quote, Quoting quoting);
  bool SkipContinuation();
  char Peek(size_t ahead = 0) const { return at_ + ahead < sql_.size() ? sql_[at_ + ahead] : '\0'; }

  std::string_view sql_;
  size_t at_;
};

// True if the token is that punctuation or one-character operator.
inline bool IsChar(std::string_view sql, const Token& token, char c) {
  return token.length == 1 && sql[token.offset] == c &&
         (token.kind == TokenKind::punctuation || token.kind == TokenKind::op);
}
// True if the token is that unquoted word; `word` in lower case.
bool IsWord(std::string_view sql, const Token& token, std::string_view word);

// What a parse of the text may cost at most.
struct TextCost {
  size_t tokens = 0;
  size_t depth = 0;  // no tree that the parser makes of the text nests deeper than a few times this
};
// Stops early once either is over its limit.
TextCost MeasureText(std::string_view sql, size_t max_tokens, size_t max_depth);

}  // namespace pgparity::shadow
