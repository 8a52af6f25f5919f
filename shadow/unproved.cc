#include "shadow/unproved.h"

#include <algorithm>

namespace pgparity::shadow {

bool UnprovedRows::AddRow(const RowAccess& row) {
  Table& table = tables_[row.table];
  if (table.whole) return false;
  if (row.key.has_value() && table.keys.size() < kMaxRows) {
    return table.keys.insert(*row.key).second;
  }
  table.whole = true;
  table.keys = {};
  return true;
}

bool UnprovedRows::Touched(const std::vector<RowAccess>& rows) const {
  return std::any_of(rows.begin(), rows.end(), [this](const RowAccess& row) {
    auto found = tables_.find(row.table);
    if (found == tables_.end()) return false;
    return !row.key.has_value() || found->second.whole || found->second.keys.contains(*row.key);
  });
}

}  // namespace pgparity::shadow
