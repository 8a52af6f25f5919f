// ALTER, DROP, RENAME, TRUNCATE, and types.
#include <algorithm>

#include "shadow/sqlite/schema_binder.h"
#include "shadow/sqlite/schema_scripts.h"

namespace pgparity::shadow::sqlite {
namespace {

std::string Text(const char* text) { return text == nullptr ? std::string() : std::string(text); }

template <typename Range, typename Value>
bool Contains(const Range& range, const Value& value) {
  return std::find(range.begin(), range.end(), value) != range.end();
}

StoredExpression Renamed(const StoredExpression& expression, std::string_view from,
                         std::string_view to) {
  if (expression.empty()) return expression;
  PgQuery__Node* node =
      pg_query__node__unpack(nullptr, expression.packed().size(),
                             reinterpret_cast<const uint8_t*>(expression.packed().data()));
  // The new name is not the tree's own: the tree is not freed with it in place.
  std::string name(to);
  const ProtobufCMessage* inner = Inner(node);
  std::vector<std::pair<PgQuery__String*, char*>> changed;
  std::function<void(const ProtobufCMessage*)> walk = [&](const ProtobufCMessage* message) {
    if (const auto* ref = As<PgQuery__ColumnRef>(message, pg_query__column_ref__descriptor)) {
      PgQuery__Node* last = ref->fields[ref->n_fields - 1];
      if (StringOf(last) != from) return;
      changed.emplace_back(last->string, last->string->sval);
      last->string->sval = name.data();
      return;
    }
    ForEachChild(message, walk);
  };
  if (inner != nullptr) walk(inner);
  StoredExpression result = StoredExpression::Of(node);
  for (auto& [string, old] : changed) string->sval = old;
  pg_query__node__free_unpacked(node, nullptr);
  return result;
}

void Replace(std::vector<std::string>* names, std::string_view from, std::string_view to) {
  for (std::string& name : *names)
    if (name == from) name = to;
}

}  // namespace

// ------------------------------------------------------------------------------ ALTER TABLE

void SchemaBinder::AlterTable(const PgQuery__AlterTableStmt& alter) {
  out_->verb = "ALTER TABLE";
  if (alter.objtype == PG_QUERY__OBJECT_TYPE__OBJECT_SEQUENCE) {
    out_->verb = "ALTER SEQUENCE";
    return;
  }
  if (alter.objtype == PG_QUERY__OBJECT_TYPE__OBJECT_INDEX ||
      alter.objtype == PG_QUERY__OBJECT_TYPE__OBJECT_VIEW) {
    RefuseAs("ALTER INDEX or VIEW");
  }
  const Table* found = schema_->FindTable(Text(alter.relation->schemaname), alter.relation->relname,
                                          context_.search_path);
  if (found == nullptr) {
    if (alter.missing_ok) return;
    Fail("42P01", StrCat("relation \"", alter.relation->relname, "\" does not exist"));
  }
  const Table before = *found;
  Table after = before;
  // For each column of `after`, what it is made of; as the table was.
  std::vector<std::string> values;
  for (const Column& column : before.columns) values.push_back(QuoteName(column.name));
  bool changed = false;
  for (size_t i = 0; i < alter.n_cmds; ++i)
    changed = AlterCommand(*alter.cmds[i]->alter_table_cmd, &after, &values) || changed;
  if (!changed) return;
  CheckTable(after);
  Rebuild(before, after, values);
  Put(std::move(after));
}

bool SchemaBinder::AlterCommand(const PgQuery__AlterTableCmd& command, Table* table,
                                std::vector<std::string>* values) {
  auto column = [&]() -> Column& {
    for (Column& candidate : table->columns)
      if (candidate.name == command.name) return candidate;
    Fail("42703", StrCat("column \"", command.name, "\" does not exist"));
  };
  switch (command.subtype) {
    case PG_QUERY__ALTER_TABLE_TYPE__AT_AddColumn:
      AddColumn(command, table, values);
      return true;
    case PG_QUERY__ALTER_TABLE_TYPE__AT_DropColumn:
      if (table->Find(command.name) == nullptr && command.missing_ok) return false;
      column();
      DropColumn(command, table, values);
      return true;
    case PG_QUERY__ALTER_TABLE_TYPE__AT_AlterColumnType:
      column();
      ChangeType(command, table, values);
      return true;
    case PG_QUERY__ALTER_TABLE_TYPE__AT_ColumnDefault:
      column().default_value = StoredExpression::Of(command.def);
      if (command.def == nullptr) column().sequence.clear();
      return true;
    case PG_QUERY__ALTER_TABLE_TYPE__AT_DropNotNull:
      column().not_null = false;
      return true;
    case PG_QUERY__ALTER_TABLE_TYPE__AT_SetNotNull:
      column().not_null = true;
      return true;
    case PG_QUERY__ALTER_TABLE_TYPE__AT_AddConstraint:
      TableConstraint(*command.def->constraint, table);
      return true;
    case PG_QUERY__ALTER_TABLE_TYPE__AT_DropConstraint: {
      for (size_t i = 0; i < table->constraints.size(); ++i) {
        if (table->constraints[i].name != command.name) continue;
        table->constraints.erase(table->constraints.begin() + static_cast<ptrdiff_t>(i));
        return true;
      }
      if (command.missing_ok) return false;
      Fail("42704", StrCat("constraint \"", command.name, "\" does not exist"));
    }
    case PG_QUERY__ALTER_TABLE_TYPE__AT_AddIdentity:
      column().identity = column().not_null = true;
      AddSequence(&column(), *table);
      return true;
    case PG_QUERY__ALTER_TABLE_TYPE__AT_DropIdentity:
      column().identity = column().identity_always = false;
      column().sequence.clear();
      return true;
    case PG_QUERY__ALTER_TABLE_TYPE__AT_SetStatistics:
    case PG_QUERY__ALTER_TABLE_TYPE__AT_SetStorage:
    case PG_QUERY__ALTER_TABLE_TYPE__AT_SetCompression:
    case PG_QUERY__ALTER_TABLE_TYPE__AT_ChangeOwner:
    case PG_QUERY__ALTER_TABLE_TYPE__AT_ClusterOn:
    case PG_QUERY__ALTER_TABLE_TYPE__AT_DropCluster:
    case PG_QUERY__ALTER_TABLE_TYPE__AT_SetLogged:
    case PG_QUERY__ALTER_TABLE_TYPE__AT_SetUnLogged:
    case PG_QUERY__ALTER_TABLE_TYPE__AT_SetTableSpace:
    case PG_QUERY__ALTER_TABLE_TYPE__AT_SetRelOptions:
    case PG_QUERY__ALTER_TABLE_TYPE__AT_ResetRelOptions:
    case PG_QUERY__ALTER_TABLE_TYPE__AT_ReplicaIdentity:
    case PG_QUERY__ALTER_TABLE_TYPE__AT_ValidateConstraint:
      return false;
    default:
      RefuseAs("ALTER TABLE of this kind");
  }
}

void SchemaBinder::AddColumn(const PgQuery__AlterTableCmd& command, Table* table,
                             std::vector<std::string>* values) {
  const PgQuery__ColumnDef& definition = *command.def->column_def;
  if (command.missing_ok && table->Find(definition.colname) != nullptr) return;
  const Column column = MakeColumn(definition, table);
  std::string value = "NULL";
  if (!column.sequence.empty()) RefuseAs("ADD COLUMN with a sequence");
  if (!column.generated.empty()) RefuseAs("ADD COLUMN of a generated column");
  if (!column.default_value.empty()) {
    const TranslateContext context = Context();
    Binder binder(context, {});
    value =
        binder.Assign(binder.Bind(column.default_value.node(), nullptr), column.type, column.name)
            .sql;
  }
  values->push_back(std::move(value));
}

void SchemaBinder::DropColumn(const PgQuery__AlterTableCmd& command, Table* table,
                              std::vector<std::string>* values) {
  const std::string name = command.name;
  const bool cascade = command.behavior == PG_QUERY__DROP_BEHAVIOR__DROP_CASCADE;
  for (size_t i = 0; i < table->columns.size(); ++i) {
    if (table->columns[i].name != name) continue;
    schema_->sequences.erase(table->columns[i].sequence);
    table->columns.erase(table->columns.begin() + static_cast<ptrdiff_t>(i));
    values->erase(values->begin() + static_cast<ptrdiff_t>(i));
    break;
  }
  // Constraints and indexes that speak of it go with it.
  auto speaks = [&](const Constraint& constraint) {
    if (Contains(constraint.columns, name)) return true;
    bool found = false;
    std::function<void(const ProtobufCMessage*)> walk = [&](const ProtobufCMessage* message) {
      const auto* ref = As<PgQuery__ColumnRef>(message, pg_query__column_ref__descriptor);
      if (ref != nullptr && StringOf(ref->fields[ref->n_fields - 1]) == name) found = true;
      ForEachChild(message, walk);
    };
    for (const StoredExpression& expression : constraint.expressions)
      walk(Inner(expression.node()));
    if (!constraint.condition.empty()) walk(Inner(constraint.condition.node()));
    return found;
  };
  std::erase_if(table->constraints, speaks);
  for (const auto& [key, other] : schema_->tables) {
    for (const Constraint& constraint : other->constraints) {
      const bool points = constraint.kind == Constraint::Kind::foreign_key &&
                          constraint.table == table->key() && Contains(constraint.referenced, name);
      if (!points || other->key() == table->key()) continue;
      if (!cascade)
        Fail("2BP01", StrCat("cannot drop column ", name, " because other objects depend on it"));
      RefuseAs("DROP COLUMN CASCADE of a referenced column");
    }
  }
}

void SchemaBinder::ChangeType(const PgQuery__AlterTableCmd& command, Table* table,
                              std::vector<std::string>* values) {
  const PgQuery__ColumnDef& definition = *command.def->column_def;
  for (size_t i = 0; i < table->columns.size(); ++i) {
    Column& column = table->columns[i];
    if (column.name != command.name) continue;
    if ((*values)[i] != QuoteName(column.name))
      RefuseAs("ALTER COLUMN TYPE of a column added here");
    const UserType* domain = nullptr;
    const Type type = ResolveType(*definition.type_name, &domain);
    const TranslateContext context = Context();
    Binder binder(context, {});
    Expr value;
    if (definition.raw_default != nullptr) {
      Scope scope;
      Relation relation;
      relation.alias = table->name;
      for (const Column& other : table->columns) {
        Expr expr;
        expr.sql = QuoteName(other.name);
        expr.type = other.type;
        relation.columns.push_back({other.name, std::move(expr)});
      }
      scope.names.visible = relation.columns;
      scope.names.relations.push_back(std::move(relation));
      value = binder.Bind(definition.raw_default, &scope);
    } else {
      value.sql = QuoteName(column.name);
      value.type = column.type;
    }
    (*values)[i] = binder.Assign(std::move(value), type, column.name).sql;
    column.type = type;
  }
}

// A table of the new form takes the rows over. Foreign keys are off meanwhile
// (Translation::rebuilds).
void SchemaBinder::Rebuild(const Table& before, const Table& after,
                           const std::vector<std::string>& values) {
  constexpr char kNew[] = "pgparity_rebuild";
  out_->rebuilds = true;
  Script(TableScript(*schema_, after, kNew));
  std::string names, sources;
  for (size_t i = 0; i < after.columns.size(); ++i) {
    names += (i == 0 ? "" : ",") + QuoteName(after.columns[i].name);
    sources += (i == 0 ? "" : ",") + values[i];
  }
  Script(StrCat("INSERT INTO ", kNew, " (", names, ") SELECT ", sources, " FROM ",
                QuoteName(before.file_name()), " ORDER BY rowid"));
  Script(StrCat("DROP TABLE ", QuoteName(before.file_name())));
  Script(StrCat("ALTER TABLE ", kNew, " RENAME TO ", QuoteName(after.file_name())));
  for (std::string& script : IndexScripts(*schema_, after)) Script(std::move(script));
}

// ----------------------------------------------------------------------------------- RENAME

void SchemaBinder::Rename(const PgQuery__RenameStmt& rename) {
  out_->verb = "ALTER TABLE";
  switch (rename.rename_type) {
    case PG_QUERY__OBJECT_TYPE__OBJECT_TABLE: {
      const Table old = Find(*rename.relation);
      Table table = old;
      table.name = rename.newname;
      if (schema_->tables.count(table.key()) > 0)
        Fail("42P07", StrCat("relation \"", table.name, "\" already exists"));
      Script(StrCat("ALTER TABLE ", QuoteName(old.file_name()), " RENAME TO ",
                    QuoteName(table.file_name())));
      schema_->tables.erase(old.key());
      for (Constraint& constraint : table.constraints)
        if (constraint.table == old.key()) constraint.table = table.key();
      for (auto& [key, other] : schema_->tables) {
        Table copy = *other;
        bool changed = false;
        for (Constraint& constraint : copy.constraints) {
          if (constraint.table != old.key()) continue;
          constraint.table = table.key();
          changed = true;
        }
        if (changed) other = std::make_shared<const Table>(std::move(copy));
      }
      return Put(std::move(table));
    }
    case PG_QUERY__OBJECT_TYPE__OBJECT_COLUMN:
      if (rename.relation_type != PG_QUERY__OBJECT_TYPE__OBJECT_TABLE)
        RefuseAs("RENAME COLUMN of a view");
      return RenameColumn(Find(*rename.relation), rename.subname, rename.newname);
    case PG_QUERY__OBJECT_TYPE__OBJECT_TABCONSTRAINT: {
      Table table = Find(*rename.relation);
      for (Constraint& constraint : table.constraints)
        if (constraint.name == rename.subname) constraint.name = rename.newname;
      return Put(std::move(table));
    }
    case PG_QUERY__OBJECT_TYPE__OBJECT_INDEX: {
      out_->verb = "ALTER INDEX";
      for (auto& [key, other] : schema_->tables) {
        if (other->FindConstraint(rename.relation->relname) == nullptr) continue;
        Table table = *other;
        for (Constraint& constraint : table.constraints)
          if (constraint.name == rename.relation->relname) constraint.name = rename.newname;
        Script(StrCat("DROP INDEX IF EXISTS ",
                      QuoteName(IndexFileName(table, rename.relation->relname))));
        Table only = table;
        std::erase_if(only.constraints,
                      [&](const Constraint& c) { return c.name != rename.newname; });
        for (std::string& script : IndexScripts(*schema_, only)) Script(std::move(script));
        return Put(std::move(table));
      }
      if (rename.missing_ok) return;
      Fail("42P01", StrCat("relation \"", rename.relation->relname, "\" does not exist"));
    }
    default:
      RefuseAs("RENAME of this kind");
  }
}

void SchemaBinder::RenameColumn(const Table& old, std::string_view from, std::string_view to) {
  Table table = old;
  if (table.Find(from) == nullptr) Fail("42703", StrCat("column \"", from, "\" does not exist"));
  if (table.Find(to) != nullptr) Fail("42701", StrCat("column \"", to, "\" already exists"));
  Script(StrCat("ALTER TABLE ", QuoteName(table.file_name()), " RENAME COLUMN ", QuoteName(from),
                " TO ", QuoteName(to)));
  for (Column& column : table.columns) {
    if (column.name == from) column.name = to;
    column.generated = Renamed(column.generated, from, to);
  }
  for (Constraint& constraint : table.constraints) {
    Replace(&constraint.columns, from, to);
    constraint.condition = Renamed(constraint.condition, from, to);
    for (StoredExpression& expression : constraint.expressions)
      expression = Renamed(expression, from, to);
    if (constraint.table == table.key()) Replace(&constraint.referenced, from, to);
  }
  for (auto& [key, other] : schema_->tables) {
    Table copy = *other;
    bool changed = false;
    for (Constraint& constraint : copy.constraints) {
      if (constraint.table != table.key()) continue;
      Replace(&constraint.referenced, from, to);
      changed = true;
    }
    if (changed) other = std::make_shared<const Table>(std::move(copy));
  }
  Put(std::move(table));
}

// ------------------------------------------------------------------------------------- DROP

void SchemaBinder::DropTable(const Table& table, bool cascade) {
  for (auto& [key, other] : schema_->tables) {
    if (other->key() == table.key()) continue;
    Table copy = *other;
    const size_t count = std::erase_if(copy.constraints, [&](const Constraint& c) {
      return c.kind == Constraint::Kind::foreign_key && c.table == table.key();
    });
    if (count == 0) continue;
    if (!cascade)
      Fail("2BP01",
           StrCat("cannot drop table ", table.name, " because other objects depend on it"));
    std::vector<std::string> values;
    for (const Column& column : copy.columns) values.push_back(QuoteName(column.name));
    Rebuild(*other, copy, values);
    other = std::make_shared<const Table>(std::move(copy));
  }
  // Views that read it would be left dangling; those of ours are rendered anew each time.
  Script(StrCat(table.view ? "DROP VIEW IF EXISTS " : "DROP TABLE ", QuoteName(table.file_name())));
  for (const Column& column : table.columns) schema_->sequences.erase(column.sequence);
  if (!table.view) out_->rebuilds = true;
  schema_->tables.erase(table.key());
}

void SchemaBinder::DropIndex(NodeName name, bool missing_ok) {
  for (auto& [key, other] : schema_->tables) {
    if (!name.schema.empty() && other->schema != name.schema) continue;
    const Constraint* index = other->FindConstraint(name.name);
    if (index == nullptr || index->kind != Constraint::Kind::index) continue;
    Table table = *other;
    Script(StrCat("DROP INDEX IF EXISTS ", QuoteName(IndexFileName(table, name.name))));
    std::erase_if(table.constraints, [&](const Constraint& c) { return c.name == name.name; });
    return Put(std::move(table));
  }
  if (!missing_ok) Fail("42704", StrCat("index \"", name.name, "\" does not exist"));
}

void SchemaBinder::Drop(const PgQuery__DropStmt& drop) {
  const bool cascade = drop.behavior == PG_QUERY__DROP_BEHAVIOR__DROP_CASCADE;
  for (size_t i = 0; i < drop.n_objects; ++i) {
    const PgQuery__Node* object = drop.objects[i];
    NodeName name;
    if (object->node_case == PG_QUERY__NODE__NODE_LIST) {
      name = QualifiedName(object->list->items, object->list->n_items);
    } else if (object->node_case == PG_QUERY__NODE__NODE_TYPE_NAME) {
      name = QualifiedName(object->type_name->names, object->type_name->n_names);
    } else {
      name.name = StringOf(object);
    }
    switch (drop.remove_type) {
      case PG_QUERY__OBJECT_TYPE__OBJECT_TABLE:
      case PG_QUERY__OBJECT_TYPE__OBJECT_VIEW: {
        out_->verb =
            drop.remove_type == PG_QUERY__OBJECT_TYPE__OBJECT_TABLE ? "DROP TABLE" : "DROP VIEW";
        const Table* table = schema_->FindTable(name.schema, name.name, context_.search_path);
        if (table == nullptr && !drop.missing_ok)
          Fail("42P01", StrCat("table \"", name.name, "\" does not exist"));
        if (table != nullptr) DropTable(Table(*table), cascade || drop.n_objects > 1);
        break;
      }
      case PG_QUERY__OBJECT_TYPE__OBJECT_INDEX:
        out_->verb = "DROP INDEX";
        DropIndex(name, drop.missing_ok);
        break;
      case PG_QUERY__OBJECT_TYPE__OBJECT_SEQUENCE: {
        out_->verb = "DROP SEQUENCE";
        std::erase_if(schema_->sequences, [&](const auto& entry) {
          return entry.second.name == name.name &&
                 (name.schema.empty() || entry.second.schema == name.schema);
        });
        break;
      }
      case PG_QUERY__OBJECT_TYPE__OBJECT_TYPE:
      case PG_QUERY__OBJECT_TYPE__OBJECT_DOMAIN: {
        out_->verb =
            drop.remove_type == PG_QUERY__OBJECT_TYPE__OBJECT_TYPE ? "DROP TYPE" : "DROP DOMAIN";
        const UserType* type = schema_->FindType(name.schema, name.name, context_.search_path);
        if (type == nullptr) {
          if (!drop.missing_ok) Fail("42704", StrCat("type \"", name.name, "\" does not exist"));
          break;
        }
        for (const auto& [key, table] : schema_->tables) {
          for (const Column& column : table->columns)
            if (column.type.oid == type->oid) Fail("2BP01", StrCat("cannot drop type ", name.name));
        }
        schema_->types.erase(type->schema + "." + type->name);
        break;
      }
      case PG_QUERY__OBJECT_TYPE__OBJECT_SCHEMA: {
        out_->verb = "DROP SCHEMA";
        std::vector<Table> tables;
        for (const auto& [key, table] : schema_->tables)
          if (table->schema == name.name) tables.push_back(*table);
        if (!tables.empty() && !cascade) Fail("2BP01", StrCat("cannot drop schema ", name.name));
        for (const Table& table : tables) DropTable(table, true);
        std::erase(schema_->schemas, std::string(name.name));
        break;
      }
      default:
        RefuseAs("DROP of this kind");
    }
  }
}

void SchemaBinder::Truncate(const PgQuery__TruncateStmt& truncate) {
  out_->verb = "TRUNCATE TABLE";
  std::vector<const Table*> tables;
  for (size_t i = 0; i < truncate.n_relations; ++i)
    tables.push_back(&Find(*truncate.relations[i]->range_var));
  const bool cascade = truncate.behavior == PG_QUERY__DROP_BEHAVIOR__DROP_CASCADE;
  for (size_t i = 0; i < tables.size(); ++i) {
    for (const auto& [key, other] : schema_->tables) {
      for (const Constraint& constraint : other->constraints) {
        if (constraint.kind != Constraint::Kind::foreign_key ||
            constraint.table != tables[i]->key())
          continue;
        if (Contains(tables, other.get())) continue;
        if (!cascade)
          Fail("0A000", "cannot truncate a table referenced in a foreign key constraint");
        tables.push_back(other.get());
      }
    }
  }
  // Constraints hold again at the end, whatever the order.
  Script("PRAGMA defer_foreign_keys = 1");
  for (const Table* table : tables) {
    Script(StrCat("DELETE FROM ", QuoteName(table->file_name())));
    out_->written.push_back(table->key());
    if (!truncate.restart_seqs) continue;
    for (const Column& column : table->columns) {
      if (!column.sequence.empty())
        Script(StrCat("DELETE FROM pgparity_sequences WHERE name=",
                      LiteralOf(SqlValue::Text(column.sequence))));
    }
  }
}

// ------------------------------------------------------------------------------------ types

void SchemaBinder::CreateEnum(const PgQuery__CreateEnumStmt& create) {
  out_->verb = "CREATE TYPE";
  UserType type;
  const NodeName name = QualifiedName(create.type_name, create.n_type_name);
  type.schema = NewSchemaName(std::string(name.schema).c_str());
  type.name = name.name;
  type.oid = schema_->next_oid++;
  for (size_t i = 0; i < create.n_vals; ++i) type.labels.emplace_back(StringOf(create.vals[i]));
  const std::string key = type.schema + "." + type.name;
  if (schema_->types.count(key) > 0)
    Fail("42710", StrCat("type \"", type.name, "\" already exists"));
  schema_->types[key] = std::move(type);
}

void SchemaBinder::AlterEnum(const PgQuery__AlterEnumStmt& alter) {
  out_->verb = "ALTER TYPE";
  const NodeName name = QualifiedName(alter.type_name, alter.n_type_name);
  const UserType* found = schema_->FindType(name.schema, name.name, context_.search_path);
  if (found == nullptr) Fail("42704", StrCat("type \"", name.name, "\" does not exist"));
  UserType type = *found;
  auto& labels = type.labels;
  if (!Text(alter.old_val).empty()) RefuseAs("ALTER TYPE RENAME VALUE");
  if (Contains(labels, std::string(alter.new_val))) {
    if (alter.skip_if_new_val_exists) return;
    Fail("42710", StrCat("enum label \"", alter.new_val, "\" already exists"));
  }
  auto at = labels.end();
  if (!Text(alter.new_val_neighbor).empty()) {
    at = std::find(labels.begin(), labels.end(), alter.new_val_neighbor);
    if (at != labels.end() && alter.new_val_is_after) ++at;
  }
  labels.insert(at, alter.new_val);
  schema_->types[type.schema + "." + type.name] = type;
  // The tables' CHECKs name the labels.
  for (const auto& [key, table] : schema_->tables) {
    const bool uses =
        std::any_of(table->columns.begin(), table->columns.end(),
                    [&](const Column& column) { return column.type.oid == type.oid; });
    if (!uses || table->view) continue;
    std::vector<std::string> values;
    for (const Column& column : table->columns) values.push_back(QuoteName(column.name));
    Rebuild(*table, *table, values);
  }
}

void SchemaBinder::CreateDomain(const PgQuery__CreateDomainStmt& create) {
  out_->verb = "CREATE DOMAIN";
  UserType type;
  const NodeName name = QualifiedName(create.domainname, create.n_domainname);
  type.schema = NewSchemaName(std::string(name.schema).c_str());
  type.name = name.name;
  type.oid = schema_->next_oid++;
  const UserType* domain = nullptr;
  type.base = ResolveType(*create.type_name, &domain);
  if (domain != nullptr) RefuseAs("domain over a domain");
  for (size_t i = 0; i < create.n_constraints; ++i) {
    const PgQuery__Constraint& constraint = *create.constraints[i]->constraint;
    if (constraint.contype == PG_QUERY__CONSTR_TYPE__CONSTR_NOTNULL) {
      type.not_null = true;
    } else if (constraint.contype == PG_QUERY__CONSTR_TYPE__CONSTR_CHECK) {
      type.checks.push_back(StoredExpression::Of(constraint.raw_expr));
    } else if (constraint.contype != PG_QUERY__CONSTR_TYPE__CONSTR_NULL) {
      RefuseAs("domain with a default");
    }
  }
  schema_->types[type.schema + "." + type.name] = std::move(type);
}

void SchemaBinder::CreateSequence(const PgQuery__CreateSeqStmt& create) {
  out_->verb = "CREATE SEQUENCE";
  Sequence sequence;
  sequence.schema = NewSchemaName(create.sequence->schemaname);
  sequence.name = create.sequence->relname;
  if (schema_->sequences.count(sequence.key()) > 0) {
    if (create.if_not_exists) return;
    Fail("42P07", StrCat("relation \"", sequence.name, "\" already exists"));
  }
  for (size_t i = 0; i < create.n_options; ++i) {
    const PgQuery__DefElem& option = *create.options[i]->def_elem;
    const std::string_view name = option.defname;
    const bool integer =
        option.arg != nullptr && option.arg->node_case == PG_QUERY__NODE__NODE_INTEGER;
    if (name == "start" && integer) sequence.start = option.arg->integer->ival;
    if (name == "increment" && integer) sequence.increment = option.arg->integer->ival;
  }
  schema_->sequences[sequence.key()] = sequence;
}

}  // namespace pgparity::shadow::sqlite
