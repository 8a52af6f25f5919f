// What a data directory goes through: a torn or damaged journal, another version, a process that
// was killed. Nothing of it crashes pgparity, and nothing is lost in silence.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "tests/integration/environment.h"
#include "tests/support/libpq_client.h"

namespace pgparity::support {
namespace {

using ::testing::HasSubstr;

// The journal's files in their order.
std::vector<std::string> JournalFiles(const std::string& data_dir) {
  std::vector<std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator(data_dir + "/journal")) {
    if (entry.is_regular_file() && entry.file_size() > 0) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

std::string OneErrorLine(const std::string& text) {
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1) << text;
  return text;
}

class DataDirectory : public ::testing::Test {
 protected:
  void SetUp() override {
    pair_.Seed({"CREATE TABLE t (id int, v text)"});
    ASSERT_TRUE(proxy_.started());
    Write(1, 100);
    ASSERT_TRUE(proxy_.Drain());
  }
  void Write(int first, int last) {
    LibpqClient client(proxy_.Url(pair_.name()));
    for (int i = first; i <= last; ++i) {
      ASSERT_TRUE(client.Query("INSERT INTO t VALUES ($1, 'v')", {std::to_string(i)}).ok);
    }
  }
  RunResult Verify() { return RunPgparity({"journal", "verify", "--data-dir", proxy_.data_dir()}); }

  DatabasePair pair_{"data_dir"};
  ProxyProcess proxy_{ProxyFor(pair_)};
};

TEST_F(DataDirectory, AWholeJournalIsWholeAndPrinted) {
  ASSERT_EQ(proxy_.Stop(), 0);
  EXPECT_EQ(Verify().exit, 0);
  const RunResult list = RunPgparity({"journal", "ls", "--data-dir", proxy_.data_dir()});
  EXPECT_EQ(list.exit, 0) << list.err;
  const RunResult cat = RunPgparity({"journal", "cat", "--data-dir", proxy_.data_dir()});
  EXPECT_EQ(cat.exit, 0) << cat.err;
  EXPECT_THAT(cat.out, HasSubstr("INSERT INTO t VALUES ($1,"));
}

TEST_F(DataDirectory, ATornTailIsCutOffAndTheRestGoesOn) {
  ASSERT_EQ(proxy_.Stop(), 0);
  const std::string file = JournalFiles(proxy_.data_dir()).back();
  WriteFile(file, ReadFile(file) + std::string("\x40\0\0\0half a rec", 14));
  const RunResult torn = Verify();
  EXPECT_LT(torn.exit, 2) << torn.err;
  ASSERT_TRUE(proxy_.Start()) << proxy_.Log();
  Write(101, 150);
  ASSERT_TRUE(proxy_.Drain());
  ExpectEqualTables(pair_);
  EXPECT_EQ(Verify().exit, 0);
}

TEST_F(DataDirectory, ADamagedRecordIsReportedAndNotACrash) {
  ASSERT_EQ(proxy_.Stop(), 0);
  const std::string file = JournalFiles(proxy_.data_dir()).front();
  std::string content = ReadFile(file);
  content[content.size() / 2] = static_cast<char>(content[content.size() / 2] ^ 0x5a);
  WriteFile(file, content);
  const RunResult damaged = Verify();
  EXPECT_EQ(damaged.exit, 1) << damaged.out;
  EXPECT_THAT(OneErrorLine(damaged.err), HasSubstr("journal"));
  const RunResult cat = RunPgparity({"journal", "cat", "--data-dir", proxy_.data_dir()});
  EXPECT_THAT(cat.out, HasSubstr("INSERT INTO t")) << "what lies before the damage is readable";
  const RunResult serve = RunPgparity({"report", "--data-dir", proxy_.data_dir()});
  EXPECT_EQ(serve.exit, 0) << serve.err;
}

TEST_F(DataDirectory, OfAnotherVersionIsRefusedInOneLine) {
  ASSERT_EQ(proxy_.Stop(), 0);
  WriteFile(proxy_.data_dir() + "/VERSION", "999\n");
  for (const std::vector<std::string>& command :
       {std::vector<std::string>{"serve", "--primary", pair_.PrimaryUrl(), "--shadow",
                                 pair_.ShadowUrl(), "--admin", "off", "--listen", ":0"},
        {"report"},
        {"verdict"}}) {
    std::vector<std::string> arguments = command;
    arguments.insert(arguments.end(), {"--data-dir", proxy_.data_dir()});
    const RunResult result = RunPgparity(arguments, std::chrono::seconds(30));
    EXPECT_THAT(result.exit, ::testing::AnyOf(64, 70)) << command[0] << result.out;
    EXPECT_THAT(result.err, HasSubstr("version")) << command[0];
  }
}

TEST_F(DataDirectory, AKilledProcessLeavesEveryCommitAppliedOrAGap) {
  Write(101, 400);
  proxy_.Kill();
  ASSERT_TRUE(proxy_.Start());
  ASSERT_TRUE(proxy_.Drain());
  const ReportJson report = proxy_.Report();
  LibpqClient shadow(pair_.ShadowUrl());
  const bool all = shadow.Query("SELECT count(*) FROM t").Scalar() == "400";
  EXPECT_TRUE(all || !report.gaps.empty()) << report.Summary();
  EXPECT_EQ(shadow.Query("SELECT count(*) - count(DISTINCT id) FROM t").Scalar(), "0");
}

}  // namespace
}  // namespace pgparity::support
