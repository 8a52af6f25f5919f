#include "shadow/overlap.h"

#include <algorithm>

namespace pgparity::shadow {

namespace {

bool SameRow(const std::optional<uint64_t>& a, const std::optional<uint64_t>& b) {
  return !a.has_value() || !b.has_value() || a == b;
}

}  // namespace

template <typename Fn>
bool OverlapIndex::AnyFrom(const std::deque<Write>& written, Stamp lo, Fn&& wanted) {
  auto from = std::partition_point(written.begin(), written.end(),
                                   [lo](const Write& write) { return write.latest_end < lo; });
  return std::any_of(from, written.end(), wanted);
}

std::vector<RowAccess> OverlapIndex::Note(Position unit, const Interval& interval, Stamp seen,
                                          const std::vector<RowAccess>& writes) {
  std::vector<RowAccess> unproved;
  for (const RowAccess& access : writes) {
    std::deque<Write>& written = tables_[access.table];
    if (AnyFrom(written, interval.lo, [&](const Write& other) {
          return other.unit != unit && SameRow(other.key, access.key) &&
                 other.interval.Overlaps(interval);
        })) {
      unproved.push_back(access);
    }
    const Stamp latest = written.empty() ? seen : std::max(seen, written.back().latest_end);
    written.push_back({interval, seen, latest, unit, access.key});
    if (written.size() > kMaxWrites) written.pop_front();
  }
  return unproved;
}

bool OverlapIndex::Overlapped(Position unit, const Interval& interval,
                              const std::vector<RowAccess>& touched) const {
  return std::any_of(touched.begin(), touched.end(), [&](const RowAccess& access) {
    auto found = tables_.find(access.table);
    return found != tables_.end() && AnyFrom(found->second, interval.lo, [&](const Write& other) {
             return other.unit != unit && SameRow(other.key, access.key) &&
                    Interval{other.interval.lo, other.seen}.Overlaps(interval);
           });
  });
}

void OverlapIndex::Forget(Stamp stamp) {
  for (auto table = tables_.begin(); table != tables_.end();) {
    std::deque<Write>& written = table->second;
    while (!written.empty() && written.front().latest_end < stamp) written.pop_front();
    if (written.empty()) {
      tables_.erase(table++);
    } else {
      ++table;
    }
  }
}

}  // namespace pgparity::shadow
