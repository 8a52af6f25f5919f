// Follows one session from the frames of both directions: pairs requests with replies through
// pipelining, portals, named statements, errors that skip to Sync, COPY and multi-statement simple
// queries. Sans-I/O; knows nothing of units, journals or comparison.
// Source of the rules: PostgreSQL manual, "Message Flow".
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "protocol/frame.h"
#include "protocol/sql_lexer.h"
#include "protocol/transaction_status.h"

namespace pgparity::protocol {

enum class QueryProtocol : uint8_t { simple, extended, function_call };

// The parameters of a Bind message. Values are as the client sent them.
struct BoundParameters {
  std::vector<uint32_t> types;                     // from Parse; 0 where it left the type open
  std::vector<int16_t> formats;                    // one per value (0 text, 1 binary), expanded
  std::vector<std::optional<std::string>> values;  // nullopt is NULL
  std::vector<int16_t> result_formats;             // as sent: none, one for all, or one a column
};

// The rows past the capture limit, which were not captured one by one.
// A row's hash is XXH3_64 of its DataRow (or CopyData) body.
struct RowDigest {
  uint64_t rows = 0;
  uint64_t bytes = 0;
  uint64_t sum = 0;    // of the rows' hashes, modulo 2^64: order does not matter
  uint64_t chain = 0;  // chain = chain * 0x9E3779B97F4A7C15 + hash, row by row: order matters
  friend bool operator==(const RowDigest&, const RowDigest&) = default;
};

// What the server answered to one statement, in wire form.
struct Reply {
  enum class End : uint8_t {
    command_complete,  // `tag` holds the command tag
    empty_query,
    portal_suspended,  // Execute's row limit was reached; more may follow
    error,  // `error` holds the ErrorResponse body; of the statement's own Parse, Bind or Describe
            // too
    function_result,
    skipped,  // an earlier error of the exchange made the server skip it
  };
  End end = End::command_complete;
  // Body of RowDescription, if the server sent one. An Execute has the one that an earlier Describe
  // was given, with the formats that its Bind asked for; none if nothing was described.
  std::optional<std::string> row_description;
  std::string rows;        // captured DataRow bodies, each behind a u32 length (host order)
  uint64_t row_count = 0;  // captured rows; digest.rows more were elided
  RowDigest digest;
  std::string tag;
  std::string error;
  bool copy_out = false;  // `rows` holds CopyData bodies
  bool copy_in = false;
};

// One executed statement with its reply.
//
// An error of Parse, Bind or Describe belongs to the first Execute of that statement or portal up
// to the Sync; if there is none, it makes an event of its own at the Sync (for Parse and Bind with
// the text, for others with known_text false), since it may have failed the transaction. An error
// in a Query of several statements that kept all of them from running (a syntax error) makes one
// event, whose `sql` is the Query's whole text. Statements of a Query behind one that failed make
// no event.
struct StatementEvent {
  QueryProtocol protocol = QueryProtocol::simple;
  std::shared_ptr<const std::string>
      sql;  // this statement's own text, never null (empty for a function call)
  TransactionCommand transaction_command = TransactionCommand::none;
  BoundParameters parameters;     // extended protocol and function calls only
  int32_t max_rows = 0;           // Execute's row limit, 0 for none
  bool continues_portal = false;  // a further Execute of a portal that was executed before
  bool known_text = true;         // false: the text is not known (`sql` is empty), as of a
                                  // prepared statement from before the tracker began
  // The commit that Sync or the end of a function call brings outside of a block has failed (a
  // deferred constraint, say), and with it all that the exchange has done since its last commit.
  // No statement of the client: `sql` is "COMMIT", the reply is an error.
  bool implicit_commit = false;
  Stamp sent_first = 0;  // stamp at which its first byte was seen: of its Bind, or of its Parse in
                         // the same exchange; of the Execute itself where continues_portal
  Stamp sent_last = 0;   // stamp at which the message that runs it was complete
  Stamp done = 0;        // stamp at which its last reply was seen
  bool replies_outstanding_at_send =
      false;  // sent while replies to earlier requests were outstanding; so is
              // every statement of a Query but the first
  Reply reply;
};

// Receives what the tracker finds out, in the order of the server's replies. Called from within
// OnClientFrame/OnServerFrame/OnElidedRows, on their thread; none may call these again, or destroy
// the tracker. SessionTracker::status() already counts the statement that OnStatement tells of.
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
  virtual void OnCopyInData(const std::shared_ptr<const std::string>& sql,
                            std::string_view data) = 0;
  virtual void OnStatement(StatementEvent event) = 0;
  // ReadyForQuery: the exchange is over. `predicted` is what the tracker made of the tags; it
  // equals `actual` unless the tracker has lost its way. `outstanding`: requests are still
  // unanswered.
  virtual void OnReady(TransactionStatus predicted, TransactionStatus actual, Stamp stamp,
                       bool outstanding) = 0;
  virtual void OnParameterStatus(std::string_view name, std::string_view value) = 0;
  // The replies cannot be paired with the requests any more. The tracker ignores all further frames
  // until Resynchronise().
  virtual void OnLost(const absl::Status& why) = 0;
};

// Memory: requests not answered yet, known prepared statements and portals, and the reply being
// assembled each have a bound (see session_tracker_impl.h). At the first and the last the tracker
// is lost; of statements beyond theirs the text is forgotten (StatementEvent::known_text).
class SessionTracker {
 public:
  // `events` outlives the tracker.
  explicit SessionTracker(TrackerEvents* events);
  ~SessionTracker();
  SessionTracker(SessionTracker&&) noexcept;
  SessionTracker& operator=(SessionTracker&&) noexcept;

  // Frames after login, in the order in which the tap saw them. Any frame is taken, whatever it
  // holds.
  void OnClientFrame(const Frame& frame);
  void OnServerFrame(const Frame& frame);
  // Rows of the current result that the tap left out, at their place among the server's frames.
  void OnElidedRows(const RowDigest& digest);

  // The setting as login reported it; on until told. Later changes are read from ParameterStatus.
  void SetStandardConformingStrings(bool on);

  // Goes on from an idle session with nothing outstanding. Prepared statements and portals that
  // were created before are unknown (StatementEvent::known_text).
  void Resynchronise();
  bool lost() const;
  TransactionStatus status() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

// The digest of two stretches of rows one behind the other.
RowDigest Combine(const RowDigest& first, const RowDigest& second);

}  // namespace pgparity::protocol
