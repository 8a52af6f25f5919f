// Which role on the shadow a client's role is replayed as (DESIGN, "Roles").
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "shadow/analysis.h"
#include "shadow/unit.h"

namespace pgparity::shadow {

struct ShadowRole {
  enum class Kind : uint8_t {
    own,         // the shadow URL's, as its connections log in
    set_role,    // SET LOCAL ROLE on these connections
    connection,  // connections of its own, logged in as that role
  };
  Kind kind = Kind::own;
  std::string name;      // set_role: the role; connection: the user of its URL
  std::string conninfo;  // connection; holds a password
};

// Immutable once made.
class RoleMap {
 public:
  // Roles are known by their index; 0 is the shadow URL's own, named `own` where that is known.
  explicit RoleMap(std::string own = "") {
    roles_.push_back({ShadowRole::Kind::own, std::move(own), ""});
  }
  // `client` "*" stands for every role that is not named. Equal roles share an index.
  void Add(const std::string& client, const ShadowRole& role);

  size_t Find(std::string_view client) const;
  const std::vector<ShadowRole>& roles() const { return roles_; }
  bool empty() const { return roles_.size() == 1; }
  // Connections that one lane needs: the shadow URL's, and one for each role with a URL of its own.
  size_t connections_a_lane() const;

 private:
  std::vector<ShadowRole> roles_;
  std::map<std::string, size_t, std::less<>> by_client_;
};

// The role that a session had on the primary when the unit began: SET ROLE's, else SET SESSION
// AUTHORIZATION's, else its login's.
const std::string& RoleAtBegin(const UnitHeader& header);

// Follows that role through the statements of a unit.
class UnitRole {
 public:
  explicit UnitRole(const UnitHeader& header);
  // Of the next statement, on the primary.
  const std::string& current() const;
  // A statement of the unit, in order; what the primary refused has no effect.
  void After(const Statement& statement, const Analysis& analysis);

 private:
  struct State {
    std::string authorization, role;  // empty: as at login; no role
  };
  struct Savepoint {
    std::string name;
    State state;
  };
  void Set(std::string_view name, std::string_view value);
  void OnSavepoint(const Statement& statement);

  std::string login_;
  State state_;
  std::vector<Savepoint> savepoints_;
};

// "name" as an SQL identifier, quoted.
std::string QuoteRole(std::string_view name);

}  // namespace pgparity::shadow
