// Both sides of SCRAM against literals: those of RFC 7677, and others computed by Python's hmac.
#include "protocol/scram.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "tests/support/message_builders.h"

namespace pgparity::protocol {
namespace {

using ::pgparity::testing::ExactBuffer;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kVerifier[] =
    "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:"
    "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=";
constexpr char kClientNonce[] = "rOprNGfwEbeRWgbNEkqO";
constexpr char kServerNonce[] = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
constexpr char kServerFirst[] =
    "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
constexpr char kClientFirst[] = "n,,n=user,r=rOprNGfwEbeRWgbNEkqO";
constexpr char kClientFinal[] =
    "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
    "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
constexpr char kServerFinal[] = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";

std::string EndPoint() {
  std::string hash;
  for (char c = 0; c < 32; ++c) hash.push_back(c);
  return hash;
}

ScramVerifier Verifier() { return *ScramVerifier::Parse(kVerifier); }
ScramKeys Keys() { return DeriveScramKeys("pencil", Verifier().salt, 4096); }
ScramServer Server(bool mock = false, std::string end_point = "") {
  return {Verifier(), mock, kServerNonce, std::move(end_point)};
}

TEST(ScramVerifier, IsMadeFromAPasswordAsPostgresqlWritesIt) {
  const ScramVerifier made = ScramVerifier::FromKeys(Keys(), Verifier().salt, 4096);
  EXPECT_EQ(made.ToString(), kVerifier);
  EXPECT_EQ(made, Verifier());
}

TEST(ScramVerifier, RefusesWhatPostgresqlWould) {
  const std::string good = kVerifier;
  for (size_t i = 0; i < good.size(); ++i) {
    const ExactBuffer cut(std::string_view(good).substr(0, i));
    EXPECT_FALSE(ScramVerifier::Parse(cut.view()).ok()) << i;
  }
  const std::string keys = good.substr(good.find("$W"));
  for (const std::string& bad :
       {good + "=", good + "A", "scram-sha-256" + good.substr(13), "md5" + std::string(32, 'a'),
        "SCRAM-SHA-256$0:W22ZaJ0SNY7soEsUEjb6gQ==" + keys,
        "SCRAM-SHA-256$-1:W22ZaJ0SNY7soEsUEjb6gQ==" + keys,
        "SCRAM-SHA-256$99999999999:W22ZaJ0SNY7soEsUEjb6gQ==" + keys, "SCRAM-SHA-256$4096:" + keys,
        "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ" + keys}) {
    const auto parsed = ScramVerifier::Parse(bad);
    ASSERT_FALSE(parsed.ok()) << bad;
    EXPECT_THAT(std::string(parsed.status().message()), Not(HasSubstr("WG5d8"))) << "quotes it";
  }
}

TEST(ScramServer, SpeaksTheExampleOfRfc7677) {
  ScramServer server = Server();
  EXPECT_THAT(server.Mechanisms(), ElementsAre("SCRAM-SHA-256"));
  EXPECT_EQ(*server.ClientFirst("SCRAM-SHA-256", kClientFirst), kServerFirst);
  EXPECT_EQ(*server.ClientFinal(kClientFinal), kServerFinal);
  EXPECT_EQ(server.keys().client, Keys().client) << "the key that logs in was not recovered";
  EXPECT_EQ(server.keys().server, Keys().server);
}

TEST(ScramServer, AnUnknownUserFailsAsAWrongPasswordDoesAfterTheSameWork) {
  std::string wrong = kClientFinal;
  wrong[wrong.find("p=") + 3] ^= 1;
  const auto run = [](ScramServer server, const std::string& final) {
    const DigestCount before = DigestsOnThisThread();
    EXPECT_TRUE(server.ClientFirst("SCRAM-SHA-256", kClientFirst).ok());
    const auto outcome = server.ClientFinal(final);
    const DigestCount after = DigestsOnThisThread();
    EXPECT_TRUE(absl::IsUnauthenticated(outcome.status())) << outcome.status();
    EXPECT_EQ(server.keys().client, Sha256Bytes{});
    return std::tuple(outcome.status(), after.hashes - before.hashes, after.hmacs - before.hmacs,
                      after.derivations - before.derivations);
  };
  // The mock has the right verifier here: even the right proof does not help.
  EXPECT_EQ(run(Server(true), kClientFinal), run(Server(false), wrong));
  EXPECT_EQ(run(Server(true), wrong), run(Server(false), wrong));
}

TEST(ScramServer, BindsToItsCertificate) {
  ScramServer server = Server(false, EndPoint());
  EXPECT_THAT(server.Mechanisms(), ElementsAre("SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"));
  ASSERT_TRUE(
      server.ClientFirst("SCRAM-SHA-256-PLUS", "p=tls-server-end-point,,n=,r=rOprNGfwEbeRWgbNEkqO")
          .ok());
  const std::string final =
      "c=cD10bHMtc2VydmVyLWVuZC1wb2ludCwsAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=,"
      "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
      "p=Q8h71kjaoMzNI7dPksDrhRE/5mTUObF0fUHVIgBOWQg=";
  EXPECT_EQ(*server.ClientFinal(final), "v=ykwoqH8mLqO5AQCeuwwf6lsj9f8zyJZT/CcvAbN4Ssc=");

  std::string other = EndPoint();
  other[0] = 1;  // somebody in the middle shows another certificate
  ScramServer attacked = Server(false, other);
  ASSERT_TRUE(
      attacked
          .ClientFirst("SCRAM-SHA-256-PLUS", "p=tls-server-end-point,,n=,r=rOprNGfwEbeRWgbNEkqO")
          .ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(attacked.ClientFinal(final).status()));
}

struct BadFirst {
  const char* mechanism;
  const char* message;
  bool tls;
  absl::StatusCode code;
};

TEST(ScramServer, RefusesBadFirstMessages) {
  constexpr auto kBad = absl::StatusCode::kInvalidArgument;
  constexpr auto kNever = absl::StatusCode::kUnimplemented;
  for (const BadFirst& bad : std::initializer_list<BadFirst>{
           // Somebody has taken -PLUS out of what a client saw that knows it.
           {"SCRAM-SHA-256", "y,,n=,r=abc", true, absl::StatusCode::kFailedPrecondition},
           {"SCRAM-SHA-256-PLUS", "p=tls-server-end-point,,n=,r=abc", false, kBad},
           {"SCRAM-SHA-256-PLUS", "n,,n=,r=abc", true, kBad},
           {"SCRAM-SHA-256-PLUS", "y,,n=,r=abc", true, kBad},
           {"SCRAM-SHA-256-PLUS", "p=tls-unique,,n=,r=abc", true, kBad},
           {"SCRAM-SHA-256", "p=tls-server-end-point,,n=,r=abc", true, kBad},
           {"SCRAM-SHA-1", "n,,n=,r=abc", false, kBad},
           {"", "n,,n=,r=abc", false, kBad},
           {"SCRAM-SHA-256", "", false, kBad},
           {"SCRAM-SHA-256", "n", false, kBad},
           {"SCRAM-SHA-256", "n,", false, kBad},
           {"SCRAM-SHA-256", "x,,n=,r=abc", false, kBad},
           {"SCRAM-SHA-256", "n,a=admin,n=,r=abc", false, kNever},
           {"SCRAM-SHA-256", "n,,m=x,n=,r=abc", false, kNever},
           {"SCRAM-SHA-256", "n,,n=", false, kBad},
           {"SCRAM-SHA-256", "n,,n=,r=", false, kBad},
           {"SCRAM-SHA-256", "n,,n=,r=a\x7f", false, kBad},
           {"SCRAM-SHA-256", "n,,r=abc,n=", false, kBad},
           {"SCRAM-SHA-256", "n,,n=,r=abc,", false, kBad},
           {"SCRAM-SHA-256", "n,,n=,r=abc,1=x", false, kBad},
       }) {
    ScramServer server = Server(false, bad.tls ? EndPoint() : "");
    const auto answer = server.ClientFirst(bad.mechanism, bad.message);
    EXPECT_EQ(answer.status().code(), bad.code) << bad.mechanism << " " << bad.message;
  }
  ScramServer without_tls = Server();
  EXPECT_TRUE(without_tls.ClientFirst("SCRAM-SHA-256", "y,,n=,r=abc,x=later").ok());
}

TEST(ScramServer, RefusesBadFinalMessages) {
  const std::string good = kClientFinal;
  const std::string proof = good.substr(good.find(",p="));
  const std::string nonce = std::string(kClientNonce) + kServerNonce;
  for (const std::string& bad : {
           std::string(),
           std::string("p="),
           std::string(",p="),
           "c=biws" + proof,
           "c=biws,r=" + nonce,
           "r=" + nonce + proof,
           "c=eSws,r=" + nonce + proof,                      // y,, where n,, was said
           "c=biws,r=" + std::string(kClientNonce) + proof,  // not our nonce
           "c=biws,r=" + nonce + "x" + proof,
           "c=biws,r=" + nonce + ",p=AAAA",  // too short
           good + "=",
           good + ",",
           good + " ",
           "c=bi ws,r=" + nonce + proof,
       }) {
    ScramServer server = Server();
    ASSERT_TRUE(server.ClientFirst("SCRAM-SHA-256", kClientFirst).ok());
    const auto outcome = server.ClientFinal(bad);
    EXPECT_TRUE(absl::IsInvalidArgument(outcome.status())) << bad << ": " << outcome.status();
  }
}

TEST(ScramServer, TakesEachMessageOnceAndInOrder) {
  ScramServer early = Server();
  EXPECT_TRUE(absl::IsInvalidArgument(early.ClientFinal(kClientFinal).status()));
  ScramServer twice = Server();
  ASSERT_TRUE(twice.ClientFirst("SCRAM-SHA-256", kClientFirst).ok());
  EXPECT_FALSE(twice.ClientFirst("SCRAM-SHA-256", kClientFirst).ok());
  ScramServer guessing = Server();
  ASSERT_TRUE(guessing.ClientFirst("SCRAM-SHA-256", kClientFirst).ok());
  std::string wrong = kClientFinal;
  wrong[wrong.size() - 5] = 'A';
  EXPECT_FALSE(guessing.ClientFinal(wrong).ok());
  EXPECT_FALSE(guessing.ClientFinal(kClientFinal).ok()) << "a second guess at the same nonce";
}

struct ClientCase {
  const char* name;
  std::string end_point;
  bool known;
  std::vector<std::string_view> offered;
  const char* mechanism;
  const char* first;
  const char* final;
  const char* signature;
};

TEST(ScramClient, SpeaksAsComputedElsewhere) {
  for (const ClientCase& c : std::initializer_list<ClientCase>{
           {"without TLS",
            "",
            false,
            {"SCRAM-SHA-256"},
            "SCRAM-SHA-256",
            "n,,n=,r=rOprNGfwEbeRWgbNEkqO",
            "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
            "p=qvT2SWdEH5Q06albL+hjSYuUhCG7VndFyzIb7CK4n9k=",
            "v=3HO6Qt1M4MKJrmlKaoOqLAI0/0TV0HZe7J9H3MBtSOg="},
           {"not offered",
            EndPoint(),
            true,
            {"SCRAM-SHA-256"},
            "SCRAM-SHA-256",
            "y,,n=,r=rOprNGfwEbeRWgbNEkqO",
            "c=eSws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
            "p=VpuC5DGQa5ro9tXE9MnKs69NH1nxnuregZZcclqIGfM=",
            "v=FOmOj9BpTGwvnzwBtWQjBaPmVxT9I8IeHBOhcIPu3us="},
           {"bound",
            EndPoint(),
            true,
            {"SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"},
            "SCRAM-SHA-256-PLUS",
            "p=tls-server-end-point,,n=,r=rOprNGfwEbeRWgbNEkqO",
            "c=cD10bHMtc2VydmVyLWVuZC1wb2ludCwsAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=,"
            "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
            "p=Q8h71kjaoMzNI7dPksDrhRE/5mTUObF0fUHVIgBOWQg=",
            "v=ykwoqH8mLqO5AQCeuwwf6lsj9f8zyJZT/CcvAbN4Ssc="}}) {
    SCOPED_TRACE(c.name);
    ScramClient client(kClientNonce, c.end_point, c.known);
    EXPECT_EQ(client.Choose(c.offered), c.mechanism);
    EXPECT_EQ(client.First(), c.first);
    const auto challenge = client.ServerFirst(kServerFirst);
    ASSERT_TRUE(challenge.ok()) << challenge.status();
    EXPECT_EQ(challenge->salt, Verifier().salt);
    EXPECT_EQ(challenge->iterations, 4096);
    EXPECT_EQ(client.Final(Keys()), c.final);
    EXPECT_TRUE(client.ServerFinal(c.signature).ok());
  }
}

ScramClient Challenged() {
  ScramClient client(kClientNonce, "", false);
  client.Choose({"SCRAM-SHA-256"});
  client.First();
  return client;
}

TEST(ScramClient, DoesNotTrustAServerThatDoesNotKnowThePassword) {
  for (const char* final :
       {"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=", "e=invalid-proof", "v=", "v=AAAA", "",
        "r=x", "v=3HO6Qt1M4MKJrmlKaoOqLAI0/0TV0HZe7J9H3MBtSOg=,"}) {
    ScramClient client = Challenged();
    ASSERT_TRUE(client.ServerFirst(kServerFirst).ok());
    client.Final(Keys());
    EXPECT_FALSE(client.ServerFinal(final).ok()) << final;
  }
  ScramClient early = Challenged();
  EXPECT_FALSE(early.ServerFinal("v=3HO6Qt1M4MKJrmlKaoOqLAI0/0TV0HZe7J9H3MBtSOg=").ok());
}

TEST(ScramClient, RefusesBadChallenges) {
  for (const char* first :
       {"", "r=rOprNGfwEbeRWgbNEkqO,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",  // nothing added
        "r=other,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096", "r=rOprNGfwEbeRWgbNEkqOx,s=,i=4096",
        "r=rOprNGfwEbeRWgbNEkqOx,s=W22,i=4096",
        "r=rOprNGfwEbeRWgbNEkqOx,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=0",
        "r=rOprNGfwEbeRWgbNEkqOx,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=40x",
        "r=rOprNGfwEbeRWgbNEkqOx,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=2147483647",  // hours of computing
        "r=rOprNGfwEbeRWgbNEkqOx,s=W22ZaJ0SNY7soEsUEjb6gQ==",
        "m=x,r=rOprNGfwEbeRWgbNEkqOx,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"}) {
    EXPECT_FALSE(Challenged().ServerFirst(first).ok()) << first;
  }
  ScramClient twice = Challenged();
  ASSERT_TRUE(twice.ServerFirst(kServerFirst).ok());
  EXPECT_FALSE(twice.ServerFirst(kServerFirst).ok());
  EXPECT_EQ(ScramClient(kClientNonce, "", false).Choose({"SCRAM-SHA-256-PLUS", "OAUTHBEARER"}), "");
}

TEST(ScramMessages, DecodingHoldsOnAnyBytes) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE(::testing::Message() << "seed " << seed);
  std::mt19937 random(seed);
  const std::string good[] = {kClientFirst, kServerFirst, kClientFinal, kServerFinal, kVerifier};
  for (int i = 0; i < 5000; ++i) {
    std::string bytes = good[random() % std::size(good)];
    for (int n = random() % 4; n >= 0; --n) {
      bytes[random() % bytes.size()] = "=,:$npyrc\0v "[random() % 12];
    }
    const ExactBuffer exact(std::string_view(bytes).substr(0, random() % (bytes.size() + 1)));
    (void)DecodeScramClientFirst(exact.view());
    (void)DecodeScramServerFirst(exact.view());
    (void)DecodeScramClientFinal(exact.view());
    (void)DecodeScramServerFinal(exact.view());
    (void)ScramVerifier::Parse(exact.view());
  }
}

}  // namespace
}  // namespace pgparity::protocol
