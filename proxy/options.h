// What `pgparity serve` runs with: a plain struct with the defaults, and how option values are
// written.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "shadow/plan.h"

namespace pgparity::proxy {

// HOST:PORT. The host is a name or an address, without brackets; never empty.
struct Endpoint {
  std::string host = "127.0.0.1";
  uint16_t port = 0;
  // With brackets around an IPv6 address.
  std::string ToString() const;
  friend bool operator==(const Endpoint&, const Endpoint&) = default;
};

// --auth: who checks a client's login.
enum class AuthMode : uint8_t {
  automatic,  // see ChooseAuth
  pass,       // the primary; every byte of the login passes
  url,        // the proxy, against the primary's URL, with which it logs in
  scram,      // the proxy, against verifiers from a file or a query, with which it logs in
};

// DESIGN, "Ordering".
enum class OrderingMode : uint8_t { passive, hold, exact };

// URLs and addresses are as given, and have been checked: they parse.
struct ServeOptions {
  // Where to listen and connect
  std::vector<std::string> listen = {"127.0.0.1:6432"};  // see ParseListenAddress; one at least
  bool proxy_protocol = false;  // connections begin with a load balancer's header
  std::string primary;          // see DatabaseUrl
  std::string shadow;           // empty: none
  std::string data_dir;
  std::string admin = "127.0.0.1:6433";  // see ParseEndpoint; empty: off
  std::string admin_token;

  // TLS towards clients; towards the primary its URL's parameters say all
  bool tls = true;
  std::string tls_cert,
      tls_key;                // PEM files; empty: a self-signed certificate in the data directory
  std::string tls_client_ca;  // PEM file; clients must present a certificate of these
  bool require_tls = false;   // plain clients are refused; tls_client_ca has it so too
  // Logging in
  AuthMode auth = AuthMode::automatic;
  std::string auth_file;                              // scram
  std::string auth_query;                             // scram
  absl::Duration auth_query_keep = absl::Seconds(5);  // how long an answer holds
  size_t auth_query_rate = 100;                       // queries a second

  // Forwarding
  int threads = 1;
  size_t max_sessions = 1000;
  uint64_t max_frame = 1ull << 30;  // bytes
  absl::Duration login_timeout = absl::Seconds(60);
  absl::Duration connect_timeout = absl::Seconds(10);
  absl::Duration drain_timeout = absl::Seconds(30);

  // Shadowing
  OrderingMode ordering = OrderingMode::passive;
  uint64_t ordering_text = 16 << 10;  // of a simple Query that hold and exact look at, bytes
  absl::Duration hold_wait = absl::Milliseconds(50);
  double read_sample = 1;  // share of the units that only read, run on the shadow: 0 to 1
  shadow::DdlMode ddl = shadow::DdlMode::replay;
  int shadow_connections = 2;
  size_t shadow_databases = 16;  // with {database} in the shadow's URL
  std::string shadow_role_map;   // file, see role_map.h; empty: none
  size_t window = 64;            // units in flight
  absl::Duration time_tolerance = absl::Seconds(1);
  uint64_t settle_reads = 2000;            // rows a second read again on the primary; 0: none
  uint64_t settle_table_rows = 1'000'000;  // larger tables are not read whole
  bool start_check = true;
  absl::Duration start_check_timeout = absl::Minutes(10);

  // Capture and journal, bytes
  std::string ring_dir = "/dev/shm";
  uint64_t ring_size = 64ull << 20;      // for each forwarding thread
  uint64_t capture_rows = 1ull << 20;    // result rows of each statement; a digest of the rest
  uint64_t capture_frame = 64ull << 20;  // a larger frame is a gap
  uint64_t journal_segment = 64ull << 20;
  uint64_t journal_keep = 8ull << 30;

  std::string log_level = "info";  // debug, info, warning, error
};

// "64MiB", "1GiB", "512KiB", "4096" and "4096B": bytes.
absl::StatusOr<uint64_t> ParseSize(std::string_view text);
// "500ms", "10s", "30m", "48h", "7d"; "0". Fractions are allowed ("1.5h"), a number without a unit
// is not.
absl::StatusOr<absl::Duration> ParseDuration(std::string_view text);
// "HOST:PORT", "[::1]:PORT"; ":PORT" and "PORT" mean 127.0.0.1, "*:PORT" all addresses (0.0.0.0).
absl::StatusOr<Endpoint> ParseEndpoint(std::string_view text);
// "all", "off", "sample=0.1": the share of reads that is run on the shadow, 1, 0 or 0.1.
absl::StatusOr<double> ParseReads(std::string_view text);
// "on", "off" and what else people write for them.
absl::StatusOr<bool> ParseSwitch(std::string_view text);

std::string SizeText(uint64_t bytes);               // "64MiB"; as ParseSize reads it
std::string DurationText(absl::Duration duration);  // "10s"; as ParseDuration reads it

// Bounds that hold between options; the first that does not is an error that names the option.
absl::Status Validate(const ServeOptions& options);

}  // namespace pgparity::proxy
