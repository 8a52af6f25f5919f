// TLS between the forwarder and the primary, and on both sides at once.
#include <openssl/ssl.h>

#include "tests/unit/proxy/forwarder_tls_fixture.h"

namespace pgparity::proxy {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

TEST_F(ForwarderTlsTest, PreferAsksAndTakesNoForAnAnswer) {
  UsePrimaryTls("sslmode=prefer");
  Start();
  Socket client = Connect();
  client.Send(Startup());
  Socket server = primary_.Accept();
  server.Expect(SslRequest());
  server.Send("N");
  LogInOver(&client, &server);
}

TEST_F(ForwarderTlsTest, PreferTakesTlsWhereThereIsSome) {
  UsePrimaryTls("");
  Start();
  Socket client = Connect();
  client.Send(Startup());
  auto server = AcceptTls();
  LogInOver(&client, server.get());
}

TEST_F(ForwarderTlsTest, PreferGoesWithoutTlsWhereTheHandshakeFails) {
  UsePrimaryTls("sslmode=prefer");
  Start();
  Socket client = Connect();
  client.Send(Startup());
  {
    Socket broken = primary_.Accept();
    broken.Expect(SslRequest());
    broken.Send("Sthis is no handshake");
    broken.ReceiveAll();
  }
  Socket server = primary_.Accept();
  LogInOver(&client, &server);
}

// pg_hba.conf may want the one or the other.
TEST_F(ForwarderTlsTest, WhatRefusesOneWayIsTriedTheOther) {
  const std::string refused = Message('E', std::string("SFATAL\0C28000\0Mno entry\0\0", 25));
  for (const std::string mode : {"prefer", "allow"}) {
    UsePrimaryTls("sslmode=" + mode);
    Start();
    Socket client = Connect();
    client.Send(Startup());
    if (mode == "prefer") {
      auto first = AcceptTls();
      first->Expect(Startup());
      first->Send(refused);
      first->ReceiveAll();
      Socket second = primary_.Accept();
      LogInOver(&client, &second);
    } else {
      Socket first = primary_.Accept();
      first.Expect(Startup());
      first.Send(refused);
      first.ReceiveAll();
      auto second = AcceptTls();
      LogInOver(&client, second.get());
    }
    forwarder_.reset();
  }
}

TEST_F(ForwarderTlsTest, WhatIsRefusedBothWaysReachesTheClientOnce) {
  const std::string refused = Message('E', std::string("SFATAL\0C28000\0Mno entry\0\0", 25));
  UsePrimaryTls("sslmode=prefer");
  Start();
  Socket client = Connect();
  client.Send(Startup());
  {
    auto first = AcceptTls();
    first->Expect(Startup());
    first->Send(refused);
  }
  Socket second = primary_.Accept();
  second.Expect(Startup());
  second.Send(refused);
  second.Close();
  EXPECT_EQ(client.ReceiveAll(), refused);
}

TEST_F(ForwarderTlsTest, OtherErrorsAreNotTriedAgain) {
  const std::string error = Message('E', std::string("SFATAL\0C3D000\0Mno such database\0\0", 33));
  UsePrimaryTls("sslmode=prefer");
  Start();
  Socket client = Connect();
  client.Send(Startup());
  auto server = AcceptTls();
  server->Expect(Startup());
  server->Send(error);
  client.Expect(error);
}

TEST_F(ForwarderTlsTest, RequireDoesNotTakeNoForAnAnswer) {
  UsePrimaryTls("sslmode=require");
  Start();
  Socket client = Connect();
  client.Send(Startup());
  Socket server = primary_.Accept();
  server.Expect(SslRequest());
  server.Send("N");
  EXPECT_EQ(server.ReceiveAll(), "");  // no login in plain text
  EXPECT_THAT(client.ReceiveAll(),
              AllOf(HasSubstr("C08001"), HasSubstr("does not support TLS"), HasSubstr("sslmode")));
}

TEST_F(ForwarderTlsTest, AnErrorInPlaceOfAnAnswerIsNotBelieved) {
  UsePrimaryTls("sslmode=require");
  Start();
  Socket client = Connect();
  client.Send(Startup());
  Socket server = primary_.Accept();
  server.Expect(SslRequest());
  server.Send("Eforged words");
  EXPECT_THAT(client.ReceiveAll(), AllOf(HasSubstr("C08001"), Not(HasSubstr("forged"))));
}

TEST_F(ForwarderTlsTest, PlainBytesBehindTheAnswerAreNotTakenForTheServers) {
  UsePrimaryTls("sslmode=require");
  Start();
  Socket client = Connect();
  client.Send(Startup());
  Socket server = primary_.Accept();
  server.Expect(SslRequest());
  server.Send("S" + LoginEnd());
  const std::string answer = client.ReceiveAll();
  EXPECT_THAT(answer, AllOf(HasSubstr("C08001"), HasSubstr("TLS handshake failed")));
  EXPECT_EQ(answer[0], 'E');
}

TEST_F(ForwarderTlsTest, APrimaryThatHangsUpIsSaid) {
  UsePrimaryTls("sslmode=require");
  Start();
  Socket client = Connect();
  client.Send(Startup());
  {
    Socket server = primary_.Accept();
    server.Expect(SslRequest());
  }
  EXPECT_THAT(client.ReceiveAll(), AllOf(HasSubstr("C08001"), HasSubstr("closed")));
}

TEST_F(ForwarderTlsTest, APrimaryThatDoesNotFinishTheHandshakeIsSaid) {
  UsePrimaryTls("sslmode=require");
  options_.connect_timeout = std::chrono::milliseconds(50);
  Start();
  Socket client = Connect();
  client.Send(Startup());
  Socket server = primary_.Accept();
  server.Expect(SslRequest());
  EXPECT_THAT(client.ReceiveAll(), AllOf(HasSubstr("C08001"), HasSubstr("in time")));
}

TEST_F(ForwarderTlsTest, CertificatesAreCheckedAsTheModeSays) {
  const struct {
    std::string params;
    support::KeyPair certificate;
    std::string error;  // "" for none
  } cases[] = {
      {"sslmode=require", Files().stranger, ""},
      {"sslmode=require" + Roots(), Files().stranger, "certificate verify failed"},
      {"sslmode=require" + Roots(), Files().misnamed, ""},
      {"sslmode=verify-ca" + Roots(), Files().stranger, "certificate verify failed"},
      {"sslmode=verify-ca" + Roots(), Files().misnamed, ""},
      {"sslmode=verify-full" + Roots(), Files().misnamed,
       "its certificate is for \"db.example.org\", not for \"127.0.0.1\""},
      {"sslmode=verify-full" + Roots(), Files().server, ""},
      {"sslmode=verify-full&sslrootcert=system", Files().server, "certificate verify failed"},
  };
  for (const auto& one : cases) {
    SCOPED_TRACE(one.params + " " + one.certificate.certificate);
    UsePrimaryTls(one.params);
    Start();
    Socket client = Connect();
    client.Send(Startup());
    Socket socket = primary_.Accept();
    socket.Expect(SslRequest());
    socket.Send("S");
    TlsEnd server(std::move(socket), ServerEnd(one.certificate));
    server.tls.Handshake();
    if (one.error.empty()) {
      LogInOver(&client, &server);
    } else {
      EXPECT_THAT(client.ReceiveAll(), AllOf(HasSubstr("C08001"), HasSubstr(one.error)));
      EXPECT_EQ(server.ReceiveAll(), "");
    }
    forwarder_.reset();
  }
}

TEST_F(ForwarderTlsTest, ShowsItsOwnCertificateWhereOneIsGiven) {
  UsePrimaryTls("sslmode=require&sslcert=" + Files().client.certificate +
                "&sslkey=" + Files().client.key);
  Start();
  Socket client = Connect();
  client.Send(Startup());
  Socket socket = primary_.Accept();
  socket.Expect(SslRequest());
  socket.Send("S");
  support::TlsPeerOptions asking = ServerEnd(Files().server);
  asking.root = Files().ca.certificate();
  TlsEnd server(std::move(socket), asking);
  ASSERT_TRUE(server.tls.Handshake()) << server.tls.peer().error();
  LogInOver(&client, &server);
}

TEST_F(ForwarderTlsTest, DirectNegotiationAsksNothingAndWantsAlpn) {
  UsePrimaryTls("sslmode=require&sslnegotiation=direct");
  Start();
  Socket client = Connect();
  client.Send(Startup());
  TlsEnd server(primary_.Accept(), ServerEnd(Files().server));
  ASSERT_TRUE(server.tls.Handshake()) << server.tls.peer().error();
  EXPECT_THAT(client.ReceiveAll(), AllOf(HasSubstr("C08001"), HasSubstr("ALPN")));
}

TEST_F(ForwarderTlsTest, CancelRequestsGoOverTlsToo) {
  UsePrimaryTls("sslmode=require");
  Start();
  TlsPair session = LogInTls();
  Socket cancel = Connect();
  cancel.Send(Cancel());
  {
    auto at_server = AcceptTls();
    at_server->Expect(Cancel());
    at_server->tls.EndWriting();
  }
  EXPECT_EQ(cancel.ReceiveAll(), "");
}

// Drivers close as soon as it is sent, and PostgreSQL acts on it all the same.
TEST_F(ForwarderTlsTest, ACancelRequestWhoseClientHasLeftIsCarriedOut) {
  UsePrimaryTls("sslmode=require");
  Start();
  TlsPair session = LogInTls();
  {
    auto cancel = ConnectTls();
    cancel->Send(Cancel());
    cancel->tls.EndWriting();
  }
  Socket socket = primary_.Accept();
  socket.Expect(SslRequest());
  socket.Send("S");
  TlsEnd at_server(std::move(socket), ServerEnd(Files().server));
  ASSERT_TRUE(at_server.tls.Handshake());
  at_server.Expect(Cancel());
}

// --- both sides ---

TEST_F(ForwarderTlsTest, AHalfCloseGoesThroughBothSides) {
  UsePrimaryTls("sslmode=require");
  Start();
  TlsPair session = LogInTls();
  session.client->Send(Message('Q', "1") + Message('X'));
  session.client->tls.EndWriting();
  EXPECT_EQ(session.server->ReceiveAll(), Message('Q', "1") + Message('X'));
  EXPECT_TRUE(session.server->tls.peer().ended());
  session.server->Send(Message('C', "1") + Message('Z', "I"));
  session.server->tls.EndWriting();
  session.server->socket.Close();
  EXPECT_EQ(session.client->ReceiveAll(), Message('C', "1") + Message('Z', "I"));
  EXPECT_TRUE(session.client->tls.peer().ended());
}

TEST_F(ForwarderTlsTest, ACutConnectionEndsTheOther) {
  UsePrimaryTls("sslmode=require");
  Start();
  {
    TlsPair session = LogInTls();
    session.client->socket.Close();
    EXPECT_EQ(session.server->ReceiveAll(), "");
  }
  WaitForSessions(0);
  TlsPair session = LogInTls();
  session.server->Send(Message('E', "last words"));
  session.server->socket.Close();
  EXPECT_EQ(session.client->ReceiveAll(), Message('E', "last words"));
}

TEST_F(ForwarderTlsTest, ADamagedRecordEndsItsSessionAlone) {
  Start();
  auto client = ConnectTls();
  client->Send(Startup());
  Socket server = primary_.Accept();
  LogInOver(client.get(), &server);
  Pair other = LogIn();
  client->socket.Send(std::string("\x17\x03\x03\0\x20", 5) + std::string(32, 'x'));
  EXPECT_EQ(server.ReceiveAll(), "");
  other.client.Send(Message('Q', "still here"));
  other.server.Expect(Message('Q', "still here"));
}

TEST_F(ForwarderTlsTest, MuchReachesASlowReaderBothWays) {
  UsePrimaryTls("sslmode=require");
  options_.ring_bytes = 64 << 20;
  Start();
  TlsPair session = LogInTls();
  std::mt19937 random(1);
  std::string rows, copy;
  while (rows.size() < 16 << 20) {
    rows += Message('D', std::string(random() % 100000, static_cast<char>(random())));
  }
  for (int i = 0; i < 100; ++i) copy += Message('d', std::string(65000, static_cast<char>(i)));
  session.client->Send(Message('Q', "much"));
  session.server->Expect(Message('Q', "much"));
  {
    std::thread writer([&] { session.server->Send(rows); });
    std::string got = session.client->Receive(100);
    got += session.client->Receive(rows.size() - 100);
    writer.join();
    EXPECT_TRUE(got == rows);
  }
  std::thread writer([&] { session.client->Send(copy); });
  EXPECT_TRUE(session.server->Receive(copy.size()) == copy);
  writer.join();
}

TEST_F(ForwarderTlsTest, DrainTellsIdleSessionsInOrder) {
  UsePrimaryTls("sslmode=require");
  Start();
  TlsPair session = LogInTls();
  forwarder_->BeginDrain();
  EXPECT_THAT(session.client->ReceiveAll(), HasSubstr("C57P01"));
  EXPECT_TRUE(session.client->tls.peer().ended());
  EXPECT_EQ(session.server->ReceiveAll(), "");
}

TEST_F(ForwarderTlsTest, StopEndsConnectionsInAnyState) {
  UsePrimaryTls("sslmode=require");
  Start();
  auto handshaking = Ask();
  Socket waiting = Connect();
  waiting.Send(Startup());
  Socket asked = primary_.Accept();
  asked.Expect(SslRequest());
  TlsPair session = LogInTls();
  forwarder_->Stop();
  EXPECT_EQ(handshaking->socket.ReceiveAll(), "");
  EXPECT_EQ(asked.ReceiveAll(), "");
  EXPECT_EQ(session.client->ReceiveAll(), "");
}

TEST_F(ForwarderTlsTest, KeyUpdatesOfAClientPassUnnoticed) {
  Start();
  auto client = ConnectTls();
  client->Send(Startup());
  Socket server = primary_.Accept();
  LogInOver(client.get(), &server);
  for (int i = 0; i < 5; ++i) {
    client->tls.peer().UpdateKeys();
    client->Send(Message('Q', "1"));
    server.Expect(Message('Q', "1"));
    server.Send(Message('Z', "I"));
    client->Expect(Message('Z', "I"));
  }
}

}  // namespace
}  // namespace pgparity::proxy
