#include "shadow/cut_search.h"

#include <algorithm>

namespace pgparity::shadow {

namespace {

// A write that comes later than this behind a read's end cannot overlap it, but for statements that
// run that long.
constexpr Stamp kKept = 1'000'000'000;

bool Meets(const CutRead& read, const RowAccess& write) {
  return std::any_of(read.touched.begin(), read.touched.end(), [&](const RowAccess& row) {
    return row.table == write.table && (!row.key || !write.key || row.key == write.key);
  });
}

}  // namespace

UnitPlace PlaceOf(const Plan& plan) {
  const Unit& unit = *plan.unit->unit;
  UnitPlace place;
  place.unit = plan.unit->ref.position;
  place.interval = unit.header.interval;
  place.seen = place.interval.hi;
  for (const Statement& statement : unit.statements)
    place.seen = std::max(place.seen, statement.done);
  place.exact = unit.header.token.has_value() && !unit.header.late;
  place.epoch = unit.header.epoch;
  return place;
}

void CutSearch::Planned(const Plan& plan) {
  for (const CutRead& read : plan.cut_reads) {
    if (reads_.size() >= kMaxReads) return;
    auto entry = std::make_shared<Read>();
    entry->turn = plan.turn;
    entry->read = read;
    entry->unit = plan.unit;
    entry->cuts = plan.cuts;
    entry->on_snapshot = plan.unit->lane == PlannedUnit::Lane::snapshot;
    std::vector<std::string> tables;
    for (const RowAccess& row : read.touched) tables.push_back(row.table);
    std::sort(tables.begin(), tables.end());
    tables.erase(std::unique(tables.begin(), tables.end()), tables.end());
    for (const std::string& table : tables) by_table_[table].push_back(entry);
    reads_.push_back(std::move(entry));
  }
}

template <typename Fn>
void CutSearch::ForEachMet(const Plan& write, Fn&& met) {
  if (reads_.empty() || write.unit->finish == PlannedUnit::Finish::roll_back) return;
  const UnitPlace place = PlaceOf(write);
  std::vector<Read*> done;
  for (const RowAccess& row : write.writes) {
    const auto found = by_table_.find(row.table);
    if (found == by_table_.end()) continue;
    for (const std::shared_ptr<Read>& read : found->second) {
      if (read->turn == write.turn || place.seen < read->read.interval.lo) continue;
      // What was sent when the read had been answered, it cannot have seen.
      const bool may_see = place.interval.lo <= read->read.interval.hi;
      if ((read->dispatched && !may_see) || !Meets(read->read, row)) continue;
      if (std::find(done.begin(), done.end(), read.get()) != done.end()) continue;
      done.push_back(read.get());
      met(read.get(), may_see);
    }
  }
}

CutProbe CutSearch::ProbeOf(Read* read) {
  auto unit = std::make_shared<PlannedUnit>(*read->unit);
  unit->lane = PlannedUnit::Lane::window;
  unit->finish = PlannedUnit::Finish::roll_back;
  for (PlannedStatement& step : unit->statements)
    if (step.index != read->read.index) step.action = PlannedStatement::Action::skip;
  ++read->probes;
  ++read->cuts->pending;
  read->current = true;
  return {std::move(unit), read->cuts};
}

std::vector<CutProbe> CutSearch::Before(const Plan& write) {
  Forget(write.unit->unit->header.interval.hi);
  std::vector<CutProbe> probes;
  ForEachMet(write, [&](Read* read, bool) {
    if (!read->current && read->probes < kMaxProbes) probes.push_back(ProbeOf(read));
    read->current = false;
  });
  return probes;
}

// A read whose turn comes later is run then, or before the next write.
std::vector<CutProbe> CutSearch::After(const Plan& write) {
  std::vector<CutProbe> probes;
  ForEachMet(write, [&](Read* read, bool may_see) {
    if (read->dispatched && may_see && !read->current && read->probes < kMaxProbes)
      probes.push_back(ProbeOf(read));
  });
  return probes;
}

void CutSearch::Dispatched(const Plan& plan) {
  const auto first = std::partition_point(
      reads_.begin(), reads_.end(),
      [&](const std::shared_ptr<Read>& read) { return read->turn < plan.turn; });
  for (auto it = first; it != reads_.end() && (*it)->turn == plan.turn; ++it) {
    (*it)->dispatched = true;
    // A snapshot may be older than its turn.
    (*it)->current = !(*it)->on_snapshot;
  }
}

void CutSearch::Forget(Stamp now) {
  bool any = false;
  while (!reads_.empty() && reads_.front()->dispatched &&
         (reads_.front()->read.interval.hi + kKept < now || reads_.size() > kMaxReads / 2)) {
    reads_.front()->unit.reset();
    reads_.pop_front();
    any = true;
  }
  if (!any) return;
  for (auto table = by_table_.begin(); table != by_table_.end();) {
    std::erase_if(table->second, [](const auto& read) { return read->unit == nullptr; });
    if (table->second.empty()) {
      by_table_.erase(table++);
    } else {
      ++table;
    }
  }
}

}  // namespace pgparity::shadow
