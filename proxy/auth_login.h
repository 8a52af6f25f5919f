// A login that the proxy checks itself (auth modes url and scram): the client by SCRAM against a
// credential, then the primary with the same credential. From the primary's AuthenticationOk on its
// messages go to the client as they are, errors and NegotiateProtocolVersion before it too.
//
// The primary is connected to only once the client has proved who it is. An unknown user takes part
// as any other, and fails at the end as a wrong password does.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "proxy/auth_client.h"
#include "proxy/auth_primary.h"
#include "proxy/auth_worker.h"
#include "proxy/login.h"

namespace pgparity::proxy {

// What checked logins share. Outlives them, but for `source` and `worker` as their headers say.
struct CheckedLoginContext {
  CredentialSource* source = nullptr;
  AuthWorker* worker = nullptr;  // derives keys
  protocol::Secret mock_secret;
  BindingPolicy primary_binding = BindingPolicy::prefer;
  std::function<std::string()> nonce;  // a fresh one, printable
  // For the operator: what stands in the way of a login. Any thread; may drop lines.
  std::function<void(std::string_view line)> complain = [](std::string_view) {};
};

class CheckedLogin final : public Login {
 public:
  CheckedLogin(const CheckedLoginContext* context, std::string user, Channel client);

  Step Start(std::function<void()> resume) override;
  Step Resume() override;
  Step Connected(const Channel& primary) override;
  Step FromClient(std::string_view bytes) override;
  Step FromServer(std::string_view bytes) override;

 private:
  enum class State : uint8_t {
    finding,     // the credential
    checking,    // the client
    connecting,  // to the primary
    logging_in,  // to the primary
    deriving,    // keys for the primary's salt
    passing,     // the primary let us in
    failed,
  };
  // Where another thread leaves what Resume() takes.
  struct Results;

  Step Check(CredentialAnswer answer);
  Step Carry(PrimaryLogin::Step primary);
  Step Derive();
  Step Fail(Failure failure);
  // One message of the primary's ahead of AuthenticationOk.
  Step ServerMessage(const LoginFrame& frame, std::string_view bytes);

  const CheckedLoginContext* const context_;
  const std::string user_;
  const Channel client_channel_;
  const std::shared_ptr<Results> results_;
  std::function<void()> resume_;
  State state_ = State::finding;
  CredentialPtr credential_;
  std::optional<ClientCheck> client_;
  std::optional<PrimaryLogin> primary_;
};

}  // namespace pgparity::proxy
