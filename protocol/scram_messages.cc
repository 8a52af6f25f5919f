// The messages of SCRAM, and verifiers as text.
#include <charconv>
#include <optional>

#include "protocol/scram.h"
#include "protocol/text.h"

namespace pgparity::protocol {
namespace {

absl::Status Malformed(std::string_view what) {
  return absl::InvalidArgumentError(StrCat("malformed SCRAM message: ", what));
}

// Attributes "x=value" separated by commas.
class Attributes {
 public:
  explicit Attributes(std::string_view text) : rest_(text) {}

  bool AtEnd() const { return rest_.empty() && !more_; }
  char next() const { return rest_.empty() ? '\0' : rest_[0]; }
  // The value of the next attribute, which must be `name`.
  std::optional<std::string_view> Take(char name) {
    if (rest_.size() < 2 || rest_[0] != name || rest_[1] != '=') return std::nullopt;
    const size_t comma = rest_.find(',');
    const std::string_view value =
        rest_.substr(2, comma == std::string_view::npos ? std::string_view::npos : comma - 2);
    more_ = comma != std::string_view::npos;
    rest_.remove_prefix(more_ ? comma + 1 : rest_.size());
    return value;
  }
  // Extensions that may be ignored: a letter each.
  bool SkipOptional() {
    while (!AtEnd()) {
      const char name = next();
      const bool letter = (name >= 'a' && name <= 'z') || (name >= 'A' && name <= 'Z');
      if (!letter || !Take(name).has_value()) return false;
    }
    return true;
  }

 private:
  std::string_view rest_;
  bool more_ = false;  // a comma came last: there must be another
};

bool IsNonce(std::string_view text) {
  if (text.empty()) return false;
  for (const char c : text) {
    if (c < 0x21 || c > 0x7E || c == ',') return false;
  }
  return true;
}

std::optional<int> ReadIterations(std::string_view text) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < 1) return std::nullopt;
  return value;
}

std::optional<Sha256Bytes> ReadKey(std::string_view text) {
  absl::StatusOr<std::string> bytes = Base64Decode(text);
  if (!bytes.ok() || bytes->size() != kSha256Size) return std::nullopt;
  Sha256Bytes key;
  bytes->copy(key.data(), key.size());
  Wipe(&*bytes);
  return key;
}

// Up to the separator, which is taken too.
std::optional<std::string_view> TakeUntil(char separator, std::string_view* text) {
  const size_t at = text->find(separator);
  if (at == std::string_view::npos) return std::nullopt;
  const std::string_view taken = text->substr(0, at);
  text->remove_prefix(at + 1);
  return taken;
}

// gs2-header = gs2-cbind-flag "," [authzid] ","
absl::Status TakeGs2Header(std::string_view* text, ScramClientFirst* first) {
  const std::string_view message = *text;
  const std::optional<std::string_view> flag = TakeUntil(',', text);
  if (!flag.has_value() || flag->empty()) return Malformed("it has no gs2 header");
  if (flag->substr(0, 2) == "p=") {
    first->binding = ChannelBinding::used;
    first->binding_name = flag->substr(2);
  } else if (*flag == "n" || *flag == "y") {
    first->binding = static_cast<ChannelBinding>((*flag)[0]);
  } else {
    return Malformed("an unexpected channel binding flag");
  }
  const std::optional<std::string_view> authorization = TakeUntil(',', text);
  if (!authorization.has_value()) return Malformed("its gs2 header does not end");
  if (!authorization->empty()) {
    return absl::UnimplementedError("client uses authorization identity, but it is not supported");
  }
  first->gs2_header = message.substr(0, message.size() - text->size());
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<ScramClientFirst> DecodeScramClientFirst(std::string_view message) {
  ScramClientFirst first;
  if (absl::Status status = TakeGs2Header(&message, &first); !status.ok()) return status;
  first.bare = message;
  Attributes attributes(message);
  if (attributes.next() == 'm') {
    return absl::UnimplementedError("client requires an unsupported SCRAM extension");
  }
  // The user is the startup message's, as in PostgreSQL.
  if (!attributes.Take('n').has_value()) return Malformed("no user name");
  const std::optional<std::string_view> nonce = attributes.Take('r');
  if (!nonce.has_value() || !IsNonce(*nonce)) return Malformed("no nonce, or not a printable one");
  first.nonce = *nonce;
  if (!attributes.SkipOptional()) return Malformed("its end is not an attribute");
  return first;
}

absl::StatusOr<ScramServerFirst> DecodeScramServerFirst(std::string_view message) {
  Attributes attributes(message);
  if (attributes.next() == 'm') {
    return absl::UnimplementedError("server requires an unsupported SCRAM extension");
  }
  const std::optional<std::string_view> nonce = attributes.Take('r');
  const std::optional<std::string_view> salt = attributes.Take('s');
  const std::optional<std::string_view> iterations = attributes.Take('i');
  if (!nonce.has_value() || !salt.has_value() || !iterations.has_value() || !IsNonce(*nonce)) {
    return Malformed("not a server's first message");
  }
  ScramServerFirst first;
  first.nonce = *nonce;
  absl::StatusOr<std::string> bytes = Base64Decode(*salt);
  if (!bytes.ok() || bytes->empty() || bytes->size() > kMaxScramSalt) {
    return Malformed("its salt");
  }
  first.salt = *std::move(bytes);
  const std::optional<int> count = ReadIterations(*iterations);
  if (!count.has_value()) return Malformed("its iteration count");
  if (*count > kMaxScramIterations) {
    return absl::InvalidArgumentError(
        StrCat("a SCRAM iteration count above ", kMaxScramIterations, " is not computed"));
  }
  first.iterations = *count;
  if (!attributes.SkipOptional()) return Malformed("its end is not an attribute");
  return first;
}

absl::StatusOr<ScramClientFinal> DecodeScramClientFinal(std::string_view message) {
  // The proof comes last, and there is no comma in it.
  const size_t proof_at = message.rfind(",p=");
  if (proof_at == std::string_view::npos) return Malformed("no proof at its end");
  ScramClientFinal final;
  final.without_proof = message.substr(0, proof_at);
  const std::optional<Sha256Bytes> proof = ReadKey(message.substr(proof_at + 3));
  if (!proof.has_value()) return Malformed("its proof");
  final.proof = *proof;
  Attributes attributes(final.without_proof);
  const std::optional<std::string_view> binding = attributes.Take('c');
  if (!binding.has_value()) return Malformed("no channel binding");
  absl::StatusOr<std::string> bytes = Base64Decode(*binding);
  if (!bytes.ok()) return Malformed("its channel binding");
  final.binding = *std::move(bytes);
  const std::optional<std::string_view> nonce = attributes.Take('r');
  if (!nonce.has_value()) return Malformed("no nonce");
  final.nonce = *nonce;
  if (!attributes.SkipOptional()) return Malformed("its end is not an attribute");
  return final;
}

absl::StatusOr<Sha256Bytes> DecodeScramServerFinal(std::string_view message) {
  Attributes attributes(message);
  if (attributes.next() == 'e') {
    return absl::UnauthenticatedError("the server refused the SCRAM exchange");
  }
  const std::optional<std::string_view> signature = attributes.Take('v');
  if (!signature.has_value()) return Malformed("not a server's final message");
  const std::optional<Sha256Bytes> bytes = ReadKey(*signature);
  if (!bytes.has_value() || !attributes.SkipOptional()) return Malformed("the server's signature");
  return *bytes;
}

absl::StatusOr<ScramVerifier> ScramVerifier::Parse(std::string_view text) {
  const absl::Status bad =
      absl::InvalidArgumentError("not SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>");
  const std::optional<std::string_view> scheme = TakeUntil('$', &text);
  const std::optional<std::string_view> iterations = TakeUntil(':', &text);
  const std::optional<std::string_view> salt = TakeUntil('$', &text);
  const std::optional<std::string_view> stored_key = TakeUntil(':', &text);
  if (!scheme.has_value() || *scheme != kScramSha256 || !iterations.has_value() ||
      !salt.has_value() || !stored_key.has_value()) {
    return bad;
  }
  const std::optional<int> count = ReadIterations(*iterations);
  absl::StatusOr<std::string> bytes = Base64Decode(*salt);
  const std::optional<Sha256Bytes> stored = ReadKey(*stored_key);
  const std::optional<Sha256Bytes> server = ReadKey(text);
  if (!count.has_value() || !bytes.ok() || bytes->empty() || bytes->size() > kMaxScramSalt ||
      !stored.has_value() || !server.has_value()) {
    return bad;
  }
  return ScramVerifier{*count, *std::move(bytes), *stored, *server};
}

std::string ScramVerifier::ToString() const {
  return StrCat(kScramSha256, "$", iterations, ":", Base64Encode(salt), "$",
                Base64Encode(ViewOf(stored_key)), ":", Base64Encode(ViewOf(server_key)));
}

}  // namespace pgparity::protocol
