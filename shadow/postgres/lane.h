// A lane: one shadow connection on which statements are pipelined, over libpq; shows no PGresult.
// A client on our own protocol core may take its place behind the same interface.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "compare/observation.h"
#include "shadow/rewrite.h"
#include "shadow/unit.h"

typedef struct pg_conn PGconn;
typedef struct pg_result PGresult;

namespace pgparity::shadow::postgres {

// Rows beyond these go into the observation's digest.
struct CaptureLimits {
  uint64_t rows = UINT64_MAX;
  uint64_t bytes = 1 << 20;
};

struct Response {
  enum class Kind : uint8_t { statement, sync };
  Kind kind = Kind::statement;
  uint64_t tag = 0;
  bool aborted = false;  // skipped by the server behind an earlier error
  compare::Observation observation;
};

// Belongs to one thread. Any error Status means that the connection is of no more use.
class Lane {
 public:
  // Waits up to `timeout`. The password in `conninfo` appears in no error.
  static absl::StatusOr<std::unique_ptr<Lane>> Connect(const std::string& conninfo,
                                                       absl::Duration timeout);
  ~Lane();
  Lane(const Lane&) = delete;
  Lane& operator=(const Lane&) = delete;

  // --- pipelined: queued and sent as the socket takes it ---
  absl::Status Send(const ShadowStatement& statement, const CaptureLimits& limits, uint64_t tag);
  absl::Status Send(std::string_view sql, uint64_t tag);
  absl::Status Sync(uint64_t tag);
  // Responses that have come, in order; waits up to `timeout` for the first.
  absl::StatusOr<std::vector<Response>> Receive(absl::Duration timeout);
  bool idle() const { return pending_.empty(); }

  // --- alone: the lane must be idle ---
  absl::StatusOr<compare::Observation> Run(const ShadowStatement& statement,
                                           const CaptureLimits& limits);
  absl::StatusOr<compare::Observation> Run(std::string_view sql);
  absl::StatusOr<compare::Observation> CopyIn(std::string_view sql, std::string_view data);
  // The same in pieces. CopyBegin returns the server's answer if that is not to take data.
  absl::StatusOr<std::optional<compare::Observation>> CopyBegin(std::string_view sql);
  absl::Status CopyPut(std::string_view data);
  absl::StatusOr<compare::Observation> CopyEnd();
  // Rows of text values of a query of our own; an SQL error is a Status.
  absl::StatusOr<std::vector<std::vector<std::string>>> Query(
      std::string_view sql, const std::vector<std::string>& parameters = {});

  // Brings the connection's settings to those of a unit: queued ahead of it behind a Sync with tag
  // `sync_tag`. Returns whether anything was sent.
  absl::StatusOr<bool> SendSettings(const Settings& settings, uint64_t tag, uint64_t sync_tag);
  absl::Status ApplySettings(const Settings& settings);
  // The server-side settings are not known any more (a client's SET ran): the next call begins with
  // RESET ALL.
  void ForgetSettings() { settings_known_ = false; }
  // Prepared statements are not known any more (DDL, an aborted pipeline).
  void ForgetPrepared();

  PGconn* connection() { return connection_; }

 private:
  struct Pending {
    enum class Kind : uint8_t { prepare, deallocate, statement, sync } kind;
    uint64_t tag = 0;
    CaptureLimits limits;
    bool begun = false;     // single-row mode has been asked for
    bool complete = false;  // its last result has come, the NULL behind it has not
    bool aborted = false;
    compare::Observation observation{};
    absl::Time sent = absl::Now();
  };
  struct Prepared {
    std::string name;
    uint64_t uses = 0;
    std::list<std::string>::iterator age;
  };

  explicit Lane(PGconn* connection) : connection_(connection) {}
  absl::Status LostConnection(std::string_view doing) const;
  absl::Status EnterPipeline();
  absl::Status LeavePipeline();
  // The name to run the statement by, empty for the unnamed one.
  absl::StatusOr<std::string> PrepareIfWorthwhile(const ShadowStatement& statement);
  absl::Status WaitReadable(absl::Time deadline, bool* timed_out);
  // Takes one result that has come; false when more input is needed.
  bool TakeResult(std::vector<Response>* responses);
  absl::StatusOr<compare::Observation> FinishAlone(const CaptureLimits& limits);
  std::vector<ShadowStatement> SettingsStatements(const Settings& settings);

  PGconn* connection_;
  std::deque<Pending> pending_;
  absl::Time last_completed_ = absl::InfinitePast();
  absl::flat_hash_map<std::string, Prepared> prepared_;
  std::list<std::string> ages_;  // keys of prepared_, most recently used first
  uint64_t next_name_ = 0;
  bool settings_known_ = false;
  Settings settings_;
  // Of settings_: a text is prepared once for each, see ShadowStatement::unprepared.
  size_t settings_hash_ = 0;
};

}  // namespace pgparity::shadow::postgres
