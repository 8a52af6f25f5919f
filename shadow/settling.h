// Settling: suspect rows are read again on both sides, fenced, and are equal, repaired, or
// divergent (DESIGN, "Classes": `ambiguous`, and "Values and effects": the primary's effect).
//
// The fence: a reading of a row on the primary between the stamps s and e, and one on the shadow
// once all units that began before e have been applied, speak of the same state unless a unit that
// was acknowledged at s or later wrote the row.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "compare/mutex.h"
#include "compare/parity_log.h"
#include "shadow/overlap.h"
#include "shadow/row_selection.h"
#include "shadow/sequencer.h"
#include "shadow/store.h"
#include "shadow/suspect_rows.h"

namespace pgparity::shadow {

struct SettlingOptions {
  uint64_t rows_per_second = 2000;      // read on the primary, --settle-reads; 0: none
  uint64_t max_table_rows = 1'000'000;  // larger tables are not read whole
  int64_t time_tolerance_us = 1'000'000;
};

// What is asked of the primary: rows by key, or the next rows of a table that is read whole.
struct SettleRequest {
  RowSelection selection;
  std::string table;            // as RowAccess names it
  std::vector<RowAccess> rows;  // by key
};

// Methods belong to the applier's thread; the primary is read on a thread of its own, named
// `settling`.
class Settling {
 public:
  using ReadPrimary = std::function<absl::StatusOr<compare::Observation>(const RowSelection&)>;
  struct Hooks {
    ReadPrimary read_primary;                       // on the settling thread; may wait
    std::function<Stamp()> now;                     // thread-safe
    std::function<void()> wake;                     // a reading has come; thread-safe
    std::function<void(std::string_view)> warning;  // thread-safe
    std::function<void()> before_write;             // of the shadow
    // A row that nothing explains differs.
    std::function<void(const RowAccess&, const compare::Comparison&)> divergent;
  };
  // All outlive it.
  Settling(SettlingOptions options, Hooks hooks, SuspectRows* suspects,
           const OverlapIndex* overlaps, compare::ParityLog* log);
  ~Settling();

  // Asks for the next rows that are due, unless a reading is under way.
  void Ask(const Catalog& primary);
  // A reading may be judged: all that began before its end has been handed on. Asked after each
  // move of the sequencer.
  bool Ripe(const Sequencer& sequencer);
  // Nothing is in flight on the store, and all units up to `turn` have been applied.
  absl::Status Judge(Store* store, const Catalog& primary, uint64_t turn);
  // Nothing is under way, and nothing is due within the next moment.
  bool idle() const;

 private:
  struct Reading {
    SettleRequest request;
    Interval read;
    absl::StatusOr<compare::Observation> rows = absl::UnavailableError("not read");
  };
  // A table that is read whole.
  struct Audit {
    std::string table;
    std::optional<KeyText> after;
    uint64_t marks = 0;  // SuspectEntry::marks when it began
    Stamp began = 0;
    uint64_t rows = 0;
  };
  struct Sides;

  void Run();
  std::optional<SettleRequest> NextRequest(const Catalog& primary);
  std::optional<SettleRequest> NextOfAudit(const Catalog& primary);
  absl::Status JudgeRows(const Reading& reading, Store* store, const CatalogTable& table,
                         const Catalog& primary, uint64_t turn);
  absl::Status JudgeChunk(const Reading& reading, Store* store, const CatalogTable& table,
                          const Catalog& primary, uint64_t turn);
  void EndAudit(uint64_t turn);
  // What is to be written on the shadow, if anything.
  std::optional<RowWrite> JudgeRow(const RowAccess& row, const Reading& reading, const Sides& sides,
                                   uint64_t turn);
  absl::Status Repair(Store* store, const RowSelection& selection,
                      const std::vector<RowWrite>& writes);
  void GiveUp(const RowAccess& what, std::string_view why);

  const SettlingOptions options_;
  const Hooks hooks_;
  SuspectRows* const suspects_;
  const OverlapIndex* const overlaps_;
  compare::ParityLog* const log_;
  std::optional<Audit> audit_;
  std::optional<Position> ripe_at_;  // of the reading that has come
  absl::Time next_ask_ = absl::InfinitePast();
  bool asked_ = false;  // a reading is under way, or has come
  std::string warned_;  // the newest warning

  mutable Mutex mutex_;
  std::condition_variable_any changed_;
  bool stop_ ABSL_GUARDED_BY(mutex_) = false;
  std::optional<SettleRequest> request_ ABSL_GUARDED_BY(mutex_);
  std::optional<Reading> reading_ ABSL_GUARDED_BY(mutex_);
  std::thread thread_;
};

}  // namespace pgparity::shadow
