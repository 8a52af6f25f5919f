#include "compare/parity_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sqlite3.h>
#include <sys/stat.h>

#include <thread>

#include "compare/report.h"
#include "tests/support/temp_dir.h"

namespace pgparity::compare {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

constexpr int64_t kSecond = 1'000'000, kHourUs = 3600 * kSecond;

class ParityLogTest : public testing::Test {
 protected:
  void Open(const ParityLogLimits& limits = {}) {
    log_.reset();
    auto log = ParityLog::Open(
        path_, [this] { return now_us_; }, limits);
    ASSERT_TRUE(log.ok()) << log.status();
    log_ = *std::move(log);
  }
  Report Load(const ReportOptions& options = {}) {
    EXPECT_TRUE(log_->Flush().ok());
    auto report = LoadReport(path_, options);
    EXPECT_TRUE(report.ok()) << report.status();
    return report.ok() ? *report : Report();
  }
  // Records one statement of a shape.
  void Record(Class cls, std::string_view fingerprint = "00000000000000aa",
              Kind kind = Kind::rows) {
    StatementRecord record = Statement(cls, fingerprint);
    if (cls != Class::match) record.comparison.kind = kind;
    log_->Record(record);
  }
  static StatementRecord Statement(Class cls, std::string_view fingerprint) {
    StatementRecord record;
    record.fingerprint = fingerprint;
    record.shape = "SELECT b FROM t WHERE a = $1";
    record.cls = cls;
    record.tables_read = {"public.t"};
    record.primary_us = 1000;
    record.shadow_us = 2000;
    record.statement = "SELECT b FROM t WHERE a = 'secret'";
    record.comparison.what = "column 1 (b) differs in row 1";
    record.comparison.primary_example = "('secret')";
    record.comparison.shadow_example = "(NULL)";
    return record;
  }
  int64_t Query(const std::string& sql) {
    sqlite3* db = nullptr;
    sqlite3_open(path_.c_str(), &db);
    sqlite3_stmt* statement = nullptr;
    EXPECT_EQ(sqlite3_prepare_v2(db, sql.c_str(), -1, &statement, nullptr), SQLITE_OK);
    EXPECT_EQ(sqlite3_step(statement), SQLITE_ROW);
    const int64_t value = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    sqlite3_close(db);
    return value;
  }
  void Execute(const std::string& sql) {
    sqlite3* db = nullptr;
    sqlite3_open(path_.c_str(), &db);
    EXPECT_EQ(sqlite3_exec(db, sql.c_str(), nullptr, nullptr, nullptr), SQLITE_OK);
    sqlite3_close(db);
  }

  support::TempDir dir_;
  std::string path_ = dir_.Path("parity.db");
  int64_t now_us_ = 1'700'000'000 * kSecond;
  std::unique_ptr<ParityLog> log_;
};

TEST_F(ParityLogTest, CountsEachClass) {
  Open();
  for (int i = 0; i < 8; ++i) {
    for (int j = 0; j <= i; ++j) Record(static_cast<Class>(i));
  }
  log_->Add(Counter::statements_seen, 40);
  const Report report = Load();
  EXPECT_EQ(report.statements.at("match"), 1u);
  EXPECT_EQ(report.statements.at("divergent"), 2u);
  EXPECT_EQ(report.statements.at("consequence"), 3u);
  EXPECT_EQ(report.statements.at("ambiguous"), 4u);
  EXPECT_EQ(report.statements.at("volatile"), 5u);
  EXPECT_EQ(report.statements.at("waived"), 6u);
  EXPECT_EQ(report.statements.at("refused"), 7u);
  EXPECT_EQ(report.statements.at("not_compared"), 8u);
  EXPECT_EQ(report.statements.at("compared"), 21u);
  EXPECT_EQ(report.statements.at("seen"), 40u);
  EXPECT_EQ(report.statements.at("unaccounted"), 4u);
  EXPECT_DOUBLE_EQ(report.Coverage(), 21.0 / 40);
}

TEST_F(ParityLogTest, CountersAddUpOverFlushesAndRestarts) {
  Open();
  log_->Add(Counter::units_seen, 3);
  ASSERT_TRUE(log_->Flush().ok());
  log_->Add(Counter::units_seen, 4);
  Record(Class::match);
  Record(Class::divergent);
  Open();  // the destructor flushes
  log_->Add(Counter::units_seen, 5);
  log_->Add(Counter::units_applied, 2);
  Record(Class::match);
  Record(Class::divergent);
  const Report report = Load();
  EXPECT_EQ(report.units.at("seen"), 12u);
  EXPECT_EQ(report.units.at("applied"), 2u);
  EXPECT_EQ(report.units.at("pending"), 10u);
  EXPECT_EQ(report.statements.at("match"), 2u);
  EXPECT_EQ(report.shapes, 1u);
  ASSERT_EQ(report.divergences.size(), 1u);
  EXPECT_EQ(report.divergences[0].count, 2u);
  EXPECT_EQ(report.primary_us.count(), 4u);
}

TEST_F(ParityLogTest, PendingUnitsComeFromTheCallerWhereHeKnows) {
  Open();
  log_->Add(Counter::units_seen, 10);
  log_->SetAppliedPosition(77);
  log_->SetEventsPosition(99);
  ReportOptions options;
  options.pending_units = 3;
  const Report report = Load(options);
  EXPECT_EQ(report.units.at("pending"), 3u);
  EXPECT_EQ(report.applied_position, 77u);
  EXPECT_EQ(report.events_position, 99u);
}

TEST_F(ParityLogTest, ADivergenceIsKeyedByShapeClassAndKind) {
  Open();
  Record(Class::divergent, "00000000000000aa", Kind::rows);
  Record(Class::divergent, "00000000000000aa", Kind::rows);
  Record(Class::divergent, "00000000000000aa", Kind::row_count);
  Record(Class::ambiguous, "00000000000000aa", Kind::rows);
  Record(Class::divergent, "00000000000000bb", Kind::rows);
  const Report report = Load();
  ASSERT_EQ(report.divergences.size(), 4u);
  EXPECT_EQ(report.divergences[0].count, 2u);
  EXPECT_EQ(report.divergences[0].kind, "rows");
  EXPECT_EQ(report.divergences[3].cls, "ambiguous");
}

TEST_F(ParityLogTest, ShapesThatWereAmbiguousAndNeverMatchedAreNamed) {
  Open();
  Record(Class::ambiguous, "00000000000000aa");
  Record(Class::match, "00000000000000bb");
  Record(Class::ambiguous, "00000000000000bb");
  Record(Class::match, "00000000000000cc");
  EXPECT_EQ(Load().never_matched.size(), 1u);
  Record(Class::match, "00000000000000aa");
  EXPECT_TRUE(Load().never_matched.empty());
}

TEST_F(ParityLogTest, ADivergenceKeepsItsFirstExampleAndItsSpan) {
  Open();
  StatementRecord record = Statement(Class::divergent, "00000000000000aa");
  record.comparison.kind = Kind::rows;
  record.tables_written = {"public.u", "public.t"};
  record.position = 500;
  log_->Record(record);
  now_us_ += 10 * kSecond;
  record.statement = "SELECT b FROM t WHERE a = 'another'";
  record.comparison.what = "another";
  record.position = 900;
  log_->Record(record);
  record.position = 100;
  log_->Record(record);
  ReportOptions options;
  options.reveal = true;
  const Report report = Load(options);
  ASSERT_EQ(report.divergences.size(), 1u);
  const DivergenceEntry& entry = report.divergences[0];
  EXPECT_EQ(entry.what, "column 1 (b) differs in row 1");
  EXPECT_EQ(entry.example_statement, "SELECT b FROM t WHERE a = 'secret'");
  EXPECT_EQ(entry.example_primary, "('secret')");
  EXPECT_EQ(entry.first_position, 100u);
  EXPECT_EQ(entry.last_position, 900u);
  EXPECT_EQ(entry.last_at_us - entry.first_at_us, 10 * kSecond);
  EXPECT_THAT(entry.tables, ElementsAre("public.t", "public.u"));
  EXPECT_EQ(Query("SELECT count(*) FROM divergence_examples"), 3);
}

TEST_F(ParityLogTest, ValuesAreRedactedUnlessAsked) {
  Open();
  Record(Class::divergent);
  const DivergenceEntry entry = Load().divergences.at(0);
  EXPECT_EQ(entry.example_statement, "SELECT b FROM t WHERE a = ?");
  EXPECT_EQ(entry.example_primary, "(<text 6>)");
  EXPECT_EQ(entry.example_shadow, "(NULL)");
}

TEST_F(ParityLogTest, ControlCharactersAreEscapedEvenWhenRevealed) {
  Open();
  StatementRecord record = Statement(Class::divergent, "a");
  record.comparison.kind = Kind::rows;
  record.statement = "SELECT '\x1b[2J'";
  record.tables_read = {"public.\x1b[31mt"};
  record.comparison.primary_example = "('a')\n('\x1b]0;x')";
  log_->Record(record);
  log_->SetFact("fact", "\x1b");
  log_->Gap("reason", "\x1b", now_us_);
  ReportOptions options;
  options.reveal = true;
  const Report report = Load(options);
  const DivergenceEntry& entry = report.divergences.at(0);
  EXPECT_EQ(entry.example_statement, "SELECT '\\x1B[2J'");
  EXPECT_EQ(entry.example_primary, "('a')\n('\\x1B]0;x')");
  const std::string all = RenderText(report, Judge(report, {})) + RenderJson(report, {});
  EXPECT_THAT(all, Not(HasSubstr("\x1b")));
}

TEST_F(ParityLogTest, AtMostTwentyExamplesAlsoAcrossARestart) {
  Open();
  for (int i = 0; i < 15; ++i) Record(Class::divergent);
  Open();
  for (int i = 0; i < 15; ++i) Record(Class::divergent);
  EXPECT_EQ(Load().divergences.at(0).count, 30u);
  EXPECT_EQ(Query("SELECT count(*) FROM divergence_examples"), 20);
}

TEST_F(ParityLogTest, AConsequenceCountsWithItsRoot) {
  Open();
  Record(Class::divergent, "00000000000000aa");
  StatementRecord record = Statement(Class::consequence, "00000000000000bb");
  record.comparison.kind = Kind::rows;
  record.cause = "00000000000000aa";
  log_->Record(record);
  Open();  // the root is known after a restart as well
  log_->Record(record);
  record.cause = "unknown";
  log_->Record(record);
  const Report report = Load();
  ASSERT_EQ(report.divergences.size(), 2u);
  EXPECT_EQ(report.divergences[0].cls, "divergent");
  EXPECT_EQ(report.divergences[0].consequences, 2u);
  EXPECT_EQ(report.divergences[1].cls, "consequence");
  EXPECT_EQ(report.divergences[1].count, 3u);
}

TEST_F(ParityLogTest, GapsOfAReasonWithinAMinuteAreOneRow) {
  Open();
  const int64_t t = now_us_;
  log_->Gap("ring-full", "first", t);
  log_->Gap("ring-full", "second", t + 60 * kSecond, 4);
  log_->Gap("ring-full", "first", t + 60 * kSecond);
  log_->Gap("tracker-lost", "", t);
  ASSERT_TRUE(log_->Flush().ok());
  log_->Gap("ring-full", "third", t + 120 * kSecond);   // within a minute of the row's end
  log_->Gap("ring-full", "fourth", t + 181 * kSecond);  // not within
  const Report report = Load();
  ASSERT_EQ(report.gaps.size(), 3u);
  EXPECT_EQ(report.gaps[0].reason, "ring-full");
  EXPECT_EQ(report.gaps[0].count, 7u);
  EXPECT_EQ(report.gaps[0].detail, "first; second; third");
  EXPECT_EQ(report.gaps[0].first_at_us, t);
  EXPECT_EQ(report.gaps[0].last_at_us, t + 120 * kSecond);
  EXPECT_EQ(report.gaps[2].detail, "fourth");
}

TEST_F(ParityLogTest, AGapJoinsItsRowAcrossARestart) {
  Open();
  log_->Gap("ring-full", "", now_us_);
  Open();
  log_->Gap("ring-full", "", now_us_ + kSecond);
  const Report report = Load();
  ASSERT_EQ(report.gaps.size(), 1u);
  EXPECT_EQ(report.gaps[0].count, 2u);
}

TEST_F(ParityLogTest, GapRowsAreBoundedAndLoseNoCount) {
  ParityLogLimits limits;
  limits.gaps_per_reason = 3;
  limits.reasons = 2;
  Open(limits);
  for (int i = 0; i < 10; ++i) log_->Gap("a", "", now_us_ + i * kHourUs);
  log_->Gap("b", "", now_us_);
  log_->Gap("c", "", now_us_);
  const Report report = Load();
  uint64_t a = 0;
  for (const GapEntry& gap : report.gaps) a += gap.reason == "a" ? gap.count : 0;
  EXPECT_EQ(a, 10u);
  EXPECT_EQ(report.gaps.size(), 5u);
  EXPECT_EQ(report.gaps.back().last_at_us, now_us_ + 9 * kHourUs);
  EXPECT_EQ(Query("SELECT count(*) FROM gap WHERE reason = 'other'"), 1);
}

TEST_F(ParityLogTest, SoakIsTheTimeBetweenTicks) {
  Open();
  const int64_t t = now_us_;
  log_->SoakTick(t, true);
  log_->SoakTick(t + 1 * kSecond, true);
  log_->SoakTick(t + 2 * kSecond, false);
  log_->SoakTick(t + 7 * kSecond, true);       // exactly 5 s still count
  log_->SoakTick(t + 12 * kSecond + 1, true);  // a pause
  log_->SoakTick(t + 13 * kSecond + 1, true);
  log_->SoakTick(t + 10 * kSecond, true);  // the clock was set back
  log_->SoakTick(t + 11 * kSecond, true);
  const Report report = Load();
  EXPECT_DOUBLE_EQ(report.seconds, 9);
  EXPECT_DOUBLE_EQ(report.clean_seconds, 8);
  EXPECT_EQ(report.started_us, t);
  EXPECT_EQ(report.ended_us, t + 13 * kSecond + 1);
}

TEST_F(ParityLogTest, SoakGoesOnAfterARestartWithoutTheTimeBetween) {
  Open();
  const int64_t t = now_us_;
  log_->SoakTick(t, true);
  log_->SoakTick(t + kSecond, true);
  Open();
  log_->SoakTick(t + 3 * kSecond, true);  // 2 s after the last one, in another process
  log_->SoakTick(t + 4 * kSecond, true);
  const Report report = Load();
  EXPECT_DOUBLE_EQ(report.seconds, 2);
  EXPECT_EQ(report.started_us, t);
}

TEST_F(ParityLogTest, ShapesBeyondTheLimitAreCountedAsOther) {
  ParityLogLimits limits;
  limits.shapes = 2;
  Open(limits);
  Record(Class::match, "a");
  Record(Class::match, "b");
  Record(Class::match, "c");
  Open(limits);
  Record(Class::match, "d");
  Record(Class::match, "a");
  EXPECT_EQ(Load().statements.at("match"), 5u);
  EXPECT_EQ(Query("SELECT count(*) FROM shape"), 3);
  EXPECT_EQ(Query("SELECT \"match\" FROM shape WHERE fingerprint = 'other'"), 2);
  EXPECT_EQ(Query("SELECT \"match\" FROM shape WHERE fingerprint = 'a'"), 2);
}

TEST_F(ParityLogTest, DivergencesTablesAndReasonsBeyondTheLimitAreCountedAsOther) {
  ParityLogLimits limits;
  limits.divergences = limits.tables = limits.reasons = 1;
  Open(limits);
  for (const char* name : {"a", "b", "c"}) {
    StatementRecord record = Statement(Class::divergent, name);
    record.comparison.kind = Kind::rows;
    record.tables_read = {name};
    log_->Record(record);
    record = Statement(Class::not_compared, name);
    record.reason = name;
    record.tables_read = {};
    log_->Record(record);
  }
  const Report report = Load();
  ASSERT_EQ(report.divergences.size(), 2u);
  EXPECT_EQ(report.divergences[0].fingerprint, "other");
  EXPECT_EQ(report.divergences[0].count, 2u);
  ASSERT_EQ(report.tables.size(), 2u);
  EXPECT_EQ(report.tables[0].reads + report.tables[1].reads, 3u);
  EXPECT_EQ(report.not_compared_reasons.at("other"), 2u);
  EXPECT_EQ(report.not_compared_reasons.at("a"), 1u);
}

TEST_F(ParityLogTest, PartlyComparedMatchesAreNoCoverage) {
  Open();
  StatementRecord record = Statement(Class::match, "a");
  record.comparison.incomplete = true;
  log_->Record(record);
  record.comparison.incomplete = false;
  record.comparison.bytewise = true;
  log_->Record(record);
  log_->Add(Counter::statements_seen, 2);
  const Report report = Load();
  EXPECT_EQ(report.partly.at("incomplete"), 1u);
  EXPECT_EQ(report.partly.at("bytewise"), 1u);
  EXPECT_DOUBLE_EQ(report.Coverage(), 0.5);
}

TEST_F(ParityLogTest, SinceCoversWholeMinutes) {
  Open();
  const int64_t minute = now_us_ - now_us_ % (60 * kSecond);
  now_us_ = minute;
  Record(Class::divergent, "aa");
  log_->Gap("early", "", now_us_);
  log_->SoakTick(now_us_ - kSecond, true);
  log_->SoakTick(now_us_, true);
  now_us_ = minute + 120 * kSecond;
  Record(Class::match, "bb");
  Record(Class::divergent, "aa");
  log_->SoakTick(now_us_ - kSecond, true);
  log_->SoakTick(now_us_, true);
  ReportOptions options;
  options.since_us = minute + 130 * kSecond;  // in the minute of the second lot
  const Report report = Load(options);
  EXPECT_EQ(report.since_us, minute + 120 * kSecond);
  EXPECT_EQ(report.statements.at("match"), 1u);
  EXPECT_EQ(report.statements.at("divergent"), 1u);
  ASSERT_EQ(report.divergences.size(), 1u);
  EXPECT_EQ(report.divergences[0].count, 1u);
  EXPECT_EQ(report.primary_us.count(), 2u);
  EXPECT_TRUE(report.gaps.empty());
  EXPECT_EQ(report.earlier_gaps, 1u);
  EXPECT_EQ(report.earlier_divergences, 1u);
  EXPECT_DOUBLE_EQ(report.seconds, 1);
  EXPECT_EQ(report.started_us, minute + 120 * kSecond);

  options.since_us = minute + 60 * kSecond - 1;
  EXPECT_EQ(Load(options).divergences.at(0).count, 2u);
  options.since_us = minute + 180 * kSecond;
  EXPECT_TRUE(Load(options).divergences.empty());
  EXPECT_EQ(Load(options).started_us, 0);
}

TEST_F(ParityLogTest, OldMinutesRollUpIntoHoursAndDaysWithoutLoss) {
  Open();
  const int64_t start = now_us_;
  for (int i = 0; i < 300; ++i) {
    Record(Class::match);
    now_us_ += 60 * kSecond;
    if (i % 50 == 49) {
      ASSERT_TRUE(log_->Flush().ok());
    }
  }
  EXPECT_EQ(Query("SELECT count(*) FROM tally WHERE kind = 'class'"), 300);
  now_us_ = start + 40 * kHourUs;
  Record(Class::match);
  EXPECT_EQ(Load().statements.at("match"), 301u);
  const int64_t hours = Query("SELECT count(*) FROM tally WHERE kind = 'class'");
  EXPECT_LE(hours, 8);
  EXPECT_EQ(Load().primary_us.count(), 301u);
  now_us_ = start + 40 * 24 * kHourUs;
  Record(Class::match);
  const Report report = Load();
  EXPECT_EQ(report.statements.at("match"), 302u);
  EXPECT_EQ(report.primary_us.count(), 302u);
  EXPECT_LE(Query("SELECT count(*) FROM tally WHERE kind = 'class'"), 4);
  // What is asked for in a rolled-up day begins with that day.
  ReportOptions options;
  options.since_us = start + 2 * kHourUs;
  EXPECT_EQ(Load(options).since_us.value() % (24 * kHourUs), 0);
  EXPECT_LE(*Load(options).since_us, start + 2 * kHourUs);
}

TEST_F(ParityLogTest, ALongTimeWithoutFlushJoinsMinutesAndLosesNothing) {
  Open();
  const int64_t start = now_us_;
  for (int i = 0; i < 200; ++i) {
    Record(Class::divergent);
    now_us_ += 60 * kSecond;
  }
  EXPECT_EQ(Load().statements.at("divergent"), 200u);
  EXPECT_LE(Query("SELECT count(*) FROM tally WHERE kind = 'class'"), 60);
  // Counts move to a later time, never to an earlier one.
  ReportOptions options;
  options.since_us = start + 190 * 60 * kSecond;
  EXPECT_GE(Load(options).statements.at("divergent"), 10u);
}

TEST_F(ParityLogTest, AFailedFlushLosesNothing) {
  Open();
  Record(Class::divergent);
  ASSERT_TRUE(log_->Flush().ok());
  Execute("CREATE TRIGGER refuse BEFORE INSERT ON gap BEGIN SELECT RAISE(ABORT, 'no'); END");
  Record(Class::divergent, "aa");
  Record(Class::divergent, "cc");
  Record(Class::match, "bb");
  log_->Add(Counter::units_seen, 2);
  log_->SoakTick(now_us_, true);
  log_->SoakTick(now_us_ + kSecond, true);
  log_->SetFact("name", "old");
  log_->Gap("ring-full", "", now_us_);
  EXPECT_FALSE(log_->Flush().ok());
  EXPECT_EQ(Query("SELECT count(*) FROM divergence"), 1);  // all or nothing
  Record(Class::divergent, "aa");
  log_->SetFact("name", "new");
  log_->Gap("ring-full", "", now_us_);
  EXPECT_FALSE(log_->Flush().ok());
  Execute("DROP TRIGGER refuse");
  const Report report = Load();
  EXPECT_EQ(report.statements.at("divergent"), 4u);
  EXPECT_EQ(report.statements.at("match"), 1u);
  EXPECT_EQ(report.divergences.at(0).count, 2u);
  EXPECT_EQ(Query("SELECT count FROM divergence WHERE fingerprint = 'aa'"), 2);
  EXPECT_EQ(Query("SELECT count FROM divergence WHERE fingerprint = 'cc'"), 1);
  EXPECT_EQ(report.units.at("seen"), 2u);
  EXPECT_DOUBLE_EQ(report.seconds, 1);
  EXPECT_EQ(report.facts.at("name"), "new");
  ASSERT_EQ(report.gaps.size(), 1u);
  EXPECT_EQ(report.gaps[0].count, 2u);
  EXPECT_EQ(Query("SELECT count(*) FROM divergence_examples"), 4);
  EXPECT_EQ(Query("SELECT count(*) FROM shape"), 4);
}

TEST_F(ParityLogTest, LongTextsAreCut) {
  Open();
  const std::string huge(100'000, 'x');
  StatementRecord record = Statement(Class::divergent, "a");
  record.comparison.kind = Kind::rows;
  record.statement = record.shape = huge;
  record.comparison.primary_example = huge;
  log_->Record(record);
  log_->Gap("reason", huge, now_us_);
  ReportOptions options;
  options.reveal = true;
  const Report report = Load(options);
  EXPECT_LE(report.divergences.at(0).example_statement.size(), 4200u);
  EXPECT_LE(report.divergences.at(0).example_primary.size(), 4200u);
  EXPECT_LE(report.divergences.at(0).shape.size(), 2100u);
  EXPECT_LE(report.gaps.at(0).detail.size(), 2100u);
}

TEST_F(ParityLogTest, TheFileIsTheOwnersAlone) {
  Open();
  struct stat file;
  for (const char* suffix : {"", "-wal", "-shm"}) {
    ASSERT_EQ(stat((path_ + suffix).c_str(), &file), 0) << suffix;
    EXPECT_EQ(file.st_mode & 0777, 0600u) << suffix;
  }
}

TEST_F(ParityLogTest, AnotherVersionIsRefusedByWriterAndReader) {
  Open();
  log_.reset();
  Execute("PRAGMA user_version = 9");
  const auto log = ParityLog::Open(path_);
  EXPECT_EQ(log.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(log.status().message()), HasSubstr("version 9"));
  const auto report = LoadReport(path_, {});
  EXPECT_EQ(report.status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(ParityLogTest, AnotherSqliteFileIsRefused) {
  Execute("CREATE TABLE t (a)");
  EXPECT_EQ(ParityLog::Open(path_).status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(Query("SELECT count(*) FROM sqlite_schema"), 1);  // untouched
}

TEST_F(ParityLogTest, AFileThatIsNoDatabaseIsAnErrorThatNamesIt) {
  support::WriteFile(path_, std::string(4096, 'x'));
  const auto log = ParityLog::Open(path_);
  EXPECT_EQ(log.status().code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(log.status().message()), HasSubstr(path_));
  EXPECT_EQ(LoadReport(path_, {}).status().code(), absl::StatusCode::kDataLoss);
}

TEST_F(ParityLogTest, NoFileIsNotFoundForTheReaderAndMakesNone) {
  EXPECT_EQ(LoadReport(path_, {}).status().code(), absl::StatusCode::kNotFound);
  struct stat file;
  EXPECT_NE(stat(path_.c_str(), &file), 0);
}

TEST_F(ParityLogTest, AReaderInItsTransactionDoesNotHinderTheWriter) {
  Open();
  Record(Class::match);
  ASSERT_TRUE(log_->Flush().ok());
  sqlite3* reader = nullptr;
  sqlite3_open(path_.c_str(), &reader);
  ASSERT_EQ(sqlite3_exec(reader, "BEGIN; SELECT * FROM tally", nullptr, nullptr, nullptr),
            SQLITE_OK);
  Record(Class::match);
  EXPECT_TRUE(log_->Flush().ok());
  EXPECT_EQ(Load().statements.at("match"), 2u);
  sqlite3_close(reader);
}

TEST_F(ParityLogTest, ThreadsRecordWhileOthersFlush) {
  Open();
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([this, i] {
      for (int j = 0; j < 500; ++j) {
        Record(j % 50 == 0 ? Class::divergent : Class::match, std::to_string(j % 7));
        log_->Add(Counter::statements_seen, 1);
        if (i == 0 && j % 20 == 0) {
          EXPECT_TRUE(log_->Flush().ok());
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  const Report report = Load();
  EXPECT_EQ(report.statements.at("seen"), 2000u);
  EXPECT_EQ(report.statements.at("match") + report.statements.at("divergent"), 2000u);
  EXPECT_EQ(report.primary_us.count(), 2000u);
}

}  // namespace
}  // namespace pgparity::compare
