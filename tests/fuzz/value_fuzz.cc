// Canonicalise, ToMicroseconds and DisplayValue on any bytes as any type: no crash, no size out of
// proportion, and the same answer twice. Input: two bytes that choose the type, one for format and
// settings, then the value.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>

#include "protocol/check.h"
#include "protocol/value.h"

namespace {

using pgparity::protocol::Format;
using pgparity::protocol::TypeInfo;
using pgparity::protocol::TypeKind;
using pgparity::protocol::TypeResolver;

// From 16384 up: types of every kind over one another, some in circles.
class AnyTypes : public TypeResolver {
 public:
  TypeInfo Resolve(uint32_t type_oid) const override {
    TypeInfo info;
    if (type_oid < 16384) return info;
    info.kind = static_cast<TypeKind>(type_oid % 8);
    info.base = (type_oid >> 3) % 4 == 0 ? type_oid + 1 : (type_oid * 7) % 4100;
    if (type_oid % 5 == 0) info.fields = {23, 1184, info.base};
    info.name = type_oid % 3 == 0 ? "public.citext" : "public.t";
    return info;
  }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 3) return 0;
  const uint32_t type = data[0] << 8 | data[1];
  const Format format = (data[2] & 1) != 0 ? Format::binary : Format::text;
  pgparity::protocol::TextSettings settings;
  constexpr const char* kStyles[] = {"ISO, MDY", "SQL, DMY", "German, DMY", "Postgres, MDY"};
  settings.date_style = kStyles[data[2] >> 1 & 3];
  // An allocation of its exact size, so that a read beyond it is seen.
  const size_t length = size - 3;
  const std::unique_ptr<char[]> copy(new char[length]);
  if (length > 0) std::memcpy(copy.get(), data + 3, length);
  const std::string_view value(copy.get(), length);
  const AnyTypes types;

  const auto first = pgparity::protocol::Canonicalise(value, type, format, types, settings);
  const auto second = pgparity::protocol::Canonicalise(value, type, format, types, settings);
  PGPARITY_CHECK(first.ok() == second.ok());
  if (first.ok()) {
    PGPARITY_CHECK(first->bytes == second->bytes && first->typed == second->typed);
    PGPARITY_CHECK(first->bytes.size() <= 512 + 40 * length);
  }
  pgparity::protocol::DisplayValue(value, type, format, types, settings);
  pgparity::protocol::ToMicroseconds(value, type, format, settings);
  return 0;
}
