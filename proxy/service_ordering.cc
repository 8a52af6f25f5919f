#include "proxy/service_ordering.h"

#include "protocol/text.h"
#include "proxy/hold_analyser.h"
#include "proxy/log.h"

namespace pgparity::proxy {
namespace {

using protocol::StrCat;

}  // namespace

// Sessions try the token on their own too, so that it is no condition to have a user here.
void ServiceOrdering::AskForFirstToken() {
  if (!exact()) return;
  if (primary_.user.empty()) {
    return LogWarning(
        "--ordering exact: the primary's URL has no user; whether the primary tells its WAL "
        "position shows when clients log in");
  }
  TokenWatch::Hooks hooks;
  hooks.ask = [conninfo = primary_.ToLibpqConninfo(), timeout = options_.connect_timeout](
                  std::string* identity) { return AskForToken(conninfo, timeout, identity); };
  hooks.changed = primary_changed_;
  hooks.primary_reachable = [this] { return forwarder_->primary_reachable(); };
  hooks.offer = [this](bool on) {
    if (forwarder_ != nullptr) forwarder_->OfferTokens(on);
  };
  hooks.log_info = [](std::string_view line) { LogInfo(line); };
  hooks.log_warning = [](std::string_view line) { LogWarning(line); };
  watch_ = std::make_unique<TokenWatch>(std::move(hooks));
  watch_->Ask();
}

void ServiceOrdering::Prepare(ForwarderOptions* forward) {
  if (options_.ordering != OrderingMode::passive && !shadowing_) {
    LogWarning("--ordering without --shadow has no effect: nothing is captured");
  }
  AskForFirstToken();
  forward->ordering_text = options_.ordering_text;
  forward->tokens = exact();
  forward->tokens_offered = watch_ == nullptr || watch_->answer() == TokenWatch::Answer::answered;
  forward->on_token_refusal = [](std::string_view error) {
    LogWarning(StrCat("--ordering exact: the primary refused its position to a session (", error,
                      "): the order of what such sessions write is found as passive finds it"));
  };
  forward->hold = hold();
  forward->hold_wait = absl::ToChronoMilliseconds(options_.hold_wait);
  forward->load_catalog =
      [conninfo = primary_.ToLibpqConninfo(), timeout = options_.connect_timeout,
       user = !primary_.user.empty()]() -> absl::StatusOr<std::shared_ptr<const shadow::Catalog>> {
    if (!user) return absl::NotFoundError("its URL has no user");
    return LoadCatalogOnce(conninfo, timeout);
  };
  forward->log_warning = [](std::string_view line) { LogWarning(line); };
}

void ServiceOrdering::Start(Forwarder* forwarder) {
  forwarder_ = forwarder;
  if (watch_ != nullptr) watch_->Start();
}

void ServiceOrdering::Stop() {
  if (watch_ != nullptr) watch_->Stop();
}

void ServiceOrdering::AddStatus(const ForwarderCounters& forward,
                                boost::json::object* status) const {
  const bool refused = watch_ != nullptr && watch_->answer() == TokenWatch::Answer::refused;
  (*status)["ordering"] = hold() ? "hold" : exact() && !refused ? "exact" : "passive";
  if (hold()) {
    (*status)["held"] = boost::json::object{{"at_once", forward.held_at_once},
                                            {"waited", forward.held_waited},
                                            {"timed_out", forward.held_timed_out},
                                            {"unknown", forward.held_unknown}};
  }
  if (!exact()) return;
  if (refused) (*status)["ordering_refused"] = watch_->refusal();
  boost::json::object left_out;
  for (size_t i = 0; i < kTokenLeftOuts; ++i) {
    const std::string_view name = NameOf(static_cast<TokenLeftOut>(i));
    left_out[boost::json::string_view(name.data(), name.size())] = forward.tokens_left_out[i];
  }
  (*status)["tokens"] = boost::json::object{{"sent", forward.tokens_sent},
                                            {"seen", forward.tokens_seen},
                                            {"refused_sessions", forward.tokens_refused_sessions},
                                            {"sent_again", forward.queries_sent_again},
                                            {"left_out", std::move(left_out)}};
}

}  // namespace pgparity::proxy
