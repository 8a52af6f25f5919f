#include "shadow/unit.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

namespace pgparity::shadow {
namespace {

using ::testing::ElementsAre;

// An allocation of exactly these bytes, so that the sanitizer sees a read past the end.
class Exact {
 public:
  explicit Exact(std::string_view bytes) : data_(new char[bytes.size()]), size_(bytes.size()) {
    std::memcpy(data_.get(), bytes.data(), size_);
  }
  std::string_view view() const { return {data_.get(), size_}; }

 private:
  std::unique_ptr<char[]> data_;
  size_t size_;
};

UnitHeader FullHeader() {
  UnitHeader header;
  header.ordinal = 0x0102030405060708;
  header.session = 9;
  header.user = "alice";
  header.database = "shop";
  header.application = "psql";
  header.settings = {{"search_path", "a, \"b\""}, {"timezone", ""}};
  header.interval = {5, UINT64_MAX};
  header.key = 6;
  header.epoch = 0x01020304;
  header.lsn = 0x1112131415161718;
  header.token = LsnToken{0x2122232425262728, 8, -9, "1:3:2"};
  header.done = 7;
  header.end = UnitEnd::in_doubt;
  header.explicit_block = true;
  header.late = true;
  header.read_only = true;
  header.gid = "g'1";
  header.wall_offset = UINT64_MAX - 3;
  return header;
}

Statement FullStatement() {
  Statement statement;
  statement.sql = std::string("SELECT $1\0x", 11);
  statement.protocol = protocol::QueryProtocol::extended;
  statement.transaction_command = protocol::TransactionCommand::rollback_prepared;
  statement.parameters.types = {23, 0};
  statement.parameters.formats = {1, 0, 0};
  statement.parameters.values = {std::string("\0\1", 2), std::nullopt, ""};
  statement.parameters.result_formats = {1};
  statement.max_rows = -2;
  statement.continues_portal = true;
  statement.known_text = false;
  statement.sent = 10;
  statement.done = 20;
  statement.copy_in = true;
  statement.copy_data = "1\t2\n";
  statement.copy_continues = true;
  statement.primary.kind = compare::Observation::Kind::skipped;
  statement.primary.has_columns = true;
  statement.primary.columns = {{.name = "id",
                                .table_oid = 16385,
                                .attribute = -1,
                                .type_oid = 4294967295u,
                                .type_length = -2,
                                .type_modifier = -1,
                                .format = protocol::Format::binary}};
  statement.primary.rows = std::string("\4\0\0\0abcd", 8);
  statement.primary.row_count = 1;
  statement.primary.digest.rows = 7;
  statement.primary.digest.bytes = 300;
  statement.primary.digest.sum = UINT64_MAX;
  statement.primary.digest.chain = 1;
  statement.primary.tag = "SELECT 8";
  statement.primary.error = "SERROR";
  statement.primary.copy_out = true;
  statement.primary.duration_us = 128;
  return statement;
}

TEST(UnitEncoding, KeepsEveryFieldOfTheHeader) {
  const UnitHeader in = FullHeader();
  const absl::StatusOr<UnitHeader> out = DecodeHeader(Exact(EncodeHeader(in)).view());
  ASSERT_TRUE(out.ok()) << out.status();
  EXPECT_EQ(out->ordinal, in.ordinal);
  EXPECT_EQ(out->session, in.session);
  EXPECT_EQ(out->user, in.user);
  EXPECT_EQ(out->database, in.database);
  EXPECT_EQ(out->application, in.application);
  EXPECT_EQ(out->settings, in.settings);
  EXPECT_EQ(out->interval.lo, in.interval.lo);
  EXPECT_EQ(out->interval.hi, in.interval.hi);
  EXPECT_EQ(KeyOf(*out), KeyOf(in));
  EXPECT_EQ(out->token, in.token);
  EXPECT_EQ(out->done, in.done);
  EXPECT_EQ(out->end, in.end);
  EXPECT_TRUE(out->explicit_block && out->late && out->read_only);
  EXPECT_EQ(out->gid, in.gid);
  EXPECT_EQ(out->wall_offset, in.wall_offset);
}

// Each flag alone: a swapped bit would not show while all are set.
TEST(UnitEncoding, KeepsFlagsApart) {
  for (int flag = 0; flag < 4; ++flag) {
    UnitHeader in;
    in.explicit_block = flag == 0;
    in.late = flag == 1;
    in.read_only = flag == 2;
    if (flag == 3) in.token.emplace();
    const UnitHeader out = DecodeHeader(EncodeHeader(in)).value();
    EXPECT_EQ(out.explicit_block, in.explicit_block);
    EXPECT_EQ(out.late, in.late);
    EXPECT_EQ(out.read_only, in.read_only);
    EXPECT_EQ(out.token, in.token);
  }
  for (int flag = 0; flag < 4; ++flag) {
    Statement in;
    in.continues_portal = flag == 0;
    in.known_text = flag == 1;
    in.copy_in = flag == 2;
    in.copy_continues = flag == 3;
    std::string bytes;
    EncodeStatement(in, &bytes);
    const Statement out = DecodeStatements(bytes).value().at(0);
    EXPECT_EQ(out.continues_portal, in.continues_portal);
    EXPECT_EQ(out.known_text, in.known_text);
    EXPECT_EQ(out.copy_in, in.copy_in);
    EXPECT_EQ(out.copy_continues, in.copy_continues);
  }
}

void ExpectEqual(const Statement& out, const Statement& in) {
  EXPECT_EQ(out.sql, in.sql);
  EXPECT_EQ(out.protocol, in.protocol);
  EXPECT_EQ(out.transaction_command, in.transaction_command);
  EXPECT_EQ(out.parameters.types, in.parameters.types);
  EXPECT_EQ(out.parameters.formats, in.parameters.formats);
  EXPECT_EQ(out.parameters.values, in.parameters.values);
  EXPECT_EQ(out.parameters.result_formats, in.parameters.result_formats);
  EXPECT_EQ(out.max_rows, in.max_rows);
  EXPECT_EQ(out.continues_portal, in.continues_portal);
  EXPECT_EQ(out.known_text, in.known_text);
  EXPECT_EQ(out.sent, in.sent);
  EXPECT_EQ(out.done, in.done);
  EXPECT_EQ(out.copy_data, in.copy_data);
  EXPECT_EQ(out.primary.kind, in.primary.kind);
  EXPECT_EQ(out.primary.has_columns, in.primary.has_columns);
  ASSERT_EQ(out.primary.columns.size(), in.primary.columns.size());
  for (size_t i = 0; i < in.primary.columns.size(); ++i) {
    const compare::Column &a = out.primary.columns[i], &b = in.primary.columns[i];
    EXPECT_EQ(a.name, b.name);
    EXPECT_EQ(a.table_oid, b.table_oid);
    EXPECT_EQ(a.attribute, b.attribute);
    EXPECT_EQ(a.type_oid, b.type_oid);
    EXPECT_EQ(a.type_length, b.type_length);
    EXPECT_EQ(a.type_modifier, b.type_modifier);
    EXPECT_EQ(a.format, b.format);
  }
  EXPECT_EQ(out.primary.rows, in.primary.rows);
  EXPECT_EQ(out.primary.row_count, in.primary.row_count);
  EXPECT_EQ(out.primary.digest, in.primary.digest);
  EXPECT_EQ(out.primary.tag, in.primary.tag);
  EXPECT_EQ(out.primary.error, in.primary.error);
  EXPECT_EQ(out.primary.copy_out, in.primary.copy_out);
  EXPECT_EQ(out.primary.duration_us, in.primary.duration_us);
}

TEST(UnitEncoding, KeepsEveryFieldOfStatements) {
  std::string bytes;
  EncodeStatement(FullStatement(), &bytes);
  EncodeStatement(Statement{}, &bytes);
  const absl::StatusOr<std::vector<Statement>> out = DecodeStatements(Exact(bytes).view());
  ASSERT_TRUE(out.ok()) << out.status();
  ASSERT_EQ(out->size(), 2u);
  ExpectEqual((*out)[0], FullStatement());
  ExpectEqual((*out)[1], Statement{});
}

TEST(UnitEncoding, EveryTruncationIsAnErrorOrFewerStatements) {
  std::string bytes;
  EncodeStatement(FullStatement(), &bytes);
  const size_t first = bytes.size();
  EncodeStatement(FullStatement(), &bytes);
  for (size_t size = 0; size < bytes.size(); ++size) {
    const auto out = DecodeStatements(Exact(bytes.substr(0, size)).view());
    EXPECT_EQ(out.ok(), size == 0 || size == first) << size;
  }
  const std::string header = EncodeHeader(FullHeader());
  for (size_t size = 0; size < header.size(); ++size) {
    EXPECT_FALSE(DecodeHeader(Exact(header.substr(0, size)).view()).ok()) << size;
  }
  EXPECT_FALSE(DecodeHeader(header + "x").ok());
}

TEST(UnitEncoding, HoldsOnEveryFlippedByte) {
  std::string bytes;
  EncodeStatement(FullStatement(), &bytes);
  const std::string header = EncodeHeader(FullHeader());
  for (const int flip : {0x01, 0x80, 0xff}) {
    for (size_t i = 0; i < bytes.size(); ++i) {
      std::string bad = bytes;
      bad[i] = static_cast<char>(bad[i] ^ flip);
      DecodeStatements(Exact(bad).view()).status().IgnoreError();
    }
    for (size_t i = 0; i < header.size(); ++i) {
      std::string bad = header;
      bad[i] = static_cast<char>(bad[i] ^ flip);
      DecodeHeader(Exact(bad).view()).status().IgnoreError();
    }
  }
}

TEST(UnitEncoding, ACountLargerThanTheBytesLeftAllocatesNothing) {
  std::string header = EncodeHeader(UnitHeader{});
  header.pop_back();                                      // the count of settings
  header.append("\xff\xff\xff\xff\xff\xff\xff\xff\x7f");  // 2^63
  EXPECT_FALSE(DecodeHeader(header).ok());
}

TEST(UnitEncoding, NumbersAreThoseOfTheHeader) {
  const UnitNumbers numbers = DecodeUnitNumbers(EncodeHeader(FullHeader())).value();
  EXPECT_EQ(numbers.ordinal, FullHeader().ordinal);
  EXPECT_EQ(numbers.session, 9u);
  EXPECT_EQ(numbers.key, (OrderKey{0x01020304, 0x1112131415161718, 6}));
  EXPECT_EQ(numbers.interval.lo, 5u);
  EXPECT_EQ(numbers.done, 7u);
  EXPECT_EQ(numbers.end, UnitEnd::in_doubt);
}

TEST(Interval, OverlapsAtItsEnds) {
  EXPECT_TRUE((Interval{1, 3}.Overlaps({3, 5})));
  EXPECT_TRUE((Interval{3, 5}.Overlaps({1, 3})));
  EXPECT_FALSE((Interval{1, 2}.Overlaps({3, 5})));
  EXPECT_FALSE((Interval{3, 5}.Overlaps({1, 2})));
}

TEST(Interval, OfDeferredConstraintsEndsWithTheReply) {
  UnitHeader header;
  header.interval = {4, 4};
  header.done = 9;
  EXPECT_EQ(DeferredInterval(header).lo, 4u);
  EXPECT_EQ(DeferredInterval(header).hi, 9u);
}

}  // namespace
}  // namespace pgparity::shadow
