#include "tests/unit/proxy/forwarder_fixture.h"

namespace pgparity::proxy {
namespace {

using testing::HasSubstr;

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

}  // namespace
}  // namespace pgparity::proxy
