// TLS between clients and the forwarder.
#include <openssl/ssl.h>

#include "tests/unit/proxy/forwarder_tls_fixture.h"

namespace pgparity::proxy {
namespace {

using support::TlsPeerOptions;
using support::TlsSocketPeer;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

TEST_F(ForwarderTlsTest, ASessionOverTlsIsRecordedInPlainText) {
  Start();
  TlsPeerOptions checking;
  checking.root = Files().ca.certificate();
  auto client = ConnectTls(checking);
  client->Send(Startup());
  Socket server = primary_.Accept();
  LogInOver(client.get(), &server);
  client->Send(Message('Q', "SELECT 1"));
  server.Expect(Message('Q', "SELECT 1"));
  server.Send(Message('Z', "I"));
  client->Expect(Message('Z', "I"));
  client->Send(Message('X'));
  client->tls.EndWriting();
  client->socket.EndWriting();
  EXPECT_EQ(server.ReceiveAll(), Message('X'));
  server.Close();
  WaitForSessions(0);
  EXPECT_THAT(Captured(),
              ElementsAre("opened:ann", "client:" + Message('Q', "SELECT 1"),
                          "server:" + Message('Z', "I"), "client:" + Message('X'), "closed"));
  client->tls.ReceiveAll();
  EXPECT_TRUE(client->tls.peer().ended());  // it was told in order
}

TEST_F(ForwarderTlsTest, WithoutACertificateClientsAreToldNo) {
  options_.client_tls = nullptr;
  Start();
  Socket asking = Connect();
  asking.Send(SslRequest());
  asking.Expect("N");
  asking.Send(Startup());
  primary_.Accept().Expect(Startup());
  Socket direct = Connect();
  direct.Send("\x16\x03\x01");
  EXPECT_EQ(direct.ReceiveAll(), "");
}

TEST_F(ForwarderTlsTest, GssIsToldNoAndTlsYes) {
  Start();
  Socket socket = Connect();
  socket.Send(protocol::EncodeStartup(protocol::GssEncRequest{}));
  socket.Expect("N");
  socket.Send(SslRequest());
  socket.Expect("S");
  TlsSocketPeer tls(socket.fd(), {});
  EXPECT_TRUE(tls.Handshake());
}

TEST_F(ForwarderTlsTest, PlainBytesBehindTheRequestCloseTheConnection) {
  Start();
  Socket eager = Connect();
  eager.Send(SslRequest() + Startup());
  EXPECT_EQ(eager.ReceiveAll(), "");
  // After the answer they are no handshake, and go nowhere.
  for (const std::string& bytes : {Startup(), SslRequest(), Cancel()}) {
    auto client = Ask();
    client->socket.Send(bytes);
    // OpenSSL has no alert for what is no TLS at all.
    EXPECT_EQ(client->socket.ReceiveAll(), "");
  }
  EXPECT_EQ(forwarder_->counters().sessions, 0u);
}

TEST_F(ForwarderTlsTest, ASecondRequestInsideTlsClosesTheConnection) {
  Start();
  for (const std::string& bytes :
       {SslRequest(), protocol::EncodeStartup(protocol::GssEncRequest{})}) {
    auto client = ConnectTls();
    client->Send(bytes);
    EXPECT_EQ(client->ReceiveAll(), "");
  }
}

TEST_F(ForwarderTlsTest, AHandshakeByteByByteIsTaken) {
  Start();
  Socket socket = Connect();
  for (const char byte : SslRequest()) socket.Send({&byte, 1});
  socket.Expect("S");
  support::TlsPeer peer({});
  while (!peer.Handshake()) {
    for (const char byte : peer.TakeOutput()) socket.Send({&byte, 1});
    ASSERT_FALSE(peer.failed()) << peer.error();
    const std::string byte = socket.Receive(1);
    ASSERT_EQ(byte.size(), 1u);
    peer.Feed(byte);
  }
  peer.Write(Startup());
  for (const char byte : peer.TakeOutput()) socket.Send({&byte, 1});
  primary_.Accept().Expect(Startup());
}

TEST_F(ForwarderTlsTest, TheStartupPacketMayComeWithTheHandshakesEnd) {
  Start();
  Socket socket = Connect();
  socket.Send(SslRequest());
  socket.Expect("S");
  support::TlsPeer peer({});
  std::string output;
  while (!peer.Handshake()) {
    socket.Send(peer.TakeOutput());
    peer.Feed(socket.Receive(1));
  }
  output = peer.TakeOutput();
  peer.Write(Startup());
  socket.Send(output + peer.TakeOutput());
  primary_.Accept().Expect(Startup());
}

TEST_F(ForwarderTlsTest, DirectTlsNeedsItsAlpn) {
  Start();
  {
    TlsEnd client(Connect(), {});
    ASSERT_TRUE(client.tls.Handshake()) << client.tls.peer().error();
    client.Send(Startup());
    Socket server = primary_.Accept();
    LogInOver(&client, &server);
  }
  TlsPeerOptions wrong;
  wrong.alpn = "http/1.1";
  TlsEnd other(Connect(), wrong);
  EXPECT_FALSE(other.tls.Handshake());
  EXPECT_THAT(other.tls.peer().error(), HasSubstr("no application protocol"));
  TlsPeerOptions none;
  none.alpn = "";
  TlsEnd without(Connect(), none);
  without.tls.Handshake();
  without.Send(Startup());
  EXPECT_EQ(without.ReceiveAll(), "");
  // By the request it is not needed, as clients before PostgreSQL 17 have none.
  EXPECT_EQ(forwarder_->counters().sessions, 1u);
  auto by_request = ConnectTls(none);
  by_request->Send(Startup());
  primary_.Accept().Expect(Startup());
}

TEST_F(ForwarderTlsTest, DirectTlsIsForAConnectionsFirstByteOnly) {
  Start();
  Socket socket = Connect();
  socket.Send(protocol::EncodeStartup(protocol::GssEncRequest{}));
  socket.Expect("N");
  support::TlsPeer peer({});
  peer.Handshake();
  socket.Send(peer.TakeOutput());
  EXPECT_EQ(socket.ReceiveAll(), "");
}

TEST_F(ForwarderTlsTest, PlainClientsAreRefusedWhereTlsIsRequired) {
  options_.require_tls = true;
  Start();
  EXPECT_THAT(Refusal(), AllOf(HasSubstr("C28000"), HasSubstr("sslmode=require")));
  Connect().Close();  // a probe of the port
  auto client = ConnectTls();
  client->Send(Startup());
  Socket server = primary_.Accept();
  LogInOver(client.get(), &server);
  // libpq before 17 sends these in plain text always, and PostgreSQL takes them.
  Socket cancel = Connect();
  cancel.Send(Cancel());
  primary_.Accept().Expect(Cancel());
}

TEST_F(ForwarderTlsTest, ACancelRequestMayComeOverTls) {
  Start();
  Pair session = LogIn();
  auto cancel = ConnectTls();
  cancel->Send(Cancel());
  Socket at_server = primary_.Accept();
  at_server.Expect(Cancel());
  at_server.Close();
  EXPECT_EQ(cancel->ReceiveAll(), "");
  EXPECT_TRUE(cancel->tls.peer().ended());
}

TEST_F(ForwarderTlsTest, AsksForTheCertificatesThatItIsGiven) {
  UseClientTls(Files().ca.certificate());
  Start();
  TlsPeerOptions known, stranger;
  known.certificate = Files().client.certificate;
  known.key = Files().client.key;
  stranger.certificate = Files().stranger.certificate;
  stranger.key = Files().stranger.key;
  auto client = ConnectTls(known);
  client->Send(Startup());
  primary_.Accept().Expect(Startup());
  for (const TlsPeerOptions& refused : {stranger, TlsPeerOptions{}}) {
    auto bad = Ask(refused);
    // In TLS 1.3 the client learns of it after its handshake.
    bad->tls.Handshake();
    EXPECT_EQ(bad->ReceiveAll(), "");
    EXPECT_THAT(bad->tls.peer().error(),
                testing::AnyOf(HasSubstr("unknown ca"), HasSubstr("certificate required")));
  }
}

TEST_F(ForwarderTlsTest, AHandshakeThatTakesTooLongIsEnded) {
  options_.login_timeout = std::chrono::milliseconds(50);
  Start();
  auto client = Ask();
  EXPECT_EQ(client->socket.ReceiveAll(), "");
}

TEST_F(ForwarderTlsTest, AClientThatLeavesDuringTheHandshakeIsForgotten) {
  Start();
  for (int i = 0; i < 20; ++i) {
    auto client = Ask();
    support::TlsPeer peer({});
    peer.Handshake();
    client->socket.Send(peer.TakeOutput());
    if (i % 2 == 0) client->socket.Expect("\x16");
  }
  forwarder_->Drain();  // returns when none is left
}

TEST_F(ForwarderTlsTest, ANewCertificateIsForConnectionsAcceptedLater) {
  Start();
  auto before = ConnectTls();
  forwarder_->SetClientTls(
      *TlsServer::Load({Files().misnamed.certificate, Files().misnamed.key, "", ""}));
  auto after = ConnectTls();
  const auto name = [](TlsEnd* end) {
    char text[100] = "";
    X509* certificate = SSL_get0_peer_certificate(end->tls.peer().ssl());
    X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, text, 100);
    return std::string(text);
  };
  EXPECT_EQ(name(before.get()), "localhost");
  EXPECT_EQ(name(after.get()), "db.example.org");
  before->Send(Startup());
  primary_.Accept().Expect(Startup());
}

TEST_F(ForwarderTlsTest, ErrorsReachAClientOverTls) {
  options_.primary_port = 1;
  Start();
  auto client = ConnectTls();
  client->Send(Startup());
  EXPECT_THAT(client->ReceiveAll(), HasSubstr("C08001"));
  EXPECT_TRUE(client->tls.peer().ended());
}

}  // namespace
}  // namespace pgparity::proxy
