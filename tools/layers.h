// An option may be a flag, an environment variable or a key of a file: file < environment < flag.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace CLI {
class App;
}

namespace pgparity::tools {

struct LayeredArguments {
  std::vector<std::string> arguments;  // as if all had been given as flags
  std::map<std::string, std::string>
      origins;                       // option -> "environment variable PGPARITY_X", "FILE line 3"
  std::vector<std::string> command;  // {"ctl", "drain"}
};

using Environment = std::function<std::optional<std::string>(const std::string&)>;

// Puts in what the environment (PGPARITY_<NAME>, not empty) and the file of --config say of options
// that `arguments` do not give. Lists are apart by commas in the environment and arrays in the
// file. Keys at the top of the file go to every command that knows them, those of [COMMAND] to that
// one. Errors are one line: an unknown option, command or key, with the nearest known one; a file
// that cannot be read.
absl::StatusOr<LayeredArguments> LayerArguments(const CLI::App& app,
                                                const std::vector<std::string>& arguments,
                                                const Environment& environment);

// "--ring-size" -> "PGPARITY_RING_SIZE".
std::string EnvironmentName(std::string_view option);
// The candidate that is most like `word`, or "" if none is like it.
std::string Nearest(std::string_view word, const std::vector<std::string>& candidates);

}  // namespace pgparity::tools
