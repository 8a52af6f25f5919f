// Orderings `exact` and `hold`: stands between the sockets and the relay of a session, puts LSN
// tokens into its exchanges where DESIGN ("When a token may be put in") allows, and takes the
// replies out again; or holds exchanges back that write a row on which another such write is in
// flight. The relay, and with it the tap, sees what the client sent, when it goes on, and what the
// client gets.
//
// Without I/O, like the relay: given each piece of bytes that came in, it says what to send to
// either side. What it sends of its own:
// - At the session's begin, and when DISCARD ALL or DEALLOCATE ALL has been answered, a probe: an
//   exchange that prepares the token's statement and tries it. A server that refuses does so here,
//   in a transaction of its own, and no client's statement ever fails for it. The client's bytes
//   wait for its end.
// - In the extended protocol, Bind and Execute before the Sync of a single-shot write and before
//   the Execute of a COMMIT.
// - In a simple Query, a statement behind its last one or before its COMMIT. Should the text turn
//   out to be no whole statement there, it is a syntax error that lies behind what the client
//   wrote, found before anything was executed: then the text goes again as it was. Until the Query
//   is answered the client's bytes wait.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "proxy/frame_cutter.h"
#include "proxy/hold_context.h"
#include "proxy/relay.h"
#include "proxy/statement_class.h"
#include "proxy/statement_names.h"
#include "proxy/tap.h"
#include "proxy/token_counters.h"

namespace pgparity::proxy {

// Whether sessions are to ask for tokens. Any thread.
class TokenOffer {
 public:
  void Set(bool on) { round_.store(on ? ++rounds_ : 0); }
  // 0: they are not; else the number of times that it was said.
  uint32_t round() const { return round_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint32_t> round_{0}, rounds_{0};
};

// What the edits of one thread's sessions share.
struct EditContext {
  ClassCache classes;
  TokenCounters counters;
  size_t max_text = 16 << 10;     // of a simple Query that is edited, bytes
  uint32_t max_frame = 1u << 30;  // largest length word that passes
  const TokenOffer* offer = nullptr;
  HoldContext* hold = nullptr;  // null but for ordering `hold`, which asks for no tokens
  std::function<void(std::string_view)> on_refusal;  // with the server's error; may be null
  std::string to_primary, to_client, scratch;        // in the making
};

// The bytes that go on in one direction: what of a piece passes unchanged is seen by the relay and,
// where it can be, sent from where it lies.
class EditedStream {
 public:
  using Way = Relay::Step (Relay::*)(std::string_view, Stamp);
  EditedStream(Relay* relay, Way way, std::string* buffer)
      : relay_(relay), way_(way), buffer_(buffer) {}

  void Begin(Stamp stamp);
  // Bytes of the peer go on. `kept`: they lie where they are only until the next call.
  void Pass(std::string_view bytes, bool kept = false);
  // The relay has seen what passed.
  void Flush();
  // `seen` is the peer's, and `sent` goes on in its place.
  void Replace(std::string_view seen, std::string_view sent);
  // Bytes of our own.
  void Insert(std::string_view bytes);
  std::string_view End();
  bool bad() const { return bad_; }

 private:
  void Add(std::string_view bytes);

  Relay* const relay_;
  const Way way_;
  std::string* const buffer_;
  Stamp stamp_ = 0;
  std::string_view run_;   // passed, and not seen by the relay yet
  std::string_view last_;  // seen, and not in the buffer yet
  bool bad_ = false;
};

class ExchangeEdit {
 public:
  // Valid until the next call.
  struct Output {
    std::string_view to_primary, to_client;
    Relay::Next next = Relay::Next::go_on;
    bool waits_for_row = false;  // from now on: call RowTimeout() when the wait has been too long
  };

  // All outlive it.
  ExchangeEdit(Relay* relay, Tap* tap, TapSession* session, EditContext* context);
  ~ExchangeEdit();

  // Rows of several databases are told apart by it.
  void SetDatabase(std::string_view name);
  // As the login's ParameterStatus messages have it.
  void SetParameters(const std::map<std::string, std::string>& parameters);
  // The session is logged in, and its client has sent that much ahead.
  Output LoggedIn(std::string_view ahead, Stamp stamp);
  Output FromClient(std::string_view piece, Stamp stamp);
  Output FromServer(std::string_view piece, Stamp stamp);
  // Ordering `hold`. The row that the session waits for is its own, it seems; or is waited for no
  // longer.
  Output RowGranted(Stamp stamp);
  Output RowTimeout(Stamp stamp);

  // False while the client's bytes should wait; given none the less, they are kept.
  bool takes_client() const { return wait_ == Wait::nothing; }
  bool holds_client_bytes() const { return !backlog_.empty(); }
  // Nothing of the session is here.
  bool Idle() const;

 private:
  enum class Wait : uint8_t {
    nothing,
    probe,  // for the answer to a probe
    query,  // for the answer to a simple Query that was edited
    row,    // for a row on which another's write is in flight
  };
  // The token's statement in the server's session.
  enum class Statement : uint8_t { absent, prepared, refused };
  // What the server's next bytes answer.
  enum class Answering : uint8_t {
    client,
    probe,
    unedited,  // the Query that goes again: what is left of the answer to the edited one
  };
  // A token under way in an exchange, by the reply that comes before its own.
  struct Token {
    enum class Next : uint8_t { bind, description, row, complete };
    uint32_t behind = 0;  // this many of the exchange's replies
    Next next = Next::bind;
  };
  // Between two ReadyForQuery, as the client's messages have it.
  struct Exchange {
    bool open = false;      // messages were sent, and neither Sync nor Query
    bool editable = false;  // everything before it was answered when it began
    bool failed = false;    // the transaction was, when it began
    bool inside = false;    // a transaction block is open
    bool works = false;     // the transaction has read or written
    bool writes = false;    // ... has written, or may
    bool stopped = false;   // by `why`: nothing can be put in any more
    TokenLeftOut why = TokenLeftOut::other_statement;
    uint32_t messages = 0;  // that the server answers with one reply each
  };
  // What is expected of the server, of the exchange that tokens were put into.
  struct Expected {
    bool simple = false;
    bool append = false;  // the token is behind the Query's last statement
    bool passed = false;  // some reply went to the client
    uint32_t replies = 0;
    size_t at = 0;  // of simple: where the client's text was cut
    std::array<Token, 4> tokens;
    uint8_t count = 0, next = 0;
    bool pending() const { return next < count; }
  };

  bool recording() const { return session_->state == CaptureState::on; }
  void BeginOutput(Stamp stamp);
  Output EndOutput();
  // The client's bytes need not wait any more.
  void Resume();

  // exchange_edit_client.cc
  void Client(std::string_view piece);
  void ClientFrame(const FrameCutter::Cut& cut);
  void BeginExchange();
  void EndExchange();
  void Parse(const FrameCutter::Cut& cut);
  void Bind(const FrameCutter::Cut& cut);
  void Close(const FrameCutter::Cut& cut);
  void Execute(const FrameCutter::Cut& cut);
  void BeforeExecute(StatementClass is);
  void BeforeSync();
  void Query(const FrameCutter::Cut& cut);
  void AskWithQuery(const FrameCutter::Cut& cut);
  void EditQuery(const FrameCutter::Cut& cut, const SimpleText& text);
  bool QueryIsCertain(std::string_view text) const;
  bool MayPut();
  void PutToken();
  void Stop(TokenLeftOut why);
  void LookAtOffer();
  void StartProbe();
  uint64_t NameHash(std::string_view name) const;

  // exchange_edit_hold.cc
  bool WaitsForRow();
  std::optional<uint64_t> RowAhead(std::string_view rest);
  std::optional<uint64_t> RowOfQueryAhead(std::string_view body);
  const HoldShape* ShapeAhead(uint64_t fingerprint, std::string_view text);
  Output RowOver(bool has_row, Stamp stamp);
  void ReleaseRow();

  // exchange_edit_server.cc
  void ServerFrame(const FrameCutter::Cut& cut);
  void ProbeReply(const FrameCutter::Cut& cut);
  void ProbeOver();
  // Whether the frame is of a token's reply, which does not go on.
  bool TokenReply(const FrameCutter::Cut& cut);
  void TakeToken(const FrameCutter::Cut& cut);
  // A reply to the client's own.
  void Reply(const FrameCutter::Cut& cut);
  void OnCommandComplete(const FrameCutter::Cut& cut);
  void OnError(const FrameCutter::Cut& cut);
  bool SendUnedited(std::string_view error);
  void OnReady(const FrameCutter::Cut& cut);
  void Release(std::string* held);
  bool KeepBack(const FrameCutter::Cut& cut);
  void Refused(std::string_view error);
  void SetParameter(std::string_view name, std::string_view value);

  Relay* const relay_;
  Tap* const tap_;
  TapSession* const session_;
  EditContext* const context_;
  Stamp stamp_ = 0;

  FrameCutter client_, server_;
  EditedStream to_primary_, to_client_;
  StatementNames names_;
  Exchange exchange_;
  Expected expected_;
  Statement statement_ = Statement::absent;
  Wait wait_ = Wait::nothing;
  Answering answering_ = Answering::client;
  bool block_works_ = false;  // the open transaction block has read or written
  uint32_t offered_ = 0;      // TokenOffer::round() when it was last looked at
  bool probe_due_ = false;    // at the next ReadyForQuery that leaves the session idle
  bool probe_answered_ = false;
  int probes_ = 0;         // that came to nothing and were no refusal
  bool dropping_ = false;  // the frame under way from the server does not go on
  bool utf8_ = false, standard_strings_ = false;
  uint64_t database_ = 0;
  uint64_t row_ = 0;          // ordering `hold`: waited for, or the session's
  bool has_row_ = false;      // it is the session's, until the exchange is answered
  bool row_decided_ = false;  // the exchange that begins next is not looked at again
  Stamp waits_since_ = 0;
  std::string backlog_, resumed_;  // of the client: waiting, and being gone through
  std::string unedited_;           // the Query as the client wrote it
  std::string held_;               // CommandComplete of the Query's last statement
  std::string notices_;            // of the parser, until it is known whether the Query goes again
};

}  // namespace pgparity::proxy
