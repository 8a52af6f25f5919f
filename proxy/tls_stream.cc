#include "proxy/tls_stream.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "protocol/check.h"

namespace pgparity::proxy {
namespace {

// Of one call, before others get their turn: a peer may send records that carry nothing.
constexpr uint8_t kReadsPerCall = 16;

}  // namespace

void SslDelete::operator()(SSL* ssl) const { SSL_free(ssl); }
void SslDelete::operator()(SSL_CTX* context) const { SSL_CTX_free(context); }

SslContext MakeTlsContext(bool server) {
  SslContext context(SSL_CTX_new(server ? TLS_server_method() : TLS_client_method()));
  PGPARITY_CHECK(context != nullptr);
  SSL_CTX* const raw = context.get();
  SSL_CTX_set_min_proto_version(raw, TLS1_2_VERSION);
  SSL_CTX_set_mode(raw, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                            SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  // A record's header and body in one recv.
  SSL_CTX_set_read_ahead(raw, 1);
  // As PostgreSQL has it on both ends: connections are long, so resuming gains little, and a
  // ticket's key would outlive the connection.
  SSL_CTX_set_options(raw, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_NO_TICKET);
  SSL_CTX_set_session_cache_mode(raw, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_num_tickets(raw, 0);
  if (server) SSL_CTX_set_options(raw, SSL_OP_CIPHER_SERVER_PREFERENCE);
  return context;
}

std::string TakeTlsError() {
  const unsigned long error = ERR_get_error();
  ERR_clear_error();
  if (error == 0) return {};
  if (ERR_SYSTEM_ERROR(error)) return std::strerror(ERR_GET_REASON(error));
  const char* reason = ERR_reason_error_string(error);
  return reason != nullptr ? reason : "error " + std::to_string(error);
}

struct TlsStream::SocketBio {
  static BIO_METHOD* Method() {
    static BIO_METHOD* const method = [] {
      BIO_METHOD* made =
          BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "pgparity socket");
      PGPARITY_CHECK(made != nullptr);
      BIO_meth_set_read(made, Read);
      BIO_meth_set_write(made, Write);
      BIO_meth_set_ctrl(made, Control);
      return made;
    }();
    return method;
  }
  static TlsStream* StreamOf(BIO* bio) { return static_cast<TlsStream*>(BIO_get_data(bio)); }
  static int Read(BIO* bio, char* buffer, int size) {
    return StreamOf(bio)->ReadSocket(bio, buffer, size);
  }
  static int Write(BIO* bio, const char* bytes, int size) {
    return StreamOf(bio)->WriteSocket(bio, bytes, size);
  }
  static long Control(BIO*, int command, long, void*) {
    // Of an end OpenSSL is not told here: it would take it for a fatal error, and write no more.
    return command == BIO_CTRL_FLUSH || command == BIO_CTRL_DUP ? 1 : 0;
  }
};

std::unique_ptr<TlsStream> TlsStream::Make(SSL_CTX* context, int fd, End end,
                                           std::string received) {
  SslPtr ssl(SSL_new(context));
  BIO* bio = ssl != nullptr ? BIO_new(SocketBio::Method()) : nullptr;
  if (bio == nullptr) return nullptr;
  SSL_set_bio(ssl.get(), bio, bio);
  if (end == End::server) {
    SSL_set_accept_state(ssl.get());
  } else {
    SSL_set_connect_state(ssl.get());
  }
  std::unique_ptr<TlsStream> stream(new TlsStream(std::move(ssl), fd, std::move(received)));
  BIO_set_data(bio, stream.get());
  BIO_set_init(bio, 1);
  return stream;
}

TlsStream::TlsStream(SslPtr ssl, int fd, std::string received)
    : ssl_(std::move(ssl)), fd_(fd), received_(std::move(received)) {}

TlsStream::~TlsStream() = default;

int TlsStream::ReadSocket(BIO* bio, char* buffer, int size) {
  BIO_clear_retry_flags(bio);
  if (!received_.empty()) {
    const size_t taken = received_.copy(buffer, static_cast<size_t>(size));
    received_.erase(0, taken);
    if (received_.empty()) std::string().swap(received_);
    return static_cast<int>(taken);
  }
  // A handshake is bounded by its own limits.
  while (!drained_ && (reads_ < kReadsPerCall || state_ == State::handshake)) {
    ++reads_;
    const ssize_t n = recv(fd_, buffer, static_cast<size_t>(size), MSG_DONTWAIT);
    if (n > 0) {
      took_input_ = true;
      // Not while the handshake is under way: its end of the stream must be seen when it comes.
      drained_ = n < size && state_ != State::handshake;
      return static_cast<int>(n);
    }
    if (n == 0) {
      saw_end_ = true;
      return 0;
    }
    if (errno == EINTR) continue;
    if (errno != EAGAIN && errno != EWOULDBLOCK) {
      errno_ = errno;
      return -1;
    }
    drained_ = socket_empty_ = true;
  }
  BIO_set_retry_read(bio);
  return -1;
}

int TlsStream::WriteSocket(BIO* bio, const char* bytes, int size) {
  BIO_clear_retry_flags(bio);
  while (true) {
    const ssize_t n = send(fd_, bytes, static_cast<size_t>(size), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n >= 0) return static_cast<int>(n);
    if (errno == EINTR) continue;
    if (errno == EAGAIN || errno == EWOULDBLOCK) {
      BIO_set_retry_write(bio);
    } else {
      errno_ = errno;
    }
    return -1;
  }
}

void TlsStream::BeginCall() {
  drained_ = socket_empty_ = took_input_ = false;
  reads_ = 0;
  ERR_clear_error();
}

TlsStream::Progress TlsStream::Handshake() {
  if (state_ == State::open) return Progress::done;
  if (state_ != State::handshake) return Progress::failed;
  BeginCall();
  const int result = SSL_do_handshake(ssl_.get());
  if (result == 1) {
    state_ = State::open;
    return Progress::done;
  }
  const int error = SSL_get_error(ssl_.get(), result);
  if (error == SSL_ERROR_WANT_READ) return Progress::wants_read;
  if (error == SSL_ERROR_WANT_WRITE) return Progress::wants_write;
  state_ = State::failed;
  error_ = TakeTlsError();
  const long verified = SSL_get_verify_result(ssl_.get());
  if (verified != X509_V_OK) {
    error_ += std::string(": ") + X509_verify_cert_error_string(verified);
  }
  if (error_.empty() && errno_ != 0) error_ = std::strerror(errno_);
  if (error_.empty()) error_ = "the peer closed the connection";
  return Progress::failed;
}

IoResult TlsStream::Receive(char* buffer, size_t size) {
  BeginCall();
  if (state_ == State::failed) return Discard(buffer, size);
  receive_waits_for_write_ = false;
  size_t total = 0;
  bool stopped = false;
  while (total < size && last_ == IoResult::Kind::ok && !stopped) {
    size_t n = 0;
    const int result = SSL_read_ex(ssl_.get(), buffer + total, size - total, &n);
    if (result == 1) {
      total += n;
      stopped = drained_ && SSL_has_pending(ssl_.get()) == 0;
      continue;
    }
    const int error = SSL_get_error(ssl_.get(), result);
    if (error == SSL_ERROR_WANT_READ) {
      stopped = true;
    } else if (error == SSL_ERROR_WANT_WRITE) {
      stopped = drained_ = receive_waits_for_write_ = true;
    } else {
      FailReading(error);
    }
  }
  if (total > 0) return {IoResult::Kind::ok, total, stopped && drained_, 0};
  if (last_ != IoResult::Kind::ok) return {last_, 0, true, errno_};
  return {IoResult::Kind::would_block, 0, drained_, 0};
}

void TlsStream::FailReading(int ssl_error) {
  const bool end =
      ssl_error == SSL_ERROR_ZERO_RETURN || (ssl_error == SSL_ERROR_SYSCALL && saw_end_);
  last_ = end ? IoResult::Kind::end : IoResult::Kind::error;
  if (!end && errno_ == 0) errno_ = EPROTO;
  ERR_clear_error();
}

IoResult TlsStream::Discard(char* buffer, size_t size) const {
  for (int i = 0; i < kReadsPerCall; ++i) {
    const ssize_t n = recv(fd_, buffer, size, MSG_DONTWAIT);
    if (n == 0) return {IoResult::Kind::end, 0, true, 0};
    if (n > 0 || errno == EINTR) continue;
    if (errno == EAGAIN || errno == EWOULDBLOCK) return {IoResult::Kind::would_block, 0, true, 0};
    return {IoResult::Kind::error, 0, true, errno};
  }
  return {IoResult::Kind::would_block, 0, false, 0};
}

IoResult TlsStream::Send(std::string_view bytes) {
  BeginCall();
  send_waits_for_read_ = record_cut_ = false;
  size_t total = 0;
  while (total < bytes.size()) {
    size_t n = 0;
    const int result = SSL_write_ex(ssl_.get(), bytes.data() + total, bytes.size() - total, &n);
    if (result == 1) {
      total += n;
      continue;
    }
    const int error = SSL_get_error(ssl_.get(), result);
    send_waits_for_read_ = error == SSL_ERROR_WANT_READ;
    record_cut_ = error == SSL_ERROR_WANT_WRITE;
    if (total > 0) break;
    if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) {
      return {IoResult::Kind::would_block, 0, false, 0};
    }
    ERR_clear_error();
    return {IoResult::Kind::error, 0, false, errno_ != 0 ? errno_ : EPROTO};
  }
  return {IoResult::Kind::ok, total, false, 0};
}

bool TlsStream::EndWriting() {
  if (state_ != State::open || record_cut_) return true;
  BeginCall();
  const int result = SSL_shutdown(ssl_.get());
  if (result < 0 && SSL_get_error(ssl_.get(), result) == SSL_ERROR_WANT_WRITE) return false;
  ERR_clear_error();
  state_ = State::said_goodbye;
  return true;
}

std::string_view TlsStream::alpn() const {
  const unsigned char* name = nullptr;
  unsigned length = 0;
  SSL_get0_alpn_selected(ssl_.get(), &name, &length);
  return {reinterpret_cast<const char*>(name), length};
}

}  // namespace pgparity::proxy
