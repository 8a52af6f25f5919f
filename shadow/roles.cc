#include "shadow/roles.h"

#include <algorithm>

#include "shadow/session_state.h"
#include "shadow/words.h"

namespace pgparity::shadow {

using protocol::TransactionCommand;

namespace {

constexpr std::string_view kRole = "role", kAuthorization = "session_authorization";
// Savepoints of one unit that are followed.
constexpr size_t kMaxSavepoints = 10000;

std::string Setting(const Settings& settings, std::string_view name) {
  const auto found = settings.find(std::string(name));
  return found == settings.end() || found->second == "none" ? "" : found->second;
}

// A value given as text; "" for a parameter in binary, or an expression.
std::string TextOf(const ValueSource& source, const Statement& statement) {
  if (source.kind == ValueSource::Kind::literal) return source.literal;
  const auto index = static_cast<size_t>(source.parameter) - 1;
  const bool given = source.kind == ValueSource::Kind::parameter &&
                     index < statement.parameters.values.size() &&
                     statement.parameters.values[index].has_value();
  return given ? *statement.parameters.values[index] : "";
}

}  // namespace

void RoleMap::Add(const std::string& client, const ShadowRole& role) {
  const auto same = std::find_if(roles_.begin() + 1, roles_.end(), [&role](const ShadowRole& r) {
    return r.kind == role.kind && r.name == role.name && r.conninfo == role.conninfo;
  });
  by_client_[client] = static_cast<size_t>(same - roles_.begin());
  if (same == roles_.end()) roles_.push_back(role);
}

size_t RoleMap::Find(std::string_view client) const {
  auto found = by_client_.find(client);
  if (found == by_client_.end()) found = by_client_.find("*");
  return found == by_client_.end() ? 0 : found->second;
}

size_t RoleMap::connections_a_lane() const {
  return 1 + static_cast<size_t>(std::count_if(
                 roles_.begin(), roles_.end(),
                 [](const ShadowRole& role) { return role.kind == ShadowRole::Kind::connection; }));
}

const std::string& RoleAtBegin(const UnitHeader& header) {
  for (const std::string_view name : {kRole, kAuthorization}) {
    const auto found = header.settings.find(std::string(name));
    if (found != header.settings.end() && found->second != "none" && !found->second.empty())
      return found->second;
  }
  return header.user;
}

UnitRole::UnitRole(const UnitHeader& header)
    : login_(header.user),
      state_{Setting(header.settings, kAuthorization), Setting(header.settings, kRole)} {}

const std::string& UnitRole::current() const {
  if (!state_.role.empty()) return state_.role;
  return state_.authorization.empty() ? login_ : state_.authorization;
}

void UnitRole::Set(std::string_view name, std::string_view value) {
  if (SameWord(name, kAuthorization)) {
    state_ = {std::string(value), ""};
  } else if (SameWord(name, kRole)) {
    state_.role = SameWord(value, "none") ? "" : value;
  }
}

void UnitRole::After(const Statement& statement, const Analysis& analysis) {
  using Kind = compare::Observation::Kind;
  if (statement.primary.kind == Kind::error || statement.primary.kind == Kind::skipped) return;
  if (statement.transaction_command != TransactionCommand::none) return OnSavepoint(statement);
  if (statement.primary.tag == "DISCARD ALL") state_ = {};
  if (analysis.set_variable)
    Set(analysis.set_variable->first, analysis.set_variable->second.value_or(""));
  for (const ConfigCall& call : analysis.config_calls)
    Set(TextOf(call.name, statement), TextOf(call.value, statement));
}

void UnitRole::OnSavepoint(const Statement& statement) {
  const bool made = statement.transaction_command == TransactionCommand::savepoint;
  const bool back = statement.transaction_command == TransactionCommand::rollback_to_savepoint;
  if (!made && !back && statement.transaction_command != TransactionCommand::release_savepoint)
    return;
  std::string name = SavepointName(statement.sql);
  if (made) {
    if (savepoints_.size() < kMaxSavepoints) savepoints_.push_back({std::move(name), state_});
    return;
  }
  const auto found = std::find_if(savepoints_.rbegin(), savepoints_.rend(),
                                  [&name](const Savepoint& s) { return s.name == name; });
  if (found == savepoints_.rend()) return;
  if (back) state_ = found->state;
  savepoints_.erase(found.base() - (back ? 0 : 1), savepoints_.end());
}

std::string QuoteRole(std::string_view name) { return Quoted(name, '"'); }

}  // namespace pgparity::shadow
