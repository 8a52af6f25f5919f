// What the admin address answers to a request: no sockets here.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace pgparity::proxy {

// Called on threads of the admin server, several at a time; must not throw. Those that are not set
// answer 404.
struct AdminHandlers {
  std::function<std::string()> status_json;
  std::function<bool()> ready;
  std::function<void(bool)> set_paused;
  // Returns when all is drained, or DeadlineExceeded. At most eight at a time.
  std::function<absl::Status(absl::Duration)> drain;
  std::function<std::string()> report_json;
  // For a scraper, as it is served at /metrics.
  std::function<std::string()> metrics_text;
};

struct AdminRequest {
  std::string method;              // "GET", ...
  std::string target;              // path and query
  std::vector<std::string> hosts;  // all Host headers
  std::string content_type, authorization;
  std::string local_address;  // that the connection came in at, without brackets
};

struct AdminResponse {
  int status = 200;
  std::string body;
  std::string content_type = "application/json";
  std::string allow = {};  // of status 405
};

// Who may ask. Loopback: whoever names this machine in Host (against DNS rebinding) and has the
// token, if there is one. Elsewhere: whoever has the token; /healthz and /readyz are open.
class AdminPolicy {
 public:
  // `host`: as given in the address to listen on.
  AdminPolicy(bool loopback, std::string_view host, std::string_view token);

  bool loopback() const { return loopback_; }
  bool HostAllowed(const AdminRequest& request) const;
  // In constant time.
  bool TokenMatches(std::string_view authorization) const;
  bool needs_token() const { return needs_token_; }

 private:
  bool loopback_, needs_token_;
  std::vector<std::string> hosts_;
  std::string token_digest_;
};

// Answers with {"error": "..."} what is refused.
AdminResponse AnswerAdmin(const AdminRequest& request, const AdminPolicy& policy,
                          const AdminHandlers& handlers);
// Cheap enough to be answered between two events: /healthz and /readyz.
bool IsHealthCheck(std::string_view target);
AdminResponse AdminError(int status, std::string_view text);

}  // namespace pgparity::proxy
