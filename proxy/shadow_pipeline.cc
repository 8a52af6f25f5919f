#include "proxy/shadow_pipeline.h"

#include <algorithm>

#include "absl/container/flat_hash_set.h"
#include "absl/time/clock.h"
#include "compare/report.h"
#include "protocol/text.h"

namespace pgparity::proxy {

using protocol::StrCat;

// Hands what the tap recorded of shadowed databases to the assembler, and wakes the appliers once a
// round.
class ShadowPipeline::Sink : public CaptureSink {
 public:
  explicit Sink(ShadowPipeline* pipeline)
      : pipeline_(pipeline), assembler_(pipeline->assembler_.get()) {}

  void SessionOpened(uint64_t session, shadow::SessionInfo info, Stamp stamp) override {
    // Replication is recorded as a gap, whatever its database.
    if (!info.replication && !pipeline_->databases_->Shadows(info.database)) {
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
  void TokenSent(uint64_t session, Stamp stamp) override {
    if (!passed_through_.contains(session)) assembler_->TokenSent(session, stamp);
  }
  void TokenSeen(uint64_t session, const shadow::LsnToken& token, Stamp stamp) override {
    if (!passed_through_.contains(session)) assembler_->TokenSeen(session, token, stamp);
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
    pipeline_->databases_->Wake();
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

ShadowPipeline::ShadowPipeline(ShadowPipelineOptions options) : options_(std::move(options)) {}

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
  databases_ = std::make_unique<ShadowDatabases>(
      options_, ShadowDatabases::Shared{log_.get(), journal_.get(), assembler_.get(), dir_.get(),
                                        info_, warning_});
  const auto report = compare::LoadReport(parity_log_path_, {});
  return databases_->Restore(report.ok() ? &*report : nullptr);
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
  first_start_ = journal_->last_ordinal() == 0;
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
  log_->Gap(reason, detail, absl::ToUnixMicros(absl::Now()));
}

absl::Status ShadowPipeline::Drain(absl::Duration timeout) {
  const absl::Status drained = databases_->Drain(journal_->flushed(), absl::Now() + timeout);
  // Whoever makes a report now finds all that was said.
  if (absl::Status status = log_->Flush(); !status.ok()) return status;
  return drained;
}

void ShadowPipeline::PrimaryChanged() {
  assembler_->PrimaryChanged();
  Gap("primary-changed",
      "the primary is another server, or on another timeline, than before: the shadow may have "
      "commits that it lost");
}

void ShadowPipeline::SetPaused(bool paused) {
  if (paused_.exchange(paused) == paused) return;
  Gap("paused", paused ? "shadowing was paused by hand" : "shadowing went on after a pause");
}

void ShadowPipeline::Stop() {
  if (databases_ == nullptr || !databases_->Stop()) return;
  (void)journal_->Flush();
  (void)log_->Flush();
  dir_->MarkClean();
}

}  // namespace pgparity::proxy
