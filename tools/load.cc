#include "tools/load.h"

#include <optional>

#include "proxy/data_dir.h"
#include "shadow/journal.h"

namespace pgparity::tools {
namespace {

// Units in the journal from `position` on; nullopt when that cannot be read.
std::optional<uint64_t> UnitsFrom(const std::string& journal_dir, uint64_t position) {
  auto journal = shadow::JournalReader::Open(journal_dir);
  if (!journal.ok() || !(*journal)->Seek(position).ok()) return std::nullopt;
  uint64_t units = 0;
  while (true) {
    const auto record = (*journal)->Next();
    // What stands behind a damaged record is pending too: one at least.
    if (!record.ok()) return units + 1;
    if (!record->has_value()) return units;
    const shadow::RecordType type = (**record).type;
    if (type == shadow::RecordType::unit || type == shadow::RecordType::unit_end) ++units;
  }
}

}  // namespace

absl::StatusOr<compare::Report> LoadDataDirReport(const std::string& data_dir,
                                                  compare::ReportOptions options) {
  if (absl::Status status = proxy::CheckDataDir(data_dir); !status.ok()) return status;
  const std::string path = data_dir + "/parity.db";
  auto report = compare::LoadReport(path, options);
  if (!report.ok() || !report->applied_position.has_value()) return report;
  const auto pending = UnitsFrom(data_dir + "/journal", *report->applied_position);
  if (pending.has_value()) report->units["pending"] = *pending;
  return report;
}

}  // namespace pgparity::tools
