// TLS towards clients: the proxy's certificate and key, and what clients must present.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "compare/mutex.h"
#include "proxy/tls_stream.h"

namespace pgparity::proxy {

struct TlsServerOptions {
  std::string certificate, key;  // PEM files; the certificate's may hold the chain behind it
  std::string client_ca;         // PEM; empty: clients need no certificate
  // Where none is given, a self-signed one is kept in this file.
  std::string self_signed;
};

// Immutable: thread-safe.
class TlsServer {
 public:
  // Reads the files. Errors are one line that names the option and the file.
  static absl::StatusOr<std::shared_ptr<const TlsServer>> Load(const TlsServerOptions& options);

  // The server's end on an accepted socket; see TlsStream::Make.
  std::unique_ptr<TlsStream> Accept(int fd, std::string received) const;
  // For the channel binding that clients may ask for: see EndPointHash. The view lives as long as
  // this.
  std::string_view end_point_hash() const { return end_point_hash_; }
  bool self_signed() const { return self_signed_; }

 private:
  TlsServer() = default;
  SslContext context_;
  std::string end_point_hash_;
  bool self_signed_ = false;
};

// The TLS that the next connection is taken with: replaced while connections taken with the one
// before go on. Thread-safe.
class TlsServerSlot {
 public:
  // Null: no TLS.
  void Set(std::shared_ptr<const TlsServer> server) {
    MutexLock lock(&mutex_);
    server_ = std::move(server);
  }
  std::shared_ptr<const TlsServer> Get() const {
    MutexLock lock(&mutex_);
    return server_;
  }

 private:
  mutable Mutex mutex_;
  std::shared_ptr<const TlsServer> server_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace pgparity::proxy
