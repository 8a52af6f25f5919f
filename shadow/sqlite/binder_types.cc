// Types in the translator: names, coercions, casts, and the forms in which SQLite compares.
#include "shadow/sqlite/binder.h"
#include "shadow/sqlite/decimal.h"
#include "shadow/words.h"

namespace pgparity::shadow::sqlite {
namespace {

// Implicit casts among numbers go up this list.
int NumberRank(Oid type) {
  switch (type) {
    case oid::kInt2:
      return 1;
    case oid::kInt4:
      return 2;
    case oid::kInt8:
      return 3;
    case oid::kNumeric:
      return 4;
    case oid::kFloat4:
      return 5;
    case oid::kFloat8:
      return 6;
    default:
      return 0;
  }
}

int DateRank(Oid type) {
  return type == oid::kDate ? 1 : type == oid::kTimestamp ? 2 : type == oid::kTimestamptz ? 3 : 0;
}

Expr Value(std::string sql, Type type, const Expr& from) {
  Expr expr;
  expr.sql = std::move(sql);
  expr.type = type;
  expr.name = from.name;
  return expr;
}

std::string IntegerLimits(Oid type) {
  return type == oid::kInt2 ? "2" : type == oid::kInt4 ? "4" : "8";
}

int32_t ModifierOf(const PgQuery__Node* node) {
  if (node->node_case != PG_QUERY__NODE__NODE_A_CONST ||
      node->a_const->val_case != PG_QUERY__A__CONST__VAL_IVAL) {
    RefuseAs("type modifier");
  }
  return node->a_const->ival->ival;
}

int32_t ModifierOf(Oid type, const PgQuery__TypeName& name) {
  if (name.n_typmods == 0) return -1;
  const int32_t first = ModifierOf(name.typmods[0]);
  switch (type) {
    case oid::kVarchar:
    case oid::kBpchar:
      if (first < 1) Fail("22023", "length for type must be at least 1");
      return first + 4;
    case oid::kNumeric: {
      const int32_t scale = name.n_typmods > 1 ? ModifierOf(name.typmods[1]) : 0;
      if (first < 1 || first > 1000) Fail("22023", "NUMERIC precision must be between 1 and 1000");
      return ((first << 16) | (scale & 0x7ff)) + 4;
    }
    case oid::kTime:
    case oid::kTimestamp:
    case oid::kTimestamptz:
      return std::min(first, 6);
    default:
      RefuseAs(StrCat("modifier of type ", NameOf(type)));
  }
}

}  // namespace

Type Binder::ResolveType(const PgQuery__TypeName& type_name) const {
  const NodeName name = QualifiedName(type_name.names, type_name.n_names);
  if (type_name.setof || type_name.pct_type) RefuseAs("SETOF or %TYPE");
  Type type;
  if (name.schema.empty() || name.schema == "pg_catalog") type.oid = TypeByName(name.name);
  if (type.oid == 0) {
    const UserType* user = context_.schema->FindType(name.schema, name.name, context_.search_path);
    if (user == nullptr) RefuseAs(StrCat("type ", name.name));
    if (type_name.n_array_bounds > 0) RefuseAs("array of a type of the application's own");
    return user->base ? *user->base : Type{user->oid};
  }
  // "char" in quotes is a type of its own; the grammar gives bpchar for char(n).
  if (name.name == "char") RefuseAs("type \"char\"");
  // char without a length is char(1); bpchar has no limit.
  type.typmod = ModifierOf(type.oid, type_name);
  if (type_name.n_array_bounds > 0) {
    type.oid = ArrayOf(type.oid);
    if (type.typmod != -1 && ElementOf(type.oid) != oid::kVarchar) {
      RefuseAs("modifier of an array's elements");
    }
    type.typmod = -1;
  }
  if (!IsKnown(type.oid)) RefuseAs(StrCat("type ", name.name));
  return type;
}

bool Binder::CanCoerce(Oid from, Oid to) const {
  if (from == to || from == 0) return true;
  if (NumberRank(from) != 0 && NumberRank(to) != 0) return NumberRank(from) < NumberRank(to);
  if (IsText(from) && IsText(to)) return true;
  if (DateRank(from) != 0 && DateRank(to) != 0) return DateRank(from) < DateRank(to);
  if (from == oid::kTime && to == oid::kInterval) return true;
  if (from == oid::kVarcharArray && to == oid::kTextArray) return true;
  return false;
}

std::string Binder::Literal(std::string_view text, Type type) {
  if (type.oid == oid::kTimestamptz ||
      (IsArray(type.oid) && ElementOf(type.oid) == oid::kTimestamptz)) {
    // Read under the session's time zone, when it runs.
    return StrCat("pg_in(", LiteralOf(SqlValue::Text(std::string(text))), ",", type.oid, ",",
                  type.typmod, ")");
  }
  if (IsUser(type.oid)) {
    const UserType* user = context_.schema->FindType(type.oid);
    if (user == nullptr) RefuseAs("type of the application's own");
    for (const std::string& label : user->labels) {
      if (label == text) return LiteralOf(SqlValue::Text(label));
    }
    Fail("22P02", StrCat("invalid input value for enum ", user->name, ": \"", text, "\""));
  }
  Result<SqlValue> value = ReadValue(text, type, absl::UTCTimeZone(), false);
  if (auto* problem = std::get_if<Problem>(&value)) throw Stop{*problem};
  return LiteralOf(std::get<SqlValue>(value));
}

Expr Binder::Typed(Expr expr, Oid fallback) {
  return expr.untyped() ? Coerce(std::move(expr), {fallback}) : expr;
}

Expr Binder::Coerce(Expr expr, Type type) {
  switch (expr.kind) {
    case Expr::Kind::null:
      return Value("NULL", {type.oid}, expr);
    case Expr::Kind::literal: {
      Expr value = Value(Literal(expr.literal, {type.oid}), {type.oid}, expr);
      value.c_collation = expr.c_collation;
      return value;
    }
    case Expr::Kind::parameter: {
      const auto index = static_cast<size_t>(expr.parameter - 1);
      if (parameters_.size() <= index) parameters_.resize(index + 1, 0);
      if (parameters_[index] == 0) {
        if (!IsKnown(type.oid) && !IsUser(type.oid)) RefuseAs("parameter's type");
        parameters_[index] = type.oid;
      }
      Expr value = Value(StrCat("?", expr.parameter), {parameters_[index]}, expr);
      return value.type.oid == type.oid ? value : Coerce(std::move(value), type);
    }
    case Expr::Kind::value:
      break;
  }
  const Oid from = expr.type.oid;
  if (from == type.oid) return expr;
  if (IsInteger(from) && IsInteger(type.oid) && NumberRank(from) < NumberRank(type.oid)) {
    expr.type = {type.oid};
    return expr;
  }
  if (IsText(from) && IsText(type.oid) && from != oid::kBpchar) {
    expr.type = {type.oid};
    return expr;
  }
  if (from == oid::kVarcharArray && type.oid == oid::kTextArray) {
    expr.type = {type.oid};
    return expr;
  }
  return Cast(std::move(expr), {type.oid});
}

namespace {

// SQL for a cast between two different types of numbers; "" if there is none.
std::string NumberCast(const std::string& sql, Oid from, Oid to) {
  if (IsInteger(to)) {
    const std::string bits = IntegerLimits(to);
    if (IsInteger(from))
      return NumberRank(from) < NumberRank(to) ? sql : StrCat("pg_int", bits, "(", sql, ")");
    if (IsFloat(from)) return StrCat("pg_float_int", bits, "(", sql, ")");
    return StrCat("pg_num_int", bits, "(", sql, ")");
  }
  if (to == oid::kNumeric) {
    if (IsInteger(from)) return StrCat("CAST(", sql, " AS TEXT)");
    return StrCat(from == oid::kFloat4 ? "pg_float4_num(" : "pg_float8_num(", sql, ")");
  }
  if (IsInteger(from)) {
    return to == oid::kFloat8 ? StrCat("CAST(", sql, " AS REAL)")
                              : StrCat("pg_float4(CAST(", sql, " AS REAL))");
  }
  if (from == oid::kNumeric) {
    return StrCat(to == oid::kFloat8 ? "pg_num_float8(" : "pg_num_float4(", sql, ")");
  }
  return to == oid::kFloat8 ? sql : StrCat("pg_float4(", sql, ")");
}

std::string DateCast(const std::string& sql, Oid from, Oid to) {
  switch (from) {
    case oid::kDate:
      if (to == oid::kTimestamp) return StrCat("pg_date_ts(", sql, ")");
      if (to == oid::kTimestamptz) return StrCat("pg_ts_tstz(pg_date_ts(", sql, "))");
      break;
    case oid::kTimestamp:
      if (to == oid::kDate) return StrCat("pg_ts_date(", sql, ")");
      if (to == oid::kTime) return StrCat("pg_ts_time(", sql, ")");
      if (to == oid::kTimestamptz) return StrCat("pg_ts_tstz(", sql, ")");
      break;
    case oid::kTimestamptz:
      if (to == oid::kTimestamp) return StrCat("pg_tstz_ts(", sql, ")");
      if (to == oid::kDate) return StrCat("pg_ts_date(pg_tstz_ts(", sql, "))");
      if (to == oid::kTime) return StrCat("pg_ts_time(pg_tstz_ts(", sql, "))");
      break;
    case oid::kTime:
      if (to == oid::kInterval) return StrCat("pg_time_interval(", sql, ")");
      break;
    case oid::kInterval:
      if (to == oid::kTime) return StrCat("pg_interval_time(", sql, ")");
      break;
    default:
      break;
  }
  return "";
}

std::string TextOf(const std::string& sql, Oid type) {
  if (IsInteger(type)) return StrCat("CAST(", sql, " AS TEXT)");
  if (IsText(type)) return type == oid::kBpchar ? StrCat("rtrim(", sql, ",' ')") : sql;
  if (IsUser(type)) return sql;
  switch (type) {
    case oid::kNumeric:
    case oid::kDate:
    case oid::kUuid:
    case oid::kInterval:
    case oid::kJson:
    case oid::kJsonb:
      return sql;
    case oid::kBool:
      return StrCat("pg_bool_text(", sql, ")");
    default:
      return StrCat("pg_out(", sql, ",", type, ")");
  }
}

}  // namespace

Expr Binder::ToText(Expr expr) {
  expr = Typed(std::move(expr));
  if (!IsKnown(expr.type.oid) && !IsUser(expr.type.oid)) RefuseAs("text form of a type");
  const bool c = expr.c_collation;
  Expr text = Value(TextOf(expr.sql, expr.type.oid), {oid::kText}, expr);
  text.c_collation = c;
  return text;
}

Expr Binder::Cast(Expr expr, Type type) {
  if (expr.untyped()) {
    if (expr.kind == Expr::Kind::parameter) {
      expr = Coerce(std::move(expr), {type.oid});
    } else if (expr.kind == Expr::Kind::literal && type.oid == oid::kInterval && type.typmod >= 0) {
      RefuseAs("interval with fields or precision");
    } else {
      expr = Coerce(std::move(expr), {type.oid});
    }
    if (expr.type.oid != type.oid) return Cast(std::move(expr), type);
  }
  const Oid from = expr.type.oid, to = type.oid;
  std::string sql;
  if (from == to || (IsText(from) && IsText(to))) {
    sql =
        from == oid::kBpchar && to != oid::kBpchar ? StrCat("rtrim(", expr.sql, ",' ')") : expr.sql;
  } else if (IsNumber(from) && IsNumber(to)) {
    sql = NumberCast(expr.sql, from, to);
  } else if (IsText(to)) {
    // char(n) of a boolean and the like go through text as well.
    sql = TextOf(expr.sql, from);
  } else if (IsText(from)) {
    if (IsUser(to)) {
      sql = StrCat("pg_enum(", expr.sql, ",",
                   LiteralOf(SqlValue::Text(context_.schema->FindType(to)->name)));
      for (const std::string& label : context_.schema->FindType(to)->labels)
        sql += "," + LiteralOf(SqlValue::Text(label));
      sql += ")";
    } else if (!IsKnown(to)) {
      RefuseAs(StrCat("cast to ", NameOf(to)));
    } else {
      sql = StrCat("pg_in(", from == oid::kBpchar ? StrCat("rtrim(", expr.sql, ",' ')") : expr.sql,
                   ",", to, ",-1)");
    }
  } else if (from == oid::kBool && to == oid::kInt4) {
    sql = expr.sql;
  } else if (from == oid::kInt4 && to == oid::kBool) {
    sql = StrCat("(", expr.sql, "<>0)");
  } else if (from == oid::kJson && to == oid::kJsonb) {
    sql = StrCat("pg_in(", expr.sql, ",", oid::kJsonb, ",-1)");
  } else if (from == oid::kJsonb && to == oid::kJson) {
    sql = expr.sql;
  } else if (from == oid::kJsonb && (IsNumber(to) || to == oid::kBool)) {
    sql = StrCat("pg_jsonb_", to == oid::kBool ? "bool(" : "num(", expr.sql, ")");
    if (to != oid::kBool && to != oid::kNumeric) sql = NumberCast(sql, oid::kNumeric, to);
  } else if (IsArray(from) && IsArray(to) && IsText(ElementOf(from)) && IsText(ElementOf(to))) {
    sql = expr.sql;
  } else {
    sql = DateCast(expr.sql, from, to);
  }
  if (sql.empty()) {
    // What PostgreSQL has no cast for, it refuses as well; of the rest we are not sure.
    RefuseAs(StrCat("cast from ", NameOf(from), " to ", NameOf(to)));
  }
  const bool fits = type.typmod < 0 || (from == to && expr.type.typmod == type.typmod);
  Expr result =
      Value(fits ? sql : StrCat("pg_modify(", sql, ",", to, ",", type.typmod, ",0)"), type, expr);
  if (IsText(to)) result.c_collation = expr.c_collation;
  return result;
}

Expr Binder::Assign(Expr expr, Type type, std::string_view column) {
  const bool literal = expr.kind == Expr::Kind::literal;
  if (expr.untyped()) {
    expr = Coerce(std::move(expr), {type.oid});
  }
  const Oid from = expr.type.oid, to = type.oid;
  if (from != to) {
    const bool numbers = IsNumber(from) && IsNumber(to);
    const bool dates = (IsDateTime(from) || from == oid::kTime || from == oid::kInterval) &&
                       (IsDateTime(to) || to == oid::kTime || to == oid::kInterval);
    const bool to_text = IsText(to);
    const bool json =
        (from == oid::kJson || from == oid::kJsonb) && (to == oid::kJson || to == oid::kJsonb);
    const bool arrays = IsArray(from) && IsArray(to);
    if (!numbers && !dates && !to_text && !json && !arrays) {
      Fail("42804", StrCat("column \"", column, "\" is of type ", NameOf(to),
                           " but expression is of type ", NameOf(from)));
    }
    expr = Cast(std::move(expr), {to});
  }
  static_cast<void>(literal);
  if (type.typmod >= 0 && expr.type.typmod != type.typmod && expr.sql != "NULL") {
    expr.sql = StrCat("pg_modify(", expr.sql, ",", to, ",", type.typmod, ",1)");
  }
  expr.type = type;
  return expr;
}

// ------------------------------------------------------------------------------- comparison

std::string Binder::Ordered(const Expr& expr) const {
  const Oid type = expr.type.oid;
  if (IsUser(type)) {
    const UserType* user = context_.schema->FindType(type);
    if (user == nullptr) RefuseAs("order of a type of the application's own");
    std::string sql = StrCat("CASE ", expr.sql);
    for (size_t i = 0; i < user->labels.size(); ++i)
      sql += StrCat(" WHEN ", LiteralOf(SqlValue::Text(user->labels[i])), " THEN ", i);
    return StrCat("(", sql, " END)");
  }
  if (IsText(type) && type != oid::kName && !context_.c_collation && !expr.c_collation) {
    return StrCat(Equal(expr), " COLLATE pg_text");
  }
  return Equal(expr);
}

std::string Binder::Equal(const Expr& expr) const {
  const Oid type = expr.type.oid;
  if (IsArray(type)) {
    const Oid element = ElementOf(type);
    if (element == oid::kNumeric || element == oid::kJson || element == oid::kJsonb ||
        (IsText(element) && !context_.c_collation)) {
      RefuseAs("comparison of arrays of this type");
    }
    return StrCat(expr.sql, " COLLATE pg_array");
  }
  switch (type) {
    case oid::kNumeric:
      return StrCat(expr.sql, " COLLATE pg_numeric");
    case oid::kInterval:
      return StrCat(expr.sql, " COLLATE pg_interval");
    case oid::kBpchar:
      return StrCat("rtrim(", expr.sql, ",' ')");
    case oid::kJson:
      Fail("42883", "could not identify an equality operator for type json");
    case oid::kJsonb:
      return StrCat(expr.sql, " COLLATE pg_jsonb");
    default:
      return expr.sql;
  }
}

// select_common_type()
Oid Binder::CommonType(const std::vector<Expr>& exprs, std::string_view what) const {
  Oid common = 0;
  for (const Expr& expr : exprs) {
    if (expr.untyped() || expr.type.oid == common) continue;
    if (common == 0) {
      common = expr.type.oid;
      continue;
    }
    const Oid next = expr.type.oid;
    if (CanCoerce(common, next) && !(IsText(common) && IsText(next))) {
      common = next;
    } else if (IsText(common) && IsText(next)) {
      // text is preferred; of others the first stays.
      if (next == oid::kText) common = next;
    } else if (!CanCoerce(next, common)) {
      Fail("42804",
           StrCat(what, " types ", NameOf(common), " and ", NameOf(next), " cannot be matched"));
    }
  }
  return common == 0 ? oid::kText : common;
}

}  // namespace pgparity::shadow::sqlite
