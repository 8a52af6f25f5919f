// One session's part of unit assembly: follows its frames and cuts its statements into units
// (DESIGN, "Words": unit). Private to the assembler.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/frame.h"
#include "protocol/session_tracker.h"
#include "shadow/assembler.h"
#include "shadow/prepared_units.h"
#include "shadow/session_state.h"
#include "shadow/unit_writer.h"

namespace pgparity::shadow {

// What the sessions share.
struct AssemblyContext {
  const AssemblerOptions* options;
  UnitWriter* writer;
  PreparedUnits* prepared;
  AnalysisCache* cache;
  AssemblerCounters* counters;
};

class SessionAssembly final : public protocol::TrackerEvents {
 public:
  // `context` outlives the session.
  SessionAssembly(uint64_t id, SessionInfo info, AssemblyContext* context);
  SessionAssembly(const SessionAssembly&) = delete;
  SessionAssembly& operator=(const SessionAssembly&) = delete;

  void ClientBytes(std::string_view bytes, Stamp stamp);
  void ServerBytes(std::string_view bytes, Stamp stamp);
  void ElidedRows(const protocol::RowDigest& digest);
  void TokenSent(Stamp stamp);
  void TokenSeen(const LsnToken& token, Stamp stamp);
  void Lost(std::string_view reason);
  void Resynchronised();
  // The session is over; nothing is called after it.
  void Closed(Stamp stamp);

  // TrackerEvents
  void OnCommitSent(Stamp stamp) override;
  void OnBusy(Stamp stamp) override;
  void OnCopyInData(const std::shared_ptr<const std::string>& sql, std::string_view data) override;
  void OnStatement(protocol::StatementEvent event) override;
  void OnReady(protocol::TransactionStatus predicted, protocol::TransactionStatus actual,
               Stamp stamp, bool outstanding) override;
  void OnParameterStatus(std::string_view name, std::string_view value) override;
  void OnLost(const absl::Status& why) override;

 private:
  enum class Mode : uint8_t {
    following,
    ignored,         // a replication connection
    lost,            // the tap left bytes out; until Resynchronised()
    desynchronised,  // the tracker lost its way; until nothing is outstanding
    closing,         // what was not answered is being asked of the tracker
  };
  // Sent and not yet answered by ReadyForQuery.
  struct Exchange {
    char tag = 0;       // Q, F or S
    std::string query;  // of Q
  };

  // session_assembly.cc
  void OnClientFrame(const protocol::Frame& frame);
  void OnServerFrame(const protocol::Frame& frame);
  void NoteServerFrame(const protocol::Frame& frame);
  void TryResynchronise();
  void FollowingEnds(Mode mode);
  void ForgetStream();
  void BusyOver();
  void TokenOver();
  void CommitOver();

  // session_units.cc
  void OpenIfNone();
  void AddStatement(Statement statement, const std::string& tag);
  void FlushCopyData(const std::string& sql);
  void Cut(const Statement& statement, const protocol::StatementEvent& seen);
  void CutAtCommit(const protocol::StatementEvent& seen, const std::string& tag, bool chain);
  void CutAtPrepare(const Statement& statement, const protocol::StatementEvent& seen);
  void CutAtPreparedEnd(const Statement& statement, const protocol::StatementEvent& seen);
  void CutAtIdle(Stamp stamp);
  void End(UnitEnd end, Interval interval, Stamp done);
  void EndAtInstant(Stamp instant, Stamp done);
  void EndAt(UnitEnd end, Stamp done);
  UnitHeader HeaderOf(const OpenUnit& unit) const;
  // The instant of the commit when everything before it had been answered.
  std::optional<Stamp> CommitInstant(const protocol::StatementEvent& seen) const;

  // session_close.cc
  void CollectUnanswered(Stamp stamp);
  bool FrontIsAnswered() const;
  void FeedServer(char tag, std::string_view body, Stamp stamp);
  void AddUnsentRest(std::vector<protocol::StatementEvent>* unanswered) const;
  void EndByClosing(Stamp stamp);
  bool ParkUnanswered(Stamp stamp);
  void AddUnanswered(protocol::StatementEvent event, bool copy_in);
  void DoubtPrepared(const protocol::StatementEvent& event, Stamp stamp);

  const uint64_t id_;
  SessionInfo info_;
  AssemblyContext* const context_;
  UnitWriter* const writer_;
  SessionState state_;
  protocol::FrameReader client_, server_;
  protocol::SessionTracker tracker_;
  Mode mode_ = Mode::following;
  bool standard_conforming_strings_ = true;
  bool truncated_ = false;   // the frame at hand was too large
  bool ready_seen_ = false;  // ReadyForQuery since the tracker lost its way
  Stamp last_gap_ = 0;       // while desynchronised

  std::deque<Exchange> exchanges_;
  uint64_t answered_ = 0;         // statements of the front exchange
  bool front_failed_ = false;     // one of them failed
  bool server_idle_ = true;       // by its last ReadyForQuery
  bool copy_in_ = false;          // the server reads a COPY, and the client has not ended it
  bool fatal_ = false;            // the server ended the session, on a statement that...
  bool fatal_on_commit_ = false;  // ... may have committed

  OpenUnit unit_;
  bool in_block_ = false;  // the next unit is inside a block from its beginning
  std::string copy_data_;  // of the COPY that runs, not yet in a statement
  std::optional<Stamp> commit_sent_, busy_since_;
  std::optional<Stamp> token_sent_;  // the oldest whose unit has not ended
  Stamp last_sent_ = 0;              // of the newest statement answered

  std::vector<protocol::StatementEvent> unanswered_;  // closing
  bool closing_done_ = false;
};

}  // namespace pgparity::shadow
