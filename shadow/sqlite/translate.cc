#include "shadow/sqlite/translate.h"

#include "shadow/sqlite/binder.h"
#include "shadow/sqlite/schema_binder.h"

namespace pgparity::shadow::sqlite {
namespace {

Translation Stopped(Problem problem) {
  Translation translation;
  translation.kind = problem.refused() ? Translation::Kind::refused : Translation::Kind::error;
  translation.problem = std::move(problem);
  return translation;
}

// Statements that change nothing which a shadow in SQLite could hold.
bool HasNoEffect(const PgQuery__Node* node, Translation* out) {
  switch (node->node_case) {
    case PG_QUERY__NODE__NODE_COMMENT_STMT:
      out->verb = "COMMENT";
      break;
    case PG_QUERY__NODE__NODE_GRANT_STMT:
      out->verb = node->grant_stmt->is_grant ? "GRANT" : "REVOKE";
      break;
    case PG_QUERY__NODE__NODE_CREATE_EXTENSION_STMT:
      out->verb = "CREATE EXTENSION";
      break;
    case PG_QUERY__NODE__NODE_ALTER_OWNER_STMT:
      out->verb = "ALTER";
      break;
    default:
      return false;
  }
  out->kind = Translation::Kind::nothing;
  return true;
}

}  // namespace

void Binder::Statement(const PgQuery__Node* node, Translation* out) {
  switch (node->node_case) {
    case PG_QUERY__NODE__NODE_SELECT_STMT: {
      Query query = Select(*node->select_stmt, nullptr);
      ResolveUnknown(&query);
      for (const Expr& target : query.targets) out->columns.push_back({target.name, target.type});
      out->kind = Translation::Kind::rows;
      out->verb = "SELECT";
      out->sql = Render(query, false);
      break;
    }
    case PG_QUERY__NODE__NODE_INSERT_STMT:
      Insert(*node->insert_stmt, out);
      break;
    case PG_QUERY__NODE__NODE_UPDATE_STMT:
      Update(*node->update_stmt, out);
      break;
    case PG_QUERY__NODE__NODE_DELETE_STMT:
      Delete(*node->delete_stmt, out);
      break;
    default: {
      const ProtobufCMessage* inner = Inner(node);
      RefuseAs(StrCat("statement ", inner == nullptr ? "?" : inner->descriptor->short_name));
    }
  }
  out->parameters = parameters_;
}

Translation Translate(std::string_view sql, const std::vector<Oid>& parameter_types,
                      const TranslateContext& context) {
  absl::StatusOr<ParseTree> tree = ParseTree::Parse(sql);
  if (!tree.ok()) return Stopped({"42601", std::string(protocol::MessageOf(tree.status()))});
  Translation translation;
  if (tree->statement() == nullptr) {
    translation.kind = Translation::Kind::nothing;
    return translation;
  }
  try {
    if (HasNoEffect(tree->statement(), &translation)) return translation;
    if (SchemaBinder(context, sql, &translation).Run(tree->statement())) return translation;
    Binder(context, parameter_types).Statement(tree->statement(), &translation);
  } catch (const Stop& stop) {
    return Stopped(stop.problem);
  }
  return translation;
}

}  // namespace pgparity::shadow::sqlite
