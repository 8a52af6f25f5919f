// A snapshot lane on Postgres: a REPEATABLE READ transaction that knows its position.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "shadow/postgres/lane.h"
#include "shadow/postgres/role_lanes.h"
#include "shadow/store.h"

namespace pgparity::shadow::postgres {

class PostgresSnapshotLane : public SnapshotLane {
 public:
  PostgresSnapshotLane(std::string conninfo, absl::Duration connect_timeout, std::string stream_id,
                       RoleMap roles)
      : conninfo_(std::move(conninfo)),
        connect_timeout_(connect_timeout),
        stream_id_(std::move(stream_id)),
        roles_(std::move(roles)),
        role_lanes_(roles_.roles().size()) {}

  absl::StatusOr<Progress> Begin() override;
  absl::StatusOr<std::vector<compare::Observation>> Read(
      const std::vector<ReadRequest>& requests) override;
  void End() override;

 private:
  // One connection's part of the snapshot.
  struct Part {
    std::unique_ptr<Lane> lane;
    bool open = false;
    size_t role = 0;  // that SET LOCAL ROLE left; of a role's own connection always that role
  };

  // The part that reads of this role run on; the shadow's snapshot is handed to those of other
  // connections when they are first needed.
  absl::StatusOr<Part*> PartOf(size_t role);
  absl::StatusOr<Progress> TryBegin();
  // Reads requests from the first on, until one fails, is a COPY or needs another connection; adds
  // what was observed.
  absl::Status ReadRun(const std::vector<ReadRequest>& requests,
                       std::vector<compare::Observation>* observations);
  absl::Status SendReads(Part* part, const std::vector<ReadRequest>& requests, size_t first,
                         size_t* sent);
  absl::Status ReadCopy(const ReadRequest& request,
                        std::vector<compare::Observation>* observations);
  static absl::Status Command(Lane* lane, std::string_view sql);
  void Drop();

  const std::string conninfo_;
  const absl::Duration connect_timeout_;
  const std::string stream_id_;
  const RoleMap roles_;
  Part own_;
  RoleFacts facts_;
  std::string snapshot_;          // exported, for the others; empty: not yet
  std::vector<Part> role_lanes_;  // by role of the map
};

}  // namespace pgparity::shadow::postgres
