// The writing half of a parity log: its file. Not thread-safe.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/statusor.h"
#include "compare/parity_log_pending.h"
#include "compare/sqlite_db.h"

namespace pgparity::compare {

// What a restarted log must know of its past.
struct ParityLogState {
  absl::flat_hash_set<uint64_t> shapes;  // keys as ShapeKey makes them
  absl::flat_hash_set<std::string> tables, reasons;
  absl::flat_hash_map<std::string, DivergenceState> divergences;  // by DivergenceKey
  absl::flat_hash_map<std::string, std::string> roots;  // fingerprint -> its first divergent key
  absl::flat_hash_map<std::string, GapState> gaps;      // the latest of each reason
  absl::flat_hash_map<std::string, size_t> gap_rows;
  int64_t next_divergence = 1, next_gap = 1;
  std::optional<int64_t> soak_started_us, soak_ended_us;
};

uint64_t ShapeKey(std::string_view fingerprint, std::string_view shape);
std::string DivergenceKey(std::string_view fingerprint, std::string_view cls,
                          std::string_view kind);

class ParityLogStore {
 public:
  static absl::StatusOr<std::unique_ptr<ParityLogStore>> Open(const std::string& path);

  absl::StatusOr<ParityLogState> Load();
  // All or nothing.
  absl::Status Write(const Pending& pending);
  // Joins minutes older than a day into hours, and hours older than 30 days into days.
  absl::Status RollUp(int64_t now_us);

 private:
  explicit ParityLogStore(std::unique_ptr<SqliteDatabase> db) : db_(std::move(db)) {}
  absl::Status InTransaction(const std::function<absl::Status()>& body);
  absl::Status WriteBuckets(const Pending& pending);
  absl::Status WriteLatency(int64_t bucket, std::string_view name, const LatencyHistogram& added);
  absl::Status WriteShapes(const Pending& pending);
  absl::Status WriteDivergences(const Pending& pending);
  absl::Status WriteExamples(const Pending& pending);
  absl::Status WriteGapsAndFacts(const Pending& pending);
  absl::Status RollUpTo(int64_t before, int64_t width, std::string_view meta);
  absl::Status RollUpLatency(int64_t from, int64_t before, int64_t width);
  absl::Status LoadDivergences(ParityLogState* state);
  absl::Status LoadGaps(ParityLogState* state);
  absl::StatusOr<int64_t> Meta(std::string_view name);
  // Prepared once; the text must be a literal.
  absl::StatusOr<SqliteStatement*> Prepared(const char* sql);

  std::unique_ptr<SqliteDatabase> db_;
  absl::flat_hash_map<const char*, std::unique_ptr<SqliteStatement>> statements_;
};

}  // namespace pgparity::compare
