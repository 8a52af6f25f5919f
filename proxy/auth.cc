#include "proxy/auth.h"

#include <fcntl.h>
#include <openssl/rand.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "absl/time/clock.h"
#include "protocol/check.h"
#include "protocol/text.h"
#include "proxy/relay_login.h"

namespace pgparity::proxy {
namespace {

using protocol::Secret;
using protocol::StrCat;

constexpr size_t kSecretSize = 32;
constexpr size_t kNonceBytes = 18;  // as PostgreSQL's; 24 characters
constexpr size_t kMaxDerivations = 10'000;
constexpr int64_t kComplainEveryMs = 1000;

std::string RandomBytes(size_t size) {
  std::string bytes(size, '\0');
  PGPARITY_CHECK(
      RAND_bytes(reinterpret_cast<unsigned char*>(bytes.data()), static_cast<int>(size)) == 1);
  return bytes;
}

std::string NewNonce() { return protocol::Base64Encode(RandomBytes(kNonceBytes)); }

// The secret in the data directory, made at the first start; one of this process where there is
// none.
Secret ReadOrMakeSecret(const std::string& data_dir) {
  std::string secret = RandomBytes(kSecretSize);
  const std::string path = data_dir + "/login.secret";
  const int made =
      data_dir.empty() ? -1 : open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (made >= 0) {
    if (write(made, secret.data(), secret.size()) != static_cast<ssize_t>(secret.size())) {
      unlink(path.c_str());
    }
    close(made);
  } else if (const int old = data_dir.empty() ? -1 : open(path.c_str(), O_RDONLY | O_CLOEXEC);
             old >= 0) {
    std::string found(kSecretSize, '\0');
    if (read(old, found.data(), found.size()) == static_cast<ssize_t>(kSecretSize)) secret = found;
    close(old);
  }
  Secret kept(secret);
  protocol::Wipe(&secret);
  return kept;
}

absl::Status ForOption(std::string_view option, const absl::Status& status) {
  return absl::Status(status.code(),
                      protocol::ToAbsl(StrCat(option, ": ", protocol::MessageOf(status))));
}

bool ReadableByOthers(const std::string& path) {
  struct stat found {};
  return stat(path.c_str(), &found) == 0 && (found.st_mode & (S_IRGRP | S_IROTH)) != 0;
}

BindingPolicy PolicyOf(const DatabaseUrl& primary) {
  for (const auto& [name, value] : primary.params) {
    if (name != "channel_binding") continue;
    if (value == "disable") return BindingPolicy::disable;
    if (value == "require") return BindingPolicy::require;
  }
  return BindingPolicy::prefer;
}

}  // namespace

AuthMode ChooseAuth(AuthMode asked, const DatabaseUrl& primary, bool primary_tls, bool client_tls,
                    std::string_view user) {
  if (asked != AuthMode::automatic) return asked;
  const bool url_can = !primary.password.empty() && primary.user == user;
  return url_can && primary_tls && client_tls ? AuthMode::url : AuthMode::pass;
}

absl::StatusOr<std::unique_ptr<Authenticator>> Authenticator::Make(AuthOptions options) {
  std::unique_ptr<Authenticator> made(new Authenticator(std::move(options)));
  if (absl::Status status = made->Open(); !status.ok()) return status;
  return made;
}

Authenticator::~Authenticator() { Stop(); }

absl::Status Authenticator::Open() {
  context_.complain = [this](std::string_view line) { Complain(line); };
  if (options_.mode == AuthMode::pass) return absl::OkStatus();
  context_.mock_secret = ReadOrMakeSecret(options_.data_dir);
  context_.primary_binding = PolicyOf(options_.primary);
  context_.nonce = NewNonce;
  absl::Status status = options_.mode == AuthMode::scram ? OpenScram() : OpenUrl();
  if (!status.ok() || context_.source == nullptr) return status;
  worker_ = std::make_unique<AuthWorker>("auth-keys", kMaxDerivations);
  context_.worker = worker_.get();
  return absl::OkStatus();
}

absl::Status Authenticator::OpenUrl() {
  const DatabaseUrl& primary = options_.primary;
  const bool asked = options_.mode == AuthMode::url;
  if (primary.user.empty() || primary.password.empty()) {
    if (!asked) return absl::OkStatus();
    return absl::InvalidArgumentError("--auth url needs a user and a password in --primary");
  }
  auto credential =
      CredentialFromPassword(context_.mock_secret, primary.user, primary.password, "--primary");
  if (!credential.ok()) {
    if (asked) return ForOption("--primary", credential.status());
    options_.log_warning(
        StrCat("--auth url cannot be used: ", protocol::MessageOf(credential.status())));
    return absl::OkStatus();
  }
  url_ = std::make_unique<UrlCredentials>(primary.user, *std::move(credential));
  context_.source = url_.get();
  return absl::OkStatus();
}

absl::Status Authenticator::OpenScram() {
  std::string query = options_.query;
  if (query.empty() && options_.file.empty()) query = kDefaultAuthQuery;
  if (!query.empty()) {
    if (options_.primary.user.empty()) {
      return absl::InvalidArgumentError(
          "--auth-query needs a user in --primary, who may read the verifiers; or give "
          "--auth-file");
    }
    AuthQuery::Options lookup;
    lookup.keep = options_.query_keep;
    lookup.rate = options_.query_rate;
    lookup.complain = options_.log_warning;
    query_ = std::make_unique<AuthQuery>(
        QueryOnPrimary(options_.primary.ToLibpqConninfo(), query, options_.connect_timeout),
        std::move(lookup));
    context_.source = query_.get();
  }
  if (options_.file.empty()) return absl::OkStatus();
  auto entries = ReadFile();
  if (!entries.ok()) return entries.status();
  file_ = std::make_unique<AuthFile>(*std::move(entries), query_.get());
  context_.source = file_.get();
  return absl::OkStatus();
}

absl::StatusOr<AuthFile::Entries> Authenticator::ReadFile() const {
  auto entries = AuthFile::Read(options_.file, context_.mock_secret);
  if (!entries.ok()) return ForOption("--auth-file", entries.status());
  options_.log_info(StrCat("--auth-file ", options_.file, ": ", entries->users.size(), " users"));
  if (entries->unusable > 0) {
    options_.log_warning(StrCat("--auth-file ", options_.file, ": ", entries->unusable,
                                " entries are MD5 or empty; these let nobody in"));
  }
  if (entries->plain > 0 && ReadableByOthers(options_.file)) {
    options_.log_warning(StrCat("--auth-file ", options_.file,
                                " holds plain passwords, and others may read it: chmod 600"));
  }
  return entries;
}

std::unique_ptr<Login> Authenticator::NewLogin(const protocol::StartupMessage& startup,
                                               Channel client) const {
  const AuthMode mode =
      ChooseAuth(options_.mode, options_.primary, options_.primary_tls, client.tls, startup.user());
  if (mode == AuthMode::pass || context_.source == nullptr) {
    return std::make_unique<LoginRelay>(client.tls, context_.complain);
  }
  return std::make_unique<CheckedLogin>(&context_, std::string(startup.user()), std::move(client));
}

absl::Status Authenticator::Reload() {
  if (file_ != nullptr) {
    auto entries = ReadFile();
    if (!entries.ok()) return entries.status();
    file_->Replace(*std::move(entries));
  }
  if (query_ != nullptr) query_->Clear();
  return absl::OkStatus();
}

void Authenticator::Stop() {
  if (query_ != nullptr) query_->Stop();
  if (worker_ != nullptr) worker_->Stop();
}

void Authenticator::Complain(std::string_view line) {
  const int64_t now = absl::ToUnixMillis(absl::Now());
  int64_t last = complained_ms_.load(std::memory_order_relaxed);
  if (now - last < kComplainEveryMs || !complained_ms_.compare_exchange_strong(last, now)) return;
  options_.log_warning(line);
}

}  // namespace pgparity::proxy
