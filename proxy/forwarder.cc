#include "proxy/forwarder.h"

#include <spdlog/spdlog.h>
#include <sys/resource.h>
#include <unistd.h>
#include <xxhash.h>

#include <algorithm>
#include <atomic>
#include <cstdio>

#include "protocol/text.h"
#include "proxy/forward_thread.h"
#include "proxy/listener.h"

namespace pgparity::proxy {
namespace {

using protocol::StrCat;

// Connections beyond max_sessions that may be there to be refused, to cancel, or to probe.
constexpr size_t kSpareConnections = 256;

Stamp Nanoseconds(std::chrono::milliseconds time) {
  return static_cast<Stamp>(std::chrono::nanoseconds(time).count());
}

std::string RingPath(const ForwarderOptions& options, int thread) {
  char hash[17];
  std::snprintf(hash, sizeof(hash), "%016llx",
                static_cast<unsigned long long>(
                    XXH3_64bits(options.data_dir.data(), options.data_dir.size())));
  return StrCat(options.ring_dir, "/pgparity-", hash, "-", thread, ".ring");
}

// Two sockets a session.
void RaiseDescriptorLimit(size_t max_sessions) {
  const rlim_t want = 2 * (max_sessions + kSpareConnections) + 128;
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= want) return;
  limit.rlim_cur = std::min(limit.rlim_max, want);
  setrlimit(RLIMIT_NOFILE, &limit);
  if (limit.rlim_cur < want) {
    spdlog::warn("the limit of open files, {}, is too low for --max-sessions {}: needs {}",
                 limit.rlim_cur, max_sessions, want);
  }
}

}  // namespace

struct Forwarder::Impl {
  explicit Impl(ForwarderOptions given)
      : options(std::move(given)),
        clock(options.stamp_base),
        primary(options.primary_host, options.primary_port) {
    shared.relay = {options.max_frame, options.capture_row_bytes};
    shared.login_timeout = Nanoseconds(options.login_timeout);
    shared.connect_timeout = Nanoseconds(options.connect_timeout);
    shared.max_sessions = options.max_sessions;
    shared.client_tls.Set(options.client_tls);
    shared.require_tls = options.require_tls;
    shared.proxy_protocol = options.proxy_protocol;
    shared.primary_tls = options.primary_tls;
    shared.authenticator = options.authenticator;
    offer.Set(options.tokens && options.tokens_offered);
  }

  absl::Status MakeThreads(bool capturing);
  std::unique_ptr<EditContext> MakeEdit();
  void StartHolding();
  absl::Status Listen();
  void Accept(Transport client);

  const ForwarderOptions options;
  const StampClock clock;
  ForwardShared shared;
  Primary primary;
  OpenConnections connections;
  CaptureWaker waker;
  CaptureSwitch capture_switch;
  Mutex switch_mutex;
  uint64_t leftover = 0;
  std::atomic<bool> refused{false};  // a session's token
  TokenOffer offer;
  RowHolds rows;
  std::unique_ptr<HoldAnalyser> analyser;
  std::vector<std::unique_ptr<ForwardThread>> threads;
  std::unique_ptr<CaptureThread> capture;
  std::vector<std::unique_ptr<Listener>> listeners;
  std::vector<uint16_t> ports;
  // Of the accepting thread:
  uint64_t last_id = 0;
  size_t next_thread = 0;
  std::atomic<bool> stopped{false};
};

std::unique_ptr<EditContext> Forwarder::Impl::MakeEdit() {
  auto edit = std::make_unique<EditContext>();
  edit->max_text = options.ordering_text;
  edit->max_frame = options.max_frame;
  edit->offer = &offer;
  edit->on_refusal = [this](std::string_view error) {
    if (!refused.exchange(true) && options.on_token_refusal) options.on_token_refusal(error);
  };
  return edit;
}

void Forwarder::Impl::StartHolding() {
  HoldAnalyser::Hooks hooks;
  hooks.load_catalog = options.load_catalog;
  hooks.log_warning = options.log_warning;
  hooks.publish = [this](uint64_t fingerprint, const HoldShape& shape) {
    for (const auto& thread : threads) thread->LearnShape(fingerprint, shape);
  };
  analyser = std::make_unique<HoldAnalyser>(std::move(hooks));
  for (const auto& thread : threads) {
    thread->HoldRows(&rows, analyser.get(), Nanoseconds(options.hold_wait));
  }
  analyser->Start();
}

absl::Status Forwarder::Impl::MakeThreads(bool capturing) {
  for (int i = 0; i < std::max(options.threads, 1); ++i) {
    std::unique_ptr<Ring> ring;
    if (capturing) {
      absl::StatusOr<std::unique_ptr<Ring>> opened =
          Ring::Open(RingPath(options, i), options.ring_bytes, options.stamp_base);
      if (!opened.ok()) return opened.status();
      ring = *std::move(opened);
      leftover += ring->leftover();
    }
    absl::StatusOr<std::unique_ptr<ForwardThread>> thread = ForwardThread::Create(
        i, &clock, &shared, &primary, &connections, std::move(ring), &capture_switch, &waker,
        capturing && (options.tokens || options.hold) ? MakeEdit() : nullptr);
    if (!thread.ok()) return thread.status();
    threads.push_back(*std::move(thread));
  }
  if (capturing && options.hold) StartHolding();
  return absl::OkStatus();
}

absl::Status Forwarder::Impl::Listen() {
  for (const int fd : options.passed_sockets) {
    listeners.push_back(Listener::Adopt(fd));
    ports.push_back(listeners.back()->port());
  }
  if (!listeners.empty()) return absl::OkStatus();
  if (options.listen.empty()) return absl::InvalidArgumentError("no address to listen on");
  for (const std::string& text : options.listen) {
    auto bound = Listener::Bind(text);
    if (!bound.ok()) return bound.status();
    for (auto& listener : *bound) {
      ports.push_back(listener->port());
      listeners.push_back(std::move(listener));
    }
  }
  return absl::OkStatus();
}

void Forwarder::Impl::Accept(Transport client) {
  if (connections.count() >= options.max_sessions + kSpareConnections) return;
  connections.Opened();
  last_id = std::max(last_id + 1, clock.Now());
  threads[next_thread++ % threads.size()]->Take(last_id, std::move(client));
}

Forwarder::Forwarder(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Forwarder::~Forwarder() { Stop(); }

absl::StatusOr<std::unique_ptr<Forwarder>> Forwarder::Start(ForwarderOptions options,
                                                            CaptureSink* sink) {
  RaiseDescriptorLimit(options.max_sessions);
  auto impl = std::make_unique<Impl>(std::move(options));
  if (absl::Status status = impl->Listen(); !status.ok()) return status;
  if (absl::Status status = impl->MakeThreads(sink != nullptr); !status.ok()) return status;
  if (sink != nullptr) {
    std::vector<CaptureThread::Source> sources;
    for (const auto& thread : impl->threads) {
      sources.push_back({thread->tap()->ring(), &thread->tap()->announcement()});
    }
    impl->capture =
        std::make_unique<CaptureThread>(std::move(sources), sink, &impl->clock, &impl->waker);
    impl->capture->Start();
  }
  Impl* self = impl.get();
  for (const auto& listener : impl->listeners) {
    absl::Status status = listener->Watch(
        impl->threads[0]->loop(), [self](Transport client) { self->Accept(std::move(client)); });
    if (!status.ok()) return status;
  }
  for (const auto& thread : impl->threads) thread->Start();
  return std::unique_ptr<Forwarder>(new Forwarder(std::move(impl)));
}

std::vector<uint16_t> Forwarder::ports() const { return impl_->ports; }

void Forwarder::BeginDrain() {
  if (impl_->shared.draining.exchange(true)) return;
  impl_->threads[0]->loop()->Post([impl = impl_.get()] {
    for (const auto& listener : impl->listeners) listener->Close();
  });
  const Stamp deadline = impl_->clock.Now() + Nanoseconds(impl_->options.drain_timeout);
  for (const auto& thread : impl_->threads) thread->Drain(deadline);
}

void Forwarder::Drain() {
  BeginDrain();
  impl_->connections.WaitForNone(impl_->options.drain_timeout + std::chrono::seconds(3));
}

void Forwarder::Stop() {
  if (impl_->stopped.exchange(true)) return;
  impl_->primary.Stop();
  if (impl_->analyser != nullptr) impl_->analyser->Stop();
  for (const auto& thread : impl_->threads) thread->Stop();
  impl_->listeners.clear();
  if (impl_->capture != nullptr) impl_->capture->Stop();
}

bool Forwarder::primary_reachable() const { return impl_->primary.reachable(); }

ForwarderCounters Forwarder::counters() const {
  ForwarderCounters sum;
  sum.sessions_open = impl_->shared.sessions_open.load();
  for (const auto& thread : impl_->threads) {
    const ForwardCounters& one = thread->counters();
    sum.sessions += one.sessions.value();
    sum.logins += one.logins.value();
    sum.failed_logins += one.failed_logins.value();
    sum.refused_sessions += one.refused_sessions.value();
    sum.connect_failures += one.connect_failures.value();
    sum.cancels += one.cancels.value();
    sum.cancels_dropped += one.cancels_dropped.value();
    sum.bad_frames += one.bad_frames.value();
    sum.client_bytes += one.client_bytes.value();
    sum.server_bytes += one.server_bytes.value();
    if (const TokenCounters* tokens = thread->token_counters(); tokens != nullptr) {
      sum.tokens_sent += tokens->sent.value();
      sum.tokens_seen += tokens->seen.value();
      sum.tokens_refused_sessions += tokens->refused_sessions.value();
      sum.queries_sent_again += tokens->sent_again.value();
      for (size_t i = 0; i < kTokenLeftOuts; ++i) {
        sum.tokens_left_out[i] += tokens->left_out[i].value();
      }
    }
    if (const HoldCounters* held = thread->hold_counters(); held != nullptr) {
      sum.held_at_once += held->at_once.value();
      sum.held_waited += held->waited.value();
      sum.held_timed_out += held->timed_out.value();
      sum.held_unknown += held->unknown.value();
      sum.held_wait_ns += held->wait_ns.value();
    }
    if (thread->tap() == nullptr) continue;
    const Tap::Counters& tap = thread->tap()->counters();
    sum.captured_records += tap.records.value();
    sum.captured_bytes += tap.bytes.value();
    sum.capture_lost += tap.lost.value();
    sum.unrecorded_sessions += tap.unrecorded_sessions.value();
  }
  return sum;
}

compare::LatencyHistogram Forwarder::added_latency() const {
  compare::LatencyHistogram sum;
  for (const auto& thread : impl_->threads) sum.Merge(thread->AddedLatency());
  return sum;
}

void Forwarder::SetCapture(bool on, std::string_view reason) {
  MutexLock lock(&impl_->switch_mutex);
  if (on) {
    impl_->capture_switch.TurnOn();
  } else {
    impl_->capture_switch.TurnOff(reason);
  }
}

void Forwarder::OfferTokens(bool on) { impl_->offer.Set(on); }

void Forwarder::SetClientTls(std::shared_ptr<const TlsServer> server) {
  impl_->shared.client_tls.Set(std::move(server));
}

Stamp Forwarder::Now() const { return impl_->clock.Now(); }

void Forwarder::RequestFlush() {
  if (impl_->capture != nullptr) impl_->capture->RequestFlush();
}

bool Forwarder::WaitDrainedTo(Stamp stamp, std::chrono::milliseconds timeout) {
  return impl_->capture == nullptr || impl_->capture->WaitDrainedTo(stamp, timeout);
}

uint64_t Forwarder::ring_leftover() const { return impl_->leftover; }

}  // namespace pgparity::proxy
