// Makes of a primary's statement the one that the shadow runs: generated values pinned, time calls
// frozen, by splicing into the original text and by extra parameters (never by deparsing).
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/statusor.h"
#include "shadow/analysis.h"
#include "shadow/catalog.h"
#include "shadow/unit.h"

namespace pgparity::shadow {

// Table OID in the primary, attribute number.
using ColumnId = std::pair<uint32_t, int16_t>;

struct ShadowStatement {
  std::string sql;
  std::vector<uint32_t> types;  // parameter types, 0 for open; the shadow's OIDs
  std::vector<std::optional<std::string>> values;
  std::vector<int16_t> formats;
  int result_format = 0;  // 0 text, 1 binary: for all columns
  // To be parsed each time: a setting may have changed since the last, and the server reads the
  // constants of a text ('2024-01-01 10:00' as timestamptz) under the settings of its Parse.
  bool unprepared = false;
  std::vector<bool> frozen_time;  // per result column (empty: none)
  std::vector<bool> ignored;      // per result column (empty: none): volatile
  // Sequences to be moved to at least a value at the unit's end: qualified quoted name, value.
  std::vector<std::pair<std::string, int64_t>> sequences;
  bool unseen_generated_key = false;  // a sequence or volatile default whose value nobody saw
  // All that Analysis::volatile_calls would have put into the rows is pinned to the primary's
  // values.
  bool volatile_resolved = false;
  // Columns of time types that this statement fills with a frozen value. From now on they compare
  // with a tolerance: gather them into RewriteContext::frozen_columns.
  std::vector<ColumnId> frozen_writes;
  // Not empty: what a mismatch may come from though nothing is wrong (a frozen time inside an
  // expression or a JSON value), to be classed as volatile.
  std::string mismatch_reason;
};

// What a session's currval() and lastval() give, from ShadowStatement::sequences of its units.
struct SessionSequences {
  absl::flat_hash_map<std::string, int64_t> values;  // by qualified quoted name
  std::optional<int64_t> last;
};

struct RewriteContext {
  const Catalog* primary = nullptr;  // never null; may be Catalog::Empty()
  const Catalog* shadow = nullptr;
  std::vector<std::string> search_path;
  int64_t instant_us = 0;  // the unit's forwarding instant, microseconds since 1970, UTC
  std::string time_zone = "UTC";
  // For statement_timestamp() and clock_timestamp(); 0: instant_us.
  int64_t statement_instant_us = 0;
  // Both may be null.
  const absl::flat_hash_set<ColumnId>* frozen_columns = nullptr;
  const SessionSequences* session_sequences = nullptr;
};

// A statement that is to run on the shadow. Parameters go by the extended protocol, whichever the
// client used. Where the primary's answer is an error, nothing is pinned.

ShadowStatement Rewrite(const Statement& statement, const Analysis& analysis,
                        const RewriteContext& context);

// One row that a statement writes or reads by key: its table and a hash of its primary-key values,
// or the whole table (DESIGN, "Values and effects").
struct RowAccess {
  std::string table;  // qualified name in the primary; of a partition, its topmost parent's
  std::optional<uint64_t> key;  // nullopt: the whole table
  // Of a row: the key's values as text, in the order of CatalogTable::primary_key.
  std::shared_ptr<const std::vector<std::string>> values = nullptr;
};
// The row with these key values (text, in the order of CatalogTable::primary_key); its key is what
// Writes() and Touches() give it. Of a table whose keys they do not take apart, a hash of the text.
RowAccess RowByKey(const CatalogTable& table, std::vector<std::string> values,
                   const Catalog& primary);
// What the statement touches; widened to whole tables where keys cannot be proved.
std::vector<RowAccess> Writes(const Statement& statement, const Analysis& analysis,
                              const RewriteContext& context);
std::vector<RowAccess> Touches(const Statement& statement, const Analysis& analysis,
                               const RewriteContext& context);
// The WHERE of a statement on one table pins its primary key or a unique key: no LIMIT, order or
// aggregate over it is ambiguous.
bool AtMostOneRow(const Analysis& analysis, const RewriteContext& context);

}  // namespace pgparity::shadow
