// Aggregates and window functions.
#include "shadow/sqlite/binder.h"

namespace pgparity::shadow::sqlite {
namespace {

Expr Make(std::string sql, Oid type) {
  Expr expr;
  expr.sql = std::move(sql);
  expr.type = {type};
  return expr;
}

constexpr std::string_view kAggregates[] = {"count",
                                            "sum",
                                            "avg",
                                            "min",
                                            "max",
                                            "bool_and",
                                            "bool_or",
                                            "every",
                                            "string_agg",
                                            "array_agg",
                                            "json_agg",
                                            "jsonb_agg",
                                            "json_object_agg",
                                            "jsonb_object_agg",
                                            "stddev",
                                            "stddev_samp",
                                            "stddev_pop",
                                            "variance",
                                            "var_samp",
                                            "var_pop",
                                            "bit_and",
                                            "bit_or"};

constexpr std::string_view kWindowFunctions[] = {
    "row_number", "rank", "dense_rank",  "percent_rank", "cume_dist", "ntile",
    "lag",        "lead", "first_value", "last_value",   "nth_value"};

template <size_t N>
bool Holds(const std::string_view (&list)[N], std::string_view name) {
  return std::find(std::begin(list), std::end(list), name) != std::end(list);
}

bool HasMinMax(Oid type) {
  return IsNumber(type) || IsText(type) || IsDateTime(type) || type == oid::kTime ||
         type == oid::kInterval;
}

}  // namespace

bool Binder::IsAggregate(const std::string& name) const { return Holds(kAggregates, name); }

// The aggregate over its arguments, without FILTER and OVER.
Expr Binder::PlainAggregate(const std::string& name, std::vector<Expr>* args, bool distinct) {
  const std::string once = distinct ? "DISTINCT " : "";
  if (name == "count" && args->empty()) return Make("count(*)", oid::kInt8);
  Expr arg = args->empty() ? Expr() : Typed((*args)[0]);
  const Oid type = arg.type.oid;
  if (args->size() == 1) {
    const std::string what = distinct ? once + Equal(arg) : arg.sql;
    if (name == "count") return Make(StrCat("count(", what, ")"), oid::kInt8);
    if (name == "min" || name == "max") {
      if (IsUser(type)) RefuseAs("min or max of an enum");
      if (!HasMinMax(type))
        Fail("42883", StrCat("function ", name, "(", NameOf(type), ") does not exist"));
      const Oid result = type == oid::kVarchar || type == oid::kName ? oid::kText : type;
      if (type == oid::kBpchar) RefuseAs("min or max of char(n)");
      return Make(StrCat(name, "(", Ordered(arg), ")"), result);
    }
    if (name == "bool_and" || name == "every")
      return Make(StrCat("min(", Coerce(arg, {oid::kBool}).sql, ")"), oid::kBool);
    if (name == "bool_or")
      return Make(StrCat("max(", Coerce(arg, {oid::kBool}).sql, ")"), oid::kBool);
    if (name == "sum" || name == "avg") {
      if (type == oid::kInterval) return Make(StrCat("pg_", name, "_interval(", what, ")"), type);
      if (!IsNumber(type))
        Fail("42883", StrCat("function ", name, "(", NameOf(type), ") does not exist"));
      if (IsFloat(type)) {
        const bool single = name == "sum" && type == oid::kFloat4;
        return Make(StrCat("pg_", name, single ? "_float4(" : "_float(", what, ")"),
                    single ? oid::kFloat4 : oid::kFloat8);
      }
      if (name == "sum" && (type == oid::kInt2 || type == oid::kInt4)) {
        return Make(StrCat("sum(", what, ")"), oid::kInt8);
      }
      return Make(StrCat("pg_", name, "_num(", what, ")"), oid::kNumeric);
    }
    if (name.starts_with("stddev") || name.starts_with("var")) {
      if (!IsFloat(type)) RefuseAs(StrCat(name, " of numeric"));
      const std::string kind = name == "stddev_pop"         ? "2"
                               : name == "var_pop"          ? "3"
                               : name.starts_with("stddev") ? "0"
                                                            : "1";
      return Make(StrCat("pg_variance(", what, ",", kind, ")"), oid::kFloat8);
    }
    if (name == "array_agg") {
      if (distinct) RefuseAs("array_agg(DISTINCT) without order");
      const Oid array = ArrayOf(type);
      if (IsArray(type) || array == 0 || !IsKnown(array)) RefuseAs("array_agg of this type");
      return Make(StrCat("pg_array_agg(", arg.sql, ")"), array);
    }
    if (name == "json_agg" || name == "jsonb_agg") {
      if (distinct) RefuseAs("json_agg(DISTINCT)");
      const bool jsonb = name == "jsonb_agg";
      return Make(StrCat("pg_json_agg(", JsonValue(arg, jsonb).sql, ",", jsonb ? "1" : "0", ")"),
                  jsonb ? oid::kJsonb : oid::kJson);
    }
  }
  if (name == "string_agg" && args->size() == 2) {
    if (distinct) RefuseAs("string_agg(DISTINCT) without order");
    if (type == oid::kBytea) RefuseAs("string_agg of bytea");
    if (!IsText(type)) Fail("42883", "function string_agg does not exist");
    return Make(StrCat("pg_string_agg(", arg.sql, ",", Coerce((*args)[1], {oid::kText}).sql, ")"),
                oid::kText);
  }
  if ((name == "json_object_agg" || name == "jsonb_object_agg") && args->size() == 2) {
    const bool jsonb = name == "jsonb_object_agg";
    return Make(StrCat("pg_json_object_agg(", ToText((*args)[0]).sql, ",",
                       JsonValue((*args)[1], jsonb).sql, ",", jsonb ? "1" : "0", ")"),
                jsonb ? oid::kJsonb : oid::kJson);
  }
  RefuseAs(StrCat("aggregate ", name));
}

// string_agg, array_agg and their like with an ORDER BY of their own: the values and their sort
// keys are collected, and sorted at the end.
Expr Binder::OrderedAggregate(const std::string& name, const PgQuery__FuncCall& call,
                              std::vector<Expr> args, const Scope* scope) {
  std::string spec, keys;
  for (size_t i = 0; i < call.n_agg_order; ++i) {
    const PgQuery__SortBy& sort = *call.agg_order[i]->sort_by;
    const Expr key = Typed(Bind(sort.node, scope));
    const bool down = sort.sortby_dir == PG_QUERY__SORT_BY_DIR__SORTBY_DESC;
    const bool first = sort.sortby_nulls == PG_QUERY__SORT_BY_NULLS__SORTBY_NULLS_FIRST ||
                       (down && sort.sortby_nulls != PG_QUERY__SORT_BY_NULLS__SORTBY_NULLS_LAST);
    char kind = 'b';
    if (key.type.oid == oid::kNumeric) kind = 'n';
    if (key.type.oid == oid::kInterval) kind = 'i';
    if (IsArray(key.type.oid) || key.type.oid == oid::kJson || key.type.oid == oid::kJsonb) {
      RefuseAs("aggregate ordered by this type");
    }
    if (IsText(key.type.oid) && !context_.c_collation && !key.c_collation) kind = 't';
    spec += {down ? 'd' : 'a', first ? 'f' : 'l', kind};
    keys +=
        StrCat(",", IsUser(key.type.oid) || key.type.oid == oid::kBpchar ? Ordered(key) : key.sql);
  }
  if (call.agg_distinct && (call.n_agg_order != 1 || name == "json_agg" || name == "jsonb_agg")) {
    RefuseAs(StrCat(name, "(DISTINCT ... ORDER BY)"));
  }
  Expr plain = PlainAggregate(name, &args, false);
  std::string value = Typed(args[0]).sql, separator = "NULL", kind;
  if (name == "string_agg") {
    kind = "s";
    separator = Coerce(args[1], {oid::kText}).sql;
  } else if (name == "array_agg") {
    kind = "a";
  } else if (name == "json_agg" || name == "jsonb_agg") {
    kind = name == "jsonb_agg" ? "J" : "j";
    value = JsonValue(args[0], name == "jsonb_agg").sql;
  } else {
    return plain;  // order is of no account
  }
  if (call.agg_distinct) kind += "d";
  plain.sql = StrCat("pg_sorted_agg('", kind, "','", spec, "',", value, ",", separator, keys, ")");
  return plain;
}

Expr Binder::BindAggregate(const std::string& name, const PgQuery__FuncCall& call,
                           const Scope* scope) {
  if (call.agg_within_group) RefuseAs("WITHIN GROUP");
  if (!aggregates_allowed_) Fail("42803", "aggregate functions are not allowed here");
  if (in_aggregate_) Fail("42803", "aggregate function calls cannot be nested");
  if (grouping_ != nullptr) grouping_->grouped = true;
  in_aggregate_ = true;
  std::vector<Expr> args;
  for (size_t i = 0; i < call.n_args; ++i) args.push_back(Bind(call.args[i], scope));
  const bool sorted = call.n_agg_order > 0 && name != "count" && name != "sum" && name != "min" &&
                      name != "max" && name != "avg";
  Expr result;
  if (sorted) {
    result = OrderedAggregate(name, call, std::move(args), scope);
  } else {
    if (call.n_agg_order > 0) {
      for (size_t i = 0; i < call.n_agg_order; ++i) Bind(call.agg_order[i]->sort_by->node, scope);
    }
    result = PlainAggregate(name, &args, call.agg_distinct);
  }
  if (call.agg_filter != nullptr) {
    result.sql += StrCat(" FILTER (WHERE ", BindBoolean(call.agg_filter, scope, "FILTER").sql, ")");
  }
  in_aggregate_ = false;
  result.name = name;
  return result;
}

std::string Binder::WindowClause(const PgQuery__WindowDef& window, const Scope* scope) {
  if (window.refname != nullptr && window.refname[0] != '\0')
    RefuseAs("window that extends another");
  if (window.name != nullptr && window.name[0] != '\0') {
    // A named one of this SELECT, written out.
    for (size_t i = 0; select_ != nullptr && i < select_->n_window_clause; ++i) {
      const PgQuery__WindowDef& named = *select_->window_clause[i]->window_def;
      if (named.name == nullptr || std::string_view(named.name) != window.name) continue;
      PgQuery__WindowDef copy = named;
      copy.name = nullptr;
      return WindowClause(copy, scope);
    }
    Fail("42704", StrCat("window \"", window.name, "\" does not exist"));
  }
  std::string sql;
  for (size_t i = 0; i < window.n_partition_clause; ++i)
    sql += StrCat(i == 0 ? "PARTITION BY " : ",",
                  Equal(Typed(Bind(window.partition_clause[i], scope))));
  for (size_t i = 0; i < window.n_order_clause; ++i) {
    const PgQuery__SortBy& sort = *window.order_clause[i]->sort_by;
    const Expr key = Typed(Bind(sort.node, scope));
    sql += StrCat(i == 0 ? " ORDER BY " : ",", SortItem(sort, key, Ordered(key)));
  }
  // FRAMEOPTION_* of parsenodes.h.
  constexpr int kNonDefault = 0x1, kRange = 0x2, kRows = 0x4, kGroups = 0x8, kBetween = 0x10;
  const int options = window.frame_options;
  if ((options & kNonDefault) == 0) return sql;
  const bool offsets = window.start_offset != nullptr || window.end_offset != nullptr;
  if ((options & kRange) != 0 && offsets) RefuseAs("RANGE with an offset");
  auto bound = [&](int unbounded_preceding, int unbounded_following, int current, int preceding,
                   const PgQuery__Node* offset) -> std::string {
    if ((options & unbounded_preceding) != 0) return "UNBOUNDED PRECEDING";
    if ((options & unbounded_following) != 0) return "UNBOUNDED FOLLOWING";
    if ((options & current) != 0) return "CURRENT ROW";
    if (offset == nullptr || offset->node_case != PG_QUERY__NODE__NODE_A_CONST)
      RefuseAs("frame offset that is no constant");
    const Expr value = Coerce(BindConstant(*offset->a_const), {oid::kInt8});
    return StrCat(value.sql, (options & preceding) != 0 ? " PRECEDING" : " FOLLOWING");
  };
  const std::string start = bound(0x20, 0x80, 0x200, 0x800, window.start_offset);
  const std::string end = bound(0x40, 0x100, 0x400, 0x1000, window.end_offset);
  sql += (options & kRows) != 0 ? " ROWS" : (options & kGroups) != 0 ? " GROUPS" : " RANGE";
  sql += (options & kBetween) != 0 ? StrCat(" BETWEEN ", start, " AND ", end) : StrCat(" ", start);
  if ((options & 0x8000) != 0) sql += " EXCLUDE CURRENT ROW";
  if ((options & 0x10000) != 0) sql += " EXCLUDE GROUP";
  if ((options & 0x20000) != 0) sql += " EXCLUDE TIES";
  return sql;
}

Expr Binder::BindWindowFunction(const std::string& name, const PgQuery__FuncCall& call,
                                const Scope* scope) {
  if (!aggregates_allowed_ || in_aggregate_) Fail("42P20", "window functions are not allowed here");
  if (call.agg_distinct || call.n_agg_order > 0)
    Fail("0A000", "DISTINCT is not implemented for window functions");
  std::vector<Expr> args;
  for (size_t i = 0; i < call.n_args; ++i) args.push_back(Bind(call.args[i], scope));
  Expr result;
  if (IsAggregate(name)) {
    if (name != "count" && name != "sum" && name != "avg" && name != "min" && name != "max" &&
        name != "bool_and" && name != "bool_or" && name != "every") {
      RefuseAs(StrCat("aggregate ", name, " over a window"));
    }
    result = PlainAggregate(name, &args, false);
  } else if (Holds(kWindowFunctions, name)) {
    if (name == "ntile") {
      result = Make(StrCat("ntile(", Coerce(args.at(0), {oid::kInt4}).sql, ")"), oid::kInt4);
    } else if (args.empty()) {
      const bool share = name == "percent_rank" || name == "cume_dist";
      result = Make(StrCat(name, "()"), share ? oid::kFloat8 : oid::kInt8);
    } else {
      Expr value = Typed(args[0]);
      std::string sql = StrCat(name, "(", value.sql);
      if (name == "nth_value" && args.size() == 2) {
        sql += "," + Coerce(args[1], {oid::kInt4}).sql;
      } else if (args.size() >= 2) {
        // SQLite takes no negative or NULL offset.
        if (call.args[1]->node_case != PG_QUERY__NODE__NODE_A_CONST)
          RefuseAs("offset of lag or lead that is no constant");
        sql += "," + Coerce(args[1], {oid::kInt4}).sql;
        if (args.size() == 3) {
          const Oid common = CommonType({value, args[2]}, "lag");
          if (common != value.type.oid) RefuseAs("lag or lead with a default of another type");
          sql += "," + Coerce(args[2], {common}).sql;
        }
      }
      result = Make(sql + ")", value.type.oid);
      result.type = value.type;
    }
  } else {
    RefuseAs(StrCat("window function ", name));
  }
  if (call.agg_filter != nullptr) {
    if (!IsAggregate(name))
      Fail("0A000", "FILTER is not implemented for non-aggregate window functions");
    result.sql += StrCat(" FILTER (WHERE ", BindBoolean(call.agg_filter, scope, "FILTER").sql, ")");
  }
  result.sql += StrCat(" OVER (", WindowClause(*call.over, scope), ")");
  result.name = name;
  return result;
}

}  // namespace pgparity::shadow::sqlite
