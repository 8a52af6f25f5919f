// The relay of one session after login, without I/O: it is given each piece of bytes that came in,
// walks its frame headers, hands it to the tap, and says how much of it to send on and what else
// to do. Whatever engine carries the bytes must send them only after the call has returned.
#pragma once

#include <cstdint>
#include <string_view>

#include "protocol/header_walker.h"
#include "proxy/relay_exchange.h"
#include "proxy/relay_rows.h"
#include "proxy/tap.h"

namespace pgparity::proxy {

class Relay {
 public:
  struct Limits {
    uint32_t max_frame = 1 << 30;  // largest length word
    size_t row_bytes = 1 << 20;    // rows recorded of one statement
  };
  enum class Next : uint8_t {
    go_on,
    bad_frame,  // the stream cannot be followed from here on: end the session
  };
  struct Step {
    size_t forward = 0;  // leading bytes of the piece to send on
    Next next = Next::go_on;
  };

  // `tap` may be null: nothing is recorded. Both outlive the relay.
  Relay(Limits limits, Tap* tap, TapSession* session);

  Step FromClient(std::string_view piece, Stamp stamp);
  Step FromServer(std::string_view piece, Stamp stamp);

  // Nothing is in flight in either direction.
  bool Idle() const { return exchange_.Idle() && client_.AtBoundary() && server_.AtBoundary(); }
  // A message of our own would not fall into the middle of one of the server's.
  bool ServerAtBoundary() const { return server_.AtBoundary() || between_frames_; }
  const ExchangeState& exchange() const { return exchange_; }

 private:
  // A piece of the server's bytes as it is walked.
  struct Walk {
    std::string_view piece;
    Stamp stamp;
    size_t at = 0;
    size_t recorded = 0;  // everything before it is recorded, or is not to be
  };

  bool recording() const { return tap_ != nullptr && session_->state == CaptureState::on; }
  void ServerFrame(Walk* walk);
  void Row(Walk* walk);
  // The frame whose header was just found is recorded from its first byte on.
  void RecordFrame(Walk* walk);
  void RecordUpTo(Walk* walk, size_t end);
  void SayElided(Walk* walk);
  void ReadyForQuery(Walk* walk);

  Tap* const tap_;
  TapSession* const session_;
  protocol::HeaderWalker client_, server_;
  ExchangeState exchange_;
  RowLimiter rows_;
  bool status_next_ = false;     // the next byte is ReadyForQuery's status
  bool between_frames_ = false;  // a bad header began a piece's frame, and no byte of it went on
};

}  // namespace pgparity::proxy
