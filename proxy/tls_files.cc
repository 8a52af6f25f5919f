#include "proxy/tls_files.h"

#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "protocol/text.h"
#include "proxy/tls_stream.h"

namespace pgparity::proxy {
namespace {

using protocol::StrCat;

absl::Status Unusable(std::string_view name, const std::string& path, std::string_view what) {
  const std::string why = TakeTlsError();
  return absl::InvalidArgumentError(
      StrCat(name, ": ", path, " ", what, why.empty() ? "" : ": ", why));
}

// Gives OpenSSL the passphrase that there is: it would ask the terminal else.
int GivePassphrase(char* buffer, int size, int, void* data) {
  const auto* passphrase = static_cast<const std::string*>(data);
  const size_t length = std::min(passphrase->size(), static_cast<size_t>(size));
  passphrase->copy(buffer, length);
  return static_cast<int>(length);
}

}  // namespace

std::string SystemRootFile() {
  const char* named = std::getenv(X509_get_default_cert_file_env());
  for (const char* path :
       {named, X509_get_default_cert_file(), "/etc/ssl/certs/ca-certificates.crt",
        "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"}) {
    if (path != nullptr && access(path, R_OK) == 0) return path;
  }
  return {};
}

absl::Status CheckReadable(std::string_view name, const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    return absl::InvalidArgumentError(
        StrCat(name, ": cannot read ", path, ": ", std::strerror(errno)));
  }
  close(fd);
  return absl::OkStatus();
}

absl::Status UseKeyFiles(SSL_CTX* context, const TlsKeyFiles& files) {
  absl::Status status = CheckReadable(files.certificate_name, files.certificate);
  if (status.ok()) status = CheckReadable(files.key_name, files.key);
  if (!status.ok()) return status;
  std::string passphrase = files.passphrase;
  SSL_CTX_set_default_passwd_cb(context, GivePassphrase);
  SSL_CTX_set_default_passwd_cb_userdata(context, &passphrase);
  const bool certificate =
      SSL_CTX_use_certificate_chain_file(context, files.certificate.c_str()) == 1;
  if (!certificate) {
    status = Unusable(files.certificate_name, files.certificate, "holds no usable certificate");
  } else if (SSL_CTX_use_PrivateKey_file(context, files.key.c_str(), SSL_FILETYPE_PEM) != 1) {
    const bool mismatch = ERR_GET_REASON(ERR_peek_error()) == X509_R_KEY_VALUES_MISMATCH ||
                          ERR_GET_REASON(ERR_peek_error()) == X509_R_KEY_TYPE_MISMATCH;
    status = Unusable(
        files.key_name, files.key,
        mismatch ? StrCat("is not the key of ", files.certificate) : "holds no usable key");
  } else if (SSL_CTX_check_private_key(context) != 1) {
    status = Unusable(files.key_name, files.key, StrCat("is not the key of ", files.certificate));
  }
  SSL_CTX_set_default_passwd_cb_userdata(context, nullptr);
  SSL_CTX_set_default_passwd_cb(context, nullptr);
  OPENSSL_cleanse(passphrase.data(), passphrase.size());
  return status;
}

absl::Status UseRootFile(SSL_CTX* context, std::string_view name, const std::string& path) {
  absl::Status status = CheckReadable(name, path);
  if (!status.ok()) return status;
  if (SSL_CTX_load_verify_file(context, path.c_str()) != 1) {
    return Unusable(name, path, "holds no usable certificate");
  }
  return absl::OkStatus();
}

}  // namespace pgparity::proxy
