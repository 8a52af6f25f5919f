#include "shadow/plan.h"

#include <algorithm>

#include "protocol/text.h"
#include "shadow/postgres/transient.h"
#include "shadow/words.h"

namespace pgparity::shadow {

using protocol::TransactionCommand;

namespace {

using Kind = compare::Observation::Kind;

// Sessions whose temporary tables are remembered; the oldest knowledge goes when there are more.
constexpr size_t kMaxTemporarySessions = 10000;

// A client library holds a row whole, several times over: rows of a read that are larger than this
// on average are not read on the shadow.
constexpr uint64_t kMaxRowBytes = 8 << 20;

bool RowsTooLarge(const Statement& statement) {
  const protocol::RowDigest& digest = statement.primary.digest;
  return digest.rows > 0 && digest.bytes / digest.rows > kMaxRowBytes &&
         !TagWrites(statement.primary.tag);
}

bool IsSavepointCommand(TransactionCommand command) {
  return command == TransactionCommand::savepoint ||
         command == TransactionCommand::release_savepoint ||
         command == TransactionCommand::rollback_to_savepoint;
}

std::string PrimaryError(const Statement& statement) {
  if (statement.primary.kind != Kind::error) return "";
  return compare::DecodeErrorFields(statement.primary.error).sqlstate;
}

bool Declares(const Statement& statement) {
  return protocol::FirstKeyword(statement.sql) == "DECLARE";
}

bool BlocksReaders(StatementKind kind) {
  return kind == StatementKind::ddl || kind == StatementKind::truncate ||
         kind == StatementKind::lock || kind == StatementKind::maintenance ||
         kind == StatementKind::call || kind == StatementKind::do_block;
}

PlannedStatement::Action ActionOf(StatementKind kind) {
  if (kind == StatementKind::copy_in) return PlannedStatement::Action::copy_in;
  if (kind == StatementKind::copy_out) return PlannedStatement::Action::copy_out;
  return PlannedStatement::Action::run;
}

}  // namespace

bool TagWrites(std::string_view tag) {
  for (std::string_view harmless :
       {"SELECT",    "SHOW",    "SET",     "BEGIN",   "COMMIT",    "ROLLBACK",
        "FETCH",     "MOVE",    "EXPLAIN", "DECLARE", "CLOSE",     "LISTEN",
        "UNLISTEN",  "NOTIFY",  "RESET",   "DISCARD", "PREPARE",   "DEALLOCATE",
        "SAVEPOINT", "RELEASE", "START",   "LOCK",    "CHECKPOINT"}) {
    if (tag.substr(0, harmless.size()) == harmless) return false;
  }
  return !tag.empty();
}

RewriteContext ContextOf(const Unit& unit, const Catalog& primary, const Catalog& shadow) {
  RewriteContext context;
  context.primary = &primary;
  context.shadow = &shadow;
  auto setting = [&unit](const char* name) -> const std::string* {
    auto found = unit.header.settings.find(name);
    return found == unit.header.settings.end() ? nullptr : &found->second;
  };
  const std::string* path = setting("search_path");
  context.search_path = ParseSearchPath(path == nullptr ? "\"$user\", public" : *path);
  std::replace(context.search_path.begin(), context.search_path.end(), std::string("$user"),
               RoleAtBegin(unit.header));
  const std::string* zone = setting("timezone");
  if (zone != nullptr) context.time_zone = *zone;
  // The transaction's now() is the instant of its first statement.
  const Stamp begun =
      unit.statements.empty() ? unit.header.interval.lo : unit.statements.front().sent;
  context.instant_us = static_cast<int64_t>((begun + unit.header.wall_offset) / 1000);
  // The primary's own, where it said it.
  constexpr int64_t kEpochs = 946'684'800'000'000;  // from 1970 to 2000
  if (unit.header.token) context.instant_us = unit.header.token->now_us + kEpochs;
  return context;
}

// A function that may write: volatile by the catalog, and not one of the server's own.
bool Planner::CallsWritingFunction(const Analysis& analysis, const Catalog& primary,
                                   const Catalog& shadow) {
  // Without a connection of our own to the primary, the shadow knows the functions.
  auto volatility = [&](std::string_view schema, std::string_view name) {
    const std::optional<char> known = primary.FunctionVolatility(schema, name);
    return known.has_value() ? known : shadow.FunctionVolatility(schema, name);
  };
  for (const std::string& function : analysis.functions) {
    const size_t dot = function.find('.');
    const std::string schema = dot == std::string::npos ? "" : function.substr(0, dot);
    const std::string name = dot == std::string::npos ? function : function.substr(dot + 1);
    if (schema == "pg_catalog") continue;
    if (schema.empty() && volatility("pg_catalog", name).has_value()) continue;
    if (volatility(schema, name).value_or('v') == 'v') return true;
  }
  return false;
}

bool Planner::IsRead(const StatementVerdict& verdict, const Catalog& primary,
                     const Catalog& shadow) {
  const Analysis& analysis = *verdict.analysis;
  if (verdict.code.opaque || verdict.code.sets) return false;
  if (analysis.kind == StatementKind::copy_out) return true;
  if (analysis.kind != StatementKind::select || !analysis.writes.empty() || analysis.sets_config)
    return false;
  for (const SequenceCall& call : analysis.sequence_calls) {
    if (call.kind == SequenceCall::Kind::nextval || call.kind == SequenceCall::Kind::setval)
      return false;
  }
  return !CallsWritingFunction(analysis, primary, shadow);
}

bool Planner::UsesTemporaryTable(uint64_t session, const Analysis& analysis) const {
  auto found = temporary_.find(session);
  if (found == temporary_.end()) return false;
  auto is_temporary = [&found](const TableName& table) {
    return table.schema == "pg_temp" ||
           (table.schema.empty() && found->second.count(table.name) > 0);
  };
  return std::any_of(analysis.reads.begin(), analysis.reads.end(), is_temporary) ||
         std::any_of(analysis.writes.begin(), analysis.writes.end(), is_temporary);
}

void Planner::NoteTemporaryTables(uint64_t session, const Analysis& analysis) {
  if (!analysis.temp_table) return;
  if (temporary_.size() >= kMaxTemporarySessions) temporary_.erase(temporary_.begin());
  for (const TableName& table : analysis.writes) temporary_[session].insert(table.name);
}

// What the primary's answer says: nothing that it did not do is done on the shadow.
void Planner::DecideByOutcome(const Statement& statement, size_t role,
                              StatementVerdict* verdict) const {
  const std::string sqlstate = PrimaryError(statement);
  if (statement.primary.kind == Kind::skipped) {
    verdict->not_compared = "skipped-after-error";
  } else if (sqlstate == "25P02") {
    verdict->not_compared = "failed-transaction";
  } else if (postgres::IsTransientError(sqlstate)) {
    verdict->not_compared = "primary-transient-error";
  } else if (sqlstate == "42501" && role == 0) {
    // The shadow URL's role stands for all clients, and may well be allowed it.
    verdict->not_compared = "refused-by-primary";
  } else if (!statement.known_text) {
    verdict->not_compared = "unknown-statement";
    if (TagWrites(statement.primary.tag)) verdict->gap = "unknown-statement";
  } else if (statement.protocol == protocol::QueryProtocol::function_call) {
    verdict->not_compared = "function-call";
    verdict->gap = "function-call";
  } else if (statement.continues_portal) {
    verdict->not_compared = "partial-fetch";
  } else if (RowsTooLarge(statement)) {
    verdict->not_compared = "rows-too-large";
  } else if (statement.copy_in && !sqlstate.empty()) {
    verdict->not_compared = "copy-refused";
  }
}

void Planner::DecideByKind(const Unit& unit, size_t index, const UnitCourse* course,
                           StatementVerdict* verdict) {
  const Statement& statement = unit.statements[index];
  const Analysis& analysis = *verdict->analysis;
  const bool wrote = TagWrites(statement.primary.tag);
  if (analysis.kind == StatementKind::unparsed) {
    verdict->not_compared = "unparsed";
    if (wrote) verdict->gap = "unparsed";
  } else if (analysis.rule == ReplayRule::never) {
    verdict->not_compared = analysis.rule_reason.empty() ? "never-replayed" : analysis.rule_reason;
    if (PrimaryError(statement).empty()) verdict->gap = verdict->not_compared;
  } else if (analysis.rule == ReplayRule::no_effect) {
    verdict->not_compared = analysis.rule_reason.empty() ? "no-effect" : analysis.rule_reason;
  } else if (analysis.rule == ReplayRule::session_role) {
    verdict->not_compared = "session-role";
  } else if (analysis.temp_table || UsesTemporaryTable(unit.header.session, analysis)) {
    NoteTemporaryTables(unit.header.session, analysis);
    verdict->not_compared = "temporary-table";
    const bool writes_others =
        !analysis.temp_table && !analysis.writes.empty() &&
        std::any_of(analysis.writes.begin(), analysis.writes.end(), [&](const TableName& table) {
          return temporary_[unit.header.session].count(table.name) == 0;
        });
    if (writes_others && PrimaryError(statement).empty()) verdict->gap = "temporary-table";
  } else if (analysis.kind == StatementKind::cursor && !Declares(statement) &&
             (!course->declared || course->declare_refused)) {
    verdict->not_compared = "cursor-from-elsewhere";
  } else if (analysis.kind == StatementKind::prepare ||
             analysis.kind == StatementKind::deallocate) {
    verdict->not_compared = "session-state";
  } else if (analysis.kind == StatementKind::execute) {
    verdict->not_compared = "sql-execute";
    if (wrote) verdict->gap = "sql-execute";
  } else if (analysis.kind == StatementKind::ddl && options_.ddl == DdlMode::skip) {
    verdict->not_compared = "ddl-skipped";
  } else if ((analysis.kind == StatementKind::set || analysis.sets_config) &&
             unit.statements.size() == 1) {
    verdict->not_compared = "session-state";
  } else if (analysis.system_catalog && !wrote) {
    verdict->not_compared = "system-catalog";
  }
}

StatementVerdict Planner::Decide(const Unit& unit, size_t index, size_t role,
                                 const Catalog& primary, const Catalog& shadow,
                                 UnitCourse* course) {
  const Statement& statement = unit.statements[index];
  StatementVerdict verdict;
  verdict.analysis = cache_.Get(statement.sql);
  const bool ping = statement.known_text && verdict.analysis->ping &&
                    statement.primary.kind != Kind::error &&
                    statement.primary.kind != Kind::skipped;
  if (statement.transaction_command != TransactionCommand::none || ping) {
    verdict.transaction_control = true;
    return verdict;
  }
  DecideByOutcome(statement, role, &verdict);
  if (verdict.not_compared.empty()) DecideByKind(unit, index, course, &verdict);
  if (verdict.not_compared.empty())
    DecideByCode(unit, index, role, primary, shadow, course, &verdict);
  if (Declares(statement)) {
    (verdict.not_compared.empty() ? course->declared : course->declare_refused) = true;
  }
  if (!verdict.not_compared.empty()) return verdict;
  const Analysis& analysis = *verdict.analysis;
  if (!analysis.volatile_calls.empty()) {
    verdict.volatile_reason = analysis.volatile_calls.front();
    if (analysis.generates_values && TagWrites(statement.primary.tag)) {
      verdict.gap = "volatile-write";
    }
  }
  return verdict;
}

PlannedStatement Planner::PlanStatement(const Plan& plan, const Unit& unit, size_t index,
                                        const RewriteContext& context) const {
  const Statement& statement = unit.statements[index];
  const StatementVerdict& verdict = plan.verdicts[index];
  PlannedStatement step;
  step.index = index;
  // The shadow's rows may be a little longer on the wire than what the tap measured.
  step.capture_bytes = options_.capture_bytes * 2;
  if (statement.primary.digest.rows > 0) {
    step.capture_rows = statement.primary.row_count;
    step.capture_bytes = UINT64_MAX;
  }
  if (verdict.transaction_control && IsSavepointCommand(statement.transaction_command)) {
    step.action = PlannedStatement::Action::control;
    step.shadow.sql = statement.sql;
  } else if (verdict.transaction_control || !verdict.not_compared.empty()) {
    step.action = PlannedStatement::Action::skip;
  } else {
    step.action = ActionOf(verdict.analysis->kind);
    step.shadow = Rewrite(statement, *verdict.analysis, context);
  }
  return step;
}

// Nothing of the unit may be run: each statement is not compared, for this reason.
void Planner::RefuseUnit(const Unit& unit, std::string_view reason, Plan* plan) {
  for (size_t i = 0; i < unit.statements.size(); ++i) {
    StatementVerdict& verdict = plan->verdicts[i];
    if (verdict.transaction_control) continue;
    verdict.not_compared = std::string(reason);
    const bool may_have_written =
        TagWrites(unit.statements[i].primary.tag) || unit.header.end == UnitEnd::in_doubt;
    verdict.gap = may_have_written ? verdict.not_compared : "";
  }
}

PlannedUnit::Lane Planner::ChooseLane(const Plan& plan, const Unit& unit, const Catalog& primary,
                                      const Catalog& shadow) {
  bool only_reads = true, alone = false, outside = false, anything = false;
  for (const PlannedStatement& step : plan.unit->statements) {
    const Analysis& analysis = *plan.verdicts[step.index].analysis;
    if (step.action == PlannedStatement::Action::skip ||
        step.action == PlannedStatement::Action::control)
      continue;
    anything = true;
    only_reads = only_reads && IsRead(plan.verdicts[step.index], primary, shadow);
    alone = alone || step.action != PlannedStatement::Action::run || BlocksReaders(analysis.kind) ||
            unit.statements[step.index].primary.kind == Kind::error ||
            plan.verdicts[step.index].code.opaque;
    // 25001: the primary refused it in a transaction block, and so must the shadow.
    outside = outside || (analysis.rule == ReplayRule::outside_transaction &&
                          PrimaryError(unit.statements[step.index]) != "25001");
  }
  if (!anything) return PlannedUnit::Lane::nothing;
  if (only_reads) return PlannedUnit::Lane::snapshot;
  if (outside) return PlannedUnit::Lane::outside_transaction;
  alone = alone || plan.unit->connection != 0;
  return alone ? PlannedUnit::Lane::alone : PlannedUnit::Lane::window;
}

namespace {

// BEGIN or SET TRANSACTION with a level whose statements share one snapshot.
bool NamesSnapshotIsolation(std::string_view sql) {
  const std::string text = Lower(sql);
  return text.find("repeatable") != std::string::npos ||
         text.find("serializable") != std::string::npos;
}

}  // namespace

// Reads that are cheap, that nothing in their own unit changes the answer of, and that lock
// nothing: a lock makes the turn the right cut.
void Planner::FindCutReads(const Unit& unit, const RewriteContext& context, Plan* plan) {
  constexpr size_t kMaxStatements = 50;
  constexpr uint64_t kMaxMicros = 20'000, kMaxBytes = 64 << 10;
  const PlannedUnit& planned = *plan->unit;
  if (planned.changes_settings || unit.statements.size() > kMaxStatements) return;
  if (planned.lane == PlannedUnit::Lane::parts || planned.lane == PlannedUnit::Lane::nothing)
    return;
  const auto isolation = unit.header.settings.find("default_transaction_isolation");
  bool one_snapshot =
      isolation != unit.header.settings.end() && isolation->second != "read committed";
  std::optional<Interval> snapshot;
  std::vector<std::string> written;
  for (const PlannedStatement& step : planned.statements) {
    const Statement& statement = unit.statements[step.index];
    const Analysis& analysis = *plan->verdicts[step.index].analysis;
    one_snapshot = one_snapshot || (plan->verdicts[step.index].transaction_control &&
                                    NamesSnapshotIsolation(statement.sql));
    for (const TableName& table : analysis.writes) written.push_back(table.name);
    if (step.action != PlannedStatement::Action::run) continue;
    if (!snapshot) snapshot = Interval{statement.sent, statement.done};
    const bool cheap = statement.primary.duration_us < kMaxMicros &&
                       statement.primary.rows.size() < kMaxBytes &&
                       statement.primary.digest.rows == 0;
    if (analysis.kind != StatementKind::select || !analysis.volatile_calls.empty() ||
        statement.primary.kind != Kind::rows_or_tag || !cheap) {
      continue;
    }
    const bool own =
        std::any_of(analysis.reads.begin(), analysis.reads.end(), [&](const auto& table) {
          return std::find(written.begin(), written.end(), table.name) != written.end();
        });
    if (own) continue;
    CutRead read{step.index, one_snapshot ? *snapshot : Interval{statement.sent, statement.done},
                 Touches(statement, analysis, context)};
    if (!read.touched.empty()) plan->cut_reads.push_back(std::move(read));
  }
  if (!plan->cut_reads.empty()) plan->cuts = std::make_shared<CutObservations>();
}

void Planner::NoteEffects(const Unit& unit, const RewriteContext& context, Plan* plan) {
  PlannedUnit& planned = *plan->unit;
  for (const PlannedStatement& step : planned.statements) {
    if (step.action == PlannedStatement::Action::skip) continue;
    const StatementVerdict& verdict = plan->verdicts[step.index];
    const Analysis& analysis = *verdict.analysis;
    planned.blocks_readers = planned.blocks_readers || BlocksReaders(analysis.kind);
    planned.changes_catalog = planned.changes_catalog || analysis.kind == StatementKind::ddl ||
                              analysis.kind == StatementKind::do_block ||
                              analysis.kind == StatementKind::call || verdict.code.opaque;
    planned.changes_settings = planned.changes_settings || analysis.kind == StatementKind::set ||
                               analysis.sets_config || verdict.code.sets || verdict.code.opaque;
    planned.opaque_code = planned.opaque_code || verdict.code.opaque;
    for (RowAccess& access : Writes(unit.statements[step.index], analysis, context))
      plan->writes.push_back(std::move(access));
    if (analysis.kind != StatementKind::select_for_update) continue;
    for (RowAccess& access : Touches(unit.statements[step.index], analysis, context))
      plan->locks.push_back(std::move(access));
  }
}

Plan Planner::Make(const std::shared_ptr<const Unit>& unit, const UnitRef& ref,
                   const Catalog& primary, const Catalog& shadow) {
  Plan plan;
  plan.unit = std::make_shared<PlannedUnit>();
  PlannedUnit& planned = *plan.unit;
  planned.ref = ref;
  planned.unit = unit;
  const UnitEnd end = unit->header.end;
  const bool committed = end == UnitEnd::committed || end == UnitEnd::committed_prepared;
  planned.finish = committed ? PlannedUnit::Finish::commit : PlannedUnit::Finish::roll_back;
  std::vector<size_t> roles;
  UnitCourse own_course(unit->header);
  UnitCourse& course = parts_ ? *parts_ : own_course;
  for (size_t i = 0; i < unit->statements.size(); ++i) {
    roles.push_back(options_.roles.Find(course.role.current()));
    plan.verdicts.push_back(Decide(*unit, i, roles.back(), primary, shadow, &course));
    course.role.After(unit->statements[i], *plan.verdicts.back().analysis);
  }
  const bool other_database = unit->header.database != options_.database;
  if (other_database) RefuseUnit(*unit, "database-without-shadow", &plan);
  if (end == UnitEnd::in_doubt) RefuseUnit(*unit, "in-doubt", &plan);
  RefuseOverConnections(*unit, roles, &plan);
  // A unit in parts is planned before its statements are at hand.
  if (!ref.parts.empty())
    planned.connection = ConnectionOf(options_.roles.Find(RoleAtBegin(unit->header)));

  const RewriteContext context = ContextOf(*unit, primary, shadow);
  for (size_t i = 0; i < unit->statements.size(); ++i) {
    planned.statements.push_back(PlanStatement(plan, *unit, i, context));
    planned.statements.back().role = roles[i];
  }
  NoteEffects(*unit, context, &plan);
  AdaptSearchPath(unit->header, shadow, &planned);
  if (planned.changes_settings) {
    for (PlannedStatement& step : planned.statements) step.shadow.unprepared = true;
  }
  planned.lane = ChooseLane(plan, *unit, primary, shadow);
  FindCutReads(*unit, context, &plan);
  plan.read_only = planned.lane == PlannedUnit::Lane::snapshot;
  return plan;
}

}  // namespace pgparity::shadow
