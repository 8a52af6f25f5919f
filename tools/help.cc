#include "tools/help.h"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>

namespace pgparity::tools {
namespace {

constexpr size_t kNames = 32, kWidth = 100;

// Appends `text` behind `names`, wrapped; on a line of its own where the names are long.
std::string Entry(std::string names, std::string text) {
  std::string out = std::move(names);
  out += out.size() + 2 > kNames ? "\n" + std::string(kNames, ' ')
                                 : std::string(kNames - out.size(), ' ');
  while (text.size() > kWidth - kNames) {
    size_t cut = text.rfind(' ', kWidth - kNames);
    if (cut == std::string::npos) cut = text.find(' ');
    if (cut == std::string::npos) break;
    out += text.substr(0, cut) + "\n" + std::string(kNames, ' ');
    text.erase(0, cut + 1);
  }
  return out + text + "\n";
}

class Formatter : public CLI::Formatter {
 public:
  std::string make_usage(const CLI::App* app, std::string) const override {
    std::string words;
    for (const CLI::App* at = app; at != nullptr; at = at->get_parent()) {
      words = at->get_name() + (words.empty() ? "" : " ") + words;
    }
    const bool commands = !app->get_subcommands([](const CLI::App*) { return true; }).empty();
    std::string usage = "\nUsage: " + words + (commands ? " COMMAND" : "") + " [OPTIONS]";
    for (const CLI::Option* option :
         app->get_options([](const CLI::Option* o) { return o->get_positional(); })) {
      const std::string name = option->get_name(true, false);
      usage += option->get_required() ? " " + name : " [" + name + "]";
    }
    return usage + "\n";
  }

  std::string make_help(const CLI::App* app, std::string, CLI::AppFormatMode) const override {
    std::string out =
        make_description(app) + make_usage(app, "") + make_positionals(app) + Groups(app);
    out += make_subcommands(app, CLI::AppFormatMode::Normal);
    return out + "\n" + make_footer(app);
  }

  std::string Groups(const CLI::App* app) const {
    std::vector<std::string> groups = app->get_groups();
    // What every command has comes last.
    std::stable_partition(groups.begin(), groups.end(),
                          [](const std::string& group) { return group != "Other"; });
    std::string out;
    for (const std::string& group : groups) {
      const auto options = app->get_options([&](const CLI::Option* option) {
        return option->get_group() == group && option->nonpositional();
      });
      if (!group.empty() && !options.empty()) out += make_group(group, false, options);
    }
    return out;
  }

  std::string make_option(const CLI::Option* option, bool positional) const override {
    std::string names =
        "  " + (positional ? option->get_name(true, false) : option->get_name(false, true));
    for (size_t comma = 0; (comma = names.find(',', comma)) != std::string::npos; comma += 2) {
      names.insert(comma + 1, " ");
    }
    const bool value = option->get_items_expected_max() > 0;
    if (value && !positional && !option->get_type_name().empty())
      names += " " + option->get_type_name();
    std::string text = option->get_description();
    if (option->get_required()) text += " (required)";
    if (!option->get_default_str().empty()) text += " (default " + option->get_default_str() + ")";
    return Entry(std::move(names), std::move(text));
  }

  std::string make_subcommand(const CLI::App* sub) const override {
    // The first line says what it does.
    const std::string text = sub->get_description();
    return Entry("  " + sub->get_name(), text.substr(0, text.find('\n')));
  }
};

}  // namespace

std::shared_ptr<CLI::FormatterBase> HelpFormatter() { return std::make_shared<Formatter>(); }

}  // namespace pgparity::tools
