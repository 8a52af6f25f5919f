#include "proxy/text_shape.h"

#include <xxhash.h>

#include <charconv>

#include "protocol/sql_tokens.h"
#include "protocol/text.h"

namespace pgparity::proxy {
namespace {

using protocol::Token;
using protocol::TokenKind;

constexpr size_t kMaxTokens = 512;
constexpr uint64_t kFirstNumber = 7'000'000;
constexpr std::string_view kStringMark = "pgparity-";

// A literal whose value is plain from its text.
std::optional<TextShape::Literal> LiteralOf(const Token& token) {
  if (token.kind == TokenKind::number) return TextShape::Literal{true, token.text};
  if (token.kind != TokenKind::string || token.text.size() < 2) return std::nullopt;
  if (token.text.front() != '\'' || token.text.back() != '\'') return std::nullopt;
  const std::string_view inner = token.text.substr(1, token.text.size() - 2);
  if (inner.find('\'') != std::string_view::npos) return std::nullopt;
  return TextShape::Literal{false, inner};
}

}  // namespace

std::optional<TextShape> ShapeOf(std::string_view sql) {
  TextShape shape;
  protocol::SqlTokenizer tokens(sql, true);
  size_t count = 0;
  for (Token token = tokens.Next(); token.kind != TokenKind::end; token = tokens.Next()) {
    if (++count > kMaxTokens) return std::nullopt;
    const std::optional<TextShape::Literal> literal = LiteralOf(token);
    std::string_view hashed = token.text;
    if (literal) {
      if (shape.count == TextShape::kMaxLiterals) return std::nullopt;
      shape.literals[shape.count++] = *literal;
      hashed = literal->number ? "0" : "''";
    }
    shape.fingerprint = XXH3_64bits_withSeed(hashed.data(), hashed.size(), shape.fingerprint + 1);
  }
  return shape;
}

std::string MarkLiterals(std::string_view sql) {
  std::string marked;
  size_t done = 0, index = 0;
  protocol::SqlTokenizer tokens(sql, true);
  for (Token token = tokens.Next(); token.kind != TokenKind::end; token = tokens.Next()) {
    const std::optional<TextShape::Literal> literal = LiteralOf(token);
    if (!literal) continue;
    const auto begin = static_cast<size_t>(token.text.data() - sql.data());
    marked.append(sql.substr(done, begin - done));
    marked += literal->number ? std::to_string(kFirstNumber + index)
                              : protocol::StrCat("'", kStringMark, index, "'");
    done = begin + token.text.size();
    ++index;
  }
  marked.append(sql.substr(done));
  return marked;
}

std::optional<size_t> LiteralOfMark(std::string_view literal) {
  const bool string = literal.starts_with(kStringMark);
  if (string) literal.remove_prefix(kStringMark.size());
  uint64_t number = 0;
  const char* const end = literal.data() + literal.size();
  const auto [stop, error] = std::from_chars(literal.data(), end, number);
  if (error != std::errc() || stop != end) return std::nullopt;
  if (!string && number < kFirstNumber) return std::nullopt;
  const uint64_t index = string ? number : number - kFirstNumber;
  if (index >= TextShape::kMaxLiterals) return std::nullopt;
  return index;
}

}  // namespace pgparity::proxy
