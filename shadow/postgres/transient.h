// Errors that a later try of the same unit may not meet again.
#pragma once

#include <string_view>

namespace pgparity::shadow::postgres {

// 40001 serialization_failure, 40P01 deadlock_detected, 55P03 lock_not_available, 57014
// query_canceled, 57P0x shutdowns, 53xxx insufficient resources (PostgreSQL manual, "Error Codes").
inline bool IsTransientError(std::string_view sqlstate) {
  return sqlstate == "40001" || sqlstate == "40P01" || sqlstate == "55P03" || sqlstate == "57014" ||
         sqlstate.substr(0, 4) == "57P0" || sqlstate.substr(0, 2) == "53";
}

}  // namespace pgparity::shadow::postgres
