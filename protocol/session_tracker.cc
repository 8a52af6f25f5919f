#include "protocol/session_tracker.h"

#include <utility>

#include "protocol/session_tracker_impl.h"
#include "protocol/text.h"

namespace pgparity::protocol {

using tracker::BindRequest;
using tracker::CopyDataRequest;
using tracker::ExecuteRequest;
using tracker::ParseRequest;
using tracker::QueryRequest;
using tracker::SyncRequest;

SessionTracker::SessionTracker(TrackerEvents* events) : impl_(std::make_unique<Impl>(events)) {}
SessionTracker::~SessionTracker() = default;
SessionTracker::SessionTracker(SessionTracker&&) noexcept = default;
SessionTracker& SessionTracker::operator=(SessionTracker&&) noexcept = default;

void SessionTracker::OnClientFrame(const Frame& frame) { impl_->OnClientFrame(frame); }
void SessionTracker::OnServerFrame(const Frame& frame) { impl_->OnServerFrame(frame); }
void SessionTracker::OnElidedRows(const RowDigest& digest) { impl_->OnElidedRows(digest); }
void SessionTracker::SetStandardConformingStrings(bool on) {
  impl_->SetStandardConformingStrings(on);
}
void SessionTracker::Resynchronise() { impl_->Resynchronise(); }
bool SessionTracker::lost() const { return impl_->lost(); }
TransactionStatus SessionTracker::status() const { return impl_->status(); }

void SessionTracker::Impl::OnClientFrame(const Frame& frame) {
  if (mode_ == Mode::lost || mode_ == Mode::ended) return;
  if (const absl::Status handled = HandleClient(frame); !handled.ok()) Lose(handled);
}

void SessionTracker::Impl::OnServerFrame(const Frame& frame) {
  if (mode_ == Mode::lost || mode_ == Mode::ended) return;
  now_ = frame.last;
  body_ = frame.body;
  const absl::Status handled = HandleServer(frame);
  body_ = {};
  if (!handled.ok()) Lose(handled);
}

void SessionTracker::Impl::OnElidedRows(const RowDigest& digest) {
  if (mode_ == Mode::lost || mode_ == Mode::ended) return;
  const absl::Status added =
      StatementRunning()
          ? reply_.AddElided(digest)
          : absl::FailedPreconditionError("elided rows without a statement to answer");
  if (!added.ok()) Lose(added);
}

void SessionTracker::Impl::Clear() {
  queue_.Clear();
  front_state_ = FrontState::waiting;
  query_ = QueryProgress();
  reply_.Reset();
  objects_.Clear();
  skipped_objects_.Clear();
  refusal_.reset();
  swallowed_syncs_ = 0;
  status_uncertain_ = false;
}

void SessionTracker::Impl::Lose(const absl::Status& why) {
  mode_ = Mode::lost;
  Clear();
  events_->OnLost(why);
}

void SessionTracker::Impl::Resynchronise() {
  Clear();
  mode_ = Mode::following;
  status_ = TransactionStatus::idle;
}

void SessionTracker::Impl::PopFront() {
  queue_.Take(0);
  front_state_ = FrontState::waiting;
  query_ = QueryProgress();
  reply_.Reset();
}

// Takes off the queue what the server is known to read now and does not answer.
void SessionTracker::Impl::Pump() {
  while (PumpOne()) {
  }
}

bool SessionTracker::Impl::PumpOne() {
  if (reply_.phase() == Phase::copy_in) {
    return queue_.size() >= 2 && ReadDuringCopyIn();
  }
  if (queue_.empty()) return false;
  if (mode_ == Mode::skipping) {
    if (queue_.front().As<SyncRequest>()) {
      EndSkipping();
      return false;
    }
    Skip(queue_.Take(0));
    return true;
  }
  // The server drops what is left of a COPY that it has given up.
  if (queue_.front().Answered()) return false;
  PopFront();
  return true;
}

// What the server reads behind the request at the front, which is a COPY FROM STDIN.
bool SessionTracker::Impl::ReadDuringCopyIn() {
  const Request& next = queue_[1];
  if (next.Answered() && !next.As<SyncRequest>()) {
    // Ends the session, unless the COPY has failed before: then it is read like any other.
    reply_.InterruptCopyIn();
    return false;
  }
  const Request request = queue_.Take(1);
  if (const auto* data = request.As<CopyDataRequest>()) {
    events_->OnCopyInData(CurrentSql(), data->data);
  } else if (request.As<SyncRequest>()) {
    ++swallowed_syncs_;
  } else {
    reply_.EndCopyIn();
  }
  return true;
}

void SessionTracker::Impl::Skip(const Request& request) {
  if (const auto* parse = request.As<ParseRequest>()) {
    auto statement = std::make_shared<tracker::PreparedStatement>();
    statement->sql = parse->sql;
    statement->types = parse->types;
    statement->command = parse->command;
    statement->parse_first = request.first;
    statement->exchange = request.exchange;
    skipped_objects_.Define(parse->statement, std::move(statement));
  } else if (const auto* bind = request.As<BindRequest>()) {
    Statement statement = skipped_objects_.FindStatement(bind->statement);
    if (!statement) statement = objects_.FindStatement(bind->statement);
    skipped_objects_.Open(bind->portal, MakePortal(request, std::move(statement)));
  } else if (request.As<ExecuteRequest>()) {
    SkipExecute(request);
  } else if (request.As<QueryRequest>()) {
    SkipQuery(request);
  }
}

void SessionTracker::Impl::SkipExecute(const Request& request) {
  const std::string& name = request.As<ExecuteRequest>()->portal;
  Portal* portal = skipped_objects_.FindPortal(name);
  if (portal == nullptr) portal = objects_.FindPortal(name);
  const bool claims = refusal_ && refusal_->statement && portal != nullptr &&
                      portal->statement == refusal_->statement &&
                      (!refusal_->portal || *refusal_->portal == tracker::SignificantName(name));
  StatementEvent event = ExecuteEvent(request, portal, /*ran=*/false);
  if (claims) {
    event.reply.end = Reply::End::error;
    event.reply.error = std::move(refusal_->error);
    event.done = refusal_->done;
    refusal_.reset();
  } else {
    event.reply.end = Reply::End::skipped;
  }
  events_->OnStatement(std::move(event));
}

void SessionTracker::Impl::SkipQuery(const Request& request) {
  const tracker::Text& text = request.As<QueryRequest>()->text;
  StatementSplitter splitter(*text, standard_conforming_strings_);
  while (const std::optional<std::string_view> statement = splitter.Next()) {
    StatementEvent event = BaseEvent(request, QueryProtocol::simple);
    event.sql = std::make_shared<const std::string>(*statement);
    event.transaction_command = ClassifyTransactionCommand(*statement);
    event.reply.end = Reply::End::skipped;
    events_->OnStatement(std::move(event));
  }
}

void SessionTracker::Impl::EndSkipping() {
  mode_ = Mode::following;
  TellUnclaimedRefusal();
  skipped_objects_.Clear();
}

}  // namespace pgparity::protocol
