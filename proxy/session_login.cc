#include "protocol/digest.h"
#include "protocol/sqlstate.h"
#include "protocol/text.h"
#include "proxy/auth.h"
#include "proxy/relay_login.h"
#include "proxy/session.h"

namespace pgparity::proxy {
namespace {

// What a client may send ahead of its login's end before it is read no further.
constexpr size_t kMaxAhead = 64 << 10;

}  // namespace

void Session::BeginLogin() {
  Channel channel{client_.transport.tls()};
  if (channel.tls) channel.end_point = opening_->client_tls->end_point_hash();
  const Authenticator* authenticator = context_->shared->authenticator;
  opening_->login = authenticator != nullptr ? authenticator->NewLogin(opening_->startup, channel)
                                             : std::make_unique<LoginRelay>(channel.tls);
  state_ = State::login;
  Login::Step step = opening_->login->Start([post = context_->post, id = id()] {
    post(id, [](Session* session) { session->ResumeLogin(); });
  });
  if (CarryOut(&step, "")) PumpLogin();
}

void Session::LoginToPrimary() {
  context_->loop->Arm(&timer_, login_deadline_);
  Send(&primary_, opening_->first_packet);
  Login::Step step =
      opening_->login->Connected({primary_.transport.tls(), primary_.transport.PeerEndPointHash()});
  if (CarryOut(&step, "")) PumpLogin();
}

void Session::ResumeLogin() {
  if (state_ != State::login) return;
  Login::Step step = opening_->login->Resume();
  if (CarryOut(&step, "")) PumpLogin();
}

bool Session::CarryOut(Login::Step* step, std::string_view from) {
  Send(&client_, step->to_client);
  Send(&primary_, step->to_primary);
  protocol::Wipe(&step->to_primary);
  switch (step->next) {
    case Login::Next::more:
    case Login::Next::hold:
      return true;
    case Login::Next::wait:
    case Login::Next::logged_in:
      return false;
    case Login::Next::connect:
      Connect();
      return false;
    case Login::Next::bad_frame:
      context_->counters.bad_frames.Add();
      Fail(protocol::sqlstate::kProtocolViolation,
           protocol::StrCat("invalid message length from the ", from, " during login"));
      return false;
    case Login::Next::fail:
      context_->counters.failed_logins.Add();
      Fail(step->failure.sqlstate, step->failure.message, step->failure.hint);
      return false;
  }
  return false;
}

void Session::PumpLogin() {
  LoginFromClient();
  if (state_ == State::login) LoginFromServer();
  PassEndOn();
}

void Session::LoginFromClient() {
  Opening& opening = *opening_;
  while (true) {
    Login::Step step = opening.login->FromClient(opening.received);
    // What was taken may be a password.
    protocol::Wipe(opening.received.data(), step.taken);
    opening.received.erase(0, step.taken);
    if (!CarryOut(&step, "client")) return;
    if (opening.received.size() > kMaxAhead || !primary_.pending.empty()) return;
    if (!client_.readable) return;
    const std::string_view piece = Receive(&client_);
    if (piece.empty()) return;
    opening.received.append(piece);
    protocol::Wipe(context_->buffer.get(), piece.size());
  }
}

void Session::LoginFromServer() {
  Opening& opening = *opening_;
  while (client_.pending.empty()) {
    if (!opening.from_server.empty()) {
      const Stamp stamp = context_->clock->Now();
      Login::Step step = opening.login->FromServer(opening.from_server);
      if (step.next == Login::Next::logged_in) {
        return FinishLogin(step.to_client, step.taken, stamp);
      }
      opening.from_server.erase(0, step.taken);
      if (!CarryOut(&step, "primary")) return;
    }
    if (!primary_.readable) return;
    const std::string_view piece = Receive(&primary_);
    if (piece.empty()) return;
    opening.from_server.append(piece);
    if (RefusedThisWay(opening.from_server)) return;
  }
}

// The session proper begins: it is recorded from here on, and what the client sent ahead goes on.
void Session::FinishLogin(std::string_view login_end, size_t taken, Stamp stamp) {
  context_->counters.logins.Add();
  context_->loop->Cancel(&timer_);
  const std::unique_ptr<Opening> opening = std::move(opening_);
  const std::string_view behind = std::string_view(opening->from_server).substr(taken);
  const LoginFacts& facts = opening->login->facts();
  process_id_ = facts.process_id();
  cancel_key_ = facts.cancel_key();
  if (!cancel_key_.empty()) context_->shared->cancels.Add(process_id_, cancel_key_);
  if (context_->tap != nullptr) {
    const shadow::SessionInfo info = MakeSessionInfo(opening->startup, facts.parameters());
    context_->tap->Opened(&tap_session_, EncodeSessionInfo(info), info.replication, stamp);
  }
  state_ = State::relaying;

  Send(&client_, login_end);
  if (context_->edit != nullptr && tap_session_.recordable) {
    edit_ = std::make_unique<ExchangeEdit>(&relay_, context_->tap, &tap_session_, context_->edit);
    edit_->SetParameters(facts.parameters());
    edit_->SetDatabase(opening->startup.database());
  }
  if (BeginRelay(behind, opening->received, stamp) == Relay::Next::bad_frame) {
    context_->counters.bad_frames.Add();
    if (!relay_.ServerAtBoundary()) return Linger();
    return Fail(protocol::sqlstate::kProtocolViolation, "invalid message length");
  }
  Drive();
}

Relay::Next Session::BeginRelay(std::string_view from_server, std::string_view from_client,
                                Stamp stamp) {
  if (edit_ != nullptr) {
    const Relay::Next server = Carry(edit_->FromServer(from_server, stamp));
    return server == Relay::Next::go_on ? Carry(edit_->LoggedIn(from_client, stamp)) : server;
  }
  const Relay::Step server = relay_.FromServer(from_server, stamp);
  Send(&client_, from_server.substr(0, server.forward));
  const Relay::Step client = relay_.FromClient(from_client, stamp);
  Send(&primary_, from_client.substr(0, client.forward));
  return server.next == Relay::Next::go_on ? client.next : server.next;
}

}  // namespace pgparity::proxy
