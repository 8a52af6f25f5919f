// Certificates made for tests with OpenSSL itself.
#pragma once

#include <string>
#include <vector>

namespace pgparity::support {

// A certificate and its key, each in a PEM file (0600).
struct KeyPair {
  std::string certificate, key;
};

struct CertificateOptions {
  std::string common_name = "localhost";
  // As openssl.cnf has them: "DNS:a", "IP:127.0.0.1".
  std::vector<std::string> alternative_names = {};
  std::string digest = "SHA256";
  std::string key_type = "EC";  // or RSA, ED25519 (signed without a digest of its own)
  bool expired = false;
};

// An authority of its own: files appear in `directory`, which the caller owns.
class TestCa {
 public:
  TestCa(std::string directory, std::string name);
  ~TestCa();
  TestCa(const TestCa&) = delete;
  TestCa& operator=(const TestCa&) = delete;

  const std::string& certificate() const { return files_.certificate; }
  // The files' names begin with `stem`.
  KeyPair Issue(const std::string& stem, const CertificateOptions& options) const;

 private:
  struct Impl;
  const std::string directory_;
  Impl* impl_;
  KeyPair files_;
};

}  // namespace pgparity::support
