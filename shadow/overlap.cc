#include "shadow/overlap.h"

#include <algorithm>

namespace pgparity::shadow {

void OverlapIndex::Note(Position unit, const Interval& interval,
                        const std::vector<RowAccess>& writes) {
  for (const RowAccess& access : writes) {
    std::deque<Write>& written = tables_[access.table];
    const Stamp latest =
        written.empty() ? interval.hi : std::max(interval.hi, written.back().latest_end);
    written.push_back({interval, latest, unit, access.key});
    if (written.size() > kMaxWrites) written.pop_front();
  }
}

bool OverlapIndex::Overlapped(Position unit, const Interval& interval,
                              const std::vector<RowAccess>& touched) const {
  for (const RowAccess& access : touched) {
    auto found = tables_.find(access.table);
    if (found == tables_.end()) continue;
    const std::deque<Write>& written = found->second;
    auto from = std::partition_point(written.begin(), written.end(), [&](const Write& write) {
      return write.latest_end < interval.lo;
    });
    for (; from != written.end(); ++from) {
      const bool same_row =
          !from->key.has_value() || !access.key.has_value() || from->key == access.key;
      if (from->unit != unit && same_row && from->interval.Overlaps(interval)) return true;
    }
  }
  return false;
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
