#include "shadow/catalog.h"

#include <algorithm>

#include "protocol/text.h"
#include "shadow/identifiers.h"
#include "shadow/token_scanner.h"
#include "shadow/words.h"

namespace pgparity::shadow {
namespace {

std::string Key(std::string_view schema, std::string_view name) {
  std::string key(schema);
  key.push_back('\0');
  return key.append(name);
}

}  // namespace

std::string CatalogTable::QualifiedName() const { return QuoteQualified(schema, name); }

const CatalogColumn* CatalogTable::FindColumn(std::string_view column) const {
  const auto it = std::find_if(columns.begin(), columns.end(),
                               [&](const CatalogColumn& c) { return c.name == column; });
  return it == columns.end() ? nullptr : &*it;
}

const CatalogColumn* CatalogTable::FindAttribute(int16_t attribute) const {
  const auto it = std::find_if(columns.begin(), columns.end(),
                               [&](const CatalogColumn& c) { return c.attribute == attribute; });
  return it == columns.end() ? nullptr : &*it;
}

std::shared_ptr<const Catalog> Catalog::Empty() {
  static const std::shared_ptr<const Catalog>& empty =
      *new std::shared_ptr<const Catalog>(std::make_shared<Catalog>());
  return empty;
}

std::shared_ptr<const Catalog> Catalog::FromTables(std::vector<CatalogTable> tables) {
  auto catalog = std::make_shared<Catalog>();
  catalog->tables_ = std::move(tables);
  for (const CatalogTable& table : catalog->tables_) {
    for (const CatalogColumn& column : table.columns) {
      const auto name = ParseQualifiedName(column.sequence);
      if (name && name->size() == 2)
        catalog->sequences_[Key((*name)[0], (*name)[1])] = column.sequence;
    }
  }
  catalog->Index();
  return catalog;
}

void Catalog::Index() {
  referencing_.clear();
  for (size_t i = 0; i < tables_.size(); ++i) {
    CatalogTable& table = tables_[i];
    by_oid_[table.oid] = i;
    by_name_[Key(table.schema, table.name)] = i;
    schemas_.insert(table.schema);
    by_qualified_[table.QualifiedName()] = i;
    table.references.clear();
    for (const ForeignKey& key : table.foreign_keys) {
      if (std::find(table.references.begin(), table.references.end(), key.table) ==
          table.references.end()) {
        table.references.push_back(key.table);
        referencing_[key.table].push_back(i);
      }
    }
  }
  for (const CatalogTable& table : tables_) {
    const auto parent = by_oid_.find(table.parent);
    if (table.parent != 0 && parent != by_oid_.end()) tables_[parent->second].has_children = true;
  }
}

const CatalogTable* Catalog::FindTable(uint32_t oid) const {
  const auto it = by_oid_.find(oid);
  return it == by_oid_.end() ? nullptr : &tables_[it->second];
}

const CatalogTable* Catalog::FindTable(std::string_view schema, std::string_view name,
                                       const std::vector<std::string>& search_path) const {
  const auto find = [&](std::string_view in) -> const CatalogTable* {
    const auto it = by_name_.find(Key(in, name));
    return it == by_name_.end() ? nullptr : &tables_[it->second];
  };
  if (!schema.empty()) return find(schema);
  for (const std::string& in : search_path) {
    if (const CatalogTable* table = find(in)) return table;
  }
  return nullptr;
}

const CatalogTable* Catalog::FindQualified(std::string_view name) const {
  const auto it = by_qualified_.find(std::string(name));
  return it == by_qualified_.end() ? nullptr : &tables_[it->second];
}

std::vector<const CatalogTable*> Catalog::FindReferencing(uint32_t oid) const {
  std::vector<const CatalogTable*> result;
  if (const auto it = referencing_.find(oid); it != referencing_.end()) {
    for (const size_t i : it->second) result.push_back(&tables_[i]);
  }
  return result;
}

std::optional<std::string> Catalog::FindSequence(
    std::string_view regclass, const std::vector<std::string>& search_path) const {
  const auto parts = ParseQualifiedName(regclass);
  if (!parts || parts->size() > 2) return std::nullopt;
  const auto find = [&](std::string_view schema) {
    const auto it = sequences_.find(Key(schema, parts->back()));
    return it == sequences_.end() ? std::nullopt : std::optional<std::string>(it->second);
  };
  if (parts->size() == 2) return find(parts->front());
  for (const std::string& schema : search_path) {
    if (auto found = find(schema)) return found;
  }
  return std::nullopt;
}

std::optional<char> Catalog::FunctionVolatility(std::string_view schema,
                                                std::string_view name) const {
  const auto find = [&](const std::string& key) {
    const auto it = volatility_.find(key);
    return it == volatility_.end() ? std::nullopt : std::optional<char>(it->second);
  };
  if (!schema.empty()) return find(Key(schema, name));
  if (const auto own = find(Key("pg_catalog", name))) return own;
  return find(std::string(name));
}

protocol::TypeInfo Catalog::Resolve(uint32_t type_oid) const {
  const auto it = types_.find(type_oid);
  return it == types_.end() ? protocol::BuiltinTypes().Resolve(type_oid) : it->second;
}

uint32_t Catalog::FindType(std::string_view qualified_name) const {
  const auto it = types_by_name_.find(std::string(qualified_name));
  return it == types_by_name_.end() ? 0 : it->second;
}

// ------------------------------------------------------------------------------- defaults

namespace {

constexpr std::string_view kSelect = "SELECT ";

bool CallsVolatileFunction(const Catalog& catalog, const Analysis& analysis) {
  return std::any_of(
      analysis.functions.begin(), analysis.functions.end(), [&](const std::string& function) {
        const size_t dot = function.find('.');
        const bool qualified = dot != std::string::npos;
        const std::string_view schema = qualified ? std::string_view(function).substr(0, dot) : "";
        const std::string_view name =
            qualified ? std::string_view(function).substr(dot + 1) : function;
        return name != "clock_timestamp" && catalog.FunctionVolatility(schema, name) == 'v';
      });
}

}  // namespace

void ClassifyDefault(const Catalog& functions, CatalogColumn* column) {
  if (column->default_kind == DefaultKind::sequence && column->default_text.empty()) return;
  column->default_kind = DefaultKind::none;
  if (column->default_text.empty() || column->generated_stored) return;
  Analysis analysis = Analyse(protocol::StrCat(kSelect, column->default_text));
  auto& calls = analysis.volatile_calls;
  calls.erase(std::remove(calls.begin(), calls.end(), "clock_timestamp"), calls.end());
  if (analysis.kind == StatementKind::unparsed) {
    column->default_kind = DefaultKind::volatile_value;
  } else if (!analysis.sequence_calls.empty()) {
    const SequenceCall& call = analysis.sequence_calls.front();
    const bool exact = analysis.sequence_calls.size() == 1 && call.result_column == 0 &&
                       call.kind == SequenceCall::Kind::nextval && !call.sequence.empty();
    column->default_kind = exact ? DefaultKind::sequence : DefaultKind::volatile_value;
    if (exact && column->sequence.empty()) {
      const auto name = ParseQualifiedName(call.sequence);
      column->sequence =
          name && name->size() == 2 ? QuoteQualified((*name)[0], (*name)[1]) : call.sequence;
    }
  } else if (!calls.empty() || CallsVolatileFunction(functions, analysis)) {
    column->default_kind = DefaultKind::volatile_value;
  } else if (!analysis.time_calls.empty()) {
    column->default_kind = DefaultKind::now;
    column->default_times = std::move(analysis.time_calls);
    for (TimeCall& time : column->default_times) {
      time.offset -= kSelect.size();
      time.column_name.clear();
    }
  } else {
    column->default_kind = DefaultKind::constant;
  }
}

// ---------------------------------------------------------------------------- search_path

std::vector<std::string> ParseSearchPath(std::string_view value) {
  std::vector<std::string> path;
  TokenScanner scanner(value);
  for (Token token = scanner.Next(); token.kind != TokenKind::end; token = scanner.Next()) {
    const std::string_view text = scanner.Text(token);
    if (token.kind == TokenKind::identifier) {
      path.push_back(Lower(text));
    } else if (token.kind == TokenKind::quoted_identifier || token.kind == TokenKind::string) {
      std::string schema(InsideOfLiteral(text));
      for (size_t at = 0; (at = schema.find("\"\"", at)) != std::string::npos; ++at)
        schema.erase(at, 1);
      if (!schema.empty()) path.push_back(std::move(schema));
    } else if (token.kind == TokenKind::bad) {
      // "$user" without quotes.
      if (value.substr(token.offset, 5) == "$user") {
        path.emplace_back("$user");
        scanner.Next();
      }
      if (token.end() >= value.size()) break;
    }
  }
  return path;
}

}  // namespace pgparity::shadow
