// Values in text and binary form, brought to one comparable form.
// Source of the formats: PostgreSQL's *_out and *_send functions (src/backend/utils/adt).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace pgparity::protocol {

enum class Format : int16_t { text = 0, binary = 1 };

// OIDs of the built-in types (pg_type.dat); fixed below 16384 in every server.
namespace oid {
inline constexpr uint32_t kBool = 16, kBytea = 17, kChar = 18, kName = 19, kInt8 = 20, kInt2 = 21,
                          kInt4 = 23, kText = 25, kOid = 26, kXid = 28, kJson = 114, kXml = 142,
                          kFloat4 = 700, kFloat8 = 701, kUnknown = 705, kMoney = 790, kInet = 869,
                          kCidr = 650, kMacaddr = 829, kBpchar = 1042, kVarchar = 1043,
                          kDate = 1082, kTime = 1083, kTimestamp = 1114, kTimestamptz = 1184,
                          kInterval = 1186, kTimetz = 1266, kBit = 1560, kVarbit = 1562,
                          kNumeric = 1700, kUuid = 2950, kJsonb = 3802, kVoid = 2278,
                          kRecord = 2249;
inline constexpr uint32_t kFirstUser = 16384;
}  // namespace oid

// How a type's values compare.
enum class TypeKind : uint8_t {
  base,
  enumeration,
  array,
  domain,
  composite,
  range,
  multirange,
  unknown
};

struct TypeInfo {
  TypeKind kind = TypeKind::unknown;
  // array: the element type; domain: the type beneath; range: its subtype; multirange: its range;
  // otherwise the type itself.
  uint32_t base = 0;
  std::string name;      // schema-qualified, for types from 16384 up
  char delimiter = ',';  // between the elements of an array of this array type, in text
  // composite: the types of its columns in order, dropped ones left out; empty if not known (its
  // text form then compares bytewise, since it names no types).
  std::vector<uint32_t> fields;
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
// integers as decimal text, booleans as 1 and 0; float4/float8 as shortest round-trip text with one
// NaN ("-0" differs from "0", as it prints differently); numeric by value AND scale ("1.0" differs
// from "1.00"); timestamps and times as microseconds, dates as days; interval as months, days,
// microseconds; uuid as 16 bytes; bytea as its bytes; text as it is; json as it is; jsonb printed
// as the server prints it, keys in its order; arrays element by element with bounds; enums as their
// label; domains as the type beneath; composites and ranges part by part. The form is not a stable
// format: compare it, do not store it.
struct CanonicalValue {
  std::string bytes;
  // False: the type, or the type of some part of it, is not known, or its text form does not say
  // the value (an abbreviated time zone, money, a record's text). The bytes are then those given,
  // marked with their format, so that the value equals only itself in the same format.
  bool typed = true;
};
// An error means that the value is malformed for its type. Never fails on a type it does not know.
// The result is at most a small multiple of the value's size.
absl::StatusOr<CanonicalValue> Canonicalise(std::string_view value, uint32_t type_oid,
                                            Format format, const TypeResolver& types,
                                            const TextSettings& settings);

// The value for a person to read: text as it is, binary much as the server would print it (dates in
// ISO style, timestamptz in UTC), and as \x.. where the type is not known. Not escaped, not
// redacted.
std::string DisplayValue(std::string_view value, uint32_t type_oid, Format format,
                         const TypeResolver& types, const TextSettings& settings);

// Microseconds since 2000-01-01 UTC of a timestamp, timestamptz or date value (time of day for
// time; for timetz, of its time at UTC); nullopt for other types, for infinity, and for what cannot
// be read or does not fit.
std::optional<int64_t> ToMicroseconds(std::string_view value, uint32_t type_oid, Format format,
                                      const TextSettings& settings);

}  // namespace pgparity::protocol
