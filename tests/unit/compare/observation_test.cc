#include "compare/observation.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/message_builders.h"

namespace pgparity::compare {
namespace {

using pgparity::testing::Bytes;
using pgparity::testing::ExactBuffer;
using ::testing::ElementsAre;

// A RowDescription of two columns, as PostgreSQL sent it for `SELECT id, price FROM t` with the
// second in binary.
const std::string kDescription = Bytes(
    "\0\2"
    "id\0\0\0\x40\1\0\1\0\0\0\x17\0\4\xff\xff\xff\xff\0\0"
    "price\0\0\0\x40\1\0\2\0\0\6\xa4\xff\xff\0\x0a\0\6\0\1");

TEST(Observation, RowsComeBackAsTheyWereAppended) {
  std::string rows;
  AppendRow({"a", std::nullopt, ""}, &rows);
  AppendRow({}, &rows);
  const ExactBuffer exact(rows);
  RowReader reader(exact.view());
  RowView row;
  ASSERT_TRUE(reader.Next(&row));
  EXPECT_THAT(row, ElementsAre(Cell("a"), Cell(), Cell("")));
  ASSERT_TRUE(reader.Next(&row));
  EXPECT_TRUE(row.empty());
  EXPECT_FALSE(reader.Next(&row));
  EXPECT_FALSE(reader.failed());
}

TEST(Observation, ARowIsADataRowOfTheWire) {
  std::string rows;
  AppendRow({"ab", std::nullopt}, &rows);
  std::string_view body;
  ASSERT_TRUE(RowReader(rows).NextBody(&body));
  EXPECT_EQ(body, Bytes("\0\2\0\0\0\2ab\xff\xff\xff\xff"));
}

TEST(Observation, CutOffRowsAreAFailureAndNotAnEnd) {
  std::string rows;
  AppendRow({"abc"}, &rows);
  for (size_t size = 1; size < rows.size(); ++size) {
    const ExactBuffer exact(std::string_view(rows).substr(0, size));
    RowReader reader(exact.view());
    RowView row;
    EXPECT_FALSE(reader.Next(&row)) << size;
    EXPECT_TRUE(reader.failed()) << size;
    EXPECT_FALSE(reader.Next(&row));
  }
}

TEST(Observation, MalformedRowsAreRefused) {
  for (const std::string& body :
       {Bytes(""), Bytes("\0"), Bytes("\0\1"), Bytes("\0\1\0\0\0\2a"), Bytes("\0\1\0\0\0\1ab"),
        Bytes("\0\1\xff\xff\xff\xfe"), Bytes("\0\1\x7f\xff\xff\xff"), Bytes("\xff\xff\0\0\0\0")}) {
    const ExactBuffer exact(body);
    RowView row;
    EXPECT_FALSE(DecodeRow(exact.view(), &row));
  }
}

TEST(Observation, RowDescription) {
  const ExactBuffer exact(kDescription);
  const auto columns = DecodeRowDescription(exact.view());
  ASSERT_TRUE(columns.ok()) << columns.status();
  ASSERT_EQ(columns->size(), 2U);
  EXPECT_EQ((*columns)[0].name, "id");
  EXPECT_EQ((*columns)[0].table_oid, 16385U);
  EXPECT_EQ((*columns)[0].type_oid, protocol::oid::kInt4);
  EXPECT_EQ((*columns)[0].type_length, 4);
  EXPECT_EQ((*columns)[0].type_modifier, -1);
  EXPECT_EQ((*columns)[0].format, protocol::Format::text);
  EXPECT_EQ((*columns)[1].name, "price");
  EXPECT_EQ((*columns)[1].attribute, 2);
  EXPECT_EQ((*columns)[1].type_oid, protocol::oid::kNumeric);
  EXPECT_EQ((*columns)[1].format, protocol::Format::binary);
}

TEST(Observation, MalformedRowDescriptionsAreErrors) {
  for (size_t size = 0; size < kDescription.size(); ++size) {
    const ExactBuffer exact(std::string_view(kDescription).substr(0, size));
    EXPECT_FALSE(DecodeRowDescription(exact.view()).ok()) << size;
  }
  std::string other = kDescription;
  other.back() = '\2';  // a format that is none
  EXPECT_FALSE(DecodeRowDescription(other).ok());
}

TEST(Observation, ErrorFieldsBothWays) {
  ErrorFields fields;
  fields.severity = "ERROR";
  fields.sqlstate = "23505";
  fields.message = "duplicate key";
  fields.detail = "Key (id)=(1)";
  fields.schema = "public";
  fields.table = "t";
  fields.constraint = "t_pkey";
  const ErrorFields again = DecodeErrorFields(EncodeErrorFields(fields));
  EXPECT_EQ(again.severity, "ERROR");
  EXPECT_EQ(again.sqlstate, "23505");
  EXPECT_EQ(again.message, "duplicate key");
  EXPECT_EQ(again.detail, "Key (id)=(1)");
  EXPECT_EQ(again.hint, "");
  EXPECT_EQ(again.schema, "public");
  EXPECT_EQ(again.table, "t");
  EXPECT_EQ(again.constraint, "t_pkey");
}

TEST(Observation, TheUntranslatedSeverityHolds) {
  EXPECT_EQ(DecodeErrorFields(Bytes("SFEHLER\0VERROR\0C22012\0\0")).severity, "ERROR");
  EXPECT_EQ(DecodeErrorFields(Bytes("VERROR\0SFEHLER\0C22012\0\0")).severity, "ERROR");
  EXPECT_EQ(DecodeErrorFields(Bytes("SERROR\0\0")).severity, "ERROR");
}

TEST(Observation, MalformedErrorsGiveWhatWasRead) {
  const std::string body = Bytes("SERROR\0C22012\0Mdivision by zero\0Znew\0\0");
  for (size_t size = 0; size <= body.size(); ++size) {
    const ExactBuffer exact(std::string_view(body).substr(0, size));
    const ErrorFields fields = DecodeErrorFields(exact.view());
    EXPECT_EQ(fields.sqlstate, size >= 14 ? "22012" : "") << size;
  }
}

TEST(Observation, FromReply) {
  protocol::Reply reply;
  reply.row_description = kDescription;
  AppendRow({"1", "2"}, &reply.rows);
  reply.row_count = 1;
  reply.digest.rows = 7;
  reply.tag = "SELECT 8";
  const auto observation = ObservationFromReply(reply, 5'000, 12'000);
  ASSERT_TRUE(observation.ok());
  EXPECT_EQ(observation->kind, Observation::Kind::rows_or_tag);
  EXPECT_TRUE(observation->has_columns);
  EXPECT_EQ(observation->columns.size(), 2U);
  EXPECT_EQ(observation->row_count, 1U);
  EXPECT_EQ(observation->digest.rows, 7U);
  EXPECT_EQ(observation->tag, "SELECT 8");
  EXPECT_EQ(observation->duration_us, 7U);

  reply = protocol::Reply();
  reply.end = protocol::Reply::End::error;
  reply.error = "x";
  EXPECT_EQ(ObservationFromReply(reply, 2, 1)->kind, Observation::Kind::error);
  EXPECT_EQ(ObservationFromReply(reply, 2, 1)->duration_us, 0U);
  EXPECT_FALSE(ObservationFromReply(reply, 2, 1)->has_columns);

  reply.row_description = "x";
  EXPECT_FALSE(ObservationFromReply(reply, 1, 2).ok());
}

}  // namespace
}  // namespace pgparity::compare
