// The forwarder: listeners, forwarding threads, and the capture thread behind their taps.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "compare/latency_histogram.h"
#include "proxy/capture.h"
#include "proxy/tls_client.h"
#include "proxy/tls_server.h"
#include "proxy/token_counters.h"
#include "shadow/catalog.h"

namespace pgparity::proxy {

class Authenticator;

struct ForwarderOptions {
  std::vector<std::string> listen;  // see ParseListenAddress
  std::vector<int>
      passed_sockets;        // listening ones to take over; if there are any, in place of `listen`
  std::string primary_host;  // a name, an address, or a Unix socket's directory
  uint16_t primary_port = 5432;
  std::shared_ptr<const TlsServer> client_tls;  // null: clients that ask for TLS are told no
  bool proxy_protocol = false;  // every connection begins with a PROXY protocol header
  bool require_tls = false;     // refuses plain clients (but for cancel requests)
  std::shared_ptr<const TlsClient> primary_tls;  // null: none
  int threads = 1;
  size_t max_sessions = 1000;
  uint32_t max_frame = 1u << 30;  // largest length word that passes
  std::chrono::milliseconds login_timeout{60'000};
  std::chrono::milliseconds connect_timeout{5'000};
  std::chrono::milliseconds drain_timeout{30'000};
  // Capture. The rings are <ring_dir>/pgparity-<hash of data_dir>-<n>.ring, one a thread.
  std::string ring_dir = "/dev/shm";
  std::string data_dir;
  size_t ring_bytes = 64 << 20;        // of each
  size_t capture_row_bytes = 1 << 20;  // rows recorded of one statement
  Stamp stamp_base = 1;                // no stamp of this process is lower
  bool tokens = false;                 // ordering `exact`; without a sink it has no effect
  bool tokens_offered = true;          // see OfferTokens
  size_t ordering_text = 16 << 10;     // of a simple Query that is edited, bytes
  bool hold = false;                   // ordering `hold`; the same
  std::chrono::milliseconds hold_wait{50};
  // The primary's catalog, for `hold`; on a thread of its own.
  std::function<absl::StatusOr<std::shared_ptr<const shadow::Catalog>>()> load_catalog;
  std::function<void(std::string_view line)> log_warning;
  // The first refusal of a token by the primary, and its reason; on a forwarding thread, soon.
  std::function<void(std::string_view error)> on_token_refusal;
  // Null: logins pass through. Outlives the forwarder, and is stopped before it.
  const Authenticator* authenticator = nullptr;
};

// Sums over all threads, since the start.
struct ForwarderCounters {
  uint64_t sessions_open = 0, sessions = 0, logins = 0, failed_logins = 0;
  uint64_t refused_sessions = 0;
  uint64_t connect_failures = 0, cancels = 0, cancels_dropped = 0, bad_frames = 0;
  uint64_t client_bytes = 0, server_bytes = 0;
  uint64_t tokens_sent = 0, tokens_seen = 0, tokens_refused_sessions = 0, queries_sent_again = 0;
  std::array<uint64_t, kTokenLeftOuts> tokens_left_out{};  // by TokenLeftOut
  uint64_t held_at_once = 0, held_waited = 0, held_timed_out = 0, held_unknown = 0;
  uint64_t held_wait_ns = 0;
  uint64_t captured_records = 0, captured_bytes = 0, capture_lost = 0, unrecorded_sessions = 0;
};

// All methods are for any thread; Stop() and the destructor for one.
class Forwarder {
 public:
  // Listens once it returns. `sink` outlives the forwarder and is called on the capture thread;
  // null: nothing is recorded. Session ids are unique over the life of a data directory, as long as
  // stamp_base rises.
  static absl::StatusOr<std::unique_ptr<Forwarder>> Start(ForwarderOptions options,
                                                          CaptureSink* sink);
  ~Forwarder();

  // Of the bound sockets, in the order of options.listen (a name may stand for several).
  std::vector<uint16_t> ports() const;

  // Accepts no more; ends idle sessions, others when they become idle, all at drain_timeout.
  void BeginDrain();
  // BeginDrain(), and waits until no session is left (at most drain_timeout and what a client may
  // take to read its last message).
  void Drain();
  // Ends everything at once; then delivers the rest of the rings to the sink.
  void Stop();

  // The latest connect's outcome; without traffic, of a probe every 5 s.
  bool primary_reachable() const;
  ForwarderCounters counters() const;
  // From the end of a receive to the end of its send, of one message in 64.
  compare::LatencyHistogram added_latency() const;

  // The kill switch: takes effect with each session's next bytes. Off, a session with traffic is
  // lost with that reason; on again, it is taken up when it is next idle.
  void SetCapture(bool on, std::string_view reason);

  // Ordering `exact` is offered to the sessions, or is not, from when they are next idle on.
  // Offered anew, it is tried anew by sessions to which it was refused.
  void OfferTokens(bool on);

  // Connections accepted from now on are taken with it; see ForwarderOptions::client_tls.
  void SetClientTls(std::shared_ptr<const TlsServer> server);

  Stamp Now() const;
  // See CaptureThread. Without a sink: nothing to do, and true.
  void RequestFlush();
  bool WaitDrainedTo(Stamp stamp, std::chrono::milliseconds timeout);
  // Bytes that an earlier process on this data directory captured and never consumed: a gap.
  uint64_t ring_leftover() const;

 private:
  struct Impl;
  explicit Forwarder(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace pgparity::proxy
