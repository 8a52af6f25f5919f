#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <system_error>

#include "protocol/text.h"
#include "shadow/file.h"

namespace pgparity::shadow {
namespace {

absl::Status SystemError(std::string_view what, const std::string& path, int error) {
  const std::string message =
      protocol::StrCat(what, " ", path, ": ", std::generic_category().message(error));
  switch (error) {
    case ENOENT:
      return absl::NotFoundError(message);
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
    case EMFILE:
    case ENFILE:
      return absl::ResourceExhaustedError(message);
    case EACCES:
    case EPERM:
    case EROFS:
      return absl::PermissionDeniedError(message);
    default:
      return absl::UnavailableError(message);
  }
}

class PosixFile : public File {
 public:
  PosixFile(int descriptor, std::string path) : descriptor_(descriptor), path_(std::move(path)) {}
  ~PosixFile() override { close(descriptor_); }
  PosixFile(const PosixFile&) = delete;
  PosixFile& operator=(const PosixFile&) = delete;

  absl::StatusOr<size_t> ReadAt(uint64_t offset, char* buffer, size_t size) override {
    size_t done = 0;
    while (done < size) {
      const ssize_t n =
          pread(descriptor_, buffer + done, size - done, static_cast<off_t>(offset + done));
      if (n == 0) break;
      if (n > 0) {
        done += static_cast<size_t>(n);
      } else if (errno != EINTR) {
        return SystemError("cannot read", path_, errno);
      }
    }
    return done;
  }

  absl::StatusOr<size_t> WriteAt(uint64_t offset, std::string_view bytes) override {
    while (true) {
      const ssize_t n = pwrite(descriptor_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
      if (n > 0) return static_cast<size_t>(n);
      if (n == 0) return SystemError("cannot write", path_, ENOSPC);
      if (errno != EINTR) return SystemError("cannot write", path_, errno);
    }
  }

  absl::Status Truncate(uint64_t size) override {
    if (ftruncate(descriptor_, static_cast<off_t>(size)) == 0) return absl::OkStatus();
    return SystemError("cannot truncate", path_, errno);
  }

  absl::StatusOr<uint64_t> Size() override {
    struct stat status;
    if (fstat(descriptor_, &status) != 0) return SystemError("cannot stat", path_, errno);
    return static_cast<uint64_t>(status.st_size);
  }

  absl::Status Sync() override {
    if (fdatasync(descriptor_) == 0) return absl::OkStatus();
    return SystemError("cannot sync", path_, errno);
  }

 private:
  const int descriptor_;
  const std::string path_;
};

class PosixLock : public FileLock {
 public:
  explicit PosixLock(int descriptor) : descriptor_(descriptor) {}
  ~PosixLock() override { close(descriptor_); }
  PosixLock(const PosixLock&) = delete;
  PosixLock& operator=(const PosixLock&) = delete;

 private:
  const int descriptor_;
};

class PosixFiles : public FileSystem {
 public:
  absl::StatusOr<std::unique_ptr<File>> OpenForReading(const std::string& path) override {
    return Open(path, O_RDONLY);
  }
  absl::StatusOr<std::unique_ptr<File>> OpenForWriting(const std::string& path) override {
    return Open(path, O_RDWR | O_CREAT);
  }

  absl::Status MakeDirectory(const std::string& path) override {
    std::error_code error;
    const bool created = std::filesystem::create_directories(path, error);
    if (error) return SystemError("cannot create", path, error.value());
    if (created) {
      std::filesystem::permissions(path, std::filesystem::perms::owner_all, error);
      if (error) return SystemError("cannot set the mode of", path, error.value());
    }
    return absl::OkStatus();
  }

  absl::StatusOr<std::vector<std::string>> List(const std::string& directory) override {
    std::vector<std::string> names;
    DIR* stream = opendir(directory.c_str());
    if (stream == nullptr) return SystemError("cannot list", directory, errno);
    while (const dirent* entry = readdir(stream)) names.emplace_back(entry->d_name);
    closedir(stream);
    return names;
  }

  absl::Status Rename(const std::string& from, const std::string& to) override {
    if (rename(from.c_str(), to.c_str()) == 0) return absl::OkStatus();
    return SystemError("cannot rename", from, errno);
  }

  absl::Status Remove(const std::string& path) override {
    if (unlink(path.c_str()) == 0) return absl::OkStatus();
    return SystemError("cannot remove", path, errno);
  }

  absl::StatusOr<std::unique_ptr<FileLock>> Lock(const std::string& path) override {
    const int descriptor = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (descriptor < 0) return SystemError("cannot open", path, errno);
    auto lock = std::make_unique<PosixLock>(descriptor);
    if (flock(descriptor, LOCK_EX | LOCK_NB) == 0) return lock;
    if (errno == EWOULDBLOCK) {
      return absl::FailedPreconditionError(
          protocol::StrCat(path, " is locked: the directory is in use by another process"));
    }
    return SystemError("cannot lock", path, errno);
  }

 private:
  static absl::StatusOr<std::unique_ptr<File>> Open(const std::string& path, int flags) {
    const int descriptor = open(path.c_str(), flags | O_CLOEXEC, 0600);
    if (descriptor < 0) return SystemError("cannot open", path, errno);
    return std::make_unique<PosixFile>(descriptor, path);
  }
};

}  // namespace

FileSystem& PosixFileSystem() {
  static PosixFiles files;
  return files;
}

}  // namespace pgparity::shadow
