#include "proxy/hold_context.h"

namespace pgparity::proxy {

const HoldShape* HoldContext::Find(uint64_t fingerprint) const {
  const auto found = shapes_.find(fingerprint);
  return found != shapes_.end() && found->second.known ? &found->second.shape : nullptr;
}

const HoldShape* HoldContext::Find(uint64_t fingerprint, std::string_view text) {
  const auto found = shapes_.find(fingerprint);
  if (found != shapes_.end()) return found->second.known ? &found->second.shape : nullptr;
  // Texts that never come again fill it: begin anew.
  if (shapes_.size() >= kMaxShapes) shapes_.clear();
  if (analyser_->Ask(fingerprint, text)) shapes_[fingerprint] = Entry{};
  return nullptr;
}

void HoldContext::Put(uint64_t fingerprint, const HoldShape& shape) {
  if (shapes_.size() >= kMaxShapes) shapes_.clear();
  shapes_[fingerprint] = Entry{true, shape};
}

}  // namespace pgparity::proxy
