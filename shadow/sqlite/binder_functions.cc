// Function calls, aggregates apart.
#include "shadow/sqlite/binder.h"
#include "shadow/sqlite/function_table.h"

namespace pgparity::shadow::sqlite {
namespace {

Expr Make(std::string sql, Oid type) {
  Expr expr;
  expr.sql = std::move(sql);
  expr.type = {type};
  return expr;
}

std::string FillIn(std::string_view sql, const std::vector<Expr>& args) {
  std::string out;
  for (size_t i = 0; i < sql.size(); ++i) {
    if (sql[i] == '$' && i + 1 < sql.size()) {
      out += args[static_cast<size_t>(sql[++i] - '1')].sql;
    } else {
      out += sql[i];
    }
  }
  return out;
}

bool Preferred(Oid type) {
  return type == oid::kFloat8 || type == oid::kText || type == oid::kTimestamptz ||
         type == oid::kBool || type == oid::kInterval;
}

// func_select_candidate(), for what our table holds.
class Resolution {
 public:
  Resolution(const Binder& binder, std::string_view name, const std::vector<Expr>& args)
      : args_(args) {
    for (const FunctionEntry* entry : FindFunctions(name)) {
      if (entry->arguments.size() != args.size()) continue;
      bool fits = true;
      for (size_t i = 0; i < args.size(); ++i)
        fits = fits && binder.CanCoerce(TypeAt(i), TypeOfLetter(entry->arguments[i]));
      if (fits) candidates_.push_back(entry);
    }
  }

  const FunctionEntry* Best() {
    Keep([](Oid given, Oid wanted) {
      return given == wanted || (IsText(given) && wanted == oid::kText);
    });
    Keep(
        [](Oid given, Oid wanted) { return given == wanted || (given != 0 && Preferred(wanted)); });
    // Values without type: text if a candidate takes it there.
    Keep([](Oid given, Oid wanted) { return given == 0 && wanted == oid::kText; });
    Keep([](Oid given, Oid wanted) { return given == 0 && Preferred(wanted); });
    return candidates_.size() == 1 ? candidates_[0] : nullptr;
  }
  bool none() const { return candidates_.empty(); }

 private:
  Oid TypeAt(size_t i) const { return args_[i].untyped() ? 0 : args_[i].type.oid; }
  template <typename Good>
  void Keep(Good&& good) {
    if (candidates_.size() < 2) return;
    size_t best = 0;
    std::vector<const FunctionEntry*> kept;
    for (const FunctionEntry* entry : candidates_) {
      size_t score = 0;
      for (size_t i = 0; i < args_.size(); ++i)
        score += good(TypeAt(i), TypeOfLetter(entry->arguments[i])) ? 1 : 0;
      if (score > best) {
        best = score;
        kept.clear();
      }
      if (score == best) kept.push_back(entry);
    }
    candidates_ = std::move(kept);
  }

  const std::vector<Expr>& args_;
  std::vector<const FunctionEntry*> candidates_;
};

}  // namespace

Expr Binder::FromTable(const std::string& name, std::vector<Expr> args, bool* known) {
  Resolution resolution(*this, name, args);
  const FunctionEntry* best = resolution.Best();
  *known = best != nullptr;
  if (best == nullptr) return {};
  for (size_t i = 0; i < args.size(); ++i)
    args[i] = Coerce(std::move(args[i]), {TypeOfLetter(best->arguments[i])});
  return Make(FillIn(best->sql, args), TypeOfLetter(best->result));
}

Expr Binder::BindFunction(const PgQuery__FuncCall& call, const Scope* scope) {
  const NodeName qualified = QualifiedName(call.funcname, call.n_funcname);
  const std::string name(qualified.name);
  if (!qualified.schema.empty() && qualified.schema != "pg_catalog") {
    RefuseAs(StrCat("function ", qualified.schema, ".", name));
  }
  if (call.func_variadic) RefuseAs("VARIADIC");
  if (call.over != nullptr) return BindWindowFunction(name, call, scope);
  if (IsAggregate(name)) return BindAggregate(name, call, scope);
  if (call.agg_star || call.agg_distinct || call.n_agg_order > 0 || call.agg_filter != nullptr ||
      call.agg_within_group) {
    RefuseAs(StrCat("aggregate ", name));
  }
  std::vector<Expr> args;
  for (size_t i = 0; i < call.n_args; ++i) {
    if (call.args[i]->node_case == PG_QUERY__NODE__NODE_NAMED_ARG_EXPR) RefuseAs("named argument");
    args.push_back(Bind(call.args[i], scope));
  }
  // A cast in the form of a function: int4(x), date(x), text(x).
  bool known = false;
  Expr result;
  for (auto step : {&Binder::SpecialFunction, &Binder::ArrayFunction, &Binder::JsonFunction,
                    &Binder::FromTable}) {
    if (!known) result = (this->*step)(name, args, &known);
  }
  if (!known) {
    std::string types;
    for (const Expr& arg : args)
      types += StrCat(types.empty() ? "" : ", ", arg.untyped() ? "unknown" : NameOf(arg.type.oid));
    RefuseAs(StrCat("function ", name, "(", types, ")"));
  }
  result.name = name;
  result.weak_name = false;
  return result;
}

// As the type's output function prints it, which a cast to text does not for all types.
std::string Binder::Printed(Expr expr) {
  if (!expr.untyped() && expr.type.oid == oid::kBool)
    return StrCat("pg_out(", expr.sql, ",", oid::kBool, ")");
  if (!expr.untyped() && expr.type.oid == oid::kBpchar) return expr.sql;
  return ToText(std::move(expr)).sql;
}

Expr Binder::SpecialFunction(const std::string& name, std::vector<Expr> args, bool* known) {
  *known = true;
  if (name == "concat") {
    std::string sql = "''";
    for (Expr& arg : args) sql += StrCat("||coalesce(", Printed(std::move(arg)), ",'')");
    return Make(StrCat("(", sql, ")"), oid::kText);
  }
  if (name == "concat_ws" && args.size() >= 2) {
    std::string sql = StrCat("pg_concat_ws(", ToText(std::move(args[0])).sql);
    for (size_t i = 1; i < args.size(); ++i) sql += "," + Printed(std::move(args[i]));
    return Make(sql + ")", oid::kText);
  }
  if (name == "format" && !args.empty()) {
    std::string sql = StrCat("pg_format(", ToText(std::move(args[0])).sql);
    for (size_t i = 1; i < args.size(); ++i) sql += "," + Printed(std::move(args[i]));
    return Make(sql + ")", oid::kText);
  }
  if (name == "nullif") RefuseAs("nullif as a function");
  if (name == "timezone" && args.size() == 2 && args[1].untyped()) {
    RefuseAs("AT TIME ZONE of a value without type");
  }
  if (name == "pg_typeof" && args.size() == 1) RefuseAs("pg_typeof");
  if ((name == "round" || name == "ceil" || name == "ceiling" || name == "floor" ||
       name == "trunc" || name == "sign" || name == "sqrt") &&
      args.size() == 1 && !args[0].untyped() && IsInteger(args[0].type.oid)) {
    // Of integers these take float8, the preferred type.
    args[0] = Coerce(std::move(args[0]), {oid::kFloat8});
    return FromTable(name, std::move(args), known);
  }
  if ((name == "upper" || name == "lower") && args.size() == 1 && !args[0].untyped() &&
      !IsText(args[0].type.oid)) {
    RefuseAs("upper or lower of a type that is no text");
  }
  if ((name == "extract" || name == "date_part") && args.size() == 2 && args[1].untyped()) {
    RefuseAs("extract of a value without type");
  }
  if (name == "power" || name == "pow") {
    // With a numeric on either side and no float it is numeric's.
    bool numeric = false, is_float = false;
    for (const Expr& arg : args) {
      numeric = numeric || (!arg.untyped() && arg.type.oid == oid::kNumeric);
      is_float = is_float || (!arg.untyped() && IsFloat(arg.type.oid));
    }
    if (numeric && !is_float) RefuseAs("power of numeric");
  }
  if ((name == "exp" || name == "ln") && args.size() == 1 &&
      (args[0].untyped() || args[0].type.oid == oid::kNumeric)) {
    RefuseAs(StrCat(name, " of numeric"));
  }
  if (name == "nextval" || name == "currval" || name == "lastval" || name == "setval") {
    // The sequence must be known by name.
    if (name != "nextval" || args.size() != 1 || args[0].kind != Expr::Kind::literal) {
      RefuseAs(StrCat("function ", name));
    }
    std::string sequence = args[0].literal;
    std::erase(sequence, '"');
    for (const std::string& schema : context_.search_path) {
      for (const std::string& key : {sequence, StrCat(schema, ".", sequence)}) {
        if (context_.schema->sequences.count(key) > 0)
          return Make(StrCat("pg_nextval(", LiteralOf(SqlValue::Text(key)), ")"), oid::kInt8);
      }
    }
    Fail("42P01", StrCat("relation \"", sequence, "\" does not exist"));
  }
  *known = false;
  return {};
}

Expr Binder::ArrayFunction(const std::string& name, std::vector<Expr> args, bool* known) {
  *known = false;
  if (args.empty() || args[0].untyped() || !IsArray(args[0].type.oid)) {
    if (name != "array_prepend" || args.size() != 2 || args[1].untyped() ||
        !IsArray(args[1].type.oid)) {
      return {};
    }
  }
  *known = true;
  const Oid array =
      args[0].untyped() || !IsArray(args[0].type.oid) ? args[1].type.oid : args[0].type.oid;
  const Oid element = ElementOf(array);
  if (name == "array_length" && args.size() == 2) {
    return Make(
        StrCat("pg_array_length(", args[0].sql, ",", Coerce(args[1], {oid::kInt4}).sql, ")"),
        oid::kInt4);
  }
  if (name == "cardinality" && args.size() == 1)
    return Make(StrCat("pg_array_cardinality(", args[0].sql, ")"), oid::kInt4);
  if (name == "array_append" && args.size() == 2)
    return *ArrayOperator("||", args[0], Coerce(args[1], {element}));
  if (name == "array_prepend" && args.size() == 2)
    return *ArrayOperator("||", Coerce(args[0], {element}), args[1]);
  if (name == "array_cat" && args.size() == 2)
    return *ArrayOperator("||", args[0], Coerce(args[1], {array}));
  if (name == "array_to_string" && (args.size() == 2 || args.size() == 3)) {
    return Make(StrCat("pg_array_to_string(", args[0].sql, ",", element, ",",
                       Coerce(args[1], {oid::kText}).sql, ",",
                       args.size() == 3 ? Coerce(args[2], {oid::kText}).sql : "NULL", ")"),
                oid::kText);
  }
  if ((name == "array_position" || name == "array_remove") && args.size() == 2 &&
      !IsFloat(element) && element != oid::kNumeric) {
    const std::string item = StrCat("pg_array(", Coerce(args[1], {element}).sql, ")");
    if (name == "array_remove")
      return Make(StrCat("pg_array_remove(", args[0].sql, ",", item, ")"), array);
    return Make(StrCat("pg_array_position(", args[0].sql, ",", item, ")"), oid::kInt4);
  }
  *known = false;
  return {};
}

// to_json() of a value: its JSON text.
Expr Binder::JsonValue(Expr expr, bool jsonb) {
  expr = Typed(std::move(expr));
  const Oid type = expr.type.oid, result = jsonb ? oid::kJsonb : oid::kJson;
  std::string sql;
  if (type == oid::kJson || type == oid::kJsonb) {
    sql = jsonb && type == oid::kJson ? Cast(expr, {oid::kJsonb}).sql : expr.sql;
  } else if (IsInteger(type)) {
    sql = StrCat("CAST(", expr.sql, " AS TEXT)");
  } else if (type == oid::kNumeric) {
    sql = StrCat("pg_json_number(", expr.sql, ")");
  } else if (IsFloat(type)) {
    sql = jsonb ? StrCat("pg_json_number(pg_float8_num_text(", expr.sql, ",", type, "))")
                : StrCat("pg_json_number(pg_out(", expr.sql, ",", type, "))");
  } else if (type == oid::kBool) {
    sql = StrCat("pg_bool_text(", expr.sql, ")");
  } else if (type == oid::kTimestamp || type == oid::kTimestamptz) {
    sql = StrCat("pg_json_string(replace(pg_json_time(", expr.sql, ",", type, "),' ','T'))");
  } else if (IsText(type) || IsUser(type) || type == oid::kUuid || type == oid::kDate ||
             type == oid::kInterval || type == oid::kTime) {
    const bool blanks = type == oid::kBpchar;
    sql = StrCat("pg_json_string(", blanks ? expr.sql : ToText(expr).sql, ")");
  } else {
    RefuseAs(StrCat("JSON of type ", NameOf(type)));
  }
  Expr value = Make(sql, result);
  value.name = expr.name;
  return value;
}

Expr Binder::JsonFunction(const std::string& name, std::vector<Expr> args, bool* known) {
  *known = true;
  const bool jsonb = name.find("jsonb") != std::string::npos;
  const Oid type = jsonb ? oid::kJsonb : oid::kJson;
  if ((name == "to_json" || name == "to_jsonb") && args.size() == 1) {
    if (args[0].untyped()) RefuseAs("to_json of a value without type");
    return JsonValue(args[0], jsonb);
  }
  if (name == "json_build_object" || name == "jsonb_build_object") {
    if (args.size() % 2 != 0) Fail("22023", "argument list must have even number of elements");
    std::string sql = StrCat("pg_json_object(", jsonb ? "1" : "0");
    for (size_t i = 0; i < args.size(); ++i) {
      // The kind of value, for the key: text form; for the value: JSON.
      sql += "," + (i % 2 == 0 ? ToText(args[i]).sql : JsonValue(args[i], jsonb).sql);
    }
    return Make(sql + ")", type);
  }
  if (name == "json_build_array" || name == "jsonb_build_array") {
    std::string sql = StrCat("pg_json_array(", jsonb ? "1" : "0");
    for (Expr& arg : args) sql += "," + JsonValue(std::move(arg), jsonb).sql;
    return Make(sql + ")", type);
  }
  if ((name == "jsonb_extract_path" || name == "jsonb_extract_path_text" ||
       name == "json_extract_path" || name == "json_extract_path_text") &&
      args.size() >= 2) {
    const bool text = name.ends_with("_text");
    std::string path = "pg_array(";
    for (size_t i = 1; i < args.size(); ++i)
      path += StrCat(i == 1 ? "" : ",", Coerce(args[i], {oid::kText}).sql);
    return Make(
        StrCat("pg_json_path(", Coerce(args[0], {type}).sql, ",", path, "),", text ? "1)" : "0)"),
        text ? oid::kText : type);
  }
  *known = false;
  return {};
}

}  // namespace pgparity::shadow::sqlite
