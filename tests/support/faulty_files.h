// A file system in memory whose writes can be made to fail.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "shadow/file.h"

namespace pgparity::support {

// What goes wrong. Set between calls; every field may be changed at any time.
struct Faults {
  std::optional<uint64_t> room;   // bytes that all files may still grow by; then ENOSPC
  size_t short_write = SIZE_MAX;  // a write takes at most so many bytes
  int fail_writes = 0;  // so many further writes fail with EIO, after taking half of their bytes
  int fail_truncates = 0;
  int fail_creates = 0;
  int fail_renames = 0;
  int fail_reads = 0;
};

// Not thread-safe.
class FaultyFiles : public shadow::FileSystem {
 public:
  FaultyFiles();
  ~FaultyFiles() override;

  absl::StatusOr<std::unique_ptr<shadow::File>> OpenForReading(const std::string& path) override;
  absl::StatusOr<std::unique_ptr<shadow::File>> OpenForWriting(const std::string& path) override;
  absl::Status MakeDirectory(const std::string& path) override;
  absl::StatusOr<std::vector<std::string>> List(const std::string& directory) override;
  absl::Status Rename(const std::string& from, const std::string& to) override;
  absl::Status Remove(const std::string& path) override;
  absl::StatusOr<std::unique_ptr<shadow::FileLock>> Lock(const std::string& path) override;

  Faults faults;
  uint64_t reads = 0, writes = 0, syncs = 0;  // calls

  // The contents of a file; created when it is not there.
  std::string& Contents(const std::string& path);
  std::vector<std::string> Paths() const;
  // A copy of all files, without faults and locks: what a crash at this instant leaves.
  std::unique_ptr<FaultyFiles> Copy() const;

 private:
  friend class FaultyFile;
  friend class FaultyLock;
  std::map<std::string, std::shared_ptr<std::string>> files_;
  std::set<std::string> directories_, locks_;
};

}  // namespace pgparity::support
