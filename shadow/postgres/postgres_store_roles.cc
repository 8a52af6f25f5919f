// The roles of the store's connections.
#include "protocol/text.h"
#include "shadow/postgres/postgres_store.h"
#include "shadow/postgres/store_statements.h"

namespace pgparity::shadow::postgres {

using protocol::StrCat;

namespace {

// The same for connections of other roles, which may not write to the table.
constexpr char kAdvance[] = "pgparity.advance(int8, int8, int8, int8, text)";
constexpr char kCreateAdvance[] =
    "CREATE FUNCTION pgparity.advance(int8, int8, int8, int8, text) RETURNS int8 LANGUAGE sql"
    " SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$"
    "WITH moved AS (UPDATE pgparity.progress SET pos = CASE WHEN pos = $1 THEN $2 END, key = $3,"
    " low = $4 WHERE stream = $5 AND lane = 0 RETURNING 1) SELECT count(*) FROM moved$$";

}  // namespace

absl::Status PostgresStore::AllowAdvance(const std::string& user) {
  auto ready = lane_->Query(
      "SELECT COALESCE(pg_catalog.has_function_privilege($1, pg_catalog.to_regprocedure($2), "
      "'EXECUTE') AND pg_catalog.has_schema_privilege($1, 'pgparity', 'USAGE'), false),"
      " pg_catalog.to_regprocedure($2) IS NOT NULL",
      {user, kAdvance});
  if (!ready.ok()) return ready.status();
  if (ready->front()[0] == "t") return absl::OkStatus();
  std::vector<std::string> commands;
  if (ready->front()[1] != "t") {
    commands = {kCreateAdvance, StrCat("REVOKE ALL ON FUNCTION ", kAdvance, " FROM PUBLIC")};
  }
  commands.push_back(StrCat("GRANT USAGE ON SCHEMA pgparity TO ", QuoteRole(user)));
  commands.push_back(StrCat("GRANT EXECUTE ON FUNCTION ", kAdvance, " TO ", QuoteRole(user)));
  for (const std::string& sql : commands) {
    auto done = lane_->Run(sql);
    if (!done.ok()) return done.status();
    if (IsError(*done))
      return absl::PermissionDeniedError(
          StrCat("cannot let the role ", QuoteRole(user),
                 " keep its progress on the shadow: ", ErrorText(*done)));
  }
  return absl::OkStatus();
}

absl::Status PostgresStore::ConnectRoles() {
  const std::vector<ShadowRole>& roles = options_.roles.roles();
  role_lanes_.clear();
  role_lanes_.resize(roles.size());
  auto facts = ReadRoleFacts(lane_.get());
  if (!facts.ok()) return facts.status();
  facts_ = *std::move(facts);
  auto problems = RolesNotTaken(lane_.get(), options_.roles);
  if (!problems.ok()) return problems.status();
  if (!problems->empty()) return absl::FailedPreconditionError(problems->front());
  for (size_t i = 1; i < roles.size(); ++i) {
    if (roles[i].kind != ShadowRole::Kind::connection) continue;
    auto lane =
        Lane::Connect(roles[i].conninfo + " application_name=pgparity", options_.connect_timeout);
    if (!lane.ok())
      return absl::UnavailableError(
          StrCat("as role ", QuoteRole(roles[i].name), ": ", protocol::MessageOf(lane.status())));
    role_lanes_[i].lane = *std::move(lane);
    auto of_role = ReadRoleFacts(role_lanes_[i].lane.get());
    if (!of_role.ok()) return of_role.status();
    role_lanes_[i].facts = *std::move(of_role);
    if (absl::Status status = AllowAdvance(role_lanes_[i].facts.current); !status.ok())
      return status;
  }
  return absl::OkStatus();
}

bool PostgresStore::Confined(size_t role) const {
  switch (options_.roles.roles()[role].kind) {
    case ShadowRole::Kind::own:
      return facts_.confined;
    case ShadowRole::Kind::set_role:
      return false;  // RESET ROLE leads out of it
    case ShadowRole::Kind::connection:
      return role < role_lanes_.size() && role_lanes_[role].facts.confined;
  }
  return false;
}

// Behind a savepoint command the role may be an earlier one again: `current` is nullopt then.
absl::Status PostgresStore::SendRole(size_t role, std::optional<size_t>* current) {
  if (options_.roles.empty() || *current == role) return absl::OkStatus();
  *current = role;
  return lane_->Send(SetLocalRole(options_.roles, role), kRole);
}

}  // namespace pgparity::shadow::postgres
