// Reads a catalog in a handful of queries. Everything is qualified with pg_catalog and runs under
// an empty search_path, so that nothing in the database can put itself in between.
#include <libpq-fe.h>

#include <charconv>

#include "protocol/text.h"
#include "shadow/catalog.h"
#include "shadow/catalog_code.h"
#include "shadow/identifiers.h"
#include "shadow/replay_rules.h"
#include "shadow/token_scanner.h"
#include "shadow/words.h"

namespace pgparity::shadow {
namespace {

struct ResultDeleter {
  void operator()(PGresult* result) const { PQclear(result); }
};

// One row of a text result.
class Row {
 public:
  Row(const PGresult* result, int row) : result_(result), row_(row) {}
  std::string_view Text(int column) const {
    return {PQgetvalue(result_, row_, column),
            static_cast<size_t>(PQgetlength(result_, row_, column))};
  }
  std::string String(int column) const { return std::string(Text(column)); }
  bool Bool(int column) const { return Text(column) == "t"; }
  char Char(int column) const { return Text(column).empty() ? '\0' : Text(column)[0]; }
  template <typename T>
  T Number(int column) const {
    return NumberOf<T>(Text(column));
  }
  // "1 2 3" or "{1,2,3}".
  std::vector<int16_t> Numbers(int column) const {
    std::vector<int16_t> numbers;
    std::string_view rest = Text(column);
    while (!rest.empty()) {
      const size_t begin = rest.find_first_of("-0123456789");
      if (begin == std::string_view::npos) break;
      rest.remove_prefix(begin);
      const size_t end = std::min(rest.find_first_not_of("-0123456789"), rest.size());
      numbers.push_back(NumberOf<int16_t>(rest.substr(0, end)));
      rest.remove_prefix(end);
    }
    return numbers;
  }

 private:
  template <typename T>
  static T NumberOf(std::string_view text) {
    T value = 0;
    std::from_chars(text.data(), text.data() + text.size(), value);
    return value;
  }
  const PGresult* result_;
  int row_;
};

// Relations of applications: not the server's own, not temporary.
constexpr std::string_view kUserRelations =
    " c.relpersistence <> 't' AND n.nspname NOT IN ('pg_catalog', 'information_schema')"
    " AND n.nspname NOT LIKE 'pg\\_toast%' AND n.nspname NOT LIKE 'pg\\_temp%'";

// A trigger's code is searched for column names up to here.
constexpr size_t kMaxTriggerCode = 64 << 10;

}  // namespace

class CatalogLoader {
 public:
  CatalogLoader(PGconn* connection, bool with_code)
      : connection_(connection), with_code_(with_code) {}

  absl::StatusOr<std::shared_ptr<const Catalog>> Load() {
    if (connection_ == nullptr || PQstatus(connection_) != CONNECTION_OK) {
      return absl::UnavailableError("the connection to read the catalog over is not open");
    }
    if (absl::Status status = Command("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
        !status.ok())
      return status;
    absl::Status status = LoadAll();
    // Nothing was written; it matters only that the connection is idle again.
    const absl::Status end = Command("ROLLBACK");
    if (!status.ok()) return status;
    if (!end.ok()) return end;
    return std::shared_ptr<const Catalog>(std::move(catalog_));
  }

 private:
  absl::Status LoadAll() {
    for (std::string_view command :
         {"SET LOCAL search_path = ''", "SET LOCAL statement_timeout = '30s'",
          "SET LOCAL bytea_output = 'hex'"}) {
      if (absl::Status status = Command(command); !status.ok()) return status;
    }
    for (auto step :
         {&CatalogLoader::LoadFunctions, &CatalogLoader::LoadTypes, &CatalogLoader::LoadTables,
          &CatalogLoader::LoadColumns, &CatalogLoader::LoadOwnedSequences,
          &CatalogLoader::LoadSequences, &CatalogLoader::LoadIndexes,
          &CatalogLoader::LoadForeignKeys, &CatalogLoader::LoadParents, &CatalogLoader::LoadViews,
          &CatalogLoader::LoadTriggers}) {
      if (absl::Status status = (this->*step)(); !status.ok()) return status;
    }
    if (with_code_) {
      if (absl::Status status = LoadCode(); !status.ok()) return status;
    }
    for (CatalogTable& table : catalog_->tables_) {
      for (CatalogColumn& column : table.columns) ClassifyDefault(*catalog_, &column);
    }
    catalog_->Index();
    return absl::OkStatus();
  }

  absl::Status Failure(std::string_view what) const {
    return absl::UnavailableError(
        protocol::StrCat("reading the catalog: ", what, ": ", PQerrorMessage(connection_)));
  }

  absl::Status Command(std::string_view sql) {
    const std::string text(sql);
    const std::unique_ptr<PGresult, ResultDeleter> result(PQexec(connection_, text.c_str()));
    return PQresultStatus(result.get()) == PGRES_COMMAND_OK ? absl::OkStatus()
                                                            : Failure("a command failed");
  }

  template <typename Fn>
  absl::Status Query(std::string_view what, const std::string& sql, Fn&& fn) {
    const std::unique_ptr<PGresult, ResultDeleter> result(PQexec(connection_, sql.c_str()));
    if (PQresultStatus(result.get()) != PGRES_TUPLES_OK) return Failure(what);
    for (int i = 0; i < PQntuples(result.get()); ++i) fn(Row(result.get(), i));
    return absl::OkStatus();
  }

  CatalogTable* Table(uint32_t oid) {
    const auto it = catalog_->by_oid_.find(oid);
    return it == catalog_->by_oid_.end() ? nullptr : &catalog_->tables_[it->second];
  }
  CatalogColumn* Column(uint32_t table, int16_t attribute) {
    CatalogTable* found = Table(table);
    return found == nullptr ? nullptr : const_cast<CatalogColumn*>(found->FindAttribute(attribute));
  }
  static std::string Key(std::string_view schema, std::string_view name) {
    std::string key(schema);
    key.push_back('\0');
    return key.append(name);
  }

  absl::Status LoadFunctions();
  absl::Status LoadTypes();
  absl::Status LoadTables();
  absl::Status LoadColumns();
  absl::Status LoadOwnedSequences();
  absl::Status LoadSequences();
  absl::Status LoadIndexes();
  absl::Status LoadForeignKeys();
  absl::Status LoadParents();
  absl::Status LoadViews();
  absl::Status LoadTriggers();
  absl::Status LoadCode();

  PGconn* connection_;
  const bool with_code_;
  std::shared_ptr<Catalog> catalog_ = std::make_shared<Catalog>();
};

absl::Status CatalogLoader::LoadFunctions() {
  return Query("functions",
               "SELECT n.nspname, p.proname, pg_catalog.max(p.provolatile::pg_catalog.text)"
               " FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace"
               " GROUP BY 1, 2",
               [&](Row row) {
                 const char volatility = row.Char(2);
                 catalog_->volatility_[Key(row.Text(0), row.Text(1))] = volatility;
                 if (row.Text(0) == "pg_catalog") return;
                 char& any = catalog_->volatility_[row.String(1)];
                 any = std::max(any, volatility);
               });
}

absl::Status CatalogLoader::LoadTypes() {
  using protocol::TypeKind;
  return Query(
      "types",
      "SELECT t.oid, n.nspname, t.typname, t.typtype, t.typcategory, t.typelem, t.typlen, "
      "t.typbasetype,"
      " t.typdelim, COALESCE(r.rngsubtype, 0)"
      " FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace"
      " LEFT JOIN pg_catalog.pg_range r ON r.rngtypid = t.oid WHERE t.oid >= 16384",
      [&](Row row) {
        protocol::TypeInfo info;
        const auto oid = row.Number<uint32_t>(0);
        info.name = protocol::StrCat(row.Text(1), ".", row.Text(2));
        info.delimiter = row.Char(8);
        info.base = oid;
        switch (row.Char(3)) {
          case 'b':
            info.kind = TypeKind::base;
            if (row.Char(4) == 'A' && row.Number<uint32_t>(5) != 0 && row.Number<int>(6) == -1) {
              info.kind = TypeKind::array;
              info.base = row.Number<uint32_t>(5);
            }
            break;
          case 'd':
            info.kind = TypeKind::domain;
            info.base = row.Number<uint32_t>(7);
            break;
          case 'e':
            info.kind = TypeKind::enumeration;
            break;
          case 'c':
            info.kind = TypeKind::composite;
            break;
          case 'r':
            info.kind = TypeKind::range;
            info.base = row.Number<uint32_t>(9);
            break;
          case 'm':
            info.kind = TypeKind::multirange;
            break;
          default:
            break;
        }
        catalog_->types_by_name_[info.name] = oid;
        catalog_->types_[oid] = std::move(info);
      });
}

absl::Status CatalogLoader::LoadTables() {
  absl::Status status = Query(
      "tables",
      protocol::StrCat(
          "SELECT c.oid, n.nspname, c.relname, c.relkind, c.relrowsecurity,"
          " EXISTS (SELECT 1 FROM pg_catalog.pg_rewrite w WHERE w.ev_class = c.oid AND w.ev_type "
          "<> '1'),"
          " EXISTS (SELECT 1 FROM pg_catalog.pg_trigger g WHERE g.tgrelid = c.oid AND NOT "
          "g.tgisinternal"
          " AND g.tgenabled <> 'D')"
          " FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
          " WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND",
          kUserRelations, " ORDER BY 2, 3"),
      [&](Row row) {
        CatalogTable& table = catalog_->tables_.emplace_back();
        table.oid = row.Number<uint32_t>(0);
        table.schema = row.String(1);
        table.name = row.String(2);
        table.kind = row.Char(3);
        table.row_security = row.Bool(4);
        table.has_rules = row.Bool(5);
        table.has_triggers = row.Bool(6);
      });
  catalog_->Index();
  return status;
}

absl::Status CatalogLoader::LoadColumns() {
  const int version = PQserverVersion(connection_);
  const std::string_view identity = version >= 100000 ? "a.attidentity" : "''";
  const std::string_view generated = version >= 120000 ? "a.attgenerated" : "''";
  return Query(
      "columns",
      protocol::StrCat(
          "SELECT a.attrelid, a.attnum, a.attname, a.atttypid,"
          " pg_catalog.format_type(a.atttypid, a.atttypmod), a.attnotnull, ",
          identity, ", ", generated,
          ", COALESCE(pg_catalog.pg_get_expr(d.adbin, d.adrelid), "
          "pg_catalog.pg_get_expr(t.typdefaultbin, 0))"
          " FROM pg_catalog.pg_attribute a"
          " JOIN pg_catalog.pg_class c ON c.oid = a.attrelid"
          " JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
          " JOIN pg_catalog.pg_type t ON t.oid = a.atttypid"
          " LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum"
          " WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND a.attnum > 0 AND NOT a.attisdropped "
          "AND",
          kUserRelations, " ORDER BY 1, 2"),
      [&](Row row) {
        CatalogTable* table = Table(row.Number<uint32_t>(0));
        if (table == nullptr) return;
        CatalogColumn& column = table->columns.emplace_back();
        column.attribute = row.Number<int16_t>(1);
        column.name = row.String(2);
        column.type_oid = row.Number<uint32_t>(3);
        column.type_name = row.String(4);
        column.not_null = row.Bool(5);
        column.identity_always = row.Char(6) == 'a';
        column.generated_stored = row.Char(7) != '\0';
        if (row.Char(6) != '\0') {
          column.default_kind = DefaultKind::sequence;
        } else {
          column.default_text = row.String(8);
        }
      });
}

// Of serial and identity columns.
absl::Status CatalogLoader::LoadOwnedSequences() {
  return Query("owned sequences",
               "SELECT d.refobjid, d.refobjsubid, n.nspname, s.relname FROM pg_catalog.pg_depend d"
               " JOIN pg_catalog.pg_class s ON s.oid = d.objid AND s.relkind = 'S'"
               " JOIN pg_catalog.pg_namespace n ON n.oid = s.relnamespace"
               " WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass"
               " AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass"
               " AND d.deptype = 'i' AND d.refobjsubid > 0",
               [&](Row row) {
                 CatalogColumn* column = Column(row.Number<uint32_t>(0), row.Number<int16_t>(1));
                 if (column != nullptr) column->sequence = QuoteQualified(row.Text(2), row.Text(3));
               });
}

absl::Status CatalogLoader::LoadSequences() {
  return Query("sequences",
               protocol::StrCat("SELECT n.nspname, c.relname FROM pg_catalog.pg_class c"
                                " JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
                                " WHERE c.relkind = 'S' AND",
                                kUserRelations),
               [&](Row row) {
                 catalog_->sequences_[Key(row.Text(0), row.Text(1))] =
                     QuoteQualified(row.Text(0), row.Text(1));
               });
}

absl::Status CatalogLoader::LoadIndexes() {
  const std::string_view keys =
      PQserverVersion(connection_) >= 110000 ? "i.indnkeyatts" : "i.indnatts";
  return Query("indexes",
               protocol::StrCat(
                   "SELECT i.indrelid, i.indisprimary, i.indkey, ", keys,
                   ", i.indpred IS NULL AND i.indexprs IS NULL AND i.indisunique AND i.indisvalid"
                   " FROM pg_catalog.pg_index i WHERE i.indisunique OR i.indisexclusion"),
               [&](Row row) {
                 CatalogTable* table = Table(row.Number<uint32_t>(0));
                 if (table == nullptr) return;
                 std::vector<int16_t> columns = row.Numbers(2);
                 columns.resize(std::min(columns.size(), static_cast<size_t>(row.Number<int>(3))));
                 if (row.Bool(1)) {
                   table->primary_key = std::move(columns);
                   return;
                 }
                 table->other_unique = true;
                 if (row.Bool(4)) table->unique_keys.push_back(std::move(columns));
               });
}

absl::Status CatalogLoader::LoadForeignKeys() {
  return Query("foreign keys",
               "SELECT k.conrelid, k.confrelid, k.conkey, k.confkey, k.confdeltype, k.confupdtype"
               " FROM pg_catalog.pg_constraint k WHERE k.contype = 'f'",
               [&](Row row) {
                 CatalogTable* table = Table(row.Number<uint32_t>(0));
                 if (table == nullptr) return;
                 ForeignKey& key = table->foreign_keys.emplace_back();
                 key.table = row.Number<uint32_t>(1);
                 key.columns = row.Numbers(2);
                 key.referenced = row.Numbers(3);
                 key.on_delete = row.Char(4);
                 key.on_update = row.Char(5);
               });
}

absl::Status CatalogLoader::LoadParents() {
  return Query(
      "partitions",
      "SELECT i.inhrelid, i.inhparent FROM pg_catalog.pg_inherits i ORDER BY 1, i.inhseqno DESC",
      [&](Row row) {
        CatalogTable* table = Table(row.Number<uint32_t>(0));
        if (table != nullptr) table->parent = row.Number<uint32_t>(1);
      });
}

absl::Status CatalogLoader::LoadViews() {
  return Query("views",
               "SELECT DISTINCT w.ev_class, d.refobjid FROM pg_catalog.pg_rewrite w"
               " JOIN pg_catalog.pg_depend d ON d.objid = w.oid"
               " AND d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass"
               " AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass"
               " WHERE w.ev_type = '1' AND d.refobjid <> w.ev_class",
               [&](Row row) {
                 CatalogTable* view = Table(row.Number<uint32_t>(0));
                 const auto read = row.Number<uint32_t>(1);
                 if (view != nullptr && Table(read) != nullptr) view->view_of.push_back(read);
               });
}

namespace {

bool IsTimeWord(std::string_view word) {
  return word == "current_timestamp" || word == "localtimestamp" || word == "current_date" ||
         word == "current_time" || word == "localtime" ||
         RuleOfFunction("", word).cls == FunctionClass::time || word == "timeofday";
}

// Columns that the code assigns to, if it asks for the time anywhere: words behind "new.".
std::vector<std::string> TimeColumnsOfCode(std::string_view code) {
  std::vector<std::string> columns;
  bool asks_time = false;
  TokenScanner scanner(code);
  std::string before_dot, word;
  bool dot = false;
  for (Token token = scanner.Next(); token.kind != TokenKind::end; token = scanner.Next()) {
    if (token.kind == TokenKind::bad && token.end() >= code.size()) break;
    const bool name =
        token.kind == TokenKind::identifier || token.kind == TokenKind::quoted_identifier;
    if (name) {
      const std::string_view text = scanner.Text(token);
      word = token.kind == TokenKind::identifier ? Lower(text) : std::string(InsideOfLiteral(text));
      if (dot && before_dot == "new") columns.push_back(word);
      asks_time = asks_time || IsTimeWord(word);
    }
    dot = IsChar(code, token, '.');
    if (dot) before_dot = word;
    if (!name) word.clear();
  }
  if (!asks_time) columns.clear();
  return columns;
}

std::vector<std::string> ArgumentsOf(std::string_view hex) {
  // bytea: arguments, each with a zero byte behind it.
  std::vector<std::string> arguments(1);
  if (hex.starts_with("\\x")) hex.remove_prefix(2);
  for (size_t i = 0; i + 1 < hex.size(); i += 2) {
    unsigned byte = 0;
    std::from_chars(hex.data() + i, hex.data() + i + 2, byte, 16);
    if (byte == 0) {
      arguments.emplace_back();
    } else {
      arguments.back().push_back(static_cast<char>(byte));
    }
  }
  return arguments;
}

}  // namespace

absl::Status CatalogLoader::LoadTriggers() {
  return Query(
      "triggers",
      protocol::StrCat(
          "SELECT g.tgrelid, p.proname, pg_catalog.left(p.prosrc, ",
          std::to_string(kMaxTriggerCode),
          "), g.tgargs FROM pg_catalog.pg_trigger g JOIN pg_catalog.pg_proc p ON p.oid = g.tgfoid"
          " WHERE NOT g.tgisinternal AND g.tgenabled <> 'D'"),
      [&](Row row) {
        CatalogTable* table = Table(row.Number<uint32_t>(0));
        if (table == nullptr) return;
        const bool moddatetime = row.Text(1) == "moddatetime";
        for (const std::string& name :
             moddatetime ? ArgumentsOf(row.Text(3)) : TimeColumnsOfCode(row.Text(2))) {
          auto* column = const_cast<CatalogColumn*>(table->FindColumn(name));
          if (column != nullptr) column->time_by_trigger = true;
        }
      });
}

absl::Status CatalogLoader::LoadCode() {
  std::vector<CodeRisks::Piece> pieces;
  absl::Status status = Query("code", CodeQuery(PQserverVersion(connection_)), [&](Row row) {
    pieces.push_back(PieceOf({row.Text(0), row.Text(1), row.Text(2), row.Text(3), row.Text(4),
                              row.Text(5), row.Text(6)}));
  });
  catalog_->code_ = CodeRisks(pieces);
  return status;
}

absl::StatusOr<std::shared_ptr<const Catalog>> Catalog::Load(PGconn* connection, bool with_code) {
  return CatalogLoader(connection, with_code).Load();
}

}  // namespace pgparity::shadow
