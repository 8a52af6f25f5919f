// Who may log in, and with what: the users that the proxy itself checks, and logs in to the primary
// for.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "compare/mutex.h"
#include "protocol/scram.h"

namespace pgparity::proxy {

// Thread-safe.
class Credential {
 public:
  // `password` is "" where only the verifier is known; `source` names in errors where it comes
  // from.
  Credential(protocol::ScramVerifier verifier, std::string_view password, std::string_view source)
      : verifier_(std::move(verifier)), password_(password), source_(source) {}

  const protocol::ScramVerifier& verifier() const { return verifier_; }
  std::string_view password() const { return password_.view(); }
  std::string_view source() const { return source_; }

  // Keys of the password for a salt and iterations of the primary's: derived once. Without Derive()
  // for them before: nullopt.
  std::optional<protocol::ScramKeys> Derived(std::string_view salt, int iterations) const;
  protocol::ScramKeys Derive(const std::string& salt, int iterations) const;

 private:
  const protocol::ScramVerifier verifier_;
  const protocol::Secret password_;
  const std::string source_;
  mutable Mutex mutex_;
  mutable std::string salt_ ABSL_GUARDED_BY(mutex_);
  mutable int iterations_ ABSL_GUARDED_BY(mutex_) = 0;  // 0: nothing derived yet
  mutable protocol::ScramKeys keys_ ABSL_GUARDED_BY(mutex_);
};
using CredentialPtr = std::shared_ptr<const Credential>;

// What a look-up found.
struct CredentialAnswer {
  enum class Kind : uint8_t {
    found,
    unknown,  // no such user, or nothing that could check it
    busy,     // too many look-ups
    failed,   // it could not be looked up
  };
  Kind kind = Kind::unknown;
  CredentialPtr credential = nullptr;  // found
};

// Thread-safe.
class CredentialSource {
 public:
  using Found = std::function<void(CredentialAnswer)>;

  virtual ~CredentialSource() = default;
  // Calls `found` once: at once, or later from another thread. A source that ends first drops it.
  virtual void Find(const std::string& user, Found found) = 0;
  // The iteration count that most of its verifiers have: a mock must not stand out.
  virtual int usual_iterations() const { return protocol::kScramIterations; }
};

// Salts for users without one: the same for a user at each login, whether it exists or not, and as
// hard to guess as the secret.
std::string DerivedSalt(const protocol::Secret& secret, std::string_view user);
// A verifier that no password fits, for users who do not exist.
protocol::ScramVerifier MockVerifier(const protocol::Secret& secret, std::string_view user,
                                     int iterations);
// Slow (some milliseconds). Error: see CheckSaslPrepared().
absl::StatusOr<CredentialPtr> CredentialFromPassword(const protocol::Secret& secret,
                                                     std::string_view user,
                                                     std::string_view password,
                                                     std::string_view source);

// The one user of a database URL.
class UrlCredentials final : public CredentialSource {
 public:
  UrlCredentials(std::string user, CredentialPtr credential)
      : user_(std::move(user)), credential_(std::move(credential)) {}
  void Find(const std::string& user, Found found) override;

 private:
  const std::string user_;
  const CredentialPtr credential_;
};

// The users of a file in the form of pgbouncer's userlist.txt: lines of `"user" "secret"`, a quote
// within quotes doubled, what follows on the line left alone; comments begin with ; or #. Of two
// lines with the same user the last counts. A secret is a SCRAM verifier or a plain password; MD5
// passwords and empty ones let nobody in, as with pgbouncer's auth_type scram-sha-256.
class AuthFile final : public CredentialSource {
 public:
  struct Entries {
    absl::flat_hash_map<std::string, CredentialPtr> users;
    size_t unusable = 0;  // users whose secret is MD5 or empty
    size_t plain = 0;
    int usual_iterations = protocol::kScramIterations;
  };
  // Slow where there are many plain passwords (some milliseconds each). Errors name the line, and
  // hold nothing of it.
  static absl::StatusOr<Entries> Parse(std::string_view text, const protocol::Secret& secret);
  // Errors name the file. At most kMaxSize.
  static absl::StatusOr<Entries> Read(const std::string& path, const protocol::Secret& secret);
  static constexpr size_t kMaxSize = 16 << 20;

  // `next` is asked for users that are not in the file; may be null; outlives this.
  AuthFile(Entries entries, CredentialSource* next) : next_(next) { Replace(std::move(entries)); }
  // From now on these.
  void Replace(Entries entries);
  void Find(const std::string& user, Found found) override;
  int usual_iterations() const override;

 private:
  CredentialSource* const next_;
  mutable Mutex mutex_;
  std::shared_ptr<const Entries> entries_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace pgparity::proxy
