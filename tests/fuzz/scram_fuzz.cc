// SCRAM's messages: by its first byte, the input is one of them, a verifier, or a
// SASLInitialResponse. A verifier that parses, writes itself the same.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "protocol/authentication.h"
#include "protocol/saslprep.h"
#include "protocol/scram.h"

namespace {

using namespace pgparity::protocol;

void Server(std::string_view input) {
  static const ScramVerifier verifier = [] {
    return ScramVerifier::FromKeys(DeriveScramKeys("pencil", "salt", 1), "salt", 1);
  }();
  const size_t end = input.find('\n');
  const std::string_view first = input.substr(0, end);
  ScramServer server(verifier, false, "nonce", "");
  if (!server.ClientFirst(kScramSha256, first).ok()) return;
  if (end != std::string_view::npos && server.ClientFinal(input.substr(end + 1)).ok()) {
    std::abort();  // a proof out of nothing
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view input(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0]) {
    case '0':
      (void)DecodeScramClientFirst(input);
      Server(input);
      break;
    case '1':
      (void)DecodeScramServerFirst(input);
      break;
    case '2':
      (void)DecodeScramClientFinal(input);
      break;
    case '3':
      (void)DecodeScramServerFinal(input);
      break;
    case '4':
      if (const auto verifier = ScramVerifier::Parse(input); verifier.ok()) {
        const auto again = ScramVerifier::Parse(verifier->ToString());
        if (!again.ok() || !(*again == *verifier)) std::abort();
      }
      break;
    case '5':
      (void)DecodeSaslInitialResponse(input);
      break;
    default:
      (void)CheckSaslPrepared(input);
  }
  return 0;
}
