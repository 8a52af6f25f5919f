#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>

#include "compare/redact.h"
#include "protocol/text.h"
#include "tools/commands.h"
#include "tools/help.h"
#include "tools/layers.h"

namespace pgparity::tools {
namespace {

using protocol::StrCat;

std::string NameOf(const std::vector<std::string>& command) {
  std::string name = "pgparity";
  for (const std::string& word : command) name += " " + word;
  return name;
}

// --config is read before parsing; here it only has to be known, on every level.
void AddCommonOptions(CLI::App* app) {
  if (app->get_option_no_throw("--config") == nullptr) {
    app->add_option("--config", "Read options from this TOML file")
        ->type_name("FILE")
        ->group("Other");
  }
  if (app->get_help_ptr() != nullptr) app->get_help_ptr()->group("Other");
  for (CLI::App* sub : app->get_subcommands([](CLI::App*) { return true; })) {
    sub->group("Commands");
    AddCommonOptions(sub);
  }
}

void Describe(CLI::App* app) {
  app->name("pgparity");
  app->description(
      "pgparity forwards Postgres traffic to the primary, replays every committed write into a "
      "shadow\n"
      "database, compares the answers, and says whether the two have been at parity.");
  app->footer(
      "Exit status: 0 done or PASS, 1 FAIL, 2 INCONCLUSIVE, 64 wrong usage, 70 internal error.\n"
      "`pgparity COMMAND --help` shows a command's options.");
  app->formatter(HelpFormatter());
  app->set_help_flag("-h,--help", "Show this help");
  app->set_version_flag("--version", "pgparity " PGPARITY_VERSION, "Show the version")
      ->group("Other");
  app->require_subcommand(1);
}

// The message of an error in a value, with where the value came from.
std::string WithOrigin(std::string message, const std::map<std::string, std::string>& origins) {
  for (const auto& [option, origin] : origins) {
    if (message.starts_with(option + ":") || message.starts_with(option + " ")) {
      message += StrCat(" (given by ", origin, ")");
    }
  }
  return message;
}

}  // namespace

int Complain(FILE* err, std::string_view command, const absl::Status& status) {
  const std::string text = compare::EscapeControl(protocol::MessageOf(status));
  std::fprintf(err, "pgparity%s%s: %s\n", command.empty() ? "" : " ", std::string(command).c_str(),
               text.c_str());
  const bool usage = absl::IsInvalidArgument(status) || absl::IsNotFound(status) ||
                     absl::IsFailedPrecondition(status);
  return usage ? kExitUsage : kExitInternal;
}

int Print(FILE* out, std::string_view text, int exit_code) {
  const bool written = std::fwrite(text.data(), 1, text.size(), out) == text.size();
  return std::fflush(out) == 0 && written ? exit_code : kExitInternal;
}

int RunCommandLine(const std::vector<std::string>& arguments, const World& world) {
  CLI::App app;
  int exit_code = kExitOk;
  Describe(&app);
  AddServeCommand(app, world, &exit_code);
  AddCtlCommand(app, world, &exit_code);
  AddReportCommand(app, world, &exit_code);
  AddVerdictCommand(app, world, &exit_code);
  AddJournalCommand(app, &exit_code);
  AddCommonOptions(&app);
  const auto layered = LayerArguments(app, arguments, world.environment);
  if (!layered.ok()) {
    std::fprintf(world.err, "pgparity: %s\n",
                 compare::EscapeControl(protocol::MessageOf(layered.status())).c_str());
    return kExitUsage;
  }
  const std::string name = NameOf(layered->command);
  try {
    // CLI11 takes them from the back.
    std::vector<std::string> reversed(layered->arguments.rbegin(), layered->arguments.rend());
    app.parse(std::move(reversed));
  } catch (const CLI::CallForHelp&) {
    return Print(world.out, app.help(), kExitOk);
  } catch (const CLI::CallForVersion& version) {
    return Print(world.out, StrCat(version.what(), "\n"), kExitOk);
  } catch (const CLI::ParseError& error) {
    const std::string what = WithOrigin(error.what(), layered->origins);
    std::fprintf(world.err, "%s: %s; see %s --help\n", name.c_str(),
                 compare::EscapeControl(what).c_str(), name.c_str());
    return kExitUsage;
  } catch (const std::exception& error) {
    std::fprintf(world.err, "%s: internal error: %s\n", name.c_str(),
                 compare::EscapeControl(error.what()).c_str());
    return kExitInternal;
  }
  return exit_code;
}

}  // namespace pgparity::tools
