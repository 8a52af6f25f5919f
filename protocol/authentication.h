// Messages of a login besides SCRAM's own: what asks for a password, and the answers (PostgreSQL
// manual, "Message Formats": Authentication*, PasswordMessage, SASLInitialResponse, SASLResponse).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "protocol/backend.h"

namespace pgparity::protocol {

// --- the server's ---
void AppendAuthentication(std::string* out, backend::AuthenticationKind kind,
                          std::string_view data = {});
void AppendSaslOffer(std::string* out, const std::vector<std::string_view>& mechanisms);

// --- the client's; their bodies are secrets ---
struct SaslInitialResponse {
  std::string_view mechanism;
  std::optional<std::string_view> data;  // none: the client waits for an empty challenge
};
// Error: InvalidArgument. Views point into the body.
absl::StatusOr<SaslInitialResponse> DecodeSaslInitialResponse(std::string_view body);
void AppendSaslInitialResponse(std::string* out, std::string_view mechanism, std::string_view data);
void AppendSaslResponse(std::string* out, std::string_view data);
// An answer to AuthenticationCleartextPassword.
void AppendPassword(std::string* out, std::string_view password);

// What pg_authid holds for an MD5 password: "md5" and 32 lower-case hexadecimal digits.
bool IsMd5Password(std::string_view text);
// The password that answers AuthenticationMD5Password with these 4 bytes of salt. Error: there is
// no MD5 here (FIPS).
absl::StatusOr<std::string> Md5Response(std::string_view user, std::string_view password,
                                        std::string_view salt);

}  // namespace pgparity::protocol
