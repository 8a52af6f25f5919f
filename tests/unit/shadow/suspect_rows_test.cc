#include "shadow/suspect_rows.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace pgparity::shadow {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

RowAccess Row(const char* table, uint64_t key) {
  return {table, key, std::make_shared<const std::vector<std::string>>(1, std::to_string(key))};
}
RowAccess Table(const char* table) { return {table, std::nullopt}; }

class SuspectRowsTest : public ::testing::Test {
 protected:
  std::vector<std::string> resolved_;
  SuspectRows rows_{[this](const Ambiguity& a) { resolved_.push_back(a.fingerprint); }};
};

TEST_F(SuspectRowsTest, ARowIsMetByItselfAndByItsWholeTable) {
  EXPECT_FALSE(rows_.Unproved({Row("t", 1)}, 1));
  EXPECT_EQ(rows_.AddUnproved({Row("t", 1)}), 1u);
  EXPECT_EQ(rows_.AddUnproved({Row("t", 1)}), 0u);
  EXPECT_TRUE(rows_.Unproved({Row("t", 1)}, 1));
  EXPECT_FALSE(rows_.Unproved({Row("t", 2), Row("u", 1)}, 1));
  EXPECT_TRUE(rows_.Unproved({Row("u", 1), Table("t")}, 1));
}

TEST_F(SuspectRowsTest, AWholeTableMeetsEveryRow) {
  rows_.AddUnproved({Table("t")});
  EXPECT_TRUE(rows_.Unproved({Row("t", 2)}, 1));
  EXPECT_FALSE(rows_.Unproved({Row("u", 2)}, 1));
}

TEST_F(SuspectRowsTest, WhatWasProvedEqualStaysSuspectToUnitsBefore) {
  rows_.AddUnproved({Row("t", 1)});
  EXPECT_TRUE(rows_.Proved(Row("t", 1), 5));
  EXPECT_TRUE(rows_.Unproved({Row("t", 1)}, 5));
  EXPECT_FALSE(rows_.Unproved({Row("t", 1)}, 6));
  EXPECT_EQ(rows_.open(), 0u);
  EXPECT_FALSE(rows_.Proved(Row("t", 1), 6));
}

TEST_F(SuspectRowsTest, TheFirstCauseOfATaintStaysUntilTheRowIsEqual) {
  rows_.AddTainted({Row("t", 1)}, {"first", ""});
  rows_.AddTainted({Row("t", 1)}, {"second", ""});
  ASSERT_NE(rows_.Tainted({Row("t", 1)}, 1), nullptr);
  EXPECT_EQ(rows_.Tainted({Table("t")}, 1)->fingerprint, "first");
  EXPECT_EQ(rows_.Tainted({Row("t", 2)}, 1), nullptr);
  rows_.Proved(Row("t", 1), 3);
  EXPECT_EQ(rows_.Tainted({Row("t", 1)}, 4), nullptr);
  rows_.AddTainted({Row("t", 1)}, {"third", ""});
  EXPECT_EQ(rows_.Tainted({Row("t", 1)}, 4)->fingerprint, "third");
}

TEST_F(SuspectRowsTest, AnAmbiguityIsResolvedWithItsLastRow) {
  rows_.AddAmbiguity({Row("t", 1), Table("u")}, "shape");
  rows_.Proved(Row("t", 1), 1);
  EXPECT_THAT(resolved_, IsEmpty());
  rows_.Proved(Table("u"), 2);
  EXPECT_THAT(resolved_, ElementsAre("shape"));
}

TEST_F(SuspectRowsTest, ARowIsDueOnceUntilItsTimeComesAgain) {
  const absl::Time now = absl::Now();
  rows_.AddUnproved({Row("t", 1), Row("t", 2), Row("u", 1)});
  EXPECT_EQ(rows_.TakeDue(10, now, now + absl::Seconds(1)).size(), 2u);
  EXPECT_EQ(rows_.TakeDue(10, now, now + absl::Seconds(1)).front().table, "u");
  EXPECT_THAT(rows_.TakeDue(10, now, now), IsEmpty());
  EXPECT_EQ(rows_.TakeDue(1, now + absl::Seconds(1), now + absl::Seconds(2)).size(), 1u);
}

TEST_F(SuspectRowsTest, RowsOfATableReadWholeAreAsSuspectAsItWas) {
  rows_.AddUnproved({Table("t")});
  EXPECT_EQ(rows_.AddFromTable("t", {Row("t", 1)}), 1u);
  rows_.Proved(Table("t"), 1);
  EXPECT_TRUE(rows_.Unproved({Row("t", 1)}, 9));
  EXPECT_FALSE(rows_.Unproved({Row("t", 2)}, 9));
  EXPECT_EQ(rows_.Of(Row("t", 1)), SuspectRows::Standing::unproved);
}

TEST_F(SuspectRowsTest, TooManyRowsAreTheWholeTable) {
  for (uint64_t key = 0; key <= 100000; ++key) rows_.AddUnproved({Row("t", key)});
  EXPECT_TRUE(rows_.Unproved({Row("t", 5000000)}, 1));
}

}  // namespace
}  // namespace pgparity::shadow
