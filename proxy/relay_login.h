// Login passed through: finds where it ends, keeps what the session's record and cancelling need,
// and limits what may pass. Nothing of it is recorded. Without I/O: the session gathers each
// direction's bytes and asks how many whole messages stand at their head.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "protocol/startup.h"
#include "shadow/assembler.h"

namespace pgparity::proxy {

class LoginRelay {
 public:
  // Limits of a frame's length word. Servers' errors and notices may be larger.
  static constexpr uint32_t kMaxFrame = 16 << 10;
  static constexpr uint32_t kMaxErrorFrame = 1 << 20;

  enum class Next : uint8_t {
    more,       // needs more bytes
    hold,       // client: what follows belongs to the session behind the login, and must wait
    logged_in,  // server: the last byte of `forward` ended the first ReadyForQuery
    bad_frame,
  };
  struct Step {
    size_t forward = 0;  // leading bytes that may pass: whole messages
    Next next = Next::more;
  };

  Step FromClient(std::string_view bytes);
  Step FromServer(std::string_view bytes);

  // What the server told: settings as ParameterStatus gave them, and the cancel key ("" if none).
  const std::map<std::string, std::string>& parameters() const { return parameters_; }
  int32_t process_id() const { return process_id_; }
  const std::string& cancel_key() const { return cancel_key_; }

 private:
  void ServerMessage(char tag, std::string_view body);

  std::map<std::string, std::string> parameters_;
  size_t parameter_bytes_ = 0;
  int32_t process_id_ = 0;
  std::string cancel_key_;
};

// The session's record: who it is, and the settings that it began with.
shadow::SessionInfo MakeSessionInfo(const protocol::StartupMessage& startup,
                                    const std::map<std::string, std::string>& parameters);

// As the ring carries it. Decoding malformed bytes gives what was read so far.
std::string EncodeSessionInfo(const shadow::SessionInfo& info);
shadow::SessionInfo DecodeSessionInfo(std::string_view bytes);

}  // namespace pgparity::proxy
