// The forwarder over real sockets, against a primary that the test plays.
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
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::string Message(char tag, std::string_view body = {}) {
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

TEST_F(ForwarderTest, PassesALoginUnrecordedAndTheRestRecorded) {
  Start();
  Socket client = Connect();
  client.Send(protocol::EncodeStartup(protocol::SslRequest{}));
  client.Expect("N");
  client.Send(protocol::EncodeStartup(protocol::GssEncRequest{}));
  client.Expect("N");
  client.Send(Startup());
  Socket server = primary_.Accept();
  server.Expect(Startup());
  const std::string challenge = Message('R', std::string("\0\0\0\3", 4));
  server.Send(challenge);
  client.Expect(challenge);
  client.Send(Message('p', "sesame"));
  server.Expect(Message('p', "sesame"));
  server.Send(LoginEnd());
  client.Expect(LoginEnd());
  client.Send(Message('Q', "SELECT 1"));
  server.Expect(Message('Q', "SELECT 1"));
  const std::string reply = Message('C', "SELECT 0") + Message('Z', "I");
  server.Send(reply);
  client.Expect(reply);
  client.Send(Message('X'));
  client.Close();
  EXPECT_EQ(server.ReceiveAll(), Message('X'));
  server.Close();
  WaitForSessions(0);
  EXPECT_THAT(Captured(), ElementsAre("opened:ann", "client:" + Message('Q', "SELECT 1"),
                                      "server:" + reply, "client:" + Message('X'), "closed"));
}

TEST_F(ForwarderTest, HoldsAQuerySentWithTheStartupPacketUntilItCanBeRecorded) {
  Start();
  Socket client = Connect();
  client.Send(Startup() + Message('Q', "early"));
  Socket server = primary_.Accept();
  server.Expect(Startup());
  server.Send(LoginEnd());
  server.Expect(Message('Q', "early"));
  EXPECT_THAT(Captured(), ElementsAre("opened:ann", "client:" + Message('Q', "early")));
}

TEST_F(ForwarderTest, ClosesOnPlainBytesAheadOfTheAnswerToSslAndOnASecondRequest) {
  Start();
  const std::string ssl = protocol::EncodeStartup(protocol::SslRequest{});
  Socket eager = Connect();
  eager.Send(ssl + Startup());
  EXPECT_EQ(eager.ReceiveAll(), "");
  Socket twice = Connect();
  twice.Send(ssl);
  twice.Expect("N");
  twice.Send(ssl);
  EXPECT_EQ(twice.ReceiveAll(), "");
}

TEST_F(ForwarderTest, LetsGarbageGoWithoutAWord) {
  Start();
  for (const std::string& garbage : {std::string("GET / HTTP/1.1\r\n\r\n"),
                                     std::string("\0\0\x27\x11", 4), std::string(8, '\0')}) {
    Socket client = Connect();
    client.Send(garbage);
    EXPECT_EQ(client.ReceiveAll(), "");
  }
  Connect().Close();  // a probe of the port
  EXPECT_EQ(forwarder_->counters().sessions, 0u);
}

TEST_F(ForwarderTest, SaysWhichPrimaryCannotBeReached) {
  options_.primary_port = 1;
  Start();
  Socket client = Connect();
  client.Send(Startup());
  const std::string error = client.ReceiveAll();
  EXPECT_EQ(error[0], 'E');
  EXPECT_THAT(error, HasSubstr("C08001"));
  EXPECT_THAT(error, HasSubstr("127.0.0.1:1"));
  EXPECT_FALSE(forwarder_->primary_reachable());
}

TEST_F(ForwarderTest, RefusesSessionsBeyondTheLimitAndTakesThemAgainLater) {
  options_.max_sessions = 1;
  Start();
  std::optional<Pair> first = LogIn();
  Socket second = Connect();
  second.Send(Startup());
  EXPECT_THAT(second.ReceiveAll(), HasSubstr("C53300"));
  first.reset();
  WaitForSessions(0);
  LogIn();
}

TEST_F(ForwarderTest, ABadFrameEndsItsSessionAloneWithAnError) {
  Start();
  Pair good = LogIn();
  Pair bad = LogIn();
  bad.client.Send(Message('Q', "last") + std::string("Q\0\0\0\0", 5));
  EXPECT_THAT(bad.client.ReceiveAll(), HasSubstr("C08P01"));
  EXPECT_EQ(bad.server.ReceiveAll(), Message('Q', "last"));
  Pair worse = LogIn();
  worse.server.Send(Message('N', "x") + std::string("D\xff\xff\xff\xff", 5));
  const std::string answer = worse.client.ReceiveAll();
  EXPECT_EQ(answer.substr(0, 6), Message('N', "x"));
  EXPECT_THAT(answer, HasSubstr("C08P01"));
  good.client.Send(Message('Q', "still here"));
  good.server.Expect(Message('Q', "still here"));
}

TEST_F(ForwarderTest, ForwardsCancelRequestsForLiveKeysOnly) {
  Start();
  Pair session = LogIn();
  Socket stranger = Connect();
  stranger.Send(protocol::EncodeStartup(protocol::CancelRequest{77, "kez!"}));
  EXPECT_EQ(stranger.ReceiveAll(), "");
  const std::string request = protocol::EncodeStartup(protocol::CancelRequest{77, "key!"});
  Socket cancel = Connect();
  cancel.Send(request);
  // The next connection to the primary is the live one's: the stranger's made none.
  Socket at_server = primary_.Accept();
  at_server.Expect(request);
  at_server.Close();
  EXPECT_EQ(cancel.ReceiveAll(), "");
  EXPECT_EQ(forwarder_->counters().cancels, 1u);
  EXPECT_EQ(forwarder_->counters().cancels_dropped, 1u);
}

TEST_F(ForwarderTest, WaitsForASlowReaderWithoutLosingAByte) {
  options_.capture_row_bytes = 1000;
  Start();
  Pair session = LogIn();
  session.client.Send(Message('Q', "much"));
  session.server.Expect(Message('Q', "much"));
  std::mt19937 random(1);
  std::string reply;
  while (reply.size() < 32 << 20) {
    std::string row(random() % 100000, static_cast<char>(random()));
    reply += Message('D', row);
  }
  reply += Message('C', "SELECT") + Message('Z', "I");
  std::thread writer([&] { session.server.Send(reply); });
  // Nothing is read until the way is full, as far as one can tell from here: the writer is stuck.
  std::string got = session.client.Receive(100);
  got += session.client.Receive(reply.size() - 100);
  writer.join();
  EXPECT_TRUE(got == reply);
  const std::vector<std::string> captured = Captured();
  EXPECT_EQ(std::count_if(captured.begin(), captured.end(),
                          [](const std::string& note) { return note.rfind("elided:", 0) == 0; }),
            1);
}

TEST_F(ForwarderTest, WaitsForASlowPrimaryWithoutLosingAByte) {
  options_.ring_bytes = 64 << 20;
  Start();
  Pair session = LogIn();
  std::string copy;
  for (int i = 0; i < 300; ++i) copy += Message('d', std::string(65000, static_cast<char>(i)));
  std::thread writer([&] { session.client.Send(copy); });
  EXPECT_TRUE(session.server.Receive(copy.size()) == copy);
  writer.join();
}

TEST_F(ForwarderTest, AClientThatHasEndedWritingStillGetsItsReplies) {
  Start();
  Pair session = LogIn();
  session.client.Send(Message('Q', "1") + Message('X'));
  session.client.EndWriting();
  EXPECT_EQ(session.server.ReceiveAll(), Message('Q', "1") + Message('X'));
  session.server.Send(Message('C', "1") + Message('Z', "I"));
  session.server.Close();
  EXPECT_EQ(session.client.ReceiveAll(), Message('C', "1") + Message('Z', "I"));
}

TEST_F(ForwarderTest, TheServersLastWordsReachTheClient) {
  Start();
  Pair session = LogIn();
  session.server.Send(Message('E', "terminated"));
  session.server.Close();
  EXPECT_EQ(session.client.ReceiveAll(), Message('E', "terminated"));
  session.client.Close();
  WaitForSessions(0);
}

TEST_F(ForwarderTest, AClientThatVanishesEndsThePrimarysConnection) {
  Start();
  Pair session = LogIn();
  session.client.Send(Message('Q', "1"));
  session.server.Expect(Message('Q', "1"));
  const linger reset{1, 0};
  setsockopt(session.client.fd(), SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
  session.client.Close();
  EXPECT_EQ(session.server.ReceiveAll(), "");
  WaitForSessions(0);
}

TEST_F(ForwarderTest, RecordsNothingOfAReplicationSession) {
  Start();
  Socket client = Connect();
  client.Send(Startup("ann", true));
  Socket server = primary_.Accept();
  server.Expect(Startup("ann", true));
  server.Send(LoginEnd());
  client.Expect(LoginEnd());
  client.Send(Message('Q', "IDENTIFY_SYSTEM"));
  server.Expect(Message('Q', "IDENTIFY_SYSTEM"));
  server.Send(Message('Z', "I"));
  client.Expect(Message('Z', "I"));
  EXPECT_THAT(Captured(), ElementsAre("opened:ann:replication"));
}

TEST_F(ForwarderTest, APauseTouchesNoSessionAndIsSaid) {
  Start();
  Pair session = LogIn();
  forwarder_->SetCapture(false, "paused");
  session.client.Send(Message('Q', "unseen"));
  session.server.Expect(Message('Q', "unseen"));
  forwarder_->SetCapture(true, "");
  session.server.Send(Message('Z', "I"));
  session.client.Expect(Message('Z', "I"));
  session.client.Send(Message('Q', "seen"));
  session.server.Expect(Message('Q', "seen"));
  EXPECT_THAT(Captured(), ElementsAre("opened:ann", "lost:paused", "resynchronised",
                                      "client:" + Message('Q', "seen")));
}

TEST_F(ForwarderTest, DrainEndsIdleSessionsNowAndOthersWhenTheyAreIdle) {
  Start();
  Pair idle = LogIn();
  Pair busy = LogIn();
  busy.client.Send(Message('Q', "long"));
  busy.server.Expect(Message('Q', "long"));
  std::thread drain([&] { forwarder_->Drain(); });
  EXPECT_THAT(idle.client.ReceiveAll(), HasSubstr("C57P01"));
  idle.client.Close();
  busy.server.Send(Message('Z', "I"));
  const std::string last = busy.client.ReceiveAll();
  EXPECT_EQ(last.substr(0, 6), Message('Z', "I"));
  EXPECT_THAT(last, HasSubstr("C57P01"));
  busy.client.Close();
  drain.join();
  EXPECT_EQ(forwarder_->counters().sessions_open, 0u);
}

TEST_F(ForwarderTest, DrainEndsWhatIsLeftAtItsTimeout) {
  options_.drain_timeout = std::chrono::milliseconds(1);
  Start();
  Pair busy = LogIn();
  busy.client.Send(Message('Q', "long"));
  busy.server.Expect(Message('Q', "long"));
  forwarder_->BeginDrain();
  EXPECT_THAT(busy.client.ReceiveAll(), HasSubstr("C57P01"));
}

TEST_F(ForwarderTest, EndsALoginThatTakesTooLong) {
  options_.login_timeout = std::chrono::milliseconds(50);
  Start();
  Socket silent = Connect();
  EXPECT_EQ(silent.ReceiveAll(), "");
  Socket waiting = Connect();
  waiting.Send(Startup());
  Socket server = primary_.Accept();
  EXPECT_THAT(waiting.ReceiveAll(), HasSubstr("timeout"));
}

TEST_F(ForwarderTest, StopEndsEverythingAndDeliversTheRest) {
  options_.threads = 3;
  Start();
  std::vector<Pair> sessions;
  for (int i = 0; i < 6; ++i) sessions.push_back(LogIn());
  forwarder_->Stop();
  const std::vector<std::string> notes = sink_.notes();
  EXPECT_EQ(std::count(notes.begin(), notes.end(), "opened:ann"), 6);
  EXPECT_EQ(std::count(notes.begin(), notes.end(), "closed"), 6);
}

TEST_F(ForwarderTest, CarriesStreamsHoweverTheyAreCut) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937 random(seed);
  Start();
  Pair session = LogIn();
  std::string stream;
  for (int i = 0; i < 500; ++i) {
    stream += Message("QPBES"[random() % 5], std::string(random() % 300, 'x'));
  }
  std::thread writer([&] {
    for (size_t at = 0; at < stream.size();) {
      const size_t size = std::min<size_t>(1 + random() % 200, stream.size() - at);
      session.client.Send(std::string_view(stream).substr(at, size));
      at += size;
    }
  });
  EXPECT_TRUE(session.server.Receive(stream.size()) == stream);
  writer.join();
  std::string captured;
  for (const std::string& note : Captured()) {
    if (note.rfind("client:", 0) == 0) captured += note.substr(7);
  }
  EXPECT_TRUE(captured == stream);
}

TEST_F(ForwarderTest, RefusesAnAddressInUse) {
  Start();
  ForwarderOptions second = options_;
  second.listen = {"127.0.0.1:" + std::to_string(forwarder_->ports()[0])};
  const auto refused = Forwarder::Start(second, &sink_);
  ASSERT_FALSE(refused.ok());
  EXPECT_THAT(std::string(refused.status().message()), HasSubstr("cannot listen on 127.0.0.1"));
}

}  // namespace
}  // namespace pgparity::proxy
