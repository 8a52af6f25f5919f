// Internal to the translator: PostgreSQL's functions by name and argument types.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "shadow/sqlite/types.h"

namespace pgparity::shadow::sqlite {

struct FunctionEntry {
  std::string_view name;
  // A letter an argument: t text, i int4, I int8, s int2, n numeric, f float8, F float4, b bool,
  // D date, T timestamp, Z timestamptz, C time, V interval, u uuid, B bytea, j json, J jsonb,
  // X text[].
  std::string_view arguments;
  char result;
  std::string_view sql;  // $1 .. $9 stand for the arguments
};

Oid TypeOfLetter(char letter);
// All of that name.
std::vector<const FunctionEntry*> FindFunctions(std::string_view name);

}  // namespace pgparity::shadow::sqlite
