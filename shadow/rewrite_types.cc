// Type OIDs from 16384 up differ between two databases: mapped by name, also inside binary values.
#include "protocol/wire.h"
#include "shadow/rewrite_internal.h"

namespace pgparity::shadow {
namespace {

using protocol::TypeInfo;
using protocol::TypeKind;
using protocol::WireReader;
using protocol::WireWriter;

constexpr int kMaxNesting = 8;
constexpr int kMaxDimensions = 6;  // MAXDIM

std::optional<std::string> MapInside(std::string_view value, uint32_t type_oid,
                                     const RewriteContext& context, int nesting);

// A length and that many bytes; -1 is NULL.
bool MapElement(WireReader* reader, uint32_t type_oid, const RewriteContext& context, int nesting,
                std::string* out) {
  const int32_t length = reader->ReadInt32();
  if (length < 0) {
    WireWriter(out).Int32(-1);
    return reader->ok() && length == -1;
  }
  const std::string_view bytes = reader->ReadBytes(static_cast<size_t>(length));
  if (!reader->ok()) return false;
  const std::optional<std::string> mapped = MapInside(bytes, type_oid, context, nesting + 1);
  if (!mapped) return false;
  WireWriter(out).Int32(static_cast<int32_t>(mapped->size()));
  out->append(*mapped);
  return true;
}

// array_send: dimensions, flags, element type; each dimension's size and lower bound; elements.
std::optional<std::string> MapArray(std::string_view value, const RewriteContext& context,
                                    int nesting) {
  WireReader reader(value);
  std::string out;
  const int32_t dimensions = reader.ReadInt32();
  const int32_t flags = reader.ReadInt32();
  const uint32_t element = reader.ReadUint32();
  const uint32_t mapped = MapType(element, context);
  if (!reader.ok() || dimensions < 0 || dimensions > kMaxDimensions || (flags & ~1) != 0 ||
      mapped == 0) {
    return std::nullopt;
  }
  WireWriter(&out).Int32(dimensions).Int32(flags).Uint32(mapped);
  uint64_t elements = dimensions == 0 ? 0 : 1;
  for (int32_t i = 0; i < dimensions; ++i) {
    const int32_t size = reader.ReadInt32();
    const int32_t lower = reader.ReadInt32();
    if (size < 0 || !reader.ok()) return std::nullopt;
    elements *= static_cast<uint64_t>(size);
    if (elements > value.size()) return std::nullopt;
    WireWriter(&out).Int32(size).Int32(lower);
  }
  for (uint64_t i = 0; i < elements; ++i) {
    if (!MapElement(&reader, element, context, nesting, &out)) return std::nullopt;
  }
  return reader.AtEnd() ? std::optional<std::string>(std::move(out)) : std::nullopt;
}

// record_send: number of columns; each one's type and value.
std::optional<std::string> MapComposite(std::string_view value, const RewriteContext& context,
                                        int nesting) {
  WireReader reader(value);
  std::string out;
  const int32_t columns = reader.ReadInt32();
  if (!reader.ok() || columns < 0 || static_cast<size_t>(columns) > value.size())
    return std::nullopt;
  WireWriter(&out).Int32(columns);
  for (int32_t i = 0; i < columns; ++i) {
    const uint32_t type = reader.ReadUint32();
    const uint32_t mapped = MapType(type, context);
    if (!reader.ok() || (mapped == 0 && type != 0)) return std::nullopt;
    WireWriter(&out).Uint32(mapped);
    if (!MapElement(&reader, type, context, nesting, &out)) return std::nullopt;
  }
  return reader.AtEnd() ? std::optional<std::string>(std::move(out)) : std::nullopt;
}

// nullopt if the value is not what its type says.
std::optional<std::string> MapInside(std::string_view value, uint32_t type_oid,
                                     const RewriteContext& context, int nesting) {
  if (nesting > kMaxNesting) return std::nullopt;
  TypeInfo type = context.primary->Resolve(type_oid);
  for (int i = 0; i < kMaxNesting && type.kind == TypeKind::domain; ++i)
    type = context.primary->Resolve(type.base);
  // An array of a built-in type, too, may be of records that hold a user's types.
  if (type.kind == TypeKind::array) return MapArray(value, context, nesting);
  if (type.kind == TypeKind::composite) return MapComposite(value, context, nesting);
  return std::string(value);
}

// Does a value of an unknown type begin like an array of a user's type?
bool LooksLikeUserArray(std::string_view value, const RewriteContext& context) {
  WireReader reader(value);
  const int32_t dimensions = reader.ReadInt32();
  reader.ReadInt32();
  const uint32_t element = reader.ReadUint32();
  return reader.ok() && dimensions >= 0 && dimensions <= kMaxDimensions &&
         element >= protocol::oid::kFirstUser &&
         context.primary->Resolve(element).kind != TypeKind::unknown;
}

}  // namespace

uint32_t MapType(uint32_t type_oid, const RewriteContext& context) {
  if (type_oid < protocol::oid::kFirstUser) return type_oid;
  if (context.shadow == nullptr) return 0;
  return context.shadow->FindType(context.primary->Resolve(type_oid).name);
}

std::string MapValue(std::string_view value, uint32_t type_oid, int16_t format,
                     const RewriteContext& context) {
  if (format != 1 || context.shadow == nullptr) return std::string(value);
  std::optional<std::string> mapped;
  if (type_oid == 0) {
    if (LooksLikeUserArray(value, context)) mapped = MapArray(value, context, 0);
  } else if (type_oid >= protocol::oid::kFirstUser || type_oid == protocol::oid::kRecord) {
    mapped = MapInside(value, type_oid, context, 0);
  }
  return mapped ? *mapped : std::string(value);
}

}  // namespace pgparity::shadow
