#include "proxy/listener.h"

#include <netdb.h>
#include <netinet/in.h>
#include <spdlog/spdlog.h>
#include <sys/socket.h>

#include <cerrno>
#include <charconv>
#include <cstring>

#include "protocol/text.h"

namespace pgparity::proxy {
namespace {

using protocol::StrCat;

constexpr int kAcceptsPerTurn = 64;
constexpr Stamp kPause = 100'000'000;  // after descriptors ran out

absl::StatusOr<Transport> BindOne(const addrinfo& info) {
  Transport socket(::socket(info.ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!socket.open()) return absl::UnavailableError(std::strerror(errno));
  TuneSocket(socket.fd());  // accepted sockets inherit it
  const int one = 1;
  setsockopt(socket.fd(), SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
  if (info.ai_family == AF_INET6) {
    setsockopt(socket.fd(), IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
  }
  if (bind(socket.fd(), info.ai_addr, info.ai_addrlen) != 0 || listen(socket.fd(), 1024) != 0) {
    return absl::UnavailableError(std::strerror(errno));
  }
  return socket;
}

uint16_t PortOf(int fd) {
  sockaddr_storage address{};
  socklen_t length = sizeof(address);
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length) != 0) return 0;
  // The port lies at the same place in both families.
  return ntohs(reinterpret_cast<const sockaddr_in*>(&address)->sin_port);
}

}  // namespace

absl::StatusOr<ListenAddress> ParseListenAddress(std::string_view text) {
  const auto wrong = [&](std::string_view what) {
    return absl::InvalidArgumentError(StrCat("listen address \"", text, "\": ", what,
                                             "; it looks like 127.0.0.1:6432, ",
                                             "[::1]:6432 or :6432"));
  };
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return wrong("no port");
  std::string_view host = text.substr(0, colon);
  const std::string_view port = text.substr(colon + 1);
  ListenAddress address;
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), address.port);
  if (error != std::errc() || end != port.data() + port.size()) {
    return wrong("the port is not a number from 0 to 65535");
  }
  if (!host.empty() && host.front() == '[') {
    if (host.back() != ']') return wrong("no ] behind the address");
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != std::string_view::npos) {
    return wrong("an IPv6 address stands in brackets");
  }
  if (host != "*") address.host = std::string(host);
  return address;
}

absl::StatusOr<std::vector<std::unique_ptr<Listener>>> Listener::Bind(std::string_view text) {
  const absl::StatusOr<ListenAddress> address = ParseListenAddress(text);
  if (!address.ok()) return address.status();
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const std::string service = std::to_string(address->port);
  if (const int error = getaddrinfo(address->host.empty() ? nullptr : address->host.c_str(),
                                    service.c_str(), &hints, &found);
      error != 0) {
    return absl::InvalidArgumentError(StrCat("cannot listen on ", text, ": ", gai_strerror(error)));
  }
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owned(found, freeaddrinfo);
  std::vector<std::unique_ptr<Listener>> listeners;
  absl::Status last;
  for (const addrinfo* info = found; info != nullptr; info = info->ai_next) {
    absl::StatusOr<Transport> socket = BindOne(*info);
    if (!socket.ok()) {
      last = socket.status();
      continue;
    }
    const uint16_t port = PortOf(socket->fd());
    listeners.emplace_back(new Listener(*std::move(socket), port));
  }
  // A machine without IPv6 still listens on a name that has both.
  if (!listeners.empty()) return listeners;
  return absl::UnavailableError(StrCat("cannot listen on ", text, ": ", protocol::MessageOf(last)));
}

std::unique_ptr<Listener> Listener::Adopt(int fd) {
  TuneSocket(fd);
  const uint16_t port = PortOf(fd);
  return std::unique_ptr<Listener>(new Listener(Transport(fd), port));
}

absl::Status Listener::Watch(EventLoop* loop, Accepted accepted) {
  loop_ = loop;
  accepted_ = std::move(accepted);
  resume_ = std::make_unique<EventLoop::Timer>([this] {
    if (socket_.open() && !loop_->Add(socket_.fd(), this, EventLoop::Trigger::level).ok()) {
      loop_->Arm(resume_.get(), loop_->now() + kPause);
    }
  });
  return loop->Add(socket_.fd(), this, EventLoop::Trigger::level);
}

void Listener::Close() {
  if (resume_ != nullptr) loop_->Cancel(resume_.get());
  socket_.Close();
}

void Listener::OnEvents(uint32_t) {
  for (int i = 0; i < kAcceptsPerTurn && socket_.open(); ++i) {
    const int fd = accept4(socket_.fd(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
      accepted_(Transport(fd));
      continue;
    }
    if (errno == EINTR || errno == ECONNABORTED) continue;
    if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
      // Level-triggered: without a pause this would spin.
      spdlog::warn("cannot accept a connection: {}; waiting", std::strerror(errno));
      loop_->Remove(socket_.fd());
      loop_->Arm(resume_.get(), loop_->now() + kPause);
    }
    return;
  }
}

}  // namespace pgparity::proxy
