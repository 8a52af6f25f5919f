#include "tests/support/wire_recorder.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>

#include "protocol/wire.h"

namespace pgparity::support {

namespace {

sockaddr_in Loopback(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

int ConnectTo(int port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = Loopback(port);
  if (connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) {
    std::perror("connect");
    std::abort();
  }
  return fd;
}

void NoDelay(int fd) {
  const int one = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
}

// Forwards one read; false at the end of the stream.
bool Pass(int from, int to, Direction direction, Recording* recording) {
  std::array<char, 16384> buffer;
  const ssize_t n = recv(from, buffer.data(), buffer.size(), 0);
  if (n <= 0) return false;
  recording->push_back({direction, std::string(buffer.data(), static_cast<size_t>(n))});
  ssize_t sent = 0;
  while (sent < n) {
    const ssize_t m = send(to, buffer.data() + sent, static_cast<size_t>(n - sent), MSG_NOSIGNAL);
    if (m <= 0) return false;
    sent += m;
  }
  return true;
}

}  // namespace

WireRecorder::WireRecorder(int server_port) : server_port_(server_port) {
  listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = Loopback(0);
  socklen_t length = sizeof(address);
  if (bind(listener_, reinterpret_cast<sockaddr*>(&address), length) != 0 ||
      listen(listener_, 64) != 0 ||
      getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &length) != 0 ||
      pipe(stop_) != 0) {
    std::perror("WireRecorder");
    std::abort();
  }
  port_ = ntohs(address.sin_port);
  acceptor_ = std::thread([this] { Accept(); });
}

WireRecorder::~WireRecorder() {
  Finish();
  close(stop_[0]);
  close(stop_[1]);
}

void WireRecorder::Accept() {
  for (;;) {
    std::array<pollfd, 2> entries = {pollfd{listener_, POLLIN, 0}, pollfd{stop_[0], POLLIN, 0}};
    poll(entries.data(), entries.size(), -1);
    // Connections that are already there come first, so that Finish() misses none.
    if ((entries[0].revents & POLLIN) != 0) {
      const int client = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      if (client < 0) continue;
      const std::lock_guard lock(mutex_);
      auto* recording = recordings_.emplace_back(new Recording);
      sessions_.emplace_back([this, client, recording] { Forward(client, recording); });
      continue;
    }
    if (entries[1].revents != 0) return;
  }
}

void WireRecorder::Forward(int client, Recording* recording) {
  const int server = ConnectTo(server_port_);
  NoDelay(client);
  NoDelay(server);
  bool client_open = true;
  for (;;) {
    std::array<pollfd, 2> entries = {pollfd{server, POLLIN, 0},
                                     pollfd{client_open ? client : -1, POLLIN, 0}};
    poll(entries.data(), entries.size(), -1);
    if (entries[0].revents != 0 && !Pass(server, client, Direction::server, recording)) break;
    if (entries[1].revents != 0 && !Pass(client, server, Direction::client, recording)) {
      client_open = false;
      shutdown(server, SHUT_WR);
    }
  }
  close(server);
  close(client);
}

std::vector<Recording> WireRecorder::Finish() {
  if (acceptor_.joinable()) {
    if (write(stop_[1], "x", 1) != 1) std::abort();
    acceptor_.join();
    close(listener_);
  }
  std::vector<Recording> finished;
  for (std::thread& session : sessions_) session.join();
  sessions_.clear();
  for (Recording* recording : recordings_) {
    finished.push_back(std::move(*recording));
    delete recording;
  }
  recordings_.clear();
  return finished;
}

namespace {

uint32_t Length(std::string_view bytes) { return protocol::WireReader(bytes).ReadUint32(); }

}  // namespace

std::vector<WireMessage> Messages(const Recording& recording, Direction from) {
  std::string stream;
  for (const Piece& piece : recording) {
    if (piece.from == from) stream += piece.bytes;
  }
  std::string_view rest = stream;
  // A startup packet begins with its length, whose first byte is 0.
  if (!rest.empty() && rest[0] == '\0') rest.remove_prefix(Length(rest));
  std::vector<WireMessage> messages;
  while (rest.size() >= 5) {
    const size_t length = Length(rest.substr(1));
    if (rest.size() < length + 1) break;
    messages.push_back({rest[0], std::string(rest.substr(5, length - 4))});
    rest.remove_prefix(length + 1);
  }
  return messages;
}

Recording AfterLogin(const Recording& recording) {
  std::string login;
  size_t index = 0;
  for (; index < recording.size(); ++index) {
    if (recording[index].from != Direction::server) continue;
    login += recording[index].bytes;
    size_t at = 0;
    while (login.size() >= at + 5) {
      const size_t next = at + 1 + Length(std::string_view(login).substr(at + 1));
      if (login.size() < next) break;
      if (login[at] != 'Z') {
        at = next;
        continue;
      }
      Recording rest;
      if (login.size() > next) rest.push_back({Direction::server, login.substr(next)});
      rest.insert(rest.end(), recording.begin() + static_cast<ptrdiff_t>(index) + 1,
                  recording.end());
      return rest;
    }
  }
  return {};
}

}  // namespace pgparity::support
