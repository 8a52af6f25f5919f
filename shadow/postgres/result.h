// libpq results -> observations.
#pragma once

#include "compare/observation.h"
#include "shadow/postgres/lane.h"

namespace pgparity::shadow::postgres {

// Adds a result (a single row, a whole set, a tag or an error) to an observation in the making.
void AddResult(const PGresult* result, const CaptureLimits& limits,
               compare::Observation* observation);
// Adds one row body to the observation's digest or, within the limits, to its rows.
void AddRowBody(std::string_view body, const CaptureLimits& limits,
                compare::Observation* observation);

}  // namespace pgparity::shadow::postgres
