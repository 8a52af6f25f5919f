#include "proxy/url.h"

#include <libpq-fe.h>

#include <algorithm>
#include <charconv>
#include <climits>
#include <iterator>
#include <optional>

#include "compare/redact.h"
#include "protocol/text.h"
#include "proxy/tls_files.h"

namespace pgparity::proxy {
namespace {

using protocol::StrCat;

constexpr std::string_view kPlaceholder = "{database}";
constexpr std::string_view kEncodingHint =
    " (in a user name or password, write the characters : / ? # @ % as %3A %2F %3F %23 %40 %25)";

// PostgreSQL manual, "Parameter Key Words"; those that have a field of their own apart.
constexpr std::string_view kLibpqKeywords[] = {"application_name",
                                               "channel_binding",
                                               "client_encoding",
                                               "connect_timeout",
                                               "fallback_application_name",
                                               "gssencmode",
                                               "gsslib",
                                               "hostaddr",
                                               "keepalives",
                                               "keepalives_count",
                                               "keepalives_idle",
                                               "keepalives_interval",
                                               "krbsrvname",
                                               "options",
                                               "passfile",
                                               "requirepeer",
                                               "service",
                                               "ssl_max_protocol_version",
                                               "ssl_min_protocol_version",
                                               "sslcert",
                                               "sslcompression",
                                               "sslcrl",
                                               "sslcrldir",
                                               "sslkey",
                                               "sslmode",
                                               "sslpassword",
                                               "sslrootcert",
                                               "sslsni",
                                               "target_session_attrs",
                                               "tcp_user_timeout"};

// Those of later libraries than the oldest we run with.
struct LaterKeyword {
  std::string_view name;
  int since;  // as PQlibVersion has it
};
constexpr int kSystemRootSince = 160000;
constexpr LaterKeyword kLaterKeywords[] = {{"sslcertmode", kSystemRootSince},
                                           {"sslnegotiation", 170000}};

bool IsLibpqKeyword(std::string_view name) {
  return std::find(std::begin(kLibpqKeywords), std::end(kLibpqKeywords), name) !=
         std::end(kLibpqKeywords);
}

bool IsLaterKeyword(std::string_view name, int version) {
  return std::any_of(
      std::begin(kLaterKeywords), std::end(kLaterKeywords),
      [&](const LaterKeyword& later) { return later.name == name && later.since <= version; });
}

absl::Status Bad(std::string_view what) {
  return absl::InvalidArgumentError(StrCat("the database URL ", what));
}

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char lower = static_cast<char>(c | 0x20);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

absl::StatusOr<std::string> Decode(std::string_view text) {
  std::string decoded;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      decoded += text[i];
      continue;
    }
    const int high = i + 2 < text.size() ? HexDigit(text[i + 1]) : -1;
    const int low = i + 2 < text.size() ? HexDigit(text[i + 2]) : -1;
    if (high < 0 || low < 0) {
      return Bad("has a % that two hexadecimal digits do not follow: write % itself as %25");
    }
    decoded += static_cast<char>(high * 16 + low);
    i += 2;
  }
  if (decoded.find('\0') != std::string::npos) return Bad("has a null byte in it");
  return decoded;
}

std::string Encode(std::string_view text, std::string_view keep) {
  constexpr char kHex[] = "0123456789ABCDEF";
  std::string encoded;
  for (const char c : text) {
    const bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    if (plain || keep.find(c) != std::string_view::npos) {
      encoded += c;
    } else {
      encoded += {'%', kHex[static_cast<uint8_t>(c) >> 4], kHex[c & 15]};
    }
  }
  return encoded;
}

std::string ReplacePlaceholder(std::string_view text, std::string_view name) {
  std::string replaced;
  while (true) {
    const size_t at = text.find(kPlaceholder);
    replaced += text.substr(0, at);
    if (at == std::string_view::npos) return replaced;
    replaced += name;
    text.remove_prefix(at + kPlaceholder.size());
  }
}

// Takes what is before the first of `separators` off the front; `*rest` begins behind it.
std::string_view TakeUntil(std::string_view separators, std::string_view* rest) {
  const size_t end = std::min(rest->find_first_of(separators), rest->size());
  const std::string_view taken = rest->substr(0, end);
  rest->remove_prefix(end);
  return taken;
}

class Parser {
 public:
  absl::StatusOr<DatabaseUrl> Run(std::string_view text) {
    if (text.empty()) return Bad("is empty");
    const size_t colon = text.find("://");
    if (colon == std::string_view::npos) {
      return Bad("has no scheme: begin it with postgres:// or sqlite:///");
    }
    std::string_view rest = text.substr(colon + 3);
    absl::Status status = Scheme(text.substr(0, colon));
    if (!status.ok()) return status;
    status = url_.kind == DatabaseUrl::Kind::sqlite ? Sqlite(rest) : Postgres(rest);
    if (!status.ok()) return status;
    return std::move(url_);
  }

 private:
  absl::Status Scheme(std::string_view scheme) {
    // The scheme itself may be said, if it is one.
    const bool plain = scheme.size() <= 40 &&
                       scheme.find_first_not_of(
                           "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-."
                           "_") == std::string_view::npos;
    std::string base(scheme.substr(0, scheme.find('+')));
    std::transform(base.begin(), base.end(), base.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; });
    if (plain && (base == "postgres" || base == "postgresql")) return absl::OkStatus();
    if (plain && base == "sqlite") {
      url_.kind = DatabaseUrl::Kind::sqlite;
      return absl::OkStatus();
    }
    return Bad(StrCat("begins with ", plain ? scheme : "an unknown scheme",
                      plain ? "://, which is not supported" : "",
                      ": begin it with postgres:// or sqlite:///"));
  }

  absl::Status Sqlite(std::string_view rest) {
    const std::string_view location = TakeUntil("?", &rest);
    if (!location.starts_with('/')) {
      return Bad(
          "names a host, which SQLite has not: write sqlite:///relative.db or "
          "sqlite:////absolute.db");
    }
    const auto path = Decode(location.substr(1));
    if (!path.ok()) return path.status();
    url_.path = *path;
    if (url_.path.empty() || url_.path == ":memory:") {
      return Bad("names no file: write sqlite:///relative.db or sqlite:////absolute.db");
    }
    if (url_.path.ends_with('/')) return Bad("names a directory, not a file");
    return Params(rest);
  }

  absl::Status Postgres(std::string_view rest) {
    std::string_view authority = TakeUntil("/?", &rest);
    // Passwords with an @ are common: the last one separates.
    const size_t at = authority.rfind('@');
    absl::Status status;
    if (at != std::string_view::npos) {
      status = UserAndPassword(authority.substr(0, at));
      if (!status.ok()) return status;
      authority.remove_prefix(at + 1);
    }
    status = HostAndPort(authority);
    if (!status.ok()) return status;
    std::string_view database;
    if (rest.starts_with('/')) {
      rest.remove_prefix(1);
      database = TakeUntil("?", &rest);
    }
    if (database.find_first_of("@/") != std::string_view::npos ||
        rest.find('@') != std::string_view::npos) {
      return Bad(StrCat("has an @ or / behind its host", kEncodingHint));
    }
    const auto decoded = Decode(database);
    if (!decoded.ok()) return decoded.status();
    url_.database = *decoded;
    status = Params(rest);
    if (!status.ok()) return status;
    return Check();
  }

  absl::Status UserAndPassword(std::string_view text) {
    const size_t colon = std::min(text.find(':'), text.size());
    const auto user = Decode(text.substr(0, colon));
    const auto password = Decode(text.substr(std::min(colon + 1, text.size())));
    if (!user.ok()) return user.status();
    if (!password.ok()) return password.status();
    url_.user = *user;
    url_.password = *password;
    return absl::OkStatus();
  }

  absl::Status HostAndPort(std::string_view text) {
    if (text.find(',') != std::string_view::npos) return SeveralHosts();
    std::string_view port;
    if (text.starts_with('[')) {
      const size_t end = text.find(']');
      if (end == std::string_view::npos) return Bad("has a [ without its ]");
      url_.host = std::string(text.substr(1, end - 1));
      if (url_.host.find_first_not_of("0123456789abcdefABCDEF:.%") != std::string::npos) {
        return Bad("has something else than an IPv6 address in its brackets");
      }
      port = text.substr(end + 1);
      if (!port.empty() && !port.starts_with(':'))
        return Bad("goes on behind its ] without a colon");
    } else {
      if (std::count(text.begin(), text.end(), ':') > 1) {
        return Bad(StrCat("has several colons in its host: put an IPv6 address into brackets",
                          kEncodingHint));
      }
      port = text;
      const auto host = Decode(TakeUntil(":", &port));
      if (!host.ok()) return host.status();
      url_.host = *host;
    }
    if (!port.empty()) port.remove_prefix(1);
    return port.empty() ? absl::OkStatus() : Port(port);
  }

  absl::Status Port(std::string_view text) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), url_.port);
    if (error != std::errc() || end != text.data() + text.size() || url_.port == 0) {
      return Bad(StrCat("has a port that is no number from 1 to 65535", kEncodingHint));
    }
    return absl::OkStatus();
  }

  absl::Status Params(std::string_view rest) {
    if (rest.starts_with('?')) rest.remove_prefix(1);
    while (!rest.empty()) {
      const std::string_view pair = TakeUntil("&", &rest);
      if (!rest.empty()) rest.remove_prefix(1);
      if (pair.empty()) continue;
      const size_t equals = pair.find('=');
      if (equals == std::string_view::npos || equals == 0) {
        return Bad(StrCat("has a parameter that is not NAME=VALUE", kEncodingHint));
      }
      const auto name = Decode(pair.substr(0, equals));
      const auto value = Decode(pair.substr(equals + 1));
      if (!name.ok()) return name.status();
      if (!value.ok()) return value.status();
      const absl::Status status = Param(*name, *value);
      if (!status.ok()) return status;
    }
    return absl::OkStatus();
  }

  absl::Status Param(const std::string& name, const std::string& value) {
    if (url_.kind == DatabaseUrl::Kind::postgres) {
      if (name == "port") return Port(value);
      std::string* const field = name == "host"       ? &url_.host
                                 : name == "user"     ? &url_.user
                                 : name == "password" ? &url_.password
                                 : name == "dbname"   ? &url_.database
                                                      : nullptr;
      if (field != nullptr) {
        *field = value;
        return absl::OkStatus();
      }
    }
    url_.params.emplace_back(name, value);
    return absl::OkStatus();
  }

  absl::Status SeveralHosts() {
    return Bad(
        "names several hosts: name the one that is the primary, or an address that follows it");
  }

  absl::Status Check() {
    if (url_.host.empty()) {
      return Bad("names no host: write localhost, or ?host=/DIRECTORY for a unix socket");
    }
    if (url_.host.find(',') != std::string::npos) return SeveralHosts();
    if (std::any_of(url_.host.begin(), url_.host.end(),
                    [](char c) { return static_cast<uint8_t>(c) <= ' ' || c == '\x7f'; })) {
      return Bad("has a blank or control character in its host");
    }
    return absl::OkStatus();
  }

  DatabaseUrl url_;
};

void AppendKeyword(std::string_view name, std::string_view value, std::string* out) {
  if (!out->empty()) *out += ' ';
  *out += StrCat(name, "='");
  for (const char c : value) {
    if (c == '\\' || c == '\'') *out += '\\';
    *out += c;
  }
  *out += '\'';
}

}  // namespace

absl::StatusOr<DatabaseUrl> DatabaseUrl::Parse(std::string_view url) { return Parser().Run(url); }

bool DatabaseUrl::per_database() const {
  return database.find(kPlaceholder) != std::string::npos ||
         path.find(kPlaceholder) != std::string::npos;
}

DatabaseUrl DatabaseUrl::ForDatabase(std::string_view name) const {
  DatabaseUrl url = *this;
  url.database = ReplacePlaceholder(database, name);
  url.path = ReplacePlaceholder(path, Encode(name, "_-"));
  return url;
}

std::string DatabaseUrl::ToLibpqConninfo() const {
  std::string conninfo;
  AppendKeyword("host", host, &conninfo);
  AppendKeyword("port", std::to_string(port), &conninfo);
  if (!user.empty()) AppendKeyword("user", user, &conninfo);
  if (!password.empty()) AppendKeyword("password", password, &conninfo);
  if (!database.empty()) AppendKeyword("dbname", database, &conninfo);
  const int version = PQlibVersion();
  bool system_roots = false, mode = false;
  for (const auto& [name, value] : params) {
    mode |= name == "sslmode";
    if (name == "sslrootcert" && value == "system" && version < kSystemRootSince) {
      AppendKeyword(name, SystemRootFile(), &conninfo);
      system_roots = true;
    } else if (IsLibpqKeyword(name) || IsLaterKeyword(name, version)) {
      AppendKeyword(name, value, &conninfo);
    }
  }
  // What later libraries make of it.
  if (system_roots && !mode) AppendKeyword("sslmode", "verify-full", &conninfo);
  return conninfo;
}

std::string DatabaseUrl::Redacted() const {
  std::string url;
  if (kind == Kind::sqlite) {
    url = StrCat("sqlite:///", path);
  } else {
    url = "postgres://";
    if (!user.empty()) url += user;
    if (!password.empty()) url += ":***";
    if (!user.empty() || !password.empty()) url += '@';
    const bool brackets = host.find(':') != std::string::npos;
    if (!unix_socket()) url += StrCat(brackets ? "[" : "", host, brackets ? "]" : "", ":", port);
    url += StrCat("/", database);
  }
  char separator = '?';
  const auto append = [&](std::string_view name, std::string_view value) {
    url += StrCat(std::string(1, separator), name, "=", value);
    separator = '&';
  };
  if (unix_socket()) {
    append("host", host);
    if (port != 5432) append("port", std::to_string(port));
  }
  for (const auto& [name, value] : params) {
    // What is not known to be harmless may be a secret.
    const bool known = IsLibpqKeyword(name) || IsLaterKeyword(name, INT_MAX);
    append(name, known && name != "sslpassword" && name != "options" ? value : "***");
  }
  return compare::EscapeControl(url);
}

}  // namespace pgparity::proxy
