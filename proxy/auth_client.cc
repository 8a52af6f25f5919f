#include "proxy/auth_client.h"

#include <utility>

#include "protocol/authentication.h"
#include "protocol/sqlstate.h"
#include "protocol/text.h"

namespace pgparity::proxy {
namespace {

namespace sqlstate = protocol::sqlstate;
using protocol::StrCat;
using protocol::backend::AuthenticationKind;

}  // namespace

ClientCheck::ClientCheck(std::string_view user, protocol::ScramVerifier verifier, bool mock,
                         std::string nonce, std::string end_point)
    : user_(user), scram_(std::move(verifier), mock, std::move(nonce), std::move(end_point)) {}

std::string ClientCheck::Offer() const {
  std::string offer;
  protocol::AppendSaslOffer(&offer, scram_.Mechanisms());
  return offer;
}

ClientCheck::Step ClientCheck::Response(std::string_view body) {
  switch (state_) {
    case State::choosing: {
      const auto response = protocol::DecodeSaslInitialResponse(body);
      if (!response.ok()) return Refuse(response.status());
      mechanism_ = std::string(response->mechanism);
      state_ = State::first;
      if (response->data.has_value()) return First(*response->data);
      Step step;
      protocol::AppendAuthentication(&step.to_client, AuthenticationKind::sasl_continue);
      return step;
    }
    case State::first:
      return First(body);
    case State::final:
      return Final(body);
    case State::done:
      break;
  }
  return Refuse(absl::InvalidArgumentError("unexpected SASL response"));
}

ClientCheck::Step ClientCheck::First(std::string_view message) {
  const absl::StatusOr<std::string> challenge = scram_.ClientFirst(mechanism_, message);
  if (!challenge.ok()) return Refuse(challenge.status());
  state_ = State::final;
  Step step;
  protocol::AppendAuthentication(&step.to_client, AuthenticationKind::sasl_continue, *challenge);
  return step;
}

ClientCheck::Step ClientCheck::Final(std::string_view message) {
  const absl::StatusOr<std::string> proof = scram_.ClientFinal(message);
  if (!proof.ok()) return Refuse(proof.status());
  state_ = State::done;
  Step step;
  step.next = Next::proved;
  protocol::AppendAuthentication(&step.to_client, AuthenticationKind::sasl_final, *proof);
  return step;
}

ClientCheck::Step ClientCheck::Refuse(const absl::Status& status) {
  state_ = State::done;
  Step step;
  step.next = Next::refused;
  switch (status.code()) {
    case absl::StatusCode::kUnauthenticated:
      step.failure = {sqlstate::kInvalidPassword,
                      StrCat("password authentication failed for user \"", user_, "\"")};
      break;
    case absl::StatusCode::kFailedPrecondition:
      step.failure = {sqlstate::kInvalidAuthorization, std::string(protocol::MessageOf(status))};
      break;
    case absl::StatusCode::kUnimplemented:
      step.failure = {sqlstate::kFeatureNotSupported, std::string(protocol::MessageOf(status))};
      break;
    default:
      step.failure = {sqlstate::kProtocolViolation, std::string(protocol::MessageOf(status))};
  }
  return step;
}

}  // namespace pgparity::proxy
