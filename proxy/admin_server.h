// The admin address: health checks, and the JSON API that `pgparity ctl` uses.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "proxy/admin_routes.h"

namespace pgparity::proxy {

// HTTP/1.1, one request a connection, at most 16 connections at a time; headers up to 8 KiB, bodies
// up to 64 KiB, 10 s to send a request. Sockets are served on a thread named "admin"; handlers of
// /api run on threads of their own, so that a slow drain holds up nothing else.
class AdminServer {
 public:
  // Listens once it returns. `address`: see ParseEndpoint; port 0 takes a free one. Refuses to
  // listen elsewhere than on loopback without a token.
  static absl::StatusOr<std::unique_ptr<AdminServer>> Start(const std::string& address,
                                                            const std::string& token,
                                                            AdminHandlers handlers);
  ~AdminServer();

  uint16_t port() const;
  // Ends connections, and waits for the handlers that run: their owner makes them return.
  void Stop();

 private:
  struct Impl;
  explicit AdminServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace pgparity::proxy
