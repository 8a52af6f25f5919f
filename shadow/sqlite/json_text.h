// Internal to the functions: walking JSON texts that are known to be well formed.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace pgparity::shadow::sqlite {

// The parts of an object or array: views into the text given, keys unescaped.
struct JsonParts {
  char kind = 'v';                                                // '{', '[', or 'v' for a scalar
  std::vector<std::pair<std::string, std::string_view>> members;  // keys empty in an array
};
JsonParts PartsOf(std::string_view json);
// A scalar as ->> gives it: a string without quotes, nullopt for null.
std::optional<std::string> ScalarText(std::string_view json);
// "object", "array", "string", "number", "boolean", "null".
std::string_view JsonTypeOf(std::string_view json);
// Of canonical texts.
std::string JsonbObject(
    std::vector<std::pair<std::string, std::string>> members);  // last key wins, sorted
std::string JsonbArray(const std::vector<std::string>& items);
bool JsonbContains(std::string_view whole, std::string_view part);
// What array of JSON texts (of ours) holds.
std::vector<std::optional<std::string>> ArrayItems(std::string_view json);

}  // namespace pgparity::shadow::sqlite
