#include "proxy/admin_routes.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>

#include <algorithm>
#include <boost/json.hpp>
#include <charconv>

#include "absl/strings/ascii.h"
#include "protocol/text.h"

namespace pgparity::proxy {
namespace {

constexpr int64_t kDefaultDrainMs = 30'000, kMaxDrainMs = 24ll * 3600 * 1000;

std::string Digest(std::string_view text) {
  std::string digest(SHA256_DIGEST_LENGTH, '\0');
  SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(),
         reinterpret_cast<unsigned char*>(digest.data()));
  return digest;
}

std::string Lower(std::string_view text) { return absl::AsciiStrToLower(protocol::ToAbsl(text)); }

std::string_view PathOf(std::string_view target) { return target.substr(0, target.find('?')); }

// The host of a Host header: without port, brackets and final dot, in lower case.
std::string HostName(std::string_view header) {
  std::string_view host = header;
  if (host.starts_with('[')) {
    const size_t end = host.find(']');
    if (end == std::string_view::npos) return "";
    host = host.substr(1, end - 1);
  } else if (std::count(host.begin(), host.end(), ':') == 1) {
    host = host.substr(0, host.find(':'));
  }
  if (host.ends_with('.')) host.remove_suffix(1);
  return Lower(host);
}

bool IsJson(std::string_view content_type) {
  const std::string_view type = content_type.substr(0, content_type.find(';'));
  return Lower(protocol::FromAbsl(absl::StripAsciiWhitespace(protocol::ToAbsl(type)))) ==
         "application/json";
}

struct Route {
  std::string_view method, path;
  bool open;  // needs no token
  AdminResponse (*answer)(const AdminRequest&, const AdminHandlers&);
};

AdminResponse NotHere() { return AdminError(404, "this pgparity does not serve that"); }

AdminResponse Health(const AdminRequest&, const AdminHandlers&) { return {200, R"({"ok":true})"}; }

AdminResponse Ready(const AdminRequest&, const AdminHandlers& handlers) {
  if (!handlers.ready) return NotHere();
  return handlers.ready() ? AdminResponse{200, R"({"ready":true})"}
                          : AdminResponse{503, R"({"ready":false})"};
}

AdminResponse Status(const AdminRequest&, const AdminHandlers& handlers) {
  return handlers.status_json ? AdminResponse{200, handlers.status_json()} : NotHere();
}

AdminResponse Report(const AdminRequest&, const AdminHandlers& handlers) {
  return handlers.report_json ? AdminResponse{200, handlers.report_json()} : NotHere();
}

AdminResponse Metrics(const AdminRequest&, const AdminHandlers& handlers) {
  if (!handlers.metrics_text) return NotHere();
  return {200, handlers.metrics_text(), "text/plain; version=0.0.4"};
}

AdminResponse SetPaused(const AdminHandlers& handlers, bool paused) {
  if (!handlers.set_paused) return NotHere();
  handlers.set_paused(paused);
  return {200, paused ? R"({"paused":true})" : R"({"paused":false})"};
}

AdminResponse Pause(const AdminRequest&, const AdminHandlers& handlers) {
  return SetPaused(handlers, true);
}

AdminResponse Resume(const AdminRequest&, const AdminHandlers& handlers) {
  return SetPaused(handlers, false);
}

AdminResponse Drain(const AdminRequest& request, const AdminHandlers& handlers) {
  if (!handlers.drain) return NotHere();
  constexpr std::string_view kTimeout = "timeout_ms=";
  int64_t timeout_ms = kDefaultDrainMs;
  std::string_view query = request.target;
  query.remove_prefix(std::min(PathOf(query).size() + 1, query.size()));
  if (!query.empty()) {
    const std::string_view number = query.substr(std::min(kTimeout.size(), query.size()));
    const auto [end, error] =
        std::from_chars(number.data(), number.data() + number.size(), timeout_ms);
    if (!query.starts_with(kTimeout) || error != std::errc() ||
        end != number.data() + number.size() || timeout_ms < 0 || timeout_ms > kMaxDrainMs) {
      return AdminError(400, "drain takes timeout_ms=N alone, N from 0 to 86400000");
    }
  }
  const absl::Status status = handlers.drain(absl::Milliseconds(timeout_ms));
  if (status.ok()) return {200, R"({"drained":true})"};
  const int code = absl::IsDeadlineExceeded(status) ? 504 : absl::IsUnavailable(status) ? 503 : 500;
  return AdminError(code, protocol::MessageOf(status));
}

constexpr Route kRoutes[] = {
    {"GET", "/healthz", true, Health},         {"GET", "/readyz", true, Ready},
    {"GET", "/metrics", false, Metrics},       {"GET", "/api/v1/status", false, Status},
    {"GET", "/api/v1/report", false, Report},  {"POST", "/api/v1/pause", false, Pause},
    {"POST", "/api/v1/resume", false, Resume}, {"POST", "/api/v1/drain", false, Drain},
};

}  // namespace

AdminPolicy::AdminPolicy(bool loopback, std::string_view host, std::string_view token)
    : loopback_(loopback),
      needs_token_(!loopback || !token.empty()),
      hosts_({"localhost", "127.0.0.1", "::1", Lower(host)}),
      token_digest_(token.empty() ? "" : Digest(token)) {}

bool AdminPolicy::HostAllowed(const AdminRequest& request) const {
  if (request.hosts.size() != 1) return false;
  const std::string host = HostName(request.hosts.front());
  return host == request.local_address ||
         std::find(hosts_.begin(), hosts_.end(), host) != hosts_.end();
}

bool AdminPolicy::TokenMatches(std::string_view authorization) const {
  constexpr std::string_view kBearer = "bearer ";
  if (token_digest_.empty() || Lower(authorization.substr(0, kBearer.size())) != kBearer)
    return false;
  // Digests are of one length, whatever was sent.
  const std::string given = Digest(authorization.substr(kBearer.size()));
  return CRYPTO_memcmp(given.data(), token_digest_.data(), token_digest_.size()) == 0;
}

bool IsHealthCheck(std::string_view target) {
  const std::string_view path = PathOf(target);
  return path == "/healthz" || path == "/readyz";
}

AdminResponse AdminError(int status, std::string_view text) {
  boost::json::object object;
  object["error"] = boost::json::string_view(text.data(), text.size());
  return {status, boost::json::serialize(object)};
}

AdminResponse AnswerAdmin(const AdminRequest& request, const AdminPolicy& policy,
                          const AdminHandlers& handlers) {
  if (request.hosts.size() != 1) return AdminError(400, "one Host header is needed");
  const std::string_view path = PathOf(request.target);
  const Route* route = std::find_if(std::begin(kRoutes), std::end(kRoutes),
                                    [path](const Route& r) { return r.path == path; });
  const bool found = route != std::end(kRoutes);
  const bool token = policy.TokenMatches(request.authorization);
  // Elsewhere than on loopback a page that was rebound to this address lacks the token; and health
  // checks come under any name.
  const bool any_host = !policy.loopback() && (token || (found && route->open));
  if (!any_host && !policy.HostAllowed(request)) {
    return AdminError(403, "the Host header names another host than this one");
  }
  if (policy.needs_token() && !token && !(found && route->open)) {
    return AdminError(401, "a bearer token is needed: give the one of --admin-token");
  }
  if (!found) return AdminError(404, "no such path");
  const bool head = request.method == "HEAD" && route->method == "GET";
  if (request.method != route->method && !head) {
    AdminResponse response = AdminError(405, "another method is needed");
    response.allow = std::string(route->method);
    return response;
  }
  // Keeps forms of foreign pages out: a browser sends this type only after asking.
  if (request.method == "POST" && !IsJson(request.content_type)) {
    return AdminError(415, "the content type must be application/json");
  }
  return route->answer(request, handlers);
}

}  // namespace pgparity::proxy
