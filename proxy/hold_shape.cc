#include "proxy/hold_shape.h"

#include <xxhash.h>

#include <algorithm>
#include <charconv>
#include <string>
#include <vector>

#include "protocol/value.h"
#include "protocol/wire.h"
#include "shadow/analysis.h"

namespace pgparity::proxy {
namespace {

using shadow::Analysis;
using shadow::CatalogColumn;
using shadow::CatalogTable;
using shadow::StatementKind;
using shadow::ValueSource;

std::optional<KeyType> TypeOf(const CatalogColumn& column) {
  using namespace protocol::oid;  // NOLINT
  switch (column.type_oid) {
    case kInt2:
    case kInt4:
    case kInt8:
      return KeyType::integer;
    case kText:
    case kVarchar:
      return KeyType::text;
    case kUuid:
      return KeyType::uuid;
    default:
      return std::nullopt;
  }
}

const CatalogTable* FindTable(const shadow::TableName& name, const shadow::Catalog& primary) {
  return primary.FindTable(name.schema, name.name, {"public"});
}

// What is assigned or compared to that column; null if nothing plain is.
const ValueSource* SourceOf(const Analysis& analysis, const CatalogTable& table,
                            const CatalogColumn& column) {
  if (analysis.kind == StatementKind::insert) {
    const shadow::InsertShape& insert = *analysis.insert;
    size_t at = 0;
    if (insert.columns.empty()) {
      while (at < table.columns.size() && table.columns[at].attribute != column.attribute) ++at;
    } else {
      at =
          static_cast<size_t>(std::find(insert.columns.begin(), insert.columns.end(), column.name) -
                              insert.columns.begin());
    }
    return at < insert.rows[0].size() ? &insert.rows[0][at] : nullptr;
  }
  for (const shadow::KeyPredicate& predicate : *analysis.key_predicates) {
    if (predicate.column == column.name) return &predicate.value;
  }
  return nullptr;
}

bool WritesOneRow(const Analysis& analysis, const CatalogTable& table) {
  switch (analysis.kind) {
    case StatementKind::insert:
      return analysis.insert && analysis.insert->rows.size() == 1 && !analysis.insert->from_select;
    case StatementKind::update:
      // One that changes the key writes two.
      for (const std::string& set : analysis.set_columns) {
        const CatalogColumn* column = table.FindColumn(set);
        if (column == nullptr || std::count(table.primary_key.begin(), table.primary_key.end(),
                                            column->attribute) != 0) {
          return false;
        }
      }
      return analysis.key_predicates.has_value();
    case StatementKind::delete_:
      return analysis.key_predicates.has_value();
    default:
      return false;
  }
}

std::optional<HoldShape::Part> PartOf(const ValueSource& source, KeyType type) {
  HoldShape::Part part{type, source.kind == ValueSource::Kind::parameter, 0};
  if (part.parameter) {
    if (source.parameter < 1 || source.parameter > UINT8_MAX) return std::nullopt;
    part.index = static_cast<uint8_t>(source.parameter - 1);
    return part;
  }
  if (source.kind != ValueSource::Kind::literal || source.is_null) return std::nullopt;
  const std::optional<size_t> literal = LiteralOfMark(source.literal);
  if (!literal) return std::nullopt;
  part.index = static_cast<uint8_t>(*literal);
  return part;
}

// The hash of a key, part by part.
class RowHash {
 public:
  RowHash(const HoldShape& shape, uint64_t database) : hash_(shape.table ^ database) {}
  void Add(std::string_view canonical) {
    hash_ = XXH3_64bits_withSeed(canonical.data(), canonical.size(), hash_ + 1);
  }
  void Add(int64_t number) {
    Add(std::string_view(reinterpret_cast<const char*>(&number), sizeof(number)));
  }
  uint64_t value() const { return hash_; }

 private:
  uint64_t hash_;
};

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// As uuid_in reads it, but for braces.
bool AddUuidText(std::string_view text, RowHash* hash) {
  std::array<char, 16> bytes;
  size_t digits = 0;
  for (const char c : text) {
    if (c == '-') continue;
    const int digit = HexDigit(c);
    if (digit < 0 || digits == 32) return false;
    char& byte = bytes[digits / 2];
    byte = static_cast<char>(digits % 2 == 0 ? digit << 4 : byte | digit);
    ++digits;
  }
  if (digits != 32) return false;
  hash->Add({bytes.data(), bytes.size()});
  return true;
}

bool AddText(KeyType type, std::string_view text, RowHash* hash) {
  if (type == KeyType::text) {
    hash->Add(text);
    return true;
  }
  if (type == KeyType::uuid) return AddUuidText(text, hash);
  int64_t number = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc() || stop != end) return false;
  hash->Add(number);
  return true;
}

bool AddBinary(KeyType type, std::string_view bytes, RowHash* hash) {
  if (type == KeyType::text || (type == KeyType::uuid && bytes.size() == 16)) {
    hash->Add(bytes);
    return true;
  }
  protocol::WireReader reader(bytes);
  if (type == KeyType::uuid) return false;
  if (bytes.size() == 8) {
    hash->Add(reader.ReadInt64());
  } else if (bytes.size() == 4) {
    hash->Add(int64_t{reader.ReadInt32()});
  } else if (bytes.size() == 2) {
    hash->Add(int64_t{reader.ReadInt16()});
  } else {
    return false;
  }
  return true;
}

}  // namespace

HoldShape FindHoldShape(std::string_view sql, const shadow::Catalog& primary) {
  const Analysis analysis = shadow::Analyse(MarkLiterals(sql));
  if (analysis.writes.size() != 1 || analysis.cte_writes) return {};
  const CatalogTable* table = FindTable(analysis.writes[0], primary);
  if (table == nullptr || table->primary_key.empty() ||
      table->primary_key.size() > HoldShape::kMaxParts) {
    return {};
  }
  if (!WritesOneRow(analysis, *table)) return {};
  HoldShape shape;
  shape.table = uint64_t{table->oid} * 0x9E3779B97F4A7C15u;
  for (const int16_t attribute : table->primary_key) {
    const CatalogColumn* column = table->FindAttribute(attribute);
    if (column == nullptr) return {};
    const std::optional<KeyType> type = TypeOf(*column);
    const ValueSource* source = SourceOf(analysis, *table, *column);
    if (!type || source == nullptr) return {};
    const std::optional<HoldShape::Part> part = PartOf(*source, *type);
    if (!part) return {};
    shape.parts[shape.count++] = *part;
  }
  return shape;
}

std::optional<uint64_t> RowOfQuery(const HoldShape& shape, const TextShape& text,
                                   uint64_t database) {
  RowHash hash(shape, database);
  for (size_t i = 0; i < shape.count; ++i) {
    const HoldShape::Part& part = shape.parts[i];
    if (part.parameter || part.index >= text.count) return std::nullopt;
    if (!AddText(part.type, text.literals[part.index].text, &hash)) return std::nullopt;
  }
  return hash.value();
}

std::optional<uint64_t> RowOfBind(const HoldShape& shape, std::string_view body,
                                  uint64_t database) {
  protocol::WireReader bind(body);
  bind.ReadCString();
  bind.ReadCString();
  const uint16_t formats = bind.ReadUint16();
  const std::string_view format_codes = bind.ReadBytes(size_t{2} * formats);
  const uint16_t values = bind.ReadUint16();
  // Where each wanted value is.
  std::array<std::optional<std::string_view>, HoldShape::kMaxParts> found;
  for (size_t i = 0; i < values && bind.ok(); ++i) {
    const int32_t length = bind.ReadInt32();
    if (length < -1) return std::nullopt;
    if (length == -1) continue;
    const std::string_view value = bind.ReadBytes(static_cast<size_t>(length));
    for (size_t part = 0; part < shape.count; ++part) {
      if (shape.parts[part].parameter && shape.parts[part].index == i) found[part] = value;
    }
  }
  if (!bind.ok()) return std::nullopt;
  RowHash hash(shape, database);
  for (size_t i = 0; i < shape.count; ++i) {
    if (!found[i]) return std::nullopt;
    const size_t index = formats == 1 ? 0 : shape.parts[i].index;
    const bool binary = index < formats && format_codes[2 * index + 1] == 1;
    const bool told = binary ? AddBinary(shape.parts[i].type, *found[i], &hash)
                             : AddText(shape.parts[i].type, *found[i], &hash);
    if (!told) return std::nullopt;
  }
  return hash.value();
}

}  // namespace pgparity::proxy
