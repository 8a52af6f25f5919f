#include "shadow/session_state.h"

#include <algorithm>
#include <array>

#include "absl/strings/ascii.h"
#include "protocol/sql_tokens.h"
#include "protocol/text.h"

namespace pgparity::shadow {
namespace {

using protocol::TransactionCommand;

constexpr std::string_view kRole = "role";
constexpr std::string_view kAuthorization = "session_authorization";
constexpr std::string_view kReplicationRole = "session_replication_role";
// Change::name of RESET ALL (all but the role) and DISCARD ALL.
constexpr std::string_view kResetAll = "*";
constexpr std::string_view kDiscardAll = "**";

// A session that never ends its transaction cannot make these grow without bound.
constexpr size_t kMaxChanges = 10000;

constexpr std::array<std::string_view, 24> kKept = {
    "array_nulls",
    "backslash_quote",
    "bytea_output",
    "check_function_bodies",
    "client_encoding",
    "datestyle",
    "default_table_access_method",
    "default_transaction_deferrable",
    "default_transaction_isolation",
    "extra_float_digits",
    "intervalstyle",
    "lc_monetary",
    "lc_numeric",
    "lc_time",
    "quote_all_identifiers",
    "role",
    "row_security",
    "search_path",
    "session_authorization",
    "standard_conforming_strings",
    "timezone",
    "transform_null_equals",
    "xmlbinary",
    "xmloption",
};

// The server tells of every change of these, in the form in which it holds them.
constexpr std::array<std::string_view, 5> kReported = {
    "client_encoding", "datestyle", "intervalstyle", "standard_conforming_strings", "timezone"};

template <size_t N>
bool Contains(const std::array<std::string_view, N>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

std::string Lower(std::string_view text) { return absl::AsciiStrToLower(protocol::ToAbsl(text)); }

bool MentionsSetConfig(std::string_view sql) {
  constexpr std::string_view kName = "set_config";
  for (size_t at = sql.find('_'); at != std::string_view::npos; at = sql.find('_', at + 1)) {
    if (at < 3 || sql.size() - at < 7) continue;
    const std::string_view here = sql.substr(at - 3, kName.size());
    if (std::equal(here.begin(), here.end(), kName.begin(), [](char a, char b) {
          return absl::ascii_tolower(static_cast<unsigned char>(a)) == b;
        })) {
      return true;
    }
  }
  return false;
}

bool SecondWordIsAll(std::string_view sql) {
  protocol::SqlTokenizer tokens(sql, true);
  tokens.Next();
  return tokens.Next().Is("ALL");
}

Settings KeptOf(const Settings& startup) {
  Settings kept;
  for (const auto& [name, value] : startup) {
    const std::string lower = Lower(name);
    // At login the session's user is its own.
    if (lower == kAuthorization || (lower == kRole && value == "none")) continue;
    if (IsKeptSetting(lower)) kept[lower] = value;
  }
  return kept;
}

std::optional<std::string> ValueOf(const ValueSource& source,
                                   const protocol::BoundParameters& parameters) {
  if (source.is_null) return std::nullopt;
  if (source.kind == ValueSource::Kind::literal) return source.literal;
  const auto index = static_cast<size_t>(source.parameter) - 1;
  const bool text = source.kind == ValueSource::Kind::parameter && index < parameters.values.size();
  return text ? parameters.values[index] : std::nullopt;
}

}  // namespace

bool IsKeptSetting(std::string_view name) { return Contains(kKept, name); }

std::string SavepointName(std::string_view sql) {
  protocol::SqlTokenizer tokens(sql, true);
  std::string name;
  for (protocol::Token token = tokens.Next(); token.kind != protocol::TokenKind::end;
       token = tokens.Next()) {
    if (token.kind == protocol::TokenKind::word) {
      name = Lower(token.text);
    } else if (token.kind == protocol::TokenKind::quoted_identifier) {
      name = token.text.substr(1, token.text.size() < 2 ? 0 : token.text.size() - 2);
    }
  }
  return name;
}

SessionState::SessionState(const Settings& startup, AnalysisCache* cache)
    : cache_(cache),
      initial_(KeptOf(startup)),
      settings_(std::make_shared<const Settings>(initial_)) {
  const auto replication_role = startup.find(std::string(kReplicationRole));
  replication_role_changed_ =
      replication_role != startup.end() && Lower(replication_role->second) != "origin";
}

void SessionState::OnParameterStatus(std::string_view name, std::string_view value) {
  std::string lower = Lower(name);
  if (lower == kRole || lower == kAuthorization || !IsKeptSetting(lower)) return;
  if (reported_.size() < kMaxChanges) reported_.emplace_back(std::move(lower), value);
}

void SessionState::TakeReported() {
  if (reported_.empty()) return;
  auto settings = std::make_shared<Settings>(*settings_);
  for (auto& [name, value] : reported_) (*settings)[name] = std::move(value);
  reported_.clear();
  settings_ = std::move(settings);
}

void SessionState::OnStatement(const Statement& statement, std::string_view tag) {
  if (tag == "SET" || tag == "RESET" || tag == "DISCARD ALL") {
    if (tag == "DISCARD ALL") return Set(kDiscardAll, std::nullopt);
    if (tag == "RESET" && SecondWordIsAll(statement.sql)) return Set(kResetAll, std::nullopt);
    const std::shared_ptr<const Analysis> analysis = cache_->Get(statement.sql);
    if (!analysis->set_variable) return;
    const auto& [name, value] = *analysis->set_variable;
    if (Lower(name) == kReplicationRole) replication_role_changed_ = true;
    if (!analysis->set_local) Set(name, value);
  } else if (statement.transaction_command != TransactionCommand::none) {
    OnSavepointCommand(statement);
  } else if (MentionsSetConfig(statement.sql)) {
    OnConfigCalls(*cache_->Get(statement.sql), statement);
  }
}

void SessionState::OnConfigCalls(const Analysis& analysis, const Statement& statement) {
  for (const ConfigCall& call : analysis.config_calls) {
    const std::optional<std::string> name = ValueOf(call.name, statement.parameters);
    std::optional<std::string> value = ValueOf(call.value, statement.parameters);
    if (!name) continue;
    if (Lower(*name) == kReplicationRole) replication_role_changed_ = true;
    if (!call.is_local && value) Set(*name, std::move(value));
  }
}

void SessionState::Set(std::string_view name, std::optional<std::string> value) {
  std::string lower = Lower(name);
  const bool all = lower == kResetAll || lower == kDiscardAll;
  if (!all && (!IsKeptSetting(lower) || Contains(kReported, lower))) return;
  if (changes_.size() < kMaxChanges) changes_.push_back({std::move(lower), std::move(value)});
}

void SessionState::OnSavepointCommand(const Statement& statement) {
  if (statement.transaction_command == TransactionCommand::savepoint) {
    if (savepoints_.size() < kMaxChanges)
      savepoints_.push_back({SavepointName(statement.sql), changes_.size()});
    return;
  }
  if (statement.transaction_command != TransactionCommand::rollback_to_savepoint &&
      statement.transaction_command != TransactionCommand::release_savepoint) {
    return;
  }
  const std::string name = SavepointName(statement.sql);
  const auto found =
      std::find_if(savepoints_.rbegin(), savepoints_.rend(),
                   [&name](const Savepoint& savepoint) { return savepoint.name == name; });
  if (found == savepoints_.rend()) return;
  const bool released = statement.transaction_command == TransactionCommand::release_savepoint;
  if (!released) changes_.resize(std::min(changes_.size(), found->changes));
  // ROLLBACK TO keeps the savepoint itself, RELEASE does not.
  savepoints_.erase(found.base() - (released ? 1 : 0), savepoints_.end());
}

void SessionState::Apply(const Change& change, Settings* settings) const {
  if (change.name == kDiscardAll) {
    *settings = initial_;
  } else if (change.name == kResetAll) {
    Settings reset = initial_;
    for (const std::string_view name : {kRole, kAuthorization}) {
      reset.erase(std::string(name));
      const auto kept = settings->find(std::string(name));
      if (kept != settings->end()) reset.insert(*kept);
    }
    *settings = std::move(reset);
  } else if (change.value && !(change.name == kRole && Lower(*change.value) == "none")) {
    (*settings)[change.name] = *change.value;
  } else if (const auto initial = initial_.find(change.name);
             initial != initial_.end() && !change.value) {
    (*settings)[change.name] = initial->second;
  } else {
    settings->erase(change.name);
  }
  // A new session user starts without a role.
  if (change.name == kAuthorization) settings->erase(std::string(kRole));
}

void SessionState::Commit() {
  savepoints_.clear();
  if (changes_.empty()) return;
  auto settings = std::make_shared<Settings>(*settings_);
  for (const Change& change : changes_) Apply(change, settings.get());
  changes_.clear();
  settings_ = std::move(settings);
}

void SessionState::Rollback() {
  savepoints_.clear();
  changes_.clear();
}

}  // namespace pgparity::shadow
