#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "shadow/rewrite.h"
#include "tests/support/catalog_builders.h"

namespace pgparity::shadow {
namespace {

using namespace protocol::oid;  // NOLINT(google-build-using-namespace)
using support::Observed;
using support::ResultColumn;
using support::TableBuilder;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

class WriteSetTest : public ::testing::Test {
 protected:
  WriteSetTest() {
    TableBuilder users(1, "users");
    users.Identity("id", kInt8, "public.s").Column("email", kText).PrimaryKey({1});
    users->other_unique = true;
    users->unique_keys = {{2}};
    TableBuilder orders(2, "orders");
    orders.Column("id", kInt4)
        .Column("user_id", kInt8)
        .Column("n", kInt4)
        .PrimaryKey({1})
        .References(1, {2}, {1}, 'c');
    TableBuilder lines(3, "lines");
    lines.Column("order_id", kInt4)
        .Column("no", kInt4)
        .Column("x", kText)
        .PrimaryKey({1, 2})
        .References(2, {1}, {1}, 'c');
    TableBuilder triggered(4, "triggered");
    triggered.Column("id", kInt4).PrimaryKey({1});
    triggered->has_triggers = true;
    TableBuilder keyless(5, "keyless");
    keyless.Column("a", kInt4);
    TableBuilder view(6, "v");
    view->kind = 'v';
    view->view_of = {2, 5};
    TableBuilder parted(7, "parted");
    parted.Column("id", kInt4).PrimaryKey({1});
    parted->kind = 'p';
    TableBuilder part(8, "parted_1");
    part.Column("id", kInt4).PrimaryKey({1});
    part->parent = 7;
    TableBuilder prices(9, "prices");
    prices.Column("amount", kNumeric).PrimaryKey({1});
    catalog_ =
        Catalog::FromTables({users, orders, lines, triggered, keyless, view, parted, part, prices});
    context_.primary = catalog_.get();
    context_.shadow = catalog_.get();
    context_.search_path = {"public"};
  }

  // "table" for the whole, "table#" for a key.
  static std::vector<std::string> Names(const std::vector<RowAccess>& accesses) {
    std::vector<std::string> names;
    for (const RowAccess& access : accesses)
      names.push_back(access.table + (access.key ? "#" : ""));
    return names;
  }
  std::vector<RowAccess> W(const Statement& s) { return Writes(s, Analyse(s.sql), context_); }
  std::vector<RowAccess> T(const Statement& s) { return Touches(s, Analyse(s.sql), context_); }
  std::vector<std::string> WN(std::string sql) { return Names(W(Observed(std::move(sql)))); }
  std::vector<std::string> TN(std::string sql) { return Names(T(Observed(std::move(sql)))); }
  uint64_t Key(const Statement& s) {
    const auto accesses = W(s);
    EXPECT_EQ(accesses.size(), 1u) << s.sql;
    EXPECT_TRUE(accesses.at(0).key.has_value()) << s.sql;
    return accesses.at(0).key.value_or(0);
  }

  std::shared_ptr<const Catalog> catalog_;
  RewriteContext context_;
};

Statement WithParameter(std::string sql, std::string value, uint32_t type, int16_t format) {
  Statement statement = Observed(std::move(sql));
  statement.parameters.values = {std::move(value)};
  statement.parameters.types = {type};
  statement.parameters.formats = {format};
  return statement;
}

TEST_F(WriteSetTest, TheSameRowHasTheSameKeyHoweverItIsNamed) {
  const uint64_t key = Key(Observed("UPDATE orders SET n = 1 WHERE id = 5"));
  EXPECT_EQ(key, Key(Observed("UPDATE orders o SET n = 1 WHERE n = 9 AND '05' = o.id")));
  EXPECT_EQ(key, Key(WithParameter("UPDATE orders SET n = 1 WHERE id = $1", "5", 0, 0)));
  EXPECT_EQ(key, Key(WithParameter("UPDATE orders SET n = 1 WHERE id = $1",
                                   std::string("\0\0\0\5", 4), kInt4, 1)));
  EXPECT_EQ(key, Key(WithParameter("UPDATE orders SET n = 1 WHERE id = $1",
                                   std::string("\0\0\0\5", 4), 0, 1)));
  EXPECT_EQ(key, Key(WithParameter("UPDATE orders SET n = 1 WHERE id = $1",
                                   std::string("\0\0\0\0\0\0\0\5", 8), kInt8, 1)));
  EXPECT_EQ(key, Key(Observed("INSERT INTO orders (n, id) VALUES (1, 5)")));
  EXPECT_EQ(key, Key(Observed("INSERT INTO orders VALUES (5)")));
  EXPECT_EQ(key, Key(Observed("INSERT INTO orders (n) VALUES (1) RETURNING id",
                              {ResultColumn("id", 2, 1, kInt4)}, {{"5"}})));
  EXPECT_NE(key, Key(Observed("UPDATE orders SET n = 1 WHERE id = 6")));
}

TEST_F(WriteSetTest, KeysOfSeveralColumns) {
  const uint64_t key = Key(Observed("DELETE FROM lines WHERE no = 2 AND order_id = 1"));
  EXPECT_EQ(key, Key(Observed("DELETE FROM lines WHERE (order_id, no) = (1, 2)")));
  EXPECT_NE(key, Key(Observed("DELETE FROM lines WHERE no = 1 AND order_id = 2")));
  EXPECT_THAT(WN("DELETE FROM lines WHERE order_id = 1"), ElementsAre("public.lines"));
}

TEST_F(WriteSetTest, WholeTablesWhereTheKeyIsNotProved) {
  EXPECT_THAT(WN("UPDATE orders SET n = 1"), ElementsAre("public.orders"));
  EXPECT_THAT(WN("UPDATE orders SET n = 1 WHERE id > 5"), ElementsAre("public.orders"));
  EXPECT_THAT(WN("UPDATE orders SET n = 1 WHERE id = 5.5"), ElementsAre("public.orders"));
  EXPECT_THAT(WN("UPDATE orders SET n = 1 FROM users WHERE orders.id = 5"),
              ElementsAre("public.orders"));
  EXPECT_THAT(WN("INSERT INTO orders (n) VALUES (1)"), ElementsAre("public.orders"));
  EXPECT_THAT(WN("INSERT INTO orders (id) SELECT 1"), ElementsAre("public.orders"));
  EXPECT_THAT(WN("UPDATE triggered SET id = 1 WHERE id = 1"), ElementsAre("public.triggered"));
  EXPECT_THAT(WN("DELETE FROM triggered WHERE id = 1"), ElementsAre("public.triggered"));
  EXPECT_THAT(WN("UPDATE keyless SET a = 1 WHERE a = 1"), ElementsAre("public.keyless"));
  // 1.0 and 1.00 are one value, with two canonical forms.
  EXPECT_THAT(WN("DELETE FROM prices WHERE amount = 1.0"), ElementsAre("public.prices"));
  EXPECT_THAT(WN("COPY orders FROM STDIN"), ElementsAre("public.orders"));
  EXPECT_THAT(WN("INSERT INTO nowhere VALUES (1)"), ElementsAre("nowhere"));
  EXPECT_THAT(
      WN("WITH x AS (DELETE FROM lines) UPDATE lines SET x = 'y' WHERE order_id = 1 AND no = 1"),
      ElementsAre("public.lines"));
  EXPECT_THAT(Names(W(WithParameter("UPDATE orders SET n = 1 WHERE id = $1", "5", kText, 0))),
              ElementsAre("public.orders"));
}

TEST_F(WriteSetTest, AChangedKeyIsTwoRows) {
  EXPECT_THAT(WN("UPDATE lines SET no = 3 WHERE order_id = 1 AND no = 2"),
              ElementsAre("public.lines"));
}

TEST_F(WriteSetTest, Upserts) {
  EXPECT_THAT(
      WN("INSERT INTO lines VALUES (1, 2) ON CONFLICT (no, order_id) DO UPDATE SET x = 'y'"),
      ElementsAre("public.lines#"));
  EXPECT_THAT(WN("INSERT INTO lines VALUES (1, 2) ON CONFLICT (x) DO UPDATE SET x = 'y'"),
              ElementsAre("public.lines"));
  EXPECT_THAT(WN("INSERT INTO lines VALUES (1, 2) ON CONFLICT DO NOTHING"),
              ElementsAre("public.lines#"));
  // What came back says which row it was.
  const Statement seen = Observed(
      "INSERT INTO users (email) VALUES ('a') ON CONFLICT (email) DO UPDATE SET email = 'b' "
      "RETURNING id",
      {ResultColumn("id", 1, 1, kInt8)}, {{"3"}});
  EXPECT_THAT(Names(W(seen)), ElementsAre("public.users#"));
}

TEST_F(WriteSetTest, ManyRows) {
  EXPECT_THAT(WN("INSERT INTO orders VALUES (1), (2), (1)"),
              ElementsAre("public.orders#", "public.orders#"));
  std::string sql = "INSERT INTO orders VALUES (0)";
  for (int i = 1; i < 2000; ++i) sql += ",(" + std::to_string(i) + ")";
  EXPECT_THAT(WN(sql), ElementsAre("public.orders"));
}

TEST_F(WriteSetTest, CascadesWriteOtherTables) {
  EXPECT_THAT(WN("DELETE FROM users WHERE id = 1"),
              UnorderedElementsAre("public.users#", "public.orders", "public.lines"));
  EXPECT_THAT(WN("TRUNCATE users CASCADE"),
              UnorderedElementsAre("public.users", "public.orders", "public.lines"));
  EXPECT_THAT(WN("UPDATE users SET email = 'x' WHERE id = 1"), ElementsAre("public.users#"));
}

TEST_F(WriteSetTest, ViewsAndPartitions) {
  EXPECT_THAT(TN("SELECT * FROM v"),
              UnorderedElementsAre("public.v", "public.orders", "public.keyless"));
  EXPECT_THAT(WN("UPDATE parted_1 SET id = 1"), ElementsAre("public.parted"));
  EXPECT_THAT(WN("DELETE FROM parted WHERE id = 1"), ElementsAre("public.parted#"));
  EXPECT_THAT(WN("DELETE FROM parted_1 WHERE id = 1"), ElementsAre("public.parted"));
}

TEST_F(WriteSetTest, TouchesOfReads) {
  EXPECT_THAT(TN("SELECT * FROM orders WHERE id = 1"), ElementsAre("public.orders#"));
  EXPECT_THAT(TN("SELECT * FROM orders WHERE n = 1"), ElementsAre("public.orders"));
  EXPECT_THAT(TN("SELECT * FROM orders WHERE id = 1 AND EXISTS (SELECT 1 FROM lines)"),
              UnorderedElementsAre("public.orders", "public.lines"));
  EXPECT_THAT(TN("SELECT * FROM orders JOIN lines ON true WHERE id = 1"),
              UnorderedElementsAre("public.orders", "public.lines"));
  EXPECT_THAT(WN("SELECT * FROM orders"), IsEmpty());
  EXPECT_THAT(TN("SELECT 1"), IsEmpty());
}

TEST_F(WriteSetTest, TouchesOfWrites) {
  // The parent's row, by its key where the value is known.
  EXPECT_THAT(TN("INSERT INTO orders (id, user_id) VALUES (1, 2)"),
              UnorderedElementsAre("public.orders#", "public.users#"));
  EXPECT_THAT(TN("INSERT INTO orders (id, user_id) VALUES (1, f())"),
              UnorderedElementsAre("public.orders#", "public.users"));
  EXPECT_THAT(TN("UPDATE orders SET n = 1 WHERE id = 1"), ElementsAre("public.orders#"));
  EXPECT_THAT(TN("UPDATE orders SET user_id = 1 WHERE id = 1"),
              UnorderedElementsAre("public.orders#", "public.users"));
  // Another row may hold the unique value.
  EXPECT_THAT(TN("INSERT INTO users (id, email) VALUES (1, 'x')"),
              UnorderedElementsAre("public.users#", "public.users"));
  EXPECT_THAT(TN("UPDATE users SET email = 'y' WHERE id = 1"),
              UnorderedElementsAre("public.users#", "public.users"));
  const uint64_t parent = Key(Observed("UPDATE users SET email = 'x' WHERE id = 2"));
  const auto touched = T(Observed("INSERT INTO orders (id, user_id) VALUES (1, 2)"));
  EXPECT_TRUE(std::any_of(touched.begin(), touched.end(), [&](const RowAccess& a) {
    return a.table == "public.users" && a.key == parent;
  }));
}

TEST_F(WriteSetTest, AtMostOneRow) {
  const auto one = [&](const char* sql) { return AtMostOneRow(Analyse(sql), context_); };
  EXPECT_TRUE(one("SELECT * FROM users WHERE email = $1 LIMIT 1"));
  EXPECT_TRUE(one("SELECT * FROM users WHERE id = 1 AND email > 'a' LIMIT 1"));
  EXPECT_TRUE(one("DELETE FROM lines WHERE order_id = 1 AND no = 2"));
  EXPECT_FALSE(one("SELECT * FROM lines WHERE order_id = 1 LIMIT 1"));
  EXPECT_FALSE(one("SELECT * FROM users LIMIT 1"));
  EXPECT_FALSE(one("SELECT * FROM users, lines WHERE id = 1 LIMIT 1"));
  EXPECT_FALSE(one("SELECT * FROM keyless WHERE a = 1"));
}

}  // namespace
}  // namespace pgparity::shadow
