#include "tests/support/child_process.h"

#include <fcntl.h>
#include <grp.h>
#include <netinet/in.h>
#include <poll.h>
#include <pwd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <random>
#include <utility>

#include "tests/support/temp_dir.h"

extern char** environ;

namespace pgparity::support {

namespace {

// What the child takes on before exec, resolved in the parent: name service calls are not safe
// between fork and exec.
struct Credentials {
  uid_t user = 0;
  gid_t group = 0;
  std::vector<gid_t> groups;
};

std::optional<Credentials> ServerUser() {
  if (geteuid() != 0) return std::nullopt;
  const passwd* entry = getpwnam("postgres");
  if (entry == nullptr) {
    std::fprintf(stderr, "running as root, and there is no user postgres: run tools/setup\n");
    std::abort();
  }
  Credentials credentials{entry->pw_uid, entry->pw_gid, std::vector<gid_t>(64)};
  int count = static_cast<int>(credentials.groups.size());
  getgrouplist("postgres", entry->pw_gid, credentials.groups.data(), &count);
  credentials.groups.resize(count);
  return credentials;
}

std::vector<std::string> Environment(const std::map<std::string, std::string>& added) {
  std::vector<std::string> result;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string text = *entry;
    if (!added.contains(text.substr(0, text.find('=')))) result.push_back(text);
  }
  for (const auto& [name, value] : added) result.push_back(name + "=" + value);
  return result;
}

std::vector<char*> Pointers(std::vector<std::string>& strings) {
  std::vector<char*> pointers;
  pointers.reserve(strings.size() + 1);
  for (std::string& text : strings) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

// An unlinked file that holds `content`, at its beginning.
int InputFile(const std::string& content) {
  if (content.empty()) return open("/dev/null", O_RDONLY | O_CLOEXEC);
  const int fd = static_cast<int>(memfd_create("input", MFD_CLOEXEC));
  size_t written = 0;
  while (fd >= 0 && written < content.size()) {
    const ssize_t n = write(fd, content.data() + written, content.size() - written);
    if (n <= 0) std::abort();
    written += static_cast<size_t>(n);
  }
  lseek(fd, 0, SEEK_SET);
  return fd;
}

int OpenOutput(const std::string& path) {
  if (path.empty()) return -1;
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (fd < 0) std::perror(path.c_str());
  return fd;
}

[[noreturn]] void Exec(const std::optional<Credentials>& credentials, int death_signal,
                       pid_t parent, char* const* argv, char* const* environment) {
  if (credentials.has_value()) {
    if (setgroups(credentials->groups.size(), credentials->groups.data()) != 0 ||
        setgid(credentials->group) != 0 || setuid(credentials->user) != 0 || chdir("/") != 0) {
      _exit(126);
    }
  }
  // After setuid, which clears it.
  prctl(PR_SET_PDEATHSIG, death_signal);
  if (getppid() != parent) _exit(126);
  execvpe(argv[0], argv, environment);
  _exit(127);
}

struct Streams {
  int in = -1, out = -1, err = -1;  // -1: inherited
};

pid_t Spawn(const ChildOptions& options, Streams streams) {
  const auto credentials = options.as_server_user ? ServerUser() : std::nullopt;
  std::vector<std::string> arguments = options.argv;
  std::vector<std::string> variables = Environment(options.environment);
  const std::vector<char*> argv = Pointers(arguments);
  const std::vector<char*> environment = Pointers(variables);
  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid == 0) {
    // A group of its own: an interrupt at the terminal goes to us, and we end the child in order.
    setpgid(0, 0);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, nullptr);
    if (streams.in >= 0) dup2(streams.in, 0);
    if (streams.out >= 0) dup2(streams.out, 1);
    if (streams.err >= 0) dup2(streams.err, 2);
    Exec(credentials, options.signal_at_parent_death, parent, argv.data(), environment.data());
  }
  if (pid < 0) {
    std::perror("fork");
    std::abort();
  }
  return pid;
}

}  // namespace

ChildProcess::ChildProcess(const ChildOptions& options) {
  Streams streams;
  streams.in = InputFile(options.input);
  streams.out = streams.err = OpenOutput(options.output_path);
  pid_ = Spawn(options, streams);
  close(streams.in);
  if (streams.out >= 0) close(streams.out);
}

ChildProcess::~ChildProcess() {
  if (Running()) {
    Signal(SIGKILL);
    Wait(std::chrono::minutes(1));
  }
}

ChildProcess::ChildProcess(ChildProcess&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)), exit_(std::exchange(other.exit_, std::nullopt)) {}

ChildProcess& ChildProcess::operator=(ChildProcess&& other) noexcept {
  std::swap(pid_, other.pid_);
  std::swap(exit_, other.exit_);
  return *this;
}

void ChildProcess::Reap(int status) {
  exit_ = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

bool ChildProcess::Running() {
  return pid_ > 0 && !exit_.has_value() && !Wait(std::chrono::milliseconds(0)).has_value();
}

void ChildProcess::Signal(int signal) {
  if (pid_ > 0 && !exit_.has_value()) kill(pid_, signal);
}

std::optional<int> ChildProcess::Wait(std::chrono::milliseconds limit) {
  if (exit_.has_value() || pid_ <= 0) return exit_;
  const int fd = static_cast<int>(syscall(SYS_pidfd_open, pid_, 0));
  if (fd >= 0) {
    pollfd poll_entry{fd, POLLIN, 0};
    poll(&poll_entry, 1, static_cast<int>(limit.count()));
    close(fd);
  }
  int status = 0;
  if (waitpid(pid_, &status, WNOHANG) == pid_) Reap(status);
  return exit_;
}

RunResult RunCommand(const ChildOptions& asked, std::chrono::milliseconds limit) {
  ChildOptions options = asked;
  RunResult result;
  const int out = static_cast<int>(memfd_create("out", MFD_CLOEXEC));
  const int err = static_cast<int>(memfd_create("err", MFD_CLOEXEC));
  const int in = InputFile(options.input);
  {
    ChildProcess child;
    const pid_t pid = Spawn(options, {in, out, err});
    close(in);
    const int fd = static_cast<int>(syscall(SYS_pidfd_open, pid, 0));
    pollfd poll_entry{fd, POLLIN, 0};
    const bool ended = poll(&poll_entry, 1, static_cast<int>(limit.count())) == 1;
    close(fd);
    if (!ended) kill(pid, SIGKILL);
    int status = 0;
    waitpid(pid, &status, 0);
    if (ended) result.exit = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
  }
  result.out = ReadFile("/proc/self/fd/" + std::to_string(out));
  result.err = ReadFile("/proc/self/fd/" + std::to_string(err));
  close(out);
  close(err);
  return result;
}

RunResult RunCommand(std::vector<std::string> argv) {
  ChildOptions options;
  options.argv = std::move(argv);
  return RunCommand(std::move(options));
}

int FreePort() {
  static std::mt19937 random(std::random_device{}());
  for (;;) {
    const int port = std::uniform_int_distribution<int>(15000, 31000)(random);
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const bool free = bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0;
    close(fd);
    if (free) return port;
  }
}

uint64_t ResidentBytes(pid_t pid) {
  std::ifstream in("/proc/" + std::to_string(pid) + "/statm");
  uint64_t total = 0, resident = 0;
  in >> total >> resident;
  return resident * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
}

}  // namespace pgparity::support
