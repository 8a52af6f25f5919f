#include "tests/support/proxy_process.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <utility>

#include "tests/support/postgres_cluster.h"

namespace pgparity::support {

namespace {

constexpr auto ready_limit = std::chrono::seconds(60);

std::string TextOr(const boost::json::object& object, std::string_view key) {
  const auto* value = object.if_contains({key.data(), key.size()});
  return value != nullptr && value->is_string() ? std::string(value->as_string().c_str()) : "";
}

uint64_t NumberOr(const boost::json::object& object, std::string_view key) {
  const auto* value = object.if_contains({key.data(), key.size()});
  if (value == nullptr || !value->is_number()) return 0;
  return value->to_number<uint64_t>();
}

const boost::json::array& ArrayOr(const boost::json::object& object, std::string_view key) {
  static const boost::json::array empty;
  const auto* value = object.if_contains({key.data(), key.size()});
  return value != nullptr && value->is_array() ? value->as_array() : empty;
}

std::map<std::string, uint64_t> Counters(const boost::json::object& object, std::string_view key) {
  std::map<std::string, uint64_t> counters;
  const auto* value = object.if_contains({key.data(), key.size()});
  if (value == nullptr || !value->is_object()) return counters;
  for (const auto& entry : value->as_object()) {
    if (entry.value().is_number()) {
      counters[std::string(entry.key())] = entry.value().to_number<uint64_t>();
    }
  }
  return counters;
}

Divergence ParseDivergence(const boost::json::object& object) {
  Divergence divergence;
  divergence.shape = TextOr(object, "shape");
  divergence.cls = TextOr(object, "class");
  divergence.kind = TextOr(object, "kind");
  divergence.what = TextOr(object, "what");
  divergence.count = NumberOr(object, "count");
  divergence.consequences = NumberOr(object, "consequences");
  for (const auto& table : ArrayOr(object, "tables")) {
    if (table.is_string()) divergence.tables.emplace_back(table.as_string().c_str());
  }
  return divergence;
}

std::optional<boost::json::value> Parse(const std::string& text) {
  boost::json::error_code error;
  boost::json::value value = boost::json::parse(text, error);
  if (error || !value.is_object()) return std::nullopt;
  return value;
}

// Where rings are put: tools/test removes what a crashed test left there.
std::string RingBase() {
  const char* directory = std::getenv("PGPARITY_TEST_RING_DIR");
  return directory == nullptr ? "/dev/shm/" : std::string(directory) + "/";
}

}  // namespace

std::string PgparityBinary() {
  const char* binary = std::getenv("PGPARITY_TEST_BINARY");
  if (binary != nullptr && *binary != '\0') return binary;
  return (std::filesystem::canonical("/proc/self/exe").parent_path().parent_path() / "pgparity")
      .string();
}

RunResult RunPgparity(const std::vector<std::string>& arguments, std::chrono::milliseconds limit) {
  ChildOptions options;
  options.argv = {PgparityBinary()};
  options.argv.insert(options.argv.end(), arguments.begin(), arguments.end());
  return RunCommand(std::move(options), limit);
}

ReportJson ParseReport(const std::string& text) {
  ReportJson report;
  report.text = text;
  const auto value = Parse(text);
  if (!value.has_value()) return report;
  const boost::json::object& object = value->as_object();
  report.parsed = true;
  report.verdict = TextOr(object, "verdict");
  report.units = Counters(object, "units");
  report.statements = Counters(object, "statements");
  report.rows = Counters(object, "rows");
  for (const auto& reason : ArrayOr(object, "reasons")) {
    if (reason.is_object()) report.reasons.push_back(TextOr(reason.as_object(), "code"));
  }
  for (const auto& divergence : ArrayOr(object, "divergences")) {
    if (divergence.is_object()) {
      report.divergences.push_back(ParseDivergence(divergence.as_object()));
    }
  }
  for (const auto& gap : ArrayOr(object, "gaps")) {
    if (gap.is_object()) {
      report.gaps[TextOr(gap.as_object(), "reason")] += NumberOr(gap.as_object(), "count");
    }
  }
  return report;
}

std::string ReportJson::Summary() const {
  std::string summary = "verdict " + verdict + "; reasons";
  for (const auto& reason : reasons) summary += " " + reason;
  summary += "; units";
  for (const auto& [name, count] : units) summary += " " + name + "=" + std::to_string(count);
  summary += "; statements";
  for (const auto& [name, count] : statements) summary += " " + name + "=" + std::to_string(count);
  summary += "; rows";
  for (const auto& [name, count] : rows) summary += " " + name + "=" + std::to_string(count);
  for (const auto& [name, count] : gaps) summary += "; gap " + name + "=" + std::to_string(count);
  for (const auto& d : divergences) {
    summary += "\n  " + d.cls + " " + d.kind + " x" + std::to_string(d.count) + " " + d.shape +
               " -- " + d.what;
  }
  if (!parsed) summary += "\n  not JSON: " + text;
  return summary;
}

ProxyProcess::ProxyProcess(ProxyOptions options)
    : options_(std::move(options)),
      data_dir_(options_.data_dir.empty() ? dir_.Path("state") : options_.data_dir),
      ring_dir_(RingBase() + std::filesystem::path(dir_.path()).filename().string()),
      log_path_(dir_.Path("log")),
      port_(FreePort()),
      admin_port_(FreePort()) {
  std::filesystem::create_directories(ring_dir_);
  started_ = Start();
}

ProxyProcess::~ProxyProcess() {
  if (Running()) Kill();
  std::error_code ignored;
  std::filesystem::remove_all(ring_dir_, ignored);
}

bool ProxyProcess::Start() {
  ChildOptions child;
  child.argv = {options_.binary.empty() ? PgparityBinary() : options_.binary,
                "serve",
                "--listen",
                "127.0.0.1:" + std::to_string(port_),
                "--admin",
                admin(),
                "--primary",
                options_.primary_url,
                "--data-dir",
                data_dir_,
                "--ring-dir",
                ring_dir_};
  if (!options_.shadow_url.empty()) {
    child.argv.insert(child.argv.end(), {"--shadow", options_.shadow_url});
  }
  child.argv.insert(child.argv.end(), options_.arguments.begin(), options_.arguments.end());
  child.environment = options_.environment;
  child.output_path = log_path_;
  process_ = ChildProcess(child);
  started_ = !options_.wait_ready || WaitReady();
  if (!started_) std::fprintf(stderr, "pgparity is not ready:\n%s\n", Log().c_str());
  return started_;
}

bool ProxyProcess::WaitReady() {
  const auto deadline = std::chrono::steady_clock::now() + ready_limit;
  while (std::chrono::steady_clock::now() < deadline) {
    if (HttpStatus("/readyz") == 200) return true;
    if (process_.Wait(std::chrono::milliseconds(20)).has_value()) return false;
  }
  return false;
}

std::optional<int> ProxyProcess::Stop() {
  process_.Signal(SIGTERM);
  return process_.Wait(std::chrono::minutes(1));
}

void ProxyProcess::Kill() {
  process_.Signal(SIGKILL);
  process_.Wait(std::chrono::minutes(1));
}

std::string ProxyProcess::Url(const std::string& database, const std::string& user,
                              const std::string& password) const {
  return PostgresCluster::UrlAt(port_, database, user, password);
}

RunResult ProxyProcess::Ctl(const std::vector<std::string>& arguments) {
  std::vector<std::string> all = {"ctl"};
  all.insert(all.end(), arguments.begin(), arguments.end());
  all.insert(all.end(), {"--admin", admin()});
  return RunPgparity(all, std::chrono::minutes(5));
}

bool ProxyProcess::Drain(const std::string& timeout) {
  const RunResult result = Ctl({"drain", "--timeout", timeout});
  if (result.exit != 0) {
    std::fprintf(stderr, "ctl drain answered %d: %s%s\nstatus: %s\nthe proxy's log:\n%s\n",
                 result.exit, result.out.c_str(), result.err.c_str(), Ctl({"status"}).out.c_str(),
                 Log().c_str());
  }
  return result.exit == 0;
}

std::optional<double> ProxyProcess::StatusNumber(const std::string& key) {
  const auto value = Parse(StatusJson());
  if (!value.has_value()) return std::nullopt;
  const boost::json::value* number = &*value;
  for (size_t at = 0; number != nullptr && at <= key.size();) {
    const size_t end = std::min(key.find('.', at), key.size());
    const auto* object = number->if_object();
    number = object != nullptr ? object->if_contains({key.data() + at, end - at}) : nullptr;
    at = end + 1;
  }
  if (number == nullptr || !number->is_number()) return std::nullopt;
  return number->to_number<double>();
}

std::string ProxyProcess::StatusText(const std::string& key) {
  const auto value = Parse(StatusJson());
  return value.has_value() ? TextOr(value->as_object(), key) : "";
}

ReportJson ProxyProcess::Report(const std::vector<std::string>& arguments) {
  std::vector<std::string> all = {"report", "--data-dir", data_dir_, "--format", "json"};
  all.insert(all.end(), arguments.begin(), arguments.end());
  const RunResult result = RunPgparity(all);
  ReportJson report = ParseReport(result.out);
  if (!report.parsed) report.text = result.out + result.err;
  return report;
}

RunResult ProxyProcess::Verdict(const std::vector<std::string>& arguments) {
  std::vector<std::string> all = {"verdict", "--data-dir", data_dir_};
  all.insert(all.end(), arguments.begin(), arguments.end());
  return RunPgparity(all);
}

int ProxyProcess::HttpStatus(const std::string& path) {
  const std::string answer = HttpGet(path);
  int status = 0;
  std::sscanf(answer.c_str(), "HTTP/%*s %d", &status);
  return status;
}

std::string ProxyProcess::StatusJson() {
  const std::string answer = HttpGet("/api/v1/status");
  const size_t head = answer.find("\r\n\r\n");
  return head == std::string::npos ? "" : answer.substr(head + 4);
}

std::string ProxyProcess::HttpGet(const std::string& path) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(admin_port_));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  std::string answer;
  if (connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0) {
    const std::string request =
        "GET " + path + " HTTP/1.1\r\nHost: " + admin() + "\r\nConnection: close\r\n\r\n";
    char buffer[4096];
    if (send(fd, request.data(), request.size(), MSG_NOSIGNAL) > 0) {
      for (ssize_t n = 0; (n = recv(fd, buffer, sizeof(buffer), 0)) > 0;)
        answer.append(buffer, static_cast<size_t>(n));
    }
  }
  close(fd);
  return answer;
}

}  // namespace pgparity::support
