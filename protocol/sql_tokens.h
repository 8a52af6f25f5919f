// PostgreSQL's lexical structure, as far as it takes to tell quoted text and comments from the
// rest. Source of the rules: PostgreSQL manual, "Lexical Structure"; src/backend/parser/scan.l.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace pgparity::protocol {

enum class TokenKind : uint8_t {
  end,
  word,               // keyword or unquoted identifier
  quoted_identifier,  // "..." or U&"...", with its quotes
  string,             // any kind of literal, its prefix and quotes (or dollar tags) included
  number,             // a run of digits
  parameter,          // $1
  symbol,             // any other single character
};

struct Token {
  TokenKind kind = TokenKind::end;
  std::string_view text;  // points into the text given

  // A word equal to `upper`, which is in upper case, whatever the word's own case.
  bool Is(std::string_view upper) const;
  bool IsSymbol(char symbol) const { return kind == TokenKind::symbol && text[0] == symbol; }
};

// Gives the tokens of a text one by one, without white space and comments. Never fails: what is
// unterminated reaches to the end. Linear time over a whole text.
class SqlTokenizer {
 public:
  SqlTokenizer(std::string_view sql, bool standard_conforming_strings)
      : sql_(sql), standard_conforming_strings_(standard_conforming_strings) {}

  Token Next();
  // Offset just behind the last token.
  size_t position() const { return position_; }

 private:
  char At(size_t position) const { return position < sql_.size() ? sql_[position] : '\0'; }
  void SkipSpaceAndComments();
  void SkipBlockComment();
  Token Finish(TokenKind kind, size_t begin, size_t end);
  Token Word(size_t begin);
  Token Dollar(size_t begin);
  size_t EndOfQuoted(size_t open, bool backslash) const;
  size_t NextPiece(size_t position) const;

  std::string_view sql_;
  size_t position_ = 0;
  bool standard_conforming_strings_;
};

}  // namespace pgparity::protocol
