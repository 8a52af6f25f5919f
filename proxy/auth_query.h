// --auth-query: verifiers looked up on the primary, on a connection of our own and a thread of its
// own, kept for some seconds.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "proxy/auth_credentials.h"
#include "proxy/auth_worker.h"

namespace pgparity::proxy {

// The secret of one user on the primary; nullopt: no such user, or no password. An error says in
// one line what went wrong, and holds no secret. Called on one thread.
using SecretQuery =
    std::function<absl::StatusOr<std::optional<std::string>>(const std::string& user)>;

// By `sql` with the user as $1, which answers with no row, or one of name and secret. Connects when
// it is first called, and again when the connection is lost.
SecretQuery QueryOnPrimary(std::string conninfo, std::string sql, absl::Duration connect_timeout);

class AuthQuery final : public CredentialSource {
 public:
  struct Options {
    absl::Duration keep = absl::Seconds(5);  // how long an answer holds, "no such user" included
    double rate = 100;                       // queries a second
    size_t max_users = 10'000;               // answers kept
    size_t max_waiting = 1000;               // users being looked up
    // A line for the log: what failed, or a secret of no use. At most one a second.
    std::function<void(std::string_view line)> complain = [](std::string_view) {};
    std::function<absl::Time()> now = [] { return absl::Now(); };
  };

  AuthQuery(SecretQuery query, Options options);

  // Calls `found` at once where the answer is kept, and where there are too many look-ups.
  void Find(const std::string& user, Found found) override;
  // Forgets the answers kept.
  void Clear();
  // After it nothing is found any more.
  void Stop() { worker_.Stop(); }

 private:
  struct Entry {
    CredentialAnswer answer;
    absl::Time until = absl::InfinitePast();  // good until then
    std::vector<Found> waiting;               // not empty: being looked up
  };

  bool Admit() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void MakeRoom() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void LookUp(const std::string& user);
  CredentialAnswer Answer(const std::string& user);
  void Complain(std::string_view line);

  const SecretQuery query_;
  const Options options_;
  Mutex mutex_;
  absl::flat_hash_map<std::string, Entry> entries_ ABSL_GUARDED_BY(mutex_);
  size_t looked_up_ ABSL_GUARDED_BY(mutex_) = 0;
  double tokens_ ABSL_GUARDED_BY(mutex_);
  absl::Time tokens_at_ ABSL_GUARDED_BY(mutex_);
  absl::Time complained_at_ = absl::InfinitePast();  // the worker's
  AuthWorker worker_;
};

}  // namespace pgparity::proxy
