// Internal to the rewriting: one Rewriter a statement.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "shadow/rewrite.h"

namespace pgparity::shadow {

// Replacements in a text, put in at once.
class Splicer {
 public:
  // With length 0, an insertion in front of `offset`. Of two that overlap the outer one stays.
  void Replace(size_t offset, size_t length, std::string text);
  bool empty() const { return edits_.empty(); }
  // Is the byte at `offset` replaced already?
  bool Covers(size_t offset) const;
  std::string Apply(std::string_view text);

 private:
  struct Edit {
    size_t offset, length, order;
    std::string text;
  };
  std::vector<Edit> edits_;
  std::map<size_t, size_t> covered_;  // begin -> end
};

class Rewriter {
 public:
  Rewriter(const Statement& statement, const Analysis& analysis, const RewriteContext& context,
           ShadowStatement* out);

  void Run();

 private:
  // rewrite.cc
  void CopyParameters();
  void FinishText();
  void PinSequenceCalls();
  void PinSequenceColumn(const SequenceCall& call);
  bool PinFromSession(const SequenceCall& call);
  void NoteSequence(const std::string& sequence, int64_t value);
  void JudgeOtherInserts();
  std::optional<std::string> ShadowSequence(std::string_view regclass) const;
  // $n of a new parameter; 0 if there is no room for one more.
  int AddParameter(uint32_t type, std::optional<std::string_view> value, int16_t format);
  // One of the primary's result cells.
  int AddCell(size_t column, compare::Cell cell);
  const CatalogTable* Written() const;
  bool PrimaryFailed() const {
    return statement_.primary.kind != compare::Observation::Kind::rows_or_tag;
  }
  // Index of the result column that is this column of the table, or -1.
  int ResultColumn(const CatalogTable& table, const CatalogColumn& column) const;

  // rewrite_insert.cc
  void PinInsert();
  void PinRows(const CatalogTable& table, const InsertShape& shape);
  void ReadSeenRows(const InsertShape& shape);
  void PinListedColumn(const CatalogColumn& column, size_t position);
  void PinOmittedColumn(const CatalogColumn& column);
  // The text that stands for the value of this row, or "" if nobody saw it.
  std::string PinnedValue(const CatalogTable& table, const CatalogColumn& column, size_t row);
  void MoveSequence(const CatalogColumn& column, compare::Cell cell, size_t result_column,
                    const std::string& nextval);
  void AddColumns(const CatalogTable& table, const InsertShape& shape);

  // rewrite_time.cc
  void FreezeTimeCalls();
  std::string FrozenExpression(const TimeCall& call);
  std::string FrozenDefault(const CatalogColumn& column);
  void NoteFrozenWrites();
  void MarkResultColumns();
  bool IsFrozenColumn(const CatalogTable& table, const CatalogColumn& column, int depth) const;
  bool HasFrozenColumn(const CatalogTable& table, int depth) const;
  bool TouchesFrozenTable() const;

  const Statement& statement_;
  const Analysis& analysis_;
  const RewriteContext& context_;
  ShadowStatement* out_;
  Splicer splicer_;
  size_t next_parameter_ = 1;
  std::map<int64_t, int> instants_;  // instant -> $n

  // Of an INSERT.
  const CatalogTable* table_ = nullptr;
  const InsertShape* shape_ = nullptr;
  std::vector<compare::RowView> seen_;  // the returned rows, one for each row given; else empty
  struct Added {
    std::string column;
    std::vector<std::string> values;  // one for all rows, or one a row
  };
  std::vector<Added> added_;
  bool pins_identity_ = false, pinned_generated_ = false, left_generated_ = false;
};

bool IsTimeType(uint32_t type_oid);
std::optional<int64_t> IntegerOf(std::string_view value, uint32_t type_oid,
                                 protocol::Format format);

// The shadow's OID for the primary's type: the same below 16384, else by name; 0 if the shadow has
// none.
uint32_t MapType(uint32_t type_oid, const RewriteContext& context);
// A parameter or result value for the shadow: the OIDs inside binary arrays and composites mapped.
// With type 0 (left open) a value that is exactly a binary array of a user's type is taken for one.
std::string MapValue(std::string_view value, uint32_t type_oid, int16_t format,
                     const RewriteContext& context);

}  // namespace pgparity::shadow
