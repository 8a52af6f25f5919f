// The process's log: one line an event on stderr, control characters escaped. Thread-safe.
#pragma once

#include <string_view>

namespace pgparity::proxy {

// "error", "warning", "info" or "debug"; others are taken as "info".
void SetLogLevel(std::string_view level);
void LogInfo(std::string_view line);
void LogWarning(std::string_view line);
void LogDebug(std::string_view line);

}  // namespace pgparity::proxy
