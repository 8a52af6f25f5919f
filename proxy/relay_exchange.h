// What forwarding needs to know of a session's state: the transaction status and whether anything
// is outstanding. From the tags of both directions alone (PostgreSQL manual, "Message Flow").
#pragma once

#include <algorithm>
#include <cstdint>

#include "protocol/session_tracker.h"

namespace pgparity::proxy {

// The requests that the server answers with ReadyForQuery, oldest first. The kinds of the oldest 64
// are known, of more only their number: those count as queries.
class OutstandingRequests {
 public:
  uint64_t count() const { return count_; }
  void PushQuery() { ++count_; }
  void PushSync() {
    if (count_ < 64) syncs_ |= uint64_t{1} << count_;
    ++count_;
  }
  void Pop() {
    if (count_ == 0) return;
    --count_;
    syncs_ >>= 1;
  }
  // Takes out all Syncs but the newest `keep`. True if any was.
  bool DropSyncs(uint64_t keep);

 private:
  uint64_t syncs_ = 0;  // bit i: the i-th oldest is a Sync
  uint64_t count_ = 0;
};

class ExchangeState {
 public:
  void ClientTag(char tag);
  // `tag` of a server frame other than ReadyForQuery.
  void ServerTag(char tag);
  void Ready(char status);

  char status() const { return status_; }
  uint64_t outstanding() const { return requests_.count(); }
  // Nothing that the server still has to answer or to wait for. Frames that are not whole yet are
  // the caller's to know.
  bool Settled() const { return requests_.count() == 0 && !open_ && copy_ == CopyIn::none; }
  // The same, and outside of a transaction block.
  bool Idle() const { return status_ == 'I' && Settled(); }

 private:
  enum class CopyIn : uint8_t {
    none,
    receiving,  // the server takes copy data and ignores Sync
    ended,      // the client has sent CopyDone or CopyFail
  };

  OutstandingRequests requests_;
  char status_ = 'I';
  bool open_ = false;  // extended-protocol messages were sent that no Sync has followed
  CopyIn copy_ = CopyIn::none;
  // CopyDone or CopyFail was sent before the server said that it takes copy data (pipelined), and
  // this many Syncs after it.
  bool end_ahead_ = false;
  uint64_t syncs_after_end_ = 0;
};

}  // namespace pgparity::proxy
