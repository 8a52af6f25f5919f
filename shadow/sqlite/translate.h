// PostgreSQL's SQL -> SQLite's. A closed world: what is not known is a refusal by name, never a
// guess.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "shadow/sqlite/schema.h"
#include "shadow/sqlite/sql_value.h"

namespace pgparity::shadow::sqlite {

struct TranslateContext {
  const Schema* schema = nullptr;  // never null
  std::vector<std::string> search_path = {"public"};
  // The database's collation sorts as memcmp does. Otherwise sort orders of text go by a collation
  // of ours, "pg_text".
  bool c_collation = true;
};

struct ResultColumn {
  std::string name;
  Type type;
};

struct Translation {
  enum class Kind : uint8_t {
    rows,     // gives rows: SELECT, RETURNING
    command,  // INSERT, UPDATE, DELETE without RETURNING
    schema,   // DDL: see `scripts` and `new_schema`
    nothing,  // has no effect here: COMMENT, GRANT, ...
    refused,  // `problem` names the construct
    error,    // PostgreSQL refuses the text as well: `problem` has its SQLSTATE
  };
  Kind kind = Kind::refused;
  Problem problem;
  std::string sql;   // of rows and command; parameters are ?1, ?2, ...
  std::string verb;  // "SELECT", "INSERT 0", "UPDATE", "DELETE"; of schema: the whole tag
  std::vector<ResultColumn> columns;
  std::vector<Oid> parameters;       // types; 0: not used
  std::vector<std::string> written;  // tables written, Table::key()
  // Of `schema`: run in order; then the new schema holds. `rebuilds`: foreign keys must be off.
  std::vector<std::string> scripts;
  std::shared_ptr<const Schema> new_schema;
  bool rebuilds = false;
};

// `parameter_types`: as the client declared them, 0 or missing: open.
Translation Translate(std::string_view sql, const std::vector<Oid>& parameter_types,
                      const TranslateContext& context);

// Scripts of TEMP triggers that hold up what the file's own schema cannot say (a CHECK with
// functions of ours, a unique index over expressions); to be run on each connection that writes.
// First those that drop the triggers of a table, if they are there.
std::vector<std::string> GuardScripts(const Schema& schema, const Table& table);

}  // namespace pgparity::shadow::sqlite
