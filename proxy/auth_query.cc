#include "proxy/auth_query.h"

#include <algorithm>
#include <utility>

#include "protocol/authentication.h"
#include "protocol/text.h"
#include "shadow/postgres/lane.h"

namespace pgparity::proxy {
namespace {

using protocol::StrCat;
using shadow::postgres::Lane;
using Kind = CredentialAnswer::Kind;

// Holds the connection between queries.
class PrimaryQuery {
 public:
  PrimaryQuery(std::string conninfo, std::string sql, absl::Duration connect_timeout)
      : conninfo_(std::move(conninfo)), sql_(std::move(sql)), connect_timeout_(connect_timeout) {}

  absl::StatusOr<std::optional<std::string>> Run(const std::string& user) {
    // A connection that has been idle may have been ended by the server.
    const bool reused = lane_ != nullptr;
    auto found = RunOnce(user);
    if (found.ok() || !reused || IsSqlError(found.status())) return found;
    return RunOnce(user);
  }

 private:
  absl::StatusOr<std::optional<std::string>> RunOnce(const std::string& user) {
    if (lane_ == nullptr) {
      auto lane = Lane::Connect(
          StrCat(conninfo_, " application_name=pgparity tcp_user_timeout=10000"), connect_timeout_);
      if (!lane.ok()) return lane.status();
      lane_ = *std::move(lane);
      auto set = lane_->Query("SELECT pg_catalog.set_config('statement_timeout', '5s', false)");
      if (!set.ok()) return Lost(set.status());
    }
    auto rows = lane_->Query(sql_, {user});
    if (!rows.ok()) return Lost(rows.status());
    if (rows->empty()) return std::nullopt;
    std::vector<std::string>& row = rows->front();
    if (rows->size() > 1 || row.size() != 2) {
      return absl::InvalidArgumentError(
          "it must answer with no row or one, of two columns: name and secret");
    }
    // The name asked for, and no other: a query that ignores its parameter lets nobody in.
    if (row[0] != user) return std::nullopt;
    return std::move(row[1]);
  }
  // An error of the statement leaves the connection as it was.
  static bool IsSqlError(const absl::Status& status) { return absl::IsFailedPrecondition(status); }
  absl::Status Lost(const absl::Status& status) {
    if (!IsSqlError(status)) lane_.reset();
    return status;
  }

  const std::string conninfo_, sql_;
  const absl::Duration connect_timeout_;
  std::unique_ptr<Lane> lane_;
};

}  // namespace

SecretQuery QueryOnPrimary(std::string conninfo, std::string sql, absl::Duration connect_timeout) {
  auto query = std::make_shared<PrimaryQuery>(std::move(conninfo), std::move(sql), connect_timeout);
  return [query](const std::string& user) { return query->Run(user); };
}

AuthQuery::AuthQuery(SecretQuery query, Options options)
    : query_(std::move(query)),
      options_(std::move(options)),
      tokens_(options_.rate),
      tokens_at_(options_.now()),
      worker_("auth-query", options_.max_waiting) {}

void AuthQuery::Find(const std::string& user, Found found) {
  CredentialAnswer answer;
  {
    MutexLock lock(&mutex_);
    const auto at = entries_.find(user);
    if (at != entries_.end() && !at->second.waiting.empty()) {
      at->second.waiting.push_back(std::move(found));
      return;
    }
    if (at != entries_.end() && options_.now() < at->second.until) {
      answer = at->second.answer;
    } else if (Admit()) {
      MakeRoom();
      if (worker_.Do([this, user] { LookUp(user); })) {
        ++looked_up_;
        entries_[user].waiting.push_back(std::move(found));
        return;
      }
      answer.kind = Kind::busy;
    } else {
      answer.kind = Kind::busy;
    }
  }
  found(std::move(answer));
}

bool AuthQuery::Admit() {
  const absl::Time now = options_.now();
  tokens_ = std::min(std::max(options_.rate, 1.0),
                     tokens_ + options_.rate * absl::ToDoubleSeconds(now - tokens_at_));
  tokens_at_ = now;
  if (tokens_ < 1) return false;
  tokens_ -= 1;
  return true;
}

// Of answers that hold no more; where that is not enough, of any.
void AuthQuery::MakeRoom() {
  if (entries_.size() < options_.max_users + looked_up_) return;
  const absl::Time now = options_.now();
  absl::erase_if(entries_, [now](const auto& item) {
    return item.second.waiting.empty() && item.second.until <= now;
  });
  if (entries_.size() < options_.max_users + looked_up_) return;
  absl::erase_if(entries_, [](const auto& item) { return item.second.waiting.empty(); });
}

void AuthQuery::LookUp(const std::string& user) {
  const CredentialAnswer answer = Answer(user);
  std::vector<Found> waiting;
  {
    MutexLock lock(&mutex_);
    Entry& entry = entries_[user];
    entry.answer = answer;
    // A failure is not kept: the next client tries again.
    entry.until =
        answer.kind == Kind::failed ? absl::InfinitePast() : options_.now() + options_.keep;
    waiting.swap(entry.waiting);
    --looked_up_;
  }
  for (const Found& found : waiting) found(answer);
}

CredentialAnswer AuthQuery::Answer(const std::string& user) {
  absl::StatusOr<std::optional<std::string>> secret = query_(user);
  if (!secret.ok()) {
    Complain(StrCat("--auth-query on the primary: ", protocol::MessageOf(secret.status())));
    return {Kind::failed};
  }
  if (!secret->has_value() || (*secret)->empty()) return {Kind::unknown};
  auto verifier = protocol::ScramVerifier::Parse(**secret);
  protocol::Wipe(&**secret);
  if (!verifier.ok()) {
    Complain(StrCat("--auth-query gives no SCRAM-SHA-256 verifier for the user \"", user,
                    "\", who cannot log in: set the password again with password_encryption = "
                    "'scram-sha-256'"));
    return {Kind::unknown};
  }
  return {Kind::found,
          std::make_shared<const Credential>(*std::move(verifier), "", "--auth-query")};
}

void AuthQuery::Complain(std::string_view line) {
  const absl::Time now = options_.now();
  if (now < complained_at_ + absl::Seconds(1)) return;
  complained_at_ = now;
  options_.complain(line);
}

void AuthQuery::Clear() {
  MutexLock lock(&mutex_);
  absl::erase_if(entries_, [](const auto& item) { return item.second.waiting.empty(); });
}

}  // namespace pgparity::proxy
