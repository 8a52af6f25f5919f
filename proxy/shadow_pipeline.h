// Everything behind the tap: assembler, journal, the shadows of the databases, parity log, and our
// own connections to the primary; started and stopped as one.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "compare/mutex.h"
#include "compare/parity_log.h"
#include "proxy/capture.h"
#include "proxy/data_dir.h"
#include "proxy/database_shadow.h"
#include "proxy/role_map.h"
#include "proxy/url.h"
#include "shadow/assembler.h"
#include "shadow/journal.h"

namespace pgparity::proxy {

struct ShadowPipelineOptions {
  std::string data_dir;
  DatabaseUrl primary;  // no user: no credentials, no connection of our own
  DatabaseUrl shadow;   // per_database(): each database of the primary has its own
  std::vector<RoleMapEntry> role_map;
  size_t max_databases = 16;  // shadowed at most
  shadow::DdlMode ddl = shadow::DdlMode::replay;
  double read_sample = 1.0;
  size_t shadow_connections = 2;  // for each database
  size_t window = 64;
  uint64_t capture_rows = 1 << 20;                                 // bytes a statement
  uint64_t capture_frame = 64 << 20;                               // bytes
  uint64_t journal_segment = 64 << 20, journal_keep = 8ull << 30;  // bytes
  absl::Duration time_tolerance = absl::Seconds(1);
  bool start_check = true;
  absl::Duration start_check_timeout = absl::Minutes(10);
  absl::Duration connect_timeout = absl::Seconds(10);

  // The database of the primary's URL.
  std::string database() const;
  // Of one database, on the shadow.
  std::string ShadowConninfo(const std::string& database) const;
  shadow::RoleMap Roles(const std::string& database) const;
};

struct DatabaseStatus {
  std::string database;
  shadow::ApplierStatus applier;
};
// Sessions of a database that is not shadowed, since the data directory was made.
struct PassedThrough {
  std::string database;
  uint64_t sessions = 0;
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
  // Fixes what the first start's counts are of; to be called before any traffic. Waits for the
  // primary at most the connect timeout.
  void BeginStartCheck();
  // `now`: the forwarder's stamp clock.
  absl::Status Start(std::function<Stamp()> now);
  // Everything captured before is applied, compared and settled, or DeadlineExceeded.
  absl::Status Drain(absl::Duration timeout);
  // Lets the appliers finish what they hold; to be called when nothing is captured any more.
  void Stop();

  void SetPaused(bool paused);
  bool paused() const { return paused_; }
  void Gap(std::string_view reason, std::string_view detail);
  // Of all databases: the worst state, the largest lag.
  shadow::ApplierStatus status() const;
  std::vector<DatabaseStatus> databases() const;
  std::vector<PassedThrough> passed_through() const;
  uint64_t pending_units() const;
  // Sessions whose tracker lost its way, since the start.
  uint64_t desynchronised() const { return desynchronised_; }
  compare::ParityLog* log() { return log_.get(); }
  const std::string& parity_log_path() const { return parity_log_path_; }

 private:
  class Sink;
  // How far the shadow of one database has come in the journal.
  struct Reached {
    shadow::Position settled = 0, released = 0;
  };

  explicit ShadowPipeline(ShadowPipelineOptions options);
  absl::Status OpenParts(Log info, Log warning);
  absl::Status OpenJournal();
  DatabaseShadow::Hooks Hooks(const std::string& database);
  std::shared_ptr<shadow::postgres::OwnConnection> Primary(const std::string& database);
  DatabaseShadowOptions OptionsOf(const std::string& database, shadow::Position first) const;
  void Count(const std::string& database) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status OpenDatabase(const std::string& database, shadow::Position first)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void SaveSeen() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // A session of that database has logged in: whether it is captured. On the capture thread.
  bool Shadows(const std::string& database);
  void PassThrough(const std::string& database) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Wake();
  void NoteReached(const std::string& database, std::optional<shadow::Position> settled,
                   std::optional<shadow::Position> released);
  void GiveUp(const std::string& database);
  bool OthersShadow(const std::string& database) const;

  const ShadowPipelineOptions options_;
  const std::string main_;  // options_.database()
  Log info_, warning_;
  std::string parity_log_path_;
  std::unique_ptr<DataDir> dir_;
  std::unique_ptr<compare::ParityLog> log_;
  std::unique_ptr<shadow::JournalWriter> journal_;
  std::unique_ptr<shadow::UnitAssembler> assembler_;
  std::unique_ptr<Sink> sink_;
  std::function<Stamp()> now_;
  Stamp stamp_base_ = 0;
  shadow::Position events_reported_to_ = 0;
  std::string uncounted_;  // why databases seen later were not counted
  std::atomic<bool> paused_{false};
  std::atomic<uint64_t> desynchronised_{0};  // copied from the assembler by the capture thread

  Mutex primary_turn_;  // of our connections to the primary besides the main database's
  mutable Mutex mutex_;
  bool started_ ABSL_GUARDED_BY(mutex_) = false;
  std::map<std::string, std::shared_ptr<shadow::postgres::OwnConnection>> primaries_
      ABSL_GUARDED_BY(mutex_);
  std::map<std::string, std::unique_ptr<PrimaryCount>> counts_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, shadow::Position> seen_ ABSL_GUARDED_BY(mutex_);  // see DataDir
  // Never removed before Stop(): what points into it stays valid.
  std::map<std::string, std::unique_ptr<DatabaseShadow>> databases_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, uint64_t> passed_ ABSL_GUARDED_BY(mutex_);
  // A lock of its own: taken by the appliers.
  Mutex reached_mutex_;
  std::map<std::string, Reached> reached_ ABSL_GUARDED_BY(reached_mutex_);
};

}  // namespace pgparity::proxy
