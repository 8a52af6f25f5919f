// Reading and writing the wire's primitive values (PostgreSQL protocol, "Message Data Types"):
// big-endian integers and null-terminated strings.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

namespace pgparity::protocol {

// Reads from a bounded view. A read past the end gives zero or an empty view and sets a failure
// that stays: decode all fields first, then ask ok() once. Views returned point into the view
// given.
class WireReader {
 public:
  explicit WireReader(std::string_view bytes) : rest_(bytes) {}

  bool ok() const { return ok_; }
  // All bytes were read, and no read failed.
  bool AtEnd() const { return ok_ && rest_.empty(); }
  size_t remaining() const { return rest_.size(); }
  std::string_view rest() const { return rest_; }
  // Makes the failure sticky from outside, for a value that is read well and makes no sense.
  void Fail() {
    ok_ = false;
    rest_ = {};
  }

  uint8_t ReadUint8() { return static_cast<uint8_t>(ReadBigEndian(1)); }
  int16_t ReadInt16() { return static_cast<int16_t>(ReadBigEndian(2)); }
  uint16_t ReadUint16() { return static_cast<uint16_t>(ReadBigEndian(2)); }
  int32_t ReadInt32() { return static_cast<int32_t>(ReadBigEndian(4)); }
  uint32_t ReadUint32() { return static_cast<uint32_t>(ReadBigEndian(4)); }
  int64_t ReadInt64() { return static_cast<int64_t>(ReadBigEndian(8)); }

  std::string_view ReadBytes(size_t count) {
    if (count > rest_.size()) {
      Fail();
      return {};
    }
    const std::string_view bytes = rest_.substr(0, count);
    rest_.remove_prefix(count);
    return bytes;
  }

  // A null-terminated string, without its null.
  std::string_view ReadCString() {
    const size_t end = rest_.find('\0');
    if (end == std::string_view::npos) {
      Fail();
      return {};
    }
    const std::string_view text = rest_.substr(0, end);
    rest_.remove_prefix(end + 1);
    return text;
  }

  std::string_view ReadRest() { return ReadBytes(rest_.size()); }

 private:
  uint64_t ReadBigEndian(size_t width) {
    uint64_t value = 0;
    for (const char byte : ReadBytes(width)) value = value << 8 | static_cast<uint8_t>(byte);
    return value;
  }

  std::string_view rest_;
  bool ok_ = true;
};

// Appends to a string that the caller owns and that outlives the writer.
class WireWriter {
 public:
  explicit WireWriter(std::string* out) : out_(out) {}

  WireWriter& Uint8(uint8_t value) { return BigEndian(value, 1); }
  WireWriter& Int16(int16_t value) { return BigEndian(static_cast<uint16_t>(value), 2); }
  WireWriter& Int32(int32_t value) { return BigEndian(static_cast<uint32_t>(value), 4); }
  WireWriter& Uint32(uint32_t value) { return BigEndian(value, 4); }
  WireWriter& Int64(int64_t value) { return BigEndian(static_cast<uint64_t>(value), 8); }
  WireWriter& Bytes(std::string_view bytes) {
    out_->append(bytes);
    return *this;
  }
  // The text up to its first null, which would end it on the wire, and a null.
  WireWriter& CString(std::string_view text) {
    out_->append(text.substr(0, text.find('\0')));
    out_->push_back('\0');
    return *this;
  }

  // Starts a message: its tag (0: none, as in a startup packet) and a length that EndMessage fills
  // in. Messages do not nest.
  WireWriter& BeginMessage(char tag) {
    if (tag != 0) out_->push_back(tag);
    length_at_ = out_->size();
    return Int32(0);
  }
  WireWriter& EndMessage() {
    const auto length = static_cast<uint32_t>(out_->size() - length_at_);
    for (size_t i = 0; i < 4; ++i) {
      (*out_)[length_at_ + i] = static_cast<char>(length >> (24 - 8 * i) & 0xff);
    }
    return *this;
  }

 private:
  WireWriter& BigEndian(uint64_t value, size_t width) {
    for (size_t i = width; i-- > 0;) out_->push_back(static_cast<char>(value >> (8 * i) & 0xff));
    return *this;
  }

  std::string* out_;
  size_t length_at_ = 0;
};

// One whole message: tag (0 for none), length word, body.
inline void AppendMessage(std::string* out, char tag, std::string_view body) {
  WireWriter(out).BeginMessage(tag).Bytes(body).EndMessage();
}

// An ErrorResponse as a server of protocol 3 sends it; `severity` is ERROR, FATAL or PANIC.
inline void AppendErrorResponse(std::string* out, std::string_view severity,
                                std::string_view sqlstate, std::string_view message,
                                std::string_view hint = {}) {
  WireWriter writer(out);
  writer.BeginMessage('E');
  for (const auto& [code, text] : {std::pair<char, std::string_view>{'S', severity},
                                   {'V', severity},
                                   {'C', sqlstate},
                                   {'M', message},
                                   {'H', hint}}) {
    if (!text.empty()) writer.Uint8(static_cast<uint8_t>(code)).CString(text);
  }
  writer.Uint8(0).EndMessage();
}

}  // namespace pgparity::protocol
