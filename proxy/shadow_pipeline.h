// Everything behind the tap: assembler, journal, applier, parity log, and our own connection to the
// primary; started and stopped as one.
#pragma once

#include <atomic>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <thread>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "compare/parity_log.h"
#include "proxy/capture.h"
#include "proxy/data_dir.h"
#include "shadow/applier.h"
#include "shadow/assembler.h"
#include "shadow/journal.h"
#include "shadow/postgres/own_connection.h"
#include "shadow/postgres/postgres_store.h"

namespace pgparity::proxy {

struct ShadowPipelineOptions {
  std::string data_dir;
  std::string primary_conninfo;  // empty: no credentials, no connection of our own
  std::string shadow_conninfo;
  std::string database;  // the primary's, that is shadowed
  shadow::DdlMode ddl = shadow::DdlMode::replay;
  double read_sample = 1.0;
  size_t shadow_connections = 2;
  size_t window = 64;
  uint64_t capture_rows = 1 << 20;                                 // bytes a statement
  uint64_t capture_frame = 64 << 20;                               // bytes
  uint64_t journal_segment = 64 << 20, journal_keep = 8ull << 30;  // bytes
  absl::Duration time_tolerance = absl::Seconds(1);
  shadow::SettlingOptions settling;
  bool start_check = true;
  absl::Duration start_check_timeout = absl::Minutes(10);
  absl::Duration connect_timeout = absl::Seconds(10);
};

class ShadowPipeline {
 public:
  using Log = std::function<void(std::string_view)>;
  // Takes the data directory; connects to nothing yet.
  static absl::StatusOr<std::unique_ptr<ShadowPipeline>> Open(ShadowPipelineOptions options,
                                                              Log info, Log warning);
  ~ShadowPipeline();

  CaptureSink* sink();
  // No stamp given to the sink may be lower.
  Stamp stamp_base() const { return stamp_base_; }
  // Fixes what the first start's count is of; to be called before any traffic. Waits for the
  // primary at most the connect timeout.
  void BeginStartCheck();
  // `now`: the forwarder's stamp clock.
  absl::Status Start(std::function<Stamp()> now);
  // Everything captured before is applied, compared and settled, or DeadlineExceeded.
  absl::Status Drain(absl::Duration timeout);
  // Lets the applier finish what it holds; to be called when nothing is captured any more.
  void Stop();

  void SetPaused(bool paused);
  bool paused() const { return paused_; }
  void Gap(std::string_view reason, std::string_view detail);
  shadow::ApplierStatus status() const { return applier_->status(); }
  uint64_t pending_units() const;
  // Sessions whose tracker lost its way, since the start.
  uint64_t desynchronised() const { return desynchronised_; }
  compare::ParityLog* log() { return log_.get(); }
  const std::string& parity_log_path() const { return parity_log_path_; }

 private:
  class Sink;
  explicit ShadowPipeline(ShadowPipelineOptions options);
  absl::Status OpenParts(Log info, Log warning);
  shadow::ApplierHooks Hooks();
  void OnFirstConnect(bool first_start);
  void CompareCounts(const absl::StatusOr<shadow::postgres::RowCounts>& primary,
                     const absl::StatusOr<shadow::postgres::RowCounts>& shadow);

  const ShadowPipelineOptions options_;
  Log info_, warning_;
  std::string parity_log_path_;
  std::unique_ptr<DataDir> dir_;
  std::unique_ptr<compare::ParityLog> log_;
  std::unique_ptr<shadow::JournalWriter> journal_;
  std::unique_ptr<shadow::UnitAssembler> assembler_;
  std::unique_ptr<Sink> sink_;
  std::unique_ptr<shadow::postgres::OwnConnection> primary_, shadow_count_;
  std::unique_ptr<shadow::postgres::PostgresStore> store_;
  std::unique_ptr<shadow::Applier> applier_;
  std::function<Stamp()> now_;
  Stamp stamp_base_ = 0;
  // Written by primary_counter_ until it is joined.
  absl::StatusOr<shadow::postgres::RowCounts> primary_counts_ = absl::FailedPreconditionError(
      "the journal is not empty, and the shadow has no progress of it");
  std::atomic<bool> paused_{false};
  std::atomic<uint64_t> desynchronised_{0};  // copied from the assembler by the capture thread
  std::promise<void> checked_;               // the start check is over
  std::shared_future<void> check_over_ = checked_.get_future();
  std::thread primary_counter_, shadow_counter_;
};

}  // namespace pgparity::proxy
