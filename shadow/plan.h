// Decides how a unit is run on the shadow: which statements, in what form, on which lane. The one
// place that reads DESIGN's rules "Not replayed", "Not compared" and "Gaps".
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "shadow/analysis.h"
#include "shadow/roles.h"
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
  CodeFinding code;  // what it may reach
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
  RoleMap roles = RoleMap();
  std::function<bool(size_t role)> confined = nullptr;  // Store::Confined; unset: every role is
};

// Belongs to the applier's thread.
class Planner {
 public:
  explicit Planner(PlannerOptions options) : options_(std::move(options)) {}

  Plan Make(const std::shared_ptr<const Unit>& unit, const UnitRef& ref, const Catalog& primary,
            const Catalog& shadow);
  // The parts of a unit of lane `parts` are planned next, each by Make(), from the first on.
  void BeginParts(const UnitHeader& header) { parts_.emplace(header); }
  void EndParts() { parts_.reset(); }

 private:
  // What the statements of a unit so far mean for the next ones.
  struct UnitCourse {
    explicit UnitCourse(const UnitHeader& header);
    UnitRole role;
    CodeFinding defined;           // by definitions in the unit: what others may reach by name
    bool defined_unnamed = false;  // or by no name
    bool defined_event_trigger = false;
    bool odd_text = false;    // the lexer's settings, or the encoding, may not be the usual
    bool own_schema = false;  // the search path holds ours
    bool in_catalog = false;  // or begins in the server's own
    bool declared = false, declare_refused = false;  // of DECLARE CURSOR
  };

  StatementVerdict Decide(const Unit& unit, size_t index, size_t role, const Catalog& primary,
                          const Catalog& shadow, UnitCourse* course);
  void DecideByOutcome(const Statement& statement, size_t role, StatementVerdict* verdict) const;
  void DecideByCode(const Unit& unit, size_t index, size_t role, const Catalog& primary,
                    const Catalog& shadow, UnitCourse* course, StatementVerdict* verdict) const;
  void DecideByKind(const Unit& unit, size_t index, const UnitCourse* course,
                    StatementVerdict* verdict);
  static CodeFinding Reaches(const Statement& statement, const Analysis& analysis,
                             const Catalog& shadow, UnitCourse* course);
  static bool CallsWritingFunction(const Analysis& analysis, const Catalog& primary,
                                   const Catalog& shadow);
  static bool IsRead(const StatementVerdict& verdict, const Catalog& primary,
                     const Catalog& shadow);
  size_t ConnectionOf(size_t role) const;
  void AdaptSearchPath(const UnitHeader& header, const Catalog& shadow, PlannedUnit* planned) const;
  void RefuseOverConnections(const Unit& unit, const std::vector<size_t>& roles, Plan* plan) const;
  static void NoteEffects(const Unit& unit, const RewriteContext& context, Plan* plan);
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
  std::optional<UnitCourse> parts_;
};

RewriteContext ContextOf(const Unit& unit, const Catalog& primary, const Catalog& shadow);

// The command tag of a statement that wrote rows or changed the catalog.
bool TagWrites(std::string_view tag);

}  // namespace pgparity::shadow
