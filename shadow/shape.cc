#include "shadow/shape.h"

#include <pg_query.h>
#include <xxhash.h>

#include "absl/strings/str_cat.h"
#include "shadow/token_scanner.h"

namespace pgparity::shadow {
namespace {

// Above this, libpg_query's own normalising costs too much.
constexpr size_t kMaxNormaliseBytes = 64 << 10;

void CutOff(std::string* shape) {
  if (shape->size() <= kMaxShapeBytes) return;
  size_t at = kMaxShapeBytes;
  while (at > 0 && ((*shape)[at] & 0xC0) == 0x80) --at;
  shape->resize(at);
  shape->append("...");
}

}  // namespace

std::string FingerprintOf(std::string_view statement) {
  const std::string text(statement);
  const PgQueryFingerprintResult result = pg_query_fingerprint(text.c_str());
  std::string fingerprint =
      result.error == nullptr ? std::string(result.fingerprint_str) : std::string();
  pg_query_free_fingerprint_result(result);
  return fingerprint.empty() ? LexicalFingerprint(LexicalShape(statement, false)) : fingerprint;
}

std::string LexicalShape(std::string_view statement, bool keep_numbers) {
  std::string shape;
  TokenScanner scanner(statement);
  size_t end = 0;
  for (Token token = scanner.Next(); token.kind != TokenKind::end; token = scanner.Next()) {
    // An unterminated literal or comment: what is in it is not known.
    if (token.kind == TokenKind::bad && token.length != 1) break;
    if (token.offset > end && !shape.empty()) shape.push_back(' ');
    end = token.end();
    if (token.kind == TokenKind::string) {
      shape.append("'?'");
    } else if (token.kind == TokenKind::number && !keep_numbers) {
      shape.append("?");
    } else {
      shape.append(scanner.Text(token));
    }
    if (shape.size() > kMaxShapeBytes) break;
  }
  if (!shape.empty() && shape.back() == ';') shape.pop_back();
  CutOff(&shape);
  return shape;
}

std::string ShapeOf(std::string_view statement, ShapeKind kind) {
  if (statement.size() > kMaxNormaliseBytes || kind == ShapeKind::ddl) {
    return LexicalShape(statement, kind == ShapeKind::ddl);
  }
  const std::string text(statement);
  const PgQueryNormalizeResult result = pg_query_normalize(text.c_str());
  const bool normalised = result.error == nullptr;
  const std::string shape = LexicalShape(normalised ? result.normalized_query : text,
                                         normalised && kind == ShapeKind::query);
  pg_query_free_normalize_result(result);
  return shape;
}

std::string LexicalFingerprint(std::string_view shape) {
  return absl::StrCat(absl::Hex(XXH3_64bits(shape.data(), shape.size()), absl::kZeroPad16));
}

}  // namespace pgparity::shadow
