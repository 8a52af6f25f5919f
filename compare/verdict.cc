#include <algorithm>
#include <cstdio>

#include "compare/report.h"
#include "compare/report_format.h"
#include "protocol/text.h"

namespace pgparity::compare {
namespace {

using protocol::StrCat;

uint64_t CountOf(const std::map<std::string, uint64_t>& counts, const char* key) {
  const auto found = counts.find(key);
  return found == counts.end() ? 0 : found->second;
}

Reason DivergentReason(const Report& report) {
  uint64_t roots = 0;
  std::string first;
  for (const DivergenceEntry& entry : report.divergences) {
    if (entry.cls != ClassName(Class::divergent)) continue;
    if (roots == 0) first = entry.shape;
    ++roots;
  }
  const uint64_t count = CountOf(report.statements, "divergent");
  std::string text = StrCat(Plural(count, "statement"), " answered differently, of ",
                            Plural(roots, "shape and kind", "shapes and kinds"));
  if (!first.empty()) text += StrCat("; the first: ", Shorten(first, 120));
  return {
      "divergent", text,
      "look at each divergence below; correct the shadow or the migration, make both sides equal "
      "again, and soak anew with another --data-dir"};
}

Reason GapReason(const Report& report) {
  std::map<std::string, uint64_t> counts;
  uint64_t total = 0;
  for (const GapEntry& gap : report.gaps) {
    counts[gap.reason] += gap.count;
    total += gap.count;
  }
  std::string list;
  for (const auto& [reason, n] : counts) {
    list += StrCat(list.empty() ? "" : ", ", reason, n > 1 ? StrCat(" x", n) : "");
  }
  return {
      "gap",
      StrCat(Plural(total, "gap"), " (", list, "): the shadow may differ, or was not watched"),
      "see the gaps below; remove what made them, make the shadow equal again, and soak anew with "
      "another --data-dir"};
}

void AddCoverageReasons(const Report& report, const VerdictOptions& options,
                        std::vector<Reason>* reasons) {
  const uint64_t compared = CountOf(report.statements, "compared");
  const uint64_t volatile_ones = CountOf(report.statements, "volatile");
  const uint64_t ambiguous = CountOf(report.statements, "ambiguous");
  const uint64_t incomplete = CountOf(report.partly, "incomplete");
  if (compared <= volatile_ones + ambiguous + incomplete) {
    reasons->push_back(
        {"nothing-compared", "no statement was compared in full: there is no evidence",
         "send traffic through the proxy, and check that the shadow is reachable and "
         "--reads is not off (`pgparity ctl status`)"});
  }
  const double coverage = report.Coverage();
  if (coverage < options.min_coverage) {
    reasons->push_back({"coverage",
                        StrCat(Percent(coverage), " of the statements seen were compared, ",
                               Percent(options.min_coverage), " are asked for"),
                        "see what was not compared and why, below; or ask for less with "
                        "--min-coverage if you can answer for the rest"});
  }
  const uint64_t resolved = CountOf(report.statements, "ambiguous_resolved");
  const uint64_t unresolved = ambiguous - std::min(ambiguous, resolved);
  const double share =
      compared == 0 ? 0 : static_cast<double>(unresolved) / static_cast<double>(compared);
  if (share > options.max_ambiguous) {
    reasons->push_back(
        {"ambiguous-rate",
         StrCat(Percent(share),
                " of the statements compared are ambiguous and not resolved, at most ",
                Percent(options.max_ambiguous), " may be"),
         "concurrent writes to the same rows leave open which order is right: see the "
         "ambiguous entries below"});
  }
}

void AddNeverMatchedReason(const Report& report, std::vector<Reason>* reasons) {
  if (report.never_matched.empty()) return;
  const size_t count = report.never_matched.size();
  reasons->push_back(
      {"never-matched",
       StrCat(
           Plural(count, "shape"), count == 1 ? " was" : " were",
           " ambiguous and never matched: nothing shows that the shadow answers right; the first: ",
           Shorten(report.never_matched.front(), 120)),
       "run these statements once while nothing else writes their tables, or compare the tables"});
}

void AddSoakReason(const Report& report, const VerdictOptions& options,
                   std::vector<Reason>* reasons) {
  if (report.clean_seconds >= options.min_soak_seconds) return;
  std::string text = StrCat("soaked ", FormatSeconds(report.clean_seconds), " of the ",
                            FormatSeconds(options.min_soak_seconds), " asked for");
  if (report.seconds - report.clean_seconds >= 1) {
    text += StrCat(" (", FormatSeconds(report.seconds), " with the time that was not clean)");
  }
  reasons->push_back({"soak-too-short", text,
                      StrCat("let it run for another ",
                             FormatSeconds(options.min_soak_seconds - report.clean_seconds),
                             " or more, with traffic that is like production's")});
}

}  // namespace

std::string_view VerdictName(Verdict verdict) {
  switch (verdict) {
    case Verdict::pass:
      return "PASS";
    case Verdict::fail:
      return "FAIL";
    case Verdict::inconclusive:
      return "INCONCLUSIVE";
  }
  return "INCONCLUSIVE";
}

Judgement Judge(const Report& report, const VerdictOptions& options) {
  Judgement judgement;
  std::vector<Reason>& reasons = judgement.reasons;
  const bool divergent =
      CountOf(report.statements, "divergent") > 0 ||
      std::any_of(report.divergences.begin(), report.divergences.end(),
                  [](const auto& entry) { return entry.cls == ClassName(Class::divergent); });
  if (divergent) reasons.push_back(DivergentReason(report));
  // A gap from before the first tick counts too: what it left different is still there.
  if (!report.gaps.empty()) reasons.push_back(GapReason(report));
  if (report.earlier_divergences > 0 || report.earlier_gaps > 0) {
    reasons.push_back(
        {"earlier",
         StrCat(Plural(report.earlier_divergences, "divergence"), " and ",
                Plural(report.earlier_gaps, "gap"),
                " lie before the time asked for: what they left different may be so still"),
         "make the report without --since to see them"});
  }
  if (const uint64_t pending = CountOf(report.units, "pending"); pending > 0) {
    reasons.push_back({"pending-units",
                       StrCat(Plural(pending, "unit"), " of work ", pending == 1 ? "is" : "are",
                              " recorded and not yet applied to the shadow"),
                       "run `pgparity ctl drain`; if that does not end, the shadow is slow or "
                       "unreachable (`pgparity ctl status`)"});
  }
  if (const uint64_t in_doubt = CountOf(report.units, "in_doubt"); in_doubt > 0) {
    reasons.push_back(
        {"in-doubt",
         StrCat("of ", Plural(in_doubt, "unit"), " it is not known whether the primary committed"),
         "a connection broke, or the primary stopped, between COMMIT and its answer: "
         "compare the tables concerned, then soak anew"});
  }
  if (const uint64_t rows = CountOf(report.rows, "unproved"); rows > 0) {
    reasons.push_back({"unproved-order",
                       StrCat("on ", Plural(rows, "row"),
                              " concurrent writes came in an order that nothing "
                              "proves: the shadow's rows may differ"),
                       "wait until they are settled (`pgparity ctl drain`, --settle-reads), or "
                       "compare the tables "
                       "named in the ambiguous entries, by key, while nothing writes them"});
  }
  // That the order explains the difference is not proved by its not being proved.
  if (const uint64_t repaired = CountOf(report.rows, "repaired"); repaired > 0) {
    reasons.push_back(
        {"repaired-rows",
         StrCat(Plural(repaired, "row"),
                " differed after concurrent writes in an order that nothing proves, and got the "
                "primary's values"),
         "soak with --ordering exact, in which the order is proved; what then differs is "
         "divergent"});
  }
  AddCoverageReasons(report, options, &reasons);
  AddNeverMatchedReason(report, &reasons);
  AddSoakReason(report, options, &reasons);
  judgement.verdict = divergent         ? Verdict::fail
                      : reasons.empty() ? Verdict::pass
                                        : Verdict::inconclusive;
  return judgement;
}

}  // namespace pgparity::compare
