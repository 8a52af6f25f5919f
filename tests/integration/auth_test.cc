// --auth: who is let in and who is not, through the proxy to real servers that ask for each kind of
// password; and what is kept of it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <thread>

#include "tests/integration/environment.h"
#include "tests/support/libpq_client.h"
#include "tests/support/raw_client.h"

namespace pgparity::support {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

const std::string kPassword = PostgresCluster::LoginPassword();

// A user's secret as the server keeps it.
std::string StoredSecret(PostgresCluster& cluster, const std::string& user) {
  LibpqClient client(cluster.Url("postgres"));
  return client.Query("SELECT rolpassword FROM pg_authid WHERE rolname = $1", {user}).Scalar();
}

std::string UserLine(const std::string& user, const std::string& secret) {
  return "\"" + user + "\" \"" + secret + "\"\n";
}

// What the client is told, and by whom it is known.
std::string LogIn(const ProxyProcess& proxy, const std::string& database, const std::string& user,
                  const std::string& password) {
  LibpqClient client(proxy.Url(database, user, password));
  return client.ok() ? "in as " + client.Query("SELECT current_user").Scalar() : client.error();
}

void ExpectRefused(const ProxyProcess& proxy, const std::string& database, const std::string& user,
                   const std::string& password) {
  EXPECT_THAT(LogIn(proxy, database, user, password),
              HasSubstr("FATAL:  password authentication failed for user \"" + user + "\""));
}

ProxyOptions WithAuth(const DatabasePair& pair, const std::string& user,
                      std::vector<std::string> arguments) {
  ProxyOptions options = ProxyFor(pair, std::move(arguments));
  options.primary_url =
      PrimaryCluster().Url(pair.name(), user, user == "postgres" ? "" : kPassword);
  return options;
}

TEST(AuthUrl, LetsTheUrlsUserInWhateverThePrimaryAsksFor) {
  DatabasePair pair("auth_url");
  pair.Seed({"CREATE TABLE t (id int PRIMARY KEY, who text)"});
  for (const std::string user : {"scram_user", "md5_user", "password_user"}) {
    SCOPED_TRACE(user);
    ProxyProcess proxy(WithAuth(pair, user, {"--auth", "url", "--tls", "off"}));
    ASSERT_TRUE(proxy.started());
    EXPECT_EQ(LogIn(proxy, pair.name(), user, kPassword), "in as " + user);
    EXPECT_EQ(LogIn(proxy, "postgres", user, kPassword), "in as " + user)
        << "the database is the client's";
    ExpectRefused(proxy, pair.name(), user, "wrong-password");
    ExpectRefused(proxy, pair.name(), "no_such_user", kPassword);
    // Others may have a password, or none, on the primary; here there is one user.
    ExpectRefused(proxy, pair.name(), user == "md5_user" ? "scram_user" : "md5_user", kPassword);
    ExpectRefused(proxy, pair.name(), "postgres", "anything");
    LibpqClient client(proxy.Url(pair.name(), user, kPassword));
    EXPECT_TRUE(client.Query("INSERT INTO t SELECT coalesce(max(id), 0) + 1, 'in' FROM t").ok);
    EXPECT_TRUE(proxy.Drain());
    ExpectEqualTables(pair);
    EXPECT_EQ(proxy.StatusNumber("failed_logins"), 4.0);
    EXPECT_TRUE(LibpqClient(proxy.Url("no_such_database", user, kPassword))
                    .error()
                    .find("database \"no_such_database\" does not exist") != std::string::npos);
  }
}

class AuthScram : public ::testing::Test {
 protected:
  // Writes the file; as arguments of serve.
  std::vector<std::string> File(const std::string& text) {
    std::ofstream(path_) << text;
    chmod(path_.c_str(), 0600);
    return {"--auth", "scram", "--auth-file", path_};
  }
  const TempDir dir_;
  const std::string path_ = dir_.Path("users.txt");
};

TEST_F(AuthScram, AVerifierOfThePrimarysLogsInWithoutAnyPassword) {
  DatabasePair pair("auth_file");
  ProxyProcess proxy(
      WithAuth(pair, "postgres",
               File(UserLine("scram_user", StoredSecret(PrimaryCluster(), "scram_user")) +
                    UserLine("md5_user", StoredSecret(PrimaryCluster(), "md5_user")) +
                    UserLine("password_user", kPassword) +
                    UserLine("plain_user", StoredSecret(ShadowCluster(), "scram_user")))));
  ASSERT_TRUE(proxy.started());
  EXPECT_EQ(LogIn(proxy, pair.name(), "scram_user", kPassword), "in as scram_user");
  ExpectRefused(proxy, pair.name(), "scram_user", "wrong-password");
  ExpectRefused(proxy, pair.name(), "no_such_user", kPassword);
  EXPECT_EQ(LogIn(proxy, pair.name(), "password_user", kPassword), "in as password_user");
  ExpectRefused(proxy, pair.name(), "password_user", "wrong-password");
  // The primary trusts it; the proxy does not.
  EXPECT_EQ(LogIn(proxy, pair.name(), "plain_user", kPassword), "in as plain_user");
  ExpectRefused(proxy, pair.name(), "plain_user", "wrong-password");
  ExpectRefused(proxy, pair.name(), "postgres", "anything");
  // An MD5 secret cannot check SCRAM.
  ExpectRefused(proxy, pair.name(), "md5_user", kPassword);
  EXPECT_THAT(proxy.Log(), HasSubstr("1 entries are MD5 or empty"));
}

TEST_F(AuthScram, AnotherSaltThanThePrimarysIsNamed) {
  DatabasePair pair("auth_salt");
  // The same password on another server has another salt.
  ASSERT_NE(StoredSecret(ShadowCluster(), "scram_user"),
            StoredSecret(PrimaryCluster(), "scram_user"));
  ProxyProcess proxy(
      WithAuth(pair, "postgres",
               File(UserLine("scram_user", StoredSecret(ShadowCluster(), "scram_user")) +
                    UserLine("md5_user", StoredSecret(ShadowCluster(), "scram_user")))));
  ASSERT_TRUE(proxy.started());
  EXPECT_THAT(LogIn(proxy, pair.name(), "scram_user", kPassword),
              AllOf(HasSubstr("pgparity cannot log in to the primary as \"scram_user\""),
                    HasSubstr("another salt or iteration count than the one from --auth-file"),
                    HasSubstr("pg_authid.rolpassword")));
  EXPECT_THAT(proxy.Log(), HasSubstr("another salt or iteration count"));
  ExpectRefused(proxy, pair.name(), "scram_user", "wrong-password");
  EXPECT_THAT(LogIn(proxy, pair.name(), "md5_user", kPassword),
              AllOf(HasSubstr("asks for an MD5 password"), HasSubstr("only the SCRAM verifier")));
}

TEST_F(AuthScram, ThePrimarysRefusalIsTheClients) {
  DatabasePair pair("auth_refused");
  ProxyProcess proxy(
      WithAuth(pair, "postgres",
               File(UserLine("scram_user", "not its") + UserLine("password_user", "not its") +
                    UserLine("no_such_role", "not its"))));
  ASSERT_TRUE(proxy.started());
  for (const std::string user : {"scram_user", "password_user"}) {
    ExpectRefused(proxy, pair.name(), user, "not its");
  }
  EXPECT_THAT(LogIn(proxy, pair.name(), "no_such_role", "not its"),
              HasSubstr("role \"no_such_role\" does not exist"));
  EXPECT_THAT(proxy.Log(), HasSubstr("the primary refuses a login as \"scram_user\" with the "
                                     "secret of --auth-file"));
  EXPECT_THAT(proxy.Log(), Not(HasSubstr("not its")));
}

TEST_F(AuthScram, TheFileIsReadAgainAtSighup) {
  DatabasePair pair("auth_reload");
  ProxyProcess proxy(WithAuth(pair, "postgres", File(UserLine("plain_user", "first"))));
  ASSERT_TRUE(proxy.started());
  EXPECT_EQ(LogIn(proxy, pair.name(), "plain_user", "first"), "in as plain_user");
  File(UserLine("plain_user", "second"));
  proxy.Signal(SIGHUP);
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::minutes(1);
  while (proxy.Log().find("reloaded") == std::string::npos &&
         std::chrono::steady_clock::now() < deadline) {
    std::this_thread::yield();
  }
  EXPECT_EQ(LogIn(proxy, pair.name(), "plain_user", "second"), "in as plain_user");
  ExpectRefused(proxy, pair.name(), "plain_user", "first");
}

TEST_F(AuthScram, AFileThatCannotBeReadIsSaidAtStart) {
  DatabasePair pair("auth_bad_file");
  const RunResult result =
      RunPgparity({"serve", "--listen", "127.0.0.1:" + std::to_string(FreePort()), "--admin", "off",
                   "--primary", pair.PrimaryUrl(), "--data-dir", dir_.Path("data"), "--auth",
                   "scram", "--auth-file", dir_.Path("none")});
  EXPECT_EQ(result.exit, 70);
  EXPECT_THAT(result.err, HasSubstr("--auth-file: cannot open " + dir_.Path("none")));
}

TEST_F(AuthScram, AQueryOnThePrimaryFindsVerifiers) {
  DatabasePair pair("auth_query");
  ProxyProcess proxy(WithAuth(pair, "postgres", {"--auth", "scram", "--auth-query-keep", "0s"}));
  ASSERT_TRUE(proxy.started());
  EXPECT_EQ(LogIn(proxy, pair.name(), "scram_user", kPassword), "in as scram_user");
  ExpectRefused(proxy, pair.name(), "scram_user", "wrong-password");
  ExpectRefused(proxy, pair.name(), "no_such_user", kPassword);
  ExpectRefused(proxy, pair.name(), "it's \"odd\"; --", kPassword);
  ExpectRefused(proxy, pair.name(), "md5_user", kPassword);
  EXPECT_THAT(proxy.Log(), HasSubstr("no SCRAM-SHA-256 verifier for the user \"md5_user\""));
  EXPECT_THAT(proxy.Log(), HasSubstr("2 to the primary (one for --auth-query)"));

  LibpqClient admin(PrimaryCluster().Url("postgres"));
  ASSERT_TRUE(admin.Query("CREATE ROLE changing LOGIN PASSWORD 'first'").ok);
  EXPECT_EQ(LogIn(proxy, pair.name(), "changing", "first"), "in as changing");
  ASSERT_TRUE(admin.Query("ALTER ROLE changing PASSWORD 'second'").ok);
  EXPECT_EQ(LogIn(proxy, pair.name(), "changing", "second"), "in as changing");
  ExpectRefused(proxy, pair.name(), "changing", "first");
  // Its connection is lost, and made again.
  ASSERT_TRUE(admin
                  .Query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                         "WHERE application_name = 'pgparity' AND query LIKE '%pg_shadow%' AND pid "
                         "<> pg_backend_pid()")
                  .ok);
  EXPECT_EQ(LogIn(proxy, pair.name(), "changing", "second"), "in as changing");
  ASSERT_TRUE(admin.Query("DROP ROLE changing").ok);
  ExpectRefused(proxy, pair.name(), "changing", "second");
}

TEST_F(AuthScram, AQueryThatFailsIsSaid) {
  DatabasePair pair("auth_query_bad");
  ProxyProcess proxy(WithAuth(
      pair, "postgres", {"--auth", "scram", "--auth-query", "SELECT $1::text FROM no_such_table"}));
  ASSERT_TRUE(proxy.started());
  for (const std::string user : {"scram_user", "no_such_user"}) {
    EXPECT_THAT(LogIn(proxy, pair.name(), user, kPassword), HasSubstr("--auth-query failed"));
  }
  EXPECT_THAT(proxy.Log(), HasSubstr("no_such_table"));
}

TEST_F(AuthScram, GarbageBeforeTheLoginEndsThatClientAlone) {
  DatabasePair pair("auth_garbage");
  ProxyProcess proxy(WithAuth(pair, "postgres", File(UserLine("plain_user", "secret"))));
  ASSERT_TRUE(proxy.started());
  LibpqClient before(proxy.Url(pair.name(), "plain_user", "secret"));
  for (const std::string& garbage :
       {std::string("p\0\0\0\x04", 5), std::string("p\0\0\0\3", 5),
        std::string("p\xff\xff\xff\xff", 5), std::string("Q\0\0\0\x0dSELECT 1\0", 14),
        std::string("GET / HTTP/1.1\r\n\r\n"),
        std::string("p\0\0\0\x1aSCRAM-SHA-256\0\0\0\0\x04n,,n", 27)}) {
    RawClient client(proxy.port());
    client.Send(StartupPacket("plain_user", pair.name()));
    ASSERT_TRUE(client.Read().has_value());
    client.Send(garbage);
    const auto answer = client.Read();
    ASSERT_TRUE(answer.has_value());
    EXPECT_EQ(answer->tag, 'E');
    EXPECT_EQ(ErrorField(answer->body, 'S'), "FATAL");
    EXPECT_EQ(ErrorField(answer->body, 'C'), "08P01");
    EXPECT_FALSE(client.Read().has_value());
  }
  {  // Half a message, and gone.
    RawClient client(proxy.port());
    client.Send(StartupPacket("plain_user", pair.name()));
    client.Read();
    client.Send(std::string("p\0\0\0\x30SCRAM", 10));
  }
  EXPECT_EQ(before.Query("SELECT 1").Scalar(), "1");
  EXPECT_EQ(LogIn(proxy, pair.name(), "plain_user", "secret"), "in as plain_user");
}

// Files below `directory` in which one of these texts is.
std::vector<std::string> FilesWith(const std::string& directory,
                                   const std::vector<std::string>& texts) {
  std::vector<std::string> found;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory)) {
    if (!entry.is_regular_file()) continue;
    const std::string content = ReadFile(entry.path());
    for (const std::string& text : texts) {
      if (content.find(text) != std::string::npos)
        found.push_back(entry.path().string() + ": " + text);
    }
  }
  return found;
}

struct SecretCase {
  std::string name, url_user, user;
  std::vector<std::string> arguments;
};

TEST_F(AuthScram, NothingOfALoginIsKeptInAnyMode) {
  const std::string verifier = StoredSecret(PrimaryCluster(), "scram_user");
  const std::vector<std::string> file =
      File(UserLine("scram_user", verifier) + UserLine("md5_user", kPassword));
  for (const SecretCase& mode : std::vector<SecretCase>{
           {"pass", "postgres", "scram_user", {"--auth", "pass"}},
           {"pass_cleartext", "postgres", "password_user", {"--auth", "pass"}},
           {"url", "scram_user", "scram_user", {"--auth", "url"}},
           {"url_cleartext", "password_user", "password_user", {"--auth", "url"}},
           {"file", "postgres", "scram_user", file},
           {"file_plain", "postgres", "md5_user", file},
           {"query", "postgres", "scram_user", {"--auth", "scram"}}}) {
    SCOPED_TRACE(mode.name);
    DatabasePair pair("auth_secrets");
    pair.Seed({"CREATE TABLE t (v text)"});
    ProxyProcess proxy(WithAuth(pair, mode.url_user, mode.arguments));
    ASSERT_TRUE(proxy.started());
    ExpectRefused(proxy, pair.name(), mode.user, "wrong-password");
    {
      LibpqClient client(proxy.Url(pair.name(), mode.user, kPassword));
      ASSERT_TRUE(client.Query("INSERT INTO t VALUES ('marker-of-the-journal')").ok)
          << client.error();
    }
    ASSERT_TRUE(proxy.Drain());
    const std::vector<std::string> secrets = {kPassword,
                                              "wrong-password",
                                              "Pa55",
                                              verifier.substr(verifier.rfind('$') + 1),  // the keys
                                              verifier.substr(verifier.find(':') + 1, 20),
                                              "n,,n=,r=",
                                              "c=biws",
                                              "SCRAM-SHA-256"};
    for (const bool running : {true, false}) {
      EXPECT_THAT(FilesWith(proxy.data_dir(), secrets), ::testing::IsEmpty());
      EXPECT_THAT(FilesWith(proxy.ring_dir(), secrets), ::testing::IsEmpty());
      for (const std::string& secret : secrets) {
        EXPECT_THAT(proxy.Log(), Not(HasSubstr(secret)));
      }
      if (running) {
        EXPECT_FALSE(FilesWith(proxy.data_dir(), {"marker-of-the-journal"}).empty())
            << "this does not find what is there";
        proxy.Stop();
      }
    }
  }
}

}  // namespace
}  // namespace pgparity::support
