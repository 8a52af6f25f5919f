#include "protocol/sql_tokens.h"

#include <algorithm>

#include "absl/strings/ascii.h"

namespace pgparity::protocol {
namespace {

constexpr size_t kNone = std::string_view::npos;

bool IsSpace(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
bool IsNewline(char c) { return c == '\n' || c == '\r'; }
bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool StartsWord(char c) {
  return absl::ascii_isalpha(static_cast<unsigned char>(c)) || c == '_' ||
         static_cast<unsigned char>(c) >= 0x80;
}
// Of a dollar quote's tag; words also go on over '$'.
bool ContinuesTag(char c) { return StartsWord(c) || IsDigit(c); }

}  // namespace

bool Token::Is(std::string_view upper) const {
  return kind == TokenKind::word && text.size() == upper.size() &&
         std::equal(text.begin(), text.end(), upper.begin(), [](char a, char b) {
           return absl::ascii_toupper(static_cast<unsigned char>(a)) == b;
         });
}

Token SqlTokenizer::Finish(TokenKind kind, size_t begin, size_t end) {
  position_ = end;
  return {kind, sql_.substr(begin, end - begin)};
}

void SqlTokenizer::SkipBlockComment() {
  size_t depth = 0;
  while (position_ < sql_.size()) {
    const char c = sql_[position_];
    const char next = At(position_ + 1);
    if (c == '/' && next == '*') {
      ++depth;
      position_ += 2;
    } else if (c == '*' && next == '/') {
      --depth;
      position_ += 2;
      if (depth == 0) return;
    } else {
      ++position_;
    }
  }
}

void SqlTokenizer::SkipSpaceAndComments() {
  while (position_ < sql_.size()) {
    const char c = sql_[position_];
    const char next = At(position_ + 1);
    if (IsSpace(c)) {
      ++position_;
    } else if (c == '-' && next == '-') {
      position_ = std::min(sql_.size(), sql_.find_first_of("\r\n", position_));
    } else if (c == '/' && next == '*') {
      SkipBlockComment();
    } else {
      return;
    }
  }
}

// Where a literal goes on after the quote that closed a piece of it: the next quote, if only white
// space with a newline and "--" comments lie between.
size_t SqlTokenizer::NextPiece(size_t position) const {
  bool newline = false;
  while (position < sql_.size()) {
    const char c = sql_[position];
    if (c == '\'') return newline ? position : kNone;
    if (IsSpace(c)) {
      newline = newline || IsNewline(c);
      ++position;
    } else if (c == '-' && At(position + 1) == '-') {
      position = sql_.find_first_of("\r\n", position);
    } else {
      break;
    }
  }
  return kNone;
}

// The end of what opens with the quote at `open`; a doubled quote reads as two pieces side by side.
// Only in a literal with backslashes does it matter that a next piece is read by the same rule.
size_t SqlTokenizer::EndOfQuoted(size_t open, bool backslash) const {
  const char quote = sql_[open];
  size_t position = open + 1;
  while (position < sql_.size()) {
    const char c = sql_[position++];
    if (backslash && c == '\\') {
      ++position;
    } else if (c == quote) {
      if (At(position) == quote && position < sql_.size()) {
        ++position;
        continue;
      }
      if (!backslash) return position;
      const size_t piece = NextPiece(position);
      if (piece == kNone) return position;
      position = piece + 1;
    }
  }
  return sql_.size();
}

Token SqlTokenizer::Word(size_t begin) {
  const char c = absl::ascii_tolower(static_cast<unsigned char>(sql_[begin]));
  const char next = At(begin + 1);
  if (next == '\'' && (c == 'e' || c == 'b' || c == 'x' || c == 'n')) {
    const bool backslash = c == 'e' || (c == 'n' && !standard_conforming_strings_);
    return Finish(TokenKind::string, begin, EndOfQuoted(begin + 1, backslash));
  }
  if (c == 'u' && next == '&' && At(begin + 2) == '\'') {
    return Finish(TokenKind::string, begin, EndOfQuoted(begin + 2, false));
  }
  if (c == 'u' && next == '&' && At(begin + 2) == '"') {
    return Finish(TokenKind::quoted_identifier, begin, EndOfQuoted(begin + 2, false));
  }
  size_t end = begin + 1;
  while (end < sql_.size() && (ContinuesTag(sql_[end]) || sql_[end] == '$')) ++end;
  return Finish(TokenKind::word, begin, end);
}

Token SqlTokenizer::Dollar(size_t begin) {
  size_t end = begin + 1;
  if (IsDigit(At(end))) {
    while (IsDigit(At(end))) ++end;
    return Finish(TokenKind::parameter, begin, end);
  }
  if (StartsWord(At(end))) {
    while (ContinuesTag(At(end))) ++end;
  }
  if (At(end) != '$') return Finish(TokenKind::symbol, begin, begin + 1);
  const std::string_view delimiter = sql_.substr(begin, end + 1 - begin);
  const size_t close = sql_.find(delimiter, end + 1);
  return Finish(TokenKind::string, begin, close == kNone ? sql_.size() : close + delimiter.size());
}

Token SqlTokenizer::Next() {
  SkipSpaceAndComments();
  const size_t begin = position_;
  if (begin >= sql_.size()) return Finish(TokenKind::end, sql_.size(), sql_.size());
  const char c = sql_[begin];
  if (c == '\'')
    return Finish(TokenKind::string, begin, EndOfQuoted(begin, !standard_conforming_strings_));
  if (c == '"') return Finish(TokenKind::quoted_identifier, begin, EndOfQuoted(begin, false));
  if (c == '$') return Dollar(begin);
  if (StartsWord(c)) return Word(begin);
  if (IsDigit(c)) {
    size_t end = begin + 1;
    while (IsDigit(At(end))) ++end;
    return Finish(TokenKind::number, begin, end);
  }
  return Finish(TokenKind::symbol, begin, begin + 1);
}

}  // namespace pgparity::protocol
