#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <memory>

#include "absl/time/clock.h"
#include "compare/report.h"
#include "tools/commands.h"
#include "tools/help.h"
#include "tools/load.h"
#include "tools/values.h"

namespace pgparity::tools {
namespace {

struct Options {
  std::string data_dir, format = "text", since;
  compare::ReportOptions report;
  compare::VerdictOptions verdict;
};

absl::StatusOr<std::string> ParseFormat(const std::string& value) {
  if (value == "text" || value == "json") return value;
  if (value == "html" || value == "junit") {
    return absl::InvalidArgumentError("\"" + value +
                                      "\" comes later; text and json are what there is");
  }
  return absl::InvalidArgumentError("\"" + value + "\" is none of text, json");
}

int RunReport(const Options& options, const World& world) {
  const auto report = LoadDataDirReport(options.data_dir, options.report);
  if (!report.ok()) return Complain(world.err, "report", report.status());
  const compare::Judgement judgement = compare::Judge(*report, options.verdict);
  return Print(world.out,
               options.format == "json" ? compare::RenderJson(*report, judgement)
                                        : compare::RenderText(*report, judgement),
               kExitOk);
}

}  // namespace

void AddReportCommand(CLI::App& app, const World& world, int* exit_code) {
  CLI::App* report = app.add_subcommand("report",
                                        "Show what was compared, what differs, and the verdict\n\n"
                                        "Reads the data directory; `pgparity serve` may be running "
                                        "or not. Exit status 0 whatever the\n"
                                        "verdict is: see `pgparity verdict`.");
  report->footer(kLayersFooter);
  const auto options = std::make_shared<Options>();
  AddDataDir(report, &options->data_dir);
  AddValue(report, "--format", &options->format, ParseFormat, "text|json", "How to write it")
      ->default_str("text");
  const auto since = [](const std::string& value) { return ParseSince(value, absl::Now()); };
  AddValue(
      report, "--since", &options->report.since_us, since, "TIME",
      "Only what was recorded since: how long ago (24h), or a time (2024-05-31T12:00:00Z). Goes by "
      "the minute; by the hour beyond a day, by the day beyond 30");
  report->add_flag("--reveal", options->report.reveal, "Show the values of examples, not <text 5>");
  AddVerdictOptions(report, &options->verdict);
  report->callback([options, world, exit_code] { *exit_code = RunReport(*options, world); });
}

}  // namespace pgparity::tools
