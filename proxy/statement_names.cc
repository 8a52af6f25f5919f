#include "proxy/statement_names.h"

namespace pgparity::proxy {

StatementNames::Known StatementNames::Statement(uint64_t statement) const {
  for (size_t i = pending_.size(); i > first_pending_; --i) {
    if (pending_[i - 1].statement == statement) return pending_[i - 1].made;
  }
  if (overflowed_) return {};
  if (statement == kUnnamed) return unnamed_;
  const auto found = statements_.find(statement);
  return found != statements_.end() ? found->second : Known();
}

void StatementNames::Parse(uint64_t statement, StatementClass is, uint64_t fingerprint) {
  if (overflowed_ || pending_.size() == kMaxPending) {
    DropPending(UINT64_MAX);
    overflowed_ = true;
    return;
  }
  pending_.push_back({sent_, statement, {is, fingerprint}});
}

void StatementNames::Bind(uint64_t portal, uint64_t statement) {
  if (portal == kUnnamed) {
    unnamed_portal_ = Statement(statement).is;
  } else if (portals_.size() < kMaxPortals || portals_.contains(portal)) {
    portals_[portal] = Statement(statement).is;
  }
}

StatementClass StatementNames::Portal(uint64_t portal) const {
  if (portal == kUnnamed) return unnamed_portal_;
  const auto found = portals_.find(portal);
  return found != portals_.end() ? found->second : StatementClass::unknown;
}

// Where it fails or is skipped, the statement stays, and is one that we do not know.
void StatementNames::CloseStatement(uint64_t statement) {
  for (Pending& sent : pending_) {
    if (sent.statement == statement) sent.made = {};
  }
  if (statement == kUnnamed) {
    unnamed_ = {};
  } else {
    statements_.erase(statement);
  }
}

void StatementNames::ClosePortal(uint64_t portal) {
  if (portal == kUnnamed) {
    unnamed_portal_ = StatementClass::unknown;
  } else {
    portals_.erase(portal);
  }
}

void StatementNames::ParseCompleted() {
  if (first_pending_ == pending_.size()) return;
  const Pending made = pending_[first_pending_];
  if (made.exchange != answered_) return;
  ++first_pending_;
  DropPending(0);
  if (made.statement == kUnnamed) {
    unnamed_ = made.made;
  } else if (statements_.size() < kMaxStatements || statements_.contains(made.statement)) {
    statements_[made.statement] = made.made;
  }
}

// Of the exchanges below that number.
void StatementNames::DropPending(uint64_t below) {
  while (first_pending_ < pending_.size() && pending_[first_pending_].exchange < below) {
    ++first_pending_;
  }
  if (first_pending_ < pending_.size()) return;
  pending_.clear();
  first_pending_ = 0;
}

void StatementNames::Failed() { DropPending(answered_ + 1); }

void StatementNames::Ready(bool settled) {
  Failed();
  ++answered_;
  if (!settled) return;
  answered_ = sent_;
  DropPending(sent_);
  overflowed_ = false;
}

void StatementNames::ForgetStatements() {
  statements_.clear();
  unnamed_ = {};
}

}  // namespace pgparity::proxy
