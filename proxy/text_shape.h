// A statement's text with its constants taken out, by the lexer alone: what ordering `hold` knows
// statements by.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace pgparity::proxy {

struct TextShape {
  static constexpr size_t kMaxLiterals = 32;
  struct Literal {
    bool number = false;    // a run of digits; else between plain quotes, with none inside
    std::string_view text;  // without its quotes
  };
  uint64_t fingerprint = 0;  // of everything but the literals
  size_t count = 0;
  std::array<Literal, kMaxLiterals> literals;  // in the text's order
};

// nullopt for a text with more tokens or literals than are looked at. Views are of the text.
std::optional<TextShape> ShapeOf(std::string_view sql);

// The text with a mark in place of each literal, and which literal a mark stands for; for finding
// out by a parser what each is.
std::string MarkLiterals(std::string_view sql);
std::optional<size_t> LiteralOfMark(std::string_view literal);

}  // namespace pgparity::proxy
