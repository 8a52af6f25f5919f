#include "shadow/analysis.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "protocol/sql_tokens.h"
#include "protocol/text.h"
#include "shadow/analysis_walk.h"
#include "shadow/code_words.h"
#include "shadow/parse_tree.h"
#include "shadow/replay_rules.h"
#include "shadow/secrets.h"
#include "shadow/shape.h"
#include "shadow/words.h"

namespace pgparity::shadow {
namespace {

const PgQuery__SelectStmt* AsSelect(const PgQuery__Node* node) {
  return As<PgQuery__SelectStmt>(Inner(node), pg_query__select_stmt__descriptor);
}

bool HasOption(PgQuery__Node* const* options, size_t count, std::string_view name) {
  return std::any_of(options, options + count, [&](const PgQuery__Node* node) {
    if (node->node_case != PG_QUERY__NODE__NODE_DEF_ELEM || name != node->def_elem->defname)
      return false;
    const PgQuery__Node* value = node->def_elem->arg;
    const std::string_view text = StringOf(value);
    const bool zero = value != nullptr && value->node_case == PG_QUERY__NODE__NODE_INTEGER &&
                      value->integer->ival == 0;
    return !zero && !SameWord(text, "false") && !SameWord(text, "off");
  });
}

// ---------------------------------------------------------------- SET

// The value as set_config() would take it; lists of names are quoted as SET quotes them.
std::optional<std::string> SettingValue(const PgQuery__VariableSetStmt& set) {
  if (set.kind != PG_QUERY__VARIABLE_SET_KIND__VAR_SET_VALUE || set.n_args == 0)
    return std::nullopt;
  const std::string_view name = set.name;
  const bool list = SameWord(name, "search_path") || SameWord(name, "temp_tablespaces") ||
                    Lower(name).ends_with("preload_libraries");
  std::string value;
  for (size_t i = 0; i < set.n_args; ++i) {
    const std::string item = ValueOf(set.args[i]).literal;
    const bool plain = !item.empty() && !absl::ascii_isdigit(static_cast<unsigned char>(item[0])) &&
                       std::all_of(item.begin(), item.end(), [](char c) {
                         return absl::ascii_islower(static_cast<unsigned char>(c)) || c == '_' ||
                                absl::ascii_isdigit(static_cast<unsigned char>(c));
                       });
    value.append(i == 0 ? "" : ", ");
    if (list && !plain) {
      value.append(Quoted(item, '"'));
    } else {
      value.append(item);
    }
  }
  return value;
}

void FillSet(const PgQuery__VariableSetStmt& set, Analysis* out) {
  out->set_local = set.is_local;
  if (*set.name == '\0' || set.kind == PG_QUERY__VARIABLE_SET_KIND__VAR_SET_MULTI) return;
  // SET x FROM CURRENT changes nothing.
  if (set.kind == PG_QUERY__VARIABLE_SET_KIND__VAR_SET_CURRENT) return;
  out->set_variable.emplace(Lower(set.name), SettingValue(set));
}

// ---------------------------------------------------------------- statements

// Every target calls one of the functions that leave nothing behind; the first one's reason, or "".
std::string_view ReasonOfHarmlessSelect(const PgQuery__SelectStmt& select, const Collector& walk,
                                        const Analysis& a) {
  if (select.n_target_list == 0 || select.larg != nullptr || !a.writes.empty() ||
      !a.sequence_calls.empty() || walk.locks_rows()) {
    return {};
  }
  std::string_view reason;
  for (size_t i = 0; i < select.n_target_list; ++i) {
    const auto* target =
        As<PgQuery__ResTarget>(Inner(select.target_list[i]), pg_query__res_target__descriptor);
    const ProtobufCMessage* value = target == nullptr ? nullptr : Inner(target->val);
    while (const auto* cast = As<PgQuery__TypeCast>(value, pg_query__type_cast__descriptor))
      value = Inner(cast->arg);
    const auto* call = As<PgQuery__FuncCall>(value, pg_query__func_call__descriptor);
    if (call == nullptr) return {};
    const NodeName name = QualifiedName(call->funcname, call->n_funcname);
    const FunctionRule rule = RuleOfFunction(name.schema, name.name);
    if (rule.cls != FunctionClass::advisory_void && rule.cls != FunctionClass::advisory_bool &&
        rule.cls != FunctionClass::notify && rule.cls != FunctionClass::sleep) {
      return {};
    }
    if (reason.empty()) reason = rule.reason;
  }
  return reason;
}

// SELECT and one constant: drivers and pools ask it to see whether the connection lives.
bool IsPing(const PgQuery__SelectStmt& select) {
  if (select.n_target_list != 1 || select.larg != nullptr || select.n_from_clause != 0 ||
      select.where_clause != nullptr || select.into_clause != nullptr ||
      select.with_clause != nullptr || select.limit_count != nullptr ||
      select.limit_offset != nullptr || select.having_clause != nullptr) {
    return false;
  }
  const auto* target =
      As<PgQuery__ResTarget>(Inner(select.target_list[0]), pg_query__res_target__descriptor);
  return target != nullptr &&
         As<PgQuery__AConst>(Inner(target->val), pg_query__a__const__descriptor) != nullptr;
}

void SetRule(Analysis* out, ReplayRule rule, std::string_view reason) {
  out->rule = rule;
  out->rule_reason = reason;
}

// set_config(): of a role, of a name that the text does not tell, of timeouts alone.
void JudgeConfigCalls(Analysis* out) {
  bool role = false, unknown = false, harmless = false, session = false;
  for (const ConfigCall& call : out->config_calls) {
    if (call.name.kind != ValueSource::Kind::literal) {
      unknown = true;
      continue;
    }
    const SettingClass cls = ClassOfSetting(call.name.literal);
    role = role || cls == SettingClass::role;
    harmless = harmless || cls == SettingClass::timeout || cls == SettingClass::transaction_mode;
    session = session || cls == SettingClass::session;
  }
  if (!role && !unknown && !harmless) return;
  if (out->kind != StatementKind::select) {
    if (role || unknown) SetRule(out, ReplayRule::never, "set-config");
    return;
  }
  if (role || unknown || session) {
    SetRule(out, ReplayRule::session_role, role ? "role" : "set-config");
  } else {
    SetRule(out, ReplayRule::no_effect, "timeout");
  }
}

void AnalyseSelect(const PgQuery__SelectStmt& select, Collector* walk, Analysis* out) {
  walk->VisitOutermostSelect(select);
  const auto* table =
      select.n_from_clause == 1
          ? As<PgQuery__RangeVar>(Inner(select.from_clause[0]), pg_query__range_var__descriptor)
          : nullptr;
  const bool is_table = table != nullptr &&
                        std::any_of(out->reads.begin(), out->reads.end(), [&](const TableName& t) {
                          return t.schema == table->schemaname && t.name == table->relname;
                        });
  if (is_table && select.larg == nullptr)
    out->key_predicates = KeyPredicatesOf(select.where_clause, *table);
  if (select.into_clause != nullptr) {
    out->kind = StatementKind::ddl;
  } else if (walk->found_data_modifying_cte()) {
    out->kind = walk->first_cte_write();
  } else if (walk->locks_rows()) {
    out->kind = StatementKind::select_for_update;
  }
  const std::string_view harmless = ReasonOfHarmlessSelect(select, *walk, *out);
  if (!harmless.empty()) SetRule(out, ReplayRule::no_effect, harmless);
  if (IsPing(select)) out->ping = true;
}

// The query inside DECLARE CURSOR, CREATE TABLE AS and COPY TO.
void AnalyseInnerQuery(const PgQuery__Node* query, Collector* walk, Analysis* out) {
  if (const PgQuery__SelectStmt* select = AsSelect(query)) {
    out->ordered = select->n_sort_clause > 0;
  }
  walk->VisitNode(query);
}

// A cursor WITH HOLD would outlive its unit on a lane that many sessions share. What is fetched
// from it behind the unit is not compared, so it needs no holding there.
void LeaveOutHold(std::string_view text, Analysis* out) {
  protocol::SqlTokenizer tokens(text, true);
  size_t with = 0;
  for (protocol::Token token = tokens.Next(), before = token;
       token.kind != protocol::TokenKind::end && !token.Is("FOR");
       before = token, token = tokens.Next()) {
    if (token.Is("WITH")) with = tokens.position() - token.text.size();
    if (!token.Is("HOLD") || !before.Is("WITH")) continue;
    out->edits.push_back({with, tokens.position() - with, ""});
    return;
  }
}

void AnalyseExplain(const PgQuery__ExplainStmt& explain, Collector* walk, Analysis* out) {
  walk->VisitNode(explain.query);
  const bool executes = HasOption(explain.options, explain.n_options, "analyze");
  const bool writes =
      !out->writes.empty() || !out->sequence_calls.empty() || walk->locks_rows() ||
      (explain.query != nullptr &&
       (explain.query->node_case == PG_QUERY__NODE__NODE_EXECUTE_STMT || out->sets_config));
  if (!executes) {
    out->writes.clear();
  } else if (writes) {
    out->kind = StatementKind::other;
    SetRule(out, ReplayRule::never, "explain-analyze-write");
  } else if (!walk->function_reason().empty()) {
    SetRule(out, ReplayRule::never, walk->function_reason());
  }
}

void AnalyseCopy(const PgQuery__CopyStmt& copy, Collector* walk, Analysis* out) {
  if (copy.is_from) {
    walk->AddWrite(copy.relation);
  } else if (copy.relation != nullptr) {
    walk->Visit(&copy.relation->base);
  }
  for (size_t i = 0; i < copy.n_attlist; ++i)
    out->copy_columns.emplace_back(StringOf(copy.attlist[i]));
  AnalyseInnerQuery(copy.query, walk, out);
  walk->VisitNode(copy.where_clause);
}

void AddDropped(const PgQuery__DropStmt& drop, Analysis* out) {
  switch (drop.remove_type) {
    case PG_QUERY__OBJECT_TYPE__OBJECT_TABLE:
    case PG_QUERY__OBJECT_TYPE__OBJECT_VIEW:
    case PG_QUERY__OBJECT_TYPE__OBJECT_MATVIEW:
    case PG_QUERY__OBJECT_TYPE__OBJECT_SEQUENCE:
      break;
    default:
      return;
  }
  for (size_t i = 0; i < drop.n_objects; ++i) {
    const auto* parts = As<PgQuery__List>(Inner(drop.objects[i]), pg_query__list__descriptor);
    if (parts == nullptr) continue;
    const NodeName name = QualifiedName(parts->items, parts->n_items);
    out->writes.push_back({std::string(name.schema), std::string(name.name)});
  }
}

// DDL and the rest: the relations that the statement itself names are written.
void AnalyseUtility(std::string_view text, const PgQuery__Node& node, Collector* walk,
                    Analysis* out) {
  const bool changes = out->kind == StatementKind::ddl || out->kind == StatementKind::truncate ||
                       node.node_case == PG_QUERY__NODE__NODE_REFRESH_MAT_VIEW_STMT;
  const bool grant = node.node_case == PG_QUERY__NODE__NODE_GRANT_STMT;
  ForEachChild(Inner(&node), [&](const ProtobufCMessage* child) {
    const auto* relation = As<PgQuery__RangeVar>(child, pg_query__range_var__descriptor);
    if (relation != nullptr && changes && !grant) {
      walk->AddWrite(relation);
    } else {
      walk->Visit(child);
    }
  });
  if (node.node_case == PG_QUERY__NODE__NODE_DROP_STMT) AddDropped(*node.drop_stmt, out);
  if (node.node_case == PG_QUERY__NODE__NODE_VARIABLE_SET_STMT)
    FillSet(*node.variable_set_stmt, out);
  if (node.node_case == PG_QUERY__NODE__NODE_DO_STMT && CodeIsVolatile(text))
    out->volatile_calls.emplace_back("do");
  if (node.node_case == PG_QUERY__NODE__NODE_PREPARE_STMT) out->max_parameter = 0;
}

bool IsFreezable(const PgQuery__Node& node) {
  switch (node.node_case) {
    case PG_QUERY__NODE__NODE_SELECT_STMT:
    case PG_QUERY__NODE__NODE_INSERT_STMT:
    case PG_QUERY__NODE__NODE_UPDATE_STMT:
    case PG_QUERY__NODE__NODE_DELETE_STMT:
    case PG_QUERY__NODE__NODE_MERGE_STMT:
    case PG_QUERY__NODE__NODE_DECLARE_CURSOR_STMT:
      return true;
    case PG_QUERY__NODE__NODE_CREATE_TABLE_AS_STMT:
      // A materialised view keeps its query.
      return node.create_table_as_stmt->objtype == PG_QUERY__OBJECT_TYPE__OBJECT_TABLE;
    default:
      return false;
  }
}

void Walk(std::string_view text, const PgQuery__Node& node, Collector* walk, Analysis* out) {
  switch (node.node_case) {
    case PG_QUERY__NODE__NODE_SELECT_STMT:
      return AnalyseSelect(*node.select_stmt, walk, out);
    case PG_QUERY__NODE__NODE_INSERT_STMT:
      out->insert = InsertShapeOf(text, *node.insert_stmt);
      return walk->VisitNode(&node);
    case PG_QUERY__NODE__NODE_UPDATE_STMT:
    case PG_QUERY__NODE__NODE_DELETE_STMT:
    case PG_QUERY__NODE__NODE_MERGE_STMT:
      return walk->VisitNode(&node);
    case PG_QUERY__NODE__NODE_EXPLAIN_STMT:
      return AnalyseExplain(*node.explain_stmt, walk, out);
    case PG_QUERY__NODE__NODE_COPY_STMT:
      return AnalyseCopy(*node.copy_stmt, walk, out);
    case PG_QUERY__NODE__NODE_DECLARE_CURSOR_STMT:
      AnalyseInnerQuery(node.declare_cursor_stmt->query, walk, out);
      // PostgreSQL refuses it for a query that locks rows: so must the shadow.
      if (!walk->locks_rows()) LeaveOutHold(text, out);
      return;
    case PG_QUERY__NODE__NODE_CREATE_TABLE_AS_STMT:
      if (node.create_table_as_stmt->into != nullptr)
        walk->AddWrite(node.create_table_as_stmt->into->rel);
      return AnalyseInnerQuery(node.create_table_as_stmt->query, walk, out);
    default:
      return AnalyseUtility(text, node, walk, out);
  }
}

template <typename Call>
void SortByOffset(std::vector<Call>* calls) {
  std::sort(calls->begin(), calls->end(),
            [](const Call& a, const Call& b) { return a.offset < b.offset; });
}

// Time functions and the like in DDL work when the object is used; what ALTER TABLE puts into rows
// works at once.
bool EvaluatesNow(const PgQuery__Node& node) {
  if (node.node_case == PG_QUERY__NODE__NODE_CREATE_TABLE_AS_STMT) return true;
  if (node.node_case != PG_QUERY__NODE__NODE_ALTER_TABLE_STMT) return false;
  const PgQuery__AlterTableStmt& alter = *node.alter_table_stmt;
  return std::any_of(alter.cmds, alter.cmds + alter.n_cmds, [](const PgQuery__Node* cmd) {
    return cmd->node_case == PG_QUERY__NODE__NODE_ALTER_TABLE_CMD &&
           (cmd->alter_table_cmd->subtype == PG_QUERY__ALTER_TABLE_TYPE__AT_AddColumn ||
            cmd->alter_table_cmd->subtype == PG_QUERY__ALTER_TABLE_TYPE__AT_AlterColumnType);
  });
}

void Judge(const Collector& walk, Analysis* out) {
  if (out->sets_config && out->rule == ReplayRule::replay) JudgeConfigCalls(out);
  const bool runs = out->rule == ReplayRule::replay || out->rule == ReplayRule::outside_transaction;
  if (runs && !walk.function_reason().empty())
    SetRule(out, ReplayRule::never, walk.function_reason());
  if (runs && walk.writes_catalog()) SetRule(out, ReplayRule::never, "system-catalog-write");
}

// The schema that holds our progress on the shadow.
bool NamesOwnSchema(std::string_view text, const Analysis& out) {
  auto own = [](const TableName& table) { return IsOwnName(table.schema); };
  if (std::any_of(out.reads.begin(), out.reads.end(), own) ||
      std::any_of(out.writes.begin(), out.writes.end(), own)) {
    return true;
  }
  // Elsewhere a string is data, and may hold any word.
  const bool code = out.kind == StatementKind::ddl || out.kind == StatementKind::do_block ||
                    out.kind == StatementKind::set || out.sets_config;
  bool found = false;
  ForEachWord(text, code ? kMaxCodeNesting : 0, [&](const CodeWord& word) {
    found = found || IsOwnName(word.text) || (word.unicode && out.kind == StatementKind::ddl);
  });
  return found;
}

void FillUnparsed(std::string_view text, std::string_view error, Analysis* out) {
  out->kind = StatementKind::unparsed;
  SetRule(out, ReplayRule::never, "unparsed");
  out->parse_error = error;
  out->carries_secret = TokensHoldSecret(text);
  out->shape = LexicalShape(text, false);
  out->fingerprint = LexicalFingerprint(out->shape);
}

}  // namespace

Analysis Analyse(std::string_view text) {
  Analysis out;
  const absl::StatusOr<ParseTree> tree = ParseTree::Parse(text);
  if (!tree.ok()) {
    FillUnparsed(text, protocol::MessageOf(tree.status()), &out);
    return out;
  }
  const PgQuery__Node* node = tree->statement();
  if (node == nullptr) {
    out.kind = StatementKind::other;
    SetRule(&out, ReplayRule::no_effect, "empty");
    out.ping = true;
    out.fingerprint = LexicalFingerprint("");
    return out;
  }
  const StatementRule rule = RuleOfStatement(*node);
  out.kind = rule.kind;
  SetRule(&out, rule.rule, rule.reason);
  Collector walk(text, &out, IsFreezable(*node));
  Walk(text, *node, &walk, &out);
  SortByOffset(&out.time_calls);
  SortByOffset(&out.sequence_calls);
  SortByOffset(&out.edits);
  out.cte_writes = walk.found_data_modifying_cte();
  if (out.cte_writes) out.key_predicates.reset();
  Judge(walk, &out);
  out.definition = DefinitionOf(*node);
  out.code = CodeOf(text, *node);
  out.own_schema = NamesOwnSchema(text, out);
  if (out.kind == StatementKind::ddl && out.rule != ReplayRule::never && DefinesInCatalog(text))
    SetRule(&out, ReplayRule::never, "system-catalog-write");
  if (out.kind == StatementKind::ddl && node->node_case != PG_QUERY__NODE__NODE_SELECT_STMT &&
      !EvaluatesNow(*node))
    out.volatile_calls.clear();
  out.carries_secret = out.carries_secret || TokensHoldSecret(text);
  out.fingerprint = FingerprintOf(text);
  out.shape = ShapeOf(text, out.kind == StatementKind::ddl ? ShapeKind::ddl
                            : IsFreezable(*node)           ? ShapeKind::query
                                                           : ShapeKind::other);
  return out;
}

}  // namespace pgparity::shadow
