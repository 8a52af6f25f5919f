#include "proxy/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace pgparity::proxy {
namespace {

using testing::ContainsRegex;
using testing::HasSubstr;
using testing::Not;

TEST(Metrics, ForwardingAloneSaysNothingOfAShadow) {
  MetricsSnapshot now;
  now.version = "1.2.3";
  now.primary_up = true;
  now.forward.sessions_open = 3;
  now.forward.client_bytes = 5'000'000'000;
  const std::string text = RenderMetrics(now);
  EXPECT_THAT(text, HasSubstr("pgparity_build_info{version=\"1.2.3\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("\npgparity_primary_up 1\n"));
  EXPECT_THAT(text, HasSubstr("\npgparity_sessions 3\n"));
  EXPECT_THAT(text, HasSubstr("\npgparity_client_received_bytes_total 5000000000\n"));
  EXPECT_THAT(text, Not(HasSubstr("shadow")));
}

TEST(Metrics, LatenciesAreSecondsInCumulativeBuckets) {
  MetricsSnapshot now;
  now.added_latency.Add(5, 10);
  now.added_latency.Add(200, 4);
  now.added_latency.Add(2'000'000, 1);
  const std::string text = RenderMetrics(now);
  EXPECT_THAT(text, HasSubstr("pgparity_forward_added_seconds_count 15\n"));
  EXPECT_THAT(text, HasSubstr("le=\"1e-05\"} 10\n"));
  EXPECT_THAT(text, ContainsRegex("le=\"0.00025\"[}] 14\n"));
  EXPECT_THAT(text, HasSubstr("le=\"+Inf\"} 15\n"));
  EXPECT_THAT(text, ContainsRegex("pgparity_forward_added_seconds_sum [12][.]"));
}

TEST(Metrics, WhatTheParityLogKnowsIsLabelled) {
  compare::Report report;
  report.units = {{"seen", 9}, {"applied", 7}, {"pending", 1}};
  report.statements = {{"seen", 20}, {"compared", 18}, {"match", 17}, {"divergent", 1}};
  report.gaps.push_back({"ring-full", "one", 2, 0, 0});
  report.gaps.push_back({"ring-full", "another", 3, 0, 0});
  MetricsSnapshot now;
  now.shadowing = true;
  now.shadow_state = "catching-up";
  now.shadow.lag_units = 4;
  now.report = &report;
  const std::string text = RenderMetrics(now);
  EXPECT_THAT(text, HasSubstr("pgparity_shadow_state{state=\"catching-up\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("pgparity_shadow_state{state=\"shadowing\"} 0\n"));
  EXPECT_THAT(text, HasSubstr("pgparity_shadow_lag_units 4\n"));
  EXPECT_THAT(text, HasSubstr("pgparity_units_total{outcome=\"applied\"} 7\n"));
  EXPECT_THAT(text, HasSubstr("pgparity_statements_total{class=\"divergent\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("pgparity_gaps_total{reason=\"ring-full\"} 5\n"));
  // Sums of the others would be counted twice.
  EXPECT_THAT(text, Not(HasSubstr("\"seen\"")));
  EXPECT_THAT(text, Not(HasSubstr("\"compared\"")));
}

}  // namespace
}  // namespace pgparity::proxy
