#include "proxy/options.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <iterator>
#include <optional>

#include "absl/strings/ascii.h"
#include "protocol/text.h"
#include "proxy/listener.h"
#include "proxy/role_map.h"
#include "proxy/tls_client.h"
#include "proxy/url.h"

namespace pgparity::proxy {
namespace {

using protocol::StrCat;

absl::Status Bad(std::string_view what) {
  return absl::InvalidArgumentError(protocol::ToAbsl(what));
}

std::string Lower(std::string_view text) { return absl::AsciiStrToLower(protocol::ToAbsl(text)); }

// The number at the front of `*text`, which is taken off; nullopt if there is none.
std::optional<double> TakeNumber(std::string_view* text) {
  const size_t end = std::min(text->find_first_not_of("0123456789."), text->size());
  double value = 0;
  const auto [stop, error] = std::from_chars(text->data(), text->data() + end, value);
  if (error != std::errc() || stop != text->data() + end) return std::nullopt;
  text->remove_prefix(end);
  return value;
}

struct Unit {
  std::string_view name;
  double factor;
};

constexpr Unit kSizeUnits[] = {{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"B", 1}};
constexpr Unit kTimeUnits[] = {{"d", 86400}, {"h", 3600}, {"m", 60}, {"s", 1}, {"ms", 0.001}};

template <size_t n>
const Unit* FindUnit(const Unit (&units)[n], std::string_view name) {
  const auto* found = std::find_if(
      units, units + n, [&](const Unit& unit) { return Lower(unit.name) == Lower(name); });
  return found == units + n ? nullptr : found;
}

}  // namespace

absl::StatusOr<uint64_t> ParseSize(std::string_view text) {
  constexpr double kMax = 1ull << 60;
  const std::string_view given = text;
  const auto value = TakeNumber(&text);
  if (text.empty()) text = "B";
  const Unit* unit = FindUnit(kSizeUnits, text);
  if (!value.has_value() || unit == nullptr) {
    return Bad(
        StrCat("\"", given, "\" is no size: write a number and KiB, MiB or GiB, as in 64MiB"));
  }
  const double bytes = *value * unit->factor;
  if (bytes > kMax) return Bad(StrCat("\"", given, "\" is too large a size"));
  return static_cast<uint64_t>(bytes);
}

absl::StatusOr<absl::Duration> ParseDuration(std::string_view text) {
  constexpr double kMaxSeconds = 10'000.0 * 86400;
  const std::string_view given = text;
  const auto value = TakeNumber(&text);
  if (value == 0.0 && text.empty()) return absl::ZeroDuration();
  const Unit* unit = FindUnit(kTimeUnits, text);
  if (!value.has_value() || unit == nullptr) {
    return Bad(
        StrCat("\"", given, "\" is no duration: write a number and ms, s, m, h or d, as in 30s"));
  }
  const double seconds = *value * unit->factor;
  if (seconds > kMaxSeconds) return Bad(StrCat("\"", given, "\" is too long a duration"));
  return absl::Milliseconds(std::llround(seconds * 1000));
}

absl::StatusOr<Endpoint> ParseEndpoint(std::string_view text) {
  const absl::Status bad = Bad(
      StrCat("\"", text, "\" is no address: write HOST:PORT, as in 127.0.0.1:6432 or [::1]:6432"));
  Endpoint endpoint;
  std::string_view port = text;
  const size_t colon = text.rfind(':');
  if (colon != std::string_view::npos) {
    std::string_view host = text.substr(0, colon);
    port = text.substr(colon + 1);
    if (host.starts_with('[') && host.ends_with(']')) {
      host = host.substr(1, host.size() - 2);
      if (host.find(':') == std::string_view::npos) return bad;
    } else if (host.find_first_of(":[]") != std::string_view::npos) {
      return bad;
    }
    if (host.find_first_of(" /@") != std::string_view::npos) return bad;
    if (!host.empty()) endpoint.host = host == "*" ? "0.0.0.0" : std::string(host);
  }
  const auto [stop, error] = std::from_chars(port.data(), port.data() + port.size(), endpoint.port);
  if (port.empty() || error != std::errc() || stop != port.data() + port.size()) return bad;
  return endpoint;
}

absl::StatusOr<double> ParseReads(std::string_view text) {
  if (text == "all") return 1.0;
  if (text == "off") return 0.0;
  constexpr std::string_view kSample = "sample=";
  if (text.starts_with(kSample)) {
    std::string_view rest = text.substr(kSample.size());
    const auto value = TakeNumber(&rest);
    if (value.has_value() && rest.empty() && *value > 0 && *value <= 1) {
      return *value;
    }
  }
  return Bad(
      StrCat("\"", text, "\" is none of all, off and sample=P, P being a share such as 0.1"));
}

absl::StatusOr<bool> ParseSwitch(std::string_view text) {
  const std::string lower = Lower(text);
  for (const char* on : {"on", "true", "yes", "1"}) {
    if (lower == on) return true;
  }
  for (const char* off : {"off", "false", "no", "0"}) {
    if (lower == off) return false;
  }
  return Bad(StrCat("\"", text, "\" is neither on nor off"));
}

std::string SizeText(uint64_t bytes) {
  for (const Unit& unit : kSizeUnits) {
    const auto factor = static_cast<uint64_t>(unit.factor);
    if (bytes >= factor && bytes % factor == 0) return StrCat(bytes / factor, unit.name);
  }
  return StrCat(bytes, "B");
}

std::string DurationText(absl::Duration duration) {
  const int64_t ms = absl::ToInt64Milliseconds(duration);
  for (const Unit& unit : kTimeUnits) {
    const auto factor = static_cast<int64_t>(unit.factor * 1000);
    if (ms >= factor && ms % factor == 0) return StrCat(ms / factor, unit.name);
  }
  return StrCat(ms, "ms");
}

std::string Endpoint::ToString() const {
  const bool brackets = host.find(':') != std::string::npos;
  return StrCat(brackets ? "[" : "", host, brackets ? "]:" : ":", port);
}

namespace {

absl::Status ForOption(std::string_view option, const absl::Status& status) {
  return absl::Status(status.code(),
                      protocol::ToAbsl(StrCat(option, ": ", protocol::MessageOf(status))));
}

absl::Status ValidateUrls(const ServeOptions& options) {
  const auto primary = DatabaseUrl::Parse(options.primary);
  if (!primary.ok()) return ForOption("--primary", primary.status());
  if (primary->kind != DatabaseUrl::Kind::postgres)
    return Bad("--primary must be a postgres:// URL");
  if (primary->per_database()) {
    return Bad("--primary cannot hold {database}: clients name the database themselves");
  }
  if (const auto tls = TlsClientOptionsOf(*primary); !tls.ok()) {
    return ForOption("--primary", tls.status());
  }
  if (!options.shadow.empty()) {
    const auto shadow = DatabaseUrl::Parse(options.shadow);
    if (!shadow.ok()) return ForOption("--shadow", shadow.status());
    if (primary->database.empty() && primary->user.empty()) {
      return Bad("--primary must name the database that is shadowed");
    }
    if (shadow->kind == DatabaseUrl::Kind::sqlite) {
      return Bad("--shadow: an SQLite shadow comes later: use a postgres:// URL");
    }
  }
  for (const std::string& listen : options.listen) {
    const auto address = ParseListenAddress(listen);
    if (!address.ok()) return ForOption("--listen", address.status());
  }
  if (!options.admin.empty()) {
    const auto admin = ParseEndpoint(options.admin);
    if (!admin.ok()) return ForOption("--admin", admin.status());
  }
  return absl::OkStatus();
}

absl::Status ValidateTls(const ServeOptions& options) {
  if (options.tls_cert.empty() != options.tls_key.empty()) {
    return Bad("--tls-cert and --tls-key go together: the certificate's file and its key's");
  }
  const char* const without_tls = !options.tls_cert.empty()        ? "--tls-cert"
                                  : !options.tls_client_ca.empty() ? "--tls-client-ca"
                                  : options.require_tls            ? "--require-tls"
                                                                   : nullptr;
  if (!options.tls && without_tls != nullptr) {
    return Bad(StrCat(without_tls, " contradicts --tls off"));
  }
  return absl::OkStatus();
}

absl::Status ValidateAuth(const ServeOptions& options) {
  const auto primary = DatabaseUrl::Parse(options.primary);
  if (!primary.ok()) return primary.status();
  if (options.auth == AuthMode::url && (primary->user.empty() || primary->password.empty())) {
    return Bad("--auth url needs a user and a password in --primary");
  }
  const bool scram = options.auth == AuthMode::scram;
  if (!scram && !(options.auth_file.empty() && options.auth_query.empty())) {
    return Bad("--auth-file and --auth-query are for --auth scram: add it");
  }
  if (scram && options.auth_file.empty() && primary->user.empty()) {
    return Bad("--auth scram needs --auth-file, or a user in --primary for its --auth-query");
  }
  if (scram && !options.auth_query.empty() && primary->user.empty()) {
    return Bad("--auth-query needs a user in --primary");
  }
  if (options.auth_query_keep < absl::ZeroDuration()) {
    return Bad("--auth-query-keep cannot be negative");
  }
  return absl::OkStatus();
}

absl::Status ValidateRoleMap(const ServeOptions& options) {
  if (options.shadow_role_map.empty()) return absl::OkStatus();
  if (options.shadow.empty()) return Bad("--shadow-role-map needs --shadow");
  const auto entries = ReadRoleMap(options.shadow_role_map);
  if (!entries.ok()) return ForOption("--shadow-role-map", entries.status());
  const shadow::RoleMap roles = MakeRoleMap(*entries, *DatabaseUrl::Parse(options.shadow), "");
  return SnapshotLanes(static_cast<size_t>(options.shadow_connections), roles,
                       options.read_sample > 0)
      .status();
}

}  // namespace

absl::Status Validate(const ServeOptions& options) {
  struct Bound {
    const char* option;
    uint64_t value, least, most;
    bool size;
  };
  const Bound bounds[] = {
      {"--threads", static_cast<uint64_t>(options.threads), 1, 256, false},
      {"--max-sessions", options.max_sessions, 1, 1'000'000, false},
      {"--auth-query-rate", options.auth_query_rate, 1, 1'000'000, false},
      {"--max-frame", options.max_frame, 64 << 10, (1ull << 31) - 1, true},
      {"--shadow-connections", static_cast<uint64_t>(options.shadow_connections), 1, 1000, false},
      {"--shadow-databases", options.shadow_databases, 1, 1000, false},
      {"--window", options.window, 1, 10'000, false},
      {"--settle-reads", options.settle_reads, 0, 10'000'000, false},
      {"--settle-table-rows", options.settle_table_rows, 0, 1'000'000'000'000, false},
      {"--ordering-text", options.ordering_text, 64, 1 << 20, true},
      {"--ring-size", options.ring_size, 1 << 20, 64ull << 30, true},
      {"--capture-rows", options.capture_rows, 0, 1ull << 30, true},
      {"--capture-frame", options.capture_frame, 64 << 10, 1ull << 30, true},
      {"--journal-segment", options.journal_segment, 1 << 20, 4ull << 30, true},
      {"--journal-keep", options.journal_keep, 1 << 20, 1ull << 50, true},
  };
  for (const Bound& bound : bounds) {
    if (bound.value >= bound.least && bound.value <= bound.most) continue;
    const auto shown = [&bound](uint64_t n) {
      return bound.size ? SizeText(n) : std::to_string(n);
    };
    return Bad(
        StrCat(bound.option, " must lie between ", shown(bound.least), " and ", shown(bound.most)));
  }
  if (options.listen.empty()) return Bad("--listen is missing");
  if (options.data_dir.empty()) return Bad("--data-dir is missing");
  if (absl::Status status = ValidateUrls(options); !status.ok()) return status;
  if (absl::Status status = ValidateTls(options); !status.ok()) return status;
  if (absl::Status status = ValidateAuth(options); !status.ok()) return status;
  if (absl::Status status = ValidateRoleMap(options); !status.ok()) return status;
  if (options.login_timeout <= absl::ZeroDuration())
    return Bad("--login-timeout must be longer than 0");
  if (options.connect_timeout <= absl::ZeroDuration()) {
    return Bad("--connect-timeout must be longer than 0");
  }
  if (options.hold_wait <= absl::ZeroDuration()) return Bad("--hold-wait must be longer than 0");
  if (options.journal_keep < options.journal_segment) {
    return Bad("--journal-keep must be at least --journal-segment");
  }
  return absl::OkStatus();
}

}  // namespace pgparity::proxy
