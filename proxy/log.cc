#include "proxy/log.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include "compare/redact.h"

namespace pgparity::proxy {

namespace {

spdlog::logger& Logger() {
  static const std::shared_ptr<spdlog::logger> logger = [] {
    auto made = spdlog::stderr_logger_mt("pgparity");
    made->set_pattern("%Y-%m-%dT%H:%M:%S.%e%z %l %v");
    made->flush_on(spdlog::level::info);
    return made;
  }();
  return *logger;
}

}  // namespace

void SetLogLevel(std::string_view level) {
  if (level == "error") {
    Logger().set_level(spdlog::level::err);
  } else if (level == "warning") {
    Logger().set_level(spdlog::level::warn);
  } else if (level == "debug") {
    Logger().set_level(spdlog::level::debug);
  } else {
    Logger().set_level(spdlog::level::info);
  }
}

void LogInfo(std::string_view line) { Logger().info("{}", compare::EscapeControl(line)); }
void LogWarning(std::string_view line) { Logger().warn("{}", compare::EscapeControl(line)); }
void LogDebug(std::string_view line) { Logger().debug("{}", compare::EscapeControl(line)); }

}  // namespace pgparity::proxy
