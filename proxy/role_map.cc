#include "proxy/role_map.h"

#include <sys/stat.h>

#include <fstream>
#include <set>
#include <sstream>

#include "absl/strings/ascii.h"
#include "compare/redact.h"
#include "protocol/text.h"

namespace pgparity::proxy {

using protocol::StrCat;

namespace {

constexpr uint64_t kMaxFile = 1 << 20;
constexpr size_t kMaxEntries = 1000;
constexpr size_t kMaxName = 63;  // NAMEDATALEN - 1

bool IsBare(char c) {
  const auto u = static_cast<unsigned char>(c);
  return absl::ascii_isalnum(u) || c == '_' || c == '-' || c == '$' || u >= 0x80;
}

// Reads one line.
class LineReader {
 public:
  explicit LineReader(std::string_view line) : rest_(line) {}

  absl::StatusOr<std::optional<RoleMapEntry>> Read() {
    SkipSpace();
    if (AtEnd()) return std::optional<RoleMapEntry>();
    RoleMapEntry entry;
    if (rest_.starts_with('*')) {
      rest_.remove_prefix(1);
      entry.client = "*";
    } else {
      auto client = Name("a role of the clients");
      if (!client.ok()) return client.status();
      if (*client == "*") return Bad("write * without quotes for every other role");
      entry.client = *std::move(client);
    }
    SkipSpace();
    if (!rest_.starts_with('=')) return Bad("expected = behind the role of the clients");
    rest_.remove_prefix(1);
    SkipSpace();
    auto target = Target();
    if (!target.ok()) return target.status();
    SkipSpace();
    if (!AtEnd()) return Bad("more stands behind the entry");
    return Resolve(std::move(entry), *target);
  }

 private:
  static absl::Status Bad(std::string_view what) {
    return absl::InvalidArgumentError(protocol::ToAbsl(what));
  }
  void SkipSpace() {
    while (!rest_.empty() && (rest_[0] == ' ' || rest_[0] == '\t')) rest_.remove_prefix(1);
  }
  bool AtEnd() const { return rest_.empty() || rest_[0] == '#'; }

  absl::StatusOr<std::string> Quoted() {
    std::string text;
    rest_.remove_prefix(1);
    while (!rest_.empty() && rest_[0] != '"') {
      if (rest_[0] == '\\') {
        if (rest_.size() < 2 || (rest_[1] != '"' && rest_[1] != '\\'))
          return Bad("in quotes, \\ stands before \" and \\ alone");
        rest_.remove_prefix(1);
      }
      text.push_back(rest_[0]);
      rest_.remove_prefix(1);
    }
    if (rest_.empty()) return Bad("a quote is not closed");
    rest_.remove_prefix(1);
    return text;
  }

  absl::StatusOr<std::string> Name(std::string_view what) {
    std::string name;
    if (rest_.starts_with('"')) {
      auto quoted = Quoted();
      if (!quoted.ok()) return quoted.status();
      name = *std::move(quoted);
    } else {
      while (!rest_.empty() && IsBare(rest_[0])) {
        name.push_back(rest_[0]);
        rest_.remove_prefix(1);
      }
    }
    if (name.empty()) return Bad(StrCat("expected ", what));
    return name;
  }

  // A role, or a URL, which may stand without quotes too.
  absl::StatusOr<std::string> Target() {
    const size_t scheme = rest_.find("://");
    const size_t end = std::min(rest_.find_first_of(" \t\""), rest_.size());
    if (scheme == std::string_view::npos || scheme > end)
      return Name("a role of the shadow, or a URL");
    std::string url(rest_.substr(0, end));
    rest_.remove_prefix(end);
    return url;
  }

  static absl::StatusOr<std::optional<RoleMapEntry>> Resolve(RoleMapEntry entry,
                                                             const std::string& target) {
    if (entry.client.size() > kMaxName || entry.client.find('\0') != std::string::npos)
      return Bad("a role's name has at most 63 bytes, none of them zero");
    if (target.find("://") != std::string::npos) {
      auto url = DatabaseUrl::Parse(target);
      if (!url.ok()) return url.status();
      if (url->kind != DatabaseUrl::Kind::postgres) return Bad("the URL must be a postgres:// URL");
      if (url->user.empty()) return Bad("the URL names no user");
      entry.url = *std::move(url);
    } else {
      if (target.size() > kMaxName || target.find('\0') != std::string::npos)
        return Bad("a role's name has at most 63 bytes, none of them zero");
      entry.role = target;
    }
    return std::optional<RoleMapEntry>(std::move(entry));
  }

  std::string_view rest_;
};

}  // namespace

absl::StatusOr<std::vector<RoleMapEntry>> ParseRoleMap(std::string_view text) {
  std::vector<RoleMapEntry> entries;
  std::set<std::string> seen;
  for (size_t number = 1; !text.empty(); ++number) {
    const size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    const auto at = [number](std::string_view what) {
      return absl::InvalidArgumentError(StrCat("line ", number, ": ", what));
    };
    auto entry = LineReader(line).Read();
    if (!entry.ok()) return at(protocol::MessageOf(entry.status()));
    if (!entry->has_value()) continue;
    if (!seen.insert((*entry)->client).second)
      return at(StrCat("the role \"", compare::EscapeControl((*entry)->client), "\" comes twice"));
    if (entries.size() == kMaxEntries) return at("more than 1000 entries");
    entries.push_back(**std::move(entry));
  }
  return entries;
}

absl::StatusOr<std::vector<RoleMapEntry>> ReadRoleMap(const std::string& path) {
  struct stat info {};
  std::ifstream file(path, std::ios::binary);
  if (!file || stat(path.c_str(), &info) != 0 || S_ISDIR(info.st_mode))
    return absl::NotFoundError(StrCat(path, " cannot be read"));
  std::string text;
  char buffer[1 << 16];
  while (file.read(buffer, sizeof(buffer)) || file.gcount() > 0) {
    text.append(buffer, static_cast<size_t>(file.gcount()));
    if (text.size() > kMaxFile)
      return absl::InvalidArgumentError(StrCat(path, " is larger than 1 MiB"));
  }
  auto entries = ParseRoleMap(text);
  if (!entries.ok())
    return absl::InvalidArgumentError(StrCat(path, ", ", protocol::MessageOf(entries.status())));
  return entries;
}

shadow::RoleMap MakeRoleMap(const std::vector<RoleMapEntry>& entries, const DatabaseUrl& shadow,
                            std::string_view database) {
  using Kind = shadow::ShadowRole::Kind;
  shadow::RoleMap map(shadow.user);
  for (const RoleMapEntry& entry : entries) {
    if (!entry.url.has_value()) {
      map.Add(entry.client, {Kind::set_role, entry.role, ""});
      continue;
    }
    DatabaseUrl url = entry.url->ForDatabase(database);
    if (url.database.empty()) url.database = shadow.database;
    if (url.database.empty()) url.database = shadow.user;
    map.Add(entry.client, {Kind::connection, url.user, url.ToLibpqConninfo()});
  }
  return map;
}

absl::StatusOr<size_t> SnapshotLanes(size_t shadow_connections, const shadow::RoleMap& roles,
                                     bool reads) {
  const size_t lane = roles.connections_a_lane();
  const size_t lanes = shadow_connections / lane;
  // Without a role of its own a single connection is a choice: reads are then not compared.
  const size_t least = lane == 1 ? 1 : lane * (reads ? 2 : 1);
  if (shadow_connections < least) {
    return absl::InvalidArgumentError(
        StrCat("--shadow-connections must be at least ", least, ": the role map has ", lane - 1,
               lane == 2 ? " role" : " roles", " with a URL of its own, each of which takes a ",
               reads ? "connection to write and one to read" : "connection to write"));
  }
  return lanes - 1;
}

}  // namespace pgparity::proxy
