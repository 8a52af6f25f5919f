// The session tracker: what the client sends.
#include <utility>

#include "protocol/session_tracker_impl.h"
#include "protocol/text.h"

namespace pgparity::protocol {
namespace {

using namespace tracker;  // the request types

std::vector<std::optional<std::string>> Copy(
    const std::vector<std::optional<std::string_view>>& values) {
  std::vector<std::optional<std::string>> copies;
  copies.reserve(values.size());
  for (const std::optional<std::string_view>& value : values) {
    if (value) {
      copies.emplace_back(std::string(*value));
    } else {
      copies.emplace_back();
    }
  }
  return copies;
}

std::vector<int16_t> Expand(const std::vector<int16_t>& formats, size_t count) {
  if (formats.size() == count) return formats;
  return std::vector<int16_t>(count, formats.empty() ? int16_t{0} : formats[0]);
}

size_t SizeOf(const BoundParameters& parameters) {
  size_t bytes = 2 * (parameters.formats.size() + parameters.result_formats.size());
  for (const std::optional<std::string>& value : parameters.values) {
    bytes += sizeof(value) + (value ? value->size() : 0);
  }
  return bytes;
}

// Makes the request of a message; Flush, Terminate and the password make none.
struct RequestMaker {
  Request& request;

  absl::Status operator()(const frontend::Query& query) const {
    request.held_bytes = query.sql.size();
    request.message = QueryRequest{std::make_shared<const std::string>(query.sql)};
    return absl::OkStatus();
  }
  absl::Status operator()(const frontend::Parse& parse) const {
    request.held_bytes = parse.sql.size() + parse.statement.size() + 4 * parse.types.size();
    request.message =
        ParseRequest{std::string(parse.statement), std::make_shared<const std::string>(parse.sql),
                     parse.types, ClassifyTransactionCommand(parse.sql)};
    return absl::OkStatus();
  }
  absl::Status operator()(const frontend::Bind& bind) const {
    BindRequest made{std::string(bind.portal), std::string(bind.statement), {}};
    made.parameters.formats = Expand(bind.formats, bind.values.size());
    made.parameters.values = Copy(bind.values);
    made.parameters.result_formats = bind.result_formats;
    request.held_bytes = SizeOf(made.parameters) + bind.portal.size() + bind.statement.size();
    request.message = std::move(made);
    return absl::OkStatus();
  }
  absl::Status operator()(const frontend::Describe& describe) const {
    request.held_bytes = describe.name.size();
    request.message = DescribeRequest{describe.kind, std::string(describe.name)};
    return absl::OkStatus();
  }
  absl::Status operator()(const frontend::Close& close) const {
    request.held_bytes = close.name.size();
    request.message = CloseRequest{close.kind, std::string(close.name)};
    return absl::OkStatus();
  }
  absl::Status operator()(const frontend::Execute& execute) const {
    request.held_bytes = execute.portal.size();
    request.message = ExecuteRequest{std::string(execute.portal), execute.max_rows};
    return absl::OkStatus();
  }
  absl::Status operator()(const frontend::Sync&) const {
    request.message = SyncRequest{};
    return absl::OkStatus();
  }
  absl::Status operator()(const frontend::FunctionCall& call) const {
    FunctionCallRequest made;
    made.parameters.types.assign(call.values.size(), 0);
    made.parameters.formats = Expand(call.formats, call.values.size());
    made.parameters.values = Copy(call.values);
    made.parameters.result_formats = {call.result_format};
    request.held_bytes = SizeOf(made.parameters);
    request.message = std::move(made);
    return absl::OkStatus();
  }
  absl::Status operator()(const frontend::CopyData& data) const {
    request.held_bytes = data.data.size();
    request.message = CopyDataRequest{std::string(data.data)};
    return absl::OkStatus();
  }
  absl::Status operator()(const frontend::CopyDone&) const {
    request.message = CopyEndRequest{};
    return absl::OkStatus();
  }
  absl::Status operator()(const frontend::CopyFail&) const {
    request.message = CopyEndRequest{};
    return absl::OkStatus();
  }
  absl::Status operator()(const frontend::Password&) const {
    return absl::FailedPreconditionError("a password message after login");
  }
  absl::Status operator()(const frontend::Flush&) const { return absl::OkStatus(); }
  absl::Status operator()(const frontend::Terminate&) const { return absl::OkStatus(); }
};

}  // namespace

absl::Status SessionTracker::Impl::HandleClient(const Frame& frame) {
  if (frame.truncated) {
    return absl::ResourceExhaustedError(
        StrCat("a client message of ", frame.wire_length, " bytes, more than is captured"));
  }
  if (frame.tag == 'd') return HandleCopyData(frame);
  const absl::StatusOr<FrontendMessage> message = DecodeFrontend(frame.tag, frame.body);
  if (!message.ok()) return message.status();
  if (std::holds_alternative<frontend::Flush>(*message) ||
      std::holds_alternative<frontend::Terminate>(*message)) {
    return absl::OkStatus();
  }
  Request request;
  request.first = frame.first;
  request.last = frame.last;
  if (const absl::Status made = std::visit(RequestMaker{request}, *message); !made.ok())
    return made;
  return Enqueue(std::move(request));
}

// The common cases, in which the data need not be kept.
absl::Status SessionTracker::Impl::HandleCopyData(const Frame& frame) {
  if (reply_.phase() == Phase::copy_in) {
    events_->OnCopyInData(CurrentSql(), frame.body);
    return absl::OkStatus();
  }
  const bool dropped = mode_ == Mode::skipping || queue_.empty() ||
                       (queue_.size() == 1 && front_state_ == FrontState::awaiting_ready);
  if (dropped) return absl::OkStatus();
  Request request;
  request.held_bytes = frame.body.size();
  request.message = CopyDataRequest{std::string(frame.body)};
  return Enqueue(std::move(request));
}

absl::Status SessionTracker::Impl::Enqueue(Request request) {
  if (!queue_.empty() && queue_.bytes() + request.cost() > kMaxPendingBytes) {
    return absl::ResourceExhaustedError("too many requests without a reply");
  }
  request.exchange = exchange_;
  request.outstanding = queue_.running() > 0;
  const bool sync = request.As<SyncRequest>() != nullptr;
  const bool ends_exchange =
      sync || request.As<QueryRequest>() || request.As<FunctionCallRequest>();
  if (ends_exchange && reply_.phase() != Phase::copy_in) ++exchange_;
  if (mode_ == Mode::following && request.Answered() && queue_.empty())
    events_->OnBusy(request.first);
  if (mode_ == Mode::skipping && sync) events_->OnBusy(request.first);
  if (mode_ == Mode::following && !request.outstanding) AnnounceCommit(request);
  queue_.Push(std::move(request));
  Pump();
  return absl::OkStatus();
}

// Tells of a commit with no reply to an earlier statement missing.
void SessionTracker::Impl::AnnounceCommit(const Request& request) {
  bool alone = false;
  if (const auto* query = request.As<QueryRequest>()) {
    // Only what begins like a commit is worth splitting.
    if (!queue_.empty() || !IsCommit(ClassifyTransactionCommand(*query->text))) return;
    StatementSplitter splitter(*query->text, standard_conforming_strings_);
    alone = splitter.Next().has_value() && !splitter.Next().has_value();
  } else if (const auto* execute = request.As<ExecuteRequest>()) {
    alone = IsCommit(PendingCommand(execute->portal));
  }
  if (alone) events_->OnCommitSent(request.last);
}

// What the portal will run once the requests that wait have been dealt with.
TransactionCommand SessionTracker::Impl::PendingCommand(std::string_view portal) const {
  const std::string_view name = SignificantName(portal);
  const std::string* statement = nullptr;
  for (size_t i = queue_.size(); i-- > 0;) {
    if (statement == nullptr) {
      const auto* bind = queue_[i].As<BindRequest>();
      if (bind != nullptr && SignificantName(bind->portal) == name) statement = &bind->statement;
    } else {
      const auto* parse = queue_[i].As<ParseRequest>();
      if (parse != nullptr && SignificantName(parse->statement) == SignificantName(*statement))
        return parse->command;
    }
  }
  if (statement != nullptr) {
    const Statement known = objects_.FindStatement(*statement);
    return known ? known->command : TransactionCommand::none;
  }
  const Portal* known = objects_.FindPortal(portal);
  return known != nullptr ? known->statement->command : TransactionCommand::none;
}

}  // namespace pgparity::protocol
