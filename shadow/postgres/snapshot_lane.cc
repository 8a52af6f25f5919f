#include "shadow/postgres/snapshot_lane.h"

#include "protocol/text.h"
#include "shadow/postgres/postgres_store.h"

namespace pgparity::shadow::postgres {

namespace {

enum Tag : uint64_t { kSettings, kSettingsSync, kSavepoint, kRead, kSync };

}  // namespace

absl::StatusOr<Progress> PostgresSnapshotLane::Begin() {
  End();
  if (lane_ == nullptr) {
    auto lane = Lane::Connect(conninfo_, connect_timeout_);
    if (!lane.ok()) return lane.status();
    lane_ = *std::move(lane);
  }
  auto begun = lane_->Run("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
  if (!begun.ok()) {
    lane_.reset();
    return begun.status();
  }
  auto progress = ReadProgress(lane_.get(), stream_id_);
  if (!progress.ok()) {
    lane_.reset();
    return progress.status();
  }
  open_ = true;
  return progress;
}

absl::Status PostgresSnapshotLane::Command(std::string_view sql) {
  auto done = lane_->Run(sql);
  if (!done.ok()) return done.status();
  if (done->kind != compare::Observation::Kind::error) return absl::OkStatus();
  return absl::InternalError(protocol::StrCat(
      sql, " failed on a snapshot lane: ", compare::DecodeErrorFields(done->error).message));
}

absl::Status PostgresSnapshotLane::ReadCopy(const ReadRequest& request,
                                            std::vector<compare::Observation>* observations) {
  if (absl::Status status = lane_->ApplySettings(*request.settings); !status.ok()) return status;
  if (absl::Status status = Command("SAVEPOINT pgparity_read"); !status.ok()) return status;
  auto observed = lane_->Run(request.statement->shadow,
                             {request.statement->capture_rows, request.statement->capture_bytes});
  if (!observed.ok()) return observed.status();
  observations->push_back(*std::move(observed));
  return Command("ROLLBACK TO SAVEPOINT pgparity_read");
}

absl::Status PostgresSnapshotLane::ReadRun(const std::vector<ReadRequest>& requests,
                                           std::vector<compare::Observation>* observations) {
  absl::Status status = lane_->Send("SAVEPOINT pgparity_read", kSavepoint);
  size_t sent = observations->size();
  for (size_t i = observations->size(); i < requests.size() && status.ok(); ++i) {
    const PlannedStatement& statement = *requests[i].statement;
    if (statement.action == PlannedStatement::Action::copy_out) break;
    status = lane_->SendSettings(*requests[i].settings, kSettings, kSettingsSync).status();
    if (!status.ok()) break;
    status =
        lane_->Send(statement.shadow, {statement.capture_rows, statement.capture_bytes}, kRead);
    ++sent;
  }
  if (status.ok()) status = lane_->Sync(kSync);
  bool failed = false;
  while (status.ok() && !lane_->idle()) {
    auto responses = lane_->Receive(absl::Minutes(1));
    if (!responses.ok()) return responses.status();
    for (Response& response : *responses) {
      if (response.tag != kRead || response.aborted || failed) continue;
      failed = response.observation.kind == compare::Observation::Kind::error;
      observations->push_back(std::move(response.observation));
    }
  }
  if (!status.ok()) return status;
  if (!failed && observations->size() == sent) return Command("RELEASE SAVEPOINT pgparity_read");
  // What stood behind the error was skipped, settings and prepared statements of ours included.
  if (absl::Status back = Command("ROLLBACK TO SAVEPOINT pgparity_read"); !back.ok()) return back;
  lane_->ForgetSettings();
  lane_->ForgetPrepared();
  return absl::OkStatus();
}

absl::StatusOr<std::vector<compare::Observation>> PostgresSnapshotLane::Read(
    const std::vector<ReadRequest>& requests) {
  if (!open_) return absl::FailedPreconditionError("no snapshot is open");
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
  lane_.reset();
  open_ = false;
  return status;
}

void PostgresSnapshotLane::End() {
  if (!open_) return;
  open_ = false;
  if (!lane_->Run("COMMIT").ok()) lane_.reset();
}

}  // namespace pgparity::shadow::postgres
