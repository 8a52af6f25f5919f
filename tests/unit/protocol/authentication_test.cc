#include "protocol/authentication.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "protocol/digest.h"
#include "protocol/saslprep.h"
#include "tests/support/message_builders.h"

namespace pgparity::protocol {
namespace {

using ::pgparity::testing::Bytes;
using ::pgparity::testing::ExactBuffer;
using ::pgparity::testing::Int32;
using ::pgparity::testing::Message;

TEST(Authentication, IsWrittenAsTheManualSays) {
  std::string out;
  AppendSaslOffer(&out, {"A", "BC"});
  EXPECT_EQ(out, Bytes("R\0\0\0\x0e\0\0\0\x0a"
                       "A\0"
                       "BC\0\0"));
  out.clear();
  AppendAuthentication(&out, backend::AuthenticationKind::sasl_continue, "data");
  EXPECT_EQ(out, Bytes("R\0\0\0\x0c\0\0\0\x0b"
                       "data"));
  out.clear();
  AppendSaslInitialResponse(&out, "M", "xy");
  EXPECT_EQ(out, Bytes("p\0\0\0\x0cM\0\0\0\0\x02xy"));
  out.clear();
  AppendPassword(&out, "word");
  EXPECT_EQ(out, Bytes("p\0\0\0\x09word\0"));
}

TEST(Authentication, DecodesTheFirstSaslResponse) {
  const std::string full_body = Bytes("M\0\0\0\0\x02xy");
  const auto full = DecodeSaslInitialResponse(full_body);
  ASSERT_TRUE(full.ok());
  EXPECT_EQ(full->mechanism, "M");
  EXPECT_EQ(full->data, "xy");
  const std::string empty_body = Bytes("M\0\0\0\0\0");
  const auto empty = DecodeSaslInitialResponse(empty_body);
  ASSERT_TRUE(empty.ok());
  EXPECT_EQ(empty->data, "");
  const auto none = DecodeSaslInitialResponse(Bytes("M\0\xff\xff\xff\xff"));
  ASSERT_TRUE(none.ok());
  EXPECT_FALSE(none->data.has_value());
  for (const std::string& bad : {Bytes(""), Bytes("M"), Bytes("M\0"), Bytes("M\0\0\0\0\x03xy"),
                                 Bytes("M\0\0\0\0\x01xy"), Bytes("M\0\xff\xff\xff\xfexy"),
                                 Bytes("M\0\xff\xff\xff\xffx"), Bytes("M\0\x7f\xff\xff\xff")}) {
    const ExactBuffer exact(bad);
    EXPECT_FALSE(DecodeSaslInitialResponse(exact.view()).ok()) << ::testing::PrintToString(bad);
  }
}

TEST(Authentication, AnswersMd5AsComputedElsewhere) {
  EXPECT_EQ(*Md5Response("ann", "sesame", Bytes("\x01\x02\x03\x04")),
            "md5d1167df71a1d8fb7ca8e6827a0351fac");
}

TEST(Authentication, TellsMd5PasswordsFromPlainOnes) {
  EXPECT_TRUE(IsMd5Password("md5d1167df71a1d8fb7ca8e6827a0351fac"));
  EXPECT_FALSE(IsMd5Password("md5d1167df71a1d8fb7ca8e6827a0351fa"));
  EXPECT_FALSE(IsMd5Password("md5d1167df71a1d8fb7ca8e6827a0351faC"));
  EXPECT_FALSE(IsMd5Password("md4d1167df71a1d8fb7ca8e6827a0351fac"));
}

TEST(Base64, IsStrict) {
  EXPECT_EQ(*Base64Decode("AAEC"), Bytes("\0\x01\x02"));
  EXPECT_EQ(*Base64Decode(""), "");
  for (const char* bad : {"A", "AA", "AAE", "AAE==", "AA E", "AAEC\n", "A-_C", "AB=="}) {
    EXPECT_FALSE(Base64Decode(bad).ok()) << bad;
  }
}

TEST(ConstantTime, ComparesWhole) {
  EXPECT_TRUE(ConstantTimeEqual("abc", "abc"));
  EXPECT_FALSE(ConstantTimeEqual("abc", "abd"));
  EXPECT_FALSE(ConstantTimeEqual("abc", "ab"));
  EXPECT_TRUE(ConstantTimeEqual("", ""));
}

TEST(SaslPrep, LeavesMostPasswordsAsTheyAre) {
  for (const char* good :
       {"", "sesame", "with space", "tab\tand \x7f", "Pa55 %w\xc3\xb6rd",
        "Stra\xc3\x9f"
        "e",
        "\xd0\xbf\xd0\xb0\xd1\x80\xd0\xbe\xd0\xbb\xd1\x8c",  // Cyrillic
        "\xe5\xaf\x86\xe7\xa0\x81",                          // Han
        "\xf0\x9f\x94\x91",                                  // U+1F511, a key
        "\xd7\xa9\xd7\x9c\xd7\x95\xd7\x9d"
        "1",  // Hebrew: prohibited, taken as it is
        // Not UTF-8: taken as it is, whatever else it holds.
        "\xff", "\xc2\xa0\xff", "\xc3", "\xed\xa0\x80", "\xc0\x80", "\xf4\x90\x80\x80"}) {
    EXPECT_TRUE(CheckSaslPrepared(good).ok()) << good;
  }
}

TEST(SaslPrep, SaysWhatItDoesNotDo) {
  for (const char* bad : {"\xc2\xa0",      // no-break space: becomes a space
                          "a\xc2\xad",     // soft hyphen: goes
                          "a\xcc\x88",     // a and a combining diaeresis: becomes one letter
                          "\xef\xac\x81",  // the ligature fi
                          "\xef\xbc\xa1",  // full-width A
                          "\xe2\x85\xa8",  // Roman numeral nine
                          "\xc2\xaa",      // feminine ordinal
                          "\xe2\x80\x8b",  // zero-width space
                          "\xe1\x84\x80\xe1\x85\xa1",  // Hangul letters: become a syllable
                          "ok, then \xe3\x80\x80"}) {  // ideographic space
    const absl::Status status = CheckSaslPrepared(bad);
    EXPECT_TRUE(absl::IsUnimplemented(status)) << bad;
  }
}

}  // namespace
}  // namespace pgparity::protocol
