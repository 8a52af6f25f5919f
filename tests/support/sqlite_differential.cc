#include "tests/support/sqlite_differential.h"

#include <libpq-fe.h>

#include <algorithm>
#include <sstream>

#include "protocol/text.h"

namespace pgparity::support {

using namespace shadow::sqlite;
using protocol::StrCat;

namespace {

std::string Show(const Row& row) {
  std::string text;
  for (const Cell& cell : row) text += (text.empty() ? "" : " | ") + cell.value_or("NULL");
  return text;
}

std::string Show(const std::vector<Row>& rows) {
  std::string text;
  for (size_t i = 0; i < rows.size() && i < 8; ++i) text += "\n      " + Show(rows[i]);
  return text;
}

}  // namespace

SqliteDifferential::SqliteDifferential(const std::string& postgres_url) : postgres_(postgres_url) {
  auto connection = Connection::Open(dir_.Path("d.db"), Connection::Mode::create);
  if (!connection.ok()) std::abort();
  sqlite_ = *std::move(connection);
  sqlite_->session().collation = "C";
  sqlite_->Script(
      "CREATE TABLE pgparity_sequences (name TEXT PRIMARY KEY, value INTEGER, start INTEGER, "
      "increment INTEGER) STRICT");
  postgres_.Query("SET TimeZone = 'UTC'");
}

void SqliteDifferential::Apply(const Translation& translation) {
  schema_ = translation.new_schema;
  for (const auto& [key, sequence] : schema_->sequences) {
    sqlite_->Run("INSERT OR IGNORE INTO pgparity_sequences VALUES (?1,NULL,?2,?3)",
                 {SqlValue::Text(key), SqlValue::Integer(sequence.start),
                  SqlValue::Integer(sequence.increment)});
  }
  for (const auto& [key, table] : schema_->tables)
    for (const std::string& guard : GuardScripts(*schema_, *table)) sqlite_->Script(guard);
}

SqliteDifferential::Outcome SqliteDifferential::Keep(const std::string& sql) {
  Outcome outcome;
  const QueryResult result = postgres_.Query(sql);
  if (!result.ok) return {Verdict::wrong, "PostgreSQL: " + result.message, ""};
  TranslateContext context;
  context.schema = schema_.get();
  const Translation translation = Translate(sql, {}, context);
  if (translation.kind == Translation::Kind::refused ||
      translation.kind == Translation::Kind::error) {
    return {translation.kind == Translation::Kind::refused ? Verdict::refused : Verdict::wrong,
            translation.problem.message, ""};
  }
  std::optional<Problem> problem;
  for (const std::string& script : translation.scripts) {
    outcome.sqlite += script + ";";
    if (!problem) problem = sqlite_->Script(script);
  }
  if (translation.kind == Translation::Kind::schema) Apply(translation);
  if (!translation.sql.empty()) {
    outcome.sqlite = translation.sql;
    problem = sqlite_->Run(translation.sql);
  }
  if (problem) return {Verdict::wrong, problem->message, outcome.sqlite};
  // The rows are PostgreSQL's, whatever became of generated values.
  for (const std::string& key : translation.written) CopyTable(*schema_->tables.find(key)->second);
  return outcome;
}

void SqliteDifferential::CopyTable(const Table& table) {
  sqlite_->Script("PRAGMA foreign_keys=0; DELETE FROM " + QuoteName(table.file_name()));
  const QueryResult rows = postgres_.Query(
      StrCat("SELECT * FROM ", QuoteName(table.schema), ".", QuoteName(table.name)));
  std::string marks;
  for (size_t i = 0; i < table.columns.size(); ++i) marks += StrCat(i == 0 ? "?" : ",?", i + 1);
  for (const Row& row : rows.rows) {
    std::vector<SqlValue> values;
    for (size_t i = 0; i < row.size(); ++i) {
      if (!row[i]) {
        values.emplace_back();
        continue;
      }
      auto value = ReadValue(*row[i], table.columns[i].type, sqlite_->session().zone, false);
      values.push_back(std::get_if<SqlValue>(&value) != nullptr ? std::get<SqlValue>(value)
                                                                : SqlValue());
    }
    if (auto problem = sqlite_->Run(
            StrCat("INSERT INTO ", QuoteName(table.file_name()), " VALUES (", marks, ")"),
            values)) {
      fprintf(stderr, "CopyTable %s: %s\n", table.name.c_str(), problem->message.c_str());
    }
  }
  sqlite_->Script("PRAGMA foreign_keys=1");
}

SqliteDifferential::Answer SqliteDifferential::RunPostgres(const std::string& sql,
                                                           const std::vector<Cell>& parameters) {
  Answer answer;
  std::vector<const char*> values;
  for (const Cell& cell : parameters) values.push_back(cell ? cell->c_str() : nullptr);
  PGresult* result = PQexecParams(postgres_.get(), sql.c_str(), static_cast<int>(values.size()),
                                  nullptr, values.data(), nullptr, nullptr, 0);
  if (PQresultStatus(result) == PGRES_TUPLES_OK || PQresultStatus(result) == PGRES_COMMAND_OK) {
    for (int i = 0; i < PQnfields(result); ++i)
      answer.columns.push_back(StrCat(PQfname(result, i), " ", PQftype(result, i)));
    answer.tag = PQcmdStatus(result);
    for (int r = 0; r < PQntuples(result); ++r) {
      Row& row = answer.rows.emplace_back();
      for (int i = 0; i < PQnfields(result); ++i)
        row.push_back(PQgetisnull(result, r, i) != 0 ? Cell() : Cell(PQgetvalue(result, r, i)));
    }
  } else {
    const char* state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    answer.sqlstate = state == nullptr ? "?" : state;
    answer.message = PQresultErrorMessage(result);
  }
  PQclear(result);
  return answer;
}

SqliteDifferential::Answer SqliteDifferential::RunSqlite(const std::string& sql,
                                                         const std::vector<Cell>& parameters,
                                                         std::string* text) {
  Answer answer;
  TranslateContext context;
  context.schema = schema_.get();
  const Translation translation = Translate(sql, {}, context);
  *text = translation.sql;
  auto stop = [&](const Problem& problem) {
    if (problem.refused())
      answer.refused = problem.message;
    else
      answer.sqlstate = problem.sqlstate;
    answer.message = problem.message;
    return answer;
  };
  if (translation.kind == Translation::Kind::refused ||
      translation.kind == Translation::Kind::error)
    return stop(translation.problem);
  for (const ResultColumn& column : translation.columns) {
    uint32_t oid = column.type.oid;
    if (const UserType* user = IsUser(oid) ? schema_->FindType(oid) : nullptr) {
      uint32_t& known = oids_[user->name];
      if (known == 0)
        known = static_cast<uint32_t>(
            std::stoul(postgres_.Query("SELECT '" + user->name + "'::regtype::oid").Scalar()));
      oid = known;
    }
    answer.columns.push_back(StrCat(column.name, " ", oid));
  }
  std::vector<SqlValue> values;
  for (size_t i = 0; i < parameters.size(); ++i) {
    const Oid type = i < translation.parameters.size() && translation.parameters[i] != 0
                         ? translation.parameters[i]
                         : oid::kText;
    if (!parameters[i]) {
      values.emplace_back();
      continue;
    }
    auto value = ReadValue(*parameters[i], {type}, sqlite_->session().zone, false);
    if (auto* problem = std::get_if<Problem>(&value)) return stop(*problem);
    values.push_back(std::get<SqlValue>(std::move(value)));
  }
  std::optional<Problem> problem;
  for (const std::string& script : translation.scripts) {
    *text += script + ";";
    if (!problem) problem = sqlite_->Script(script);
  }
  if (problem) return stop(*problem);
  answer.tag = translation.verb;
  if (translation.kind == Translation::Kind::schema || translation.sql.empty()) return answer;
  problem = sqlite_->Run(translation.sql, values, [&](const std::vector<SqlValue>& row) {
    Row& shown = answer.rows.emplace_back();
    for (size_t i = 0; i < row.size(); ++i) {
      if (row[i].null()) {
        shown.emplace_back();
        continue;
      }
      auto cell = ShowValue(row[i], translation.columns[i].type.oid, sqlite_->session().zone);
      shown.emplace_back(std::get_if<std::string>(&cell) != nullptr ? std::get<std::string>(cell)
                                                                    : "?unshown");
    }
  });
  if (problem) return stop(*problem);
  const size_t count = translation.verb == "SELECT" || !translation.columns.empty()
                           ? answer.rows.size()
                           : static_cast<size_t>(sqlite_->changes());
  answer.tag += StrCat(" ", count);
  return answer;
}

std::string SqliteDifferential::Difference(const Answer& a, const Answer& b,
                                           const std::string& sql) {
  if (a.sqlstate != b.sqlstate) {
    return StrCat("SQLSTATE ", a.sqlstate.empty() ? "none" : a.sqlstate, " (", a.message,
                  ") against ", b.sqlstate.empty() ? "none" : b.sqlstate, " (", b.message, ")");
  }
  if (!a.sqlstate.empty()) return "";
  if (a.columns != b.columns) {
    std::string text = "columns:";
    for (const auto& column : a.columns) text += " " + column;
    text += " against";
    for (const auto& column : b.columns) text += " " + column;
    return text;
  }
  if (a.tag != b.tag)
    return StrCat("tag ", a.tag, " against ", b.tag, Show(a.rows), "\n    --", Show(b.rows));
  std::vector<Row> x = a.rows, y = b.rows;
  std::sort(x.begin(), x.end());
  std::sort(y.begin(), y.end());
  if (x != y) return StrCat("rows:", Show(a.rows), "\n    --", Show(b.rows));
  if (a.rows != b.rows && sql.find("ORDER BY") != std::string::npos &&
      sql.find("-- ties") == std::string::npos) {
    return StrCat("order:", Show(a.rows), "\n    --", Show(b.rows));
  }
  return "";
}

std::string SqliteDifferential::TablesDiffer() {
  for (const auto& [key, table] : schema_->tables) {
    if (table->view) continue;
    Answer postgres = RunPostgres(
        StrCat("SELECT * FROM ", QuoteName(table->schema), ".", QuoteName(table->name)), {});
    std::vector<Row> rows;
    sqlite_->Run(
        StrCat("SELECT * FROM ", QuoteName(table->file_name())), {},
        [&](const std::vector<SqlValue>& row) {
          Row& shown = rows.emplace_back();
          for (size_t i = 0; i < row.size(); ++i) {
            if (row[i].null()) {
              shown.emplace_back();
              continue;
            }
            auto cell = ShowValue(row[i], table->columns[i].type.oid, sqlite_->session().zone);
            shown.emplace_back(
                std::get_if<std::string>(&cell) != nullptr ? std::get<std::string>(cell) : "?");
          }
        });
    std::sort(rows.begin(), rows.end());
    std::sort(postgres.rows.begin(), postgres.rows.end());
    if (rows != postgres.rows)
      return StrCat("table ", key, ":", Show(postgres.rows), "\n    --", Show(rows));
  }
  return "";
}

SqliteDifferential::Outcome SqliteDifferential::Compare(const std::string& sql,
                                                        const std::vector<Cell>& parameters) {
  Outcome outcome;
  postgres_.Query("BEGIN");
  sqlite_->Script("SAVEPOINT d");
  const Answer postgres = RunPostgres(sql, parameters);
  const Answer sqlite = RunSqlite(sql, parameters, &outcome.sqlite);
  if (!sqlite.refused.empty()) {
    outcome = {Verdict::refused, sqlite.refused, outcome.sqlite};
  } else if (postgres.sqlstate.starts_with("42") && postgres.sqlstate != sqlite.sqlstate &&
             sqlite.sqlstate.empty()) {
    // What PostgreSQL's analysis finds fault with, ours need not: such a statement never writes.
    outcome = {Verdict::refused, "error of analysis " + postgres.sqlstate, outcome.sqlite};
  } else {
    outcome.reason = Difference(postgres, sqlite, sql);
    const bool reads = postgres.tag.starts_with("SELECT") || !postgres.sqlstate.empty();
    if (outcome.reason.empty() && !reads) outcome.reason = TablesDiffer();
    if (!outcome.reason.empty()) outcome.verdict = Verdict::wrong;
  }
  postgres_.Query("ROLLBACK");
  sqlite_->Script("ROLLBACK TO d; RELEASE d");
  return outcome;
}

void SqliteDifferential::Tally::Add(const std::string& sql, const Outcome& outcome) {
  switch (outcome.verdict) {
    case Verdict::equal:
      ++equal;
      break;
    case Verdict::refused:
      ++refused;
      ++reasons[outcome.reason];
      break;
    case Verdict::wrong:
      ++wrong;
      wrongs.push_back(StrCat(sql, "\n    ", outcome.sqlite, "\n    ", outcome.reason));
      break;
  }
}

std::string SqliteDifferential::Tally::Summary() const {
  const double all = static_cast<double>(std::max<size_t>(1, equal + refused + wrong));
  auto share = [&](size_t n) {
    char text[32];
    snprintf(text, sizeof text, "%.2f%%", 100.0 * static_cast<double>(n) / all);
    return std::string(text);
  };
  std::string text =
      StrCat(equal + refused + wrong, " statements: translated and equal ", share(equal),
             ", refused ", share(refused), ", silently wrong ", share(wrong));
  std::vector<std::pair<size_t, std::string>> sorted;
  for (const auto& [reason, count] : reasons) sorted.emplace_back(count, reason);
  std::sort(sorted.rbegin(), sorted.rend());
  for (const auto& [count, reason] : sorted) text += StrCat("\n  ", count, "  ", reason);
  return text;
}

std::vector<std::string> StatementsOf(const std::string& path) {
  std::istringstream file(ReadFile(path));
  std::vector<std::string> statements;
  std::string statement, line;
  while (std::getline(file, line)) {
    if (line.starts_with("--") && statement.empty()) continue;
    statement += (statement.empty() ? "" : "\n") + line;
    while (!statement.empty() && statement.back() == '\n') statement.pop_back();
    if (statement.ends_with(';')) {
      statement.pop_back();
      statements.push_back(std::move(statement));
      statement.clear();
    }
  }
  return statements;
}

}  // namespace pgparity::support
