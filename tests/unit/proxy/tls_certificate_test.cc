#include "proxy/tls_certificate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <sys/stat.h>

#include <memory>

#include "tests/support/certificates.h"
#include "tests/support/temp_dir.h"

namespace pgparity::proxy {
namespace {

using support::CertificateOptions;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

struct FreeX509 {
  void operator()(X509* certificate) const { X509_free(certificate); }
};
using Certificate = std::unique_ptr<X509, FreeX509>;

Certificate Read(const std::string& path) {
  FILE* file = std::fopen(path.c_str(), "r");
  if (file == nullptr) return nullptr;
  Certificate certificate(PEM_read_X509(file, nullptr, nullptr, nullptr));
  std::fclose(file);
  return certificate;
}

class TlsCertificate : public testing::Test {
 protected:
  Certificate Make(const CertificateOptions& options) {
    return Read(ca_.Issue("one", options).certificate);
  }
  // Whether verify-full takes a certificate with these names for the host.
  bool Matches(const std::string& host, const std::string& common_name,
               const std::vector<std::string>& alternatives = {}) {
    CertificateOptions options;
    options.common_name = common_name;
    options.alternative_names = alternatives;
    return CheckCertificateHost(Make(options).get(), host).ok();
  }
  std::string Hash(const CertificateOptions& options) { return EndPointHash(Make(options).get()); }

  support::TempDir directory_;
  support::TestCa ca_{directory_.path(), "ca"};
};

TEST_F(TlsCertificate, TheCommonNameCountsWhereThereIsNoOther) {
  EXPECT_TRUE(Matches("db.example.org", "db.example.org"));
  EXPECT_TRUE(Matches("DB.example.ORG", "db.EXAMPLE.org"));
  EXPECT_FALSE(Matches("db.example.org", "db.example.com"));
  EXPECT_FALSE(Matches("db.example.org", "b.example.org"));
  EXPECT_FALSE(Matches("db.example.org", ""));
  EXPECT_TRUE(Matches("db.example.org", "db.example.org", {"IP:127.0.0.1", "email:a@b.c"}));
  EXPECT_FALSE(Matches("db.example.org", "db.example.org", {"DNS:other.example.org"}));
}

TEST_F(TlsCertificate, AnyOfItsDnsNamesMatches) {
  const std::vector<std::string> names = {"DNS:a.example.org", "DNS:b.example.org"};
  EXPECT_TRUE(Matches("a.example.org", "x", names));
  EXPECT_TRUE(Matches("b.example.org", "x", names));
  EXPECT_FALSE(Matches("x", "x", names));
}

TEST_F(TlsCertificate, AStarStandsForOneLabelAtTheFront) {
  for (const bool common : {true, false}) {
    const auto matches = [&](const std::string& host, const std::string& pattern) {
      return common ? Matches(host, pattern) : Matches(host, "", {"DNS:" + pattern});
    };
    EXPECT_TRUE(matches("a.example.org", "*.example.org"));
    EXPECT_TRUE(matches("A.Example.Org", "*.example.org"));
    EXPECT_FALSE(matches("example.org", "*.example.org"));
    EXPECT_FALSE(matches(".example.org", "*.example.org"));
    EXPECT_FALSE(matches("a.b.example.org", "*.example.org"));
    EXPECT_FALSE(matches("ab.example.org", "a*.example.org"));
    EXPECT_FALSE(matches("a.example.org", "a.*.org"));
    EXPECT_FALSE(matches("a.example.org", "*"));
    EXPECT_FALSE(matches("localhost", "*"));
    EXPECT_FALSE(matches("a.example.org", "*."));
  }
}

TEST_F(TlsCertificate, AddressesMatchAddresses) {
  EXPECT_TRUE(Matches("127.0.0.1", "x", {"IP:127.0.0.1"}));
  EXPECT_FALSE(Matches("127.0.0.2", "x", {"IP:127.0.0.1"}));
  EXPECT_TRUE(Matches("::1", "x", {"IP:127.0.0.1", "IP:::1"}));
  EXPECT_TRUE(Matches("0:0:0:0:0:0:0:1", "x", {"IP:::1"}));
  EXPECT_FALSE(Matches("::2", "x", {"IP:::1"}));
  // As libpq: the common name stands in, unless there is an address.
  EXPECT_TRUE(Matches("127.0.0.1", "127.0.0.1", {"DNS:a.example.org"}));
  EXPECT_FALSE(Matches("127.0.0.1", "127.0.0.1", {"IP:127.0.0.2"}));
  // A host's name is none of its addresses.
  EXPECT_FALSE(Matches("localhost", "x", {"IP:127.0.0.1"}));
}

TEST_F(TlsCertificate, ANullInANameHidesNothing) {
  const std::string name("db.example.org\0.evil.org", 24);
  EXPECT_FALSE(Matches("db.example.org", name));
  EXPECT_FALSE(Matches(name, name));
}

TEST_F(TlsCertificate, SaysWhomItIsFor) {
  CertificateOptions options;
  options.common_name = "c";
  options.alternative_names = {"DNS:a\x1b[1m.example.org", "DNS:b", "IP:10.0.0.1"};
  const absl::Status status = CheckCertificateHost(Make(options).get(), "d");
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr("for \"a\\x1B[1m.example.org\", \"b\", \"10.0.0.1\", not for \"d\""),
                    Not(HasSubstr("\x1b"))));
}

std::string Digest(X509* certificate, const EVP_MD* digest) {
  unsigned char* der = nullptr;
  const int size = i2d_X509(certificate, &der);
  unsigned char hash[EVP_MAX_MD_SIZE];
  unsigned hash_size = 0;
  EVP_Digest(der, static_cast<size_t>(size), hash, &hash_size, digest, nullptr);
  OPENSSL_free(der);
  return {reinterpret_cast<char*>(hash), hash_size};
}

TEST_F(TlsCertificate, TheEndPointHashIsBySignaturesDigest) {
  const struct {
    const char *signature, *hash;
  } cases[] = {{"MD5", "SHA256"},    {"SHA1", "SHA256"},   {"SHA224", "SHA224"},
               {"SHA256", "SHA256"}, {"SHA384", "SHA384"}, {"SHA512", "SHA512"}};
  for (const auto& one : cases) {
    CertificateOptions options;
    options.digest = one.signature;
    // The authority's key is EC: MD5 is no digest for it.
    if (std::string(one.signature) == "MD5") continue;
    const Certificate certificate = Make(options);
    EXPECT_EQ(EndPointHash(certificate.get()),
              Digest(certificate.get(), EVP_get_digestbyname(one.hash)))
        << one.signature;
  }
}

TEST_F(TlsCertificate, Ed25519HasNoEndPointHash) {
  CertificateOptions options;
  options.key_type = "ED25519";
  EXPECT_EQ(Hash(options), "");
}

TEST_F(TlsCertificate, MakesOneOfItsOwnAndKeepsIt) {
  const std::string path = directory_.Path("own.pem");
  ASSERT_TRUE(EnsureSelfSigned(path, "db-host").ok());
  struct stat info {};
  ASSERT_EQ(stat(path.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
  const Certificate certificate = Read(path);
  ASSERT_NE(certificate, nullptr);
  for (const char* host : {"db-host", "localhost", "127.0.0.1", "::1"}) {
    EXPECT_TRUE(CheckCertificateHost(certificate.get(), host).ok()) << host;
  }
  EXPECT_EQ(X509_verify(certificate.get(), X509_get0_pubkey(certificate.get())), 1);
  const std::string before = support::ReadFile(path);
  EXPECT_THAT(before, HasSubstr("PRIVATE KEY"));
  ASSERT_TRUE(EnsureSelfSigned(path, "db-host").ok());
  EXPECT_EQ(support::ReadFile(path), before);
}

TEST_F(TlsCertificate, MakesANewOneForAnOldOrABrokenOne) {
  const std::string path = directory_.Path("own.pem");
  CertificateOptions options;
  options.expired = true;
  for (const std::string& content : {support::ReadFile(ca_.Issue("old", options).certificate),
                                     std::string("rubbish"), std::string()}) {
    support::WriteFile(path, content);
    ASSERT_TRUE(EnsureSelfSigned(path, "").ok());
    EXPECT_NE(support::ReadFile(path), content);
    EXPECT_NE(Read(path), nullptr);
  }
}

TEST_F(TlsCertificate, SaysThatItCannotWrite) {
  const absl::Status status = EnsureSelfSigned(directory_.Path("no/such/own.pem"), "");
  EXPECT_THAT(
      std::string(status.message()),
      AllOf(HasSubstr("no/such/own.pem"), HasSubstr("No such file"), HasSubstr("--tls off")));
}

TEST_F(TlsCertificate, HostNamesThatAreNoneDoNoHarm) {
  for (const std::string& name : {std::string(300, 'a'), std::string("a,IP:1.2.3.4"),
                                  std::string("a b"), std::string("email:copy")}) {
    const std::string path = directory_.Path("odd.pem");
    remove(path.c_str());
    ASSERT_TRUE(EnsureSelfSigned(path, name).ok()) << name;
    EXPECT_FALSE(CheckCertificateHost(Read(path).get(), "1.2.3.4").ok());
  }
}

}  // namespace
}  // namespace pgparity::proxy
