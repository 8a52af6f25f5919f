#include "tests/support/delay_relay.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <random>

#include "protocol/check.h"

namespace pgparity::support {
namespace {

sockaddr_in Loopback(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

void NoDelay(int socket) {
  const int on = 1;
  setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

}  // namespace

DelayRelay::DelayRelay(int to, std::chrono::microseconds most, uint64_t seed)
    : to_(to), most_(most), seed_(seed) {
  listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = Loopback(0);
  PGPARITY_CHECK(bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0);
  PGPARITY_CHECK(listen(listener_, 128) == 0);
  socklen_t size = sizeof(address);
  getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
  port_ = ntohs(address.sin_port);
  accept_ = std::thread([this] { Accept(); });
}

DelayRelay::~DelayRelay() {
  stop_ = true;
  shutdown(listener_, SHUT_RDWR);
  accept_.join();
  close(listener_);
  for (int socket : sockets_) shutdown(socket, SHUT_RDWR);
  for (std::thread& pump : pumps_) pump.join();
  for (int socket : sockets_) close(socket);
}

void DelayRelay::Accept() {
  uint64_t number = 0;
  while (!stop_) {
    const int client = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (client < 0) continue;
    const int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const sockaddr_in address = Loopback(to_);
    if (connect(server, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
      close(server);
      close(client);
      continue;
    }
    NoDelay(client);
    NoDelay(server);
    const uint64_t seed = seed_ + 2 * number++;
    sockets_.push_back(client);
    sockets_.push_back(server);
    pumps_.emplace_back([this, client, server, seed] { Pump(client, server, seed); });
    pumps_.emplace_back([this, client, server, seed] { Pump(server, client, seed + 1); });
  }
}

void DelayRelay::Pump(int from, int to, uint64_t seed) {
  // The default slack of a sleep, 50 us, would blur the delays.
  prctl(PR_SET_TIMERSLACK, 1000UL);
  std::mt19937_64 random(seed);
  std::uniform_int_distribution<int64_t> delay(0, most_.count());
  std::array<char, 16384> buffer;
  while (true) {
    const ssize_t got = recv(from, buffer.data(), buffer.size(), 0);
    if (got <= 0) break;
    std::this_thread::sleep_for(std::chrono::microseconds(delay(random)));
    for (ssize_t sent = 0; sent < got;) {
      const ssize_t n =
          send(to, buffer.data() + sent, static_cast<size_t>(got - sent), MSG_NOSIGNAL);
      if (n <= 0) return;
      sent += n;
    }
  }
  shutdown(to, SHUT_WR);
}

}  // namespace pgparity::support
