// A Postgres shadow: one write lane with a window of units, and snapshot lanes.
//
// Exactly once: every unit is BEGIN, a conditional update of the progress row, its statements,
// COMMIT. The update fails unless the row says that the unit before was the last, so whatever
// stands behind a failed unit in the window fails too (DESIGN, "Applying").
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "shadow/postgres/lane.h"
#include "shadow/postgres/role_lanes.h"
#include "shadow/store.h"

namespace pgparity::shadow::postgres {

struct PostgresStoreOptions {
  std::string conninfo;
  absl::Duration connect_timeout = absl::Seconds(10);
  RoleMap roles;
};

class PostgresStore : public Store {
 public:
  explicit PostgresStore(PostgresStoreOptions options) : options_(std::move(options)) {}

  absl::StatusOr<Progress> Connect(const std::string& stream_id) override;
  absl::Status Submit(std::shared_ptr<const PlannedUnit> unit) override;
  size_t in_flight() const override { return window_.size(); }
  absl::StatusOr<std::vector<Collected>> Collect(absl::Duration timeout) override;
  absl::StatusOr<UnitOutcome> ApplyAlone(const PlannedUnit& unit) override;
  absl::Status BeginParts(const PlannedUnit& whole) override;
  absl::StatusOr<UnitOutcome> RunPart(const PlannedUnit& part) override;
  absl::StatusOr<UnitOutcome> FinishParts(const PlannedUnit& whole) override;
  void AbandonParts() override;
  absl::Status SaveProgress(const Progress& progress) override;
  absl::StatusOr<std::unique_ptr<SnapshotLane>> OpenSnapshotLane() override;
  absl::StatusOr<compare::Observation> ReadRows(const RowSelection& selection) override;
  absl::Status WriteRows(const RowSelection& table, const std::vector<RowWrite>& rows) override;
  bool Confined(size_t role) const override;
  std::shared_ptr<const Catalog> catalog() const override { return catalog_; }
  absl::Status ReloadCatalog() override;
  std::string Describe() const override { return description_; }

 private:
  struct InFlight {
    std::shared_ptr<const PlannedUnit> unit;
    UnitOutcome outcome;
    bool refused = false;
  };

  // Of the roles with connections of their own; others stay empty.
  struct RoleLane {
    std::unique_ptr<Lane> lane;
    RoleFacts facts;
  };

  absl::StatusOr<Progress> PrepareProgress();
  absl::Status ConnectRoles();
  absl::Status AllowAdvance(const std::string& user);
  Lane* LaneOf(size_t connection) const {
    return connection == 0 ? lane_.get() : role_lanes_[connection].lane.get();
  }
  // The next statement of a unit run alone is to run as that role.
  absl::Status Become(size_t role);
  absl::Status SendRole(size_t role, std::optional<size_t>* current);
  absl::Status SendStatement(const PlannedStatement& planned, size_t i,
                             std::optional<size_t>* role);
  absl::StatusOr<compare::Observation> RunOutside(const PlannedStatement& planned);
  absl::Status CheckCodeOf(const std::vector<ShadowStatement>& statements) const;
  absl::StatusOr<std::string> LookForEscape(const PlannedUnit& unit);
  absl::StatusOr<UnitOutcome> Undo(std::string escaped);
  absl::Status SendUnit(const PlannedUnit& unit);
  ShadowStatement ProgressStatement(const PlannedUnit& unit) const;
  // Notes one response of the oldest unit in the window.
  absl::Status Note(Response response, std::vector<Collected>* done);
  absl::Status DrainBehindFailure(std::vector<Collected>* done);
  // Which statements of a unit run alone stand under a savepoint of ours. A savepoint changes what
  // some statements may do (COPY FREEZE), so it is kept to where it is needed.
  enum class Guard : uint8_t { expected_errors, everything };
  absl::StatusOr<UnitOutcome> TryAlone(const PlannedUnit& unit, Guard guard,
                                       bool* unexpected_error);
  absl::Status RunOne(const PlannedUnit& unit, const PlannedStatement& planned, bool guarded,
                      UnitOutcome* outcome);
  // A piece of a COPY that goes on in the next part, or its last one.
  absl::Status RunCopyPiece(const Statement& statement, const PlannedStatement& planned,
                            UnitOutcome* outcome);
  absl::StatusOr<UnitOutcome> Finish(const PlannedUnit& unit, UnitOutcome outcome);
  absl::StatusOr<UnitOutcome> ApplyOutsideTransaction(const PlannedUnit& unit);
  absl::Status Begin(const PlannedUnit& unit);
  // The progress row is not what this connection left there: an earlier connection's backend was
  // still at work. Connect() anew says what is applied.
  absl::Status ProgressMoved();
  absl::Status CheckMoved(const compare::Observation& moved);
  absl::StatusOr<compare::Observation> MoveProgress(const PlannedUnit& unit);
  absl::Status Expect(std::string_view sql);
  // The connection is gone: forgets it and says so.
  absl::Status Lost(absl::Status why);

  const PostgresStoreOptions options_;
  std::unique_ptr<Lane> lane_;
  RoleFacts facts_;
  std::vector<RoleLane> role_lanes_;  // by role of the map
  // The connection of the unit being run alone, and the role there; nullopt: not known.
  Lane* at_ = nullptr;
  std::optional<size_t> role_;
  std::deque<InFlight> window_;
  std::string stream_id_;
  // The COPY that a unit in parts is in the middle of.
  enum class Copying : uint8_t { no, open, refused } copying_ = Copying::no;
  std::optional<compare::Observation> copy_refusal_;
  Progress applied_;  // as this connection knows the progress row to be
  Progress sent_;     // of the newest unit submitted or applied
  std::shared_ptr<const Catalog> catalog_ = Catalog::Empty();
  std::string description_;
};

// The progress row of a stream as `lane` sees it now.
absl::StatusOr<Progress> ReadProgress(Lane* lane, const std::string& stream_id);

}  // namespace pgparity::shadow::postgres
