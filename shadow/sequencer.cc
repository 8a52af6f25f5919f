#include "shadow/sequencer.h"

#include <algorithm>
#include <iterator>

#include "protocol/text.h"

namespace pgparity::shadow {

absl::Status Sequencer::Start(Position low, std::optional<UnitRef> applied, Position report_from) {
  heap_ = {};
  waiting_first_.clear();
  making_.clear();
  applied_ = std::move(applied);
  report_from_ = report_from;
  watermark_ = live_watermark_ = {};
  settled_ = live_settled_ = 0;
  live_from_ = 0;
  error_ = absl::OkStatus();
  skipped_ = false;
  if (absl::Status sought = reader_->Seek(low); !sought.ok()) return sought;
  read_to_ = reader_->position();
  return absl::OkStatus();
}

absl::StatusOr<std::optional<UnitRef>> Sequencer::Next() {
  if (!error_.ok()) return error_;
  while (!NextIsSettled()) {
    const absl::StatusOr<std::optional<Record>> record = reader_->Next();
    if (!record.ok()) return record.status();
    if (record->has_value()) {
      error_ = Take(**record);
      if (!error_.ok()) return error_;
    }
    read_to_ = reader_->position();
    UseLiveWatermark();
    if (!record->has_value() && !NextIsSettled()) return std::nullopt;
  }
  UnitRef ref = heap_.top();
  heap_.pop();
  waiting_first_.erase(ref.first());
  return ref;
}

absl::Status Sequencer::Take(const Record& record) {
  watermark_ = std::max(watermark_, record.order());
  settled_ = std::max(settled_, record.settled);
  switch (record.type) {
    case RecordType::unit:
    case RecordType::unit_end:
      return TakeUnit(record);
    case RecordType::unit_part: {
      Making& making = making_[record.unit_id];
      making.parts.push_back(record.position);
      making.bytes += record.next - record.position;
      return absl::OkStatus();
    }
    case RecordType::start:
      making_.clear();
      return absl::OkStatus();
    case RecordType::unit_dropped:
      making_.erase(record.unit_id);
      return absl::OkStatus();
    case RecordType::gap:
      if (events_.on_gap && record.position >= report_from_) events_.on_gap(record);
      return absl::OkStatus();
    case RecordType::reads_skipped:
      if (events_.on_reads_skipped && record.position >= report_from_) {
        events_.on_reads_skipped(record.skipped_units, record.skipped_statements);
      }
      return absl::OkStatus();
    case RecordType::watermark:
      return absl::OkStatus();
  }
  return absl::OkStatus();
}

absl::Status Sequencer::TakeUnit(const Record& record) {
  const absl::StatusOr<UnitNumbers> numbers = DecodeUnitNumbers(record.header);
  if (!numbers.ok()) return numbers.status();
  UnitRef ref{.key = numbers->key.time,
              .epoch = numbers->key.epoch,
              .lsn = numbers->key.lsn,
              .position = record.position,
              .parts = {},
              .bytes = 0};
  if (record.type == RecordType::unit_end) {
    const auto made = making_.find(record.unit_id);
    if (made != making_.end()) {
      ref.parts = std::move(made->second.parts);
      ref.bytes = made->second.bytes;
      making_.erase(made);
    }
  }
  ref.bytes += record.next - record.position;
  if (Applied(ref)) return absl::OkStatus();
  if (record.type == RecordType::unit_end && ref.first() != record.first_part) {
    if (skipped_) {
      ReportLostParts(record);
      return absl::OkStatus();
    }
    return absl::DataLossError(
        protocol::StrCat("the unit that ends at position ", record.position, " began at position ",
                         record.first_part, ", before the place from which the journal was read"));
  }
  Push(std::move(ref));
  return absl::OkStatus();
}

void Sequencer::Push(UnitRef ref) {
  waiting_first_.insert(ref.first());
  heap_.push(std::move(ref));
}

void Sequencer::RaiseWatermark(const OrderKey& watermark, Stamp settled, Position valid_from_end) {
  live_watermark_ = watermark;
  live_settled_ = settled;
  live_from_ = valid_from_end;
}

void Sequencer::UseLiveWatermark() {
  if (read_to_ < live_from_) return;
  watermark_ = std::max(watermark_, live_watermark_);
  settled_ = std::max(settled_, live_settled_);
}

void Sequencer::ReportLostParts(const Record& end) {
  if (!events_.on_gap) return;
  Record gap = end;
  gap.type = RecordType::gap;
  gap.gap_reason = "journal-corrupt";
  gap.gap_detail = "parts of a unit lay in a corrupt stretch of the journal";
  events_.on_gap(gap);
}

bool Sequencer::SkipCorruption() {
  skipped_ = true;
  if (!error_.ok()) {
    error_ = absl::OkStatus();
    read_to_ = reader_->position();
    return true;
  }
  const std::optional<Position> next = reader_->NextSegment();
  if (!next || !reader_->Seek(*next).ok()) return false;
  // Their ends may lie in what was skipped.
  making_.clear();
  read_to_ = reader_->position();
  return true;
}

Position Sequencer::low() const {
  Position low = read_to_;
  if (!waiting_first_.empty()) low = std::min(low, *waiting_first_.begin());
  for (const auto& [id, making] : making_) low = std::min(low, making.parts.front());
  return low;
}

absl::StatusOr<Unit> Sequencer::Load(const UnitRef& ref) {
  Unit unit;
  for (size_t part = 0; part < ref.parts.size(); ++part) {
    absl::StatusOr<std::vector<Statement>> statements = LoadPart(ref, part);
    if (!statements.ok()) return statements.status();
    std::move(statements->begin(), statements->end(), std::back_inserter(unit.statements));
  }
  const absl::StatusOr<Record> record = reader_->ReadAt(ref.position);
  if (!record.ok()) return record.status();
  absl::StatusOr<UnitHeader> header = DecodeHeader(record->header);
  if (!header.ok()) return header.status();
  unit.header = *std::move(header);
  absl::StatusOr<std::vector<Statement>> last = DecodeStatements(record->statements);
  if (!last.ok()) return last.status();
  if (unit.statements.empty()) {
    unit.statements = *std::move(last);
  } else {
    std::move(last->begin(), last->end(), std::back_inserter(unit.statements));
  }
  return unit;
}

absl::StatusOr<UnitHeader> Sequencer::LoadHeader(const UnitRef& ref) {
  const absl::StatusOr<Record> record = reader_->ReadAt(ref.position);
  if (!record.ok()) return record.status();
  return DecodeHeader(record->header);
}

absl::StatusOr<std::vector<Statement>> Sequencer::LoadPart(const UnitRef& ref, size_t part) {
  const Position position = part < ref.parts.size() ? ref.parts[part] : ref.position;
  const absl::StatusOr<Record> record = reader_->ReadAt(position);
  if (!record.ok()) return record.status();
  return DecodeStatements(record->statements);
}

}  // namespace pgparity::shadow
