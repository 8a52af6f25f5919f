// Chooses the codec of a type, and what is made of a value whose type is not known.
#include "protocol/value.h"

#include "absl/strings/str_cat.h"
#include "protocol/value_internal.h"

namespace pgparity::protocol {
namespace value_internal {
namespace {

constexpr uint32_t kInt2vector = 22, kRegproc = 24, kTid = 27, kCid = 29, kOidvector = 30,
                   kMacaddr8 = 774, kRefcursor = 1790, kRegprocedure = 2202, kRegtype = 2206,
                   kCstring = 2275, kLsn = 3220, kRegconfig = 3734, kRegdictionary = 3769,
                   kJsonpath = 4072, kRegnamespace = 4089, kRegrole = 4096, kRegcollation = 4191,
                   kXid8 = 5069;

bool AppendVerbatim(std::string_view value, std::string* out) {
  out->append(value);
  return true;
}

// jsonpath_send: a version byte before the text.
bool AppendJsonpath(std::string_view value, Format format, std::string* out) {
  if (format == Format::binary) {
    if (!value.starts_with('\1')) return false;
    value.remove_prefix(1);
  }
  return AppendVerbatim(value, out);
}

// xml_send adds the encoding to a declaration, xml_out takes it away.
Outcome AppendXml(std::string_view value, Format format, std::string* out) {
  if (value.starts_with("<?xml")) return AppendUntyped(value, format, out);
  return TypedIf(AppendVerbatim(value, out));
}

bool IsRegType(uint32_t type_oid) {
  return type_oid == kRegproc || (type_oid >= kRegprocedure && type_oid <= kRegtype) ||
         type_oid == kRegconfig || type_oid == kRegdictionary || type_oid == kRegnamespace ||
         type_oid == kRegrole || type_oid == kRegcollation;
}

Outcome AppendUncommon(std::string_view value, uint32_t type_oid, Format format, std::string* out) {
  switch (type_oid) {
    case kInt2vector:
      return TypedIf(AppendVector(value, oid::kInt2, format, out));
    case kOidvector:
      return TypedIf(AppendVector(value, oid::kOid, format, out));
    case oid::kChar:
      return TypedIf(AppendSingleChar(value, format, out));
    case kTid:
      return TypedIf(AppendTid(value, format, out));
    case kLsn:
      return TypedIf(AppendLsn(value, format, out));
    case kXid8:
      return TypedIf(AppendInteger(value, format, 64, false, out));
    case oid::kInet:
    case oid::kCidr:
      return TypedIf(AppendNetwork(value, format, type_oid == oid::kCidr, out));
    case oid::kMacaddr:
    case kMacaddr8:
      return TypedIf(AppendMac(value, format, type_oid == kMacaddr8 ? 8 : 6, out));
    case oid::kBit:
    case oid::kVarbit:
      return TypedIf(AppendBits(value, format, out));
    case oid::kXml:
      return AppendXml(value, format, out);
    case kJsonpath:
      return TypedIf(AppendJsonpath(value, format, out));
    default:
      break;
  }
  if (IsGeometric(type_oid)) return TypedIf(AppendGeometric(value, type_oid, format, out));
  // The text is a name, the binary form an OID of one database.
  if (IsRegType(type_oid) && format == Format::text) return TypedIf(AppendVerbatim(value, out));
  return AppendUntyped(value, format, out);
}

Outcome AppendBase(std::string_view value, uint32_t type_oid, Format format, const Context& context,
                   std::string* out) {
  switch (type_oid) {
    case oid::kBool:
      return TypedIf(AppendBool(value, format, out));
    case oid::kInt2:
      return TypedIf(AppendInteger(value, format, 16, true, out));
    case oid::kInt4:
      return TypedIf(AppendInteger(value, format, 32, true, out));
    case oid::kInt8:
      return TypedIf(AppendInteger(value, format, 64, true, out));
    case oid::kOid:
    case oid::kXid:
    case kCid:
      return TypedIf(AppendInteger(value, format, 32, false, out));
    case oid::kFloat4:
    case oid::kFloat8:
      return TypedIf(AppendFloat(value, format, type_oid == oid::kFloat8, out));
    case oid::kNumeric:
      return TypedIf(AppendNumeric(value, format, out));
    case oid::kText:
    case oid::kVarchar:
    case oid::kBpchar:
    case oid::kName:
    case oid::kJson:
    case oid::kUnknown:
    case kCstring:
    case kRefcursor:
    case oid::kVoid:
      return TypedIf(AppendVerbatim(value, out));
    case oid::kJsonb:
      return TypedIf(AppendJsonb(value, format, out));
    case oid::kBytea:
      return TypedIf(AppendBytea(value, format, out));
    case oid::kUuid:
      return TypedIf(AppendUuid(value, format, out));
    case oid::kDate:
    case oid::kTime:
    case oid::kTimetz:
    case oid::kTimestamp:
    case oid::kTimestamptz:
      return AppendDateTime(value, type_oid, format, context.settings, out);
    case oid::kInterval:
      return TypedIf(AppendInterval(value, format, out));
    default:
      return AppendUncommon(value, type_oid, format, out);
  }
}

// Types of extensions whose two forms are both their text.
bool IsTextLike(const TypeInfo& type) {
  return type.name == "citext" || type.name.ends_with(".citext");
}

}  // namespace

Outcome AppendUntyped(std::string_view value, Format format, std::string* out) {
  out->append(format == Format::binary ? "binary:" : "text:").append(value);
  return Outcome::untyped;
}

TypeInfo ResolveType(uint32_t type_oid, const TypeResolver& types) {
  if (type_oid >= oid::kFirstUser) return types.Resolve(type_oid);
  TypeInfo type = BuiltinTypes().Resolve(type_oid);
  // A built-in type of a newer server, or one of information_schema, may be in its catalog.
  return type.kind == TypeKind::unknown ? types.Resolve(type_oid) : type;
}

Outcome AppendCanonical(std::string_view value, uint32_t type_oid, Format format,
                        const Context& context, int depth, std::string* out) {
  if (depth > kMaxDepth) return AppendUntyped(value, format, out);
  const size_t begin = out->size();
  const TypeInfo type = ResolveType(type_oid, context.types);
  Outcome outcome = Outcome::untyped;
  switch (type.kind) {
    case TypeKind::base:
      if (IsTextLike(type)) return TypedIf(AppendVerbatim(value, out));
      outcome = AppendBase(value, type_oid, format, context, out);
      break;
    case TypeKind::enumeration:
      return TypedIf(AppendVerbatim(value, out));
    case TypeKind::array:
      outcome = AppendArray(value, type, format, context, depth, out);
      break;
    case TypeKind::domain:
      return AppendCanonical(value, type.base, format, context, depth + 1, out);
    case TypeKind::composite:
      outcome = AppendComposite(value, type, format, context, depth, out);
      break;
    case TypeKind::range:
      outcome = AppendRange(value, type.base, format, context, depth, out);
      break;
    case TypeKind::multirange:
      outcome = AppendMultirange(value, type.base, format, context, depth, out);
      break;
    case TypeKind::unknown:
      break;
  }
  // A codec that finds the text ambiguous has appended nothing of use; a container has its parts.
  const bool container = type.kind != TypeKind::base && type.kind != TypeKind::unknown;
  if (outcome == Outcome::untyped && !container) {
    out->resize(begin);
    return AppendUntyped(value, format, out);
  }
  return outcome;
}

}  // namespace value_internal

absl::StatusOr<CanonicalValue> Canonicalise(std::string_view value, uint32_t type_oid,
                                            Format format, const TypeResolver& types,
                                            const TextSettings& settings) {
  CanonicalValue result;
  const value_internal::Context context{types, settings};
  const value_internal::Outcome outcome =
      value_internal::AppendCanonical(value, type_oid, format, context, 0, &result.bytes);
  if (outcome == value_internal::Outcome::malformed) {
    return absl::InvalidArgumentError(absl::StrCat(
        "malformed ", format == Format::binary ? "binary" : "text", " value of type ", type_oid));
  }
  result.typed = outcome == value_internal::Outcome::typed;
  return result;
}

std::optional<int64_t> ToMicroseconds(std::string_view value, uint32_t type_oid, Format format,
                                      const TextSettings& settings) {
  if (type_oid != oid::kDate && type_oid != oid::kTime && type_oid != oid::kTimetz &&
      type_oid != oid::kTimestamp && type_oid != oid::kTimestamptz) {
    return std::nullopt;
  }
  std::string canonical;
  if (value_internal::AppendDateTime(value, type_oid, format, settings, &canonical) !=
      value_internal::Outcome::typed) {
    return std::nullopt;
  }
  const size_t space = canonical.find(' ');
  int64_t number = 0;
  if (!value_internal::ParseInt64(std::string_view(canonical).substr(0, space), &number))
    return std::nullopt;
  if (type_oid == oid::kDate) {
    if (__builtin_mul_overflow(number, value_internal::kMicrosecondsPerDay, &number)) {
      return std::nullopt;
    }
  } else if (type_oid == oid::kTimetz) {
    int64_t west = 0;
    if (!value_internal::ParseInt64(std::string_view(canonical).substr(space + 1), &west)) {
      return std::nullopt;
    }
    number += west * 1'000'000;
  }
  return number;
}

}  // namespace pgparity::protocol
