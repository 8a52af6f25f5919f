#include "proxy/url.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <libpq-fe.h>

#include <cstdlib>

#include <algorithm>
#include <memory>
#include <random>

namespace pgparity::proxy {
namespace {

using testing::HasSubstr;
using testing::Not;

absl::StatusOr<DatabaseUrl> Parse(const std::string& text) {
  std::unique_ptr<char[]> exact(new char[text.size()]);
  std::copy(text.begin(), text.end(), exact.get());
  return DatabaseUrl::Parse({exact.get(), text.size()});
}

DatabaseUrl Parsed(const std::string& text) {
  const auto url = Parse(text);
  EXPECT_TRUE(url.ok()) << text << ": " << url.status();
  return url.ok() ? *url : DatabaseUrl();
}

std::string ErrorOf(const std::string& text) {
  const auto url = Parse(text);
  EXPECT_FALSE(url.ok()) << text;
  return url.ok() ? "" : std::string(url.status().message());
}

TEST(DatabaseUrl, AllPartsOfAPostgresUrl) {
  const DatabaseUrl url = Parsed(
      "postgresql://ann:s3cret@db.example.org:6543/shop?sslmode=require&application_name=a%20b");
  EXPECT_EQ(url.kind, DatabaseUrl::Kind::postgres);
  EXPECT_EQ(url.user, "ann");
  EXPECT_EQ(url.password, "s3cret");
  EXPECT_EQ(url.host, "db.example.org");
  EXPECT_EQ(url.port, 6543);
  EXPECT_EQ(url.database, "shop");
  EXPECT_EQ(url.ToLibpqConninfo(),
            "host='db.example.org' port='6543' user='ann' password='s3cret' dbname='shop' "
            "sslmode='require' application_name='a b'");
  EXPECT_EQ(url.Redacted(),
            "postgres://ann:***@db.example.org:6543/shop?sslmode=require&application_name=a b");
}

TEST(DatabaseUrl, SchemesAndDrivers) {
  for (const char* scheme : {"postgres", "postgresql", "postgresql+psycopg", "postgresql+asyncpg",
                             "postgres+psycopg2", "POSTGRES"}) {
    EXPECT_EQ(Parsed(std::string(scheme) + "://h/d").host, "h") << scheme;
  }
  EXPECT_EQ(Parsed("sqlite+pysqlite:///a.db").kind, DatabaseUrl::Kind::sqlite);
  EXPECT_THAT(ErrorOf("mysql://u:pw@h/d"), HasSubstr("mysql://"));
  EXPECT_THAT(ErrorOf("postgresqlx://h/d"), HasSubstr("not supported"));
}

TEST(DatabaseUrl, Defaults) {
  const DatabaseUrl url = Parsed("postgres://h");
  EXPECT_EQ(url.port, 5432);
  EXPECT_EQ(url.database, "");
  EXPECT_EQ(url.ToLibpqConninfo(), "host='h' port='5432'");
  EXPECT_EQ(Parsed("postgres://h:/d").port, 5432);
  EXPECT_EQ(Parsed("postgres://h?sslmode=disable").params.size(), 1u);
}

TEST(DatabaseUrl, PercentDecoding) {
  const DatabaseUrl url = Parsed("postgres://a%40b:p%3A%2f%25%27%5C@h/d%20b");
  EXPECT_EQ(url.user, "a@b");
  EXPECT_EQ(url.password, "p:/%'\\");
  EXPECT_EQ(url.database, "d b");
  EXPECT_THAT(url.ToLibpqConninfo(), HasSubstr("password='p:/%\\'\\\\'"));
  ErrorOf("postgres://h/d%2");
  ErrorOf("postgres://h/d%");
  ErrorOf("postgres://h/d%zz");
  ErrorOf("postgres://h/d%00");
}

TEST(DatabaseUrl, TheLastAtSeparatesAndColonsBelongToThePassword) {
  const DatabaseUrl url = Parsed("postgres://u:p@ss:word#1@h:1/d");
  EXPECT_EQ(url.user, "u");
  EXPECT_EQ(url.password, "p@ss:word#1");
  EXPECT_EQ(url.host, "h");
}

TEST(DatabaseUrl, Ipv6) {
  const DatabaseUrl url = Parsed("postgres://u@[2001:db8::1]:5433/d");
  EXPECT_EQ(url.host, "2001:db8::1");
  EXPECT_EQ(url.port, 5433);
  EXPECT_EQ(url.Redacted(), "postgres://u@[2001:db8::1]:5433/d");
  EXPECT_EQ(Parsed("postgres://[::1]/d").port, 5432);
  ErrorOf("postgres://[::1/d");
  ErrorOf("postgres://[::1]5433/d");
  ErrorOf("postgres://[::1]:/x/d");
  ErrorOf("postgres://2001:db8::1/d");
}

TEST(DatabaseUrl, UnixSockets) {
  for (const char* text :
       {"postgres:///d?host=/var/run/pg&port=5433", "postgres://%2Fvar%2Frun%2Fpg:5433/d",
        "postgres://ignored/d?host=%2Fvar%2Frun%2Fpg&port=5433"}) {
    const DatabaseUrl url = Parsed(text);
    EXPECT_EQ(url.host, "/var/run/pg");
    EXPECT_TRUE(url.unix_socket());
    EXPECT_EQ(url.Redacted(), "postgres:///d?host=/var/run/pg&port=5433");
  }
  EXPECT_THAT(ErrorOf("postgres:///d"), HasSubstr("no host"));
}

TEST(DatabaseUrl, ParametersOverride) {
  const DatabaseUrl url = Parsed("postgres://u:p@h/d?user=u2&password=p2&dbname=d2&port=7");
  EXPECT_EQ(url.user, "u2");
  EXPECT_EQ(url.password, "p2");
  EXPECT_EQ(url.database, "d2");
  EXPECT_EQ(url.port, 7);
  EXPECT_TRUE(url.params.empty());
}

TEST(DatabaseUrl, ParametersThatLibpqDoesNotKnowAreKeptFromItAndHidden) {
  const DatabaseUrl url = Parsed("postgres://h/d?pgbouncer=true&sslpassword=sec&connect_timeout=3");
  EXPECT_EQ(url.params.size(), 3u);
  EXPECT_EQ(url.ToLibpqConninfo(),
            "host='h' port='5432' dbname='d' sslpassword='sec' connect_timeout='3'");
  EXPECT_EQ(url.Redacted(), "postgres://h:5432/d?pgbouncer=***&sslpassword=***&connect_timeout=3");
}

TEST(DatabaseUrl, TlsParametersReachTheLibpqThatThereIs) {
  const DatabaseUrl url = Parsed(
      "postgres://h/d?sslmode=require&sslnegotiation=direct&sslcertmode=allow&sslrootcert=/"
      "r&sslsni=0");
  EXPECT_EQ(url.Redacted(),
            "postgres://h:5432/d?sslmode=require&sslnegotiation=direct&sslcertmode=allow&"
            "sslrootcert=/r&sslsni=0");
  const std::string conninfo = url.ToLibpqConninfo();
  EXPECT_THAT(conninfo, HasSubstr("sslmode='require'"));
  EXPECT_THAT(conninfo, HasSubstr("sslrootcert='/r' sslsni='0'"));
  EXPECT_EQ(conninfo.find("sslnegotiation") != std::string::npos, PQlibVersion() >= 170000);
  EXPECT_EQ(conninfo.find("sslcertmode") != std::string::npos, PQlibVersion() >= 160000);
  // It knows every word of it.
  char* error = nullptr;
  PQconninfoOption* parsed = PQconninfoParse(conninfo.c_str(), &error);
  EXPECT_NE(parsed, nullptr) << error;
  PQconninfoFree(parsed);
  PQfreemem(error);
}

TEST(DatabaseUrl, TheSystemsRootsAreAFileToAnOlderLibpq) {
  if (PQlibVersion() >= 160000) GTEST_SKIP() << "this libpq knows them";
  setenv("SSL_CERT_FILE", "/dev/null", 1);
  EXPECT_THAT(Parsed("postgres://h/d?sslrootcert=system").ToLibpqConninfo(),
              HasSubstr("sslrootcert='/dev/null' sslmode='verify-full'"));
  unsetenv("SSL_CERT_FILE");
}

TEST(DatabaseUrl, SeveralHostsAreRefused) {
  EXPECT_THAT(ErrorOf("postgres://a,b/d"), HasSubstr("several hosts"));
  EXPECT_THAT(ErrorOf("postgres://a:1,b:2/d"), HasSubstr("several hosts"));
  EXPECT_THAT(ErrorOf("postgres:///d?host=a,b"), HasSubstr("several hosts"));
}

TEST(DatabaseUrl, Ports) {
  EXPECT_EQ(Parsed("postgres://h:65535").port, 65535);
  for (const char* text :
       {"postgres://h:0", "postgres://h:65536", "postgres://h:-1", "postgres://h:5432x",
        "postgres://h:99999999999", "postgres://h?port=", "postgres://h?port=x"}) {
    EXPECT_THAT(ErrorOf(text), HasSubstr("port")) << text;
  }
}

TEST(DatabaseUrl, Sqlite) {
  EXPECT_EQ(Parsed("sqlite:///rel.db").path, "rel.db");
  EXPECT_EQ(Parsed("sqlite:///dir/rel%20x.db").path, "dir/rel x.db");
  EXPECT_EQ(Parsed("sqlite:////abs/x.db?mode=rw").path, "/abs/x.db");
  EXPECT_EQ(Parsed("sqlite:////abs/x.db").Redacted(), "sqlite:////abs/x.db");
  for (const char* text :
       {"sqlite://", "sqlite:///", "sqlite:///:memory:", "sqlite://x.db", "sqlite:////abs/"}) {
    ErrorOf(text);
  }
}

TEST(DatabaseUrl, OnePerDatabase) {
  const DatabaseUrl url = Parsed("postgres://h/shadow_{database}");
  EXPECT_TRUE(url.per_database());
  EXPECT_EQ(url.ForDatabase("a'b{database}").database, "shadow_a'b{database}");
  EXPECT_FALSE(Parsed("postgres://h/d").per_database());
  EXPECT_EQ(Parsed("postgres://h/d").ForDatabase("x").database, "d");
  EXPECT_EQ(Parsed("postgres://h/%7Bdatabase%7D").ForDatabase("x").database, "x");
  EXPECT_EQ(Parsed("sqlite:///d/{database}.db").ForDatabase("a_b-1").path, "d/a_b-1.db");
}

TEST(DatabaseUrl, ADatabaseNameCannotLeadOutOfTheDirectory) {
  EXPECT_EQ(Parsed("sqlite:////d/{database}").ForDatabase("../../etc/passwd").path,
            "/d/%2E%2E%2F%2E%2E%2Fetc%2Fpasswd");
  EXPECT_EQ(Parsed("sqlite:////d/{database}").ForDatabase("..").path, "/d/%2E%2E");
}

TEST(DatabaseUrl, RedactedEscapesControlCharacters) {
  EXPECT_THAT(Parsed("postgres://u%1b%0a@h/d").Redacted(), Not(HasSubstr("\x1b")));
}

// An unescaped character may put a part of the password anywhere: no error may say it.
TEST(DatabaseUrl, ErrorsHoldNothingOfThePassword) {
  for (const char* text :
       {"postgres://u:zqz/zqz@h/d", "postgres://u:zqz?zqz@h/d", "postgres://u:zqz%zqz@h/d",
        "postgres://u:12/zqz@h/d", "postgres://u:12?zqz=zqz@h/d", "postgres://u:[zqz@h:x/d",
        "postgres://u@zqz:zqz/d", "u:zqz@h/d", "zqz zqz://u@h", "host=h password=zqz",
        "postgres://u:zqz,1@h,zqz/d", "postgres://u:zqz@/d", "sqlite://zqz/x",
        "postgres://[zqz]/d"}) {
    const std::string error = ErrorOf(text);
    EXPECT_THAT(error, Not(HasSubstr("zqz"))) << text;
    EXPECT_THAT(error, Not(HasSubstr("\n")));
    EXPECT_NE(error, "");
  }
}

TEST(DatabaseUrl, RandomUrlsNeitherCrashNorLeak) {
  const auto seed = std::random_device{}();
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  const std::vector<std::string> pieces = {"postgres://", ":", "/",   "@",    "?",   "&",
                                           "=",           "%", "%41", "[",    "]",   "h",
                                           "1",           ",", "#",   "\x01", "host"};
  for (int i = 0; i < 20000; ++i) {
    std::string text = random() % 10 == 0 ? "" : "postgres://u:zqz@";
    for (size_t j = random() % 10; j > 0; --j) text += pieces[random() % pieces.size()];
    const auto url = Parse(text);
    if (!url.ok()) {
      EXPECT_THAT(std::string(url.status().message()), Not(HasSubstr("zqz"))) << text;
    } else {
      EXPECT_THAT(url->Redacted(), Not(HasSubstr("zqz"))) << text;
      EXPECT_FALSE(url->host.empty() && url->kind == DatabaseUrl::Kind::postgres);
    }
  }
}

}  // namespace
}  // namespace pgparity::proxy
