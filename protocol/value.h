// Values in text and binary form, brought to one comparable form.
// Source of the formats: PostgreSQL's *_out and *_send functions (src/backend/utils/adt).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace pgparity::protocol {

enum class Format : int16_t { text = 0, binary = 1 };

// OIDs of the built-in types (pg_type.dat); fixed below 16384 in every server.
namespace oid {
inline constexpr uint32_t kBool = 16, kBytea = 17, kChar = 18, kName = 19, kInt8 = 20, kInt2 = 21, kInt4 = 23,
    kText = 25, kOid = 26, kXid = 28, kJson = 114, kXml = 142, kFloat4 = 700, kFloat8 = 701, kUnknown = 705,
    kMoney = 790, kInet = 869, kCidr = 650, kMacaddr = 829, kBpchar = 1042, kVarchar = 1043, kDate = 1082,
    kTime = 1083, kTimestamp = 1114, kTimestamptz = 1184, kInterval = 1186, kTimetz = 1266, kBit = 1560,
    kVarbit = 1562, kNumeric = 1700, kUuid = 2950, kJsonb = 3802, kVoid = 2278, kRecord = 2249;
inline constexpr uint32_t kFirstUser = 16384;
}  // namespace oid

// How a type's values compare.
enum class TypeKind : uint8_t { base, enumeration, array, domain, composite, range, unknown };

struct TypeInfo {
  TypeKind kind = TypeKind::unknown;
  uint32_t base = 0;       // array: the element type; domain: the type beneath; otherwise the type itself
  std::string name;        // schema-qualified, for types from 16384 up
  char delimiter = ',';    // between array elements in text
};

// Knows the types of one server. Built-in types are known without asking; others come from its
// catalog. Not thread-safe unless the implementation says so.
class TypeResolver {
 public:
  virtual ~TypeResolver() = default;
  virtual TypeInfo Resolve(uint32_t type_oid) const = 0;
};

// Knows only the built-in types and their arrays.
const TypeResolver& BuiltinTypes();

// What session settings change in the text form of values.
struct TextSettings {
  std::string date_style = "ISO, MDY";
  std::string interval_style = "postgres";
  std::string time_zone = "UTC";
  std::string bytea_output = "hex";
};

// A value brought to a form in which equal values have equal bytes, whatever the format it came in:
// integers and booleans as decimal text; float4/float8 as shortest round-trip text with one NaN and
// without negative zero's sign kept apart from zero's; numeric by value AND scale ("1.0" differs from "1.00"); date and time types as
// microseconds; interval as months, days, microseconds; uuid as 16 bytes; bytea as its bytes; text
// as it is; json as it is; jsonb parsed, keys in the server's order; arrays element by element with bounds;
// enums as their label; domains as the type beneath. A type that is not known stays the bytes given,
// marked with its format, so that it equals only itself in the same format.
struct CanonicalValue {
  std::string bytes;
  bool typed = true;   // false: compared bytewise, the type or its text form being unknown
};
absl::StatusOr<CanonicalValue> Canonicalise(std::string_view value, uint32_t type_oid, Format format,
                                            const TypeResolver& types, const TextSettings& settings);

// Microseconds since 2000-01-01 UTC of a timestamp, timestamptz or date value (time of day for
// time); nullopt for other types, for infinity, and for what cannot be read.
std::optional<int64_t> ToMicroseconds(std::string_view value, uint32_t type_oid, Format format,
                                      const TextSettings& settings);

}  // namespace pgparity::protocol
