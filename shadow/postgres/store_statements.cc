#include "shadow/postgres/store_statements.h"

#include "protocol/text.h"

namespace pgparity::shadow::postgres {

using protocol::StrCat;

std::string ErrorText(const compare::Observation& observation) {
  const compare::ErrorFields fields = compare::DecodeErrorFields(observation.error);
  return StrCat(fields.message, " (SQLSTATE ", fields.sqlstate, ")");
}

bool IsError(const compare::Observation& observation) {
  return observation.kind == compare::Observation::Kind::error;
}

ShadowStatement SequenceStatement(const std::string& sequence, int64_t value) {
  ShadowStatement statement;
  statement.sql = StrCat(
      "SELECT pg_catalog.setval($1::pg_catalog.regclass, $2::pg_catalog.int8) FROM ", sequence,
      " WHERE last_value OPERATOR(pg_catalog.<) $2::pg_catalog.int8 OR NOT is_called");
  statement.values = {sequence, StrCat(value)};
  return statement;
}

CaptureLimits LimitsOf(const PlannedStatement& planned) {
  return {planned.capture_rows, planned.capture_bytes};
}

}  // namespace pgparity::shadow::postgres
