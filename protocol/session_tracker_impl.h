// The session tracker's state. Private to protocol/session_tracker*.cc.
//
// Requests are queued as the client sent them, and taken off as the server's replies show that it
// has dealt with them. Names are resolved at the reply, not at the request: replies come in the
// order in which the server worked, so that each name means there what it meant to the server.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "protocol/backend.h"
#include "protocol/frontend.h"
#include "protocol/reply_assembly.h"
#include "protocol/session_tracker.h"
#include "protocol/tracker_objects.h"
#include "protocol/tracker_requests.h"

namespace pgparity::protocol {

class SessionTracker::Impl {
 public:
  // Requests not answered yet; one request beyond it is let in when none is waiting.
  static constexpr size_t kMaxPendingBytes = size_t{64} << 20;
  static constexpr size_t kMaxObjectBytes = size_t{64} << 20;

  explicit Impl(TrackerEvents* events) : events_(events) {}

  void OnClientFrame(const Frame& frame);
  void OnServerFrame(const Frame& frame);
  void OnElidedRows(const RowDigest& digest);
  void SetStandardConformingStrings(bool on) { standard_conforming_strings_ = on; }
  void Resynchronise();
  bool lost() const { return mode_ == Mode::lost; }
  TransactionStatus status() const { return status_; }

 private:
  using Request = tracker::Request;
  using Portal = tracker::Portal;
  using Statement = tracker::Statement;
  using Phase = tracker::ReplyPhase;

  enum class Mode : uint8_t {
    following,
    skipping,  // an error of the extended protocol: the server skips to the next Sync
    ended,     // a FATAL error: nothing follows
    lost,
  };
  // Of the request at the queue's front.
  enum class FrontState : uint8_t {
    waiting,
    parameters_described,  // Describe of a statement: half of its answer has come
    function_returned,     // FunctionCall: its implicit commit may fail yet
    awaiting_ready,        // Query, Sync, FunctionCall: only ReadyForQuery is left
  };
  // Of the Query at the queue's front.
  struct QueryProgress {
    std::optional<StatementSplitter> splitter;  // made at the first reply
    tracker::Text current;                      // the statement whose reply has begun
    size_t finished = 0;
  };
  // An error of Parse, Bind, Describe or Close, until the Execute it belongs to or the Sync.
  struct Refusal {
    std::string error;
    Stamp done = 0;
    Statement statement;                // null: no Execute can belong to it
    std::optional<std::string> portal;  // set: only of this portal
    StatementEvent own;                 // what to tell when no Execute claims it
  };

  // session_tracker.cc
  void Lose(const absl::Status& why);
  void Clear();
  void PopFront();
  void Pump();
  bool PumpOne();
  bool ReadDuringCopyIn();
  void Skip(const Request& request);
  void SkipQuery(const Request& request);
  void SkipExecute(const Request& request);
  void EndSkipping();
  tracker::Text CurrentSql();
  Portal MakePortal(const Request& request, Statement statement) const;

  // session_tracker_requests.cc
  absl::Status HandleClient(const Frame& frame);
  absl::Status HandleCopyData(const Frame& frame);
  absl::Status Enqueue(Request request);
  void AnnounceCommit(const Request& request);
  TransactionCommand PendingCommand(std::string_view portal) const;

  // session_tracker_replies.cc
  absl::Status HandleServer(const Frame& frame);
  absl::Status On(const backend::Authentication&);
  absl::Status On(const backend::BackendKeyData&);
  absl::Status On(const backend::BindComplete&);
  absl::Status On(const backend::CloseComplete&);
  absl::Status On(const backend::CommandComplete& message);
  absl::Status On(const backend::CopyResponse& message);
  absl::Status On(const backend::CopyData& message);
  absl::Status On(const backend::CopyDone&);
  absl::Status On(const backend::DataRow&);
  absl::Status On(const backend::EmptyQueryResponse&);
  absl::Status On(const backend::ErrorResponse& message);
  absl::Status On(const backend::NoticeResponse&);
  absl::Status On(const backend::FunctionCallResponse&);
  absl::Status On(const backend::NegotiateProtocolVersion&);
  absl::Status On(const backend::NoData&);
  absl::Status On(const backend::NotificationResponse&);
  absl::Status On(const backend::ParameterDescription&);
  absl::Status On(const backend::ParameterStatus& message);
  absl::Status On(const backend::ParseComplete&);
  absl::Status On(const backend::PortalSuspended&);
  absl::Status On(const backend::ReadyForQuery& message);
  absl::Status On(const backend::RowDescription&);
  template <typename T>
  T* WaitingFront();
  bool StatementRunning();
  absl::Status Described(std::string_view row_description);
  absl::Status FrontIsReady();
  bool TakeSwallowedSync();

  // session_tracker_statements.cc
  absl::Status Complete(Reply::End end, std::string_view tag);
  absl::StatusOr<StatementEvent> QueryEvent(const Request& request);
  StatementEvent ExecuteEvent(const Request& request, Portal* portal, bool ran);
  StatementEvent FunctionEvent(const Request& request) const;
  StatementEvent BaseEvent(const Request& request, QueryProtocol protocol) const;
  void BeginQuery();
  absl::Status NextQueryStatement();
  void Finish(StatementEvent event);
  void ApplyToObjects(const StatementEvent& event);
  void Move(TransactionCommand command, StatementOutcome outcome);

  // session_tracker_errors.cc
  absl::Status HandleError(const backend::ErrorResponse& error);
  absl::Status FailQuery(const backend::ErrorResponse& error);
  void FailExecute(const backend::ErrorResponse& error);
  void DropInterruption(const backend::ErrorResponse& error);
  void FailFunction();
  void FailImplicitCommit();
  void Refuse();
  Refusal MakeRefusal(const Request& request);
  void TellUnclaimedRefusal();

  TrackerEvents* const events_;
  Mode mode_ = Mode::following;
  TransactionStatus status_ = TransactionStatus::idle;
  bool status_uncertain_ = false;  // until the next ReadyForQuery
  bool standard_conforming_strings_ = true;

  tracker::RequestQueue queue_;
  FrontState front_state_ = FrontState::waiting;
  QueryProgress query_;
  tracker::ReplyAssembly reply_;
  tracker::SessionObjects objects_{kMaxObjectBytes};
  uint64_t exchange_ = 0;

  // While skipping: what Parse and Bind would have made had they not been skipped.
  tracker::SessionObjects skipped_objects_{kMaxObjectBytes};
  std::optional<Refusal> refusal_;
  // Syncs that a COPY FROM STDIN is taken to have swallowed. Where it failed before it read
  // anything, the server answers them after all.
  size_t swallowed_syncs_ = 0;

  // Of the server's frame being handled.
  std::string_view body_;
  Stamp now_ = 0;
};

}  // namespace pgparity::protocol
