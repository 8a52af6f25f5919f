// Frames: one wire message each (PostgreSQL protocol, "Message Formats").
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace pgparity::protocol {

// Nanoseconds on the proxy's stamp clock: monotonic within a process, and never less than any
// stamp that an earlier process on the same data directory wrote.
using Stamp = uint64_t;

// One whole message. `body` excludes the tag and the length word, and is valid until the next call
// on the reader that returned it.
struct Frame {
  char tag = 0;
  std::string_view body;
  Stamp first = 0;           // stamp of the piece that held the frame's first byte
  Stamp last = 0;            // stamp of the piece that completed it
  bool truncated = false;    // the body was larger than the reader's limit, and is empty
  uint64_t wire_length = 0;  // bytes on the wire, tag and length word included
};

// Reassembles frames from the pieces of one direction of a session, after login (every message has
// a tag). Memory: at most one partial frame of up to `max_body` bytes; a larger one is counted and
// dropped as it comes.
class FrameReader {
 public:
  explicit FrameReader(size_t max_body) : max_body_(max_body) {}

  // Adds the next bytes of the stream. They are not copied while whole frames lie within them, so
  // `bytes` must stay valid until Next() has returned nullopt.
  void Push(std::string_view bytes, Stamp stamp);

  // The next whole frame, nullopt when more bytes are needed, or an error for a length word below 4
  // (the stream cannot be followed after it; every later call returns the same error).
  absl::StatusOr<std::optional<Frame>> Next();

  // True when the stream is at a frame boundary with nothing buffered.
  bool AtBoundary() const { return partial_.empty() && input_.empty() && skip_ == 0; }

  // Forgets everything buffered, the error included.
  void Reset();

 private:
  absl::StatusOr<std::optional<Frame>> Take(Frame frame);
  std::optional<Frame> Keep();  // moves an unfinished frame's bytes into partial_
  bool Fill(uint64_t size);     // grows partial_ to `size`; false when the input ends before
  std::optional<Frame> BeginSkip(const Frame& frame);
  std::optional<Frame> Skip();

  const size_t max_body_;
  std::string_view input_;  // the unread rest of the last Push
  std::string partial_;     // a frame whose end has not come yet, from its tag on
  std::string frame_;       // owns the body of a frame that lay in several pieces
  std::string carried_;     // owns the input when Push came before the last one was read out
  uint64_t skip_ = 0;       // bytes of an oversized frame still to drop
  Frame skipped_;           // that frame, reported once it has passed
  Stamp input_stamp_ = 0;
  Stamp partial_stamp_ = 0;
  absl::Status error_;
};

}  // namespace pgparity::protocol
