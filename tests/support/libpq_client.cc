#include "tests/support/libpq_client.h"

#include <libpq-fe.h>

#include <utility>

namespace pgparity::support {

namespace {

std::vector<const char*> Values(const std::vector<Cell>& parameters) {
  std::vector<const char*> values;
  values.reserve(parameters.size());
  for (const Cell& cell : parameters) values.push_back(cell ? cell->c_str() : nullptr);
  return values;
}

}  // namespace

std::string QueryResult::Scalar() const {
  return rows.empty() || rows[0].empty() ? "" : rows[0][0].value_or("");
}

QueryResult TakeResult(pg_conn* connection, pg_result* result) {
  QueryResult taken;
  const ExecStatusType status = PQresultStatus(result);
  taken.ok = status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK ||
             status == PGRES_EMPTY_QUERY || status == PGRES_COPY_IN || status == PGRES_COPY_OUT;
  if (!taken.ok) {
    const char* state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char* message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    taken.sqlstate = state == nullptr ? "" : state;
    taken.message = message == nullptr ? PQerrorMessage(connection) : message;
  } else {
    taken.tag = PQcmdStatus(result);
    for (int column = 0; column < PQnfields(result); ++column) {
      const char* name = PQfname(result, column);  // COPY tells no names
      taken.columns.emplace_back(name == nullptr ? "" : name);
    }
    for (int row = 0; row < PQntuples(result); ++row) {
      Row& cells = taken.rows.emplace_back();
      for (int column = 0; column < PQnfields(result); ++column) {
        if (PQgetisnull(result, row, column) != 0) {
          cells.emplace_back();
        } else {
          cells.emplace_back(std::string(PQgetvalue(result, row, column),
                                         static_cast<size_t>(PQgetlength(result, row, column))));
        }
      }
    }
  }
  PQclear(result);
  return taken;
}

LibpqClient::LibpqClient(const std::string& url) : connection_(PQconnectdb(url.c_str())) {
  PQsetNoticeProcessor(
      connection_, [](void*, const char*) {}, nullptr);
}

LibpqClient::~LibpqClient() { PQfinish(connection_); }

LibpqClient::LibpqClient(LibpqClient&& other) noexcept
    : connection_(std::exchange(other.connection_, nullptr)) {}

bool LibpqClient::ok() const { return PQstatus(connection_) == CONNECTION_OK; }

std::string LibpqClient::error() const { return PQerrorMessage(connection_); }

int LibpqClient::backend_pid() const { return PQbackendPID(connection_); }

QueryResult LibpqClient::Query(const std::string& sql) {
  return TakeResult(connection_, PQexec(connection_, sql.c_str()));
}

QueryResult LibpqClient::Query(const std::string& sql, const std::vector<Cell>& parameters) {
  const auto values = Values(parameters);
  return TakeResult(connection_,
                    PQexecParams(connection_, sql.c_str(), static_cast<int>(values.size()), nullptr,
                                 values.data(), nullptr, nullptr, 0));
}

QueryResult LibpqClient::Prepare(const std::string& name, const std::string& sql) {
  return TakeResult(connection_, PQprepare(connection_, name.c_str(), sql.c_str(), 0, nullptr));
}

QueryResult LibpqClient::ExecutePrepared(const std::string& name,
                                         const std::vector<Cell>& parameters) {
  const auto values = Values(parameters);
  return TakeResult(connection_,
                    PQexecPrepared(connection_, name.c_str(), static_cast<int>(values.size()),
                                   values.data(), nullptr, nullptr, 0));
}

QueryResult LibpqClient::CopyIn(const std::string& sql, const std::string& data) {
  QueryResult started = Query(sql);
  if (!started.ok) return started;
  PQputCopyData(connection_, data.data(), static_cast<int>(data.size()));
  PQputCopyEnd(connection_, nullptr);
  QueryResult first;
  bool have_first = false;
  while (pg_result* result = PQgetResult(connection_)) {
    QueryResult taken = TakeResult(connection_, result);
    if (!have_first || !taken.ok) first = std::move(taken);
    have_first = true;
  }
  return first;
}

QueryResult LibpqClient::Script(const std::vector<std::string>& statements) {
  QueryResult last;
  last.ok = true;
  for (const std::string& statement : statements) {
    last = Query(statement);
    if (!last.ok) return last;
  }
  return last;
}

}  // namespace pgparity::support
