// The report of a data directory.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "compare/report.h"

namespace pgparity::tools {

// Counts the pending units in the journal, from the position up to which the log says all is
// applied.
absl::StatusOr<compare::Report> LoadDataDirReport(const std::string& data_dir,
                                                  compare::ReportOptions options);

}  // namespace pgparity::tools
