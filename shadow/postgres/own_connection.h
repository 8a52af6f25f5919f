// A connection of our own to a server: its catalog, and the row counts of the first start. The
// primary gets no other one.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "compare/mutex.h"
#include "shadow/catalog.h"
#include "shadow/postgres/lane.h"
#include "shadow/row_selection.h"

namespace pgparity::shadow::postgres {

// Rows by qualified table name.
using RowCounts = std::map<std::string, int64_t>;

// Thread-safe: one call at a time, the others wait. Reconnects by itself.
class OwnConnection {
 public:
  // `turn`: shared by several, of which one at a time reads a catalog or rows and is connected
  // meanwhile; outlives them. Without it the connection is kept.
  OwnConnection(std::string conninfo, absl::Duration connect_timeout, Mutex* turn = nullptr)
      : conninfo_(std::move(conninfo)), connect_timeout_(connect_timeout), turn_(turn) {}

  absl::StatusOr<std::shared_ptr<const Catalog>> LoadCatalog();
  // Fixes the instant that CountRows() counts at. Cheap.
  absl::Status BeginCountSnapshot();
  // Counts every ordinary table as of that instant, and ends the snapshot. Takes as long as the
  // tables are large; an error if not all could be counted within `timeout`.
  absl::StatusOr<RowCounts> CountRows(absl::Duration timeout);
  // The rows as text under RowTextSettings(). An error of the server's is an observation.
  absl::StatusOr<compare::Observation> ReadRows(const RowSelection& selection);
  // The database that the connection is to.
  absl::StatusOr<std::string> Database();
  absl::StatusOr<bool> HasDatabase(const std::string& name);
  // The databases of the server that the role may connect to, without templates.
  absl::StatusOr<std::vector<std::string>> Databases();

 private:
  absl::Status EnsureConnected() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::StatusOr<std::shared_ptr<const Catalog>> LoadNow() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::StatusOr<compare::Observation> ReadRowsNow(const RowSelection& selection)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::string conninfo_;
  const absl::Duration connect_timeout_;
  Mutex* const turn_;
  Mutex mutex_;
  std::unique_ptr<Lane> lane_ ABSL_GUARDED_BY(mutex_);
  bool in_snapshot_ ABSL_GUARDED_BY(mutex_) = false;
};

// What the first start found: one line an unequal table, "public.orders: 10 rows on the primary, 9
// on the shadow".
std::vector<std::string> UnequalTables(const RowCounts& primary, const RowCounts& shadow);

}  // namespace pgparity::shadow::postgres
