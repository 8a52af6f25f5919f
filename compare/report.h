// The parity report and the verdict, made from a parity log.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "compare/parity_log.h"

namespace pgparity::compare {

struct ReportOptions {
  bool reveal = false;                  // show values instead of their redaction
  std::optional<int64_t> since_us;      // only what was seen at or after this wall-clock time
  uint64_t pending_units = 0;           // journalled and not yet applied, known to the caller
};

struct Reason { std::string code, text; };

struct DivergenceEntry {
  uint64_t id = 0;
  std::string shape, fingerprint, cls, kind, what, cause, advice;
  uint64_t count = 0, consequences = 0, first_position = 0, last_position = 0;
  std::vector<std::string> tables;
  std::string example_statement, example_primary, example_shadow;   // redacted unless asked
};
struct GapEntry { std::string reason, detail; uint64_t count = 0; int64_t first_at_us = 0, last_at_us = 0; };
struct TableCoverage { std::string table; uint64_t reads = 0, writes = 0; };

// Everything the report says, before rendering.
struct Report {
  int64_t started_us = 0, ended_us = 0;
  double seconds = 0, clean_seconds = 0;
  std::map<std::string, uint64_t> units;        // keys as in the JSON report
  std::map<std::string, uint64_t> statements;
  std::map<std::string, uint64_t> not_compared_reasons;   // and refused, volatile: reason -> count
  std::vector<DivergenceEntry> divergences;     // roots first, then by count
  std::vector<GapEntry> gaps;
  std::vector<TableCoverage> tables;
  uint64_t shapes = 0;
  LatencyHistogram primary_us, shadow_us, proxy_added_us;
  std::map<std::string, std::string> facts;
};

enum class Verdict : uint8_t { pass, fail, inconclusive };
std::string_view VerdictName(Verdict verdict);   // "PASS", "FAIL", "INCONCLUSIVE"

struct VerdictOptions {
  double min_soak_seconds = 48 * 3600;
  // Share of statements compared (match or classified) among those seen, transaction control apart.
  double min_coverage = 0.95;
  double max_ambiguous = 0.001;         // share of compared statements
};
struct Judgement { Verdict verdict = Verdict::inconclusive; std::vector<Reason> reasons; };

// Reads the log without locking out its writer.
absl::StatusOr<Report> LoadReport(const std::string& parity_log_path, const ReportOptions& options);
// Never PASS when a gap touches the soak, units are pending or in doubt, the soak is too short or coverage
// falls short; FAIL when anything is divergent. Reasons: every one that applies, most serious first.
Judgement Judge(const Report& report, const VerdictOptions& options);

std::string RenderText(const Report& report, const Judgement& judgement);
std::string RenderJson(const Report& report, const Judgement& judgement);   // schema 1 of DESIGN, "Command line"

// Replaces string, number and bit constants in SQL text by ?, comments by nothing; keeps identifiers.
std::string RedactStatement(std::string_view sql);
// "'abc'" -> "<text 3>"; keeps NULL. For values, error messages, DETAIL and HINT.
std::string RedactValues(std::string_view example);
// Control characters and invalid UTF-8 as \xNN, so that data cannot drive a terminal.
std::string EscapeControl(std::string_view text);

}  // namespace pgparity::compare
