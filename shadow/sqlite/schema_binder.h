// Internal to the translator: DDL. Changes a copy of the schema, and writes the scripts that make
// the file follow.
#pragma once

#include "shadow/sqlite/binder.h"

namespace pgparity::shadow::sqlite {

class SchemaBinder {
 public:
  // `sql`: the statement's text.
  SchemaBinder(const TranslateContext& context, std::string_view sql, Translation* out);
  // False: the statement is no DDL.
  bool Run(const PgQuery__Node* node);

 private:
  // schema_binder.cc
  void CreateTable(const PgQuery__CreateStmt& create);
  void AddElement(const PgQuery__Node* element, Table* table);
  Column MakeColumn(const PgQuery__ColumnDef& definition, Table* table);
  void ColumnConstraint(const PgQuery__Constraint& constraint, Column* column, Table* table);
  void TableConstraint(const PgQuery__Constraint& constraint, Table* table);
  void ForeignKey(const PgQuery__Constraint& constraint, std::vector<std::string> columns,
                  Table* table);
  void AddSequence(Column* column, const Table& table);
  void CheckTable(const Table& table) const;
  std::string ChooseName(const Table& table, std::string_view given,
                         std::vector<std::string> parts) const;
  void CreateTableAs(const PgQuery__CreateTableAsStmt& create);
  void CreateView(const PgQuery__ViewStmt& view);
  void CreateIndex(const PgQuery__IndexStmt& index);
  // schema_alter.cc
  void AlterTable(const PgQuery__AlterTableStmt& alter);
  bool AlterCommand(const PgQuery__AlterTableCmd& command, Table* table,
                    std::vector<std::string>* values);
  void AddColumn(const PgQuery__AlterTableCmd& command, Table* table,
                 std::vector<std::string>* values);
  void DropColumn(const PgQuery__AlterTableCmd& command, Table* table,
                  std::vector<std::string>* values);
  void ChangeType(const PgQuery__AlterTableCmd& command, Table* table,
                  std::vector<std::string>* values);
  void Rebuild(const Table& before, const Table& after, const std::vector<std::string>& values);
  void Rename(const PgQuery__RenameStmt& rename);
  void RenameColumn(const Table& table, std::string_view from, std::string_view to);
  void Drop(const PgQuery__DropStmt& drop);
  void DropTable(const Table& table, bool cascade);
  void DropIndex(NodeName name, bool missing_ok);
  void Truncate(const PgQuery__TruncateStmt& truncate);
  void CreateEnum(const PgQuery__CreateEnumStmt& create);
  void AlterEnum(const PgQuery__AlterEnumStmt& alter);
  void CreateDomain(const PgQuery__CreateDomainStmt& create);
  void CreateSequence(const PgQuery__CreateSeqStmt& create);

  Type ResolveType(const PgQuery__TypeName& name, const UserType** domain);
  std::string NewSchemaName(const char* given) const;
  const Table& Find(const PgQuery__RangeVar& range) const;
  void Put(Table table);
  void Script(std::string sql) { out_->scripts.push_back(std::move(sql)); }
  TranslateContext Context() const;

  const TranslateContext& context_;
  const std::string_view sql_;
  Translation* const out_;
  std::shared_ptr<Schema> schema_;
};

}  // namespace pgparity::shadow::sqlite
