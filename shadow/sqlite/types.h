// PostgreSQL's types as the SQLite store knows them, and how their values lie in the file (DESIGN,
// "The SQLite store").
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/value.h"

namespace pgparity::shadow::sqlite {

using Oid = uint32_t;

namespace oid {
using namespace protocol::oid;
inline constexpr Oid kAny = 1;  // in signatures of functions alone
inline constexpr Oid kInt8Array = 1016, kInt4Array = 1007, kInt2Array = 1005, kTextArray = 1009,
                     kVarcharArray = 1015, kNumericArray = 1231, kBoolArray = 1000,
                     kUuidArray = 2951, kDateArray = 1182, kFloat8Array = 1022,
                     kTimestampArray = 1115, kTimestamptzArray = 1185;
}  // namespace oid

struct Type {
  Oid oid = 0;
  int32_t typmod = -1;
  friend bool operator==(const Type&, const Type&) = default;
};

enum class Storage : uint8_t { integer, real, text, blob };

bool IsInteger(Oid type);
bool IsFloat(Oid type);
bool IsNumber(Oid type);
bool IsText(Oid type);  // text, varchar, bpchar, name
bool IsDateTime(Oid type);
bool IsArray(Oid type);
// 0 if it is no array that we know, or there is none.
Oid ElementOf(Oid array);
Oid ArrayOf(Oid element);
inline bool IsUser(Oid type) { return type >= protocol::oid::kFirstUser; }
// True if the file can hold it.
bool IsKnown(Oid type);
Storage StorageOf(Oid type);
// "INTEGER": the column type in a STRICT table.
std::string_view StorageName(Oid type);
// Equal values have equal bytes, and SQLite's own order is theirs (text: in collation "C").
bool HasNativeEquality(Oid type);

// By PostgreSQL's internal name or its SQL alias, without schema: "int4", "varchar". 0: unknown.
Oid TypeByName(std::string_view name);
// "integer", "character varying": as format_type() has it, without modifier.
std::string NameOf(Oid type);
// numeric's modifier.
inline int PrecisionOf(int32_t typmod) { return (typmod - 4) >> 16; }
inline int ScaleOf(int32_t typmod) {
  const int scale = (typmod - 4) & 0x7ff;
  return scale >= 1024 ? scale - 2048 : scale;
}

}  // namespace pgparity::shadow::sqlite
