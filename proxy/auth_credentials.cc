#include "proxy/auth_credentials.h"

#include <cstdio>
#include <map>

#include "protocol/authentication.h"
#include "protocol/saslprep.h"
#include "protocol/text.h"

namespace pgparity::proxy {
namespace {

using protocol::ScramKeys;
using protocol::ScramVerifier;
using protocol::StrCat;

constexpr std::string_view kBlanks = " \t\r";
constexpr size_t kMaxField = 2048;  // as pgbouncer's

void SkipBlanks(std::string_view* line) {
  line->remove_prefix(std::min(line->find_first_not_of(kBlanks), line->size()));
}

// A quoted field; false where there is none.
bool TakeQuoted(std::string_view* line, std::string* field) {
  SkipBlanks(line);
  if (line->empty() || line->front() != '"') return false;
  for (size_t i = 1; i < line->size(); ++i) {
    if ((*line)[i] == '"') {
      if (i + 1 == line->size() || (*line)[i + 1] != '"') {
        line->remove_prefix(i + 1);
        return field->size() <= kMaxField;
      }
      ++i;
    }
    field->push_back((*line)[i]);
  }
  return false;
}

absl::Status AtLine(size_t number, std::string_view what) {
  return absl::InvalidArgumentError(StrCat("line ", number, ": ", what));
}

int MostUsed(const std::map<int, size_t>& counts) {
  int usual = protocol::kScramIterations;
  size_t most = 0;
  for (const auto& [iterations, count] : counts) {
    if (count > most) usual = iterations;
    most = std::max(most, count);
  }
  return usual;
}

// What a secret of the file is; null: it lets nobody in.
absl::StatusOr<CredentialPtr> FromSecret(const protocol::Secret& secret, std::string_view user,
                                         std::string_view text) {
  if (text.empty() || protocol::IsMd5Password(text)) return nullptr;
  if (text.substr(0, protocol::kScramSha256.size() + 1) == "SCRAM-SHA-256$") {
    auto verifier = ScramVerifier::Parse(text);
    if (!verifier.ok()) return verifier.status();
    return std::make_shared<const Credential>(*std::move(verifier), "", "--auth-file");
  }
  return CredentialFromPassword(secret, user, text, "--auth-file");
}

}  // namespace

std::optional<ScramKeys> Credential::Derived(std::string_view salt, int iterations) const {
  MutexLock lock(&mutex_);
  if (iterations_ != iterations || salt_ != salt) return std::nullopt;
  return keys_;
}

ScramKeys Credential::Derive(const std::string& salt, int iterations) const {
  const ScramKeys keys = protocol::DeriveScramKeys(password_.view(), salt, iterations);
  MutexLock lock(&mutex_);
  salt_ = salt;
  iterations_ = iterations;
  keys_ = keys;
  return keys;
}

std::string DerivedSalt(const protocol::Secret& secret, std::string_view user) {
  const protocol::Sha256Bytes bytes = protocol::HmacSha256(secret.view(), user);
  return std::string(protocol::ViewOf(bytes).substr(0, protocol::kScramSaltSize));
}

ScramVerifier MockVerifier(const protocol::Secret& secret, std::string_view user, int iterations) {
  ScramVerifier verifier;
  verifier.iterations = iterations;
  verifier.salt = DerivedSalt(secret, user);
  return verifier;
}

absl::StatusOr<CredentialPtr> CredentialFromPassword(const protocol::Secret& secret,
                                                     std::string_view user,
                                                     std::string_view password,
                                                     std::string_view source) {
  absl::Status status = protocol::CheckSaslPrepared(password);
  if (!status.ok()) return status;
  const std::string salt = DerivedSalt(secret, user);
  const ScramKeys keys = protocol::DeriveScramKeys(password, salt, protocol::kScramIterations);
  return std::make_shared<const Credential>(
      ScramVerifier::FromKeys(keys, salt, protocol::kScramIterations), password, source);
}

void UrlCredentials::Find(const std::string& user, Found found) {
  if (user == user_) return found({CredentialAnswer::Kind::found, credential_});
  found({});
}

absl::StatusOr<AuthFile::Entries> AuthFile::Parse(std::string_view text,
                                                  const protocol::Secret& secret) {
  Entries entries;
  std::map<int, size_t> iterations;
  for (size_t number = 1; !text.empty(); ++number) {
    std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    SkipBlanks(&line);
    if (line.empty() || line.front() == ';' || line.front() == '#') continue;
    std::string user, password;
    if (!TakeQuoted(&line, &user) || !TakeQuoted(&line, &password) || user.empty()) {
      protocol::Wipe(&password);
      return AtLine(number, "not `\"user\" \"password or verifier\"`, both in double quotes");
    }
    auto credential = FromSecret(secret, user, password);
    protocol::Wipe(&password);
    if (!credential.ok()) return AtLine(number, protocol::MessageOf(credential.status()));
    if (*credential == nullptr) {
      ++entries.unusable;
      entries.users.erase(user);
      continue;
    }
    ++iterations[(*credential)->verifier().iterations];
    if (!(*credential)->password().empty()) ++entries.plain;
    entries.users.insert_or_assign(user, *std::move(credential));
  }
  entries.usual_iterations = MostUsed(iterations);
  return entries;
}

absl::StatusOr<AuthFile::Entries> AuthFile::Read(const std::string& path,
                                                 const protocol::Secret& secret) {
  std::FILE* file = std::fopen(path.c_str(), "re");
  if (file == nullptr) {
    return absl::NotFoundError(StrCat("cannot open ", path, ": ", strerror(errno)));
  }
  std::string text(kMaxSize + 1, '\0');
  const size_t size = std::fread(text.data(), 1, text.size(), file);
  const bool failed = std::ferror(file) != 0;
  std::fclose(file);
  text.resize(size);
  absl::StatusOr<Entries> entries = failed ? absl::UnavailableError("it cannot be read")
                                    : size > kMaxSize
                                        ? absl::InvalidArgumentError("it is larger than 16 MiB")
                                        : Parse(text, secret);
  protocol::Wipe(&text);
  if (entries.ok()) return entries;
  return absl::Status(entries.status().code(),
                      protocol::ToAbsl(StrCat(path, ": ", protocol::MessageOf(entries.status()))));
}

void AuthFile::Replace(Entries entries) {
  auto shared = std::make_shared<const Entries>(std::move(entries));
  MutexLock lock(&mutex_);
  entries_.swap(shared);
}

void AuthFile::Find(const std::string& user, Found found) {
  std::shared_ptr<const Entries> entries;
  {
    MutexLock lock(&mutex_);
    entries = entries_;
  }
  const auto at = entries->users.find(user);
  if (at != entries->users.end()) return found({CredentialAnswer::Kind::found, at->second});
  if (next_ != nullptr) return next_->Find(user, std::move(found));
  found({});
}

int AuthFile::usual_iterations() const {
  MutexLock lock(&mutex_);
  return entries_->usual_iterations;
}

}  // namespace pgparity::proxy
