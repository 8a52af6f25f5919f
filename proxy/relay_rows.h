// Rows up to a limit a statement, then a digest: decides for each row of the server whether it is
// recorded, and hashes those that are not as they pass.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "protocol/session_tracker.h"

struct XXH3_state_s;

namespace pgparity::proxy {

class RowLimiter {
 public:
  // `limit`: bytes of rows on the wire that are recorded of one statement.
  explicit RowLimiter(size_t limit);
  ~RowLimiter();

  // A row begins whose message has this length. False: it is left out, as are all rows of the
  // statement behind it, and its body must be given to Skip().
  bool Take(uint64_t wire_length) {
    if (wire_length <= left_) {
      left_ -= wire_length;
      return true;
    }
    left_ = 0;
    return false;
  }
  // The next bytes of the body of a row left out; `whole`: they end it.
  void Skip(std::string_view part, bool whole);
  // Part of a row left out has been given, and its end has not.
  bool in_row() const { return in_row_; }

  bool has_digest() const { return digest_.rows != 0; }
  const protocol::RowDigest& digest() const { return digest_; }
  // The statement is over.
  void Reset() {
    left_ = limit_;
    digest_ = {};
    in_row_ = false;
  }

 private:
  struct StateDeleter {
    void operator()(XXH3_state_s* state) const;
  };
  void AddRow(uint64_t hash, uint64_t bytes);

  const uint64_t limit_;
  uint64_t left_;
  bool in_row_ = false;
  uint64_t row_bytes_ = 0;
  protocol::RowDigest digest_;
  std::unique_ptr<XXH3_state_s, StateDeleter> hash_;  // made for the first row that spans pieces
};

}  // namespace pgparity::proxy
