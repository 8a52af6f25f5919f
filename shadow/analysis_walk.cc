#include "shadow/analysis_walk.h"

#include <algorithm>
#include <utility>

#include "shadow/replay_rules.h"

namespace pgparity::shadow {
namespace {

bool IsUnordered(const PgQuery__SelectStmt& s) { return s.n_sort_clause == 0; }

bool HasLimit(const PgQuery__SelectStmt& s) {
  const auto given = [](const PgQuery__Node* n) {
    return n != nullptr && !(n->node_case == PG_QUERY__NODE__NODE_A_CONST && n->a_const->isnull);
  };
  return given(s.limit_count) || given(s.limit_offset);
}

// nullopt where a key is an expression.
std::optional<std::vector<SortKey>> SortKeysOf(const PgQuery__SelectStmt& s) {
  std::vector<SortKey> keys;
  for (size_t i = 0; i < s.n_sort_clause; ++i) {
    const auto* sort = As<PgQuery__SortBy>(Inner(s.sort_clause[i]), pg_query__sort_by__descriptor);
    if (sort == nullptr || sort->node == nullptr) return std::nullopt;
    const PgQuery__Node& node = *sort->node;
    SortKey key;
    if (node.node_case == PG_QUERY__NODE__NODE_COLUMN_REF && node.column_ref->n_fields > 0) {
      const PgQuery__Node* last = node.column_ref->fields[node.column_ref->n_fields - 1];
      if (last->node_case != PG_QUERY__NODE__NODE_STRING) return std::nullopt;
      key.column = last->string->sval;
    } else if (node.node_case == PG_QUERY__NODE__NODE_A_CONST &&
               node.a_const->val_case == PG_QUERY__A__CONST__VAL_IVAL) {
      key.position = node.a_const->ival->ival;
    } else {
      return std::nullopt;
    }
    keys.push_back(std::move(key));
  }
  return keys;
}

bool IsAggregate(const PgQuery__Node* node) {
  const auto* call = As<PgQuery__FuncCall>(Inner(node), pg_query__func_call__descriptor);
  if (call == nullptr || call->over != nullptr) return false;
  const std::string_view name = QualifiedName(call->funcname, call->n_funcname).name;
  return name == "count" || name == "sum" || name == "min" || name == "max" || name == "avg" ||
         name == "bool_and" || name == "bool_or" || name == "every";
}

// It does not matter which rows the limit leaves: all targets are constants, or there is only one
// row.
bool LimitIsHarmless(const PgQuery__SelectStmt& s) {
  const bool one_row = s.n_group_clause == 0;
  return s.n_target_list > 0 &&
         std::all_of(s.target_list, s.target_list + s.n_target_list, [&](const PgQuery__Node* n) {
           if (n->node_case != PG_QUERY__NODE__NODE_RES_TARGET) return false;
           const ValueSource::Kind kind = ValueOf(n->res_target->val).kind;
           return kind == ValueSource::Kind::literal || kind == ValueSource::Kind::parameter ||
                  (one_row && IsAggregate(n->res_target->val));
         });
}

bool IsDistinctOn(const PgQuery__SelectStmt& s) {
  return s.n_distinct_clause > 0 && Inner(s.distinct_clause[0]) != nullptr;
}

void AddOnce(std::vector<TableName>* list, TableName name) {
  if (std::find(list->begin(), list->end(), name) == list->end()) list->push_back(std::move(name));
}

StatementKind KindOfCte(const ProtobufCMessage* query) {
  if (query == nullptr) return StatementKind::select;
  if (query->descriptor == &pg_query__insert_stmt__descriptor) return StatementKind::insert;
  if (query->descriptor == &pg_query__update_stmt__descriptor) return StatementKind::update;
  if (query->descriptor == &pg_query__delete_stmt__descriptor) return StatementKind::delete_;
  return StatementKind::select;
}

}  // namespace

void Collector::VisitList(PgQuery__Node* const* nodes, size_t count) {
  for (size_t i = 0; i < count; ++i) VisitNode(nodes[i]);
}

void Collector::VisitChildren(const ProtobufCMessage* message) {
  ForEachChild(message, [this](const ProtobufCMessage* child) { Visit(child); });
}

void Collector::Visit(const ProtobufCMessage* m) {
  if (m == nullptr) return;
  if (const auto* column = As<PgQuery__ColumnRef>(m, pg_query__column_ref__descriptor))
    return VisitColumn(*column);
  if (m->descriptor == &pg_query__a__const__descriptor ||
      m->descriptor == &pg_query__type_name__descriptor)
    return;
  if (const auto* param = As<PgQuery__ParamRef>(m, pg_query__param_ref__descriptor)) {
    out_->max_parameter = std::max(out_->max_parameter, param->number);
  } else if (const auto* call = As<PgQuery__FuncCall>(m, pg_query__func_call__descriptor)) {
    VisitFunction(*call);
  } else if (const auto* cast = As<PgQuery__TypeCast>(m, pg_query__type_cast__descriptor)) {
    VisitCast(*cast);
  } else if (const auto* select = As<PgQuery__SelectStmt>(m, pg_query__select_stmt__descriptor)) {
    VisitSelect(*select);
  } else if (const auto* range = As<PgQuery__RangeVar>(m, pg_query__range_var__descriptor)) {
    AddRead(*range);
  } else if (const auto* link = As<PgQuery__SubLink>(m, pg_query__sub_link__descriptor)) {
    VisitSubLink(*link);
  } else if (const auto* value =
                 As<PgQuery__SQLValueFunction>(m, pg_query__sqlvalue_function__descriptor)) {
    VisitValueFunction(*value);
  } else if (const auto* insert = As<PgQuery__InsertStmt>(m, pg_query__insert_stmt__descriptor)) {
    VisitInsert(*insert);
  } else if (const auto* update = As<PgQuery__UpdateStmt>(m, pg_query__update_stmt__descriptor)) {
    VisitUpdate(*update);
  } else if (const auto* remove = As<PgQuery__DeleteStmt>(m, pg_query__delete_stmt__descriptor)) {
    VisitDelete(*remove);
  } else if (const auto* merge = As<PgQuery__MergeStmt>(m, pg_query__merge_stmt__descriptor)) {
    VisitMerge(*merge);
  } else if (const auto* from =
                 As<PgQuery__RangeFunction>(m, pg_query__range_function__descriptor)) {
    VisitRangeFunction(*from);
  } else {
    VisitChildren(m);
  }
}

bool Collector::IsCte(std::string_view name) const {
  return std::find(ctes_.begin(), ctes_.end(), name) != ctes_.end();
}

void Collector::AddRead(const PgQuery__RangeVar& relation) {
  if (*relation.schemaname == '\0' && IsCte(relation.relname)) return;
  out_->system_catalog =
      out_->system_catalog || IsSystemRelation(relation.schemaname, relation.relname);
  AddOnce(&out_->reads, {relation.schemaname, relation.relname});
}

void Collector::AddWrite(const PgQuery__RangeVar* relation) {
  if (relation == nullptr) return;
  writes_catalog_ = writes_catalog_ || IsSystemRelation(relation->schemaname, relation->relname);
  out_->temp_table = out_->temp_table || relation->relpersistence[0] == 't' ||
                     std::string_view(relation->schemaname).starts_with("pg_temp");
  AddOnce(&out_->writes, {relation->schemaname, relation->relname});
}

void Collector::VisitCte(const PgQuery__CommonTableExpr& cte) {
  const ProtobufCMessage* query = Inner(cte.ctequery);
  if (const StatementKind kind = KindOfCte(query); kind != StatementKind::select)
    cte_writes_.push_back(kind);
  Visit(query);
}

void Collector::VisitCtes(const PgQuery__WithClause& with) {
  for (size_t i = 0; with.recursive && i < with.n_ctes; ++i) {
    ctes_.push_back(with.ctes[i]->common_table_expr->ctename);
  }
  for (size_t i = 0; i < with.n_ctes; ++i) {
    VisitCte(*with.ctes[i]->common_table_expr);
    if (!with.recursive) ctes_.push_back(with.ctes[i]->common_table_expr->ctename);
  }
}

void Collector::VisitOutermostSelect(const PgQuery__SelectStmt& select) {
  out_->ordered = !IsUnordered(select);
  out_->sort_keys = SortKeysOf(select);
  out_->limited = HasLimit(select);
  out_->offset = select.limit_offset != nullptr;
  outermost_ = true;
  VisitSelect(select);
}

void Collector::NoteSelect(const PgQuery__SelectStmt& s) {
  const bool exists = std::exchange(in_exists_, false);
  if (!exists && IsUnordered(s) && (IsDistinctOn(s) || (HasLimit(s) && !LimitIsHarmless(s)))) {
    out_->limit_without_order = true;
  }
  for (size_t i = 0; i < s.n_locking_clause; ++i) {
    locks_rows_ = true;
    const auto* lock = As<PgQuery__LockingClause>(Inner(s.locking_clause[i]),
                                                  pg_query__locking_clause__descriptor);
    if (lock != nullptr && lock->wait_policy == PG_QUERY__LOCK_WAIT_POLICY__LockWaitSkip)
      out_->skip_locked = true;
  }
  if (s.into_clause != nullptr) AddWrite(s.into_clause->rel);
}

void Collector::VisitSelect(const PgQuery__SelectStmt& select) {
  top_ = false;
  const bool outermost = std::exchange(outermost_, false);
  const std::string_view naming = std::exchange(naming_, {});
  const bool in_from = std::exchange(in_from_, false);
  NoteSelect(select);
  WithScope(select.with_clause, [&] {
    VisitTargets(select.target_list, select.n_target_list, outermost);
    VisitSelectBody(select);
  });
  naming_ = naming;
  in_from_ = in_from;
}

void Collector::VisitSelectBody(const PgQuery__SelectStmt& s) {
  VisitList(s.from_clause, s.n_from_clause);
  VisitList(s.distinct_clause, s.n_distinct_clause);
  VisitNode(s.where_clause);
  VisitList(s.group_clause, s.n_group_clause);
  VisitNode(s.having_clause);
  VisitList(s.window_clause, s.n_window_clause);
  VisitList(s.values_lists, s.n_values_lists);
  VisitList(s.sort_clause, s.n_sort_clause);
  VisitNode(s.limit_offset);
  VisitNode(s.limit_count);
  if (s.larg != nullptr) VisitSelect(*s.larg);
  if (s.rarg != nullptr) VisitSelect(*s.rarg);
}

void Collector::VisitTargets(PgQuery__Node* const* targets, size_t count, bool outermost) {
  bool star = false;
  for (size_t i = 0; i < count; ++i) {
    const auto* target =
        As<PgQuery__ResTarget>(Inner(targets[i]), pg_query__res_target__descriptor);
    if (target == nullptr) {
      VisitNode(targets[i]);
      continue;
    }
    const ProtobufCMessage* value = Inner(target->val);
    const std::string name = *target->name == '\0' ? ResultColumnName(target->val) : std::string();
    naming_ = name;
    if (outermost && !star) {
      direct_column_ = static_cast<int>(i);
      direct_target_ = value;
      while (const auto* cast =
                 As<PgQuery__TypeCast>(direct_target_, pg_query__type_cast__descriptor)) {
        direct_target_ = Inner(cast->arg);
      }
    }
    if (const auto* column = As<PgQuery__ColumnRef>(value, pg_query__column_ref__descriptor)) {
      star = star || (column->n_fields > 0 && column->fields[column->n_fields - 1]->node_case ==
                                                  PG_QUERY__NODE__NODE_A_STAR);
    }
    Visit(value);
    naming_ = {};
    direct_target_ = nullptr;
  }
}

void Collector::VisitRangeFunction(const PgQuery__RangeFunction& function) {
  for (size_t i = 0; i < function.n_functions; ++i) {
    const ProtobufCMessage* item = Inner(function.functions[i]);
    const auto* list = As<PgQuery__List>(item, pg_query__list__descriptor);
    in_from_ = true;
    Visit(list != nullptr && list->n_items > 0 ? Inner(list->items[0]) : item);
    in_from_ = false;
  }
}

void Collector::VisitSubLink(const PgQuery__SubLink& link) {
  VisitNode(link.testexpr);
  in_exists_ = link.sub_link_type == PG_QUERY__SUB_LINK_TYPE__EXISTS_SUBLINK;
  if (link.sub_link_type == PG_QUERY__SUB_LINK_TYPE__ARRAY_SUBLINK) {
    const auto* select =
        As<PgQuery__SelectStmt>(Inner(link.subselect), pg_query__select_stmt__descriptor);
    if (select != nullptr && IsUnordered(*select)) out_->unordered_aggregate = true;
  }
  VisitNode(link.subselect);
  in_exists_ = false;
}

}  // namespace pgparity::shadow
