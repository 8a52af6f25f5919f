// X.509 certificates: the names in them, their hash for channel binding, and one of our own making.
#pragma once

#include <openssl/types.h>

#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace pgparity::proxy {

// The certificate's hash for SCRAM's channel binding `tls-server-end-point` (RFC 5929, section 4):
// by its signature's own digest, SHA-256 in place of MD5 and SHA-1. "" where the signature has none
// that could be used (Ed25519).
std::string EndPointHash(X509* certificate);

// Whether the certificate is one of `host`, as libpq's verify-full takes it: a DNS name against the
// DNS names, else the common name; an IP address against the IP addresses, else the common name. A
// leading *. stands for one label. The error names what the certificate is for.
absl::Status CheckCertificateHost(X509* certificate, const std::string& host);
bool IsIpAddress(const std::string& host);

// Makes sure that `path` holds a self-signed certificate and its key (EC P-256, PEM, mode 0600)
// that is good for a month at least: leaves what is there, or makes one for `host_name`, localhost
// and the loopback addresses.
absl::Status EnsureSelfSigned(const std::string& path, const std::string& host_name);

}  // namespace pgparity::proxy
