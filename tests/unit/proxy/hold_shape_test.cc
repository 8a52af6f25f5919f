#include "proxy/hold_shape.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "protocol/value.h"
#include "protocol/wire.h"
#include "tests/support/catalog_builders.h"

namespace pgparity::proxy {
namespace {

using support::TableBuilder;

TEST(TextShape, IsTheSameForOtherConstants) {
  const auto one = ShapeOf("UPDATE t SET v = 'a', n = 1.5 WHERE id = 42");
  const auto other = ShapeOf("UPDATE t  SET v = 'b c', n = 20.75 /* c */ WHERE id = 7");
  ASSERT_TRUE(one && other);
  EXPECT_EQ(one->fingerprint, other->fingerprint);
  ASSERT_EQ(other->count, 4u);
  EXPECT_EQ(other->literals[0].text, "b c");
  EXPECT_FALSE(other->literals[0].number);
  EXPECT_EQ(other->literals[3].text, "7");
  EXPECT_TRUE(other->literals[3].number);
}

TEST(TextShape, IsAnotherForOtherTexts) {
  const auto of = [](const char* sql) { return ShapeOf(sql)->fingerprint; };
  const uint64_t one = of("UPDATE t SET v = 1 WHERE id = 2");
  for (const char* sql :
       {"UPDATE u SET v = 1 WHERE id = 2", "UPDATE t SET v = 1 WHERE id = '2'",
        "UPDATE t SET v = 1 WHERE id = $1", "UPDATE t SET v = 1 WHERE id = -2",
        "UPDATE t SET v = 1 WHERE id = E'2'", "UPDATE t SET v = 1 WHERE id = 2;",
        "UPDATE t SET v = 1 WHERE id = 'it''s'", "UPDATE tSET v = 1 WHERE id = 2",
        "UPDATE t SET v = 1 WHERE id = 2.5", "UPDATE t SET v = 1 WHERE \"id\" = 2"}) {
    EXPECT_NE(of(sql), one) << sql;
  }
}

TEST(TextShape, IsBounded) {
  std::string many = "SELECT 1";
  for (int i = 0; i < 40; ++i) many += ", 1";
  EXPECT_FALSE(ShapeOf(many));
  std::string wide = "SELECT a";
  for (int i = 0; i < 400; ++i) wide += ", a";
  EXPECT_FALSE(ShapeOf(wide));
}

TEST(TextShape, MarksTellTheirLiterals) {
  EXPECT_EQ(MarkLiterals("UPDATE t SET v = 'a' WHERE id = 42 AND e = E'x'"),
            "UPDATE t SET v = 'pgparity-0' WHERE id = 7000001 AND e = E'x'");
  EXPECT_EQ(LiteralOfMark("pgparity-0"), 0u);
  EXPECT_EQ(LiteralOfMark("7000001"), 1u);
  for (const char* other : {"", "1", "-7000001", "7000001.7000002", "8000000", "pgparity-", "a"}) {
    EXPECT_FALSE(LiteralOfMark(other)) << other;
  }
}

class HoldShapeTest : public testing::Test {
 protected:
  std::shared_ptr<const shadow::Catalog> catalog_ = shadow::Catalog::FromTables(
      {TableBuilder(100, "t")
           .Column("v", protocol::oid::kText)
           .Column("id", protocol::oid::kInt4)
           .PrimaryKey({2}),
       TableBuilder(101, "pair")
           .Column("a", protocol::oid::kInt8)
           .Column("b", protocol::oid::kVarchar)
           .PrimaryKey({1, 2}),
       TableBuilder(102, "u").Column("id", protocol::oid::kUuid).PrimaryKey({1}),
       TableBuilder(103, "keyless").Column("id", protocol::oid::kInt4),
       TableBuilder(104, "odd").Column("id", protocol::oid::kNumeric).PrimaryKey({1})});

  // The row of a simple Query.
  std::optional<uint64_t> Row(const std::string& sql, uint64_t database = 1) {
    const HoldShape shape = FindHoldShape(sql, *catalog_);
    const auto text = ShapeOf(sql);
    return shape.count == 0 || !text ? std::nullopt : RowOfQuery(shape, *text, database);
  }
  // ... of a Bind of it; values of the formats given, "" for null.
  std::optional<uint64_t> Bound(const std::string& sql, const std::vector<int16_t>& formats,
                                const std::vector<std::string>& values) {
    const HoldShape shape = FindHoldShape(sql, *catalog_);
    if (shape.count == 0) return std::nullopt;
    std::string body;
    protocol::WireWriter writer(&body);
    writer.CString("portal").CString("statement").Int16(static_cast<int16_t>(formats.size()));
    for (const int16_t format : formats) writer.Int16(format);
    writer.Int16(static_cast<int16_t>(values.size()));
    for (const std::string& value : values) {
      writer.Int32(value.empty() ? -1 : static_cast<int32_t>(value.size())).Bytes(value);
    }
    writer.Int16(0);
    const auto owned = std::make_unique<char[]>(body.size());
    body.copy(owned.get(), body.size());
    for (size_t size = 0; size < body.size(); ++size) {  // no decoder reads beyond its bytes
      const auto part = std::make_unique<char[]>(size);
      body.copy(part.get(), size);
      RowOfBind(shape, {part.get(), size}, 1);
    }
    return RowOfBind(shape, {owned.get(), body.size()}, 1);
  }
};

TEST_F(HoldShapeTest, TheSameRowHoweverItIsWritten) {
  const auto row = Row("UPDATE t SET v = 'x' WHERE id = 5");
  ASSERT_TRUE(row);
  EXPECT_EQ(Row("UPDATE public.t SET v = v || '5' WHERE v = '7' AND id = '5'"), row);
  EXPECT_EQ(Row("DELETE FROM t WHERE id = 5"), row);
  EXPECT_EQ(Row("INSERT INTO t (id, v) VALUES (5, 'x')"), row);
  EXPECT_EQ(Row("INSERT INTO t VALUES ('x', 5) ON CONFLICT (id) DO UPDATE SET v = 'y'"), row);
  EXPECT_EQ(Bound("DELETE FROM t WHERE id = $1", {}, {"5"}), row);
  EXPECT_EQ(Bound("DELETE FROM t WHERE id = $1", {0}, {"5"}), row);
  EXPECT_EQ(Bound("DELETE FROM t WHERE id = $1", {1}, {std::string("\0\0\0\5", 4)}), row);
  EXPECT_EQ(
      Bound("UPDATE t SET v = $1 WHERE id = $2", {0, 1}, {"x", std::string("\0\0\0\0\0\0\0\5", 8)}),
      row);
  EXPECT_EQ(Bound("UPDATE t SET v = $1 WHERE id = $2", {1}, {"x", std::string("\0\5", 2)}), row);
  EXPECT_NE(Row("DELETE FROM t WHERE id = 6"), row);
  EXPECT_NE(Row("DELETE FROM t WHERE id = 5", 2), row) << "of another database";
}

TEST_F(HoldShapeTest, KeysOfSeveralColumnsAndTypes) {
  const auto row = Row("DELETE FROM pair WHERE b = 'x' AND a = 1");
  ASSERT_TRUE(row);
  EXPECT_EQ(Row("INSERT INTO pair VALUES (1, 'x')"), row);
  EXPECT_EQ(Bound("INSERT INTO pair (b, a) VALUES ($1, $2)", {}, {"x", "1"}), row);
  EXPECT_NE(Row("INSERT INTO pair VALUES (1, 'X')"), row);
  const auto uuid = Row("DELETE FROM u WHERE id = '00112233-4455-6677-8899-AABBCCDDEEFF'");
  ASSERT_TRUE(uuid);
  EXPECT_EQ(Bound("DELETE FROM u WHERE id = $1", {1},
                  {"\x00\x11\x22\x33\x44\x55\x66\x77\x88\x99\xaa\xbb\xcc\xdd\xee\xff"
                   ""}),
            std::nullopt)
      << "a text that ends at its zero";
  EXPECT_EQ(
      Bound("DELETE FROM u WHERE id = $1", {1},
            {std::string("\x00\x11\x22\x33\x44\x55\x66\x77\x88\x99\xaa\xbb\xcc\xdd\xee\xff", 16)}),
      uuid);
  EXPECT_EQ(Bound("DELETE FROM u WHERE id = $1", {}, {"00112233445566778899aabbccddeeff"}), uuid);
}

TEST_F(HoldShapeTest, NotWhatIsNotOneKnownRow) {
  for (const char* sql :
       {"UPDATE t SET v = 'x'",
        "UPDATE t SET v = 'x' WHERE id > 5",
        "UPDATE t SET v = 'x' WHERE id = 5 OR id = 6",
        "UPDATE t SET id = 6 WHERE id = 5",
        "UPDATE t SET v = 'x' WHERE id = 5 + 0",
        "UPDATE t SET v = 'x' WHERE id = f(5)",
        "UPDATE t SET v = 'x' WHERE id = -5",
        "UPDATE t SET v = 'x' WHERE id = 5.5",
        "INSERT INTO t VALUES ('x', 5), ('y', 6)",
        "INSERT INTO t (v) VALUES ('x')",
        "INSERT INTO t SELECT 'x', 5",
        "INSERT INTO t DEFAULT VALUES",
        "DELETE FROM keyless",
        "DELETE FROM keyless WHERE id = 5",
        "DELETE FROM odd WHERE id = 5",
        "DELETE FROM nowhere WHERE id = 5",
        "SELECT * FROM t WHERE id = 5",
        "SELECT * FROM t WHERE id = 5 FOR UPDATE",
        "TRUNCATE t",
        "DELETE FROM pair WHERE a = 1",
        "WITH w AS (DELETE FROM t WHERE id = 1 RETURNING *) DELETE FROM t WHERE id = 5",
        "DELETE FROM t WHERE id = 5; DELETE FROM t WHERE id = 6",
        "not SQL",
        ""}) {
    EXPECT_EQ(Row(sql), std::nullopt) << sql;
  }
  EXPECT_EQ(Bound("DELETE FROM t WHERE id = $1", {}, {""}), std::nullopt) << "null";
  EXPECT_EQ(Bound("DELETE FROM t WHERE id = $1", {}, {"five"}), std::nullopt);
  EXPECT_EQ(Bound("DELETE FROM t WHERE id = $1", {}, {"99999999999999999999"}), std::nullopt);
  EXPECT_EQ(Bound("DELETE FROM t WHERE id = $1", {1}, {"abc"}), std::nullopt);
  EXPECT_EQ(Bound("DELETE FROM t WHERE id = $1", {}, {}), std::nullopt);
}

}  // namespace
}  // namespace pgparity::proxy
