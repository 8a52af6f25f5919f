#include "protocol/scram.h"

#include <algorithm>

#include "protocol/check.h"
#include "protocol/text.h"

namespace pgparity::protocol {
namespace {

constexpr std::string_view kEndPointHeader = "p=tls-server-end-point,,";

Sha256Bytes Xor(const Sha256Bytes& a, const Sha256Bytes& b) {
  Sha256Bytes out;
  for (size_t i = 0; i < out.size(); ++i) out[i] = static_cast<char>(a[i] ^ b[i]);
  return out;
}

absl::Status OutOfOrder() { return absl::InvalidArgumentError("a SCRAM message out of its order"); }

}  // namespace

ScramKeys::~ScramKeys() {
  Wipe(client.data(), client.size());
  Wipe(server.data(), server.size());
}

ScramKeys DeriveScramKeys(std::string_view password, std::string_view salt, int iterations) {
  Sha256Bytes salted = Pbkdf2Sha256(password, salt, iterations);
  ScramKeys keys;
  keys.client = HmacSha256(ViewOf(salted), "Client Key");
  keys.server = HmacSha256(ViewOf(salted), "Server Key");
  Wipe(salted.data(), salted.size());
  return keys;
}

ScramVerifier ScramVerifier::FromKeys(const ScramKeys& keys, std::string_view salt,
                                      int iterations) {
  return {iterations, std::string(salt), Sha256(ViewOf(keys.client)), keys.server};
}

ScramServer::ScramServer(ScramVerifier verifier, bool mock, std::string nonce,
                         std::string end_point)
    : verifier_(std::move(verifier)),
      mock_(mock),
      nonce_(std::move(nonce)),
      end_point_(std::move(end_point)) {}

std::vector<std::string_view> ScramServer::Mechanisms() const {
  if (end_point_.empty()) return {kScramSha256};
  return {kScramSha256Plus, kScramSha256};
}

absl::Status ScramServer::CheckBinding(std::string_view mechanism,
                                       const ScramClientFirst& first) const {
  const bool plus = mechanism == kScramSha256Plus;
  if (plus != (first.binding == ChannelBinding::used)) {
    return absl::InvalidArgumentError(
        plus ? "malformed SCRAM message: SCRAM-SHA-256-PLUS without channel binding data"
             : "malformed SCRAM message: SCRAM-SHA-256 with channel binding data");
  }
  if (plus && first.binding_name != "tls-server-end-point") {
    return absl::InvalidArgumentError("unsupported SCRAM channel-binding type");
  }
  // Somebody in the middle has taken -PLUS out of the offer.
  if (first.binding == ChannelBinding::unsupported && !end_point_.empty()) {
    return absl::FailedPreconditionError(
        "SCRAM channel binding negotiation error: the client thinks that the server does not "
        "support channel binding, but it does");
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> ScramServer::ClientFirst(std::string_view mechanism,
                                                     std::string_view message) {
  if (state_ != State::first) return OutOfOrder();
  const std::vector<std::string_view> offered = Mechanisms();
  if (std::find(offered.begin(), offered.end(), mechanism) == offered.end()) {
    return absl::InvalidArgumentError("client selected an invalid SASL authentication mechanism");
  }
  const absl::StatusOr<ScramClientFirst> first = DecodeScramClientFirst(message);
  if (!first.ok()) return first.status();
  if (absl::Status status = CheckBinding(mechanism, *first); !status.ok()) return status;
  plus_ = first->binding == ChannelBinding::used;
  expected_ = StrCat(first->gs2_header, plus_ ? end_point_ : "");
  whole_nonce_ = StrCat(first->nonce, nonce_);
  std::string answer =
      StrCat("r=", whole_nonce_, ",s=", Base64Encode(verifier_.salt), ",i=", verifier_.iterations);
  messages_ = StrCat(first->bare, ",", answer);
  state_ = State::final;
  return answer;
}

absl::StatusOr<std::string> ScramServer::ClientFinal(std::string_view message) {
  if (state_ != State::final) return OutOfOrder();
  state_ = State::done;
  const absl::StatusOr<ScramClientFinal> final = DecodeScramClientFinal(message);
  if (!final.ok()) return final.status();
  if (final->binding != expected_) {
    if (plus_) return absl::FailedPreconditionError("SCRAM channel binding check failed");
    return absl::InvalidArgumentError(
        "unexpected SCRAM channel-binding attribute in client-final-message");
  }
  if (final->nonce != whole_nonce_) {
    return absl::InvalidArgumentError("invalid SCRAM response: nonce does not match");
  }
  const std::string authenticated = StrCat(messages_, ",", final->without_proof);
  keys_.client = Xor(final->proof, HmacSha256(ViewOf(verifier_.stored_key), authenticated));
  const Sha256Bytes stored = Sha256(ViewOf(keys_.client));
  const bool proved = ConstantTimeEqual(ViewOf(stored), ViewOf(verifier_.stored_key));
  const Sha256Bytes signature = HmacSha256(ViewOf(verifier_.server_key), authenticated);
  if (!proved || mock_) {
    keys_ = ScramKeys();
    return absl::UnauthenticatedError("password authentication failed");
  }
  keys_.server = verifier_.server_key;
  return StrCat("v=", Base64Encode(ViewOf(signature)));
}

ScramClient::ScramClient(std::string nonce, std::string end_point, bool binding_known)
    : nonce_(std::move(nonce)), end_point_(std::move(end_point)), binding_known_(binding_known) {}

std::string_view ScramClient::Choose(const std::vector<std::string_view>& offered) {
  PGPARITY_CHECK(state_ == State::choosing);
  const auto has = [&offered](std::string_view mechanism) {
    return std::find(offered.begin(), offered.end(), mechanism) != offered.end();
  };
  plus_ = !end_point_.empty() && has(kScramSha256Plus);
  if (!plus_ && !has(kScramSha256)) return "";
  gs2_header_ = plus_ ? kEndPointHeader : binding_known_ ? "y,," : "n,,";
  state_ = State::first;
  return plus_ ? kScramSha256Plus : kScramSha256;
}

std::string ScramClient::First() {
  PGPARITY_CHECK(state_ == State::first);
  messages_ = StrCat("n=,r=", nonce_);
  return StrCat(gs2_header_, messages_);
}

absl::StatusOr<ScramServerFirst> ScramClient::ServerFirst(std::string_view message) {
  if (state_ != State::first || messages_.empty()) return OutOfOrder();
  absl::StatusOr<ScramServerFirst> first = DecodeScramServerFirst(message);
  if (!first.ok()) return first.status();
  if (first->nonce.size() <= nonce_.size() || first->nonce.substr(0, nonce_.size()) != nonce_) {
    return absl::InvalidArgumentError("invalid SCRAM response: nonce mismatch");
  }
  whole_nonce_ = std::string(first->nonce);
  messages_ += StrCat(",", message);
  state_ = State::challenged;
  return first;
}

std::string ScramClient::Final(const ScramKeys& keys) {
  PGPARITY_CHECK(state_ == State::challenged);
  const std::string binding = StrCat(gs2_header_, plus_ ? end_point_ : "");
  const std::string without_proof = StrCat("c=", Base64Encode(binding), ",r=", whole_nonce_);
  messages_ += StrCat(",", without_proof);
  const Sha256Bytes stored = Sha256(ViewOf(keys.client));
  const Sha256Bytes proof = Xor(keys.client, HmacSha256(ViewOf(stored), messages_));
  server_key_ = keys.server;
  state_ = State::final;
  return StrCat(without_proof, ",p=", Base64Encode(ViewOf(proof)));
}

absl::Status ScramClient::ServerFinal(std::string_view message) {
  if (state_ != State::final) return OutOfOrder();
  state_ = State::done;
  const absl::StatusOr<Sha256Bytes> signature = DecodeScramServerFinal(message);
  if (!signature.ok()) return signature.status();
  const Sha256Bytes expected = HmacSha256(ViewOf(server_key_), messages_);
  Wipe(server_key_.data(), server_key_.size());
  if (!ConstantTimeEqual(ViewOf(*signature), ViewOf(expected))) {
    return absl::UnauthenticatedError("incorrect server signature");
  }
  return absl::OkStatus();
}

}  // namespace pgparity::protocol
