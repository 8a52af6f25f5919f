#include "tests/support/certificates.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>

#include <cstdio>
#include <cstdlib>
#include <utility>

namespace pgparity::support {
namespace {

constexpr long hour = 3600;

void Require(bool ok, const char* what) {
  if (ok) return;
  std::fprintf(stderr, "cannot make a test certificate: %s\n", what);
  std::abort();
}

EVP_PKEY* MakeKey(const std::string& type) {
  EVP_PKEY* key = type == "EC"    ? EVP_EC_gen("P-256")
                  : type == "RSA" ? EVP_RSA_gen(2048)
                                  : EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519");
  Require(key != nullptr, "key");
  return key;
}

void Extend(X509* certificate, X509* issuer, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str());
  Require(extension != nullptr && X509_add_ext(certificate, extension, -1) == 1, value.c_str());
  X509_EXTENSION_free(extension);
}

X509* MakeCertificate(EVP_PKEY* key, const std::string& common_name, bool expired) {
  X509* certificate = X509_new();
  Require(certificate != nullptr && X509_set_version(certificate, 2) == 1, "certificate");
  uint64_t serial = 0;
  RAND_bytes(reinterpret_cast<unsigned char*>(&serial), sizeof(serial));
  ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate), serial >> 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate), -48 * hour);
  X509_gmtime_adj(X509_getm_notAfter(certificate), (expired ? -24 : 24) * hour);
  if (!common_name.empty()) {
    X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_UTF8,
                               reinterpret_cast<const unsigned char*>(common_name.data()),
                               static_cast<int>(common_name.size()), -1, 0);
  }
  X509_set_pubkey(certificate, key);
  return certificate;
}

KeyPair WriteFiles(const std::string& stem, X509* certificate, EVP_PKEY* key) {
  KeyPair files{stem + ".crt", stem + ".key"};
  for (const std::string& path : {files.certificate, files.key}) {
    FILE* file = std::fopen(path.c_str(), "w");
    Require(file != nullptr && chmod(path.c_str(), 0600) == 0, path.c_str());
    const bool written = path == files.key ? PEM_write_PrivateKey(file, key, nullptr, nullptr, 0,
                                                                  nullptr, nullptr) == 1
                                           : PEM_write_X509(file, certificate) == 1;
    Require(written && std::fclose(file) == 0, path.c_str());
  }
  return files;
}

}  // namespace

struct TestCa::Impl {
  EVP_PKEY* key = nullptr;
  X509* certificate = nullptr;
};

TestCa::TestCa(std::string directory, std::string name)
    : directory_(std::move(directory)), impl_(new Impl) {
  impl_->key = MakeKey("EC");
  impl_->certificate = MakeCertificate(impl_->key, name, false);
  X509_set_issuer_name(impl_->certificate, X509_get_subject_name(impl_->certificate));
  Extend(impl_->certificate, impl_->certificate, NID_basic_constraints, "critical,CA:TRUE");
  Require(X509_sign(impl_->certificate, impl_->key, EVP_sha256()) > 0, "signature");
  files_ = WriteFiles(directory_ + "/" + name, impl_->certificate, impl_->key);
}

TestCa::~TestCa() {
  X509_free(impl_->certificate);
  EVP_PKEY_free(impl_->key);
  delete impl_;
}

KeyPair TestCa::Issue(const std::string& stem, const CertificateOptions& options) const {
  EVP_PKEY* key = MakeKey(options.key_type);
  X509* certificate = MakeCertificate(key, options.common_name, options.expired);
  std::string names;
  for (const std::string& name : options.alternative_names) {
    names += (names.empty() ? "" : ",") + name;
  }
  if (!names.empty()) Extend(certificate, impl_->certificate, NID_subject_alt_name, names);
  // An Ed25519 certificate signs itself here, since its signature's kind is what matters of it.
  const bool own = options.key_type == "ED25519";
  X509_set_issuer_name(certificate, X509_get_subject_name(own ? certificate : impl_->certificate));
  const EVP_MD* digest = own ? nullptr : EVP_get_digestbyname(options.digest.c_str());
  Require(X509_sign(certificate, own ? key : impl_->key, digest) > 0, "signature");
  KeyPair files = WriteFiles(directory_ + "/" + stem, certificate, key);
  X509_free(certificate);
  EVP_PKEY_free(key);
  return files;
}

}  // namespace pgparity::support
