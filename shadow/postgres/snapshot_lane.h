// A snapshot lane on Postgres: a REPEATABLE READ transaction that knows its position.
#pragma once

#include <memory>
#include <string>

#include "shadow/postgres/lane.h"
#include "shadow/store.h"

namespace pgparity::shadow::postgres {

class PostgresSnapshotLane : public SnapshotLane {
 public:
  PostgresSnapshotLane(std::string conninfo, absl::Duration connect_timeout, std::string stream_id)
      : conninfo_(std::move(conninfo)),
        connect_timeout_(connect_timeout),
        stream_id_(std::move(stream_id)) {}

  absl::StatusOr<Progress> Begin() override;
  absl::StatusOr<std::vector<compare::Observation>> Read(
      const std::vector<ReadRequest>& requests) override;
  void End() override;

 private:
  // Reads requests from the first on, until one fails or is a COPY; adds what was observed.
  absl::Status ReadRun(const std::vector<ReadRequest>& requests,
                       std::vector<compare::Observation>* observations);
  absl::Status ReadCopy(const ReadRequest& request,
                        std::vector<compare::Observation>* observations);
  absl::Status Command(std::string_view sql);

  const std::string conninfo_;
  const absl::Duration connect_timeout_;
  const std::string stream_id_;
  std::unique_ptr<Lane> lane_;
  bool open_ = false;
};

}  // namespace pgparity::shadow::postgres
