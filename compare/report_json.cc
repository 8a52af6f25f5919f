#include <boost/json.hpp>

#include "compare/report.h"
#include "compare/report_format.h"

namespace pgparity::compare {
namespace {

namespace json = boost::json;

json::string_view View(std::string_view text) { return {text.data(), text.size()}; }

json::value TimeOrNull(int64_t us) {
  return us == 0 ? json::value(nullptr) : json::value(View(FormatTime(us)));
}

json::object Counts(const std::map<std::string, uint64_t>& counts) {
  json::object object;
  for (const auto& [name, n] : counts) object[View(name)] = n;
  return object;
}

json::array Strings(const std::vector<std::string>& strings) {
  json::array array;
  for (const std::string& text : strings) array.emplace_back(View(text));
  return array;
}

json::array Reasons(const std::vector<Reason>& reasons) {
  json::array array;
  for (const Reason& reason : reasons) {
    array.push_back({{"code", View(reason.code)},
                     {"text", View(reason.text)},
                     {"advice", View(reason.advice)}});
  }
  return array;
}

json::object Divergence(const DivergenceEntry& entry) {
  const std::string_view advice =
      entry.advice.empty() ? DivergenceAdvice(entry.cls, entry.kind) : entry.advice;
  return {{"id", entry.id},
          {"shape", View(entry.shape)},
          {"fingerprint", View(entry.fingerprint)},
          {"class", View(entry.cls)},
          {"kind", View(entry.kind)},
          {"what", View(entry.what)},
          {"count", entry.count},
          {"consequences", entry.consequences},
          {"first_position", entry.first_position},
          {"last_position", entry.last_position},
          {"first_at", TimeOrNull(entry.first_at_us)},
          {"last_at", TimeOrNull(entry.last_at_us)},
          {"tables", Strings(entry.tables)},
          {"cause", View(entry.cause)},
          {"advice", View(advice)},
          {"example",
           {{"statement", View(entry.example_statement)},
            {"primary", View(entry.example_primary)},
            {"shadow", View(entry.example_shadow)}}}};
}

json::array Gaps(const std::vector<GapEntry>& gaps) {
  json::array array;
  for (const GapEntry& gap : gaps) {
    array.push_back({{"reason", View(gap.reason)},
                     {"count", gap.count},
                     {"first_at", TimeOrNull(gap.first_at_us)},
                     {"last_at", TimeOrNull(gap.last_at_us)},
                     {"detail", View(gap.detail)},
                     {"advice", View(GapAdvice(gap.reason))}});
  }
  return array;
}

// null where nothing was measured.
json::object Latency(const LatencyHistogram& histogram, double divisor) {
  json::object object;
  for (const auto& [name, q] : {std::pair{"p50", 0.5}, {"p95", 0.95}, {"p99", 0.99}}) {
    if (histogram.count() == 0) {
      object[name] = nullptr;
    } else {
      object[name] = histogram.Quantile(q) / divisor;
    }
  }
  object["count"] = histogram.count();
  return object;
}

}  // namespace

std::string RenderJson(const Report& report, const Judgement& judgement) {
  json::object root;
  root["schema"] = 1;
  root["verdict"] = View(VerdictName(judgement.verdict));
  root["reasons"] = Reasons(judgement.reasons);
  if (report.since_us.has_value()) root["since"] = View(FormatTime(*report.since_us));
  root["soak"] = {{"started", TimeOrNull(report.started_us)},
                  {"ended", TimeOrNull(report.ended_us)},
                  {"seconds", report.seconds},
                  {"clean_seconds", report.clean_seconds}};
  root["units"] = Counts(report.units);
  root["rows"] = Counts(report.rows);
  root["statements"] = Counts(report.statements);
  root["not_compared_reasons"] = Counts(report.not_compared_reasons);
  root["partly_compared"] = Counts(report.partly);
  json::array divergences;
  for (const DivergenceEntry& entry : report.divergences) divergences.push_back(Divergence(entry));
  root["divergences"] = std::move(divergences);
  root["gaps"] = Gaps(report.gaps);
  json::array tables;
  for (const TableCoverage& table : report.tables) {
    tables.push_back(
        {{"table", View(table.table)}, {"reads", table.reads}, {"writes", table.writes}});
  }
  root["coverage"] = {{"tables", std::move(tables)},
                      {"shapes", report.shapes},
                      {"compared_share", report.Coverage()}};
  root["latency"] = {{"primary_ms", Latency(report.primary_us, 1000)},
                     {"shadow_ms", Latency(report.shadow_us, 1000)},
                     {"proxy_added_us", Latency(report.proxy_added_us, 1)}};
  json::object facts;
  for (const auto& [name, value] : report.facts) facts[View(name)] = View(value);
  root["facts"] = std::move(facts);
  return json::serialize(root) + "\n";
}

}  // namespace pgparity::compare
