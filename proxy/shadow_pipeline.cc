#include "proxy/shadow_pipeline.h"

#include <algorithm>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/numbers.h"
#include "absl/time/clock.h"
#include "compare/report.h"
#include "protocol/text.h"

namespace pgparity::proxy {

using protocol::StrCat;

namespace {

// Databases that are passed through are counted by name up to here, and then together.
constexpr size_t kMaxPassedNames = 100;
constexpr char kOthers[] = "(others)";
// Facts of the parity log by which their counts outlive the process.
constexpr char kPassedFact[] = "not shadowed: database ";

int64_t NowMicros() { return absl::ToUnixMicros(absl::Now()); }

}  // namespace

std::string ShadowPipelineOptions::database() const {
  return primary.database.empty() ? primary.user : primary.database;
}

std::string ShadowPipelineOptions::ShadowConninfo(const std::string& database) const {
  return shadow.ForDatabase(database).ToLibpqConninfo();
}

shadow::RoleMap ShadowPipelineOptions::Roles(const std::string& database) const {
  return MakeRoleMap(role_map, shadow.ForDatabase(database), database);
}

// Hands what the tap recorded of shadowed databases to the assembler, and wakes the appliers once a
// round.
class ShadowPipeline::Sink : public CaptureSink {
 public:
  explicit Sink(ShadowPipeline* pipeline)
      : pipeline_(pipeline), assembler_(pipeline->assembler_.get()) {}

  void SessionOpened(uint64_t session, shadow::SessionInfo info, Stamp stamp) override {
    // Replication is recorded as a gap, whatever its database.
    if (!info.replication && !pipeline_->Shadows(info.database)) {
      passed_through_.insert(session);
      return;
    }
    assembler_->SessionOpened(session, std::move(info), stamp);
  }
  void ClientBytes(uint64_t session, std::string_view bytes, Stamp stamp) override {
    if (!passed_through_.contains(session)) assembler_->ClientBytes(session, bytes, stamp);
  }
  void ServerBytes(uint64_t session, std::string_view bytes, Stamp stamp) override {
    if (!passed_through_.contains(session)) assembler_->ServerBytes(session, bytes, stamp);
  }
  void ElidedRows(uint64_t session, const protocol::RowDigest& digest, Stamp stamp) override {
    if (!passed_through_.contains(session)) assembler_->ElidedRows(session, digest, stamp);
  }
  void Lost(uint64_t session, std::string_view reason, Stamp stamp) override {
    if (!passed_through_.contains(session)) assembler_->Lost(session, reason, stamp);
  }
  void Resynchronised(uint64_t session, Stamp stamp) override {
    if (!passed_through_.contains(session)) assembler_->Resynchronised(session, stamp);
  }
  void SessionClosed(uint64_t session, Stamp stamp) override {
    if (passed_through_.erase(session) == 0) assembler_->SessionClosed(session, stamp);
  }
  void AdvanceTo(Stamp bound) override {
    assembler_->AdvanceTo(bound);
    pipeline_->desynchronised_.store(assembler_->counters().desynchronised,
                                     std::memory_order_relaxed);
    const shadow::Position end = pipeline_->journal_->flushed();
    if (end == woken_at_) return;
    woken_at_ = end;
    pipeline_->Wake();
  }

 private:
  ShadowPipeline* const pipeline_;
  shadow::UnitAssembler* const assembler_;
  absl::flat_hash_set<uint64_t> passed_through_;  // open sessions
  shadow::Position woken_at_ = 0;
};

absl::StatusOr<std::unique_ptr<ShadowPipeline>> ShadowPipeline::Open(ShadowPipelineOptions options,
                                                                     Log info, Log warning) {
  std::unique_ptr<ShadowPipeline> pipeline(new ShadowPipeline(std::move(options)));
  if (absl::Status status = pipeline->OpenParts(std::move(info), std::move(warning)); !status.ok())
    return status;
  return pipeline;
}

ShadowPipeline::ShadowPipeline(ShadowPipelineOptions options)
    : options_(std::move(options)), main_(options_.database()) {}

ShadowPipeline::~ShadowPipeline() { Stop(); }

CaptureSink* ShadowPipeline::sink() { return sink_.get(); }

absl::Status ShadowPipeline::OpenParts(Log info, Log warning) {
  info_ = std::move(info);
  warning_ = std::move(warning);
  auto dir = DataDir::Take(options_.data_dir);
  if (!dir.ok()) return dir.status();
  dir_ = *std::move(dir);
  parity_log_path_ = dir_->parity_log();
  auto log = compare::ParityLog::Open(parity_log_path_);
  if (!log.ok()) return log.status();
  log_ = *std::move(log);
  if (absl::Status status = OpenJournal(); !status.ok()) return status;
  if (dir_->unclean())
    Gap("unclean-stop",
        "the process before did not end in order; what it had captured last is lost");
  auto seen = dir_->Databases();
  if (!seen.ok()) return seen.status();
  MutexLock lock(&mutex_);
  if (options_.shadow.per_database()) seen_ = *std::move(seen);
  const auto report = compare::LoadReport(parity_log_path_, {});
  if (!report.ok()) return absl::OkStatus();
  events_reported_to_ = report->applied_position.value_or(0);
  for (const auto& [name, value] : report->facts) {
    if (!name.starts_with(kPassedFact)) continue;
    uint64_t sessions = 0;
    if (absl::SimpleAtoi(value.substr(0, value.find(' ')), &sessions))
      passed_[name.substr(sizeof(kPassedFact) - 1)] = sessions;
  }
  return absl::OkStatus();
}

absl::Status ShadowPipeline::OpenJournal() {
  shadow::JournalOptions journal_options;
  journal_options.segment_bytes = options_.journal_segment;
  journal_options.keep_bytes = options_.journal_keep;
  auto journal = shadow::JournalWriter::Open(options_.data_dir, journal_options);
  if (!journal.ok()) return journal.status();
  journal_ = *std::move(journal);
  if (const std::string repaired = journal_->repaired(); !repaired.empty()) {
    warning_(StrCat("journal: ", repaired));
    Gap("journal-torn", repaired);
  }
  const Stamp wall = static_cast<Stamp>(absl::ToUnixNanos(absl::Now()));
  stamp_base_ = std::max(wall, journal_->last_stamp() + 1);
  shadow::AssemblerOptions assembler_options;
  assembler_options.max_frame = options_.capture_frame;
  assembler_options.read_sample = options_.read_sample;
  assembler_ = std::make_unique<shadow::UnitAssembler>(
      journal_.get(), assembler_options, wall - stamp_base_,
      [this](std::string_view reason, std::string_view detail) { Gap(reason, detail); });
  sink_ = std::make_unique<Sink>(this);
  return absl::OkStatus();
}

void ShadowPipeline::Gap(std::string_view reason, std::string_view detail) {
  log_->Gap(reason, detail, NowMicros());
}

// The main database's connection stays; the others come one at a time.
std::shared_ptr<shadow::postgres::OwnConnection> ShadowPipeline::Primary(
    const std::string& database) {
  if (options_.primary.user.empty()) return nullptr;
  DatabaseUrl url = options_.primary;
  url.database = database;
  return std::make_shared<shadow::postgres::OwnConnection>(
      url.ToLibpqConninfo(), options_.connect_timeout,
      database == main_ ? nullptr : &primary_turn_);
}

void ShadowPipeline::Count(const std::string& database) {
  auto& connection = primaries_[database];
  if (connection == nullptr) connection = Primary(database);
  counts_[database] = std::make_unique<PrimaryCount>(connection, options_.start_check_timeout);
}

void ShadowPipeline::BeginStartCheck() {
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
  if (journal_->last_ordinal() == 0) Count(main_);
  // A database that no session has used is as it was seeded; so all of them are counted now, if
  // they are not too many to be shadowed.
  if (!names.ok() || names->size() > options_.max_databases) return;
  for (const std::string& name : *names) {
    if (name != main_ && !seen_.contains(name)) Count(name);
  }
}

DatabaseShadowOptions ShadowPipeline::OptionsOf(const std::string& database,
                                                shadow::Position first) const {
  const bool several = options_.shadow.per_database();
  DatabaseShadowOptions options;
  options.database = database;
  options.shadow_conninfo = options_.ShadowConninfo(database);
  options.connect_timeout = options_.connect_timeout;
  options.start_check_timeout = options_.start_check_timeout;
  options.roles = options_.Roles(database);
  options.named = several;
  options.give_up = several && database != main_;
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
  applier.events_reported_to = events_reported_to_;
  return options;
}

DatabaseShadow::Hooks ShadowPipeline::Hooks(const std::string& database) {
  DatabaseShadow::Hooks hooks;
  shadow::ApplierHooks& applier = hooks.applier;
  applier.live_point = [this] {
    const shadow::LiveWatermark::Values live = assembler_->live().Load();
    return shadow::LivePoint{live.watermark, live.settled, live.journal_end};
  };
  applier.now = now_;
  applier.last_ordinal = [this, first = journal_->last_ordinal()] {
    return std::max(first, assembler_->live().Load().last_ordinal);
  };
  applier.release = [this, database](shadow::Position position) {
    NoteReached(database, std::nullopt, position);
  };
  applier.settled = [this, database](shadow::Position position) {
    NoteReached(database, position, std::nullopt);
  };
  applier.others_shadow = [this, database] { return OthersShadow(database); };
  applier.log_info = info_;
  applier.log_warning = warning_;
  hooks.given_up = [this, database] { GiveUp(database); };
  return hooks;
}

absl::Status ShadowPipeline::OpenDatabase(const std::string& database, shadow::Position first) {
  auto& connection = primaries_[database];
  if (connection == nullptr) connection = Primary(database);
  {
    MutexLock lock(&reached_mutex_);
    reached_[database] = {first, first};
  }
  auto& shadow = databases_[database];
  shadow = std::make_unique<DatabaseShadow>(
      OptionsOf(database, first), options_.data_dir, log_.get(), connection,
      std::move(counts_[database]),
      journal_->last_ordinal() != 0 && database == main_
          ? "the journal is not empty, and the shadow has no progress of it"
          : uncounted_);
  return started_ ? shadow->Start(Hooks(database)) : absl::OkStatus();
}

absl::Status ShadowPipeline::Start(std::function<Stamp()> now) {
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

void ShadowPipeline::SaveSeen() {
  if (absl::Status status = dir_->SetDatabases(seen_); !status.ok())
    warning_(StrCat("the list of databases cannot be kept: ", protocol::MessageOf(status)));
}

void ShadowPipeline::PassThrough(const std::string& database) {
  const bool known = passed_.contains(database) || passed_.size() < kMaxPassedNames;
  const std::string& name = known ? database : kOthers;
  const uint64_t sessions = ++passed_[name];
  log_->SetFact(StrCat(kPassedFact, name),
                StrCat(sessions, sessions == 1 ? " session" : " sessions"));
  // Asked for one database, we speak of that one alone; asked for all, we owe this one.
  if (!options_.shadow.per_database()) return;
  Gap("database-without-shadow", StrCat("database ", name, ": a session was not shadowed"));
}

bool ShadowPipeline::Shadows(const std::string& database) {
  MutexLock lock(&mutex_);
  if (database == main_) return true;
  if (const auto found = databases_.find(database); found != databases_.end()) {
    if (!found->second->given_up()) return true;
    PassThrough(database);
    return false;
  }
  if (seen_.contains(database) && !started_) return true;
  const size_t open = databases_.size() + (databases_.contains(main_) ? 0 : 1);
  if (!options_.shadow.per_database() || open >= options_.max_databases) {
    if (options_.shadow.per_database() && !passed_.contains(database))
      warning_(StrCat("database ", database, " is not shadowed: --shadow-databases allows ",
                      options_.max_databases));
    PassThrough(database);
    return false;
  }
  seen_[database] = journal_->end();
  SaveSeen();
  info_(StrCat("database ", database, ": first session, its shadow is opened"));
  absl::Status status = OpenDatabase(database, seen_[database]);
  if (!status.ok()) {
    warning_(StrCat("database ", database, ": ", protocol::MessageOf(status)));
    PassThrough(database);
  }
  return status.ok();
}

void ShadowPipeline::Wake() {
  MutexLock lock(&mutex_);
  if (!started_) return;
  for (auto& [database, shadow] : databases_) shadow->Wake();
}

void ShadowPipeline::NoteReached(const std::string& database,
                                 std::optional<shadow::Position> settled,
                                 std::optional<shadow::Position> released) {
  shadow::Position all_settled = UINT64_MAX, all_released = UINT64_MAX;
  {
    MutexLock lock(&reached_mutex_);
    const auto own = reached_.find(database);
    if (own == reached_.end()) return;
    if (settled) own->second.settled = *settled;
    if (released) own->second.released = *released;
    for (const auto& [name, reached] : reached_) {
      all_settled = std::min(all_settled, reached.settled);
      all_released = std::min(all_released, reached.released);
    }
  }
  if (settled) log_->SetAppliedPosition(all_settled);
  if (released) journal_->Release(all_released);
}

// On that database's applier thread.
void ShadowPipeline::GiveUp(const std::string& database) {
  {
    MutexLock lock(&reached_mutex_);
    reached_.erase(database);
  }
  MutexLock lock(&mutex_);
  seen_.erase(database);
  SaveSeen();
}

bool ShadowPipeline::OthersShadow(const std::string& database) const {
  MutexLock lock(&mutex_);
  return std::all_of(databases_.begin(), databases_.end(), [&](const auto& entry) {
    return entry.first == database || entry.second->given_up() ||
           entry.second->status().state == shadow::ApplierState::shadowing;
  });
}

absl::Status ShadowPipeline::Drain(absl::Duration timeout) {
  const absl::Time deadline = absl::Now() + timeout;
  const shadow::Position end = journal_->flushed();
  std::vector<DatabaseShadow*> all;
  {
    MutexLock lock(&mutex_);
    for (auto& [database, shadow] : databases_) all.push_back(shadow.get());
  }
  for (DatabaseShadow* shadow : all) {
    if (absl::Status status = shadow->Drain(end, deadline); !status.ok()) return status;
  }
  return absl::OkStatus();
}

void ShadowPipeline::SetPaused(bool paused) {
  if (paused_.exchange(paused) == paused) return;
  Gap("paused", paused ? "shadowing was paused by hand" : "shadowing went on after a pause");
}

std::vector<DatabaseStatus> ShadowPipeline::databases() const {
  MutexLock lock(&mutex_);
  std::vector<DatabaseStatus> all;
  for (const auto& [database, shadow] : databases_) all.push_back({database, shadow->status()});
  return all;
}

std::vector<PassedThrough> ShadowPipeline::passed_through() const {
  MutexLock lock(&mutex_);
  std::vector<PassedThrough> all;
  for (const auto& [database, sessions] : passed_) all.push_back({database, sessions});
  return all;
}

shadow::ApplierStatus ShadowPipeline::status() const {
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

uint64_t ShadowPipeline::pending_units() const { return status().lag_units; }

void ShadowPipeline::Stop() {
  std::map<std::string, std::unique_ptr<DatabaseShadow>> all;
  {
    MutexLock lock(&mutex_);
    if (!started_) return;
    started_ = false;
    all.swap(databases_);
  }
  for (auto& [database, shadow] : all) shadow->Stop();
  (void)journal_->Flush();
  (void)log_->Flush();
  dir_->MarkClean();
}

}  // namespace pgparity::proxy
