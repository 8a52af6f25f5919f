// Differences that something about the statement explains (judge.h).
#include <algorithm>

#include "protocol/text.h"
#include "shadow/judge.h"
#include "shadow/order_check.h"

namespace pgparity::shadow {

using compare::Class;
using compare::Comparison;

namespace {

bool AlreadyExists(const compare::Observation& shadow_side) {
  if (shadow_side.kind != compare::Observation::Kind::error) return false;
  const std::string sqlstate = compare::DecodeErrorFields(shadow_side.error).sqlstate;
  // duplicate_table, _column, _object, _schema, _function, _database, and undefined ones for a
  // DROP.
  for (const char* code :
       {"42P07", "42701", "42710", "42P06", "42723", "42P16", "42P01", "42703", "42704", "3F000"}) {
    if (sqlstate == code) return true;
  }
  return false;
}

bool SameTable(const CatalogTable* a, const CatalogTable* b) {
  if (a == nullptr || b == nullptr) return a == b;
  auto same_column = [](const CatalogColumn& x, const CatalogColumn& y) {
    return x.name == y.name && x.type_name == y.type_name && x.not_null == y.not_null;
  };
  return a->kind == b->kind && a->columns.size() == b->columns.size() &&
         std::is_permutation(a->columns.begin(), a->columns.end(), b->columns.begin(), same_column);
}

// Whether a table that the statement reads has a column whose times are frozen on the shadow.
bool ReadsFrozenColumns(const Analysis& analysis, const Catalog& primary,
                        const std::vector<std::string>& path) {
  return std::any_of(analysis.reads.begin(), analysis.reads.end(), [&](const TableName& name) {
    const CatalogTable* table = primary.FindTable(name.schema, name.name, path);
    return table == nullptr || std::any_of(table->columns.begin(), table->columns.end(),
                                           [](const CatalogColumn& column) {
                                             return column.default_kind == DefaultKind::now;
                                           });
  });
}

}  // namespace

bool Judge::Excused(const Plan& plan, size_t index, Comparison* comparison,
                    const compare::Observation& shadow_side, const compare::CompareOptions& options,
                    const Catalog& primary) {
  const Analysis& analysis = *plan.verdicts[index].analysis;
  const compare::Observation& primary_side = plan.unit->unit->statements[index].primary;
  const bool both_rows = primary_side.kind == shadow_side.kind &&
                         primary_side.kind != compare::Observation::Kind::error;
  std::string reason;
  if (!plan.verdicts[index].volatile_reason.empty()) {
    Record(plan, index, Class::volatile_value, plan.verdicts[index].volatile_reason, *comparison,
           shadow_side.duration_us);
    return true;
  }
  if (!both_rows) return false;
  if (analysis.limit_without_order) {
    reason = "limit-without-order";
  } else if (analysis.unordered_aggregate) {
    reason = "unordered-aggregate";
  } else if (primary_side.copy_out &&
             ReadsFrozenColumns(analysis, primary,
                                ContextOf(*plan.unit->unit, primary, primary).search_path)) {
    reason = "copy-of-frozen-times";
  } else if (analysis.limited && analysis.sort_keys) {
    const std::vector<std::string> path = ContextOf(*plan.unit->unit, primary, primary).search_path;
    const CatalogTable* table =
        analysis.reads.size() == 1
            ? primary.FindTable(analysis.reads[0].schema, analysis.reads[0].name, path)
            : nullptr;
    if (table != nullptr && CoversPrimaryKey(*analysis.sort_keys, primary_side, *table))
      return false;
    if (JudgeLimit(*analysis.sort_keys, analysis.offset, primary_side, shadow_side, options) ==
        OrderFinding::ties) {
      reason = "limit-ties";
    }
  } else if (analysis.limited && analysis.ordered) {
    reason = "limit-order-unproved";
  }
  if (reason.empty()) return false;
  RecordUncompared(plan, index, reason);
  return true;
}

bool Judge::ReconciledDdl(const Plan& plan, size_t index, const Comparison& comparison,
                          const compare::Observation& shadow_side, const Catalog& primary,
                          const Catalog& shadow) const {
  const Analysis& analysis = *plan.verdicts[index].analysis;
  if (options_.ddl != DdlMode::reconcile || analysis.kind != StatementKind::ddl ||
      comparison.kind != compare::Kind::shadow_error || !AlreadyExists(shadow_side)) {
    return false;
  }
  const std::vector<std::string> path = ContextOf(*plan.unit->unit, primary, shadow).search_path;
  return std::all_of(analysis.writes.begin(), analysis.writes.end(), [&](const TableName& table) {
    return SameTable(primary.FindTable(table.schema, table.name, path),
                     shadow.FindTable(table.schema, table.name, path));
  });
}

}  // namespace pgparity::shadow
