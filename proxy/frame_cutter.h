// Cuts one direction of a stream into frames, however its bytes come in pieces: for what must see a
// frame whole before any byte of it goes on.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace pgparity::proxy {

class FrameCutter {
 public:
  static constexpr size_t kHeader = 5;  // tag and length word
  // Of a frame that is not given whole, this much of the body is in its first cut.
  static constexpr size_t kPrefix = 256;

  struct Cut {
    enum class Kind : uint8_t {
      none,    // the piece is used up; what is left of it begins a frame, and is kept
      frame,   // a whole one
      begin,   // the first bytes of a larger one
      rest,    // more of them
      opaque,  // bytes behind a length word that cannot be right, as they come
    };
    Kind kind = Kind::none;
    char tag = 0;
    bool kept = false;       // the bytes are the cutter's, until the next call; else the piece's
    std::string_view bytes;  // its header included
    std::string_view body() const { return bytes.substr(kHeader); }
  };

  // Frames of more than `limit` bytes are not given whole.
  FrameCutter(size_t limit, uint32_t max_length) : limit_(limit), max_length_(max_length) {}

  // The next piece, valid while Next() is called on it. The last one has been used up.
  void Give(std::string_view piece) {
    piece_ = piece;
    at_ = 0;
  }
  // Without `rows_whole` DataRow and CopyData are given as they come.
  Cut Next(bool rows_whole);
  // What Next() has not come to: looked at, or taken, and then nothing is kept of it. Begins with a
  // frame where AtBoundary().
  std::string_view rest() const { return piece_.substr(at_); }
  std::string_view TakeRest();

  // No byte is kept, and no frame is under way.
  bool AtBoundary() const { return (kept_.empty() || used_) && left_ == 0; }

 private:
  Cut Header(std::string_view bytes, bool rows_whole, size_t* need);
  Cut Keep(size_t until);

  const size_t limit_;
  const uint32_t max_length_;
  std::string_view piece_;
  size_t at_ = 0;
  std::string kept_;   // the begin of a frame that is not whole
  bool used_ = false;  // it was given with the last cut
  uint64_t left_ = 0;  // bytes of the frame under way
  char tag_ = 0;       // its tag
  bool opaque_ = false;
};

}  // namespace pgparity::proxy
