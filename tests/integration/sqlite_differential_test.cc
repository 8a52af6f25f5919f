// Each statement runs on PostgreSQL and, translated, on SQLite; results and tables are compared.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "tests/integration/environment.h"
#include "tests/support/sqlite_differential.h"

namespace pgparity {
namespace {

using support::SqliteDifferential;

const std::string kCorpus = std::string(PGPARITY_SOURCE_DIR) + "/tests/sqlite_corpus/";

void MakeTables(SqliteDifferential* differential) {
  for (const std::string& statement : support::StatementsOf(kCorpus + "schema.sql")) {
    const auto kept = differential->Keep(statement);
    ASSERT_EQ(kept.verdict, SqliteDifferential::Verdict::equal) << statement << "\n"
                                                                << kept.sqlite << "\n"
                                                                << kept.reason;
  }
}

TEST(SqliteDifferentialTest, NothingOfTheCorpusIsSilentlyWrong) {
  support::DatabasePair pair("sqlite_corpus");
  SqliteDifferential differential(pair.PrimaryUrl());
  MakeTables(&differential);
  if (HasFatalFailure()) return;
  std::vector<std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator(kCorpus)) {
    if (entry.path().extension() == ".sql" && entry.path().filename() != "schema.sql")
      files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  for (const std::string& file : files) {
    SqliteDifferential::Tally tally;
    for (const std::string& statement : support::StatementsOf(file))
      tally.Add(statement, differential.Compare(statement));
    std::printf("%s: %s\n", std::filesystem::path(file).filename().c_str(),
                tally.Summary().c_str());
    for (const std::string& wrong : tally.wrongs) ADD_FAILURE() << wrong;
  }
}

}  // namespace
}  // namespace pgparity
