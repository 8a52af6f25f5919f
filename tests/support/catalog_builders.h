// Short ways to make catalogs and observed statements in tests.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "shadow/catalog.h"
#include "shadow/rewrite.h"

namespace pgparity::support {

// A table of schema public with the OID given; its columns get the attribute numbers 1, 2, ...
class TableBuilder {
 public:
  TableBuilder(uint32_t oid, std::string name) {
    table_.oid = oid;
    table_.schema = "public";
    table_.name = std::move(name);
  }
  // `default_text` as pg_get_expr gives it.
  TableBuilder& Column(std::string name, uint32_t type, std::string default_text = "") {
    shadow::CatalogColumn& column = table_.columns.emplace_back();
    column.name = std::move(name);
    column.attribute = static_cast<int16_t>(table_.columns.size());
    column.type_oid = type;
    column.default_text = std::move(default_text);
    shadow::ClassifyDefault(*shadow::Catalog::Empty(), &column);
    return *this;
  }
  TableBuilder& Identity(std::string name, uint32_t type, std::string sequence,
                         bool always = true) {
    shadow::CatalogColumn& column = table_.columns.emplace_back();
    column.name = std::move(name);
    column.attribute = static_cast<int16_t>(table_.columns.size());
    column.type_oid = type;
    column.default_kind = shadow::DefaultKind::sequence;
    column.identity_always = always;
    column.sequence = std::move(sequence);
    return *this;
  }
  TableBuilder& PrimaryKey(std::vector<int16_t> columns) {
    table_.primary_key = std::move(columns);
    return *this;
  }
  TableBuilder& References(uint32_t table, std::vector<int16_t> columns,
                           std::vector<int16_t> referenced, char on_delete = 'a') {
    table_.foreign_keys.push_back(
        {table, std::move(columns), std::move(referenced), on_delete, 'a'});
    return *this;
  }
  shadow::CatalogTable* operator->() { return &table_; }
  operator shadow::CatalogTable() const { return table_; }  // NOLINT(google-explicit-constructor)

 private:
  shadow::CatalogTable table_;
};

// A statement that the primary answered with these rows (text format). Columns: name, table OID,
// attribute, type OID.
inline shadow::Statement Observed(
    std::string sql, std::vector<compare::Column> columns = {},
    const std::vector<std::vector<std::optional<std::string>>>& rows = {}, std::string tag = "") {
  shadow::Statement statement;
  statement.sql = std::move(sql);
  statement.primary.has_columns = !columns.empty();
  statement.primary.columns = std::move(columns);
  statement.primary.row_count = rows.size();
  statement.primary.tag = std::move(tag);
  for (const auto& row : rows) {
    compare::RowView view;
    for (const auto& cell : row) view.push_back(cell ? compare::Cell(*cell) : std::nullopt);
    compare::AppendRow(view, &statement.primary.rows);
  }
  return statement;
}

inline compare::Column ResultColumn(std::string name, uint32_t table, int16_t attribute,
                                    uint32_t type,
                                    protocol::Format format = protocol::Format::text) {
  compare::Column column;
  column.name = std::move(name);
  column.table_oid = table;
  column.attribute = attribute;
  column.type_oid = type;
  column.format = format;
  return column;
}

}  // namespace pgparity::support
