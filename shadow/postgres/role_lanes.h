// Who our connections to the shadow are, and may be.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "shadow/postgres/lane.h"
#include "shadow/roles.h"

namespace pgparity::shadow::postgres {

struct RoleFacts {
  std::string current, session;  // as CURRENT_USER and SESSION_USER say
  bool superuser = false;
  // May act as no other role and not on the server: no superuser, not for replication, and a member
  // of nothing but what reads.
  bool confined = false;
};
absl::StatusOr<RoleFacts> ReadRoleFacts(Lane* lane);

// "SET LOCAL ROLE ..." to the role of the map, on the connection that it runs on.
std::string SetLocalRole(const RoleMap& roles, size_t role);

// One line a role of the map that `lane` cannot take. The lane must be idle, in no transaction.
absl::StatusOr<std::vector<std::string>> RolesNotTaken(Lane* lane, const RoleMap& roles);

// The same with connections of its own, those with a URL tried too. Unavailable where the shadow
// cannot be reached, which is no fault of the map.
absl::Status CheckRoleMap(const std::string& conninfo, const RoleMap& roles,
                          absl::Duration connect_timeout);

// What a transaction of opaque code did that no client's may: "" or one line. `user` as the
// connection logged in; `own_position`: what its progress row must say, or nullptr.
struct OwnRow {
  std::string stream;
  uint64_t position;
};
absl::StatusOr<std::string> FindEscape(Lane* lane, const RoleFacts& facts, const OwnRow* row);

}  // namespace pgparity::shadow::postgres
