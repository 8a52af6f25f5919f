// What to do about a difference: one line for the report.
#pragma once

#include <string>
#include <string_view>

#include "compare/comparison.h"

namespace pgparity::shadow {

// `role`: of the shadow, that the statement ran as; `shape`: the statement's.
std::string AdviceFor(const compare::Comparison& comparison, std::string_view role,
                      std::string_view shape);

}  // namespace pgparity::shadow
