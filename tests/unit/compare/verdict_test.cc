#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "compare/report.h"

namespace pgparity::compare {
namespace {

using testing::AllOf;
using testing::Each;
using testing::ElementsAre;
using testing::Field;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

// A report for which the default options give PASS.
Report Clean() {
  Report report;
  report.started_us = 1'700'000'000'000'000;
  report.ended_us = report.started_us + 48ll * 3600 * 1'000'000;
  report.seconds = report.clean_seconds = 48 * 3600;
  report.units = {{"seen", 100}, {"applied", 100}, {"pending", 0}, {"in_doubt", 0}};
  report.statements = {
      {"seen", 10000}, {"compared", 9990}, {"match", 9990}, {"divergent", 0}, {"not_compared", 10}};
  return report;
}

std::vector<std::string> Codes(const Judgement& judgement) {
  std::vector<std::string> codes;
  for (const Reason& reason : judgement.reasons) codes.push_back(reason.code);
  return codes;
}

TEST(Verdict, PassesWhatIsClean) {
  const Judgement judgement = Judge(Clean(), {});
  EXPECT_EQ(judgement.verdict, Verdict::pass);
  EXPECT_THAT(judgement.reasons, IsEmpty());
}

TEST(Verdict, FailsOnAnythingDivergentWhateverElseHolds) {
  Report report = Clean();
  report.statements["divergent"] = 1;
  EXPECT_EQ(Judge(report, {}).verdict, Verdict::fail);
  report = Clean();
  report.divergences.push_back({});
  report.divergences[0].cls = "divergent";
  report.clean_seconds = 0;
  const Judgement judgement = Judge(report, {});
  EXPECT_EQ(judgement.verdict, Verdict::fail);
  EXPECT_THAT(Codes(judgement), ElementsAre("divergent", "soak-too-short"));
}

TEST(Verdict, AmbiguousAndConsequenceEntriesAloneDoNotFail) {
  Report report = Clean();
  report.divergences.resize(2);
  report.divergences[0].cls = "ambiguous";
  report.divergences[1].cls = "consequence";
  report.statements["ambiguous"] = 9;  // of 9990: under one in a thousand
  EXPECT_EQ(Judge(report, {}).verdict, Verdict::pass);
}

TEST(Verdict, AGapIsInconclusiveAlsoFromBeforeTheFirstTick) {
  Report report = Clean();
  report.gaps.push_back({"start-not-equal", "public.t", 1, report.started_us - 5'000'000,
                         report.started_us - 5'000'000});
  const Judgement judgement = Judge(report, {});
  EXPECT_EQ(judgement.verdict, Verdict::inconclusive);
  EXPECT_THAT(Codes(judgement), ElementsAre("gap"));
  EXPECT_THAT(judgement.reasons[0].text, HasSubstr("start-not-equal"));
}

TEST(Verdict, WhatLiesBeforeSinceIsNotForgotten) {
  Report report = Clean();
  report.earlier_divergences = 1;
  EXPECT_THAT(Codes(Judge(report, {})), ElementsAre("earlier"));
  report = Clean();
  report.earlier_gaps = 1;
  EXPECT_EQ(Judge(report, {}).verdict, Verdict::inconclusive);
}

TEST(Verdict, PendingAndInDoubtUnits) {
  Report report = Clean();
  report.units["pending"] = 1;
  report.units["in_doubt"] = 2;
  const Judgement judgement = Judge(report, {});
  EXPECT_EQ(judgement.verdict, Verdict::inconclusive);
  EXPECT_THAT(Codes(judgement), ElementsAre("pending-units", "in-doubt"));
}

TEST(Verdict, RowsLeftUnsettledOrRepairedAreNoPass) {
  Report report = Clean();
  report.rows = {{"settled", 3}};
  EXPECT_EQ(Judge(report, {}).verdict, Verdict::pass);
  report.rows["unproved"] = 1;
  EXPECT_THAT(Codes(Judge(report, {})), ElementsAre("unproved-order"));
  report.rows = {{"settled", 3}, {"repaired", 2}};
  EXPECT_THAT(Codes(Judge(report, {})), ElementsAre("repaired-rows"));
}

TEST(Verdict, ResolvedAmbiguitiesDoNotCountAgainstTheRate) {
  Report report = Clean();
  report.statements["ambiguous"] = report.statements["compared"] / 10;
  EXPECT_THAT(Codes(Judge(report, {})), ElementsAre("ambiguous-rate"));
  report.statements["ambiguous_resolved"] = report.statements["ambiguous"];
  EXPECT_EQ(Judge(report, {}).verdict, Verdict::pass);
}

TEST(Verdict, TheSoakIsItsCleanTime) {
  Report report = Clean();
  report.clean_seconds -= 1;
  EXPECT_THAT(Codes(Judge(report, {})), ElementsAre("soak-too-short"));
  VerdictOptions options;
  options.min_soak_seconds = report.clean_seconds;
  EXPECT_EQ(Judge(report, options).verdict, Verdict::pass);
}

TEST(Verdict, NothingComparedIsNeverAPass) {
  VerdictOptions lenient;
  lenient.min_soak_seconds = 0;
  lenient.min_coverage = 0;
  lenient.max_ambiguous = 1;
  const Judgement empty = Judge(Report(), lenient);
  EXPECT_EQ(empty.verdict, Verdict::inconclusive);
  EXPECT_THAT(Codes(empty), ElementsAre("nothing-compared"));
  // Neither are statements that give no evidence.
  for (const char* kind : {"volatile", "ambiguous"}) {
    Report report;
    report.statements = {{"seen", 5}, {"compared", 5}, {kind, 5}};
    EXPECT_THAT(Codes(Judge(report, lenient)), ElementsAre("nothing-compared")) << kind;
  }
  Report report;
  report.statements = {{"seen", 5}, {"compared", 5}, {"match", 5}};
  report.partly = {{"incomplete", 5}};
  EXPECT_THAT(Codes(Judge(report, lenient)), ElementsAre("nothing-compared"));
}

TEST(Verdict, CoverageIsOfAllThatWasSeen) {
  Report report = Clean();
  report.statements = {{"seen", 100}, {"compared", 95}, {"match", 95}, {"not_compared", 5}};
  EXPECT_EQ(Judge(report, {}).verdict, Verdict::pass);
  report.statements = {{"seen", 100}, {"compared", 94}, {"match", 94}, {"not_compared", 5}};
  EXPECT_THAT(Codes(Judge(report, {})), ElementsAre("coverage"));  // one is not accounted for
  // Seen was lost in a crash: the classes themselves still count.
  report.statements = {{"seen", 0}, {"compared", 50}, {"match", 50}, {"refused", 50}};
  EXPECT_THAT(Codes(Judge(report, {})), ElementsAre("coverage"));
  report.statements = {{"seen", 100}, {"compared", 100}, {"match", 100}};
  report.partly = {{"incomplete", 6}};
  EXPECT_THAT(Codes(Judge(report, {})), ElementsAre("coverage"));
}

TEST(Verdict, AmbiguousRate) {
  Report report = Clean();
  report.statements = {{"seen", 1000}, {"compared", 1000}, {"match", 999}, {"ambiguous", 1}};
  EXPECT_EQ(Judge(report, {}).verdict, Verdict::pass);
  report.statements = {{"seen", 1000}, {"compared", 1000}, {"match", 998}, {"ambiguous", 2}};
  EXPECT_THAT(Codes(Judge(report, {})), ElementsAre("ambiguous-rate"));
}

TEST(Verdict, AShapeThatNeverMatchedIsNoEvidence) {
  Report report = Clean();
  report.never_matched = {"SELECT a FROM t", "SELECT b FROM t"};
  const Judgement judgement = Judge(report, {});
  EXPECT_EQ(judgement.verdict, Verdict::inconclusive);
  ASSERT_THAT(Codes(judgement), ElementsAre("never-matched"));
  EXPECT_THAT(judgement.reasons[0].text, AllOf(HasSubstr("2 shapes"), HasSubstr("SELECT a")));
}

TEST(Verdict, EveryReasonIsNamedMostSeriousFirstAndSaysWhatToDo) {
  Report report;
  report.statements = {
      {"seen", 10}, {"compared", 3}, {"divergent", 1}, {"ambiguous", 2}, {"not_compared", 7}};
  report.units = {{"pending", 1}, {"in_doubt", 1}};
  report.gaps.push_back({"ring-full", "", 3, 1, 2});
  report.earlier_gaps = 1;
  const Judgement judgement = Judge(report, {});
  EXPECT_THAT(Codes(judgement),
              ElementsAre("divergent", "gap", "earlier", "pending-units", "in-doubt", "coverage",
                          "ambiguous-rate", "soak-too-short"));
  EXPECT_THAT(judgement.reasons, Each(AllOf(Field(&Reason::text, Not(IsEmpty())),
                                            Field(&Reason::advice, Not(IsEmpty())))));
}

}  // namespace
}  // namespace pgparity::compare
