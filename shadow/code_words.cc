#include "shadow/code_words.h"

#include "shadow/token_scanner.h"
#include "shadow/words.h"

namespace pgparity::shadow {

std::string Unquote(std::string_view literal, bool* exact) {
  *exact = true;
  if (literal.starts_with('$')) return std::string(InsideOfLiteral(literal));
  const std::string_view inside = InsideOfLiteral(literal);
  std::string text;
  for (size_t i = 0; i < inside.size(); ++i) {
    text.push_back(inside[i]);
    if (inside[i] != '\'') continue;
    // Doubled, or the end of a piece that goes on after a newline.
    if (i + 1 < inside.size() && inside[i + 1] == '\'') {
      ++i;
    } else {
      *exact = false;
    }
  }
  const bool plain = literal.starts_with('\'');
  const bool escapes = literal.starts_with('e') || literal.starts_with('E');
  if (!plain && !(escapes && inside.find('\\') == std::string_view::npos)) *exact = false;
  return text;
}

void ForEachWord(std::string_view code, int nesting, absl::FunctionRef<void(const CodeWord&)> fn) {
  TokenScanner scanner(code);
  std::string previous;
  bool dot = false;
  for (Token token = scanner.Next(); token.kind != TokenKind::end;) {
    const std::string_view text = scanner.Text(token);
    const bool last = token.kind == TokenKind::bad && token.end() >= code.size();
    const Token next = last ? Token{} : scanner.Next();
    if (token.kind == TokenKind::identifier || token.kind == TokenKind::quoted_identifier) {
      CodeWord word;
      word.unicode = token.kind == TokenKind::quoted_identifier && !text.starts_with('"');
      word.text =
          token.kind == TokenKind::identifier ? Lower(text) : std::string(InsideOfLiteral(text));
      word.previous = previous;
      word.call = IsChar(code, next, '(');
      word.behind_dot = dot;
      fn(word);
      previous = std::move(word.text);
    } else if (token.kind == TokenKind::string || last) {
      bool exact = true;
      if (nesting > 0) {
        const std::string inside =
            last && text.size() > 1 ? std::string(text.substr(1)) : Unquote(text, &exact);
        ForEachWord(inside, nesting - 1, fn);
      }
      previous.clear();
    } else if (!IsChar(code, token, '.')) {
      previous.clear();
    }
    dot = IsChar(code, token, '.');
    token = next;
  }
}

}  // namespace pgparity::shadow
