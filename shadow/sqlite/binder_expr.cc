// Expressions: names, constants, CASE and its like.
#include "shadow/sqlite/binder.h"

namespace pgparity::shadow::sqlite {
namespace {

constexpr int kMaxDepth = 200;

Expr Bool(std::string sql) {
  Expr expr;
  expr.sql = std::move(sql);
  expr.type = {oid::kBool};
  return expr;
}

}  // namespace

Expr Binder::Bind(const PgQuery__Node* node, const Scope* scope) {
  if (node == nullptr) RefuseAs("missing expression");
  if (++depth_ > kMaxDepth) RefuseAs("deep nesting");
  const size_t loose = grouping_ == nullptr ? 0 : grouping_->loose_columns.size();
  Expr expr = BindNode(node, scope);
  // A grouping expression covers the columns in it.
  if (grouping_ != nullptr && !expr.untyped() && grouping_->expressions.count(expr.sql) > 0) {
    grouping_->loose_columns.resize(loose);
  }
  --depth_;
  return expr;
}

Expr Binder::BindBoolean(const PgQuery__Node* node, const Scope* scope, std::string_view clause) {
  Expr expr = Bind(node, scope);
  if (expr.untyped()) return Coerce(std::move(expr), {oid::kBool});
  if (expr.type.oid != oid::kBool) {
    Fail("42804",
         StrCat("argument of ", clause, " must be type boolean, not type ", NameOf(expr.type.oid)));
  }
  return expr;
}

Expr Binder::BindNode(const PgQuery__Node* node, const Scope* scope) {
  switch (node->node_case) {
    case PG_QUERY__NODE__NODE_COLUMN_REF:
      return BindColumn(*node->column_ref, scope);
    case PG_QUERY__NODE__NODE_A_CONST:
      return BindConstant(*node->a_const);
    case PG_QUERY__NODE__NODE_PARAM_REF: {
      Expr expr;
      expr.kind = Expr::Kind::parameter;
      expr.parameter = node->param_ref->number;
      const auto index = static_cast<size_t>(expr.parameter - 1);
      if (expr.parameter < 1 || index > 65535) RefuseAs("parameter number");
      if (index < parameters_.size() && parameters_[index] == oid::kUnknown) parameters_[index] = 0;
      if (index < parameters_.size() && parameters_[index] != 0) {
        if (!IsKnown(parameters_[index]) && !IsUser(parameters_[index])) {
          RefuseAs("parameter's type");
        }
        expr.kind = Expr::Kind::value;
        expr.type = {parameters_[index]};
        expr.sql = StrCat("?", expr.parameter);
      }
      return expr;
    }
    case PG_QUERY__NODE__NODE_A_EXPR:
      return BindOperator(*node->a_expr, scope);
    case PG_QUERY__NODE__NODE_BOOL_EXPR:
      return BindBool(*node->bool_expr, scope);
    case PG_QUERY__NODE__NODE_FUNC_CALL:
      return BindFunction(*node->func_call, scope);
    case PG_QUERY__NODE__NODE_CASE_EXPR:
      return BindCase(*node->case_expr, scope);
    case PG_QUERY__NODE__NODE_COALESCE_EXPR:
      return BindCoalesce(*node->coalesce_expr, scope);
    case PG_QUERY__NODE__NODE_MIN_MAX_EXPR:
      return BindMinMax(*node->min_max_expr, scope);
    case PG_QUERY__NODE__NODE_TYPE_CAST:
      return BindCast(*node->type_cast, scope);
    case PG_QUERY__NODE__NODE_SUB_LINK:
      return BindSubLink(*node->sub_link, scope);
    case PG_QUERY__NODE__NODE_NULL_TEST:
      return BindNullTest(*node->null_test, scope);
    case PG_QUERY__NODE__NODE_BOOLEAN_TEST:
      return BindBooleanTest(*node->boolean_test, scope);
    case PG_QUERY__NODE__NODE_A_ARRAY_EXPR:
      return BindArray(*node->a_array_expr, scope);
    case PG_QUERY__NODE__NODE_A_INDIRECTION:
      return BindIndirection(*node->a_indirection, scope);
    case PG_QUERY__NODE__NODE_COLLATE_CLAUSE:
      return BindCollate(*node->collate_clause, scope);
    case PG_QUERY__NODE__NODE_SET_TO_DEFAULT:
      RefuseAs("DEFAULT in an expression");
    default: {
      const ProtobufCMessage* inner = Inner(node);
      RefuseAs(StrCat("expression ", inner == nullptr ? "?" : inner->descriptor->short_name));
    }
  }
}

// ---------------------------------------------------------------------------------- names

const ScopeColumn* Binder::FindColumn(const Scope& scope, std::string_view name) const {
  const ScopeColumn* found = nullptr;
  for (const ScopeColumn& column : scope.names.visible) {
    if (column.name != name) continue;
    if (found != nullptr) {
      Fail("42702", StrCat("column reference \"", name, "\" is ambiguous"));
    }
    found = &column;
  }
  return found;
}

Expr Binder::BindColumn(const PgQuery__ColumnRef& ref, const Scope* scope) {
  for (size_t i = 0; i < ref.n_fields; ++i) {
    if (ref.fields[i]->node_case != PG_QUERY__NODE__NODE_STRING) RefuseAs("whole-row reference");
  }
  const std::string_view name = StringOf(ref.fields[ref.n_fields - 1]);
  if (ref.n_fields > 3) RefuseAs("name with a database");
  const std::string_view table = ref.n_fields > 1 ? StringOf(ref.fields[ref.n_fields - 2]) : "";
  const std::string_view schema = ref.n_fields > 2 ? StringOf(ref.fields[ref.n_fields - 3]) : "";
  for (const Scope* at = scope; at != nullptr; at = at->outer) {
    const ScopeColumn* found = nullptr;
    if (table.empty()) {
      found = FindColumn(*at, name);
      if (found == nullptr) {
        for (const Relation& relation : at->names.relations) {
          if (relation.alias == name) RefuseAs("whole-row reference");
        }
      }
    } else {
      const Relation* relation = nullptr;
      for (const Relation& candidate : at->names.relations) {
        if (candidate.alias != table || (!schema.empty() && candidate.schema != schema)) continue;
        if (relation != nullptr)
          Fail("42P09", StrCat("table reference \"", table, "\" is ambiguous"));
        relation = &candidate;
      }
      if (relation == nullptr) continue;
      for (const ScopeColumn& column : relation->columns) {
        if (column.name == name) found = &column;
      }
      if (found == nullptr) {
        Fail("42703", StrCat("column ", table, ".", name, " does not exist"));
      }
    }
    if (found == nullptr) continue;
    Expr expr = found->expr;
    expr.name = std::string(name);
    if (grouping_ != nullptr && !in_aggregate_ && at == scope) {
      grouping_->loose_columns.push_back(expr.sql);
    }
    return expr;
  }
  if (!table.empty()) {
    Fail("42P01", StrCat("missing FROM-clause entry for table \"", table, "\""));
  }
  // System columns, and a table's name as a row.
  for (std::string_view system : {"ctid", "xmin", "xmax", "cmin", "cmax", "tableoid"}) {
    if (name == system) RefuseAs(StrCat("system column ", name));
  }
  Fail("42703", StrCat("column \"", name, "\" does not exist"));
}

// ------------------------------------------------------------------------------- constants

Expr Binder::BindConstant(const PgQuery__AConst& constant) {
  Expr expr;
  if (constant.isnull) {
    expr.kind = Expr::Kind::null;
    expr.sql = "NULL";
    return expr;
  }
  switch (constant.val_case) {
    case PG_QUERY__A__CONST__VAL_IVAL:
      expr.type = {oid::kInt4};
      expr.sql = LiteralOf(SqlValue::Integer(constant.ival->ival));
      return expr;
    case PG_QUERY__A__CONST__VAL_FVAL: {
      const std::string text = constant.fval->fval;
      Result<SqlValue> integer = ReadValue(text, {oid::kInt8}, absl::UTCTimeZone(), false);
      if (auto* value = std::get_if<SqlValue>(&integer)) {
        expr.type = {oid::kInt8};
        expr.sql = LiteralOf(*value);
        return expr;
      }
      expr.type = {oid::kNumeric};
      expr.sql = Literal(text, {oid::kNumeric});
      return expr;
    }
    case PG_QUERY__A__CONST__VAL_BOOLVAL:
      expr.type = {oid::kBool};
      expr.sql = constant.boolval->boolval ? "1" : "0";
      return expr;
    case PG_QUERY__A__CONST__VAL_SVAL:
      expr.kind = Expr::Kind::literal;
      expr.literal = constant.sval->sval;
      return expr;
    default:
      break;
  }
  // An integer 0 has no value of its own in the tree.
  if (constant.val_case == PG_QUERY__A__CONST__VAL__NOT_SET) RefuseAs("constant");
  RefuseAs("bit string");
}

// --------------------------------------------------------------------------- boolean forms

Expr Binder::BindBool(const PgQuery__BoolExpr& expr, const Scope* scope) {
  const bool negation = expr.boolop == PG_QUERY__BOOL_EXPR_TYPE__NOT_EXPR;
  const std::string_view word = expr.boolop == PG_QUERY__BOOL_EXPR_TYPE__AND_EXPR ? "AND" : "OR";
  std::string sql;
  for (size_t i = 0; i < expr.n_args; ++i) {
    const Expr arg = BindBoolean(expr.args[i], scope, negation ? "NOT" : word);
    if (negation) return Bool(StrCat("(NOT ", arg.sql, ")"));
    sql += StrCat(i == 0 ? "" : StrCat(" ", word, " "), arg.sql);
  }
  return Bool(StrCat("(", sql, ")"));
}

Expr Binder::BindNullTest(const PgQuery__NullTest& test, const Scope* scope) {
  if (test.argisrow) RefuseAs("row IS NULL");
  if (test.arg->node_case == PG_QUERY__NODE__NODE_ROW_EXPR) RefuseAs("row IS NULL");
  const Expr arg = Typed(Bind(test.arg, scope));
  const bool is_null = test.nulltesttype == PG_QUERY__NULL_TEST_TYPE__IS_NULL;
  return Bool(StrCat("(", arg.sql, is_null ? " IS NULL)" : " IS NOT NULL)"));
}

Expr Binder::BindBooleanTest(const PgQuery__BooleanTest& test, const Scope* scope) {
  const Expr arg = BindBoolean(test.arg, scope, "IS TRUE");
  switch (test.booltesttype) {
    case PG_QUERY__BOOL_TEST_TYPE__IS_TRUE:
      return Bool(StrCat("(", arg.sql, " IS 1)"));
    case PG_QUERY__BOOL_TEST_TYPE__IS_NOT_TRUE:
      return Bool(StrCat("(", arg.sql, " IS NOT 1)"));
    case PG_QUERY__BOOL_TEST_TYPE__IS_FALSE:
      return Bool(StrCat("(", arg.sql, " IS 0)"));
    case PG_QUERY__BOOL_TEST_TYPE__IS_NOT_FALSE:
      return Bool(StrCat("(", arg.sql, " IS NOT 0)"));
    case PG_QUERY__BOOL_TEST_TYPE__IS_UNKNOWN:
      return Bool(StrCat("(", arg.sql, " IS NULL)"));
    case PG_QUERY__BOOL_TEST_TYPE__IS_NOT_UNKNOWN:
      return Bool(StrCat("(", arg.sql, " IS NOT NULL)"));
    default:
      RefuseAs("boolean test");
  }
}

// -------------------------------------------------------------------------- CASE and others

Expr Binder::BindCase(const PgQuery__CaseExpr& node, const Scope* scope) {
  std::vector<std::string> conditions;
  std::vector<Expr> results;
  for (size_t i = 0; i < node.n_args; ++i) {
    const PgQuery__CaseWhen& when = *node.args[i]->case_when;
    if (node.arg == nullptr) {
      conditions.push_back(BindBoolean(when.expr, scope, "CASE/WHEN").sql);
    } else {
      conditions.push_back(Compare("=", Bind(node.arg, scope), Bind(when.expr, scope)).sql);
    }
    results.push_back(Bind(when.result, scope));
  }
  const bool has_else = node.defresult != nullptr;
  if (has_else) results.push_back(Bind(node.defresult, scope));
  // The ELSE decides first, as in transformCaseExpr().
  std::vector<Expr> order = results;
  if (has_else) std::rotate(order.begin(), order.end() - 1, order.end());
  const Oid type = CommonType(order, "CASE");
  Expr expr;
  expr.sql = "CASE";
  for (size_t i = 0; i < conditions.size(); ++i)
    expr.sql += StrCat(" WHEN ", conditions[i], " THEN ", Coerce(results[i], {type}).sql);
  if (has_else) expr.sql += StrCat(" ELSE ", Coerce(results.back(), {type}).sql);
  expr.sql = StrCat("(", expr.sql, " END)");
  expr.type = {type};
  expr.name = "case";
  expr.weak_name = true;
  if (has_else && !results.back().name.empty() && !results.back().weak_name) {
    expr.name = results.back().name;
    expr.weak_name = false;
  }
  return expr;
}

Expr Binder::BindCoalesce(const PgQuery__CoalesceExpr& node, const Scope* scope) {
  std::vector<Expr> args;
  for (size_t i = 0; i < node.n_args; ++i) args.push_back(Bind(node.args[i], scope));
  const Oid type = CommonType(args, "COALESCE");
  Expr expr;
  expr.type = {type};
  expr.name = "coalesce";
  for (Expr& arg : args) {
    expr.c_collation = expr.c_collation || arg.c_collation;
    expr.sql += StrCat(expr.sql.empty() ? "coalesce(" : ",", Coerce(arg, {type}).sql);
  }
  // SQLite's takes two arguments or more.
  expr.sql += args.size() == 1 ? ",NULL)" : ")";
  return expr;
}

Expr Binder::BindMinMax(const PgQuery__MinMaxExpr& node, const Scope* scope) {
  std::vector<Expr> args;
  for (size_t i = 0; i < node.n_args; ++i) args.push_back(Bind(node.args[i], scope));
  const bool greatest = node.op == PG_QUERY__MIN_MAX_OP__IS_GREATEST;
  const Oid type = CommonType(args, greatest ? "GREATEST" : "LEAST");
  Expr result = Coerce(args[0], {type});
  // NULL is passed over, where SQLite's max(a, b) would give NULL.
  for (size_t i = 1; i < args.size(); ++i) {
    const Expr next = Coerce(args[i], {type});
    const std::string better =
        StrCat("(", Ordered(next), greatest ? ">" : "<", Ordered(result), ")");
    std::string sql = StrCat("CASE WHEN ", result.sql, " IS NULL OR ", better, " THEN ", next.sql,
                             " ELSE ", result.sql, " END");
    // A NULL that comes next is no better: the comparison gives NULL.
    result.sql = StrCat("(", sql, ")");
    if (result.sql.size() > 20'000) RefuseAs("GREATEST or LEAST of many");
  }
  result.type = {type};
  result.name = greatest ? "greatest" : "least";
  return result;
}

Expr Binder::BindCast(const PgQuery__TypeCast& cast, const Scope* scope) {
  Expr arg = Bind(cast.arg, scope);
  const Type type = ResolveType(*cast.type_name);
  const std::string name = arg.weak_name ? "" : arg.name;
  if (arg.kind == Expr::Kind::parameter && type.oid == oid::kUnknown) RefuseAs("cast to unknown");
  Expr expr = Cast(std::move(arg), type);
  // The result column is named after the column, else after the type.
  if (name.empty() || cast.arg->node_case == PG_QUERY__NODE__NODE_A_CONST) {
    expr.name = std::string(QualifiedName(cast.type_name->names, cast.type_name->n_names).name);
    expr.weak_name = true;
    if (cast.arg->node_case == PG_QUERY__NODE__NODE_A_ARRAY_EXPR) {
      expr.name = "array";
      expr.weak_name = false;
    }
  } else {
    expr.name = name;
    expr.weak_name = false;
  }
  return expr;
}

Expr Binder::BindCollate(const PgQuery__CollateClause& clause, const Scope* scope) {
  Expr arg = Typed(Bind(clause.arg, scope));
  const NodeName name = QualifiedName(clause.collname, clause.n_collname);
  if (!IsText(arg.type.oid)) Fail("42804", "collations are not supported by this type");
  if (name.name == "C" || name.name == "POSIX") {
    arg.c_collation = true;
  } else if (name.name != "default") {
    RefuseAs(StrCat("COLLATE ", name.name));
  }
  return arg;
}

// -------------------------------------------------------------------------------- subqueries

Expr Binder::BindSubLink(const PgQuery__SubLink& link, const Scope* scope) {
  Expr expr = Bool("");
  Grouping* const grouping = grouping_;
  const bool in_aggregate = in_aggregate_;
  auto subquery = [&] {
    grouping_ = nullptr;
    in_aggregate_ = false;
    Query query = Subquery(link.subselect, scope);
    grouping_ = grouping;
    in_aggregate_ = in_aggregate;
    return query;
  };
  switch (link.sub_link_type) {
    case PG_QUERY__SUB_LINK_TYPE__EXISTS_SUBLINK:
      expr.sql = StrCat("EXISTS(", Render(subquery(), false), ")");
      expr.name = "exists";
      return expr;
    case PG_QUERY__SUB_LINK_TYPE__EXPR_SUBLINK: {
      Query query = subquery();
      ResolveUnknown(&query);
      if (query.targets.size() != 1) Fail("42601", "subquery must return only one column");
      expr = query.targets[0];
      // More than one row is an error there, and the first row here.
      const bool one_row = query.limit == " LIMIT 1" ||
                           (query.left == nullptr && query.rows.size() <= 1 && query.tail.empty());
      expr.sql = one_row ? StrCat("(", Render(query, false), ")")
                         : StrCat("(SELECT pg_single(c1) FROM (", Render(query, true), "))");
      return expr;
    }
    case PG_QUERY__SUB_LINK_TYPE__ARRAY_SUBLINK: {
      Query query = subquery();
      ResolveUnknown(&query);
      if (query.targets.size() != 1) Fail("42601", "subquery must return only one column");
      const Oid element = query.targets[0].type.oid;
      if (ArrayOf(element) == 0 || !IsKnown(ArrayOf(element))) RefuseAs("ARRAY of this type");
      expr.sql =
          StrCat("(SELECT coalesce(pg_array_agg(c1),'[]') FROM (", Render(query, true), "))");
      expr.type = {ArrayOf(element)};
      expr.name = "array";
      return expr;
    }
    case PG_QUERY__SUB_LINK_TYPE__ANY_SUBLINK:
    case PG_QUERY__SUB_LINK_TYPE__ALL_SUBLINK: {
      const bool any = link.sub_link_type == PG_QUERY__SUB_LINK_TYPE__ANY_SUBLINK;
      const std::string_view op =
          link.n_oper_name == 0 ? "=" : QualifiedName(link.oper_name, link.n_oper_name).name;
      if (!(any && op == "=") && !(!any && op == "<>")) {
        RefuseAs(StrCat(op, any ? " ANY" : " ALL", " (subquery)"));
      }
      if (link.testexpr->node_case == PG_QUERY__NODE__NODE_ROW_EXPR) RefuseAs("row IN (subquery)");
      Expr test = Bind(link.testexpr, scope);
      Query query = subquery();
      if (query.targets.size() != 1) Fail("42601", "subquery has too many columns");
      ResolveUnknown(&query);
      Expr column = query.targets[0];
      Unify(&test, &column, op);
      if (column.type.oid != query.targets[0].type.oid) CoerceColumn(&query, 0, column.type);
      if (test.type.oid == oid::kBpchar) RefuseAs("char(n) IN (subquery)");
      expr.sql = StrCat("(", Equal(test), any ? " IN (" : " NOT IN (", Render(query, false), "))");
      return expr;
    }
    default:
      RefuseAs("subquery of this kind");
  }
}

// ------------------------------------------------------------------------------------ arrays

Expr Binder::BindArray(const PgQuery__AArrayExpr& array, const Scope* scope) {
  std::vector<Expr> items;
  for (size_t i = 0; i < array.n_elements; ++i) items.push_back(Bind(array.elements[i], scope));
  if (items.empty()) {
    // Its type comes from a cast about it.
    Expr empty;
    empty.kind = Expr::Kind::literal;
    empty.literal = "{}";
    return empty;
  }
  const Oid element = CommonType(items, "ARRAY");
  if (IsArray(element)) RefuseAs("array of arrays");
  if (ArrayOf(element) == 0 || !IsKnown(ArrayOf(element))) RefuseAs("ARRAY of this type");
  Expr expr;
  expr.type = {ArrayOf(element)};
  expr.name = "array";
  for (Expr& item : items)
    expr.sql += StrCat(expr.sql.empty() ? "pg_array(" : ",", Coerce(item, {element}).sql);
  expr.sql += ")";
  return expr;
}

Expr Binder::BindIndirection(const PgQuery__AIndirection& node, const Scope* scope) {
  Expr arg = Bind(node.arg, scope);
  if (node.n_indirection != 1 || node.indirection[0]->node_case != PG_QUERY__NODE__NODE_A_INDICES ||
      node.indirection[0]->a_indices->is_slice) {
    RefuseAs("subscript or field selection");
  }
  const Oid element = arg.untyped() ? 0 : ElementOf(arg.type.oid);
  if (element == 0) RefuseAs("subscript of a type that is no array");
  const Expr index = Coerce(Bind(node.indirection[0]->a_indices->uidx, scope), {oid::kInt4});
  arg.sql = StrCat("pg_array_get(", arg.sql, ",", index.sql, ",", element, ")");
  arg.type = {element};
  return arg;
}

}  // namespace pgparity::shadow::sqlite
