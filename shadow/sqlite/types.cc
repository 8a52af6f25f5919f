#include "shadow/sqlite/types.h"

#include <algorithm>

namespace pgparity::shadow::sqlite {
namespace {

struct Known {
  Oid type, array;
  Storage storage;
  const char* name;      // pg_type.typname
  const char* sql_name;  // format_type()
};

constexpr Known kTypes[] = {
    {oid::kBool, 1000, Storage::integer, "bool", "boolean"},
    {oid::kInt2, 1005, Storage::integer, "int2", "smallint"},
    {oid::kInt4, 1007, Storage::integer, "int4", "integer"},
    {oid::kInt8, 1016, Storage::integer, "int8", "bigint"},
    {oid::kFloat4, 1021, Storage::real, "float4", "real"},
    {oid::kFloat8, 1022, Storage::real, "float8", "double precision"},
    {oid::kNumeric, 1231, Storage::text, "numeric", "numeric"},
    {oid::kText, 1009, Storage::text, "text", "text"},
    {oid::kVarchar, 1015, Storage::text, "varchar", "character varying"},
    {oid::kBpchar, 1014, Storage::text, "bpchar", "character"},
    {oid::kName, 1003, Storage::text, "name", "name"},
    {oid::kDate, 1182, Storage::text, "date", "date"},
    {oid::kTime, 1183, Storage::text, "time", "time without time zone"},
    {oid::kTimestamp, 1115, Storage::text, "timestamp", "timestamp without time zone"},
    {oid::kTimestamptz, 1185, Storage::text, "timestamptz", "timestamp with time zone"},
    {oid::kInterval, 1187, Storage::text, "interval", "interval"},
    {oid::kUuid, 2951, Storage::text, "uuid", "uuid"},
    {oid::kBytea, 1001, Storage::blob, "bytea", "bytea"},
    {oid::kJson, 199, Storage::text, "json", "json"},
    {oid::kJsonb, 3807, Storage::text, "jsonb", "jsonb"},
    {oid::kInet, 1041, Storage::text, "inet", "inet"},
};

struct Alias {
  const char* name;
  Oid type;
};
constexpr Alias kAliases[] = {
    {"integer", oid::kInt4},    {"int", oid::kInt4},         {"bigint", oid::kInt8},
    {"smallint", oid::kInt2},   {"boolean", oid::kBool},     {"real", oid::kFloat4},
    {"decimal", oid::kNumeric}, {"character", oid::kBpchar}, {"char", oid::kBpchar},
    {"float", oid::kFloat8},
};

const Known* Find(Oid type) {
  for (const Known& known : kTypes) {
    if (known.type == type) return &known;
  }
  return nullptr;
}

}  // namespace

bool IsInteger(Oid type) { return type == oid::kInt2 || type == oid::kInt4 || type == oid::kInt8; }
bool IsFloat(Oid type) { return type == oid::kFloat4 || type == oid::kFloat8; }
bool IsNumber(Oid type) { return IsInteger(type) || IsFloat(type) || type == oid::kNumeric; }
bool IsText(Oid type) {
  return type == oid::kText || type == oid::kVarchar || type == oid::kBpchar || type == oid::kName;
}
bool IsDateTime(Oid type) {
  return type == oid::kDate || type == oid::kTimestamp || type == oid::kTimestamptz;
}
bool IsArray(Oid type) { return ElementOf(type) != 0; }

Oid ElementOf(Oid array) {
  for (const Known& known : kTypes) {
    if (known.array == array) return known.type;
  }
  return 0;
}

Oid ArrayOf(Oid element) {
  const Known* known = Find(element);
  return known == nullptr ? 0 : known->array;
}

bool IsKnown(Oid type) {
  return (Find(type) != nullptr && type != oid::kInet) ||
         (IsArray(type) && ElementOf(type) != oid::kBytea && ElementOf(type) != oid::kInet &&
          ElementOf(type) != oid::kInterval && ElementOf(type) != oid::kBpchar);
}

Storage StorageOf(Oid type) {
  const Known* known = Find(type);
  return known == nullptr ? Storage::text : known->storage;
}

std::string_view StorageName(Oid type) {
  switch (StorageOf(type)) {
    case Storage::integer:
      return "INTEGER";
    case Storage::real:
      return "REAL";
    case Storage::text:
      return "TEXT";
    case Storage::blob:
      break;
  }
  return "BLOB";
}

bool HasNativeEquality(Oid type) {
  return type != oid::kNumeric && type != oid::kInterval && type != oid::kBpchar &&
         type != oid::kJson && type != oid::kJsonb && !IsArray(type);
}

Oid TypeByName(std::string_view name) {
  for (const Known& known : kTypes) {
    if (name == known.name) return known.type;
    if (name.starts_with('_') && name.substr(1) == known.name) return known.array;
  }
  for (const Alias& alias : kAliases) {
    if (name == alias.name) return alias.type;
  }
  return 0;
}

std::string NameOf(Oid type) {
  if (const Known* known = Find(type)) return known->sql_name;
  if (const Known* element = Find(ElementOf(type))) return std::string(element->sql_name) + "[]";
  return "unknown";
}

}  // namespace pgparity::shadow::sqlite
