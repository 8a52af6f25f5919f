#include "shadow/session_assembly.h"

#include <utility>

#include "protocol/text.h"

namespace pgparity::shadow {
namespace {

using protocol::Frame;
using protocol::StrCat;
using protocol::TransactionStatus;

// A session that stays lost is told of again after so long.
constexpr Stamp kGapAgainAfter = 10'000'000'000;

}  // namespace

SessionAssembly::SessionAssembly(uint64_t id, SessionInfo info, AssemblyContext* context)
    : id_(id),
      info_(std::move(info)),
      context_(context),
      writer_(context->writer),
      state_(info_.startup, context->cache),
      client_(context->options->max_frame),
      server_(context->options->max_frame),
      tracker_(this) {
  if (info_.replication) {
    mode_ = Mode::ignored;
    writer_->Gap("replication", StrCat("session ", id_));
    return;
  }
  if (const auto found = info_.startup.find("standard_conforming_strings");
      found != info_.startup.end()) {
    standard_conforming_strings_ = found->second != "off";
    tracker_.SetStandardConformingStrings(standard_conforming_strings_);
  }
  if (state_.TakeReplicationRoleChange())
    writer_->Gap("session-replication-role", StrCat("session ", id_));
}

void SessionAssembly::ClientBytes(std::string_view bytes, Stamp stamp) {
  if (mode_ == Mode::ignored || mode_ == Mode::lost) return;
  client_.Push(bytes, stamp);
  while (true) {
    const absl::StatusOr<std::optional<Frame>> frame = client_.Next();
    if (!frame.ok()) return OnLost(frame.status());
    if (!frame->has_value()) return;
    OnClientFrame(**frame);
  }
}

void SessionAssembly::ServerBytes(std::string_view bytes, Stamp stamp) {
  if (mode_ == Mode::ignored || mode_ == Mode::lost) return;
  server_.Push(bytes, stamp);
  while (true) {
    const absl::StatusOr<std::optional<Frame>> frame = server_.Next();
    if (!frame.ok()) return OnLost(frame.status());
    if (!frame->has_value()) return;
    OnServerFrame(**frame);
  }
}

void SessionAssembly::OnClientFrame(const Frame& frame) {
  if (mode_ == Mode::desynchronised) TryResynchronise();
  switch (frame.tag) {
    case 'Q':
      exchanges_.push_back(
          {'Q', mode_ == Mode::following ? std::string(frame.body) : std::string()});
      break;
    case 'F':
      exchanges_.push_back({'F', {}});
      break;
    case 'S':
      // A COPY swallows it.
      if (!copy_in_) exchanges_.push_back({'S', {}});
      break;
    case 'c':
    case 'f':
      copy_in_ = false;
      break;
    default:
      break;
  }
  if (mode_ != Mode::following) return;
  truncated_ = frame.truncated;
  tracker_.OnClientFrame(frame);
}

void SessionAssembly::NoteServerFrame(const Frame& frame) {
  if (frame.tag == 'G') {
    copy_in_ = true;
    // In the extended protocol the COPY swallows the Sync behind its Execute.
    if (!exchanges_.empty() && exchanges_.front().tag == 'S') exchanges_.clear();
  } else if (frame.tag == 'E' || frame.tag == 'C') {
    copy_in_ = false;
  } else if (frame.tag == 'Z') {
    if (!exchanges_.empty()) exchanges_.pop_front();
    server_idle_ = frame.body == "I";
    ready_seen_ = true;
    answered_ = 0;
    front_failed_ = false;
  }
}

void SessionAssembly::OnServerFrame(const Frame& frame) {
  if (mode_ == Mode::following) {
    truncated_ = frame.truncated;
    tracker_.OnServerFrame(frame);
  }
  NoteServerFrame(frame);
  if (mode_ == Mode::desynchronised && frame.tag == 'Z' &&
      frame.last >= last_gap_ + kGapAgainAfter) {
    last_gap_ = frame.last;
    writer_->Gap("tracker-lost", StrCat("session ", id_, ": still not followed"));
  }
}

void SessionAssembly::ElidedRows(const protocol::RowDigest& digest) {
  if (mode_ == Mode::following) tracker_.OnElidedRows(digest);
}

void SessionAssembly::TokenSent(Stamp stamp) {
  if (mode_ != Mode::following || token_sent_) return;
  token_sent_ = stamp;
  writer_->TokenSent(stamp);
}

void SessionAssembly::TokenOver() {
  if (token_sent_) writer_->TokenOver(*token_sent_);
  token_sent_.reset();
}

void SessionAssembly::TokenSeen(const LsnToken& token, Stamp stamp) {
  writer_->TokenSeen(token.lsn, stamp);
  if (mode_ == Mode::following) unit_.token = token;
}

// Before a client's frame: with every exchange answered and the server idle, the next one is the
// first of a stretch that can be followed. The count errs only upwards, and then the session stays
// lost.
void SessionAssembly::TryResynchronise() {
  if (!ready_seen_ || !exchanges_.empty() || !server_idle_ || !server_.AtBoundary()) return;
  tracker_.Resynchronise();
  in_block_ = false;
  mode_ = Mode::following;
}

void SessionAssembly::OnLost(const absl::Status& why) {
  if (mode_ == Mode::closing) {
    closing_done_ = true;
    return;
  }
  // A stream whose frames cannot be told apart any more ends here, too.
  const bool framing = mode_ == Mode::desynchronised;
  if (mode_ != Mode::following && !framing) return;
  if (framing) {
    mode_ = Mode::lost;
    return;
  }
  // A frame beyond the bound is left out by rule: the tracker itself was right.
  if (!truncated_) ++context_->counters->desynchronised;
  ready_seen_ = false;
  FollowingEnds(Mode::desynchronised);
  writer_->Gap(truncated_ ? "frame-too-large" : "tracker-lost",
               StrCat("session ", id_, ": ", protocol::MessageOf(why)));
}

void SessionAssembly::Lost(std::string_view reason) {
  ++context_->counters->lost_sessions;
  if (mode_ != Mode::ignored) {
    FollowingEnds(Mode::lost);
    ForgetStream();
  }
  writer_->Gap(reason, StrCat("session ", id_));
}

void SessionAssembly::Resynchronised() {
  if (mode_ == Mode::ignored) return;
  ForgetStream();
  tracker_.Resynchronise();
  mode_ = Mode::following;
}

// The unit in the making cannot be finished.
void SessionAssembly::FollowingEnds(Mode mode) {
  if (unit_.open()) ++context_->counters->units_dropped;
  writer_->Drop(&unit_);
  state_.Rollback();
  BusyOver();
  CommitOver();
  TokenOver();
  copy_data_.clear();
  mode_ = mode;
}

void SessionAssembly::ForgetStream() {
  client_.Reset();
  server_.Reset();
  exchanges_.clear();
  answered_ = 0;
  front_failed_ = false;
  server_idle_ = true;
  copy_in_ = false;
  in_block_ = false;
}

void SessionAssembly::OnCommitSent(Stamp stamp) {
  if (mode_ != Mode::following) return;
  CommitOver();
  commit_sent_ = stamp;
  writer_->CommitSent(stamp);
}

void SessionAssembly::CommitOver() {
  if (commit_sent_) writer_->CommitOver(*commit_sent_);
  commit_sent_.reset();
}

void SessionAssembly::OnBusy(Stamp stamp) {
  if (mode_ != Mode::following) return;
  BusyOver();
  busy_since_ = stamp;
  writer_->Busy(stamp);
}

void SessionAssembly::BusyOver() {
  if (busy_since_) writer_->BusyOver(*busy_since_);
  busy_since_.reset();
}

void SessionAssembly::OnParameterStatus(std::string_view name, std::string_view value) {
  if (name == "application_name") info_.application = std::string(value);
  if (name == "standard_conforming_strings") standard_conforming_strings_ = value != "off";
  state_.OnParameterStatus(name, value);
}

void SessionAssembly::OnReady(TransactionStatus, TransactionStatus actual, Stamp stamp,
                              bool outstanding) {
  if (mode_ == Mode::closing) {
    closing_done_ = !outstanding;
    return;
  }
  if (mode_ != Mode::following) return;
  if (actual == TransactionStatus::idle) {
    CutAtIdle(stamp);
  } else if (unit_.open()) {
    unit_.explicit_block = true;
  }
  in_block_ = actual != TransactionStatus::idle;
  state_.TakeReported();
  CommitOver();
  if (!outstanding) {
    BusyOver();
    TokenOver();
    exchanges_.clear();
  } else if (busy_since_ && last_sent_ > *busy_since_) {
    // What is still unanswered was sent after what has just been answered.
    OnBusy(last_sent_);
    if (token_sent_ && last_sent_ > *token_sent_) {
      TokenOver();
      TokenSent(last_sent_);
    }
  }
}

}  // namespace pgparity::shadow
