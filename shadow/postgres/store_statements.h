// What the parts of the Postgres store send besides a unit's own statements, and how they read
// answers.
#pragma once

#include <cstdint>
#include <string>

#include "shadow/postgres/lane.h"
#include "shadow/store.h"

namespace pgparity::shadow::postgres {

// Tags of a unit's commands in the pipeline; statements count up from kStatement.
enum Tag : uint64_t {
  kSettings,
  kSettingsSync,
  kBegin,
  kProgress,
  kFinish,
  kUnitSync,
  kSequence,
  kRole,
  kStatement = 16
};

// "message (SQLSTATE code)" of an observed error.
std::string ErrorText(const compare::Observation& observation);
bool IsError(const compare::Observation& observation);
// Moves a sequence up to a value and never back; setval is not undone by a rollback, as on the
// primary.
ShadowStatement SequenceStatement(const std::string& sequence, int64_t value);
CaptureLimits LimitsOf(const PlannedStatement& planned);

}  // namespace pgparity::shadow::postgres
