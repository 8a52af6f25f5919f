#include "proxy/auth_primary.h"

#include <utility>
#include <variant>

#include "protocol/authentication.h"
#include "protocol/sqlstate.h"
#include "protocol/text.h"

namespace pgparity::proxy {
namespace {

namespace sqlstate = protocol::sqlstate;
using protocol::StrCat;
using protocol::backend::AuthenticationKind;

std::string_view EndPoint(const Channel& channel, BindingPolicy policy) {
  return channel.tls && policy != BindingPolicy::disable ? std::string_view(channel.end_point) : "";
}

}  // namespace

PrimaryLogin::PrimaryLogin(std::string_view user, CredentialPtr credential,
                           const protocol::ScramKeys& keys, const Channel& channel,
                           BindingPolicy policy, std::string nonce)
    : user_(user),
      credential_(std::move(credential)),
      keys_(keys),
      policy_(policy),
      client_(std::move(nonce), std::string(EndPoint(channel, policy)),
              !EndPoint(channel, policy).empty()) {}

PrimaryLogin::Step PrimaryLogin::Authentication(std::string_view body) {
  const auto decoded = protocol::DecodeBackend('R', body);
  if (!decoded.ok()) return Violation("sent a malformed authentication request");
  const auto& request = std::get<protocol::backend::Authentication>(*decoded);
  switch (request.kind) {
    case AuthenticationKind::ok:
      return Ok();
    case AuthenticationKind::cleartext_password:
    case AuthenticationKind::md5_password:
      return Password(request);
    case AuthenticationKind::sasl:
      return Sasl(request);
    case AuthenticationKind::sasl_continue:
      return Continue(request.data);
    case AuthenticationKind::sasl_final:
      return Final(request.data);
    default:
      return Refuse("the primary asks for GSSAPI, SSPI or Kerberos, which pgparity does not speak");
  }
}

PrimaryLogin::Step PrimaryLogin::Ok() {
  // Whoever could end the exchange half-way could stand in for the primary.
  if (scram_ == Scram::first || scram_ == Scram::final) {
    return Violation("ended the SCRAM exchange without proving that it knows the password");
  }
  if (policy_ == BindingPolicy::require && !(scram_ == Scram::proved && plus_)) {
    return Refuse("channel binding is required, and the primary did not use it");
  }
  return {Next::ok};
}

PrimaryLogin::Step PrimaryLogin::Password(const protocol::backend::Authentication& request) {
  const bool md5 = request.kind == AuthenticationKind::md5_password;
  if (scram_ != Scram::none) return Violation("asked for a second password");
  if (policy_ == BindingPolicy::require) {
    return Refuse("channel binding is required, and the primary asks for a password without it");
  }
  if (credential_->password().empty()) {
    return Refuse(
        StrCat("the primary asks for ", md5 ? "an MD5" : "a cleartext",
               " password, and pgparity has only the SCRAM verifier from ", credential_->source()),
        "Let pg_hba.conf ask for scram-sha-256 and give the role a SCRAM password, or use --auth "
        "pass.");
  }
  Step step;
  if (!md5) {
    protocol::AppendPassword(&step.to_primary, credential_->password());
    return step;
  }
  const auto answer = protocol::Md5Response(user_, credential_->password(), request.data);
  if (!answer.ok()) return Refuse("the primary asks for an MD5 password, which is disabled here");
  protocol::AppendPassword(&step.to_primary, *answer);
  return step;
}

PrimaryLogin::Step PrimaryLogin::Sasl(const protocol::backend::Authentication& offer) {
  if (scram_ != Scram::none) return Violation("asked for a second password");
  const std::string_view mechanism = client_.Choose(offer.mechanisms);
  if (mechanism.empty()) {
    return Refuse("the primary offers no SASL mechanism that pgparity speaks");
  }
  plus_ = mechanism == protocol::kScramSha256Plus;
  if (policy_ == BindingPolicy::require && !plus_) {
    return Refuse("channel binding is required, and cannot be used with this primary");
  }
  scram_ = Scram::first;
  Step step;
  protocol::AppendSaslInitialResponse(&step.to_primary, mechanism, client_.First());
  return step;
}

PrimaryLogin::Step PrimaryLogin::Continue(std::string_view message) {
  if (scram_ != Scram::first) return Violation("sent a SASL challenge out of its order");
  auto challenge = client_.ServerFirst(message);
  if (!challenge.ok()) {
    return Violation(StrCat("sent a bad challenge: ", protocol::MessageOf(challenge.status())));
  }
  scram_ = Scram::final;
  salt_ = std::move(challenge->salt);
  iterations_ = challenge->iterations;
  const protocol::ScramVerifier& verifier = credential_->verifier();
  if (verifier.salt == salt_ && verifier.iterations == iterations_) return Derived(keys_);
  if (credential_->password().empty()) {
    return Refuse(StrCat("its SCRAM verifier on the primary has another salt or iteration count "
                         "than the one from ",
                         credential_->source()),
                  StrCat("Put the verifier that the primary has (pg_authid.rolpassword) into ",
                         credential_->source(), "."));
  }
  if (const auto keys = credential_->Derived(salt_, iterations_)) return Derived(*keys);
  return {Next::derive};
}

PrimaryLogin::Step PrimaryLogin::Derived(const protocol::ScramKeys& keys) {
  Step step;
  protocol::AppendSaslResponse(&step.to_primary, client_.Final(keys));
  return step;
}

PrimaryLogin::Step PrimaryLogin::Final(std::string_view message) {
  if (scram_ != Scram::final) return Violation("sent a SASL outcome out of its order");
  const absl::Status status = client_.ServerFinal(message);
  if (!status.ok()) {
    return Violation(
        StrCat("did not prove that it knows the password: ", protocol::MessageOf(status)));
  }
  scram_ = Scram::proved;
  return {};
}

PrimaryLogin::Step PrimaryLogin::Refuse(std::string_view why, std::string_view hint) const {
  return {Next::fail,
          "",
          {sqlstate::kInvalidAuthorization,
           StrCat("pgparity cannot log in to the primary as \"", user_, "\": ", why),
           std::string(hint)}};
}

PrimaryLogin::Step PrimaryLogin::Violation(std::string_view what) const {
  return {
      Next::fail, "", {sqlstate::kProtocolViolation, StrCat("the primary ", what), std::string()}};
}

}  // namespace pgparity::proxy
