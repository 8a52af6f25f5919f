#include "shadow/postgres/snapshot_lane.h"

#include "protocol/text.h"
#include "shadow/postgres/postgres_store.h"

namespace pgparity::shadow::postgres {

namespace {

enum Tag : uint64_t { kSettings, kSettingsSync, kSavepoint, kRole, kRead, kSync };

constexpr char kBegin[] = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

}  // namespace

void PostgresSnapshotLane::Drop() {
  own_ = {};
  for (Part& part : role_lanes_) part = {};
  snapshot_.clear();
}

absl::StatusOr<Progress> PostgresSnapshotLane::Begin() {
  End();
  absl::StatusOr<Progress> progress = TryBegin();
  if (!progress.ok()) Drop();
  return progress;
}

absl::StatusOr<Progress> PostgresSnapshotLane::TryBegin() {
  if (own_.lane != nullptr) {
    // Code may have left the connection as another role.
    auto facts = ReadRoleFacts(own_.lane.get());
    if (!facts.ok() || facts->current != facts_.current || facts->session != facts_.session) Drop();
  }
  if (own_.lane == nullptr) {
    auto lane = Lane::Connect(conninfo_, connect_timeout_);
    if (!lane.ok()) return lane.status();
    own_.lane = *std::move(lane);
    auto facts = ReadRoleFacts(own_.lane.get());
    if (!facts.ok()) return facts.status();
    facts_ = *std::move(facts);
  }
  own_.role = 0;
  if (absl::Status status = Command(own_.lane.get(), kBegin); !status.ok()) return status;
  auto progress = ReadProgress(own_.lane.get(), stream_id_);
  own_.open = progress.ok();
  return progress;
}

absl::StatusOr<PostgresSnapshotLane::Part*> PostgresSnapshotLane::PartOf(size_t role) {
  if (roles_.roles()[role].kind != ShadowRole::Kind::connection) return &own_;
  Part& part = role_lanes_[role];
  if (part.open) return &part;
  if (snapshot_.empty()) {
    auto exported = own_.lane->Query("SELECT pg_catalog.pg_export_snapshot()");
    if (!exported.ok()) return exported.status();
    snapshot_ = exported->front().front();
  }
  if (part.lane == nullptr) {
    auto lane =
        Lane::Connect(protocol::StrCat(roles_.roles()[role].conninfo, " application_name=pgparity"),
                      connect_timeout_);
    if (!lane.ok()) return lane.status();
    part.lane = *std::move(lane);
  }
  for (const std::string& sql :
       {std::string(kBegin), protocol::StrCat("SET TRANSACTION SNAPSHOT '", snapshot_, "'")}) {
    if (absl::Status status = Command(part.lane.get(), sql); !status.ok()) return status;
  }
  part.open = true;
  part.role = role;
  return &part;
}

absl::Status PostgresSnapshotLane::Command(Lane* lane, std::string_view sql) {
  auto done = lane->Run(sql);
  if (!done.ok()) return done.status();
  if (done->kind != compare::Observation::Kind::error) return absl::OkStatus();
  return absl::InternalError(protocol::StrCat(
      sql, " failed on a snapshot lane: ", compare::DecodeErrorFields(done->error).message));
}

absl::Status PostgresSnapshotLane::ReadCopy(const ReadRequest& request,
                                            std::vector<compare::Observation>* observations) {
  const size_t role = request.statement->role;
  auto part = PartOf(role);
  if (!part.ok()) return part.status();
  Lane* lane = (*part)->lane.get();
  if (absl::Status status = lane->ApplySettings(*request.settings); !status.ok()) return status;
  if (absl::Status status = Command(lane, "SAVEPOINT pgparity_read"); !status.ok()) return status;
  if ((*part)->role != role) {
    if (absl::Status status = Command(lane, SetLocalRole(roles_, role)); !status.ok())
      return status;
  }
  auto observed = lane->Run(request.statement->shadow,
                            {request.statement->capture_rows, request.statement->capture_bytes});
  if (!observed.ok()) return observed.status();
  observations->push_back(*std::move(observed));
  return Command(lane, "ROLLBACK TO SAVEPOINT pgparity_read");
}

absl::Status PostgresSnapshotLane::SendReads(Part* part, const std::vector<ReadRequest>& requests,
                                             size_t first, size_t* sent) {
  Lane* lane = part->lane.get();
  absl::Status status = lane->Send("SAVEPOINT pgparity_read", kSavepoint);
  for (size_t i = first; i < requests.size() && status.ok(); ++i) {
    const PlannedStatement& statement = *requests[i].statement;
    if (statement.action == PlannedStatement::Action::copy_out) break;
    const bool own = roles_.roles()[statement.role].kind != ShadowRole::Kind::connection;
    if ((own ? &own_ : &role_lanes_[statement.role]) != part) break;
    status = lane->SendSettings(*requests[i].settings, kSettings, kSettingsSync).status();
    if (status.ok() && part->role != statement.role) {
      part->role = statement.role;
      status = lane->Send(SetLocalRole(roles_, statement.role), kRole);
    }
    if (!status.ok()) break;
    status = lane->Send(statement.shadow, {statement.capture_rows, statement.capture_bytes}, kRead);
    ++*sent;
  }
  return status.ok() ? lane->Sync(kSync) : status;
}

absl::Status PostgresSnapshotLane::ReadRun(const std::vector<ReadRequest>& requests,
                                           std::vector<compare::Observation>* observations) {
  auto part = PartOf(requests[observations->size()].statement->role);
  if (!part.ok()) return part.status();
  Lane* lane = (*part)->lane.get();
  const size_t role = (*part)->role;
  size_t sent = observations->size();
  absl::Status status = SendReads(*part, requests, observations->size(), &sent);
  bool failed = false;
  while (status.ok() && !lane->idle()) {
    auto responses = lane->Receive(absl::Minutes(1));
    if (!responses.ok()) return responses.status();
    for (Response& response : *responses) {
      const bool error = response.observation.kind == compare::Observation::Kind::error;
      if (response.tag == kRole && error && !failed) {
        return absl::FailedPreconditionError(protocol::StrCat(
            "SET ROLE: ", compare::DecodeErrorFields(response.observation.error).message));
      }
      if (response.tag != kRead || response.aborted || failed) continue;
      failed = error;
      observations->push_back(std::move(response.observation));
    }
  }
  if (!status.ok()) return status;
  if (!failed && observations->size() == sent)
    return Command(lane, "RELEASE SAVEPOINT pgparity_read");
  // What stood behind the error was skipped, settings and prepared statements of ours included.
  if (absl::Status back = Command(lane, "ROLLBACK TO SAVEPOINT pgparity_read"); !back.ok())
    return back;
  (*part)->role = role;
  lane->ForgetSettings();
  lane->ForgetPrepared();
  return absl::OkStatus();
}

absl::StatusOr<std::vector<compare::Observation>> PostgresSnapshotLane::Read(
    const std::vector<ReadRequest>& requests) {
  if (!own_.open) return absl::FailedPreconditionError("no snapshot is open");
  std::vector<compare::Observation> observations;
  absl::Status status;
  int stuck = 0;
  while (status.ok() && observations.size() < requests.size()) {
    const size_t before = observations.size();
    const ReadRequest& next = requests[before];
    status = next.statement->action == PlannedStatement::Action::copy_out
                 ? ReadCopy(next, &observations)
                 : ReadRun(requests, &observations);
    // Once more with nothing prepared; then it is the lane's own trouble.
    stuck = observations.size() == before ? stuck + 1 : 0;
    if (status.ok() && stuck > 1) status = absl::InternalError("a read gave no result");
  }
  if (status.ok()) return observations;
  Drop();
  return status;
}

void PostgresSnapshotLane::End() {
  snapshot_.clear();
  for (Part& part : role_lanes_) {
    if (part.open && !part.lane->Run("COMMIT").ok()) part = {};
    part.open = false;
  }
  if (!own_.open) return;
  own_.open = false;
  if (!own_.lane->Run("COMMIT").ok()) Drop();
}

}  // namespace pgparity::shadow::postgres
