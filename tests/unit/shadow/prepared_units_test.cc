#include "shadow/prepared_units.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace pgparity::shadow {
namespace {

TEST(Gid, IsReadInEverySpelling) {
  EXPECT_EQ(GidOf("PREPARE TRANSACTION 'a'", true), "a");
  EXPECT_EQ(GidOf("/* 'no' */ COMMIT PREPARED 'it''s' -- 'no'", true), "it's");
  EXPECT_EQ(GidOf("COMMIT PREPARED $$a'b$$", true), "a'b");
  EXPECT_EQ(GidOf("COMMIT PREPARED $q$a$$b$q$", true), "a$$b");
  EXPECT_EQ(GidOf("COMMIT PREPARED E'a\\'b\\\\'", true), "a'b\\");
  EXPECT_EQ(GidOf("COMMIT PREPARED 'a\\b'", true), "a\\b");
  EXPECT_EQ(GidOf("COMMIT PREPARED ''", true), "");
}

TEST(Gid, IsNotGuessed) {
  EXPECT_EQ(GidOf("COMMIT PREPARED U&'\\0061'", true), std::nullopt);
  EXPECT_EQ(GidOf("COMMIT PREPARED E'\\x61'", true), std::nullopt);
  EXPECT_EQ(GidOf("COMMIT PREPARED 'a\\x61'", false), std::nullopt);
  EXPECT_EQ(GidOf("COMMIT PREPARED 'unterminated", true), std::nullopt);
  EXPECT_EQ(GidOf("COMMIT PREPARED", true), std::nullopt);
  EXPECT_EQ(GidOf("COMMIT PREPARED $a$", true), std::nullopt);
}

}  // namespace
}  // namespace pgparity::shadow
