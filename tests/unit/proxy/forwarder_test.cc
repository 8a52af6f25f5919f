#include "tests/unit/proxy/forwarder_fixture.h"

namespace pgparity::proxy {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

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

TEST_F(ForwarderTest, SaysThatAPrimaryDoesNotAnswer) {
  // Its queue is full: further connections are neither taken nor refused.
  const Socket listener(socket(AF_INET, SOCK_STREAM, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  ASSERT_EQ(bind(listener.fd(), reinterpret_cast<sockaddr*>(&address), size), 0);
  ASSERT_EQ(getsockname(listener.fd(), reinterpret_cast<sockaddr*>(&address), &size), 0);
  ASSERT_EQ(listen(listener.fd(), 0), 0);
  const Socket filler = Socket::Connect(ntohs(address.sin_port));
  options_.primary_port = ntohs(address.sin_port);
  options_.connect_timeout = std::chrono::milliseconds(50);
  Start();
  Socket client = Connect();
  client.Send(Startup());
  const std::string error = client.ReceiveAll();
  EXPECT_THAT(error, HasSubstr("C08001"));
  EXPECT_THAT(error, HasSubstr("timeout expired"));
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

TEST_F(ForwarderTest, TakesTheHeaderOfALoadBalancerOffAndNothingElse) {
  options_.proxy_protocol = true;
  Start();
  const std::string header = "PROXY TCP4 192.0.2.1 198.51.100.2 12345 5432\r\n";
  Socket client = Connect();
  client.Send(header.substr(0, 20));
  client.Send(header.substr(20) + Startup());
  Socket server = primary_.Accept();
  server.Expect(Startup());
  Socket split = Connect();
  split.Send(header);
  split.Send(protocol::EncodeStartup(protocol::SslRequest{}));
  split.Expect("N");
  Socket bare = Connect();
  bare.Send(Startup());
  EXPECT_EQ(bare.ReceiveAll(), "");
}

TEST_F(ForwarderTest, AHeaderThatNobodyAskedForIsGarbage) {
  Start();
  Socket client = Connect();
  client.Send("PROXY TCP4 192.0.2.1 198.51.100.2 12345 5432\r\n" + Startup());
  EXPECT_EQ(client.ReceiveAll(), "");
}

TEST_F(ForwarderTest, TakesOverASocketThatWasPassedToIt) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  ASSERT_EQ(listen(fd, 8), 0);
  options_.passed_sockets = {fd};
  Start();
  Socket client = Connect();
  client.Send(Startup());
  primary_.Accept().Expect(Startup());
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
