// Certificates and keys read from files into an OpenSSL context. Errors are one line: what for,
// which file, why.
#pragma once

#include <openssl/types.h>

#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace pgparity::proxy {

// The protocol's name for ALPN, as OpenSSL wants it: its length before it.
inline constexpr unsigned char kAlpn[] = "\x0apostgresql";

// The file that `sslrootcert=system` stands for, for libraries that do not know it; "" for none.
std::string SystemRootFile();

struct TlsKeyFiles {
  std::string_view certificate_name, key_name;  // as the user knows them: "--tls-cert", "sslkey"
  std::string certificate, key;
  std::string passphrase;  // of the key
};

// Error: `name` and the file, if it cannot be read.
absl::Status CheckReadable(std::string_view name, const std::string& path);
// A certificate with its chain and its key, which must match.
absl::Status UseKeyFiles(SSL_CTX* context, const TlsKeyFiles& files);
// The certificates that a peer's must lead to.
absl::Status UseRootFile(SSL_CTX* context, std::string_view name, const std::string& path);

}  // namespace pgparity::proxy
