// Listening sockets: parses --listen addresses, binds them, accepts on one event loop.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "proxy/event_loop.h"
#include "proxy/transport.h"

namespace pgparity::proxy {

struct ListenAddress {
  std::string host;  // empty: every address of the machine
  uint16_t port = 0;
};
// "host:port", "[v6]:port", ":port", "*:port". Errors say what is wrong.
absl::StatusOr<ListenAddress> ParseListenAddress(std::string_view text);

class Listener final : public EventLoop::Handler {
 public:
  using Accepted = std::function<void(Transport)>;

  // One for each address that `text` stands for. Errors: no such host, in use, not permitted.
  static absl::StatusOr<std::vector<std::unique_ptr<Listener>>> Bind(std::string_view text);

  // Takes over a listening socket that was passed to this process (TakePassedSockets).
  static std::unique_ptr<Listener> Adopt(int fd);

  uint16_t port() const { return port_; }
  // Accepts from now on, on the loop's thread. The loop outlives this.
  absl::Status Watch(EventLoop* loop, Accepted accepted);
  // On the loop's thread: no further connection is taken.
  void Close();

  ~Listener() override { Close(); }
  void OnEvents(uint32_t events) override;

 private:
  Listener(Transport socket, uint16_t port) : socket_(std::move(socket)), port_(port) {}

  Transport socket_;
  uint16_t port_;
  EventLoop* loop_ = nullptr;
  Accepted accepted_;
  std::unique_ptr<EventLoop::Timer> resume_;  // after descriptors ran out
};

}  // namespace pgparity::proxy
