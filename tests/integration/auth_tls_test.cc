// --auth with TLS on either side, both, or neither, between libpq and a real server that asks for
// SCRAM. channel_binding=require, on either side, lets nothing pass but SCRAM-SHA-256-PLUS.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/integration/environment.h"
#include "tests/support/certificates.h"
#include "tests/support/libpq_client.h"

namespace pgparity::support {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class AuthTls : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    directory_ = std::make_unique<TempDir>();
    TestCa ca(directory_->path(), "ca");
    const KeyPair pair = ca.Issue("primary", {"primary.example"});
    const passwd* entry = geteuid() == 0 ? getpwnam("postgres") : nullptr;
    for (const std::string& path : {pair.key, pair.certificate}) {
      if (entry != nullptr) {
        ASSERT_EQ(chown(path.c_str(), entry->pw_uid, entry->pw_gid), 0);
      }
    }
    PostgresCluster::Options options;
    options.name = "auth-tls";
    options.settings = {{"ssl", "on"},
                        {"ssl_cert_file", "'" + pair.certificate + "'"},
                        {"ssl_key_file", "'" + pair.key + "'"}};
    primary_ = std::make_unique<PostgresCluster>(options);
  }
  static void TearDownTestSuite() {
    primary_.reset();
    directory_.reset();
  }
  // As scram_user, with its password if asked to.
  static std::string PrimaryUrl(bool password, const std::string& params) {
    return primary_->Url("postgres", "scram_user",
                         password ? PostgresCluster::LoginPassword() : "") +
           "?" + params;
  }
  static ProxyOptions Options(const std::string& url, std::vector<std::string> arguments) {
    ProxyOptions options;
    options.primary_url = url;
    options.arguments = std::move(arguments);
    return options;
  }
  // "in", with what the primary's side uses, or the error.
  static std::string LogIn(const ProxyProcess& proxy, const std::string& params,
                           const std::string& user = "scram_user",
                           const std::string& password = PostgresCluster::LoginPassword()) {
    LibpqClient client(proxy.Url("postgres", user, password) + "?" + params);
    if (!client.ok()) return client.error();
    return "in, tls " +
           client.Query("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()").Scalar();
  }

  static std::unique_ptr<TempDir> directory_;
  static std::unique_ptr<PostgresCluster> primary_;
};
std::unique_ptr<TempDir> AuthTls::directory_;
std::unique_ptr<PostgresCluster> AuthTls::primary_;

constexpr char plain[] = "sslmode=disable";
constexpr char tls[] = "sslmode=require";
constexpr char bound[] = "sslmode=require&channel_binding=require";
constexpr char unbound[] = "sslmode=require&channel_binding=disable";

TEST_F(AuthTls, PassWorksWithTlsOnOneSideOrNone) {
  ProxyProcess to_plain(Options(PrimaryUrl(false, plain), {"--auth", "pass"}));
  ProxyProcess to_tls(Options(PrimaryUrl(false, tls), {"--auth", "pass"}));
  ASSERT_TRUE(to_plain.started());
  ASSERT_TRUE(to_tls.started());
  EXPECT_EQ(LogIn(to_plain, plain), "in, tls f");
  EXPECT_EQ(LogIn(to_plain, tls), "in, tls f");
  EXPECT_EQ(LogIn(to_tls, plain), "in, tls t") << "the offer of -PLUS must be hidden";
  EXPECT_EQ(LogIn(to_tls, unbound), "in, tls t");
  EXPECT_THAT(to_tls.Log(), Not(HasSubstr("channel binding")));
  // It cannot work: the client binds to the proxy's certificate. The log says why.
  EXPECT_THAT(LogIn(to_tls, tls), HasSubstr("channel binding check failed"));
  EXPECT_THAT(to_tls.Log(), HasSubstr("see --auth url and scram"));
}

TEST_F(AuthTls, UrlBindsBothChannels) {
  for (const std::string primary : {plain, tls, bound}) {
    ProxyProcess proxy(Options(PrimaryUrl(true, primary), {"--auth", "url"}));
    ASSERT_TRUE(proxy.started());
    for (const std::string client : {plain, tls, bound, unbound}) {
      SCOPED_TRACE(client + " to " + primary);
      EXPECT_EQ(LogIn(proxy, client), primary == plain ? "in, tls f" : "in, tls t");
      EXPECT_THAT(LogIn(proxy, client, "scram_user", "wrong"),
                  HasSubstr("password authentication failed for user \"scram_user\""));
      EXPECT_THAT(LogIn(proxy, client, "nobody"),
                  HasSubstr("password authentication failed for user \"nobody\""));
    }
  }
}

TEST_F(AuthTls, ScramBindsBothChannels) {
  LibpqClient admin(primary_->Url("postgres"));
  const TempDir directory;
  WriteFile(
      directory.Path("users"),
      "\"scram_user\" \"" +
          admin.Query("SELECT rolpassword FROM pg_authid WHERE rolname = 'scram_user'").Scalar() +
          "\"\n");
  ProxyProcess proxy(Options(PrimaryUrl(false, bound),
                             {"--auth", "scram", "--auth-file", directory.Path("users")}));
  ASSERT_TRUE(proxy.started());
  for (const std::string client : {plain, tls, bound, unbound}) {
    EXPECT_EQ(LogIn(proxy, client), "in, tls t") << client;
  }
}

TEST_F(AuthTls, TheDefaultIsUrlWherePassCouldNotWork) {
  ProxyProcess proxy(Options(PrimaryUrl(true, tls), {}));
  ASSERT_TRUE(proxy.started());
  for (const std::string client : {plain, tls, bound, unbound}) {
    EXPECT_EQ(LogIn(proxy, client), "in, tls t") << client;
  }
  EXPECT_THAT(LogIn(proxy, bound, "scram_user", "wrong"),
              HasSubstr("password authentication failed"));
  // Others pass, as far as they can.
  EXPECT_EQ(LogIn(proxy, plain, "md5_user"), "in, tls t");
  EXPECT_EQ(LogIn(proxy, tls, "md5_user"), "in, tls t");
  EXPECT_EQ(LogIn(proxy, tls, "plain_user"), "in, tls t");
}

TEST_F(AuthTls, APrimaryWithoutChannelBindingIsRefusedWhereItIsRequired) {
  ProxyProcess proxy(
      Options(primary_->Url("postgres", "md5_user", PostgresCluster::LoginPassword()) + "?" + bound,
              {"--auth", "url"}));
  ASSERT_TRUE(proxy.started());
  EXPECT_THAT(LogIn(proxy, tls, "md5_user"), HasSubstr("channel binding is required"));
}

}  // namespace
}  // namespace pgparity::support
