// The session tracker: statements and their events.
#include <algorithm>
#include <utility>

#include "protocol/session_tracker_impl.h"
#include "protocol/text.h"

namespace pgparity::protocol {
namespace {

using namespace tracker;  // the request types

const Text& NoText() {
  static const Text text = std::make_shared<const std::string>();
  return text;
}

// What a command tag says of a statement whose text is not known. ROLLBACK may be of a savepoint.
TransactionCommand CommandOfTag(std::string_view tag) {
  if (tag == "BEGIN" || tag == "START TRANSACTION") return TransactionCommand::begin;
  if (tag == "COMMIT") return TransactionCommand::commit;
  if (tag == "ROLLBACK") return TransactionCommand::rollback;
  if (tag == "SAVEPOINT") return TransactionCommand::savepoint;
  if (tag == "RELEASE") return TransactionCommand::release_savepoint;
  if (tag == "PREPARE TRANSACTION") return TransactionCommand::prepare_transaction;
  if (tag == "COMMIT PREPARED") return TransactionCommand::commit_prepared;
  if (tag == "ROLLBACK PREPARED") return TransactionCommand::rollback_prepared;
  return TransactionCommand::none;
}

// Whether a statement of this kind can have been answered with this tag. A commit of a failed
// transaction is answered ROLLBACK.
bool TagFits(TransactionCommand command, std::string_view tag) {
  const TransactionCommand told = CommandOfTag(tag);
  switch (command) {
    case TransactionCommand::commit:
    case TransactionCommand::commit_and_chain:
      return told == TransactionCommand::commit || told == TransactionCommand::rollback;
    case TransactionCommand::prepare_transaction:
      return told == TransactionCommand::prepare_transaction ||
             told == TransactionCommand::rollback;
    case TransactionCommand::rollback_and_chain:
    case TransactionCommand::rollback_to_savepoint:
      return told == TransactionCommand::rollback;
    default:
      return told == command;
  }
}

}  // namespace

StatementEvent SessionTracker::Impl::BaseEvent(const Request& request,
                                               QueryProtocol protocol) const {
  StatementEvent event;
  event.protocol = protocol;
  event.sql = NoText();
  event.sent_first = request.first;
  event.sent_last = request.last;
  // Of what is skipped without a reply, the end is its own coming.
  event.done = std::max(now_, request.last);
  event.replies_outstanding_at_send = request.outstanding;
  return event;
}

void SessionTracker::Impl::BeginQuery() {
  if (query_.splitter) return;
  query_.splitter.emplace(*queue_.front().As<QueryRequest>()->text, standard_conforming_strings_);
}

// Makes query_.current the statement whose reply is coming.
absl::Status SessionTracker::Impl::NextQueryStatement() {
  if (query_.current) return absl::OkStatus();
  const std::optional<std::string_view> next = query_.splitter->Next();
  if (!next) return absl::FailedPreconditionError("more replies than statements in a Query");
  const Text& whole = queue_.front().As<QueryRequest>()->text;
  query_.current =
      next->size() == whole->size() ? whole : std::make_shared<const std::string>(*next);
  return absl::OkStatus();
}

Text SessionTracker::Impl::CurrentSql() {
  if (query_.current) return query_.current;
  if (const auto* execute = queue_.front().As<ExecuteRequest>()) {
    const Portal* portal = objects_.FindPortal(execute->portal);
    if (portal != nullptr && portal->statement->sql) return portal->statement->sql;
  }
  return NoText();
}

SessionTracker::Impl::Portal SessionTracker::Impl::MakePortal(const Request& request,
                                                              Statement statement) const {
  Portal portal;
  portal.statement = statement ? std::move(statement) : std::make_shared<PreparedStatement>();
  portal.parameters = request.As<BindRequest>()->parameters;
  portal.parameters.types = portal.statement->types;
  portal.parameters.types.resize(portal.parameters.values.size());
  const bool parsed_with_it =
      portal.statement->sql && portal.statement->exchange == request.exchange;
  portal.sent_first = parsed_with_it ? portal.statement->parse_first : request.first;
  return portal;
}

absl::StatusOr<StatementEvent> SessionTracker::Impl::QueryEvent(const Request& request) {
  if (const absl::Status next = NextQueryStatement(); !next.ok()) return next;
  StatementEvent event = BaseEvent(request, QueryProtocol::simple);
  event.sql = std::move(query_.current);
  query_.current.reset();
  event.transaction_command = ClassifyTransactionCommand(*event.sql);
  if (query_.finished > 0) event.replies_outstanding_at_send = true;
  return event;
}

StatementEvent SessionTracker::Impl::FunctionEvent(const Request& request) const {
  StatementEvent event = BaseEvent(request, QueryProtocol::function_call);
  event.parameters = request.As<FunctionCallRequest>()->parameters;
  return event;
}

// `portal` is null when it is not known.
StatementEvent SessionTracker::Impl::ExecuteEvent(const Request& request, Portal* portal,
                                                  bool ran) {
  StatementEvent event = BaseEvent(request, QueryProtocol::extended);
  event.max_rows = std::max(request.As<ExecuteRequest>()->max_rows, 0);
  event.known_text = portal != nullptr && portal->statement->sql;
  if (portal == nullptr) return event;
  if (portal->statement->sql) event.sql = portal->statement->sql;
  event.transaction_command = portal->statement->command;
  event.parameters = portal->parameters;
  event.continues_portal = portal->executed;
  if (!portal->executed) event.sent_first = portal->sent_first;
  if (!ran) return event;
  portal->executed = true;
  if (!portal->row_description && portal->statement->row_description) {
    const absl::StatusOr<std::string> described =
        WithResultFormats(*portal->statement->row_description, portal->parameters.result_formats);
    if (described.ok()) objects_.DescribePortal(portal, *described);
  }
  if (portal->row_description) event.reply.row_description = *portal->row_description;
  return event;
}

absl::Status SessionTracker::Impl::Complete(Reply::End end, std::string_view tag) {
  if (!reply_.MayComplete())
    return absl::FailedPreconditionError("the end of a statement in the middle of its COPY");
  const bool query = queue_.front().As<QueryRequest>() != nullptr;
  StatementEvent event;
  if (query && end == Reply::End::empty_query) {
    // The whole Query is empty.
    if (query_.finished > 0 || query_.splitter->Next()) {
      return absl::FailedPreconditionError("EmptyQueryResponse to a statement that is not empty");
    }
    event = BaseEvent(queue_.front(), QueryProtocol::simple);
    event.sql = queue_.front().As<QueryRequest>()->text;
  } else if (query) {
    absl::StatusOr<StatementEvent> made = QueryEvent(queue_.front());
    if (!made.ok()) return made.status();
    event = *std::move(made);
  } else {
    event = ExecuteEvent(queue_.front(),
                         objects_.FindPortal(queue_.front().As<ExecuteRequest>()->portal), true);
  }
  if (end == Reply::End::command_complete) {
    if (!event.known_text) {
      event.transaction_command = CommandOfTag(tag);
    } else if (!TagFits(event.transaction_command, tag)) {
      return absl::FailedPreconditionError("a command tag that does not fit the statement");
    }
  }
  std::optional<std::string> described = std::move(event.reply.row_description);
  event.reply = reply_.Take(end);
  if (!query) event.reply.row_description = std::move(described);
  event.reply.tag = std::string(tag);
  if (event.reply.copy_in) swallowed_syncs_ = 0;
  if (query) {
    ++query_.finished;
  } else {
    PopFront();
  }
  Finish(std::move(event));
  Pump();
  return absl::OkStatus();
}

// Counts what a statement has done, and tells of it.
void SessionTracker::Impl::Finish(StatementEvent event) {
  if (event.reply.end == Reply::End::command_complete) {
    if (!event.known_text && (event.reply.tag == "COMMIT" || event.reply.tag == "ROLLBACK")) {
      status_uncertain_ = true;
    }
    Move(event.transaction_command, StatementOutcome::completed);
    ApplyToObjects(event);
  }
  events_->OnStatement(std::move(event));
}

void SessionTracker::Impl::Move(TransactionCommand command, StatementOutcome outcome) {
  if (const std::optional<TransactionStatus> next = NextStatus(status_, command, outcome)) {
    status_ = *next;
  } else {
    status_uncertain_ = true;
  }
}

void SessionTracker::Impl::ApplyToObjects(const StatementEvent& event) {
  using Kind = PreparedStatementCommand::Kind;
  if (EndsTransaction(event.transaction_command) && event.known_text) objects_.CloseAllPortals();
  const std::string& tag = event.reply.tag;
  if (tag != "PREPARE" && tag != "DEALLOCATE" && tag != "DEALLOCATE ALL" && tag != "DISCARD ALL")
    return;
  const PreparedStatementCommand command =
      ClassifyPreparedStatementCommand(*event.sql, standard_conforming_strings_);
  if (tag == "PREPARE" && command.kind == Kind::prepare) {
    auto statement = std::make_shared<PreparedStatement>();
    statement->sql = std::make_shared<const std::string>(command.text);
    statement->command = ClassifyTransactionCommand(command.text);
    statement->exchange = UINT64_MAX;  // of no Parse
    objects_.Define(command.name, std::move(statement));
  } else if (tag == "DEALLOCATE" && command.kind == Kind::deallocate) {
    objects_.CloseStatement(command.name);
  } else if (tag != "PREPARE") {
    objects_.CloseNamedStatements();
    if (tag == "DISCARD ALL") objects_.CloseAllPortals();
  }
}

}  // namespace pgparity::protocol
