// Pins the values that the primary generated for the rows of a plain INSERT.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "protocol/text.h"
#include "shadow/identifiers.h"
#include "shadow/rewrite_internal.h"

namespace pgparity::shadow {
namespace {

bool IsGenerated(const CatalogColumn& column) {
  return column.default_kind == DefaultKind::sequence || column.default_kind == DefaultKind::now ||
         column.default_kind == DefaultKind::volatile_value;
}

bool IsIdentity(const CatalogColumn& column) {
  return column.default_kind == DefaultKind::sequence && column.default_text.empty();
}

// "INSERT 0 0": nothing was inserted, so nothing was generated.
bool InsertedNothing(const compare::Observation& primary) { return primary.tag == "INSERT 0 0"; }

}  // namespace

void Rewriter::PinInsert() {
  if (analysis_.kind != StatementKind::insert || !analysis_.insert || PrimaryFailed()) return;
  table_ = Written();
  if (table_ == nullptr || InsertedNothing(statement_.primary)) return;
  shape_ = &*analysis_.insert;
  // A rule or a view may send the rows elsewhere.
  const bool redirected = table_->has_rules || (table_->kind != 'r' && table_->kind != 'p');
  if (redirected || shape_->from_select || (shape_->rows.empty() && !shape_->default_values)) {
    const auto& given = shape_->columns;
    for (const CatalogColumn& column : table_->columns) {
      const bool listed = given.empty()
                              ? shape_->from_select
                              : std::find(given.begin(), given.end(), column.name) != given.end();
      if (IsGenerated(column) && !listed) out_->unseen_generated_key = true;
    }
    if (redirected) out_->unseen_generated_key = true;
    return;
  }
  PinRows(*table_, *shape_);
}

void Rewriter::ReadSeenRows(const InsertShape& shape) {
  const compare::Observation& primary = statement_.primary;
  const size_t given = shape.default_values ? 1 : shape.rows.size();
  if (!primary.has_columns || primary.digest.rows > 0 || primary.row_count != given) return;
  compare::RowReader reader(primary.rows);
  compare::RowView row;
  while (reader.Next(&row)) {
    if (row.size() != primary.columns.size()) break;
    seen_.push_back(row);
  }
  if (seen_.size() != given) seen_.clear();
}

void Rewriter::PinRows(const CatalogTable& table, const InsertShape& shape) {
  ReadSeenRows(shape);
  const size_t width = shape.rows.empty() ? 0 : shape.rows.front().size();
  std::vector<const CatalogColumn*> listed;
  for (size_t i = 0; i < width; ++i) {
    const CatalogColumn* column = nullptr;
    if (!shape.columns.empty()) {
      if (i < shape.columns.size()) column = table.FindColumn(shape.columns[i]);
    } else if (i < table.columns.size()) {
      column = &table.columns[i];
    }
    listed.push_back(column);
    if (column != nullptr) PinListedColumn(*column, i);
  }
  for (const CatalogColumn& column : table.columns) {
    if (IsGenerated(column) && std::find(listed.begin(), listed.end(), &column) == listed.end()) {
      PinOmittedColumn(column);
    }
  }
  AddColumns(table, shape);
  // What an ON CONFLICT clause generates is not in the rows.
  out_->volatile_resolved = pinned_generated_ && !left_generated_ && !shape.on_conflict;
}

std::string Rewriter::PinnedValue(const CatalogTable& table, const CatalogColumn& column,
                                  size_t row) {
  const int result = ResultColumn(table, column);
  if (result < 0 || row >= seen_.size()) return {};
  const int parameter =
      AddCell(static_cast<size_t>(result), seen_[row][static_cast<size_t>(result)]);
  return parameter == 0 ? std::string() : absl::StrCat("$", parameter);
}

void Rewriter::MoveSequence(const CatalogColumn& column, compare::Cell cell, size_t result_column,
                            const std::string& nextval) {
  const compare::Column& result = statement_.primary.columns[result_column];
  const auto value = cell ? IntegerOf(*cell, result.type_oid, result.format) : std::nullopt;
  if (!value) return;
  if (!nextval.empty()) {
    if (const auto sequence = ShadowSequence(nextval)) NoteSequence(*sequence, *value);
    return;
  }
  if (column.default_kind != DefaultKind::sequence) return;
  // The shadow's own column may draw from a sequence of another name.
  const CatalogTable* twin = context_.shadow == nullptr
                                 ? nullptr
                                 : context_.shadow->FindTable(table_->schema, table_->name, {});
  const CatalogColumn* there = twin == nullptr ? nullptr : twin->FindColumn(column.name);
  const std::string& name =
      there != nullptr && !there->sequence.empty() ? there->sequence : column.sequence;
  if (!name.empty()) NoteSequence(name, *value);
}

// The statement lists the column: DEFAULT and generating calls are replaced row by row.
void Rewriter::PinListedColumn(const CatalogColumn& column, size_t position) {
  const int result = ResultColumn(*table_, column);
  // With OVERRIDING USER VALUE what is given for an identity column does not count.
  const bool overridden = shape_->overriding_user_length > 0 && IsIdentity(column);
  for (size_t row = 0; row < shape_->rows.size(); ++row) {
    if (position >= shape_->rows[row].size()) continue;
    const ValueSource& value = shape_->rows[row][position];
    const bool by_default =
        (value.kind == ValueSource::Kind::default_ && IsGenerated(column)) || overridden;
    // A time of the primary's own is better than an instant of ours.
    const bool seen_time = value.timed && result >= 0 && !seen_.empty();
    if (!by_default && !value.generated && !seen_time) continue;
    std::string pinned = PinnedValue(*table_, column, row);
    if (!pinned.empty()) {
      const size_t cell = static_cast<size_t>(result);
      MoveSequence(column, seen_[row][cell], cell, value.nextval);
      pins_identity_ = pins_identity_ || (by_default && IsIdentity(column));
      pinned_generated_ = pinned_generated_ || value.generated;
    } else if (by_default && column.default_kind == DefaultKind::now) {
      pinned = FrozenDefault(column);
    }
    if (pinned.empty()) {
      if (by_default || value.generated) out_->unseen_generated_key = true;
      left_generated_ = left_generated_ || value.generated;
    } else {
      splicer_.Replace(value.offset, value.length, std::move(pinned));
    }
  }
}

// The statement leaves the column to its default: the column is added.
void Rewriter::PinOmittedColumn(const CatalogColumn& column) {
  Added added{column.name, {}};
  const int result = ResultColumn(*table_, column);
  const size_t rows = shape_->default_values ? 1 : shape_->rows.size();
  for (size_t row = 0; row < rows && result >= 0 && !seen_.empty(); ++row) {
    std::string pinned = PinnedValue(*table_, column, row);
    if (pinned.empty()) break;
    MoveSequence(column, seen_[row][static_cast<size_t>(result)], static_cast<size_t>(result), "");
    added.values.push_back(std::move(pinned));
  }
  if (added.values.size() != rows) {
    added.values.clear();
    if (column.default_kind == DefaultKind::now) added.values.push_back(FrozenDefault(column));
    if (added.values.empty() || added.values.front().empty()) {
      out_->unseen_generated_key = true;
      return;
    }
  }
  pins_identity_ = pins_identity_ || IsIdentity(column);
  added_.push_back(std::move(added));
}

void Rewriter::AddColumns(const CatalogTable& table, const InsertShape& shape) {
  std::vector<std::string> names;
  for (const Added& added : added_) names.push_back(QuoteIdentifier(added.column));
  const std::string overriding =
      pins_identity_ && !shape.has_overriding ? " OVERRIDING SYSTEM VALUE " : "";
  const auto value_of = [](const Added& added, size_t row) {
    return added.values.size() == 1 ? added.values.front() : added.values[row];
  };
  if (shape.overriding_user_length > 0 && pins_identity_) {
    splicer_.Replace(shape.overriding_user_offset, shape.overriding_user_length,
                     "OVERRIDING SYSTEM VALUE");
  }
  if (shape.default_values) {
    if (added_.empty()) return;
    std::vector<std::string> values;
    for (const Added& added : added_) values.push_back(value_of(added, 0));
    splicer_.Replace(shape.default_values_offset, shape.default_values_length,
                     absl::StrCat("(", absl::StrJoin(names, ", "), ") ", overriding, " VALUES (",
                                  absl::StrJoin(values, ", "), ")"));
    return;
  }
  if (!added_.empty() && !shape.columns.empty()) {
    splicer_.Replace(shape.columns_insert_at, 0, absl::StrCat(", ", absl::StrJoin(names, ", ")));
  } else if (!added_.empty()) {
    std::vector<std::string> all;
    for (size_t i = 0; i < shape.rows.front().size() && i < table.columns.size(); ++i) {
      all.push_back(QuoteIdentifier(table.columns[i].name));
    }
    all.insert(all.end(), names.begin(), names.end());
    splicer_.Replace(shape.list_at, 0, absl::StrCat(" (", absl::StrJoin(all, ", "), ") "));
  }
  if (!overriding.empty()) splicer_.Replace(shape.overriding_at, 0, overriding);
  for (size_t row = 0; row < shape.rows.size() && !added_.empty(); ++row) {
    std::string values;
    for (const Added& added : added_) absl::StrAppend(&values, ", ", value_of(added, row));
    splicer_.Replace(shape.row_ends[row], 0, std::move(values));
  }
}

}  // namespace pgparity::shadow
