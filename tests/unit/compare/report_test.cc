#include "compare/report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "compare/report_format.h"

namespace pgparity::compare {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

Report Sample() {
  Report report;
  report.started_us = 1'700'000'000'000'000;
  report.ended_us = 1'700'000'300'000'000;
  report.seconds = 300;
  report.clean_seconds = 290;
  report.units = {{"seen", 1200},     {"applied", 1000}, {"read_only", 190},
                  {"rolled_back", 9}, {"in_doubt", 0},   {"pending", 1}};
  report.statements = {{"seen", 5000},     {"compared", 4990}, {"match", 4980}, {"divergent", 3},
                       {"consequence", 2}, {"ambiguous", 5},   {"volatile", 0}, {"waived", 0},
                       {"refused", 4},     {"not_compared", 6}};
  report.not_compared_reasons = {{"system-catalog", 6}};
  DivergenceEntry entry;
  entry.id = 7;
  entry.shape = "SELECT abalance FROM accounts WHERE aid = $1";
  entry.fingerprint = "0123456789abcdef";
  entry.cls = "divergent";
  entry.kind = "rows";
  entry.what = "column 1 (abalance) differs in row 1";
  entry.count = 3;
  entry.consequences = 2;
  entry.first_position = 100;
  entry.last_position = 200;
  entry.first_at_us = entry.last_at_us = report.started_us;
  entry.tables = {"public.accounts"};
  entry.example_statement = "SELECT abalance FROM accounts WHERE aid = ?";
  entry.example_primary = "(<number>)";
  entry.example_shadow = "(NULL)";
  report.divergences = {entry};
  report.gaps = {{"ring-full", "thread forward/0", 3, report.started_us, report.ended_us}};
  report.tables = {{"public.accounts", 10, 20}};
  report.shapes = 12;
  report.primary_us.Add(1000, 100);
  report.shadow_us.Add(2000, 100);
  report.facts = {{"primary version", "15.4"}};
  return report;
}

std::vector<std::string> KeysOf(const boost::json::value& value) {
  std::vector<std::string> keys;
  for (const auto& entry : value.as_object()) keys.emplace_back(entry.key());
  return keys;
}

TEST(ReportJson, HasTheKeysThatDesignNames) {
  const Report report = Sample();
  const auto json = boost::json::parse(RenderJson(report, Judge(report, {})));
  EXPECT_EQ(json.at("schema"), 1);
  EXPECT_EQ(json.at("verdict"), "FAIL");
  EXPECT_EQ(json.at("reasons").at(0).at("code"), "divergent");
  EXPECT_TRUE(json.at("reasons").at(0).at("text").is_string());
  EXPECT_EQ(json.at("soak").at("started"), "2023-11-14T22:13:20.000Z");
  EXPECT_EQ(json.at("soak").at("ended"), "2023-11-14T22:18:20.000Z");
  EXPECT_EQ(json.at("soak").at("seconds").to_number<double>(), 300);
  EXPECT_EQ(json.at("soak").at("clean_seconds").to_number<double>(), 290);
  for (const char* key : {"seen", "applied", "read_only", "rolled_back", "in_doubt", "pending"}) {
    EXPECT_TRUE(json.at("units").at(key).is_number()) << key;
  }
  for (const char* key : {"seen", "compared", "match", "divergent", "consequence", "ambiguous",
                          "volatile", "waived", "refused", "not_compared"}) {
    EXPECT_TRUE(json.at("statements").at(key).is_number()) << key;
  }
  const auto& divergence = json.at("divergences").at(0);
  for (const char* key : {"shape", "fingerprint", "class", "kind", "cause", "advice"}) {
    EXPECT_TRUE(divergence.at(key).is_string()) << key;
  }
  for (const char* key : {"id", "count", "consequences", "first_position", "last_position"}) {
    EXPECT_TRUE(divergence.at(key).is_number()) << key;
  }
  EXPECT_EQ(divergence.at("tables").at(0), "public.accounts");
  EXPECT_NE(divergence.at("advice"), "");
  EXPECT_THAT(KeysOf(divergence.at("example")), ElementsAre("statement", "primary", "shadow"));
  for (const char* key : {"reason", "count", "first_at", "last_at"}) {
    EXPECT_TRUE(json.at("gaps").at(0).as_object().contains(key)) << key;
  }
  EXPECT_EQ(json.at("coverage").at("tables").at(0).at("table"), "public.accounts");
  EXPECT_EQ(json.at("coverage").at("tables").at(0).at("writes"), 20);
  EXPECT_EQ(json.at("coverage").at("shapes"), 12);
  EXPECT_NEAR(json.at("latency").at("primary_ms").at("p50").to_number<double>(), 1, 0.07);
  EXPECT_NEAR(json.at("latency").at("shadow_ms").at("p99").to_number<double>(), 2, 0.14);
  EXPECT_TRUE(json.at("latency").at("proxy_added_us").at("p95").is_null());
}

TEST(ReportJson, AnEmptyReportIsWhole) {
  const auto json = boost::json::parse(RenderJson(Report(), Judge(Report(), {})));
  EXPECT_EQ(json.at("verdict"), "INCONCLUSIVE");
  EXPECT_TRUE(json.at("soak").at("started").is_null());
  EXPECT_TRUE(json.at("divergences").as_array().empty());
  EXPECT_TRUE(json.at("gaps").as_array().empty());
}

TEST(ReportText, VerdictAndReasonsComeFirst) {
  const Report report = Sample();
  const std::string text = RenderText(report, Judge(report, {}));
  const auto position = [&](const char* piece) {
    const size_t at = text.find(piece);
    EXPECT_NE(at, std::string::npos) << piece << "\n" << text;
    return at;
  };
  const std::vector<size_t> order = {position("VERDICT: FAIL"), position("1. divergent"),
                                     position("to do:"),        position("SOAK"),
                                     position("DIVERGENCES"),   position("GAPS"),
                                     position("WHAT WAS SEEN"), position("COVERAGE"),
                                     position("LATENCY"),       position("FACTS")};
  EXPECT_TRUE(std::is_sorted(order.begin(), order.end())) << text;
  EXPECT_THAT(text, HasSubstr("#7  divergent: rows, 3 times, tables public.accounts"));
  EXPECT_THAT(text, HasSubstr("(<number>)"));
  EXPECT_THAT(text, HasSubstr("system-catalog 6"));
  EXPECT_THAT(text, HasSubstr("primary version: 15.4"));
}

TEST(ReportText, LinesStayReadable) {
  Report report = Sample();
  report.divergences[0].shape = "SELECT";
  for (int i = 0; i < 100; ++i) report.divergences[0].shape += " column" + std::to_string(i);
  std::istringstream lines(RenderText(report, Judge(report, {})));
  for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), 130u) << line;
}

TEST(ReportText, RowsOfAnExampleStandUnderEachOther) {
  Report report = Sample();
  report.divergences[0].example_primary = "(<number>)\n(NULL)\n";
  EXPECT_THAT(RenderText(report, Judge(report, {})),
              HasSubstr("       primary (<number>)\n               (NULL)\n"));
}

TEST(ReportText, LongListsAreCutAndSaySo) {
  Report report = Sample();
  report.divergences.resize(200, report.divergences[0]);
  const std::string text = RenderText(report, Judge(report, {}));
  EXPECT_THAT(text, HasSubstr("and 160 more: see --format json"));
}

TEST(ReportText, APassSaysSo) {
  Judgement judgement;
  judgement.verdict = Verdict::pass;
  EXPECT_THAT(RenderVerdict(judgement), StartsWith("VERDICT: PASS\n"));
}

TEST(ReportFormat, NumbersAndTimes) {
  EXPECT_EQ(Thousands(0), "0");
  EXPECT_EQ(Thousands(999), "999");
  EXPECT_EQ(Thousands(1000), "1,000");
  EXPECT_EQ(Thousands(1234567), "1,234,567");
  EXPECT_EQ(Plural(1, "gap"), "1 gap");
  EXPECT_EQ(Plural(0, "gap"), "0 gaps");
  EXPECT_EQ(FormatSeconds(0), "0s");
  EXPECT_EQ(FormatSeconds(59.9), "59s");
  EXPECT_EQ(FormatSeconds(60), "1m");
  EXPECT_EQ(FormatSeconds(48 * 3600), "48h");
  EXPECT_EQ(FormatSeconds(3600 + 61), "1h 1m");
  EXPECT_EQ(FormatSeconds(-5), "0s");
}

TEST(ReportFormat, PercentNeverRoundsToAllOrNothing) {
  EXPECT_EQ(Percent(1), "100%");
  EXPECT_EQ(Percent(0.99999), "99.9%");
  EXPECT_EQ(Percent(0.95), "95%");
  EXPECT_EQ(Percent(0), "0%");
  EXPECT_EQ(Percent(0.00001), "under 0.1%");
}

TEST(ReportFormat, ShortenDoesNotSplitCharacters) {
  EXPECT_EQ(Shorten("abc", 3), "abc");
  EXPECT_EQ(Shorten("abcd", 3), "abc...");
  EXPECT_EQ(Shorten("ab\xC3\xA4z", 3), "ab...");
}

TEST(ReportFormat, EveryReasonHasAdvice) {
  EXPECT_NE(GapAdvice("ring-full"), GapAdvice("no such reason"));
  EXPECT_NE(GapAdvice("no such reason"), "");
  EXPECT_NE(DivergenceAdvice("divergent", "no such kind"), "");
}

}  // namespace
}  // namespace pgparity::compare
