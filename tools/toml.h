// The part of TOML that a configuration file needs: tables, keys, strings, numbers, booleans and
// arrays of these. The rest of TOML 1.0 is an error that names the line.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace pgparity::tools {

struct TomlItem {
  std::string table;  // "" at the top, otherwise as in [table]
  std::string key;
  std::vector<std::string> values;  // one, or those of an array; numbers and booleans as written
  bool array = false;
  int line = 0;
};

// Errors hold no value, since it may be a secret. A key that comes twice is an error.
absl::StatusOr<std::vector<TomlItem>> ParseToml(std::string_view text);

}  // namespace pgparity::tools
