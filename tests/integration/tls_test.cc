// TLS on either side of the proxy, with real servers and clients.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <libpq-fe.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <pwd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <memory>

#include "tests/integration/environment.h"
#include "tests/support/certificates.h"
#include "tests/support/libpq_client.h"
#include "tests/support/raw_client.h"
#include "tests/support/tls_peer.h"

namespace pgparity::support {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

const std::string tls_in_use =
    "SELECT ssl FROM pg_catalog.pg_stat_ssl WHERE pid = pg_catalog.pg_backend_pid()";

// A primary with ssl=on, and the certificates of both servers. The primary's is for 127.0.0.1 and
// for no name.
class TlsEnvironment {
 public:
  static TlsEnvironment& Get() {
    static TlsEnvironment environment;
    return environment;
  }

  TempDir directory;
  TestCa ca{directory.path(), "ca"};
  TestCa other_ca{directory.path(), "other-ca"};
  KeyPair primary_pair = ca.Issue("primary", {"primary.example", {"IP:127.0.0.1"}});
  KeyPair proxy_pair = ca.Issue("proxy", {"x", {"DNS:localhost", "IP:127.0.0.1"}});
  KeyPair client_pair = ca.Issue("client", {"cert_user"});
  std::unique_ptr<PostgresCluster> primary;

 private:
  TlsEnvironment() {
    GiveToServer(primary_pair.key);
    GiveToServer(primary_pair.certificate);
    PostgresCluster::Options options;
    options.name = "tls";
    options.settings = {{"ssl", "on"},
                        {"ssl_cert_file", "'" + primary_pair.certificate + "'"},
                        {"ssl_key_file", "'" + primary_pair.key + "'"},
                        {"ssl_ca_file", "'" + ca.certificate() + "'"}};
    chmod(ca.certificate().c_str(), 0644);
    primary = std::make_unique<PostgresCluster>(options);
    WriteFile(primary->socket_directory() + "/data/pg_hba.conf",
              "local all all trust\n"
              "hostssl all tls_user 127.0.0.1/32 trust\n"
              "hostnossl all plain_user 127.0.0.1/32 trust\n"
              "hostssl all cert_user 127.0.0.1/32 cert\n"
              "host all tls_user,plain_user,cert_user 127.0.0.1/32 reject\n"
              "host all all 127.0.0.1/32 trust\n");
    LibpqClient admin(primary->Url("postgres"));
    admin.Script(
        {"CREATE ROLE tls_user LOGIN", "CREATE ROLE cert_user LOGIN", "SELECT pg_reload_conf()"});
    EXPECT_TRUE(WaitForScalar(primary->Url("postgres"),
                              "SELECT count(*) FROM pg_hba_file_rules WHERE 'cert' = auth_method",
                              "1"));
  }
  static void GiveToServer(const std::string& path) {
    const passwd* entry = geteuid() == 0 ? getpwnam("postgres") : nullptr;
    if (entry != nullptr) {
      EXPECT_EQ(chown(path.c_str(), entry->pw_uid, entry->pw_gid), 0);
    }
  }
};

TlsEnvironment& Env() { return TlsEnvironment::Get(); }

std::string PrimaryUrl(const std::string& params, const std::string& host = "127.0.0.1") {
  return "postgres://postgres@" + host + ":" + std::to_string(Env().primary->port()) +
         "/postgres?" + params;
}

// Without a shadow.
ProxyOptions Forwarding(const std::string& primary_url, std::vector<std::string> arguments = {}) {
  ProxyOptions options;
  options.primary_url = primary_url;
  options.arguments = std::move(arguments);
  return options;
}

std::vector<std::string> WithCertificate() {
  return {"--tls-cert", Env().proxy_pair.certificate, "--tls-key", Env().proxy_pair.key};
}

std::string Through(const ProxyProcess& proxy, const std::string& params,
                    const std::string& user = "postgres", const std::string& host = "127.0.0.1") {
  return "postgres://" + user + "@" + host + ":" + std::to_string(proxy.port()) + "/postgres?" +
         params;
}

std::string Roots(const TestCa& ca) { return "&sslrootcert=" + ca.certificate(); }

struct PrimaryMode {
  std::string params;
  std::string tls;  // what the primary says of its connection; "" where there is none
  std::string error;
  std::string host = "127.0.0.1";
};

TEST(Tls, EveryModeOfTheClientWithEveryModeOfThePrimary) {
  const PrimaryMode primaries[] = {
      {"sslmode=disable", "f", ""},
      {"sslmode=allow", "f", ""},
      {"sslmode=prefer", "t", ""},
      {"", "t", ""},
      {"sslmode=require", "t", ""},
      {"sslmode=verify-ca" + Roots(Env().ca), "t", ""},
      {"sslmode=verify-ca" + Roots(Env().other_ca), "", "certificate verify failed"},
      {"sslmode=verify-full" + Roots(Env().ca), "t", ""},
      {"sslmode=verify-full" + Roots(Env().ca), "", "not for \"localhost\"", "localhost"},
  };
  struct ClientMode {
    std::string params;
    bool tls;
  };
  const ClientMode clients[] = {{"sslmode=disable", false},
                                {"sslmode=allow", false},
                                {"sslmode=prefer", true},
                                {"sslmode=require", true},
                                {"sslmode=verify-ca" + Roots(Env().ca), true},
                                {"sslmode=verify-full" + Roots(Env().ca), true}};
  for (const PrimaryMode& primary : primaries) {
    ProxyProcess proxy(Forwarding(PrimaryUrl(primary.params, primary.host), WithCertificate()));
    ASSERT_TRUE(proxy.started());
    for (const ClientMode& client : clients) {
      SCOPED_TRACE(client.params + " to " + primary.params);
      LibpqClient connection(Through(proxy, client.params));
      if (primary.tls.empty()) {
        EXPECT_FALSE(connection.ok());
        EXPECT_THAT(connection.error(), HasSubstr(primary.error));
        continue;
      }
      EXPECT_EQ(connection.Query(tls_in_use).Scalar(), primary.tls) << connection.error();
      EXPECT_EQ(PQsslInUse(connection.get()) != 0, client.tls);
    }
  }
}

TEST(Tls, AClientThatChecksRefusesAProxyOfAnotherName) {
  ProxyProcess proxy(Forwarding(PrimaryUrl(""), {"--tls-cert", Env().primary_pair.certificate,
                                                 "--tls-key", Env().primary_pair.key}));
  ASSERT_TRUE(proxy.started());
  const std::string full = "sslmode=verify-full" + Roots(Env().ca);
  EXPECT_TRUE(LibpqClient(Through(proxy, full)).ok());
  EXPECT_FALSE(LibpqClient(Through(proxy, full, "postgres", "localhost")).ok());
  EXPECT_FALSE(LibpqClient(Through(proxy, "sslmode=verify-ca" + Roots(Env().other_ca))).ok());
}

TEST(Tls, RulesOfThePrimaryForOneWayAreMetByTryingTheOther) {
  for (const std::string mode : {"sslmode=allow", "sslmode=prefer"}) {
    ProxyProcess proxy(Forwarding(PrimaryUrl(mode)));
    ASSERT_TRUE(proxy.started());
    LibpqClient tls(Through(proxy, "", "tls_user"));
    EXPECT_EQ(tls.Query(tls_in_use).Scalar(), "t") << tls.error();
    LibpqClient plain(Through(proxy, "", "plain_user"));
    EXPECT_EQ(plain.Query(tls_in_use).Scalar(), "f") << plain.error();
  }
  ProxyProcess proxy(Forwarding(PrimaryUrl("sslmode=require")));
  ASSERT_TRUE(proxy.started());
  EXPECT_THAT(LibpqClient(Through(proxy, "", "plain_user")).error(), HasSubstr("pg_hba.conf"));
}

TEST(Tls, CertificatesOfClientsTowardsThePrimaryAndTowardsTheProxy) {
  const std::string own =
      "&sslcert=" + Env().client_pair.certificate + "&sslkey=" + Env().client_pair.key;
  std::vector<std::string> arguments = WithCertificate();
  arguments.insert(arguments.end(), {"--tls-client-ca", Env().ca.certificate()});
  ProxyProcess proxy(Forwarding(PrimaryUrl("sslmode=require" + own), arguments));
  ASSERT_TRUE(proxy.started());
  LibpqClient known(Through(proxy, "sslmode=require" + own, "cert_user"));
  EXPECT_EQ(known.Query("SELECT current_user").Scalar(), "cert_user") << known.error();
  EXPECT_FALSE(LibpqClient(Through(proxy, "sslmode=require", "cert_user")).ok());
  EXPECT_THAT(LibpqClient(Through(proxy, "sslmode=disable", "cert_user")).error(),
              HasSubstr("over TLS only"));
}

TEST(Tls, WithoutACertificateOneIsMadeAndKept) {
  ProxyProcess proxy(Forwarding(PrimaryUrl("")));
  ASSERT_TRUE(proxy.started());
  EXPECT_TRUE(LibpqClient(Through(proxy, "sslmode=require")).ok());
  const std::string path = proxy.data_dir() + "/self-signed.pem";
  struct stat info {};
  ASSERT_EQ(stat(path.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
  const std::string before = ReadFile(path);
  EXPECT_EQ(proxy.Stop(), 0);
  ASSERT_TRUE(proxy.Start());
  EXPECT_EQ(ReadFile(path), before);
  // Who takes this file for its root may check the name too.
  EXPECT_TRUE(LibpqClient(Through(proxy, "sslmode=verify-full&sslrootcert=" + path, "postgres",
                                  "localhost"))
                  .ok());
  EXPECT_THAT(proxy.Log(), Not(HasSubstr("PRIVATE")));
}

TEST(Tls, RequireTlsRefusesPlainClientsAndTellsThemWhy) {
  ProxyProcess proxy(Forwarding(PrimaryUrl(""), {"--require-tls", "on"}));
  ASSERT_TRUE(proxy.started());
  EXPECT_THAT(LibpqClient(Through(proxy, "sslmode=disable")).error(),
              HasSubstr("connect with sslmode=require"));
  EXPECT_TRUE(LibpqClient(Through(proxy, "sslmode=require")).ok());
}

TEST(Tls, OffMeansThatClientsAreToldNo) {
  ProxyProcess proxy(Forwarding(PrimaryUrl(""), {"--tls", "off"}));
  ASSERT_TRUE(proxy.started());
  EXPECT_THAT(LibpqClient(Through(proxy, "sslmode=require")).error(),
              HasSubstr("does not support SSL"));
  LibpqClient plain(Through(proxy, "sslmode=prefer"));
  EXPECT_EQ(plain.Query(tls_in_use).Scalar(), "t");  // the primary's side is another matter
  EXPECT_EQ(access((proxy.data_dir() + "/self-signed.pem").c_str(), F_OK), -1);
}

TEST(Tls, FilesThatCannotBeUsedAreRefusedInOneLine) {
  const TempDir dir;
  const auto serve = [&](std::vector<std::string> arguments, const std::string& params) {
    std::vector<std::string> all = {"serve",      "--listen",  "127.0.0.1:0",      "--admin",
                                    "off",        "--primary", PrimaryUrl(params), "--data-dir",
                                    dir.Path("d")};
    all.insert(all.end(), arguments.begin(), arguments.end());
    RunResult result = RunPgparity(all);
    EXPECT_EQ(result.exit, 70);
    EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 1) << result.err;
    return result.err;
  };
  EXPECT_THAT(serve({"--tls-cert", "/no/cert", "--tls-key", "/no/key"}, ""),
              AllOf(HasSubstr("--tls-cert"), HasSubstr("/no/cert"), HasSubstr("No such file")));
  EXPECT_THAT(
      serve({"--tls-cert", Env().proxy_pair.certificate, "--tls-key", Env().client_pair.key}, ""),
      AllOf(HasSubstr("--tls-key"), HasSubstr("is not the key of")));
  EXPECT_THAT(serve({}, "sslmode=verify-ca&sslrootcert=/no/root"),
              AllOf(HasSubstr("--primary"), HasSubstr("sslrootcert"), HasSubstr("/no/root")));
}

TEST(Tls, CopyOfSomeMegabytesBothWaysOverTlsOnBothSides) {
  ProxyProcess proxy(Forwarding(PrimaryUrl("sslmode=require")));
  ASSERT_TRUE(proxy.started());
  const TempDir dir;
  const std::string url = Through(proxy, "sslmode=require");
  LibpqClient client(url);
  ASSERT_TRUE(client
                  .Script({"CREATE TABLE much (id int, v text)",
                           "INSERT INTO much SELECT i, repeat(md5(i::text), 1 + i % 300) "
                           "FROM generate_series(1, 4000) AS i",
                           "CREATE TABLE again (LIKE much)"})
                  .ok);
  const auto psql = [&](const std::string& command) {
    const RunResult result = RunProgram("psql", {"-X", "-c", command, url});
    EXPECT_EQ(result.exit, 0) << result.err;
  };
  psql("\\copy much TO '" + dir.Path("text") + "'");
  psql("\\copy much TO '" + dir.Path("binary") + "' BINARY");
  EXPECT_GT(ReadFile(dir.Path("text")).size(), 15U << 20);
  psql("\\copy again FROM '" + dir.Path("text") + "'");
  EXPECT_EQ(client.Query("SELECT count(*) FROM (TABLE much EXCEPT TABLE again) AS d").Scalar(),
            "0");
  client.Query("TRUNCATE again");
  psql("\\copy again FROM '" + dir.Path("binary") + "' BINARY");
  EXPECT_EQ(client.Query("SELECT count(*) FROM again JOIN much USING (id, v)").Scalar(), "4000");
  ASSERT_TRUE(client.Script({"DROP TABLE much, again"}).ok);
}

// A blocking TCP connection to the proxy; the caller closes it.
int ConnectTo(int port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_EQ(connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  const timeval limit{60, 0};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
  return fd;
}

// libpq 15 does neither of these two.
TEST(Tls, DirectTlsAndACancelRequestOverIt) {
  ProxyProcess proxy(Forwarding(PrimaryUrl("sslmode=require")));
  ASSERT_TRUE(proxy.started());
  const int session = ConnectTo(proxy.port());
  TlsSocketPeer client(session, {});
  ASSERT_TRUE(client.Handshake()) << client.peer().error();
  client.Send(StartupPacket("postgres", "postgres"));
  std::string key;
  while (key.empty()) {
    const std::string header = client.Receive(5);
    ASSERT_EQ(header.size(), 5U);
    const auto length = static_cast<uint8_t>(header[3]) * 256U + static_cast<uint8_t>(header[4]);
    const std::string body = client.Receive(length - 4);
    ASSERT_NE(header[0], 'E') << body;
    if (header[0] == 'K') key = body;
  }
  client.Receive(6);  // ReadyForQuery
  client.Send(MessageBuilder().Query("SELECT pg_sleep(600)").bytes());
  ASSERT_TRUE(WaitForScalar(Env().primary->Url("postgres"),
                            "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND "
                            "query ~ '^SELECT pg_sleep'",
                            "1"));
  const int second = ConnectTo(proxy.port());
  TlsSocketPeer cancel(second, {});
  ASSERT_TRUE(cancel.Handshake());
  cancel.Send(std::string("\0\0\0\x10\x04\xd2\x16\x2e", 8) + key);
  EXPECT_EQ(cancel.ReceiveAll(), "");
  const std::string answer = client.Receive(100);
  EXPECT_THAT(answer, HasSubstr("C57014"));
  close(session);
  close(second);
}

TEST(Tls, LibpqCancelsASessionOverTls) {
  ProxyProcess proxy(Forwarding(PrimaryUrl("sslmode=require"), {"--require-tls", "on"}));
  ASSERT_TRUE(proxy.started());
  LibpqClient client(Through(proxy, "sslmode=require"));
  ASSERT_EQ(PQsendQuery(client.get(), "SELECT pg_sleep(601)"), 1);
  ASSERT_TRUE(WaitForScalar(Env().primary->Url("postgres"),
                            "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND "
                            "query ~ '^SELECT pg_sleep.601'",
                            "1"));
  PGcancel* cancel = PQgetCancel(client.get());
  char error[256] = "";
  EXPECT_EQ(PQcancel(cancel, error, sizeof(error)), 1) << error;
  PQfreeCancel(cancel);
  EXPECT_EQ(TakeResult(client.get(), PQgetResult(client.get())).sqlstate, "57014");
}

TEST(Tls, APrimaryThatRestartsEndsSessionsAndNewOnesWork) {
  ProxyProcess proxy(Forwarding(PrimaryUrl("sslmode=require")));
  ASSERT_TRUE(proxy.started());
  LibpqClient client(Through(proxy, "sslmode=require"));
  ASSERT_TRUE(client.ok());
  Env().primary->StopFast();
  // Over TLS libpq may see the end before the error that stands in front of it.
  EXPECT_THAT(client.Query("SELECT 1").sqlstate, testing::AnyOf("57P01", ""));
  EXPECT_FALSE(client.ok());
  Env().primary->Start();
  LibpqClient later(Through(proxy, "sslmode=require"));
  EXPECT_EQ(later.Query(tls_in_use).Scalar(), "t") << later.error();
}

TEST(Tls, ASoakOverTlsEndsInEqualTables) {
  Env().primary->CreateDatabase("tls_soak");
  ShadowCluster().CreateDatabase("tls_soak");
  ProxyOptions options;
  options.primary_url = "postgres://postgres@127.0.0.1:" + std::to_string(Env().primary->port()) +
                        "/tls_soak?sslmode=verify-full" + Roots(Env().ca);
  options.shadow_url = ShadowCluster().Url("tls_soak");
  {
    ProxyProcess proxy(options);
    ASSERT_TRUE(proxy.started());
    const std::string url = proxy.Url("tls_soak") + "?sslmode=require";
    ASSERT_EQ(RunPgbench({"-i", "-q", url}).exit, 0);
    for (const char* protocol : {"simple", "extended", "prepared"}) {
      const RunResult run =
          RunPgbench({"-n", "-M", protocol, "-c", "8", "-j", "2", "-t", "60", url});
      EXPECT_EQ(run.exit, 0) << run.out << run.err;
    }
    ASSERT_TRUE(proxy.Drain());
    EXPECT_EQ(TableDigests(Env().primary->Url("tls_soak"), {"pgbench_history.mtime"}),
              TableDigests(ShadowCluster().Url("tls_soak"), {"pgbench_history.mtime"}));
    const ReportJson report = proxy.Report();
    EXPECT_THAT(report.reasons, ElementsAre("soak-too-short")) << report.Summary();
    EXPECT_THAT(report.divergences, IsEmpty()) << report.Summary();
    EXPECT_THAT(report.gaps, IsEmpty()) << report.Summary();
    // Its own connection keeps to the URL, too.
    EXPECT_EQ(LibpqClient(Env().primary->Url("postgres"))
                  .Query("SELECT bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) "
                         "WHERE application_name = 'pgparity'")
                  .Scalar(),
              "t");
  }
  Env().primary->DropDatabase("tls_soak");
  ShadowCluster().DropDatabase("tls_soak");
}

}  // namespace
}  // namespace pgparity::support
