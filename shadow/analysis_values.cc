// Values, key predicates and names, from single nodes of the parse tree.
#include "protocol/text.h"
#include "shadow/analysis_walk.h"

namespace pgparity::shadow {
namespace {

ValueSource ValueOfConstant(const PgQuery__AConst& constant) {
  ValueSource value;
  value.kind = ValueSource::Kind::literal;
  if (constant.isnull) {
    value.is_null = true;
    return value;
  }
  switch (constant.val_case) {
    case PG_QUERY__A__CONST__VAL_IVAL:
      value.literal = protocol::StrCat(constant.ival->ival);
      break;
    case PG_QUERY__A__CONST__VAL_FVAL:
      value.literal = constant.fval->fval;
      break;
    case PG_QUERY__A__CONST__VAL_BOOLVAL:
      value.literal = constant.boolval->boolval ? "true" : "false";
      break;
    case PG_QUERY__A__CONST__VAL_SVAL:
      value.literal = constant.sval->sval;
      break;
    default:
      value.kind = ValueSource::Kind::other;
      break;
  }
  return value;
}

bool IsEquals(const PgQuery__AExpr& e) {
  const NodeName name = QualifiedName(e.name, e.n_name);
  return name.name == "=" && (name.schema.empty() || name.schema == "pg_catalog");
}

// The column of that relation, or "".
std::string_view ColumnOf(const PgQuery__Node* node, const PgQuery__RangeVar& relation) {
  const auto* column = As<PgQuery__ColumnRef>(Inner(node), pg_query__column_ref__descriptor);
  if (column == nullptr || column->n_fields == 0 || column->n_fields > 3) return {};
  if (column->n_fields > 1) {
    const bool alias = relation.alias != nullptr;
    const std::string_view name = alias ? relation.alias->aliasname : relation.relname;
    if (StringOf(column->fields[column->n_fields - 2]) != name) return {};
  }
  return StringOf(column->fields[column->n_fields - 1]);
}

class KeyFinder {
 public:
  explicit KeyFinder(const PgQuery__RangeVar& relation) : relation_(relation) {}

  void Find(const PgQuery__Node* node) {
    const ProtobufCMessage* message = Inner(node);
    if (const auto* conjunction = As<PgQuery__BoolExpr>(message, pg_query__bool_expr__descriptor)) {
      if (conjunction->boolop != PG_QUERY__BOOL_EXPR_TYPE__AND_EXPR) return;
      for (size_t i = 0; i < conjunction->n_args; ++i) Find(conjunction->args[i]);
      return;
    }
    const auto* e = As<PgQuery__AExpr>(message, pg_query__a__expr__descriptor);
    if (e == nullptr || !IsEquals(*e)) return;
    if (e->kind == PG_QUERY__A__EXPR__KIND__AEXPR_OP) {
      Pair(e->lexpr, e->rexpr);
    } else if (e->kind == PG_QUERY__A__EXPR__KIND__AEXPR_IN) {
      const auto* list = As<PgQuery__List>(Inner(e->rexpr), pg_query__list__descriptor);
      if (list != nullptr && list->n_items == 1) Pair(e->lexpr, list->items[0]);
    }
  }
  std::vector<KeyPredicate> Take() { return std::move(found_); }

 private:
  void Pair(const PgQuery__Node* left, const PgQuery__Node* right) {
    const auto* a = As<PgQuery__RowExpr>(Inner(left), pg_query__row_expr__descriptor);
    const auto* b = As<PgQuery__RowExpr>(Inner(right), pg_query__row_expr__descriptor);
    if (a != nullptr && b != nullptr) {
      for (size_t i = 0; a->n_args == b->n_args && i < a->n_args; ++i) Pair(a->args[i], b->args[i]);
      return;
    }
    if (!Add(left, right)) Add(right, left);
  }
  bool Add(const PgQuery__Node* column, const PgQuery__Node* value) {
    const std::string_view name = ColumnOf(column, relation_);
    ValueSource source = ValueOf(value);
    const bool usable =
        source.kind == ValueSource::Kind::literal || source.kind == ValueSource::Kind::parameter;
    if (name.empty() || !usable || source.is_null) return false;
    found_.push_back({std::string(name), std::move(source)});
    return true;
  }

  const PgQuery__RangeVar& relation_;
  std::vector<KeyPredicate> found_;
};

// How strongly a name speaks for an expression (parse_target.c): 0 none, 1 weak, 2 firm.
int ColumnName(const ProtobufCMessage* m, std::string* name);

int NameOfCast(const PgQuery__TypeCast& cast, std::string* name) {
  const int strength = ColumnName(Inner(cast.arg), name);
  if (strength > 1 || cast.type_name == nullptr) return strength;
  *name = QualifiedName(cast.type_name->names, cast.type_name->n_names).name;
  return 1;
}

int NameOfSubLink(const PgQuery__SubLink& link, std::string* name) {
  if (link.sub_link_type == PG_QUERY__SUB_LINK_TYPE__EXISTS_SUBLINK) return *name = "exists", 2;
  if (link.sub_link_type == PG_QUERY__SUB_LINK_TYPE__ARRAY_SUBLINK) return *name = "array", 2;
  if (link.sub_link_type != PG_QUERY__SUB_LINK_TYPE__EXPR_SUBLINK) return 0;
  const auto* select =
      As<PgQuery__SelectStmt>(Inner(link.subselect), pg_query__select_stmt__descriptor);
  while (select != nullptr && select->larg != nullptr) select = select->larg;
  if (select == nullptr || select->n_target_list == 0) return 0;
  const auto* target =
      As<PgQuery__ResTarget>(Inner(select->target_list[0]), pg_query__res_target__descriptor);
  if (target == nullptr) return 0;
  if (*target->name != '\0') return *name = target->name, 2;
  return ColumnName(Inner(target->val), name);
}

std::string_view NameOfValueFunction(PgQuery__SQLValueFunctionOp op) {
  switch (op) {
    case PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_CURRENT_DATE:
      return "current_date";
    case PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_CURRENT_TIME:
    case PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_CURRENT_TIME_N:
      return "current_time";
    case PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_CURRENT_TIMESTAMP:
    case PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_CURRENT_TIMESTAMP_N:
      return "current_timestamp";
    case PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_LOCALTIME:
    case PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_LOCALTIME_N:
      return "localtime";
    case PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_LOCALTIMESTAMP:
    case PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_LOCALTIMESTAMP_N:
      return "localtimestamp";
    default:
      return "current_user";
  }
}

int ColumnName(const ProtobufCMessage* m, std::string* name) {
  if (const auto* call = As<PgQuery__FuncCall>(m, pg_query__func_call__descriptor)) {
    return *name = QualifiedName(call->funcname, call->n_funcname).name, 2;
  }
  if (const auto* function =
          As<PgQuery__SQLValueFunction>(m, pg_query__sqlvalue_function__descriptor)) {
    return *name = NameOfValueFunction(function->op), 2;
  }
  if (const auto* cast = As<PgQuery__TypeCast>(m, pg_query__type_cast__descriptor))
    return NameOfCast(*cast, name);
  if (const auto* collate = As<PgQuery__CollateClause>(m, pg_query__collate_clause__descriptor)) {
    return ColumnName(Inner(collate->arg), name);
  }
  if (const auto* link = As<PgQuery__SubLink>(m, pg_query__sub_link__descriptor))
    return NameOfSubLink(*link, name);
  if (const auto* choice = As<PgQuery__CaseExpr>(m, pg_query__case_expr__descriptor)) {
    const int strength = ColumnName(Inner(choice->defresult), name);
    if (strength > 1) return strength;
    return *name = "case", 1;
  }
  if (const auto* part = As<PgQuery__AIndirection>(m, pg_query__a__indirection__descriptor)) {
    for (size_t i = part->n_indirection; i-- > 0;) {
      if (!StringOf(part->indirection[i]).empty()) return *name = StringOf(part->indirection[i]), 2;
    }
    return ColumnName(Inner(part->arg), name);
  }
  return 0;
}

}  // namespace

ValueSource ValueOf(const PgQuery__Node* node) {
  ValueSource value;
  const ProtobufCMessage* message = Inner(node);
  const auto* cast = As<PgQuery__TypeCast>(message, pg_query__type_cast__descriptor);
  // varchar(2) would change the value; so may a second cast.
  if (cast != nullptr && (cast->type_name == nullptr || cast->type_name->n_typmods == 0))
    message = Inner(cast->arg);
  if (const auto* constant = As<PgQuery__AConst>(message, pg_query__a__const__descriptor)) {
    const bool changed = cast != nullptr && constant->val_case == PG_QUERY__A__CONST__VAL_FVAL;
    return changed ? value : ValueOfConstant(*constant);
  }
  if (const auto* parameter = As<PgQuery__ParamRef>(message, pg_query__param_ref__descriptor)) {
    value.kind = ValueSource::Kind::parameter;
    value.parameter = parameter->number;
  } else if (As<PgQuery__SetToDefault>(message, pg_query__set_to_default__descriptor) != nullptr) {
    value.kind = ValueSource::Kind::default_;
  }
  return value;
}

std::string ResultColumnName(const PgQuery__Node* node) {
  std::string name;
  return ColumnName(Inner(node), &name) > 0 ? name : "?column?";
}

std::vector<KeyPredicate> KeyPredicatesOf(const PgQuery__Node* where,
                                          const PgQuery__RangeVar& relation) {
  KeyFinder finder(relation);
  finder.Find(where);
  return finder.Take();
}

}  // namespace pgparity::shadow
