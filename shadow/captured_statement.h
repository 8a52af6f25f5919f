// From what the tracker saw of a statement to what the journal keeps of it.
#pragma once

#include "absl/status/statusor.h"
#include "protocol/session_tracker.h"
#include "shadow/analysis.h"
#include "shadow/unit.h"

namespace pgparity::shadow {

// Secrets are taken out: of the text, of the parameters, and of the error that may quote them.
// Takes the event's buffers over. An error for a reply that no server sends.
absl::StatusOr<Statement> CaptureStatement(protocol::StatementEvent event, AnalysisCache* cache);

}  // namespace pgparity::shadow
