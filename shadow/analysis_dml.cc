// The walk over INSERT, UPDATE, DELETE and MERGE.
#include <algorithm>
#include <utility>

#include "shadow/analysis_walk.h"

namespace pgparity::shadow {
namespace {

const PgQuery__ResTarget* Target(const PgQuery__Node* node) {
  return As<PgQuery__ResTarget>(Inner(node), pg_query__res_target__descriptor);
}

}  // namespace

void Collector::AddTimeColumn(const PgQuery__RangeVar* table, std::string_view column,
                              int position) {
  if (table == nullptr) return;
  TimeColumn time{{table->schemaname, table->relname}, std::string(column), position};
  if (std::find(out_->time_columns.begin(), out_->time_columns.end(), time) ==
      out_->time_columns.end()) {
    out_->time_columns.push_back(std::move(time));
  }
}

void Collector::VisitReturning(PgQuery__Node* const* targets, size_t count) {
  in_returning_ = true;
  VisitTargets(targets, count, false);
  in_returning_ = false;
}

void Collector::VisitInsert(const PgQuery__InsertStmt& insert) {
  const bool top = std::exchange(top_, false);
  AddWrite(insert.relation);
  WithScope(insert.with_clause, [&] {
    VisitInsertSource(insert);
    VisitConflict(insert, top);
    VisitReturning(insert.returning_list, insert.n_returning_list);
  });
}

void Collector::VisitInsertSource(const PgQuery__InsertStmt& insert) {
  const auto* select =
      As<PgQuery__SelectStmt>(Inner(insert.select_stmt), pg_query__select_stmt__descriptor);
  if (select == nullptr) return;
  const size_t before = out_->time_calls.size();
  if (select->n_values_lists == 0) {
    VisitSelect(*select);
    if (out_->time_calls.size() == before) return;
    // Which column gets it is not worked out.
    for (size_t i = 0; i < insert.n_cols; ++i)
      AddTimeColumn(insert.relation, Target(insert.cols[i])->name, -1);
    if (insert.n_cols == 0) AddTimeColumn(insert.relation, "", -1);
    return;
  }
  WithScope(select->with_clause, [&] {
    for (size_t i = 0; i < select->n_values_lists; ++i) {
      const auto* row =
          As<PgQuery__List>(Inner(select->values_lists[i]), pg_query__list__descriptor);
      if (row != nullptr) VisitInsertRow(insert, *row);
    }
    VisitList(select->sort_clause, select->n_sort_clause);
    VisitNode(select->limit_count);
    VisitNode(select->limit_offset);
  });
}

void Collector::VisitInsertRow(const PgQuery__InsertStmt& insert, const PgQuery__List& row) {
  for (size_t i = 0; i < row.n_items; ++i) {
    const size_t before = out_->time_calls.size();
    VisitNode(row.items[i]);
    if (out_->time_calls.size() == before) continue;
    if (i < insert.n_cols) {
      AddTimeColumn(insert.relation, Target(insert.cols[i])->name, -1);
    } else if (insert.n_cols == 0) {
      AddTimeColumn(insert.relation, "", static_cast<int>(i));
    }
  }
}

void Collector::VisitConflict(const PgQuery__InsertStmt& insert, bool top) {
  const PgQuery__OnConflictClause* conflict = insert.on_conflict_clause;
  if (conflict == nullptr) return;
  if (conflict->infer != nullptr) Visit(&conflict->infer->base);
  VisitAssignments(insert.relation, conflict->target_list, conflict->n_target_list, top);
  VisitNode(conflict->where_clause);
}

void Collector::VisitAssignments(const PgQuery__RangeVar* table, PgQuery__Node* const* targets,
                                 size_t count, bool top) {
  bool multi_has_time = false;
  for (size_t i = 0; i < count; ++i) {
    const PgQuery__ResTarget* target = Target(targets[i]);
    if (target == nullptr) continue;
    if (top) out_->set_columns.emplace_back(target->name);
    const size_t before = out_->time_calls.size();
    VisitList(target->indirection, target->n_indirection);
    const auto* multi =
        As<PgQuery__MultiAssignRef>(Inner(target->val), pg_query__multi_assign_ref__descriptor);
    // SET (a, b) = (...): each column holds the whole source.
    if (multi == nullptr || multi->colno <= 1) {
      VisitNode(multi == nullptr ? target->val : multi->source);
      multi_has_time = multi != nullptr && out_->time_calls.size() > before;
    }
    if (out_->time_calls.size() > before || (multi != nullptr && multi_has_time)) {
      AddTimeColumn(table, target->name, -1);
    }
  }
}

void Collector::VisitUpdate(const PgQuery__UpdateStmt& update) {
  const bool top = std::exchange(top_, false);
  AddWrite(update.relation);
  if (top && update.n_from_clause == 0 && update.relation != nullptr) {
    out_->key_predicates = KeyPredicatesOf(update.where_clause, *update.relation);
  }
  WithScope(update.with_clause, [&] {
    VisitAssignments(update.relation, update.target_list, update.n_target_list, top);
    VisitList(update.from_clause, update.n_from_clause);
    VisitNode(update.where_clause);
    VisitReturning(update.returning_list, update.n_returning_list);
  });
}

void Collector::VisitDelete(const PgQuery__DeleteStmt& remove) {
  const bool top = std::exchange(top_, false);
  AddWrite(remove.relation);
  if (top && remove.n_using_clause == 0 && remove.relation != nullptr) {
    out_->key_predicates = KeyPredicatesOf(remove.where_clause, *remove.relation);
  }
  WithScope(remove.with_clause, [&] {
    VisitList(remove.using_clause, remove.n_using_clause);
    VisitNode(remove.where_clause);
    VisitReturning(remove.returning_list, remove.n_returning_list);
  });
}

void Collector::VisitMerge(const PgQuery__MergeStmt& merge) {
  const bool top = std::exchange(top_, false);
  AddWrite(merge.relation);
  WithScope(merge.with_clause, [&] {
    VisitNode(merge.source_relation);
    VisitNode(merge.join_condition);
    for (size_t i = 0; i < merge.n_merge_when_clauses; ++i) {
      const auto* when = As<PgQuery__MergeWhenClause>(Inner(merge.merge_when_clauses[i]),
                                                      pg_query__merge_when_clause__descriptor);
      if (when != nullptr) VisitMergeClause(merge, *when, top);
    }
  });
}

void Collector::VisitMergeClause(const PgQuery__MergeStmt& merge,
                                 const PgQuery__MergeWhenClause& when, bool top) {
  VisitNode(when.condition);
  if (when.command_type != PG_QUERY__CMD_TYPE__CMD_INSERT) {
    VisitAssignments(merge.relation, when.target_list, when.n_target_list, top);
    return;
  }
  const size_t before = out_->time_calls.size();
  VisitList(when.values, when.n_values);
  if (out_->time_calls.size() == before) return;
  for (size_t i = 0; i < when.n_target_list; ++i) {
    if (const PgQuery__ResTarget* target = Target(when.target_list[i])) {
      AddTimeColumn(merge.relation, target->name, -1);
    }
  }
  if (when.n_target_list == 0) AddTimeColumn(merge.relation, "", -1);
}

}  // namespace pgparity::shadow
