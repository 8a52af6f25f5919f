#include "shadow/sqlite/connection.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "protocol/text.h"

namespace pgparity::shadow::sqlite {

using protocol::StrCat;

namespace {

constexpr size_t kKeptStatements = 500;
constexpr int kBusyTimeoutMs = 10'000;

void Bind(sqlite3_stmt* statement, int index, const SqlValue& value) {
  switch (value.kind) {
    case SqlValue::Kind::null:
      sqlite3_bind_null(statement, index);
      break;
    case SqlValue::Kind::integer:
      sqlite3_bind_int64(statement, index, value.integer);
      break;
    case SqlValue::Kind::real:
      sqlite3_bind_double(statement, index, value.real);
      break;
    // The values outlive the run.
    case SqlValue::Kind::text:
      sqlite3_bind_text64(statement, index, value.bytes.data(), value.bytes.size(), SQLITE_STATIC,
                          SQLITE_UTF8);
      break;
    case SqlValue::Kind::blob:
      sqlite3_bind_blob64(statement, index, value.bytes.data(), value.bytes.size(), SQLITE_STATIC);
      break;
  }
}

SqlValue ColumnOf(sqlite3_stmt* statement, int column) {
  auto bytes = [&](const void* data) {
    return data == nullptr
               ? std::string()
               : std::string(static_cast<const char*>(data),
                             static_cast<size_t>(sqlite3_column_bytes(statement, column)));
  };
  switch (sqlite3_column_type(statement, column)) {
    case SQLITE_INTEGER:
      return SqlValue::Integer(sqlite3_column_int64(statement, column));
    case SQLITE_FLOAT:
      return SqlValue::Real(sqlite3_column_double(statement, column));
    case SQLITE_TEXT:
      return SqlValue::Text(bytes(sqlite3_column_text(statement, column)));
    case SQLITE_BLOB:
      return SqlValue::Blob(bytes(sqlite3_column_blob(statement, column)));
    default:
      return {};
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<Connection>> Connection::Open(const std::string& path, Mode mode) {
  if (mode == Mode::create) {
    // SQLite would make it with mode 0644. Its companions -wal and -shm take over its mode.
    const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
      return absl::FailedPreconditionError(StrCat("cannot create ", path, ": ", strerror(errno)));
    close(fd);
  }
  sqlite3* db = nullptr;
  const int flags = mode == Mode::read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE;
  const int code = sqlite3_open_v2(path.c_str(), &db, flags, nullptr);
  std::unique_ptr<Connection> connection(new Connection(db));
  if (code != SQLITE_OK)
    return absl::UnavailableError(StrCat(path, ": SQLite: ", sqlite3_errmsg(db)));
  sqlite3_extended_result_codes(db, 1);
  sqlite3_busy_timeout(db, kBusyTimeoutMs);
  // "nocol" is a name and never a string.
  sqlite3_db_config(db, SQLITE_DBCONFIG_DQS_DML, 0, nullptr);
  sqlite3_db_config(db, SQLITE_DBCONFIG_DQS_DDL, 0, nullptr);
  if (absl::Status status = RegisterFunctions(db, &connection->session_); !status.ok())
    return status;
  return connection;
}

Connection::~Connection() {
  ForgetStatements();
  sqlite3_close_v2(db_);
}

void Connection::ForgetStatements() {
  kept_.clear();
  for (const Kept& kept : order_) sqlite3_finalize(kept.statement);
  order_.clear();
}

std::optional<Problem> Connection::Prepare(const std::string& sql, sqlite3_stmt** statement) {
  const auto found = kept_.find(sql);
  if (found != kept_.end()) {
    order_.splice(order_.begin(), order_, found->second);
    *statement = order_.front().statement;
    return std::nullopt;
  }
  if (sqlite3_prepare_v3(db_, sql.data(), static_cast<int>(sql.size()), SQLITE_PREPARE_PERSISTENT,
                         statement, nullptr) != SQLITE_OK) {
    return ProblemOf(db_);
  }
  if (order_.size() >= kKeptStatements) {
    kept_.erase(order_.back().sql);
    sqlite3_finalize(order_.back().statement);
    order_.pop_back();
  }
  order_.push_front({sql, *statement});
  kept_[order_.front().sql] = order_.begin();
  return std::nullopt;
}

std::optional<Problem> Connection::Run(const std::string& sql,
                                       const std::vector<SqlValue>& parameters,
                                       const RowSink& row) {
  sqlite3_stmt* statement = nullptr;
  if (auto problem = Prepare(sql, &statement)) return problem;
  const int wanted = sqlite3_bind_parameter_count(statement);
  for (size_t i = 0; i < parameters.size() && static_cast<int>(i) < wanted; ++i)
    Bind(statement, static_cast<int>(i + 1), parameters[i]);
  std::vector<SqlValue> values;
  int code = SQLITE_OK;
  while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
    if (row == nullptr) continue;
    values.clear();
    for (int i = 0; i < sqlite3_column_count(statement); ++i)
      values.push_back(ColumnOf(statement, i));
    row(values);
  }
  std::optional<Problem> problem;
  if (code != SQLITE_DONE) problem = ProblemOf(db_);
  sqlite3_reset(statement);
  sqlite3_clear_bindings(statement);
  return problem;
}

std::optional<Problem> Connection::Script(const std::string& sql) {
  char* message = nullptr;
  const int code = sqlite3_exec(db_, sql.c_str(), nullptr, nullptr, &message);
  sqlite3_free(message);
  if (code != SQLITE_OK) return ProblemOf(db_);
  return std::nullopt;
}

int64_t Connection::changes() const { return sqlite3_changes64(db_); }

}  // namespace pgparity::shadow::sqlite
