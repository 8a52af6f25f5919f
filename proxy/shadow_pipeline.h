// Everything behind the tap: assembler, journal, the shadows of the databases, parity log, and our
// own connections to the primary; started and stopped as one.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "compare/parity_log.h"
#include "proxy/capture.h"
#include "proxy/data_dir.h"
#include "proxy/pipeline_options.h"
#include "proxy/shadow_databases.h"
#include "shadow/assembler.h"
#include "shadow/journal.h"

namespace pgparity::proxy {

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
  // The data directory was empty.
  bool first_start() const { return first_start_; }
  // Fixes what the first start's counts are of; to be called before any traffic. Waits for the
  // primary at most the connect timeout.
  void BeginStartCheck() { databases_->BeginStartCheck(); }
  // `now`: the forwarder's stamp clock.
  absl::Status Start(std::function<Stamp()> now) { return databases_->Start(std::move(now)); }
  // Everything captured before is applied, compared and settled, or DeadlineExceeded.
  absl::Status Drain(absl::Duration timeout);
  // Lets the appliers finish what they hold; to be called when nothing is captured any more.
  void Stop();

  void SetPaused(bool paused);
  // The primary is another server, or on another timeline: what it lost, the shadow may have.
  void PrimaryChanged();
  bool paused() const { return paused_; }
  void Gap(std::string_view reason, std::string_view detail);
  const ShadowDatabases& databases() const { return *databases_; }
  shadow::ApplierStatus status() const { return databases_->status(); }
  uint64_t pending_units() const { return status().lag_units; }
  // Sessions whose tracker lost its way, since the start.
  uint64_t desynchronised() const { return desynchronised_; }
  compare::ParityLog* log() { return log_.get(); }
  const std::string& parity_log_path() const { return parity_log_path_; }

 private:
  class Sink;

  explicit ShadowPipeline(ShadowPipelineOptions options);
  absl::Status OpenParts(Log info, Log warning);
  absl::Status OpenJournal();

  const ShadowPipelineOptions options_;
  Log info_, warning_;
  std::string parity_log_path_;
  std::unique_ptr<DataDir> dir_;
  std::unique_ptr<compare::ParityLog> log_;
  std::unique_ptr<shadow::JournalWriter> journal_;
  std::unique_ptr<shadow::UnitAssembler> assembler_;
  std::unique_ptr<ShadowDatabases> databases_;
  std::unique_ptr<Sink> sink_;
  Stamp stamp_base_ = 0;
  bool first_start_ = false;
  std::atomic<bool> paused_{false};
  std::atomic<uint64_t> desynchronised_{0};  // copied from the assembler by the capture thread
};

}  // namespace pgparity::proxy
