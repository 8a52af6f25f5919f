#include "protocol/frame.h"

#include <algorithm>
#include <utility>

#include "protocol/text.h"
#include "protocol/wire.h"

namespace pgparity::protocol {
namespace {

constexpr size_t kHeader = 5;  // tag and length word
// A buffer of a frame that lay in pieces is kept for the next one up to this capacity.
constexpr size_t kKeptCapacity = 64 << 10;

// The length word of a frame whose header is whole. The server reads it as signed.
int32_t LengthWord(std::string_view frame) { return WireReader(frame.substr(1)).ReadInt32(); }

void Release(std::string* buffer) {
  if (buffer->capacity() > kKeptCapacity) {
    *buffer = std::string();
  } else {
    buffer->clear();
  }
}

}  // namespace

void FrameReader::Push(std::string_view bytes, Stamp stamp) {
  if (!error_.ok()) return;
  if (input_.empty()) {
    input_ = bytes;
  } else {
    // The caller did not read to the end: keep what it left, so that nothing is lost.
    carried_.assign(input_);
    carried_.append(bytes);
    input_ = carried_;
  }
  input_stamp_ = stamp;
}

absl::StatusOr<std::optional<Frame>> FrameReader::Next() {
  if (!error_.ok()) return error_;
  Release(&frame_);
  if (skip_ > 0) return Skip();
  if (partial_.empty() && input_.size() < kHeader) return Keep();
  if (!partial_.empty() && !Fill(kHeader)) return std::optional<Frame>();

  const std::string_view head = partial_.empty() ? input_ : std::string_view(partial_);
  const int32_t length = LengthWord(head);
  if (length < 4) {
    error_ = absl::InvalidArgumentError(StrCat("a message with the length word ", length));
    return error_;
  }
  Frame frame;
  frame.tag = head[0];
  frame.wire_length = uint64_t{1} + static_cast<uint64_t>(length);
  frame.first = partial_.empty() ? input_stamp_ : partial_stamp_;
  if (frame.wire_length - kHeader > max_body_) return BeginSkip(frame);
  return Take(frame);
}

absl::StatusOr<std::optional<Frame>> FrameReader::Take(Frame frame) {
  if (partial_.empty()) {
    if (input_.size() < frame.wire_length) return Keep();
    frame.body = input_.substr(kHeader, frame.wire_length - kHeader);
    input_.remove_prefix(frame.wire_length);
  } else {
    if (!Fill(frame.wire_length)) return std::optional<Frame>();
    frame_ = std::move(partial_);
    partial_.clear();
    frame.body = std::string_view(frame_).substr(kHeader);
  }
  frame.last = input_stamp_;
  return std::optional<Frame>(frame);
}

std::optional<Frame> FrameReader::Keep() {
  if (!input_.empty()) {
    partial_.assign(input_);
    partial_stamp_ = input_stamp_;
    input_ = {};
  }
  return std::nullopt;
}

bool FrameReader::Fill(uint64_t size) {
  if (partial_.size() < size) {
    const auto missing = static_cast<size_t>(size - partial_.size());
    const std::string_view piece = input_.substr(0, missing);
    partial_.append(piece);
    input_.remove_prefix(piece.size());
  }
  return partial_.size() >= size;
}

std::optional<Frame> FrameReader::BeginSkip(const Frame& frame) {
  skipped_ = frame;
  skipped_.truncated = true;
  skip_ = frame.wire_length;
  if (partial_.empty()) {
    return Skip();
  }
  skip_ -= partial_.size();
  Release(&partial_);
  return Skip();
}

std::optional<Frame> FrameReader::Skip() {
  const auto dropped = static_cast<size_t>(std::min<uint64_t>(skip_, input_.size()));
  input_.remove_prefix(dropped);
  skip_ -= dropped;
  if (skip_ > 0) return std::nullopt;
  skipped_.last = input_stamp_;
  return skipped_;
}

void FrameReader::Reset() {
  input_ = {};
  partial_.clear();
  frame_.clear();
  carried_.clear();
  skip_ = 0;
  error_ = absl::OkStatus();
}

}  // namespace pgparity::protocol
