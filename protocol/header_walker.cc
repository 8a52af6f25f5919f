#include "protocol/header_walker.h"

#include <algorithm>
#include <cstring>

namespace pgparity::protocol {

HeaderWalker::Step HeaderWalker::Next(std::string_view piece, size_t* at) {
  if (bad_) return Step::bad_length;
  const uint64_t passed = std::min<uint64_t>(body_left_, piece.size() - *at);
  body_left_ -= passed;
  *at += passed;
  if (*at == piece.size()) return Step::piece_end;

  const uint8_t held = have_;
  const size_t begin = *at;
  const size_t take = std::min(kHeader - held, piece.size() - *at);
  std::memcpy(header_.bytes + held, piece.data() + *at, take);
  have_ = static_cast<uint8_t>(held + take);
  *at += take;
  if (have_ < kHeader) return Step::piece_end;

  const auto* b = reinterpret_cast<const uint8_t*>(header_.bytes) + 1;
  const uint32_t length = uint32_t{b[0]} << 24 | uint32_t{b[1]} << 16 | uint32_t{b[2]} << 8 | b[3];
  if (length < 4 || length > max_length_) {
    bad_ = true;
    *at = begin;
    header_.held = held;
    return Step::bad_length;
  }
  header_.tag = header_.bytes[0];
  header_.body = length - 4;
  header_.held = held;
  body_left_ = header_.body;
  have_ = 0;
  return Step::header;
}

}  // namespace pgparity::protocol
