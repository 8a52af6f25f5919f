#include "shadow/captured_statement.h"

#include <utility>

namespace pgparity::shadow {
namespace {

// An error message may quote the text near which it arose.
std::string WithoutText(std::string_view error) {
  const compare::ErrorFields all = compare::DecodeErrorFields(error);
  compare::ErrorFields kept;
  kept.severity = all.severity;
  kept.sqlstate = all.sqlstate;
  return compare::EncodeErrorFields(kept);
}

void TakeSecretsOut(Statement* statement, AnalysisCache* cache) {
  std::string without = WithoutSecret(statement->sql);
  const std::shared_ptr<const Analysis> analysis = cache->Get(statement->sql);
  const bool secret = without != statement->sql || analysis->carries_secret ||
                      analysis->kind == StatementKind::unparsed;
  if (!secret) return;
  statement->sql = std::move(without);
  statement->known_text = statement->known_text && !statement->sql.empty();
  statement->parameters = {};
  if (!statement->primary.error.empty()) {
    statement->primary.error = WithoutText(statement->primary.error);
  }
}

}  // namespace

absl::StatusOr<Statement> CaptureStatement(protocol::StatementEvent event, AnalysisCache* cache) {
  Statement statement;
  statement.sql = *event.sql;
  statement.protocol = event.protocol;
  statement.transaction_command = event.transaction_command;
  statement.parameters = std::move(event.parameters);
  statement.max_rows = event.max_rows;
  statement.continues_portal = event.continues_portal;
  statement.known_text = event.known_text;
  statement.sent = event.sent_first;
  statement.done = event.done;
  statement.copy_in = event.reply.copy_in;
  absl::StatusOr<compare::Observation> observation =
      compare::ObservationFromReply(std::move(event.reply), event.sent_last, event.done);
  if (!observation.ok()) return observation.status();
  statement.primary = *std::move(observation);
  if (MayCarrySecret(statement.sql)) TakeSecretsOut(&statement, cache);
  return statement;
}

}  // namespace pgparity::shadow
