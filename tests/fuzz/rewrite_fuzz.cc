// A statement, and what the primary is said to have answered. What can be parsed can be parsed
// after the rewriting, and each parameter has its type, value and format.
//
// Input: byte 0: number of parameters; byte 1: rows returned; byte 2: bits for the answer; then the
// text, a zero byte, and bytes for the cells.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "shadow/rewrite.h"
#include "tests/support/catalog_builders.h"

namespace {

using namespace pgparity;          // NOLINT(google-build-using-namespace)
using namespace pgparity::shadow;  // NOLINT(google-build-using-namespace)
using support::TableBuilder;

void Check(bool condition) {
  if (!condition) std::abort();
}

std::shared_ptr<const Catalog> MakeCatalog() {
  using namespace protocol::oid;  // NOLINT(google-build-using-namespace)
  TableBuilder t(100, "t");
  t.Identity("id", kInt8, "public.t_id_seq").Column("a", kInt4).Column("b", kText).PrimaryKey({1});
  t.Column("at", kTimestamptz, "now()")
      .Column("day", kDate, "(timezone('utc'::text, now()))::date");
  t.Column("u", kUuid, "gen_random_uuid()").References(101, {2}, {1}, 'c');
  TableBuilder p(101, "p");
  p.Column("id", kInt4, "nextval('public.p_id_seq'::regclass)")
      .Column("Order", kTimestamptz, "now()")
      .PrimaryKey({1});
  return Catalog::FromTables({t, p});
}

Statement MakeStatement(const Catalog& catalog, std::string_view head, std::string_view sql,
                        std::string_view cells) {
  Statement statement;
  statement.sql = std::string(sql);
  const auto bits = static_cast<uint8_t>(head[2]);
  for (int i = 0; i < head[0] % 4; ++i) {
    statement.parameters.values.emplace_back(
        std::string(cells.substr(0, static_cast<size_t>(i) * 7)));
    statement.parameters.formats.push_back(static_cast<int16_t>(bits & 1));
    if ((bits & 2) != 0) statement.parameters.types.push_back(23);
  }
  const CatalogTable& table = catalog.tables()[(bits & 4) != 0 ? 1 : 0];
  statement.primary.has_columns = (bits & 8) != 0;
  statement.primary.tag = "INSERT 0 1";
  if (!statement.primary.has_columns) return statement;
  for (const CatalogColumn& column : table.columns) {
    statement.primary.columns.push_back(support::ResultColumn(
        column.name, table.oid, column.attribute, column.type_oid,
        (bits & 16) != 0 ? protocol::Format::binary : protocol::Format::text));
  }
  for (int row = 0; row < head[1] % 5; ++row) {
    compare::RowView view;
    for (size_t i = 0; i < table.columns.size(); ++i) {
      const std::string_view cell = cells.substr(std::min(cells.size(), i * 3), 8);
      view.push_back(cell.empty() ? compare::Cell() : compare::Cell(cell));
    }
    compare::AppendRow(view, &statement.primary.rows);
    ++statement.primary.row_count;
  }
  return statement;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const std::shared_ptr<const Catalog>& catalog =
      *new std::shared_ptr<const Catalog>(MakeCatalog());
  if (size < 3 || size > 4096) return 0;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::string_view rest = input.substr(3);
  const size_t zero = std::min(rest.find('\0'), rest.size());
  const std::string_view cells = rest.substr(std::min(zero + 1, rest.size()));
  const Statement statement =
      MakeStatement(*catalog, input.substr(0, 3), rest.substr(0, zero), cells);

  RewriteContext context;
  context.primary = context.shadow = catalog.get();
  context.search_path = {"public"};
  context.instant_us = 1714979289123456;
  SessionSequences session;
  session.values["public.p_id_seq"] = session.last.emplace(7);
  if ((input[2] & 32) != 0) context.session_sequences = &session;

  const Analysis analysis = Analyse(statement.sql);
  const ShadowStatement shadow = Rewrite(statement, analysis, context);
  Check(shadow.types.size() == shadow.values.size() &&
        shadow.formats.size() == shadow.values.size());
  Check(shadow.values.size() >= statement.parameters.values.size());
  const bool untouched = shadow.sql == statement.sql;
  if (!untouched) Check(Analyse(shadow.sql).kind != StatementKind::unparsed);
  for (const RowAccess& access : Writes(statement, analysis, context))
    Check(!access.table.empty() || access.key == std::nullopt);
  for (const RowAccess& access : Touches(statement, analysis, context))
    Check(!access.table.empty() || access.key == std::nullopt);
  (void)AtMostOneRow(analysis, context);
  return 0;
}
