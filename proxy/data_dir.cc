#include "proxy/data_dir.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <string_view>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "protocol/text.h"

namespace pgparity::proxy {

using protocol::StrCat;

namespace {

constexpr char kVersion[] = "pgparity data directory 1";

std::string ReadLine(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

absl::Status WriteLine(const std::string& path, std::string_view line) {
  std::ofstream file(path, std::ios::trunc);
  file << line << "\n";
  file.flush();
  if (!file) return absl::UnavailableError(StrCat("cannot write ", path, ": ", strerror(errno)));
  return absl::OkStatus();
}

bool Exists(const std::string& path) { return access(path.c_str(), F_OK) == 0; }

}  // namespace

absl::Status CheckDataDir(const std::string& path) {
  if (!Exists(path)) {
    return absl::NotFoundError(StrCat(
        path, ": no such directory; give the --data-dir that `pgparity serve` was started with"));
  }
  const std::string version = ReadLine(path + "/VERSION");
  if (version.empty()) {
    return absl::FailedPreconditionError(
        StrCat(path, ": not a pgparity data directory (it has no VERSION file)"));
  }
  if (version != kVersion) {
    return absl::FailedPreconditionError(
        StrCat(path, ": is \"", version, "\", and this pgparity reads \"", kVersion,
               "\"; use the version that made it, or an empty directory"));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<DataDir>> DataDir::Take(const std::string& path) {
  if (mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) {
    return absl::PermissionDeniedError(
        StrCat("cannot make the data directory ", path, ": ", strerror(errno)));
  }
  const std::string lock_path = path + "/serve.pid";
  const int fd = open(lock_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) {
    return absl::PermissionDeniedError(
        StrCat("cannot write in the data directory ", path, ": ", strerror(errno)));
  }
  std::unique_ptr<DataDir> dir(new DataDir(path, fd));
  if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
    return absl::FailedPreconditionError(
        StrCat("the data directory ", path, " is in use by another pgparity (process ",
               ReadLine(lock_path), "); stop it, or use another --data-dir"));
  }
  if (Exists(path + "/VERSION") || Exists(path + "/journal")) {
    if (absl::Status status = CheckDataDir(path); !status.ok()) return status;
  } else if (absl::Status status = WriteLine(path + "/VERSION", kVersion); !status.ok()) {
    return status;
  }
  if (absl::Status status = WriteLine(lock_path, StrCat(getpid())); !status.ok()) return status;
  dir->unclean_ = Exists(path + "/running");
  if (absl::Status status = WriteLine(path + "/running", StrCat(getpid())); !status.ok())
    return status;
  return dir;
}

// One line each: the position, a blank, the name in hexadecimal.
absl::StatusOr<std::map<std::string, uint64_t>> DataDir::Databases() const {
  std::map<std::string, uint64_t> databases;
  const std::string path = path_ + "/databases";
  if (!Exists(path)) return databases;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    if (line.empty()) continue;  // there are none
    const size_t blank = line.find(' ');
    uint64_t position = 0;
    const bool hex = blank != std::string::npos &&
                     line.find_first_not_of("0123456789abcdef", blank + 1) == std::string::npos;
    if (!hex || !absl::SimpleAtoi(line.substr(0, blank), &position))
      return absl::DataLossError(StrCat(path, ": a line is not as pgparity writes it"));
    databases[absl::HexStringToBytes(line.substr(blank + 1))] = position;
  }
  return databases;
}

absl::Status DataDir::SetDatabases(const std::map<std::string, uint64_t>& databases) {
  std::string lines;
  for (const auto& [name, position] : databases)
    lines += StrCat(lines.empty() ? "" : "\n", position, " ", absl::BytesToHexString(name));
  const std::string path = path_ + "/databases";
  if (absl::Status status = WriteLine(path + ".new", lines); !status.ok()) return status;
  if (rename((path + ".new").c_str(), path.c_str()) == 0) return absl::OkStatus();
  return absl::UnavailableError(StrCat("cannot write ", path, ": ", strerror(errno)));
}

DataDir::~DataDir() { close(lock_fd_); }

void DataDir::MarkClean() { unlink((path_ + "/running").c_str()); }

}  // namespace pgparity::proxy
