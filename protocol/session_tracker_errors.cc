// The session tracker: ErrorResponse, and what an error makes the server skip.
#include <utility>

#include "protocol/session_tracker_impl.h"
#include "protocol/sqlstate.h"
#include "protocol/text.h"

namespace pgparity::protocol {
namespace {

using namespace tracker;  // the request types

// The error kept the whole Query from running: it could not be read (22021), or not be parsed.
bool RefusesWholeQuery(const backend::ErrorResponse& error) {
  return error.sqlstate() == sqlstate::kCharacterNotInRepertoire ||
         (error.sqlstate() == sqlstate::kSyntaxError && !error.Get('P').empty());
}

StatementOutcome OutcomeOf(const backend::ErrorResponse& error) {
  return error.sqlstate() == sqlstate::kQueryCanceled ? StatementOutcome::cancelled
                                                      : StatementOutcome::failed;
}

}  // namespace

absl::Status SessionTracker::Impl::HandleError(const backend::ErrorResponse& error) {
  const bool fatal = error.fatal();
  const bool due = !queue_.empty() && front_state_ != FrontState::awaiting_ready;
  if (!due && !fatal)
    return absl::FailedPreconditionError("ErrorResponse without a request that it answers");
  if (due) {
    DropInterruption(error);
    const Request& front = queue_.front();
    if (front.As<QueryRequest>()) {
      if (const absl::Status failed = FailQuery(error); !failed.ok()) return failed;
    } else if (front.As<ExecuteRequest>()) {
      FailExecute(error);
    } else if (front.As<FunctionCallRequest>()) {
      front_state_ == FrontState::waiting ? FailFunction() : FailImplicitCommit();
    } else if (front.As<SyncRequest>()) {
      FailImplicitCommit();
    } else {
      Refuse();
    }
  }
  if (fatal) {
    TellUnclaimedRefusal();
    mode_ = Mode::ended;
    Clear();
  }
  return absl::OkStatus();
}

absl::Status SessionTracker::Impl::FailQuery(const backend::ErrorResponse& error) {
  BeginQuery();
  const Text& whole = queue_.front().As<QueryRequest>()->text;
  const bool fresh = query_.finished == 0 && reply_.phase() == Phase::none;
  const bool unread = fresh && RefusesWholeQuery(error);
  StatementEvent event = BaseEvent(queue_.front(), QueryProtocol::simple);
  event.sql = whole;
  event.transaction_command = ClassifyTransactionCommand(*whole);
  bool several = false;
  if (unread) {
    StatementSplitter splitter(*whole, standard_conforming_strings_);
    splitter.Next();
    several = splitter.Next().has_value();
  }
  if (several) {
    event.transaction_command = TransactionCommand::none;
  } else if (absl::StatusOr<StatementEvent> made = QueryEvent(queue_.front()); made.ok()) {
    event = *std::move(made);
  } else if (!fresh) {
    return made.status();
  }
  event.reply = reply_.Take(Reply::End::error);
  event.reply.error = std::string(body_);
  front_state_ = FrontState::awaiting_ready;
  query_ = QueryProgress();
  Move(event.transaction_command, unread ? StatementOutcome::refused : OutcomeOf(error));
  Finish(std::move(event));
  return absl::OkStatus();
}

void SessionTracker::Impl::FailExecute(const backend::ErrorResponse& error) {
  const bool interrupted = reply_.phase() == Phase::copy_in_interrupted &&
                           error.sqlstate() != sqlstate::kProtocolViolation;
  Portal* portal = objects_.FindPortal(queue_.front().As<ExecuteRequest>()->portal);
  StatementEvent event = ExecuteEvent(queue_.front(), portal, true);
  std::optional<std::string> described = std::move(event.reply.row_description);
  event.reply = reply_.Take(Reply::End::error);
  event.reply.row_description = std::move(described);
  event.reply.error = std::string(body_);
  Move(event.transaction_command, OutcomeOf(error));
  if (!event.known_text) status_uncertain_ = true;
  PopFront();
  if (interrupted && swallowed_syncs_ > 0) {
    // The server has not come to what interrupted the COPY, so that it goes on at the Sync before.
    --swallowed_syncs_;
    queue_.PushFront(Request{SyncRequest{}});
  }
  mode_ = Mode::skipping;
  Finish(std::move(event));
  Pump();
}

// Servers before 14 read on behind what interrupted a COPY, later ones end the session.
void SessionTracker::Impl::DropInterruption(const backend::ErrorResponse& error) {
  if (reply_.phase() == Phase::copy_in_interrupted &&
      error.sqlstate() == sqlstate::kProtocolViolation) {
    queue_.Take(1);
  }
}

void SessionTracker::Impl::FailFunction() {
  StatementEvent event = FunctionEvent(queue_.front());
  event.reply.end = Reply::End::error;
  event.reply.error = std::string(body_);
  front_state_ = FrontState::awaiting_ready;
  Move(TransactionCommand::none, StatementOutcome::failed);
  Finish(std::move(event));
}

void SessionTracker::Impl::FailImplicitCommit() {
  static const Text kCommit = std::make_shared<const std::string>("COMMIT");
  StatementEvent event = BaseEvent(queue_.front(), QueryProtocol::extended);
  event.sql = kCommit;
  event.transaction_command = TransactionCommand::commit;
  event.implicit_commit = true;
  event.reply.end = Reply::End::error;
  event.reply.error = std::string(body_);
  front_state_ = FrontState::awaiting_ready;
  Move(TransactionCommand::none, StatementOutcome::failed);
  Finish(std::move(event));
}

// An error of Parse, Bind, Describe or Close.
void SessionTracker::Impl::Refuse() {
  refusal_ = MakeRefusal(queue_.front());
  refusal_->error = std::string(body_);
  refusal_->done = now_;
  Move(TransactionCommand::none, StatementOutcome::refused);
  PopFront();
  mode_ = Mode::skipping;
  Pump();
}

// Whom the error of the front request belongs to, and what to tell if nobody claims it. What the
// request would have made is put where the requests that are skipped will look for it.
SessionTracker::Impl::Refusal SessionTracker::Impl::MakeRefusal(const Request& request) {
  Refusal refusal;
  refusal.own = BaseEvent(request, QueryProtocol::extended);
  refusal.own.known_text = false;
  if (const auto* parse = request.As<ParseRequest>()) {
    // The unnamed statement that was is gone, whether the new one came to be or not.
    if (parse->statement.empty()) objects_.CloseStatement("");
    Skip(request);
    refusal.statement = skipped_objects_.FindStatement(parse->statement);
    refusal.own.sql = parse->sql;
    refusal.own.known_text = true;
    refusal.own.transaction_command = parse->command;
  } else if (const auto* bind = request.As<BindRequest>()) {
    Skip(request);
    refusal.portal = SignificantName(bind->portal);
    if (const Portal* portal = skipped_objects_.FindPortal(bind->portal)) {
      refusal.statement = portal->statement;
      refusal.own.known_text = portal->statement->sql != nullptr;
      if (portal->statement->sql) refusal.own.sql = portal->statement->sql;
      refusal.own.transaction_command = portal->statement->command;
      refusal.own.parameters = portal->parameters;
      refusal.own.sent_first = portal->sent_first;
    }
  } else if (const auto* describe = request.As<DescribeRequest>()) {
    if (describe->kind == NamedObject::statement) {
      refusal.statement = objects_.FindStatement(describe->name);
    } else if (const Portal* portal = objects_.FindPortal(describe->name)) {
      refusal.statement = portal->statement;
      refusal.portal = SignificantName(describe->name);
    }
  }
  return refusal;
}

void SessionTracker::Impl::TellUnclaimedRefusal() {
  if (!refusal_) return;
  StatementEvent event = std::move(refusal_->own);
  event.done = refusal_->done;
  event.reply.end = Reply::End::error;
  event.reply.error = std::move(refusal_->error);
  refusal_.reset();
  events_->OnStatement(std::move(event));
}

}  // namespace pgparity::protocol
