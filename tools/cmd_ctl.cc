#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <boost/json.hpp>
#include <memory>

#include "protocol/text.h"
#include "proxy/options.h"
#include "tools/admin_client.h"
#include "tools/commands.h"
#include "tools/help.h"
#include "tools/values.h"

namespace pgparity::tools {
namespace {

using protocol::StrCat;

constexpr absl::Duration kAnswerTime = absl::Seconds(30);

struct Options {
  std::string admin = proxy::ServeOptions().admin;
  std::string token;
  absl::Duration timeout = absl::Seconds(30);
};

// The text of {"error": "..."}, or what came instead.
std::string ErrorText(const HttpAnswer& answer) {
  boost::json::error_code error;
  const boost::json::value value = boost::json::parse(answer.body, error);
  if (!error && value.is_object()) {
    const auto* text = value.as_object().if_contains("error");
    if (text != nullptr && text->is_string()) return std::string(text->as_string().c_str());
  }
  return StrCat("HTTP status ", answer.status);
}

int Refused(const World& world, const std::string& command, const HttpAnswer& answer) {
  const std::string text = ErrorText(answer);
  const bool usage = answer.status == 401 || answer.status == 403;
  return Complain(
      world.err, command,
      usage ? absl::InvalidArgumentError(StrCat(text, " (--token)")) : absl::InternalError(text));
}

int RunStatus(const Options& options, const World& world) {
  const auto answer = AskAdmin(options.admin, options.token, "GET", "/api/v1/status", kAnswerTime);
  if (!answer.ok()) return Complain(world.err, "ctl status", answer.status());
  if (answer->status != 200) return Refused(world, "ctl status", *answer);
  return Print(world.out, answer->body + "\n", kExitOk);
}

int RunReady(const Options& options, const World& world) {
  const auto answer = AskAdmin(options.admin, options.token, "GET", "/readyz", absl::Seconds(5));
  if (!answer.ok()) {
    Complain(world.err, "ctl ready", answer.status());
    return kExitFail;
  }
  if (answer->status == 200) return Print(world.out, "ready\n", kExitOk);
  if (answer->status != 503) return Refused(world, "ctl ready", *answer);
  return Print(world.out, "not ready: the primary cannot be reached\n", kExitFail);
}

int RunSwitch(const Options& options, const World& world, const std::string& verb) {
  const std::string command = "ctl " + verb;
  const auto answer =
      AskAdmin(options.admin, options.token, "POST", "/api/v1/" + verb, kAnswerTime);
  if (!answer.ok()) return Complain(world.err, command, answer.status());
  if (answer->status != 200) return Refused(world, command, *answer);
  return Print(world.out,
               verb == "pause" ? "shadowing is paused; clients are served as before\n"
                               : "shadowing goes on\n",
               kExitOk);
}

int RunDrain(const Options& options, const World& world) {
  const std::string target =
      StrCat("/api/v1/drain?timeout_ms=", absl::ToInt64Milliseconds(options.timeout));
  const auto answer =
      AskAdmin(options.admin, options.token, "POST", target, options.timeout + kAnswerTime);
  if (!answer.ok()) return Complain(world.err, "ctl drain", answer.status());
  if (answer->status == 504) {
    Complain(
        world.err, "ctl drain",
        absl::DeadlineExceededError(StrCat("not drained in ", proxy::DurationText(options.timeout),
                                           ": ", ErrorText(*answer))));
    return kExitInconclusive;
  }
  if (answer->status != 200) return Refused(world, "ctl drain", *answer);
  return Print(world.out, "drained\n", kExitOk);
}

}  // namespace

void AddCtlCommand(CLI::App& app, const World& world, int* exit_code) {
  CLI::App* ctl = app.add_subcommand("ctl",
                                     "Ask or tell a running `pgparity serve`\n\nTalks to its admin "
                                     "address; clients notice nothing.");
  ctl->require_subcommand(1);
  const auto options = std::make_shared<Options>();
  const auto add_common = [options](CLI::App* at) {
    AddText(at, "--admin", &options->admin, "ADDR", "The admin address that serve was given");
    AddText(at, "--token,--admin-token", &options->token, "TEXT",
            "Its bearer token, if it has one. Better given as PGPARITY_ADMIN_TOKEN");
    at->footer(kLayersFooter);
  };
  const auto add = [&](const std::string& name, const std::string& text, auto run) {
    CLI::App* sub = ctl->add_subcommand(name, text);
    add_common(sub);
    sub->callback([options, world, exit_code, run] { *exit_code = run(*options, world); });
    return sub;
  };
  add_common(ctl);
  add("status",
      "Print as JSON how the shadowing stands\n\n"
      "state is shadowing, catching-up, degraded or paused; lag_units and lag_seconds say how far\n"
      "the shadow is behind.",
      RunStatus);
  add("ready",
      "Say whether it listens and reaches the primary, for health checks\n\n"
      "Never depends on the shadow. Exit status: 0 ready, 1 not.",
      RunReady);
  add("pause",
      "Stop shadowing; clients are served as before\n\n"
      "What is written meanwhile is a gap: the verdict cannot be PASS any more.",
      [](const Options& o, const World& w) { return RunSwitch(o, w, "pause"); });
  add("resume", "Go on shadowing after a pause",
      [](const Options& o, const World& w) { return RunSwitch(o, w, "resume"); });
  CLI::App* drain = add("drain",
                        "Wait until all that was acknowledged is applied and compared\n\n"
                        "Exit status: 0 drained, 2 not in time.",
                        RunDrain);
  AddDuration(drain, "--timeout", &options->timeout, "How long to wait; at most 24h");
}

}  // namespace pgparity::tools
