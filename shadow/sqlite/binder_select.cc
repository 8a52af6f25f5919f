// SELECT: targets, grouping, order, set operations, common table expressions.
#include <charconv>

#include "shadow/sqlite/binder.h"

namespace pgparity::shadow::sqlite {
namespace {

bool IsInsideGrouped(const PgQuery__SelectStmt& select) {
  return select.n_group_clause > 0 || select.having_clause != nullptr;
}

// Restores a member at the end of a scope.
template <typename T>
class Saved {
 public:
  Saved(T* place, T value) : place_(place), old_(std::move(*place)) { *place_ = std::move(value); }
  ~Saved() { *place_ = std::move(old_); }
  Saved(const Saved&) = delete;
  Saved& operator=(const Saved&) = delete;

 private:
  T* place_;
  T old_;
};

}  // namespace

Query Binder::Subquery(const PgQuery__Node* node, const Scope* outer) {
  if (node->node_case != PG_QUERY__NODE__NODE_SELECT_STMT) RefuseAs("data-modifying subquery");
  return Select(*node->select_stmt, outer);
}

Query Binder::Select(const PgQuery__SelectStmt& select, const Scope* outer) {
  if (++depth_ > 200) RefuseAs("deep nesting");
  if (select.into_clause != nullptr) RefuseAs("SELECT INTO");
  const size_t ctes = ctes_.size();
  Query query;
  const std::string with = WithClause(select.with_clause, outer);
  if (select.op != PG_QUERY__SET_OPERATION__SETOP_NONE) {
    query = SetOperation(select, outer);
  } else if (select.n_values_lists > 0) {
    query = Values(select, outer);
  } else {
    query = PlainSelect(select, outer);
  }
  query.with = with;
  // Without a LIMIT, FOR UPDATE and its like change nothing that is answered.
  for (size_t i = 0; i < select.n_locking_clause; ++i) {
    if (select.locking_clause[i]->locking_clause->wait_policy ==
        PG_QUERY__LOCK_WAIT_POLICY__LockWaitSkip)
      RefuseAs("SKIP LOCKED");
  }
  ctes_.resize(ctes);
  --depth_;
  return query;
}

Query Binder::PlainSelect(const PgQuery__SelectStmt& select, const Scope* outer) {
  Query query;
  Scope scope;
  scope.outer = outer;
  Saved<const PgQuery__SelectStmt*> window(&select_, &select);
  Saved<bool> in_aggregate(&in_aggregate_, false);
  Saved<bool> allowed(&aggregates_allowed_, false);
  {
    Saved<Grouping*> none(&grouping_, nullptr);
    FromItem from = From(select.from_clause, select.n_from_clause, outer);
    scope.names = std::move(from.names);
    if (!from.sql.empty()) query.tail = " FROM " + from.sql;
    if (select.where_clause != nullptr) {
      query.tail += " WHERE " + BindBoolean(select.where_clause, &scope, "WHERE").sql;
    }
  }
  Grouping grouping;
  Saved<Grouping*> group(&grouping_, &grouping);
  grouping.grouped = IsInsideGrouped(select);
  query.head = "SELECT ";
  aggregates_allowed_ = true;
  if (select.n_group_clause > 0) {
    GroupBy(select, scope, &query);
  } else {
    Targets(select, scope, &query);
  }
  if (select.having_clause != nullptr) {
    const std::string condition = BindBoolean(select.having_clause, &scope, "HAVING").sql;
    // SQLite takes HAVING without GROUP BY only beside an aggregate.
    if (select.n_group_clause == 0) {
      bool aggregate = false;
      for (const Expr& target : query.targets)
        aggregate = aggregate || target.sql.find('(') != std::string::npos;
      if (!aggregate) RefuseAs("HAVING without GROUP BY");
    }
    query.tail += " HAVING " + condition;
  }
  const bool distinct = select.n_distinct_clause > 0;
  const bool distinct_on = distinct && select.distinct_clause[0] != nullptr &&
                           select.distinct_clause[0]->node_case != PG_QUERY__NODE__NODE__NOT_SET;
  if (distinct) ResolveUnknown(&query);
  if (distinct_on) {
    DistinctOn(select, scope, &query);
  } else {
    if (distinct) {
      query.head = "SELECT DISTINCT ";
      for (Expr& target : query.targets)
        if (!HasNativeEquality(target.type.oid)) target.sql = Equal(target);
    }
    OrderBy(select, scope, &query);
  }
  if (grouping.grouped) CheckGrouping(scope);
  Saved<Grouping*> none(&grouping_, nullptr);
  aggregates_allowed_ = false;
  Limit(select, &query);
  return query;
}

std::vector<Expr> Binder::ExpandStar(const PgQuery__ColumnRef& ref, const Scope& scope) {
  std::vector<Expr> exprs;
  auto add = [&](const std::vector<ScopeColumn>& columns) {
    for (const ScopeColumn& column : columns) {
      Expr expr = column.expr;
      expr.name = column.name;
      if (grouping_ != nullptr) grouping_->loose_columns.push_back(expr.sql);
      if (grouping_ != nullptr && grouping_->expressions.count(expr.sql) > 0)
        grouping_->loose_columns.pop_back();
      exprs.push_back(std::move(expr));
    }
  };
  if (ref.n_fields == 1) {
    if (scope.names.relations.empty())
      Fail("42601", "SELECT * with no tables specified is not valid");
    add(scope.names.visible);
    return exprs;
  }
  const std::string_view table = StringOf(ref.fields[ref.n_fields - 2]);
  for (const Relation& relation : scope.names.relations) {
    if (relation.alias != table) continue;
    add(relation.columns);
    return exprs;
  }
  if (scope.outer != nullptr) RefuseAs("* of a table outside");
  Fail("42P01", StrCat("missing FROM-clause entry for table \"", table, "\""));
}

void Binder::Targets(const PgQuery__SelectStmt& select, const Scope& scope, Query* query) {
  for (size_t i = 0; i < select.n_target_list; ++i) {
    const PgQuery__ResTarget& target = *select.target_list[i]->res_target;
    if (target.val->node_case == PG_QUERY__NODE__NODE_COLUMN_REF) {
      const PgQuery__ColumnRef& ref = *target.val->column_ref;
      if (ref.fields[ref.n_fields - 1]->node_case == PG_QUERY__NODE__NODE_A_STAR) {
        for (Expr& expr : ExpandStar(ref, scope)) query->targets.push_back(std::move(expr));
        continue;
      }
    }
    Expr expr = Bind(target.val, &scope);
    if (target.name != nullptr && target.name[0] != '\0') expr.name = target.name;
    query->targets.push_back(std::move(expr));
  }
  if (query->targets.empty()) RefuseAs("SELECT of no columns");
  // Unnamed columns of a value.
  for (Expr& expr : query->targets)
    if (expr.name.empty()) expr.name = "?column?";
}

// -------------------------------------------------------------------------------- grouping

void Binder::GroupBy(const PgQuery__SelectStmt& select, const Scope& scope, Query* query) {
  std::vector<std::string> keys;
  for (size_t i = 0; i < select.n_group_clause; ++i) {
    const PgQuery__Node* node = select.group_clause[i];
    if (node->node_case == PG_QUERY__NODE__NODE_GROUPING_SET) RefuseAs("GROUPING SETS");
    if (node->node_case == PG_QUERY__NODE__NODE_ROW_EXPR) RefuseAs("row in GROUP BY");
    // A column of FROM goes before a target's name; a number is a target's position.
    const PgQuery__Node* expression = node;
    if (node->node_case == PG_QUERY__NODE__NODE_A_CONST) {
      if (node->a_const->val_case != PG_QUERY__A__CONST__VAL_IVAL) RefuseAs("constant in GROUP BY");
      const auto position = static_cast<size_t>(node->a_const->ival->ival);
      if (position < 1 || position > select.n_target_list)
        Fail("42P10", "GROUP BY position is not in select list");
      for (size_t k = 0; k < position; ++k) {
        const PgQuery__Node* value = select.target_list[k]->res_target->val;
        if (value->node_case == PG_QUERY__NODE__NODE_COLUMN_REF &&
            value->column_ref->fields[value->column_ref->n_fields - 1]->node_case ==
                PG_QUERY__NODE__NODE_A_STAR)
          RefuseAs("GROUP BY position behind *");
      }
      expression = select.target_list[position - 1]->res_target->val;
    } else if (node->node_case == PG_QUERY__NODE__NODE_COLUMN_REF &&
               node->column_ref->n_fields == 1) {
      const std::string_view name = StringOf(node->column_ref->fields[0]);
      if (FindColumn(scope, name) == nullptr) {
        for (size_t k = 0; k < select.n_target_list; ++k) {
          const PgQuery__ResTarget& target = *select.target_list[k]->res_target;
          if (target.name != nullptr && name == target.name) expression = target.val;
        }
      }
    }
    aggregates_allowed_ = false;
    Expr key = Typed(Bind(expression, &scope));
    aggregates_allowed_ = true;
    grouping_->expressions.insert(key.sql);
    // A constant would be a position.
    std::string sql = Equal(key);
    if (!sql.empty() && (sql[0] == '\'' || (sql[0] >= '0' && sql[0] <= '9')))
      sql = StrCat("(", sql, "||'')");
    keys.push_back(std::move(sql));
  }
  grouping_->loose_columns.clear();
  Targets(select, scope, query);
  for (size_t i = 0; i < keys.size(); ++i) query->tail += (i == 0 ? " GROUP BY " : ",") + keys[i];
}

// Columns outside aggregates are grouped, or depend on a table's primary key that is.
void Binder::CheckGrouping(const Scope& scope) const {
  for (const std::string& loose : grouping_->loose_columns) {
    if (grouping_->expressions.count(loose) > 0) continue;
    bool depends = false;
    for (const Relation& relation : scope.names.relations) {
      bool of_it = false;
      for (const ScopeColumn& column : relation.columns) of_it = of_it || column.expr.sql == loose;
      const Constraint* key = relation.table == nullptr ? nullptr : relation.table->PrimaryKey();
      if (!of_it || key == nullptr) continue;
      depends = true;
      for (const std::string& name : key->columns) {
        for (const ScopeColumn& column : relation.columns) {
          if (column.name == name && grouping_->expressions.count(column.expr.sql) == 0)
            depends = false;
        }
      }
    }
    if (!depends) {
      Fail("42803",
           "column must appear in the GROUP BY clause or be used in an aggregate function");
    }
  }
}

// ------------------------------------------------------------------------- order and limit

std::string Binder::SortItem(const PgQuery__SortBy& sort, const Expr&,
                             const std::string& sql) const {
  if (sort.n_use_op > 0) RefuseAs("ORDER BY USING");
  const bool down = sort.sortby_dir == PG_QUERY__SORT_BY_DIR__SORTBY_DESC;
  bool first = down;
  if (sort.sortby_nulls == PG_QUERY__SORT_BY_NULLS__SORTBY_NULLS_FIRST) first = true;
  if (sort.sortby_nulls == PG_QUERY__SORT_BY_NULLS__SORTBY_NULLS_LAST) first = false;
  return StrCat(sql, down ? " DESC" : " ASC", first ? " NULLS FIRST" : " NULLS LAST");
}

// Finds what an ORDER BY item names. `position`: of the target, from 0, or -1.
Expr Binder::SortExpression(const PgQuery__Node* node, const Scope& scope, const Query& query,
                            int* position) {
  *position = -1;
  if (node->node_case == PG_QUERY__NODE__NODE_A_CONST) {
    if (node->a_const->val_case != PG_QUERY__A__CONST__VAL_IVAL)
      Fail("42601", "non-integer constant in ORDER BY");
    const int at = node->a_const->ival->ival;
    if (at < 1 || static_cast<size_t>(at) > query.targets.size())
      Fail("42P10", "ORDER BY position is not in select list");
    *position = at - 1;
    return query.targets[static_cast<size_t>(at - 1)];
  }
  if (node->node_case == PG_QUERY__NODE__NODE_COLUMN_REF && node->column_ref->n_fields == 1) {
    const std::string_view name = StringOf(node->column_ref->fields[0]);
    for (size_t i = 0; i < query.targets.size(); ++i) {
      if (query.targets[i].name != name) continue;
      if (*position >= 0 &&
          query.targets[static_cast<size_t>(*position)].sql != query.targets[i].sql) {
        Fail("42702", StrCat("ORDER BY \"", name, "\" is ambiguous"));
      }
      if (*position < 0) *position = static_cast<int>(i);
    }
    if (*position >= 0) return query.targets[static_cast<size_t>(*position)];
  }
  if (query.left != nullptr || !query.rows.empty())
    RefuseAs("ORDER BY of an expression behind a set operation");
  return Bind(node, &scope);
}

void Binder::OrderBy(const PgQuery__SelectStmt& select, const Scope& scope, Query* query) {
  for (size_t i = 0; i < select.n_sort_clause; ++i) {
    const PgQuery__SortBy& sort = *select.sort_clause[i]->sort_by;
    int position = -1;
    Expr key = SortExpression(sort.node, scope, *query, &position);
    const bool compound = query->left != nullptr || !query->rows.empty();
    if (key.untyped()) key = Typed(std::move(key));
    std::string sql;
    if (compound) {
      if (IsUser(key.type.oid) || key.type.oid == oid::kBpchar)
        RefuseAs("ORDER BY of this type behind a set operation");
      Expr column = key;
      column.sql = StrCat(position + 1);
      sql = Ordered(column);
    } else {
      const std::string plain = Ordered(key);
      // A constant alone would be a position.
      const bool constant = plain.find_first_not_of("0123456789") == std::string::npos;
      sql = constant ? StrCat("(", plain, "+0)") : plain;
    }
    query->order += StrCat(i == 0 ? " ORDER BY " : ",", SortItem(sort, key, sql));
  }
}

// DISTINCT ON: row 1 of each partition. The row's number is a target of its own, the last.
void Binder::DistinctOn(const PgQuery__SelectStmt& select, const Scope& scope, Query* query) {
  if (grouping_->grouped) RefuseAs("DISTINCT ON with GROUP BY");
  std::string partition;
  for (size_t i = 0; i < select.n_distinct_clause; ++i) {
    int position = -1;
    const Expr key = Typed(SortExpression(select.distinct_clause[i], scope, *query, &position));
    partition += StrCat(i == 0 ? "" : ",", Equal(key));
  }
  std::string inner, outer;
  const size_t columns = query->targets.size();
  for (size_t i = 0; i < select.n_sort_clause; ++i) {
    const PgQuery__SortBy& sort = *select.sort_clause[i]->sort_by;
    int position = -1;
    Expr key = Typed(SortExpression(sort.node, scope, *query, &position));
    inner += StrCat(i == 0 ? "" : ",", SortItem(sort, key, Ordered(key)));
    // The outer ORDER BY finds its key among further targets.
    query->targets.push_back(key);
    Expr column = key;
    column.sql = StrCat("c", query->targets.size());
    outer += StrCat(i == 0 ? " ORDER BY " : ",", SortItem(sort, key, Ordered(column)));
  }
  if (inner.empty()) RefuseAs("DISTINCT ON without ORDER BY");
  Expr number;
  number.sql = StrCat("row_number() OVER (PARTITION BY ", partition, " ORDER BY ", inner, ")");
  number.type = {oid::kInt8};
  query->targets.push_back(std::move(number));
  // Rendered here: what stands outside selects from it.
  const std::string text = RenderLeaf(*query, true);
  const std::string alias = NextAlias();
  const std::string row = StrCat("c", query->targets.size());
  query->targets.resize(columns);
  for (size_t i = 0; i < columns; ++i) query->targets[i].sql = StrCat(alias, ".c", i + 1);
  query->tail = StrCat(" FROM (", text, ") AS ", alias, " WHERE ", alias, ".", row, "=1");
  query->order = outer;
  query->head = "SELECT ";
}

void Binder::Limit(const PgQuery__SelectStmt& select, Query* query) {
  if (select.limit_option == PG_QUERY__LIMIT_OPTION__LIMIT_OPTION_WITH_TIES) RefuseAs("WITH TIES");
  auto count = [&](const PgQuery__Node* node, std::string_view function) {
    Expr expr = Bind(node, nullptr);
    if (expr.kind == Expr::Kind::value && IsNumber(expr.type.oid) && !IsInteger(expr.type.oid)) {
      expr = Cast(std::move(expr), {oid::kInt8});
    } else {
      expr = Coerce(std::move(expr), {oid::kInt8});
    }
    const bool constant = expr.sql.find_first_not_of("0123456789") == std::string::npos;
    return constant ? expr.sql : StrCat(function, "(", expr.sql, ")");
  };
  if (select.limit_count != nullptr)
    query->limit = " LIMIT " + count(select.limit_count, "pg_limit");
  if (select.limit_offset != nullptr) {
    if (query->limit.empty()) query->limit = " LIMIT -1";
    query->limit += " OFFSET " + count(select.limit_offset, "pg_offset");
  }
}

// ------------------------------------------------------------- VALUES and set operations

Query Binder::Values(const PgQuery__SelectStmt& select, const Scope* outer) {
  Query query;
  for (size_t i = 0; i < select.n_values_lists; ++i) {
    const PgQuery__List& list = *select.values_lists[i]->list;
    std::vector<Expr>& row = query.rows.emplace_back();
    for (size_t k = 0; k < list.n_items; ++k) row.push_back(Bind(list.items[k], outer));
    if (row.size() != query.rows[0].size())
      Fail("42601", "VALUES lists must all be the same length");
  }
  const size_t width = query.rows[0].size();
  for (size_t k = 0; k < width; ++k) {
    std::vector<Expr> column;
    bool typed = false;
    for (const auto& row : query.rows) {
      column.push_back(row[k]);
      typed = typed || !row[k].untyped();
    }
    Expr target;
    target.name = StrCat("column", k + 1);
    if (typed || query.rows.size() > 1) {
      const Oid type = typed ? CommonType(column, "VALUES") : 0;
      if (typed) {
        for (auto& row : query.rows) row[k] = Coerce(std::move(row[k]), {type});
        target.type = {type};
      } else {
        target.kind = Expr::Kind::literal;
      }
    } else {
      target.kind = Expr::Kind::literal;
    }
    query.targets.push_back(std::move(target));
  }
  Scope nothing;
  OrderBy(select, nothing, &query);
  Limit(select, &query);
  return query;
}

Query Binder::SetOperation(const PgQuery__SelectStmt& select, const Scope* outer) {
  Query query;
  query.left = std::make_unique<Query>(Select(*select.larg, outer));
  query.right = std::make_unique<Query>(Select(*select.rarg, outer));
  const size_t width = query.left->targets.size();
  if (query.right->targets.size() != width) {
    Fail("42601", "each query must have the same number of columns");
  }
  const bool unite = select.op == PG_QUERY__SET_OPERATION__SETOP_UNION;
  query.operation = unite ? (select.all ? "UNION ALL" : "UNION")
                    : select.op == PG_QUERY__SET_OPERATION__SETOP_INTERSECT ? "INTERSECT"
                                                                            : "EXCEPT";
  query.number_rows = select.all && !unite;
  for (size_t i = 0; i < width; ++i) {
    Expr left = query.left->targets[i], right = query.right->targets[i];
    const Oid type = CommonType({left, right}, "UNION");
    for (Query* side : {query.left.get(), query.right.get()}) {
      const Expr& target = side->targets[i];
      if (target.untyped() || target.type.oid != type) CoerceColumn(side, i, {type});
      // Equality in UNION and its like goes by the collation of the first operand.
      if (query.operation != "UNION ALL" || query.number_rows) {
        if (type == oid::kBpchar) RefuseAs("set operation over char(n)");
        if (type == oid::kJson)
          Fail("42883", "could not identify an equality operator for type json");
      }
    }
    Expr target;
    target.type = query.left->targets[i].type == query.right->targets[i].type
                      ? query.left->targets[i].type
                      : Type{type};
    target.name = query.left->targets[i].name;
    target.c_collation = left.c_collation || right.c_collation;
    query.targets.push_back(std::move(target));
  }
  Scope nothing;
  OrderBy(select, nothing, &query);
  Limit(select, &query);
  return query;
}

// Changes the type of a column of a query that is not rendered yet.
void Binder::CoerceColumn(Query* query, size_t column, Type type) {
  Expr& target = query->targets[column];
  if (query->left != nullptr) {
    CoerceColumn(query->left.get(), column, type);
    CoerceColumn(query->right.get(), column, type);
    target.type = type;
    target.kind = Expr::Kind::value;
    return;
  }
  if (!query->rows.empty()) {
    for (auto& row : query->rows) row[column] = Coerce(std::move(row[column]), type);
    target.type = type;
    target.kind = Expr::Kind::value;
    return;
  }
  const std::string name = target.name;
  target = Coerce(std::move(target), type);
  target.name = name;
}

// Values without a type become text at the end of a subquery.
void Binder::ResolveUnknown(Query* query) {
  for (size_t i = 0; i < query->targets.size(); ++i)
    if (query->targets[i].untyped()) CoerceColumn(query, i, {oid::kText});
}

// --------------------------------------------------------------------------------- rendering

std::string Binder::RenderTargets(const std::vector<Expr>& targets, bool name_columns) const {
  std::string sql;
  for (size_t i = 0; i < targets.size(); ++i) {
    sql += StrCat(i == 0 ? "" : ",", targets[i].sql);
    if (name_columns) sql += StrCat(" AS c", i + 1);
  }
  return sql;
}

std::string Binder::RenderLeaf(const Query& query, bool name_columns) const {
  if (query.rows.empty()) {
    return StrCat(query.head, RenderTargets(query.targets, name_columns), query.tail);
  }
  std::string values = "VALUES ";
  for (size_t i = 0; i < query.rows.size(); ++i)
    values += StrCat(i == 0 ? "(" : ",(", RenderTargets(query.rows[i], false), ")");
  if (!name_columns) return values;
  std::string columns;
  for (size_t i = 0; i < query.targets.size(); ++i)
    columns += StrCat(i == 0 ? "" : ",", "column", i + 1, " AS c", i + 1);
  return StrCat("SELECT ", columns, " FROM (", values, ")");
}

std::string Binder::RenderOperand(const Query& query, bool name_columns, bool first) const {
  const bool wrap = !query.plain() || query.number_rows || (query.left != nullptr && !first);
  std::string text =
      wrap ? StrCat("SELECT * FROM (", Render(query, true), ")") : Render(query, name_columns);
  return text;
}

std::string Binder::Render(const Query& query, bool name_columns) const {
  std::string text;
  if (query.left == nullptr) {
    const bool order = !query.order.empty() && !query.rows.empty();
    text = order ? StrCat("SELECT * FROM (", RenderLeaf(query, true), ")")
                 : RenderLeaf(query, name_columns);
  } else if (query.number_rows) {
    // INTERSECT ALL and EXCEPT ALL: equal rows are numbered, which makes them distinct.
    std::string columns, keys;
    for (size_t i = 0; i < query.targets.size(); ++i) {
      Expr column = query.targets[i];
      column.sql = StrCat("c", i + 1);
      columns += StrCat(i == 0 ? "" : ",", "c", i + 1);
      keys += StrCat(i == 0 ? "" : ",", Equal(column));
    }
    auto side = [&](const Query& operand) {
      std::string collated;
      for (size_t i = 0; i < query.targets.size(); ++i) {
        Expr column = query.targets[i];
        column.sql = StrCat("c", i + 1);
        collated += StrCat(i == 0 ? "" : ",", Equal(column), " AS c", i + 1);
      }
      return StrCat("SELECT ", collated, ",row_number() OVER (PARTITION BY ", keys, ") AS n FROM (",
                    Render(operand, true), ")");
    };
    text = StrCat("SELECT ", columns, " FROM (", side(*query.left), " ", query.operation, " ",
                  side(*query.right), ")");
  } else {
    bool collate = false;
    for (const Expr& target : query.targets)
      collate = collate || !HasNativeEquality(target.type.oid);
    std::string left = RenderOperand(*query.left, true, true);
    if (collate && query.operation != "UNION ALL") {
      std::string columns;
      for (size_t i = 0; i < query.targets.size(); ++i) {
        Expr column = query.targets[i];
        column.sql = StrCat("c", i + 1);
        columns += StrCat(i == 0 ? "" : ",", Equal(column), " AS c", i + 1);
      }
      left = StrCat("SELECT ", columns, " FROM (", left, ")");
    }
    text = StrCat(left, " ", query.operation, " ", RenderOperand(*query.right, true, false));
    if (!query.order.empty() && query.operation != "UNION ALL") {
      text = StrCat("SELECT * FROM (", text, ")");
    }
  }
  return StrCat(query.with, text, query.order, query.limit);
}

// ------------------------------------------------------------- common table expressions

std::string Binder::WithClause(const PgQuery__WithClause* with, const Scope* outer) {
  if (with == nullptr) return "";
  std::string sql;
  for (size_t i = 0; i < with->n_ctes; ++i) {
    sql += StrCat(i == 0 ? "" : ",",
                  CommonTable(*with->ctes[i]->common_table_expr, with->recursive, outer));
  }
  return StrCat(with->recursive ? "WITH RECURSIVE " : "WITH ", sql, " ");
}

std::string Binder::CommonTable(const PgQuery__CommonTableExpr& cte, bool recursive,
                                const Scope* outer) {
  if (cte.search_clause != nullptr || cte.cycle_clause != nullptr) RefuseAs("SEARCH or CYCLE");
  if (cte.ctequery->node_case != PG_QUERY__NODE__NODE_SELECT_STMT) RefuseAs("data-modifying CTE");
  const PgQuery__SelectStmt& select = *cte.ctequery->select_stmt;
  Cte entry;
  entry.name = cte.ctename;
  entry.file_name = StrCat("cte", ++aliases_);
  auto columns_of = [&](const Query& query) {
    entry.columns.clear();
    for (size_t i = 0; i < query.targets.size(); ++i) {
      std::string name = query.targets[i].name;
      if (i < cte.n_aliascolnames) name = StringOf(cte.aliascolnames[i]);
      entry.columns.push_back({std::move(name), query.targets[i].type});
    }
  };
  Query query;
  const bool unites = recursive && select.op == PG_QUERY__SET_OPERATION__SETOP_UNION &&
                      select.with_clause == nullptr && select.n_sort_clause == 0 &&
                      select.limit_count == nullptr;
  if (unites) {
    // The first branch says the columns and their types; the second may name the CTE.
    Query left = Select(*select.larg, outer);
    ResolveUnknown(&left);
    columns_of(left);
    ctes_.push_back(entry);
    Query right = Select(*select.rarg, outer);
    if (right.targets.size() != left.targets.size())
      Fail("42601", "each query must have the same number of columns");
    for (size_t i = 0; i < left.targets.size(); ++i) {
      if (right.targets[i].untyped()) CoerceColumn(&right, i, left.targets[i].type);
      if (right.targets[i].type.oid != left.targets[i].type.oid) {
        const Oid from = right.targets[i].type.oid, to = left.targets[i].type.oid;
        if (!CanCoerce(from, to))
          Fail("42804", "recursive query column has another type in its second branch");
        CoerceColumn(&right, i, {to});
      }
      if (!select.all && !HasNativeEquality(left.targets[i].type.oid))
        RefuseAs("recursive UNION over this type");
    }
    query.targets = left.targets;
    query.operation = select.all ? "UNION ALL" : "UNION";
    query.left = std::make_unique<Query>(std::move(left));
    query.right = std::make_unique<Query>(std::move(right));
    std::string names;
    for (size_t i = 0; i < query.targets.size(); ++i) names += StrCat(i == 0 ? "c" : ",c", i + 1);
    return StrCat(entry.file_name, "(", names, ") AS (", RenderOperand(*query.left, true, false),
                  " ", query.operation, " ", RenderOperand(*query.right, true, false), ")");
  }
  if (recursive && select.op != PG_QUERY__SET_OPERATION__SETOP_NONE)
    RefuseAs("recursive CTE of this form");
  query = Select(select, outer);
  ResolveUnknown(&query);
  columns_of(query);
  ctes_.push_back(entry);
  std::string names;
  for (size_t i = 0; i < query.targets.size(); ++i) names += StrCat(i == 0 ? "c" : ",c", i + 1);
  return StrCat(entry.file_name, "(", names, ") AS (", Render(query, true), ")");
}

}  // namespace pgparity::shadow::sqlite
