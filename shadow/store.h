// A store: a shadow backend. The applier knows stores only through this interface.
//
// Threads: a Store and its write side belong to the applier's thread; each Snapshot belongs to the
// thread that uses it, and is made by TakeSnapshot() of a SnapshotLane, one a thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "shadow/catalog.h"
#include "shadow/rewrite.h"
#include "shadow/row_selection.h"
#include "shadow/sequencer.h"
#include "shadow/unit.h"

namespace pgparity::shadow {

// What of the journal a shadow holds, kept in the shadow's own transactions.
struct Progress {
  Stamp key = 0;
  Position position = 0;  // of the newest unit applied; 0 when none was
  Position low = 0;       // every unit before this position was applied or needs no applying
};

// How one statement is to be run on the shadow.
struct PlannedStatement {
  enum class Action : uint8_t {
    run,      // run and compare
    control,  // SAVEPOINT and its like: run, not compared, never wrapped in a savepoint of ours
    copy_in,
    copy_out,
    skip,  // not run; the judge says why
  };
  Action action = Action::run;
  size_t index = 0;        // in the unit's statements
  size_t role = 0;         // of RoleMap, that it runs as
  ShadowStatement shadow;  // empty for skip
  uint64_t capture_rows =
      UINT64_MAX;  // rows beyond this many, or beyond capture_bytes, go into the digest
  uint64_t capture_bytes = 1 << 20;
};

struct PlannedUnit {
  enum class Finish : uint8_t { commit, roll_back };
  enum class Lane : uint8_t {
    snapshot,             // reads only
    window,               // pipelined with others
    alone,                // COPY, errors expected, parts in the journal
    outside_transaction,  // one statement that refuses a transaction block
    parts,                // too large to hold: read from the journal part by part
    nothing,              // nothing to run: progress is carried by the next unit
  };
  Lane lane = Lane::window;
  Finish finish = Finish::commit;
  bool blocks_readers = false;    // DDL, TRUNCATE: open snapshots must go first
  bool changes_settings = false;  // leaves session settings of its own behind on the lane
  bool changes_catalog = false;
  // Runs code that makes its own SQL: looked at before the commit (code_risk.h). Lane alone.
  bool opaque_code = false;
  size_t connection = 0;  // of RoleMap: 0, or the one role with connections of its own
  UnitRef ref;
  Position low = 0;
  std::shared_ptr<const Unit> unit;
  // Where the session's own would name other schemas on the shadow: see settings().
  std::shared_ptr<const Settings> adapted_settings;
  // What the lane takes over before the unit.
  const Settings& settings() const {
    return adapted_settings != nullptr ? *adapted_settings : unit->header.settings;
  }
  std::vector<PlannedStatement> statements;
};

struct StatementOutcome {
  size_t index = 0;  // in the unit's statements
  compare::Observation shadow;
};

struct UnitOutcome {
  enum class Status : uint8_t {
    applied,        // committed (or rolled back, as planned) on the shadow
    failed,         // the shadow refused a statement or the commit; nothing of it is applied
    not_attempted,  // stood behind a failed unit in the window; nothing of it is applied
  };
  Status status = Status::applied;
  std::vector<StatementOutcome> statements;
  std::optional<compare::Observation> commit_error;  // ApplyAlone: the commit itself was refused
  // ApplyAlone of opaque code: what it did that no unit may; nothing of it is applied.
  std::string escaped;
};

struct Collected {
  std::shared_ptr<const PlannedUnit> unit;
  UnitOutcome outcome;
};

// Reads at one consistent position of the shadow.
class SnapshotLane {
 public:
  virtual ~SnapshotLane() = default;
  // Begins a new snapshot, ending the one before; returns the progress it sees.
  virtual absl::StatusOr<Progress> Begin() = 0;
  struct ReadRequest {
    const PlannedStatement* statement;
    const Settings* settings;
  };
  // Runs reads within the snapshot, an observation each, pipelined where the store can. An error of
  // a statement is an observation; a Status is the lane's own trouble, after which Begin()
  // reconnects.
  virtual absl::StatusOr<std::vector<compare::Observation>> Read(
      const std::vector<ReadRequest>& requests) = 0;
  virtual void End() = 0;
};

class Store {
 public:
  virtual ~Store() = default;

  // Connects, makes what the store needs for itself (progress), and reads the progress of the
  // journal stream. Called again after an Unavailable error; units in flight then are forgotten:
  // those at or before the progress returned were applied.
  virtual absl::StatusOr<Progress> Connect(const std::string& stream_id) = 0;

  // Sends a unit of lane `window` without waiting. Its application is conditional on every unit
  // submitted before it having been applied.
  virtual absl::Status Submit(std::shared_ptr<const PlannedUnit> unit) = 0;
  virtual size_t in_flight() const = 0;
  // Outcomes in order of submission; waits up to `timeout` for at least one. After a failed unit
  // all others in flight come back in the same call as not_attempted.
  virtual absl::StatusOr<std::vector<Collected>> Collect(absl::Duration timeout) = 0;

  // Runs a unit with nothing else in flight, statement by statement under savepoints: a statement
  // that fails is left out and the rest is applied.
  virtual absl::StatusOr<UnitOutcome> ApplyAlone(const PlannedUnit& unit) = 0;
  // A unit of lane `parts`, with nothing else in flight: BeginParts, RunPart for each part in turn,
  // FinishParts. Statements expected to fail stand under savepoints; when another one fails,
  // RunPart says `failed`, nothing of the unit is applied, and FinishParts is not called. A failing
  // Status, and AbandonParts, leave nothing behind either.
  virtual absl::Status BeginParts(const PlannedUnit& whole) = 0;
  virtual absl::StatusOr<UnitOutcome> RunPart(const PlannedUnit& part) = 0;
  virtual absl::StatusOr<UnitOutcome> FinishParts(const PlannedUnit& whole) = 0;
  virtual void AbandonParts() = 0;
  // Moves the progress past units that had nothing to run.
  virtual absl::Status SaveProgress(const Progress& progress) = 0;

  virtual absl::StatusOr<std::unique_ptr<SnapshotLane>> OpenSnapshotLane() = 0;

  // Settling, with nothing in flight: the rows as text under RowTextSettings(), as of what has been
  // applied. An error of the server's is an observation.
  virtual absl::StatusOr<compare::Observation> ReadRows(const RowSelection& selection) = 0;
  // Makes these rows what they say, all or none; no trigger or foreign key of the shadow acts on it
  // where the store's role may keep them from it. Aborted: refused.
  virtual absl::Status WriteRows(const RowSelection& table, const std::vector<RowWrite>& rows) = 0;

  // The role of RoleMap can act neither as another one nor on the server, whatever the code is.
  virtual bool Confined(size_t /*role*/) const { return true; }

  virtual std::shared_ptr<const Catalog> catalog() const = 0;
  virtual absl::Status ReloadCatalog() = 0;
  // One line on who the store runs as and what that means, for the start of the log.
  virtual std::string Describe() const = 0;
};

}  // namespace pgparity::shadow
