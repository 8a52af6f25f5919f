// Little-endian integers, varints and length-prefixed bytes: what the journal's records are made
// of.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace pgparity::shadow {

// Appends to a string that the caller owns and that outlives the writer.
class ByteWriter {
 public:
  explicit ByteWriter(std::string* out) : out_(out) {}

  void U8(uint8_t value) { out_->push_back(static_cast<char>(value)); }
  void U16(uint16_t value) { Fixed(value, 2); }
  void U32(uint32_t value) { Fixed(value, 4); }
  void U64(uint64_t value) { Fixed(value, 8); }
  // LEB128: seven bits a byte, the lowest first.
  void Varint(uint64_t value) {
    for (; value >= 0x80; value >>= 7) U8(static_cast<uint8_t>(value | 0x80));
    U8(static_cast<uint8_t>(value));
  }
  void Bytes(std::string_view bytes) {
    Varint(bytes.size());
    out_->append(bytes);
  }
  void Raw(std::string_view bytes) { out_->append(bytes); }

  // Starts a block whose u32 length EndBlock fills in. Returns what EndBlock wants.
  size_t BeginBlock() {
    U32(0);
    return out_->size();
  }
  void EndBlock(size_t begin) { PatchU32(begin - 4, static_cast<uint32_t>(out_->size() - begin)); }
  void PatchU32(size_t at, uint32_t value) {
    for (size_t i = 0; i < 4; ++i) (*out_)[at + i] = static_cast<char>(value >> (8 * i) & 0xff);
  }

 private:
  void Fixed(uint64_t value, size_t width) {
    char bytes[8];
    for (size_t i = 0; i < width; ++i) bytes[i] = static_cast<char>(value >> (8 * i) & 0xff);
    out_->append(bytes, width);
  }

  std::string* out_;
};

// Reads from a bounded view. A read past the end gives zero or an empty view and sets a failure
// that stays: decode all fields first, then ask ok() once. Views returned point into the view
// given.
class ByteReader {
 public:
  explicit ByteReader(std::string_view bytes) : rest_(bytes) {}

  bool ok() const { return ok_; }
  bool AtEnd() const { return ok_ && rest_.empty(); }
  size_t remaining() const { return rest_.size(); }
  void Fail() {
    ok_ = false;
    rest_ = {};
  }

  uint8_t U8() { return static_cast<uint8_t>(Fixed(1)); }
  uint16_t U16() { return static_cast<uint16_t>(Fixed(2)); }
  uint32_t U32() { return static_cast<uint32_t>(Fixed(4)); }
  uint64_t U64() { return Fixed(8); }
  uint64_t Varint() {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      const uint8_t byte = U8();
      // The tenth byte has room for one bit.
      if (shift == 63 && byte > 1) break;
      value |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    Fail();
    return 0;
  }
  // A count of things that take at least `least` bytes each: no larger than the bytes left allow.
  size_t Count(size_t least) {
    const uint64_t count = Varint();
    if (count > rest_.size() / least) {
      Fail();
      return 0;
    }
    return static_cast<size_t>(count);
  }
  std::string_view Bytes() { return Raw(Varint()); }
  std::string_view Raw(uint64_t size) {
    if (size > rest_.size()) {
      Fail();
      return {};
    }
    const std::string_view bytes = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return bytes;
  }
  std::string_view Rest() { return Raw(rest_.size()); }
  // A value of an enum whose values run from 0 to `last`.
  template <typename Enum>
  Enum Enumerator(Enum last) {
    const uint8_t value = U8();
    if (value > static_cast<uint8_t>(last)) {
      Fail();
      return Enum{};
    }
    return static_cast<Enum>(value);
  }

 private:
  uint64_t Fixed(size_t width) {
    uint64_t value = 0;
    const std::string_view bytes = Raw(width);
    for (size_t i = bytes.size(); i-- > 0;) value = value << 8 | static_cast<uint8_t>(bytes[i]);
    return value;
  }

  std::string_view rest_;
  bool ok_ = true;
};

}  // namespace pgparity::shadow
