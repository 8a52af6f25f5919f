// The session tracker: what the server sends.
#include <utility>

#include "protocol/session_tracker_impl.h"
#include "protocol/text.h"

namespace pgparity::protocol {
namespace {

using namespace tracker;  // the request types

absl::Status Unexpected(std::string_view what) {
  return absl::FailedPreconditionError(
      StrCat(what, " from the server without a request that it answers"));
}

}  // namespace

absl::Status SessionTracker::Impl::HandleServer(const Frame& frame) {
  const bool asynchronous = frame.tag == 'N' || frame.tag == 'A';
  if (asynchronous) return absl::OkStatus();
  if (frame.truncated) {
    return absl::ResourceExhaustedError(
        StrCat("a server message of ", frame.wire_length, " bytes, more than is captured"));
  }
  // Rows are most of all messages, and are not looked into.
  if (frame.tag == 'D') return On(backend::DataRow{});
  const absl::StatusOr<BackendMessage> message = DecodeBackend(frame.tag, frame.body);
  if (!message.ok()) return message.status();
  return std::visit([this](const auto& decoded) { return On(decoded); }, *message);
}

// The front request if it is a T whose answer has not come, not even by half.
template <typename T>
T* SessionTracker::Impl::WaitingFront() {
  if (queue_.empty() || front_state_ != FrontState::waiting) return nullptr;
  return queue_.front().As<T>();
}

// Whether the reply to a statement is under way or due. Makes it known which statement that is.
bool SessionTracker::Impl::StatementRunning() {
  if (WaitingFront<ExecuteRequest>() != nullptr) return true;
  if (WaitingFront<QueryRequest>() == nullptr) return false;
  BeginQuery();
  return true;
}

absl::Status SessionTracker::Impl::On(const backend::DataRow&) {
  if (!StatementRunning()) return Unexpected("DataRow");
  return reply_.AddRow(body_);
}

absl::Status SessionTracker::Impl::On(const backend::CopyData& message) {
  if (!StatementRunning()) return Unexpected("CopyData");
  return reply_.AddCopyOut(message.data);
}

absl::Status SessionTracker::Impl::On(const backend::CopyDone&) {
  if (!StatementRunning()) return Unexpected("CopyDone");
  return reply_.EndCopyOut();
}

absl::Status SessionTracker::Impl::On(const backend::CopyResponse& message) {
  if (message.direction == backend::CopyDirection::both)
    return absl::UnimplementedError("replication");
  if (!StatementRunning()) return Unexpected("CopyInResponse or CopyOutResponse");
  if (message.direction == backend::CopyDirection::out) return reply_.BeginCopyOut();
  if (WaitingFront<QueryRequest>() != nullptr) {
    if (const absl::Status next = NextQueryStatement(); !next.ok()) return next;
  }
  const absl::Status begun = reply_.BeginCopyIn();
  if (begun.ok()) Pump();
  return begun;
}

absl::Status SessionTracker::Impl::On(const backend::CommandComplete& message) {
  if (!StatementRunning()) return Unexpected("CommandComplete");
  return Complete(Reply::End::command_complete, message.tag);
}

absl::Status SessionTracker::Impl::On(const backend::EmptyQueryResponse&) {
  if (!StatementRunning()) return Unexpected("EmptyQueryResponse");
  return Complete(Reply::End::empty_query, {});
}

absl::Status SessionTracker::Impl::On(const backend::PortalSuspended&) {
  if (WaitingFront<ExecuteRequest>() == nullptr) return Unexpected("PortalSuspended");
  return Complete(Reply::End::portal_suspended, {});
}

absl::Status SessionTracker::Impl::On(const backend::ErrorResponse& message) {
  return HandleError(message);
}

absl::Status SessionTracker::Impl::On(const backend::ParseComplete&) {
  auto* parse = WaitingFront<ParseRequest>();
  if (parse == nullptr) return Unexpected("ParseComplete");
  auto statement = std::make_shared<PreparedStatement>();
  statement->sql = std::move(parse->sql);
  statement->types = std::move(parse->types);
  statement->command = parse->command;
  statement->parse_first = queue_.front().first;
  statement->exchange = queue_.front().exchange;
  objects_.Define(parse->statement, std::move(statement));
  PopFront();
  Pump();
  return absl::OkStatus();
}

absl::Status SessionTracker::Impl::On(const backend::BindComplete&) {
  auto* bind = WaitingFront<BindRequest>();
  if (bind == nullptr) return Unexpected("BindComplete");
  Portal portal = MakePortal(queue_.front(), objects_.FindStatement(bind->statement));
  objects_.Open(bind->portal, std::move(portal));
  PopFront();
  Pump();
  return absl::OkStatus();
}

absl::Status SessionTracker::Impl::On(const backend::CloseComplete&) {
  const auto* close = WaitingFront<CloseRequest>();
  if (close == nullptr) return Unexpected("CloseComplete");
  if (close->kind == NamedObject::statement) {
    objects_.CloseStatement(close->name);
  } else {
    objects_.ClosePortal(close->name);
  }
  PopFront();
  Pump();
  return absl::OkStatus();
}

absl::Status SessionTracker::Impl::On(const backend::ParameterDescription&) {
  const auto* describe = WaitingFront<DescribeRequest>();
  if (describe == nullptr || describe->kind != NamedObject::statement)
    return Unexpected("ParameterDescription");
  front_state_ = FrontState::parameters_described;
  return absl::OkStatus();
}

absl::Status SessionTracker::Impl::On(const backend::RowDescription&) {
  if (!queue_.empty() && queue_.front().As<DescribeRequest>()) return Described(body_);
  if (WaitingFront<QueryRequest>() == nullptr) return Unexpected("RowDescription");
  BeginQuery();
  return reply_.Describe(body_);
}

absl::Status SessionTracker::Impl::On(const backend::NoData&) {
  if (queue_.empty() || !queue_.front().As<DescribeRequest>()) return Unexpected("NoData");
  return Described({});
}

absl::Status SessionTracker::Impl::Described(std::string_view row_description) {
  const auto* describe = queue_.front().As<DescribeRequest>();
  const bool statement = describe->kind == NamedObject::statement;
  if (statement != (front_state_ == FrontState::parameters_described))
    return Unexpected("a description");
  if (statement) {
    objects_.Describe(describe->name, row_description);
  } else if (Portal* portal = objects_.FindPortal(describe->name);
             portal != nullptr && !row_description.empty()) {
    objects_.DescribePortal(portal, row_description);
  }
  PopFront();
  Pump();
  return absl::OkStatus();
}

absl::Status SessionTracker::Impl::On(const backend::FunctionCallResponse&) {
  if (WaitingFront<FunctionCallRequest>() == nullptr) return Unexpected("FunctionCallResponse");
  StatementEvent event = FunctionEvent(queue_.front());
  event.reply.end = Reply::End::function_result;
  front_state_ = FrontState::function_returned;
  Finish(std::move(event));
  return absl::OkStatus();
}

absl::Status SessionTracker::Impl::On(const backend::ParameterStatus& message) {
  if (message.name == "standard_conforming_strings")
    standard_conforming_strings_ = message.value == "on";
  events_->OnParameterStatus(message.name, message.value);
  return absl::OkStatus();
}

// Whether ReadyForQuery may come now, as the answer to the front request.
absl::Status SessionTracker::Impl::FrontIsReady() {
  if (queue_.empty()) return Unexpected("ReadyForQuery");
  if (front_state_ == FrontState::awaiting_ready || front_state_ == FrontState::function_returned) {
    return absl::OkStatus();
  }
  if (queue_.front().As<SyncRequest>()) return absl::OkStatus();
  if (!queue_.front().As<QueryRequest>() || query_.finished == 0)
    return Unexpected("ReadyForQuery");
  if (reply_.phase() != Phase::none)
    return absl::FailedPreconditionError("ReadyForQuery in the middle of a reply");
  if (query_.splitter->Next()) {
    return absl::FailedPreconditionError("fewer replies than statements in a Query");
  }
  return absl::OkStatus();
}

// A Sync that a failed COPY was taken to have swallowed is answered after all, if nothing else
// fits.
bool SessionTracker::Impl::TakeSwallowedSync() {
  const bool idle = queue_.empty() || (front_state_ == FrontState::waiting &&
                                       reply_.phase() == Phase::none && query_.finished == 0);
  if (swallowed_syncs_ == 0 || !idle) return false;
  --swallowed_syncs_;
  if (mode_ == Mode::skipping) EndSkipping();
  return true;
}

absl::Status SessionTracker::Impl::On(const backend::ReadyForQuery& message) {
  if (const absl::Status ready = FrontIsReady(); ready.ok()) {
    if (queue_.front().As<QueryRequest>()) {
      // A Query uses the unnamed statement and portal up.
      objects_.CloseStatement("");
      objects_.ClosePortal("");
    }
    PopFront();
  } else if (!TakeSwallowedSync()) {
    return ready;
  }
  const auto actual = static_cast<TransactionStatus>(message.status);
  const TransactionStatus predicted = status_uncertain_ ? actual : status_;
  status_ = actual;
  status_uncertain_ = false;
  if (actual == TransactionStatus::idle) objects_.CloseAllPortals();
  Pump();
  events_->OnReady(predicted, actual, now_, !queue_.empty());
  return absl::OkStatus();
}

absl::Status SessionTracker::Impl::On(const backend::NoticeResponse&) { return absl::OkStatus(); }
absl::Status SessionTracker::Impl::On(const backend::NotificationResponse&) {
  return absl::OkStatus();
}

absl::Status SessionTracker::Impl::On(const backend::Authentication&) {
  return Unexpected("an authentication message");
}
absl::Status SessionTracker::Impl::On(const backend::BackendKeyData&) {
  return Unexpected("BackendKeyData");
}
absl::Status SessionTracker::Impl::On(const backend::NegotiateProtocolVersion&) {
  return Unexpected("NegotiateProtocolVersion");
}

}  // namespace pgparity::protocol
