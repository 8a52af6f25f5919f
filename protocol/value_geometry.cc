// The geometric types: coordinates as floats, in the punctuation of their text form.
#include <bit>

#include "protocol/value_internal.h"
#include "protocol/wire.h"

namespace pgparity::protocol::value_internal {
namespace {

constexpr uint32_t kPoint = 600, kLseg = 601, kPath = 602, kBox = 603, kPolygon = 604, kLine = 628,
                   kCircle = 718;

bool CountIsRight(uint32_t type_oid, size_t numbers) {
  switch (type_oid) {
    case kPoint:
      return numbers == 2;
    case kLseg:
    case kBox:
      return numbers == 4;
    case kLine:
    case kCircle:
      return numbers == 3;
    default:
      return numbers % 2 == 0 && numbers > 0;
  }
}

bool FromText(std::string_view text, uint32_t type_oid, std::string* out) {
  constexpr std::string_view kPunctuation = "()[]{}<>,";
  size_t numbers = 0;
  while (!text.empty()) {
    if (kPunctuation.find(text[0]) != std::string_view::npos) {
      out->push_back(text[0]);
      text.remove_prefix(1);
      continue;
    }
    const size_t end = text.find_first_of(kPunctuation);
    if (!AppendFloat(text.substr(0, end), Format::text, true, out)) return false;
    ++numbers;
    text.remove_prefix(end == std::string_view::npos ? text.size() : end);
  }
  return CountIsRight(type_oid, numbers);
}

class BinaryReader {
 public:
  BinaryReader(std::string_view value, std::string* out) : in_(value), out_(out) {}

  void Number() {
    AppendDouble(std::bit_cast<double>(static_cast<uint64_t>(in_.ReadInt64())), out_);
  }
  void Point() {
    out_->push_back('(');
    Number();
    out_->push_back(',');
    Number();
    out_->push_back(')');
  }
  // "(x,y),(x,y)" between the brackets.
  void Points(size_t count, std::string_view open, std::string_view close) {
    out_->append(open);
    for (size_t i = 0; i < count && in_.ok(); ++i) {
      if (i > 0) out_->push_back(',');
      Point();
    }
    out_->append(close);
  }
  void PointList(bool has_closed) {
    const bool closed = !has_closed || in_.ReadUint8() != 0;
    const size_t count = in_.ReadUint32();
    if (count == 0 || count * 16 != in_.remaining()) {
      in_.Fail();
      return;
    }
    Points(count, closed ? "(" : "[", closed ? ")" : "]");
  }
  void Line() {
    const char* before = "{";
    for (int i = 0; i < 3; ++i, before = ",") {
      out_->append(before);
      Number();
    }
    out_->push_back('}');
  }
  void Circle() {
    out_->push_back('<');
    Point();
    out_->push_back(',');
    Number();
    out_->push_back('>');
  }
  bool Done() const { return in_.AtEnd(); }

 private:
  WireReader in_;
  std::string* out_;
};

}  // namespace

bool IsGeometric(uint32_t type_oid) {
  return (type_oid >= kPoint && type_oid <= kPolygon) || type_oid == kLine || type_oid == kCircle;
}

bool AppendGeometric(std::string_view value, uint32_t type_oid, Format format, std::string* out) {
  if (format == Format::text) return FromText(value, type_oid, out);
  BinaryReader in(value, out);
  switch (type_oid) {
    case kPoint:
      in.Point();
      break;
    case kLseg:
      in.Points(2, "[", "]");
      break;
    case kBox:
      in.Points(2, "", "");
      break;
    case kLine:
      in.Line();
      break;
    case kCircle:
      in.Circle();
      break;
    default:
      in.PointList(type_oid == kPath);
  }
  return in.Done();
}

}  // namespace pgparity::protocol::value_internal
