#include "proxy/shadow_databases.h"

#include <algorithm>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "protocol/text.h"

namespace pgparity::proxy {

using protocol::StrCat;

namespace {

// Databases that are passed through are counted by name up to here, and then together.
constexpr size_t kMaxPassedNames = 100;
constexpr char kOthers[] = "(others)";
// Facts of the parity log by which their counts outlive the process.
constexpr std::string_view kPassedFact = "not shadowed: database ";

}  // namespace

ShadowDatabases::ShadowDatabases(const ShadowPipelineOptions& options, Shared shared)
    : options_(options),
      main_(options.database()),
      shared_(std::move(shared)),
      ordinal_at_start_(shared_.journal->last_ordinal()) {}

ShadowDatabases::~ShadowDatabases() { Stop(); }

absl::Status ShadowDatabases::Restore(const compare::Report* report) {
  auto seen = shared_.dir->Databases();
  if (!seen.ok()) return seen.status();
  MutexLock lock(&mutex_);
  if (options_.shadow.per_database()) seen_ = *std::move(seen);
  if (report == nullptr) return absl::OkStatus();
  settled_before_ = report->applied_position.value_or(0);
  events_reported_to_ = report->events_position.value_or(settled_before_);
  if (const auto rows = report->rows.find("unproved"); rows != report->rows.end())
    unsettled_rows_ = rows->second;
  for (const auto& [name, value] : report->facts) {
    if (name.starts_with(shadow::kUnsettledFact)) unsettled_[name] = value;
    if (!name.starts_with(kPassedFact)) continue;
    uint64_t sessions = 0;
    if (absl::SimpleAtoi(value.substr(0, value.find(' ')), &sessions))
      passed_[name.substr(kPassedFact.size())] = sessions;
  }
  return absl::OkStatus();
}

// The main database's connection stays; the others come one at a time.
std::shared_ptr<shadow::postgres::OwnConnection> ShadowDatabases::Primary(
    const std::string& database) {
  if (options_.primary.user.empty()) return nullptr;
  DatabaseUrl url = options_.primary;
  url.database = database;
  return std::make_shared<shadow::postgres::OwnConnection>(
      url.ToLibpqConninfo(), options_.connect_timeout,
      database == main_ ? nullptr : &primary_turn_);
}

void ShadowDatabases::Count(const std::string& database) {
  auto& connection = primaries_[database];
  if (connection == nullptr) connection = Primary(database);
  counts_[database] = std::make_unique<PrimaryCount>(connection, options_.start_check_timeout);
}

void ShadowDatabases::BeginStartCheck() {
  MutexLock lock(&mutex_);
  if (!options_.start_check) {
    uncounted_ = "--start-check is off";
    return;
  }
  if (options_.primary.user.empty()) {
    uncounted_ = "the primary's URL has no credentials";
    return;
  }
  uncounted_ =
      "this database was first seen while others had traffic; start with an empty data directory";
  std::shared_ptr<shadow::postgres::OwnConnection> connection = Primary(main_);
  primaries_[main_] = connection;
  absl::StatusOr<std::vector<std::string>> names;
  if (options_.shadow.per_database()) names = connection->Databases();
  if (ordinal_at_start_ == 0) Count(main_);
  // A database that no session has used is as it was seeded; so all of them are counted now, if
  // they are not too many to be shadowed.
  if (!names.ok() || names->size() > options_.max_databases) return;
  for (const std::string& name : *names) {
    if (name != main_ && !seen_.contains(name)) Count(name);
  }
}

DatabaseShadowOptions ShadowDatabases::OptionsOf(const std::string& database,
                                                 shadow::Position first) const {
  const bool several = options_.shadow.per_database();
  DatabaseShadowOptions options;
  options.database = database;
  options.shadow_conninfo = options_.ShadowConninfo(database);
  options.connect_timeout = options_.connect_timeout;
  options.start_check_timeout = options_.start_check_timeout;
  options.roles = options_.Roles(database);
  options.named = several;
  options.name_on_shadow = options_.shadow.ForDatabase(database).database;
  if (several && database != main_) options.neighbour_conninfo = options_.ShadowConninfo(main_);
  shadow::ApplierOptions& applier = options.applier;
  applier.main = database == main_;
  applier.first = first;
  applier.window = options_.window;
  applier.snapshot_lanes =
      SnapshotLanes(options_.shadow_connections, options.roles, options_.read_sample > 0)
          .value_or(0);
  applier.planner.roles = applier.judge.roles = options.roles;
  applier.planner.ddl = applier.judge.ddl = options_.ddl;
  applier.planner.database = database;
  applier.planner.capture_bytes = options_.capture_rows;
  applier.judge.time_tolerance_us = absl::ToInt64Microseconds(options_.time_tolerance);
  if (several) applier.judge.database = database;
  applier.settling = options_.settling;
  applier.settling.time_tolerance_us = applier.judge.time_tolerance_us;
  applier.events_reported_to = events_reported_to_;
  const auto unsettled = unsettled_.find(several ? StrCat(shadow::kUnsettledFact, " of ", database)
                                                 : std::string(shadow::kUnsettledFact));
  if (unsettled != unsettled_.end() && !unsettled->second.empty()) {
    applier.unsettled_tables = absl::StrSplit(unsettled->second, ", ");
    if (applier.main) applier.unsettled_rows = unsettled_rows_;
  }
  return options;
}

DatabaseShadow::Hooks ShadowDatabases::Hooks(const std::string& database) {
  DatabaseShadow::Hooks hooks;
  shadow::ApplierHooks& applier = hooks.applier;
  applier.live_point = [this] {
    const shadow::LiveWatermark::Values live = shared_.assembler->live().Load();
    return shadow::LivePoint{live.watermark, live.settled, live.journal_end};
  };
  applier.now = now_;
  applier.last_ordinal = [this] {
    return std::max(ordinal_at_start_, shared_.assembler->live().Load().last_ordinal);
  };
  applier.release = [this, database](shadow::Position position) {
    NoteReached(database, std::nullopt, position);
  };
  applier.settled = [this, database](shadow::Position position) {
    NoteReached(database, position, std::nullopt);
  };
  applier.others_shadow = [this, database] { return OthersShadow(database); };
  applier.log_info = shared_.info;
  applier.log_warning = shared_.warning;
  hooks.given_up = [this, database] { GiveUp(database); };
  return hooks;
}

absl::Status ShadowDatabases::OpenDatabase(const std::string& database, shadow::Position first) {
  auto& connection = primaries_[database];
  if (connection == nullptr) connection = Primary(database);
  auto shadow = std::make_shared<DatabaseShadow>(
      OptionsOf(database, first), options_.data_dir, shared_.log, connection,
      std::move(counts_[database]),
      ordinal_at_start_ != 0 && database == main_
          ? "the journal is not empty, and the shadow has no progress of it"
          : uncounted_);
  {
    MutexLock lock(&reached_mutex_);
    reached_[database] = {std::max(first, settled_before_), first};
  }
  if (absl::Status status = started_ ? shadow->Start(Hooks(database)) : absl::OkStatus();
      !status.ok()) {
    MutexLock lock(&reached_mutex_);
    reached_.erase(database);
    return status;
  }
  databases_[database] = std::move(shadow);
  return absl::OkStatus();
}

absl::Status ShadowDatabases::Start(std::function<Stamp()> now) {
  MutexLock lock(&mutex_);
  now_ = std::move(now);
  if (absl::Status status = OpenDatabase(main_, 0); !status.ok()) return status;
  for (const auto& [database, first] : seen_) {
    if (databases_.contains(database)) continue;  // seen again already
    if (absl::Status status = OpenDatabase(database, first); !status.ok()) return status;
  }
  started_ = true;
  for (auto& [database, shadow] : databases_) {
    if (absl::Status status = shadow->Start(Hooks(database)); !status.ok()) return status;
  }
  return absl::OkStatus();
}

void ShadowDatabases::SaveSeen() {
  if (absl::Status status = shared_.dir->SetDatabases(seen_); !status.ok())
    shared_.warning(StrCat("the list of databases cannot be kept: ", protocol::MessageOf(status)));
}

void ShadowDatabases::PassThrough(const std::string& database) {
  const bool known = passed_.contains(database) || passed_.size() < kMaxPassedNames;
  const std::string& name = known ? database : kOthers;
  const uint64_t sessions = ++passed_[name];
  shared_.log->SetFact(StrCat(kPassedFact, name),
                       StrCat(sessions, sessions == 1 ? " session" : " sessions"));
  // Asked for one database, we speak of that one alone; asked for all, we owe this one.
  if (!options_.shadow.per_database()) return;
  shared_.log->Gap("database-without-shadow",
                   StrCat("database ", name, ": a session was not shadowed"),
                   absl::ToUnixMicros(absl::Now()));
}

// "" is also the answer for a database that is not open yet and may be. Connections of ours to a
// template would keep others from copying it.
std::string ShadowDatabases::WhyNot(const std::string& database) const {
  if (const auto found = databases_.find(database); found != databases_.end())
    return found->second->given_up() ? "there is no such database on the shadow" : "";
  if (database == main_ || (seen_.contains(database) && !started_)) return "";
  if (!options_.shadow.per_database()) return "--shadow names another one";
  if (database == "template0" || database == "template1") return "it is a template";
  const size_t open = databases_.size() + (databases_.contains(main_) ? 0 : 1);
  if (open < options_.max_databases) return "";
  return StrCat("--shadow-databases allows ", options_.max_databases);
}

bool ShadowDatabases::Shadows(const std::string& database) {
  MutexLock lock(&mutex_);
  if (const std::string why = WhyNot(database); !why.empty()) {
    if (options_.shadow.per_database() && !passed_.contains(database))
      shared_.warning(StrCat("database ", database, " is not shadowed: ", why));
    PassThrough(database);
    return false;
  }
  // Those known from before are opened by Start().
  if (database == main_ || databases_.contains(database) || seen_.contains(database)) return true;
  shared_.info(StrCat("database ", database, ": first session, its shadow is opened"));
  const shadow::Position first = shared_.journal->end();
  if (absl::Status status = OpenDatabase(database, first); !status.ok()) {
    shared_.warning(StrCat("database ", database, ": ", protocol::MessageOf(status)));
    PassThrough(database);
    return false;
  }
  seen_[database] = first;
  SaveSeen();
  return true;
}

void ShadowDatabases::Wake() {
  MutexLock lock(&mutex_);
  if (!started_) return;
  for (auto& [database, shadow] : databases_) shadow->Wake();
}

void ShadowDatabases::NoteReached(const std::string& database,
                                  std::optional<shadow::Position> settled,
                                  std::optional<shadow::Position> released) {
  MutexLock lock(&reached_mutex_);
  const auto own = reached_.find(database);
  if (own == reached_.end()) return;
  if (settled) own->second.settled = *settled;
  if (released) own->second.released = *released;
  Reached all{UINT64_MAX, UINT64_MAX};
  for (const auto& [name, reached] : reached_) {
    all.settled = std::min(all.settled, reached.settled);
    all.released = std::min(all.released, reached.released);
  }
  if (settled && database == main_) shared_.log->SetEventsPosition(*settled);
  if (settled && all.settled != all_.settled) shared_.log->SetAppliedPosition(all.settled);
  if (released && all.released != all_.released) shared_.journal->Release(all.released);
  all_ = all;
}

// On that database's applier thread.
void ShadowDatabases::GiveUp(const std::string& database) {
  {
    MutexLock lock(&reached_mutex_);
    reached_.erase(database);
  }
  MutexLock lock(&mutex_);
  seen_.erase(database);
  SaveSeen();
}

bool ShadowDatabases::OthersShadow(const std::string& database) const {
  MutexLock lock(&mutex_);
  return std::all_of(databases_.begin(), databases_.end(), [&](const auto& entry) {
    return entry.first == database || entry.second->given_up() ||
           entry.second->status().state == shadow::ApplierState::shadowing;
  });
}

std::vector<DatabaseStatus> ShadowDatabases::databases() const {
  MutexLock lock(&mutex_);
  std::vector<DatabaseStatus> all;
  for (const auto& [database, shadow] : databases_) all.push_back({database, shadow->status()});
  return all;
}

std::vector<PassedThrough> ShadowDatabases::passed_through() const {
  MutexLock lock(&mutex_);
  std::vector<PassedThrough> all;
  for (const auto& [database, sessions] : passed_) all.push_back({database, sessions});
  return all;
}

shadow::ApplierStatus ShadowDatabases::status() const {
  using shadow::ApplierState;
  // Of a database that was given up the gap speaks, and its trouble.
  const auto badness = [](ApplierState state) {
    return state == ApplierState::degraded                                      ? 2
           : state == ApplierState::shadowing || state == ApplierState::stopped ? 0
                                                                                : 1;
  };
  shadow::ApplierStatus whole;
  whole.state = ApplierState::shadowing;
  for (const DatabaseStatus& one : databases()) {
    const shadow::ApplierStatus& status = one.applier;
    if (badness(status.state) > badness(whole.state)) whole.state = status.state;
    whole.lag_units = std::max(whole.lag_units, status.lag_units);
    whole.lag_seconds = std::max(whole.lag_seconds, status.lag_seconds);
    whole.applied += status.applied;
    if (!whole.trouble.empty() || status.trouble.empty()) continue;
    whole.trouble = options_.shadow.per_database()
                        ? StrCat("database ", one.database, ": ", status.trouble)
                        : status.trouble;
  }
  return whole;
}

std::vector<std::shared_ptr<DatabaseShadow>> ShadowDatabases::All() const {
  MutexLock lock(&mutex_);
  std::vector<std::shared_ptr<DatabaseShadow>> all;
  for (const auto& [database, shadow] : databases_) all.push_back(shadow);
  return all;
}

absl::Status ShadowDatabases::Drain(shadow::Position end, absl::Time deadline) {
  for (const auto& shadow : All()) {
    if (absl::Status status = shadow->Drain(end, deadline); !status.ok()) return status;
  }
  return absl::OkStatus();
}

bool ShadowDatabases::Stop() {
  {
    MutexLock lock(&mutex_);
    if (!started_) return false;
    started_ = false;
  }
  // Without the lock, which the appliers take.
  for (const auto& shadow : All()) shadow->Stop();
  return true;
}

}  // namespace pgparity::proxy
