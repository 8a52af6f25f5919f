#include "proxy/admin_server.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <future>
#include <thread>

namespace pgparity::proxy {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

// A connection to the server; reads block.
class Client {
 public:
  explicit Client(uint16_t port) : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  }
  ~Client() { close(fd_); }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  void Send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t n = send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (n <= 0) return;
      bytes.remove_prefix(static_cast<size_t>(n));
    }
  }
  std::string ReadAll() {
    std::string all;
    char part[4096];
    for (ssize_t n = 0; (n = recv(fd_, part, sizeof(part), 0)) > 0;)
      all.append(part, static_cast<size_t>(n));
    return all;
  }
  void Reset() {
    const linger hard{1, 0};
    setsockopt(fd_, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
    close(fd_);
    fd_ = -1;
  }

 private:
  int fd_;
};

class AdminServerTest : public testing::Test {
 protected:
  AdminServerTest() {
    handlers_.ready = [] { return true; };
    handlers_.status_json = [] { return R"({"state":"shadowing"})"; };
    handlers_.drain = [this](absl::Duration) {
      drain_began_.set_value();
      drain_may_end_.get_future().wait();
      return absl::OkStatus();
    };
  }
  void Start() {
    auto server = AdminServer::Start("127.0.0.1:0", "", handlers_);
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
  }
  std::string Exchange(std::string_view request) {
    Client client(server_->port());
    client.Send(request);
    return client.ReadAll();
  }
  static std::string Get(const std::string& path) {
    return "GET " + path + " HTTP/1.1\r\nHost: localhost\r\n\r\n";
  }
  static constexpr std::string_view kDrain =
      "POST /api/v1/drain HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
      "Content-Length: 2\r\n\r\n{}";

  AdminHandlers handlers_;
  std::promise<void> drain_began_, drain_may_end_;
  std::unique_ptr<AdminServer> server_;
};

TEST_F(AdminServerTest, AnswersOverHttp) {
  Start();
  ASSERT_NE(server_->port(), 0);
  const std::string answer = Exchange(Get("/api/v1/status"));
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(answer, HasSubstr("Content-Type: application/json\r\n"));
  EXPECT_THAT(answer, testing::EndsWith("\r\n\r\n{\"state\":\"shadowing\"}"));
  EXPECT_THAT(Exchange(Get("/healthz")), StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(Exchange(Get("/nothing")), StartsWith("HTTP/1.1 404"));
}

TEST_F(AdminServerTest, HeadHasNoBody) {
  Start();
  const std::string answer = Exchange("HEAD /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(answer, testing::EndsWith("\r\n\r\n"));
}

TEST_F(AdminServerTest, ForeignHostsAreRefusedOnTheWire) {
  Start();
  EXPECT_THAT(Exchange("GET /api/v1/status HTTP/1.1\r\nHost: evil.example\r\n\r\n"),
              StartsWith("HTTP/1.1 403"));
  EXPECT_THAT(Exchange("GET /api/v1/status HTTP/1.1\r\nHost: localhost\r\nHost: evil\r\n\r\n"),
              StartsWith("HTTP/1.1 400"));
  EXPECT_THAT(Exchange("GET /api/v1/status HTTP/1.1\r\n\r\n"), StartsWith("HTTP/1.1 400"));
}

TEST_F(AdminServerTest, LimitsAndGarbage) {
  Start();
  EXPECT_THAT(
      Exchange("GET / HTTP/1.1\r\nHost: localhost\r\nX: " + std::string(9000, 'x') + "\r\n\r\n"),
      StartsWith("HTTP/1.1 431"));
  EXPECT_THAT(
      Exchange("POST /api/v1/drain HTTP/1.1\r\nHost: localhost\r\nContent-Length: 70000\r\n\r\n"),
      StartsWith("HTTP/1.1 413"));
  EXPECT_THAT(Exchange(std::string("\x00\x00\x00\x08\x04\xd2\x16\x2f", 8) + "\r\n\r\n"),
              StartsWith("HTTP/1.1 400"));
  // Still there.
  EXPECT_THAT(Exchange(Get("/healthz")), StartsWith("HTTP/1.1 200"));
}

TEST_F(AdminServerTest, ASlowDrainBlocksNobody) {
  Start();
  Client slow(server_->port());
  slow.Send(kDrain);
  drain_began_.get_future().wait();
  EXPECT_THAT(Exchange(Get("/api/v1/status")), StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(Exchange(Get("/readyz")), StartsWith("HTTP/1.1 200"));
  drain_may_end_.set_value();
  EXPECT_THAT(slow.ReadAll(), HasSubstr("{\"drained\":true}"));
}

TEST_F(AdminServerTest, AClientThatLeavesDuringItsDrainDoesNoHarm) {
  Start();
  {
    Client slow(server_->port());
    slow.Send(kDrain);
    drain_began_.get_future().wait();
    slow.Reset();
  }
  drain_may_end_.set_value();
  EXPECT_THAT(Exchange(Get("/healthz")), StartsWith("HTTP/1.1 200"));
}

TEST_F(AdminServerTest, StopWaitsForAHandler) {
  Start();
  Client slow(server_->port());
  slow.Send(kDrain);
  drain_began_.get_future().wait();
  std::atomic<bool> ended = false;
  std::thread ending([&] {
    ended = true;
    drain_may_end_.set_value();
  });
  server_->Stop();
  EXPECT_TRUE(ended);
  ending.join();
  server_->Stop();  // a second time does nothing
}

TEST_F(AdminServerTest, ConnectionsBeyondTheLimitWaitTheirTurn) {
  Start();
  std::vector<std::unique_ptr<Client>> idle;
  for (int i = 0; i < 16; ++i) {
    idle.push_back(std::make_unique<Client>(server_->port()));
    idle.back()->Send("GET ");
  }
  Client waiting(server_->port());
  waiting.Send(Get("/healthz"));
  idle.pop_back();
  EXPECT_THAT(waiting.ReadAll(), StartsWith("HTTP/1.1 200"));
}

TEST_F(AdminServerTest, DrainsAreBounded) {
  std::atomic<int> running = 0;
  std::promise<void> eight, end;
  std::shared_future<void> may_end = end.get_future().share();
  handlers_.drain = [&](absl::Duration) {
    if (++running == 8) eight.set_value();
    may_end.wait();
    return absl::OkStatus();
  };
  Start();
  std::vector<std::unique_ptr<Client>> drains;
  for (int i = 0; i < 8; ++i) {
    drains.push_back(std::make_unique<Client>(server_->port()));
    drains.back()->Send(kDrain);
  }
  eight.get_future().wait();
  EXPECT_THAT(Exchange(kDrain), StartsWith("HTTP/1.1 503"));
  end.set_value();
  for (auto& drain : drains) EXPECT_THAT(drain->ReadAll(), StartsWith("HTTP/1.1 200"));
}

TEST_F(AdminServerTest, AHandlerThatThrowsIsAnInternalError) {
  handlers_.status_json = []() -> std::string { throw std::runtime_error("secret"); };
  Start();
  const std::string answer = Exchange(Get("/api/v1/status"));
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 500"));
  EXPECT_THAT(answer, Not(HasSubstr("secret")));
}

TEST_F(AdminServerTest, NeedsATokenElsewhereThanOnLoopback) {
  const auto server = AdminServer::Start("0.0.0.0:0", "", handlers_);
  EXPECT_EQ(server.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(server.status().message()), HasSubstr("--admin-token"));
  EXPECT_TRUE(AdminServer::Start("0.0.0.0:0", "token", handlers_).ok());
}

TEST_F(AdminServerTest, AnAddressInUseIsAClearError) {
  Start();
  const std::string address = "127.0.0.1:" + std::to_string(server_->port());
  const auto second = AdminServer::Start(address, "", handlers_);
  EXPECT_FALSE(second.ok());
  EXPECT_THAT(std::string(second.status().message()), HasSubstr(address));
}

}  // namespace
}  // namespace pgparity::proxy
