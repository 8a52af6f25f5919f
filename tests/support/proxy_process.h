// A running `pgparity serve`, with the other subcommands aimed at it.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "tests/support/child_process.h"
#include "tests/support/temp_dir.h"

namespace pgparity::support {

// The binary under test: PGPARITY_TEST_BINARY, or the one of the build that this test is of.
std::string PgparityBinary();

// Runs `pgparity <arguments>` to its end.
RunResult RunPgparity(const std::vector<std::string>& arguments,
                      std::chrono::milliseconds limit = std::chrono::minutes(2));

struct Divergence {
  std::string shape, cls, kind, what;
  uint64_t count = 0, consequences = 0;
  std::vector<std::string> tables;
};

// The JSON report, as far as tests look at it.
struct ReportJson {
  bool parsed = false;
  std::string text;  // what was printed
  std::string verdict;
  std::vector<std::string> reasons;  // codes
  std::map<std::string, uint64_t> units, statements, rows;
  std::vector<Divergence> divergences;
  std::map<std::string, uint64_t> gaps;  // reason -> count
  // All the counters in one line, for failure messages.
  std::string Summary() const;
};

ReportJson ParseReport(const std::string& text);

struct ProxyOptions {
  std::string primary_url, shadow_url;
  std::string binary;                  // empty: PgparityBinary()
  std::vector<std::string> arguments;  // appended to those of `serve`
  std::map<std::string, std::string> environment;
  std::string data_dir;  // empty: in a directory of its own
  bool wait_ready = true;
};

// The destructor kills a proxy that still runs. Its ring lies in its own directory under /dev/shm.
class ProxyProcess {
 public:
  explicit ProxyProcess(ProxyOptions options);
  ~ProxyProcess();

  // Starts (again) on the same ports and data directory; waits for /readyz if asked to. False when
  // the process ended or did not become ready in time.
  bool Start();
  bool started() const { return started_; }
  bool Running() { return process_.Running(); }
  pid_t pid() const { return process_.pid(); }
  // SIGTERM; the exit status, or nullopt when it has not ended after a minute.
  std::optional<int> Stop();
  // SIGKILL.
  void Kill();
  void Signal(int signal) { process_.Signal(signal); }
  std::optional<int> Wait(std::chrono::milliseconds limit) { return process_.Wait(limit); }

  int port() const { return port_; }
  const std::string& data_dir() const { return data_dir_; }
  const std::string& ring_dir() const { return ring_dir_; }
  std::string admin() const { return "127.0.0.1:" + std::to_string(admin_port_); }
  std::string Url(const std::string& database, const std::string& user = "postgres",
                  const std::string& password = "") const;
  // What it wrote to its standard output and error.
  std::string Log() const { return ReadFile(log_path_); }

  RunResult Ctl(const std::vector<std::string>& arguments);
  // `ctl drain`; false with the reason on stderr when it did not answer 0.
  bool Drain(const std::string& timeout = "120s");
  // What `ctl status` prints; "" when the admin address does not answer.
  std::string StatusJson();
  // A number of it; nullopt when there is none of this name. "a.b": b inside of a.
  std::optional<double> StatusNumber(const std::string& key);
  std::string StatusText(const std::string& key);
  ReportJson Report(const std::vector<std::string>& arguments = {});
  RunResult Verdict(const std::vector<std::string>& arguments = {});
  // Status code of GET on the admin address; 0 when it cannot be reached.
  int HttpStatus(const std::string& path);

 private:
  bool WaitReady();
  // The whole answer, head and all; "" when there is none.
  std::string HttpGet(const std::string& path);

  ProxyOptions options_;
  TempDir dir_;
  std::string data_dir_, ring_dir_, log_path_;
  int port_ = 0, admin_port_ = 0;
  bool started_ = false;
  ChildProcess process_;
};

}  // namespace pgparity::support
