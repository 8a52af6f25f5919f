#include "tests/support/tls_peer.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include <cstdio>
#include <cstdlib>

namespace pgparity::support {
namespace {

void Require(bool ok, const char* what) {
  if (ok) return;
  std::fprintf(stderr, "cannot make a TLS peer: %s\n", what);
  ERR_print_errors_fp(stderr);
  std::abort();
}

}  // namespace

TlsPeer::TlsPeer(const TlsPeerOptions& options)
    : context_(SSL_CTX_new(options.server ? TLS_server_method() : TLS_client_method())),
      in_(BIO_new(BIO_s_mem())),
      out_(BIO_new(BIO_s_mem())) {
  Require(context_ != nullptr && in_ != nullptr && out_ != nullptr, "memory");
  if (!options.certificate.empty()) {
    Require(SSL_CTX_use_certificate_chain_file(context_, options.certificate.c_str()) == 1 &&
                SSL_CTX_use_PrivateKey_file(context_, options.key.c_str(), SSL_FILETYPE_PEM) == 1,
            "certificate");
  }
  if (!options.root.empty()) {
    Require(SSL_CTX_load_verify_file(context_, options.root.c_str()) == 1, "root");
    SSL_CTX_set_verify(context_, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  }
  // As a server of PostgreSQL before 17: knows nothing of ALPN. Old versions may be tried, too.
  SSL_CTX_set_security_level(context_, 0);
  SSL_CTX_set_min_proto_version(context_, TLS1_VERSION);
  if (options.max_version != 0) SSL_CTX_set_max_proto_version(context_, options.max_version);
  ssl_ = SSL_new(context_);
  Require(ssl_ != nullptr, "memory");
  SSL_set_bio(ssl_, in_, out_);
  if (options.server) {
    SSL_set_accept_state(ssl_);
  } else {
    SSL_set_connect_state(ssl_);
  }
  if (!options.server && !options.alpn.empty()) {
    const std::string offer = static_cast<char>(options.alpn.size()) + options.alpn;
    SSL_set_alpn_protos(ssl_, reinterpret_cast<const unsigned char*>(offer.data()),
                        static_cast<unsigned>(offer.size()));
  }
}

TlsPeer::~TlsPeer() {
  SSL_free(ssl_);
  SSL_CTX_free(context_);
}

void TlsPeer::Feed(std::string_view bytes) {
  if (!bytes.empty()) BIO_write(in_, bytes.data(), static_cast<int>(bytes.size()));
}

std::string TlsPeer::TakeOutput() {
  std::string bytes(static_cast<size_t>(BIO_ctrl_pending(out_)), '\0');
  if (!bytes.empty()) BIO_read(out_, bytes.data(), static_cast<int>(bytes.size()));
  return bytes;
}

void TlsPeer::Note(int result) {
  const int error = SSL_get_error(ssl_, result);
  if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) return;
  if (error == SSL_ERROR_NONE || error == SSL_ERROR_ZERO_RETURN) return;
  failed_ = true;
  const char* reason = ERR_reason_error_string(ERR_peek_error());
  error_ = reason != nullptr ? reason : "unknown";
}

bool TlsPeer::Handshake() {
  ERR_clear_error();
  const int result = SSL_do_handshake(ssl_);
  if (result == 1) return true;
  Note(result);
  return false;
}

void TlsPeer::Write(std::string_view bytes) {
  ERR_clear_error();
  if (!bytes.empty()) Note(SSL_write(ssl_, bytes.data(), static_cast<int>(bytes.size())));
}

std::string TlsPeer::Read() {
  std::string all;
  char piece[16384];
  while (true) {
    ERR_clear_error();
    const int n = SSL_read(ssl_, piece, sizeof(piece));
    if (n <= 0) {
      Note(n);
      return all;
    }
    all.append(piece, static_cast<size_t>(n));
  }
}

bool TlsPeer::ended() const { return (SSL_get_shutdown(ssl_) & SSL_RECEIVED_SHUTDOWN) != 0; }

void TlsPeer::SayGoodbye() { SSL_shutdown(ssl_); }

void TlsPeer::UpdateKeys() {
  Require(SSL_key_update(ssl_, SSL_KEY_UPDATE_REQUESTED) == 1 && SSL_do_handshake(ssl_) == 1,
          "key update");
}

bool TlsSocketPeer::FlushOutput() {
  const std::string output = peer_.TakeOutput();
  for (size_t at = 0; at < output.size();) {
    const ssize_t n = send(fd_, output.data() + at, output.size() - at, MSG_NOSIGNAL);
    if (n <= 0) return false;
    at += static_cast<size_t>(n);
  }
  return true;
}

bool TlsSocketPeer::Fill() {
  char piece[16384];
  const ssize_t n = recv(fd_, piece, sizeof(piece), 0);
  if (n <= 0) return false;
  peer_.Feed({piece, static_cast<size_t>(n)});
  return true;
}

bool TlsSocketPeer::Handshake() {
  while (true) {
    const bool done = peer_.Handshake();
    const bool sent = FlushOutput();
    if (done || peer_.failed()) return done && sent;
    if (!Fill()) return false;
  }
}

void TlsSocketPeer::Send(std::string_view bytes) {
  while (!bytes.empty()) {
    const std::string_view piece = bytes.substr(0, 60000);
    peer_.Write(piece);
    if (!FlushOutput()) return;
    bytes.remove_prefix(piece.size());
  }
}

std::string TlsSocketPeer::Receive(size_t size) {
  while (true) {
    received_ += peer_.Read();
    if (received_.size() >= size || peer_.failed() || peer_.ended() || !Fill()) break;
  }
  std::string taken = received_.substr(0, size);
  received_.erase(0, taken.size());
  FlushOutput();
  return taken;
}

void TlsSocketPeer::EndWriting() {
  peer_.SayGoodbye();
  FlushOutput();
}

}  // namespace pgparity::support
