// What to do about a difference: one line for the report.
#pragma once

#include <string>

#include "compare/comparison.h"

namespace pgparity::shadow {

std::string AdviceFor(const compare::Comparison& comparison);

}  // namespace pgparity::shadow
