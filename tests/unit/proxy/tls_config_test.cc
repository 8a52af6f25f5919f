// What the two ends' files and parameters may be, and what is said of those that may not.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/ssl.h>
#include <sys/stat.h>

#include <cstdlib>

#include "proxy/options.h"
#include "proxy/tls_client.h"
#include "proxy/tls_server.h"
#include "tests/support/certificates.h"
#include "tests/support/temp_dir.h"

namespace pgparity::proxy {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class TlsConfig : public testing::Test {
 protected:
  TlsConfig() { setenv("HOME", directory_.path().c_str(), 1); }

  std::string ServerError(TlsServerOptions options) {
    return std::string(TlsServer::Load(options).status().message());
  }
  static absl::StatusOr<TlsClientOptions> Parse(const std::string& params) {
    return TlsClientOptionsOf(*DatabaseUrl::Parse("postgres://db.example.org/d?" + params));
  }
  static std::string ParseError(const std::string& params) {
    return std::string(Parse(params).status().message());
  }
  static std::string CreateError(const std::string& params) {
    return std::string(TlsClient::Create(*Parse(params)).status().message());
  }

  support::TempDir directory_;
  support::TestCa ca_{directory_.path(), "ca"};
  support::KeyPair pair_ = ca_.Issue("server", {});
};

TEST_F(TlsConfig, AServerSaysWhichFileIsWrongAndHow) {
  const std::string missing = directory_.Path("missing");
  const std::string rubbish = directory_.Path("rubbish");
  support::WriteFile(rubbish, "rubbish");
  const support::KeyPair other = ca_.Issue("other", {});
  support::CertificateOptions rsa;
  rsa.key_type = "RSA";
  const support::KeyPair other_kind = ca_.Issue("rsa", rsa);
  EXPECT_THAT(ServerError({missing, pair_.key, "", ""}),
              AllOf(HasSubstr("--tls-cert"), HasSubstr(missing), HasSubstr("No such file")));
  EXPECT_THAT(ServerError({pair_.certificate, missing, "", ""}),
              AllOf(HasSubstr("--tls-key"), HasSubstr(missing), HasSubstr("No such file")));
  EXPECT_THAT(ServerError({rubbish, pair_.key, "", ""}),
              AllOf(HasSubstr("--tls-cert"), HasSubstr(rubbish), HasSubstr("no usable cert")));
  EXPECT_THAT(ServerError({pair_.certificate, rubbish, "", ""}),
              AllOf(HasSubstr("--tls-key"), HasSubstr(rubbish), HasSubstr("no usable key")));
  for (const support::KeyPair& wrong : {other, other_kind}) {
    EXPECT_THAT(ServerError({pair_.certificate, wrong.key, "", ""}),
                AllOf(HasSubstr("--tls-key"), HasSubstr("is not the key of " + pair_.certificate)));
  }
  EXPECT_THAT(ServerError({pair_.certificate, pair_.key, rubbish, ""}),
              AllOf(HasSubstr("--tls-client-ca"), HasSubstr(rubbish)));
  EXPECT_EQ(ServerError({pair_.certificate, pair_.key, ca_.certificate(), ""}), "");
}

TEST_F(TlsConfig, AServerWithoutFilesMakesItsOwn) {
  TlsServerOptions options;
  options.self_signed = directory_.Path("own.pem");
  const auto first = TlsServer::Load(options);
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_TRUE((*first)->self_signed());
  EXPECT_EQ((*first)->end_point_hash().size(), 32u);
  const auto second = TlsServer::Load(options);
  EXPECT_EQ((*first)->end_point_hash(), (*second)->end_point_hash());
}

TEST_F(TlsConfig, ParametersAreLibpqs) {
  EXPECT_EQ(Parse("")->mode, SslMode::prefer);
  EXPECT_EQ(Parse("sslmode=disable")->mode, SslMode::disable);
  EXPECT_EQ(Parse("sslmode=allow")->mode, SslMode::allow);
  EXPECT_EQ(Parse("sslmode=require")->mode, SslMode::require);
  EXPECT_EQ(Parse("sslmode=verify-ca&sslrootcert=/r")->mode, SslMode::verify_ca);
  EXPECT_EQ(Parse("sslmode=verify-full&sslrootcert=/r")->mode, SslMode::verify_full);
  EXPECT_EQ(Parse("sslrootcert=system")->mode, SslMode::verify_full);
  EXPECT_EQ(Parse("sslmode=disable&sslmode=require")->mode, SslMode::require);
  EXPECT_TRUE(Parse("sslmode=require&sslnegotiation=direct")->direct);
  EXPECT_FALSE(Parse("sslnegotiation=postgres")->direct);
  EXPECT_FALSE(Parse("sslsni=0")->sni);
  EXPECT_EQ(Parse("ssl_min_protocol_version=TLSv1.3")->least_version, TLS1_3_VERSION);
  EXPECT_EQ(
      TlsClientOptionsOf(*DatabaseUrl::Parse("postgres:///d?host=/tmp&sslmode=require"))->mode,
      SslMode::disable);
  for (const char* wrong :
       {"sslmode=Require", "sslmode=verify_full", "sslnegotiation=maybe", "sslmode=verify-ca",
        "sslnegotiation=direct", "sslmode=prefer&sslnegotiation=direct",
        "sslmode=require&sslrootcert=system", "ssl_min_protocol_version=SSLv3", "sslcert=/c"}) {
    EXPECT_THAT(ParseError(wrong), HasSubstr("ssl")) << wrong;
  }
}

TEST_F(TlsConfig, FilesInTheHomeDirectoryAreTakenAsLibpqDoes) {
  mkdir(directory_.Path(".postgresql").c_str(), 0700);
  support::WriteFile(directory_.Path(".postgresql/root.crt"), "x");
  EXPECT_EQ(Parse("")->root, directory_.Path(".postgresql/root.crt"));
  EXPECT_EQ(Parse("sslrootcert=/r")->root, "/r");
  EXPECT_EQ(Parse("")->certificate, "");
}

TEST_F(TlsConfig, AClientSaysWhichFileIsWrongAndHow) {
  EXPECT_THAT(CreateError("sslmode=verify-ca&sslrootcert=/no/root"),
              AllOf(HasSubstr("sslrootcert"), HasSubstr("/no/root"), HasSubstr("No such file")));
  const std::string with_key = "sslcert=" + pair_.certificate + "&sslkey=" + pair_.key;
  EXPECT_EQ(CreateError(with_key), "");
  EXPECT_THAT(CreateError("sslcert=/no/cert&sslkey=" + pair_.key), HasSubstr("sslcert: cannot"));
  chmod(pair_.key.c_str(), 0644);
  EXPECT_THAT(CreateError(with_key), AllOf(HasSubstr("sslkey"), HasSubstr("0600")));
  EXPECT_THAT(CreateError("sslrootcert=" + ca_.certificate() + "&sslcrl=/no/crl"),
              AllOf(HasSubstr("sslcrl"), HasSubstr("/no/crl")));
  EXPECT_EQ(CreateError("sslrootcert=system"), "");
  EXPECT_EQ(*TlsClient::Create(*Parse("sslmode=disable")), nullptr);
}

TEST_F(TlsConfig, OptionsThatContradictEachOtherAreRefused) {
  ServeOptions options;
  options.primary = "postgres://h/d";
  options.data_dir = "/d";
  ASSERT_TRUE(Validate(options).ok()) << Validate(options);
  options.tls_cert = "/c";
  EXPECT_THAT(std::string(Validate(options).message()), HasSubstr("--tls-key"));
  options.tls_key = "/k";
  EXPECT_TRUE(Validate(options).ok());
  options.tls = false;
  EXPECT_THAT(std::string(Validate(options).message()), HasSubstr("--tls off"));
  options.tls_cert = options.tls_key = "";
  options.require_tls = true;
  EXPECT_THAT(std::string(Validate(options).message()), HasSubstr("--require-tls"));
  options.require_tls = false;
  options.primary = "postgres://h/d?sslmode=strict";
  EXPECT_THAT(std::string(Validate(options).message()),
              AllOf(HasSubstr("--primary"), HasSubstr("sslmode")));
}

}  // namespace
}  // namespace pgparity::proxy
