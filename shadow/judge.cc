#include "shadow/judge.h"

#include <xxhash.h>

#include <algorithm>

#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "protocol/text.h"
#include "shadow/advice.h"
#include "shadow/cut_search.h"
#include "shadow/order_check.h"

namespace pgparity::shadow {

using compare::Class;
using compare::Comparison;
using compare::Counter;

namespace {

std::string NameOf(const TableName& table, const Catalog& primary,
                   const std::vector<std::string>& path) {
  const CatalogTable* known = primary.FindTable(table.schema, table.name, path);
  if (known != nullptr) return known->QualifiedName();
  return table.schema.empty() ? table.name : protocol::StrCat(table.schema, ".", table.name);
}

std::vector<std::string> NamesOf(const std::vector<TableName>& tables,
                                 const std::string& database) {
  std::vector<std::string> names;
  for (const TableName& table : tables) {
    std::string name = table.schema.empty() || table.schema == "public"
                           ? table.name
                           : protocol::StrCat(table.schema, ".", table.name);
    if (!database.empty()) name = protocol::StrCat(database, ".", name);
    if (std::find(names.begin(), names.end(), name) == names.end())
      names.push_back(std::move(name));
  }
  return names;
}

protocol::TextSettings TextSettingsOf(const Settings& settings) {
  protocol::TextSettings text;
  auto take = [&settings](const char* name, std::string* into) {
    auto found = settings.find(name);
    if (found != settings.end()) *into = found->second;
  };
  take("datestyle", &text.date_style);
  take("intervalstyle", &text.interval_style);
  take("timezone", &text.time_zone);
  take("bytea_output", &text.bytea_output);
  return text;
}

}  // namespace

Judge::Judge(JudgeOptions options, compare::ParityLog* log)
    : options_(options),
      log_(log),
      suspects_([log](const Ambiguity&) { log->Add(Counter::ambiguous_resolved, 1); }) {}

void Judge::Planned(const Plan& plan) {
  UnitPlace held = PlaceOf(plan);
  for (const Statement& statement : plan.unit->unit->statements)
    held.interval.lo = std::min(held.interval.lo, statement.sent);
  held.interval.hi = held.seen;
  locks_.Note(held, plan.writes);
  locks_.Note(held, plan.locks);
  if (plan.unit->finish == PlannedUnit::Finish::roll_back) return;
  Unproved(overlaps_.Note(PlaceOf(plan), plan.writes));
}

// From here on they count as tables.
void Judge::TakeOver(const std::vector<std::string>& tables, uint64_t rows) {
  if (tables.empty()) return;
  log_->Add(Counter::rows_settled, rows);
  for (const std::string& table : tables) Unproved({{table, std::nullopt}});
}

void Judge::Unproved(const std::vector<RowAccess>& rows) {
  if (const size_t added = suspects_.AddUnproved(rows); added > 0)
    log_->Add(Counter::rows_unproved, added);
}

void Judge::GapOf(const Plan& plan, std::string_view reason, std::string_view detail) {
  const UnitHeader& header = plan.unit->unit->header;
  const Stamp at = header.interval.hi + header.wall_offset;
  const std::string where =
      options_.database.empty() ? "" : protocol::StrCat("database ", options_.database, ": ");
  log_->Gap(reason, protocol::StrCat(where, detail), static_cast<int64_t>(at / 1000));
}

void Judge::UnitLost(const Plan& plan, std::string_view reason, std::string_view detail) {
  GapOf(plan, reason, detail);
  suspects_.TaintAll({"", std::string(reason)});
}

void Judge::ShadowSetBack() {
  constexpr std::string_view kReason = "shadow-set-back";
  const std::string where =
      options_.database.empty() ? "" : protocol::StrCat("database ", options_.database, ": ");
  log_->Gap(kReason, protocol::StrCat(where, "the shadow came back without units that it had"),
            absl::ToUnixMicros(absl::Now()));
  suspects_.TaintAll({"", std::string(kReason)});
}

void Judge::CountUnit(const Plan& plan) {
  const UnitHeader& header = plan.unit->unit->header;
  log_->Add(Counter::units_seen, 1);
  if (header.end == UnitEnd::in_doubt) {
    log_->Add(Counter::units_in_doubt, 1);
  } else if (plan.unit->finish == PlannedUnit::Finish::roll_back) {
    log_->Add(Counter::units_rolled_back, 1);
  } else if (plan.read_only || plan.unit->lane == PlannedUnit::Lane::nothing) {
    log_->Add(Counter::units_read_only, 1);
  } else {
    log_->Add(Counter::units_applied, 1);
  }
}

void Judge::Record(const Plan& plan, size_t index, Class cls, std::string_view reason,
                   const Comparison& comparison, uint64_t shadow_us) {
  const Statement& statement = plan.unit->unit->statements[index];
  const Analysis& analysis = *plan.verdicts[index].analysis;
  compare::StatementRecord record;
  record.fingerprint = analysis.fingerprint;
  record.shape = analysis.shape;
  record.cls = cls;
  record.reason = reason;
  record.tables_read = NamesOf(analysis.reads, options_.database);
  record.tables_written = NamesOf(analysis.writes, options_.database);
  record.primary_us = statement.primary.duration_us;
  record.shadow_us = shadow_us;
  record.position = plan.unit->ref.position;
  record.comparison = comparison;
  record.statement = statement.sql;
  const std::string role = options_.roles.roles()[plan.unit->statements[index].role].name;
  const std::string advice = comparison.equal() ? "" : AdviceFor(comparison, role, analysis.shape);
  record.advice = advice;
  record.cause = cause_;
  log_->Record(record);
}

void Judge::RecordUncompared(const Plan& plan, size_t index, std::string_view reason) {
  Record(plan, index, Class::not_compared, reason, {}, 0);
}

namespace {

// The rows that the statement wrote on the primary, and those on the shadow.
std::vector<RowAccess> Affected(const Statement& statement, const compare::Observation& shadow_side,
                                const Analysis& analysis, const RewriteContext& context) {
  std::vector<RowAccess> rows = Writes(statement, analysis, context);
  const bool answered = shadow_side.kind == compare::Observation::Kind::rows_or_tag;
  if (analysis.writes.empty() || !answered) return rows;
  Statement on_shadow = statement;
  // The columns are known by the primary's table OIDs.
  on_shadow.primary = shadow_side;
  if (shadow_side.columns.size() == statement.primary.columns.size()) {
    for (size_t i = 0; i < shadow_side.columns.size(); ++i) {
      on_shadow.primary.columns[i].table_oid = statement.primary.columns[i].table_oid;
      on_shadow.primary.columns[i].attribute = statement.primary.columns[i].attribute;
    }
  }
  for (RowAccess& row : Writes(on_shadow, analysis, context)) rows.push_back(std::move(row));
  return rows;
}

}  // namespace

void Judge::CompareStatement(const Plan& plan, size_t index,
                             const compare::Observation& shadow_side,
                             const std::shared_ptr<const Catalog>& primary,
                             const std::shared_ptr<const Catalog>& shadow) {
  const Unit& unit = *plan.unit->unit;
  const Statement& statement = unit.statements[index];
  const StatementVerdict& verdict = plan.verdicts[index];
  if (statement.primary.kind == compare::Observation::Kind::portal_suspended) {
    return RecordUncompared(plan, index, "partial-fetch");
  }
  const PlannedStatement& planned = plan.unit->statements[index];
  compare::CompareOptions options;
  options.ordered = verdict.analysis->ordered;
  options.frozen_time = planned.shadow.frozen_time;
  options.time_tolerance_us = options_.time_tolerance_us;
  options.ignored = planned.shadow.ignored;
  options.primary_types = primary.get();
  options.shadow_types = shadow.get();
  options.settings = TextSettingsOf(unit.header.settings);
  Comparison comparison = compare::Compare(statement.primary, shadow_side, options);
  if (comparison.equal() && comparison.order_differs) {
    const OrderFinding finding =
        verdict.analysis->sort_keys
            ? JudgeOrder(*verdict.analysis->sort_keys, statement.primary, shadow_side, options)
            : OrderFinding::unknown;
    if (finding == OrderFinding::unknown) return RecordUncompared(plan, index, "order-unproved");
    if (finding == OrderFinding::differs) {
      comparison.kind = compare::Kind::rows;
      comparison.what = "the same rows in another order (compare collations)";
    }
  }
  if (comparison.equal() ||
      ReconciledDdl(plan, index, comparison, shadow_side, *primary, *shadow)) {
    if (!comparison.equal()) comparison = {};
    return Record(plan, index, Class::match, "", comparison, shadow_side.duration_us);
  }
  if (Excused(plan, index, &comparison, shadow_side, options, *primary)) return;
  Mismatch mismatch{
      plan,    index, std::move(comparison), shadow_side.duration_us, {}, {}, {}, options,
      primary, shadow};
  mismatch.interval = {std::min(statement.sent, unit.header.interval.lo), unit.header.interval.hi};
  const RewriteContext context = ContextOf(unit, *primary, *shadow);
  mismatch.touched = Touches(statement, *verdict.analysis, context);
  mismatch.affected = Affected(statement, shadow_side, *verdict.analysis, context);
  mismatches_.push_back(std::move(mismatch));
}

// A generated key that no reply showed, while another unit may have drawn from the same sequence:
// the two sides' keys may be exchanged.
void Judge::NoteUnseenKey(const Plan& plan, size_t index, const Catalog& primary,
                          const Catalog& shadow) {
  const Analysis& analysis = *plan.verdicts[index].analysis;
  if (!plan.unit->statements[index].shadow.unseen_generated_key || analysis.writes.empty()) return;
  const std::vector<std::string> path = ContextOf(*plan.unit->unit, primary, shadow).search_path;
  const RowAccess table{NameOf(analysis.writes.front(), primary, path), std::nullopt};
  if (overlaps_.Overlapped(PlaceOf(plan), {table}, false)) Unproved({table});
}

void Judge::TaintTables(const Plan& plan, size_t index, const TaintCause& cause,
                        const Catalog& primary, const Catalog& shadow) {
  // What code that was left out would have written is not known.
  const StatementVerdict& verdict = plan.verdicts[index];
  if (verdict.code.any() || verdict.gap == "nonstandard-text") suspects_.TaintAll(cause);
  const std::vector<std::string> path = ContextOf(*plan.unit->unit, primary, shadow).search_path;
  for (const TableName& table : plan.verdicts[index].analysis->writes)
    suspects_.AddTainted({{NameOf(table, primary, path), std::nullopt}}, cause);
}

void Judge::PartOutcome(const Plan& plan, const UnitOutcome& outcome,
                        const std::shared_ptr<const Catalog>& primary,
                        const std::shared_ptr<const Catalog>& shadow) {
  const UnitEnd end = plan.unit->unit->header.end;
  const bool took_effect = end != UnitEnd::rolled_back && end != UnitEnd::rolled_back_prepared;
  std::vector<const compare::Observation*> observed(plan.verdicts.size(), nullptr);
  for (const StatementOutcome& statement : outcome.statements)
    observed[statement.index] = &statement.shadow;
  for (size_t i = 0; i < plan.verdicts.size(); ++i) {
    const StatementVerdict& verdict = plan.verdicts[i];
    if (plan.unit->unit->statements[i].copy_continues) continue;
    if (!verdict.gap.empty() && took_effect) {
      GapOf(plan, verdict.gap, verdict.analysis->shape);
      TaintTables(plan, i, {"", verdict.gap}, *primary, *shadow);
    }
    if (verdict.transaction_control) continue;
    log_->Add(Counter::statements_seen, 1);
    if (!verdict.not_compared.empty()) {
      RecordUncompared(plan, i, verdict.not_compared);
    } else if (observed[i] == nullptr) {
      RecordUncompared(plan, i, "not-run");
    } else {
      CompareStatement(plan, i, *observed[i], primary, shadow);
    }
    if (took_effect && verdict.gap.empty()) NoteUnseenKey(plan, i, *primary, *shadow);
  }
}

void Judge::Outcome(const Plan& plan, const UnitOutcome& outcome,
                    const std::shared_ptr<const Catalog>& primary,
                    const std::shared_ptr<const Catalog>& shadow) {
  CountUnit(plan);
  PartOutcome(plan, outcome, primary, shadow);
  if (outcome.commit_error.has_value()) CommitRefused(plan, *outcome.commit_error);
}

// The shadow refused the whole unit at its commit: said of the unit's last statement, or where its
// statements are not at hand, as a gap.
void Judge::CommitRefused(const Plan& plan, const compare::Observation& error) {
  Comparison refused;
  refused.kind = compare::Kind::shadow_error;
  refused.what = protocol::StrCat("the shadow refused the COMMIT with SQLSTATE ",
                                  compare::DecodeErrorFields(error.error).sqlstate);
  for (size_t i = plan.verdicts.size(); i-- > 0;) {
    if (plan.verdicts[i].transaction_control) continue;
    return Record(plan, i, Class::divergent, "", refused, 0);
  }
  GapOf(plan, "commit-refused", refused.what);
}

void Judge::OutcomeUnknown(const Plan& plan, std::string_view reason) {
  CountUnit(plan);
  for (size_t i = 0; i < plan.verdicts.size(); ++i) {
    if (plan.verdicts[i].transaction_control) continue;
    log_->Add(Counter::statements_seen, 1);
    RecordUncompared(plan, i, reason);
  }
}

void Judge::ReadsSkipped(uint64_t units, uint64_t statements) {
  log_->Add(Counter::units_seen, units);
  log_->Add(Counter::units_read_only, units);
  log_->Add(Counter::statements_seen, statements);
  compare::StatementRecord record;
  record.shape = "(reads left out by --reads)";
  record.cls = Class::not_compared;
  record.reason = "read-sampling";
  for (uint64_t i = 0; i < statements; ++i) log_->Record(record);
}

std::optional<Position> Judge::OldestUnsettled() const {
  std::optional<Position> oldest;
  for (const Mismatch& mismatch : mismatches_) {
    const Position first = mismatch.plan.unit->ref.first();
    if (!oldest || first < *oldest) oldest = first;
  }
  return oldest;
}

bool Judge::EqualAtAnotherCut(const Mismatch& mismatch) {
  const Plan& plan = mismatch.plan;
  if (plan.cuts == nullptr) return false;
  const Statement& statement = plan.unit->unit->statements[mismatch.index];
  return std::any_of(
      plan.cuts->seen.begin(), plan.cuts->seen.end(), [&](const StatementOutcome& other) {
        if (other.index != mismatch.index) return false;
        const Comparison comparison =
            compare::Compare(statement.primary, other.shadow, mismatch.options);
        return comparison.equal() && !comparison.order_differs && !comparison.incomplete;
      });
}

// What another unit may explain is ambiguous; what follows from an earlier difference of the same
// rows is its consequence; what is left is a root.
void Judge::Decide(const Mismatch& mismatch) {
  const Plan& plan = mismatch.plan;
  const Analysis& analysis = *plan.verdicts[mismatch.index].analysis;
  const bool writes = !analysis.writes.empty();
  const bool took_effect = writes && plan.unit->finish == PlannedUnit::Finish::commit;
  if (EqualAtAnotherCut(mismatch)) {
    return Record(plan, mismatch.index, Class::match, "", {}, mismatch.shadow_us);
  }
  // What the role is denied differs whatever else does, and in whatever order.
  const bool denied = mismatch.comparison.kind == compare::Kind::shadow_error &&
                      mismatch.comparison.shadow_sqlstate == "42501";
  const TaintCause* found = denied ? nullptr : suspects_.Tainted(mismatch.touched, plan.turn);
  if (found != nullptr) {
    const TaintCause cause = *found;
    cause_ = cause.fingerprint.empty() ? protocol::StrCat("follows the gap ", cause.gap)
                                       : cause.fingerprint;
    Record(plan, mismatch.index, Class::consequence, "", mismatch.comparison, mismatch.shadow_us);
    cause_.clear();
    if (took_effect) suspects_.AddTainted(mismatch.affected, cause);
    return;
  }
  UnitPlace place = PlaceOf(plan);
  place.interval = mismatch.interval;
  const bool by_key = std::all_of(mismatch.touched.begin(), mismatch.touched.end(),
                                  [](const RowAccess& row) { return row.key.has_value(); });
  // A statement that finds its row locked and then gone, though another has its key by now, wrote
  // nothing on the primary, in whatever order: so a count excuses, where values do not.
  const bool values_alone = writes && by_key && mismatch.comparison.kind == compare::Kind::rows;
  // Whoever held a row's lock hid it from SKIP LOCKED, even if nothing came of it.
  const bool overlapped =
      overlaps_.Overlapped(place, mismatch.touched, values_alone) ||
      (analysis.skip_locked && locks_.Overlapped(place, mismatch.touched, false));
  if (!denied && (overlapped || suspects_.Unproved(mismatch.touched, plan.turn))) {
    // What it wrote on the shadow may not be what it wrote on the primary.
    if (took_effect) Unproved(mismatch.affected);
    Record(plan, mismatch.index, Class::ambiguous,
           overlapped ? "overlapping-writes" : "unproved-rows", mismatch.comparison,
           mismatch.shadow_us);
    suspects_.AddAmbiguity(mismatch.affected.empty() ? mismatch.touched : mismatch.affected,
                           analysis.fingerprint);
    return;
  }
  Record(plan, mismatch.index, Class::divergent, "", mismatch.comparison, mismatch.shadow_us);
  if (denied && !writes) return;
  suspects_.AddTainted(mismatch.affected.empty() ? mismatch.touched : mismatch.affected,
                       {analysis.fingerprint, ""});
}

// Counts as a statement of its own: its shape says what was read.
void Judge::RowDiffers(const RowAccess& row, const Comparison& comparison) {
  const std::string table =
      options_.database.empty() ? row.table : protocol::StrCat(options_.database, ".", row.table);
  compare::StatementRecord record;
  const std::string shape = protocol::StrCat("(a row of ", table, ", read again)");
  const std::string fingerprint = absl::StrFormat("%016x", XXH3_64bits(shape.data(), shape.size()));
  record.fingerprint = fingerprint;
  record.shape = shape;
  record.cls = Class::divergent;
  record.tables_read = {table};
  record.comparison = comparison;
  record.statement = shape;
  record.advice =
      "the row differs though nothing wrote it meanwhile and the order of its writes was "
      "proved: look at the statements that write it, and at triggers and defaults";
  log_->Add(Counter::statements_seen, 1);
  log_->Record(record);
  suspects_.AddTainted({row}, {fingerprint, ""});
}

void Judge::Settle(Stamp settled) {
  // In the order of the units' keys, so that the first to be decided is the first cause.
  while (!mismatches_.empty() && mismatches_.front().interval.hi < settled) {
    const Mismatch& mismatch = mismatches_.front();
    if (mismatch.plan.cuts != nullptr && mismatch.plan.cuts->pending > 0) break;
    Decide(mismatch);
    mismatches_.pop_front();
  }
  // An hour of stamps is longer than any mismatch waits; the index also has a bound of its own.
  constexpr Stamp kHour = 3'600'000'000'000;
  const Stamp oldest =
      mismatches_.empty() ? settled : std::min(settled, mismatches_.front().interval.lo);
  overlaps_.Forget(oldest > kHour ? oldest - kHour : 0);
  locks_.Forget(oldest > kHour ? oldest - kHour : 0);
}

}  // namespace pgparity::shadow
