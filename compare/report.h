// The parity report and the verdict, made from a parity log.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "compare/parity_log.h"
#include "compare/redact.h"  // IWYU pragma: export

namespace pgparity::compare {

struct ReportOptions {
  bool reveal = false;  // show values instead of their redaction
  // Only what was recorded at or after this wall-clock time, microseconds since 1970: counters,
  // coverage, latencies, the soak, divergences and their counts by bucket (the minute in which it
  // falls; the hour if that is more than a day ago; the day if more than 30), gaps by their last
  // time. The positions, times and first example of a divergence are those of its whole life. What
  // lies before is not forgotten: see Report::earlier_divergences.
  std::optional<int64_t> since_us;
  // Journalled and not yet applied, where the caller knows it; otherwise the counters' difference.
  std::optional<uint64_t> pending_units;
};

// Codes: divergent, gap, pending-units, in-doubt, unproved-order, repaired-rows, nothing-compared,
// coverage, ambiguous-rate, never-matched, soak-too-short, and earlier (divergences or gaps before
// the time that the report begins at).
struct Reason {
  std::string code, text;
  std::string advice;  // what to do about it
};

struct DivergenceEntry {
  uint64_t id = 0;
  std::string shape, fingerprint, cls, kind, what, cause, advice;
  uint64_t count = 0, consequences = 0, first_position = 0, last_position = 0;
  int64_t first_at_us = 0, last_at_us = 0;
  std::vector<std::string> tables;
  std::string example_statement, example_primary, example_shadow;  // redacted unless asked
};
struct GapEntry {
  std::string reason, detail;
  uint64_t count = 0;
  int64_t first_at_us = 0, last_at_us = 0;
};
struct TableCoverage {
  std::string table;
  uint64_t reads = 0, writes = 0;
};

// Everything the report says, before rendering.
struct Report {
  int64_t started_us = 0, ended_us = 0;  // first and last tick of the soak; 0: none
  double seconds = 0, clean_seconds = 0;
  std::map<std::string, uint64_t> units;  // keys as in the JSON report
  // Settling: unproved (now: perhaps not as on the primary), settled (found equal since), repaired.
  std::map<std::string, uint64_t> rows;
  // Keys as in the JSON report, and unaccounted: seen, and in no class.
  std::map<std::string, uint64_t> statements;
  // Matches that were compared only so far: incomplete (rows past the capture limit could not be),
  // bytewise (a type was not known), digest-only (rows past the limit by digest).
  std::map<std::string, uint64_t> partly;
  std::map<std::string, uint64_t>
      not_compared_reasons;                  // and refused, volatile, ambiguous: reason -> count
  std::vector<DivergenceEntry> divergences;  // roots first, then by count
  std::vector<GapEntry> gaps;
  std::vector<TableCoverage> tables;
  uint64_t shapes = 0;
  // Shapes that were ambiguous and never matched: nothing shows that both sides answer them alike.
  std::vector<std::string> never_matched;
  LatencyHistogram primary_us, shadow_us, proxy_added_us;
  std::map<std::string, std::string> facts;
  // With ReportOptions::since_us: where the report really begins, and what was before.
  std::optional<int64_t> since_us;
  uint64_t earlier_divergences = 0, earlier_gaps = 0;
  // Kept by ParityLog::SetAppliedPosition and SetEventsPosition.
  std::optional<uint64_t> applied_position, events_position;

  // Statements compared in full, classified ones included, among those seen; 1 when none was seen.
  double Coverage() const;
};

enum class Verdict : uint8_t { pass, fail, inconclusive };
std::string_view VerdictName(Verdict verdict);  // "PASS", "FAIL", "INCONCLUSIVE"

struct VerdictOptions {
  double min_soak_seconds = 48 * 3600;
  // Share of statements compared (match or classified) among those seen, transaction control
  // apart. Matches that were compared in part do not count.
  double min_coverage = 0.95;
  double max_ambiguous = 0.001;  // share of compared statements
};
struct Judgement {
  Verdict verdict = Verdict::inconclusive;
  std::vector<Reason> reasons;
};

// Reads the log without locking out its writer, in one consistent view. Errors: NotFound when there
// is no such file, FailedPrecondition when it is of another version.
absl::StatusOr<Report> LoadReport(const std::string& parity_log_path, const ReportOptions& options);
// Never PASS when a gap touches the soak, units are pending or in doubt, the soak is too short or
// coverage falls short; FAIL when anything is divergent. Reasons: every one that applies, most
// serious first.
Judgement Judge(const Report& report, const VerdictOptions& options);

// For someone at 3 a.m.: the verdict, its reasons and what to do about each, then the evidence.
std::string RenderText(const Report& report, const Judgement& judgement);
// The verdict, its reasons and what to do about each, alone.
std::string RenderVerdict(const Judgement& judgement);
std::string RenderJson(const Report& report,
                       const Judgement& judgement);  // schema 1 of DESIGN, "Command line"

}  // namespace pgparity::compare
