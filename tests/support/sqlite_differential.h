// Runs a statement on PostgreSQL and, translated, on SQLite, and compares what both answered and
// what they wrote.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "shadow/sqlite/connection.h"
#include "shadow/sqlite/translate.h"
#include "tests/support/libpq_client.h"
#include "tests/support/temp_dir.h"

namespace pgparity::support {

class SqliteDifferential {
 public:
  explicit SqliteDifferential(const std::string& postgres_url);

  enum class Verdict { equal, refused, wrong };
  struct Outcome {
    Verdict verdict = Verdict::equal;
    std::string reason;  // of refused: the construct; of wrong: what differs
    std::string sqlite;  // the translated text
  };

  // Runs it on both sides for good: the schema, and rows to begin with. DDL must be translated.
  Outcome Keep(const std::string& sql);
  // Runs it on both sides, compares results and all tables, and rolls both back.
  Outcome Compare(const std::string& sql, const std::vector<Cell>& parameters = {});

  struct Tally {
    size_t equal = 0, refused = 0, wrong = 0;
    std::map<std::string, size_t> reasons;
    std::vector<std::string> wrongs;
    void Add(const std::string& sql, const Outcome& outcome);
    std::string Summary() const;
  };

 private:
  struct Answer {
    std::vector<std::string> columns;  // "name type"
    std::vector<Row> rows;
    std::string tag, sqlstate, message, refused;
  };
  Answer RunPostgres(const std::string& sql, const std::vector<Cell>& parameters);
  Answer RunSqlite(const std::string& sql, const std::vector<Cell>& parameters, std::string* text);
  std::string Difference(const Answer& postgres, const Answer& sqlite, const std::string& sql);
  std::string TablesDiffer();
  // Fills SQLite's table with PostgreSQL's rows.
  void CopyTable(const shadow::sqlite::Table& table);
  void Apply(const shadow::sqlite::Translation& translation);

  LibpqClient postgres_;
  TempDir dir_;
  std::unique_ptr<shadow::sqlite::Connection> sqlite_;
  std::shared_ptr<const shadow::sqlite::Schema> schema_ =
      std::make_shared<shadow::sqlite::Schema>();
  std::map<std::string, uint32_t>
      oids_;  // of types of the application's own, in PostgreSQL, by name
};

// Statements of a file, each ended by a ';' at a line's end. Lines of "-- " alone are comments.
std::vector<std::string> StatementsOf(const std::string& path);

}  // namespace pgparity::support
