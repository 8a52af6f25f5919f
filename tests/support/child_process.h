// Child processes of tests. None outlives the thread that started it.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace pgparity::support {

struct ChildOptions {
  std::vector<std::string> argv;                   // argv[0] is searched for in PATH
  std::map<std::string, std::string> environment;  // added to ours
  std::string input;                               // standard input; /dev/null when empty
  std::string output_path;      // stdout and stderr go there, appended; empty: stays ours
  bool as_server_user = false;  // when we are root, run as the user postgres
  int signal_at_parent_death = 9;
};

// A running child. The destructor kills it (SIGKILL) when it still runs.
class ChildProcess {
 public:
  ChildProcess() = default;
  explicit ChildProcess(const ChildOptions& options);
  ~ChildProcess();
  ChildProcess(ChildProcess&& other) noexcept;
  ChildProcess& operator=(ChildProcess&& other) noexcept;

  pid_t pid() const { return pid_; }
  bool Running();
  void Signal(int signal);
  // The exit status (128 + signal number when a signal ended it), or nullopt after `limit`.
  std::optional<int> Wait(std::chrono::milliseconds limit);

 private:
  void Reap(int status);

  pid_t pid_ = -1;
  std::optional<int> exit_;
};

struct RunResult {
  int exit = -1;  // -1: did not end in time, and was killed
  std::string out, err;
};

// Runs a command to its end and captures what it wrote.
RunResult RunCommand(const ChildOptions& asked,
                     std::chrono::milliseconds limit = std::chrono::minutes(2));
RunResult RunCommand(std::vector<std::string> argv);

// A TCP port on 127.0.0.1 that is free now, below the kernel's range for outgoing connections: a
// client that waits for a server to come back cannot be given the server's own port.
int FreePort();

// Resident set size of a process in bytes; 0 when it is gone.
uint64_t ResidentBytes(pid_t pid);

}  // namespace pgparity::support
