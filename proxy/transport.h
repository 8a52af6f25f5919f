// Bytes to and from one peer: a socket today; a TLS stream over it takes this class's place.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace pgparity::proxy {

struct IoResult {
  enum class Kind : uint8_t { ok, would_block, end, error };
  Kind kind = Kind::ok;
  size_t bytes = 0;
  // Of a receive: nothing more is there for now, a further one would say would_block.
  bool drained = false;
  int error = 0;  // errno
};

// Owns a non-blocking socket. Not thread-safe.
class Transport {
 public:
  Transport() = default;
  explicit Transport(int fd) : fd_(fd) {}
  ~Transport() { Close(); }
  Transport(Transport&& other) noexcept;
  Transport& operator=(Transport&& other) noexcept;

  IoResult Receive(char* buffer, size_t size);
  IoResult Send(std::string_view bytes);
  void ShutdownWrite();
  void Close();
  bool open() const { return fd_ >= 0; }
  int fd() const { return fd_; }
  // The error of a connect under way, 0 for none.
  int ConnectError() const;

 private:
  int fd_ = -1;
};

// Sets what every connection of ours has: no delay for TCP, and keepalive so that a peer that is
// gone is found out within about two minutes. Harmless on Unix sockets.
void TuneSocket(int fd);

}  // namespace pgparity::proxy
