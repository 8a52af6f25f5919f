// Internal to the analysis: the walk over the parse tree. One Collector a statement.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "shadow/analysis.h"
#include "shadow/parse_tree.h"

namespace pgparity::shadow {

class Collector {
 public:
  // Both outlive the collector. `freezable`: calls may be replaced by parameters (see
  // Analysis::time_calls).
  Collector(std::string_view text, Analysis* out, bool freezable)
      : text_(text), out_(out), freezable_(freezable) {}

  // analysis_walk.cc
  void Visit(const ProtobufCMessage* message);
  void VisitNode(const PgQuery__Node* node) { Visit(Inner(node)); }
  void VisitList(PgQuery__Node* const* nodes, size_t count);
  // The statement's own SELECT: its order and result columns are the statement's.
  void VisitOutermostSelect(const PgQuery__SelectStmt& select);
  void AddWrite(const PgQuery__RangeVar* relation);

  // What the statement's outermost SELECT is made of, for rules on statements that only lock, sleep
  // or notify.
  bool found_data_modifying_cte() const { return !cte_writes_.empty(); }
  StatementKind first_cte_write() const { return cte_writes_.front(); }
  bool locks_rows() const { return locks_rows_; }
  bool writes_catalog() const { return writes_catalog_; }
  // The first reason of never that a function gave.
  std::string_view function_reason() const { return function_reason_; }

 private:
  // analysis_walk.cc
  void VisitChildren(const ProtobufCMessage* message);
  void VisitSelect(const PgQuery__SelectStmt& select);
  void VisitSelectBody(const PgQuery__SelectStmt& select);
  void NoteSelect(const PgQuery__SelectStmt& select);
  void VisitTargets(PgQuery__Node* const* targets, size_t count, bool outermost);
  void VisitRangeFunction(const PgQuery__RangeFunction& function);
  void VisitSubLink(const PgQuery__SubLink& link);
  void AddRead(const PgQuery__RangeVar& relation);
  bool IsCte(std::string_view name) const;
  // A CTE's name hides a table from its own end on; with RECURSIVE, from the beginning of the list.
  template <typename Body>
  void WithScope(const PgQuery__WithClause* with, Body&& body) {
    const size_t scope = ctes_.size();
    if (with != nullptr) VisitCtes(*with);
    body();
    ctes_.resize(scope);
  }
  void VisitCtes(const PgQuery__WithClause& with);
  void VisitCte(const PgQuery__CommonTableExpr& cte);

  // analysis_dml.cc
  void VisitInsert(const PgQuery__InsertStmt& insert);
  void VisitUpdate(const PgQuery__UpdateStmt& update);
  void VisitDelete(const PgQuery__DeleteStmt& remove);
  void VisitMerge(const PgQuery__MergeStmt& merge);
  void VisitAssignments(const PgQuery__RangeVar* table, PgQuery__Node* const* targets, size_t count,
                        bool top);
  void VisitInsertSource(const PgQuery__InsertStmt& insert);
  void VisitInsertRow(const PgQuery__InsertStmt& insert, const PgQuery__List& row);
  void VisitConflict(const PgQuery__InsertStmt& insert, bool top);
  void VisitMergeClause(const PgQuery__MergeStmt& merge, const PgQuery__MergeWhenClause& when,
                        bool top);
  void VisitReturning(PgQuery__Node* const* targets, size_t count);
  void AddTimeColumn(const PgQuery__RangeVar* table, std::string_view column, int position);

  // analysis_calls.cc
  void VisitFunction(const PgQuery__FuncCall& call);
  void NoteCall(const PgQuery__FuncCall& call, NodeName name);
  void NoteTimeFunction(std::string_view name, size_t offset, size_t length);
  void NoteSequenceFunction(const PgQuery__FuncCall& call, std::string_view name, size_t offset,
                            size_t length);
  void NoteEdit(std::string_view name, std::string_view replacement, size_t offset, size_t length);
  void NoteConfigCall(const PgQuery__FuncCall& call);
  void NoteDynamicSql(const PgQuery__FuncCall& call);
  void NoteAggregate(const PgQuery__FuncCall& call, std::string_view name);
  void VisitValueFunction(const PgQuery__SQLValueFunction& function);
  void VisitCast(const PgQuery__TypeCast& cast);
  void VisitColumn(const PgQuery__ColumnRef& column);
  void AddVolatile(std::string_view name);
  void AddReason(std::string_view reason);
  // Bytes of a call that begins at `location`, parentheses included; 0 if the text does not bear it
  // out.
  size_t CallLength(int location, bool parentheses) const;

  std::string_view text_;
  Analysis* out_;
  bool freezable_;
  std::vector<std::string_view> ctes_;  // names in scope, innermost last
  std::vector<StatementKind> cte_writes_;
  std::string_view
      naming_;  // name that the unnamed result column about us may take from a call; empty: none
  const ProtobufCMessage* direct_target_ =
      nullptr;  // the outermost SELECT's target itself, casts taken off
  int direct_column_ = -1;
  bool top_ = true;         // the next INSERT, UPDATE, ... is the statement itself
  bool outermost_ = false;  // the next SELECT is the statement's own
  bool in_exists_ = false;  // the next SELECT is that of EXISTS
  bool in_from_ = false;    // a call here is a FROM item itself: no place for a parameter
  bool in_returning_ = false;
  bool locks_rows_ = false, writes_catalog_ = false;
  std::string_view function_reason_;
};

// What a literal, parameter, DEFAULT, or a cast of one says. Offsets are left alone.
ValueSource ValueOf(const PgQuery__Node* node);
// The name that PostgreSQL gives an unnamed result column (parse_target.c, FigureColname).
std::string ResultColumnName(const PgQuery__Node* node);
// Conjuncts `column = value` of a WHERE over that one relation.
std::vector<KeyPredicate> KeyPredicatesOf(const PgQuery__Node* where,
                                          const PgQuery__RangeVar& relation);
// nullopt if the text does not bear out the tree, or it is no plain INSERT.
std::optional<InsertShape> InsertShapeOf(std::string_view text, const PgQuery__InsertStmt& insert);

}  // namespace pgparity::shadow
