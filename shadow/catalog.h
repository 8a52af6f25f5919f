// What a Postgres server's catalog says of tables, types and functions.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/statusor.h"
#include "protocol/value.h"
#include "shadow/analysis.h"
#include "shadow/code_risk.h"

typedef struct pg_conn PGconn;

namespace pgparity::shadow {

enum class DefaultKind : uint8_t {
  none,      // no default
  constant,  // the same on every server
  now,       // of time functions (TimeCall) and constants: now(), CURRENT_DATE, now() + '1 day'
  sequence,  // exactly nextval(...), and identity
  volatile_value,  // random(), gen_random_uuid(), clock_timestamp(), ...: any volatile function
};

struct CatalogColumn {
  std::string name;
  int16_t attribute = 0;
  uint32_t type_oid = 0;
  std::string type_name;  // format_type()
  bool not_null = false;
  bool identity_always = false;
  bool generated_stored = false;
  DefaultKind default_kind = DefaultKind::none;
  std::string default_text;
  std::string sequence;  // qualified and quoted, for DefaultKind::sequence
  // DefaultKind::now: the calls in default_text, offsets counted in it.
  std::vector<TimeCall> default_times;
  // A trigger of the table seems to fill it with the time (NEW.updated_at := now(), moddatetime).
  bool time_by_trigger = false;
};

struct ForeignKey {
  uint32_t table = 0;                        // the table that it points to
  std::vector<int16_t> columns, referenced;  // attribute numbers, pairwise
  char on_delete = 'a', on_update = 'a';     // pg_constraint.confdeltype, confupdtype
};

struct CatalogTable {
  uint32_t oid = 0;
  std::string schema, name;
  char kind = 'r';  // pg_class.relkind
  std::vector<CatalogColumn> columns;
  std::vector<int16_t> primary_key;  // attribute numbers, empty if none
  bool has_triggers = false, has_rules = false, row_security = false;
  std::vector<uint32_t> references;  // tables that its foreign keys point to
  std::vector<ForeignKey> foreign_keys;
  // Of the whole and plain unique indexes, the primary key apart: attribute numbers.
  std::vector<std::vector<int16_t>> unique_keys;
  bool other_unique = false;          // has a unique or exclusion constraint beside the primary key
  bool has_children = false;          // other tables inherit from it, or are its partitions
  uint32_t parent = 0;                // partition of, or inherits from; 0 if neither
  std::vector<uint32_t> view_of;      // of a view: the relations that it reads
  std::string QualifiedName() const;  // "public.orders", quoted where needed
  const CatalogColumn* FindColumn(std::string_view column) const;
  const CatalogColumn* FindAttribute(int16_t attribute) const;
};

// A snapshot of one database's catalog; immutable once loaded, so that it may be shared between
// threads.
class Catalog : public protocol::TypeResolver {
 public:
  // Reads the catalog over a connection that is idle. Needs no privilege beyond CONNECT.
  // `with_code`: code() too, which is empty otherwise.
  static absl::StatusOr<std::shared_ptr<const Catalog>> Load(PGconn* connection,
                                                             bool with_code = false);
  // For tests and for when there is no connection.
  static std::shared_ptr<const Catalog> Empty();
  static std::shared_ptr<const Catalog> FromTables(std::vector<CatalogTable> tables);

  const CatalogTable* FindTable(uint32_t oid) const;
  // `schema` empty: along `search_path`, in which "$user" stands for `user`.
  const CatalogTable* FindTable(std::string_view schema, std::string_view name,
                                const std::vector<std::string>& search_path) const;
  // By CatalogTable::QualifiedName().
  const CatalogTable* FindQualified(std::string_view name) const;
  const std::vector<CatalogTable>& tables() const { return tables_; }
  // Tables with a foreign key to that one.
  std::vector<const CatalogTable*> FindReferencing(uint32_t oid) const;
  // The qualified, quoted name of a sequence that is named as regclass takes it; nullopt if
  // unknown.
  std::optional<std::string> FindSequence(std::string_view regclass,
                                          const std::vector<std::string>& search_path) const;
  // 'i', 's' or 'v' (pg_proc.provolatile), the most volatile of that name's overloads; nullopt if
  // unknown. `schema` empty: pg_catalog's, else those of all schemas.
  std::optional<char> FunctionVolatility(std::string_view schema, std::string_view name) const;
  protocol::TypeInfo Resolve(uint32_t type_oid) const override;
  // The OID of the type of that qualified name, or 0. Maps OIDs from 16384 up between two
  // databases.
  uint32_t FindType(std::string_view qualified_name) const;
  const CodeRisks& code() const { return code_; }
  // That holds a table.
  bool HasSchema(const std::string& name) const { return schemas_.contains(name); }

 private:
  friend class CatalogLoader;  // catalog_load.cc
  void Index();

  std::vector<CatalogTable> tables_;
  absl::flat_hash_map<uint32_t, size_t> by_oid_;
  absl::flat_hash_map<std::string, size_t>
      by_name_;  // "schema.name", unquoted, with a zero byte for the dot
  absl::flat_hash_map<std::string, size_t> by_qualified_;
  absl::flat_hash_map<uint32_t, std::vector<size_t>> referencing_;
  absl::flat_hash_map<std::string, std::string> sequences_;  // likewise -> qualified and quoted
  absl::flat_hash_map<std::string, char>
      volatility_;  // likewise, and "name" over all other schemas
  absl::flat_hash_map<uint32_t, protocol::TypeInfo> types_;
  absl::flat_hash_map<std::string, uint32_t> types_by_name_;
  CodeRisks code_;
  absl::flat_hash_set<std::string> schemas_;
};

// Fills default_kind, sequence and default_times from default_text (as pg_get_expr gives it under
// an empty search_path). An identity column is a sequence whatever its text.
void ClassifyDefault(const Catalog& functions, CatalogColumn* column);

// "public, \"$user\"" -> {"public", "$user"}; the rules of search_path's value.
std::vector<std::string> ParseSearchPath(std::string_view value);

}  // namespace pgparity::shadow
