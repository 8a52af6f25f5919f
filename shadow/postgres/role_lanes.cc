#include "shadow/postgres/role_lanes.h"

#include "protocol/text.h"

namespace pgparity::shadow::postgres {

using protocol::StrCat;

namespace {

// Memberships that let nobody act on anything (PostgreSQL manual, "Predefined Roles").
constexpr char kFacts[] =
    "SELECT CURRENT_USER, SESSION_USER, r.rolsuper,"
    " NOT r.rolsuper AND NOT r.rolreplication AND CURRENT_USER = SESSION_USER AND NOT EXISTS ("
    "  SELECT 1 FROM pg_catalog.pg_auth_members m JOIN pg_catalog.pg_roles g ON g.oid = m.roleid"
    "  WHERE m.member = r.oid AND g.rolname NOT IN ('pg_read_all_data', 'pg_write_all_data',"
    "  'pg_read_all_settings', 'pg_read_all_stats', 'pg_stat_scan_tables', 'pg_monitor',"
    "  'pg_database_owner'))"
    " FROM pg_catalog.pg_roles r WHERE r.rolname = SESSION_USER";

// Catalogs of the cluster, of languages, extensions and foreign servers, of which a transaction
// that has written to them keeps a lock: pg_authid, pg_auth_members, pg_database, pg_tablespace,
// pg_db_role_setting, pg_subscription, pg_parameter_acl, pg_replication_origin,
// pg_foreign_data_wrapper, pg_foreign_server, pg_user_mapping, pg_extension, pg_language.
constexpr char kEscape[] =
    "SELECT CASE"
    " WHEN NOT (CURRENT_USER OPERATOR(pg_catalog.=) $1::pg_catalog.name"
    " AND SESSION_USER OPERATOR(pg_catalog.=) $2::pg_catalog.name)"
    " THEN 'it became another role'"
    " WHEN EXISTS (SELECT 1 FROM pg_catalog.pg_locks l"
    "  WHERE l.pid OPERATOR(pg_catalog.=) pg_catalog.pg_backend_pid()"
    "  AND l.relation OPERATOR(pg_catalog.=) ANY"
    "  ('{1260,1261,1262,1213,2964,6100,6243,6000,2328,1417,1418,3079,2612}'::pg_catalog.oid[])"
    "  AND l.mode OPERATOR(pg_catalog.=) ANY "
    "('{RowExclusiveLock,ShareUpdateExclusiveLock,ShareLock,"
    "ShareRowExclusiveLock,ExclusiveLock,AccessExclusiveLock}'::pg_catalog.text[]))"
    " THEN 'it changed roles, or settings or objects of the whole server'";
constexpr char kEscapeRow[] =
    " WHEN NOT EXISTS (SELECT 1 FROM pgparity.progress"
    "  WHERE stream OPERATOR(pg_catalog.=) $3::pg_catalog.text"
    "  AND lane OPERATOR(pg_catalog.=) 0"
    "  AND pos OPERATOR(pg_catalog.=) $4::pg_catalog.int8)"
    " OR EXISTS (SELECT 1 FROM pg_catalog.pg_locks l"
    "  WHERE l.pid OPERATOR(pg_catalog.=) pg_catalog.pg_backend_pid()"
    "  AND l.relation OPERATOR(pg_catalog.=) 'pgparity.progress'::pg_catalog.regclass"
    "  AND l.mode OPERATOR(pg_catalog.=) ANY ('{ShareUpdateExclusiveLock,ShareLock,"
    "ShareRowExclusiveLock,ExclusiveLock,AccessExclusiveLock}'::pg_catalog.text[]))"
    " THEN 'it changed what pgparity keeps on the shadow'";

std::string ErrorOf(const compare::Observation& observation) {
  const compare::ErrorFields fields = compare::DecodeErrorFields(observation.error);
  return StrCat(fields.message, " (SQLSTATE ", fields.sqlstate, ")");
}

}  // namespace

absl::StatusOr<RoleFacts> ReadRoleFacts(Lane* lane) {
  auto rows = lane->Query(kFacts);
  if (!rows.ok()) return rows.status();
  if (rows->size() != 1) return absl::FailedPreconditionError("the role that logged in is gone");
  const auto& row = rows->front();
  return RoleFacts{row[0], row[1], row[2] == "t", row[3] == "t"};
}

std::string SetLocalRole(const RoleMap& roles, size_t role) {
  const ShadowRole& target = roles.roles()[role];
  return target.kind == ShadowRole::Kind::set_role
             ? StrCat("SET LOCAL ROLE ", QuoteRole(target.name))
             : "SET LOCAL role TO DEFAULT";
}

absl::StatusOr<std::vector<std::string>> RolesNotTaken(Lane* lane, const RoleMap& roles) {
  std::vector<std::string> problems;
  for (size_t i = 1; i < roles.roles().size(); ++i) {
    const ShadowRole& role = roles.roles()[i];
    if (role.kind != ShadowRole::Kind::set_role) continue;
    for (const std::string& sql :
         {std::string("BEGIN"), SetLocalRole(roles, i), std::string("ROLLBACK")}) {
      auto done = lane->Run(sql);
      if (!done.ok()) return done.status();
      if (done->kind != compare::Observation::Kind::error) continue;
      problems.push_back(StrCat("the shadow URL's role cannot take the role ", QuoteRole(role.name),
                                ": ", ErrorOf(*done),
                                "; make the role, and GRANT it to the URL's role"));
    }
  }
  return problems;
}

absl::Status CheckRoleMap(const std::string& conninfo, const RoleMap& roles,
                          absl::Duration connect_timeout) {
  auto own = Lane::Connect(conninfo, connect_timeout);
  if (!own.ok()) return own.status();
  auto problems = RolesNotTaken(own->get(), roles);
  if (!problems.ok()) return problems.status();
  for (const ShadowRole& role : roles.roles()) {
    if (role.kind != ShadowRole::Kind::connection) continue;
    auto lane = Lane::Connect(role.conninfo, connect_timeout);
    if (!lane.ok())
      problems->push_back(StrCat("the URL of the role ", QuoteRole(role.name),
                                 " does not connect: ", protocol::MessageOf(lane.status())));
  }
  if (problems->empty()) return absl::OkStatus();
  std::string lines;
  for (const std::string& problem : *problems) lines += StrCat(lines.empty() ? "" : "\n", problem);
  return absl::FailedPreconditionError(lines);
}

absl::StatusOr<std::string> FindEscape(Lane* lane, const RoleFacts& facts, const OwnRow* row) {
  std::vector<std::string> parameters = {facts.current, facts.session};
  if (row != nullptr) parameters.insert(parameters.end(), {row->stream, StrCat(row->position)});
  auto rows = lane->Query(StrCat(kEscape, row != nullptr ? kEscapeRow : "", " END"), parameters);
  // Where it cannot even be asked, the transaction is not as it was.
  if (absl::IsFailedPrecondition(rows.status()))
    return StrCat("it left its transaction unusable: ", protocol::MessageOf(rows.status()));
  if (!rows.ok()) return rows.status();
  return rows->empty() ? std::string() : rows->front().front();
}

}  // namespace pgparity::shadow::postgres
