#include "shadow/rewrite.h"

#include <algorithm>
#include <charconv>

#include "absl/strings/str_cat.h"
#include "protocol/wire.h"
#include "shadow/rewrite_internal.h"
#include "shadow/token_scanner.h"

namespace pgparity::shadow {
namespace {

// The protocol counts a statement's parameters in 16 bits.
constexpr size_t kMaxParameters = 65535;

bool IsSpliceable(const Analysis& analysis) {
  switch (analysis.kind) {
    case StatementKind::select:
    case StatementKind::select_for_update:
    case StatementKind::insert:
    case StatementKind::update:
    case StatementKind::delete_:
    case StatementKind::merge:
    case StatementKind::cursor:
    case StatementKind::ddl:
      return true;
    default:
      return false;
  }
}

int ResultFormat(const std::vector<int16_t>& formats) {
  return !formats.empty() &&
                 std::all_of(formats.begin(), formats.end(), [](int16_t f) { return f == 1; })
             ? 1
             : 0;
}

}  // namespace

// ------------------------------------------------------------------------------- Splicer

void Splicer::Replace(size_t offset, size_t length, std::string text) {
  edits_.push_back({offset, length, edits_.size(), std::move(text)});
  if (length > 0) covered_[offset] = std::max(covered_[offset], offset + length);
}

bool Splicer::Covers(size_t offset) const {
  const auto behind = covered_.upper_bound(offset);
  return behind != covered_.begin() && std::prev(behind)->second > offset;
}

std::string Splicer::Apply(std::string_view text) {
  std::sort(edits_.begin(), edits_.end(), [](const Edit& a, const Edit& b) {
    if (a.offset != b.offset) return a.offset < b.offset;
    // Insertions stand in front of what is replaced there, in the order in which they came.
    if ((a.length == 0) != (b.length == 0)) return a.length == 0;
    return a.length != b.length ? a.length > b.length : a.order < b.order;
  });
  std::string result;
  size_t copied = 0;
  for (const Edit& edit : edits_) {
    if (edit.offset < copied || edit.offset + edit.length > text.size()) continue;
    result.append(text.substr(copied, edit.offset - copied)).append(edit.text);
    copied = edit.offset + edit.length;
  }
  return result.append(text.substr(copied));
}

// ------------------------------------------------------------------------------ Rewriter

Rewriter::Rewriter(const Statement& statement, const Analysis& analysis,
                   const RewriteContext& context, ShadowStatement* out)
    : statement_(statement), analysis_(analysis), context_(context), out_(out) {}

void Rewriter::Run() {
  CopyParameters();
  if (IsSpliceable(analysis_)) {
    PinInsert();
    PinSequenceCalls();
    FreezeTimeCalls();
    for (const TextEdit& edit : analysis_.edits)
      splicer_.Replace(edit.offset, edit.length, edit.text);
  }
  JudgeOtherInserts();
  NoteFrozenWrites();
  MarkResultColumns();
  FinishText();
}

void Rewriter::CopyParameters() {
  const protocol::BoundParameters& bound = statement_.parameters;
  out_->result_format = ResultFormat(bound.result_formats);
  const size_t count = bound.values.size();
  for (size_t i = 0; i < count; ++i) {
    const uint32_t type = i < bound.types.size() ? bound.types[i] : 0;
    const int16_t format = i < bound.formats.size() ? bound.formats[i] : 0;
    out_->types.push_back(MapType(type, context_));
    out_->formats.push_back(format);
    if (bound.values[i].has_value()) {
      out_->values.emplace_back(MapValue(*bound.values[i], type, format, context_));
    } else {
      out_->values.emplace_back(std::nullopt);
    }
  }
  // A statement that names more parameters than it was given failed; ours must not take their
  // numbers.
  next_parameter_ = std::max(count, static_cast<size_t>(std::max(analysis_.max_parameter, 0))) + 1;
}

int Rewriter::AddParameter(uint32_t type, std::optional<std::string_view> value, int16_t format) {
  if (next_parameter_ > kMaxParameters) return 0;
  while (out_->values.size() + 1 < next_parameter_) {
    out_->types.push_back(0);
    out_->formats.push_back(0);
    out_->values.emplace_back(std::nullopt);
  }
  out_->types.push_back(MapType(type, context_));
  out_->formats.push_back(format);
  if (value.has_value()) {
    out_->values.emplace_back(MapValue(*value, type, format, context_));
  } else {
    out_->values.emplace_back(std::nullopt);
  }
  return static_cast<int>(next_parameter_++);
}

int Rewriter::AddCell(size_t column, compare::Cell cell) {
  const compare::Column& result = statement_.primary.columns[column];
  return AddParameter(result.type_oid, cell, static_cast<int16_t>(result.format));
}

// A parameter whose place was replaced must have a type all the same.
void Rewriter::FinishText() {
  if (splicer_.empty()) {
    out_->sql = statement_.sql;
    return;
  }
  out_->sql = splicer_.Apply(statement_.sql);
  if (statement_.parameters.values.empty()) return;
  std::vector<bool> named(out_->values.size() + 1, false);
  TokenScanner scanner(out_->sql);
  for (Token token = scanner.Next(); token.kind != TokenKind::end; token = scanner.Next()) {
    if (token.kind == TokenKind::bad && token.end() >= out_->sql.size()) break;
    if (token.kind != TokenKind::parameter) continue;
    size_t number = 0;
    std::from_chars(out_->sql.data() + token.offset + 1, out_->sql.data() + token.end(), number);
    if (number < named.size()) named[number] = true;
  }
  for (size_t i = 0; i < out_->types.size(); ++i) {
    if (!named[i + 1] && out_->types[i] == 0) out_->types[i] = protocol::oid::kText;
  }
}

const CatalogTable* Rewriter::Written() const {
  if (analysis_.writes.empty()) return nullptr;
  const TableName& name = analysis_.writes.front();
  return context_.primary->FindTable(name.schema, name.name, context_.search_path);
}

int Rewriter::ResultColumn(const CatalogTable& table, const CatalogColumn& column) const {
  const auto& columns = statement_.primary.columns;
  for (size_t i = 0; i < columns.size(); ++i) {
    if (columns[i].table_oid == table.oid && columns[i].attribute == column.attribute)
      return static_cast<int>(i);
  }
  return -1;
}

// ----------------------------------------------------------------------------- sequences

void Rewriter::NoteSequence(const std::string& sequence, int64_t value) {
  for (auto& [name, highest] : out_->sequences) {
    if (name == sequence) {
      highest = std::max(highest, value);
      return;
    }
  }
  out_->sequences.emplace_back(sequence, value);
}

std::optional<std::string> Rewriter::ShadowSequence(std::string_view regclass) const {
  return context_.primary->FindSequence(regclass, context_.search_path);
}

void Rewriter::PinSequenceCalls() {
  for (const SequenceCall& call : analysis_.sequence_calls) {
    if (call.kind == SequenceCall::Kind::setval || splicer_.Covers(call.offset)) continue;
    if (PrimaryFailed()) continue;
    if (call.result_column >= 0) {
      PinSequenceColumn(call);
    } else if (!PinFromSession(call)) {
      out_->unseen_generated_key = true;
    }
  }
}

// The call is a result column of its own: its value is in the primary's rows.
void Rewriter::PinSequenceColumn(const SequenceCall& call) {
  const compare::Observation& primary = statement_.primary;
  const size_t column = static_cast<size_t>(call.result_column);
  if (!primary.has_columns || column >= primary.columns.size()) return;
  if (primary.digest.rows > 0) {
    out_->unseen_generated_key = true;
    return;
  }
  const std::optional<std::string> sequence = ShadowSequence(call.sequence);
  if (call.kind == SequenceCall::Kind::nextval && !sequence) out_->unseen_generated_key = true;
  compare::RowReader reader(primary.rows);
  compare::RowView row;
  compare::Cell cell;
  while (reader.Next(&row)) {
    if (column >= row.size() || !row[column]) return;
    cell = row[column];
    const auto value =
        IntegerOf(*cell, primary.columns[column].type_oid, primary.columns[column].format);
    if (call.kind == SequenceCall::Kind::nextval && sequence && value)
      NoteSequence(*sequence, *value);
  }
  if (primary.row_count == 0) return;
  const int parameter = primary.row_count == 1 && call.length > 0 ? AddCell(column, cell) : 0;
  if (parameter == 0) {
    out_->ignored.resize(primary.columns.size(), false);
    out_->ignored[column] = true;
    return;
  }
  const std::string value = absl::StrCat("$", parameter, "::pg_catalog.int8");
  splicer_.Replace(call.offset, call.length,
                   call.column_name.empty()
                       ? absl::StrCat("(", value, ")")
                       : absl::StrCat("(SELECT ", value, " AS ", call.column_name, ")"));
}

bool Rewriter::PinFromSession(const SequenceCall& call) {
  if (context_.session_sequences == nullptr || call.length == 0) return false;
  std::optional<int64_t> value;
  if (call.kind == SequenceCall::Kind::lastval) {
    value = context_.session_sequences->last;
  } else if (call.kind == SequenceCall::Kind::currval) {
    const auto sequence = ShadowSequence(call.sequence);
    const auto& values = context_.session_sequences->values;
    const auto it = sequence ? values.find(*sequence) : values.end();
    if (it != values.end()) value = it->second;
  }
  if (!value) return false;
  const int parameter = AddParameter(protocol::oid::kInt8, absl::StrCat(*value), 0);
  if (parameter == 0) return false;
  splicer_.Replace(call.offset, call.length, absl::StrCat("($", parameter, "::pg_catalog.int8)"));
  return true;
}

// Rows that come in by other ways than a plain INSERT: what their table generates was not seen.
void Rewriter::JudgeOtherInserts() {
  if (PrimaryFailed()) return;
  const bool plain = analysis_.kind == StatementKind::insert && analysis_.insert.has_value();
  const bool inserts = analysis_.kind == StatementKind::insert ||
                       analysis_.kind == StatementKind::merge ||
                       analysis_.kind == StatementKind::copy_in;
  if (analysis_.kind != StatementKind::select && analysis_.generates_values &&
      analysis_.volatile_effect && !out_->volatile_resolved) {
    out_->unseen_generated_key = true;
  }
  if (!inserts || plain) return;
  for (const TableName& name : analysis_.writes) {
    const CatalogTable* table =
        context_.primary->FindTable(name.schema, name.name, context_.search_path);
    if (table == nullptr) continue;
    const bool all_given =
        analysis_.kind == StatementKind::copy_in && analysis_.copy_columns.empty();
    for (const CatalogColumn& column : table->columns) {
      const auto& given = analysis_.copy_columns;
      const bool generated = column.default_kind == DefaultKind::sequence ||
                             column.default_kind == DefaultKind::volatile_value ||
                             column.default_kind == DefaultKind::now;
      if (generated && !all_given &&
          std::find(given.begin(), given.end(), column.name) == given.end()) {
        out_->unseen_generated_key = true;
      }
    }
  }
}

std::optional<int64_t> IntegerOf(std::string_view value, uint32_t type_oid,
                                 protocol::Format format) {
  if (format == protocol::Format::text) {
    int64_t number = 0;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
    if (error != std::errc() || end != value.data() + value.size()) return std::nullopt;
    return number;
  }
  protocol::WireReader reader(value);
  if (type_oid == protocol::oid::kInt8 && value.size() == 8) return reader.ReadInt64();
  if (type_oid == protocol::oid::kInt4 && value.size() == 4) return reader.ReadInt32();
  if (type_oid == protocol::oid::kInt2 && value.size() == 2) return reader.ReadInt16();
  return std::nullopt;
}

ShadowStatement Rewrite(const Statement& statement, const Analysis& analysis,
                        const RewriteContext& context) {
  ShadowStatement out;
  Rewriter(statement, analysis, context, &out).Run();
  return out;
}

}  // namespace pgparity::shadow
