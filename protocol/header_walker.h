// Walks the frame headers of one direction in place, after login: it finds where frames begin
// without holding or copying their bodies, however the bytes are cut into pieces.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace pgparity::protocol {

class HeaderWalker {
 public:
  static constexpr size_t kHeader = 5;  // tag and length word

  enum class Step : uint8_t {
    header,      // a header is whole: see header(); *at is behind it
    piece_end,   // the piece is used up
    bad_length,  // a length word below 4 or above the limit; *at is where that header begins in
                 // the piece (0 when it began earlier). Every later call says so again.
  };

  struct Header {
    char tag = 0;
    uint32_t body = 0;  // bytes of body announced
    uint8_t held = 0;   // leading bytes of the header that came in earlier pieces
    char bytes[kHeader] = {};

    uint64_t wire_length() const { return uint64_t{kHeader} + body; }
    std::string_view held_bytes() const { return {bytes, held}; }
  };

  // `max_length`: the largest length word that passes.
  explicit HeaderWalker(uint32_t max_length) : max_length_(max_length) {}

  // Goes on from piece[*at] to the next whole header. Call until it says piece_end, then with the
  // next piece and *at = 0.
  Step Next(std::string_view piece, size_t* at);

  const Header& header() const { return header_; }
  // Bytes of the current frame's body that Next() has not passed yet.
  uint64_t body_left() const { return body_left_; }
  // Bytes held of a header that is not whole yet.
  size_t partial() const { return have_; }
  bool AtBoundary() const { return body_left_ == 0 && have_ == 0; }

 private:
  const uint32_t max_length_;
  uint64_t body_left_ = 0;
  uint8_t have_ = 0;
  bool bad_ = false;
  Header header_;
};

}  // namespace pgparity::protocol
