// --auth: how clients log in, and the logins of one process.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "protocol/startup.h"
#include "proxy/auth_login.h"
#include "proxy/auth_query.h"
#include "proxy/login.h"
#include "proxy/options.h"
#include "proxy/url.h"

namespace pgparity::proxy {

// The mode for one client. Asked for by name it is that one. Otherwise it is url where passing the
// login through could not work and the URL can take its place: where the client is on TLS, the
// primary's side may be (so that a client that supports channel binding would be refused: it binds
// to the proxy's certificate, or says that the server has none), the URL has a password, and the
// client asks for the URL's user. Everybody else passes through.
AuthMode ChooseAuth(AuthMode asked, const DatabaseUrl& primary, bool primary_tls, bool client_tls,
                    std::string_view user);

// pgbouncer's auth_query before it looked at password expiry; $1 is the user.
inline constexpr std::string_view kDefaultAuthQuery =
    "SELECT usename, passwd FROM pg_catalog.pg_shadow WHERE usename=$1";

struct AuthOptions {
  AuthMode mode = AuthMode::automatic;
  DatabaseUrl primary;
  bool primary_tls = false;  // connections to the primary may use TLS
  std::string file;          // scram: --auth-file; "" for none
  std::string query;         // scram: --auth-query; "" for none
  absl::Duration query_keep = absl::Seconds(5);
  double query_rate = 100;
  absl::Duration connect_timeout = absl::Seconds(10);
  // Holds the secret behind derived salts, so that they stay the same over restarts. "": they do
  // not.
  std::string data_dir;
  // Lines for the operator; any thread.
  std::function<void(std::string_view line)> log_info = [](std::string_view) {};
  std::function<void(std::string_view line)> log_warning = [](std::string_view) {};
};

// Thread-safe, but for Stop() and the destructor.
class Authenticator {
 public:
  // Reads the file. Errors are one line that names the option.
  static absl::StatusOr<std::unique_ptr<Authenticator>> Make(AuthOptions options);
  ~Authenticator();
  Authenticator(const Authenticator&) = delete;
  Authenticator& operator=(const Authenticator&) = delete;

  // The login of one client. It does not outlive the authenticator.
  std::unique_ptr<Login> NewLogin(const protocol::StartupMessage& startup, Channel client) const;

  // Reads --auth-file again and forgets what --auth-query answered (SIGHUP). Logins under way go on
  // with what they began with. On an error everything stays as it was. Not for forwarding threads.
  absl::Status Reload();
  // Logins that wait for a look-up or keys wait on from here. Before the forwarding threads are
  // destroyed.
  void Stop();

  // A connection of our own to the primary is used by --auth-query.
  bool queries() const { return query_ != nullptr; }

 private:
  explicit Authenticator(AuthOptions options) : options_(std::move(options)) {}
  absl::Status Open();
  absl::Status OpenUrl();
  absl::Status OpenScram();
  absl::StatusOr<AuthFile::Entries> ReadFile() const;
  void Complain(std::string_view line);

  const AuthOptions options_;
  CheckedLoginContext context_;
  std::unique_ptr<UrlCredentials> url_;
  std::unique_ptr<AuthQuery> query_;
  std::unique_ptr<AuthFile> file_;
  std::atomic<int64_t> complained_ms_{0};
  std::unique_ptr<AuthWorker> worker_;
};

}  // namespace pgparity::proxy
