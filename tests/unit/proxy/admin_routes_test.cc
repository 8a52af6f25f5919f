#include "proxy/admin_routes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>

namespace pgparity::proxy {
namespace {

using testing::HasSubstr;
using testing::Not;

AdminRequest Get(const std::string& target) {
  AdminRequest request;
  request.method = "GET";
  request.target = target;
  request.hosts = {"localhost:6433"};
  request.local_address = "127.0.0.1";
  return request;
}

AdminRequest Post(const std::string& target) {
  AdminRequest request = Get(target);
  request.method = "POST";
  request.content_type = "application/json";
  return request;
}

class AdminRoutes : public testing::Test {
 protected:
  AdminRoutes() {
    handlers_.status_json = [] { return R"({"state":"shadowing"})"; };
    handlers_.ready = [this] { return ready_; };
    handlers_.set_paused = [this](bool paused) { paused_ = paused; };
    handlers_.drain = [this](absl::Duration timeout) {
      drain_timeout_ = timeout;
      return drain_status_;
    };
    handlers_.report_json = [] { return R"({"schema":1})"; };
  }
  AdminResponse Loopback(const AdminRequest& request, const std::string& token = "") {
    return AnswerAdmin(request, AdminPolicy(true, "127.0.0.1", token), handlers_);
  }
  AdminResponse Elsewhere(const AdminRequest& request) {
    return AnswerAdmin(request, AdminPolicy(false, "0.0.0.0", "the-token"), handlers_);
  }

  AdminHandlers handlers_;
  bool ready_ = true;
  std::optional<bool> paused_;
  std::optional<absl::Duration> drain_timeout_;
  absl::Status drain_status_;
};

TEST_F(AdminRoutes, Answers) {
  EXPECT_EQ(Loopback(Get("/healthz")).status, 200);
  EXPECT_EQ(Loopback(Get("/api/v1/status")).body, R"({"state":"shadowing"})");
  EXPECT_EQ(Loopback(Get("/api/v1/report")).body, R"({"schema":1})");
  EXPECT_EQ(Loopback(Post("/api/v1/pause")).status, 200);
  EXPECT_EQ(paused_, true);
  EXPECT_EQ(Loopback(Post("/api/v1/resume")).status, 200);
  EXPECT_EQ(paused_, false);
}

TEST_F(AdminRoutes, ReadinessIsAStatusCode) {
  EXPECT_EQ(Loopback(Get("/readyz")).status, 200);
  ready_ = false;
  EXPECT_EQ(Loopback(Get("/readyz")).status, 503);
  EXPECT_EQ(Loopback(Get("/healthz")).status, 200);
}

TEST_F(AdminRoutes, Drain) {
  EXPECT_EQ(Loopback(Post("/api/v1/drain")).status, 200);
  EXPECT_EQ(drain_timeout_, absl::Seconds(30));
  EXPECT_EQ(Loopback(Post("/api/v1/drain?timeout_ms=1500")).status, 200);
  EXPECT_EQ(drain_timeout_, absl::Milliseconds(1500));
  drain_status_ = absl::DeadlineExceededError("12 units left");
  EXPECT_EQ(Loopback(Post("/api/v1/drain")).status, 504);
  EXPECT_THAT(Loopback(Post("/api/v1/drain")).body, HasSubstr("12 units left"));
  drain_status_ = absl::InternalError("x");
  EXPECT_EQ(Loopback(Post("/api/v1/drain")).status, 500);
}

TEST_F(AdminRoutes, BadDrainTimeoutsAreRefused) {
  for (const char* query : {"timeout_ms=", "timeout_ms=x", "timeout_ms=-1", "timeout_ms=1s", "x=1",
                            "timeout", "timeout_ms=86400001", "timeout_ms=99999999999999999999"}) {
    EXPECT_EQ(Loopback(Post(std::string("/api/v1/drain?") + query)).status, 400) << query;
  }
  EXPECT_FALSE(drain_timeout_.has_value());
}

TEST_F(AdminRoutes, UnknownPathsAndMethods) {
  EXPECT_EQ(Loopback(Get("/")).status, 404);
  EXPECT_EQ(Loopback(Get("/api/v1/statusx")).status, 404);
  EXPECT_EQ(Loopback(Get("/metrics")).status, 404);  // not set
  const AdminResponse response = Loopback(Get("/api/v1/pause"));
  EXPECT_EQ(response.status, 405);
  EXPECT_EQ(response.allow, "POST");
  EXPECT_FALSE(paused_.has_value());
  AdminRequest head = Get("/healthz");
  head.method = "HEAD";
  EXPECT_EQ(Loopback(head).status, 200);
  head.target = "/api/v1/pause";
  EXPECT_EQ(Loopback(head).status, 405);
}

TEST_F(AdminRoutes, MetricsAreASeam) {
  handlers_.metrics_text = [] { return "a 1\n"; };
  EXPECT_EQ(Loopback(Get("/metrics")).body, "a 1\n");
}

TEST_F(AdminRoutes, HostMustNameThisMachine) {
  for (const char* host :
       {"localhost", "LOCALHOST:1", "127.0.0.1", "127.0.0.1:6433", "[::1]:6433", "localhost."}) {
    AdminRequest request = Get("/api/v1/status");
    request.hosts = {host};
    EXPECT_EQ(Loopback(request).status, 200) << host;
  }
  for (const char* target : {"/api/v1/status", "/healthz", "/nothing"}) {
    for (const char* host : {"evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "",
                             ":6433", "[::1", "evil@localhost", "1.2.3.4"}) {
      AdminRequest request = Get(target);
      request.hosts = {host};
      EXPECT_EQ(Loopback(request).status, 403) << host;
    }
  }
  AdminRequest request = Get("/api/v1/status");
  request.hosts = {};
  EXPECT_EQ(Loopback(request).status, 400);
  request.hosts = {"localhost", "evil.example"};
  EXPECT_EQ(Loopback(request).status, 400);
  request.hosts = {"evil.example"};
  EXPECT_EQ(Loopback(request, "the-token").status, 403);
}

TEST_F(AdminRoutes, ATokenThatIsGivenIsNeededOnLoopbackToo) {
  AdminRequest request = Get("/api/v1/status");
  EXPECT_EQ(Loopback(request, "the-token").status, 401);
  request.authorization = "Bearer the-token";
  EXPECT_EQ(Loopback(request, "the-token").status, 200);
  EXPECT_EQ(Loopback(Get("/healthz"), "the-token").status, 200);
}

TEST_F(AdminRoutes, ElsewhereTheTokenIsNeeded) {
  for (const char* authorization : {"", "Bearer", "Bearer ", "Bearer the-toke", "Bearer the-token ",
                                    "Basic the-token", "the-token", "Bearer the-tokenx"}) {
    AdminRequest request = Get("/api/v1/status");
    request.authorization = authorization;
    EXPECT_EQ(Elsewhere(request).status, 401) << authorization;
    request = Post("/api/v1/pause");
    request.authorization = authorization;
    EXPECT_EQ(Elsewhere(request).status, 401) << authorization;
  }
  EXPECT_FALSE(paused_.has_value());
  AdminRequest request = Get("/api/v1/status");
  request.authorization = "bearer the-token";
  EXPECT_EQ(Elsewhere(request).status, 200);
}

TEST_F(AdminRoutes, ElsewhereHealthChecksComeUnderAnyName) {
  AdminRequest request = Get("/readyz");
  request.hosts = {"pgparity.internal:6433"};
  EXPECT_EQ(Elsewhere(request).status, 200);
  request.target = "/api/v1/status";
  EXPECT_EQ(Elsewhere(request).status, 403);
  request.authorization = "Bearer the-token";
  EXPECT_EQ(Elsewhere(request).status, 200);
}

TEST_F(AdminRoutes, AnEmptyTokenMatchesNothing) {
  EXPECT_FALSE(AdminPolicy(true, "", "").TokenMatches("Bearer "));
  EXPECT_FALSE(AdminPolicy(true, "", "").TokenMatches(""));
}

TEST_F(AdminRoutes, PostNeedsJsonOnLoopbackToo) {
  for (const char* type :
       {"", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data",
        "text/plain; application/json", "application/jsonx"}) {
    AdminRequest request = Post("/api/v1/pause");
    request.content_type = type;
    EXPECT_EQ(Loopback(request).status, 415) << type;
  }
  EXPECT_FALSE(paused_.has_value());
  AdminRequest request = Post("/api/v1/pause");
  request.content_type = "Application/JSON; charset=utf-8";
  EXPECT_EQ(Loopback(request).status, 200);
}

TEST_F(AdminRoutes, ErrorsAreJsonWhateverTheirText) {
  drain_status_ = absl::InternalError("a \"quote\" and \n");
  EXPECT_THAT(Loopback(Post("/api/v1/drain")).body, HasSubstr(R"(a \"quote\" and \n)"));
}

}  // namespace
}  // namespace pgparity::proxy
