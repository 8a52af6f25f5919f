#include "proxy/relay_exchange.h"

#include <bit>

namespace pgparity::proxy {

bool OutstandingRequests::DropSyncs(uint64_t keep) {
  const uint64_t known = std::min<uint64_t>(count_, 64);
  uint64_t droppable = std::popcount(syncs_);
  droppable -= std::min(droppable, keep);
  if (droppable == 0) return false;
  uint64_t kept_bits = 0, kept = 0, dropped = 0;
  for (uint64_t i = 0; i < known; ++i) {
    const bool sync = (syncs_ >> i & 1) != 0;
    if (sync && dropped < droppable) {
      ++dropped;
      continue;
    }
    kept_bits |= uint64_t{sync} << kept++;
  }
  syncs_ = kept_bits;
  count_ -= dropped;
  return true;
}

void ExchangeState::ClientTag(char tag) {
  switch (tag) {
    case 'Q':
    case 'F':
      requests_.PushQuery();
      return;
    case 'S':
      if (copy_ == CopyIn::receiving) return;
      requests_.PushSync();
      open_ = false;
      if (end_ahead_) ++syncs_after_end_;
      return;
    case 'c':
    case 'f':
      if (copy_ == CopyIn::receiving) {
        copy_ = CopyIn::ended;
      } else {
        end_ahead_ = true;
        syncs_after_end_ = 0;
      }
      return;
    case 'd':
    case 'H':
    case 'X':
      return;
    default:
      open_ = true;
      return;
  }
}

void ExchangeState::ServerTag(char tag) {
  switch (tag) {
    case 'G':
      // The server ignores every Sync that it reads before CopyDone or CopyFail.
      if (!end_ahead_) syncs_after_end_ = 0;
      if (requests_.DropSyncs(syncs_after_end_)) open_ = syncs_after_end_ == 0;
      copy_ = end_ahead_ ? CopyIn::ended : CopyIn::receiving;
      end_ahead_ = false;
      return;
    case 'C':
    case 'E':
      copy_ = CopyIn::none;
      return;
    default:
      return;
  }
}

void ExchangeState::Ready(char status) {
  status_ = status;
  copy_ = CopyIn::none;
  requests_.Pop();
  if (requests_.count() == 0) end_ahead_ = false;
}

}  // namespace pgparity::proxy
