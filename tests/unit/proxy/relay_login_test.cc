#include "proxy/relay_login.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "protocol/wire.h"

namespace pgparity::proxy {
namespace {

using Next = Login::Next;
using testing::ElementsAre;
using testing::Pair;

std::string Message(char tag, std::string_view body = {}) {
  std::string message;
  protocol::AppendMessage(&message, tag, body);
  return message;
}

std::string Bytes(std::initializer_list<std::string_view> texts) {
  std::string bytes;
  for (const std::string_view text : texts) (bytes += text) += '\0';
  return bytes;
}

TEST(LoginRelay, LearnsWhatTheServerTellsUpToTheFirstReadyForQuery) {
  LoginRelay login;
  const std::string before = Message('R', std::string(4, '\0')) +
                             Message('S', Bytes({"TimeZone", "Asia/Tokyo"})) +
                             Message('S', Bytes({"server_version", "15"})) +
                             Message('K', std::string("\0\0\1\2key!", 8)) + Message('Z', "I");
  const Login::Step step = login.FromServer(before + Message('N', "behind"));
  EXPECT_EQ(step.next, Next::logged_in);
  EXPECT_EQ(step.taken, before.size());
  EXPECT_THAT(login.facts().parameters(),
              ElementsAre(Pair("TimeZone", "Asia/Tokyo"), Pair("server_version", "15")));
  EXPECT_EQ(login.facts().process_id(), 258);
  EXPECT_EQ(login.facts().cancel_key(), "key!");
}

TEST(LoginRelay, PassesWholeMessagesOnly) {
  LoginRelay login;
  const std::string whole = Message('R', std::string(8, '\0'));
  for (size_t i = 0; i < whole.size(); ++i) {
    const Login::Step step = login.FromServer(whole.substr(0, i));
    EXPECT_EQ(step.taken, 0u);
    EXPECT_EQ(step.next, Next::more);
  }
  EXPECT_EQ(login.FromServer(whole + "S").taken, whole.size());
}

TEST(LoginRelay, LimitsFramesBeforeLogin) {
  LoginRelay login;
  std::string large;
  protocol::WireWriter(&large).Uint8('p').Uint32(Login::kMaxFrame + 1);
  EXPECT_EQ(login.FromClient(large).next, Next::bad_frame);
  large[0] = 'R';
  EXPECT_EQ(login.FromServer(large).next, Next::bad_frame);
  large[0] = 'E';  // a server's error may be longer
  EXPECT_EQ(login.FromServer(large).next, Next::more);
  std::string error;
  protocol::WireWriter(&error).Uint8('E').Uint32(Login::kMaxErrorFrame + 1);
  EXPECT_EQ(login.FromServer(error).next, Next::bad_frame);
  EXPECT_EQ(login.FromServer(std::string("R\0\0\0\3", 5)).next, Next::bad_frame);
  EXPECT_EQ(login.FromClient(std::string("p\0\0\0\3", 5)).next, Next::bad_frame);
}

TEST(LoginRelay, HoldsWhatTheClientSendsAheadOfTheLoginsEnd) {
  LoginRelay login;
  const std::string password = Message('p', "sesame");
  const Login::Step step = login.FromClient(password + password + Message('Q', "SELECT 1"));
  EXPECT_EQ(step.taken, 2 * password.size());
  EXPECT_EQ(step.next, Next::hold);
  EXPECT_EQ(login.FromClient("Q").next, Next::hold) << "by its first byte";
}

TEST(LoginRelay, ConnectsAtOnceAndPassesEveryByte) {
  LoginRelay login;
  EXPECT_EQ(login.Start([] {}).next, Next::connect);
  EXPECT_EQ(login.Connected(Channel()).next, Next::more);
  const std::string password = Message('p', "sesame");
  EXPECT_EQ(login.FromClient(password + "p").to_primary, password);
  const std::string offer =
      Message('R', std::string("\0\0\0\x0aSCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0", 38));
  EXPECT_EQ(login.FromServer(offer + "R").to_client, offer);
}

TEST(LoginRelay, TakesPlusOutOfTheOfferWhereThePrimarysSideAloneIsOnTls) {
  const std::string offer =
      Message('R', std::string("\0\0\0\x0aSCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0", 38));
  const std::string without = Message('R', std::string("\0\0\0\x0aSCRAM-SHA-256\0\0", 19));
  for (const bool client_tls : {false, true}) {
    for (const bool primary_tls : {false, true}) {
      LoginRelay login(client_tls);
      login.Connected({primary_tls});
      const bool hidden = primary_tls && !client_tls;
      const Login::Step step = login.FromServer(offer + offer);
      EXPECT_EQ(step.to_client, hidden ? without + without : offer + offer);
      EXPECT_EQ(step.taken, 2 * offer.size());
    }
  }
  LoginRelay login;
  login.Connected({true});
  for (const std::string& other :
       {Message('R', std::string("\0\0\0\x05salt", 8)), Message('R', "?"),
        Message('R', std::string("\0\0\0\x0aSCRAM-SHA-256", 17)), Message('N', "notice")}) {
    EXPECT_EQ(login.FromServer(other).to_client, other);
  }
}

TEST(LoginRelay, SaysWhyChannelBindingFailsOnTlsOnBothSides) {
  const std::string plus = Message('p', std::string("SCRAM-SHA-256-PLUS\0\0\0\0\0", 23));
  const std::string plain = Message('p', std::string("SCRAM-SHA-256\0\0\0\0\0", 18));
  for (const bool primary_tls : {false, true}) {
    int complaints = 0;
    LoginRelay login(true, [&complaints](std::string_view) { ++complaints; });
    login.Connected({primary_tls});
    EXPECT_EQ(login.FromClient(plain).to_primary, plain);
    EXPECT_EQ(complaints, 0);
    EXPECT_EQ(login.FromClient(plus).to_primary, plus) << "it passes all the same";
    EXPECT_EQ(complaints, primary_tls ? 1 : 0);
  }
}

TEST(LoginRelay, IgnoresKeysAndParametersOfImpossibleSize) {
  LoginRelay login;
  login.FromServer(Message('K', "abcdefg") + Message('S', "no terminator"));
  EXPECT_EQ(login.facts().cancel_key(), "");
  EXPECT_TRUE(login.facts().parameters().empty());
  // 16 KiB of each message, without end.
  const std::string filler(16000, 'x');
  for (int i = 0; i < 100; ++i) {
    login.FromServer(Message('S', Bytes({"p" + std::to_string(i), filler})));
  }
  EXPECT_LE(login.facts().parameters().size(), 4u);
}

TEST(SessionInfo, TakesSettingsFromOptionsParametersAndReports) {
  protocol::StartupMessage startup;
  startup.parameters = {{"user", "ann"},
                        {"options", "-c search_path=app,public --work-mem=4MB -cfoo=a\\ b -x -c"},
                        {"TimeZone", "UTC"},
                        {"application_name", "from startup"},
                        {"_pq_.x", "y"}};
  const shadow::SessionInfo info = MakeSessionInfo(
      startup, {{"TimeZone", "Asia/Tokyo"}, {"server_version", "15"}, {"is_superuser", "on"}});
  EXPECT_EQ(info.user, "ann");
  EXPECT_EQ(info.database, "ann");
  EXPECT_EQ(info.application, "from startup");
  EXPECT_FALSE(info.replication);
  EXPECT_THAT(info.startup, ElementsAre(Pair("application_name", "from startup"),
                                        Pair("foo", "a b"), Pair("search_path", "app,public"),
                                        Pair("timezone", "Asia/Tokyo"), Pair("work_mem", "4MB")));
}

TEST(SessionInfo, IsTheSameBehindTheRing) {
  shadow::SessionInfo info;
  info.user = "ann";
  info.database = std::string("d\0b", 3);
  info.application = "";
  info.replication = true;
  info.startup = {{"a", ""}, {"b", std::string(5000, 'x')}};
  const std::string bytes = EncodeSessionInfo(info);
  const shadow::SessionInfo back = DecodeSessionInfo(bytes);
  EXPECT_EQ(back.user, info.user);
  EXPECT_EQ(back.database, info.database);
  EXPECT_EQ(back.application, info.application);
  EXPECT_EQ(back.replication, info.replication);
  EXPECT_EQ(back.startup, info.startup);
}

TEST(SessionInfo, DecodingHoldsOnAnyBytes) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937 random(seed);
  shadow::SessionInfo info;
  info.user = "ann";
  info.startup = {{"search_path", "app"}, {"timezone", "UTC"}};
  const std::string good = EncodeSessionInfo(info);
  for (int i = 0; i < 3000; ++i) {
    std::string bytes = good.substr(0, random() % (good.size() + 1));
    if (!bytes.empty()) bytes[random() % bytes.size()] = static_cast<char>(random());
    const auto exact = std::make_unique<char[]>(bytes.size());
    bytes.copy(exact.get(), bytes.size());
    DecodeSessionInfo(std::string_view(exact.get(), bytes.size()));
  }
}

}  // namespace
}  // namespace pgparity::proxy
