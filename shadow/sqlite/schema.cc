#include "shadow/sqlite/schema.h"

#include "protocol/text.h"
#include "shadow/words.h"

namespace pgparity::shadow::sqlite {

StoredExpression StoredExpression::Of(const PgQuery__Node* node) {
  if (node == nullptr) return {};
  std::string packed(pg_query__node__get_packed_size(node), '\0');
  pg_query__node__pack(node, reinterpret_cast<uint8_t*>(packed.data()));
  return FromPacked(std::move(packed));
}

StoredExpression StoredExpression::FromPacked(std::string packed) {
  StoredExpression expression;
  if (packed.empty()) return expression;
  PgQuery__Node* node = pg_query__node__unpack(nullptr, packed.size(),
                                               reinterpret_cast<const uint8_t*>(packed.data()));
  if (node == nullptr) return expression;
  expression.packed_ = std::move(packed);
  expression.node_ = std::shared_ptr<const PgQuery__Node>(node, [](const PgQuery__Node* n) {
    pg_query__node__free_unpacked(const_cast<PgQuery__Node*>(n), nullptr);
  });
  return expression;
}

absl::StatusOr<StoredExpression> StoredExpression::FromText(std::string_view text) {
  absl::StatusOr<ParseTree> tree = ParseTree::Parse(protocol::StrCat("SELECT ", text));
  if (!tree.ok()) return tree.status();
  const PgQuery__Node* statement = tree->statement();
  if (statement == nullptr || statement->node_case != PG_QUERY__NODE__NODE_SELECT_STMT ||
      statement->select_stmt->n_target_list != 1) {
    return absl::InvalidArgumentError("not one expression");
  }
  return Of(statement->select_stmt->target_list[0]->res_target->val);
}

const Column* Table::Find(std::string_view column) const {
  for (const Column& candidate : columns) {
    if (candidate.name == column) return &candidate;
  }
  return nullptr;
}

const Constraint* Table::PrimaryKey() const {
  for (const Constraint& constraint : constraints) {
    if (constraint.kind == Constraint::Kind::primary_key) return &constraint;
  }
  return nullptr;
}

const Constraint* Table::FindConstraint(std::string_view constraint) const {
  for (const Constraint& candidate : constraints) {
    if (candidate.name == constraint) return &candidate;
  }
  return nullptr;
}

const Column* Table::RowNumber() const {
  const Constraint* key = PrimaryKey();
  if (key == nullptr || key->columns.size() != 1) return nullptr;
  const Column* column = Find(key->columns[0]);
  return column != nullptr && IsInteger(column->type.oid) ? column : nullptr;
}

namespace {

template <typename Map>
auto* FindIn(const Map& map, std::string_view schema, std::string_view name,
             const std::vector<std::string>& search_path) {
  using Value = std::remove_reference_t<decltype(map.begin()->second)>;
  auto look = [&](std::string_view in) -> const Value* {
    const auto found = map.find(protocol::StrCat(in, ".", name));
    return found == map.end() ? nullptr : &found->second;
  };
  if (!schema.empty()) return look(schema);
  for (const std::string& in : search_path) {
    if (const Value* found = look(in)) return found;
  }
  return static_cast<const Value*>(nullptr);
}

}  // namespace

const Table* Schema::FindTable(std::string_view schema, std::string_view name,
                               const std::vector<std::string>& search_path) const {
  const auto* found = FindIn(tables, schema, name, search_path);
  return found == nullptr ? nullptr : found->get();
}

const UserType* Schema::FindType(std::string_view schema, std::string_view name,
                                 const std::vector<std::string>& search_path) const {
  return FindIn(types, schema, name, search_path);
}

const UserType* Schema::FindType(Oid type) const {
  for (const auto& [name, candidate] : types) {
    if (candidate.oid == type) return &candidate;
  }
  return nullptr;
}

std::string QuoteName(std::string_view name) { return Quoted(name, '"'); }

}  // namespace pgparity::shadow::sqlite
