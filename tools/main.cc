#include <cstdlib>

#include "proxy/service.h"
#include "tools/commands.h"

int main(int argc, char** argv) {
  pgparity::tools::World world;
  world.environment = [](const std::string& name) -> std::optional<std::string> {
    const char* value = std::getenv(name.c_str());
    return value == nullptr ? std::nullopt : std::optional<std::string>(value);
  };
  world.serve = pgparity::proxy::RunServe;
  return pgparity::tools::RunCommandLine({argv + 1, argv + argc}, world);
}
