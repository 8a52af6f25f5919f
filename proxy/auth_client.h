// The client's part of a login that the proxy checks itself: SCRAM, as a server.
#pragma once

#include <string>
#include <string_view>

#include "proxy/auth_credentials.h"
#include "proxy/login.h"

namespace pgparity::proxy {

class ClientCheck {
 public:
  // Of a message's length word; the server's own limit (PG_MAX_SASL_MESSAGE_LENGTH).
  static constexpr uint32_t kMaxMessage = 1024;

  // `user` outlives this. With `mock` no password fits.
  ClientCheck(std::string_view user, protocol::ScramVerifier verifier, bool mock, std::string nonce,
              std::string end_point);

  // AuthenticationSASL.
  std::string Offer() const;

  enum class Next : uint8_t { more, proved, refused };
  struct Step {
    Next next = Next::more;
    std::string to_client = {};
    Login::Failure failure = {};  // refused
  };
  // The body of a SASLInitialResponse or SASLResponse.
  Step Response(std::string_view body);

  // Once it is proved.
  const protocol::ScramKeys& keys() const { return scram_.keys(); }

 private:
  enum class State : uint8_t { choosing, first, final, done };

  Step First(std::string_view message);
  Step Final(std::string_view message);
  Step Refuse(const absl::Status& status);

  const std::string_view user_;
  protocol::ScramServer scram_;
  State state_ = State::choosing;
  std::string mechanism_;
};

}  // namespace pgparity::proxy
