#include "shadow/postgres/result.h"

#include <libpq-fe.h>
#include <xxhash.h>

#include <memory>

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

// Gives a row piece by piece as the server's DataRow held it, so that digests of both sides are
// over the same bytes.
template <typename Sink>
void WriteRow(const PGresult* result, int row, Sink&& sink) {
  const int columns = PQnfields(result);
  std::string head;
  AppendBigEndian(static_cast<uint32_t>(columns), 2, &head);
  for (int column = 0; column < columns; ++column) {
    const bool null = PQgetisnull(result, row, column) != 0;
    const auto length = static_cast<uint32_t>(PQgetlength(result, row, column));
    AppendBigEndian(null ? 0xFFFFFFFFu : length, 4, &head);
    sink(std::string_view(head));
    if (!null) sink(std::string_view(PQgetvalue(result, row, column), length));
    head.clear();
  }
  if (columns == 0) sink(std::string_view(head));
}

uint64_t RowSize(const PGresult* result, int row) {
  uint64_t size = 2;
  for (int column = 0; column < PQnfields(result); ++column) {
    size += 4 + static_cast<uint64_t>(PQgetlength(result, row, column));
  }
  return size;
}

bool Fits(uint64_t size, const CaptureLimits& limits, const compare::Observation& observation) {
  return observation.digest.rows == 0 && observation.row_count < limits.rows &&
         observation.rows.size() + size <= limits.bytes;
}

void AddDigest(uint64_t size, uint64_t hash, compare::Observation* observation) {
  observation->digest.rows += 1;
  observation->digest.bytes += size;
  observation->digest.sum += hash;
  observation->digest.chain = observation->digest.chain * 0x9E3779B97F4A7C15ull + hash;
}

void AddRows(const PGresult* result, const CaptureLimits& limits,
             compare::Observation* observation) {
  for (int row = 0; row < PQntuples(result); ++row) {
    const uint64_t size = RowSize(result, row);
    if (Fits(size, limits, *observation)) {
      std::string body;
      WriteRow(result, row, [&body](std::string_view piece) { body.append(piece); });
      AddRowBody(body, limits, observation);
      continue;
    }
    // Not copied: a value may be as large as memory allows.
    const std::unique_ptr<XXH3_state_t, XXH_errorcode (*)(XXH3_state_t*)> state(XXH3_createState(),
                                                                                &XXH3_freeState);
    XXH3_64bits_reset(state.get());
    WriteRow(result, row, [&state](std::string_view piece) {
      XXH3_64bits_update(state.get(), piece.data(), piece.size());
    });
    AddDigest(size, XXH3_64bits_digest(state.get()), observation);
  }
}

}  // namespace

void AddRowBody(std::string_view body, const CaptureLimits& limits,
                compare::Observation* observation) {
  if (!Fits(body.size(), limits, *observation)) {
    return AddDigest(body.size(), XXH3_64bits(body.data(), body.size()), observation);
  }
  compare::AppendRowBody(body, &observation->rows);
  ++observation->row_count;
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
