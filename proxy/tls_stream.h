// One TLS connection over a non-blocking socket: OpenSSL's SSL with a BIO of our own, so that a
// message is one recv and one send as without TLS, and an idle connection keeps no buffers.
// TLS 1.2 and 1.3; no renegotiation, no session tickets, no early data (see MakeTlsContext).
#pragma once

#include <openssl/types.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "proxy/io_result.h"

namespace pgparity::proxy {

struct SslDelete {
  void operator()(SSL* ssl) const;
  void operator()(SSL_CTX* context) const;
};
using SslPtr = std::unique_ptr<SSL, SslDelete>;
using SslContext = std::unique_ptr<SSL_CTX, SslDelete>;

// What both ends have in common.
SslContext MakeTlsContext(bool server);
// The first error on OpenSSL's queue of this thread, which is emptied; "" for none.
std::string TakeTlsError();

// Not thread-safe. Neither owns nor closes the socket.
class TlsStream {
 public:
  enum class Progress : uint8_t { done, wants_read, wants_write, failed };
  enum class End : uint8_t { server, client };

  // `received`: what was taken off the socket before it was known to be TLS. Null when memory ran
  // out.
  static std::unique_ptr<TlsStream> Make(SSL_CTX* context, int fd, End end,
                                         std::string received = {});
  ~TlsStream();
  TlsStream(const TlsStream&) = delete;
  TlsStream& operator=(const TlsStream&) = delete;

  // Call it until it is done or has failed: again when the socket can be read or written as it
  // says. A failure has sent the peer its alert.
  Progress Handshake();
  // Why the handshake failed: one line.
  const std::string& error() const { return error_; }

  // As Transport's. A peer's end without TLS's goodbye is an end too: the protocol inside says the
  // length of each message, so that nothing cut short is taken for whole.
  // After a failed handshake: takes what is there, and gives none of it.
  IoResult Receive(char* buffer, size_t size);
  // What was not taken must be given again, from its first byte on, more behind it or not.
  IoResult Send(std::string_view bytes);
  // Says goodbye, if what was sent before is on its way; receiving goes on. False: call it again
  // when the socket can be written.
  bool EndWriting();

  // The latest Receive stopped because the socket takes no bytes.
  bool receive_waits_for_write() const { return receive_waits_for_write_; }
  // The latest Send stopped because the peer's handshake bytes are not there.
  bool send_waits_for_read() const { return send_waits_for_read_; }
  // The socket had nothing when the latest call asked last: an edge will tell of what comes.
  bool socket_empty() const { return socket_empty_; }
  // The latest Send took bytes off the socket: no edge will tell of what came behind them.
  bool send_took_input() const { return took_input_; }

  SSL* ssl() const { return ssl_.get(); }
  // "postgresql", or "" where none was agreed on.
  std::string_view alpn() const;

 private:
  enum class State : uint8_t { handshake, open, said_goodbye, failed };

  TlsStream(SslPtr ssl, int fd, std::string received);
  struct SocketBio;  // what OpenSSL calls
  int ReadSocket(BIO* bio, char* buffer, int size);
  int WriteSocket(BIO* bio, const char* bytes, int size);
  IoResult Discard(char* buffer, size_t size) const;
  void FailReading(int ssl_error);
  void BeginCall();

  const SslPtr ssl_;
  const int fd_;
  State state_ = State::handshake;
  // Of the call under way:
  bool drained_ = false;       // the socket has no more, as far as a short read tells
  bool socket_empty_ = false;  // it said so itself
  bool took_input_ = false;
  uint8_t reads_ = 0;
  // Of the calls so far:
  bool saw_end_ = false;
  bool receive_waits_for_write_ = false, send_waits_for_read_ = false;
  bool record_cut_ = false;                   // the socket took a part of a record
  IoResult::Kind last_ = IoResult::Kind::ok;  // what every further Receive gives, if not ok
  int errno_ = 0;
  std::string received_;
  std::string error_;
};

}  // namespace pgparity::proxy
