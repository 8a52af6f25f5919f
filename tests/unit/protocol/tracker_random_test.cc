// Random scripts against the model of a server: whatever the interleaving and the fragments, the
// tracker tells what the model knows to have happened.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <random>

#include "tests/unit/protocol/scripted_server.h"
#include "tests/unit/protocol/tracker_session.h"

namespace pgparity::protocol {
namespace {

// A reply, and how much of the client's stream the server must have read to send it.
struct Due {
  size_t client_bytes;
  std::string reply;
};

// Feeds both streams in random pieces, never a reply before its request.
std::vector<std::string> Play(std::mt19937* random, const std::string& client,
                              const std::vector<Due>& dues) {
  TrackedSession session;
  std::string server;
  size_t sent = 0, received = 0, due = 0;
  while (sent < client.size() || received < server.size()) {
    const bool from_client =
        received == server.size() || (sent < client.size() && (*random)() % 2 == 0);
    const size_t size = 1 + (*random)() % ((*random)() % 4 == 0 ? 300 : 20);
    if (from_client) {
      session.Client(std::string_view(client).substr(sent, size));
      sent = std::min(client.size(), sent + size);
    } else {
      session.Server(std::string_view(server).substr(received, size));
      received = std::min(server.size(), received + size);
    }
    for (; due < dues.size() && dues[due].client_bytes <= sent; ++due) server += dues[due].reply;
  }
  return session.Take();
}

// Leaves out what depends on the interleaving: whether a commit was sent alone, whether requests
// are outstanding, and how much of a COPY the client had sent when the server gave it up.
std::vector<std::string> Settled(const std::vector<std::string>& log) {
  std::vector<std::string> settled;
  for (std::string line : log) {
    if (line == "commit sent" || line.rfind("copy data: COPY bad", 0) == 0) continue;
    if (const size_t at = line.find(" outstanding"); at != std::string::npos) line.resize(at);
    settled.push_back(line);
  }
  return settled;
}

// "" if equal, or the first line that differs with those before it.
std::string FirstDifference(const std::vector<std::string>& told,
                            const std::vector<std::string>& expected) {
  for (size_t i = 0; i < std::max(told.size(), expected.size()); ++i) {
    const std::string a = i < told.size() ? told[i] : "nothing";
    const std::string b = i < expected.size() ? expected[i] : "nothing";
    if (a == b) continue;
    std::string report;
    for (size_t before = i < 5 ? 0 : i - 5; before < i; ++before) report += told[before] + "\n";
    return report + "told: " + a + "\nexpected: " + b + "\n";
  }
  return "";
}

TEST(TrackerRandom, TellsWhatTheModelKnows) {
  const char* given = std::getenv("PGPARITY_TEST_SEED");
  const auto seed = given != nullptr ? static_cast<unsigned>(std::strtoul(given, nullptr, 10))
                                     : std::random_device{}();
  std::mt19937 random(seed);
  for (int round = 0; round < 400; ++round) {
    SCOPED_TRACE("PGPARITY_TEST_SEED=" + std::to_string(seed) + " round " + std::to_string(round));
    ScriptedServer model;
    std::string client;
    std::vector<Due> dues;
    for (const ScriptMessage& message : RandomScript(&random)) {
      client += message.Bytes();
      dues.push_back({client.size(), model.Answer(message)});
    }
    ASSERT_EQ(FirstDifference(Settled(Play(&random, client, dues)), Settled(model.log())), "");
  }
}

}  // namespace
}  // namespace pgparity::protocol
