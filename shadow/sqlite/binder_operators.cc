// Operators.
#include "shadow/sqlite/binder.h"

namespace pgparity::shadow::sqlite {
namespace {

Expr Make(std::string sql, Oid type) {
  Expr expr;
  expr.sql = std::move(sql);
  expr.type = {type};
  return expr;
}

bool IsComparison(std::string_view op) {
  return op == "=" || op == "<>" || op == "!=" || op == "<" || op == "<=" || op == ">" ||
         op == ">=";
}

[[noreturn]] void NoOperator(std::string_view op, Oid left, Oid right) {
  Fail("42883", StrCat("operator does not exist: ", NameOf(left), " ", op, " ", NameOf(right)));
}

std::string_view OperatorName(const PgQuery__AExpr& expr) {
  const NodeName name = QualifiedName(expr.name, expr.n_name);
  if (!name.schema.empty() && name.schema != "pg_catalog") RefuseAs("operator of a schema");
  return name.name;
}

bool IsNegated(std::string_view op) { return op.starts_with('!') || op == "<>"; }

}  // namespace

Expr Binder::BindOperator(const PgQuery__AExpr& node, const Scope* scope) {
  switch (node.kind) {
    case PG_QUERY__A__EXPR__KIND__AEXPR_OP:
      break;
    case PG_QUERY__A__EXPR__KIND__AEXPR_OP_ANY:
      return BindAnyAll(node, scope, false);
    case PG_QUERY__A__EXPR__KIND__AEXPR_OP_ALL:
      return BindAnyAll(node, scope, true);
    case PG_QUERY__A__EXPR__KIND__AEXPR_IN:
      return BindIn(node, scope);
    case PG_QUERY__A__EXPR__KIND__AEXPR_LIKE:
      return BindLike(node, scope, false);
    case PG_QUERY__A__EXPR__KIND__AEXPR_ILIKE:
      return BindLike(node, scope, true);
    case PG_QUERY__A__EXPR__KIND__AEXPR_BETWEEN:
    case PG_QUERY__A__EXPR__KIND__AEXPR_NOT_BETWEEN:
    case PG_QUERY__A__EXPR__KIND__AEXPR_BETWEEN_SYM:
    case PG_QUERY__A__EXPR__KIND__AEXPR_NOT_BETWEEN_SYM:
      return BindBetween(node, scope);
    case PG_QUERY__A__EXPR__KIND__AEXPR_DISTINCT:
    case PG_QUERY__A__EXPR__KIND__AEXPR_NOT_DISTINCT: {
      Expr left = Bind(node.lexpr, scope), right = Bind(node.rexpr, scope);
      Unify(&left, &right, "=");
      const bool distinct = node.kind == PG_QUERY__A__EXPR__KIND__AEXPR_DISTINCT;
      return Make(StrCat("(", Equal(left), distinct ? " IS NOT " : " IS ", Equal(right), ")"),
                  oid::kBool);
    }
    case PG_QUERY__A__EXPR__KIND__AEXPR_NULLIF: {
      Expr left = Bind(node.lexpr, scope), right = Bind(node.rexpr, scope);
      Expr first = left;
      const Expr equal = Compare("=", left, right);
      if (first.untyped()) first = Typed(first);
      Expr result = Make(StrCat("(CASE WHEN ", equal.sql, " THEN NULL ELSE ", first.sql, " END)"),
                         first.type.oid);
      result.type = first.type;
      result.name = "nullif";
      return result;
    }
    default:
      RefuseAs("SIMILAR TO");
  }
  const std::string op(OperatorName(node));
  if (node.lexpr == nullptr) {
    Expr arg = Bind(node.rexpr, scope);
    if (op == "+" || op == "-") {
      if (arg.untyped()) arg = Coerce(std::move(arg), {oid::kFloat8});
      const Oid type = arg.type.oid;
      if (op == "+" && IsNumber(type)) return arg;
      if (IsInteger(type)) return Operator("-", Make("0", type), arg);
      if (type == oid::kNumeric) return Make(StrCat("pg_num_neg(", arg.sql, ")"), type);
      if (IsFloat(type)) return Make(StrCat("pg_fmul(", arg.sql, ",-1.0)"), type);
      if (type == oid::kInterval) return Make(StrCat("pg_interval_neg(", arg.sql, ")"), type);
    }
    RefuseAs(StrCat("prefix operator ", op));
  }
  const bool rows = node.lexpr->node_case == PG_QUERY__NODE__NODE_ROW_EXPR &&
                    node.rexpr->node_case == PG_QUERY__NODE__NODE_ROW_EXPR;
  if (rows) return BindRowComparison(op, node.lexpr, node.rexpr, scope);
  Expr left = Bind(node.lexpr, scope);
  return Operator(op, std::move(left), Bind(node.rexpr, scope));
}

// -------------------------------------------------------------------------------- comparison

// Brings both sides to the type in which PostgreSQL compares them.
void Binder::Unify(Expr* left, Expr* right, std::string_view op) {
  if (left->untyped() && right->untyped()) {
    *left = Typed(std::move(*left));
    *right = Typed(std::move(*right));
    return;
  }
  if (left->untyped()) *left = Coerce(std::move(*left), {right->type.oid});
  if (right->untyped()) *right = Coerce(std::move(*right), {left->type.oid});
  const Oid a = left->type.oid, b = right->type.oid;
  if (a == b || (IsInteger(a) && IsInteger(b))) return;
  Oid common = 0;
  if (IsNumber(a) && IsNumber(b)) {
    common = IsFloat(a) || IsFloat(b) ? oid::kFloat8 : oid::kNumeric;
    // A float4 is a double already.
  } else if (IsText(a) && IsText(b)) {
    // char(n) compares as such with varchar, and as text, without its blanks, with text.
    const bool blanks = (a == oid::kBpchar) != (b == oid::kBpchar);
    const bool varchar = a == oid::kVarchar || b == oid::kVarchar;
    common = blanks && varchar ? oid::kBpchar : oid::kText;
  } else if (IsDateTime(a) && IsDateTime(b)) {
    common = a == oid::kTimestamptz || b == oid::kTimestamptz ? oid::kTimestamptz : oid::kTimestamp;
  } else if (a == oid::kVarcharArray || b == oid::kVarcharArray) {
    common = oid::kTextArray;
  }
  if (common == 0 || !CanCoerce(a, common) || !CanCoerce(b, common)) NoOperator(op, a, b);
  *left = Coerce(std::move(*left), {common});
  *right = Coerce(std::move(*right), {common});
}

Expr Binder::Compare(std::string_view op, Expr left, Expr right) {
  Unify(&left, &right, op);
  if (op == "!=") op = "<>";
  const Oid type = left.type.oid;
  if (type == oid::kBpchar) left.type = right.type = {oid::kBpchar};
  if (op == "=" || op == "<>") {
    return Make(StrCat("(", Equal(left), op, Equal(right), ")"), oid::kBool);
  }
  if (IsText(type) && right.c_collation) left.c_collation = true;
  if (IsText(type) && left.c_collation) right.c_collation = true;
  return Make(StrCat("(", Ordered(left), op, Ordered(right), ")"), oid::kBool);
}

Expr Binder::BindRowComparison(std::string_view op, const PgQuery__Node* left,
                               const PgQuery__Node* right, const Scope* scope) {
  const PgQuery__RowExpr& a = *left->row_expr;
  const PgQuery__RowExpr& b = *right->row_expr;
  if (a.n_args != b.n_args || a.n_args == 0)
    Fail("42601", "unequal number of entries in row expressions");
  if (!IsComparison(op)) RefuseAs(StrCat("row operator ", op));
  std::string x, y;
  for (size_t i = 0; i < a.n_args; ++i) {
    Expr one = Bind(a.args[i], scope), two = Bind(b.args[i], scope);
    Unify(&one, &two, op);
    const bool order = op != "=" && op != "<>" && op != "!=";
    x += StrCat(i == 0 ? "(" : ",", order ? Ordered(one) : Equal(one));
    y += StrCat(i == 0 ? "(" : ",", order ? Ordered(two) : Equal(two));
  }
  return Make(StrCat("(", x, ")", op == "!=" ? "<>" : op, y, "))"), oid::kBool);
}

Expr Binder::BindBetween(const PgQuery__AExpr& node, const Scope* scope) {
  if (node.rexpr->node_case != PG_QUERY__NODE__NODE_LIST || node.rexpr->list->n_items != 2) {
    RefuseAs("BETWEEN");
  }
  if (node.kind == PG_QUERY__A__EXPR__KIND__AEXPR_BETWEEN_SYM ||
      node.kind == PG_QUERY__A__EXPR__KIND__AEXPR_NOT_BETWEEN_SYM) {
    RefuseAs("BETWEEN SYMMETRIC");
  }
  const Expr low = Compare(">=", Bind(node.lexpr, scope), Bind(node.rexpr->list->items[0], scope));
  const Expr high = Compare("<=", Bind(node.lexpr, scope), Bind(node.rexpr->list->items[1], scope));
  const bool negated = node.kind == PG_QUERY__A__EXPR__KIND__AEXPR_NOT_BETWEEN;
  return Make(StrCat(negated ? "(NOT (" : "((", low.sql, " AND ", high.sql, "))"), oid::kBool);
}

Expr Binder::BindIn(const PgQuery__AExpr& node, const Scope* scope) {
  const bool negated = IsNegated(OperatorName(node));
  if (node.rexpr->node_case != PG_QUERY__NODE__NODE_LIST) RefuseAs("IN");
  const PgQuery__List& list = *node.rexpr->list;
  if (node.lexpr->node_case == PG_QUERY__NODE__NODE_ROW_EXPR) {
    std::string sql;
    for (size_t i = 0; i < list.n_items; ++i) {
      if (list.items[i]->node_case != PG_QUERY__NODE__NODE_ROW_EXPR) RefuseAs("row IN");
      sql += StrCat(i == 0 ? "" : " OR ",
                    BindRowComparison("=", node.lexpr, list.items[i], scope).sql);
    }
    return Make(StrCat(negated ? "(NOT (" : "((", sql, "))"), oid::kBool);
  }
  Expr test = Bind(node.lexpr, scope);
  std::vector<Expr> all = {test};
  for (size_t i = 0; i < list.n_items; ++i) all.push_back(Bind(list.items[i], scope));
  Oid common = 0;
  try {
    common = CommonType(all, "IN");
  } catch (const Stop& stop) {
    Fail("42883", "operator does not exist in IN");
  }
  if (common == oid::kBpchar) RefuseAs("char(n) IN");
  test = Coerce(all[0], {common});
  std::string sql;
  for (size_t i = 1; i < all.size(); ++i)
    sql += StrCat(i == 1 ? "" : ",", Coerce(all[i], {common}).sql);
  return Make(StrCat("(", Equal(test), negated ? " NOT IN (" : " IN (", sql, "))"), oid::kBool);
}

Expr Binder::BindAnyAll(const PgQuery__AExpr& node, const Scope* scope, bool all) {
  const std::string_view op = OperatorName(node);
  Expr test = Bind(node.lexpr, scope);
  Expr array = Bind(node.rexpr, scope);
  if (array.untyped()) {
    test = Typed(std::move(test));
    Oid type = ArrayOf(test.type.oid);
    if (test.type.oid == oid::kVarchar) type = oid::kTextArray;
    if (type == 0 || !IsKnown(type)) RefuseAs("ANY or ALL of this type");
    array = Coerce(std::move(array), {type});
  }
  const Oid element = ElementOf(array.type.oid);
  if (element == 0) Fail("42809", "op ANY/ALL (array) requires array on right side");
  if (IsFloat(element) || element == oid::kBpchar) RefuseAs("ANY or ALL over floats");
  Expr item = Make("value", element);
  if (test.untyped()) test = Coerce(std::move(test), {element});
  if (!(op == "=" && !all) && !((op == "<>" || op == "!=") && all)) {
    if (op != "~~" && op != "~~*" && !IsComparison(op))
      RefuseAs(StrCat("operator ", op, " ANY or ALL"));
    const std::string condition =
        op == "~~" || op == "~~*"
            ? StrCat(op == "~~" ? "pg_like(" : "pg_ilike(", ToText(test).sql, ",value,'\\')")
            : Compare(op, test, item).sql;
    // Of SQL's three values: any true, else NULL if any is NULL, else false; ALL the other way.
    const std::string fold = all ? "min" : "max";
    return Make(
        StrCat("(CASE WHEN ", array.sql, " IS NULL THEN NULL ELSE (SELECT CASE WHEN ", fold,
               "(x)=", all ? "0 THEN 0" : "1 THEN 1", " WHEN count(*)>count(x) THEN NULL ELSE ",
               all ? "1" : "0", " END FROM (SELECT ", condition, " AS x FROM json_each(", array.sql,
               "))) END)"),
        oid::kBool);
  }
  Unify(&test, &item, op);
  const std::string list = StrCat("(SELECT ", item.sql, " FROM json_each(", array.sql, "))");
  return Make(StrCat("(CASE WHEN ", array.sql, " IS NULL THEN NULL ELSE ", Equal(test),
                     all ? " NOT IN " : " IN ", list, " END)"),
              oid::kBool);
}

Expr Binder::BindLike(const PgQuery__AExpr& node, const Scope* scope, bool fold) {
  Expr text = Typed(Bind(node.lexpr, scope));
  if (!IsText(text.type.oid)) NoOperator("~~", text.type.oid, oid::kText);
  std::string escape = "'\\'";
  const PgQuery__Node* right = node.rexpr;
  // LIKE ... ESCAPE comes as like_escape(pattern, escape).
  if (right->node_case == PG_QUERY__NODE__NODE_FUNC_CALL && right->func_call->n_args == 2 &&
      QualifiedName(right->func_call->funcname, right->func_call->n_funcname).name ==
          "like_escape") {
    escape = Coerce(Bind(right->func_call->args[1], scope), {oid::kText}).sql;
    right = right->func_call->args[0];
  }
  const Expr pattern = Coerce(Bind(right, scope), {oid::kText});
  if (!IsText(pattern.type.oid)) NoOperator("~~", text.type.oid, pattern.type.oid);
  // char(n) keeps its blanks in LIKE.
  const bool negated = IsNegated(OperatorName(node));
  return Make(StrCat(negated ? "(NOT " : "(", fold ? "pg_ilike(" : "pg_like(", text.sql, ",",
                     pattern.sql, ",", escape, "))"),
              oid::kBool);
}

// --------------------------------------------------------------------------------- the rest

Expr Binder::Operator(const std::string& op, Expr left, Expr right) {
  if (IsComparison(op)) return Compare(op, std::move(left), std::move(right));
  if (op == "||") return Concatenate(std::move(left), std::move(right));
  if (left.untyped() && right.untyped() && (op == "+" || op == "-" || op == "*" || op == "/")) {
    RefuseAs("operator between two values without type");
  }
  const Oid a = left.untyped() ? 0 : left.type.oid, b = right.untyped() ? 0 : right.type.oid;
  if (a == oid::kJson || a == oid::kJsonb || (a == 0 && b == oid::kJsonb)) {
    if (auto json = JsonOperator(op, left, right)) return *std::move(json);
  }
  if (IsArray(a) || IsArray(b)) {
    if (auto array = ArrayOperator(op, left, right)) return *std::move(array);
  }
  if ((IsNumber(a) || a == 0) && (IsNumber(b) || b == 0) && (a != 0 || b != 0)) {
    if (a == 0) left = Coerce(std::move(left), {b});
    if (b == 0) right = Coerce(std::move(right), {a});
  }
  if (auto result = Arithmetic(op, left, right)) return *std::move(result);
  if (op == "~" || op == "~*" || op == "!~" || op == "!~*") {
    if ((a == 0 || IsText(a)) && (b == 0 || IsText(b))) {
      const std::string match =
          StrCat("pg_regexp(", Coerce(left, {oid::kText}).sql, ",", Coerce(right, {oid::kText}).sql,
                 ",", op.ends_with('*') ? "1" : "0", ")");
      return Make(op.starts_with('!') ? StrCat("(NOT ", match, ")") : match, oid::kBool);
    }
  }
  if (op == "^@")
    return Make(StrCat("pg_starts_with(", Coerce(left, {oid::kText}).sql, ",",
                       Coerce(right, {oid::kText}).sql, ")"),
                oid::kBool);
  if (a != 0 && b != 0 && IsText(a) && IsNumber(b)) NoOperator(op, a, b);
  if (a != 0 && b != 0 && IsNumber(a) && IsText(b)) NoOperator(op, a, b);
  RefuseAs(StrCat("operator ", op, " of ", NameOf(a), " and ", NameOf(b)));
}

namespace {

// "add", "sub", "mul", "div", "mod" or "".
std::string_view Word(const std::string& op) {
  return op == "+"   ? "add"
         : op == "-" ? "sub"
         : op == "*" ? "mul"
         : op == "/" ? "div"
         : op == "%" ? "mod"
                     : "";
}

struct DateRule {
  Oid left;
  const char* op;
  Oid right;
  Oid result;
  const char* sql;  // # left, @ right
};
constexpr DateRule kDateRules[] = {
    {oid::kDate, "+", oid::kInt4, oid::kDate, "pg_date_add(#,@)"},
    {oid::kInt4, "+", oid::kDate, oid::kDate, "pg_date_add(@,#)"},
    {oid::kDate, "-", oid::kInt4, oid::kDate, "pg_date_add(#,-@)"},
    {oid::kDate, "-", oid::kDate, oid::kInt4, "pg_date_diff(#,@)"},
    {oid::kDate, "+", oid::kInterval, oid::kTimestamp, "pg_ts_add(pg_date_ts(#),@,1)"},
    {oid::kDate, "-", oid::kInterval, oid::kTimestamp, "pg_ts_add(pg_date_ts(#),@,-1)"},
    {oid::kDate, "+", oid::kTime, oid::kTimestamp,
     "pg_ts_add(pg_date_ts(#),pg_time_interval(@),1)"},
    {oid::kTimestamp, "+", oid::kInterval, oid::kTimestamp, "pg_ts_add(#,@,1)"},
    {oid::kInterval, "+", oid::kTimestamp, oid::kTimestamp, "pg_ts_add(@,#,1)"},
    {oid::kTimestamp, "-", oid::kInterval, oid::kTimestamp, "pg_ts_add(#,@,-1)"},
    {oid::kTimestamptz, "+", oid::kInterval, oid::kTimestamptz, "pg_tstz_add(#,@,1)"},
    {oid::kInterval, "+", oid::kTimestamptz, oid::kTimestamptz, "pg_tstz_add(@,#,1)"},
    {oid::kTimestamptz, "-", oid::kInterval, oid::kTimestamptz, "pg_tstz_add(#,@,-1)"},
    {oid::kTimestamp, "-", oid::kTimestamp, oid::kInterval, "pg_ts_diff(#,@)"},
    {oid::kTimestamptz, "-", oid::kTimestamptz, oid::kInterval, "pg_ts_diff(#,@)"},
    {oid::kInterval, "+", oid::kInterval, oid::kInterval, "pg_interval_add(#,@,1)"},
    {oid::kInterval, "-", oid::kInterval, oid::kInterval, "pg_interval_add(#,@,-1)"},
    {oid::kInterval, "*", oid::kFloat8, oid::kInterval, "pg_interval_mul(#,@)"},
    {oid::kFloat8, "*", oid::kInterval, oid::kInterval, "pg_interval_mul(@,#)"},
    {oid::kInterval, "/", oid::kFloat8, oid::kInterval, "pg_interval_div(#,@)"},
    {oid::kTime, "+", oid::kInterval, oid::kTime, "pg_time_add(#,@,1)"},
    {oid::kTime, "-", oid::kInterval, oid::kTime, "pg_time_add(#,@,-1)"},
    {oid::kTime, "-", oid::kTime, oid::kInterval, "pg_time_diff(#,@)"},
};

std::string Fill(std::string_view rule, const std::string& left, const std::string& right) {
  std::string sql;
  for (const char c : rule) {
    if (c == '#') {
      sql += left;
    } else if (c == '@') {
      sql += right;
    } else {
      sql += c;
    }
  }
  return sql;
}

}  // namespace

std::optional<Expr> Binder::Arithmetic(const std::string& op, const Expr& left, const Expr& right) {
  const Oid a = left.untyped() ? 0 : left.type.oid, b = right.untyped() ? 0 : right.type.oid;
  const std::string_view word = Word(op);
  if (IsNumber(a) && IsNumber(b)) {
    if (IsInteger(a) && IsInteger(b)) {
      const Oid type = a == oid::kInt8 || b == oid::kInt8   ? oid::kInt8
                       : a == oid::kInt4 || b == oid::kInt4 ? oid::kInt4
                                                            : oid::kInt2;
      if (!word.empty()) {
        return Make(StrCat("pg_", word,
                           type == oid::kInt8   ? "8("
                           : type == oid::kInt4 ? "4("
                                                : "2(",
                           left.sql, ",", right.sql, ")"),
                    type);
      }
      if (op == "&" || op == "|") return Make(StrCat("(", left.sql, op, right.sql, ")"), type);
      if (op == "#") return Make(StrCat("pg_xor(", left.sql, ",", right.sql, ")"), type);
      if (op == "^") {
        return Make(StrCat("pg_power(CAST(", left.sql, " AS REAL),CAST(", right.sql, " AS REAL))"),
                    oid::kFloat8);
      }
      return std::nullopt;
    }
    if (word.empty()) {
      if (op == "^" && (IsFloat(a) || IsFloat(b))) {
        return Make(StrCat("pg_power(", Coerce(left, {oid::kFloat8}).sql, ",",
                           Coerce(right, {oid::kFloat8}).sql, ")"),
                    oid::kFloat8);
      }
      return std::nullopt;
    }
    if (IsFloat(a) || IsFloat(b)) {
      if (op == "%") return std::nullopt;
      const bool single = a == oid::kFloat4 && b == oid::kFloat4;
      const std::string sql = StrCat("pg_f", word, "(", Coerce(left, {oid::kFloat8}).sql, ",",
                                     Coerce(right, {oid::kFloat8}).sql, ")");
      if (single) return Make(StrCat("pg_float4(", sql, ")"), oid::kFloat4);
      return Make(sql, oid::kFloat8);
    }
    return Make(StrCat("pg_num_", word, "(", Coerce(left, {oid::kNumeric}).sql, ",",
                       Coerce(right, {oid::kNumeric}).sql, ")"),
                oid::kNumeric);
  }
  for (const DateRule& rule : kDateRules) {
    if (op != rule.op) continue;
    const bool fits_left = a == rule.left || (a != 0 && IsNumber(a) && rule.left == oid::kFloat8);
    const bool fits_right =
        b == rule.right || (b != 0 && IsNumber(b) && rule.right == oid::kFloat8);
    const bool small_left = rule.left == oid::kInt4 && a == oid::kInt2;
    const bool small_right = rule.right == oid::kInt4 && b == oid::kInt2;
    // A value without type takes the other's type where there is such an operator, else the one
    // that there is. With a date there are several.
    bool open_left = false, open_right = false;
    if (a == 0 && b == rule.right && b != oid::kDate)
      open_left = rule.left == b || b == oid::kTimestamp || b == oid::kTimestamptz;
    if (b == 0 && a == rule.left) {
      const bool same = rule.left == rule.right;
      open_right =
          same ||
          ((a == oid::kTimestamp || a == oid::kTimestamptz || a == oid::kTime) && op == "+") ||
          (a == oid::kInterval && (op == "*" || op == "/"));
    }
    if (!(fits_left || open_left || small_left) || !(fits_right || open_right || small_right))
      continue;
    return Make(Fill(rule.sql, Coerce(left, {rule.left}).sql, Coerce(right, {rule.right}).sql),
                rule.result);
  }
  // timestamptz with date or timestamp, and the like.
  if (op == "-" && IsDateTime(a) && IsDateTime(b)) {
    const Oid common =
        a == oid::kTimestamptz || b == oid::kTimestamptz ? oid::kTimestamptz : oid::kTimestamp;
    return Make(
        StrCat("pg_ts_diff(", Coerce(left, {common}).sql, ",", Coerce(right, {common}).sql, ")"),
        oid::kInterval);
  }
  return std::nullopt;
}

Expr Binder::Concatenate(Expr left, Expr right) {
  const Oid a = left.untyped() ? 0 : left.type.oid, b = right.untyped() ? 0 : right.type.oid;
  if (a == oid::kJsonb || b == oid::kJsonb) {
    if ((a != 0 && a != oid::kJsonb) || (b != 0 && b != oid::kJsonb))
      RefuseAs("|| of jsonb and another type");
    return Make(StrCat("pg_jsonb_concat(", Coerce(left, {oid::kJsonb}).sql, ",",
                       Coerce(right, {oid::kJsonb}).sql, ")"),
                oid::kJsonb);
  }
  if (IsArray(a) || IsArray(b)) {
    if (auto array = ArrayOperator("||", left, right)) return *std::move(array);
    RefuseAs("|| of arrays");
  }
  if (a == oid::kBytea || b == oid::kBytea) {
    return Make(StrCat("pg_bytea_concat(", Coerce(left, {oid::kBytea}).sql, ",",
                       Coerce(right, {oid::kBytea}).sql, ")"),
                oid::kBytea);
  }
  if (!IsText(a) && !IsText(b) && a != 0 && b != 0) NoOperator("||", a, b);
  if ((a != 0 && !IsText(a) && b == 0) || (b != 0 && !IsText(b) && a == 0)) {
    // anynonarray || text, the untyped one being text.
  }
  return Make(StrCat("(", ToText(std::move(left)).sql, "||", ToText(std::move(right)).sql, ")"),
              oid::kText);
}

std::optional<Expr> Binder::ArrayOperator(const std::string& op, Expr left, Expr right) {
  const Oid a = left.untyped() ? 0 : left.type.oid, b = right.untyped() ? 0 : right.type.oid;
  const Oid array = IsArray(a) ? a : b;
  const Oid element = ElementOf(array);
  if (op == "||") {
    if (left.untyped()) left = Coerce(std::move(left), {array});
    if (right.untyped()) right = Coerce(std::move(right), {array});
    auto whole = [&](const Expr& e) {
      return IsArray(e.type.oid) ? e.sql : StrCat("pg_array(", Coerce(e, {element}).sql, ")");
    };
    for (const Expr* e : {&left, &right}) {
      const Oid type = e->type.oid;
      if (type != array && !CanCoerce(type, IsArray(type) ? array : element)) return std::nullopt;
    }
    return Make(StrCat("pg_array_cat(", whole(left), ",", whole(right), ")"), array);
  }
  if (op != "@>" && op != "<@" && op != "&&") return std::nullopt;
  if (element == oid::kNumeric || IsFloat(element)) RefuseAs("array operator over numeric");
  left = Coerce(std::move(left), {array});
  right = Coerce(std::move(right), {array});
  if (left.type.oid != right.type.oid) return std::nullopt;
  if (op == "<@") std::swap(left, right);
  return Make(StrCat(op == "&&" ? "pg_array_overlap(" : "pg_array_contains(", left.sql, ",",
                     right.sql, ")"),
              oid::kBool);
}

std::optional<Expr> Binder::JsonOperator(const std::string& op, Expr left, Expr right) {
  if (left.untyped()) left = Coerce(std::move(left), {oid::kJsonb});
  const Oid type = left.type.oid;
  const bool jsonb = type == oid::kJsonb;
  if (op == "->" || op == "->>") {
    if (right.untyped()) {
      // json -> unknown: text is the preferred type.
      right = Coerce(std::move(right), {oid::kText});
    }
    const bool index = IsInteger(right.type.oid);
    if (!index && !IsText(right.type.oid)) return std::nullopt;
    return Make(StrCat("pg_json_get(", left.sql, ",", right.sql, ",", op == "->>" ? "1" : "0", ")"),
                op == "->>" ? oid::kText : type);
  }
  if (op == "#>" || op == "#>>") {
    return Make(StrCat("pg_json_path(", left.sql, ",", Coerce(right, {oid::kTextArray}).sql, ",",
                       op == "#>>" ? "1" : "0", ")"),
                op == "#>>" ? oid::kText : type);
  }
  if (!jsonb) return std::nullopt;
  if (op == "@>" || op == "<@") {
    right = Coerce(std::move(right), {oid::kJsonb});
    if (op == "<@") std::swap(left, right);
    return Make(StrCat("pg_jsonb_contains(", left.sql, ",", right.sql, ")"), oid::kBool);
  }
  if (op == "?")
    return Make(StrCat("pg_jsonb_exists(", left.sql, ",", Coerce(right, {oid::kText}).sql, ")"),
                oid::kBool);
  if (op == "?|" || op == "?&") {
    return Make(StrCat("pg_jsonb_exists_any(", left.sql, ",", Coerce(right, {oid::kTextArray}).sql,
                       ",", op == "?&" ? "1" : "0", ")"),
                oid::kBool);
  }
  if (op == "-" && !right.untyped() && (IsText(right.type.oid) || right.type.oid == oid::kInt4)) {
    return Make(StrCat("pg_jsonb_delete(", left.sql, ",", right.sql, ")"), oid::kJsonb);
  }
  if (op == "-" && right.untyped()) {
    RefuseAs("jsonb - value without type");
  }
  return std::nullopt;
}

}  // namespace pgparity::shadow::sqlite
