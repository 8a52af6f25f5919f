#include "proxy/cancel_registry.h"

#include <algorithm>

#include "protocol/text.h"

namespace pgparity::proxy {
namespace {

std::string NameOf(int32_t process_id, std::string_view key) {
  return protocol::StrCat(process_id, ":", key);
}

}  // namespace

bool TokenBucket::Take(Stamp now) {
  if (at_ == 0) at_ = now;
  if (now > at_) {
    tokens_ = std::min(burst_, tokens_ + static_cast<double>(now - at_) * 1e-9 * per_second_);
    at_ = now;
  }
  if (tokens_ < 1) return false;
  tokens_ -= 1;
  return true;
}

void CancelRegistry::Add(int32_t process_id, std::string_view key) {
  MutexLock lock(&mutex_);
  ++live_[NameOf(process_id, key)].sessions;
}

void CancelRegistry::Remove(int32_t process_id, std::string_view key) {
  MutexLock lock(&mutex_);
  const auto found = live_.find(NameOf(process_id, key));
  if (found != live_.end() && --found->second.sessions == 0) live_.erase(found);
}

bool CancelRegistry::Admit(int32_t process_id, std::string_view key, Stamp now) {
  MutexLock lock(&mutex_);
  const auto found = live_.find(NameOf(process_id, key));
  return found != live_.end() && found->second.bucket.Take(now) && all_.Take(now);
}

}  // namespace pgparity::proxy
