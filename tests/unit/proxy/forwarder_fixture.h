// The forwarder over real sockets, against a primary that the test plays.
#pragma once

#include "proxy/forwarder.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "protocol/startup.h"
#include "protocol/wire.h"

namespace pgparity::proxy {

inline std::string Message(char tag, std::string_view body = {}) {
  std::string message;
  protocol::AppendMessage(&message, tag, body);
  return message;
}

// A blocking socket. Every wait ends after 20 s at the latest, as a failure.
class Socket {
 public:
  explicit Socket(int fd) : fd_(fd) {
    const timeval limit{20, 0};
    setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
  }
  Socket(Socket&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  ~Socket() { Close(); }

  static Socket Connect(uint16_t port) {
    Socket socket(::socket(AF_INET, SOCK_STREAM, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(connect(socket.fd_, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    return socket;
  }

  void Close() {
    if (fd_ >= 0) close(std::exchange(fd_, -1));
  }
  void EndWriting() { shutdown(fd_, SHUT_WR); }
  void Send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t n = send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      ASSERT_GT(n, 0) << strerror(errno);
      bytes.remove_prefix(n);
    }
  }
  // The next `size` bytes; fewer at the end.
  std::string Receive(size_t size) {
    std::string bytes(size, '\0');
    size_t got = 0;
    while (got < size) {
      const ssize_t n = recv(fd_, bytes.data() + got, size - got, 0);
      EXPECT_TRUE(n >= 0 || errno == ECONNRESET) << strerror(errno);
      if (n <= 0) break;
      got += n;
    }
    bytes.resize(got);
    return bytes;
  }
  std::string ReceiveAll() { return Receive(1 << 20); }
  void Expect(std::string_view bytes) { EXPECT_EQ(Receive(bytes.size()), bytes); }
  int fd() const { return fd_; }

 private:
  int fd_;
};

class TestPrimary {
 public:
  TestPrimary() : listener_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(bind(listener_.fd(), reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    socklen_t size = sizeof(address);
    getsockname(listener_.fd(), reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    EXPECT_EQ(listen(listener_.fd(), 64), 0);
  }
  uint16_t port() const { return port_; }
  // The next connection that says something. The forwarder's probes do not.
  Socket Accept() {
    while (true) {
      Socket socket(accept(listener_.fd(), nullptr, nullptr));
      EXPECT_GE(socket.fd(), 0) << strerror(errno);
      char byte;
      if (socket.fd() < 0 || recv(socket.fd(), &byte, 1, MSG_PEEK) > 0) return socket;
    }
  }

 private:
  Socket listener_;
  uint16_t port_;
};

class CollectingSink : public CaptureSink {
 public:
  void SessionOpened(uint64_t id, shadow::SessionInfo info, Stamp) override {
    Note(id, "opened:" + info.user + (info.replication ? ":replication" : ""));
  }
  void ClientBytes(uint64_t id, std::string_view bytes, Stamp) override {
    Note(id, "client:" + std::string(bytes));
  }
  void ServerBytes(uint64_t id, std::string_view bytes, Stamp) override {
    Note(id, "server:" + std::string(bytes));
  }
  void ElidedRows(uint64_t id, const protocol::RowDigest& digest, Stamp) override {
    Note(id, "elided:" + std::to_string(digest.rows));
  }
  void TokenSent(uint64_t id, Stamp) override { Note(id, "token-sent"); }
  void TokenSeen(uint64_t id, const shadow::LsnToken& token, Stamp) override {
    Note(id, "token:" + std::to_string(token.lsn) + ":" + std::to_string(token.xid) + ":" +
                 std::to_string(token.now_us) + ":" + token.snapshot);
  }
  void Lost(uint64_t id, std::string_view reason, Stamp) override {
    Note(id, "lost:" + std::string(reason));
  }
  void Resynchronised(uint64_t id, Stamp) override { Note(id, "resynchronised"); }
  void SessionClosed(uint64_t id, Stamp) override { Note(id, "closed"); }
  void AdvanceTo(Stamp) override {}

  std::vector<std::string> notes() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return notes_;
  }

 private:
  void Note(uint64_t, std::string text) {
    const std::lock_guard<std::mutex> lock(mutex_);
    notes_.push_back(std::move(text));
  }
  std::mutex mutex_;
  std::vector<std::string> notes_;
};

class ForwarderTest : public testing::Test {
 protected:
  ForwarderTest() {
    std::string pattern = testing::TempDir() + "/forwarder-XXXXXX";
    directory_ = mkdtemp(pattern.data());
    options_.listen = {"127.0.0.1:0"};
    options_.primary_host = "127.0.0.1";
    options_.primary_port = primary_.port();
    options_.ring_dir = options_.data_dir = directory_;
    options_.ring_bytes = 1 << 20;
  }
  ~ForwarderTest() override {
    forwarder_.reset();
    std::filesystem::remove_all(directory_);
  }
  void Start() {
    auto started = Forwarder::Start(options_, &sink_);
    ASSERT_TRUE(started.ok()) << started.status();
    forwarder_ = *std::move(started);
  }
  Socket Connect() { return Socket::Connect(forwarder_->ports()[0]); }

  static std::string Startup(std::string_view user = "ann", bool replication = false) {
    protocol::StartupMessage startup;
    startup.parameters = {{"user", std::string(user)}};
    if (replication) startup.parameters.emplace_back("replication", "true");
    return protocol::EncodeStartup(startup);
  }
  static std::string LoginEnd(int32_t pid = 77) {
    std::string key;
    protocol::WireWriter(&key).Int32(pid).Bytes("key!");
    return Message('R', std::string(4, '\0')) + Message('K', key) + Message('Z', "I");
  }
  struct Pair {
    Socket client, server;
  };
  Pair LogIn(std::string_view user = "ann") {
    Socket client = Connect();
    client.Send(Startup(user));
    Socket server = primary_.Accept();
    server.Expect(Startup(user));
    server.Send(LoginEnd());
    client.Expect(LoginEnd());
    return {std::move(client), std::move(server)};
  }
  std::vector<std::string> Captured() {
    EXPECT_TRUE(forwarder_->WaitDrainedTo(forwarder_->Now(), std::chrono::seconds(20)));
    return sink_.notes();
  }
  // Until the forwarder knows of `n` open sessions.
  void WaitForSessions(uint64_t n) {
    while (forwarder_->counters().sessions_open != n) std::this_thread::yield();
  }

  std::string directory_;
  TestPrimary primary_;
  ForwarderOptions options_;
  CollectingSink sink_;
  std::unique_ptr<Forwarder> forwarder_;
};

}  // namespace pgparity::proxy
