#include "proxy/session.h"

#include <sys/epoll.h>

#include "protocol/sqlstate.h"
#include "protocol/wire.h"

namespace pgparity::proxy {
namespace {

namespace sqlstate = protocol::sqlstate;

// Receives of one side before other sessions get their turn.
constexpr int kReadsPerTurn = 16;
constexpr Stamp kSecond = 1'000'000'000;
// How long a client may take to read its last message, and then to close.
constexpr Stamp kLastFlush = 30 * kSecond;
constexpr Stamp kLinger = 2 * kSecond;

}  // namespace

Session::Session(SessionContext* context, uint64_t id, Transport client)
    : context_(context),
      timer_([this] { OnTimer(); }),
      relay_(context->shared->relay, context->tap, &tap_session_) {
  tap_session_.id = id;
  client_.transport = std::move(client);
}

Session::~Session() { context_->loop->Cancel(&timer_); }

void Session::Start() {
  opening_->client_tls = context_->shared->client_tls.Get();
  opening_->awaits_proxy_header = context_->shared->proxy_protocol;
  login_deadline_ = context_->loop->now() + context_->shared->login_timeout;
  context_->loop->Arm(&timer_, login_deadline_);
  if (!context_->loop->Add(client_.transport.fd(), &client_, EventLoop::Trigger::edge).ok()) {
    Close();
  }
}

void Session::OnEvents(Side* side, uint32_t events) {
  if (state_ == State::closed || !side->transport.open()) return;
  if ((events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) side->readable = true;
  if ((events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) side->ending = true;
  if (state_ == State::connecting && side == &primary_) {
    if (events != 0) OnConnected();
    return;
  }
  if ((events & EPOLLOUT) != 0) Flush(side);
  if (side->transport.tls()) OnTlsEvents(side, events);
  Drive();
}

void Session::Drive() {
  switch (state_) {
    case State::startup:
      ReadStartup();
      return;
    case State::client_tls:
      HandshakeWithClient();
      return;
    case State::connecting:
      if (ClientGaveUp()) Close();
      return;
    case State::securing:
      SecurePrimary();
      return;
    case State::login:
      PumpLogin();
      return;
    case State::relaying:
      Pump(&client_, &primary_);
      if (state_ == State::relaying) Pump(&primary_, &client_);
      PassEndOn();
      EndIfDraining();
      return;
    case State::cancelling:
      // The server says that it has taken the request by closing.
      for (int i = 0; i < kReadsPerTurn && primary_.readable; ++i) Receive(&primary_);
      if (primary_.ended) return Close();
      if (primary_.readable) context_->loop->Again(&primary_);
      return;
    case State::lingering:
      for (int i = 0; i < kReadsPerTurn && client_.readable; ++i) Receive(&client_);
      if (client_.readable) context_->loop->Again(&client_);
      if (client_.broken || (client_.ended && client_.pending.empty())) Close();
      return;
    case State::closed:
      return;
  }
}

void Session::OnTimer() {
  switch (state_) {
    case State::connecting:
    case State::securing:
      OnConnectTimeout();
      return;
    case State::login:
      Fail(sqlstate::kQueryCanceled, "canceling authentication due to timeout of the proxy");
      return;
    case State::relaying:
      OnRowOver(false);
      return;
    default:
      Close();
      return;
  }
}

std::string_view Session::Receive(Side* from) {
  const IoResult got = from->transport.Receive(context_->buffer.get(), context_->buffer_size);
  switch (got.kind) {
    case IoResult::Kind::ok:
      // When epoll has told of the end there is no further edge to wait for.
      from->readable = !got.drained || from->ending;
      return {context_->buffer.get(), got.bytes};
    case IoResult::Kind::would_block:
      from->readable = false;
      if (from->transport.tls()) OnTlsBlocked(from, got);
      return {};
    case IoResult::Kind::end:
    case IoResult::Kind::error:
      from->readable = false;
      OnEnd(from, got.kind == IoResult::Kind::error);
      return {};
  }
  return {};
}

void Session::Pump(Side* from, Side* to) {
  const bool from_client = from == &client_;
  for (int i = 0; i < kReadsPerTurn; ++i) {
    // Backpressure: what one side does not take, the other is not asked for.
    if (!from->readable || !to->pending.empty()) return;
    if (from_client && edit_ != nullptr && ClientWaits()) return;
    const std::string_view piece = Receive(from);
    if (piece.empty()) return;
    const Stamp stamp = context_->clock->Now();
    Relay::Step step;
    if (edit_ == nullptr) [[likely]] {
      step = from_client ? relay_.FromClient(piece, stamp) : relay_.FromServer(piece, stamp);
      Send(to, piece.substr(0, step.forward));
    } else {
      step = {piece.size(), from_client ? Carry(edit_->FromClient(piece, stamp))
                                        : Carry(edit_->FromServer(piece, stamp))};
      if (!from_client && client_.readable && edit_->takes_client()) {
        context_->loop->Again(&client_);  // it may have waited
      }
    }
    (from_client ? context_->counters.client_bytes : context_->counters.server_bytes)
        .Add(step.forward);
    if (timed()) context_->added_latency.Add((context_->clock->Now() - stamp) / 1000);
    if (step.next == Relay::Next::bad_frame) [[unlikely]] {
      return OnBadFrame(from_client);
    }
  }
  context_->loop->Again(from);
}

void Session::OnBadFrame(bool from_client) {
  context_->counters.bad_frames.Add();
  if (!relay_.ServerAtBoundary()) return Linger();
  Fail(sqlstate::kProtocolViolation, from_client ? "invalid message length from the client"
                                                 : "invalid message length from the primary");
}

Relay::Next Session::Carry(const ExchangeEdit::Output& output) {
  Send(&primary_, output.to_primary);
  Send(&client_, output.to_client);
  if (output.waits_for_row) {
    context_->loop->Arm(&timer_, context_->loop->now() + context_->edit->hold->wait());
  }
  return output.next;
}

void Session::OnRowOver(bool granted) {
  if (state_ != State::relaying || edit_ == nullptr || edit_->takes_client()) return;
  const Stamp stamp = context_->clock->Now();
  const Relay::Next next = Carry(granted ? edit_->RowGranted(stamp) : edit_->RowTimeout(stamp));
  if (next == Relay::Next::bad_frame) return OnBadFrame(true);
  if (!edit_->takes_client()) return;
  context_->loop->Cancel(&timer_);
  Drive();
}

// Its bytes are left where they are; but the end of a client that has gone is looked for.
bool Session::ClientWaits() const {
  return !edit_->takes_client() && !(client_.ending && !edit_->holds_client_bytes());
}

void Session::Send(Side* to, std::string_view bytes) {
  if (to->broken || bytes.empty()) return;
  if (!to->pending.empty()) {
    to->pending.append(bytes);
    return;
  }
  const IoResult sent = to->transport.Send(bytes);
  if (sent.kind == IoResult::Kind::error) {
    to->broken = true;
    // Its last words may be there to read, or its end.
    to->readable = to->ending = true;
    context_->loop->Again(to);
    return;
  }
  if (to->transport.tls()) OnTlsSent(to);
  if (sent.bytes == bytes.size()) return;
  to->pending.assign(bytes.substr(sent.bytes));
  to->sent = 0;
  context_->loop->Change(to->transport.fd(), to, EventLoop::Trigger::edge_writable);
}

void Session::Flush(Side* to) {
  while (to->sent < to->pending.size()) {
    const IoResult sent = to->transport.Send(std::string_view(to->pending).substr(to->sent));
    if (to->transport.tls()) OnTlsSent(to);
    if (sent.kind == IoResult::Kind::would_block) return;
    if (sent.kind == IoResult::Kind::error) {
      to->broken = true;
      to->readable = to->ending = true;
      break;
    }
    to->sent += sent.bytes;
    if (state_ == State::lingering) {
      context_->loop->Arm(&timer_, context_->loop->now() + kLastFlush);
    }
  }
  std::string().swap(to->pending);
  to->sent = 0;
  if (state_ == State::lingering && !to->broken && !to->write_shut) {
    EndWriting(to);
    context_->loop->Arm(&timer_, context_->loop->now() + kLinger);
  }
}

// What a peer cannot be told yet is told when its socket can be written.
void Session::EndWriting(Side* to) {
  to->write_shut = to->transport.ShutdownWrite();
  if (!to->write_shut) {
    context_->loop->Change(to->transport.fd(), to, EventLoop::Trigger::edge_writable);
  }
}

void Session::OnEnd(Side* from, bool error) {
  from->ended = true;
  from->broken |= error;
  if (from == &primary_ && (state_ == State::relaying || state_ == State::login)) Linger();
}

// The client's end, once all that it sent before has been sent on.
void Session::PassEndOn() {
  if (state_ != State::relaying && state_ != State::login) return;
  if (client_.broken && !client_.readable) client_.ended = true;
  if (!client_.ended || !primary_.pending.empty()) return;
  if (client_.broken || !primary_.transport.open()) return Close();
  if (primary_.write_shut || (opening_ != nullptr && !opening_->received.empty())) return;
  if (edit_ != nullptr && edit_->holds_client_bytes()) return;
  EndWriting(&primary_);
}

void Session::EndIfDraining() {
  if (!context_->shared->draining.load(std::memory_order_relaxed)) [[likely]]
    return;
  if (state_ != State::relaying || !relay_.Idle()) return;
  if (edit_ != nullptr && !edit_->Idle()) return;
  if (!client_.pending.empty() || !primary_.pending.empty()) return;
  Shutdown();
}

void Session::Drain() {
  if (state_ == State::relaying) return EndIfDraining();
  if (state_ != State::cancelling && state_ != State::lingering) Shutdown();
}

void Session::Shutdown() {
  switch (state_) {
    case State::connecting:
    case State::securing:
    case State::login:
      return Fail(sqlstate::kCannotConnectNow, "pgparity is shutting down");
    case State::relaying:
      if (!relay_.ServerAtBoundary()) return Close();
      return Fail(sqlstate::kAdminShutdown, "terminating connection due to administrator command");
    default:
      return Close();
  }
}

void Session::Fail(std::string_view code, std::string_view message, std::string_view hint) {
  std::string error;
  protocol::AppendErrorResponse(&error, "FATAL", code, message, hint);
  Send(&client_, error);
  Linger();
}

void Session::Linger() {
  if (state_ == State::closed || state_ == State::lingering) return;
  ClosePrimary();
  state_ = State::lingering;
  if (client_.broken || (client_.ended && client_.pending.empty())) return Close();
  if (!client_.pending.empty()) {
    context_->loop->Arm(&timer_, context_->loop->now() + kLastFlush);
    return;
  }
  EndWriting(&client_);
  context_->loop->Arm(&timer_, context_->loop->now() + kLinger);
  if (client_.readable) context_->loop->Again(&client_);
}

void Session::ClosePrimary() {
  if (state_ == State::relaying && context_->tap != nullptr) {
    context_->tap->Closed(&tap_session_, context_->clock->Now());
  }
  if (!cancel_key_.empty()) context_->shared->cancels.Remove(process_id_, cancel_key_);
  cancel_key_.clear();
  edit_.reset();
  context_->loop->Forget(&primary_);
  primary_.transport.Close();
  primary_.pending.clear();
  primary_.readable = false;
}

void Session::Close() {
  if (state_ == State::closed) return;
  ClosePrimary();
  state_ = State::closed;
  context_->loop->Cancel(&timer_);
  context_->loop->Forget(&client_);
  client_.transport.Close();
  if (counted_) context_->shared->sessions_open.fetch_sub(1);
  counted_ = false;
  context_->on_closed(id());
}

}  // namespace pgparity::proxy
