// Digests, and what goes with secrets: comparing them in a time that tells nothing, and overwriting
// them when they are done with.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/statusor.h"

namespace pgparity::protocol {

inline constexpr size_t kSha256Size = 32;
using Sha256Bytes = std::array<char, kSha256Size>;

inline std::string_view ViewOf(const Sha256Bytes& bytes) { return {bytes.data(), bytes.size()}; }

Sha256Bytes Sha256(std::string_view bytes);
Sha256Bytes HmacSha256(std::string_view key, std::string_view bytes);
// PBKDF2 with HMAC-SHA-256 and one block (RFC 5802: Hi). Takes about 0.3 us an iteration: not for a
// forwarding thread.
Sha256Bytes Pbkdf2Sha256(std::string_view password, std::string_view salt, int iterations);
// Lower-case hexadecimal. Error: the OpenSSL in use has no MD5 (FIPS).
absl::StatusOr<std::string> Md5Hex(std::string_view bytes);

std::string Base64Encode(std::string_view bytes);
// Strict: no white space, padding as RFC 4648 wants it. Error: InvalidArgument.
absl::StatusOr<std::string> Base64Decode(std::string_view text);

// Takes the same time wherever the two differ. Their sizes are no secret.
bool ConstantTimeEqual(std::string_view a, std::string_view b);

// Overwrites the bytes in a way that the compiler keeps.
void Wipe(void* bytes, size_t size);
void Wipe(std::string* text);

// How often this thread has computed SHA-256 and HMAC (an iteration of PBKDF2 not counted): by it
// tests hold that two logins cost the same.
struct DigestCount {
  uint64_t hashes = 0, hmacs = 0, derivations = 0;
  friend bool operator==(const DigestCount&, const DigestCount&) = default;
};
DigestCount DigestsOnThisThread();

// A text that is overwritten when it goes.
class Secret {
 public:
  Secret() = default;
  explicit Secret(std::string_view text) : text_(text) {}
  ~Secret() { Wipe(&text_); }
  Secret(const Secret& other) : text_(other.text_) {}
  Secret& operator=(const Secret& other) {
    if (this != &other) {
      Wipe(&text_);
      text_ = other.text_;
    }
    return *this;
  }

  std::string_view view() const { return text_; }
  bool empty() const { return text_.empty(); }

 private:
  std::string text_;
};

}  // namespace pgparity::protocol
