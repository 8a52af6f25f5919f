#include "proxy/frame_cutter.h"

#include <algorithm>

namespace pgparity::proxy {
namespace {

// A buffer that grew larger than this is given back.
constexpr size_t kKeptCapacity = 1024;

uint32_t LengthWord(std::string_view frame) {
  const auto* b = reinterpret_cast<const uint8_t*>(frame.data()) + 1;
  return uint32_t{b[0]} << 24 | uint32_t{b[1]} << 16 | uint32_t{b[2]} << 8 | b[3];
}

}  // namespace

// What there is of the frame at the begin of `bytes`: a cut of kind none where `*need` bytes are
// needed to give it.
FrameCutter::Cut FrameCutter::Header(std::string_view bytes, bool rows_whole, size_t* need) {
  *need = kHeader;
  if (bytes.size() < kHeader) return {};
  const uint32_t length = LengthWord(bytes);
  if (length < 4 || length > max_length_) {
    opaque_ = true;
    return {Cut::Kind::opaque, 0, false, bytes};
  }
  Cut cut{Cut::Kind::frame, bytes[0], false, {}};
  const uint64_t total = uint64_t{1} + length;
  const bool row = cut.tag == 'D' || cut.tag == 'd';
  *need = total;
  if (total > limit_ || (row && !rows_whole)) {
    cut.kind = Cut::Kind::begin;
    if (row) *need = kHeader;
    *need = std::min<uint64_t>(*need, kHeader + kPrefix);
  }
  if (bytes.size() < *need) return {};
  cut.bytes = bytes.substr(0, std::min<uint64_t>(total, bytes.size()));
  left_ = total - cut.bytes.size();
  if (left_ == 0) cut.kind = Cut::Kind::frame;
  tag_ = cut.tag;
  return cut;
}

// Takes from the piece until that many bytes are kept, or it is used up.
FrameCutter::Cut FrameCutter::Keep(size_t until) {
  const size_t take = std::min(until - kept_.size(), piece_.size() - at_);
  kept_.append(piece_.substr(at_, take));
  at_ += take;
  return {};
}

FrameCutter::Cut FrameCutter::Next(bool rows_whole) {
  if (used_) {
    used_ = false;
    if (kept_.capacity() > kKeptCapacity) std::string().swap(kept_);
    kept_.clear();
  }
  if (left_ != 0 || opaque_) {
    const uint64_t most = opaque_ ? piece_.size() : left_;
    const std::string_view rest = piece_.substr(at_, most);
    if (rest.empty()) return {};
    at_ += rest.size();
    if (!opaque_) left_ -= rest.size();
    return {opaque_ ? Cut::Kind::opaque : Cut::Kind::rest, tag_, false, rest};
  }
  size_t need = 0;
  if (kept_.empty()) {
    const Cut cut = Header(piece_.substr(at_), rows_whole, &need);
    if (cut.kind == Cut::Kind::none) return Keep(piece_.size());
    at_ += cut.bytes.size();
    return cut;
  }
  while (true) {
    Cut cut = Header(kept_, rows_whole, &need);
    if (cut.kind != Cut::Kind::none) {
      cut.kept = used_ = true;
      return cut;
    }
    if (at_ == piece_.size()) return {};
    Keep(need);
  }
}

std::string_view FrameCutter::TakeRest() {
  const std::string_view rest = piece_.substr(at_);
  at_ = piece_.size();
  return rest;
}

}  // namespace pgparity::proxy
