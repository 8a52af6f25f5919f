// FROM: tables, subqueries, functions and joins. Every item gets an alias of ours, so that no name
// of the application's can be taken for another (SQLite's names know no case).
#include "shadow/sqlite/binder.h"

namespace pgparity::shadow::sqlite {
namespace {

std::string AliasOf(const PgQuery__Alias* alias, std::string_view fallback) {
  return alias == nullptr || alias->aliasname == nullptr ? std::string(fallback)
                                                         : std::string(alias->aliasname);
}

void Append(const Namespace& from, Namespace* to) {
  to->relations.insert(to->relations.end(), from.relations.begin(), from.relations.end());
  to->visible.insert(to->visible.end(), from.visible.begin(), from.visible.end());
}

}  // namespace

FromItem Binder::From(PgQuery__Node* const* items, size_t count, const Scope* outer) {
  FromItem all;
  for (size_t i = 0; i < count; ++i) {
    FromItem item = FromNode(items[i], outer, all.names);
    for (const Relation& relation : item.names.relations) {
      for (const Relation& before : all.names.relations) {
        if (before.alias == relation.alias && before.schema == relation.schema &&
            !relation.alias.empty())
          Fail("42712", StrCat("table name \"", relation.alias, "\" specified more than once"));
      }
    }
    const bool wrap = i > 0 && item.outer_join;
    all.sql += StrCat(i == 0 ? "" : ",", wrap ? StrCat("(", item.sql, ")") : item.sql);
    Append(item.names, &all.names);
  }
  return all;
}

FromItem Binder::FromNode(const PgQuery__Node* node, const Scope* outer, const Namespace& before) {
  switch (node->node_case) {
    case PG_QUERY__NODE__NODE_RANGE_VAR:
      return FromTableName(*node->range_var);
    case PG_QUERY__NODE__NODE_RANGE_SUBSELECT:
      return FromSubselect(*node->range_subselect, outer);
    case PG_QUERY__NODE__NODE_RANGE_FUNCTION:
      return FromFunction(*node->range_function, outer, before);
    case PG_QUERY__NODE__NODE_JOIN_EXPR:
      return Join(*node->join_expr, outer, before);
    default:
      RefuseAs("FROM item");
  }
}

void Binder::Rename(const PgQuery__Alias* alias, Relation* relation) const {
  if (alias == nullptr) return;
  relation->alias = alias->aliasname;
  relation->schema.clear();
  if (alias->n_colnames > relation->columns.size()) {
    Fail("42P10", "table has fewer columns than its alias names");
  }
  for (size_t i = 0; i < alias->n_colnames; ++i)
    relation->columns[i].name = StringOf(alias->colnames[i]);
}

FromItem Binder::FromTableOf(const Table& table, std::string_view alias) {
  FromItem item;
  Relation relation;
  relation.alias = alias;
  relation.schema = table.schema;
  relation.table = &table;
  relation.file_alias = NextAlias();
  for (const Column& column : table.columns) {
    Expr expr;
    expr.sql = StrCat(relation.file_alias, ".", QuoteName(column.name));
    expr.type = column.type;
    relation.columns.push_back({column.name, std::move(expr)});
  }
  item.sql = StrCat(QuoteName(table.file_name()), " AS ", relation.file_alias);
  item.names.visible = relation.columns;
  item.names.relations.push_back(std::move(relation));
  return item;
}

FromItem Binder::FromTableName(const PgQuery__RangeVar& range) {
  const std::string schema = range.schemaname == nullptr ? "" : range.schemaname;
  FromItem item;
  const Cte* cte = nullptr;
  if (schema.empty()) {
    for (const Cte& candidate : ctes_)
      if (candidate.name == range.relname) cte = &candidate;
  }
  if (cte != nullptr) {
    Relation relation;
    relation.alias = cte->name;
    relation.file_alias = NextAlias();
    for (size_t i = 0; i < cte->columns.size(); ++i) {
      Expr expr;
      expr.sql = StrCat(relation.file_alias, ".c", i + 1);
      expr.type = cte->columns[i].type;
      relation.columns.push_back({cte->columns[i].name, std::move(expr)});
    }
    item.sql = StrCat(cte->file_name, " AS ", relation.file_alias);
    item.names.relations.push_back(std::move(relation));
  } else {
    const Table& table = TableOf(range);
    if (table.view) {
      absl::StatusOr<ParseTree> tree = ParseTree::Parse(table.view_text);
      if (!tree.ok() || tree->statement()->node_case != PG_QUERY__NODE__NODE_SELECT_STMT)
        RefuseAs("view");
      std::vector<Cte> ctes;
      ctes.swap(ctes_);
      Grouping* const grouping = std::exchange(grouping_, nullptr);
      Query query = Select(*tree->statement()->select_stmt, nullptr);
      grouping_ = grouping;
      ctes.swap(ctes_);
      ResolveUnknown(&query);
      item = OfQuery(query, nullptr);
      Relation& relation = item.names.relations.back();
      relation.alias = table.name;
      relation.schema = table.schema;
      for (size_t i = 0; i < relation.columns.size() && i < table.columns.size(); ++i) {
        relation.columns[i].name = table.columns[i].name;
        relation.columns[i].expr.type = table.columns[i].type;
      }
    } else {
      item = FromTableOf(table, table.name);
    }
  }
  Rename(range.alias, &item.names.relations.back());
  item.names.visible = item.names.relations.back().columns;
  return item;
}

const Table& Binder::TableOf(const PgQuery__RangeVar& range) {
  const std::string schema = range.schemaname == nullptr ? "" : range.schemaname;
  if (schema == "pg_catalog" || schema == "information_schema") RefuseAs("system catalog");
  const Table* table = context_.schema->FindTable(schema, range.relname, context_.search_path);
  if (table != nullptr) return *table;
  if (std::string_view(range.relname).starts_with("pg_")) RefuseAs("system catalog");
  Fail("42P01", StrCat("relation \"", schema, schema.empty() ? "" : ".", range.relname,
                       "\" does not exist"));
}

FromItem Binder::OfQuery(const Query& query, const PgQuery__Alias* alias) {
  FromItem item;
  Relation relation;
  relation.file_alias = NextAlias();
  for (size_t i = 0; i < query.targets.size(); ++i) {
    Expr expr;
    expr.sql = StrCat(relation.file_alias, ".c", i + 1);
    expr.type = query.targets[i].type;
    expr.c_collation = query.targets[i].c_collation;
    relation.columns.push_back({query.targets[i].name, std::move(expr)});
  }
  item.sql = StrCat("(", Render(query, true), ") AS ", relation.file_alias);
  Rename(alias, &relation);
  item.names.visible = relation.columns;
  item.names.relations.push_back(std::move(relation));
  return item;
}

FromItem Binder::FromSubselect(const PgQuery__RangeSubselect& range, const Scope* outer) {
  if (range.lateral) RefuseAs("LATERAL");
  Query query = Subquery(range.subquery, outer);
  ResolveUnknown(&query);
  return OfQuery(query, range.alias);
}

// ------------------------------------------------------------------------------- functions

FromItem Binder::FromFunction(const PgQuery__RangeFunction& range, const Scope* outer,
                              const Namespace& before) {
  if (range.is_rowsfrom || range.n_functions != 1 || range.n_coldeflist > 0)
    RefuseAs("function in FROM");
  const PgQuery__Node* inner = range.functions[0]->list->items[0];
  if (inner->node_case != PG_QUERY__NODE__NODE_FUNC_CALL) RefuseAs("function in FROM");
  const PgQuery__FuncCall& call = *inner->func_call;
  const std::string name(QualifiedName(call.funcname, call.n_funcname).name);
  // What stands before in FROM is in sight: SQLite allows that for json_each() alone.
  Scope lateral;
  lateral.names = before;
  lateral.outer = outer;
  const Scope* const scope = name == "unnest" || name.starts_with("json") ? &lateral : outer;
  std::vector<Expr> args;
  for (size_t i = 0; i < call.n_args; ++i) args.push_back(Bind(call.args[i], scope));
  FromItem item;
  Relation relation;
  relation.alias = AliasOf(range.alias, name);
  relation.file_alias = NextAlias();
  const std::string& alias = relation.file_alias;
  auto add = [&](std::string column, std::string sql, Oid type) {
    Expr expr;
    expr.sql = std::move(sql);
    expr.type = {type};
    relation.columns.push_back({std::move(column), std::move(expr)});
  };
  const std::string column_name = range.alias == nullptr ? name : range.alias->aliasname;
  if (name == "unnest" && args.size() == 1 && !args[0].untyped() && IsArray(args[0].type.oid)) {
    const Oid element = ElementOf(args[0].type.oid);
    if (IsFloat(element)) RefuseAs("unnest of floats");
    item.sql = StrCat("json_each(", args[0].sql, ") AS ", alias);
    add(column_name, StrCat(alias, ".value"), element);
    if (range.ordinality) add("ordinality", StrCat("(", alias, ".key+1)"), oid::kInt8);
  } else if (name == "generate_series" && (args.size() == 2 || args.size() == 3) &&
             !range.ordinality) {
    Oid type = CommonType(args, "generate_series");
    if (!args[0].untyped() && (IsDateTime(args[0].type.oid))) RefuseAs("generate_series of times");
    if (!IsInteger(type)) RefuseAs("generate_series of this type");
    if (type == oid::kInt2) type = oid::kInt4;
    const std::string start = Coerce(args[0], {type}).sql, stop = Coerce(args[1], {type}).sql;
    const std::string step = args.size() == 3 ? Coerce(args[2], {type}).sql : "1";
    item.sql = StrCat(
        "(WITH RECURSIVE s(c1,e,d) AS (SELECT ", start, ",", stop, ",pg_step(", step, ") WHERE ",
        start, " IS NOT NULL AND ", stop, " IS NOT NULL AND ", step, " IS NOT NULL AND CASE WHEN ",
        step, ">0 THEN ", start, "<=", stop, " ELSE ", start, ">=", stop,
        " END UNION ALL SELECT c1+d,e,d FROM s WHERE CASE WHEN d>0 THEN c1<=e-d ELSE c1>=e-d END)"
        " SELECT c1 FROM s) AS ",
        alias);
    add(column_name, StrCat(alias, ".c1"), type);
  } else if ((name == "jsonb_array_elements" || name == "jsonb_array_elements_text" ||
              name == "json_array_elements" || name == "json_array_elements_text") &&
             args.size() == 1 && !range.ordinality) {
    const bool jsonb = name.starts_with("jsonb"), text = name.ends_with("_text");
    const Oid type = jsonb ? oid::kJsonb : oid::kJson;
    item.sql = StrCat("json_each(pg_json_elements(", Coerce(args[0], {type}).sql, ",",
                      text ? "1" : "0", ")) AS ", alias);
    add(range.alias == nullptr ? "value" : range.alias->aliasname, StrCat(alias, ".value"),
        text ? oid::kText : type);
  } else {
    RefuseAs(StrCat("function ", name, " in FROM"));
  }
  Rename(range.alias, &relation);
  item.names.visible = relation.columns;
  item.names.relations.push_back(std::move(relation));
  return item;
}

// ------------------------------------------------------------------------------------ joins

FromItem Binder::Join(const PgQuery__JoinExpr& join, const Scope* outer, const Namespace& before) {
  FromItem left = FromNode(join.larg, outer, before);
  Namespace in_sight = before;
  Append(left.names, &in_sight);
  FromItem right = FromNode(join.rarg, outer, in_sight);
  if (join.alias != nullptr || join.join_using_alias != nullptr) RefuseAs("alias of a join");
  std::string word;
  FromItem item;
  item.outer_join = left.outer_join || right.outer_join;
  switch (join.jointype) {
    case PG_QUERY__JOIN_TYPE__JOIN_INNER:
      word = " JOIN ";
      break;
    case PG_QUERY__JOIN_TYPE__JOIN_LEFT:
      word = " LEFT JOIN ";
      break;
    case PG_QUERY__JOIN_TYPE__JOIN_RIGHT:
      word = " RIGHT JOIN ";
      item.outer_join = true;
      break;
    case PG_QUERY__JOIN_TYPE__JOIN_FULL:
      word = " FULL JOIN ";
      item.outer_join = true;
      break;
    default:
      RefuseAs("join of this kind");
  }
  std::vector<std::string> shared;
  for (size_t i = 0; i < join.n_using_clause; ++i)
    shared.emplace_back(StringOf(join.using_clause[i]));
  auto find = [](const Namespace& names, const std::string& name) -> const ScopeColumn* {
    for (const ScopeColumn& column : names.visible)
      if (column.name == name) return &column;
    return nullptr;
  };
  if (join.is_natural) {
    for (const ScopeColumn& column : left.names.visible)
      if (find(right.names, column.name) != nullptr) shared.push_back(column.name);
  }
  std::string condition;
  std::vector<ScopeColumn> merged;
  for (const std::string& name : shared) {
    const ScopeColumn* a = find(left.names, name);
    const ScopeColumn* b = find(right.names, name);
    if (a == nullptr || b == nullptr)
      Fail("42703", StrCat("column \"", name, "\" specified in USING clause does not exist"));
    condition += StrCat(condition.empty() ? "" : " AND ", Compare("=", a->expr, b->expr).sql);
    ScopeColumn column{name, join.jointype == PG_QUERY__JOIN_TYPE__JOIN_RIGHT ? b->expr : a->expr};
    if (a->expr.type.oid != b->expr.type.oid) {
      const Oid common = CommonType({a->expr, b->expr}, "JOIN/USING");
      if (!IsInteger(common) && !IsText(common)) RefuseAs("USING columns of different types");
      column.expr.type = {common};
    }
    if (join.jointype == PG_QUERY__JOIN_TYPE__JOIN_FULL)
      column.expr.sql = StrCat("coalesce(", a->expr.sql, ",", b->expr.sql, ")");
    merged.push_back(std::move(column));
  }
  item.names.relations = left.names.relations;
  item.names.relations.insert(item.names.relations.end(), right.names.relations.begin(),
                              right.names.relations.end());
  item.names.visible = merged;
  for (const FromItem* side : {&left, &right}) {
    for (const ScopeColumn& column : side->names.visible) {
      if (std::find(shared.begin(), shared.end(), column.name) == shared.end())
        item.names.visible.push_back(column);
    }
  }
  if (join.quals != nullptr) {
    Scope scope;
    scope.names = item.names;
    scope.outer = outer;
    condition = BindBoolean(join.quals, &scope, "JOIN/ON").sql;
  }
  const bool nested = join.rarg->node_case == PG_QUERY__NODE__NODE_JOIN_EXPR;
  if (condition.empty()) {
    if (join.jointype != PG_QUERY__JOIN_TYPE__JOIN_INNER)
      condition = "1";
    else
      word = " CROSS JOIN ";
  }
  item.sql = StrCat(left.sql, word, nested ? StrCat("(", right.sql, ")") : right.sql,
                    condition.empty() ? "" : StrCat(" ON ", condition));
  return item;
}

}  // namespace pgparity::shadow::sqlite
