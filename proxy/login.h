// How a session logs in: what to answer to the client and to the primary until the session proper
// begins. Without I/O: the session gathers each direction's bytes, and carries out what a step
// says. Nothing of a login is recorded.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "protocol/startup.h"

namespace pgparity::proxy {

// What protects the bytes between the proxy and one of its two peers.
struct Channel {
  bool tls = false;
  // tls-server-end-point (RFC 5929) of the certificate that the server of this channel showed: our
  // own towards a client, the primary's towards the primary. "" where it is not known.
  std::string end_point = {};
};

// What the primary told at the login's end.
class LoginFacts {
 public:
  // Takes note of a message of the server's.
  void Note(char tag, std::string_view body);
  // Settings as ParameterStatus gave them, and the cancel key ("" if none).
  const std::map<std::string, std::string>& parameters() const { return parameters_; }
  int32_t process_id() const { return process_id_; }
  const std::string& cancel_key() const { return cancel_key_; }

 private:
  std::map<std::string, std::string> parameters_;
  size_t parameter_bytes_ = 0;
  int32_t process_id_ = 0;
  std::string cancel_key_;
};

// Belongs to one session and its thread.
class Login {
 public:
  // Limits of a frame's length word. Servers' errors and notices may be larger.
  static constexpr uint32_t kMaxFrame = 16 << 10;
  static constexpr uint32_t kMaxErrorFrame = 1 << 20;

  enum class Next : uint8_t {
    more,       // needs more bytes from either side
    hold,       // client: what follows belongs to the session behind the login, and must wait
    wait,       // for something else than bytes: the next step is Resume()'s
    connect,    // to the primary; then Connected(). From Start(), FromClient() and Resume()
    logged_in,  // the last byte of to_client ended the first ReadyForQuery. From FromServer()
    bad_frame,  // the length of a message cannot be
    fail,       // end the session with `failure`
  };
  struct Failure {
    std::string_view sqlstate;
    std::string message, hint = {};
  };
  struct Step {
    size_t taken = 0;  // leading bytes of those given that are done with
    std::string to_client = {}, to_primary = {};
    Next next = Next::more;
    Failure failure = {};
  };

  virtual ~Login() = default;

  // The first step. `resume` may be called from any thread, also when the login is gone: it asks
  // for Resume() on the session's thread.
  virtual Step Start(std::function<void()> resume) = 0;
  virtual Step Resume() { return {}; }
  // The primary has been reached, and is sent the startup message first. Again where a connection
  // ended before its first word, and another took its place.
  virtual Step Connected(const Channel& primary) = 0;
  virtual Step FromClient(std::string_view bytes) = 0;
  virtual Step FromServer(std::string_view bytes) = 0;

  const LoginFacts& facts() const { return facts_; }

 protected:
  LoginFacts facts_;
};

// The frame at the head of `bytes`; nullopt until its header is there.
struct LoginFrame {
  char tag = 0;
  size_t wire_length = 0;
  bool bad = false;  // its length cannot be
  bool whole = false;
  std::string_view body;  // once it is whole
};
// Limits of the length word: of errors and notices, and of all others.
std::optional<LoginFrame> ReadLoginFrame(std::string_view bytes, uint32_t limit,
                                         uint32_t error_limit = 0);

}  // namespace pgparity::proxy
