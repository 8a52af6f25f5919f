// Internal to the translator: SQLite's DDL for a table of the schema.
#pragma once

#include <string>
#include <vector>

#include "shadow/sqlite/binder.h"

namespace pgparity::shadow::sqlite {

// "CREATE TABLE name (...) STRICT", in the words of a stock sqlite3 alone.
std::string TableScript(const Schema& schema, const Table& table, const std::string& file_name);
// CREATE INDEX of each index that a stock sqlite3 can keep.
std::vector<std::string> IndexScripts(const Schema& schema, const Table& table);
std::string IndexFileName(const Table& table, std::string_view index);
// An expression of the schema with the table's columns written `prefix` + "name".
std::string SchemaExpression(const Schema& schema, const Table& table, const PgQuery__Node* node,
                             const std::string& prefix, std::string_view value_column);
// It names no function, collation or parameter of ours.
bool IsStock(std::string_view sql);

}  // namespace pgparity::shadow::sqlite
