#include "proxy/tls_server.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "protocol/text.h"
#include "proxy/tls_certificate.h"
#include "proxy/tls_files.h"

namespace pgparity::proxy {
namespace {

// Agrees on "postgresql" alone. Clients that offer no protocol at all are not asked here.
int SelectAlpn(SSL*, const unsigned char** out, unsigned char* out_size, const unsigned char* offer,
               unsigned offer_size, void*) {
  unsigned char* selected = nullptr;
  const int result =
      SSL_select_next_proto(&selected, out_size, kAlpn, sizeof(kAlpn) - 1, offer, offer_size);
  *out = selected;
  return result == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

std::string HostName() {
  char name[256] = "";
  return gethostname(name, sizeof(name) - 1) == 0 ? name : "";
}

}  // namespace

absl::StatusOr<std::shared_ptr<const TlsServer>> TlsServer::Load(const TlsServerOptions& options) {
  std::shared_ptr<TlsServer> server(new TlsServer);
  server->context_ = MakeTlsContext(/*server=*/true);
  SSL_CTX* const context = server->context_.get();
  server->self_signed_ = options.certificate.empty();
  TlsKeyFiles files{"--tls-cert", "--tls-key", options.certificate, options.key, {}};
  if (server->self_signed_) {
    files.certificate = files.key = options.self_signed;
    absl::Status made = EnsureSelfSigned(options.self_signed, HostName());
    if (!made.ok()) return made;
  }
  absl::Status used = UseKeyFiles(context, files);
  if (!used.ok()) return used;
  if (!options.client_ca.empty()) {
    used = UseRootFile(context, "--tls-client-ca", options.client_ca);
    if (!used.ok()) return used;
    // Clients with several certificates choose by these names.
    SSL_CTX_set_client_CA_list(context, SSL_load_client_CA_file(options.client_ca.c_str()));
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  }
  SSL_CTX_set_alpn_select_cb(context, SelectAlpn, nullptr);
  server->end_point_hash_ = EndPointHash(SSL_CTX_get0_certificate(context));
  ERR_clear_error();
  return server;
}

std::unique_ptr<TlsStream> TlsServer::Accept(int fd, std::string received) const {
  return TlsStream::Make(context_.get(), fd, TlsStream::End::server, std::move(received));
}

}  // namespace pgparity::proxy
