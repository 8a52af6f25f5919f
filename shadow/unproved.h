// Rows whose contents on the shadow are not known to be right: two units wrote them in an order
// that nothing proves, or a statement that concurrency may explain wrote other rows there.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "shadow/rewrite.h"

namespace pgparity::shadow {

// Belongs to the applier's thread. Rows leave it when they are read again on both sides (settling),
// which comes with the ordering work.
class UnprovedRows {
 public:
  // How many of them were not there before.
  size_t Add(const std::vector<RowAccess>& rows) {
    size_t added = 0;
    for (const RowAccess& row : rows) added += AddRow(row) ? 1 : 0;
    return added;
  }
  bool Touched(const std::vector<RowAccess>& rows) const;

 private:
  // A table with more such rows than this is unproved as a whole.
  static constexpr size_t kMaxRows = 100000;
  struct Table {
    bool whole = false;
    absl::flat_hash_set<uint64_t> keys;
  };
  bool AddRow(const RowAccess& row);

  absl::flat_hash_map<std::string, Table> tables_;
};

}  // namespace pgparity::shadow
