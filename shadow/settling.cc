#include "shadow/settling.h"

#include <pthread.h>

#include <algorithm>

#include "absl/time/clock.h"
#include "compare/comparison.h"
#include "protocol/text.h"

namespace pgparity::shadow {

using protocol::StrCat;

namespace {

constexpr size_t kBatch = 100;
constexpr size_t kChunk = 500;
// A row that was written meanwhile is read again after this; one that stays different, later.
constexpr absl::Duration kSoon = absl::Milliseconds(50);
constexpr absl::Duration kLater = absl::Seconds(5);
constexpr absl::Duration kNotSoon = absl::Minutes(5);

// A row of a table that others inherit from may lie in any of them.
bool CanBeSettled(const CatalogTable& table) {
  return !table.primary_key.empty() && (table.kind == 'p' || !table.has_children);
}

}  // namespace

Settling::Settling(SettlingOptions options, Hooks hooks, SuspectRows* suspects,
                   const OverlapIndex* overlaps, compare::ParityLog* log)
    : options_(options),
      hooks_(std::move(hooks)),
      suspects_(suspects),
      overlaps_(overlaps),
      log_(log) {
  if (options_.rows_per_second == 0 || !hooks_.read_primary) return;
  thread_ = std::thread([this] { Run(); });
  pthread_setname_np(thread_.native_handle(), "settling");
}

Settling::~Settling() {
  {
    MutexLock lock(&mutex_);
    stop_ = true;
    changed_.notify_all();
  }
  if (thread_.joinable()) thread_.join();
}

void Settling::Run() {
  while (true) {
    Reading reading;
    {
      MutexLock lock(&mutex_);
      while (!stop_ && !request_) changed_.wait(mutex_.native());
      if (stop_) return;
      reading.request = *std::move(request_);
      request_.reset();
    }
    reading.read.lo = hooks_.now();
    reading.rows = hooks_.read_primary(reading.request.selection);
    reading.read.hi = hooks_.now();
    {
      MutexLock lock(&mutex_);
      reading_ = std::move(reading);
    }
    hooks_.wake();
  }
}

void Settling::Ask(const Catalog& primary) {
  if (asked_ || !thread_.joinable() || suspects_->open() == 0) return;
  const absl::Time now = absl::Now();
  if (now < next_ask_) return;
  std::optional<SettleRequest> request = NextRequest(primary);
  if (!request) return;
  asked_ = true;
  ripe_at_.reset();
  MutexLock lock(&mutex_);
  request_ = std::move(request);
  changed_.notify_all();
}

std::optional<SettleRequest> Settling::NextRequest(const Catalog& primary) {
  const absl::Time now = absl::Now();
  std::vector<RowAccess> rows = suspects_->TakeDue(kBatch, now, now + kSoon);
  if (rows.empty()) return NextOfAudit(primary);
  SettleRequest request;
  request.table = rows.front().table;
  const CatalogTable* table = primary.FindQualified(request.table);
  if (table == nullptr || !CanBeSettled(*table)) {
    for (const RowAccess& row : rows) suspects_->Postpone(row, now + kNotSoon);
    return std::nullopt;
  }
  request.selection = SelectionOf(*table);
  for (const RowAccess& row : rows) request.selection.keys.push_back(*row.values);
  request.rows = std::move(rows);
  return request;
}

std::optional<SettleRequest> Settling::NextOfAudit(const Catalog& primary) {
  const absl::Time now = absl::Now();
  if (!audit_) {
    const std::optional<std::string> name = suspects_->TakeDueTable(now, now + kSoon);
    if (!name) return std::nullopt;
    audit_ = Audit{*name, std::nullopt, suspects_->WholeOf(*name)->marks, hooks_.now(), 0};
  }
  const CatalogTable* table = primary.FindQualified(audit_->table);
  if (table == nullptr || !CanBeSettled(*table)) {
    GiveUp({audit_->table, std::nullopt}, table == nullptr ? "it is not known any more"
                                          : table->primary_key.empty()
                                              ? "it has no primary key"
                                              : "other tables inherit from it");
    return std::nullopt;
  }
  SettleRequest request;
  request.table = audit_->table;
  request.selection = SelectionOf(*table);
  request.selection.after = audit_->after;
  request.selection.limit = kChunk;
  return request;
}

void Settling::GiveUp(const RowAccess& what, std::string_view why) {
  audit_.reset();
  suspects_->Postpone(what, absl::Now() + kNotSoon);
  const std::string line = StrCat("table ", what.table, " cannot be settled: ", why,
                                  "; compare it by hand while nothing writes it");
  if (line != warned_) hooks_.warning(line);
  warned_ = line;
}

bool Settling::Ripe(const Sequencer& sequencer) {
  if (!asked_) return false;
  if (!ripe_at_) {
    MutexLock lock(&mutex_);
    if (!reading_ || sequencer.settled() <= reading_->read.hi) return false;
    ripe_at_ = sequencer.read_to();
  }
  return sequencer.low() >= *ripe_at_;
}

bool Settling::idle() const {
  if (!thread_.joinable() || suspects_->open() == 0) return true;
  return !asked_ && !audit_ && !suspects_->AnyDue(absl::Now() + absl::Seconds(1));
}

// ------------------------------------------------------------------------------ judging

// Rows of both sides by key.
struct Settling::Sides {
  const CatalogTable& table;
  const Catalog& primary_catalog;
  const Catalog& shadow_catalog;
  const compare::Observation& primary;
  compare::Observation shadow;
  absl::flat_hash_map<uint64_t, compare::RowView> primary_rows, shadow_rows;
  compare::CompareOptions options;

  std::optional<RowAccess> RowOf(const compare::RowView& row) const {
    KeyText values;
    for (const int16_t attribute : table.primary_key) {
      const CatalogColumn* column = table.FindAttribute(attribute);
      size_t i = 0;
      while (column != nullptr && i < primary.columns.size() &&
             primary.columns[i].name != column->name) {
        ++i;
      }
      if (column == nullptr || i >= row.size() || !row[i]) return std::nullopt;
      values.emplace_back(*row[i]);
    }
    return RowByKey(table, std::move(values), primary_catalog);
  }

  std::vector<RowAccess> Index() {
    std::vector<RowAccess> all;
    for (const bool of_primary : {true, false}) {
      compare::RowReader reader(of_primary ? primary.rows : shadow.rows);
      for (compare::RowView row; reader.Next(&row);) {
        std::optional<RowAccess> access = RowOf(row);
        if (!access) continue;
        const uint64_t key = *access->key;
        if (of_primary || !primary_rows.contains(key)) all.push_back(*std::move(access));
        (of_primary ? primary_rows : shadow_rows).emplace(key, row);
      }
    }
    return all;
  }

  static compare::Observation OneRow(const compare::Observation& from,
                                     const compare::RowView& row) {
    compare::Observation one;
    one.has_columns = true;
    one.columns = from.columns;
    compare::AppendRow(row, &one.rows);
    one.row_count = 1;
    one.tag = "SELECT 1";
    return one;
  }

  static std::string Text(const compare::RowView* row) {
    if (row == nullptr) return "(no row)";
    std::string text = "(";
    for (const compare::Cell& cell : *row)
      text += StrCat(&cell == &row->front() ? "" : ", ", cell ? *cell : "NULL");
    return text + ")";
  }

  const compare::RowView* Find(const absl::flat_hash_map<uint64_t, compare::RowView>& rows,
                               const RowAccess& row) const {
    const auto found = rows.find(*row.key);
    return found == rows.end() ? nullptr : &found->second;
  }

  compare::Comparison Difference(const RowAccess& row) const {
    const compare::RowView* mine = Find(primary_rows, row);
    const compare::RowView* other = Find(shadow_rows, row);
    compare::Comparison difference;
    if (mine == nullptr && other == nullptr) return difference;
    if (mine != nullptr && other != nullptr) {
      if (*mine == *other) return difference;
      return compare::Compare(OneRow(primary, *mine), OneRow(shadow, *other), options);
    }
    difference.kind = compare::Kind::row_count;
    difference.what =
        mine == nullptr ? "a row that is on the shadow alone" : "a row that is not on the shadow";
    difference.primary_example = Text(mine);
    difference.shadow_example = Text(other);
    return difference;
  }
};

namespace {

// Times that a default or a trigger made differ by the two clocks.
std::vector<bool> FrozenColumns(const CatalogTable& table, const compare::Observation& rows) {
  std::vector<bool> frozen;
  for (const compare::Column& column : rows.columns) {
    const CatalogColumn* known = table.FindColumn(column.name);
    frozen.push_back(known != nullptr &&
                     (known->default_kind == DefaultKind::now || known->time_by_trigger));
  }
  return frozen;
}

}  // namespace

absl::Status Settling::Judge(Store* store, const Catalog& primary, uint64_t turn) {
  Reading reading;
  {
    MutexLock lock(&mutex_);
    reading = *std::move(reading_);
    reading_.reset();
  }
  asked_ = false;
  ripe_at_.reset();
  const RowAccess whole{reading.request.table, std::nullopt};
  const uint64_t rows = reading.rows.ok() ? reading.rows->row_count : 0;
  next_ask_ = absl::Now() + absl::Seconds(1) * static_cast<double>(std::max<uint64_t>(1, rows)) /
                                static_cast<double>(options_.rows_per_second);
  if (!reading.rows.ok()) {
    next_ask_ = absl::Now() + absl::Seconds(1);
    audit_.reset();
    return absl::OkStatus();
  }
  const CatalogTable* table = primary.FindQualified(reading.request.table);
  if (table == nullptr || reading.rows->kind == compare::Observation::Kind::error) {
    for (const RowAccess& row : reading.request.rows)
      suspects_->Postpone(row, absl::Now() + kNotSoon);
    GiveUp(whole, table == nullptr ? "it is not known any more"
                                   : compare::DecodeErrorFields(reading.rows->error).message);
    return absl::OkStatus();
  }
  return reading.request.rows.empty() ? JudgeChunk(reading, store, *table, primary, turn)
                                      : JudgeRows(reading, store, *table, primary, turn);
}

std::optional<RowWrite> Settling::JudgeRow(const RowAccess& row, const Reading& reading,
                                           const Sides& sides, uint64_t turn) {
  const absl::Time now = absl::Now();
  if (overlaps_->WrittenSince(row, reading.read.lo)) {
    suspects_->Postpone(row, now + kSoon);
    return std::nullopt;
  }
  const compare::Comparison difference = sides.Difference(row);
  if (difference.equal()) {
    if (suspects_->Proved(row, turn)) log_->Add(compare::Counter::rows_settled, 1);
    return std::nullopt;
  }
  const compare::RowView* mine = sides.Find(sides.primary_rows, row);
  const compare::RowView* other = sides.Find(sides.shadow_rows, row);
  switch (suspects_->Of(row)) {
    case SuspectRows::Standing::tainted:
      suspects_->Postpone(row, now + kLater);
      return std::nullopt;
    case SuspectRows::Standing::clear:
      hooks_.divergent(row, difference);
      suspects_->Postpone(row, now + kLater);
      return std::nullopt;
    case SuspectRows::Standing::unproved:
      break;
  }
  // The next reading proves it.
  suspects_->Postpone(row, now);
  RowWrite write{*row.values, other != nullptr, std::nullopt};
  if (mine == nullptr) return write;
  write.values.emplace();
  for (const compare::Cell& cell : *mine)
    write.values->push_back(cell ? std::optional<std::string>(*cell) : std::nullopt);
  return write;
}

absl::Status Settling::JudgeRows(const Reading& reading, Store* store, const CatalogTable& table,
                                 const Catalog& primary, uint64_t turn) {
  auto shadow = store->ReadRows(reading.request.selection);
  if (!shadow.ok()) return shadow.status();
  if (shadow->kind == compare::Observation::Kind::error) {
    for (const RowAccess& row : reading.request.rows)
      suspects_->Postpone(row, absl::Now() + kLater);
    return absl::OkStatus();
  }
  const std::shared_ptr<const Catalog> shadow_catalog = store->catalog();
  Sides sides{table, primary, *shadow_catalog, *reading.rows, *std::move(shadow), {}, {}, {}};
  sides.options.frozen_time = FrozenColumns(table, *reading.rows);
  sides.options.time_tolerance_us = options_.time_tolerance_us;
  sides.options.primary_types = &primary;
  sides.options.shadow_types = shadow_catalog.get();
  sides.Index();
  std::vector<RowWrite> writes;
  for (const RowAccess& row : reading.request.rows)
    if (auto write = JudgeRow(row, reading, sides, turn)) writes.push_back(*std::move(write));
  return Repair(store, reading.request.selection, writes);
}

absl::Status Settling::Repair(Store* store, const RowSelection& selection,
                              const std::vector<RowWrite>& writes) {
  if (writes.empty()) return absl::OkStatus();
  hooks_.before_write();
  absl::Status status = store->WriteRows(selection, writes);
  if (status.ok()) {
    log_->Add(compare::Counter::rows_repaired, writes.size());
    return status;
  }
  if (!absl::IsAborted(status)) return status;
  const std::string line =
      StrCat("rows of ", selection.table,
             " differ for want of a proved order, and the shadow refuses the primary's: ",
             protocol::MessageOf(status));
  if (line != warned_) hooks_.warning(line);
  warned_ = line;
  next_ask_ = absl::Now() + absl::Seconds(1);
  return absl::OkStatus();
}

// Rows that differ, or were written meanwhile, are suspects by themselves from here on.
absl::Status Settling::JudgeChunk(const Reading& reading, Store* store, const CatalogTable& table,
                                  const Catalog& primary, uint64_t turn) {
  if (!audit_) return absl::OkStatus();
  RowSelection selection = reading.request.selection;
  Sides sides{table, primary, *store->catalog(), *reading.rows, {}, {}, {}, {}};
  const bool last = reading.rows->row_count < kChunk;
  if (!last) {
    compare::RowReader reader(reading.rows->rows);
    compare::RowView row;
    while (reader.Next(&row)) continue;
    const std::optional<RowAccess> end = sides.RowOf(row);
    if (!end) {
      GiveUp({audit_->table, std::nullopt}, "its key could not be read");
      return absl::OkStatus();
    }
    selection.to = *end->values;
    selection.limit = 10 * kChunk;
  } else {
    selection.limit = 10 * kChunk;
  }
  auto shadow = store->ReadRows(selection);
  if (!shadow.ok()) return shadow.status();
  if (shadow->kind == compare::Observation::Kind::error) {
    GiveUp({audit_->table, std::nullopt}, compare::DecodeErrorFields(shadow->error).message);
    return absl::OkStatus();
  }
  sides.shadow = *std::move(shadow);
  sides.options.frozen_time = FrozenColumns(table, *reading.rows);
  sides.options.time_tolerance_us = options_.time_tolerance_us;
  sides.options.primary_types = &primary;
  const std::shared_ptr<const Catalog> shadow_catalog = store->catalog();
  sides.options.shadow_types = shadow_catalog.get();
  std::vector<RowAccess> doubtful;
  for (const RowAccess& row : sides.Index()) {
    if (overlaps_->WrittenSince(row, reading.read.lo) || !sides.Difference(row).equal())
      doubtful.push_back(row);
  }
  log_->Add(compare::Counter::rows_unproved, suspects_->AddFromTable(audit_->table, doubtful));
  audit_->rows += reading.rows->row_count;
  audit_->after = selection.to;
  if (last) {
    EndAudit(turn);
  } else if (audit_->rows > options_.max_table_rows) {
    GiveUp({audit_->table, std::nullopt}, "it is larger than --settle-table-rows");
  }
  return absl::OkStatus();
}

// A write of unknown rows while it ran: once more.
void Settling::EndAudit(uint64_t turn) {
  const RowAccess whole{audit_->table, std::nullopt};
  const SuspectEntry* entry = suspects_->WholeOf(audit_->table);
  const bool again = overlaps_->WholeWrittenSince(audit_->table, audit_->began) ||
                     (entry != nullptr && entry->marks != audit_->marks);
  if (again) {
    suspects_->Postpone(whole, absl::Now() + absl::Milliseconds(500));
  } else if (suspects_->Proved(whole, turn)) {
    log_->Add(compare::Counter::rows_settled, 1);
  }
  audit_.reset();
}

}  // namespace pgparity::shadow
