#include "proxy/auth.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "proxy/relay_login.h"
#include "tests/unit/proxy/auth_test_util.h"

namespace pgparity::proxy {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(ChooseAuth, TakesTheUrlOnlyWherePassingCouldNotWorkAndTheUrlCan) {
  const DatabaseUrl url = *DatabaseUrl::Parse("postgres://ann:secret@h/d");
  const DatabaseUrl bare = *DatabaseUrl::Parse("postgres://ann@h/d");
  const auto choose = [](const DatabaseUrl& primary, bool primary_tls, bool client_tls,
                         std::string_view user) {
    return ChooseAuth(AuthMode::automatic, primary, primary_tls, client_tls, user);
  };
  EXPECT_EQ(choose(url, true, true, "ann"), AuthMode::url);
  EXPECT_EQ(choose(url, true, true, "bob"), AuthMode::pass);
  EXPECT_EQ(choose(url, false, true, "ann"), AuthMode::pass);
  EXPECT_EQ(choose(url, true, false, "ann"), AuthMode::pass);
  EXPECT_EQ(choose(bare, true, true, "ann"), AuthMode::pass);
  for (const AuthMode asked : {AuthMode::pass, AuthMode::url, AuthMode::scram}) {
    EXPECT_EQ(ChooseAuth(asked, url, false, false, "bob"), asked);
  }
}

class AuthenticatorTest : public testing::Test {
 protected:
  AuthenticatorTest() {
    std::string pattern = testing::TempDir() + "/auth-XXXXXX";
    directory_ = mkdtemp(pattern.data());
    options_.data_dir = directory_;
    options_.log_warning = [this](std::string_view line) { warnings_.emplace_back(line); };
  }
  ~AuthenticatorTest() override { std::filesystem::remove_all(directory_); }
  std::string Write(const std::string& text, mode_t mode = 0600) {
    const std::string path = directory_ + "/users";
    std::ofstream(path) << text;
    chmod(path.c_str(), mode);
    return path;
  }
  std::unique_ptr<Authenticator> Make() {
    auto made = Authenticator::Make(options_);
    EXPECT_TRUE(made.ok()) << made.status();
    return made.ok() ? *std::move(made) : nullptr;
  }
  // What a user is challenged with.
  static std::string Challenge(const Authenticator& authenticator, const std::string& user,
                               TestClient* client, std::unique_ptr<Login>* login) {
    protocol::StartupMessage startup;
    startup.parameters = {{"user", user}};
    *login = authenticator.NewLogin(startup, {});
    Login::Step step = (*login)->Start([] {});
    step = (*login)->FromClient(client->First(TakeAuthentication(&step.to_client)));
    return TakeAuthentication(&step.to_client).data;
  }
  static bool LetsIn(const Authenticator& authenticator, const std::string& user,
                     const std::string& password) {
    std::unique_ptr<Login> login;
    TestClient client(password);
    const Said challenge{protocol::backend::AuthenticationKind::sasl_continue,
                         Challenge(authenticator, user, &client, &login),
                         {}};
    return login->FromClient(client.Final(challenge)).next == Login::Next::connect;
  }

  std::string directory_;
  AuthOptions options_;
  std::vector<std::string> warnings_;
};

TEST_F(AuthenticatorTest, PassesUnlessAskedOtherwise) {
  options_.primary = *DatabaseUrl::Parse("postgres://ann:secret@h/d");
  for (const AuthMode mode : {AuthMode::automatic, AuthMode::pass}) {
    options_.mode = mode;
    const auto authenticator = Make();
    const auto login = authenticator->NewLogin(protocol::StartupMessage(), {});
    EXPECT_NE(dynamic_cast<LoginRelay*>(login.get()), nullptr);
  }
}

TEST_F(AuthenticatorTest, AutomaticTakesTheUrlOnTlsOnBothSides) {
  options_.primary = *DatabaseUrl::Parse("postgres://ann:secret@h/d");
  options_.primary_tls = true;
  const auto authenticator = Make();
  protocol::StartupMessage startup;
  startup.parameters = {{"user", "ann"}};
  const auto login = authenticator->NewLogin(startup, {true, "ours"});
  EXPECT_NE(dynamic_cast<CheckedLogin*>(login.get()), nullptr);
}

TEST_F(AuthenticatorTest, LetsTheUrlsUserInWithItsPassword) {
  options_.mode = AuthMode::url;
  options_.primary = *DatabaseUrl::Parse("postgres://ann:secret@h/d");
  const auto authenticator = Make();
  EXPECT_TRUE(LetsIn(*authenticator, "ann", "secret"));
  EXPECT_FALSE(LetsIn(*authenticator, "ann", "Secret"));
  EXPECT_FALSE(LetsIn(*authenticator, "bob", "secret"));
}

TEST_F(AuthenticatorTest, UrlNeedsAUserAndAPassword) {
  options_.mode = AuthMode::url;
  for (const char* url : {"postgres://h/d", "postgres://ann@h/d"}) {
    options_.primary = *DatabaseUrl::Parse(url);
    EXPECT_THAT(std::string(Authenticator::Make(options_).status().message()),
                HasSubstr("--auth url needs"));
  }
  options_.primary = *DatabaseUrl::Parse("postgres://ann:a%C2%A0b@h/d");
  EXPECT_THAT(std::string(Authenticator::Make(options_).status().message()),
              HasSubstr("--primary: the password has a character"));
  options_.mode = AuthMode::automatic;
  EXPECT_NE(Make(), nullptr);
  EXPECT_THAT(warnings_, ElementsAre(HasSubstr("--auth url cannot be used")));
}

TEST_F(AuthenticatorTest, ReloadsTheFileAndKeepsTheOldOneOnAnError) {
  options_.mode = AuthMode::scram;
  options_.file = Write("\"ann\" \"one\"\n");
  const auto authenticator = Make();
  EXPECT_TRUE(LetsIn(*authenticator, "ann", "one"));
  Write("\"ann\" \"two\"\n");
  EXPECT_TRUE(LetsIn(*authenticator, "ann", "one")) << "not asked to yet";
  EXPECT_TRUE(authenticator->Reload().ok());
  EXPECT_FALSE(LetsIn(*authenticator, "ann", "one"));
  EXPECT_TRUE(LetsIn(*authenticator, "ann", "two"));
  Write("ann three\n");
  const absl::Status failed = authenticator->Reload();
  EXPECT_THAT(std::string(failed.message()), HasSubstr("--auth-file: " + options_.file));
  EXPECT_TRUE(LetsIn(*authenticator, "ann", "two"));
}

TEST_F(AuthenticatorTest, WarnsOfPlainPasswordsThatOthersMayRead) {
  options_.mode = AuthMode::scram;
  options_.file = Write("\"ann\" \"one\"\n\"bob\" \"\"\n", 0644);
  Make();
  EXPECT_THAT(warnings_,
              ElementsAre(HasSubstr("1 entries are MD5 or empty"), HasSubstr("plain passwords")));
}

TEST_F(AuthenticatorTest, ScramNeedsAFileOrAUserToAskWith) {
  options_.mode = AuthMode::scram;
  options_.primary = *DatabaseUrl::Parse("postgres://h/d");
  EXPECT_FALSE(Authenticator::Make(options_).ok());
  options_.primary = *DatabaseUrl::Parse("postgres://ann@h/d");
  const auto authenticator = Make();
  EXPECT_TRUE(authenticator->queries());
}

TEST_F(AuthenticatorTest, ChallengesAreTheSameAfterARestart) {
  options_.mode = AuthMode::scram;
  options_.file = Write("\"ann\" \"one\"\n");
  const auto salt = [this](const std::string& user) {
    std::unique_ptr<Login> login;
    TestClient client("x");
    const auto authenticator = Make();
    const std::string challenge = Challenge(*authenticator, user, &client, &login);
    return challenge.substr(challenge.find(",s="));
  };
  EXPECT_EQ(salt("nobody"), salt("nobody"));
  EXPECT_EQ(salt("ann"), salt("ann"));
  struct stat found {};
  ASSERT_EQ(stat((directory_ + "/login.secret").c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 0777, 0600u);
  EXPECT_EQ(found.st_size, 32);
  const std::string before = salt("nobody");
  std::filesystem::remove(directory_ + "/login.secret");
  EXPECT_NE(salt("nobody"), before);
}

}  // namespace
}  // namespace pgparity::proxy
