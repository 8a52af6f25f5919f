// The end of a session: what was asked and not answered may have happened.
#include <algorithm>
#include <utility>

#include "protocol/text.h"
#include "protocol/wire.h"
#include "shadow/captured_statement.h"
#include "shadow/read_only.h"
#include "shadow/session_assembly.h"

namespace pgparity::shadow {

using protocol::Reply;
using protocol::StatementEvent;
using protocol::TransactionCommand;

void SessionAssembly::Closed(Stamp stamp) {
  if (mode_ == Mode::following) {
    if (!exchanges_.empty() || busy_since_) CollectUnanswered(stamp);
    EndByClosing(stamp);
  } else {
    writer_->Drop(&unit_);
  }
  BusyOver();
  CommitOver();
}

void SessionAssembly::FeedServer(char tag, std::string_view body, Stamp stamp) {
  protocol::Frame frame;
  frame.tag = tag;
  frame.body = body;
  frame.first = frame.last = stamp;
  frame.wire_length = body.size() + 5;
  tracker_.OnServerFrame(frame);
}

// Every statement of the front exchange has its reply, or none is coming; ReadyForQuery is missing.
bool SessionAssembly::FrontIsAnswered() const {
  if (exchanges_.empty()) return false;
  const Exchange& front = exchanges_.front();
  if (front.tag == 'F') return answered_ > 0;
  if (front.tag != 'Q') return false;
  const std::string_view text = std::string_view(front.query).substr(0, front.query.find('\0'));
  return front_failed_ ||
         answered_ >= std::max<size_t>(
                          1, protocol::SplitStatements(text, standard_conforming_strings_).size());
}

// Answers each exchange in the server's stead with an error, which makes the tracker tell of the
// statements that are waiting.
void SessionAssembly::CollectUnanswered(Stamp stamp) {
  std::string error;
  protocol::AppendErrorResponse(&error, "ERROR", "08006", "closed");
  const std::string_view error_body = std::string_view(error).substr(5);
  mode_ = Mode::closing;
  for (size_t exchange = exchanges_.size() + 1; exchange > 0 && !closing_done_; --exchange) {
    const size_t before = unanswered_.size();
    if (!FrontIsAnswered()) FeedServer('E', error_body, stamp);
    if (closing_done_) break;
    if (!exchanges_.empty() && exchanges_.front().tag == 'Q' && unanswered_.size() > before) {
      AddUnsentRest(&unanswered_);
    }
    // Without a Sync the tracker has no use for ReadyForQuery.
    if (exchanges_.empty()) break;
    const char status = static_cast<char>(tracker_.status());
    FeedServer('Z', std::string_view(&status, 1), stamp);
    exchanges_.pop_front();
    answered_ = 0;
    front_failed_ = false;
  }
}

// The statements of a Query behind the one that is running, of which the tracker does not tell.
void SessionAssembly::AddUnsentRest(std::vector<StatementEvent>* unanswered) const {
  const std::string& query = exchanges_.front().query;
  const std::string_view text = std::string_view(query).substr(0, query.find('\0'));
  const std::vector<std::string_view> statements =
      protocol::SplitStatements(text, standard_conforming_strings_);
  for (size_t i = answered_ + 1; i < statements.size(); ++i) {
    StatementEvent event;
    event.sql = std::make_shared<const std::string>(statements[i]);
    event.transaction_command = protocol::ClassifyTransactionCommand(statements[i]);
    event.sent_first = unanswered->back().sent_first;
    event.sent_last = unanswered->back().sent_last;
    event.done = unanswered->back().done;
    unanswered->push_back(std::move(event));
  }
}

// A PREPARE TRANSACTION that was not answered: its COMMIT PREPARED would tell that it was done.
bool SessionAssembly::ParkUnanswered(Stamp stamp) {
  if (unanswered_.size() != 1 || !unit_.explicit_block ||
      unanswered_[0].transaction_command != TransactionCommand::prepare_transaction) {
    return false;
  }
  const std::optional<std::string> gid = GidOf(*unanswered_[0].sql, standard_conforming_strings_);
  if (!gid) return false;
  ParkedUnit parked{HeaderOf(unit_), std::move(unit_)};
  unit_ = OpenUnit();
  parked.header.gid = *gid;
  parked.header.interval.hi = stamp;
  context_->prepared->Park(*gid, std::move(parked));
  return true;
}

// A prepared unit whose COMMIT PREPARED was not answered.
void SessionAssembly::DoubtPrepared(const StatementEvent& event, Stamp stamp) {
  const std::optional<std::string> gid = GidOf(*event.sql, standard_conforming_strings_);
  if (!gid) return;
  std::optional<ParkedUnit> parked = context_->prepared->Take(info_.database, *gid);
  if (!parked) return;
  parked->header.end = UnitEnd::in_doubt;
  parked->header.interval = {event.sent_first, stamp};
  parked->header.key = parked->header.done = stamp;
  writer_->Finish(std::move(parked->header), &parked->unit);
}

void SessionAssembly::AddUnanswered(StatementEvent event, bool copy_in) {
  if (event.implicit_commit) return;
  if (unit_.first_sent == 0) unit_.first_sent = event.sent_first;
  event.reply = Reply();
  event.reply.end = Reply::End::skipped;
  event.reply.copy_in = copy_in;
  // Skipped statements count as reading; these may have run.
  const bool reads = event.known_text && (event.transaction_command != TransactionCommand::none ||
                                          TextReadsOnly(*event.sql));
  absl::StatusOr<Statement> statement = CaptureStatement(std::move(event), context_->cache);
  if (!statement.ok()) return;
  if (copy_in) statement->copy_data = std::move(copy_data_);
  writer_->Add(*statement, &unit_);
  unit_.read_only = unit_.read_only && reads;
}

void SessionAssembly::EndByClosing(Stamp stamp) {
  const bool nothing = unanswered_.empty() && unit_.statements == 0;
  if (nothing) return writer_->Drop(&unit_);
  if (ParkUnanswered(stamp)) return;
  OpenIfNone();
  const bool in_block = unit_.explicit_block;
  const bool failed = unit_.failed && !fatal_;
  // The server gives up a COPY whose end it was not sent.
  bool copying = copy_in_;
  bool may_commit = (!in_block && !copying) || (fatal_ && fatal_on_commit_);
  for (StatementEvent& event : unanswered_) {
    may_commit = may_commit || (protocol::IsCommit(event.transaction_command) && !copy_in_);
    if (event.transaction_command == TransactionCommand::commit_prepared)
      DoubtPrepared(event, stamp);
    AddUnanswered(std::move(event), copying);
    copying = false;
  }
  const bool in_doubt = may_commit && !failed && !unit_.read_only;
  EndAt(in_doubt ? UnitEnd::in_doubt : UnitEnd::rolled_back, stamp);
}

}  // namespace pgparity::shadow
