// Bounded reading of a binary value, and the canonical form's own small notation. Private to
// value*.cc.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace pgparity::protocol::value_internal {

// Reads big-endian integers from a bounded view. After a short read ok() is false for good, and
// every further read gives zero or nothing.
class ValueReader {
 public:
  explicit ValueReader(std::string_view bytes) : rest_(bytes) {}

  uint8_t U8() { return static_cast<uint8_t>(Read(1)); }
  uint16_t U16() { return static_cast<uint16_t>(Read(2)); }
  uint32_t U32() { return static_cast<uint32_t>(Read(4)); }
  uint64_t U64() { return Read(8); }
  int16_t I16() { return static_cast<int16_t>(U16()); }
  int32_t I32() { return static_cast<int32_t>(U32()); }
  int64_t I64() { return static_cast<int64_t>(U64()); }

  std::string_view Bytes(size_t n) {
    if (!ok_ || n > rest_.size()) {
      ok_ = false;
      return {};
    }
    std::string_view result = rest_.substr(0, n);
    rest_.remove_prefix(n);
    return result;
  }

  size_t remaining() const { return ok_ ? rest_.size() : 0; }
  bool ok() const { return ok_; }
  // Everything was read, and nothing was missing.
  bool Done() const { return ok_ && rest_.empty(); }

 private:
  uint64_t Read(size_t n) {
    uint64_t result = 0;
    for (const char c : Bytes(n)) result = result << 8 | static_cast<uint8_t>(c);
    return result;
  }

  std::string_view rest_;
  bool ok_ = true;
};

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
