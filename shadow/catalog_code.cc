#include "shadow/catalog_code.h"

#include "protocol/text.h"
#include "shadow/replay_rules.h"

namespace pgparity::shadow {

namespace {

constexpr std::string_view kFunctions =
    "SELECT 'f', p.proname, l.lanname,"
    " COALESCE(pg_catalog.array_to_string(p.proconfig, E'\\n'), ''), p.prosecdef,"
    " p.proowner <> (SELECT oid FROM pg_catalog.pg_roles WHERE rolname = current_user), ";

// An aggregate, operator, ... is what its functions are. Those in C were made by who runs the
// server.
constexpr std::string_view kOfFunctions =
    " UNION ALL SELECT 'f', p.proname, '', '', false, false,"
    "  a.aggtransfn::pg_catalog.text || '() ' || a.aggfinalfn::pg_catalog.text || '() '"
    "  || a.aggcombinefn::pg_catalog.text || '() ' || a.aggmtransfn::pg_catalog.text || '() '"
    "  || a.aggminvtransfn::pg_catalog.text || '() ' || a.aggmfinalfn::pg_catalog.text || '()'"
    " FROM pg_catalog.pg_aggregate a JOIN pg_catalog.pg_proc p ON p.oid = a.aggfnoid"
    " WHERE p.oid >= 16384"
    " UNION ALL SELECT 'a', '', '', '', false, false, pg_catalog.quote_ident(p.proname) || '()'"
    " FROM (SELECT oprcode AS f FROM pg_catalog.pg_operator"
    "  UNION SELECT castfunc FROM pg_catalog.pg_cast"
    "  UNION SELECT amproc FROM pg_catalog.pg_amproc"
    "  UNION SELECT rngcanonical FROM pg_catalog.pg_range"
    "  UNION SELECT rngsubdiff FROM pg_catalog.pg_range) x"
    " JOIN pg_catalog.pg_proc p ON p.oid = x.f::pg_catalog.oid"
    " JOIN pg_catalog.pg_language l ON l.oid = p.prolang"
    " WHERE l.lanname NOT IN ('c', 'internal')"
    " UNION ALL SELECT 'e', '', '', '', false, false, pg_catalog.quote_ident(p.proname) || '()'"
    " FROM pg_catalog.pg_event_trigger e JOIN pg_catalog.pg_proc p ON p.oid = e.evtfoid"
    " WHERE e.evtenabled <> 'D'";

// Relations, and domains, which are reached by the columns of their type.
constexpr std::string_view kOfRelations =
    " UNION ALL SELECT 'r', c.relname, '', '', false, false, pg_catalog.quote_ident(p.proname)"
    "  || '() ' || pg_catalog.pg_get_triggerdef(t.oid)"
    " FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid"
    " JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid"
    " WHERE NOT t.tgisinternal AND t.tgenabled <> 'D'"
    " UNION ALL SELECT 'r', c.relname, '', '', false, false,"
    "  CASE WHEN c.relkind IN ('v', 'm') AND w.ev_type = '1'"
    "  THEN pg_catalog.pg_get_viewdef(c.oid) ELSE pg_catalog.pg_get_ruledef(w.oid) END"
    " FROM pg_catalog.pg_rewrite w JOIN pg_catalog.pg_class c ON c.oid = w.ev_class"
    " WHERE c.oid >= 16384"
    " UNION ALL SELECT 'r', c.relname, '', '', false, false,"
    "  pg_catalog.pg_get_expr(d.adbin, d.adrelid)"
    " FROM pg_catalog.pg_attrdef d JOIN pg_catalog.pg_class c ON c.oid = d.adrelid"
    " UNION ALL SELECT 'r', c.relname, '', '', false, false, pg_catalog.pg_get_constraintdef(k.oid)"
    " FROM pg_catalog.pg_constraint k JOIN pg_catalog.pg_class c ON c.oid = k.conrelid"
    " WHERE k.contype IN ('c', 'x') AND c.oid >= 16384"
    " UNION ALL SELECT 'r', t.typname, '', '', false, false, pg_catalog.pg_get_constraintdef(k.oid)"
    " FROM pg_catalog.pg_constraint k JOIN pg_catalog.pg_type t ON t.oid = k.contypid"
    " WHERE t.oid >= 16384"
    " UNION ALL SELECT 'r', t.typname, '', '', false, false, "
    "pg_catalog.pg_get_expr(t.typdefaultbin, 0)"
    " FROM pg_catalog.pg_type t WHERE t.typtype = 'd' AND t.typdefaultbin IS NOT NULL AND t.oid >= "
    "16384"
    " UNION ALL SELECT DISTINCT 'r', c.relname, '', '', false, false, "
    "pg_catalog.quote_ident(t.typname)"
    " FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid"
    " JOIN pg_catalog.pg_type t ON t.oid = a.atttypid"
    " WHERE t.typtype = 'd' AND t.oid >= 16384 AND c.oid >= 16384"
    " UNION ALL SELECT 'r', c.relname, '', '', false, false,"
    "  pg_catalog.concat(pg_catalog.pg_get_expr(o.polqual, o.polrelid), ' ; ',"
    "  pg_catalog.pg_get_expr(o.polwithcheck, o.polrelid))"
    " FROM pg_catalog.pg_policy o JOIN pg_catalog.pg_class c ON c.oid = o.polrelid"
    " UNION ALL SELECT 'r', c.relname, '', '', false, false, "
    "pg_catalog.pg_get_indexdef(i.indexrelid)"
    " FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indrelid"
    " WHERE (i.indexprs IS NOT NULL OR i.indpred IS NOT NULL) AND c.oid >= 16384"
    " UNION ALL SELECT 'r', c.relname, 'foreign', '', false, false, ''"
    " FROM pg_catalog.pg_class c WHERE c.relkind = 'f'"
    // Cascades, partitions and children: a write of one is a write of the other.
    " UNION ALL SELECT 'r', r.relname, '', '', false, false, pg_catalog.quote_ident(c.relname)"
    " FROM pg_catalog.pg_constraint k JOIN pg_catalog.pg_class c ON c.oid = k.conrelid"
    " JOIN pg_catalog.pg_class r ON r.oid = k.confrelid"
    " WHERE k.contype = 'f' AND (k.confdeltype IN ('c', 'n', 'd') OR k.confupdtype IN ('c', 'n', "
    "'d'))"
    " UNION ALL SELECT 'r', r.relname, '', '', false, false, pg_catalog.quote_ident(c.relname)"
    " FROM pg_catalog.pg_inherits i JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid"
    " JOIN pg_catalog.pg_class r ON r.oid = i.inhparent";

// What the function's own options say.
CodeFinding FindingOfFunction(std::string_view name, std::string_view language,
                              std::string_view configuration, std::string_view body) {
  CodeFinding finding;
  if (language == "c" || language == "internal") {
    const FunctionRule rule = RuleOfFunction("", language == "c" ? name : body);
    if (rule.cls == FunctionClass::never) finding.reason = rule.reason;
    finding.sets = rule.cls == FunctionClass::set_config;
    finding.opaque = finding.sets || rule.cls == FunctionClass::dynamic_sql;
  } else if (!language.empty() && language != "foreign") {
    finding = LookAtCode(language, "");
  }
  bool in_catalog = false;
  while (!configuration.empty()) {
    const std::string_view line = configuration.substr(0, configuration.find('\n'));
    if (ClassOfSetting(line.substr(0, line.find('='))) == SettingClass::role)
      finding.reason = "role";
    if (line.starts_with("search_path=")) in_catalog = BeginsInCatalog(line.substr(12));
    configuration.remove_prefix(std::min(line.size() + 1, configuration.size()));
  }
  if (in_catalog && LookAtCode(body).defines) finding.opaque = true;
  return finding;
}

}  // namespace

std::string CodeQuery(int server_version) {
  const std::string_view body =
      server_version >= 140000 ? "COALESCE(pg_catalog.pg_get_function_sqlbody(p.oid), p.prosrc)"
                               : "p.prosrc";
  return protocol::StrCat(kFunctions, "CASE WHEN l.lanname = 'c' THEN '' ELSE ", body, " END",
                          " FROM pg_catalog.pg_proc p"
                          " JOIN pg_catalog.pg_language l ON l.oid = p.prolang"
                          // Of the server's own those that a superuser may have replaced.
                          " WHERE p.oid >= 16384 OR l.lanname NOT IN ('c', 'internal')",
                          kOfFunctions, kOfRelations);
}

CodeRisks::Piece PieceOf(const std::array<std::string_view, 7>& row) {
  CodeRisks::Piece piece;
  piece.kind = row[0] == "f"   ? CodeRisks::Piece::Kind::function
               : row[0] == "r" ? CodeRisks::Piece::Kind::relation
               : row[0] == "e" ? CodeRisks::Piece::Kind::ddl
                               : CodeRisks::Piece::Kind::anything;
  piece.name = row[1];
  piece.known = FindingOfFunction(row[1], row[2], row[3], row[6]);
  if (row[2] == "foreign") piece.known.reason = "foreign-data";
  piece.secdef = row[4] == "t";
  piece.foreign = piece.secdef && row[5] == "t";
  if (row[2] != "internal") piece.text = row[6];
  return piece;
}

}  // namespace pgparity::shadow
