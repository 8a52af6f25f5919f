#include "proxy/auth_login.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <condition_variable>
#include <random>

#include "tests/unit/proxy/auth_test_util.h"

namespace pgparity::proxy {
namespace {

using protocol::backend::AuthenticationKind;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using Next = Login::Next;

class CheckedLoginTest : public testing::Test {
 protected:
  CheckedLoginTest() : worker_("auth-test", 10) {
    context_.source = &source_;
    context_.worker = &worker_;
    context_.mock_secret = protocol::Secret("mock");
    context_.nonce = [] { return "proxy-nonce"; };
    context_.complain = [this](std::string_view line) { complaints_.emplace_back(line); };
    source_.users["ann"] = TestCredential("sesame");
  }
  std::unique_ptr<CheckedLogin> New(const std::string& user = "ann", Channel client = {}) {
    return std::make_unique<CheckedLogin>(&context_, user, client);
  }
  Login::Step Start(CheckedLogin* login) {
    return login->Start([this] {
      const std::lock_guard<std::mutex> lock(mutex_);
      ++resumes_;
      resumed_.notify_all();
    });
  }
  void WaitForResumes(int n) {
    std::unique_lock<std::mutex> lock(mutex_);
    ASSERT_TRUE(resumed_.wait_for(lock, std::chrono::seconds(60), [&] { return resumes_ >= n; }));
  }
  // Logs a client in with its password, up to the connect.
  std::unique_ptr<CheckedLogin> Proved(const std::string& user = "ann") {
    auto login = New(user);
    Login::Step step = Start(login.get());
    TestClient client("sesame");
    step = login->FromClient(client.First(TakeAuthentication(&step.to_client)));
    step = login->FromClient(client.Final(TakeAuthentication(&step.to_client)));
    EXPECT_EQ(step.next, Next::connect) << step.failure.message;
    return login;
  }
  // Then the primary's part.
  Login::Step ToScramPrimary(CheckedLogin* login, TestScramPrimary* primary,
                             const Channel& channel = {}) {
    EXPECT_EQ(login->Connected(channel).next, Next::more);
    Login::Step step = login->FromServer(primary->Offer());
    step = login->FromServer(primary->First(TakePassword(&step.to_primary)));
    if (step.next == Next::wait) {
      WaitForResumes(2);
      step = login->Resume();
    }
    if (step.next != Next::more) return step;
    return login->FromServer(primary->Final(TakePassword(&step.to_primary)));
  }

  MapSource source_;
  AuthWorker worker_;
  CheckedLoginContext context_;
  std::vector<std::string> complaints_;
  std::mutex mutex_;
  std::condition_variable resumed_;
  int resumes_ = 0;
};

TEST_F(CheckedLoginTest, ChecksTheClientBeforeItConnects) {
  auto login = New();
  Login::Step step = Start(login.get());
  ASSERT_EQ(step.next, Next::more);
  EXPECT_THAT(step.to_primary, IsEmpty());
  const Said offer = TakeAuthentication(&step.to_client);
  EXPECT_EQ(offer.kind, AuthenticationKind::sasl);
  EXPECT_THAT(offer.mechanisms, ElementsAre("SCRAM-SHA-256"));
  TestClient client("sesame");
  const std::string first = client.First(offer);
  for (size_t i = 0; i < first.size(); ++i) {
    step = login->FromClient(std::string_view(first).substr(0, i));
    ASSERT_EQ(step.taken, 0u);
    ASSERT_THAT(step.to_client, IsEmpty());
  }
  step = login->FromClient(first);
  EXPECT_EQ(step.taken, first.size());
  const std::string final = client.Final(TakeAuthentication(&step.to_client));
  step = login->FromClient(final + Frame('Q', "ahead"));
  EXPECT_EQ(step.next, Next::connect);
  EXPECT_EQ(step.taken, final.size()) << "what comes ahead stays";
  EXPECT_TRUE(client.Trusts(TakeAuthentication(&step.to_client)));
  EXPECT_THAT(step.to_client, IsEmpty()) << "the primary has not let anybody in yet";
  EXPECT_EQ(login->FromClient(Frame('Q', "ahead")).next, Next::hold);
}

TEST_F(CheckedLoginTest, PassesThePrimarysMessagesFromOkOn) {
  auto login = Proved();
  TestScramPrimary primary(source_.users["ann"]->verifier());
  Login::Step step = ToScramPrimary(login.get(), &primary);
  ASSERT_EQ(step.next, Next::more) << step.failure.message;
  const std::string tail = AuthenticationOk() + LoginTail();
  step = login->FromServer(tail + "N");
  EXPECT_EQ(step.next, Next::logged_in);
  EXPECT_EQ(step.taken, tail.size());
  EXPECT_EQ(step.to_client, tail);
  EXPECT_EQ(login->facts().process_id(), 7);
  EXPECT_EQ(login->facts().cancel_key(), "key!");
  EXPECT_EQ(login->facts().parameters().at("a"), "b");
}

TEST_F(CheckedLoginTest, LogsInWithRecoveredKeysAndNoPassword) {
  source_.users["ann"] = TestCredential("sesame", false);
  auto login = Proved();
  TestScramPrimary primary(source_.users["ann"]->verifier());
  Login::Step step = ToScramPrimary(login.get(), &primary);
  EXPECT_EQ(step.next, Next::more) << step.failure.message;
  EXPECT_EQ(login->FromServer(AuthenticationOk()).to_client, AuthenticationOk());
}

TEST_F(CheckedLoginTest, ASaltOfThePrimarysThatIsNotTheFilesIsSaid) {
  source_.users["ann"] = TestCredential("sesame", false);
  for (const CredentialPtr& other :
       {TestCredential("sesame", false, "other"), TestCredential("sesame", false, "salty", 3)}) {
    auto login = Proved();
    TestScramPrimary primary(other->verifier());
    const Login::Step step = ToScramPrimary(login.get(), &primary);
    EXPECT_EQ(step.next, Next::fail);
    EXPECT_EQ(step.failure.sqlstate, "28000");
    EXPECT_THAT(step.failure.message, HasSubstr("another salt or iteration count"));
    EXPECT_THAT(step.failure.message, HasSubstr("--auth-file"));
  }
  EXPECT_THAT(complaints_, testing::Contains(HasSubstr("another salt")));
}

TEST_F(CheckedLoginTest, DerivesKeysOffTheThreadOnceForASaltOfThePrimarys) {
  const CredentialPtr other = TestCredential("sesame", false, "the primary's own", 5);
  auto login = Proved();
  TestScramPrimary primary(other->verifier());
  const uint64_t before = protocol::DigestsOnThisThread().derivations;
  login->Connected({});
  Login::Step step = login->FromServer(primary.Offer());
  step = login->FromServer(primary.First(TakePassword(&step.to_primary)));
  EXPECT_EQ(step.next, Next::wait);
  EXPECT_EQ(login->FromServer("R").next, Next::wait) << "nothing is taken meanwhile";
  WaitForResumes(2);
  step = login->Resume();
  EXPECT_EQ(protocol::DigestsOnThisThread().derivations, before);
  step = login->FromServer(primary.Final(TakePassword(&step.to_primary)) + AuthenticationOk());
  EXPECT_EQ(step.to_client, AuthenticationOk());
  EXPECT_EQ(login->Resume().next, Next::more) << "a late resume does nothing";

  auto again = Proved();
  TestScramPrimary second(other->verifier());
  again->Connected({});
  step = again->FromServer(second.Offer());
  EXPECT_EQ(again->FromServer(second.First(TakePassword(&step.to_primary))).next, Next::more)
      << "the keys were not kept";
}

TEST_F(CheckedLoginTest, AnswersMd5AndCleartextWithThePassword) {
  auto cleartext = Proved();
  cleartext->Connected({});
  Login::Step step = cleartext->FromServer(Frame('R', std::string("\0\0\0\3", 4)));
  EXPECT_EQ(step.to_primary, Frame('p', std::string("sesame\0", 7)));
  EXPECT_THAT(step.to_client, IsEmpty());
  auto md5 = Proved();
  md5->Connected({});
  step = md5->FromServer(Frame('R', std::string("\0\0\0\5\1\2\3\4", 8)));
  EXPECT_EQ(step.to_primary, Frame('p', std::string("md5d1167df71a1d8fb7ca8e6827a0351fac\0", 36)));

  source_.users["ann"] = TestCredential("sesame", false);
  for (const std::string& request : {std::string("\0\0\0\3", 4), std::string("\0\0\0\5abcd", 8)}) {
    auto login = Proved();
    login->Connected({});
    step = login->FromServer(Frame('R', request));
    EXPECT_EQ(step.next, Next::fail);
    EXPECT_THAT(step.failure.message, HasSubstr("has only the SCRAM verifier"));
  }
}

TEST_F(CheckedLoginTest, TakesTrustAndShowsThePrimarysRefusals) {
  auto trust = Proved();
  trust->Connected({});
  EXPECT_EQ(trust->FromServer(AuthenticationOk() + LoginTail()).next, Next::logged_in);
  auto refused = Proved();
  refused->Connected({});
  const std::string before = Frame('v', std::string("\0\3\0\0\0\0\0\0", 8)) + Frame('N', "notice");
  const std::string error = Frame('E', std::string("SFATAL\0C28P01\0Mno\0\0", 19));
  const Login::Step step = refused->FromServer(before + error);
  EXPECT_EQ(step.next, Next::more);
  EXPECT_EQ(step.to_client, before + error);
  EXPECT_THAT(complaints_, ElementsAre(HasSubstr("refuses a login as \"ann\"")));
}

TEST_F(CheckedLoginTest, APrimaryThatDoesNotProveItselfIsNotTrusted) {
  TestScramPrimary primary(source_.users["ann"]->verifier());
  auto skipped = Proved();
  skipped->Connected({});
  Login::Step step = skipped->FromServer(primary.Offer());
  step = skipped->FromServer(AuthenticationOk());
  EXPECT_EQ(step.next, Next::fail);
  EXPECT_THAT(step.to_client, IsEmpty());
  auto half = Proved();
  TestScramPrimary another(source_.users["ann"]->verifier());
  half->Connected({});
  step = half->FromServer(another.Offer());
  step = half->FromServer(another.First(TakePassword(&step.to_primary)));
  EXPECT_EQ(half->FromServer(AuthenticationOk()).next, Next::fail);
  auto wrong = Proved();
  TestScramPrimary liar(source_.users["ann"]->verifier());
  wrong->Connected({});
  step = wrong->FromServer(liar.Offer());
  step = wrong->FromServer(liar.First(TakePassword(&step.to_primary)));
  std::string final = liar.Final(TakePassword(&step.to_primary));
  final[final.size() - 5] ^= 1;
  EXPECT_EQ(wrong->FromServer(final + AuthenticationOk() + LoginTail()).next, Next::fail);
}

TEST_F(CheckedLoginTest, BindsToTheChannelsOfBothSides) {
  auto login = New("ann", {true, "our certificate"});
  Login::Step step = Start(login.get());
  const Said offer = TakeAuthentication(&step.to_client);
  EXPECT_THAT(offer.mechanisms, ElementsAre("SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"));
  TestClient client("sesame", "our certificate");
  step = login->FromClient(client.First(offer));
  EXPECT_EQ(client.mechanism, "SCRAM-SHA-256-PLUS");
  step = login->FromClient(client.Final(TakeAuthentication(&step.to_client)));
  ASSERT_EQ(step.next, Next::connect) << step.failure.message;
  TestScramPrimary primary(source_.users["ann"]->verifier(), "its certificate");
  EXPECT_EQ(ToScramPrimary(login.get(), &primary, {true, "its certificate"}).next, Next::more);
  EXPECT_EQ(primary.mechanism, "SCRAM-SHA-256-PLUS");
}

TEST_F(CheckedLoginTest, ChannelBindingTowardsThePrimaryFollowsTheUrl) {
  context_.primary_binding = BindingPolicy::disable;
  auto login = Proved();
  TestScramPrimary primary(source_.users["ann"]->verifier(), "its certificate");
  EXPECT_EQ(ToScramPrimary(login.get(), &primary, {true, "its certificate"}).next, Next::more);
  EXPECT_EQ(primary.mechanism, "SCRAM-SHA-256");
  context_.primary_binding = BindingPolicy::require;
  for (const std::string& request : {AuthenticationOk(), Frame('R', std::string("\0\0\0\3", 4)),
                                     TestScramPrimary(protocol::ScramVerifier()).Offer()}) {
    auto required = Proved();
    required->Connected({true, "its certificate"});
    const Login::Step step = required->FromServer(request);
    EXPECT_EQ(step.next, Next::fail);
    EXPECT_THAT(step.to_primary, IsEmpty());
  }
}

TEST_F(CheckedLoginTest, ADowngradeByTheMiddleIsRefused) {
  auto login = New("ann", {true, "our certificate"});
  Login::Step step = Start(login.get());
  Said offer = TakeAuthentication(&step.to_client);
  offer.mechanisms = {"SCRAM-SHA-256"};  // what somebody let the client see
  TestClient client("sesame", "our certificate");
  step = login->FromClient(client.First(offer));
  EXPECT_EQ(step.next, Next::fail);
  EXPECT_EQ(step.failure.sqlstate, "28000");
}

// Runs a login to its failure; what was sent to the client before.
struct Outcome {
  Login::Failure failure;
  std::vector<size_t> lengths;
  uint64_t hashes = 0, hmacs = 0, derivations = 0;
};

TEST_F(CheckedLoginTest, AWrongPasswordAndAnUnknownUserAreTheSame) {
  const auto run = [this](const std::string& user) {
    // With the keys at hand, so that the client's own work is not counted.
    TestClient client("wrong");
    Outcome outcome;
    const auto count = [&outcome](const protocol::DigestCount& before) {
      const protocol::DigestCount after = protocol::DigestsOnThisThread();
      outcome.hashes += after.hashes - before.hashes;
      outcome.hmacs += after.hmacs - before.hmacs;
      outcome.derivations += after.derivations - before.derivations;
    };
    auto login = New(user);
    protocol::DigestCount before = protocol::DigestsOnThisThread();
    Login::Step step = Start(login.get());
    count(before);
    outcome.lengths.push_back(step.to_client.size());
    const std::string first = client.First(TakeAuthentication(&step.to_client));
    before = protocol::DigestsOnThisThread();
    step = login->FromClient(first);
    count(before);
    Said challenge = TakeAuthentication(&step.to_client);
    const std::string final = client.Final(challenge);
    before = protocol::DigestsOnThisThread();
    step = login->FromClient(final);
    count(before);
    EXPECT_EQ(step.next, Next::fail);
    outcome.failure = step.failure;
    outcome.lengths.push_back(step.to_client.size());
    return outcome;
  };
  const Outcome wrong = run("ann");
  const Outcome unknown = run("bob");
  EXPECT_EQ(wrong.failure.sqlstate, "28P01");
  EXPECT_EQ(wrong.failure.message, "password authentication failed for user \"ann\"");
  EXPECT_EQ(unknown.failure.sqlstate, "28P01");
  EXPECT_EQ(unknown.failure.message, "password authentication failed for user \"bob\"");
  EXPECT_EQ(wrong.lengths, unknown.lengths);
  EXPECT_EQ(wrong.hashes, unknown.hashes);
  EXPECT_EQ(wrong.hmacs, unknown.hmacs);
  EXPECT_EQ(wrong.derivations, 0u);
  EXPECT_EQ(unknown.derivations, 0u);
  EXPECT_GT(wrong.hmacs, 0u);
}

TEST_F(CheckedLoginTest, AnUnknownUsersChallengeIsTheSameEachTime) {
  const auto challenge = [this](const std::string& user) {
    auto login = New(user);
    Login::Step step = Start(login.get());
    TestClient client("x");
    step = login->FromClient(client.First(TakeAuthentication(&step.to_client)));
    return TakeAuthentication(&step.to_client).data;
  };
  EXPECT_EQ(challenge("bob"), challenge("bob"));
  EXPECT_NE(challenge("bob"), challenge("eve"));
  EXPECT_THAT(challenge("bob"), HasSubstr(",i=4096"));
}

TEST_F(CheckedLoginTest, RefusesWhatIsNoSaslResponse) {
  for (const std::string& bytes :
       {Frame('Q', "SELECT 1"), std::string("Q"), Frame('X'), std::string(5000, '\0')}) {
    auto login = New();
    Start(login.get());
    const Login::Step step = login->FromClient(bytes);
    EXPECT_EQ(step.next, Next::fail);
    EXPECT_EQ(step.failure.sqlstate, "08P01");
    EXPECT_THAT(step.failure.message, HasSubstr("expected SASL response"));
  }
  for (const std::string& bytes : {Frame('p'), Frame('p', "garbage"), Frame('p', "md5abc")}) {
    auto login = New();
    Start(login.get());
    const Login::Step step = login->FromClient(bytes);
    EXPECT_EQ(step.next, Next::fail) << bytes;
    EXPECT_EQ(step.failure.sqlstate, "08P01");
  }
  std::string large;
  protocol::WireWriter(&large).Uint8('p').Uint32(ClientCheck::kMaxMessage + 1);
  auto login = New();
  Start(login.get());
  EXPECT_EQ(login->FromClient(large).next, Next::bad_frame);
}

TEST_F(CheckedLoginTest, WaitsWhereTheClientSendsNoFirstMessage) {
  auto login = New();
  Login::Step step = Start(login.get());
  TestClient client("sesame");
  const std::string first = client.First(TakeAuthentication(&step.to_client));
  step = login->FromClient(Frame('p', std::string("SCRAM-SHA-256\0\xff\xff\xff\xff", 18)));
  EXPECT_EQ(TakeAuthentication(&step.to_client).data, "");
  const std::string message = first.substr(5 + 14 + 4);
  step = login->FromClient(Frame('p', message));
  step = login->FromClient(client.Final(TakeAuthentication(&step.to_client)));
  EXPECT_EQ(step.next, Next::connect) << step.failure.message;
}

TEST_F(CheckedLoginTest, WaitsForALookUp) {
  source_.later = true;
  auto login = New();
  EXPECT_EQ(Start(login.get()).next, Next::wait);
  EXPECT_EQ(login->Resume().next, Next::wait) << "nothing was found yet";
  EXPECT_EQ(login->FromClient(Frame('p', "early")).taken, 0u);
  source_.waiting(source_.Answer("ann"));
  EXPECT_EQ(resumes_, 1);
  Login::Step step = login->Resume();
  EXPECT_EQ(TakeAuthentication(&step.to_client).kind, AuthenticationKind::sasl);
  // The session may be gone when the answer comes.
  auto gone = New();
  Start(gone.get());
  gone.reset();
  source_.waiting(source_.Answer("ann"));
  EXPECT_EQ(resumes_, 2);
}

TEST_F(CheckedLoginTest, SaysWhenALookUpCannotBeMade) {
  for (const auto kind : {CredentialAnswer::Kind::busy, CredentialAnswer::Kind::failed}) {
    source_.kind = kind;
    auto known = New();
    auto unknown = New("bob");
    const Login::Step step = Start(known.get());
    EXPECT_EQ(step.next, Next::fail);
    EXPECT_EQ(step.failure.message, Start(unknown.get()).failure.message);
  }
  auto nobody = New("");
  EXPECT_EQ(Start(nobody.get()).failure.sqlstate, "28000");
}

TEST_F(CheckedLoginTest, HoldsOnAnyBytesOfThePrimary) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937 random(seed);
  const TestScramPrimary primary(source_.users["ann"]->verifier());
  const std::string good =
      primary.Offer() + Frame('R', std::string("\0\0\0\x0br=x,s=AAAA,i=1", 19)) +
      Frame('R', std::string("\0\0\0\x0cv=AAAA", 10)) + AuthenticationOk() + LoginTail();
  for (int i = 0; i < 500; ++i) {
    auto login = Proved();
    login->Connected({});
    std::string bytes = good.substr(0, random() % (good.size() + 1));
    for (int n = random() % 3; n > 0 && !bytes.empty(); --n) {
      bytes[random() % bytes.size()] = static_cast<char>(random());
    }
    const Login::Step step = login->FromServer(bytes);
    EXPECT_LE(step.taken, bytes.size());
    EXPECT_NE(step.next, Next::logged_in) << "SCRAM was begun and not ended";
    login->FromClient(bytes);
  }
}

}  // namespace
}  // namespace pgparity::proxy
