// The databases of the primary that have a shadow: which they are, where in the journal each
// begins, and how far all of them have come. The others' sessions are counted.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "compare/mutex.h"
#include "compare/parity_log.h"
#include "compare/report.h"
#include "proxy/capture.h"
#include "proxy/data_dir.h"
#include "proxy/database_shadow.h"
#include "proxy/pipeline_options.h"
#include "shadow/assembler.h"
#include "shadow/journal.h"

namespace pgparity::proxy {

struct DatabaseStatus {
  std::string database;
  shadow::ApplierStatus applier;
};
// Sessions of a database that is not shadowed, since the data directory was made.
struct PassedThrough {
  std::string database;
  uint64_t sessions = 0;
};

// Thread-safe.
class ShadowDatabases {
 public:
  using Log = std::function<void(std::string_view)>;
  // What the databases share; outlives this.
  struct Shared {
    compare::ParityLog* log;
    shadow::JournalWriter* journal;
    const shadow::UnitAssembler* assembler;
    DataDir* dir;
    Log info, warning;
  };

  // `options` outlives it.
  ShadowDatabases(const ShadowPipelineOptions& options, Shared shared);
  ~ShadowDatabases();

  // What an earlier process left in the data directory and in its parity log.
  absl::Status Restore(const compare::Report* report);
  // Fixes what the first start's counts are of; to be called before any traffic. Waits for the
  // primary at most the connect timeout.
  void BeginStartCheck();
  absl::Status Start(std::function<Stamp()> now);
  // A session of that database has logged in: whether it is captured. Only the thread that appends
  // to the journal calls this.
  bool Shadows(const std::string& database);
  // Something was journalled.
  void Wake();
  // Everything journalled before `end` is applied, compared and settled, or DeadlineExceeded.
  absl::Status Drain(shadow::Position end, absl::Time deadline);
  // Lets the appliers finish what they hold. False when it was not started, or is stopped already.
  bool Stop();

  // Of all databases: the worst state, the largest lag.
  shadow::ApplierStatus status() const;
  std::vector<DatabaseStatus> databases() const;
  std::vector<PassedThrough> passed_through() const;

 private:
  // How far the shadow of one database has come in the journal.
  struct Reached {
    shadow::Position settled = 0, released = 0;
  };

  DatabaseShadow::Hooks Hooks(const std::string& database);
  std::shared_ptr<shadow::postgres::OwnConnection> Primary(const std::string& database)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  DatabaseShadowOptions OptionsOf(const std::string& database, shadow::Position first) const;
  void Count(const std::string& database) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status OpenDatabase(const std::string& database, shadow::Position first)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Sessions of it will not be captured: why not, or "".
  std::string WhyNot(const std::string& database) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void SaveSeen() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void PassThrough(const std::string& database) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void NoteReached(const std::string& database, std::optional<shadow::Position> settled,
                   std::optional<shadow::Position> released);
  void GiveUp(const std::string& database);
  bool OthersShadow(const std::string& database) const;
  std::vector<std::shared_ptr<DatabaseShadow>> All() const;

  const ShadowPipelineOptions& options_;
  const std::string main_;  // options_.database()
  const Shared shared_;
  const uint64_t ordinal_at_start_;  // of the last unit that an earlier process journalled
  std::function<Stamp()> now_;
  // Of the process before: how far all databases had come, and the gaps of the journal that the
  // parity log has.
  shadow::Position settled_before_ = 0, events_reported_to_ = 0;
  std::map<std::string, std::string> unsettled_;  // facts of earlier processes
  uint64_t unsettled_rows_ = 0;
  std::string uncounted_;  // why databases seen later were not counted

  Mutex primary_turn_;  // of our connections to the primary besides the main database's
  mutable Mutex mutex_;
  bool started_ ABSL_GUARDED_BY(mutex_) = false;
  std::map<std::string, std::shared_ptr<shadow::postgres::OwnConnection>> primaries_
      ABSL_GUARDED_BY(mutex_);
  std::map<std::string, std::unique_ptr<PrimaryCount>> counts_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, shadow::Position> seen_ ABSL_GUARDED_BY(mutex_);  // see DataDir
  // Never removed: a database that was given up stays until the next start.
  std::map<std::string, std::shared_ptr<DatabaseShadow>> databases_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, uint64_t> passed_ ABSL_GUARDED_BY(mutex_);
  // Taken under mutex_, never the other way about.
  Mutex reached_mutex_;
  std::map<std::string, Reached> reached_ ABSL_GUARDED_BY(reached_mutex_);
  Reached all_ ABSL_GUARDED_BY(reached_mutex_);  // the least of them, as it was last told
};

}  // namespace pgparity::proxy
