#include "proxy/shadow_pipeline.h"

#include <pthread.h>

#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "compare/report.h"
#include "protocol/text.h"

namespace pgparity::proxy {

using protocol::StrCat;

namespace {

// Tables named one by one when the start check finds them unequal.
constexpr size_t kMaxNamedTables = 20;

int64_t NowMicros() { return absl::ToUnixMicros(absl::Now()); }

}  // namespace

// Hands what the tap recorded to the assembler, and wakes the applier once a round.
class ShadowPipeline::Sink : public CaptureSink {
 public:
  Sink(shadow::UnitAssembler* assembler, shadow::JournalWriter* journal,
       std::atomic<uint64_t>* desynchronised)
      : assembler_(assembler), journal_(journal), desynchronised_(desynchronised) {}
  void set_applier(shadow::Applier* applier) { applier_ = applier; }

  void SessionOpened(uint64_t session, shadow::SessionInfo info, Stamp stamp) override {
    assembler_->SessionOpened(session, std::move(info), stamp);
  }
  void ClientBytes(uint64_t session, std::string_view bytes, Stamp stamp) override {
    assembler_->ClientBytes(session, bytes, stamp);
  }
  void ServerBytes(uint64_t session, std::string_view bytes, Stamp stamp) override {
    assembler_->ServerBytes(session, bytes, stamp);
  }
  void ElidedRows(uint64_t session, const protocol::RowDigest& digest, Stamp stamp) override {
    assembler_->ElidedRows(session, digest, stamp);
  }
  void TokenSent(uint64_t session, Stamp stamp) override {
    assembler_->TokenSent(session, stamp);
  }
  void TokenSeen(uint64_t session, const shadow::LsnToken& token, Stamp stamp) override {
    assembler_->TokenSeen(session, token, stamp);
  }
  void Lost(uint64_t session, std::string_view reason, Stamp stamp) override {
    assembler_->Lost(session, reason, stamp);
  }
  void Resynchronised(uint64_t session, Stamp stamp) override {
    assembler_->Resynchronised(session, stamp);
  }
  void SessionClosed(uint64_t session, Stamp stamp) override {
    assembler_->SessionClosed(session, stamp);
  }
  void AdvanceTo(Stamp bound) override {
    assembler_->AdvanceTo(bound);
    desynchronised_->store(assembler_->counters().desynchronised, std::memory_order_relaxed);
    const shadow::Position end = journal_->flushed();
    shadow::Applier* const applier = applier_;
    if (end == woken_at_ || applier == nullptr) return;
    woken_at_ = end;
    applier->Wake();
  }

 private:
  shadow::UnitAssembler* const assembler_;
  shadow::JournalWriter* const journal_;
  std::atomic<uint64_t>* const desynchronised_;
  std::atomic<shadow::Applier*> applier_{nullptr};
  shadow::Position woken_at_ = 0;
};

absl::StatusOr<std::unique_ptr<ShadowPipeline>> ShadowPipeline::Open(ShadowPipelineOptions options,
                                                                     Log info, Log warning) {
  std::unique_ptr<ShadowPipeline> pipeline(new ShadowPipeline(std::move(options)));
  if (absl::Status status = pipeline->OpenParts(std::move(info), std::move(warning)); !status.ok())
    return status;
  return pipeline;
}

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
  if (dir_->unclean())
    Gap("unclean-stop",
        "the process before did not end in order; what it had captured last is lost");

  const Stamp wall = static_cast<Stamp>(absl::ToUnixNanos(absl::Now()));
  stamp_base_ = std::max(wall, journal_->last_stamp() + 1);
  shadow::AssemblerOptions assembler_options;
  assembler_options.max_frame = options_.capture_frame;
  assembler_options.read_sample = options_.read_sample;
  assembler_ = std::make_unique<shadow::UnitAssembler>(
      journal_.get(), assembler_options, wall - stamp_base_,
      [this](std::string_view reason, std::string_view detail) { Gap(reason, detail); });
  sink_ = std::make_unique<Sink>(assembler_.get(), journal_.get(), &desynchronised_);
  if (!options_.primary_conninfo.empty()) {
    primary_ = std::make_unique<shadow::postgres::OwnConnection>(options_.primary_conninfo,
                                                                 options_.connect_timeout);
  }
  store_ = std::make_unique<shadow::postgres::PostgresStore>(
      shadow::postgres::PostgresStoreOptions{options_.shadow_conninfo, options_.connect_timeout});
  return absl::OkStatus();
}

ShadowPipeline::ShadowPipeline(ShadowPipelineOptions options) : options_(std::move(options)) {}

CaptureSink* ShadowPipeline::sink() { return sink_.get(); }

ShadowPipeline::~ShadowPipeline() { Stop(); }

void ShadowPipeline::Gap(std::string_view reason, std::string_view detail) {
  log_->Gap(reason, detail, NowMicros());
}

shadow::ApplierHooks ShadowPipeline::Hooks() {
  shadow::ApplierHooks hooks;
  hooks.live_point = [this] {
    const shadow::LiveWatermark::Values live = assembler_->live().Load();
    return shadow::LivePoint{live.watermark, live.settled, live.journal_end};
  };
  hooks.now = now_;
  hooks.last_ordinal = [this, first = journal_->last_ordinal()] {
    return std::max(first, assembler_->live().Load().last_ordinal);
  };
  hooks.release = [this](shadow::Position position) { journal_->Release(position); };
  hooks.load_primary_catalog = [this]() -> absl::StatusOr<std::shared_ptr<const shadow::Catalog>> {
    if (primary_ == nullptr) return absl::NotFoundError("no credentials for the primary");
    auto catalog = primary_->LoadCatalog();
    if (!catalog.ok())
      warning_(StrCat("the primary's catalog could not be read: ",
                      protocol::MessageOf(catalog.status())));
    return catalog;
  };
  hooks.on_first_connect = [this](bool first_start) { OnFirstConnect(first_start); };
  hooks.log_info = info_;
  hooks.log_warning = warning_;
  return hooks;
}

absl::Status ShadowPipeline::Start(std::function<Stamp()> now) {
  now_ = std::move(now);
  shadow::ApplierOptions options;
  options.window = options_.window;
  options.snapshot_lanes = options_.shadow_connections - 1;
  options.planner.ddl = options.judge.ddl = options_.ddl;
  options.planner.database = options_.database;
  options.planner.capture_bytes = options_.capture_rows;
  options.judge.time_tolerance_us = absl::ToInt64Microseconds(options_.time_tolerance);
  auto report = compare::LoadReport(parity_log_path_, {});
  if (report.ok()) options.events_reported_to = report->applied_position.value_or(0);
  applier_ = std::make_unique<shadow::Applier>(options, Hooks(), options_.data_dir, store_.get(),
                                               log_.get());
  if (absl::Status status = applier_->Start(); !status.ok()) return status;
  sink_->set_applier(applier_.get());
  return absl::OkStatus();
}

void ShadowPipeline::BeginStartCheck() {
  if (!options_.start_check) {
    primary_counts_ = absl::FailedPreconditionError("--start-check is off");
  } else if (primary_ == nullptr) {
    primary_counts_ = absl::FailedPreconditionError("the primary's URL has no credentials");
  } else if (journal_->last_ordinal() == 0) {
    absl::Status begun = primary_->BeginCountSnapshot();
    if (!begun.ok()) {
      primary_counts_ = begun;
      return;
    }
    // Counted at once, so that the snapshot holds back the primary's vacuum no longer than it must.
    primary_counter_ = std::thread(
        [this] { primary_counts_ = primary_->CountRows(options_.start_check_timeout); });
    pthread_setname_np(primary_counter_.native_handle(), "start-check");
  }
}

// On the applier's thread, before anything is applied: the shadow is as it was before the first
// write through the proxy, and is counted as of now, however long that takes.
void ShadowPipeline::OnFirstConnect(bool first_start) {
  if (!first_start) {
    checked_.set_value();
    return;
  }
  shadow_count_ = std::make_unique<shadow::postgres::OwnConnection>(options_.shadow_conninfo,
                                                                    options_.connect_timeout);
  const absl::Status begun = shadow_count_->BeginCountSnapshot();
  shadow_counter_ = std::thread([this, begun] {
    const absl::StatusOr<shadow::postgres::RowCounts> counts =
        begun.ok() ? shadow_count_->CountRows(options_.start_check_timeout)
                   : absl::StatusOr<shadow::postgres::RowCounts>(begun);
    shadow_count_.reset();
    if (primary_counter_.joinable()) primary_counter_.join();
    CompareCounts(primary_counts_, counts);
    checked_.set_value();
  });
  pthread_setname_np(shadow_counter_.native_handle(), "start-check");
}

void ShadowPipeline::CompareCounts(const absl::StatusOr<shadow::postgres::RowCounts>& primary,
                                   const absl::StatusOr<shadow::postgres::RowCounts>& shadow) {
  if (!primary.ok() || !shadow.ok()) {
    const std::string_view why =
        protocol::MessageOf(primary.ok() ? shadow.status() : primary.status());
    Gap("unseeded", StrCat("the tables were not counted at the start: ", why));
    log_->SetFact("start_check", StrCat("not made: ", why));
    return;
  }
  std::vector<std::string> unequal = shadow::postgres::UnequalTables(*primary, *shadow);
  if (unequal.empty()) {
    log_->SetFact("start_check",
                  StrCat("the row counts of ", primary->size(), " tables were equal"));
    return;
  }
  const size_t all = unequal.size();
  if (all > kMaxNamedTables) unequal.resize(kMaxNamedTables);
  const std::string named = absl::StrJoin(unequal, "; ");
  warning_(StrCat(
      "the shadow is not a copy of the primary: ", all, " tables differ: ", named,
      all > unequal.size() ? "; ..." : "",
      ". Copy them anew and start with an empty --data-dir; until then no verdict can be PASS"));
  Gap("start-not-equal",
      StrCat(named, ". Copy these tables anew and start with an empty data directory"));
  log_->SetFact("start_check", StrCat(all, " tables differed: ", named));
}

absl::Status ShadowPipeline::Drain(absl::Duration timeout) {
  const absl::Time deadline = absl::Now() + timeout;
  if (absl::Status status = applier_->WaitFor(journal_->flushed(), timeout); !status.ok())
    return status;
  const absl::Duration left = std::max(absl::ZeroDuration(), deadline - absl::Now());
  if (check_over_.wait_for(absl::ToChronoNanoseconds(left)) == std::future_status::timeout) {
    return absl::DeadlineExceededError("the tables are still being counted (--start-check)");
  }
  return absl::OkStatus();
}

void ShadowPipeline::SetPaused(bool paused) {
  if (paused_.exchange(paused) == paused) return;
  Gap("paused", paused ? "shadowing was paused by hand" : "shadowing went on after a pause");
}

uint64_t ShadowPipeline::pending_units() const { return applier_->status().lag_units; }

void ShadowPipeline::Stop() {
  // The applier's thread starts the count of the shadow: it ends first.
  if (applier_ != nullptr) {
    sink_->set_applier(nullptr);
    applier_->Stop();
  }
  for (std::thread* thread : {&shadow_counter_, &primary_counter_}) {
    if (thread->joinable()) thread->join();
  }
  if (applier_ == nullptr) return;
  (void)journal_->Flush();
  (void)log_->Flush();
  dir_->MarkClean();
  applier_.reset();
}

}  // namespace pgparity::proxy
