// What `pgparity serve` makes of --ordering.
#pragma once

#include <boost/json/object.hpp>
#include <functional>
#include <memory>
#include <utility>

#include "proxy/forwarder.h"
#include "proxy/options.h"
#include "proxy/token_watch.h"
#include "proxy/url.h"

namespace pgparity::proxy {

class ServiceOrdering {
 public:
  // All outlive it. `shadowing`: something is captured; else no mode has an effect.
  // `primary_changed`: told when another server answers in the primary's place.
  ServiceOrdering(const ServeOptions& options, const DatabaseUrl& primary, bool shadowing,
                  std::function<void()> primary_changed)
      : options_(options),
        primary_(primary),
        shadowing_(shadowing),
        primary_changed_(std::move(primary_changed)) {}

  // Asks the primary for a first token where that is needed, and fills the options in.
  void Prepare(ForwarderOptions* forward);
  // The forwarder is there; it outlives what is begun here, up to Stop().
  void Start(Forwarder* forwarder);
  void Stop();

  bool hold() const { return shadowing_ && options_.ordering == OrderingMode::hold; }
  bool exact() const { return shadowing_ && options_.ordering == OrderingMode::exact; }
  // `ordering` and its figures, for `ctl status`.
  void AddStatus(const ForwarderCounters& forward, boost::json::object* status) const;

 private:
  void AskForFirstToken();

  const ServeOptions& options_;
  const DatabaseUrl& primary_;
  const bool shadowing_;
  const std::function<void()> primary_changed_;
  Forwarder* forwarder_ = nullptr;
  std::unique_ptr<TokenWatch> watch_;
};

}  // namespace pgparity::proxy
