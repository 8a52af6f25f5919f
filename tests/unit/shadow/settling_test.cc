// Settling over a table that two maps stand for, with an empty journal.
#include "shadow/settling.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <map>

#include "compare/report.h"
#include "shadow/journal.h"
#include "tests/support/faulty_files.h"
#include "tests/support/temp_dir.h"

namespace pgparity::shadow {
namespace {

using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

using Rows = std::map<int, std::string>;

std::shared_ptr<const Catalog> TheCatalog() {
  CatalogTable table;
  table.oid = 20000;
  table.schema = "public";
  table.name = "t";
  table.columns.resize(2);
  table.columns[0].name = "id";
  table.columns[0].attribute = 1;
  table.columns[0].type_oid = protocol::oid::kInt4;
  table.columns[0].type_name = "integer";
  table.columns[1].name = "v";
  table.columns[1].attribute = 2;
  table.columns[1].type_oid = protocol::oid::kText;
  table.columns[1].type_name = "text";
  table.primary_key = {1};
  return Catalog::FromTables({table});
}

compare::Observation Select(const Rows& rows, const RowSelection& selection) {
  compare::Observation observation;
  observation.has_columns = true;
  observation.columns.resize(2);
  observation.columns[0].name = "id";
  observation.columns[0].type_oid = protocol::oid::kInt4;
  observation.columns[1].name = "v";
  observation.columns[1].type_oid = protocol::oid::kText;
  for (const auto& [id, value] : rows) {
    const std::string key = std::to_string(id);
    bool wanted = selection.keys.empty();
    for (const KeyText& asked : selection.keys) wanted = wanted || asked.front() == key;
    if (selection.after) wanted = wanted && id > std::stoi(selection.after->front());
    if (selection.to) wanted = wanted && id <= std::stoi(selection.to->front());
    if (!wanted || (selection.limit > 0 && observation.row_count == selection.limit)) continue;
    compare::AppendRow({compare::Cell(key), compare::Cell(value)}, &observation.rows);
    ++observation.row_count;
  }
  observation.tag = "SELECT " + std::to_string(observation.row_count);
  return observation;
}

class TableStore : public Store {
 public:
  Rows rows;
  absl::StatusOr<Progress> Connect(const std::string&) override { return Progress{}; }
  absl::Status Submit(std::shared_ptr<const PlannedUnit>) override { return absl::OkStatus(); }
  size_t in_flight() const override { return 0; }
  absl::StatusOr<std::vector<Collected>> Collect(absl::Duration) override {
    return std::vector<Collected>();
  }
  absl::StatusOr<UnitOutcome> ApplyAlone(const PlannedUnit&) override { return UnitOutcome{}; }
  absl::Status BeginParts(const PlannedUnit&) override { return absl::OkStatus(); }
  absl::StatusOr<UnitOutcome> RunPart(const PlannedUnit&) override { return UnitOutcome{}; }
  absl::StatusOr<UnitOutcome> FinishParts(const PlannedUnit&) override { return UnitOutcome{}; }
  void AbandonParts() override {}
  absl::Status SaveProgress(const Progress&) override { return absl::OkStatus(); }
  absl::StatusOr<std::unique_ptr<SnapshotLane>> OpenSnapshotLane() override {
    return absl::UnimplementedError("none");
  }
  absl::StatusOr<compare::Observation> ReadRows(const RowSelection& selection) override {
    return Select(rows, selection);
  }
  absl::Status WriteRows(const RowSelection&, const std::vector<RowWrite>& writes) override {
    for (const RowWrite& write : writes) {
      const int id = std::stoi(write.key.front());
      EXPECT_EQ(write.exists, rows.contains(id));
      rows.erase(id);
      if (write.values) rows[id] = *(*write.values)[1];
    }
    return absl::OkStatus();
  }
  std::shared_ptr<const Catalog> catalog() const override { return TheCatalog(); }
  absl::Status ReloadCatalog() override { return absl::OkStatus(); }
  std::string Describe() const override { return "a table"; }
};

class SettlingTest : public ::testing::Test {
 protected:
  void SetUp() override {
    journal_ = JournalWriter::Open("/d", {.files = &files_}).value();
    ASSERT_TRUE(journal_->Flush().ok());
    reader_ = JournalReader::Open("/d", &files_).value();
    sequencer_ = std::make_unique<Sequencer>(reader_.get());
    ASSERT_TRUE(sequencer_->Start(0, std::nullopt).ok());
    log_ = compare::ParityLog::Open(dir_.path() + "/parity.db").value();
    Settling::Hooks hooks;
    hooks.read_primary = [this](const RowSelection& selection) {
      return absl::StatusOr<compare::Observation>(Select(primary_, selection));
    };
    hooks.now = [this] { return now_.load(); };
    hooks.wake = [this] { came_.set_value(); };
    hooks.warning = [this](std::string_view line) { warnings_.emplace_back(line); };
    hooks.before_write = [this] { ++writes_; };
    hooks.divergent = [this](const RowAccess& row, const compare::Comparison& difference) {
      divergent_.emplace_back(row.values->front(), difference.what);
    };
    SettlingOptions options;
    options.rows_per_second = 1'000'000'000;
    settling_ =
        std::make_unique<Settling>(options, std::move(hooks), &suspects_, &overlaps_, log_.get());
  }

  RowAccess Row(int id) const {
    return RowByKey(catalog_->tables().front(), {std::to_string(id)}, *catalog_);
  }
  // One reading, from the question to its judgement; false when nothing was asked.
  bool Round() {
    came_ = std::promise<void>();
    const auto rows_due = suspects_.AnyDue(absl::Now());
    settling_->Ask(*catalog_);
    if (!rows_due) return false;
    came_.get_future().wait();
    EXPECT_FALSE(settling_->Ripe(*sequencer_)) << "what began before its end may not be known";
    sequencer_->RaiseWatermark({0, 0, now_ + 1}, now_ + 1, 0);
    EXPECT_FALSE(sequencer_->Next().value().has_value());
    EXPECT_TRUE(settling_->Ripe(*sequencer_));
    EXPECT_TRUE(settling_->Judge(&store_, *catalog_, 1).ok());
    now_ += 1000;
    return true;
  }
  uint64_t Counted(const char* what) {
    EXPECT_TRUE(log_->Flush().ok());
    return compare::LoadReport(dir_.path() + "/parity.db", {}).value().rows[what];
  }

  support::TempDir dir_;
  support::FaultyFiles files_;
  std::unique_ptr<JournalWriter> journal_;
  std::unique_ptr<JournalReader> reader_;
  std::unique_ptr<Sequencer> sequencer_;
  std::unique_ptr<compare::ParityLog> log_;
  std::shared_ptr<const Catalog> catalog_ = TheCatalog();
  OverlapIndex overlaps_;
  std::vector<std::string> resolved_, warnings_;
  SuspectRows suspects_{[this](const Ambiguity& a) { resolved_.push_back(a.fingerprint); }};
  Rows primary_;
  TableStore store_;
  std::atomic<Stamp> now_{1000};
  std::promise<void> came_;
  std::vector<std::pair<std::string, std::string>> divergent_;
  int writes_ = 0;
  std::unique_ptr<Settling> settling_;
};

TEST_F(SettlingTest, EqualRowsAreSettledAndTheirAmbiguitiesResolved) {
  primary_ = store_.rows = {{1, "a"}, {2, "b"}};
  suspects_.AddUnproved({Row(1)});
  suspects_.AddAmbiguity({Row(1), Row(3)}, "shape");
  EXPECT_TRUE(Round());
  EXPECT_EQ(suspects_.open(), 0u);
  EXPECT_EQ(Counted("settled"), 1u);
  EXPECT_EQ(resolved_, std::vector<std::string>{"shape"});
  EXPECT_EQ(writes_, 0);
}

TEST_F(SettlingTest, AnUnprovedRowGetsThePrimarysValuesAndIsReadOnceMore) {
  primary_ = {{1, "a"}, {2, "new"}};
  store_.rows = {{1, "other"}, {3, "gone"}};
  suspects_.AddUnproved({Row(1), Row(2), Row(3)});
  EXPECT_TRUE(Round());
  EXPECT_THAT(store_.rows, UnorderedElementsAre(Pair(1, "a"), Pair(2, "new")));
  EXPECT_EQ(suspects_.open(), 3u);
  EXPECT_TRUE(Round());
  EXPECT_EQ(suspects_.open(), 0u);
  EXPECT_EQ(Counted("repaired"), 3u);
  EXPECT_EQ(Counted("unproved"), 0u);
  EXPECT_THAT(divergent_, IsEmpty());
}

TEST_F(SettlingTest, ADifferenceThatNothingExplainsIsNotRepaired) {
  primary_ = {{1, "a"}};
  store_.rows = {{1, "b"}};
  suspects_.AddAmbiguity({Row(1)}, "shape");
  EXPECT_TRUE(Round());
  EXPECT_EQ(store_.rows[1], "b");
  ASSERT_EQ(divergent_.size(), 1u);
  EXPECT_EQ(divergent_[0].first, "1");
  EXPECT_THAT(resolved_, IsEmpty());
}

TEST_F(SettlingTest, ATaintedRowStaysAsItIsUntilItIsEqual) {
  primary_ = {{1, "a"}};
  store_.rows = {{1, "b"}};
  suspects_.AddTainted({Row(1)}, {"root", ""});
  EXPECT_TRUE(Round());
  EXPECT_EQ(store_.rows[1], "b");
  EXPECT_THAT(divergent_, IsEmpty());
  EXPECT_NE(suspects_.Tainted({Row(1)}, 9), nullptr);
  store_.rows[1] = "a";
  suspects_.Postpone(Row(1), absl::InfinitePast());
  EXPECT_TRUE(Round());
  EXPECT_EQ(suspects_.Tainted({Row(1)}, 9), nullptr);
}

TEST_F(SettlingTest, ARowWrittenSinceTheReadingBeganIsReadAgain) {
  primary_ = {{1, "a"}};
  store_.rows = {{1, "b"}};
  suspects_.AddUnproved({Row(1)});
  UnitPlace place;
  place.unit = 5;
  place.interval = {now_, now_ + 1};
  place.seen = now_ + 1;
  overlaps_.Note(place, {Row(1)});
  EXPECT_TRUE(Round());
  EXPECT_EQ(store_.rows[1], "b");
  EXPECT_EQ(suspects_.open(), 1u);
}

TEST_F(SettlingTest, ATableIsReadWholeAndItsUnequalRowsByKey) {
  for (int id = 0; id < 1200; ++id) primary_[id] = store_.rows[id] = std::to_string(id);
  store_.rows[700] = "other";
  store_.rows.erase(1100);
  store_.rows[5000] = "shadow's";
  suspects_.AddUnproved({{"public.t", std::nullopt}});
  for (int i = 0; i < 20 && suspects_.open() > 0; ++i) {
    suspects_.Postpone({"public.t", std::nullopt}, absl::InfinitePast());
    for (const int id : {700, 1100, 5000}) suspects_.Postpone(Row(id), absl::InfinitePast());
    Round();
  }
  EXPECT_EQ(suspects_.open(), 0u);
  EXPECT_EQ(store_.rows, primary_);
  EXPECT_EQ(Counted("repaired"), 3u);
}

TEST_F(SettlingTest, AWriteOfUnknownRowsMeanwhileKeepsTheTableSuspect) {
  primary_ = store_.rows = {{1, "a"}};
  suspects_.AddUnproved({{"public.t", std::nullopt}});
  UnitPlace place;
  place.unit = 5;
  place.interval = {now_ + 1, now_ + 2};
  place.seen = now_ + 2;
  overlaps_.Note(place, {{"public.t", std::nullopt}});
  EXPECT_TRUE(Round());
  EXPECT_NE(suspects_.WholeOf("public.t"), nullptr);
}

}  // namespace
}  // namespace pgparity::shadow
