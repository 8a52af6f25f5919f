#include "shadow/row_selection.h"

#include "protocol/text.h"
#include "shadow/identifiers.h"

namespace pgparity::shadow {

using protocol::StrCat;

namespace {

bool Collated(uint32_t type) {
  using namespace protocol::oid;
  return type == kText || type == kVarchar || type == kBpchar || type == kName;
}

// "(k1, k2)", or "k1" alone.
std::string KeyList(const std::vector<KeyColumn>& key, bool bytewise) {
  std::string list;
  for (const KeyColumn& column : key) {
    list += StrCat(list.empty() ? "" : ", ", column.name,
                   bytewise && column.collated ? " COLLATE \"C\"" : "");
  }
  return key.size() == 1 ? list : StrCat("(", list, ")");
}

std::string Mark(const RowSelection& selection, const KeyText& values, ShadowStatement* statement) {
  std::string list;
  for (size_t i = 0; i < selection.key.size(); ++i) {
    statement->values.emplace_back(values[i]);
    list += StrCat(list.empty() ? "" : ", ", "$", statement->values.size(),
                   "::", selection.key[i].type);
  }
  return selection.key.size() == 1 ? list : StrCat("(", list, ")");
}

}  // namespace

RowSelection SelectionOf(const CatalogTable& table) {
  RowSelection selection;
  selection.table = table.QualifiedName();
  for (const CatalogColumn& column : table.columns)
    if (!column.generated_stored) selection.columns.push_back(QuoteIdentifier(column.name));
  for (const int16_t attribute : table.primary_key) {
    const CatalogColumn* column = table.FindAttribute(attribute);
    if (column == nullptr) continue;
    selection.key.push_back(
        {QuoteIdentifier(column->name), column->type_name, Collated(column->type_oid)});
  }
  return selection;
}

ShadowStatement SelectRows(const RowSelection& selection) {
  ShadowStatement statement;
  std::string& sql = statement.sql;
  sql = "SELECT ";
  for (const std::string& column : selection.columns)
    sql += StrCat(&column == &selection.columns.front() ? "" : ", ", column);
  sql += StrCat(" FROM ", selection.table);
  if (!selection.keys.empty()) {
    sql += StrCat(" WHERE ", KeyList(selection.key, false), " IN (");
    for (const KeyText& key : selection.keys)
      sql += StrCat(&key == &selection.keys.front() ? "" : ", ", Mark(selection, key, &statement));
    sql += ")";
    return statement;
  }
  if (selection.key.empty()) {
    if (selection.limit > 0) sql += StrCat(" LIMIT ", selection.limit);
    return statement;
  }
  const std::string key = KeyList(selection.key, true);
  const char* joint = " WHERE ";
  if (selection.after) {
    sql += StrCat(joint, key, " > ", Mark(selection, *selection.after, &statement));
    joint = " AND ";
  }
  if (selection.to) sql += StrCat(joint, key, " <= ", Mark(selection, *selection.to, &statement));
  sql += " ORDER BY ";
  for (const KeyColumn& column : selection.key) {
    sql += StrCat(&column == &selection.key.front() ? "" : ", ", column.name,
                  column.collated ? " COLLATE \"C\"" : "");
  }
  if (selection.limit > 0) sql += StrCat(" LIMIT ", selection.limit);
  return statement;
}

const Settings& RowTextSettings() {
  static const Settings settings{{"bytea_output", "hex"},      {"datestyle", "ISO, MDY"},
                                 {"extra_float_digits", "3"},  {"intervalstyle", "postgres"},
                                 {"statement_timeout", "60s"}, {"timezone", "UTC"}};
  return settings;
}

}  // namespace pgparity::shadow
