// Login passed through: finds where it ends, keeps what the session's record and cancelling need,
// and limits what may pass. And the record with which a session begins.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "protocol/startup.h"
#include "proxy/login.h"
#include "shadow/assembler.h"

namespace pgparity::proxy {

// Auth mode pass: every byte of the login goes on as it came, but for one: where the primary's side
// alone is on TLS, SCRAM-SHA-256-PLUS is taken out of its offer, since a client without TLS refuses
// such an offer. (On both sides, or the client's alone, the offer goes on as it is.)
class LoginRelay final : public Login {
 public:
  // `complain`: told where a client binds to a channel that is not the primary's. May be null.
  explicit LoginRelay(bool client_tls = false,
                      std::function<void(std::string_view line)> complain = nullptr)
      : client_tls_(client_tls), complain_(std::move(complain)) {}

  Step Start(std::function<void()> resume) override;
  Step Connected(const Channel& primary) override;
  Step FromClient(std::string_view bytes) override;
  Step FromServer(std::string_view bytes) override;

 private:
  const bool client_tls_;
  const std::function<void(std::string_view line)> complain_;
  bool hide_plus_ = false;
  bool two_channels_ = false;
};

// The session's record: who it is, and the settings that it began with.
shadow::SessionInfo MakeSessionInfo(const protocol::StartupMessage& startup,
                                    const std::map<std::string, std::string>& parameters);

// As the ring carries it. Decoding malformed bytes gives what was read so far.
std::string EncodeSessionInfo(const shadow::SessionInfo& info);
shadow::SessionInfo DecodeSessionInfo(std::string_view bytes);

}  // namespace pgparity::proxy
