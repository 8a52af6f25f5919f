// Tables known to differ since a named divergence or gap (DESIGN, "Words").
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"

namespace pgparity::shadow {

// What made a table differ.
struct TaintCause {
  std::string fingerprint;  // of the root divergence; empty where it was a gap
  std::string gap;          // or the gap's reason
};

// Belongs to the applier's thread. Whole tables; taint by rows, and its end by a re-read, come with
// the ordering work.
class Taint {
 public:
  // The first cause stays.
  void Add(const std::string& table, const TaintCause& cause) { tables_.emplace(table, cause); }
  // Any table may differ.
  void AddAll(const TaintCause& cause) {
    if (!all_) all_ = cause;
  }
  const TaintCause* Find(const std::vector<std::string>& tables) const {
    for (const std::string& table : tables) {
      auto found = tables_.find(table);
      if (found != tables_.end()) return &found->second;
    }
    return all_ ? &*all_ : nullptr;
  }

 private:
  absl::flat_hash_map<std::string, TaintCause> tables_;
  std::optional<TaintCause> all_;
};

}  // namespace pgparity::shadow
