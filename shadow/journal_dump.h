// The journal for people: what `pgparity journal` prints.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "shadow/journal.h"

namespace pgparity::shadow {

using PrintFn = std::function<void(std::string_view text)>;  // whole lines, with their newlines

struct DumpOptions {
  Position from = 0;   // the first record at or behind it; in one that is kept, at a record's begin
  uint64_t limit = 0;  // units; 0: all
  bool reveal = false;  // constants of statements and parameters, instead of their redaction
};

// One line a segment: positions, size, units, first and last time.
absl::Status ListJournal(JournalReader* reader, const PrintFn& print);
// One line a statement or gap. A corrupt record is a DataLoss error, after what comes before it.
absl::Status DumpJournal(JournalReader* reader, const DumpOptions& options, const PrintFn& print);

struct JournalCheck {
  uint64_t records = 0, units = 0, statements = 0, gaps = 0;
  Position begin = 0, end = 0;
  bool torn_tail = false;
};
// Reads and decodes every record; DataLoss for the first that is bad, with its position and file. A
// torn tail is none.
absl::StatusOr<JournalCheck> CheckJournal(JournalReader* reader);

}  // namespace pgparity::shadow
