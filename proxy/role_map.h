// The file of --shadow-role-map: which role on the shadow stands for which role of the clients.
//
//   # a comment
//   app        = "shadow_app"            # SET ROLE, by the role of the shadow's URL
//   "Jane Doe" = "reports"
//   admin      = "postgres://admin:secret@new-db/{database}"   # connections of its own
//   *          = "restricted"            # every other role
//
// One entry a line. Names may be bare (letters, digits, _, - and $), or in double quotes, in which
// \" and \\ stand for " and \. Clients not named run as the role of the shadow's URL.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "proxy/url.h"
#include "shadow/roles.h"

namespace pgparity::proxy {

struct RoleMapEntry {
  std::string client;              // "*": every other role
  std::string role;                // on the shadow; empty with a URL
  std::optional<DatabaseUrl> url;  // connections of its own
};

// Errors are one line, "line 3: ...", and hold nothing of a URL.
absl::StatusOr<std::vector<RoleMapEntry>> ParseRoleMap(std::string_view text);
// The same of a file; an error names it.
absl::StatusOr<std::vector<RoleMapEntry>> ReadRoleMap(const std::string& path);

// For one database. A URL without a database means the shadow's own.
shadow::RoleMap MakeRoleMap(const std::vector<RoleMapEntry>& entries, const DatabaseUrl& shadow,
                            std::string_view database);

// How many snapshot lanes fit beside the write lane; an error names what --shadow-connections must
// be at least. With `reads` there must be one.
absl::StatusOr<size_t> SnapshotLanes(size_t shadow_connections, const shadow::RoleMap& roles,
                                     bool reads);

}  // namespace pgparity::proxy
