#include <sys/epoll.h>

#include "protocol/sqlstate.h"
#include "protocol/text.h"
#include "protocol/wire.h"
#include "proxy/log.h"
#include "proxy/session.h"

namespace pgparity::proxy {
namespace {

using protocol::StrCat;

constexpr std::string_view kTlsHint =
    "Check sslmode and the other ssl parameters in pgparity's --primary, and the primary's "
    "certificate.";

// The whole message at the head of `bytes`, its header included; "" when it is not whole.
std::string_view WholeMessage(std::string_view bytes) {
  if (bytes.size() < 5) return {};
  const uint64_t length = uint64_t{1} + protocol::WireReader(bytes.substr(1, 4)).ReadUint32();
  return bytes.size() < length ? std::string_view() : bytes.substr(0, length);
}

// As pg_hba.conf refuses a connection: invalid_authorization_specification.
bool IsRefusal(std::string_view message) {
  constexpr std::string_view kCode("\0C28000\0", 8);
  return !message.empty() && message[0] == 'E' && message.find(kCode) != std::string_view::npos;
}

}  // namespace

void Session::OnTlsEvents(Side* side, uint32_t events) {
  const TlsStream* stream = side->transport.stream();
  if ((events & EPOLLOUT) != 0 && stream->receive_waits_for_write()) side->readable = true;
  if ((events & EPOLLIN) != 0 && stream->send_waits_for_read()) Flush(side);
}

// A receive gave nothing.
void Session::OnTlsBlocked(Side* from, const IoResult& got) {
  const TlsStream* stream = from->transport.stream();
  if (stream->receive_waits_for_write()) {
    context_->loop->Change(from->transport.fd(), from, EventLoop::Trigger::edge_writable);
  } else if (!got.drained || (from->ending && !stream->socket_empty())) {
    // There is more to take, though what was taken was not for us; or the end, which epoll has told
    // of already.
    from->readable = true;
    context_->loop->Again(from);
  }
}

void Session::OnTlsSent(Side* to) {
  if (!to->transport.stream()->send_took_input()) return;
  to->readable = true;
  context_->loop->Again(to);
}

void Session::StartClientTls(std::string received) {
  // Bytes left over would go out as if TLS had carried them.
  std::unique_ptr<TlsStream> stream;
  if (client_.pending.empty()) {
    stream = opening_->client_tls->Accept(client_.transport.fd(), std::move(received));
  }
  if (stream == nullptr) return Close();
  client_.transport.StartTls(std::move(stream));
  state_ = State::client_tls;
  HandshakeWithClient();
}

void Session::HandshakeWithClient() {
  TlsStream* stream = client_.transport.stream();
  switch (stream->Handshake()) {
    case TlsStream::Progress::wants_read:
      client_.readable = false;
      return;
    case TlsStream::Progress::wants_write:
      context_->loop->Change(client_.transport.fd(), &client_, EventLoop::Trigger::edge_writable);
      return;
    case TlsStream::Progress::failed:
      LogDebug(StrCat("TLS handshake with a client failed: ", stream->error()));
      // It reads its alert before it sees the end.
      return Linger();
    case TlsStream::Progress::done:
      break;
  }
  if (opening_->direct_tls && stream->alpn() != "postgresql") {
    LogDebug("a client began with TLS, but does not say by ALPN that it speaks this protocol");
    return Linger();
  }
  state_ = State::startup;
  client_.readable = true;  // TLS may hold bytes that no event will tell of
  ReadStartup();
}

bool Session::WantsPrimaryTls() const {
  const TlsClient* tls = context_->shared->primary_tls.get();
  if (tls == nullptr) return false;
  const size_t endpoint = opening_->next_endpoint - 1;
  if ((*opening_->endpoints)[endpoint].family() == AF_UNIX) return false;
  const bool second = opening_->second_try == opening_->next_endpoint;
  switch (tls->mode()) {
    case SslMode::disable:
      return false;
    case SslMode::allow:
      return second;
    case SslMode::prefer:
      return !second;
    default:
      return true;
  }
}

void Session::AskPrimaryForTls() {
  state_ = State::securing;
  if (context_->shared->primary_tls->direct()) return HandshakeWithPrimary();
  Send(&primary_, protocol::EncodeStartup(protocol::SslRequest{}));
}

void Session::SecurePrimary() {
  if (ClientGaveUp()) return Close();
  if (primary_.transport.tls()) return HandshakeWithPrimary();
  if (primary_.readable) TakeTlsAnswer();
}

void Session::TakeTlsAnswer() {
  // One byte: what lies behind it is TLS's, and bytes that somebody put there fail the handshake.
  char answer = 0;
  const IoResult got = primary_.transport.Receive(&answer, 1);
  if (got.kind == IoResult::Kind::would_block) {
    primary_.readable = false;
    return;
  }
  if (got.kind != IoResult::Kind::ok) {
    return FailPrimaryTls("it closed the connection when asked for TLS");
  }
  if (answer == 'S') return HandshakeWithPrimary();
  if (answer == 'N' && context_->shared->primary_tls->mode() <= SslMode::prefer) {
    return OnPrimaryReady();
  }
  if (answer == 'N') return FailPrimaryTls("it does not support TLS, which sslmode asks for");
  // An error message, perhaps, that nothing vouches for: it is not shown.
  FailPrimaryTls("it did not answer the request for TLS");
}

void Session::HandshakeWithPrimary() {
  const TlsClient& tls = *context_->shared->primary_tls;
  if (!primary_.transport.tls()) {
    std::unique_ptr<TlsStream> made = tls.Connect(primary_.transport.fd());
    if (made == nullptr) return FailPrimaryTls("out of memory");
    primary_.transport.StartTls(std::move(made));
  }
  TlsStream* stream = primary_.transport.stream();
  switch (stream->Handshake()) {
    case TlsStream::Progress::wants_read:
      primary_.readable = false;
      return;
    case TlsStream::Progress::wants_write:
      context_->loop->Change(primary_.transport.fd(), &primary_, EventLoop::Trigger::edge_writable);
      return;
    case TlsStream::Progress::failed:
      return FailPrimaryTls(StrCat("the TLS handshake failed: ", stream->error()));
    case TlsStream::Progress::done:
      break;
  }
  if (const absl::Status status = tls.Check(*stream); !status.ok()) {
    return FailPrimaryTls(protocol::MessageOf(status));
  }
  primary_.readable = true;
  OnPrimaryReady();
}

bool Session::ReconnectOtherWay() {
  const TlsClient* tls = context_->shared->primary_tls.get();
  if (tls == nullptr || tls->mode() > SslMode::prefer) return false;
  const size_t endpoint = opening_->next_endpoint - 1;
  if (opening_->second_try == opening_->next_endpoint ||
      (*opening_->endpoints)[endpoint].family() == AF_UNIX) {
    return false;
  }
  context_->loop->Forget(&primary_);
  primary_.transport.Close();
  primary_.pending.clear();
  primary_.readable = primary_.ending = primary_.ended = primary_.broken = false;
  state_ = State::connecting;
  ArmConnectTimer();
  // Later: this batch may still hold an event of the socket just closed.
  context_->post(id(), [](Session* session) {
    if (session->state_ != State::connecting || session->primary_.transport.open()) return;
    Opening& opening = *session->opening_;
    opening.second_try = opening.next_endpoint;
    --opening.next_endpoint;
    session->ConnectNext();
  });
  return true;
}

void Session::FailPrimaryTls(std::string_view why) {
  if (ReconnectOtherWay()) return;
  FailConnect(why, kTlsHint);
}

bool Session::RefusedThisWay(std::string_view from_server) {
  if (opening_->primary_spoke) return false;
  const std::string_view message = WholeMessage(from_server);
  if (message.empty()) return false;
  opening_->primary_spoke = true;
  if (!IsRefusal(message) || !ReconnectOtherWay()) return false;
  opening_->primary_spoke = false;
  opening_->from_server.clear();
  return true;
}

}  // namespace pgparity::proxy
