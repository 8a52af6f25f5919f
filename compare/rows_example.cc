// The parts of a comparison that are shown, and what is known of types in binary.
#include <algorithm>

#include "compare/redact.h"
#include "compare/rows.h"

namespace pgparity::compare::internal {
namespace {

constexpr size_t kMaxExample = 4096;
constexpr size_t kMaxRows = 5;
constexpr size_t kMaxCell = 400;
// Longer binary values are not decoded to show their beginning.
constexpr size_t kMaxDecoded = 64 * 1024;
constexpr int kMaxDepth = 24;

// At most `limit` bytes of it, not cut within a character of UTF-8.
std::string Shorten(std::string text, size_t limit) {
  if (text.size() <= limit) return text;
  constexpr std::string_view kMark = "...";
  size_t end = limit - kMark.size();
  while (end > 0 && (static_cast<uint8_t>(text[end]) & 0xC0) == 0x80) --end;
  text.resize(end);
  return text.append(kMark);
}

bool IsNumber(uint32_t type_oid) {
  namespace oid = protocol::oid;
  switch (type_oid) {
    case oid::kInt2:
    case oid::kInt4:
    case oid::kInt8:
    case oid::kOid:
    case oid::kFloat4:
    case oid::kFloat8:
    case oid::kNumeric:
      return true;
    default:
      return false;
  }
}

std::string Quoted(std::string_view text) {
  std::string result = "'";
  for (const char c : text) {
    if (c == '\'') result.push_back('\'');
    result.push_back(c);
  }
  return result + "'";
}

// Escaped last: what it makes of a byte is longer than the byte.
std::string DisplayCell(const ColumnPlan::Source& source, std::string_view value,
                        const protocol::TextSettings& settings) {
  std::string text;
  if (source.format == protocol::Format::text || value.size() > kMaxDecoded) {
    text = value.substr(0, kMaxCell + 4);
  } else {
    text = protocol::DisplayValue(value, source.type_oid, source.format, *source.types, settings);
  }
  text = Shorten(EscapeControl(Shorten(std::move(text), kMaxCell)), kMaxCell);
  return IsNumber(source.type_oid) ? text : Quoted(text);
}

std::string DisplayRow(const std::vector<ColumnPlan>& columns, Side side, std::string_view body,
                       const protocol::TextSettings& settings) {
  RowView row;
  if (!DecodeRow(body, &row) || row.size() != columns.size()) return "(row that cannot be read)";
  std::string result = "(";
  for (size_t i = 0; i < row.size() && result.size() < kMaxExample; ++i) {
    if (i > 0) result += ", ";
    result +=
        row[i].has_value() ? DisplayCell(columns[i].sources[side], *row[i], settings) : "NULL";
  }
  return result + ")";
}

}  // namespace

std::string ExampleOfRows(const std::vector<ColumnPlan>& columns, Side side, const Bodies& bodies,
                          const std::vector<uint32_t>& rows,
                          const protocol::TextSettings& settings) {
  std::string result;
  for (size_t i = 0; i < std::min(rows.size(), kMaxRows); ++i) {
    if (i > 0) result.push_back('\n');
    result += DisplayRow(columns, side, bodies[rows[i]], settings);
  }
  return Shorten(std::move(result), kMaxExample);
}

std::string ExampleOfLines(const Bodies& bodies, const std::vector<uint32_t>& rows) {
  std::string result;
  for (size_t i = 0; i < std::min(rows.size(), kMaxRows); ++i) {
    if (i > 0) result.push_back('\n');
    std::string_view line = bodies[rows[i]];
    if (line.ends_with('\n')) line.remove_suffix(1);
    std::string text = Shorten(std::string(line.substr(0, kMaxCell + 4)), kMaxCell);
    result += Quoted(Shorten(EscapeControl(text), 2 * kMaxCell));
  }
  return Shorten(std::move(result), kMaxExample);
}

std::string ExampleOfOutcome(const Observation& observation) {
  switch (observation.kind) {
    case Observation::Kind::error: {
      const ErrorFields fields = DecodeErrorFields(observation.error);
      std::string text = "error SQLSTATE " + fields.sqlstate.substr(0, 5) + ": " + fields.message;
      if (!fields.detail.empty()) text += " DETAIL: " + fields.detail;
      return Shorten(EscapeControl(Shorten(std::move(text), kMaxExample)), kMaxExample);
    }
    case Observation::Kind::empty_query:
      return "empty query";
    case Observation::Kind::skipped:
      return "skipped after an earlier error";
    case Observation::Kind::portal_suspended:
    case Observation::Kind::rows_or_tag:
      break;
  }
  if (!observation.tag.empty()) return Shorten(EscapeControl(observation.tag), 64);
  return std::to_string(observation.row_count + observation.digest.rows) + " rows";
}

bool IsRegType(uint32_t type_oid) {
  constexpr uint32_t kRegTypes[] = {24, 2202, 2203, 2204, 2205, 2206, 3734, 3769, 4089, 4096, 4191};
  return std::find(std::begin(kRegTypes), std::end(kRegTypes), type_oid) != std::end(kRegTypes);
}

bool BinaryIsPortable(uint32_t type_oid, const protocol::TypeResolver& types) {
  for (int depth = 0; depth < kMaxDepth; ++depth) {
    if (IsRegType(type_oid)) return false;
    const protocol::TypeInfo type = type_oid < protocol::oid::kFirstUser
                                        ? protocol::BuiltinTypes().Resolve(type_oid)
                                        : types.Resolve(type_oid);
    switch (type.kind) {
      case protocol::TypeKind::array:
        // The bytes name the element type.
        if (type.base >= protocol::oid::kFirstUser) return false;
        type_oid = type.base;
        break;
      case protocol::TypeKind::domain:
      case protocol::TypeKind::range:
      case protocol::TypeKind::multirange:
        type_oid = type.base;
        break;
      case protocol::TypeKind::composite:
        return false;
      case protocol::TypeKind::base:
      case protocol::TypeKind::enumeration:
        return true;
      case protocol::TypeKind::unknown:
        // Nothing is known of a type that the resolver does not have; it may hold anything.
        return type_oid < protocol::oid::kFirstUser;
    }
  }
  return false;
}

}  // namespace pgparity::compare::internal
