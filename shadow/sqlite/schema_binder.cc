// CREATE TABLE, INDEX, VIEW.
#include "shadow/sqlite/schema_binder.h"

#include "shadow/sqlite/schema_scripts.h"
#include "shadow/token_scanner.h"
#include "shadow/words.h"

namespace pgparity::shadow::sqlite {
namespace {

constexpr size_t kMaxName = 63;

std::vector<std::string> Strings(PgQuery__Node* const* nodes, size_t count) {
  std::vector<std::string> strings;
  for (size_t i = 0; i < count; ++i) strings.emplace_back(StringOf(nodes[i]));
  return strings;
}

std::string Text(const char* text) { return text == nullptr ? std::string() : std::string(text); }
char Action(const char* action) { return action == nullptr || *action == '\0' ? 'a' : *action; }

}  // namespace

SchemaBinder::SchemaBinder(const TranslateContext& context, std::string_view sql, Translation* out)
    : context_(context), sql_(sql), out_(out), schema_(std::make_shared<Schema>(*context.schema)) {}

TranslateContext SchemaBinder::Context() const {
  TranslateContext context = context_;
  context.schema = schema_.get();
  return context;
}

bool SchemaBinder::Run(const PgQuery__Node* node) {
  out_->kind = Translation::Kind::schema;
  switch (node->node_case) {
    case PG_QUERY__NODE__NODE_CREATE_STMT:
      CreateTable(*node->create_stmt);
      break;
    case PG_QUERY__NODE__NODE_CREATE_TABLE_AS_STMT:
      CreateTableAs(*node->create_table_as_stmt);
      break;
    case PG_QUERY__NODE__NODE_VIEW_STMT:
      CreateView(*node->view_stmt);
      break;
    case PG_QUERY__NODE__NODE_INDEX_STMT:
      CreateIndex(*node->index_stmt);
      break;
    case PG_QUERY__NODE__NODE_ALTER_TABLE_STMT:
      AlterTable(*node->alter_table_stmt);
      break;
    case PG_QUERY__NODE__NODE_RENAME_STMT:
      Rename(*node->rename_stmt);
      break;
    case PG_QUERY__NODE__NODE_DROP_STMT:
      Drop(*node->drop_stmt);
      break;
    case PG_QUERY__NODE__NODE_TRUNCATE_STMT:
      Truncate(*node->truncate_stmt);
      break;
    case PG_QUERY__NODE__NODE_CREATE_ENUM_STMT:
      CreateEnum(*node->create_enum_stmt);
      break;
    case PG_QUERY__NODE__NODE_ALTER_ENUM_STMT:
      AlterEnum(*node->alter_enum_stmt);
      break;
    case PG_QUERY__NODE__NODE_CREATE_DOMAIN_STMT:
      CreateDomain(*node->create_domain_stmt);
      break;
    case PG_QUERY__NODE__NODE_CREATE_SEQ_STMT:
      CreateSequence(*node->create_seq_stmt);
      break;
    case PG_QUERY__NODE__NODE_CREATE_SCHEMA_STMT: {
      const PgQuery__CreateSchemaStmt& create = *node->create_schema_stmt;
      if (create.n_schema_elts > 0) RefuseAs("CREATE SCHEMA with elements");
      auto& schemas = schema_->schemas;
      if (std::find(schemas.begin(), schemas.end(), create.schemaname) == schemas.end()) {
        schemas.emplace_back(create.schemaname);
      } else if (!create.if_not_exists) {
        Fail("42P06", StrCat("schema \"", create.schemaname, "\" already exists"));
      }
      out_->verb = "CREATE SCHEMA";
      break;
    }
    default:
      return false;
  }
  out_->new_schema = schema_;
  return true;
}

std::string SchemaBinder::NewSchemaName(const char* given) const {
  if (given != nullptr && *given != '\0') return given;
  for (const std::string& name : context_.search_path) {
    if (std::find(schema_->schemas.begin(), schema_->schemas.end(), name) != schema_->schemas.end())
      return name;
  }
  return "public";
}

const Table& SchemaBinder::Find(const PgQuery__RangeVar& range) const {
  const Table* table =
      schema_->FindTable(Text(range.schemaname), range.relname, context_.search_path);
  if (table == nullptr) Fail("42P01", StrCat("relation \"", range.relname, "\" does not exist"));
  return *table;
}

void SchemaBinder::Put(Table table) {
  const std::string key = table.key();
  schema_->tables[key] = std::make_shared<const Table>(std::move(table));
}

Type SchemaBinder::ResolveType(const PgQuery__TypeName& name, const UserType** domain) {
  const TranslateContext context = Context();
  const NodeName parts = QualifiedName(name.names, name.n_names);
  const UserType* user = schema_->FindType(parts.schema, parts.name, context_.search_path);
  *domain = user != nullptr && user->base ? user : nullptr;
  return Binder(context, {}).ResolveType(name);
}

// ------------------------------------------------------------------------------ CREATE TABLE

void SchemaBinder::CreateTable(const PgQuery__CreateStmt& create) {
  out_->verb = "CREATE TABLE";
  if (create.n_inh_relations > 0) RefuseAs("INHERITS or PARTITION OF");
  if (create.partspec != nullptr) RefuseAs("PARTITION BY");
  if (create.of_typename != nullptr) RefuseAs("CREATE TABLE OF");
  if (Text(create.relation->relpersistence) == "t") RefuseAs("temporary table");
  Table table;
  table.schema = NewSchemaName(create.relation->schemaname);
  table.name = create.relation->relname;
  if (schema_->tables.count(table.key()) > 0) {
    if (create.if_not_exists) return;
    Fail("42P07", StrCat("relation \"", table.name, "\" already exists"));
  }
  // Columns first: constraints of the table speak of them.
  for (int pass = 0; pass < 2; ++pass) {
    for (size_t i = 0; i < create.n_table_elts; ++i) {
      const bool column = create.table_elts[i]->node_case == PG_QUERY__NODE__NODE_COLUMN_DEF;
      if (column == (pass == 0)) AddElement(create.table_elts[i], &table);
    }
  }
  CheckTable(table);
  Script(TableScript(*schema_, table, table.file_name()));
  Put(std::move(table));
}

void SchemaBinder::AddElement(const PgQuery__Node* element, Table* table) {
  if (element->node_case == PG_QUERY__NODE__NODE_COLUMN_DEF) {
    // MakeColumn adds the column itself, since its constraints speak of it.
    MakeColumn(*element->column_def, table);
  } else if (element->node_case == PG_QUERY__NODE__NODE_CONSTRAINT) {
    TableConstraint(*element->constraint, table);
  } else {
    RefuseAs("CREATE TABLE LIKE");
  }
}

Column SchemaBinder::MakeColumn(const PgQuery__ColumnDef& definition, Table* table) {
  Column column;
  column.name = definition.colname;
  for (const Column& other : table->columns) {
    if (other.name == column.name)
      Fail("42701", StrCat("column \"", column.name, "\" specified more than once"));
    if (SameWord(other.name, column.name)) RefuseAs("columns whose names differ in case alone");
  }
  std::string type(QualifiedName(definition.type_name->names, definition.type_name->n_names).name);
  const UserType* domain = nullptr;
  const bool serial = type == "serial" || type == "serial4" || type == "bigserial" ||
                      type == "serial8" || type == "smallserial" || type == "serial2";
  if (serial) {
    column.type.oid = type.starts_with("big") || type == "serial8"     ? oid::kInt8
                      : type.starts_with("small") || type == "serial2" ? oid::kInt2
                                                                       : oid::kInt4;
    column.not_null = true;
    AddSequence(&column, *table);
  } else {
    column.type = ResolveType(*definition.type_name, &domain);
  }
  if (definition.coll_clause != nullptr) {
    const NodeName name =
        QualifiedName(definition.coll_clause->collname, definition.coll_clause->n_collname);
    const bool plain = name.name == "C" || name.name == "POSIX" || name.name == "default";
    if (!plain || (name.name != "default" && !context_.c_collation))
      RefuseAs(StrCat("COLLATE ", name.name));
  }
  table->columns.push_back(column);
  if (domain != nullptr && domain->not_null) table->columns.back().not_null = true;
  for (size_t i = 0; i < definition.n_constraints; ++i) {
    Column changed = table->columns.back();
    ColumnConstraint(*definition.constraints[i]->constraint, &changed, table);
    table->columns.back() = std::move(changed);
  }
  if (domain != nullptr) {
    for (const StoredExpression& check : domain->checks) {
      Constraint constraint;
      constraint.kind = Constraint::Kind::check;
      constraint.name = StrCat(domain->name, "_check");
      constraint.columns = {column.name};
      constraint.condition = check;
      table->constraints.push_back(std::move(constraint));
    }
  }
  return table->columns.back();
}

void SchemaBinder::AddSequence(Column* column, const Table& table) {
  Sequence sequence;
  sequence.schema = table.schema;
  sequence.name = StrCat(table.name, "_", column->name, "_seq");
  for (int i = 1; schema_->sequences.count(sequence.key()) > 0; ++i)
    sequence.name = StrCat(table.name, "_", column->name, "_seq", i);
  column->sequence = sequence.key();
  schema_->sequences[sequence.key()] = sequence;
}

void SchemaBinder::ColumnConstraint(const PgQuery__Constraint& constraint, Column* column,
                                    Table* table) {
  switch (constraint.contype) {
    case PG_QUERY__CONSTR_TYPE__CONSTR_NULL:
    case PG_QUERY__CONSTR_TYPE__CONSTR_ATTR_NOT_DEFERRABLE:
    case PG_QUERY__CONSTR_TYPE__CONSTR_ATTR_IMMEDIATE:
      return;
    case PG_QUERY__CONSTR_TYPE__CONSTR_NOTNULL:
      column->not_null = true;
      return;
    case PG_QUERY__CONSTR_TYPE__CONSTR_DEFAULT:
      column->default_value = StoredExpression::Of(constraint.raw_expr);
      return;
    case PG_QUERY__CONSTR_TYPE__CONSTR_IDENTITY:
      column->identity = column->not_null = true;
      column->identity_always = Text(constraint.generated_when) == "a";
      AddSequence(column, *table);
      return;
    case PG_QUERY__CONSTR_TYPE__CONSTR_GENERATED:
      column->generated = StoredExpression::Of(constraint.raw_expr);
      return;
    case PG_QUERY__CONSTR_TYPE__CONSTR_ATTR_DEFERRABLE:
      if (!table->constraints.empty()) table->constraints.back().deferrable = true;
      return;
    case PG_QUERY__CONSTR_TYPE__CONSTR_ATTR_DEFERRED:
      if (!table->constraints.empty())
        table->constraints.back().deferred = table->constraints.back().deferrable = true;
      return;
    case PG_QUERY__CONSTR_TYPE__CONSTR_PRIMARY:
      column->not_null = true;
      break;
    case PG_QUERY__CONSTR_TYPE__CONSTR_FOREIGN:
      return ForeignKey(constraint, {column->name}, table);
    default:
      break;
  }
  PgQuery__Constraint with_key = constraint;
  PgQuery__String name = PG_QUERY__STRING__INIT;
  name.sval = column->name.data();
  PgQuery__Node node = PG_QUERY__NODE__INIT;
  node.node_case = PG_QUERY__NODE__NODE_STRING;
  node.string = &name;
  PgQuery__Node* keys[] = {&node};
  if (constraint.contype != PG_QUERY__CONSTR_TYPE__CONSTR_CHECK) {
    with_key.n_keys = 1;
    with_key.keys = keys;
  }
  const size_t before = table->constraints.size();
  TableConstraint(with_key, table);
  if (constraint.contype == PG_QUERY__CONSTR_TYPE__CONSTR_CHECK && Text(constraint.conname).empty())
    table->constraints[before].name = ChooseName(*table, "", {table->name, column->name, "check"});
}

std::string SchemaBinder::ChooseName(const Table& table, std::string_view given,
                                     std::vector<std::string> parts) const {
  if (!given.empty()) return std::string(given);
  std::string stem;
  for (size_t i = 0; i < parts.size(); ++i) stem += StrCat(i == 0 ? "" : "_", parts[i]);
  stem = stem.substr(0, kMaxName);
  auto taken = [&](const std::string& name) {
    if (table.FindConstraint(name) != nullptr) return true;
    for (const auto& [key, other] : schema_->tables) {
      if (other->schema == table.schema &&
          (other->name == name ||
           (other->key() != table.key() && other->FindConstraint(name) != nullptr)))
        return true;
    }
    return false;
  };
  std::string name = stem;
  for (int i = 1; taken(name); ++i) name = StrCat(stem, i);
  return name;
}

void SchemaBinder::TableConstraint(const PgQuery__Constraint& given, Table* table) {
  Constraint constraint;
  const std::string name = Text(given.conname);
  constraint.columns = Strings(given.keys, given.n_keys);
  constraint.deferrable = given.deferrable;
  constraint.deferred = given.initdeferred;
  for (const std::string& column : constraint.columns) {
    if (table->Find(column) == nullptr)
      Fail("42703", StrCat("column \"", column, "\" named in key does not exist"));
  }
  switch (given.contype) {
    case PG_QUERY__CONSTR_TYPE__CONSTR_PRIMARY:
    case PG_QUERY__CONSTR_TYPE__CONSTR_UNIQUE: {
      const bool primary = given.contype == PG_QUERY__CONSTR_TYPE__CONSTR_PRIMARY;
      if (primary && table->PrimaryKey() != nullptr)
        Fail("42P16", "multiple primary keys are not allowed");
      constraint.kind = primary ? Constraint::Kind::primary_key : Constraint::Kind::unique;
      if (given.nulls_not_distinct) RefuseAs("NULLS NOT DISTINCT");
      if (Text(given.indexname) != "") {
        // USING INDEX: what it was becomes the constraint.
        for (size_t i = 0; i < table->constraints.size(); ++i) {
          if (table->constraints[i].name != given.indexname) continue;
          constraint.columns = table->constraints[i].columns;
          table->constraints.erase(table->constraints.begin() + static_cast<ptrdiff_t>(i));
          break;
        }
      }
      std::vector<std::string> parts = {table->name};
      if (!primary) parts.insert(parts.end(), constraint.columns.begin(), constraint.columns.end());
      parts.emplace_back(primary ? "pkey" : "key");
      constraint.name = ChooseName(*table, name, parts);
      if (primary) {
        for (Column& column : table->columns) {
          if (std::find(constraint.columns.begin(), constraint.columns.end(), column.name) !=
              constraint.columns.end())
            column.not_null = true;
        }
      }
      break;
    }
    case PG_QUERY__CONSTR_TYPE__CONSTR_CHECK: {
      constraint.kind = Constraint::Kind::check;
      constraint.condition = StoredExpression::Of(given.raw_expr);
      constraint.name = ChooseName(*table, name, {table->name, "check"});
      break;
    }
    case PG_QUERY__CONSTR_TYPE__CONSTR_FOREIGN:
      return ForeignKey(given, Strings(given.fk_attrs, given.n_fk_attrs), table);
    case PG_QUERY__CONSTR_TYPE__CONSTR_EXCLUSION:
      // Not held up here: what breaks it never commits on the primary.
      return;
    default:
      RefuseAs("constraint of this kind");
  }
  table->constraints.push_back(std::move(constraint));
}

void SchemaBinder::ForeignKey(const PgQuery__Constraint& given, std::vector<std::string> columns,
                              Table* table) {
  Constraint constraint;
  constraint.kind = Constraint::Kind::foreign_key;
  constraint.columns = std::move(columns);
  constraint.referenced = Strings(given.pk_attrs, given.n_pk_attrs);
  const std::string schema = Text(given.pktable->schemaname);
  const Table* target = schema_->FindTable(schema, given.pktable->relname, context_.search_path);
  const bool self =
      table->name == given.pktable->relname && (schema.empty() || schema == table->schema);
  if (target == nullptr && !self)
    Fail("42P01", StrCat("relation \"", given.pktable->relname, "\" does not exist"));
  constraint.table = self ? table->key() : target->key();
  if (self) target = table;
  if (constraint.referenced.empty() && target->PrimaryKey() != nullptr)
    constraint.referenced = target->PrimaryKey()->columns;
  constraint.on_delete = Action(given.fk_del_action);
  constraint.on_update = Action(given.fk_upd_action);
  if (given.n_fk_del_set_cols > 0) RefuseAs("ON DELETE SET NULL (columns)");
  if (Action(given.fk_matchtype) == 'f') RefuseAs("MATCH FULL");
  constraint.deferrable = given.deferrable;
  constraint.deferred = given.initdeferred;
  std::vector<std::string> parts = {table->name};
  parts.insert(parts.end(), constraint.columns.begin(), constraint.columns.end());
  parts.emplace_back("fkey");
  constraint.name = ChooseName(*table, Text(given.conname), parts);
  table->constraints.push_back(std::move(constraint));
}

// Whatever the table says must be something that we can hold up: in the file or by a guard.
void SchemaBinder::CheckTable(const Table& table) const {
  for (const Constraint& constraint : table.constraints) {
    const std::string_view value =
        constraint.kind == Constraint::Kind::check && !constraint.columns.empty()
            ? std::string_view(constraint.columns[0])
            : std::string_view();
    if (!constraint.condition.empty())
      SchemaExpression(*schema_, table, constraint.condition.node(), "", value);
    for (const StoredExpression& expression : constraint.expressions)
      SchemaExpression(*schema_, table, expression.node(), "", "");
  }
  for (const Column& column : table.columns) {
    if (!column.generated.empty())
      SchemaExpression(*schema_, table, column.generated.node(), "", "");
  }
}

// ------------------------------------------------------------------- indexes, views, AS

void SchemaBinder::CreateIndex(const PgQuery__IndexStmt& index) {
  out_->verb = "CREATE INDEX";
  Table table = Find(*index.relation);
  Constraint constraint;
  constraint.kind = Constraint::Kind::index;
  constraint.unique = index.unique;
  if (index.nulls_not_distinct) RefuseAs("NULLS NOT DISTINCT");
  std::vector<std::string> parts = {table.name};
  for (size_t i = 0; i < index.n_index_params; ++i) {
    const PgQuery__IndexElem& element = *index.index_params[i]->index_elem;
    if (element.expr == nullptr) {
      if (table.Find(element.name) == nullptr)
        Fail("42703", StrCat("column \"", element.name, "\" does not exist"));
      constraint.columns.emplace_back(element.name);
      parts.emplace_back(element.name);
    } else {
      constraint.columns.emplace_back();
      constraint.expressions.push_back(StoredExpression::Of(element.expr));
      const bool call = element.expr->node_case == PG_QUERY__NODE__NODE_FUNC_CALL;
      parts.emplace_back(call ? QualifiedName(element.expr->func_call->funcname,
                                              element.expr->func_call->n_funcname)
                                    .name
                              : "expr");
    }
  }
  parts.emplace_back("idx");
  constraint.condition = StoredExpression::Of(index.where_clause);
  const std::string name = Text(index.idxname);
  for (const auto& [key, other] : schema_->tables) {
    if (name.empty() || other->schema != table.schema || other->FindConstraint(name) == nullptr)
      continue;
    if (index.if_not_exists) return;
    Fail("42P07", StrCat("relation \"", name, "\" already exists"));
  }
  constraint.name = ChooseName(table, name, parts);
  table.constraints.push_back(constraint);
  // An index that is not unique has no effect on what is answered: one that we do not know is left
  // out.
  if (constraint.unique) CheckTable(table);
  Table only = table;
  only.constraints = {constraint};
  for (std::string& script : IndexScripts(*schema_, only)) Script(std::move(script));
  Put(std::move(table));
}

void SchemaBinder::CreateView(const PgQuery__ViewStmt& view) {
  out_->verb = "CREATE VIEW";
  if (view.with_check_option != PG_QUERY__VIEW_CHECK_OPTION__NO_CHECK_OPTION)
    RefuseAs("WITH CHECK OPTION");
  if (view.query->node_case != PG_QUERY__NODE__NODE_SELECT_STMT) RefuseAs("view");
  Table table;
  table.schema = NewSchemaName(view.view->schemaname);
  table.name = view.view->relname;
  table.view = true;
  if (Text(view.view->relpersistence) == "t") RefuseAs("temporary view");
  const auto old = schema_->tables.find(table.key());
  if (old != schema_->tables.end() && !view.replace)
    Fail("42P07", StrCat("relation \"", table.name, "\" already exists"));
  TokenScanner scanner(sql_);
  int depth = 0;
  for (Token token = scanner.Next(); token.kind != TokenKind::end; token = scanner.Next()) {
    if (IsChar(sql_, token, '(')) ++depth;
    if (IsChar(sql_, token, ')')) --depth;
    if (depth == 0 && IsWord(sql_, token, "as")) {
      table.view_text = sql_.substr(token.end());
      break;
    }
  }
  const TranslateContext context = Context();
  Translation query = Translate(table.view_text, {}, context);
  if (query.kind != Translation::Kind::rows) throw Stop{query.problem};
  for (size_t i = 0; i < query.columns.size(); ++i) {
    Column column;
    column.name =
        i < view.n_aliases ? std::string(StringOf(view.aliases[i])) : query.columns[i].name;
    column.type = query.columns[i].type;
    table.columns.push_back(std::move(column));
  }
  // A stock sqlite3 gets the view too, where it can run it.
  if (old != schema_->tables.end())
    Script(StrCat("DROP VIEW IF EXISTS ", QuoteName(table.file_name())));
  if (IsStock(query.sql)) {
    std::string names;
    for (const Column& column : table.columns)
      names += (names.empty() ? "(" : ",") + QuoteName(column.name);
    Script(StrCat("CREATE VIEW ", QuoteName(table.file_name()), names, ") AS ", query.sql));
  }
  Put(std::move(table));
}

void SchemaBinder::CreateTableAs(const PgQuery__CreateTableAsStmt& create) {
  if (create.objtype != PG_QUERY__OBJECT_TYPE__OBJECT_TABLE) RefuseAs("materialized view");
  if (create.query->node_case != PG_QUERY__NODE__NODE_SELECT_STMT)
    RefuseAs("CREATE TABLE AS EXECUTE");
  if (Text(create.into->rel->relpersistence) == "t") RefuseAs("temporary table");
  RefuseAs("CREATE TABLE AS");
}

}  // namespace pgparity::shadow::sqlite
