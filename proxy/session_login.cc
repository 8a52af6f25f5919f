#include "protocol/sqlstate.h"
#include "proxy/session.h"

namespace pgparity::proxy {
namespace {

// What a client may send ahead of its login's end before it is read no further.
constexpr size_t kMaxAhead = 64 << 10;

}  // namespace

void Session::PumpLogin() {
  LoginFromClient();
  if (state_ == State::login) LoginFromServer();
  PassEndOn();
}

void Session::LoginFromClient() {
  Opening& opening = *opening_;
  while (true) {
    const LoginRelay::Step step = opening.login.FromClient(opening.received);
    Send(&primary_, std::string_view(opening.received).substr(0, step.forward));
    opening.received.erase(0, step.forward);
    if (step.next == LoginRelay::Next::bad_frame) {
      context_->counters.bad_frames.Add();
      return Fail(protocol::sqlstate::kProtocolViolation,
                  "invalid message length from the client during login");
    }
    if (opening.received.size() > kMaxAhead || !primary_.pending.empty()) return;
    if (!client_.readable) return;
    const std::string_view piece = Receive(&client_);
    if (piece.empty()) return;
    opening.received.append(piece);
  }
}

void Session::LoginFromServer() {
  Opening& opening = *opening_;
  while (state_ == State::login && primary_.readable && client_.pending.empty()) {
    const std::string_view piece = Receive(&primary_);
    if (piece.empty()) return;
    const Stamp stamp = context_->clock->Now();
    opening.from_server.append(piece);
    if (RefusedThisWay(opening.from_server)) return;
    const LoginRelay::Step step = opening.login.FromServer(opening.from_server);
    if (step.next == LoginRelay::Next::logged_in) {
      const std::string bytes = std::move(opening.from_server);
      const std::string_view all = bytes;
      return FinishLogin(all.substr(0, step.forward), all.substr(step.forward), stamp);
    }
    Send(&client_, std::string_view(opening.from_server).substr(0, step.forward));
    opening.from_server.erase(0, step.forward);
    if (step.next == LoginRelay::Next::bad_frame) {
      context_->counters.bad_frames.Add();
      return Fail(protocol::sqlstate::kProtocolViolation,
                  "invalid message length from the primary during login");
    }
  }
}

// The session proper begins: it is recorded from here on, and what the client sent ahead goes on.
void Session::FinishLogin(std::string_view login_end, std::string_view behind, Stamp stamp) {
  context_->counters.logins.Add();
  context_->loop->Cancel(&timer_);
  const std::unique_ptr<Opening> opening = std::move(opening_);
  process_id_ = opening->login.process_id();
  cancel_key_ = opening->login.cancel_key();
  if (!cancel_key_.empty()) context_->shared->cancels.Add(process_id_, cancel_key_);
  if (context_->tap != nullptr) {
    const shadow::SessionInfo info = MakeSessionInfo(opening->startup, opening->login.parameters());
    context_->tap->Opened(&tap_session_, EncodeSessionInfo(info), info.replication, stamp);
  }
  state_ = State::relaying;

  Send(&client_, login_end);
  const Relay::Step server = relay_.FromServer(behind, stamp);
  Send(&client_, behind.substr(0, server.forward));
  const Relay::Step client = relay_.FromClient(opening->received, stamp);
  Send(&primary_, std::string_view(opening->received).substr(0, client.forward));
  if (server.next == Relay::Next::bad_frame || client.next == Relay::Next::bad_frame) {
    context_->counters.bad_frames.Add();
    if (!relay_.ServerAtBoundary()) return Linger();
    return Fail(protocol::sqlstate::kProtocolViolation, "invalid message length");
  }
  Drive();
}

}  // namespace pgparity::proxy
