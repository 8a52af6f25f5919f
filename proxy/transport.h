// Bytes to and from one peer: a socket, plain or with TLS over it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "proxy/io_result.h"
#include "proxy/tls_stream.h"

namespace pgparity::proxy {

// Owns a non-blocking socket. Not thread-safe.
class Transport {
 public:
  Transport() = default;
  explicit Transport(int fd) : fd_(fd) {}
  ~Transport() { Close(); }
  Transport(Transport&& other) noexcept;
  Transport& operator=(Transport&& other) noexcept;

  IoResult Receive(char* buffer, size_t size);
  // What a TLS transport did not take must be given again, from its first byte on.
  IoResult Send(std::string_view bytes);
  // Nothing more will be sent; receiving goes on. False: TLS's goodbye does not fit yet, call it
  // again when the socket can be written.
  bool ShutdownWrite();
  // Says TLS's goodbye if that fits.
  void Close();
  bool open() const { return fd_ >= 0; }
  int fd() const { return fd_; }
  // The error of a connect under way, 0 for none.
  int ConnectError() const;

  // TLS takes over with the next byte; its handshake comes before any Receive or Send. The stream
  // is one on this socket.
  void StartTls(std::unique_ptr<TlsStream> stream) { tls_ = std::move(stream); }
  bool tls() const { return tls_ != nullptr; }
  TlsStream* stream() const { return tls_.get(); }  // null where plain
  // Of the peer's certificate, for SCRAM's channel binding: see EndPointHash. "" where there is
  // none. Computed at each call.
  std::string PeerEndPointHash() const;

 private:
  IoResult ReceivePlain(char* buffer, size_t size) const;
  IoResult SendPlain(std::string_view bytes) const;

  int fd_ = -1;
  std::unique_ptr<TlsStream> tls_;
};

// Sets what every connection of ours has: no delay for TCP, and keepalive so that a peer that is
// gone is found out within about two minutes. Harmless on Unix sockets.
void TuneSocket(int fd);

}  // namespace pgparity::proxy
