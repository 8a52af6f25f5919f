// The canonical form's own small notation. Private to
// value*.cc.
#pragma once

#include <cstdint>
#include <string>

namespace pgparity::protocol::value_internal {

inline void AppendU32(uint32_t value, std::string* out) {
  for (int shift = 24; shift >= 0; shift -= 8) out->push_back(static_cast<char>(value >> shift));
}

// The length word of a NULL part of a container.
inline constexpr uint32_t kNullPart = 0xFFFFFFFF;

// Parts of containers stand behind a u32 length, which is known only afterwards: Begin() leaves
// room for it, End() fills it in (false: the part is too long to be described).
inline size_t BeginPart(std::string* out) {
  AppendU32(0, out);
  return out->size();
}
inline bool EndPart(size_t begin, std::string* out) {
  const uint64_t length = out->size() - begin;
  if (length >= kNullPart) return false;
  for (size_t i = 0; i < 4; ++i) {
    (*out)[begin - 4 + i] = static_cast<char>(length >> (24 - 8 * i));
  }
  return true;
}

}  // namespace pgparity::protocol::value_internal
