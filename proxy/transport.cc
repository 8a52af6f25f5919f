#include "proxy/transport.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/ssl.h>

#include <cerrno>
#include <utility>

#include "proxy/tls_certificate.h"

namespace pgparity::proxy {

Transport::Transport(Transport&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), tls_(std::move(other.tls_)) {}

Transport& Transport::operator=(Transport&& other) noexcept {
  if (this != &other) {
    Close();
    fd_ = std::exchange(other.fd_, -1);
    tls_ = std::move(other.tls_);
  }
  return *this;
}

IoResult Transport::Receive(char* buffer, size_t size) {
  return tls_ == nullptr ? ReceivePlain(buffer, size) : tls_->Receive(buffer, size);
}

IoResult Transport::Send(std::string_view bytes) {
  return tls_ == nullptr ? SendPlain(bytes) : tls_->Send(bytes);
}

IoResult Transport::ReceivePlain(char* buffer, size_t size) const {
  while (true) {
    const ssize_t n = recv(fd_, buffer, size, MSG_DONTWAIT);
    if (n > 0) {
      const auto bytes = static_cast<size_t>(n);
      return {IoResult::Kind::ok, bytes, bytes < size, 0};
    }
    if (n == 0) return {IoResult::Kind::end, 0, true, 0};
    if (errno == EINTR) continue;
    if (errno == EAGAIN || errno == EWOULDBLOCK) return {IoResult::Kind::would_block, 0, true, 0};
    return {IoResult::Kind::error, 0, true, errno};
  }
}

IoResult Transport::SendPlain(std::string_view bytes) const {
  while (true) {
    const ssize_t n = send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n >= 0) return {IoResult::Kind::ok, static_cast<size_t>(n), false, 0};
    if (errno == EINTR) continue;
    if (errno == EAGAIN || errno == EWOULDBLOCK) return {IoResult::Kind::would_block, 0, false, 0};
    return {IoResult::Kind::error, 0, false, errno};
  }
}

bool Transport::ShutdownWrite() {
  if (tls_ != nullptr && !tls_->EndWriting()) return false;
  shutdown(fd_, SHUT_WR);
  return true;
}

void Transport::Close() {
  if (fd_ < 0) return;
  if (tls_ != nullptr) {
    tls_->EndWriting();
    tls_.reset();
  }
  close(std::exchange(fd_, -1));
}

std::string Transport::PeerEndPointHash() const {
  X509* certificate = tls_ != nullptr ? SSL_get0_peer_certificate(tls_->ssl()) : nullptr;
  return certificate != nullptr ? EndPointHash(certificate) : "";
}

int Transport::ConnectError() const {
  int error = 0;
  socklen_t size = sizeof(error);
  if (getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &size) != 0) return errno;
  return error;
}

void TuneSocket(int fd) {
  const auto set = [fd](int level, int name, int value) {
    setsockopt(fd, level, name, &value, sizeof(value));
  };
  set(SOL_SOCKET, SO_KEEPALIVE, 1);
  set(IPPROTO_TCP, TCP_NODELAY, 1);
  set(IPPROTO_TCP, TCP_KEEPIDLE, 60);
  set(IPPROTO_TCP, TCP_KEEPINTVL, 15);
  set(IPPROTO_TCP, TCP_KEEPCNT, 4);
}

}  // namespace pgparity::proxy
