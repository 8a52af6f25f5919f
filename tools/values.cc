#include "tools/values.h"

#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <charconv>

#include "protocol/text.h"
#include "proxy/options.h"

namespace pgparity::tools {

using protocol::StrCat;

CLI::Option* AddSize(CLI::App* app, const std::string& name, uint64_t* target,
                     const std::string& text) {
  return AddValue(app, name, target, proxy::ParseSize, "SIZE", text)
      ->default_str(proxy::SizeText(*target));
}

CLI::Option* AddDuration(CLI::App* app, const std::string& name, absl::Duration* target,
                         const std::string& text) {
  return AddValue(app, name, target, proxy::ParseDuration, "TIME", text)
      ->default_str(proxy::DurationText(*target));
}

CLI::Option* AddText(CLI::App* app, const std::string& name, std::string* target,
                     const std::string& type, const std::string& text) {
  const auto any = [](const std::string& value) { return absl::StatusOr<std::string>(value); };
  return AddValue(app, name, target, any, type, text)->default_str(*target);
}

CLI::Option* AddSwitch(CLI::App* app, const std::string& name, bool* target,
                       const std::string& text) {
  return AddValue(app, name, target, proxy::ParseSwitch, "on|off", text)
      ->default_str(*target ? "on" : "off");
}

CLI::Option* AddCount(CLI::App* app, const std::string& name, std::function<void(int64_t)> set,
                      int64_t shown, const std::string& text) {
  return app
      ->add_option_function<std::string>(
          name,
          [name, set = std::move(set)](const std::string& value) {
            int64_t n = 0;
            const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), n);
            if (error != std::errc() || end != value.data() + value.size() || n < 0 ||
                n > INT32_MAX) {
              throw CLI::ValidationError(name, StrCat("\"", value, "\" is no whole number"));
            }
            set(n);
          },
          text)
      ->type_name("N")
      ->default_str(std::to_string(shown));
}

CLI::Option* AddDataDir(CLI::App* app, std::string* target) {
  return AddText(app, "--data-dir", target, "DIR",
                 "The data directory that `pgparity serve` was given")
      ->required();
}

void AddVerdictOptions(CLI::App* app, compare::VerdictOptions* options) {
  constexpr char kGroup[] = "What a PASS needs";
  const auto seconds = [](const std::string& value) -> absl::StatusOr<double> {
    const auto duration = proxy::ParseDuration(value);
    if (!duration.ok()) return duration.status();
    return absl::ToDoubleSeconds(*duration);
  };
  AddValue(app, "--min-soak", &options->min_soak_seconds, seconds, "TIME",
           "How long the two must have been observed")
      ->default_str("48h")
      ->group(kGroup);
  AddValue(app, "--min-coverage", &options->min_coverage, ParseShare, "SHARE",
           "Share of the statements seen that must have been compared")
      ->default_str("0.95")
      ->group(kGroup);
  AddValue(app, "--max-ambiguous", &options->max_ambiguous, ParseShare, "SHARE",
           "Share of the statements compared that may be ambiguous")
      ->default_str("0.001")
      ->group(kGroup);
}

absl::StatusOr<double> ParseShare(std::string_view text) {
  const std::string_view given = text;
  const bool percent = text.ends_with('%');
  if (percent) text.remove_suffix(1);
  double value = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (percent) value /= 100;
  if (error != std::errc() || end != text.data() + text.size() || !(value >= 0 && value <= 1)) {
    return absl::InvalidArgumentError(
        StrCat("\"", given, "\" is no share: write a number from 0 to 1, or a percentage"));
  }
  return value;
}

absl::StatusOr<int64_t> ParseSince(std::string_view text, absl::Time now) {
  if (const auto ago = proxy::ParseDuration(text); ago.ok()) return absl::ToUnixMicros(now - *ago);
  for (const char* format : {"%Y-%m-%d%ET%H:%M:%E*S%Ez", "%Y-%m-%d"}) {
    absl::Time time;
    if (absl::ParseTime(format, protocol::ToAbsl(text), &time, nullptr))
      return absl::ToUnixMicros(time);
  }
  return absl::InvalidArgumentError(
      StrCat("\"", text, "\" is no time: write how long ago, as in 24h, or 2024-05-31T12:00:00Z"));
}

}  // namespace pgparity::tools
