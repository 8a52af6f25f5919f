// TLS towards the primary, as libpq does it: from the same parameters, with the same meaning.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "proxy/tls_stream.h"
#include "proxy/url.h"

namespace pgparity::proxy {

// PostgreSQL manual, "SSL Mode Descriptions".
enum class SslMode : uint8_t { disable, allow, prefer, require, verify_ca, verify_full };

struct TlsClientOptions {
  SslMode mode = SslMode::prefer;
  bool direct = false;  // the handshake comes first, no SSLRequest
  bool sni = true;
  std::string host;  // whose certificate is expected
  std::string root;  // PEM file; "system": the system's; empty: the server's is not checked
  std::string certificate, key, key_password;  // of ours; empty: none
  std::string crl, crl_dir;
  int least_version = 0, most_version = 0;  // as OpenSSL numbers them; 0: TLS 1.2, the highest
};

// From the URL's parameters: sslmode, sslnegotiation, sslrootcert, sslcert, sslkey, sslpassword,
// sslcrl, sslcrldir, sslsni, ssl_min_protocol_version, ssl_max_protocol_version. Where it names no
// files, those in ~/.postgresql, if they are there. A Unix socket has no TLS. Errors name the
// parameter.
absl::StatusOr<TlsClientOptions> TlsClientOptionsOf(const DatabaseUrl& url);

// Immutable: thread-safe.
class TlsClient {
 public:
  // Reads the files. Null for SslMode::disable.
  static absl::StatusOr<std::shared_ptr<const TlsClient>> Create(const TlsClientOptions& options);

  SslMode mode() const { return options_.mode; }
  bool direct() const { return options_.direct; }
  // The client's end on a connected socket; null when memory ran out.
  std::unique_ptr<TlsStream> Connect(int fd) const;
  // After the handshake, which has checked the certificate's chain if that is to be: its name, and
  // the protocol agreed on.
  absl::Status Check(const TlsStream& stream) const;

 private:
  explicit TlsClient(TlsClientOptions options) : options_(std::move(options)) {}
  absl::Status Configure();
  absl::Status UseRoots();
  absl::Status UseRevocationLists();

  const TlsClientOptions options_;
  SslContext context_;
};

}  // namespace pgparity::proxy
