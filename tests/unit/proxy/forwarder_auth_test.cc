// Logins that the proxy checks, over real sockets.
#include "proxy/auth.h"
#include "tests/unit/proxy/auth_test_util.h"
#include "tests/unit/proxy/forwarder_fixture.h"

namespace pgparity::proxy {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class ForwarderAuthTest : public ForwarderTest {
 protected:
  void StartUrl() {
    AuthOptions auth;
    auth.mode = AuthMode::url;
    auth.primary = *DatabaseUrl::Parse("postgres://ann:secret@h/d");
    auth.data_dir = directory_;
    authenticator_ = *Authenticator::Make(std::move(auth));
    options_.authenticator = authenticator_.get();
    Start();
  }
  ~ForwarderAuthTest() override {
    authenticator_->Stop();
    forwarder_.reset();
  }
  // One message.
  static std::string Read(Socket* socket) {
    std::string message = socket->Receive(5);
    if (message.size() == 5) {
      message += socket->Receive(
          protocol::WireReader(std::string_view(message).substr(1)).ReadUint32() - 4);
    }
    return message;
  }
  static Said ReadSaid(Socket* socket) {
    std::string message = Read(socket);
    return TakeAuthentication(&message);
  }
  // Up to the client's proof.
  static void Prove(Socket* client, TestClient* scram) {
    client->Send(scram->First(ReadSaid(client)));
    client->Send(scram->Final(ReadSaid(client)));
  }

  std::unique_ptr<Authenticator> authenticator_;
};

TEST_F(ForwarderAuthTest, TheClientIsCheckedAndThenThePrimaryIsLoggedInTo) {
  StartUrl();
  Socket client = Connect();
  client.Send(Startup() + Message('Q', "too early"));
  EXPECT_THAT(client.ReceiveAll(), HasSubstr("C08P01"));

  Socket good = Connect();
  good.Send(Startup());
  TestClient scram("secret");
  Prove(&good, &scram);
  good.Send(Message('Q', "early"));
  EXPECT_TRUE(scram.Trusts(ReadSaid(&good)));
  // The next connection to the primary is this one's: the first client made none.
  Socket server = primary_.Accept();
  server.Expect(Startup());
  const protocol::ScramKeys keys = protocol::DeriveScramKeys("secret", "its own salt", 7);
  TestScramPrimary primary(protocol::ScramVerifier::FromKeys(keys, "its own salt", 7));
  server.Send(primary.Offer());
  server.Send(primary.First(Read(&server).substr(5)));
  server.Send(primary.Final(Read(&server).substr(5)) + LoginEnd() + Message('N', "behind"));
  good.Expect(LoginEnd() + Message('N', "behind"));
  server.Expect(Message('Q', "early"));
  EXPECT_THAT(Captured(), ElementsAre("opened:ann", "server:" + Message('N', "behind"),
                                      "client:" + Message('Q', "early")));
  EXPECT_EQ(forwarder_->counters().logins, 1u);
  EXPECT_EQ(forwarder_->counters().failed_logins, 1u);
}

TEST_F(ForwarderAuthTest, AWrongPasswordNeverReachesThePrimary) {
  StartUrl();
  for (const char* user : {"ann", "bob"}) {
    Socket client = Connect();
    client.Send(Startup(user));
    TestClient scram("wrong");
    Prove(&client, &scram);
    const std::string error = client.ReceiveAll();
    EXPECT_THAT(error, HasSubstr("C28P01"));
    EXPECT_THAT(
        error, HasSubstr(std::string("Mpassword authentication failed for user \"") + user + "\""));
  }
  // Nobody has connected to it.
  Socket probe = Socket::Connect(primary_.port());
  probe.Send("probe");
  primary_.Accept().Expect("probe");
  EXPECT_THAT(Captured(), IsEmpty());
}

TEST_F(ForwarderAuthTest, AClientThatLeavesOrSendsGarbageEndsAloneAndAtOnce) {
  StartUrl();
  {
    Socket silent = Connect();
    silent.Send(Startup());
    ReadSaid(&silent);
  }
  Socket half = Connect();
  half.Send(Startup());
  ReadSaid(&half);
  half.EndWriting();
  EXPECT_EQ(half.ReceiveAll(), "");
  Socket large = Connect();
  large.Send(Startup());
  ReadSaid(&large);
  large.Send(std::string("p\0\0\xff\xff", 5));
  EXPECT_THAT(large.ReceiveAll(), HasSubstr("C08P01"));
  WaitForSessions(0);
  Socket late = Connect();
  late.Send(Startup());
  TestClient scram("secret");
  Prove(&late, &scram);
  EXPECT_TRUE(scram.Trusts(ReadSaid(&late)));
}

TEST_F(ForwarderAuthTest, ThePrimarysRefusalReachesTheClient) {
  StartUrl();
  Socket client = Connect();
  client.Send(Startup());
  TestClient scram("secret");
  Prove(&client, &scram);
  ReadSaid(&client);
  Socket server = primary_.Accept();
  server.Expect(Startup());
  const std::string error = Message('E', std::string("SFATAL\0C53300\0Mfull\0\0", 21));
  server.Send(error);
  server.Close();
  EXPECT_EQ(client.ReceiveAll(), error);
}

TEST_F(ForwarderAuthTest, DrainingEndsALoginUnderWayWithAWord) {
  StartUrl();
  Socket client = Connect();
  client.Send(Startup());
  ReadSaid(&client);
  forwarder_->BeginDrain();
  EXPECT_THAT(client.ReceiveAll(), HasSubstr("C57P03"));
}

}  // namespace
}  // namespace pgparity::proxy
