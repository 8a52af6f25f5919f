// A client over libpq for tests: one connection, results as plain values.
#pragma once

#include <optional>
#include <string>
#include <vector>

struct pg_conn;
struct pg_result;

namespace pgparity::support {

using Cell = std::optional<std::string>;  // nullopt is NULL
using Row = std::vector<Cell>;

struct QueryResult {
  bool ok = false;
  std::vector<std::string> columns;
  std::vector<Row> rows;
  std::string tag;       // command tag
  std::string sqlstate;  // of an error; empty when the connection itself failed
  std::string message;   // of an error, the primary text

  // The first cell of the first row; "" when there is none or it is NULL.
  std::string Scalar() const;
};

class LibpqClient {
 public:
  // Connects. Look at ok() and error(): a failed login is a result that some tests want.
  explicit LibpqClient(const std::string& url);
  ~LibpqClient();
  LibpqClient(LibpqClient&& other) noexcept;
  LibpqClient(const LibpqClient&) = delete;
  LibpqClient& operator=(const LibpqClient&) = delete;

  bool ok() const;
  // libpq's message of the connection.
  std::string error() const;
  pg_conn* get() const { return connection_; }
  int backend_pid() const;

  // Simple protocol; of several statements, the last result.
  QueryResult Query(const std::string& sql);
  // Extended protocol, parameters and result in text.
  QueryResult Query(const std::string& sql, const std::vector<Cell>& parameters);
  QueryResult Prepare(const std::string& name, const std::string& sql);
  QueryResult ExecutePrepared(const std::string& name, const std::vector<Cell>& parameters);
  // COPY ... FROM STDIN with this data.
  QueryResult CopyIn(const std::string& sql, const std::string& data);
  // Several simple queries one after the other; the first failure, or the last result.
  QueryResult Script(const std::vector<std::string>& statements);

 private:
  pg_conn* connection_ = nullptr;
};

// Takes the result over and clears it.
QueryResult TakeResult(pg_conn* connection, pg_result* result);

}  // namespace pgparity::support
