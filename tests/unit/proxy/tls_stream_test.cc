// TlsStream over a socket pair, against OpenSSL itself. One thread: what the other end sends is
// moved by hand, as many bytes at a time as a test wants.
#include "proxy/tls_stream.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <random>

#include "proxy/tls_client.h"
#include "proxy/tls_server.h"
#include "tests/support/certificates.h"
#include "tests/support/temp_dir.h"
#include "tests/support/tls_peer.h"

namespace pgparity::proxy {
namespace {

using support::TlsPeer;
using support::TlsPeerOptions;
using testing::HasSubstr;
using Kind = IoResult::Kind;
using Progress = TlsStream::Progress;

struct Case {
  bool server;  // the stream's end
  int version;
};

class TlsStreamTest : public testing::TestWithParam<Case> {
 protected:
  static void SetUpTestSuite() {
    directory_ = new support::TempDir;
    const support::TestCa ca(directory_->path(), "ca");
    const support::KeyPair pair = ca.Issue("server", {});
    server_ = *TlsServer::Load({pair.certificate, pair.key, "", ""});
    client_ = *TlsClient::Create({});
    peer_certificate_ = pair;
  }
  static void TearDownTestSuite() {
    server_.reset();
    client_.reset();
    delete directory_;
  }

  TlsStreamTest() { Open(SOCK_STREAM); }
  ~TlsStreamTest() override { Close(); }

  void Open(int type) {
    int pair[2];
    ASSERT_EQ(socketpair(AF_UNIX, type | SOCK_NONBLOCK, 0, pair), 0);
    ours_ = pair[0];
    theirs_ = pair[1];
  }
  void Close() {
    stream_.reset();
    close(ours_);
    if (theirs_ >= 0) close(theirs_);
  }

  void Begin(bool server, int version, std::string received = {}) {
    TlsPeerOptions options;
    options.server = !server;
    options.max_version = version;
    if (options.server) {
      options.certificate = peer_certificate_.certificate;
      options.key = peer_certificate_.key;
    }
    peer_ = std::make_unique<TlsPeer>(options);
    stream_ = server ? server_->Accept(ours_, std::move(received)) : client_->Connect(ours_);
  }
  // To the stream; false when the socket takes no more.
  bool Push(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t n = send(theirs_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (n <= 0) return false;
      bytes.remove_prefix(static_cast<size_t>(n));
    }
    return true;
  }
  // From the stream to the peer.
  void Pull() {
    char piece[65536];
    ssize_t n;
    while ((n = recv(theirs_, piece, sizeof(piece), 0)) > 0) {
      peer_->Feed({piece, static_cast<size_t>(n)});
    }
  }
  void FinishHandshake() {
    Progress progress = Progress::wants_read;
    for (int i = 0; i < 10 && (progress != Progress::done || !peer_->Handshake()); ++i) {
      progress = stream_->Handshake();
      Pull();
      peer_->Handshake();
      Push(peer_->TakeOutput());
    }
    ASSERT_EQ(progress, Progress::done) << stream_->error() << peer_->error();
    // What TLS 1.3 sends behind its handshake.
    char none;
    ASSERT_EQ(stream_->Receive(&none, 1).kind, Kind::would_block);
    Pull();
    ASSERT_EQ(peer_->Read(), "");
  }
  // All that is there.
  std::string ReceiveAll(size_t buffer_size = 65536) {
    std::string all;
    const std::unique_ptr<char[]> buffer(new char[buffer_size]);
    while (true) {
      last_ = stream_->Receive(buffer.get(), buffer_size);
      if (last_.kind != Kind::ok) return all;
      all.append(buffer.get(), last_.bytes);
    }
  }

  static support::TempDir* directory_;
  static std::shared_ptr<const TlsServer> server_;
  static std::shared_ptr<const TlsClient> client_;
  static support::KeyPair peer_certificate_;
  int ours_ = -1, theirs_ = -1;
  std::unique_ptr<TlsPeer> peer_;
  std::unique_ptr<TlsStream> stream_;
  IoResult last_;
};

support::TempDir* TlsStreamTest::directory_ = nullptr;
std::shared_ptr<const TlsServer> TlsStreamTest::server_;
std::shared_ptr<const TlsClient> TlsStreamTest::client_;
support::KeyPair TlsStreamTest::peer_certificate_;

INSTANTIATE_TEST_SUITE_P(All, TlsStreamTest,
                         testing::Values(Case{true, TLS1_3_VERSION}, Case{true, TLS1_2_VERSION},
                                         Case{false, TLS1_3_VERSION}, Case{false, TLS1_2_VERSION}),
                         [](const auto& test) {
                           return std::string(test.param.server ? "Server" : "Client") +
                                  (test.param.version == TLS1_3_VERSION ? "13" : "12");
                         });

std::string RandomBytes(size_t size) {
  std::mt19937 random(size);
  std::string bytes(size, '\0');
  for (char& c : bytes) c = static_cast<char>(random());
  return bytes;
}

TEST_P(TlsStreamTest, CarriesBytesBothWays) {
  Begin(GetParam().server, GetParam().version);
  FinishHandshake();
  peer_->Write("question");
  ASSERT_TRUE(Push(peer_->TakeOutput()));
  char buffer[64];
  const IoResult got = stream_->Receive(buffer, sizeof(buffer));
  EXPECT_EQ(std::string(buffer, got.bytes), "question");
  EXPECT_TRUE(got.drained);
  EXPECT_EQ(stream_->Send("answer").bytes, 6u);
  Pull();
  EXPECT_EQ(peer_->Read(), "answer");
  EXPECT_EQ(stream_->alpn(), GetParam().server ? "postgresql" : "");
}

TEST_P(TlsStreamTest, TakesAHandshakeByteByByte) {
  Begin(GetParam().server, GetParam().version);
  Progress progress = Progress::wants_read;
  for (int round = 0; round < 10; ++round) {
    peer_->Handshake();
    const std::string output = peer_->TakeOutput();
    if (output.empty() && progress == Progress::done) break;
    if (output.empty()) progress = stream_->Handshake();
    for (const char byte : output) {
      ASSERT_TRUE(Push({&byte, 1}));
      if (progress == Progress::done) {
        EXPECT_EQ(ReceiveAll(), "");
      } else {
        progress = stream_->Handshake();
      }
      ASSERT_NE(progress, Progress::failed) << stream_->error();
    }
    Pull();
  }
  ASSERT_EQ(progress, Progress::done);
  ReceiveAll();
  ASSERT_EQ(stream_->Send("x").bytes, 1u);
  Pull();
  EXPECT_EQ(peer_->Read(), "x");
}

TEST_P(TlsStreamTest, GivesSeveralRecordsAtOnceAndSaysWhetherThereAreMore) {
  Begin(GetParam().server, GetParam().version);
  FinishHandshake();
  const std::string bytes = RandomBytes(50000);  // four records
  peer_->Write(bytes);
  ASSERT_TRUE(Push(peer_->TakeOutput()));
  std::string small(40000, '\0');
  IoResult got = stream_->Receive(small.data(), small.size());
  EXPECT_EQ(got.bytes, small.size());
  EXPECT_FALSE(got.drained);  // the rest lies in TLS: no edge will tell of it
  EXPECT_EQ(small, bytes.substr(0, small.size()));
  got = stream_->Receive(small.data(), small.size());
  EXPECT_EQ(got.bytes, bytes.size() - small.size());
  EXPECT_TRUE(got.drained);
}

TEST_P(TlsStreamTest, WaitsForTheRestOfARecord) {
  Begin(GetParam().server, GetParam().version);
  FinishHandshake();
  peer_->Write("one record");
  const std::string record = peer_->TakeOutput();
  for (size_t i = 0; i + 1 < record.size(); ++i) {
    ASSERT_TRUE(Push({&record[i], 1}));
    char none;
    const IoResult got = stream_->Receive(&none, 1);
    ASSERT_EQ(got.kind, Kind::would_block);
    ASSERT_TRUE(got.drained);
  }
  ASSERT_TRUE(Push({&record.back(), 1}));
  EXPECT_EQ(ReceiveAll(3), "one record");
}

TEST_P(TlsStreamTest, ASlowReaderGetsEverythingFromBuffersThatMove) {
  Begin(GetParam().server, GetParam().version);
  FinishHandshake();
  const std::string bytes = RandomBytes(4 << 20);
  std::string got;
  size_t sent = 0;
  size_t blocked = 0;
  while (sent < bytes.size()) {
    // Each time from another place, and more than before.
    const std::string copy = bytes.substr(sent, (300 + blocked * 10) << 10);
    const IoResult result = stream_->Send(copy);
    if (result.kind == Kind::would_block) {
      ++blocked;
      char piece[5000];
      const ssize_t n = recv(theirs_, piece, sizeof(piece), 0);
      ASSERT_GT(n, 0);
      peer_->Feed({piece, static_cast<size_t>(n)});
      got += peer_->Read();
      continue;
    }
    ASSERT_EQ(result.kind, Kind::ok);
    sent += result.bytes;
  }
  EXPECT_GT(blocked, 10u);
  Pull();
  got += peer_->Read();
  EXPECT_TRUE(got == bytes);
}

TEST_P(TlsStreamTest, AGoodbyeIsAnEndAndWritingGoesOn) {
  Begin(GetParam().server, GetParam().version);
  FinishHandshake();
  peer_->Write("last");
  peer_->SayGoodbye();
  ASSERT_TRUE(Push(peer_->TakeOutput()));
  EXPECT_EQ(ReceiveAll(), "last");
  EXPECT_EQ(last_.kind, Kind::end);
  char none;
  EXPECT_EQ(stream_->Receive(&none, 1).kind, Kind::end);
  EXPECT_EQ(stream_->Send("reply").bytes, 5u);
}

TEST_P(TlsStreamTest, AnEndWithoutAGoodbyeIsOneTooAndWritingGoesOn) {
  Begin(GetParam().server, GetParam().version);
  FinishHandshake();
  peer_->Write("last");
  peer_->Write("cut short");
  const std::string output = peer_->TakeOutput();
  ASSERT_TRUE(Push(std::string_view(output).substr(0, output.size() - 1)));
  shutdown(theirs_, SHUT_WR);
  EXPECT_EQ(ReceiveAll(), "last");
  EXPECT_EQ(last_.kind, Kind::end);
  EXPECT_EQ(stream_->Send("reply").bytes, 5u);
  Pull();
  EXPECT_EQ(peer_->Read(), "reply");
}

TEST_P(TlsStreamTest, SaysGoodbyeAndGoesOnReceiving) {
  Begin(GetParam().server, GetParam().version);
  FinishHandshake();
  EXPECT_TRUE(stream_->EndWriting());
  Pull();
  EXPECT_EQ(peer_->Read(), "");
  EXPECT_TRUE(peer_->ended());
  peer_->Write("late");
  ASSERT_TRUE(Push(peer_->TakeOutput()));
  EXPECT_EQ(ReceiveAll(), "late");
  EXPECT_TRUE(stream_->EndWriting());  // once is enough
  Pull();
  EXPECT_FALSE(peer_->failed());
}

TEST_P(TlsStreamTest, AGoodbyeThatDoesNotFitIsSaidLater) {
  Begin(GetParam().server, GetParam().version);
  FinishHandshake();
  const std::string bytes = RandomBytes(1000);
  size_t sent = 0;
  while (stream_->Send(bytes).kind == Kind::ok) sent += bytes.size();
  // The record that did not fit goes out whole; then the socket is filled again.
  char piece[100000];
  ssize_t n = recv(theirs_, piece, sizeof(piece), 0);
  ASSERT_GT(n, 0);
  peer_->Feed({piece, static_cast<size_t>(n)});
  ASSERT_EQ(stream_->Send(bytes).bytes, bytes.size());
  sent += bytes.size();
  while (send(ours_, piece, 1, MSG_NOSIGNAL) > 0) {
  }
  EXPECT_FALSE(stream_->EndWriting());
  std::string raw;
  while ((n = recv(theirs_, piece, sizeof(piece), 0)) > 0) raw.append(piece, n);
  EXPECT_TRUE(stream_->EndWriting());
  EXPECT_GT(recv(theirs_, piece, sizeof(piece), 0), 0);
}

TEST_P(TlsStreamTest, ADamagedRecordIsAnError) {
  Begin(GetParam().server, GetParam().version);
  FinishHandshake();
  peer_->Write("good");
  peer_->Write("damaged");
  std::string output = peer_->TakeOutput();
  output.back() ^= 1;
  ASSERT_TRUE(Push(output));
  EXPECT_EQ(ReceiveAll(), "good");
  EXPECT_EQ(last_.kind, Kind::error);
  EXPECT_EQ(stream_->Send("x").kind, Kind::error);
}

TEST_P(TlsStreamTest, AClosedSocketIsAnErrorToASender) {
  Begin(GetParam().server, GetParam().version);
  FinishHandshake();
  close(std::exchange(theirs_, -1));
  EXPECT_EQ(stream_->Send("x").kind, Kind::error);
  EXPECT_TRUE(stream_->EndWriting());
}

TEST_P(TlsStreamTest, GarbageFailsTheHandshakeWithAnAlert) {
  Begin(GetParam().server, GetParam().version);
  stream_->Handshake();
  ASSERT_TRUE(Push("GET / HTTP/1.1\r\n\r\n and then some more of it"));
  ASSERT_EQ(stream_->Handshake(), Progress::failed);
  EXPECT_THAT(stream_->error(), testing::AnyOf(HasSubstr("wrong version"), HasSubstr("http")));
  EXPECT_EQ(stream_->Handshake(), Progress::failed);
  // Then what comes is thrown away, and the end is seen.
  ASSERT_TRUE(Push(std::string(1000, 'x')));
  EXPECT_EQ(ReceiveAll(), "");
  EXPECT_EQ(last_.kind, Kind::would_block);
  shutdown(theirs_, SHUT_WR);
  EXPECT_EQ(ReceiveAll(), "");
  EXPECT_EQ(last_.kind, Kind::end);
}

TEST_P(TlsStreamTest, AnEndDuringTheHandshakeFailsIt) {
  Begin(GetParam().server, GetParam().version);
  EXPECT_EQ(stream_->Handshake(), Progress::wants_read);
  shutdown(theirs_, SHUT_WR);
  EXPECT_EQ(stream_->Handshake(), Progress::failed);
  EXPECT_EQ(stream_->error(), "the peer closed the connection");
}

TEST_F(TlsStreamTest, TakesBytesThatWereReceivedBefore) {
  Begin(true, TLS1_3_VERSION);
  TlsPeer early({});
  early.Handshake();
  std::string hello = early.TakeOutput();
  const std::string rest = hello.substr(50);
  stream_ = server_->Accept(ours_, hello.substr(0, 50));
  EXPECT_EQ(stream_->Handshake(), Progress::wants_read);
  ASSERT_TRUE(Push(rest));
  EXPECT_EQ(stream_->Handshake(), Progress::wants_read);  // has answered
  char answer;
  EXPECT_EQ(recv(theirs_, &answer, 1, 0), 1);
  EXPECT_EQ(answer, 0x16);
}

TEST_F(TlsStreamTest, RefusesOldVersions) {
  Begin(true, TLS1_1_VERSION);
  peer_->Handshake();
  ASSERT_TRUE(Push(peer_->TakeOutput()));
  EXPECT_EQ(stream_->Handshake(), Progress::failed);
  EXPECT_THAT(stream_->error(), HasSubstr("unsupported protocol"));
}

TEST_F(TlsStreamTest, NeverRenegotiates) {
  Begin(true, TLS1_2_VERSION);
  FinishHandshake();
  SSL_renegotiate(peer_->ssl());
  SSL_do_handshake(peer_->ssl());
  ASSERT_TRUE(Push(peer_->TakeOutput()));
  EXPECT_EQ(ReceiveAll(), "");
  EXPECT_EQ(last_.kind, Kind::would_block);
  Pull();
  peer_->Read();
  EXPECT_TRUE(peer_->failed());
  EXPECT_EQ(peer_->error(), "no renegotiation");
}

TEST_F(TlsStreamTest, KeyUpdatesPassUnnoticed) {
  Begin(true, TLS1_3_VERSION);
  FinishHandshake();
  for (int i = 0; i < 50; ++i) {
    peer_->UpdateKeys();
    peer_->Write("a");
    ASSERT_TRUE(Push(peer_->TakeOutput()));
    EXPECT_EQ(ReceiveAll(), "a");
    EXPECT_EQ(stream_->Send("b").bytes, 1u);
    Pull();
    EXPECT_EQ(peer_->Read(), "b");
  }
}

// Its answer must go out, and nothing fits: reading then waits for that at most, and loses nothing.
TEST_F(TlsStreamTest, AKeyUpdateWhileNothingCanBeSentLosesNothing) {
  Begin(true, TLS1_3_VERSION);
  FinishHandshake();
  const std::string bytes = RandomBytes(700);
  size_t sent = 0;
  while (stream_->Send(bytes).kind == Kind::ok) sent += bytes.size();
  peer_->UpdateKeys();
  peer_->Write("question");
  ASSERT_TRUE(Push(peer_->TakeOutput()));
  std::string got = ReceiveAll();
  EXPECT_EQ(last_.kind, Kind::would_block);
  EXPECT_TRUE(!got.empty() || stream_->receive_waits_for_write());
  Pull();
  std::string at_peer = peer_->Read();
  ASSERT_EQ(stream_->Send(bytes).bytes, bytes.size());
  sent += bytes.size();
  got += ReceiveAll();
  EXPECT_EQ(got, "question");
  Pull();
  at_peer += peer_->Read();
  EXPECT_FALSE(peer_->failed()) << peer_->error();
  EXPECT_EQ(at_peer.size(), sent);
}

// A peer may send records that carry nothing for as long as it likes: others get their turn.
TEST_F(TlsStreamTest, OneCallTakesABoundedShareOfWhatIsThere) {
  const int room = 1 << 20;
  setsockopt(theirs_, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
  Begin(false, TLS1_3_VERSION);
  FinishHandshake();
  std::string flood;
  while (flood.size() < 350'000) {
    ASSERT_EQ(SSL_new_session_ticket(peer_->ssl()), 1);
    ASSERT_EQ(SSL_do_handshake(peer_->ssl()), 1);
    flood += peer_->TakeOutput();
  }
  peer_->Write("end");
  flood += peer_->TakeOutput();
  ASSERT_TRUE(Push(flood)) << "the socket pair is too small";
  char buffer[10];
  IoResult got = stream_->Receive(buffer, sizeof(buffer));
  EXPECT_EQ(got.kind, Kind::would_block) << got.error;
  EXPECT_FALSE(got.drained);
  while (got.kind == Kind::would_block && !got.drained) {
    got = stream_->Receive(buffer, sizeof(buffer));
  }
  EXPECT_EQ(std::string(buffer, got.bytes), "end") << got.error;
}

}  // namespace
}  // namespace pgparity::proxy
