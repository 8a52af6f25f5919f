// The walk over calls: what is never replayed, what must be frozen or pinned, what must differ.
#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "protocol/text.h"
#include "shadow/analysis_walk.h"
#include "shadow/replay_rules.h"
#include "shadow/token_scanner.h"
#include "shadow/words.h"

namespace pgparity::shadow {
namespace {

// Behind the ')' that closes the '(' at `token`; 0 if there is none.
size_t ClosingEnd(std::string_view text, TokenScanner* scanner) {
  for (int depth = 1; depth > 0;) {
    const Token token = scanner->Next();
    if (token.kind == TokenKind::end || token.kind == TokenKind::bad) return 0;
    if (IsChar(text, token, '(')) ++depth;
    if (IsChar(text, token, ')') && --depth == 0) return token.end();
  }
  return 0;
}

bool IsSystemColumn(std::string_view name) {
  return name == "ctid" || name == "xmin" || name == "xmax" || name == "cmin" || name == "cmax" ||
         name == "tableoid";
}

TimeCall::Kind KindOfOp(PgQuery__SQLValueFunctionOp op, std::string_view* name) {
  switch (op) {
    case PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_CURRENT_DATE:
      *name = "current_date";
      return TimeCall::Kind::date;
    case PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_CURRENT_TIME:
    case PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_CURRENT_TIME_N:
      *name = "current_time";
      return TimeCall::Kind::timetz;
    case PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_LOCALTIME:
    case PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_LOCALTIME_N:
      *name = "localtime";
      return TimeCall::Kind::time;
    case PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_LOCALTIMESTAMP:
    case PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_LOCALTIMESTAMP_N:
      *name = "localtimestamp";
      return TimeCall::Kind::timestamp;
    case PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_CURRENT_TIMESTAMP:
    case PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_CURRENT_TIMESTAMP_N:
      *name = "current_timestamp";
      return TimeCall::Kind::timestamptz;
    default:
      *name = {};
      return TimeCall::Kind::timestamptz;
  }
}

bool IsTimeType(const PgQuery__TypeName* type) {
  const std::string_view name =
      type == nullptr ? "" : QualifiedName(type->names, type->n_names).name;
  return name == "timestamptz" || name == "timestamp" || name == "date" || name == "time" ||
         name == "timetz" || name == "abstime";
}

bool IsOneOf(std::string_view name, std::initializer_list<std::string_view> names) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

}  // namespace

void Collector::AddVolatile(std::string_view name) {
  auto& list = out_->volatile_calls;
  if (std::find(list.begin(), list.end(), name) == list.end()) list.emplace_back(name);
  out_->volatile_effect = out_->volatile_effect || !in_returning_;
}

void Collector::AddReason(std::string_view reason) {
  if (function_reason_.empty()) function_reason_ = reason;
}

size_t Collector::CallLength(int location, bool parentheses) const {
  if (location < 0 || static_cast<size_t>(location) >= text_.size()) return 0;
  TokenScanner scanner(text_, static_cast<size_t>(location));
  for (;;) {
    const Token token = scanner.Next();
    if (token.kind != TokenKind::identifier && token.kind != TokenKind::quoted_identifier) return 0;
    const Token next = scanner.Next();
    if (IsChar(text_, next, '(') && parentheses) {
      const size_t end = ClosingEnd(text_, &scanner);
      return end == 0 ? 0 : end - static_cast<size_t>(location);
    }
    if (!parentheses) return token.end() - static_cast<size_t>(location);
    if (!IsChar(text_, next, '.')) return 0;
  }
}

void Collector::VisitFunction(const PgQuery__FuncCall& call) {
  const NodeName name = QualifiedName(call.funcname, call.n_funcname);
  const std::string full =
      name.schema.empty() ? std::string(name.name) : protocol::StrCat(name.schema, ".", name.name);
  if (std::find(out_->functions.begin(), out_->functions.end(), full) == out_->functions.end()) {
    out_->functions.push_back(full);
  }
  NoteCall(call, name);
  NoteAggregate(call, name.name);
  // A call inside an argument does not name the column.
  const std::string_view naming = std::exchange(naming_, {});
  in_from_ = false;
  VisitList(call.args, call.n_args);
  VisitList(call.agg_order, call.n_agg_order);
  VisitNode(call.agg_filter);
  if (call.over != nullptr) Visit(&call.over->base);
  naming_ = naming;
}

void Collector::NoteCall(const PgQuery__FuncCall& call, NodeName name) {
  const FunctionRule rule = RuleOfFunction(name.schema, name.name);
  // SQL's own spellings (AT TIME ZONE, EXTRACT) are calls without a place of their own.
  const bool written = call.funcformat != PG_QUERY__COERCION_FORM__COERCE_SQL_SYNTAX;
  const size_t offset = static_cast<size_t>(std::max(call.location, 0));
  const size_t length =
      written && rule.cls != FunctionClass::ordinary ? CallLength(call.location, true) : 0;
  switch (rule.cls) {
    case FunctionClass::ordinary:
      // age(x) counts from today.
      if (name.name == "age" && call.n_args == 1) AddVolatile("age");
      break;
    case FunctionClass::never:
      AddReason(rule.reason);
      if (rule.reason == "dblink") out_->carries_secret = true;
      break;
    case FunctionClass::dynamic_sql:
      return NoteDynamicSql(call);
    case FunctionClass::advisory_bool:
      AddVolatile(name.name);
      return NoteEdit(name.name, "true", offset, length);
    case FunctionClass::advisory_void:
    case FunctionClass::sleep:
      return NoteEdit(name.name, "pg_catalog.pg_sleep(0)", offset, length);
    case FunctionClass::notify:
      break;
    case FunctionClass::set_config:
      return NoteConfigCall(call);
    case FunctionClass::time:
      return NoteTimeFunction(name.name, offset, length);
    case FunctionClass::sequence:
      return NoteSequenceFunction(call, name.name, offset, length);
    case FunctionClass::generates:
      out_->generates_values = true;
      AddVolatile(name.name);
      break;
    case FunctionClass::state:
      AddVolatile(name.name);
      break;
  }
}

void Collector::NoteTimeFunction(std::string_view name, size_t offset, size_t length) {
  if (!freezable_ || in_from_ || length == 0) return AddVolatile(name);
  if (name == "clock_timestamp" && out_->kind == StatementKind::select) AddVolatile(name);
  TimeCall time;
  time.offset = offset;
  time.length = length;
  time.statement_time = name == "statement_timestamp" || name == "clock_timestamp";
  if (naming_ == name) time.column_name = name;
  out_->time_calls.push_back(std::move(time));
}

void Collector::NoteSequenceFunction(const PgQuery__FuncCall& call, std::string_view name,
                                     size_t offset, size_t length) {
  SequenceCall sequence;
  sequence.kind = name == "nextval"   ? SequenceCall::Kind::nextval
                  : name == "currval" ? SequenceCall::Kind::currval
                  : name == "lastval" ? SequenceCall::Kind::lastval
                                      : SequenceCall::Kind::setval;
  if (call.n_args > 0) {
    const ValueSource argument = ValueOf(call.args[0]);
    if (argument.kind == ValueSource::Kind::literal) sequence.sequence = argument.literal;
  }
  // Where it cannot be replaced it has no length.
  sequence.offset = offset;
  sequence.length = freezable_ && !in_from_ ? length : 0;
  if (naming_ == name) sequence.column_name = name;
  if (direct_target_ == &call.base) sequence.result_column = direct_column_;
  out_->sequence_calls.push_back(std::move(sequence));
}

void Collector::NoteEdit(std::string_view name, std::string_view replacement, size_t offset,
                         size_t length) {
  // What DDL holds must stay as the client wrote it.
  const bool runs = freezable_ || out_->kind == StatementKind::copy_out ||
                    out_->kind == StatementKind::call || out_->kind == StatementKind::prepare;
  if (length == 0 || in_from_ || !runs) return AddVolatile(name);
  std::string text(replacement);
  if (naming_ == name) text = protocol::StrCat("(SELECT ", replacement, " AS ", name, ")");
  out_->edits.push_back({offset, length, std::move(text)});
}

void Collector::NoteConfigCall(const PgQuery__FuncCall& call) {
  out_->sets_config = true;
  ConfigCall config;
  config.is_local = true;
  if (call.n_args > 0) config.name = ValueOf(call.args[0]);
  if (call.n_args > 1) config.value = ValueOf(call.args[1]);
  if (call.n_args > 2) {
    const ValueSource local = ValueOf(call.args[2]);
    config.is_local =
        local.kind != ValueSource::Kind::literal || local.literal == "true" || local.literal == "t";
  }
  out_->config_calls.push_back(std::move(config));
}

void Collector::NoteDynamicSql(const PgQuery__FuncCall& call) {
  for (size_t i = 0; i < call.n_args; ++i) {
    const ValueSource argument = ValueOf(call.args[i]);
    if (argument.kind != ValueSource::Kind::literal) return AddReason("dynamic-sql");
    const CodeFinding finding = LookAtCode(argument.literal);
    if (finding.opaque) AddReason("dynamic-sql");
    if (!finding.reason.empty()) AddReason(finding.reason);
  }
}

void Collector::NoteAggregate(const PgQuery__FuncCall& call, std::string_view name) {
  const bool unordered = call.n_agg_order == 0 && !call.agg_within_group;
  if (unordered &&
      IsOneOf(name, {"array_agg", "string_agg", "json_agg", "jsonb_agg", "json_object_agg",
                     "jsonb_object_agg", "xmlagg", "json_agg_strict", "jsonb_agg_strict"})) {
    out_->unordered_aggregate = true;
  }
  const bool named_window =
      call.over != nullptr && (*call.over->name != '\0' || *call.over->refname != '\0');
  if (call.over != nullptr && call.over->n_order_clause == 0 && !named_window &&
      IsOneOf(name,
              {"row_number", "lag", "lead", "first_value", "last_value", "nth_value", "ntile"})) {
    out_->unordered_aggregate = true;
  }
}

void Collector::VisitValueFunction(const PgQuery__SQLValueFunction& function) {
  std::string_view name;
  TimeCall time;
  time.kind = KindOfOp(function.op, &name);
  if (name.empty()) {
    if (function.op != PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_CURRENT_SCHEMA)
      AddVolatile("current_user");
    return;
  }
  const bool with_precision =
      function.op == PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_CURRENT_TIME_N ||
      function.op == PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_LOCALTIME_N ||
      function.op == PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_LOCALTIMESTAMP_N ||
      function.op == PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_CURRENT_TIMESTAMP_N;
  time.offset = static_cast<size_t>(std::max(function.location, 0));
  time.length = CallLength(function.location, with_precision);
  if (!freezable_ || in_from_ || time.length == 0) return AddVolatile(name);
  if (with_precision) time.precision = function.typmod;
  if (naming_ == name) time.column_name = name;
  out_->time_calls.push_back(std::move(time));
}

// regclass and its like (manual, "Object Identifier Types").
bool IsObjectIdentifierType(const PgQuery__TypeName* type) {
  if (type == nullptr || type->n_names == 0) return false;
  return IsOneOf(StringOf(type->names[type->n_names - 1]),
                 {"regclass", "regproc", "regprocedure", "regtype", "regoper", "regoperator",
                  "regnamespace", "regrole", "regconfig", "regdictionary", "regcollation"});
}

void Collector::VisitCast(const PgQuery__TypeCast& cast) {
  const ValueSource value = ValueOf(cast.arg);
  if (value.kind == ValueSource::Kind::literal && IsTimeType(cast.type_name)) {
    const std::string word = Lower(protocol::FromAbsl(absl::StripAsciiWhitespace(value.literal)));
    if (IsOneOf(word, {"now", "today", "tomorrow", "yesterday"})) AddVolatile(word);
  }
  // An object of this database becomes its OID, which another database numbers differently.
  if (IsObjectIdentifierType(cast.type_name)) out_->system_catalog = true;
  VisitNode(cast.arg);
}

void Collector::VisitColumn(const PgQuery__ColumnRef& column) {
  const std::string_view name =
      column.n_fields == 0 ? "" : StringOf(column.fields[column.n_fields - 1]);
  if (IsSystemColumn(name)) AddVolatile(name);
}

}  // namespace pgparity::shadow
