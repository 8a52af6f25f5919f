// The applier over a real journal and parity log, with a store whose failures are scripted.
#include "shadow/applier.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <set>

#include "absl/strings/str_cat.h"
#include "compare/report.h"
#include "shadow/journal.h"
#include "tests/support/temp_dir.h"

namespace pgparity::shadow {
namespace {

using ::testing::ElementsAre;
using ::testing::ElementsAreArray;

compare::Observation Tag(const std::string& tag) {
  compare::Observation observation;
  observation.tag = tag;
  return observation;
}

compare::Observation Rows(const std::string& value) {
  compare::Observation observation = Tag("SELECT 1");
  observation.has_columns = true;
  compare::Column column;
  column.name = "n";
  column.type_oid = protocol::oid::kText;
  observation.columns.push_back(column);
  compare::AppendRow({compare::Cell(value)}, &observation.rows);
  observation.row_count = 1;
  return observation;
}

// What a shadow server would hold, shared by the store and its snapshot lanes.
struct FakeServer {
  Mutex mutex;
  std::vector<std::string> committed;  // the statements of applied units, in order
  Progress progress;
  std::vector<std::string> alone;
};

class FakeSnapshotLane : public SnapshotLane {
 public:
  explicit FakeSnapshotLane(FakeServer* server) : server_(server) {}
  absl::StatusOr<Progress> Begin() override {
    MutexLock lock(&server_->mutex);
    seen_ = server_->committed.size();
    return server_->progress;
  }
  absl::StatusOr<std::vector<compare::Observation>> Read(
      const std::vector<ReadRequest>& requests) override {
    return std::vector<compare::Observation>(requests.size(), Rows(std::to_string(seen_)));
  }
  void End() override {}

 private:
  FakeServer* server_;
  size_t seen_ = 0;
};

// Answers each write with the primary's own answer, so that nothing diverges by itself.
class FakeStore : public Store {
 public:
  explicit FakeStore(FakeServer* server) : server_(server) {}

  std::set<std::string> refuse_in_window;  // statements
  int disconnects = 0;                     // so many Collects lose the connection after applying
  size_t applied_before_disconnect = 1;
  size_t at_other_cuts = 99;  // what reads on the write lane see

  absl::StatusOr<Progress> Connect(const std::string&) override {
    window_.clear();
    MutexLock lock(&server_->mutex);
    return server_->progress;
  }
  absl::Status Submit(std::shared_ptr<const PlannedUnit> unit) override {
    window_.push_back(std::move(unit));
    return absl::OkStatus();
  }
  size_t in_flight() const override { return window_.size(); }
  absl::StatusOr<std::vector<Collected>> Collect(absl::Duration) override {
    std::vector<Collected> done;
    bool failed = false;
    size_t applied = 0;
    for (auto& unit : window_) {
      if (disconnects > 0 && applied == applied_before_disconnect) {
        --disconnects;
        return absl::UnavailableError("scripted: the connection is gone");
      }
      UnitOutcome outcome;
      if (failed) {
        outcome.status = UnitOutcome::Status::not_attempted;
      } else if (refuse_in_window.count(unit->unit->statements.front().sql) > 0) {
        failed = true;
        outcome.status = UnitOutcome::Status::failed;
      } else {
        outcome = Commit(*unit);
        ++applied;
      }
      done.push_back({unit, std::move(outcome)});
    }
    window_.clear();
    return done;
  }
  absl::StatusOr<UnitOutcome> ApplyAlone(const PlannedUnit& unit) override {
    {
      MutexLock lock(&server_->mutex);
      server_->alone.push_back(unit.unit->statements.front().sql);
    }
    return Commit(unit);
  }
  absl::Status BeginParts(const PlannedUnit&) override { return absl::OkStatus(); }
  absl::StatusOr<UnitOutcome> RunPart(const PlannedUnit&) override { return UnitOutcome{}; }
  absl::StatusOr<UnitOutcome> FinishParts(const PlannedUnit&) override { return UnitOutcome{}; }
  void AbandonParts() override {}
  absl::Status SaveProgress(const Progress& progress) override {
    MutexLock lock(&server_->mutex);
    server_->progress = progress;
    return absl::OkStatus();
  }
  absl::StatusOr<std::unique_ptr<SnapshotLane>> OpenSnapshotLane() override {
    return std::unique_ptr<SnapshotLane>(new FakeSnapshotLane(server_));
  }
  absl::StatusOr<compare::Observation> ReadRows(const RowSelection&) override {
    return compare::Observation();
  }
  absl::Status WriteRows(const RowSelection&, const std::vector<RowWrite>&) override {
    return absl::OkStatus();
  }
  std::shared_ptr<const Catalog> catalog() const override { return Catalog::Empty(); }
  absl::Status ReloadCatalog() override { return absl::OkStatus(); }
  std::string Describe() const override { return "a scripted store"; }

 private:
  UnitOutcome Commit(const PlannedUnit& unit) {
    UnitOutcome outcome;
    if (unit.finish == PlannedUnit::Finish::roll_back) {
      for (const PlannedStatement& step : unit.statements)
        if (step.action == PlannedStatement::Action::run)
          outcome.statements.push_back({step.index, Rows(std::to_string(at_other_cuts))});
      return outcome;
    }
    for (size_t i = 0; i < unit.unit->statements.size(); ++i) {
      if (unit.statements[i].action == PlannedStatement::Action::skip) continue;
      outcome.statements.push_back({i, unit.unit->statements[i].primary});
    }
    MutexLock lock(&server_->mutex);
    server_->committed.push_back(unit.unit->statements.front().sql);
    server_->progress = {unit.ref.key, unit.ref.position, unit.low};
    return outcome;
  }

  FakeServer* server_;
  std::deque<std::shared_ptr<const PlannedUnit>> window_;
};

class ApplierTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto journal = JournalWriter::Open(dir_.path(), {});
    ASSERT_TRUE(journal.ok()) << journal.status();
    journal_ = *std::move(journal);
    auto log = compare::ParityLog::Open(dir_.path() + "/parity.db");
    ASSERT_TRUE(log.ok()) << log.status();
    log_ = *std::move(log);
  }

  void Journal(const std::string& sql, Interval interval, compare::Observation primary) {
    UnitHeader header;
    header.ordinal = ++ordinal_;
    header.session = 1;
    header.database = "app";
    header.interval = interval;
    header.key = header.done = interval.hi;
    Statement statement;
    statement.sql = sql;
    statement.sent = interval.lo;
    statement.done = interval.hi;
    statement.primary = std::move(primary);
    std::string statements;
    EncodeStatement(statement, &statements);
    const std::string encoded = EncodeHeader(header);
    Record record;
    record.type = RecordType::unit;
    record.header = encoded;
    record.statements = statements;
    ASSERT_TRUE(journal_->Append(record).ok());
  }
  void Write(Stamp key) {
    Journal(absl::StrCat("INSERT INTO t VALUES (", key, ")"), {key, key}, Tag("INSERT 0 1"));
  }
  static std::string WriteText(Stamp key) {
    return absl::StrCat("INSERT INTO t VALUES (", key, ")");
  }
  void Read(Interval interval, int expected) {
    Journal("SELECT n FROM t", interval, Rows(std::to_string(expected)));
  }

  // Runs the applier until all is done.
  compare::Report ApplyAll(FakeStore* store, size_t window = 64) {
    ASSERT_TRUE_OR_DIE(journal_->Flush().ok());
    const Position end = journal_->end();
    ApplierOptions options;
    options.window = window;
    options.planner.database = "app";
    ApplierHooks hooks;
    hooks.live_point = [end] { return LivePoint{{0, 0, 1'000'000}, 1'000'000, end}; };
    hooks.now = [] { return Stamp{500'000}; };
    hooks.last_ordinal = [this] { return ordinal_; };
    hooks.release = [](Position) {};
    hooks.load_primary_catalog = [this]() -> absl::StatusOr<std::shared_ptr<const Catalog>> {
      ++primary_catalog_loads_;
      return Catalog::Empty();
    };
    hooks.on_first_connect = [](bool) {};
    hooks.log_info = hooks.log_warning = [](std::string_view) {};
    Applier applier(options, hooks, dir_.path(), store, log_.get());
    ASSERT_TRUE_OR_DIE(applier.Start().ok());
    const absl::Status done = applier.WaitFor(end, absl::Seconds(60));
    EXPECT_TRUE(done.ok()) << done;
    applier.Stop();
    ASSERT_TRUE_OR_DIE(log_->Flush().ok());
    auto report = compare::LoadReport(dir_.path() + "/parity.db", {});
    EXPECT_TRUE(report.ok()) << report.status();
    return report.ok() ? *report : compare::Report{};
  }
  static void ASSERT_TRUE_OR_DIE(bool condition) {
    if (!condition) GTEST_FAIL() << "set-up failed";
  }

  support::TempDir dir_;
  std::unique_ptr<JournalWriter> journal_;
  std::unique_ptr<compare::ParityLog> log_;
  uint64_t ordinal_ = 0;
  std::atomic<int> primary_catalog_loads_ = 0;
  FakeServer server_;
};

TEST_F(ApplierTest, AppliesInTheOrderOfKeysNotOfCompletion) {
  Write(30);
  Write(10);
  Write(20);
  FakeStore store(&server_);
  const compare::Report report = ApplyAll(&store);
  EXPECT_THAT(server_.committed, ElementsAre(WriteText(10), WriteText(20), WriteText(30)));
  EXPECT_EQ(report.units.at("applied"), 3u);
  EXPECT_EQ(report.statements.at("match"), 3u);
}

TEST_F(ApplierTest, ThePrimarysCatalogIsReadAgainForWhatIsNewerThanIt) {
  for (Stamp done = 10; done <= 50; done += 10) {
    Journal("CREATE INDEX ON t (n)", {done, done}, Tag("CREATE INDEX"));
  }
  FakeStore store(&server_);
  ApplyAll(&store);
  EXPECT_EQ(primary_catalog_loads_, 1);  // at the connect, long after all of them
  for (const Stamp done : {600'000, 700'000}) {
    Journal("CREATE INDEX ON t (n)", {done, done}, Tag("CREATE INDEX"));
  }
  ApplyAll(&store);
  EXPECT_EQ(primary_catalog_loads_, 1 + 1 + 2);
}

TEST_F(ApplierTest, AUnitRefusedInAFullWindowRunsAloneAndThoseBehindItOnce) {
  std::vector<std::string> expected;
  for (Stamp key = 1; key <= 40; ++key) {
    Write(key);
    expected.push_back(WriteText(key));
  }
  FakeStore store(&server_);
  store.refuse_in_window = {WriteText(7), WriteText(8), WriteText(40)};
  ApplyAll(&store, 16);
  EXPECT_THAT(server_.committed, ElementsAreArray(expected));
  EXPECT_THAT(server_.alone, ElementsAre(WriteText(7), WriteText(8), WriteText(40)));
}

TEST_F(ApplierTest, ALostConnectionNeitherLosesNorDoublesAUnit) {
  std::vector<std::string> expected;
  for (Stamp key = 1; key <= 30; ++key) {
    Write(key);
    expected.push_back(WriteText(key));
  }
  FakeStore store(&server_);
  store.disconnects = 3;
  const compare::Report report = ApplyAll(&store, 8);
  EXPECT_THAT(server_.committed, ElementsAreArray(expected));
  EXPECT_EQ(report.units.at("seen"), 30u);
  EXPECT_EQ(report.units.at("applied"), 30u);
  // Those that were applied when the connection went were not compared, and are said to be so.
  EXPECT_EQ(report.statements.at("match") + report.statements.at("not_compared"), 30u);
  EXPECT_EQ(report.statements.at("not_compared"), 3u);
}

TEST_F(ApplierTest, AReadIsComparedAtItsPlaceInTheOrder) {
  for (Stamp key = 10; key <= 100; key += 10) {
    Read({key + 1, key + 2}, static_cast<int>(key / 10));
    Write(key);
  }
  FakeStore store(&server_);
  const compare::Report report = ApplyAll(&store);
  EXPECT_EQ(report.statements.at("match"), 20u);
  EXPECT_EQ(report.statements.at("divergent"), 0u);
  EXPECT_EQ(report.units.at("read_only"), 10u);
}

TEST_F(ApplierTest, AReadThatSeesAnotherStateOfAnUnwrittenTableIsDivergent) {
  Write(10);
  Read({20, 21}, 5);
  Write(30);
  FakeStore store(&server_);
  const compare::Report report = ApplyAll(&store);
  EXPECT_EQ(report.statements.at("divergent"), 1u);
  EXPECT_EQ(report.statements.at("ambiguous"), 0u);
}

TEST_F(ApplierTest, AReadOverlappedByAWriteOfItsTableIsAmbiguous) {
  Write(10);
  Journal("INSERT INTO t VALUES (20)", {15, 25}, Tag("INSERT 0 1"));
  Read({20, 21}, 5);
  FakeStore store(&server_);
  const compare::Report report = ApplyAll(&store);
  EXPECT_EQ(report.statements.at("ambiguous"), 1u);
  EXPECT_EQ(report.statements.at("divergent"), 0u);
}

TEST_F(ApplierTest, AReadMayHaveSeenAnotherPermittedCut) {
  Write(10);
  Journal("INSERT INTO t VALUES (20)", {15, 25}, Tag("INSERT 0 1"));
  Read({20, 21}, 5);
  FakeStore store(&server_);
  store.at_other_cuts = 5;
  const compare::Report report = ApplyAll(&store);
  EXPECT_EQ(report.statements.at("ambiguous"), 0u);
  EXPECT_EQ(report.statements.at("match"), 3u);
  EXPECT_EQ(server_.committed.size(), 2u);
}

TEST_F(ApplierTest, ACutBehindAWriteSentAfterTheAnswerIsNotPermitted) {
  Write(10);
  Journal("INSERT INTO t VALUES (20)", {22, 25}, Tag("INSERT 0 1"));
  Read({20, 21}, 5);
  FakeStore store(&server_);
  store.at_other_cuts = 5;
  const compare::Report report = ApplyAll(&store);
  EXPECT_EQ(report.statements.at("match"), 2u);
}

TEST_F(ApplierTest, ARestartGoesOnBehindWhatTheShadowHolds) {
  for (Stamp key = 1; key <= 10; ++key) Write(key);
  {
    FakeStore store(&server_);
    ApplyAll(&store);
  }
  for (Stamp key = 11; key <= 15; ++key) Write(key);
  FakeStore store(&server_);
  ApplyAll(&store);
  EXPECT_EQ(server_.committed.size(), 15u);
  EXPECT_EQ(server_.committed.back(), WriteText(15));
}

}  // namespace
}  // namespace pgparity::shadow
