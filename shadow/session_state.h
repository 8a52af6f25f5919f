// The settings of a session that change what its statements mean, followed through transactions and
// savepoints (DESIGN, "Applying", session state).
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "shadow/analysis.h"
#include "shadow/unit.h"

namespace pgparity::shadow {

// Whether a setting (lower case) changes what statements mean, so that units carry it.
bool IsKeptSetting(std::string_view name);

// The name in SAVEPOINT x, ROLLBACK ... TO x, RELEASE x.
std::string SavepointName(std::string_view sql);

class SessionState {
 public:
  // `startup`: what login left, of which the kept settings are taken. `cache` outlives the state.
  SessionState(const Settings& startup, AnalysisCache* cache);

  // As the next unit finds it.
  std::shared_ptr<const Settings> settings() const { return settings_; }

  // The server reports a setting's present value. Held back until TakeReported(), since the report
  // of a statement's own effect may come before that statement's end.
  void OnParameterStatus(std::string_view name, std::string_view value);
  void TakeReported();

  // A statement has completed with `tag`. What it sets counts from Commit() on.
  void OnStatement(const Statement& statement, std::string_view tag);
  // Of the transaction: settings made in it stay, or are undone.
  void Commit();
  void Rollback();

  // True once, after a statement has changed session_replication_role: triggers and constraints of
  // the primary are off then, which is not followed.
  bool TakeReplicationRoleChange() { return std::exchange(replication_role_changed_, false); }

 private:
  struct Change {
    std::string name;                  // "": all, see `Everything`
    std::optional<std::string> value;  // nullopt: back to what login left
  };
  struct Savepoint {
    std::string name;
    size_t changes = 0;  // made before it
  };

  void Set(std::string_view name, std::optional<std::string> value);
  void OnConfigCalls(const Analysis& analysis, const Statement& statement);
  void OnSavepointCommand(const Statement& statement);
  void Apply(const Change& change, Settings* settings) const;

  AnalysisCache* const cache_;
  const Settings initial_;
  std::shared_ptr<const Settings> settings_;
  std::vector<std::pair<std::string, std::string>> reported_;
  std::vector<Change> changes_;
  std::vector<Savepoint> savepoints_;
  bool replication_role_changed_ = false;
};

}  // namespace pgparity::shadow
