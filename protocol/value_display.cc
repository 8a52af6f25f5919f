// Values for a person to read, from their canonical form.
#include "protocol/value_internal.h"
#include "protocol/value_wire.h"
#include "protocol/wire.h"

namespace pgparity::protocol {
namespace {

using value_internal::HexText;

std::string DisplayUuid(std::string_view bytes) {
  std::string hex = HexText(bytes);
  for (const size_t at : {8U, 13U, 18U, 23U}) {
    if (at < hex.size()) hex.insert(at, 1, '-');
  }
  return hex;
}

std::string DisplayMac(std::string_view bytes) {
  std::string result;
  for (size_t i = 0; i < bytes.size(); ++i) {
    if (i > 0) result.push_back(':');
    result += HexText(bytes.substr(i, 1));
  }
  return result;
}

std::string DisplayBase(std::string_view canonical, uint32_t type_oid) {
  constexpr uint32_t kMacaddr8 = 774;
  switch (type_oid) {
    case oid::kBool:
      return canonical == "1" ? "t" : "f";
    case oid::kBytea:
      return "\\x" + HexText(canonical);
    case oid::kUuid:
      return DisplayUuid(canonical);
    case oid::kMacaddr:
    case kMacaddr8:
      return DisplayMac(canonical);
    case oid::kDate:
    case oid::kTime:
    case oid::kTimetz:
    case oid::kTimestamp:
    case oid::kTimestamptz:
      return value_internal::DisplayDateTime(canonical, type_oid);
    case oid::kInterval:
      return value_internal::DisplayInterval(canonical);
    default:
      return std::string(canonical);
  }
}

// One-dimensional arrays of simple elements; nothing else is worth a printer of its own.
std::optional<std::string> DisplayArray(std::string_view canonical, const TypeInfo& type,
                                        const TypeResolver& types) {
  if (canonical == "0") return "{}";
  WireReader in(canonical);
  if (in.ReadUint8() != '1') return std::nullopt;
  const uint32_t count = in.ReadUint32();
  in.ReadUint32();
  if (value_internal::ResolveType(type.base, types).kind != TypeKind::base &&
      value_internal::ResolveType(type.base, types).kind != TypeKind::enumeration) {
    return std::nullopt;
  }
  std::string result = "{";
  for (uint32_t i = 0; i < count && in.ok(); ++i) {
    if (i > 0) result.push_back(',');
    const uint32_t length = in.ReadUint32();
    if (length == value_internal::kNullPart) {
      result += "NULL";
    } else {
      result += DisplayBase(in.ReadBytes(length), type.base);
    }
  }
  result.push_back('}');
  return in.AtEnd() ? std::optional<std::string>(std::move(result)) : std::nullopt;
}

}  // namespace

std::string DisplayValue(std::string_view value, uint32_t type_oid, Format format,
                         const TypeResolver& types, const TextSettings& settings) {
  if (format == Format::text) return std::string(value);
  std::string fallback = "\\x" + HexText(value);
  TypeInfo type = value_internal::ResolveType(type_oid, types);
  for (int i = 0; type.kind == TypeKind::domain && i < value_internal::kMaxDepth; ++i) {
    type_oid = type.base;
    type = value_internal::ResolveType(type_oid, types);
  }
  const absl::StatusOr<CanonicalValue> canonical =
      Canonicalise(value, type_oid, format, types, settings);
  if (!canonical.ok() || !canonical->typed) return fallback;
  switch (type.kind) {
    case TypeKind::base:
    case TypeKind::enumeration:
      return DisplayBase(canonical->bytes, type_oid);
    case TypeKind::array:
      return DisplayArray(canonical->bytes, type, types).value_or(fallback);
    default:
      return fallback;
  }
}

}  // namespace pgparity::protocol
