#include "tests/support/rewrite_harness.h"

#include <gtest/gtest.h>
#include <libpq-fe.h>
#include <unistd.h>

#include <chrono>

#include "shadow/analysis.h"

namespace pgparity::support {
namespace {

compare::Observation Observe(PGresult* result) {
  compare::Observation seen;
  const ExecStatusType status = PQresultStatus(result);
  if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK) {
    seen.kind = compare::Observation::Kind::error;
    ADD_FAILURE() << PQresultErrorMessage(result);
    return seen;
  }
  seen.tag = PQcmdStatus(result);
  seen.has_columns = status == PGRES_TUPLES_OK;
  for (int i = 0; i < PQnfields(result); ++i) {
    compare::Column column;
    column.name = PQfname(result, i);
    column.table_oid = PQftable(result, i);
    column.attribute = static_cast<int16_t>(PQftablecol(result, i));
    column.type_oid = PQftype(result, i);
    column.format = static_cast<protocol::Format>(PQfformat(result, i));
    seen.columns.push_back(std::move(column));
  }
  for (int row = 0; row < PQntuples(result); ++row) {
    compare::RowView cells;
    for (int i = 0; i < PQnfields(result); ++i) {
      const auto length = static_cast<size_t>(PQgetlength(result, row, i));
      cells.push_back(PQgetisnull(result, row, i) != 0
                          ? compare::Cell()
                          : compare::Cell(std::string_view(PQgetvalue(result, row, i), length)));
    }
    compare::AppendRow(cells, &seen.rows);
    ++seen.row_count;
  }
  return seen;
}

compare::Observation Execute(PGconn* connection, const std::string& sql,
                             const std::vector<uint32_t>& types,
                             const std::vector<std::optional<std::string>>& values,
                             const std::vector<int16_t>& formats, int result_format) {
  std::vector<Oid> oids(types.begin(), types.end());
  std::vector<const char*> pointers;
  std::vector<int> lengths, wire_formats(formats.begin(), formats.end());
  for (const auto& value : values) {
    pointers.push_back(value ? value->c_str() : nullptr);
    lengths.push_back(value ? static_cast<int>(value->size()) : 0);
  }
  PGresult* result =
      PQexecParams(connection, sql.c_str(), static_cast<int>(values.size()), oids.data(),
                   pointers.data(), lengths.data(), wire_formats.data(), result_format);
  compare::Observation seen = Observe(result);
  PQclear(result);
  return seen;
}

}  // namespace

std::string WithDatabase(const std::string& url, const std::string& database) {
  const size_t host = url.find("//") + 2;
  const size_t path = std::min(url.find('/', host), url.size());
  const size_t query = std::min(url.find('?', host), url.size());
  return url.substr(0, std::min(path, query)) + "/" + database + url.substr(query);
}

RewritePair::RewritePair(const std::string& url, const std::string& stem) : url_(url) {
  primary_name_ = "pgparity_" + stem + "_p_" + std::to_string(getpid());
  shadow_name_ = "pgparity_" + stem + "_s_" + std::to_string(getpid());
  admin_.emplace(url);
  EXPECT_TRUE(admin_->ok()) << admin_->error();
  for (const std::string& name : {primary_name_, shadow_name_}) {
    const QueryResult made = admin_->Query("CREATE DATABASE " + name + " TEMPLATE template0");
    EXPECT_TRUE(made.ok) << made.message;
  }
  primary_.emplace(WithDatabase(url, primary_name_));
  shadow_.emplace(WithDatabase(url, shadow_name_));
}

RewritePair::~RewritePair() {
  primary_.reset();
  shadow_.reset();
  for (const std::string& name : {primary_name_, shadow_name_}) {
    admin_->Query("DROP DATABASE IF EXISTS " + name + " WITH (FORCE)");
  }
}

void RewritePair::Both(const std::string& sql) {
  for (LibpqClient* client : {&*primary_, &*shadow_}) {
    const QueryResult result = client->Query(sql);
    EXPECT_TRUE(result.ok) << sql << ": " << result.message;
  }
}

void RewritePair::LoadCatalogs() {
  auto primary = shadow::Catalog::Load(primary_->get());
  auto shadow = shadow::Catalog::Load(shadow_->get());
  ASSERT_TRUE(primary.ok()) << primary.status().ToString();
  ASSERT_TRUE(shadow.ok()) << shadow.status().ToString();
  primary_catalog_ = *primary;
  shadow_catalog_ = *shadow;
  context.primary = primary_catalog_.get();
  context.shadow = shadow_catalog_.get();
  context.search_path = {"public"};
  context.instant_us = std::chrono::duration_cast<std::chrono::microseconds>(
                           std::chrono::system_clock::now().time_since_epoch())
                           .count();
}

RewritePair::Result RewritePair::Run(const std::string& sql,
                                     const std::vector<Parameter>& parameters, int result_format) {
  SCOPED_TRACE(sql);
  Result result;
  result.statement.sql = sql;
  protocol::BoundParameters& bound = result.statement.parameters;
  for (const Parameter& parameter : parameters) {
    bound.types.push_back(parameter.type);
    bound.values.push_back(parameter.value);
    bound.formats.push_back(parameter.format);
  }
  bound.result_formats = {static_cast<int16_t>(result_format)};
  result.statement.primary =
      Execute(primary_->get(), sql, bound.types, bound.values, bound.formats, result_format);
  const shadow::Analysis analysis = shadow::Analyse(sql);
  EXPECT_NE(analysis.kind, shadow::StatementKind::unparsed) << analysis.parse_error;
  result.rewritten = shadow::Rewrite(result.statement, analysis, context);
  SCOPED_TRACE(result.rewritten.sql);
  result.shadow =
      Execute(shadow_->get(), result.rewritten.sql, result.rewritten.types, result.rewritten.values,
              result.rewritten.formats, result.rewritten.result_format);
  return result;
}

}  // namespace pgparity::support
