// Internal to the translator: binds a parse tree to the schema and writes SQLite's SQL on the way.
// Inside, a refusal or an error is thrown as Stop; Translate() is the one place that catches it.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/text.h"
#include "shadow/parse_tree.h"
#include "shadow/sqlite/translate.h"

namespace pgparity::shadow::sqlite {

using protocol::StrCat;

struct Stop {
  Problem problem;
};
[[noreturn]] inline void RefuseAs(std::string construct) {
  throw Stop{Refuse(std::move(construct))};
}
[[noreturn]] inline void Fail(std::string_view sqlstate, std::string message) {
  throw Stop{{std::string(sqlstate), std::move(message)}};
}

// A bound expression.
struct Expr {
  enum class Kind : uint8_t { value, literal, null, parameter };  // all but value are not typed yet
  Kind kind = Kind::value;
  std::string sql;
  Type type;
  std::string literal;
  int parameter = 0;
  bool c_collation = false;  // COLLATE "C"
  std::string name;          // of the result column, "" for ?column?
  bool weak_name = false;    // a cast's or a CASE's: one about it names the column anew
  bool untyped() const { return kind != Kind::value; }
};

struct ScopeColumn {
  std::string name;
  Expr expr;
};
// Something in FROM that a name may be qualified with.
struct Relation {
  std::string alias, schema;
  const Table* table = nullptr;  // null: a subquery, CTE or function
  std::vector<ScopeColumn> columns;
  std::string file_alias;
};
struct Namespace {
  std::vector<Relation> relations;
  std::vector<ScopeColumn> visible;  // what * and plain names see
};
struct Scope {
  Namespace names;
  const Scope* outer = nullptr;
  bool qualify_by_nothing = false;
};
struct FromItem {
  std::string sql;
  Namespace names;
  bool outer_join = false;  // right or full, which SQLite cannot put behind a comma
};

struct Query {
  std::vector<Expr> targets;            // of a set operation: names and types alone
  std::vector<std::vector<Expr>> rows;  // VALUES
  std::string with, head, tail, order, limit;
  std::unique_ptr<Query> left, right;  // set operation
  std::string operation;               // "UNION", "UNION ALL", ...
  bool number_rows = false;            // INTERSECT ALL, EXCEPT ALL
  bool distinct_on = false;            // keeps row 1 of each partition by its last target
  bool plain() const { return with.empty() && order.empty() && limit.empty() && !distinct_on; }
};

struct Cte {
  std::string name, file_name;
  std::vector<ResultColumn> columns;
};

// What a GROUP BY or an aggregate allows.
struct Grouping {
  bool grouped = false;
  std::set<std::string> expressions;       // SQL of the grouping expressions
  std::vector<std::string> loose_columns;  // columns seen outside aggregates, by their SQL
};

class Binder {
 public:
  Binder(const TranslateContext& context, std::vector<Oid> parameters)
      : context_(context), parameters_(std::move(parameters)) {}

  void Statement(const PgQuery__Node* node, Translation* out);

  // binder_expr.cc
  Expr Bind(const PgQuery__Node* node, const Scope* scope);
  Expr BindBoolean(const PgQuery__Node* node, const Scope* scope, std::string_view clause);

  // binder_types.cc
  Type ResolveType(const PgQuery__TypeName& name) const;
  // To a type, implicitly: the caller has seen that it may.
  Expr Coerce(Expr expr, Type type);
  Expr Cast(Expr expr, Type type);  // explicit
  Expr Assign(Expr expr, Type type, std::string_view column);
  Expr ToText(Expr expr);
  Expr Typed(Expr expr, Oid fallback = oid::kText);  // an untyped one becomes this type
  std::string Ordered(const Expr& expr) const;       // in a form that SQLite orders as PostgreSQL
  std::string Equal(const Expr& expr) const;         // ... and tells apart as PostgreSQL
  std::string Literal(std::string_view text, Type type);
  Oid CommonType(const std::vector<Expr>& exprs, std::string_view what) const;
  bool CanCoerce(Oid from, Oid to) const;

  // binder_schema.cc
  void Schema_(const PgQuery__Node* node, Translation* out);

  const TranslateContext& context() const { return context_; }

 private:
  friend class SchemaBinder;
  friend std::vector<std::string> GuardScripts(const Schema& schema, const Table& table);

  // binder_expr.cc
  Expr BindNode(const PgQuery__Node* node, const Scope* scope);
  Expr BindColumn(const PgQuery__ColumnRef& ref, const Scope* scope);
  Expr BindConstant(const PgQuery__AConst& constant);
  Expr BindBool(const PgQuery__BoolExpr& expr, const Scope* scope);
  Expr BindCase(const PgQuery__CaseExpr& expr, const Scope* scope);
  Expr BindCoalesce(const PgQuery__CoalesceExpr& expr, const Scope* scope);
  Expr BindMinMax(const PgQuery__MinMaxExpr& expr, const Scope* scope);
  Expr BindCast(const PgQuery__TypeCast& cast, const Scope* scope);
  Expr BindSubLink(const PgQuery__SubLink& link, const Scope* scope);
  Expr BindArray(const PgQuery__AArrayExpr& array, const Scope* scope);
  Expr BindIndirection(const PgQuery__AIndirection& node, const Scope* scope);
  Expr BindCollate(const PgQuery__CollateClause& clause, const Scope* scope);
  Expr BindNullTest(const PgQuery__NullTest& test, const Scope* scope);
  Expr BindBooleanTest(const PgQuery__BooleanTest& test, const Scope* scope);
  const ScopeColumn* FindColumn(const Scope& scope, std::string_view name) const;

  // binder_operators.cc
  Expr BindOperator(const PgQuery__AExpr& expr, const Scope* scope);
  Expr BindIn(const PgQuery__AExpr& expr, const Scope* scope);
  Expr BindAnyAll(const PgQuery__AExpr& expr, const Scope* scope, bool all);
  Expr BindBetween(const PgQuery__AExpr& expr, const Scope* scope);
  Expr BindLike(const PgQuery__AExpr& expr, const Scope* scope, bool fold);
  Expr BindRowComparison(std::string_view op, const PgQuery__Node* left, const PgQuery__Node* right,
                         const Scope* scope);
  Expr Compare(std::string_view op, Expr left, Expr right);
  void Unify(Expr* left, Expr* right, std::string_view op);
  Expr Operator(const std::string& op, Expr left, Expr right);
  std::optional<Expr> Arithmetic(const std::string& op, const Expr& left, const Expr& right);
  std::optional<Expr> JsonOperator(const std::string& op, Expr left, Expr right);
  std::optional<Expr> ArrayOperator(const std::string& op, Expr left, Expr right);
  Expr Concatenate(Expr left, Expr right);

  // binder_functions.cc, binder_aggregates.cc
  Expr BindFunction(const PgQuery__FuncCall& call, const Scope* scope);
  std::string Printed(Expr expr);
  Expr SpecialFunction(const std::string& name, std::vector<Expr> args, bool* known);
  Expr ArrayFunction(const std::string& name, std::vector<Expr> args, bool* known);
  Expr JsonFunction(const std::string& name, std::vector<Expr> args, bool* known);
  Expr FromTable(const std::string& name, std::vector<Expr> args, bool* known);
  bool IsAggregate(const std::string& name) const;
  Expr BindAggregate(const std::string& name, const PgQuery__FuncCall& call, const Scope* scope);
  Expr OrderedAggregate(const std::string& name, const PgQuery__FuncCall& call,
                        std::vector<Expr> args, const Scope* scope);
  Expr PlainAggregate(const std::string& name, std::vector<Expr>* args, bool distinct);
  Expr BindWindowFunction(const std::string& name, const PgQuery__FuncCall& call,
                          const Scope* scope);
  std::string WindowClause(const PgQuery__WindowDef& window, const Scope* scope);
  Expr JsonValue(Expr expr, bool jsonb);  // to_json

  // binder_select.cc
  Query Select(const PgQuery__SelectStmt& select, const Scope* outer);
  Query PlainSelect(const PgQuery__SelectStmt& select, const Scope* outer);
  Query Values(const PgQuery__SelectStmt& select, const Scope* outer);
  Query SetOperation(const PgQuery__SelectStmt& select, const Scope* outer);
  void Targets(const PgQuery__SelectStmt& select, const Scope& scope, Query* query);
  std::vector<Expr> ExpandStar(const PgQuery__ColumnRef& ref, const Scope& scope);
  void GroupBy(const PgQuery__SelectStmt& select, const Scope& scope, Query* query);
  void OrderBy(const PgQuery__SelectStmt& select, const Scope& scope, Query* query);
  void DistinctOn(const PgQuery__SelectStmt& select, const Scope& scope, Query* query);
  std::string SortItem(const PgQuery__SortBy& sort, const Expr& expr, const std::string& sql) const;
  Expr SortExpression(const PgQuery__Node* node, const Scope& scope, const Query& query,
                      int* position);
  void Limit(const PgQuery__SelectStmt& select, Query* query);
  void CheckGrouping(const Scope& scope) const;
  std::string WithClause(const PgQuery__WithClause* with, const Scope* outer);
  std::string CommonTable(const PgQuery__CommonTableExpr& cte, bool recursive, const Scope* outer);
  void CoerceColumn(Query* query, size_t column, Type type);
  void ResolveUnknown(Query* query);
  std::string Render(const Query& query, bool name_columns) const;
  std::string RenderLeaf(const Query& query, bool name_columns) const;
  std::string RenderOperand(const Query& query, bool name_columns, bool first) const;
  std::string RenderTargets(const std::vector<Expr>& targets, bool name_columns) const;
  Query Subquery(const PgQuery__Node* node, const Scope* outer);

  // binder_from.cc
  FromItem From(PgQuery__Node* const* items, size_t count, const Scope* outer);
  FromItem FromNode(const PgQuery__Node* node, const Scope* outer, const Namespace& before);
  FromItem FromTableName(const PgQuery__RangeVar& range);
  FromItem FromTableOf(const Table& table, std::string_view alias);
  FromItem FromSubselect(const PgQuery__RangeSubselect& range, const Scope* outer);
  FromItem FromFunction(const PgQuery__RangeFunction& range, const Scope* outer,
                        const Namespace& before);
  FromItem Join(const PgQuery__JoinExpr& join, const Scope* outer, const Namespace& before);
  FromItem OfQuery(const Query& query, const PgQuery__Alias* alias);
  void Rename(const PgQuery__Alias* alias, Relation* relation) const;
  std::string NextAlias() { return StrCat("t", ++aliases_); }

  // binder_dml.cc
  void Insert(const PgQuery__InsertStmt& insert, Translation* out);
  void InsertSource(const PgQuery__InsertStmt& insert, const Table& table,
                    const std::vector<const Column*>& columns, std::string* sql);
  std::string OnConflict(const PgQuery__OnConflictClause& clause, const Table& table,
                         const Scope& scope);
  std::string ConflictTarget(const PgQuery__InferClause& infer, const Table& table,
                             const Scope& scope);
  void Update(const PgQuery__UpdateStmt& update, Translation* out);
  void Delete(const PgQuery__DeleteStmt& remove, Translation* out);
  std::string Assignments(PgQuery__Node* const* targets, size_t count, const Table& table,
                          const Scope& scope);
  std::string Returning(PgQuery__Node* const* targets, size_t count, const Table& table,
                        std::string_view alias, const Namespace& others, Translation* out);
  const Table& TableOf(const PgQuery__RangeVar& range);
  Expr DefaultOf(const Column& column);
  std::string GeneratedColumns(const Table& table, const Scope& scope);

  const TranslateContext& context_;
  std::vector<Oid> parameters_;
  std::vector<Cte> ctes_;
  int aliases_ = 0;
  Grouping* grouping_ = nullptr;
  bool in_aggregate_ = false;
  bool aggregates_allowed_ = false;
  const PgQuery__SelectStmt* select_ = nullptr;  // whose windows are in sight
  int depth_ = 0;
  bool in_returning_ = false;
  const UserType* domain_value_ = nullptr;
};

// binder_functions.cc
const std::string& FunctionTemplate(const std::string& name);

}  // namespace pgparity::shadow::sqlite
