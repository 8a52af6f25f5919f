#include "proxy/service.h"

#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <boost/json.hpp>
#include <cstdio>
#include <thread>

#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "compare/report.h"
#include "protocol/text.h"
#include "proxy/admin_server.h"
#include "proxy/auth.h"
#include "proxy/forwarder.h"
#include "proxy/log.h"
#include "proxy/metrics.h"
#include "proxy/role_map.h"
#include "proxy/service_manager.h"
#include "proxy/service_ordering.h"
#include "proxy/shadow_pipeline.h"
#include "proxy/url.h"

namespace pgparity::proxy {

using protocol::StrCat;

namespace {

constexpr int kExitInternal = 70;

// The signals that end or reload the process, taken in one place; blocked in every thread started
// later.
class Signals {
 public:
  Signals() {
    sigset_t set;
    sigemptyset(&set);
    for (int signal : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&set, signal);
    pthread_sigmask(SIG_BLOCK, &set, nullptr);
    signal(SIGPIPE, SIG_IGN);
    signals_ = signalfd(-1, &set, SFD_CLOEXEC);
    done_ = eventfd(0, EFD_CLOEXEC);
  }
  ~Signals() {
    close(signals_);
    close(done_);
  }
  // True for a signal to end, false once Done() was called.
  bool WaitForEnd(const std::function<void()>& on_hangup) {
    while (true) {
      pollfd waiting[2] = {{signals_, POLLIN, 0}, {done_, POLLIN, 0}};
      if (poll(waiting, 2, -1) < 0) continue;
      if (waiting[1].revents != 0) return false;
      signalfd_siginfo info;
      if (read(signals_, &info, sizeof(info)) != sizeof(info)) continue;
      if (info.ssi_signo != SIGHUP) return true;
      on_hangup();
    }
  }
  void Done() {
    const uint64_t one = 1;
    if (write(done_, &one, sizeof(one)) < 0) return;
  }

 private:
  int signals_ = -1, done_ = -1;
};

class Service {
 public:
  explicit Service(const ServeOptions& options) : options_(options) {}

  absl::Status Start();
  void Run(Signals* signals);
  void Stop();

 private:
  ShadowPipelineOptions PipelineOptions() const;
  absl::Status LoadTls();
  absl::Status LoadClientTls();
  absl::Status StartPipeline();
  absl::Status MakeAuthenticator();
  void Reload();
  absl::Status CheckRoles(const ShadowPipelineOptions& pipeline) const;
  ForwarderOptions ForwardOptions() const;
  AdminHandlers Handlers();
  std::string_view StateText(const shadow::ApplierStatus& shadow) const;
  std::string StatusJson() const;
  void AddDatabases(boost::json::object* status) const;
  std::string MetricsText() const;
  std::string ReportJson() const;
  void SetPaused(bool paused);
  absl::Status Drain(absl::Duration timeout);
  void SayWhatStarted() const;

  const ServeOptions& options_;
  DatabaseUrl primary_, shadow_;
  std::vector<int> passed_sockets_;  // of the service manager
  std::shared_ptr<const TlsServer> client_tls_;
  std::shared_ptr<const TlsClient> primary_tls_;
  std::vector<RoleMapEntry> role_map_;
  std::unique_ptr<ShadowPipeline> pipeline_;
  std::unique_ptr<Authenticator> authenticator_;
  std::unique_ptr<Forwarder> forwarder_;
  std::unique_ptr<ServiceOrdering> ordering_;
  std::unique_ptr<AdminServer> admin_;
};

ShadowPipelineOptions Service::PipelineOptions() const {
  ShadowPipelineOptions pipeline;
  pipeline.data_dir = options_.data_dir;
  pipeline.primary = primary_;
  pipeline.shadow = shadow_;
  pipeline.role_map = role_map_;
  pipeline.shadow_connections = static_cast<size_t>(options_.shadow_connections);
  pipeline.max_databases = options_.shadow_databases;
  pipeline.ddl = options_.ddl;
  pipeline.read_sample = options_.read_sample;
  pipeline.window = options_.window;
  pipeline.capture_rows = options_.capture_rows;
  pipeline.capture_frame = options_.capture_frame;
  pipeline.journal_segment = options_.journal_segment;
  pipeline.journal_keep = options_.journal_keep;
  pipeline.time_tolerance = options_.time_tolerance;
  pipeline.settling.rows_per_second = options_.settle_reads;
  pipeline.settling.max_table_rows = options_.settle_table_rows;
  pipeline.start_check = options_.start_check;
  pipeline.start_check_timeout = options_.start_check_timeout;
  pipeline.connect_timeout = options_.connect_timeout;
  return pipeline;
}

ForwarderOptions Service::ForwardOptions() const {
  ForwarderOptions forward;
  forward.listen = options_.listen;
  forward.passed_sockets = passed_sockets_;
  forward.primary_host = primary_.host;
  forward.primary_port = primary_.port;
  forward.client_tls = client_tls_;
  forward.proxy_protocol = options_.proxy_protocol;
  forward.require_tls = options_.require_tls || !options_.tls_client_ca.empty();
  forward.primary_tls = primary_tls_;
  forward.threads = options_.threads;
  forward.max_sessions = options_.max_sessions;
  forward.max_frame = static_cast<uint32_t>(options_.max_frame);
  forward.login_timeout = absl::ToChronoMilliseconds(options_.login_timeout);
  forward.connect_timeout = absl::ToChronoMilliseconds(options_.connect_timeout);
  forward.drain_timeout = absl::ToChronoMilliseconds(options_.drain_timeout);
  forward.ring_dir = options_.ring_dir;
  forward.data_dir = options_.data_dir;
  forward.ring_bytes = options_.ring_size;
  forward.capture_row_bytes = options_.capture_rows;
  if (pipeline_ != nullptr) forward.stamp_base = pipeline_->stamp_base();
  forward.authenticator = authenticator_.get();
  return forward;
}

absl::Status Service::LoadTls() {
  const absl::StatusOr<TlsClientOptions> to_primary = TlsClientOptionsOf(primary_);
  if (!to_primary.ok()) return to_primary.status();
  auto client = TlsClient::Create(*to_primary);
  if (!client.ok()) {
    return absl::InvalidArgumentError(StrCat("--primary: ", protocol::MessageOf(client.status())));
  }
  primary_tls_ = *std::move(client);
  return LoadClientTls();
}

absl::Status Service::LoadClientTls() {
  if (!options_.tls) return absl::OkStatus();
  TlsServerOptions own;
  own.certificate = options_.tls_cert;
  own.key = options_.tls_key;
  own.client_ca = options_.tls_client_ca;
  own.self_signed = options_.data_dir + "/self-signed.pem";
  if (own.certificate.empty()) mkdir(options_.data_dir.c_str(), 0700);  // a failure is said below
  auto server = TlsServer::Load(own);
  if (!server.ok()) return server.status();
  client_tls_ = *std::move(server);
  return absl::OkStatus();
}

// A mistake in the map is refused at the first start. Later, as when the shadow cannot be reached,
// it is no reason to keep clients from the primary; the map is looked at again whenever the shadow
// is connected to.
absl::Status Service::CheckRoles(const ShadowPipelineOptions& pipeline) const {
  const shadow::RoleMap roles = pipeline.Roles(pipeline.database());
  if (roles.empty()) return absl::OkStatus();
  absl::Status status = shadow::postgres::CheckRoleMap(pipeline.ShadowConninfo(pipeline.database()),
                                                       roles, pipeline.connect_timeout);
  if (status.ok() || (pipeline_->first_start() && !absl::IsUnavailable(status))) return status;
  LogWarning(StrCat(absl::IsUnavailable(status) ? "--shadow-role-map could not be checked yet: "
                                                : "--shadow-role-map: ",
                    protocol::MessageOf(status)));
  return absl::OkStatus();
}

absl::Status Service::StartPipeline() {
  if (options_.shadow.empty()) {
    LogWarning("no --shadow: traffic is forwarded, and nothing is captured or compared");
    return absl::OkStatus();
  }
  if (shadow_.kind != DatabaseUrl::Kind::postgres) {
    return absl::UnimplementedError(
        "--shadow: an SQLite shadow comes later; give a postgres:// URL");
  }
  if (!options_.shadow_role_map.empty()) {
    auto entries = ReadRoleMap(options_.shadow_role_map);
    if (!entries.ok()) return entries.status();
    role_map_ = *std::move(entries);
  }
  const ShadowPipelineOptions pipeline_options = PipelineOptions();
  auto pipeline = ShadowPipeline::Open(
      pipeline_options, [](std::string_view line) { LogInfo(line); },
      [](std::string_view line) { LogWarning(line); });
  if (!pipeline.ok()) return pipeline.status();
  pipeline_ = *std::move(pipeline);
  if (absl::Status status = CheckRoles(pipeline_options); !status.ok()) return status;
  pipeline_->BeginStartCheck();
  return absl::OkStatus();
}

absl::Status Service::MakeAuthenticator() {
  AuthOptions auth;
  auth.mode = options_.auth;
  auth.primary = primary_;
  auth.primary_tls = primary_tls_ != nullptr;
  auth.file = options_.auth_file;
  auth.query = options_.auth_query;
  auth.query_keep = options_.auth_query_keep;
  auth.query_rate = static_cast<double>(options_.auth_query_rate);
  auth.connect_timeout = options_.connect_timeout;
  auth.data_dir = options_.data_dir;
  auth.log_info = [](std::string_view line) { LogInfo(line); };
  auth.log_warning = [](std::string_view line) { LogWarning(line); };
  auto made = Authenticator::Make(std::move(auth));
  if (!made.ok()) return made.status();
  authenticator_ = *std::move(made);
  return absl::OkStatus();
}

// SIGHUP.
void Service::Reload() {
  absl::Status status = LoadClientTls();
  if (status.ok()) {
    forwarder_->SetClientTls(client_tls_);
    status = authenticator_->Reload();
  }
  if (!status.ok()) {
    LogWarning(StrCat("not reloaded: ", protocol::MessageOf(status)));
  } else {
    LogInfo("reloaded");
  }
}

absl::Status Service::Start() {
  SetLogLevel(options_.log_level);
  auto passed = TakePassedSockets();
  if (!passed.ok()) return passed.status();
  passed_sockets_ = *std::move(passed);
  auto primary = DatabaseUrl::Parse(options_.primary);
  if (!primary.ok()) return primary.status();
  primary_ = *std::move(primary);
  if (!options_.shadow.empty()) {
    auto shadow = DatabaseUrl::Parse(options_.shadow);
    if (!shadow.ok()) return shadow.status();
    shadow_ = *std::move(shadow);
  }
  if (absl::Status status = LoadTls(); !status.ok()) return status;
  if (absl::Status status = StartPipeline(); !status.ok()) return status;
  if (absl::Status status = MakeAuthenticator(); !status.ok()) return status;
  ordering_ = std::make_unique<ServiceOrdering>(options_, primary_, pipeline_ != nullptr,
                                                [this] { pipeline_->PrimaryChanged(); });
  ForwarderOptions forward = ForwardOptions();
  ordering_->Prepare(&forward);
  auto forwarder =
      Forwarder::Start(std::move(forward), pipeline_ != nullptr ? pipeline_->sink() : nullptr);
  if (!forwarder.ok()) return forwarder.status();
  forwarder_ = *std::move(forwarder);
  if (pipeline_ != nullptr) {
    if (const uint64_t left = forwarder_->ring_leftover(); left > 0) {
      pipeline_->Gap("ring-not-consumed",
                     StrCat(left, " bytes captured by the process before were not journalled"));
    }
    absl::Status status = pipeline_->Start([this] { return forwarder_->Now(); });
    if (!status.ok()) return status;
  }
  ordering_->Start(forwarder_.get());
  if (!options_.admin.empty()) {
    auto admin = AdminServer::Start(options_.admin, options_.admin_token, Handlers());
    if (!admin.ok()) return admin.status();
    admin_ = *std::move(admin);
  }
  SayWhatStarted();
  return absl::OkStatus();
}

void Service::SayWhatStarted() const {
  if (passed_sockets_.empty()) {
    for (const std::string& address : options_.listen) LogInfo(StrCat("listening on ", address));
  } else {
    LogInfo(StrCat("listening on ", passed_sockets_.size(),
                   " sockets of the service manager, in place of --listen"));
  }
  if (client_tls_ != nullptr && client_tls_->self_signed()) {
    LogInfo(
        "clients may use TLS, with a self-signed certificate: sslmode=require works, "
        "verify-ca and verify-full need --tls-cert and --tls-key");
  }
  LogInfo(StrCat("primary ", primary_.Redacted()));
  if (pipeline_ == nullptr) return;
  pipeline_->log()->SetFact("primary", primary_.Redacted());
  LogInfo(StrCat("shadow ", shadow_.Redacted(), ", data in ", options_.data_dir));
  if (primary_.user.empty()) {
    LogWarning(
        "the primary's URL has no user: no connection of our own to it. Generated keys are not "
        "pinned, tables are "
        "not counted at the start, and no verdict can be PASS");
  } else {
    LogInfo(StrCat("connections of our own: ",
                   authenticator_->queries() ? "2 to the primary (one for --auth-query), "
                                             : "1 to the primary, ",
                   options_.shadow_connections, " to the shadow"));
  }
}

AdminHandlers Service::Handlers() {
  AdminHandlers handlers;
  handlers.status_json = [this] { return StatusJson(); };
  handlers.ready = [this] { return forwarder_->primary_reachable(); };
  handlers.set_paused = [this](bool paused) { SetPaused(paused); };
  handlers.drain = [this](absl::Duration timeout) { return Drain(timeout); };
  handlers.report_json = [this] { return ReportJson(); };
  handlers.metrics_text = [this] { return MetricsText(); };
  return handlers;
}

std::string_view Service::StateText(const shadow::ApplierStatus& shadow) const {
  const bool paused = pipeline_ == nullptr || pipeline_->paused();
  return paused ? "paused" : shadow::StateName(shadow.state);
}

std::string Service::MetricsText() const {
  MetricsSnapshot now;
  now.version = PGPARITY_VERSION;
  now.primary_up = forwarder_->primary_reachable();
  now.forward = forwarder_->counters();
  now.exact = ordering_->exact();
  now.hold = ordering_->hold();
  now.added_latency = forwarder_->added_latency();
  if (pipeline_ == nullptr) return RenderMetrics(now);
  now.shadowing = true;
  now.shadow = pipeline_->status();
  now.shadow_state = StateText(now.shadow);
  now.tracker_desynchronisations = pipeline_->desynchronised();
  const auto report = compare::LoadReport(pipeline_->parity_log_path(), {});
  if (report.ok()) now.report = &*report;
  return RenderMetrics(now);
}

void Service::AddDatabases(boost::json::object* status) const {
  boost::json::array databases, passed;
  for (const DatabaseStatus& one : pipeline_->databases().databases()) {
    const std::string_view state = shadow::StateName(one.applier.state);
    databases.push_back({{"database", compare::EscapeControl(one.database)},
                         {"state", boost::json::string_view(state.data(), state.size())},
                         {"lag_units", one.applier.lag_units},
                         {"lag_seconds", one.applier.lag_seconds},
                         {"applied_units", one.applier.applied},
                         {"trouble", compare::EscapeControl(one.applier.trouble)}});
  }
  for (const PassedThrough& one : pipeline_->databases().passed_through())
    passed.push_back(
        {{"database", compare::EscapeControl(one.database)}, {"sessions", one.sessions}});
  (*status)["databases"] = std::move(databases);
  (*status)["not_shadowed"] = std::move(passed);
}

std::string Service::StatusJson() const {
  const shadow::ApplierStatus shadow =
      pipeline_ != nullptr ? pipeline_->status() : shadow::ApplierStatus{};
  const ForwarderCounters forward = forwarder_->counters();
  boost::json::object status;
  const std::string_view state = StateText(shadow);
  status["state"] = boost::json::string_view(state.data(), state.size());
  status["lag_units"] = shadow.lag_units;
  status["lag_seconds"] = shadow.lag_seconds;
  status["applied_units"] = shadow.applied;
  status["trouble"] = compare::EscapeControl(shadow.trouble);
  status["primary_reachable"] = forwarder_->primary_reachable();
  status["sessions"] = forward.sessions_open;
  status["sessions_total"] = forward.sessions;
  status["failed_logins"] = forward.failed_logins;
  status["client_bytes"] = forward.client_bytes;
  status["server_bytes"] = forward.server_bytes;
  status["capture_lost"] = forward.capture_lost;
  if (pipeline_ != nullptr) AddDatabases(&status);
  ordering_->AddStatus(forward, &status);
  if (pipeline_ != nullptr) status["tracker_desynchronised"] = pipeline_->desynchronised();
  return boost::json::serialize(status);
}

std::string Service::ReportJson() const {
  if (pipeline_ == nullptr) return "{}";
  compare::ReportOptions options;
  options.pending_units = pipeline_->pending_units();
  auto report = compare::LoadReport(pipeline_->parity_log_path(), options);
  if (!report.ok())
    return boost::json::serialize(
        boost::json::object{{"error", std::string(protocol::MessageOf(report.status()))}});
  return compare::RenderJson(*report, compare::Judge(*report, {}));
}

void Service::SetPaused(bool paused) {
  if (pipeline_ == nullptr) return;
  forwarder_->SetCapture(!paused, "paused");
  pipeline_->SetPaused(paused);
}

absl::Status Service::Drain(absl::Duration timeout) {
  if (pipeline_ == nullptr) return absl::FailedPreconditionError("there is no shadow");
  const absl::Time deadline = absl::Now() + timeout;
  const Stamp now = forwarder_->Now();
  forwarder_->RequestFlush();
  if (!forwarder_->WaitDrainedTo(now, absl::ToChronoMilliseconds(timeout))) {
    return absl::DeadlineExceededError("what was captured has not reached the journal yet");
  }
  return pipeline_->Drain(std::max(absl::ZeroDuration(), deadline - absl::Now()));
}

void Service::Run(Signals* signals) {
  const auto reload = [this] { Reload(); };
  signals->WaitForEnd(reload);
  NotifyServiceManager("STOPPING=1");
  LogInfo("draining: no new sessions, idle ones are ended; a second signal ends all at once");
  std::thread drain([this, signals] {
    forwarder_->Drain();
    signals->Done();
  });
  if (signals->WaitForEnd(reload)) {
    LogWarning("ending at once");
    forwarder_->Stop();
  }
  drain.join();
}

void Service::Stop() {
  if (admin_ != nullptr) admin_->Stop();
  if (authenticator_ != nullptr) authenticator_->Stop();
  if (ordering_ != nullptr) ordering_->Stop();
  if (forwarder_ != nullptr) forwarder_->Stop();
  if (pipeline_ != nullptr && forwarder_ != nullptr) {
    pipeline_->log()->AddProxyLatency(forwarder_->added_latency());
    pipeline_->Stop();
  }
}

}  // namespace

int RunServe(const ServeOptions& options) {
  Signals signals;
  Service service(options);
  if (absl::Status status = service.Start(); !status.ok()) {
    const std::vector<std::string> lines =
        absl::StrSplit(protocol::ToAbsl(protocol::MessageOf(status)), '\n');
    for (const std::string& line : lines)
      std::fprintf(stderr, "pgparity serve: %s\n", compare::EscapeControl(line).c_str());
    service.Stop();
    return kExitInternal;
  }
  NotifyServiceManager("READY=1");
  service.Run(&signals);
  service.Stop();
  LogInfo("stopped");
  return 0;
}

}  // namespace pgparity::proxy
