#include "proxy/tls_client.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <memory>

#include "protocol/text.h"
#include "proxy/tls_certificate.h"
#include "proxy/tls_files.h"

namespace pgparity::proxy {
namespace {

using protocol::StrCat;

absl::Status Bad(std::string_view what) {
  return absl::InvalidArgumentError(protocol::ToAbsl(what));
}

std::string Param(const DatabaseUrl& url, std::string_view name) {
  std::string value;
  for (const auto& [key, given] : url.params) {
    if (key == name) value = given;
  }
  return value;
}

// ~/.postgresql/NAME if it is there.
std::string HomeFile(const char* name) {
  const char* home = std::getenv("HOME");
  if (home == nullptr || *home == '\0') return {};
  std::string path = StrCat(home, "/.postgresql/", name);
  return access(path.c_str(), F_OK) == 0 ? path : "";
}

absl::StatusOr<SslMode> ParseMode(const std::string& text) {
  struct Name {
    const char* name;
    SslMode mode;
  };
  constexpr Name kNames[] = {
      {"disable", SslMode::disable},     {"allow", SslMode::allow},
      {"prefer", SslMode::prefer},       {"require", SslMode::require},
      {"verify-ca", SslMode::verify_ca}, {"verify-full", SslMode::verify_full}};
  for (const Name& entry : kNames) {
    if (text == entry.name) return entry.mode;
  }
  return Bad(
      StrCat("sslmode is none of disable, allow, prefer, require, verify-ca and verify-full"));
}

absl::StatusOr<int> ParseVersion(std::string_view name, const std::string& text) {
  if (text.empty()) return 0;
  if (text == "TLSv1.2") return TLS1_2_VERSION;
  if (text == "TLSv1.3") return TLS1_3_VERSION;
  if (text == "TLSv1" || text == "TLSv1.1") return TLS1_2_VERSION;  // not below
  return Bad(StrCat(name, " is none of TLSv1.2 and TLSv1.3"));
}

absl::Status SetFiles(const DatabaseUrl& url, TlsClientOptions* options) {
  options->root = Param(url, "sslrootcert");
  if (options->root.empty()) options->root = HomeFile("root.crt");
  options->certificate = Param(url, "sslcert");
  if (options->certificate.empty()) options->certificate = HomeFile("postgresql.crt");
  options->key = Param(url, "sslkey");
  if (options->key.empty()) options->key = HomeFile("postgresql.key");
  options->key_password = Param(url, "sslpassword");
  options->crl = Param(url, "sslcrl");
  options->crl_dir = Param(url, "sslcrldir");
  if (options->crl.empty() && options->crl_dir.empty()) options->crl = HomeFile("root.crl");
  if (!options->certificate.empty() && options->key.empty()) {
    return Bad(StrCat("sslcert ", options->certificate, " is given, but no sslkey"));
  }
  return absl::OkStatus();
}

// Their rules between each other are libpq's.
absl::Status CheckModes(const TlsClientOptions& options) {
  if (options.direct && options.mode < SslMode::require) {
    return Bad("sslnegotiation=direct needs sslmode=require, verify-ca or verify-full");
  }
  if (options.root == "system" && options.mode != SslMode::verify_full) {
    return Bad("sslrootcert=system needs sslmode=verify-full");
  }
  if (options.root.empty() && options.mode >= SslMode::verify_ca) {
    return Bad(
        "sslmode=verify-ca and verify-full need sslrootcert=FILE, or sslrootcert=system for the "
        "certificates that the system trusts");
  }
  return absl::OkStatus();
}

// As libpq: a key that others can read is not used.
absl::Status CheckKeyMode(const std::string& path) {
  struct stat info {};
  if (stat(path.c_str(), &info) != 0) return absl::OkStatus();  // said by who reads it
  const mode_t others = info.st_uid == 0 ? S_IWGRP | S_IXGRP | S_IRWXO : S_IRWXG | S_IRWXO;
  if (S_ISREG(info.st_mode) && (info.st_mode & others) == 0) return absl::OkStatus();
  return Bad(StrCat("sslkey: ", path,
                    " must be a file that nobody else may read: chmod 0600, or 0640 if it is "
                    "root's"));
}

}  // namespace

absl::StatusOr<TlsClientOptions> TlsClientOptionsOf(const DatabaseUrl& url) {
  TlsClientOptions options;
  options.host = url.host;
  const std::string root = Param(url, "sslrootcert");
  const std::string mode = Param(url, "sslmode");
  if (!mode.empty()) {
    const absl::StatusOr<SslMode> parsed = ParseMode(mode);
    if (!parsed.ok()) return parsed.status();
    options.mode = *parsed;
  } else if (root == "system") {
    options.mode = SslMode::verify_full;
  }
  if (url.unix_socket()) options.mode = SslMode::disable;
  if (options.mode == SslMode::disable) return options;
  const std::string negotiation = Param(url, "sslnegotiation");
  if (!negotiation.empty() && negotiation != "postgres" && negotiation != "direct") {
    return Bad("sslnegotiation is neither postgres nor direct");
  }
  options.direct = negotiation == "direct";
  options.sni = Param(url, "sslsni") != "0";
  const auto least =
      ParseVersion("ssl_min_protocol_version", Param(url, "ssl_min_protocol_version"));
  const auto most =
      ParseVersion("ssl_max_protocol_version", Param(url, "ssl_max_protocol_version"));
  if (!least.ok()) return least.status();
  if (!most.ok()) return most.status();
  options.least_version = *least;
  options.most_version = *most;
  if (absl::Status status = SetFiles(url, &options); !status.ok()) return status;
  if (absl::Status status = CheckModes(options); !status.ok()) return status;
  return options;
}

absl::StatusOr<std::shared_ptr<const TlsClient>> TlsClient::Create(
    const TlsClientOptions& options) {
  if (options.mode == SslMode::disable) return nullptr;
  std::shared_ptr<TlsClient> client(new TlsClient(options));
  absl::Status status = client->Configure();
  if (!status.ok()) return status;
  return client;
}

absl::Status TlsClient::Configure() {
  context_ = MakeTlsContext(/*server=*/false);
  SSL_CTX* const context = context_.get();
  if (options_.least_version != 0) {
    SSL_CTX_set_min_proto_version(context, options_.least_version);
  }
  if (options_.most_version != 0) SSL_CTX_set_max_proto_version(context, options_.most_version);
  SSL_CTX_set_alpn_protos(context, kAlpn, sizeof(kAlpn) - 1);
  if (absl::Status status = UseRoots(); !status.ok()) return status;
  if (options_.certificate.empty()) return absl::OkStatus();
  absl::Status status = CheckKeyMode(options_.key);
  if (!status.ok()) return status;
  return UseKeyFiles(
      context, {"sslcert", "sslkey", options_.certificate, options_.key, options_.key_password});
}

absl::Status TlsClient::UseRoots() {
  if (options_.root.empty()) return absl::OkStatus();
  SSL_CTX_set_verify(context_.get(), SSL_VERIFY_PEER, nullptr);
  if (options_.root == "system") {
    if (SSL_CTX_set_default_verify_paths(context_.get()) != 1) {
      return Bad(StrCat("sslrootcert=system: ", TakeTlsError()));
    }
    return UseRevocationLists();
  }
  absl::Status status = UseRootFile(context_.get(), "sslrootcert", options_.root);
  return status.ok() ? UseRevocationLists() : status;
}

absl::Status TlsClient::UseRevocationLists() {
  if (options_.crl.empty() && options_.crl_dir.empty()) return absl::OkStatus();
  X509_STORE* store = SSL_CTX_get_cert_store(context_.get());
  if (X509_STORE_load_locations(store, options_.crl.empty() ? nullptr : options_.crl.c_str(),
                                options_.crl_dir.empty() ? nullptr : options_.crl_dir.c_str()) !=
      1) {
    return Bad(StrCat("sslcrl: cannot read ",
                      options_.crl.empty() ? options_.crl_dir : options_.crl, ": ",
                      TakeTlsError()));
  }
  X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
  return absl::OkStatus();
}

std::unique_ptr<TlsStream> TlsClient::Connect(int fd) const {
  std::unique_ptr<TlsStream> stream =
      TlsStream::Make(context_.get(), fd, TlsStream::End::client, {});
  // A server's name is never an address (RFC 6066).
  if (stream != nullptr && options_.sni && !IsIpAddress(options_.host)) {
    SSL_set_tlsext_host_name(stream->ssl(), options_.host.c_str());
  }
  return stream;
}

absl::Status TlsClient::Check(const TlsStream& stream) const {
  if (options_.direct && stream.alpn() != "postgresql") {
    return absl::UnavailableError(
        "the server took direct TLS, but does not say by ALPN that it speaks PostgreSQL's "
        "protocol");
  }
  if (options_.mode != SslMode::verify_full) return absl::OkStatus();
  X509* certificate = SSL_get0_peer_certificate(stream.ssl());
  if (certificate == nullptr) return absl::UnavailableError("the server sent no certificate");
  return CheckCertificateHost(certificate, options_.host);
}

}  // namespace pgparity::proxy
