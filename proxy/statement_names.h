// The prepared statements and portals of one session, by name, as far as it takes to know what an
// Execute runs. Bounded; what it does not know is `unknown`.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "proxy/statement_class.h"

namespace pgparity::proxy {

// Names are given as ClassCache::Hash of them; `unnamed` for the empty one. What a Parse makes
// holds within its own pipeline, where an error skips all that follows, and for good once the
// server has completed it.
class StatementNames {
 public:
  static constexpr uint64_t kUnnamed = 0;

  // --- the client's messages, in their order ---
  // `fingerprint`: of the text, for Fingerprint(); 0: none.
  void Parse(uint64_t statement, StatementClass is, uint64_t fingerprint = 0);
  void Bind(uint64_t portal, uint64_t statement);
  StatementClass Portal(uint64_t portal) const;
  uint64_t Fingerprint(uint64_t statement) const { return Statement(statement).fingerprint; }
  void CloseStatement(uint64_t statement);
  void ClosePortal(uint64_t portal);
  void ExchangeSent() { ++sent_; }          // Query, Sync, FunctionCall
  void QuerySent() { unnamed_ = Known(); }  // it drops the unnamed statement

  // --- the server's ---
  void ParseCompleted();
  void Failed();             // ErrorResponse
  void Ready(bool settled);  // ReadyForQuery; nothing is outstanding any more
  void TransactionOver() {
    portals_.clear();
    unnamed_portal_ = StatementClass::unknown;
  }
  // DEALLOCATE and DISCARD: of one name that we do not know, or of all.
  void ForgetStatements();

 private:
  struct Known {
    StatementClass is = StatementClass::unknown;
    uint64_t fingerprint = 0;
  };
  struct Pending {
    uint64_t exchange, statement;
    Known made;
  };
  static constexpr size_t kMaxStatements = 4096, kMaxPortals = 256, kMaxPending = 1024;
  Known Statement(uint64_t statement) const;
  void DropPending(uint64_t below);

  absl::flat_hash_map<uint64_t, Known> statements_;
  absl::flat_hash_map<uint64_t, StatementClass> portals_;
  Known unnamed_;
  StatementClass unnamed_portal_ = StatementClass::unknown;
  std::vector<Pending> pending_;  // sent, and, from `first_pending_` on, not completed yet
  size_t first_pending_ = 0;
  bool overflowed_ = false;  // some were not kept: none is confirmed until all is answered
  uint64_t sent_ = 0, answered_ = 0;
};

}  // namespace pgparity::proxy
