#include "shadow/postgres/result.h"

#include <libpq-fe.h>
#include <xxhash.h>

#include <cstring>

namespace pgparity::shadow::postgres {

namespace {

std::string Field(const PGresult* result, int code) {
  const char* value = PQresultErrorField(result, code);
  return value == nullptr ? std::string() : std::string(value);
}

void AddError(const PGresult* result, compare::Observation* observation) {
  compare::ErrorFields fields;
  fields.severity = Field(result, PG_DIAG_SEVERITY_NONLOCALIZED);
  fields.sqlstate = Field(result, PG_DIAG_SQLSTATE);
  fields.message = Field(result, PG_DIAG_MESSAGE_PRIMARY);
  fields.detail = Field(result, PG_DIAG_MESSAGE_DETAIL);
  fields.hint = Field(result, PG_DIAG_MESSAGE_HINT);
  fields.schema = Field(result, PG_DIAG_SCHEMA_NAME);
  fields.table = Field(result, PG_DIAG_TABLE_NAME);
  fields.column = Field(result, PG_DIAG_COLUMN_NAME);
  fields.data_type = Field(result, PG_DIAG_DATATYPE_NAME);
  fields.constraint = Field(result, PG_DIAG_CONSTRAINT_NAME);
  if (fields.message.empty()) fields.message = PQresultErrorMessage(result);
  observation->kind = compare::Observation::Kind::error;
  observation->error = compare::EncodeErrorFields(fields);
}

void AddColumns(const PGresult* result, compare::Observation* observation) {
  if (observation->has_columns) return;
  observation->has_columns = true;
  for (int i = 0; i < PQnfields(result); ++i) {
    compare::Column column;
    column.name = PQfname(result, i);
    column.table_oid = PQftable(result, i);
    column.attribute = static_cast<int16_t>(PQftablecol(result, i));
    column.type_oid = PQftype(result, i);
    column.type_length = static_cast<int16_t>(PQfsize(result, i));
    column.type_modifier = PQfmod(result, i);
    column.format = PQfformat(result, i) == 1 ? protocol::Format::binary : protocol::Format::text;
    observation->columns.push_back(std::move(column));
  }
}

void AppendBigEndian(uint32_t value, int bytes, std::string* out) {
  for (int shift = (bytes - 1) * 8; shift >= 0; shift -= 8)
    out->push_back(static_cast<char>(value >> shift));
}

// The row as the server's DataRow held it, so that digests of both sides are over the same bytes.
void AddRows(const PGresult* result, const CaptureLimits& limits,
             compare::Observation* observation) {
  std::string body;
  const int columns = PQnfields(result);
  for (int row = 0; row < PQntuples(result); ++row) {
    body.clear();
    AppendBigEndian(static_cast<uint32_t>(columns), 2, &body);
    for (int column = 0; column < columns; ++column) {
      if (PQgetisnull(result, row, column) != 0) {
        AppendBigEndian(0xFFFFFFFFu, 4, &body);
        continue;
      }
      const auto length = static_cast<uint32_t>(PQgetlength(result, row, column));
      AppendBigEndian(length, 4, &body);
      body.append(PQgetvalue(result, row, column), length);
    }
    AddRowBody(body, limits, observation);
  }
}

}  // namespace

void AddRowBody(std::string_view body, const CaptureLimits& limits,
                compare::Observation* observation) {
  const bool digesting = observation->digest.rows > 0;
  if (!digesting && observation->row_count < limits.rows &&
      observation->rows.size() + body.size() <= limits.bytes) {
    const auto length = static_cast<uint32_t>(body.size());
    observation->rows.append(reinterpret_cast<const char*>(&length), sizeof(length));
    observation->rows.append(body);
    ++observation->row_count;
    return;
  }
  const uint64_t hash = XXH3_64bits(body.data(), body.size());
  observation->digest.rows += 1;
  observation->digest.bytes += body.size();
  observation->digest.sum += hash;
  observation->digest.chain = observation->digest.chain * 0x9E3779B97F4A7C15ull + hash;
}

void AddResult(const PGresult* result, const CaptureLimits& limits,
               compare::Observation* observation) {
  switch (PQresultStatus(result)) {
    case PGRES_SINGLE_TUPLE:
      AddColumns(result, observation);
      AddRows(result, limits, observation);
      break;
    case PGRES_TUPLES_OK:
      AddColumns(result, observation);
      AddRows(result, limits, observation);
      observation->tag = PQcmdStatus(const_cast<PGresult*>(result));
      break;
    case PGRES_COMMAND_OK:
      observation->tag = PQcmdStatus(const_cast<PGresult*>(result));
      break;
    case PGRES_EMPTY_QUERY:
      observation->kind = compare::Observation::Kind::empty_query;
      break;
    case PGRES_FATAL_ERROR:
    case PGRES_NONFATAL_ERROR:
    case PGRES_BAD_RESPONSE:
      AddError(result, observation);
      break;
    case PGRES_PIPELINE_ABORTED:
      observation->kind = compare::Observation::Kind::skipped;
      break;
    default:
      break;
  }
}

}  // namespace pgparity::shadow::postgres
