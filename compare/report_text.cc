#include <algorithm>
#include <cstdarg>
#include <cstdio>

#include "compare/report.h"
#include "compare/report_format.h"
#include "protocol/text.h"

namespace pgparity::compare {
namespace {

using protocol::StrCat;

constexpr size_t kDivergencesShown = 40, kGapsShown = 40, kTablesShown = 40;
constexpr size_t kWidth = 100;

uint64_t CountOf(const std::map<std::string, uint64_t>& counts, const char* key) {
  const auto found = counts.find(key);
  return found == counts.end() ? 0 : found->second;
}

// Appends `label` and `text`, wrapped at blanks; further lines begin where the text began.
void Field(std::string_view label, std::string_view text, std::string* out) {
  *out += label;
  const size_t room = kWidth - std::min(kWidth - 20, label.size());
  const auto next_line = [&](size_t cut) {
    *out += text.substr(0, cut);
    *out += '\n';
    out->append(label.size(), ' ');
    text.remove_prefix(cut + 1);
  };
  while (true) {
    const size_t end = std::min(text.find('\n'), text.size());
    size_t cut = end;
    if (end > room) {
      cut = text.rfind(' ', room);
      if (cut == std::string_view::npos || cut < room / 3)
        cut = std::min(text.find(' ', room), end);
    }
    if (cut >= text.size()) break;
    next_line(cut);
  }
  *out += text;
  *out += '\n';
}

void Heading(std::string_view text, std::string* out) { *out += StrCat("\n", text, "\n"); }

std::string Pad(std::string_view text, size_t width) {
  std::string padded(text);
  if (padded.size() < width) padded.append(width - padded.size(), ' ');
  return padded;
}

std::string PadLeft(std::string_view text, size_t width) {
  return StrCat(std::string(width - std::min(width, text.size()), ' '), text);
}

void AppendMore(size_t all, size_t shown, std::string* out) {
  if (all > shown) *out += StrCat("  and ", all - shown, " more: see --format json\n");
}

void AppendSoak(const Report& report, std::string* out) {
  Heading("SOAK", out);
  if (report.since_us.has_value()) {
    *out += StrCat("  report since ", FormatTime(*report.since_us), "\n");
  }
  if (report.started_us == 0) {
    *out += "  not begun\n";
    return;
  }
  *out +=
      StrCat("  ", FormatTime(report.started_us), " to ", FormatTime(report.ended_us), ", soaked ",
             FormatSeconds(report.seconds), ", clean ", FormatSeconds(report.clean_seconds), "\n");
}

void AppendCounts(const Report& report, std::string* out) {
  Heading("WHAT WAS SEEN", out);
  const auto unit = [&](const char* key) { return Thousands(CountOf(report.units, key)); };
  const auto statement = [&](const char* key) {
    return Thousands(CountOf(report.statements, key));
  };
  *out += StrCat("  units       ", unit("seen"), " seen: ", unit("applied"), " applied, ",
                 unit("read_only"), " read only, ", unit("rolled_back"), " rolled back, ",
                 unit("pending"), " pending, ", unit("in_doubt"), " in doubt\n");
  *out += StrCat("  statements  ", statement("seen"), " seen, ", statement("compared"),
                 " compared (", Percent(report.Coverage()), "): ", statement("match"), " match, ",
                 statement("divergent"), " divergent, ", statement("consequence"),
                 " consequence,\n", "              ", statement("ambiguous"), " ambiguous, ",
                 statement("volatile"), " volatile, ", statement("waived"), " waived; ",
                 statement("refused"), " refused, ", statement("not_compared"), " not compared\n");
  const auto rows = [&](const char* key) { return CountOf(report.rows, key); };
  if (rows("unproved") + rows("settled") + rows("repaired") > 0) {
    *out += StrCat("  settling    ", Plural(rows("settled"), "row"),
                   " read again and found equal, ", Thousands(rows("repaired")),
                   " of them after a repair; ", Thousands(rows("unproved")), " not settled yet; ",
                   statement("ambiguous_resolved"), " of the ambiguous statements resolved\n");
  }
  if (CountOf(report.statements, "unaccounted") > 0) {
    *out += StrCat("              ", statement("unaccounted"), " seen and not accounted for\n");
  }
  std::string reasons;
  for (const auto& [reason, n] : report.not_compared_reasons) {
    reasons += StrCat(reasons.empty() ? "" : ", ", EscapeControl(reason), " ", Thousands(n));
  }
  if (!reasons.empty()) Field("  reasons     ", reasons, out);
  std::string partly;
  for (const auto& [note, n] : report.partly) {
    partly += StrCat(partly.empty() ? "" : ", ", note, " ", Thousands(n));
  }
  if (!partly.empty()) Field("  matches compared in part or bytewise: ", partly, out);
}

void AppendDivergence(const DivergenceEntry& entry, std::string* out) {
  std::string tables;
  for (const std::string& table : entry.tables) tables += (tables.empty() ? "" : ", ") + table;
  *out += StrCat("  #", entry.id, "  ", entry.cls, ": ", entry.kind, ", ",
                 Plural(entry.count, "time"), tables.empty() ? "" : ", tables ", tables, "\n");
  Field("      shape    ", entry.shape, out);
  if (!entry.what.empty()) Field("      what     ", entry.what, out);
  Field("      example  ", entry.example_statement, out);
  Field("       primary ", entry.example_primary, out);
  Field("       shadow  ", entry.example_shadow, out);
  if (!entry.cause.empty()) Field("      cause    ", entry.cause, out);
  if (entry.consequences > 0) {
    *out += StrCat("      followed by ", Plural(entry.consequences, "consequence"), "\n");
  }
  Field("      seen     ",
        StrCat(FormatTime(entry.first_at_us), " to ", FormatTime(entry.last_at_us),
               "; journal positions ", entry.first_position, " to ", entry.last_position),
        out);
  Field("      to do    ",
        entry.advice.empty() ? DivergenceAdvice(entry.cls, entry.kind) : entry.advice, out);
}

void AppendDivergences(const Report& report, std::string* out) {
  size_t roots = 0;
  for (const DivergenceEntry& entry : report.divergences) {
    roots += entry.cls == ClassName(Class::divergent) ? 1 : 0;
  }
  Heading(StrCat("DIVERGENCES  ", roots, " unexplained, ", report.divergences.size() - roots,
                 " ambiguous or consequences"),
          out);
  if (report.divergences.empty()) *out += "  none\n";
  size_t shown = 0;
  for (const DivergenceEntry& entry : report.divergences) {
    if (++shown > kDivergencesShown) break;
    AppendDivergence(entry, out);
  }
  AppendMore(report.divergences.size(), kDivergencesShown, out);
}

void AppendGaps(const Report& report, std::string* out) {
  Heading("GAPS", out);
  if (report.gaps.empty()) *out += "  none\n";
  size_t shown = 0;
  for (const GapEntry& gap : report.gaps) {
    if (++shown > kGapsShown) break;
    *out += StrCat("  ", gap.reason, "  x", gap.count, "  ", FormatTime(gap.first_at_us));
    if (gap.last_at_us != gap.first_at_us) *out += StrCat(" to ", FormatTime(gap.last_at_us));
    *out += '\n';
    if (!gap.detail.empty()) Field("      what     ", gap.detail, out);
    Field("      to do    ", GapAdvice(gap.reason), out);
  }
  AppendMore(report.gaps.size(), kGapsShown, out);
}

void AppendCoverage(const Report& report, std::string* out) {
  Heading(StrCat("COVERAGE  ", Plural(report.shapes, "shape"), " of statements, ",
                 Plural(report.tables.size(), "table")),
          out);
  std::vector<TableCoverage> tables = report.tables;
  std::stable_sort(tables.begin(), tables.end(), [](const auto& a, const auto& b) {
    return a.reads + a.writes > b.reads + b.writes;
  });
  tables.resize(std::min(tables.size(), kTablesShown));
  size_t width = 5;
  for (const TableCoverage& table : tables)
    width = std::max(width, std::min<size_t>(table.table.size(), 60));
  if (!tables.empty()) {
    *out += StrCat("  ", Pad("table", width), PadLeft("reads", 14), PadLeft("writes", 14), "\n");
  }
  for (const TableCoverage& table : tables) {
    *out += StrCat("  ", Pad(table.table, width), PadLeft(Thousands(table.reads), 14),
                   PadLeft(Thousands(table.writes), 14), "\n");
  }
  AppendMore(report.tables.size(), kTablesShown, out);
}

void AppendLatency(const Report& report, std::string* out) {
  Heading("LATENCY       p50       p95       p99", out);
  const auto line = [out](std::string_view name, const LatencyHistogram& histogram, double divisor,
                          const char* unit) {
    *out += StrCat("  ", Pad(name, 8));
    for (const double q : {0.5, 0.95, 0.99}) {
      char text[32] = "-";
      if (histogram.count() > 0) {
        std::snprintf(text, sizeof(text), "%.3g", histogram.Quantile(q) / divisor);
      }
      *out += PadLeft(text, 10);
    }
    *out += StrCat("  ", unit, "\n");
  };
  line("primary", report.primary_us, 1000, "ms");
  line("shadow", report.shadow_us, 1000, "ms");
  line("proxy", report.proxy_added_us, 1, "us added by the proxy");
}

}  // namespace

std::string RenderVerdict(const Judgement& judgement) {
  std::string out = StrCat("VERDICT: ", VerdictName(judgement.verdict), "\n");
  if (judgement.verdict == Verdict::pass) {
    out +=
        "  Every condition holds: nothing divergent, no gap, the soak and its coverage as asked "
        "for.\n";
  }
  size_t number = 0;
  for (const Reason& reason : judgement.reasons) {
    Field(StrCat("  ", ++number, ". ", reason.code, ": "), reason.text, &out);
    Field("     to do: ", reason.advice, &out);
  }
  return out;
}

std::string RenderText(const Report& report, const Judgement& judgement) {
  std::string out = "pgparity report\n\n" + RenderVerdict(judgement);
  AppendSoak(report, &out);
  AppendDivergences(report, &out);
  AppendGaps(report, &out);
  AppendCounts(report, &out);
  AppendCoverage(report, &out);
  AppendLatency(report, &out);
  if (!report.facts.empty()) Heading("FACTS", &out);
  for (const auto& [name, value] : report.facts)
    if (!value.empty()) Field(StrCat("  ", name, ": "), value, &out);
  return out;
}

}  // namespace pgparity::compare
