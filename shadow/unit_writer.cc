#include "shadow/unit_writer.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "protocol/text.h"
#include "shadow/read_only.h"

namespace pgparity::shadow {
namespace {

constexpr std::string_view kWriteFailed = "journal-write-failed";
constexpr Stamp kSkippedReadsEvery = 1'000'000'000;

// splitmix64: neighbouring numbers give unrelated ones.
uint64_t Mix(uint64_t x) {
  x += 0x9e3779b97f4a7c15;
  x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
  x = (x ^ x >> 27) * 0x94d049bb133111eb;
  return x ^ x >> 31;
}

// Epochs rise with time over the life of a data directory.
uint32_t EpochAt(Stamp stamp) { return static_cast<uint32_t>(stamp / 1'000'000'000); }

}  // namespace

UnitWriter::UnitWriter(JournalWriter* journal, const AssemblerOptions& options, Stamp wall_offset,
                       UnitAssembler::GapFn on_gap, AssemblerCounters* counters)
    : journal_(journal),
      options_(options),
      wall_offset_(wall_offset),
      on_gap_(std::move(on_gap)),
      counters_(counters),
      ordinal_(journal->last_ordinal()),
      last_journalled_(ordinal_) {
  // Nothing that an earlier process journalled is waited for, and nothing new may come before it.
  if (journal->last_stamp() == 0) return;
  watermark_.time = settled_ = journal->last_stamp() + 1;
  // The primary may have changed while nobody looked.
  watermark_.epoch = EpochAt(watermark_.time);
}

void UnitWriter::Erase(std::multiset<Stamp>* stamps, Stamp stamp) {
  const auto found = stamps->find(stamp);
  if (found != stamps->end()) stamps->erase(found);
}

absl::StatusOr<Position> UnitWriter::PutRaw(Record record) {
  record.watermark = watermark_.time;
  record.watermark_epoch = watermark_.epoch;
  record.watermark_lsn = watermark_.lsn;
  record.settled = settled_;
  record.stamp = newest_seen_;
  absl::StatusOr<Position> position = journal_->Append(record);
  if (position.ok()) {
    carried_watermark_ = watermark_;
    carried_settled_ = settled_;
    last_record_ = newest_seen_;
  }
  return position;
}

absl::Status UnitWriter::WriteOwed() {
  Record owed;
  if (start_owed_) {
    owed.type = RecordType::start;
    if (const auto position = PutRaw(owed); !position.ok()) return position.status();
    start_owed_ = false;
  }
  for (; !drops_owed_.empty(); drops_owed_.pop_back()) {
    owed.type = RecordType::unit_dropped;
    owed.unit_id = drops_owed_.back();
    if (const auto position = PutRaw(owed); !position.ok()) return position.status();
  }
  return absl::OkStatus();
}

// Whatever is owed goes first.
absl::StatusOr<Position> UnitWriter::Put(Record record) {
  if (absl::Status owed = WriteOwed(); !owed.ok()) return owed;
  return PutRaw(record);
}

void UnitWriter::Add(const Statement& statement, OpenUnit* unit) {
  if (!statement.copy_continues) {
    ++counters_->statements;
    ++unit->statements;
  }
  unit->read_only = unit->read_only && StatementReadsOnly(statement);
  if (!unit->broken.empty()) return;
  EncodeStatement(statement, &unit->encoded);
  if (unit->encoded.size() > options_.part_bytes) WritePart(unit);
}

void UnitWriter::WritePart(OpenUnit* unit) {
  if (!unit->broken.empty()) {
    unit->encoded.clear();
    return;
  }
  if (unit->encoded.empty()) return;
  if (unit->part_id == 0) unit->part_id = ++part_ids_;
  Record record;
  record.type = RecordType::unit_part;
  record.unit_id = unit->part_id;
  record.statements = unit->encoded;
  const absl::StatusOr<Position> position = Put(record);
  if (!position.ok()) return Break(position.status(), unit);
  if (unit->part_bytes == 0) unit->first_part = *position;
  unit->part_bytes += unit->encoded.size();
  // The capacity is given back: a session may sit in a large transaction for long.
  std::string().swap(unit->encoded);
}

// The journal does not take it: told at once, since no gap can be written into it either.
void UnitWriter::Break(const absl::Status& why, OpenUnit* unit) {
  ++counters_->journal_errors;
  on_gap_(kWriteFailed, protocol::MessageOf(why));
  if (unit == nullptr) return;
  unit->broken = std::string(kWriteFailed);
  std::string().swap(unit->encoded);
}

void UnitWriter::Drop(OpenUnit* unit) {
  if (unit->part_id != 0) drops_owed_.push_back(unit->part_id);
  *unit = OpenUnit();
}

bool UnitWriter::Sampled(uint64_t ordinal) const {
  if (options_.read_sample >= 1.0) return true;
  constexpr double kTwoTo64 = 18446744073709551616.0;
  return static_cast<double>(Mix(ordinal)) < options_.read_sample * kTwoTo64;
}

void UnitWriter::SkipRead(OpenUnit* unit) {
  ++skipped_units_;
  skipped_statements_ += unit->statements;
  ++counters_->reads_skipped_units;
  counters_->reads_skipped_statements += unit->statements;
  Drop(unit);
}

void UnitWriter::Finish(UnitHeader header, OpenUnit* unit) {
  if (lsns_.none() || header.token || header.key < bound_) return Journal(std::move(header), unit);
  waiting_.push_back({std::move(header), std::move(*unit)});
  *unit = OpenUnit();
}

void UnitWriter::JournalWaiting(Stamp bound) {
  std::deque<Waiting> still;
  for (Waiting& waiting : waiting_) {
    if (waiting.header.key < bound) {
      Journal(std::move(waiting.header), &waiting.unit);
    } else {
      still.push_back(std::move(waiting));
    }
  }
  waiting_ = std::move(still);
}

void UnitWriter::Journal(UnitHeader header, OpenUnit* unit) {
  header.ordinal = ++ordinal_;
  header.wall_offset = wall_offset_;
  header.read_only = unit->read_only;
  if (!unit->broken.empty()) {
    ++counters_->units_dropped;
    // A write failure was told of when it happened.
    if (unit->broken != kWriteFailed)
      Gap(unit->broken, protocol::StrCat("session ", header.session));
    return Drop(unit);
  }
  if (unit->read_only && header.end != UnitEnd::in_doubt && !Sampled(header.ordinal))
    return SkipRead(unit);
  header.epoch = watermark_.epoch;
  header.lsn = header.token ? header.token->lsn : lsns_.At(header.key);
  if (KeyOf(header) < watermark_) {
    header.epoch = watermark_.epoch;
    header.lsn = watermark_.lsn;
    header.key = watermark_.time;
    header.late = true;
    ++counters_->late;
  }
  const std::string encoded_header = EncodeHeader(header);
  Record record;
  record.type = unit->part_id == 0 ? RecordType::unit : RecordType::unit_end;
  record.unit_id = unit->part_id;
  record.first_part = unit->first_part;
  record.header = encoded_header;
  record.statements = unit->encoded;
  const absl::StatusOr<Position> position = Put(record);
  if (!position.ok()) {
    Break(position.status(), unit);
    ++counters_->units_dropped;
    return Drop(unit);
  }
  NoteUnit(header);
  *unit = OpenUnit();
}

void UnitWriter::NoteUnit(const UnitHeader& header) {
  ++counters_->units;
  if (header.end == UnitEnd::rolled_back) ++counters_->rolled_back;
  if (header.end == UnitEnd::in_doubt) ++counters_->in_doubt;
  last_journalled_ = header.ordinal;
  newest_key_ = std::max(newest_key_, KeyOf(header));
  newest_done_ = std::max(newest_done_, header.done);
}

void UnitWriter::Gap(std::string_view reason, std::string_view detail) {
  Record record;
  record.type = RecordType::gap;
  record.gap_reason = reason;
  record.gap_detail = detail;
  const absl::StatusOr<Position> position = Put(record);
  if (position.ok()) {
    ++counters_->gaps;
    return;
  }
  ++counters_->journal_errors;
  on_gap_(reason, detail);
}

void UnitWriter::BeginEpoch() {
  JournalWaiting(std::numeric_limits<Stamp>::max());
  lsns_ = LsnOrder();
  watermark_.epoch = std::max(watermark_.epoch + 1, EpochAt(newest_seen_));
  watermark_.lsn = 0;
}

void UnitWriter::AdvanceTo(Stamp bound) {
  Saw(bound);
  bound_ = std::max(bound_, bound);
  JournalWaiting(bound);
  const Stamp oldest_commit = commits_.empty() ? bound : std::min(bound, *commits_.begin());
  Stamp oldest_busy = busy_.empty() ? bound : std::min(bound, *busy_.begin());
  for (const Waiting& waiting : waiting_) {
    if (waiting.unit.first_sent != 0) oldest_busy = std::min(oldest_busy, waiting.unit.first_sent);
  }
  watermark_ = std::max(
      watermark_, OrderKey{watermark_.epoch, lsns_.Watermark(bound, oldest_commit), oldest_commit});
  settled_ = std::max(settled_, oldest_busy);
  if (!drops_owed_.empty()) WriteOwed().IgnoreError();
  WriteSkippedReads(bound);
  WriteIdleWatermark(bound);
  Flush();
  live_.Publish({.watermark = watermark_,
                 .settled = settled_,
                 .journal_end = journal_->end(),
                 .last_ordinal = last_journalled_});
}

void UnitWriter::WriteSkippedReads(Stamp now) {
  if (skipped_units_ == 0 || now < last_skipped_ + kSkippedReadsEvery) return;
  last_skipped_ = now;
  Record record;
  record.type = RecordType::reads_skipped;
  record.skipped_units = skipped_units_;
  record.skipped_statements = skipped_statements_;
  if (!Put(record).ok()) return;  // told of with the next
  skipped_units_ = skipped_statements_ = 0;
}

// A unit that was journalled waits until a record carries a watermark past it. Once one has, an
// idle system writes nothing more.
void UnitWriter::WriteIdleWatermark(Stamp now) {
  const bool nothing_journalled = newest_key_ == OrderKey{};
  if (nothing_journalled || now < last_record_ + options_.idle) return;
  const bool key_waits = newest_key_ >= carried_watermark_ && watermark_ > carried_watermark_;
  const bool read_waits = newest_done_ >= carried_settled_ && settled_ > carried_settled_;
  if (!key_waits && !read_waits) return;
  Record record;
  record.type = RecordType::watermark;
  if (!Put(record).ok()) ++counters_->journal_errors;
}

void UnitWriter::Flush() {
  const absl::Status flushed = journal_->Flush();
  // The records wait for the next try, and nothing is lost yet.
  if (!flushed.ok() && !flush_failing_) ++counters_->journal_errors;
  flush_failing_ = !flushed.ok();
}

void UnitWriter::Close() {
  JournalWaiting(std::numeric_limits<Stamp>::max());
  if (!drops_owed_.empty()) WriteOwed().IgnoreError();
  last_skipped_ = 0;
  WriteSkippedReads(kSkippedReadsEvery);
  if (const absl::Status flushed = journal_->Flush(); !flushed.ok()) {
    on_gap_(kWriteFailed, protocol::StrCat(journal_->end() - journal_->flushed(),
                                           " bytes of records were not written at the end: ",
                                           protocol::MessageOf(flushed)));
  }
}

}  // namespace pgparity::shadow
