#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "protocol/sqlstate.h"
#include "protocol/text.h"
#include "proxy/log.h"
#include "proxy/proxy_protocol.h"
#include "proxy/session.h"

namespace pgparity::proxy {
namespace {

namespace sqlstate = protocol::sqlstate;
using protocol::StrCat;

// TLS 1.3, section 5.1: no StartupMessage is as long as this byte would have it.
constexpr char kTlsHandshakeRecord = 0x16;

}  // namespace

void Session::ReadStartup() {
  while (state_ == State::startup && client_.readable) {
    const std::string_view piece = Receive(&client_);
    if (state_ != State::startup) return;
    if (piece.empty()) {
      if (client_.ended) Close();
      return;
    }
    opening_->received.append(piece);
    if (opening_->awaits_proxy_header && !TakeProxyHeader()) continue;
    while (state_ == State::startup && TakeStartupPacket()) {
    }
  }
}

// The load balancer's word on whom it stands for. False when it is not whole, or the session is
// over.
bool Session::TakeProxyHeader() {
  auto header = ParseProxyHeader(opening_->received);
  if (!header.ok()) {
    context_->counters.bad_frames.Add();
    LogDebug(StrCat("a connection without the header of --proxy-protocol was closed: ",
                    protocol::MessageOf(header.status())));
    Close();
    return false;
  }
  if (!header->has_value()) return false;
  opening_->awaits_proxy_header = false;
  opening_->received.erase(0, (*header)->length);
  return true;
}

// Acts on the packet at the head of what was received. False when it is not whole. A client that
// does not speak the protocol, or probes the port, is let go without a word.
bool Session::TakeStartupPacket() {
  const std::string_view received = opening_->received;
  const bool first = !opening_->ssl_asked && !opening_->gss_asked && !client_.transport.tls();
  if (first && !received.empty() && received[0] == kTlsHandshakeRecord) {
    opening_->direct_tls = true;
    if (opening_->client_tls == nullptr) {
      Close();
    } else {
      StartClientTls(std::exchange(opening_->received, {}));
    }
    return false;
  }
  const absl::StatusOr<std::optional<size_t>> length = protocol::StartupPacketLength(received);
  if (!length.ok()) {
    Close();
    return false;
  }
  if (!length->has_value() || received.size() < **length) return false;
  absl::StatusOr<protocol::StartupPacket> packet =
      protocol::DecodeStartup(received.substr(0, **length));
  if (!packet.ok()) {
    if (absl::IsUnimplemented(packet.status())) {
      Fail(sqlstate::kFeatureNotSupported, "unsupported frontend protocol: pgparity speaks 3");
    } else {
      Close();
    }
    return false;
  }
  if (auto* startup = std::get_if<protocol::StartupMessage>(&*packet)) {
    OnStartupMessage(std::move(*startup), **length);
    return false;
  }
  if (const auto* cancel = std::get_if<protocol::CancelRequest>(&*packet)) {
    OnCancelRequest(*cancel, **length);
    return false;
  }
  const bool ssl = std::holds_alternative<protocol::SslRequest>(*packet);
  bool* asked = ssl ? &opening_->ssl_asked : &opening_->gss_asked;
  // Plain bytes ahead of the answer may have been put there by someone in the middle.
  if (*asked || received.size() > **length || client_.transport.tls()) {
    Close();
    return false;
  }
  *asked = true;
  opening_->received.clear();
  const bool yes = ssl && opening_->client_tls != nullptr;
  Send(&client_, yes ? "S" : "N");
  if (yes) StartClientTls({});
  return !yes;
}

void Session::OnStartupMessage(protocol::StartupMessage message, size_t length) {
  context_->counters.sessions.Add();
  if (context_->shared->require_tls && !client_.transport.tls()) {
    return Fail(sqlstate::kInvalidAuthorization,
                "pgparity takes connections over TLS only: connect with sslmode=require",
                "pgparity runs with --require-tls.");
  }
  counted_ = true;
  const size_t open = context_->shared->sessions_open.fetch_add(1) + 1;
  if (context_->shared->draining.load(std::memory_order_relaxed)) {
    return Fail(sqlstate::kCannotConnectNow, "pgparity is shutting down");
  }
  if (open > context_->shared->max_sessions) {
    context_->counters.refused_sessions.Add();
    return Fail(sqlstate::kTooManyConnections, "sorry, too many clients already",
                "pgparity's --max-sessions is reached.");
  }
  opening_->startup = std::move(message);
  opening_->first_packet = opening_->received.substr(0, length);
  opening_->received.erase(0, length);
  BeginLogin();
}

void Session::OnCancelRequest(const protocol::CancelRequest& request, size_t length) {
  const Stamp now = context_->loop->now();
  if (!context_->shared->cancels.Admit(request.process_id, request.key, now)) {
    context_->counters.cancels_dropped.Add();
    return Close();
  }
  context_->counters.cancels.Add();
  opening_->cancel = true;
  opening_->first_packet = opening_->received.substr(0, length);
  opening_->received.clear();
  Connect();
}

void Session::Connect() {
  state_ = State::connecting;
  ArmConnectTimer();
  context_->primary->Resolve([post = context_->post, id = id()](absl::StatusOr<AddressList> list) {
    post(id, [list = std::move(list)](Session* session) { session->OnResolved(list); });
  });
}

// Each address has the whole time, but for the login's.
void Session::ArmConnectTimer() {
  const Stamp deadline = context_->loop->now() + context_->shared->connect_timeout;
  context_->loop->Arm(&timer_, std::min(deadline, login_deadline_));
}

void Session::OnResolved(absl::StatusOr<AddressList> endpoints) {
  if (state_ != State::connecting) return;
  if (!endpoints.ok()) {
    context_->primary->NoteConnect(false);
    return FailConnect(protocol::MessageOf(endpoints.status()));
  }
  opening_->endpoints = *std::move(endpoints);
  ConnectNext();
}

void Session::ConnectNext() {
  while (opening_->next_endpoint < opening_->endpoints->size()) {
    const ResolvedAddress& endpoint = (*opening_->endpoints)[opening_->next_endpoint++];
    primary_.transport =
        Transport(socket(endpoint.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!primary_.transport.open()) {
      opening_->connect_error = std::strerror(errno);
      continue;
    }
    TuneSocket(primary_.transport.fd());
    const int result =
        connect(primary_.transport.fd(), reinterpret_cast<const sockaddr*>(&endpoint.address),
                endpoint.length);
    if (result == 0 || errno == EINPROGRESS) {
      const absl::Status added = context_->loop->Add(primary_.transport.fd(), &primary_,
                                                     EventLoop::Trigger::edge_writable);
      if (added.ok()) return;  // writable once it is connected
      opening_->connect_error = std::string(protocol::MessageOf(added));
      continue;
    }
    opening_->connect_error = std::strerror(errno);
  }
  context_->primary->NoteConnect(false);
  FailConnect(opening_->connect_error.empty() ? "it has no address" : opening_->connect_error);
}

void Session::OnConnected() {
  const int error = primary_.transport.ConnectError();
  if (error != 0) {
    opening_->connect_error = std::strerror(error);
    primary_.transport.Close();
    return ConnectNext();
  }
  context_->primary->NoteConnect(true);
  primary_.readable = primary_.ending = false;
  // The change makes an edge of what came in meanwhile.
  context_->loop->Change(primary_.transport.fd(), &primary_, EventLoop::Trigger::edge);
  if (WantsPrimaryTls()) return AskPrimaryForTls();
  OnPrimaryReady();
}

void Session::OnPrimaryReady() {
  state_ = opening_->cancel ? State::cancelling : State::login;
  if (state_ == State::login) return LoginToPrimary();
  Send(&primary_, opening_->first_packet);
}

void Session::OnConnectTimeout() {
  opening_->connect_error = "timeout expired";
  if (opening_->endpoints == nullptr) {
    return FailConnect("its name was not resolved in time");
  }
  if (state_ == State::securing) opening_->connect_error = "it did not begin TLS in time";
  state_ = State::connecting;
  context_->loop->Forget(&primary_);
  primary_.transport.Close();
  if (context_->loop->now() >= login_deadline_) {
    opening_->next_endpoint = opening_->endpoints->size();
  } else {
    ArmConnectTimer();
  }
  ConnectNext();
}

void Session::FailConnect(std::string_view why, std::string_view hint) {
  context_->counters.connect_failures.Add();
  if (opening_->cancel) return Close();
  Fail(sqlstate::kUnableToConnect,
       StrCat("pgparity could not connect to the primary at ", context_->primary->where(), ": ",
              why),
       hint.empty() ? "Check that the primary is running and accepts connections there, and "
                      "pgparity's --primary."
                    : hint);
}

}  // namespace pgparity::proxy
