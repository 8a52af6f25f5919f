// What the file holds, in PostgreSQL's words: tables with each column's PostgreSQL type,
// constraints, enums, sequences. Kept in the file's side tables (schema_store.cc).
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "shadow/parse_tree.h"
#include "shadow/sqlite/types.h"

namespace pgparity::shadow::sqlite {

// An expression of the schema, as PostgreSQL's parser reads it; holds its own memory. Copies share
// it.
class StoredExpression {
 public:
  StoredExpression() = default;
  static StoredExpression Of(const PgQuery__Node* node);
  static absl::StatusOr<StoredExpression> FromText(std::string_view text);
  static StoredExpression FromPacked(std::string packed);
  bool empty() const { return packed_.empty(); }
  const PgQuery__Node* node() const { return node_.get(); }
  const std::string& packed() const { return packed_; }

 private:
  std::string packed_;  // protobuf
  std::shared_ptr<const PgQuery__Node> node_;
};

// A type of the application's own.
struct UserType {
  Oid oid = 0;
  std::string schema, name;
  std::vector<std::string> labels;       // of an enum, in order
  std::optional<Type> base;              // of a domain
  bool not_null = false;                 // of a domain
  std::vector<StoredExpression> checks;  // of a domain, over VALUE
};

struct Column {
  std::string name;
  Type type;
  bool not_null = false;
  StoredExpression default_value;
  StoredExpression generated;  // GENERATED ALWAYS AS (...) STORED
  std::string sequence;        // of serial and identity: "schema.name"
  bool identity = false, identity_always = false;
};

struct Constraint {
  enum class Kind : uint8_t { primary_key, unique, foreign_key, check, index };
  Kind kind = Kind::check;
  std::string name;
  std::vector<std::string> columns;           // index: "" where an expression stands
  std::vector<StoredExpression> expressions;  // index: those, in order
  StoredExpression condition;                 // check: it; index: its predicate
  bool unique = false;                        // index
  std::string table;                          // foreign_key: Table::key of the table pointed to
  std::vector<std::string> referenced;        // likewise; empty: its primary key
  char on_delete = 'a', on_update = 'a';
  bool deferrable = false, deferred = false;
};

struct Table {
  std::string schema, name;
  std::vector<Column> columns;
  std::vector<Constraint> constraints;
  bool view = false;
  std::string view_text;  // of a view: its query, as it came

  std::string key() const { return schema + "." + name; }
  // Its name in the file, not quoted.
  std::string file_name() const { return schema == "public" ? name : key(); }
  const Column* Find(std::string_view column) const;
  const Constraint* PrimaryKey() const;
  const Constraint* FindConstraint(std::string_view constraint) const;
  // Its primary key is one integer column, which SQLite then keeps as the row's number.
  const Column* RowNumber() const;
};

struct Sequence {
  std::string schema, name;
  int64_t start = 1, increment = 1;
  std::string key() const { return schema + "." + name; }
};

// A value: copied to be changed, so that a transaction that is rolled back leaves the old one.
struct Schema {
  std::map<std::string, std::shared_ptr<const Table>, std::less<>> tables;  // by key()
  std::map<std::string, UserType, std::less<>> types;                       // by "schema.name"
  std::map<std::string, Sequence, std::less<>> sequences;
  std::vector<std::string> schemas = {"public"};
  Oid next_oid = protocol::oid::kFirstUser;

  const Table* FindTable(std::string_view schema, std::string_view name,
                         const std::vector<std::string>& search_path) const;
  const UserType* FindType(std::string_view schema, std::string_view name,
                           const std::vector<std::string>& search_path) const;
  const UserType* FindType(Oid type) const;
};

// "name" as SQL takes it.
std::string QuoteName(std::string_view name);

}  // namespace pgparity::shadow::sqlite
