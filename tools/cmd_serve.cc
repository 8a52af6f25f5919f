#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>
#include <memory>
#include <thread>

#include "absl/strings/str_join.h"
#include "tools/commands.h"
#include "tools/help.h"
#include "tools/values.h"

namespace pgparity::tools {
namespace {

using proxy::ServeOptions;

template <typename T>
absl::StatusOr<T> Choose(const std::string& value,
                         std::initializer_list<std::pair<const char*, T>> choices) {
  std::string names;
  for (const auto& [name, choice] : choices) {
    if (value == name) return choice;
    names += (names.empty() ? "" : ", ") + std::string(name);
  }
  return absl::InvalidArgumentError("\"" + value + "\" is none of " + names);
}

absl::StatusOr<proxy::OrderingMode> ParseOrdering(const std::string& value) {
  return Choose<proxy::OrderingMode>(value, {{"passive", proxy::OrderingMode::passive},
                                             {"hold", proxy::OrderingMode::hold},
                                             {"exact", proxy::OrderingMode::exact}});
}

absl::StatusOr<shadow::DdlMode> ParseDdl(const std::string& value) {
  return Choose<shadow::DdlMode>(value, {{"replay", shadow::DdlMode::replay},
                                         {"skip", shadow::DdlMode::skip},
                                         {"reconcile", shadow::DdlMode::reconcile}});
}

absl::StatusOr<proxy::AuthMode> ParseAuth(const std::string& value) {
  return Choose<proxy::AuthMode>(value, {{"auto", proxy::AuthMode::automatic},
                                         {"pass", proxy::AuthMode::pass},
                                         {"url", proxy::AuthMode::url},
                                         {"scram", proxy::AuthMode::scram}});
}

absl::StatusOr<std::string> ParseLogLevel(const std::string& value) {
  return Choose<std::string>(
      value, {{"error", "error"}, {"warning", "warning"}, {"info", "info"}, {"debug", "debug"}});
}

// "off" stands for none.
absl::StatusOr<std::string> OrOff(const std::string& value) { return value == "off" ? "" : value; }

int DefaultThreads() {
  return static_cast<int>(std::clamp(std::thread::hardware_concurrency(), 1u, 4u));
}

void AddConnecting(CLI::App* app, ServeOptions* o) {
  constexpr char kGroup[] = "Where to listen and connect";
  app->add_option(
         "--listen", o->listen,
         "Where clients connect: HOST:PORT, [IPV6]:PORT, or :PORT for all addresses; may be "
         "given several times")
      ->type_name("ADDR")
      ->expected(1, 64)
      ->allow_extra_args(false)
      ->default_str(absl::StrJoin(o->listen, ", "))
      ->group(kGroup);
  AddSwitch(
      app, "--proxy-protocol", &o->proxy_protocol,
      "Behind a load balancer that says by the PROXY protocol (version 1 or 2) whom it stands "
      "for; connections without its header are closed")
      ->group(kGroup);
  AddText(
      app, "--primary", &o->primary, "URL",
      "The primary: postgres://USER:PASSWORD@HOST:PORT/DATABASE. Its user is for pgparity's own "
      "connection (catalog, row counts), and for clients with --auth url")
      ->required()
      ->group(kGroup);
  AddValue(
      app, "--shadow", &o->shadow, OrOff, "URL",
      "The shadow: postgres://USER:PASSWORD@HOST:PORT/DATABASE; without it pgparity only forwards. "
      "{database} stands for the client's database: each has a shadow of its own")
      ->group(kGroup);
  AddText(app, "--data-dir", &o->data_dir, "DIR",
          "Where the journal and the parity log are kept; made if it is not there")
      ->required()
      ->group(kGroup);
  AddValue(app, "--admin", &o->admin, OrOff, "ADDR",
           "Where `pgparity ctl` and health checks connect: HOST:PORT, or off")
      ->default_str(o->admin)
      ->group(kGroup);
  AddText(app, "--admin-token", &o->admin_token, "TEXT",
          "Bearer token of the admin address; needed when that is not on loopback. Better given as "
          "PGPARITY_ADMIN_TOKEN")
      ->group(kGroup);
}

void AddTls(CLI::App* app, ServeOptions* o) {
  constexpr char kGroup[] = "TLS towards clients";
  const auto group = [&](CLI::Option* option) { option->group(kGroup); };
  group(AddSwitch(app, "--tls", &o->tls, "Offer TLS; towards the primary its URL's sslmode says"));
  group(AddText(app, "--tls-cert", &o->tls_cert, "FILE",
                "The certificate, PEM, its chain behind it; without one a self-signed certificate "
                "is kept in the data directory"));
  group(AddText(app, "--tls-key", &o->tls_key, "FILE", "The certificate's key, PEM"));
  group(AddText(app, "--tls-client-ca", &o->tls_client_ca, "FILE",
                "Clients must present a certificate of these authorities, PEM; has "
                "--require-tls on"));
  group(AddSwitch(app, "--require-tls", &o->require_tls, "Refuse clients without TLS (28000)"));
}

void AddLoggingIn(CLI::App* app, ServeOptions* o) {
  constexpr char kGroup[] = "Logging in";
  const auto group = [&](CLI::Option* option) { return option->group(kGroup); };
  group(AddValue(app, "--auth", &o->auth, ParseAuth, "MODE",
                 "Who checks clients: pass (the primary), url (pgparity, against the user and "
                 "password in --primary), scram (pgparity, against --auth-file or --auth-query); "
                 "auto is pass, but url where TLS on both sides forbids pass and --primary has "
                 "the client's user and a password"))
      ->default_str("auto");
  group(AddText(app, "--auth-file", &o->auth_file, "FILE",
                "For scram: users and SCRAM verifiers, in the form of pgbouncer's userlist.txt; "
                "read again at SIGHUP"));
  group(AddText(app, "--auth-query", &o->auth_query, "SQL",
                "For scram: gives name and verifier of the user $1; run on the primary by the "
                "user of --primary. Without --auth-file the default reads pg_shadow"));
  group(AddDuration(app, "--auth-query-keep", &o->auth_query_keep, "How long an answer is kept"));
  group(AddCount(
      app, "--auth-query-rate", [o](int64_t n) { o->auth_query_rate = static_cast<size_t>(n); },
      static_cast<int64_t>(o->auth_query_rate), "Queries a second; more logins are refused"));
}

void AddForwarding(CLI::App* app, ServeOptions* o) {
  constexpr char kGroup[] = "Forwarding";
  const auto group = [&](CLI::Option* option) { option->group(kGroup); };
  o->threads = DefaultThreads();
  group(AddCount(
      app, "--threads", [o](int64_t n) { o->threads = static_cast<int>(n); }, o->threads,
      "Forwarding threads; a session stays on one"));
  group(AddCount(
      app, "--max-sessions", [o](int64_t n) { o->max_sessions = static_cast<size_t>(n); },
      static_cast<int64_t>(o->max_sessions), "Clients at a time; more are refused (53300)"));
  group(AddSize(app, "--max-frame", &o->max_frame, "Largest protocol message that passes"));
  group(AddDuration(app, "--login-timeout", &o->login_timeout, "Time a client has to log in"));
  group(AddDuration(app, "--connect-timeout", &o->connect_timeout,
                    "Time to reach the primary or shadow"));
  group(AddDuration(app, "--drain-timeout", &o->drain_timeout,
                    "Time that sessions have to end after SIGTERM"));
}

void AddShadowing(CLI::App* app, ServeOptions* o) {
  constexpr char kGroup[] = "Shadowing";
  const auto group = [&](CLI::Option* option) { return option->group(kGroup); };
  group(AddValue(app, "--ordering", &o->ordering, ParseOrdering, "MODE",
                 "How the order of commits is found: passive (the primary gets the client's bytes "
                 "alone), hold (a write in autocommit waits while another on the same row is in "
                 "flight), exact (the primary is asked for its WAL position before each commit)"))
      ->default_str("passive");
  group(AddSize(app, "--ordering-text", &o->ordering_text,
                "Largest simple query that hold and exact look at"));
  group(AddDuration(app, "--hold-wait", &o->hold_wait,
                    "How long a write waits under hold before it is sent all the same"));
  group(AddValue(app, "--reads", &o->read_sample, proxy::ParseReads, "all|sample=P|off",
                 "Which reads are run on the shadow and compared; sample=0.1 takes one in ten"))
      ->default_str("all");
  group(AddValue(
            app, "--ddl", &o->ddl, ParseDdl, "MODE",
            "Schema changes: replay them, skip them, or reconcile with a shadow that is migrated "
            "on its own"))
      ->default_str("replay");
  group(AddCount(
      app, "--shadow-connections", [o](int64_t n) { o->shadow_connections = static_cast<int>(n); },
      o->shadow_connections,
      "Connections to the shadow, all in all; with {database}, for each database"));
  group(AddCount(
      app, "--shadow-databases", [o](int64_t n) { o->shadow_databases = static_cast<size_t>(n); },
      static_cast<int64_t>(o->shadow_databases),
      "With {database} in the shadow's URL: databases that are shadowed at most"));
  group(AddText(
      app, "--shadow-role-map", &o->shadow_role_map, "FILE",
      "Which role on the shadow stands for which role of the clients: lines CLIENT = "
      "\"ROLE\" or CLIENT = \"postgres://...\"; without it all run as the shadow URL's role"));
  group(AddCount(
      app, "--window", [o](int64_t n) { o->window = static_cast<size_t>(n); },
      static_cast<int64_t>(o->window), "Units of work in flight to the shadow"));
  group(AddCount(
      app, "--settle-reads", [o](int64_t n) { o->settle_reads = static_cast<uint64_t>(n); },
      static_cast<int64_t>(o->settle_reads),
      "Rows a second read again on the primary, to settle what concurrency left open; 0: none"));
  group(AddCount(
      app, "--settle-table-rows",
      [o](int64_t n) { o->settle_table_rows = static_cast<uint64_t>(n); },
      static_cast<int64_t>(o->settle_table_rows),
      "Tables with more rows are not read whole for it"));
  group(AddDuration(app, "--time-tolerance", &o->time_tolerance,
                    "How far the two may differ in now() and the like"));
  group(AddSwitch(app, "--start-check", &o->start_check,
                  "At the first start, count the rows of every table on both sides"));
  group(AddDuration(app, "--start-check-timeout", &o->start_check_timeout, "Time for that"));
}

void AddCapture(CLI::App* app, ServeOptions* o) {
  constexpr char kGroup[] = "Capture and journal";
  const auto group = [&](CLI::Option* option) { option->group(kGroup); };
  group(AddText(app, "--ring-dir", &o->ring_dir, "DIR",
                "A directory in memory (tmpfs) for the capture rings"));
  group(AddSize(app, "--ring-size", &o->ring_size, "Capture ring of each forwarding thread"));
  group(AddSize(app, "--capture-rows", &o->capture_rows,
                "Result rows kept of each statement; of the rest a digest"));
  group(AddSize(app, "--capture-frame", &o->capture_frame,
                "Largest message that is captured; a larger one is a gap"));
  group(AddSize(app, "--journal-segment", &o->journal_segment, "Size of a file of the journal"));
  group(AddSize(app, "--journal-keep", &o->journal_keep,
                "Journal kept behind what has been applied"));
}

}  // namespace

void AddServeCommand(CLI::App& app, const World& world, int* exit_code) {
  CLI::App* serve = app.add_subcommand(
      "serve",
      "Forward clients to the primary and shadow what they do\n\n"
      "Runs until SIGTERM, which lets sessions end in order; a second signal ends at once.");
  serve->footer(std::string(kLayersFooter) +
                "\n\nSizes are written with KiB, MiB or GiB, times with ms, s, m, h or d.");
  const auto options = std::make_shared<ServeOptions>();
  AddConnecting(serve, options.get());
  AddTls(serve, options.get());
  AddLoggingIn(serve, options.get());
  AddForwarding(serve, options.get());
  AddShadowing(serve, options.get());
  AddCapture(serve, options.get());
  AddValue(serve, "--log-level", &options->log_level, ParseLogLevel, "LEVEL",
           "What is logged to stderr: error, warning, info or debug")
      ->default_str(options->log_level)
      ->group("Other");
  serve->callback([options, world, exit_code] {
    if (absl::Status status = proxy::Validate(*options); !status.ok()) {
      *exit_code = Complain(world.err, "serve", status);
      return;
    }
    *exit_code = world.serve(*options);
  });
}

}  // namespace pgparity::tools
