// Decides how a unit is run on the shadow: which statements, in what form, on which lane. The one
// place that reads DESIGN's rules "Not replayed", "Not compared" and "Gaps".
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "shadow/analysis.h"
#include "shadow/store.h"

namespace pgparity::shadow {

enum class DdlMode : uint8_t { replay, skip, reconcile };

// Why a statement is not run or not compared; "" for one that is.
struct StatementVerdict {
  std::shared_ptr<const Analysis> analysis;  // never null
  std::string not_compared;                  // reason code
  std::string volatile_reason;
  std::string gap;  // reason code: the shadow's contents may differ from here on
  // Counts as neither compared nor not compared, and is not run: transaction control, pings.
  bool transaction_control = false;
};

// A read that may be run at other cuts than its unit's turn.
struct CutRead {
  size_t index = 0;   // of the statement
  Interval interval;  // in which its snapshot was taken
  std::vector<RowAccess> touched;
};

// What the shadow answered at other cuts, by statement.
struct CutObservations {
  std::vector<StatementOutcome> seen;
  int pending = 0;  // runs on their way
};

struct Plan {
  std::shared_ptr<PlannedUnit> unit;
  std::vector<StatementVerdict> verdicts;  // one a statement of the unit
  std::vector<RowAccess> writes;           // of the whole unit
  std::vector<RowAccess> locks;            // rows that it locks without writing them
  std::vector<CutRead> cut_reads;
  std::shared_ptr<CutObservations> cuts;  // null where there are no cut_reads
  // This is not a unit but a run of one of another unit's cut_reads.
  std::shared_ptr<CutObservations> probe;
  bool read_only = false;
  uint64_t turn = 0;  // its place in the order, counted from 1 by the applier
};

struct PlannerOptions {
  DdlMode ddl = DdlMode::replay;
  std::string database;  // the one that is shadowed; units of others are a gap
  uint64_t capture_bytes = 1 << 20;
};

// Belongs to the applier's thread.
class Planner {
 public:
  explicit Planner(PlannerOptions options) : options_(std::move(options)) {}

  Plan Make(const std::shared_ptr<const Unit>& unit, const UnitRef& ref, const Catalog& primary,
            const Catalog& shadow);

 private:
  StatementVerdict Decide(const Unit& unit, size_t index);
  void DecideByOutcome(const Statement& statement, StatementVerdict* verdict) const;
  void DecideByKind(const Unit& unit, size_t index, StatementVerdict* verdict);
  static void FindCutReads(const Unit& unit, const RewriteContext& context, Plan* plan);
  PlannedStatement PlanStatement(const Plan& plan, const Unit& unit, size_t index,
                                 const RewriteContext& context) const;
  static void RefuseUnit(const Unit& unit, std::string_view reason, Plan* plan);
  static PlannedUnit::Lane ChooseLane(const Plan& plan, const Unit& unit, const Catalog& primary,
                                      const Catalog& shadow);
  bool UsesTemporaryTable(uint64_t session, const Analysis& analysis) const;
  void NoteTemporaryTables(uint64_t session, const Analysis& analysis);

  const PlannerOptions options_;
  AnalysisCache cache_;
  // Temporary tables that a session made; they live on the primary alone.
  absl::flat_hash_map<uint64_t, std::set<std::string>> temporary_;
};

RewriteContext ContextOf(const Unit& unit, const Catalog& primary, const Catalog& shadow);

// The command tag of a statement that wrote rows or changed the catalog.
bool TagWrites(std::string_view tag);

}  // namespace pgparity::shadow
