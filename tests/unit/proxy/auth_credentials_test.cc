#include "proxy/auth_credentials.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <mutex>
#include <thread>

#include "proxy/auth_worker.h"

namespace pgparity::proxy {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr char kVerifier[] =
    "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:"
    "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=";

const protocol::Secret secret("test");

CredentialAnswer Find(CredentialSource* source, const std::string& user) {
  CredentialAnswer answer;
  int calls = 0;
  source->Find(user, [&](CredentialAnswer found) {
    answer = std::move(found);
    ++calls;
  });
  EXPECT_EQ(calls, 1);
  return answer;
}

std::string Line(std::string_view user, std::string_view password) {
  return "\"" + std::string(user) + "\" \"" + std::string(password) + "\"\n";
}

TEST(AuthFile, ReadsPgbouncersForm) {
  const auto entries = AuthFile::Parse(
      "; a comment\n# another\n\n  \"ann\"\t\"" + std::string(kVerifier) + "\"  \"ignored\"\r\n" +
          Line("bo\"\"b", "se\"\"same") + Line("md5", "md5d1167df71a1d8fb7ca8e6827a0351fac") +
          Line("empty", "") + "\"last\" \"without a newline\"",
      secret);
  ASSERT_TRUE(entries.ok()) << entries.status();
  EXPECT_EQ(entries->users.size(), 3u);
  EXPECT_EQ(entries->unusable, 2u);
  EXPECT_EQ(entries->plain, 2u);
  EXPECT_EQ(entries->users.at("ann")->verifier().ToString(), kVerifier);
  EXPECT_EQ(entries->users.at("ann")->password(), "");
  EXPECT_EQ(entries->users.at("bo\"b")->password(), "se\"same");
  EXPECT_EQ(entries->users.at("last")->password(), "without a newline");
}

TEST(AuthFile, OfTwoLinesTheLastCounts) {
  const auto entries = AuthFile::Parse(
      Line("ann", "first") + Line("bob", "first") + Line("ann", "second") + Line("bob", ""),
      secret);
  ASSERT_TRUE(entries.ok());
  EXPECT_EQ(entries->users.at("ann")->password(), "second");
  EXPECT_FALSE(entries->users.contains("bob"));
}

TEST(AuthFile, ErrorsNameTheLineAndNothingOfIt) {
  for (const std::string& bad :
       {std::string("ann sesame"), std::string("\"ann\" sesame"), std::string("\"ann\" \"sesame"),
        std::string("\"ann"), std::string("\"ann\""), std::string("\"\" \"sesame\""),
        std::string("\"ann\" \"SCRAM-SHA-256$sesame\""), std::string("\"ann\" \"sesame\xc2\xa0\""),
        "\"ann\" \"sesame" + std::string(3000, 'x')}) {
    const auto entries = AuthFile::Parse("\n; first\n" + bad + "\n", secret);
    ASSERT_FALSE(entries.ok()) << bad;
    const std::string message(entries.status().message());
    EXPECT_THAT(message, HasSubstr("line 3"));
    EXPECT_THAT(message, Not(HasSubstr("sesame")));
  }
  const auto missing = AuthFile::Read("/nonexistent/users", secret);
  EXPECT_THAT(std::string(missing.status().message()), HasSubstr("/nonexistent/users"));
}

TEST(AuthFile, AsksTheNextSourceForOthers) {
  class Next final : public CredentialSource {
   public:
    void Find(const std::string& user, Found found) override {
      asked.push_back(user);
      found({CredentialAnswer::Kind::busy});
    }
    std::vector<std::string> asked;
  } next;
  AuthFile file(*AuthFile::Parse(Line("ann", kVerifier), secret), &next);
  EXPECT_EQ(Find(&file, "ann").kind, CredentialAnswer::Kind::found);
  EXPECT_EQ(Find(&file, "bob").kind, CredentialAnswer::Kind::busy);
  EXPECT_THAT(next.asked, testing::ElementsAre("bob"));
}

TEST(AuthFile, IsReplacedWhole) {
  AuthFile file(*AuthFile::Parse(Line("ann", kVerifier), secret), nullptr);
  const CredentialPtr before = Find(&file, "ann").credential;
  file.Replace(*AuthFile::Parse(Line("bob", kVerifier), secret));
  EXPECT_EQ(Find(&file, "ann").kind, CredentialAnswer::Kind::unknown);
  EXPECT_EQ(Find(&file, "bob").kind, CredentialAnswer::Kind::found);
  EXPECT_EQ(before->verifier().ToString(), kVerifier) << "a login under way keeps what it has";
}

TEST(AuthFile, MocksHaveTheIterationsOfMost) {
  std::string other = kVerifier;
  other.replace(other.find("4096"), 4, "9999");
  const AuthFile file(
      *AuthFile::Parse(Line("a", kVerifier) + Line("b", other) + Line("c", other), secret),
      nullptr);
  EXPECT_EQ(file.usual_iterations(), 9999);
  EXPECT_EQ(AuthFile({}, nullptr).usual_iterations(), 4096);
}

TEST(Salts, OfPlainPasswordsAreThoseOfUnknownUsers) {
  const auto credential = CredentialFromPassword(secret, "ann", "sesame", "--auth-file");
  ASSERT_TRUE(credential.ok());
  const protocol::ScramVerifier mock = MockVerifier(secret, "ann", 4096);
  EXPECT_EQ((*credential)->verifier().salt, mock.salt);
  EXPECT_EQ(mock.salt.size(), 16u);
  EXPECT_NE(mock.salt, MockVerifier(secret, "bob", 4096).salt);
  EXPECT_NE(mock.salt, MockVerifier(protocol::Secret("other"), "ann", 4096).salt);
}

TEST(UrlCredentials, KnowOneUser) {
  const auto credential = CredentialFromPassword(secret, "ann", "sesame", "--primary");
  UrlCredentials url("ann", *credential);
  EXPECT_EQ(Find(&url, "ann").credential, *credential);
  EXPECT_EQ(Find(&url, "Ann").kind, CredentialAnswer::Kind::unknown);
  EXPECT_EQ(Find(&url, "").kind, CredentialAnswer::Kind::unknown);
}

TEST(AuthWorker, RunsInOrderWithinItsBoundAndDropsTheRestAtItsEnd) {
  std::mutex gate;
  std::vector<int> ran;
  auto dropped = std::make_shared<int>();
  {
    AuthWorker worker("auth-test", 2);
    std::unique_lock<std::mutex> closed(gate);
    std::promise<void> begun;
    ASSERT_TRUE(worker.Do([&] {
      begun.set_value();
      const std::lock_guard<std::mutex> open(gate);
      ran.push_back(1);
    }));
    begun.get_future().wait();
    EXPECT_TRUE(worker.Do([&ran, dropped] { ran.push_back(2); }));
    EXPECT_TRUE(worker.Do([&ran, dropped] { ran.push_back(3); }));
    EXPECT_FALSE(worker.Do([] {})) << "its queue is full";
    std::thread stop([&worker] { worker.Stop(); });
    while (dropped.use_count() > 1) std::this_thread::yield();
    closed.unlock();
    stop.join();
    EXPECT_FALSE(worker.Do([] {}));
  }
  EXPECT_THAT(ran, testing::ElementsAre(1));
}

}  // namespace
}  // namespace pgparity::proxy
