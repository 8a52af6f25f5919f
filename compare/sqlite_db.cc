#include "compare/sqlite_db.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "protocol/text.h"

namespace pgparity::compare {
namespace {

using protocol::StrCat;

constexpr int kBusyTimeoutMs = 10'000;

absl::Status ErrorOf(sqlite3* db) {
  const int code = sqlite3_extended_errcode(db);
  const std::string text = StrCat("SQLite: ", sqlite3_errmsg(db), " (code ", code, ")");
  switch (code & 0xff) {
    case SQLITE_NOTADB:
    case SQLITE_CORRUPT:
      return absl::DataLossError(text);
    case SQLITE_FULL:
      return absl::ResourceExhaustedError(text);
    case SQLITE_BUSY:
      return absl::UnavailableError(text);
    default:
      return absl::InternalError(text);
  }
}

// SQLite makes files with mode 0644; this one may hold user data. Its companions -wal and -shm take
// over its mode.
absl::Status CreatePrivately(const std::string& path) {
  const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) {
    return absl::FailedPreconditionError(StrCat("cannot create ", path, ": ", strerror(errno)));
  }
  close(fd);
  return absl::OkStatus();
}

// A file: URI that takes any path literally.
std::string ImmutableUri(const std::string& path) {
  std::string uri = "file:";
  for (const char c : path) {
    if (c == '%' || c == '?' || c == '#') {
      constexpr char kHex[] = "0123456789abcdef";
      uri += {'%', kHex[c >> 4], kHex[c & 15]};
    } else {
      uri += c;
    }
  }
  return uri + "?immutable=1";
}

// With write-ahead logging a reader must make the -shm file, which it cannot in a directory that it
// may not write. Without a -wal file nobody writes, and the file alone says all.
int OpenReadOnly(const std::string& path, sqlite3** db) {
  int code = sqlite3_open_v2(path.c_str(), db, SQLITE_OPEN_READONLY, nullptr);
  if (code == SQLITE_OK) {
    code = sqlite3_exec(*db, "SELECT 1 FROM sqlite_schema LIMIT 1", nullptr, nullptr, nullptr);
  }
  struct stat unused;
  if ((code & 0xff) != SQLITE_CANTOPEN || stat((path + "-wal").c_str(), &unused) == 0) return code;
  sqlite3_close_v2(*db);
  return sqlite3_open_v2(ImmutableUri(path).c_str(), db, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI,
                         nullptr);
}

}  // namespace

SqliteStatement::~SqliteStatement() { sqlite3_finalize(statement_); }

SqliteStatement& SqliteStatement::Bind(int index, int64_t value) {
  sqlite3_bind_int64(statement_, index, value);
  return *this;
}

SqliteStatement& SqliteStatement::BindUnsigned(int index, uint64_t value) {
  return Bind(index, static_cast<int64_t>(std::min<uint64_t>(value, INT64_MAX)));
}

SqliteStatement& SqliteStatement::Bind(int index, std::string_view text) {
  // A null pointer would bind NULL.
  const char* data = text.data() == nullptr ? "" : text.data();
  sqlite3_bind_text64(statement_, index, data, text.size(), SQLITE_TRANSIENT, SQLITE_UTF8);
  return *this;
}

SqliteStatement& SqliteStatement::BindBlob(int index, std::string_view bytes) {
  const char* data = bytes.data() == nullptr ? "" : bytes.data();
  sqlite3_bind_blob64(statement_, index, data, bytes.size(), SQLITE_TRANSIENT);
  return *this;
}

absl::StatusOr<bool> SqliteStatement::Step() {
  const int code = sqlite3_step(statement_);
  if (code == SQLITE_ROW) return true;
  absl::Status status;
  if (code != SQLITE_DONE) status = ErrorOf(sqlite3_db_handle(statement_));
  Reset();
  if (!status.ok()) return status;
  return false;
}

absl::Status SqliteStatement::Run() {
  while (true) {
    const absl::StatusOr<bool> row = Step();
    if (!row.ok()) return row.status();
    if (!*row) return absl::OkStatus();
  }
}

void SqliteStatement::Reset() {
  sqlite3_reset(statement_);
  sqlite3_clear_bindings(statement_);
}

int64_t SqliteStatement::Integer(int column) const {
  return sqlite3_column_int64(statement_, column);
}

uint64_t SqliteStatement::Unsigned(int column) const {
  return static_cast<uint64_t>(std::max<int64_t>(0, Integer(column)));
}

std::string_view SqliteStatement::Text(int column) const {
  const void* data = sqlite3_column_blob(statement_, column);
  if (data == nullptr) return {};
  return {static_cast<const char*>(data),
          static_cast<size_t>(sqlite3_column_bytes(statement_, column))};
}

absl::StatusOr<std::unique_ptr<SqliteDatabase>> SqliteDatabase::Open(const std::string& path,
                                                                     Mode mode) {
  sqlite3* raw = nullptr;
  int code = SQLITE_OK;
  if (mode == Mode::create) {
    if (absl::Status status = CreatePrivately(path); !status.ok()) return status;
    code = sqlite3_open_v2(path.c_str(), &raw, SQLITE_OPEN_READWRITE, nullptr);
  } else {
    code = OpenReadOnly(path, &raw);
  }
  std::unique_ptr<SqliteDatabase> db(new SqliteDatabase(raw));
  if (code != SQLITE_OK) {
    const absl::Status status = ErrorOf(raw);
    return absl::Status(status.code(),
                        protocol::ToAbsl(StrCat(path, ": ", protocol::MessageOf(status))));
  }
  sqlite3_extended_result_codes(raw, 1);
  sqlite3_busy_timeout(raw, kBusyTimeoutMs);
  return db;
}

SqliteDatabase::~SqliteDatabase() { sqlite3_close_v2(db_); }

absl::Status SqliteDatabase::Execute(const char* sql) {
  if (sqlite3_exec(db_, sql, nullptr, nullptr, nullptr) != SQLITE_OK) return ErrorOf(db_);
  return absl::OkStatus();
}

absl::StatusOr<SqliteStatement> SqliteDatabase::Prepare(std::string_view sql) {
  sqlite3_stmt* statement = nullptr;
  if (sqlite3_prepare_v2(db_, sql.data(), static_cast<int>(sql.size()), &statement, nullptr) !=
      SQLITE_OK) {
    return ErrorOf(db_);
  }
  return SqliteStatement(statement);
}

absl::StatusOr<int64_t> SqliteDatabase::QueryInteger(std::string_view sql) {
  absl::StatusOr<SqliteStatement> statement = Prepare(sql);
  if (!statement.ok()) return statement.status();
  const absl::StatusOr<bool> row = statement->Step();
  if (!row.ok()) return row.status();
  return *row ? statement->Integer(0) : 0;
}

}  // namespace pgparity::compare
