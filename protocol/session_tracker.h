// Follows one session from the frames of both directions: pairs requests with replies through
// pipelining, portals, named statements, errors that skip to Sync, COPY and multi-statement simple
// queries. Sans-I/O; knows nothing of units, journals or comparison.
// Source of the rules: PostgreSQL manual, "Message Flow".
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "protocol/frame.h"
#include "protocol/sql_lexer.h"

namespace pgparity::protocol {

// Transaction status as ReadyForQuery spells it.
enum class TransactionStatus : char { idle = 'I', in_block = 'T', failed = 'E' };

enum class QueryProtocol : uint8_t { simple, extended, function_call };

// The parameters of a Bind message. Values are as the client sent them.
struct BoundParameters {
  std::vector<uint32_t> types;                      // from Parse; 0 where it left the type open
  std::vector<int16_t> formats;                     // one per value (0 text, 1 binary), expanded
  std::vector<std::optional<std::string>> values;   // nullopt is NULL
  std::vector<int16_t> result_formats;              // as sent: none, one for all, or one a column
};

// The rows past the capture limit, which were not captured one by one.
// A row's hash is XXH3_64 of its DataRow (or CopyData) body.
struct RowDigest {
  uint64_t rows = 0;
  uint64_t bytes = 0;
  uint64_t sum = 0;     // of the rows' hashes, modulo 2^64: order does not matter
  uint64_t chain = 0;   // chain = chain * 0x9E3779B97F4A7C15 + hash, row by row: order matters
  friend bool operator==(const RowDigest&, const RowDigest&) = default;
};

// What the server answered to one statement, in wire form.
struct Reply {
  enum class End : uint8_t {
    command_complete,   // `tag` holds the command tag
    empty_query,
    portal_suspended,   // Execute's row limit was reached; more may follow
    error,              // `error` holds the ErrorResponse body
    function_result,
    skipped,            // an earlier error of the exchange made the server skip it
  };
  End end = End::command_complete;
  std::optional<std::string> row_description;   // body of RowDescription, if the server sent one
  std::string rows;                             // captured DataRow bodies, each behind a u32 length (host order)
  uint64_t row_count = 0;                       // captured rows; digest.rows more were elided
  RowDigest digest;
  std::string tag;
  std::string error;
  bool copy_out = false;                        // `rows` holds CopyData bodies
  bool copy_in = false;
};

// One executed statement with its reply.
struct StatementEvent {
  QueryProtocol protocol = QueryProtocol::simple;
  std::shared_ptr<const std::string> sql;   // this statement's own text, never null (empty for a function call)
  TransactionCommand transaction_command = TransactionCommand::none;
  BoundParameters parameters;               // extended protocol only
  int32_t max_rows = 0;                     // Execute's row limit, 0 for none
  bool continues_portal = false;            // a further Execute of a portal that was suspended
  bool known_text = true;                   // false: a prepared statement from before the tracker began
  Stamp sent_first = 0;                     // stamp at which its first byte was seen
  Stamp sent_last = 0;                      // stamp at which the message that runs it was complete
  Stamp done = 0;                           // stamp at which its last reply was seen
  bool replies_outstanding_at_send = false; // sent while replies to earlier requests were outstanding
  Reply reply;
};

// Receives what the tracker finds out, in the order of the server's replies. Called from within
// OnClientFrame/OnServerFrame, on their thread.
class TrackerEvents {
 public:
  virtual ~TrackerEvents() = default;
  // A statement of the transaction-ending kind was sent (COMMIT, END, PREPARE TRANSACTION, COMMIT
  // PREPARED), all earlier replies having been seen before `stamp`. Its StatementEvent follows.
  virtual void OnCommitSent(Stamp stamp) = 0;
  // A request that makes the server work went out with none outstanding before it.
  virtual void OnBusy(Stamp stamp) = 0;
  // Data of a COPY FROM STDIN as the client sent it (bodies of CopyData), before the StatementEvent
  // of its statement; `sql` is that statement's text.
  virtual void OnCopyInData(const std::shared_ptr<const std::string>& sql, std::string_view data) = 0;
  virtual void OnStatement(StatementEvent event) = 0;
  // ReadyForQuery: the exchange is over. `predicted` is what the tracker made of the tags; it equals
  // `actual` unless the tracker has lost its way. `outstanding`: requests are still unanswered.
  virtual void OnReady(TransactionStatus predicted, TransactionStatus actual, Stamp stamp,
                       bool outstanding) = 0;
  virtual void OnParameterStatus(std::string_view name, std::string_view value) = 0;
  // The replies cannot be paired with the requests any more. The tracker ignores all further frames
  // until Resynchronise().
  virtual void OnLost(const absl::Status& why) = 0;
};

class SessionTracker {
 public:
  // `events` outlives the tracker.
  explicit SessionTracker(TrackerEvents* events) : events_(events) {}

  void OnClientFrame(const Frame& frame);
  void OnServerFrame(const Frame& frame);
  // Rows of the current result that the tap left out, at their place among the server's frames.
  void OnElidedRows(const RowDigest& digest);

  // Goes on from an idle session with nothing outstanding. Prepared statements and portals that
  // were created meanwhile are unknown (StatementEvent::known_text).
  void Resynchronise();
  bool lost() const { return lost_; }
  TransactionStatus status() const { return status_; }

  // --- private part to be laid out by the implementer ---
 private:
  TrackerEvents* events_;
  bool lost_ = false;
  TransactionStatus status_ = TransactionStatus::idle;
};

}  // namespace pgparity::protocol
