// Which rows a statement writes and touches (rewrite.h): by key where the key is proved, else the
// whole table.
#include <xxhash.h>

#include <algorithm>

#include "protocol/wire.h"
#include "shadow/identifiers.h"
#include "shadow/rewrite.h"

namespace pgparity::shadow {
namespace {

// Beyond so many rows of one statement the whole table is said.
constexpr size_t kMaxRows = 1000;
// Views over views, cascades over cascades, partitions of partitions.
constexpr int kMaxDepth = 16;

// Types whose equal values have equal canonical forms, and for which the cast to another does not
// matter.
enum class KeyClass : uint8_t { none, integer, text, uuid, boolean, date, enumeration };

KeyClass ClassOf(uint32_t type_oid, const Catalog& catalog) {
  using namespace protocol::oid;
  protocol::TypeInfo type = catalog.Resolve(type_oid);
  for (int i = 0; i < kMaxDepth && type.kind == protocol::TypeKind::domain; ++i) {
    type_oid = type.base;
    type = catalog.Resolve(type_oid);
  }
  if (type.kind == protocol::TypeKind::enumeration) return KeyClass::enumeration;
  switch (type_oid) {
    case kInt2:
    case kInt4:
    case kInt8:
    case kOid:
      return KeyClass::integer;
    case kText:
    case kVarchar:
    case kName:
      return KeyClass::text;
    case kUuid:
      return KeyClass::uuid;
    case kBool:
      return KeyClass::boolean;
    case kDate:
      return KeyClass::date;
    default:
      return KeyClass::none;
  }
}

// A value of a key's column: the form that is equal where the values are, and the text.
struct KeyValue {
  std::string canonical, text;
};

std::optional<KeyValue> KeyValueOf(std::string_view value, uint32_t type, protocol::Format format,
                                   const CatalogColumn& column, const Catalog& catalog) {
  const KeyClass cls = ClassOf(column.type_oid, catalog);
  if (cls == KeyClass::none) return std::nullopt;
  const bool open = type == 0 || type == protocol::oid::kUnknown;
  if (!open && ClassOf(type, catalog) != cls) return std::nullopt;
  const uint32_t as = open ? column.type_oid : type;
  auto canonical = protocol::Canonicalise(value, as, format, catalog, {});
  if (!canonical.ok() || !canonical->typed) return std::nullopt;
  return KeyValue{std::move(canonical->bytes),
                  protocol::DisplayValue(value, as, format, catalog, {})};
}

// A row by the values of its key, each hashed behind its length.
class KeyBuilder {
 public:
  void Add(KeyValue value) {
    protocol::WireWriter(&bytes_)
        .Int32(static_cast<int32_t>(value.canonical.size()))
        .Bytes(value.canonical);
    values_.push_back(std::move(value.text));
  }
  RowAccess Take(const std::string& table) {
    return {table, XXH3_64bits(bytes_.data(), bytes_.size()),
            std::make_shared<const std::vector<std::string>>(std::move(values_))};
  }

 private:
  std::string bytes_;
  std::vector<std::string> values_;
};

class WriteSet {
 public:
  WriteSet(const Statement& statement, const Analysis& analysis, const RewriteContext& context)
      : statement_(statement), analysis_(analysis), context_(context) {}

  std::vector<RowAccess> Take() { return std::move(accesses_); }
  void AddWrites();
  void AddTouches();

 private:
  using Keys = std::optional<std::vector<RowAccess>>;

  const CatalogTable* Find(const TableName& name) const {
    return context_.primary->FindTable(name.schema, name.name, context_.search_path);
  }
  const CatalogTable& Root(const CatalogTable& table) const;
  void Add(RowAccess row);
  void Add(const std::string& table) { Add(RowAccess{table, std::nullopt}); }
  void AddWhole(const TableName& name);
  void AddWholeTable(const CatalogTable& table, int depth);
  void AddReferencing(const CatalogTable& table, bool deletes, bool only_cascading, int depth);
  void AddParents(const CatalogTable& table);
  bool Sets(const CatalogTable& table, const std::vector<int16_t>& columns) const;

  Keys KeysOfWrite(const CatalogTable& table) const;
  Keys KeysOfInsert(const CatalogTable& table) const;
  Keys KeysOfPredicates(const CatalogTable& table) const;
  Keys KeysOfSeenRows(const CatalogTable& table) const;
  std::optional<RowAccess> KeyOfRow(const CatalogTable& table, size_t row,
                                    const compare::RowView* seen) const;
  std::optional<KeyValue> InsertValue(const CatalogTable& table, const CatalogColumn& column,
                                      size_t row, const compare::RowView* seen) const;
  std::optional<KeyValue> SeenValue(const CatalogTable& table, const CatalogColumn& column,
                                    const compare::RowView& seen) const;
  std::optional<KeyValue> Value(const ValueSource& source, const CatalogColumn& column) const;
  std::optional<KeyValue> Canonical(std::string_view value, uint32_t type, protocol::Format format,
                                    const CatalogColumn& column) const;
  std::vector<compare::RowView> SeenRows(size_t expected) const;

  const Statement& statement_;
  const Analysis& analysis_;
  const RewriteContext& context_;
  std::vector<RowAccess> accesses_;
};

const CatalogTable& WriteSet::Root(const CatalogTable& table) const {
  const CatalogTable* root = &table;
  for (int i = 0; i < kMaxDepth && root->parent != 0; ++i) {
    const CatalogTable* parent = context_.primary->FindTable(root->parent);
    if (parent == nullptr) break;
    root = parent;
  }
  return *root;
}

void WriteSet::Add(RowAccess row) {
  const bool known = std::any_of(accesses_.begin(), accesses_.end(), [&](const RowAccess& access) {
    return access.table == row.table && (!access.key || access.key == row.key);
  });
  if (!known) accesses_.push_back(std::move(row));
}

void WriteSet::AddWhole(const TableName& name) {
  if (const CatalogTable* table = Find(name)) {
    AddWholeTable(*table, 0);
  } else {
    Add(QuoteQualified(name.schema, name.name));
  }
}

// A view stands for the tables that it reads.
void WriteSet::AddWholeTable(const CatalogTable& table, int depth) {
  Add(Root(table).QualifiedName());
  for (const uint32_t read : table.view_of) {
    const CatalogTable* base = context_.primary->FindTable(read);
    if (base != nullptr && depth < kMaxDepth) AddWholeTable(*base, depth + 1);
  }
}

// Tables whose rows hang on this one's: written by a cascade, or looked at by the foreign key's
// check.
void WriteSet::AddReferencing(const CatalogTable& table, bool deletes, bool only_cascading,
                              int depth) {
  for (const CatalogTable* child : context_.primary->FindReferencing(table.oid)) {
    for (const ForeignKey& key : child->foreign_keys) {
      const char action = deletes ? key.on_delete : key.on_update;
      const bool cascades = action != 'a' && action != 'r';
      if (key.table != table.oid || (only_cascading && !cascades)) continue;
      const std::string name = Root(*child).QualifiedName();
      const bool known = std::any_of(accesses_.begin(), accesses_.end(),
                                     [&](const RowAccess& a) { return a.table == name && !a.key; });
      Add(name);
      if (!known && cascades && depth < kMaxDepth) {
        AddReferencing(*child, deletes && action == 'c', only_cascading, depth + 1);
      }
    }
  }
}

bool WriteSet::Sets(const CatalogTable& table, const std::vector<int16_t>& columns) const {
  return std::any_of(columns.begin(), columns.end(), [&](int16_t attribute) {
    const CatalogColumn* column = table.FindAttribute(attribute);
    return column != nullptr &&
           std::find(analysis_.set_columns.begin(), analysis_.set_columns.end(), column->name) !=
               analysis_.set_columns.end();
  });
}

// ------------------------------------------------------------------------------- values

std::optional<KeyValue> WriteSet::Canonical(std::string_view value, uint32_t type,
                                            protocol::Format format,
                                            const CatalogColumn& column) const {
  return KeyValueOf(value, type, format, column, *context_.primary);
}

std::optional<KeyValue> WriteSet::Value(const ValueSource& source,
                                        const CatalogColumn& column) const {
  if (source.kind == ValueSource::Kind::literal && !source.is_null) {
    return Canonical(source.literal, 0, protocol::Format::text, column);
  }
  if (source.kind != ValueSource::Kind::parameter || source.parameter < 1) return std::nullopt;
  const protocol::BoundParameters& bound = statement_.parameters;
  const size_t index = static_cast<size_t>(source.parameter) - 1;
  if (index >= bound.values.size() || !bound.values[index]) return std::nullopt;
  const uint32_t type = index < bound.types.size() ? bound.types[index] : 0;
  const int16_t format = index < bound.formats.size() ? bound.formats[index] : 0;
  return Canonical(*bound.values[index], type, static_cast<protocol::Format>(format), column);
}

std::optional<KeyValue> WriteSet::SeenValue(const CatalogTable& table, const CatalogColumn& column,
                                            const compare::RowView& seen) const {
  const auto& columns = statement_.primary.columns;
  for (size_t i = 0; i < columns.size() && i < seen.size(); ++i) {
    if (columns[i].table_oid == table.oid && columns[i].attribute == column.attribute && seen[i]) {
      return Canonical(*seen[i], columns[i].type_oid, columns[i].format, column);
    }
  }
  return std::nullopt;
}

// What the primary returned is what the row holds, whatever was given.
std::optional<KeyValue> WriteSet::InsertValue(const CatalogTable& table,
                                              const CatalogColumn& column, size_t row,
                                              const compare::RowView* seen) const {
  if (seen != nullptr) {
    if (auto value = SeenValue(table, column, *seen)) return value;
  }
  const InsertShape& shape = *analysis_.insert;
  if (row >= shape.rows.size()) return std::nullopt;
  for (size_t i = 0; i < shape.rows[row].size(); ++i) {
    const bool is_column = shape.columns.empty()
                               ? i < table.columns.size() && table.columns[i].name == column.name
                               : i < shape.columns.size() && shape.columns[i] == column.name;
    if (is_column) return Value(shape.rows[row][i], column);
  }
  return std::nullopt;
}

std::vector<compare::RowView> WriteSet::SeenRows(size_t expected) const {
  std::vector<compare::RowView> rows;
  const compare::Observation& primary = statement_.primary;
  if (primary.kind != compare::Observation::Kind::rows_or_tag || !primary.has_columns ||
      primary.digest.rows > 0 || primary.row_count != expected) {
    return rows;
  }
  compare::RowReader reader(primary.rows);
  compare::RowView row;
  while (reader.Next(&row)) rows.push_back(row);
  if (rows.size() != expected) rows.clear();
  return rows;
}

// --------------------------------------------------------------------------------- keys

std::optional<RowAccess> WriteSet::KeyOfRow(const CatalogTable& table, size_t row,
                                            const compare::RowView* seen) const {
  KeyBuilder key;
  for (const int16_t attribute : table.primary_key) {
    const CatalogColumn* column = table.FindAttribute(attribute);
    auto value = column == nullptr ? std::nullopt : InsertValue(table, *column, row, seen);
    if (!value) return std::nullopt;
    key.Add(*std::move(value));
  }
  return key.Take(table.QualifiedName());
}

// Where the primary returned the key of every row that it wrote, or wrote none, that is what it
// wrote, whatever its WHERE says.
WriteSet::Keys WriteSet::KeysOfSeenRows(const CatalogTable& table) const {
  const compare::Observation& primary = statement_.primary;
  if (primary.kind != compare::Observation::Kind::rows_or_tag) return std::nullopt;
  if (primary.tag == "UPDATE 0" || primary.tag == "DELETE 0") return std::vector<RowAccess>();
  if (!primary.has_columns || primary.digest.rows > 0 || primary.row_count > kMaxRows ||
      Sets(table, table.primary_key)) {
    return std::nullopt;
  }
  std::vector<RowAccess> rows;
  compare::RowReader reader(primary.rows);
  for (compare::RowView row; reader.Next(&row);) {
    KeyBuilder key;
    for (const int16_t attribute : table.primary_key) {
      const CatalogColumn* column = table.FindAttribute(attribute);
      auto value = column == nullptr ? std::nullopt : SeenValue(table, *column, row);
      if (!value) return std::nullopt;
      key.Add(*std::move(value));
    }
    rows.push_back(key.Take(table.QualifiedName()));
  }
  if (reader.failed() || rows.size() != primary.row_count) return std::nullopt;
  return rows;
}

WriteSet::Keys WriteSet::KeysOfInsert(const CatalogTable& table) const {
  if (!analysis_.insert || analysis_.insert->from_select) return std::nullopt;
  const InsertShape& shape = *analysis_.insert;
  const size_t rows = shape.default_values ? 1 : shape.rows.size();
  if (rows > kMaxRows) return std::nullopt;
  const std::vector<compare::RowView> seen = SeenRows(rows);
  if (shape.conflict_update && seen.empty()) {
    // DO UPDATE may have changed a row of another key, unless the key itself is what conflicts.
    std::vector<std::string> key;
    for (const int16_t attribute : table.primary_key) {
      if (const CatalogColumn* column = table.FindAttribute(attribute)) key.push_back(column->name);
    }
    if (!std::is_permutation(key.begin(), key.end(), shape.conflict_columns.begin(),
                             shape.conflict_columns.end())) {
      return std::nullopt;
    }
  }
  if (Sets(table, table.primary_key)) return std::nullopt;
  std::vector<RowAccess> keys;
  for (size_t row = 0; row < rows; ++row) {
    auto key = KeyOfRow(table, row, seen.empty() ? nullptr : &seen[row]);
    if (!key) return std::nullopt;
    keys.push_back(*std::move(key));
  }
  return keys;
}

WriteSet::Keys WriteSet::KeysOfPredicates(const CatalogTable& table) const {
  if (!analysis_.key_predicates) return std::nullopt;
  KeyBuilder key;
  for (const int16_t attribute : table.primary_key) {
    const CatalogColumn* column = table.FindAttribute(attribute);
    if (column == nullptr) return std::nullopt;
    const auto& predicates = *analysis_.key_predicates;
    const auto it = std::find_if(predicates.begin(), predicates.end(),
                                 [&](const KeyPredicate& p) { return p.column == column->name; });
    auto value = it == predicates.end() ? std::nullopt : Value(it->value, *column);
    if (!value) return std::nullopt;
    key.Add(*std::move(value));
  }
  return std::vector<RowAccess>{key.Take(table.QualifiedName())};
}

WriteSet::Keys WriteSet::KeysOfWrite(const CatalogTable& table) const {
  // A trigger or rule may write other rows; a key of a partition is not that of the whole.
  if (analysis_.cte_writes || table.primary_key.empty() || table.has_triggers || table.has_rules ||
      table.parent != 0 || (table.kind != 'r' && table.kind != 'p')) {
    return std::nullopt;
  }
  switch (analysis_.kind) {
    case StatementKind::insert:
      return KeysOfInsert(table);
    case StatementKind::update:
    case StatementKind::delete_: {
      const bool moves = Sets(table, table.primary_key);
      Keys keys = moves ? std::nullopt : KeysOfPredicates(table);
      return keys ? std::move(keys) : KeysOfSeenRows(table);
    }
    default:
      return std::nullopt;
  }
}

// ------------------------------------------------------------------------------- results

void WriteSet::AddWrites() {
  for (size_t i = 0; i < analysis_.writes.size(); ++i) {
    const CatalogTable* table = Find(analysis_.writes[i]);
    // The first is the statement's own; those of its CTEs follow.
    const Keys keys = table != nullptr && i == 0 && analysis_.writes.size() == 1
                          ? KeysOfWrite(*table)
                          : std::nullopt;
    if (keys) {
      for (const RowAccess& key : *keys) Add(key);
    } else {
      AddWhole(analysis_.writes[i]);
    }
    if (table == nullptr || (keys && keys->empty())) continue;
    const StatementKind kind = analysis_.kind;
    if (kind == StatementKind::truncate || kind == StatementKind::delete_ ||
        kind == StatementKind::merge) {
      AddReferencing(*table, true, kind != StatementKind::truncate, 0);
    } else if (kind == StatementKind::update && Sets(*table, table->primary_key)) {
      AddReferencing(*table, false, true, 0);
    }
  }
}

// The rows that the foreign keys of an inserted or changed row point to.
void WriteSet::AddParents(const CatalogTable& table) {
  const bool insert = analysis_.kind == StatementKind::insert ||
                      analysis_.kind == StatementKind::copy_in ||
                      analysis_.kind == StatementKind::merge;
  for (const ForeignKey& key : table.foreign_keys) {
    const CatalogTable* parent = context_.primary->FindTable(key.table);
    if (parent == nullptr || (!insert && !Sets(table, key.columns))) continue;
    const bool plain = analysis_.kind == StatementKind::insert && analysis_.insert &&
                       !analysis_.insert->from_select && !analysis_.insert->on_conflict &&
                       analysis_.insert->rows.size() == 1 &&
                       key.referenced == parent->primary_key && parent->parent == 0;
    std::optional<RowAccess> row;
    if (plain) {
      const std::vector<compare::RowView> seen = SeenRows(1);
      KeyBuilder values;
      bool known = true;
      for (const int16_t attribute : key.columns) {
        const CatalogColumn* column = table.FindAttribute(attribute);
        auto value = column == nullptr
                         ? std::nullopt
                         : InsertValue(table, *column, 0, seen.empty() ? nullptr : &seen[0]);
        known = known && value.has_value();
        if (value) values.Add(*std::move(value));
      }
      if (known) row = values.Take(parent->QualifiedName());
    }
    if (row) {
      Add(*std::move(row));
    } else {
      AddWholeTable(*parent, 0);
    }
  }
}

void WriteSet::AddTouches() {
  for (const TableName& name : analysis_.reads) {
    const CatalogTable* table = Find(name);
    const bool alone = analysis_.reads.size() == 1 && analysis_.writes.empty();
    const bool keyed = alone && table != nullptr && !table->primary_key.empty() &&
                       table->parent == 0 && (table->kind == 'r' || table->kind == 'p');
    const Keys keys = keyed ? KeysOfPredicates(*table) : std::nullopt;
    if (keys) {
      Add(keys->front());
    } else {
      AddWhole(name);
    }
  }
  AddWrites();
  for (const TableName& name : analysis_.writes) {
    const CatalogTable* table = Find(name);
    if (table == nullptr) continue;
    // Whether a row can go in depends on the other unique keys' rows, which have other primary
    // keys.
    const bool by_unique = analysis_.kind == StatementKind::insert ||
                           std::any_of(table->unique_keys.begin(), table->unique_keys.end(),
                                       [&](const auto& key) { return Sets(*table, key); });
    if (table->other_unique && by_unique) AddWholeTable(*table, 0);
    AddParents(*table);
    if (analysis_.kind == StatementKind::delete_) AddReferencing(*table, true, false, 0);
    if (analysis_.kind == StatementKind::update && Sets(*table, table->primary_key)) {
      AddReferencing(*table, false, false, 0);
    }
  }
}

}  // namespace

RowAccess RowByKey(const CatalogTable& table, std::vector<std::string> values,
                   const Catalog& primary) {
  KeyBuilder key;
  for (size_t i = 0; i < values.size(); ++i) {
    const CatalogColumn* column =
        i < table.primary_key.size() ? table.FindAttribute(table.primary_key[i]) : nullptr;
    std::optional<KeyValue> value;
    if (column != nullptr)
      value = KeyValueOf(values[i], 0, protocol::Format::text, *column, primary);
    if (!value) value = KeyValue{values[i], values[i]};
    key.Add(KeyValue{std::move(value->canonical), std::move(values[i])});
  }
  return key.Take(table.QualifiedName());
}

std::vector<RowAccess> Writes(const Statement& statement, const Analysis& analysis,
                              const RewriteContext& context) {
  WriteSet set(statement, analysis, context);
  set.AddWrites();
  return set.Take();
}

std::vector<RowAccess> Touches(const Statement& statement, const Analysis& analysis,
                               const RewriteContext& context) {
  WriteSet set(statement, analysis, context);
  set.AddTouches();
  return set.Take();
}

bool AtMostOneRow(const Analysis& analysis, const RewriteContext& context) {
  const auto& names = analysis.writes.empty() ? analysis.reads : analysis.writes;
  if (!analysis.key_predicates || names.size() != 1) return false;
  const CatalogTable* table =
      context.primary->FindTable(names.front().schema, names.front().name, context.search_path);
  // A unique key holds for one table, not for those that inherit from it.
  if (table == nullptr || table->kind == 'v' || (table->kind == 'r' && table->has_children))
    return false;
  const auto pinned = [&](const std::vector<int16_t>& key) {
    return !key.empty() && std::all_of(key.begin(), key.end(), [&](int16_t attribute) {
      const CatalogColumn* column = table->FindAttribute(attribute);
      return column != nullptr &&
             std::any_of(analysis.key_predicates->begin(), analysis.key_predicates->end(),
                         [&](const KeyPredicate& p) { return p.column == column->name; });
    });
  };
  return pinned(table->primary_key) ||
         std::any_of(table->unique_keys.begin(), table->unique_keys.end(), pinned);
}

}  // namespace pgparity::shadow
