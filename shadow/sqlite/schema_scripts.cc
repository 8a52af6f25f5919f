#include "shadow/sqlite/schema_scripts.h"

#include "shadow/words.h"

namespace pgparity::shadow::sqlite {
namespace {

std::string NameList(const std::vector<std::string>& names) {
  std::string sql;
  for (const std::string& name : names) sql += StrCat(sql.empty() ? "(" : ",", QuoteName(name));
  return sql + ")";
}

std::string_view ActionName(char action) {
  switch (action) {
    case 'r':
      return "RESTRICT";
    case 'c':
      return "CASCADE";
    case 'n':
      return "SET NULL";
    case 'd':
      return "SET DEFAULT";
    default:
      return "NO ACTION";
  }
}

// Equal values of these types may have different texts in the file.
bool UniqueHolds(const Table& table, const std::vector<std::string>& columns) {
  for (const std::string& name : columns) {
    const Column* column = table.Find(name);
    if (column == nullptr) return false;
    const Type type = column->type;
    if (type.oid == oid::kNumeric && type.typmod >= 0) continue;
    if (type.oid == oid::kBpchar && type.typmod >= 0) continue;
    if (!HasNativeEquality(type.oid) &&
        !(IsArray(type.oid) && ElementOf(type.oid) != oid::kNumeric))
      return false;
  }
  return true;
}

std::string ForeignKeyClause(const Schema& schema, const Constraint& key) {
  const auto found = schema.tables.find(key.table);
  std::vector<std::string> referenced = key.referenced;
  std::string name = key.table;
  if (found != schema.tables.end()) {
    name = found->second->file_name();
    const Constraint* primary = found->second->PrimaryKey();
    if (referenced.empty() && primary != nullptr) referenced = primary->columns;
  } else if (name.starts_with("public.")) {
    name = name.substr(7);
  }
  std::string sql = StrCat("FOREIGN KEY ", NameList(key.columns), " REFERENCES ", QuoteName(name));
  if (!referenced.empty()) sql += NameList(referenced);
  if (key.on_delete != 'a') sql += StrCat(" ON DELETE ", ActionName(key.on_delete));
  if (key.on_update != 'a') sql += StrCat(" ON UPDATE ", ActionName(key.on_update));
  if (key.deferred) sql += " DEFERRABLE INITIALLY DEFERRED";
  return sql;
}

std::string ColumnScript(const Schema& schema, const Table& table, const Column& column) {
  std::string sql = StrCat(QuoteName(column.name), " ", StorageName(column.type.oid));
  const Constraint* key = table.PrimaryKey();
  const bool in_key = key != nullptr && std::find(key->columns.begin(), key->columns.end(),
                                                  column.name) != key->columns.end();
  if (table.RowNumber() == &column) {
    sql += " PRIMARY KEY NOT NULL";
  } else if (column.not_null || in_key) {
    sql += " NOT NULL";
  }
  if (!column.default_value.empty()) {
    const std::string value = [&] {
      try {
        TranslateContext context;
        context.schema = &schema;
        Binder binder(context, {});
        return binder
            .Assign(binder.Bind(column.default_value.node(), nullptr), column.type, column.name)
            .sql;
      } catch (const Stop&) {
        return std::string("pg_");
      }
    }();
    if (IsStock(value)) sql += StrCat(" DEFAULT (", value, ")");
  }
  if (column.type.oid == oid::kBool)
    sql += StrCat(" CHECK (", QuoteName(column.name), " IN (0,1))");
  if (const UserType* user = IsUser(column.type.oid) ? schema.FindType(column.type.oid) : nullptr;
      user != nullptr && !user->labels.empty()) {
    std::string labels;
    for (const std::string& label : user->labels)
      labels += (labels.empty() ? "" : ",") + Quoted(label, '\'');
    sql += StrCat(" CHECK (", QuoteName(column.name), " IN (", labels, "))");
  }
  return sql;
}

std::string IndexItems(const Schema& schema, const Table& table, const Constraint& index,
                       const std::string& prefix) {
  std::string items;
  size_t expression = 0;
  for (const std::string& name : index.columns) {
    items += items.empty() ? "" : ",";
    items += name.empty() ? SchemaExpression(schema, table,
                                             index.expressions.at(expression++).node(), prefix, "")
                          : StrCat(prefix, QuoteName(name));
  }
  return items;
}

bool IndexIsStock(const Schema& schema, const Table& table, const Constraint& index) {
  try {
    if (!IsStock(IndexItems(schema, table, index, ""))) return false;
    return index.condition.empty() ||
           IsStock(SchemaExpression(schema, table, index.condition.node(), "", ""));
  } catch (const Stop&) {
    return false;
  }
}

}  // namespace

bool IsStock(std::string_view sql) {
  return sql.find("pg_") == std::string_view::npos && sql.find('?') == std::string_view::npos;
}

std::string SchemaExpression(const Schema& schema, const Table& table, const PgQuery__Node* node,
                             const std::string& prefix, std::string_view value_column) {
  TranslateContext context;
  context.schema = &schema;
  context.search_path = {table.schema, "public"};
  Binder binder(context, {});
  Scope scope;
  Relation relation;
  relation.alias = table.name;
  relation.schema = table.schema;
  for (const Column& column : table.columns) {
    Expr expr;
    expr.sql = prefix + QuoteName(column.name);
    expr.type = column.type;
    relation.columns.push_back({column.name, expr});
    if (column.name == value_column) scope.names.visible.push_back({"value", expr});
  }
  if (value_column.empty()) scope.names.visible = relation.columns;
  scope.names.relations.push_back(std::move(relation));
  Expr expr = binder.Bind(node, &scope);
  return binder.Typed(std::move(expr)).sql;
}

std::string TableScript(const Schema& schema, const Table& table, const std::string& file_name) {
  std::string sql = StrCat("CREATE TABLE ", QuoteName(file_name), " (");
  bool first = true;
  auto add = [&](const std::string& part) {
    sql += StrCat(first ? "\n  " : ",\n  ", part);
    first = false;
  };
  for (const Column& column : table.columns) add(ColumnScript(schema, table, column));
  for (const Constraint& constraint : table.constraints) {
    switch (constraint.kind) {
      case Constraint::Kind::primary_key:
        if (table.RowNumber() == nullptr) add("PRIMARY KEY " + NameList(constraint.columns));
        break;
      case Constraint::Kind::unique:
        // Checked at the end of a transaction: that SQLite cannot do.
        if (!constraint.deferrable && UniqueHolds(table, constraint.columns))
          add("UNIQUE " + NameList(constraint.columns));
        break;
      case Constraint::Kind::foreign_key:
        add(ForeignKeyClause(schema, constraint));
        break;
      case Constraint::Kind::check: {
        try {
          const std::string condition =
              SchemaExpression(schema, table, constraint.condition.node(), "",
                               constraint.columns.empty() ? "" : constraint.columns[0]);
          if (IsStock(condition))
            add(StrCat("CONSTRAINT ", QuoteName(constraint.name), " CHECK (", condition, ")"));
        } catch (const Stop&) {
          // Refused where the table was made; a guard would say the same.
        }
        break;
      }
      case Constraint::Kind::index:
        break;
    }
  }
  return sql + "\n) STRICT";
}

std::string IndexFileName(const Table& table, std::string_view index) {
  return table.schema == "public" ? std::string(index) : StrCat(table.schema, ".", index);
}

std::vector<std::string> IndexScripts(const Schema& schema, const Table& table) {
  std::vector<std::string> scripts;
  for (const Constraint& index : table.constraints) {
    if (index.kind != Constraint::Kind::index || !IndexIsStock(schema, table, index)) continue;
    if (index.unique &&
        !UniqueHolds(table, index.expressions.empty() ? index.columns : std::vector<std::string>()))
      continue;
    std::string sql =
        StrCat(index.unique ? "CREATE UNIQUE INDEX " : "CREATE INDEX ",
               QuoteName(IndexFileName(table, index.name)), " ON ", QuoteName(table.file_name()),
               "(", IndexItems(schema, table, index, ""), ")");
    if (!index.condition.empty())
      sql += " WHERE " + SchemaExpression(schema, table, index.condition.node(), "", "");
    scripts.push_back(std::move(sql));
  }
  return scripts;
}

// ------------------------------------------------------------------------------------ guards

std::vector<std::string> GuardScripts(const Schema& schema, const Table& table) {
  std::vector<std::string> scripts;
  if (table.view) return scripts;
  int number = 0;
  auto guard = [&](std::string_view event, const std::string& when, std::string_view sqlstate,
                   std::string_view name) {
    const std::string trigger = QuoteName(StrCat("pgparity_", table.file_name(), "_", ++number));
    scripts.push_back(StrCat("DROP TRIGGER IF EXISTS temp.", trigger));
    if (when.empty()) return;
    scripts.push_back(StrCat("CREATE TEMP TRIGGER ", trigger, " BEFORE ", event, " ON main.",
                             QuoteName(table.file_name()), " WHEN ", when,
                             " BEGIN SELECT RAISE(ABORT,",
                             Quoted(StrCat("PG", sqlstate, "|", name), '\''), "); END"));
  };
  for (const Constraint& constraint : table.constraints) {
    try {
      if (constraint.kind == Constraint::Kind::check) {
        const std::string_view value =
            constraint.columns.empty() ? "" : std::string_view(constraint.columns[0]);
        const std::string condition =
            SchemaExpression(schema, table, constraint.condition.node(), "NEW.", value);
        if (IsStock(condition)) continue;
        guard("INSERT", StrCat("NOT ", condition), "23514", constraint.name);
        guard("UPDATE", StrCat("NOT ", condition), "23514", constraint.name);
      }
      const bool unique = constraint.kind == Constraint::Kind::unique ||
                          (constraint.kind == Constraint::Kind::index && constraint.unique);
      if (!unique || constraint.deferrable) continue;
      const bool in_file =
          constraint.kind == Constraint::Kind::unique
              ? UniqueHolds(table, constraint.columns)
              : IndexIsStock(schema, table, constraint) &&
                    UniqueHolds(table, constraint.expressions.empty() ? constraint.columns
                                                                      : std::vector<std::string>());
      if (in_file) continue;
      TranslateContext context;
      context.schema = &schema;
      std::string when =
          StrCat("EXISTS(SELECT 1 FROM main.", QuoteName(table.file_name()), " AS o WHERE ");
      size_t expression = 0;
      for (size_t i = 0; i < constraint.columns.size(); ++i) {
        std::string sides[2];
        const size_t at = expression;
        for (int side = 0; side < 2; ++side) {
          const std::string prefix = side == 0 ? "o." : "NEW.";
          const Column* column = table.Find(constraint.columns[i]);
          if (column != nullptr) {
            Expr expr;
            expr.sql = prefix + QuoteName(column->name);
            expr.type = column->type;
            sides[side] = Binder(context, {}).Equal(expr);
          } else {
            sides[side] =
                SchemaExpression(schema, table, constraint.expressions.at(at).node(), prefix, "");
            expression = at + 1;
          }
        }
        when += StrCat(i == 0 ? "" : " AND ", sides[0], "=", sides[1]);
      }
      std::string filter;
      if (!constraint.condition.empty()) {
        when += " AND " + SchemaExpression(schema, table, constraint.condition.node(), "o.", "");
        filter = SchemaExpression(schema, table, constraint.condition.node(), "NEW.", "") + " AND ";
      }
      guard("INSERT", StrCat(filter, when, ")"), "23505", constraint.name);
      guard("UPDATE", StrCat(filter, when, " AND o.rowid<>OLD.rowid)"), "23505", constraint.name);
    } catch (const Stop&) {
      continue;
    }
  }
  return scripts;
}

}  // namespace pgparity::shadow::sqlite
