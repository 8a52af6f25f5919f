#include "protocol/digest.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>

#include "absl/strings/escaping.h"
#include "protocol/check.h"
#include "protocol/text.h"

namespace pgparity::protocol {
namespace {

thread_local DigestCount digest_count;

const unsigned char* Unsigned(std::string_view bytes) {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}
unsigned char* Unsigned(Sha256Bytes* bytes) {
  return reinterpret_cast<unsigned char*>(bytes->data());
}

}  // namespace

Sha256Bytes Sha256(std::string_view bytes) {
  ++digest_count.hashes;
  Sha256Bytes digest;
  SHA256(Unsigned(bytes), bytes.size(), Unsigned(&digest));
  return digest;
}

Sha256Bytes HmacSha256(std::string_view key, std::string_view bytes) {
  ++digest_count.hmacs;
  Sha256Bytes digest;
  unsigned int size = 0;
  const unsigned char* made = HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
                                   Unsigned(bytes), bytes.size(), Unsigned(&digest), &size);
  PGPARITY_CHECK(made != nullptr && size == kSha256Size);
  return digest;
}

Sha256Bytes Pbkdf2Sha256(std::string_view password, std::string_view salt, int iterations) {
  ++digest_count.derivations;
  Sha256Bytes derived;
  const int ok = PKCS5_PBKDF2_HMAC(password.data(), static_cast<int>(password.size()),
                                   Unsigned(salt), static_cast<int>(salt.size()), iterations,
                                   EVP_sha256(), kSha256Size, Unsigned(&derived));
  PGPARITY_CHECK(ok == 1);
  return derived;
}

absl::StatusOr<std::string> Md5Hex(std::string_view bytes) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  if (EVP_Digest(bytes.data(), bytes.size(), digest, &size, EVP_md5(), nullptr) != 1) {
    return absl::UnimplementedError("MD5 is not available here");
  }
  return absl::BytesToHexString(absl::string_view(reinterpret_cast<char*>(digest), size));
}

std::string Base64Encode(std::string_view bytes) { return absl::Base64Escape(ToAbsl(bytes)); }

absl::StatusOr<std::string> Base64Decode(std::string_view text) {
  std::string bytes;
  // Abseil lets white space and missing padding pass.
  if (!absl::Base64Unescape(ToAbsl(text), &bytes) || Base64Encode(bytes) != text) {
    return absl::InvalidArgumentError("malformed base64");
  }
  return bytes;
}

bool ConstantTimeEqual(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

void Wipe(void* bytes, size_t size) { OPENSSL_cleanse(bytes, size); }

void Wipe(std::string* text) {
  OPENSSL_cleanse(text->data(), text->size());
  text->clear();
}

DigestCount DigestsOnThisThread() { return digest_count; }

}  // namespace pgparity::protocol
