// Which statements may run at all, by the code that they may reach and the role that they run as
// (DESIGN, "Roles"; code_risk.h).
#include <algorithm>

#include "protocol/text.h"
#include "shadow/code_words.h"
#include "shadow/plan.h"
#include "shadow/words.h"

namespace pgparity::shadow {

namespace {

// Settings that decide where the server sees a string end, or what a byte of it is.
bool IsTextSetting(std::string_view name) {
  return SameWord(name, "standard_conforming_strings") || SameWord(name, "client_encoding");
}

// In these a backslash may be the second byte of a character, which our lexer does not know.
bool HidesBackslash(std::string_view encoding) {
  const std::string name = Lower(encoding);
  for (const std::string_view one : {"sjis", "shift_jis", "shiftjis", "mskanji", "windows932",
                                     "win932", "big5", "windows950", "win950", "gbk", "windows936",
                                     "win936", "uhc", "windows949", "win949", "gb18030", "johab"}) {
    if (name.starts_with(one)) return true;
  }
  return false;
}

const std::string* Setting(const Settings& settings, const char* name) {
  const auto found = settings.find(name);
  return found == settings.end() ? nullptr : &found->second;
}

bool NamesOwnSchema(const std::string* search_path) {
  return search_path != nullptr && search_path->find("pgparity") != std::string::npos;
}

bool MovesPathToCatalog(const Analysis& analysis) {
  if (analysis.set_variable && SameWord(analysis.set_variable->first, "search_path"))
    return BeginsInCatalog(analysis.set_variable->second.value_or(""));
  return std::any_of(analysis.config_calls.begin(), analysis.config_calls.end(),
                     [](const ConfigCall& call) {
                       const bool path = SameWord(call.name.literal, "search_path");
                       return path && (call.value.kind != ValueSource::Kind::literal ||
                                       BeginsInCatalog(call.value.literal));
                     });
}

bool ChangesTextSetting(const Analysis& analysis) {
  if (analysis.set_variable && IsTextSetting(analysis.set_variable->first)) return true;
  return std::any_of(
      analysis.config_calls.begin(), analysis.config_calls.end(), [](const ConfigCall& call) {
        return call.name.kind != ValueSource::Kind::literal || IsTextSetting(call.name.literal);
      });
}

}  // namespace

Planner::UnitCourse::UnitCourse(const UnitHeader& header) : role(header) {
  const std::string* conforming = Setting(header.settings, "standard_conforming_strings");
  const std::string* encoding = Setting(header.settings, "client_encoding");
  odd_text = (conforming != nullptr && !SameWord(*conforming, "on")) ||
             (encoding != nullptr && HidesBackslash(*encoding));
  const std::string* path = Setting(header.settings, "search_path");
  own_schema = NamesOwnSchema(path);
  in_catalog = path != nullptr && BeginsInCatalog(*path);
}

// What the statement may reach; what it defines is noted for those behind it in the unit, which the
// catalog does not know yet.
CodeFinding Planner::Reaches(const Statement& statement, const Analysis& analysis,
                             const Catalog& shadow, UnitCourse* course) {
  const bool ddl = analysis.kind == StatementKind::ddl;
  const bool block = analysis.kind == StatementKind::do_block;
  CodeFinding by_name = block ? analysis.code : CodeFinding{};
  by_name.Merge(shadow.code().Reached(statement.sql, ddl || block));
  CodeFinding finding;
  if (ddl && analysis.definition != DefinitionKind::event_trigger) {
    finding = shadow.code().OfDdl();
    if (course->defined_event_trigger) finding.Merge(course->defined);
  }
  if (analysis.definition == DefinitionKind::none) {
    finding.Merge(by_name);
    const bool runs_code =
        !ddl || course->defined_unnamed || !analysis.functions.empty() || !analysis.reads.empty();
    if (runs_code) finding.Merge(course->defined);
    return finding;
  }
  course->defined.Merge(analysis.code);
  course->defined.Merge(by_name);
  course->defined_unnamed =
      course->defined_unnamed || analysis.definition == DefinitionKind::unnamed;
  course->defined_event_trigger =
      course->defined_event_trigger || analysis.definition == DefinitionKind::event_trigger;
  return finding;
}

void Planner::DecideByCode(const Unit& unit, size_t index, size_t role, const Catalog& primary,
                           const Catalog& shadow, UnitCourse* course,
                           StatementVerdict* verdict) const {
  const Statement& statement = unit.statements[index];
  const Analysis& analysis = *verdict->analysis;
  verdict->code = Reaches(statement, analysis, shadow, course);
  const CodeFinding& finding = verdict->code;
  const bool confined = !options_.confined || options_.confined(role);
  std::string_view refusal = finding.reason;
  if (analysis.own_schema || course->own_schema) {
    refusal = "own-schema";
  } else if (course->in_catalog && (analysis.kind == StatementKind::ddl || finding.defines)) {
    refusal = "system-catalog-write";
  } else if (course->odd_text && statement.sql.find('\\') != std::string::npos) {
    refusal = "nonstandard-text";
  } else if (finding.opaque && refusal.empty() &&
             (!confined || finding.foreign || (finding.secdef && role != 0) ||
              analysis.rule == ReplayRule::outside_transaction)) {
    refusal = "opaque-code";
  }
  if (refusal.empty()) {
    course->odd_text =
        course->odd_text || finding.opaque || finding.relexes || ChangesTextSetting(analysis);
    course->in_catalog = course->in_catalog || MovesPathToCatalog(analysis);
    return;
  }
  verdict->not_compared = std::string(refusal);
  const bool reads = analysis.kind == StatementKind::select && analysis.writes.empty() &&
                     !CallsWritingFunction(analysis, primary, shadow);
  const bool failed = statement.primary.kind == compare::Observation::Kind::error;
  if (!reads && !failed && analysis.kind != StatementKind::set) verdict->gap = refusal;
}

size_t Planner::ConnectionOf(size_t role) const {
  return options_.roles.roles()[role].kind == ShadowRole::Kind::connection ? role : 0;
}

// A transaction lies on one connection: what runs as a role of another one is refused.
void Planner::RefuseOverConnections(const Unit& unit, const std::vector<size_t>& roles,
                                    Plan* plan) const {
  std::optional<size_t> connection;
  if (parts_) connection = ConnectionOf(options_.roles.Find(RoleAtBegin(unit.header)));
  for (size_t i = 0; i < plan->verdicts.size(); ++i) {
    StatementVerdict& verdict = plan->verdicts[i];
    if (verdict.transaction_control || !verdict.not_compared.empty()) continue;
    const size_t own = ConnectionOf(roles[i]);
    if (connection.value_or(own) != own) {
      return RefuseUnit(unit, "role-over-connections", plan);
    }
    connection = own;
  }
  plan->unit->connection = connection.value_or(0);
}

// "$user" is the primary's role there; on the shadow it would be whom the statement runs as.
void Planner::AdaptSearchPath(const UnitHeader& header, const Catalog& shadow,
                              PlannedUnit* planned) const {
  const std::string& role = RoleAtBegin(header);
  const size_t mapped = options_.roles.Find(role);
  const std::string& runs_as = options_.roles.roles()[mapped].name;
  if (role == runs_as) return;
  const std::string* path = Setting(header.settings, "search_path");
  // Of the default path nothing is known but what PostgreSQL comes with.
  if (path == nullptr && !shadow.HasSchema(role) && !shadow.HasSchema(runs_as)) return;
  if (path != nullptr && path->find("$user") == std::string::npos) return;
  std::string adapted;
  for (const std::string& schema :
       ParseSearchPath(path == nullptr ? std::string_view("\"$user\", public") : *path)) {
    adapted += adapted.empty() ? "" : ", ";
    adapted += Quoted(schema == "$user" ? role : schema, '"');
  }
  auto settings = std::make_shared<Settings>(header.settings);
  (*settings)["search_path"] = adapted;
  planned->adapted_settings = std::move(settings);
}

}  // namespace pgparity::shadow
