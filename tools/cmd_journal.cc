#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <cstdio>
#include <memory>
#include <string>

#include "protocol/text.h"
#include "shadow/journal_dump.h"
#include "tools/commands.h"
#include "tools/help.h"
#include "tools/values.h"

namespace pgparity::tools {
namespace {

using protocol::StrCat;

struct Options {
  std::string data_dir;
  shadow::DumpOptions dump;
};

void PrintOut(std::string_view text) { std::fwrite(text.data(), 1, text.size(), stdout); }

// A journal that cannot be read is a finding (1); that there is none, or another version's, is a
// mistake (64).
int Finish(const absl::Status& status, std::string_view command) {
  if (std::fflush(stdout) != 0) return kExitInternal;
  if (status.ok()) return kExitOk;
  const int complained = Complain(stderr, command, status);
  return absl::IsDataLoss(status) ? kExitFail : complained;
}

int RunList(const Options& options) {
  const auto reader = shadow::JournalReader::Open(options.data_dir);
  if (!reader.ok()) return Finish(reader.status(), "journal ls");
  return Finish(shadow::ListJournal(reader->get(), PrintOut), "journal ls");
}

int RunCat(const Options& options) {
  const auto reader = shadow::JournalReader::Open(options.data_dir);
  if (!reader.ok()) return Finish(reader.status(), "journal cat");
  return Finish(shadow::DumpJournal(reader->get(), options.dump, PrintOut), "journal cat");
}

int RunVerify(const Options& options) {
  const auto reader = shadow::JournalReader::Open(options.data_dir);
  if (!reader.ok()) return Finish(reader.status(), "journal verify");
  const auto check = shadow::CheckJournal(reader->get());
  if (!check.ok()) return Finish(check.status(), "journal verify");
  PrintOut(StrCat("journal ", reader.value()->stream_id(), ": positions ", check->begin, " to ",
                  check->end, ", ", check->records, " records, ", check->units, " units, ",
                  check->statements, " statements, ", check->gaps, " gaps: whole\n"));
  if (check->torn_tail) {
    PrintOut(StrCat("note: an unfinished record at position ", check->end,
                    ": it is being written, or its writer was stopped in the middle; the next "
                    "`serve` cuts it off\n"));
  }
  return Finish(absl::OkStatus(), "journal verify");
}

}  // namespace

void AddJournalCommand(CLI::App& app, int* exit_code) {
  CLI::App* journal =
      app.add_subcommand("journal", "List, print and check the journal of captured units");
  journal->require_subcommand(1);
  const auto options = std::make_shared<Options>();

  CLI::App* ls = journal->add_subcommand("ls", "List its segments: positions, sizes, times, units");
  AddDataDir(ls, &options->data_dir);
  ls->callback([options, exit_code] { *exit_code = RunList(*options); });

  CLI::App* cat = journal->add_subcommand(
      "cat",
      "Print one line a statement: position, unit, session, time, end of the unit, text, outcome");
  AddDataDir(cat, &options->data_dir);
  cat->add_option("--from", options->dump.from,
                  "Begin at this position, of a record that `ls` or `cat` printed")
      ->type_name("POSITION");
  cat->add_option("--limit", options->dump.limit, "At most so many units")->type_name("N");
  cat->add_flag("--reveal", options->dump.reveal,
                "Show constants and parameters, which are user data");
  cat->callback([options, exit_code] { *exit_code = RunCat(*options); });

  CLI::App* verify = journal->add_subcommand(
      "verify",
      "Read every record and check it\n\n"
      "Exit status: 0 whole (a torn tail is a note), 1 a corrupt record, with its position.");
  AddDataDir(verify, &options->data_dir);
  verify->callback([options, exit_code] { *exit_code = RunVerify(*options); });
}

}  // namespace pgparity::tools
