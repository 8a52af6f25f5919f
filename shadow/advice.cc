#include "shadow/advice.h"

#include "protocol/text.h"
#include "shadow/words.h"

namespace pgparity::shadow {

using compare::Comparison;

namespace {

constexpr size_t kShapeShown = 200;

// The evidence that a soak with a restricted role is for.
std::string AdviceOnDenial(std::string_view role, std::string_view shape) {
  std::string shown(shape.substr(0, kShapeShown));
  if (shown.size() < shape.size()) shown += "...";
  return protocol::StrCat("on the shadow ", role.empty() ? "its URL's role" : "the role ",
                          role.empty() ? "" : Quoted(role, '"'), " is denied: ", shown,
                          "; GRANT it what this needs, or map the client's role to another one "
                          "(--shadow-role-map)");
}

}  // namespace

std::string AdviceFor(const Comparison& comparison, std::string_view role, std::string_view shape) {
  using compare::Kind;
  const std::string& sqlstate = comparison.shadow_sqlstate;
  if (sqlstate == "42501") return AdviceOnDenial(role, shape);
  if (sqlstate == "42P01" || sqlstate == "42703")
    return "the shadow's schema lacks what the primary has: migrate it";
  if (sqlstate == "23505")
    return "the shadow holds a row, or a unique index, that the primary does not";
  if (sqlstate == "23514")
    return "the shadow has a CHECK constraint that the primary does not, or other data";
  switch (comparison.kind) {
    case Kind::missing_error:
      return "the primary enforces something that the shadow does not: compare constraints, "
             "indexes and triggers";
    case Kind::shadow_error:
      return "the shadow refuses what the primary accepts: compare constraints, triggers, types "
             "and privileges";
    case Kind::row_count:
      return "the two sides hold different rows: compare the table's contents by key";
    case Kind::shape:
      return "the two sides' columns differ: compare the table definitions";
    default:
      return "compare the rows in question on both sides, then triggers, defaults and settings "
             "that change values";
  }
}

}  // namespace pgparity::shadow
