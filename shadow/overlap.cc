#include "shadow/overlap.h"

#include <algorithm>

namespace pgparity::shadow {

namespace {

bool SameRow(const std::optional<uint64_t>& a, const std::optional<uint64_t>& b) {
  return !a.has_value() || !b.has_value() || a == b;
}

bool OrderProved(const UnitPlace& a, const UnitPlace& b) {
  return a.exact && b.exact && a.epoch == b.epoch;
}

}  // namespace

template <typename Fn>
bool OverlapIndex::AnyFrom(const std::deque<Write>& written, Stamp lo, Fn&& wanted) {
  auto from = std::partition_point(written.begin(), written.end(),
                                   [lo](const Write& write) { return write.latest_end < lo; });
  return std::any_of(from, written.end(), wanted);
}

std::vector<RowAccess> OverlapIndex::Note(const UnitPlace& place,
                                          const std::vector<RowAccess>& writes) {
  std::vector<RowAccess> unproved;
  for (const RowAccess& access : writes) {
    Table& table = tables_[access.table];
    std::deque<Write>& written = table.writes;
    if (AnyFrom(written, place.interval.lo, [&](const Write& other) {
          return other.place.unit != place.unit && SameRow(other.key, access.key) &&
                 other.place.interval.Overlaps(place.interval) && !OrderProved(other.place, place);
        })) {
      unproved.push_back(access);
    }
    const Stamp latest =
        written.empty() ? place.seen : std::max(place.seen, written.back().latest_end);
    written.push_back({place, latest, access.key});
    if (written.size() <= kMaxWrites) continue;
    table.forgotten = written.front().latest_end;
    written.pop_front();
  }
  return unproved;
}

bool OverlapIndex::Overlapped(const UnitPlace& place, const std::vector<RowAccess>& touched,
                              bool order_counts) const {
  return std::any_of(touched.begin(), touched.end(), [&](const RowAccess& access) {
    auto found = tables_.find(access.table);
    return found != tables_.end() &&
           AnyFrom(found->second.writes, place.interval.lo, [&](const Write& other) {
             return other.place.unit != place.unit && SameRow(other.key, access.key) &&
                    Interval{other.place.interval.lo, other.place.seen}.Overlaps(place.interval) &&
                    !(order_counts && OrderProved(other.place, place));
           });
  });
}

bool OverlapIndex::WrittenSince(const RowAccess& row, Stamp since) const {
  auto found = tables_.find(row.table);
  if (found == tables_.end()) return false;
  if (found->second.forgotten >= since) return true;
  return AnyFrom(found->second.writes, since, [&](const Write& write) {
    return write.place.seen >= since && SameRow(write.key, row.key);
  });
}

bool OverlapIndex::WholeWrittenSince(const std::string& table, Stamp since) const {
  auto found = tables_.find(table);
  if (found == tables_.end()) return false;
  if (found->second.forgotten >= since) return true;
  return AnyFrom(found->second.writes, since,
                 [&](const Write& write) { return write.place.seen >= since && !write.key; });
}

void OverlapIndex::Forget(Stamp stamp) {
  for (auto& [name, table] : tables_) {
    while (!table.writes.empty() && table.writes.front().latest_end < stamp) {
      table.forgotten = table.writes.front().latest_end;
      table.writes.pop_front();
    }
  }
}

}  // namespace pgparity::shadow
