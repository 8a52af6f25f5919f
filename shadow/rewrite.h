// Makes of a primary's statement the one that the shadow runs: generated values pinned, time calls
// frozen, by splicing into the original text and by extra parameters (never by deparsing).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "shadow/analysis.h"
#include "shadow/catalog.h"
#include "shadow/unit.h"

namespace pgparity::shadow {

struct ShadowStatement {
  std::string sql;
  std::vector<uint32_t> types;                      // parameter types, 0 for open; the shadow's OIDs
  std::vector<std::optional<std::string>> values;
  std::vector<int16_t> formats;
  int result_format = 0;                            // 0 text, 1 binary: for all columns
  std::vector<bool> frozen_time;                    // per result column (empty: none)
  std::vector<bool> ignored;                        // per result column (empty: none): volatile
  // Sequences to be moved to at least a value at the unit's end: qualified quoted name, value.
  std::vector<std::pair<std::string, int64_t>> sequences;
  bool unseen_generated_key = false;                // a sequence or volatile default whose value nobody saw
};

struct RewriteContext {
  const Catalog* primary = nullptr;    // never null; may be Catalog::Empty()
  const Catalog* shadow = nullptr;
  std::vector<std::string> search_path;
  int64_t instant_us = 0;              // the unit's forwarding instant, microseconds since 1970, UTC
  std::string time_zone = "UTC";
};

ShadowStatement Rewrite(const Statement& statement, const Analysis& analysis, const RewriteContext& context);

// One row that a statement writes or reads by key: table OID and a hash of its primary-key values, or
// the whole table (DESIGN, "Values and effects").
struct RowAccess {
  std::string table;                   // qualified name in the primary
  std::optional<uint64_t> key;         // nullopt: the whole table
};
// What the statement touches; widened to whole tables where keys cannot be proved.
std::vector<RowAccess> Writes(const Statement& statement, const Analysis& analysis, const RewriteContext& context);
std::vector<RowAccess> Touches(const Statement& statement, const Analysis& analysis, const RewriteContext& context);

}  // namespace pgparity::shadow
