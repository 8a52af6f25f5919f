// Rows of one table to be read or written by their primary key, for settling and repair.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "shadow/catalog.h"
#include "shadow/rewrite.h"

namespace pgparity::shadow {

// The key's values as text, in the order of CatalogTable::primary_key.
using KeyText = std::vector<std::string>;

struct KeyColumn {
  std::string name, type;  // quoted name; type as the server spells it
  bool collated = false;   // ordered by a collation, which may be another on the other side
};

struct RowSelection {
  std::string table;                 // qualified and quoted
  std::vector<std::string> columns;  // quoted names
  std::vector<KeyColumn> key;
  // These rows; or, where it is empty, those whose key lies behind `after` and not behind `to`, in
  // the key's order (collated columns bytewise), `limit` at most.
  std::vector<KeyText> keys;
  std::optional<KeyText> after, to;
  size_t limit = 0;
};

// All columns and the key of a table; without columns that cannot be read back as they are.
RowSelection SelectionOf(const CatalogTable& table);
// The query for a Postgres server: values as text, in the order of `columns`.
ShadowStatement SelectRows(const RowSelection& selection);

// One row as it is to be on the shadow.
struct RowWrite {
  KeyText key;
  bool exists = false;  // on the shadow, now
  // One for each of RowSelection::columns; nullopt as a whole: no such row.
  std::optional<std::vector<std::optional<std::string>>> values;
};

// How values are read on both sides, so that their texts can be compared and written again.
const Settings& RowTextSettings();

}  // namespace pgparity::shadow
