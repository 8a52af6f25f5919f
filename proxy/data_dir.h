// The data directory: one process, one format version, and the secret-free facts of who uses it.
//   VERSION      format version of the whole directory
//   serve.pid    the process that serves it, which holds a flock on it
//   lock         the journal writer's own
//   login.secret  behind the salts of --auth url and scram (proxy/auth.h), 0600
//   databases    of {database}: those that sessions have used, each with the journal position from
//   which its units are its shadow's
//   running      there while a process serves it: found at start, the one before did not end in
//   order journal/     the journal (shadow/journal_format.h) parity.db    the parity log
//   (compare/parity_log.h)
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "absl/status/statusor.h"

namespace pgparity::proxy {

class DataDir {
 public:
  // Makes the directory (0700) if it is not there, and takes it for this process.
  static absl::StatusOr<std::unique_ptr<DataDir>> Take(const std::string& path);
  ~DataDir();
  DataDir(const DataDir&) = delete;
  DataDir& operator=(const DataDir&) = delete;

  const std::string& path() const { return path_; }
  std::string parity_log() const { return path_ + "/parity.db"; }
  // The process before did not end in order.
  bool unclean() const { return unclean_; }
  // By name: positions in the journal. Names may hold any bytes.
  absl::StatusOr<std::map<std::string, uint64_t>> Databases() const;
  absl::Status SetDatabases(const std::map<std::string, uint64_t>& databases);
  // Marks an orderly end.
  void MarkClean();

 private:
  DataDir(std::string path, int lock_fd) : path_(std::move(path)), lock_fd_(lock_fd) {}
  const std::string path_;
  const int lock_fd_;
  bool unclean_ = false;
};

// Whether `path` is a data directory that this version can read; one clear line if not.
absl::Status CheckDataDir(const std::string& path);

}  // namespace pgparity::proxy
