// Files as the journal uses them, behind a seam so that tests and the simulation can fault them.
// Errors: NotFound, ResourceExhausted (no space), PermissionDenied, FailedPrecondition (a lock held
// by another), Unavailable for the rest; each names the path and the system's reason.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace pgparity::shadow {

// One open file. Not thread-safe.
class File {
 public:
  virtual ~File() = default;
  // Fewer bytes than asked mean the end of the file.
  virtual absl::StatusOr<size_t> ReadAt(uint64_t offset, char* buffer, size_t size) = 0;
  // May write fewer bytes than given, but at least one.
  virtual absl::StatusOr<size_t> WriteAt(uint64_t offset, std::string_view bytes) = 0;
  virtual absl::Status Truncate(uint64_t size) = 0;
  virtual absl::StatusOr<uint64_t> Size() = 0;
  // Data and size are on stable storage once it has returned.
  virtual absl::Status Sync() = 0;
};

// Held until destroyed, or until the process ends.
class FileLock {
 public:
  virtual ~FileLock() = default;
};

// Thread-safe.
class FileSystem {
 public:
  virtual ~FileSystem() = default;
  virtual absl::StatusOr<std::unique_ptr<File>> OpenForReading(const std::string& path) = 0;
  // Creates the file (mode 0600) when it is not there; keeps its contents when it is.
  virtual absl::StatusOr<std::unique_ptr<File>> OpenForWriting(const std::string& path) = 0;
  // Parents included; mode 0700. Fine when it is there already.
  virtual absl::Status MakeDirectory(const std::string& path) = 0;
  // Names of the files in it, in no order.
  virtual absl::StatusOr<std::vector<std::string>> List(const std::string& directory) = 0;
  virtual absl::Status Rename(const std::string& from, const std::string& to) = 0;
  virtual absl::Status Remove(const std::string& path) = 0;
  // Exclusive, by flock(2); never waits.
  virtual absl::StatusOr<std::unique_ptr<FileLock>> Lock(const std::string& path) = 0;
};

FileSystem& PosixFileSystem();

}  // namespace pgparity::shadow
