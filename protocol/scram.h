// SCRAM-SHA-256 and SCRAM-SHA-256-PLUS, both sides, without I/O (RFC 5802, RFC 7677; channel
// binding tls-server-end-point of RFC 5929), as PostgreSQL speaks them (auth-scram.c,
// fe-auth-scram.c).
//
// Errors of the exchanges, by what a server answers to them:
//   InvalidArgument     malformed or out of order             08P01
//   Unauthenticated     the proof or the signature is wrong   28P01
//   FailedPrecondition  channel binding does not hold         28000
//   Unimplemented       an extension that nobody here knows   0A000
// None quotes a message.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "protocol/digest.h"

namespace pgparity::protocol {

inline constexpr std::string_view kScramSha256 = "SCRAM-SHA-256";
inline constexpr std::string_view kScramSha256Plus = "SCRAM-SHA-256-PLUS";
// What PostgreSQL makes verifiers with.
inline constexpr int kScramIterations = 4096;
inline constexpr size_t kScramSaltSize = 16;
// More iterations than these are refused: some seconds of computing.
inline constexpr int kMaxScramIterations = 10'000'000;
inline constexpr size_t kMaxScramSalt = 1024;

// What logs in, and what proves the server: as good as the password, for a role whose verifier has
// the salt and iterations that they were derived with. Overwritten when they go.
struct ScramKeys {
  Sha256Bytes client{}, server{};

  ScramKeys() = default;
  ScramKeys(const ScramKeys&) = default;
  ScramKeys& operator=(const ScramKeys&) = default;
  ~ScramKeys();
};
// Slow: see Pbkdf2Sha256. The password is prepared already (CheckSaslPrepared).
ScramKeys DeriveScramKeys(std::string_view password, std::string_view salt, int iterations);

// What a server keeps of a password: pg_authid.rolpassword.
struct ScramVerifier {
  int iterations = kScramIterations;
  std::string salt;  // bytes
  Sha256Bytes stored_key{}, server_key{};

  // "SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>", base64. Error: InvalidArgument,
  // which does not quote it.
  static absl::StatusOr<ScramVerifier> Parse(std::string_view text);
  static ScramVerifier FromKeys(const ScramKeys& keys, std::string_view salt, int iterations);
  std::string ToString() const;

  friend bool operator==(const ScramVerifier&, const ScramVerifier&) = default;
};

// --- the messages ---

// What the client says of channel binding (RFC 5802, gs2-cbind-flag).
enum class ChannelBinding : char {
  none = 'n',         // it does not know it
  unsupported = 'y',  // it knows it, and thinks that the server does not
  used = 'p',
};
struct ScramClientFirst {
  ChannelBinding binding = ChannelBinding::none;
  std::string_view binding_name;  // used
  std::string_view gs2_header;    // "n,,"
  std::string_view bare;          // what follows it
  std::string_view nonce;
};
struct ScramServerFirst {
  std::string_view nonce;
  std::string salt;  // bytes
  int iterations = 0;
};
struct ScramClientFinal {
  std::string_view without_proof;
  std::string binding;  // bytes: gs2 header and channel's data
  std::string_view nonce;
  Sha256Bytes proof{};
};
// Views point into the message.
absl::StatusOr<ScramClientFirst> DecodeScramClientFirst(std::string_view message);
absl::StatusOr<ScramServerFirst> DecodeScramServerFirst(std::string_view message);
absl::StatusOr<ScramClientFinal> DecodeScramClientFinal(std::string_view message);
// The server's signature. Error: Unauthenticated where the server says that it failed.
absl::StatusOr<Sha256Bytes> DecodeScramServerFinal(std::string_view message);

// --- the sides ---

// One login as the server sees it.
class ScramServer {
 public:
  // `nonce`: printable, without commas, never used before. `end_point`: of the certificate that
  // this client was shown, "" without TLS: then -PLUS is not offered. A mock verifier takes part as
  // any other and makes the login fail at its end: after the same computations, with the same
  // error.
  ScramServer(ScramVerifier verifier, bool mock, std::string nonce, std::string end_point);

  // What to offer, the best first.
  std::vector<std::string_view> Mechanisms() const;
  // The client's first message by the mechanism that it chose -> the server's first.
  absl::StatusOr<std::string> ClientFirst(std::string_view mechanism, std::string_view message);
  // The client's final message -> the server's final; the client is who it says.
  absl::StatusOr<std::string> ClientFinal(std::string_view message);

  // Once ClientFinal() was good: the keys of the verifier, ClientKey recovered from the proof.
  const ScramKeys& keys() const { return keys_; }

 private:
  enum class State : uint8_t { first, final, done };

  absl::Status CheckBinding(std::string_view mechanism, const ScramClientFirst& first) const;

  const ScramVerifier verifier_;
  const bool mock_;
  const std::string nonce_, end_point_;
  State state_ = State::first;
  std::string messages_;  // client-first-bare,server-first
  std::string expected_;  // what the final message must bind to
  std::string whole_nonce_;
  bool plus_ = false;
  ScramKeys keys_;
};

// One login as the client sees it.
class ScramClient {
 public:
  // `end_point` as above, of the server's certificate; "" where channel binding cannot be used.
  // binding_known: this client would use it, so that a server that does not offer it is told 'y'.
  ScramClient(std::string nonce, std::string end_point, bool binding_known);

  // The mechanism to use; "" when none of those offered is known.
  std::string_view Choose(const std::vector<std::string_view>& offered);
  // Behind Choose().
  std::string First();
  absl::StatusOr<ScramServerFirst> ServerFirst(std::string_view message);
  // Behind ServerFirst(): with the keys for its salt and iterations.
  std::string Final(const ScramKeys& keys);
  // OK: the server has the verifier too.
  absl::Status ServerFinal(std::string_view message);

 private:
  enum class State : uint8_t { choosing, first, challenged, final, done };

  const std::string nonce_, end_point_;
  const bool binding_known_;
  State state_ = State::choosing;
  bool plus_ = false;
  std::string gs2_header_;
  std::string messages_;  // client-first-bare[,server-first[,client-final-without-proof]]
  std::string whole_nonce_;
  Sha256Bytes server_key_{};
};

}  // namespace pgparity::protocol
