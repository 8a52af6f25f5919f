// Compares the two observations of each statement, classifies what differs, and writes the parity
// log.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "compare/parity_log.h"
#include "shadow/overlap.h"
#include "shadow/plan.h"
#include "shadow/store.h"
#include "shadow/suspect_rows.h"

namespace pgparity::shadow {

struct JudgeOptions {
  DdlMode ddl = DdlMode::replay;
  int64_t time_tolerance_us = 1'000'000;
  std::string database = "";  // named in the report; empty: the only one
  RoleMap roles = RoleMap();  // for advice
};

// Belongs to the applier's thread.
class Judge {
 public:
  Judge(JudgeOptions options, compare::ParityLog* log);

  // At a restart: tables that an earlier process left unsettled, and the rows that it counted.
  void TakeOver(const std::vector<std::string>& tables, uint64_t rows);
  // What settling works on.
  SuspectRows* suspects() { return &suspects_; }
  const OverlapIndex& overlaps() const { return overlaps_; }
  // A row that is not suspect was found to differ.
  void RowDiffers(const RowAccess& row, const compare::Comparison& comparison);

  // A unit was taken out of the sequence: its writes are known from here on.
  void Planned(const Plan& plan);
  // Its outcome on the shadow. `primary` and `shadow` as they were when it was planned.
  void Outcome(const Plan& plan, const UnitOutcome& outcome,
               const std::shared_ptr<const Catalog>& primary,
               const std::shared_ptr<const Catalog>& shadow);
  // The same for a part of a unit of lane `parts`; the unit itself is counted by Outcome() of the
  // whole.
  void PartOutcome(const Plan& part, const UnitOutcome& outcome,
                   const std::shared_ptr<const Catalog>& primary,
                   const std::shared_ptr<const Catalog>& shadow);
  // It was applied, and what the shadow answered is not known (the connection went in between).
  void OutcomeUnknown(const Plan& plan, std::string_view reason);

  // A gap at the unit's end.
  void GapOf(const Plan& plan, std::string_view reason, std::string_view detail);

  // The shadow holds nothing of the unit, for this reason.
  void UnitLost(const Plan& plan, std::string_view reason, std::string_view detail);

  // The shadow does not hold any more what it had confirmed: it was made anew, or restored.
  void ShadowSetBack();

  // Reads that --reads left out.
  void ReadsSkipped(uint64_t units, uint64_t statements);

  // Decides the mismatches whose overlapping units are all known: those that end before `settled`.
  void Settle(Stamp settled);
  // First position of the oldest unit with a mismatch that is not decided yet.
  std::optional<Position> OldestUnsettled() const;

 private:
  struct Mismatch {
    Plan plan;
    size_t index;
    compare::Comparison comparison;
    uint64_t shadow_us;
    Interval interval;
    std::vector<RowAccess> touched;
    std::vector<RowAccess> affected;  // what it wrote on either side
    compare::CompareOptions options;
    std::shared_ptr<const Catalog> primary, shadow;  // that `options` points to
  };

  void CountUnit(const Plan& plan);
  void Unproved(const std::vector<RowAccess>& rows);
  void RecordUncompared(const Plan& plan, size_t index, std::string_view reason);
  void CompareStatement(const Plan& plan, size_t index, const compare::Observation& shadow_side,
                        const std::shared_ptr<const Catalog>& primary,
                        const std::shared_ptr<const Catalog>& shadow);
  // A difference that something about the statement explains: recorded, and true.
  bool Excused(const Plan& plan, size_t index, compare::Comparison* comparison,
               const compare::Observation& shadow_side, const compare::CompareOptions& options,
               const Catalog& primary);
  void Decide(const Mismatch& mismatch);
  bool EqualAtAnotherCut(const Mismatch& mismatch);
  void TaintTables(const Plan& plan, size_t index, const TaintCause& cause, const Catalog& primary,
                   const Catalog& shadow);
  void Record(const Plan& plan, size_t index, compare::Class cls, std::string_view reason,
              const compare::Comparison& comparison, uint64_t shadow_us);
  bool ReconciledDdl(const Plan& plan, size_t index, const compare::Comparison& comparison,
                     const compare::Observation& shadow_side, const Catalog& primary,
                     const Catalog& shadow) const;
  void CommitRefused(const Plan& plan, const compare::Observation& error);
  void NoteUnseenKey(const Plan& plan, size_t index, const Catalog& primary, const Catalog& shadow);

  const JudgeOptions options_;
  compare::ParityLog* log_;
  OverlapIndex overlaps_;
  OverlapIndex
      locks_;  // rows that units locked, whether they wrote them or not, and how they ended
  SuspectRows suspects_;
  std::deque<Mismatch> mismatches_;
  std::string cause_;  // of the consequence being recorded
};

}  // namespace pgparity::shadow
