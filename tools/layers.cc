#include "tools/layers.h"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>
#include <fstream>
#include <iterator>
#include <set>
#include <sstream>

#include "absl/strings/ascii.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "protocol/text.h"
#include "tools/toml.h"

namespace pgparity::tools {
namespace {

using protocol::StrCat;

// Debian's CLI11 lists subcommands only through a filter.
std::vector<const CLI::App*> SubcommandsOf(const CLI::App& app) {
  return app.get_subcommands([](const CLI::App*) { return true; });
}

const CLI::App* FindSubcommand(const CLI::App& app, const std::string& name) {
  for (const CLI::App* sub : SubcommandsOf(app)) {
    if (sub->get_name() == name) return sub;
  }
  return nullptr;
}

// The long names of an option, without dashes.
std::vector<std::string> NamesOf(const CLI::Option& option) { return option.get_lnames(); }

const CLI::Option* FindOption(const CLI::App& app, const std::string& name) {
  for (const CLI::Option* option : app.get_options()) {
    const auto names = NamesOf(*option);
    if (std::find(names.begin(), names.end(), name) != names.end()) return option;
  }
  return nullptr;
}

void CollectNames(const CLI::App& app, std::set<std::string>* names) {
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : NamesOf(*option)) names->insert(name);
  }
  for (const CLI::App* sub : SubcommandsOf(app)) CollectNames(*sub, names);
}

std::string Suggestion(std::string_view word, const std::vector<std::string>& candidates,
                       std::string_view prefix) {
  const std::string nearest = Nearest(word, candidates);
  return nearest.empty() ? "" : StrCat("; did you mean ", prefix, nearest, "?");
}

class Layering {
 public:
  Layering(const CLI::App& app, const std::vector<std::string>& arguments,
           const Environment& environment)
      : root_(app), at_(&app), environment_(environment) {
    result_.arguments = arguments;
  }

  absl::StatusOr<LayeredArguments> Run() {
    if (absl::Status status = Scan(); !status.ok()) return status;
    if (help_) return std::move(result_);
    if (absl::Status status = ReadFile(); !status.ok()) return status;
    for (const CLI::Option* option : at_->get_options()) {
      if (option->nonpositional() && !NamesOf(*option).empty() && option != at_->get_help_ptr()) {
        Fill(*option);
      }
    }
    result_.arguments.insert(result_.arguments.begin() + static_cast<ptrdiff_t>(insert_at_),
                             added_.begin(), added_.end());
    return std::move(result_);
  }

 private:
  absl::Status Bad(std::string_view what) const {
    return absl::InvalidArgumentError(protocol::ToAbsl(what));
  }

  // Finds the command, and which options were given.
  absl::Status Scan() {
    const auto& arguments = result_.arguments;
    for (size_t i = 0; i < arguments.size(); ++i) {
      const std::string& word = arguments[i];
      if (word == "--") return absl::OkStatus();
      if (word.starts_with("--")) {
        bool takes_next = false;
        if (absl::Status status = ScanOption(word, &takes_next); !status.ok()) return status;
        if (takes_next && ++i < arguments.size()) values_[word.substr(2)] = arguments[i];
      } else if (word.size() > 1 && word[0] == '-') {
        if (word != "-h" && (word[1] < '0' || word[1] > '9')) {
          return Bad(StrCat("there is no option ", word));
        }
        help_ = help_ || word == "-h";
      } else if (!SubcommandsOf(*at_).empty()) {
        if (absl::Status status = ScanCommand(word, i); !status.ok()) return status;
      }
    }
    return absl::OkStatus();
  }

  absl::Status ScanCommand(const std::string& word, size_t index) {
    const CLI::App* sub = FindSubcommand(*at_, word);
    if (sub == nullptr) {
      std::vector<std::string> names;
      for (const CLI::App* known : SubcommandsOf(*at_)) names.push_back(known->get_name());
      return Bad(
          StrCat("there is no command \"", word, "\"", Suggestion(word, names, ""),
                 names.size() < 8 ? StrCat(" (there are ", absl::StrJoin(names, ", "), ")") : ""));
    }
    at_ = sub;
    insert_at_ = index + 1;
    result_.command.push_back(word);
    return absl::OkStatus();
  }

  absl::Status ScanOption(const std::string& word, bool* takes_next) {
    const size_t equals = word.find('=');
    const std::string name = word.substr(2, equals == std::string::npos ? equals : equals - 2);
    const CLI::Option* option = FindOption(*at_, name);
    if (option == nullptr) {
      std::vector<std::string> names;
      for (const CLI::Option* known : at_->get_options()) {
        for (const std::string& known_name : NamesOf(*known)) names.push_back(known_name);
      }
      return Bad(StrCat("there is no option --", name, Suggestion(name, names, "--")));
    }
    given_.insert(option->get_lnames().front());
    help_ = help_ || option == at_->get_help_ptr() || name == "version";
    if (equals != std::string::npos) {
      values_[name] = word.substr(equals + 1);
    } else {
      *takes_next = option->get_items_expected_max() > 0;
    }
    return absl::OkStatus();
  }

  absl::Status ReadFile() {
    std::string path = values_["config"];
    std::string said_by;
    if (!given_.contains("config")) {
      path = environment_(EnvironmentName("config")).value_or("");
      said_by = StrCat(" (", EnvironmentName("config"), ")");
    }
    if (path.empty()) return absl::OkStatus();
    std::ifstream file(path);
    std::stringstream content;
    if (!file || !(content << file.rdbuf())) {
      return Bad(StrCat("cannot read the file ", path, " of --config", said_by));
    }
    const auto items = ParseToml(content.str());
    if (!items.ok()) return Bad(StrCat(path, " ", protocol::MessageOf(items.status())));
    for (const TomlItem& item : *items) {
      if (absl::Status status = TakeItem(path, item); !status.ok()) return status;
    }
    return absl::OkStatus();
  }

  absl::Status TakeItem(const std::string& path, const TomlItem& item) {
    const CLI::App* table = &root_;
    for (const auto part : absl::StrSplit(item.table, '.', absl::SkipEmpty())) {
      table = FindSubcommand(*table, std::string(part));
      if (table == nullptr) {
        return Bad(StrCat(path, " line ", item.line, ": there is no command for the table [",
                          item.table, "]"));
      }
    }
    std::string key = item.key;
    std::replace(key.begin(), key.end(), '_', '-');
    std::set<std::string> known;
    CollectNames(*table, &known);
    if (!known.contains(key) || key == "config" || key == "help") {
      const std::vector<std::string> names(known.begin(), known.end());
      return Bad(StrCat(path, " line ", item.line, ": there is no option ", item.key,
                        Suggestion(key, names, "")));
    }
    // A table of a command goes before the top.
    const std::string here = absl::StrJoin(result_.command, ".");
    if (!item.table.empty() && item.table != here && !here.starts_with(item.table + ".")) {
      return absl::OkStatus();
    }
    const auto found = file_.find(key);
    if (found != file_.end() && found->second.first.table.size() > item.table.size()) {
      return absl::OkStatus();
    }
    file_[key] = {item, StrCat(path, " line ", item.line)};
    return absl::OkStatus();
  }

  void Fill(const CLI::Option& option) {
    const std::vector<std::string> names = NamesOf(option);
    for (const std::string& name : names) {
      if (given_.contains(name)) return;
    }
    for (const std::string& name : names) {
      const auto value = environment_(EnvironmentName(name));
      if (!value.has_value() || value->empty()) continue;
      const bool list = option.get_expected_max() > 1;
      const std::vector<std::string> values =
          list ? std::vector<std::string>(absl::StrSplit(*value, ',', absl::SkipWhitespace()))
               : std::vector<std::string>{*value};
      return Add(names.front(), values, StrCat("environment variable ", EnvironmentName(name)));
    }
    for (const std::string& name : names) {
      const auto found = file_.find(name);
      if (found == file_.end()) continue;
      return Add(names.front(), found->second.first.values, found->second.second);
    }
  }

  void Add(const std::string& name, const std::vector<std::string>& values, std::string origin) {
    for (const std::string& value : values) {
      const auto trimmed = absl::StripAsciiWhitespace(value);
      added_.push_back(StrCat("--", name, "=", protocol::FromAbsl(trimmed)));
    }
    result_.origins["--" + name] = std::move(origin);
  }

  const CLI::App& root_;
  const CLI::App* at_;
  const Environment& environment_;
  LayeredArguments result_;
  std::set<std::string> given_;
  std::map<std::string, std::string> values_;
  std::map<std::string, std::pair<TomlItem, std::string>> file_;
  std::vector<std::string> added_;
  size_t insert_at_ = 0;
  bool help_ = false;
};

}  // namespace

std::string EnvironmentName(std::string_view option) {
  while (option.starts_with('-')) option.remove_prefix(1);
  std::string name = "PGPARITY_" + absl::AsciiStrToUpper(protocol::ToAbsl(option));
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

std::string Nearest(std::string_view word, const std::vector<std::string>& candidates) {
  std::string best;
  size_t best_distance = word.size() < 4 ? 2 : std::max<size_t>(2, word.size() / 3) + 1;
  for (const std::string& candidate : candidates) {
    // Levenshtein's distance, row by row.
    std::vector<size_t> row(candidate.size() + 1);
    for (size_t j = 0; j < row.size(); ++j) row[j] = j;
    for (size_t i = 1; i <= word.size(); ++i) {
      size_t diagonal = std::exchange(row[0], i);
      for (size_t j = 1; j < row.size(); ++j) {
        const size_t changed = diagonal + (word[i - 1] == candidate[j - 1] ? 0 : 1);
        diagonal = row[j];
        row[j] = std::min({changed, row[j] + 1, row[j - 1] + 1});
      }
    }
    const bool begins = word.size() >= 3 && candidate.starts_with(word);
    const size_t distance = begins ? 1 : row.back();
    if (distance < best_distance) {
      best = candidate;
      best_distance = distance;
    }
  }
  return best;
}

absl::StatusOr<LayeredArguments> LayerArguments(const CLI::App& app,
                                                const std::vector<std::string>& arguments,
                                                const Environment& environment) {
  return Layering(app, arguments, environment).Run();
}

}  // namespace pgparity::tools
