// The subcommands, and what they share. Each sets *exit_code when it has run.
#pragma once

#include <cstdio>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "proxy/options.h"

namespace CLI {
class App;
}

namespace pgparity::tools {

inline constexpr int kExitOk = 0, kExitFail = 1, kExitInconclusive = 2, kExitUsage = 64,
                     kExitInternal = 70;

// What the command line does to the world; tests bring their own.
struct World {
  std::function<std::optional<std::string>(const std::string&)> environment;
  std::function<int(const proxy::ServeOptions&)> serve;
  FILE* out = stdout;
  FILE* err = stderr;
};

// Runs `pgparity ARGUMENTS` and returns its exit status.
int RunCommandLine(const std::vector<std::string>& arguments, const World& world);

void AddServeCommand(CLI::App& app, const World& world, int* exit_code);
void AddCtlCommand(CLI::App& app, const World& world, int* exit_code);
void AddReportCommand(CLI::App& app, const World& world, int* exit_code);
void AddVerdictCommand(CLI::App& app, const World& world, int* exit_code);
void AddJournalCommand(CLI::App& app, int* exit_code);

// Prints "pgparity COMMAND: MESSAGE" with control characters escaped, and returns 64 for a mistake
// of the user's (InvalidArgument, NotFound, FailedPrecondition), 70 otherwise.
int Complain(FILE* err, std::string_view command, const absl::Status& status);
// Writes and flushes; 70 when that fails, `exit_code` otherwise.
int Print(FILE* out, std::string_view text, int exit_code);

}  // namespace pgparity::tools
