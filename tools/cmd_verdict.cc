#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <memory>

#include "compare/report.h"
#include "tools/commands.h"
#include "tools/help.h"
#include "tools/load.h"
#include "tools/values.h"

namespace pgparity::tools {
namespace {

struct Options {
  std::string data_dir;
  compare::VerdictOptions verdict;
};

int RunVerdict(const Options& options, const World& world) {
  const auto report = LoadDataDirReport(options.data_dir, {});
  if (!report.ok()) return Complain(world.err, "verdict", report.status());
  const compare::Judgement judgement = compare::Judge(*report, options.verdict);
  const int exit_code = judgement.verdict == compare::Verdict::pass   ? kExitOk
                        : judgement.verdict == compare::Verdict::fail ? kExitFail
                                                                      : kExitInconclusive;
  return Print(world.out, compare::RenderVerdict(judgement), exit_code);
}

}  // namespace

void AddVerdictCommand(CLI::App& app, const World& world, int* exit_code) {
  CLI::App* verdict =
      app.add_subcommand("verdict",
                         "Say PASS, FAIL or INCONCLUSIVE, with reasons, as exit status too\n\n"
                         "Exit status: 0 PASS, 1 FAIL, 2 INCONCLUSIVE. Run `pgparity ctl drain` "
                         "before it, since a unit of\n"
                         "work that is not applied yet makes the verdict INCONCLUSIVE.");
  verdict->footer(kLayersFooter);
  const auto options = std::make_shared<Options>();
  AddDataDir(verdict, &options->data_dir);
  AddVerdictOptions(verdict, &options->verdict);
  verdict->callback([options, world, exit_code] { *exit_code = RunVerdict(*options, world); });
}

}  // namespace pgparity::tools
