// The other end of a TLS connection, made with plain OpenSSL: what the proxy's own TLS is tested
// against.
#pragma once

#include <openssl/types.h>

#include <string>
#include <string_view>

namespace pgparity::support {

struct TlsPeerOptions {
  bool server = false;
  std::string certificate = {}, key = {};  // PEM files; needed by a server
  std::string root = {};                   // PEM file: the other's certificate must lead to it
  std::string alpn = "postgresql";         // a client offers it; "" offers none
  int max_version = 0;                     // as OpenSSL numbers them
};

// Moves no bytes itself: Feed() it what the other end sent, and send what TakeOutput() gives.
class TlsPeer {
 public:
  explicit TlsPeer(const TlsPeerOptions& options);
  ~TlsPeer();
  TlsPeer(const TlsPeer&) = delete;
  TlsPeer& operator=(const TlsPeer&) = delete;

  void Feed(std::string_view bytes);
  std::string TakeOutput();
  // Goes on as far as it can. True once it is done.
  bool Handshake();
  bool failed() const { return failed_; }
  const std::string& error() const { return error_; }  // OpenSSL's words
  void Write(std::string_view bytes);
  // What has come.
  std::string Read();
  // The other end has said goodbye.
  bool ended() const;
  void SayGoodbye();
  void UpdateKeys();  // TLS 1.3: asks the other end to do so, too
  SSL* ssl() const { return ssl_; }

 private:
  void Note(int result);

  SSL_CTX* context_;
  SSL* ssl_;
  BIO *in_, *out_;
  bool failed_ = false;
  std::string error_;
};

// A TlsPeer on a blocking socket, which stays the caller's. Every wait ends with the socket's own
// timeout.
class TlsSocketPeer {
 public:
  TlsSocketPeer(int fd, const TlsPeerOptions& options) : fd_(fd), peer_(options) {}

  // False when it failed: see peer().error().
  bool Handshake();
  void Send(std::string_view bytes);
  // The next `size` bytes; fewer at the end.
  std::string Receive(size_t size);
  std::string ReceiveAll() { return Receive(size_t{1} << 30); }
  // TLS's goodbye, without the socket's.
  void EndWriting();
  TlsPeer& peer() { return peer_; }

 private:
  bool FlushOutput();
  bool Fill();

  const int fd_;
  TlsPeer peer_;
  std::string received_;
};

}  // namespace pgparity::support
