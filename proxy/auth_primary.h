// The primary's part of a login that the proxy checks itself: answers whatever the primary asks
// for.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "protocol/backend.h"
#include "proxy/auth_credentials.h"
#include "proxy/login.h"

namespace pgparity::proxy {

// The parameter channel_binding of a database URL, as libpq's.
enum class BindingPolicy : uint8_t { disable, prefer, require };

class PrimaryLogin {
 public:
  // `user` outlives this. `keys`: of the credential's verifier, recovered from the client's proof.
  PrimaryLogin(std::string_view user, CredentialPtr credential, const protocol::ScramKeys& keys,
               const Channel& channel, BindingPolicy policy, std::string nonce);

  enum class Next : uint8_t {
    more,    // what is to_primary is sent, and more is awaited
    derive,  // the credential's password is to be derived with salt() and iterations(), then
             // Derived() is called
    ok,      // AuthenticationOk, and the primary proved itself where it had to
    fail,
  };
  struct Step {
    Next next = Next::more;
    std::string to_primary = {};
    Login::Failure failure = {};
  };
  // The body of an Authentication message.
  Step Authentication(std::string_view body);
  Step Derived(const protocol::ScramKeys& keys);

  const std::string& salt() const { return salt_; }
  int iterations() const { return iterations_; }

 private:
  enum class Scram : uint8_t { none, first, final, proved };

  Step Password(const protocol::backend::Authentication& request);
  Step Sasl(const protocol::backend::Authentication& offer);
  Step Continue(std::string_view message);
  Step Final(std::string_view message);
  Step Ok();
  // What the primary asked for cannot be given; `why` ends a sentence about the login.
  Step Refuse(std::string_view why, std::string_view hint = {}) const;
  Step Violation(std::string_view what) const;

  const std::string_view user_;
  const CredentialPtr credential_;
  const protocol::ScramKeys keys_;
  const BindingPolicy policy_;
  protocol::ScramClient client_;
  Scram scram_ = Scram::none;
  bool plus_ = false;
  std::string salt_;
  int iterations_ = 0;
};

}  // namespace pgparity::proxy
