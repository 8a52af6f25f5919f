// The one list of what is never replayed, of what has no effect worth replaying, and of what cannot
// run inside a transaction (DESIGN, "Roles", "Not replayed", "Not compared", "Gaps").
#pragma once

#include <cstdint>
#include <string_view>

#include "shadow/analysis.h"

// NOLINTNEXTLINE(bugprone-reserved-identifier): libpg_query's name
typedef struct PgQuery__Node PgQuery__Node;

namespace pgparity::shadow {

struct StatementRule {
  StatementKind kind = StatementKind::other;
  ReplayRule rule = ReplayRule::replay;
  std::string_view reason;  // static; empty for replay
};

// What of a statement only defines, and runs no code of the database but what event triggers run.
DefinitionKind DefinitionOf(const PgQuery__Node& node);
// The code that the statement holds: of DO and of definitions.
CodeFinding CodeOf(std::string_view text, const PgQuery__Node& node);

// By the statement's own node, without looking at the functions that it calls. EXPLAIN is judged as
// no_effect; the caller looks at the statement in it.
StatementRule RuleOfStatement(const PgQuery__Node& statement);

enum class FunctionClass : uint8_t {
  ordinary,
  never,        // acts on the server or outside it
  dynamic_sql,  // runs SQL that it is given as text
  advisory_void,
  advisory_bool,  // advisory locks, by their result type
  notify,
  sleep,
  set_config,
  time,  // now() and its like; see TimeCall
  sequence,
  generates,  // makes a new value each time
  state,      // tells of the server, the session or the transaction: must differ
};
struct FunctionRule {
  FunctionClass cls = FunctionClass::ordinary;
  std::string_view reason;  // of never
};
// Names as the parser folds them; `schema` empty for an unqualified call.
FunctionRule RuleOfFunction(std::string_view schema, std::string_view name);

enum class SettingClass : uint8_t {
  session,           // state that the lane takes over
  timeout,           // lock and statement timeouts: no effect
  transaction_mode,  // isolation, read only: the applier's own transaction has its own
  role,              // changes who the session is
};
SettingClass ClassOfSetting(std::string_view name);

// A relation of pg_catalog or information_schema.
bool IsSystemRelation(std::string_view schema, std::string_view name);

// The code makes rows or values that are not the same on two servers: inserts, time, sequences,
// random().
bool CodeIsVolatile(std::string_view code);
// The code ends transactions, and so cannot run inside one.
bool CodeCommits(std::string_view code);

}  // namespace pgparity::shadow
