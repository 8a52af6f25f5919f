// SQLite's C interface as two owners of handles, with absl::Status.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

struct sqlite3;
struct sqlite3_stmt;

namespace pgparity::compare {

// A prepared statement. Must not outlive its database. Parameters and columns count from 1 and 0,
// as in SQLite. Values bound as text or blob are copied.
class SqliteStatement {
 public:
  explicit SqliteStatement(sqlite3_stmt* statement) : statement_(statement) {}
  SqliteStatement(SqliteStatement&& other) noexcept : statement_(other.statement_) {
    other.statement_ = nullptr;
  }
  SqliteStatement& operator=(SqliteStatement&& other) = delete;
  ~SqliteStatement();

  SqliteStatement& Bind(int index, int64_t value);
  SqliteStatement& BindUnsigned(int index, uint64_t value);
  SqliteStatement& Bind(int index, std::string_view text);
  SqliteStatement& BindBlob(int index, std::string_view bytes);

  // True when there is a row. Once there is none, or after an error, the statement is reset and its
  // parameters are cleared.
  absl::StatusOr<bool> Step();
  // Steps to the end, ignoring rows.
  absl::Status Run();
  // Ends an execution that was not stepped to its end.
  void Reset();

  int64_t Integer(int column) const;
  // Negative values, which nothing of ours writes, read as 0.
  uint64_t Unsigned(int column) const;
  // Valid until the next Step or Reset.
  std::string_view Text(int column) const;

 private:
  sqlite3_stmt* statement_;
};

class SqliteDatabase {
 public:
  enum class Mode { read_only, create };

  // `create` makes the file readable by its owner alone. read_only also opens the file of a
  // directory that cannot be written. An error names the path.
  static absl::StatusOr<std::unique_ptr<SqliteDatabase>> Open(const std::string& path, Mode mode);
  ~SqliteDatabase();
  SqliteDatabase(const SqliteDatabase&) = delete;
  SqliteDatabase& operator=(const SqliteDatabase&) = delete;

  absl::Status Execute(const char* sql);
  absl::StatusOr<SqliteStatement> Prepare(std::string_view sql);
  // The first column of the first row of a query without parameters; 0 when it has no rows.
  absl::StatusOr<int64_t> QueryInteger(std::string_view sql);

 private:
  explicit SqliteDatabase(sqlite3* db) : db_(db) {}
  sqlite3* db_;
};

}  // namespace pgparity::compare
