// The shadow of one database: store, applier, and the check that both sides were equal at the
// start. They share the journal, of which each takes the units of its database, and the parity log.
#pragma once

#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "compare/parity_log.h"
#include "shadow/applier.h"
#include "shadow/postgres/own_connection.h"
#include "shadow/postgres/postgres_store.h"

namespace pgparity::proxy {

// Counts the rows of one database of the primary, as of when it is made.
class PrimaryCount {
 public:
  // Waits for the primary at most the connect timeout; then counts in a thread of its own.
  PrimaryCount(std::shared_ptr<shadow::postgres::OwnConnection> connection, absl::Duration timeout);
  ~PrimaryCount();
  // Waits for the end of it.
  const absl::StatusOr<shadow::postgres::RowCounts>& Wait();

 private:
  const std::shared_ptr<shadow::postgres::OwnConnection> connection_;
  absl::StatusOr<shadow::postgres::RowCounts> counts_ = absl::UnavailableError("not counted");
  std::thread thread_;
};

struct DatabaseShadowOptions {
  std::string database;
  std::string shadow_conninfo;
  absl::Duration connect_timeout = absl::Seconds(10);
  absl::Duration start_check_timeout = absl::Minutes(10);
  shadow::ApplierOptions applier;
  shadow::RoleMap roles;
  bool named = false;  // log lines and facts say which database
  // Another database of the shadow, where it is asked whether ours is there when that does not
  // connect; empty: ours is never given up.
  std::string neighbour_conninfo;
  std::string name_on_shadow;
};

class DatabaseShadow {
 public:
  using Log = std::function<void(std::string_view)>;
  struct Hooks {
    shadow::ApplierHooks applier;    // as far as they are not this class's own
    std::function<void()> given_up;  // on the applier's thread
  };
  // `log` outlives it. `primary`: null without credentials. `count`: null where the primary was not
  // counted, for the reason `uncounted`.
  DatabaseShadow(DatabaseShadowOptions options, std::string data_dir, compare::ParityLog* log,
                 std::shared_ptr<shadow::postgres::OwnConnection> primary,
                 std::unique_ptr<PrimaryCount> count, std::string uncounted);
  ~DatabaseShadow();

  absl::Status Start(Hooks hooks);
  // Everything journalled before `end` is applied, compared and settled, and the tables are
  // counted.
  absl::Status Drain(shadow::Position end, absl::Time deadline);
  void Wake() { applier_->Wake(); }
  void Stop();

  const std::string& database() const { return options_.database; }
  shadow::ApplierStatus status() const { return applier_->status(); }
  bool given_up() const { return given_up_; }

 private:
  bool IsMissing() const;
  void OnFirstConnect(bool first_start);
  void CompareCounts(const absl::StatusOr<shadow::postgres::RowCounts>& primary,
                     const absl::StatusOr<shadow::postgres::RowCounts>& shadow);
  void Gap(std::string_view reason, std::string_view detail);
  // "database app: " where several are shadowed.
  std::string Prefix() const;

  const DatabaseShadowOptions options_;
  const std::string data_dir_;
  compare::ParityLog* const log_;
  const std::shared_ptr<shadow::postgres::OwnConnection> primary_;
  std::unique_ptr<PrimaryCount> primary_count_;
  const std::string uncounted_;
  shadow::postgres::PostgresStore store_;
  std::unique_ptr<shadow::Applier> applier_;
  Log info_, warning_;
  std::atomic<bool> given_up_{false};
  std::promise<void> checked_;  // the start check is over
  std::shared_future<void> check_over_ = checked_.get_future();
  std::unique_ptr<shadow::postgres::OwnConnection> shadow_count_;
  std::thread shadow_counter_;
};

}  // namespace pgparity::proxy
