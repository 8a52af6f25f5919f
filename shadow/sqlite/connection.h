// One connection to the file, with the functions of ours.
#pragma once

#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "shadow/sqlite/functions.h"
#include "shadow/sqlite/sql_value.h"

struct sqlite3;
struct sqlite3_stmt;

namespace pgparity::shadow::sqlite {

class Connection {
 public:
  enum class Mode : uint8_t { create, read_write, read_only };
  // `create` makes a missing file, readable by its owner alone.
  static absl::StatusOr<std::unique_ptr<Connection>> Open(const std::string& path, Mode mode);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  FunctionSession& session() { return session_; }
  sqlite3* db() const { return db_; }

  using RowSink = std::function<void(const std::vector<SqlValue>&)>;
  // Runs one statement to its end, prepared and kept. nullopt: done.
  std::optional<Problem> Run(const std::string& sql, const std::vector<SqlValue>& parameters = {},
                             const RowSink& row = nullptr);
  // Several statements without parameters, not kept.
  std::optional<Problem> Script(const std::string& sql);
  // Rows that the last INSERT, UPDATE or DELETE changed.
  int64_t changes() const;
  // Kept statements go: the schema changes.
  void ForgetStatements();

 private:
  struct Kept {
    std::string sql;
    sqlite3_stmt* statement;
  };
  explicit Connection(sqlite3* db) : db_(db) {}
  std::optional<Problem> Prepare(const std::string& sql, sqlite3_stmt** statement);

  sqlite3* db_;
  FunctionSession session_;
  std::list<Kept> order_;  // the most recently used first
  absl::flat_hash_map<std::string_view, std::list<Kept>::iterator> kept_;
};

}  // namespace pgparity::shadow::sqlite
