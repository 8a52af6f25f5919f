#include "proxy/metrics.h"

#include <prometheus/text_serializer.h>

#include <initializer_list>
#include <utility>
#include <vector>

namespace pgparity::proxy {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

constexpr double kMicros = 1e6;  // of a second
// Microseconds. A forwarding proxy adds tens of them; a second is an outage.
constexpr uint64_t kBounds[] = {10,   25,   50,    100,   250,    500,    1000,
                                2500, 5000, 10000, 25000, 100000, 1000000};

class Page {
 public:
  void Counter(const char* name, const char* help, uint64_t value) {
    Family(name, help, MetricType::Counter).metric.push_back(CounterOf(static_cast<double>(value)));
  }
  void Seconds(const char* name, const char* help, double value) {
    Family(name, help, MetricType::Counter).metric.push_back(CounterOf(static_cast<double>(value)));
  }
  void Gauge(const char* name, const char* help, double value) {
    Family(name, help, MetricType::Gauge).metric.push_back(GaugeOf(value));
  }
  void Counters(const char* name, const char* help, const char* label,
                const std::map<std::string, uint64_t>& values) {
    MetricFamily& family = Family(name, help, MetricType::Counter);
    for (const auto& [key, value] : values) {
      family.metric.push_back(CounterOf(static_cast<double>(value)));
      family.metric.back().label.push_back({label, key});
    }
  }
  void Labelled(const char* name, const char* help, const char* label,
                std::initializer_list<std::pair<std::string, double>> values) {
    MetricFamily& family = Family(name, help, MetricType::Gauge);
    for (const auto& [key, value] : values) {
      family.metric.push_back(GaugeOf(value));
      family.metric.back().label.push_back({label, key});
    }
  }
  void Latency(const char* name, const char* help, const compare::LatencyHistogram& latency) {
    ClientMetric metric;
    metric.histogram.sample_count = latency.count();
    metric.histogram.sample_sum = latency.Sum() / kMicros;
    for (const uint64_t bound : kBounds) {
      metric.histogram.bucket.push_back(
          {latency.CountBelow(bound), static_cast<double>(bound) / kMicros});
    }
    Family(name, help, MetricType::Histogram).metric.push_back(std::move(metric));
  }
  std::string Text() const { return prometheus::TextSerializer().Serialize(families_); }

 private:
  MetricFamily& Family(const char* name, const char* help, MetricType type) {
    families_.push_back({name, help, type, {}});
    return families_.back();
  }
  static ClientMetric CounterOf(double value) {
    ClientMetric metric;
    metric.counter.value = value;
    return metric;
  }
  static ClientMetric GaugeOf(double value) {
    ClientMetric metric;
    metric.gauge.value = value;
    return metric;
  }

  std::vector<MetricFamily> families_;
};

void AddForwarding(const MetricsSnapshot& now, Page* page) {
  const ForwarderCounters& f = now.forward;
  page->Gauge("pgparity_primary_up", "Whether the primary could be reached lately.",
              now.primary_up ? 1 : 0);
  page->Gauge("pgparity_sessions", "Client sessions that are open.",
              static_cast<double>(f.sessions_open));
  page->Counter("pgparity_sessions_total", "Sessions that sent a startup message.", f.sessions);
  page->Counter("pgparity_logins_total", "Sessions that logged in.", f.logins);
  page->Counter("pgparity_sessions_refused_total", "Sessions refused by --max-sessions.",
                f.refused_sessions);
  page->Counter("pgparity_primary_connect_failures_total",
                "Sessions for which the primary could not be reached.", f.connect_failures);
  page->Counter("pgparity_cancel_requests_total", "Cancel requests passed on.", f.cancels);
  page->Counter("pgparity_cancel_requests_dropped_total",
                "Cancel requests with an unknown key, or too many.", f.cancels_dropped);
  page->Counter("pgparity_malformed_frames_total",
                "Sessions ended because a message's length could not be right.", f.bad_frames);
  page->Counter("pgparity_client_received_bytes_total", "Bytes from clients, passed on.",
                f.client_bytes);
  page->Counter("pgparity_primary_received_bytes_total", "Bytes from the primary, passed on.",
                f.server_bytes);
  page->Latency("pgparity_forward_added_seconds",
                "From the end of a receive to the end of its send, of one message in 64.",
                now.added_latency);
}

void AddTokens(const ForwarderCounters& f, Page* page) {
  page->Counter("pgparity_tokens_sent_total",
                "LSN tokens put into clients' exchanges (--ordering exact).", f.tokens_sent);
  page->Counter("pgparity_tokens_seen_total", "Of those, answered.", f.tokens_seen);
  page->Counter("pgparity_token_refused_sessions_total",
                "Sessions to which the primary refused a token.", f.tokens_refused_sessions);
  std::map<std::string, uint64_t> left_out;
  for (size_t i = 0; i < kTokenLeftOuts; ++i) {
    left_out[std::string(NameOf(static_cast<TokenLeftOut>(i)))] = f.tokens_left_out[i];
  }
  page->Counters("pgparity_tokens_left_out_total",
                 "Writes and commits that went without a token, by the reason.", "reason",
                 left_out);
}

void AddHolding(const ForwarderCounters& f, Page* page) {
  page->Counters("pgparity_held_writes_total",
                 "Autocommit writes of one row under --ordering hold: sent at once; that waited "
                 "for another's; of those, sent after --hold-wait all the same; not known in time.",
                 "outcome",
                 {{"at-once", f.held_at_once},
                  {"waited", f.held_waited},
                  {"timed-out", f.held_timed_out},
                  {"unknown", f.held_unknown}});
  page->Seconds("pgparity_held_wait_seconds_total", "Time that they waited, all in all.",
                static_cast<double>(f.held_wait_ns) / 1e9);
}

void AddShadowing(const MetricsSnapshot& now, Page* page) {
  page->Counter("pgparity_captured_bytes_total", "Bytes put into the capture rings.",
                now.forward.captured_bytes);
  page->Counter("pgparity_capture_lost_total", "Sessions lost to a full ring, each time a gap.",
                now.forward.capture_lost);
  page->Counter("pgparity_tracker_desynchronisations_total",
                "Sessions that the tracker could not follow any more, each time a gap.",
                now.tracker_desynchronisations);
  const auto is = [&](const char* state) { return now.shadow_state == state ? 1.0 : 0.0; };
  page->Labelled("pgparity_shadow_state", "1 for the state that the shadow side is in.", "state",
                 {{"shadowing", is("shadowing")},
                  {"catching-up", is("catching-up")},
                  {"degraded", is("degraded")},
                  {"paused", is("paused")}});
  page->Gauge("pgparity_shadow_lag_units", "Units journalled and not yet applied to the shadow.",
              static_cast<double>(now.shadow.lag_units));
  page->Gauge("pgparity_shadow_lag_seconds", "Age of the newest unit applied, while others wait.",
              now.shadow.lag_seconds);
  if (now.report == nullptr) return;
  std::map<std::string, uint64_t> units = now.report->units, statements = now.report->statements;
  for (const char* sum : {"seen", "pending"}) units.erase(sum);
  for (const char* sum : {"seen", "compared", "unaccounted", "ambiguous_resolved"})
    statements.erase(sum);
  page->Counters("pgparity_units_total", "Units of work by what became of them.", "outcome", units);
  page->Counters("pgparity_statements_total", "Statements by their class in the report.", "class",
                 statements);
  std::map<std::string, uint64_t> gaps;
  for (const compare::GapEntry& gap : now.report->gaps) gaps[gap.reason] += gap.count;
  page->Counters("pgparity_gaps_total", "Gaps by their reason.", "reason", gaps);
  page->Gauge("pgparity_soak_seconds", "Length of the soak so far.", now.report->seconds);
  page->Gauge("pgparity_soak_clean_seconds", "Of it, the time in which all was shadowed.",
              now.report->clean_seconds);
}

}  // namespace

std::string RenderMetrics(const MetricsSnapshot& snapshot) {
  Page page;
  page.Labelled("pgparity_build_info", "1, labelled with the version.", "version",
                {{snapshot.version, 1}});
  AddForwarding(snapshot, &page);
  if (snapshot.exact) AddTokens(snapshot.forward, &page);
  if (snapshot.hold) AddHolding(snapshot.forward, &page);
  if (snapshot.shadowing) AddShadowing(snapshot, &page);
  return page.Text();
}

}  // namespace pgparity::proxy
