// Both ends of a login that the proxy checks, played by the test.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "protocol/authentication.h"
#include "protocol/backend.h"
#include "protocol/scram.h"
#include "protocol/wire.h"
#include "proxy/auth_login.h"

namespace pgparity::proxy {

inline std::string Frame(char tag, std::string_view body = {}) {
  std::string message;
  protocol::AppendMessage(&message, tag, body);
  return message;
}
inline std::string AuthenticationOk() { return Frame('R', std::string(4, '\0')); }
inline std::string LoginTail() {
  return Frame('S', std::string("a\0b\0", 4)) + Frame('K', std::string("\0\0\0\7key!", 8)) +
         Frame('Z', "I");
}

// A credential of few iterations: tests derive it often.
inline CredentialPtr TestCredential(std::string_view password, bool keep_password = true,
                                    std::string_view salt = "salty", int iterations = 2) {
  const protocol::ScramKeys keys = protocol::DeriveScramKeys(password, salt, iterations);
  return std::make_shared<const Credential>(
      protocol::ScramVerifier::FromKeys(keys, salt, iterations), keep_password ? password : "",
      "--auth-file");
}

class MapSource final : public CredentialSource {
 public:
  void Find(const std::string& user, Found found) override {
    if (later) {
      waiting = std::move(found);
      return;
    }
    found(Answer(user));
  }
  CredentialAnswer Answer(const std::string& user) const {
    if (kind != CredentialAnswer::Kind::found) return {kind};
    const auto at = users.find(user);
    if (at == users.end()) return {};
    return {CredentialAnswer::Kind::found, at->second};
  }
  std::map<std::string, CredentialPtr> users;
  CredentialAnswer::Kind kind = CredentialAnswer::Kind::found;
  bool later = false;
  Found waiting;
};

// What was said in an 'R' message at the head of `bytes`, which is taken off.
struct Said {
  protocol::backend::AuthenticationKind kind{};
  std::string data;
  std::vector<std::string> mechanisms;
};
inline Said TakeAuthentication(std::string* bytes) {
  Said said;
  const auto frame = ReadLoginFrame(*bytes, 1 << 20);
  EXPECT_TRUE(frame.has_value() && frame->whole && frame->tag == 'R') << *bytes;
  if (!frame.has_value() || !frame->whole || frame->tag != 'R') return said;
  const auto decoded = protocol::DecodeBackend('R', frame->body);
  EXPECT_TRUE(decoded.ok());
  const auto& message = std::get<protocol::backend::Authentication>(*decoded);
  said.kind = message.kind;
  said.data = std::string(message.data);
  said.mechanisms.assign(message.mechanisms.begin(), message.mechanisms.end());
  bytes->erase(0, frame->wire_length);
  return said;
}
inline std::string TakePassword(std::string* bytes) {
  const auto frame = ReadLoginFrame(*bytes, 1 << 20);
  EXPECT_TRUE(frame.has_value() && frame->whole && frame->tag == 'p') << *bytes;
  if (!frame.has_value() || !frame->whole) return "";
  std::string body(frame->body);
  bytes->erase(0, frame->wire_length);
  return body;
}

// A client that knows a password.
class TestClient {
 public:
  explicit TestClient(std::string password, std::string end_point = "")
      : password_(std::move(password)), scram_("client-nonce", end_point, !end_point.empty()) {}

  std::string First(const Said& offer) {
    const std::vector<std::string_view> mechanisms(offer.mechanisms.begin(),
                                                   offer.mechanisms.end());
    mechanism = std::string(scram_.Choose(mechanisms));
    std::string bytes;
    protocol::AppendSaslInitialResponse(&bytes, mechanism, scram_.First());
    return bytes;
  }
  std::string Final(const Said& challenge) {
    const auto first = scram_.ServerFirst(challenge.data);
    EXPECT_TRUE(first.ok()) << first.status();
    std::string bytes;
    protocol::AppendSaslResponse(
        &bytes, scram_.Final(protocol::DeriveScramKeys(password_, first->salt, first->iterations)));
    return bytes;
  }
  bool Trusts(const Said& final) { return scram_.ServerFinal(final.data).ok(); }
  std::string mechanism;

 private:
  const std::string password_;
  protocol::ScramClient scram_;
};

// A primary that asks for SCRAM.
class TestScramPrimary {
 public:
  explicit TestScramPrimary(protocol::ScramVerifier verifier, std::string end_point = "")
      : scram_(std::move(verifier), false, "primary-nonce", std::move(end_point)) {}

  std::string Offer() const {
    std::string bytes;
    protocol::AppendSaslOffer(&bytes, scram_.Mechanisms());
    return bytes;
  }
  std::string First(std::string_view body) {
    const auto response = protocol::DecodeSaslInitialResponse(body);
    EXPECT_TRUE(response.ok());
    mechanism = std::string(response->mechanism);
    return Answer(protocol::backend::AuthenticationKind::sasl_continue,
                  scram_.ClientFirst(response->mechanism, *response->data));
  }
  std::string Final(std::string_view body) {
    return Answer(protocol::backend::AuthenticationKind::sasl_final, scram_.ClientFinal(body));
  }
  std::string mechanism;

 private:
  static std::string Answer(protocol::backend::AuthenticationKind kind,
                            const absl::StatusOr<std::string>& data) {
    EXPECT_TRUE(data.ok()) << data.status();
    std::string bytes;
    protocol::AppendAuthentication(&bytes, kind, data.ok() ? *data : "");
    return bytes;
  }
  protocol::ScramServer scram_;
};

}  // namespace pgparity::proxy
