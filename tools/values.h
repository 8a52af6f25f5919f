// Options whose values are sizes, durations, addresses and switches. Each shows its default in
// --help.
#pragma once

#include <CLI/App.hpp>
#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "compare/report.h"

namespace pgparity::tools {

// An option whose value `parse` reads into `*target`; its error becomes "--name: MESSAGE".
template <typename T, typename Parse>
CLI::Option* AddValue(CLI::App* app, const std::string& name, T* target, Parse parse,
                      const std::string& type, const std::string& text) {
  return app
      ->add_option_function<std::string>(
          name,
          [name, target, parse](const std::string& value) {
            auto parsed = parse(value);
            if (!parsed.ok())
              throw CLI::ValidationError(name, std::string(parsed.status().message()));
            *target = static_cast<T>(*std::move(parsed));
          },
          text)
      ->type_name(type);
}

CLI::Option* AddSize(CLI::App* app, const std::string& name, uint64_t* target,
                     const std::string& text);
CLI::Option* AddDuration(CLI::App* app, const std::string& name, absl::Duration* target,
                         const std::string& text);
CLI::Option* AddText(CLI::App* app, const std::string& name, std::string* target,
                     const std::string& type, const std::string& text);
CLI::Option* AddSwitch(CLI::App* app, const std::string& name, bool* target,
                       const std::string& text);
// Whole numbers from 0 up.
CLI::Option* AddCount(CLI::App* app, const std::string& name, std::function<void(int64_t)> set,
                      int64_t shown, const std::string& text);
CLI::Option* AddDataDir(CLI::App* app, std::string* target);
// --min-soak, --min-coverage, --max-ambiguous.
void AddVerdictOptions(CLI::App* app, compare::VerdictOptions* options);

// A share: "0.95" or "95%".
absl::StatusOr<double> ParseShare(std::string_view text);
// A time: RFC 3339, a date, or how long ago ("24h"). Microseconds since 1970.
absl::StatusOr<int64_t> ParseSince(std::string_view text, absl::Time now);

}  // namespace pgparity::tools
