// What a Postgres server's catalog says of tables, types and functions.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "protocol/value.h"

typedef struct pg_conn PGconn;

namespace pgparity::shadow {

enum class DefaultKind : uint8_t {
  none,        // no default
  constant,    // immutable expression
  now,         // now(), CURRENT_TIMESTAMP, LOCALTIMESTAMP, CURRENT_DATE, transaction_timestamp(), with or without a cast
  sequence,    // nextval(...), identity
  volatile_value,   // random(), gen_random_uuid(), clock_timestamp(), ...: any volatile function
};

struct CatalogColumn {
  std::string name;
  int16_t attribute = 0;
  uint32_t type_oid = 0;
  std::string type_name;           // format_type()
  bool not_null = false;
  bool identity_always = false;
  bool generated_stored = false;
  DefaultKind default_kind = DefaultKind::none;
  std::string default_text;
  std::string sequence;            // qualified and quoted, for DefaultKind::sequence
};

struct CatalogTable {
  uint32_t oid = 0;
  std::string schema, name;
  char kind = 'r';                 // pg_class.relkind
  std::vector<CatalogColumn> columns;
  std::vector<int16_t> primary_key;   // attribute numbers, empty if none
  bool has_triggers = false, has_rules = false, row_security = false;
  std::vector<uint32_t> references;   // tables that its foreign keys point to
  std::string QualifiedName() const;  // "public.orders", quoted where needed
  const CatalogColumn* FindColumn(std::string_view column) const;
  const CatalogColumn* FindAttribute(int16_t attribute) const;
};

// A snapshot of one database's catalog; immutable once loaded, so that it may be shared between threads.
class Catalog : public protocol::TypeResolver {
 public:
  // Reads the catalog over a connection that is idle. Needs no privilege beyond CONNECT.
  static absl::StatusOr<std::shared_ptr<const Catalog>> Load(PGconn* connection);
  // For tests and for when there is no connection.
  static std::shared_ptr<const Catalog> Empty();
  static std::shared_ptr<const Catalog> FromTables(std::vector<CatalogTable> tables);

  const CatalogTable* FindTable(uint32_t oid) const;
  // `schema` empty: along `search_path`, in which "$user" stands for `user`.
  const CatalogTable* FindTable(std::string_view schema, std::string_view name,
                                const std::vector<std::string>& search_path) const;
  const std::vector<CatalogTable>& tables() const { return tables_; }
  // 'i', 's' or 'v' (pg_proc.provolatile), the most volatile of that name's overloads; nullopt if unknown.
  std::optional<char> FunctionVolatility(std::string_view schema, std::string_view name) const;
  protocol::TypeInfo Resolve(uint32_t type_oid) const override;
  // The OID of the type of that qualified name, or 0. Maps OIDs from 16384 up between two databases.
  uint32_t FindType(std::string_view qualified_name) const;

 private:
  std::vector<CatalogTable> tables_;
  absl::flat_hash_map<uint32_t, size_t> by_oid_;
  absl::flat_hash_map<std::string, size_t> by_name_;    // "schema.name", unquoted
  absl::flat_hash_map<std::string, char> volatility_;   // "schema.name" and "name" of pg_catalog
  absl::flat_hash_map<uint32_t, protocol::TypeInfo> types_;
  absl::flat_hash_map<std::string, uint32_t> types_by_name_;
};

// "public, \"$user\"" -> {"public", "$user"}; the rules of search_path's value.
std::vector<std::string> ParseSearchPath(std::string_view value);

}  // namespace pgparity::shadow
