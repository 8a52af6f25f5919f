// Rows whose contents on the shadow are not known to be right, and why: two units wrote them in an
// order that nothing proves, concurrency may have made a statement write other rows there, or they
// are known to differ (taint). They are read again on both sides (settling.h), and leave when they
// are equal.
//
// Belongs to the applier's thread. Turns are Plan::turn: a row that was proved equal after turn N
// is still suspect to what is said of units up to N.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"
#include "shadow/rewrite.h"

namespace pgparity::shadow {

// What made rows differ.
struct TaintCause {
  std::string fingerprint;  // of the root divergence; empty where it was a gap
  std::string gap;          // or the gap's reason
};

// A mismatch that concurrency may explain, until all rows that it touched were found equal.
struct Ambiguity {
  std::string fingerprint;
  size_t open = 0;  // rows and tables
};

// One row, or a table as a whole.
struct SuspectEntry {
  // What is said of it holds for units up to a turn, once it has been proved equal.
  struct Mark {
    bool on = false;
    uint64_t until = 0;
    bool Holds(uint64_t turn) const { return on || turn <= until; }
    void Clear(uint64_t turn) {
      if (on) until = turn;
      on = false;
    }
  };
  RowAccess row;
  Mark unproved, tainted;
  TaintCause cause;
  uint64_t marks = 0;  // times that it was suspected
  absl::Time due = absl::InfinitePast();
  std::vector<std::shared_ptr<Ambiguity>> ambiguities;
  bool active() const { return unproved.on || tainted.on || !ambiguities.empty(); }
};

class SuspectRows {
 public:
  // `on_resolved`: the last row of an ambiguity was settled.
  explicit SuspectRows(std::function<void(const Ambiguity&)> on_resolved)
      : on_resolved_(std::move(on_resolved)) {}

  // Rows that may differ. How many were not suspected of it before.
  size_t AddUnproved(const std::vector<RowAccess>& rows);
  // Rows known to differ; the first cause stays.
  void AddTainted(const std::vector<RowAccess>& rows, const TaintCause& cause);
  // Any row of any table may differ, for good; settling clears nothing of it.
  void TaintAll(const TaintCause& cause) {
    if (!all_) all_ = cause;
  }
  // Rows to be read again only to settle the ambiguity.
  void AddAmbiguity(const std::vector<RowAccess>& rows, const std::string& fingerprint);

  bool Unproved(const std::vector<RowAccess>& rows, uint64_t turn) const;
  const TaintCause* Tainted(const std::vector<RowAccess>& rows, uint64_t turn) const;

  // --- settling ---
  // Up to `limit` rows of one table that are due, by key; they are due again at `again`.
  std::vector<RowAccess> TakeDue(size_t limit, absl::Time now, absl::Time again);
  // A table that is suspect as a whole and due.
  std::optional<std::string> TakeDueTable(absl::Time now, absl::Time again);
  enum class Standing : uint8_t { clear, unproved, tainted };
  Standing Of(const RowAccess& row) const;
  // The table as a whole, where it is suspect; what its rows inherit when it is read row by row.
  const SuspectEntry* WholeOf(const std::string& table) const;
  // Rows of a table that is read whole, which have to be read by key: as suspect as the table is.
  // How many were not suspected of being unproved before.
  size_t AddFromTable(const std::string& table, const std::vector<RowAccess>& rows);
  bool AnyDue(absl::Time until) const;
  // Equal on both sides after `turn`. Whether it had been unproved.
  bool Proved(const RowAccess& row, uint64_t turn);
  // The tables of rows that may differ, in order, with commas between them; for the next process.
  std::string UnprovedTables() const;
  // Rows suspected and not proved equal since, tables counting as one.
  size_t unproved() const { return unproved_; }
  // Rows and tables that settling may still clear.
  size_t open() const { return open_; }
  void Postpone(const RowAccess& row, absl::Time until);

 private:
  using Entry = SuspectEntry;
  struct Table {
    std::unique_ptr<Entry> whole;
    absl::flat_hash_map<uint64_t, Entry> rows;
  };

  // A table with more such rows than this is suspect as a whole.
  static constexpr size_t kMaxRows = 100000;
  // Proved entries are forgotten after so many turns: what is said of a unit is said by then.
  static constexpr uint64_t kTurnsKept = 100000;

  Entry& EntryOf(const RowAccess& row);
  Entry* Find(const RowAccess& row);
  void Wake(Entry* entry);
  void ForgetProved(uint64_t turn);
  template <typename Fn>
  static bool AnyEntry(const Table& table, const RowAccess& row, Fn&& wanted);

  const std::function<void(const Ambiguity&)> on_resolved_;
  absl::flat_hash_map<std::string, Table> tables_;
  size_t unproved_ = 0, open_ = 0;
  uint64_t forgotten_at_ = 0;
  std::optional<TaintCause> all_;
  std::string last_table_;  // served by TakeDue
};

}  // namespace pgparity::shadow
