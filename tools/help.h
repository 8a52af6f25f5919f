// How --help looks.
#pragma once

#include <memory>
#include <string>

namespace CLI {
class App;
class FormatterBase;
class Option;
}  // namespace CLI

namespace pgparity::tools {

std::shared_ptr<CLI::FormatterBase> HelpFormatter();

// What a command's options have in common, for the end of its help.
inline constexpr char kLayersFooter[] =
    "Each option may also be an environment variable (PGPARITY_RING_SIZE for --ring-size) or a key "
    "of\n"
    "the --config file (ring-size = \"64MiB\"). A flag goes before the environment, and that "
    "before the\n"
    "file.";

}  // namespace pgparity::tools
