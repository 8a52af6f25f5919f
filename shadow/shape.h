// Fingerprint and shape of a statement: its text with the constants taken out.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace pgparity::shadow {

// A shape longer than this is cut off, with "..." behind it.
inline constexpr size_t kMaxShapeBytes = 4096;

// For a text that libpg_query has parsed: 16 hex digits, the same for statements that differ only
// in constants, parameters, aliases, white space and the length of lists.
std::string FingerprintOf(std::string_view statement);
enum class ShapeKind : uint8_t {
  query,  // numbers that libpg_query leaves are part of the shape (ORDER BY 1,
          // CURRENT_TIMESTAMP(3))
  ddl,    // all numbers are (varchar(20))
  other,  // none is
};
// Constants become $n behind the statement's own parameters; comments go, white space shrinks. No
// string literal of the text is left in it.
std::string ShapeOf(std::string_view statement, ShapeKind kind);
// By tokens alone, for a text that cannot be parsed.
std::string LexicalShape(std::string_view statement, bool keep_numbers);
std::string LexicalFingerprint(std::string_view shape);

}  // namespace pgparity::shadow
