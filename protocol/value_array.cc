// Arrays, int2vector and oidvector. Canonical: the number of dimensions, each with its length and
// lower bound, then the elements, each behind its length. Source: arrayfuncs.c.
#include <algorithm>
#include <array>
#include <charconv>

#include "protocol/value_internal.h"
#include "protocol/value_wire.h"
#include "protocol/wire.h"

namespace pgparity::protocol::value_internal {
namespace {

constexpr int kMaxDimensions = 6;  // MAXDIM

struct Dimension {
  int64_t length = -1;  // -1: not known yet
  int32_t lower = 1;
};

struct Shape {
  int count = 0;
  std::array<Dimension, kMaxDimensions> dimensions;
};

void AppendShape(const Shape& shape, std::string* out) {
  out->push_back(static_cast<char>('0' + shape.count));
  for (int i = 0; i < shape.count; ++i) {
    const Dimension& dimension = shape.dimensions[static_cast<size_t>(i)];
    AppendU32(static_cast<uint32_t>(dimension.length), out);
    AppendU32(static_cast<uint32_t>(dimension.lower), out);
  }
}

Outcome FromBinary(std::string_view value, uint32_t element, const Context& context, int depth,
                   std::string* out) {
  WireReader in(value);
  Shape shape;
  shape.count = in.ReadInt32();
  in.ReadUint32();  // whether it has NULLs
  if (in.ReadUint32() != element || !in.ok() || shape.count < 0 || shape.count > kMaxDimensions) {
    return Outcome::malformed;
  }
  uint64_t total = shape.count == 0 ? 0 : 1;
  for (int i = 0; i < shape.count; ++i) {
    Dimension& dimension = shape.dimensions[static_cast<size_t>(i)];
    dimension.length = in.ReadInt32();
    dimension.lower = in.ReadInt32();
    // Every element takes four bytes, so that the product cannot overflow.
    if (dimension.length < 0 || static_cast<uint64_t>(dimension.length) > value.size()) {
      return Outcome::malformed;
    }
    total *= static_cast<uint64_t>(dimension.length);
    if (total > value.size()) return Outcome::malformed;
  }
  // The text form of an array without elements does not show its dimensions.
  if (total == 0) shape.count = 0;
  AppendShape(shape, out);
  Outcome outcome = Outcome::typed;
  for (uint64_t i = 0; i < total && in.ok(); ++i) {
    const int32_t length = in.ReadInt32();
    if (length == -1) {
      AppendU32(kNullPart, out);
      continue;
    }
    if (length < 0) return Outcome::malformed;
    const std::string_view part = in.ReadBytes(static_cast<size_t>(length));
    if (!in.ok()) return Outcome::malformed;
    outcome = Worse(outcome, AppendPart(part, element, Format::binary, context, depth, out));
    if (outcome == Outcome::malformed) return outcome;
  }
  return in.AtEnd() ? outcome : Outcome::malformed;
}

class TextParser {
 public:
  TextParser(std::string_view text, uint32_t element, char delimiter, const Context& context,
             int depth)
      : rest_(text),
        element_(element),
        delimiters_{delimiter, '}'},
        context_(context),
        depth_(depth) {}

  Outcome Parse(std::string* out) {
    std::array<int64_t, kMaxDimensions> upper{};
    const int bounds = TakeBounds(&upper);
    if (bounds < 0) return Outcome::malformed;
    if (rest_ == "{}" && bounds == 0) {
      AppendShape(shape_, out);
      return Outcome::typed;
    }
    // A brace at the begin of an element would be in quotes.
    shape_.count =
        static_cast<int>(std::min<size_t>(rest_.find_first_not_of('{'), kMaxDimensions + 1));
    if (shape_.count < 1 || shape_.count > kMaxDimensions) return Outcome::malformed;
    if (bounds != 0 && bounds != shape_.count) return Outcome::malformed;
    // The shape comes first, with its lengths filled in when they are known.
    const size_t head = out->size();
    AppendShape(shape_, out);
    if (!Level(0, out) || !rest_.empty()) return Outcome::malformed;
    std::string shape;
    AppendShape(shape_, &shape);
    out->replace(head, shape.size(), shape);
    for (int i = 0; i < bounds; ++i) {
      const Dimension& dimension = shape_.dimensions[static_cast<size_t>(i)];
      if (upper[static_cast<size_t>(i)] - dimension.lower + 1 != dimension.length) {
        return Outcome::malformed;
      }
    }
    return outcome_;
  }

 private:
  bool Take(char c) {
    if (!rest_.starts_with(c)) return false;
    rest_.remove_prefix(1);
    return true;
  }
  template <typename T>
  bool TakeNumber(T* value) {
    const auto result = std::from_chars(rest_.data(), rest_.data() + rest_.size(), *value);
    if (result.ec != std::errc()) return false;
    rest_.remove_prefix(static_cast<size_t>(result.ptr - rest_.data()));
    return true;
  }

  // "[2:4][0:1]=" where some lower bound is not 1. Returns how many; -1 when malformed.
  int TakeBounds(std::array<int64_t, kMaxDimensions>* upper) {
    int count = 0;
    while (Take('[')) {
      if (count == kMaxDimensions) return -1;
      const auto at = static_cast<size_t>(count++);
      int32_t high = 0;
      if (!TakeNumber(&shape_.dimensions[at].lower) || !Take(':') || !TakeNumber(&high) ||
          !Take(']')) {
        return -1;
      }
      (*upper)[at] = high;
    }
    return count == 0 || Take('=') ? count : -1;
  }

  bool Level(int dimension, std::string* out) {
    if (!Take('{')) return false;
    int64_t length = 0;
    do {
      if (!(dimension + 1 < shape_.count ? Level(dimension + 1, out) : Element(out))) return false;
      ++length;
    } while (Take(delimiters_[0]));
    int64_t& known = shape_.dimensions[static_cast<size_t>(dimension)].length;
    if (known == -1) known = length;
    return known == length && Take('}');
  }

  bool Element(std::string* out) {
    bool quoted = false;
    if (!TakeToken(&rest_, {delimiters_.data(), 2}, false, &token_, &quoted)) return false;
    if (!quoted && token_ == "NULL") {
      AppendU32(kNullPart, out);
      return true;
    }
    if (!quoted && token_.empty()) return false;
    outcome_ = Worse(outcome_, AppendPart(token_, element_, Format::text, context_, depth_, out));
    return outcome_ != Outcome::malformed;
  }

  std::string_view rest_;
  const uint32_t element_;
  const std::array<char, 2> delimiters_;
  const Context& context_;
  const int depth_;
  Shape shape_;
  Outcome outcome_ = Outcome::typed;
  std::string token_;
};

}  // namespace

bool TakeToken(std::string_view* text, std::string_view delimiters, bool doubling,
               std::string* token, bool* quoted) {
  token->clear();
  *quoted = text->starts_with('"');
  if (!*quoted) {
    const size_t end = text->find_first_of(delimiters);
    if (end == std::string_view::npos) return false;
    token->append(text->substr(0, end));
    text->remove_prefix(end);
    // The server quotes whatever holds one of these.
    return token->find_first_of("\"\\ \t\n\r\v\f") == std::string::npos;
  }
  text->remove_prefix(1);
  while (true) {
    const size_t plain = text->find_first_of("\"\\");
    if (plain == std::string_view::npos) return false;
    token->append(text->substr(0, plain));
    const char c = (*text)[plain];
    text->remove_prefix(plain + 1);
    const bool doubled = doubling && c == '"' && text->starts_with('"');
    if (c == '"' && !doubled) break;
    if (text->empty()) return false;
    token->push_back((*text)[0]);
    text->remove_prefix(1);
  }
  return !text->empty() && delimiters.find((*text)[0]) != std::string_view::npos;
}

Outcome AppendPart(std::string_view value, uint32_t type_oid, Format format, const Context& context,
                   int depth, std::string* out) {
  const size_t begin = BeginPart(out);
  const Outcome outcome = AppendCanonical(value, type_oid, format, context, depth + 1, out);
  return EndPart(begin, out) ? outcome : Outcome::malformed;
}

Outcome AppendArray(std::string_view value, const TypeInfo& type, Format format,
                    const Context& context, int depth, std::string* out) {
  if (format == Format::binary) return FromBinary(value, type.base, context, depth, out);
  return TextParser(value, type.base, type.delimiter, context, depth).Parse(out);
}

// Text: numbers with spaces between. Binary: an array with lower bound 0.
bool AppendVector(std::string_view value, uint32_t element, Format format, std::string* out) {
  const TextSettings settings;
  const Context context{BuiltinTypes(), settings};
  if (format == Format::binary) {
    return FromBinary(value, element, context, 0, out) == Outcome::typed;
  }
  Shape shape;
  std::string parts;
  int64_t count = 0;
  for (; !value.empty(); ++count) {
    const size_t end = std::min(value.find(' '), value.size());
    if (AppendPart(value.substr(0, end), element, Format::text, context, 0, &parts) !=
        Outcome::typed) {
      return false;
    }
    value.remove_prefix(std::min(end + 1, value.size()));
  }
  shape.count = count > 0 ? 1 : 0;
  shape.dimensions[0] = {count, 0};
  AppendShape(shape, out);
  out->append(parts);
  return true;
}

}  // namespace pgparity::protocol::value_internal
