// Composites (records), ranges and multiranges. Canonical: the number of parts, then each part
// behind its length; of a range, its flags and the bounds that it has.
// Source: rowtypes.c, rangetypes.c, multirangetypes.c.
#include "protocol/value_internal.h"
#include "protocol/value_wire.h"
#include "protocol/wire.h"

namespace pgparity::protocol::value_internal {
namespace {

Outcome RecordFromBinary(std::string_view value, const Context& context, int depth,
                         std::string* out) {
  WireReader in(value);
  const uint32_t count = in.ReadUint32();
  if (!in.ok() || count > value.size() / 8) return Outcome::malformed;
  AppendU32(count, out);
  Outcome outcome = Outcome::typed;
  for (uint32_t i = 0; i < count; ++i) {
    const uint32_t type_oid = in.ReadUint32();
    const int32_t length = in.ReadInt32();
    if (length == -1 && in.ok()) {
      AppendU32(kNullPart, out);
      continue;
    }
    const std::string_view part = in.ReadBytes(length < 0 ? SIZE_MAX : static_cast<size_t>(length));
    if (!in.ok()) return Outcome::malformed;
    outcome = Worse(outcome, AppendPart(part, type_oid, Format::binary, context, depth, out));
    if (outcome == Outcome::malformed) return outcome;
  }
  return in.AtEnd() ? outcome : Outcome::malformed;
}

Outcome RecordFromText(std::string_view text, const std::vector<uint32_t>& fields,
                       const Context& context, int depth, std::string* out) {
  if (!text.starts_with('(')) return Outcome::malformed;
  text.remove_prefix(1);
  AppendU32(static_cast<uint32_t>(fields.size()), out);
  Outcome outcome = Outcome::typed;
  std::string token;
  for (size_t i = 0; i < fields.size(); ++i) {
    bool quoted = false;
    if (!TakeToken(&text, ",)", true, &token, &quoted)) return Outcome::malformed;
    if (text[0] != (i + 1 < fields.size() ? ',' : ')')) return Outcome::malformed;
    text.remove_prefix(1);
    if (!quoted && token.empty()) {
      AppendU32(kNullPart, out);
      continue;
    }
    outcome = Worse(outcome, AppendPart(token, fields[i], Format::text, context, depth, out));
    if (outcome == Outcome::malformed) return outcome;
  }
  return text.empty() ? outcome : Outcome::malformed;
}

// range_send's flags.
constexpr uint8_t kEmpty = 0x01, kLowerInclusive = 0x02, kUpperInclusive = 0x04,
                  kLowerInfinite = 0x08, kUpperInfinite = 0x10, kKnownFlags = 0x1F;

Outcome RangeFromBinary(std::string_view value, uint32_t subtype, const Context& context, int depth,
                        std::string* out) {
  WireReader in(value);
  const uint8_t flags = in.ReadUint8();
  if (!in.ok() || (flags & ~kKnownFlags) != 0) return Outcome::malformed;
  out->push_back(static_cast<char>(flags));
  if ((flags & kEmpty) != 0) return TypedIf(in.AtEnd() && flags == kEmpty);
  Outcome outcome = Outcome::typed;
  for (const uint8_t infinite : {kLowerInfinite, kUpperInfinite}) {
    if ((flags & infinite) != 0) continue;
    const std::string_view bound = in.ReadBytes(in.ReadUint32());
    if (!in.ok()) return Outcome::malformed;
    outcome = Worse(outcome, AppendPart(bound, subtype, Format::binary, context, depth, out));
    if (outcome == Outcome::malformed) return outcome;
  }
  return in.AtEnd() ? outcome : Outcome::malformed;
}

// Takes one range from the front of `text`.
Outcome TakeRange(std::string_view* text, uint32_t subtype, const Context& context, int depth,
                  std::string* out) {
  if (text->starts_with("empty")) {
    text->remove_prefix(5);
    out->push_back(static_cast<char>(kEmpty));
    return Outcome::typed;
  }
  if (!text->starts_with('[') && !text->starts_with('(')) return Outcome::malformed;
  uint8_t flags = (*text)[0] == '[' ? kLowerInclusive : 0;
  text->remove_prefix(1);
  const size_t flags_at = out->size();
  out->push_back('\0');
  Outcome outcome = Outcome::typed;
  std::string token;
  for (const uint8_t infinite : {kLowerInfinite, kUpperInfinite}) {
    bool quoted = false;
    const bool lower = infinite == kLowerInfinite;
    if (!TakeToken(text, lower ? "," : ")]", true, &token, &quoted)) return Outcome::malformed;
    if (!lower && (*text)[0] == ']') flags |= kUpperInclusive;
    text->remove_prefix(1);
    if (!quoted && token.empty()) {
      flags |= infinite;
      continue;
    }
    outcome = Worse(outcome, AppendPart(token, subtype, Format::text, context, depth, out));
    if (outcome == Outcome::malformed) return outcome;
  }
  (*out)[flags_at] = static_cast<char>(flags);
  return outcome;
}

}  // namespace

Outcome AppendComposite(std::string_view value, const TypeInfo& type, Format format,
                        const Context& context, int depth, std::string* out) {
  if (format == Format::binary) return RecordFromBinary(value, context, depth, out);
  if (type.fields.empty()) return AppendUntyped(value, format, out);
  return RecordFromText(value, type.fields, context, depth, out);
}

Outcome AppendRange(std::string_view value, uint32_t subtype, Format format, const Context& context,
                    int depth, std::string* out) {
  if (format == Format::binary) return RangeFromBinary(value, subtype, context, depth, out);
  const Outcome outcome = TakeRange(&value, subtype, context, depth, out);
  return value.empty() ? outcome : Outcome::malformed;
}

Outcome AppendMultirange(std::string_view value, uint32_t range_oid, Format format,
                         const Context& context, int depth, std::string* out) {
  Outcome outcome = Outcome::typed;
  if (format == Format::binary) {
    WireReader in(value);
    const uint32_t count = in.ReadUint32();
    if (!in.ok() || count > value.size() / 4) return Outcome::malformed;
    for (uint32_t i = 0; i < count && outcome != Outcome::malformed; ++i) {
      const std::string_view part = in.ReadBytes(in.ReadUint32());
      if (!in.ok()) return Outcome::malformed;
      outcome = Worse(outcome, AppendPart(part, range_oid, format, context, depth, out));
    }
    return in.AtEnd() ? outcome : Outcome::malformed;
  }
  const uint32_t subtype = ResolveType(range_oid, context.types).base;
  if (!value.starts_with('{') || !value.ends_with('}') || value.size() < 2) {
    return Outcome::malformed;
  }
  value = value.substr(1, value.size() - 2);
  while (!value.empty() && outcome != Outcome::malformed) {
    const size_t begin = BeginPart(out);
    outcome = Worse(outcome, TakeRange(&value, subtype, context, depth + 1, out));
    if (!EndPart(begin, out)) return Outcome::malformed;
    if (!value.empty() && (!value.starts_with(',') || value.size() == 1)) return Outcome::malformed;
    if (!value.empty()) value.remove_prefix(1);
  }
  return outcome;
}

}  // namespace pgparity::protocol::value_internal
