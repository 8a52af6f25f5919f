// INSERT, UPDATE, DELETE.
#include "shadow/sqlite/binder.h"

namespace pgparity::shadow::sqlite {
namespace {

// Stands in SQL that RETURNING cannot have: columns of tables other than the one written.
constexpr char kUnreachable = '\x01';

// The table's columns by their plain names, as an index, a CHECK or RETURNING writes them.
Relation BareRelation(const Table& table, std::string_view alias, std::string_view prefix) {
  Relation relation;
  relation.alias = alias;
  relation.schema = alias == table.name ? table.schema : "";
  relation.table = &table;
  for (const Column& column : table.columns) {
    Expr expr;
    expr.sql = StrCat(prefix, QuoteName(column.name));
    expr.type = column.type;
    relation.columns.push_back({column.name, std::move(expr)});
  }
  return relation;
}

Scope ScopeOf(Relation relation) {
  Scope scope;
  scope.names.visible = relation.columns;
  scope.names.relations.push_back(std::move(relation));
  return scope;
}

const Column& ColumnOf(const Table& table, std::string_view name) {
  const Column* column = table.Find(name);
  if (column == nullptr) {
    Fail("42703", StrCat("column \"", name, "\" of relation \"", table.name, "\" does not exist"));
  }
  return *column;
}

std::string AliasOf(const PgQuery__RangeVar& range) {
  return range.alias == nullptr ? std::string(range.relname) : std::string(range.alias->aliasname);
}

void RefuseViews(const Table& table) {
  if (table.view) RefuseAs("write through a view");
}

}  // namespace

Expr Binder::DefaultOf(const Column& column) {
  Expr expr;
  if (!column.default_value.empty()) {
    expr = Assign(Bind(column.default_value.node(), nullptr), column.type, column.name);
  } else if (!column.sequence.empty()) {
    expr.sql = StrCat("pg_nextval(", LiteralOf(SqlValue::Text(column.sequence)), ")");
    expr.type = {oid::kInt8};
    expr = Assign(std::move(expr), column.type, column.name);
  } else {
    expr.sql = "NULL";
    expr.type = column.type;
  }
  return expr;
}

namespace {

// SQLite numbers a row whose INTEGER PRIMARY KEY is NULL; PostgreSQL refuses it.
std::string Guarded(const Table& table, const Column& column, std::string sql) {
  if (table.RowNumber() != &column || sql.find_first_not_of("0123456789") == std::string::npos)
    return sql;
  return StrCat("pg_not_null(", sql, ")");
}

}  // namespace

void Binder::Insert(const PgQuery__InsertStmt& insert, Translation* out) {
  const size_t ctes = ctes_.size();
  std::string sql = WithClause(insert.with_clause, nullptr);
  const Table& table = TableOf(*insert.relation);
  RefuseViews(table);
  out->written.push_back(table.key());
  std::vector<const Column*> columns;
  for (size_t i = 0; i < insert.n_cols; ++i) {
    const PgQuery__ResTarget& target = *insert.cols[i]->res_target;
    if (target.n_indirection > 0) RefuseAs("INSERT into a part of a column");
    columns.push_back(&ColumnOf(table, target.name));
    for (size_t k = 0; k + 1 < columns.size(); ++k)
      if (columns[k] == columns.back()) Fail("42701", "column specified more than once");
  }
  const std::string alias = NextAlias();
  sql += StrCat("INSERT INTO ", QuoteName(table.file_name()), " AS ", alias, " ");
  InsertSource(insert, table, columns, &sql);
  if (insert.on_conflict_clause != nullptr) {
    Scope scope = ScopeOf(BareRelation(table, AliasOf(*insert.relation), alias + "."));
    Relation excluded = BareRelation(table, "excluded", "excluded.");
    scope.names.visible.insert(scope.names.visible.end(), excluded.columns.begin(),
                               excluded.columns.end());
    scope.names.relations.push_back(std::move(excluded));
    sql += OnConflict(*insert.on_conflict_clause, table, scope);
  }
  sql += Returning(insert.returning_list, insert.n_returning_list, table, AliasOf(*insert.relation),
                   {}, out);
  out->sql = std::move(sql);
  out->verb = "INSERT 0";
  ctes_.resize(ctes);
}

void Binder::InsertSource(const PgQuery__InsertStmt& insert, const Table& table,
                          const std::vector<const Column*>& listed, std::string* sql) {
  std::vector<const Column*> given = listed;
  const bool user_value = insert.override == PG_QUERY__OVERRIDING_KIND__OVERRIDING_USER_VALUE;
  Query query;
  std::vector<std::vector<const PgQuery__Node*>> rows;  // of VALUES: null for DEFAULT
  if (insert.select_stmt != nullptr) {
    const PgQuery__SelectStmt& select = *insert.select_stmt->select_stmt;
    const bool values = select.n_values_lists > 0 && select.n_sort_clause == 0 &&
                        select.limit_count == nullptr && select.limit_offset == nullptr &&
                        select.with_clause == nullptr;
    size_t width = 0;
    if (values) {
      for (size_t i = 0; i < select.n_values_lists; ++i) {
        const PgQuery__List& list = *select.values_lists[i]->list;
        std::vector<const PgQuery__Node*>& row = rows.emplace_back();
        for (size_t k = 0; k < list.n_items; ++k)
          row.push_back(list.items[k]->node_case == PG_QUERY__NODE__NODE_SET_TO_DEFAULT
                            ? nullptr
                            : list.items[k]);
        if (i > 0 && row.size() != width) Fail("42601", "VALUES lists must all be the same length");
        width = row.size();
      }
    } else {
      query = Select(select, nullptr);
      width = query.targets.size();
    }
    if (listed.empty()) {
      if (width > table.columns.size())
        Fail("42601", "INSERT has more expressions than target columns");
      for (size_t i = 0; i < width; ++i) given.push_back(&table.columns[i]);
    } else if (width != listed.size()) {
      Fail("42601", "INSERT has more or fewer expressions than target columns");
    }
  } else {
    rows.emplace_back();  // DEFAULT VALUES
  }
  // What the statement leaves out gets its default, written out here. Generated columns come last.
  std::vector<const Column*> all = given;
  for (const Column& column : table.columns) {
    if (std::find(all.begin(), all.end(), &column) == all.end() && column.generated.empty())
      all.push_back(&column);
  }
  for (const Column& column : table.columns) {
    if (column.generated.empty()) continue;
    if (std::find(given.begin(), given.end(), &column) == given.end()) all.push_back(&column);
  }
  std::string names;
  for (const Column* column : all)
    names += StrCat(names.empty() ? "(" : ",", QuoteName(column->name));
  *sql += names + ") ";
  auto row_sql = [&](const std::function<std::optional<Expr>(size_t)>& value_at) {
    std::string text;
    Relation relation = BareRelation(table, table.name, "");
    for (size_t i = 0; i < all.size(); ++i) {
      const Column& column = *all[i];
      std::optional<Expr> value = i < given.size() ? value_at(i) : std::nullopt;
      if (value && !column.generated.empty())
        Fail("428C9", "cannot insert a non-DEFAULT value into a generated column");
      if (value && column.identity_always &&
          insert.override == PG_QUERY__OVERRIDING_KIND__OVERRIDING_NOT_SET) {
        Fail("428C9", "cannot insert a non-DEFAULT value into an identity column");
      }
      if (value && column.identity && user_value) value.reset();
      Expr expr;
      if (!column.generated.empty()) {
        const Scope scope = ScopeOf(relation);
        expr = Assign(Bind(column.generated.node(), &scope), column.type, column.name);
      } else {
        expr = value ? Assign(*std::move(value), column.type, column.name) : DefaultOf(column);
      }
      expr.sql = Guarded(table, column, std::move(expr.sql));
      for (ScopeColumn& known : relation.columns)
        if (known.name == column.name) known.expr.sql = expr.sql;
      text += StrCat(i == 0 ? "" : ",", expr.sql);
    }
    return text;
  };
  if (!rows.empty()) {
    for (size_t r = 0; r < rows.size(); ++r) {
      const auto& row = rows[r];
      *sql += StrCat(r == 0 ? "VALUES (" : ",(", row_sql([&](size_t i) -> std::optional<Expr> {
                       if (i >= row.size() || row[i] == nullptr) return std::nullopt;
                       return Bind(row[i], nullptr);
                     }),
                     ")");
    }
    return;
  }
  // Values without type take the column's.
  for (size_t i = 0; i < given.size(); ++i)
    if (query.targets[i].untyped()) CoerceColumn(&query, i, {given[i]->type.oid});
  const std::string inner = Render(query, true);
  const std::string alias = NextAlias();
  *sql += StrCat("SELECT ", row_sql([&](size_t i) -> std::optional<Expr> {
                   Expr expr;
                   expr.sql = StrCat(alias, ".c", i + 1);
                   expr.type = query.targets[i].type;
                   return expr;
                 }),
                 " FROM (", inner, ") AS ", alias, " WHERE true");
}

std::string Binder::ConflictTarget(const PgQuery__InferClause& infer, const Table& table,
                                   const Scope&) {
  std::string sql;
  std::vector<std::string> names;
  if (infer.conname != nullptr && infer.conname[0] != '\0') {
    const Constraint* constraint = table.FindConstraint(infer.conname);
    if (constraint == nullptr)
      Fail("42704", StrCat("constraint \"", infer.conname, "\" does not exist"));
    names = constraint->columns;
    if (!constraint->expressions.empty()) RefuseAs("ON CONFLICT over an expression");
  }
  for (size_t i = 0; i < infer.n_index_elems; ++i) {
    const PgQuery__IndexElem& element = *infer.index_elems[i]->index_elem;
    if (element.expr != nullptr) RefuseAs("ON CONFLICT over an expression");
    if (element.n_collation > 0 || element.n_opclass > 0)
      RefuseAs("ON CONFLICT with a collation or operator class");
    names.push_back(ColumnOf(table, element.name).name);
  }
  // A unique index that is not in the file cannot be named either.
  bool found = false;
  for (const Constraint& constraint : table.constraints) {
    const bool unique = constraint.kind == Constraint::Kind::primary_key ||
                        constraint.kind == Constraint::Kind::unique ||
                        (constraint.kind == Constraint::Kind::index && constraint.unique);
    if (!unique) continue;
    std::vector<std::string> a = constraint.columns, b = names;
    std::sort(a.begin(), a.end());
    std::sort(b.begin(), b.end());
    found = found || a == b;
  }
  if (!found)
    Fail("42P10",
         "there is no unique or exclusion constraint matching the ON CONFLICT specification");
  for (const std::string& name : names) sql += StrCat(sql.empty() ? "(" : ",", QuoteName(name));
  sql += ")";
  if (infer.where_clause != nullptr) {
    const Scope bare = ScopeOf(BareRelation(table, table.name, ""));
    sql += " WHERE " + BindBoolean(infer.where_clause, &bare, "WHERE").sql;
  }
  return sql;
}

std::string Binder::OnConflict(const PgQuery__OnConflictClause& clause, const Table& table,
                               const Scope& scope) {
  std::string sql = " ON CONFLICT";
  if (clause.infer != nullptr) sql += ConflictTarget(*clause.infer, table, scope);
  if (clause.action == PG_QUERY__ON_CONFLICT_ACTION__ONCONFLICT_NOTHING) return sql + " DO NOTHING";
  sql += " DO UPDATE SET " + Assignments(clause.target_list, clause.n_target_list, table, scope);
  if (clause.where_clause != nullptr)
    sql += " WHERE " + BindBoolean(clause.where_clause, &scope, "WHERE").sql;
  return sql;
}

std::string Binder::Assignments(PgQuery__Node* const* targets, size_t count, const Table& table,
                                const Scope& scope) {
  std::string sql;
  // The row as it will be, for generated columns.
  Relation after = scope.names.relations.front();
  std::vector<std::string> set;
  const PgQuery__Node* row_source =
      nullptr;  // of SET (a, b) = ROW(...): given with its first column
  for (size_t i = 0; i < count; ++i) {
    const PgQuery__ResTarget& target = *targets[i]->res_target;
    if (target.n_indirection > 0) RefuseAs("UPDATE of a part of a column");
    const Column& column = ColumnOf(table, target.name);
    if (std::find(set.begin(), set.end(), column.name) != set.end())
      Fail("42601", "multiple assignments to same column");
    set.push_back(column.name);
    const PgQuery__Node* value = target.val;
    if (value->node_case == PG_QUERY__NODE__NODE_MULTI_ASSIGN_REF) {
      const PgQuery__MultiAssignRef& ref = *value->multi_assign_ref;
      if (ref.source != nullptr) row_source = ref.source;
      if (row_source == nullptr || row_source->node_case != PG_QUERY__NODE__NODE_ROW_EXPR)
        RefuseAs("SET (...) = (SELECT ...)");
      const auto at = static_cast<size_t>(ref.colno - 1);
      if (at >= row_source->row_expr->n_args ||
          static_cast<size_t>(ref.ncolumns) != row_source->row_expr->n_args)
        Fail("42601", "number of columns does not match number of values");
      value = row_source->row_expr->args[at];
    }
    Expr expr;
    if (value->node_case == PG_QUERY__NODE__NODE_SET_TO_DEFAULT) {
      if (!column.generated.empty()) {
        set.pop_back();
        continue;
      }
      expr = DefaultOf(column);
    } else {
      if (!column.generated.empty())
        Fail("428C9", "a generated column can only be updated to DEFAULT");
      if (column.identity_always)
        Fail("428C9", "an identity column can only be updated to DEFAULT");
      expr = Assign(Bind(value, &scope), column.type, column.name);
    }
    expr.sql = Guarded(table, column, std::move(expr.sql));
    sql += StrCat(sql.empty() ? "" : ",", QuoteName(column.name), "=", expr.sql);
    for (ScopeColumn& known : after.columns)
      if (known.name == column.name) known.expr.sql = expr.sql;
  }
  const Scope row = ScopeOf(std::move(after));
  for (const Column& column : table.columns) {
    if (column.generated.empty()) continue;
    const Expr expr = Assign(Bind(column.generated.node(), &row), column.type, column.name);
    sql += StrCat(sql.empty() ? "" : ",", QuoteName(column.name), "=", expr.sql);
  }
  return sql;
}

std::string Binder::Returning(PgQuery__Node* const* targets, size_t count, const Table& table,
                              std::string_view alias, const Namespace& others, Translation* out) {
  if (count == 0) {
    out->kind = Translation::Kind::command;
    return "";
  }
  Scope scope = ScopeOf(BareRelation(table, alias, ""));
  for (const Relation& relation : others.relations) {
    Relation far = relation;
    for (ScopeColumn& column : far.columns) {
      column.expr.sql = std::string(1, kUnreachable);
      scope.names.visible.push_back(column);
    }
    scope.names.relations.push_back(std::move(far));
  }
  PgQuery__SelectStmt select = PG_QUERY__SELECT_STMT__INIT;
  select.n_target_list = count;
  select.target_list = const_cast<PgQuery__Node**>(targets);
  Query query;
  Targets(select, scope, &query);
  ResolveUnknown(&query);
  for (const Expr& target : query.targets) {
    if (target.sql.find(kUnreachable) != std::string::npos)
      RefuseAs("RETURNING of another table's columns");
    if (target.sql.find("SELECT ") != std::string::npos) RefuseAs("subquery in RETURNING");
    out->columns.push_back({target.name, target.type});
  }
  out->kind = Translation::Kind::rows;
  return " RETURNING " + RenderTargets(query.targets, false);
}

void Binder::Update(const PgQuery__UpdateStmt& update, Translation* out) {
  const size_t ctes = ctes_.size();
  std::string sql = WithClause(update.with_clause, nullptr);
  const Table& table = TableOf(*update.relation);
  RefuseViews(table);
  out->written.push_back(table.key());
  const std::string alias = NextAlias();
  Scope scope = ScopeOf(BareRelation(table, AliasOf(*update.relation), alias + "."));
  FromItem from;
  if (update.n_from_clause > 0) {
    from = From(update.from_clause, update.n_from_clause, nullptr);
    if (from.outer_join) RefuseAs("UPDATE FROM with a right or full join");
    scope.names.relations.insert(scope.names.relations.end(), from.names.relations.begin(),
                                 from.names.relations.end());
    scope.names.visible.insert(scope.names.visible.end(), from.names.visible.begin(),
                               from.names.visible.end());
  }
  sql += StrCat("UPDATE ", QuoteName(table.file_name()), " AS ", alias, " SET ",
                Assignments(update.target_list, update.n_target_list, table, scope));
  if (!from.sql.empty()) sql += " FROM " + from.sql;
  if (update.where_clause != nullptr) {
    if (update.where_clause->node_case == PG_QUERY__NODE__NODE_CURRENT_OF_EXPR)
      RefuseAs("WHERE CURRENT OF");
    sql += " WHERE " + BindBoolean(update.where_clause, &scope, "WHERE").sql;
  }
  sql += Returning(update.returning_list, update.n_returning_list, table, AliasOf(*update.relation),
                   from.names, out);
  out->sql = std::move(sql);
  out->verb = "UPDATE";
  ctes_.resize(ctes);
}

void Binder::Delete(const PgQuery__DeleteStmt& remove, Translation* out) {
  const size_t ctes = ctes_.size();
  std::string sql = WithClause(remove.with_clause, nullptr);
  const Table& table = TableOf(*remove.relation);
  RefuseViews(table);
  out->written.push_back(table.key());
  const std::string alias = NextAlias();
  Scope scope = ScopeOf(BareRelation(table, AliasOf(*remove.relation), alias + "."));
  FromItem from;
  if (remove.n_using_clause > 0) {
    from = From(remove.using_clause, remove.n_using_clause, nullptr);
    scope.names.relations.insert(scope.names.relations.end(), from.names.relations.begin(),
                                 from.names.relations.end());
    scope.names.visible.insert(scope.names.visible.end(), from.names.visible.begin(),
                               from.names.visible.end());
  }
  std::string condition;
  if (remove.where_clause != nullptr) {
    if (remove.where_clause->node_case == PG_QUERY__NODE__NODE_CURRENT_OF_EXPR)
      RefuseAs("WHERE CURRENT OF");
    condition = BindBoolean(remove.where_clause, &scope, "WHERE").sql;
  }
  sql += StrCat("DELETE FROM ", QuoteName(table.file_name()), " AS ", alias);
  if (!from.sql.empty()) {
    condition = StrCat("EXISTS(SELECT 1 FROM ", from.sql, condition.empty() ? "" : " WHERE ",
                       condition, ")");
  }
  if (!condition.empty()) sql += " WHERE " + condition;
  sql += Returning(remove.returning_list, remove.n_returning_list, table, AliasOf(*remove.relation),
                   from.names, out);
  out->sql = std::move(sql);
  out->verb = "DELETE";
  ctes_.resize(ctes);
}

}  // namespace pgparity::shadow::sqlite
