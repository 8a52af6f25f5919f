// What /metrics says, in Prometheus' text format. Names follow Prometheus' conventions: base units
// (bytes, seconds), counters end in _total.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "compare/latency_histogram.h"
#include "compare/report.h"
#include "proxy/forwarder.h"
#include "shadow/applier.h"

namespace pgparity::proxy {

// The state at one scrape.
struct MetricsSnapshot {
  std::string version;
  bool primary_up = false;
  ForwarderCounters forward;
  bool exact = false, hold = false;         // --ordering
  compare::LatencyHistogram added_latency;  // microseconds, of one message in 64

  // Without a shadow the rest is left out.
  bool shadowing = false;
  std::string_view shadow_state;  // as `ctl status` spells it
  shadow::ApplierStatus shadow;
  uint64_t tracker_desynchronisations = 0;
  // Null when the parity log could not be read: what comes from it is left out.
  const compare::Report* report = nullptr;
};

std::string RenderMetrics(const MetricsSnapshot& snapshot);

}  // namespace pgparity::proxy
