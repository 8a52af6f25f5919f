#include "proxy/token.h"

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "protocol/wire.h"

namespace pgparity::proxy {
namespace {

std::string RowOf(const std::vector<std::optional<std::string>>& values) {
  std::string body;
  protocol::WireWriter writer(&body);
  writer.Int16(static_cast<int16_t>(values.size()));
  for (const auto& value : values) {
    writer.Int32(value ? static_cast<int32_t>(value->size()) : -1);
    writer.Bytes(value.value_or(""));
  }
  return body;
}

// From an allocation of its own size.
std::optional<shadow::LsnToken> Decode(std::string_view body) {
  const auto owned = std::make_unique<char[]>(body.size());
  body.copy(owned.get(), body.size());
  const auto values = DecodeTokenRow({owned.get(), body.size()});
  if (!values) return std::nullopt;
  std::string record;
  EncodeToken(*values, &record);
  return DecodeToken(record);
}

TEST(Token, ComesThroughTheRing) {
  const auto token =
      Decode(RowOf({"16/B374D848", "18446744073709551615", "fffffffffffffffe", "10:20:10,14"}));
  ASSERT_TRUE(token.has_value());
  EXPECT_EQ(*token, (shadow::LsnToken{0x16B374D848, UINT64_MAX, -2, "10:20:10,14"}));
  const auto plain = Decode(RowOf({"0/1", std::nullopt, "0002a9c5e3f10000", std::nullopt}));
  ASSERT_TRUE(plain.has_value());
  EXPECT_EQ(*plain, (shadow::LsnToken{1, 0, 0x0002a9c5e3f10000, ""}));
}

TEST(Token, TakesNothingElse) {
  const std::string good = RowOf({"0/1", "2", "0000000000000003", std::nullopt});
  ASSERT_TRUE(Decode(good).has_value());
  for (size_t size = 0; size < good.size(); ++size) {
    EXPECT_FALSE(Decode(std::string_view(good).substr(0, size)).has_value()) << size;
  }
  EXPECT_FALSE(Decode(good + "x").has_value());
  using Values = std::vector<std::optional<std::string>>;
  for (const Values& values :
       {Values{"0/1", "2", "0000000000000003"}, Values{std::nullopt, "2", "0000000000000003", ""},
        Values{"01", "2", "0000000000000003", ""}, Values{"/1", "2", "0000000000000003", ""},
        Values{"100000000/1", "2", "0000000000000003", ""},
        Values{"0/x", "2", "0000000000000003", ""}, Values{"0/1", "", "0000000000000003", ""},
        Values{"0/1", "-2", "0000000000000003", ""}, Values{"0/1", "2", std::nullopt, ""},
        Values{"0/1", "2", "000000000000003", ""}, Values{"0/1", "2", "000000000000000x", ""}}) {
    EXPECT_FALSE(Decode(RowOf(values)).has_value());
  }
  std::string negative = RowOf({"0/1", "2", "0000000000000003", ""});
  negative[2] = '\xff';
  EXPECT_FALSE(Decode(negative).has_value());
}

}  // namespace
}  // namespace pgparity::proxy
