// A stand-in until the journal's tool is there.
#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include "tools/commands.h"

namespace pgparity::tools {

void AddJournalCommand(CLI::App& app, int* exit_code) {
  CLI::App* journal = app.add_subcommand("journal", "List, print and check the journal");
  journal->callback([exit_code] { *exit_code = kExitInternal; });
}

}  // namespace pgparity::tools
