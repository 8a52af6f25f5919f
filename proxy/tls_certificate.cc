#include "proxy/tls_certificate.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <vector>

#include "compare/redact.h"
#include "protocol/text.h"
#include "proxy/tls_stream.h"

namespace pgparity::proxy {
namespace {

using protocol::StrCat;

struct Delete {
  void operator()(X509* certificate) const { X509_free(certificate); }
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  void operator()(GENERAL_NAMES* names) const { GENERAL_NAMES_free(names); }
  void operator()(X509_EXTENSION* extension) const { X509_EXTENSION_free(extension); }
  void operator()(FILE* file) const { std::fclose(file); }
};
template <typename T>
using Owned = std::unique_ptr<T, Delete>;

constexpr long kDay = 24 * 3600;
constexpr long kValid = 3650 * kDay;
constexpr long kRenewBefore = 30 * kDay;

char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; }

bool EqualNoCase(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return Lower(x) == Lower(y); });
}

bool NameMatches(std::string_view pattern, std::string_view host) {
  // A null would hide what is behind it from other readers of the certificate.
  if (pattern.empty() || pattern.find('\0') != std::string_view::npos) return false;
  if (EqualNoCase(pattern, host)) return true;
  if (pattern.size() < 3 || pattern.substr(0, 2) != "*.") return false;
  const size_t dot = host.find('.');
  return dot != 0 && dot != std::string_view::npos &&
         EqualNoCase(pattern.substr(1), host.substr(dot));
}

std::string_view TextOf(const ASN1_STRING* text) {
  return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
          static_cast<size_t>(ASN1_STRING_length(text))};
}

// The bytes of an address, 4 or 16; "" for a name.
std::string AddressBytes(const std::string& host) {
  std::array<char, 16> bytes;
  if (inet_pton(AF_INET, host.c_str(), bytes.data()) == 1) return {bytes.data(), 4};
  if (inet_pton(AF_INET6, host.c_str(), bytes.data()) == 1) return {bytes.data(), 16};
  return {};
}

std::string CommonName(X509* certificate) {
  const X509_NAME* subject = X509_get_subject_name(certificate);
  const int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
  if (at < 0) return {};
  return std::string(TextOf(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at))));
}

std::string AddressText(std::string_view bytes) {
  char text[INET6_ADDRSTRLEN] = "";
  inet_ntop(bytes.size() == 4 ? AF_INET : AF_INET6, bytes.data(), text, sizeof(text));
  return text;
}

absl::Status CannotMake(const std::string& path) {
  const std::string why = TakeTlsError();
  return absl::InternalError(
      StrCat("cannot make a certificate in ", path, ": ", why.empty() ? "out of memory" : why));
}

absl::Status CannotWrite(const std::string& path) {
  return absl::PermissionDeniedError(StrCat("cannot write ", path,
                                            ", the certificate of its own: ", std::strerror(errno),
                                            "; give --tls-cert and --tls-key, or --tls off"));
}

bool AddAlternativeNames(X509* certificate, const std::string& host_name) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, certificate, certificate, nullptr, nullptr, 0);
  const bool usable = !host_name.empty() && host_name != "localhost" &&
                      host_name.find_first_of(",:;= \\\"@") == std::string::npos;
  const std::string names = StrCat(usable ? "DNS:" : "", usable ? host_name : "", usable ? "," : "",
                                   "DNS:localhost,IP:127.0.0.1,IP:::1");
  const Owned<X509_EXTENSION> extension(
      X509V3_EXT_conf_nid(nullptr, &context, NID_subject_alt_name, names.c_str()));
  return extension != nullptr && X509_add_ext(certificate, extension.get(), -1) == 1;
}

Owned<X509> MakeCertificate(EVP_PKEY* key, const std::string& host_name) {
  Owned<X509> certificate(X509_new());
  X509* const raw = certificate.get();
  if (raw == nullptr) return nullptr;
  uint64_t serial = 0;
  if (RAND_bytes(reinterpret_cast<unsigned char*>(&serial), sizeof(serial)) != 1) return nullptr;
  X509_NAME* subject = X509_get_subject_name(raw);
  const std::string name = host_name.empty() || host_name.size() > 64 ? "pgparity" : host_name;
  const bool filled = X509_set_version(raw, 2) == 1 &&
                      ASN1_INTEGER_set_uint64(X509_get_serialNumber(raw), serial >> 1) == 1 &&
                      X509_gmtime_adj(X509_getm_notBefore(raw), -kDay) != nullptr &&
                      X509_gmtime_adj(X509_getm_notAfter(raw), kValid) != nullptr &&
                      X509_NAME_add_entry_by_txt(
                          subject, "CN", MBSTRING_UTF8,
                          reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0) == 1 &&
                      X509_set_issuer_name(raw, subject) == 1 && X509_set_pubkey(raw, key) == 1 &&
                      AddAlternativeNames(raw, host_name) && X509_sign(raw, key, EVP_sha256()) > 0;
  return filled ? std::move(certificate) : nullptr;
}

// A certificate is there, and good for a while.
bool StillGood(const std::string& path) {
  const Owned<FILE> file(std::fopen(path.c_str(), "re"));
  if (file == nullptr) return false;
  const Owned<X509> certificate(PEM_read_X509(file.get(), nullptr, nullptr, nullptr));
  ERR_clear_error();
  if (certificate == nullptr) return false;
  time_t until = time(nullptr) + kRenewBefore;
  return X509_cmp_time(X509_get0_notAfter(certificate.get()), &until) > 0;
}

}  // namespace

std::string EndPointHash(X509* certificate) {
  int digest_id = NID_undef;
  if (X509_get_signature_info(certificate, &digest_id, nullptr, nullptr, nullptr) != 1) return {};
  if (digest_id == NID_md5 || digest_id == NID_sha1) digest_id = NID_sha256;
  const EVP_MD* digest = digest_id == NID_undef ? nullptr : EVP_get_digestbynid(digest_id);
  std::array<unsigned char, EVP_MAX_MD_SIZE> hash;
  unsigned size = 0;
  if (digest == nullptr || X509_digest(certificate, digest, hash.data(), &size) != 1) {
    ERR_clear_error();
    return {};
  }
  return {reinterpret_cast<const char*>(hash.data()), size};
}

bool IsIpAddress(const std::string& host) { return !AddressBytes(host).empty(); }

absl::Status CheckCertificateHost(X509* certificate, const std::string& host) {
  const std::string address = AddressBytes(host);
  const int kind = address.empty() ? GEN_DNS : GEN_IPADD;
  std::vector<std::string> names;
  bool look_at_common_name = true;
  const Owned<GENERAL_NAMES> alternatives(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
  ERR_clear_error();
  for (int i = 0; i < sk_GENERAL_NAME_num(alternatives.get()); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(alternatives.get(), i);
    if (name->type == kind) look_at_common_name = false;
    if (name->type == GEN_DNS) {
      const std::string_view text = TextOf(name->d.dNSName);
      if (NameMatches(text, host)) return absl::OkStatus();
      names.emplace_back(text);
    } else if (name->type == GEN_IPADD) {
      const std::string_view bytes = TextOf(name->d.iPAddress);
      if (!address.empty() && bytes == address) return absl::OkStatus();
      if (bytes.size() == 4 || bytes.size() == 16) names.push_back(AddressText(bytes));
    }
  }
  if (look_at_common_name) {
    const std::string name = CommonName(certificate);
    if (NameMatches(name, host)) return absl::OkStatus();
    const bool said = std::find(names.begin(), names.end(), name) != names.end();
    if (!name.empty() && !said) names.push_back(name);
  }
  std::string all;
  constexpr size_t kShown = 4;
  for (size_t i = 0; i < std::min(names.size(), kShown); ++i) {
    all += StrCat(i == 0 ? "\"" : ", \"", compare::EscapeControl(names[i]), "\"");
  }
  if (names.size() > kShown) all += " and others";
  return absl::PermissionDeniedError(
      StrCat("its certificate is for ", all.empty() ? "no host" : all, ", not for \"", host, "\""));
}

absl::Status EnsureSelfSigned(const std::string& path, const std::string& host_name) {
  if (StillGood(path)) return absl::OkStatus();
  const Owned<EVP_PKEY> key(EVP_EC_gen("P-256"));
  const Owned<X509> certificate = key != nullptr ? MakeCertificate(key.get(), host_name) : nullptr;
  if (certificate == nullptr) return CannotMake(path);
  // Whole or not at all, whenever we are killed.
  const std::string draft = StrCat(path, ".", getpid());
  unlink(draft.c_str());
  const int fd = open(draft.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  Owned<FILE> file(fd >= 0 ? fdopen(fd, "w") : nullptr);
  if (file == nullptr) return CannotWrite(path);
  const bool written =
      PEM_write_PrivateKey(file.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr) == 1 &&
      PEM_write_X509(file.get(), certificate.get()) == 1 && std::fflush(file.get()) == 0 &&
      fsync(fd) == 0;
  if (!written || rename(draft.c_str(), path.c_str()) != 0) {
    const absl::Status status = CannotWrite(path);
    unlink(draft.c_str());
    return status;
  }
  return absl::OkStatus();
}

}  // namespace pgparity::proxy
