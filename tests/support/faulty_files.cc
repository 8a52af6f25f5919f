#include "tests/support/faulty_files.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace pgparity::support {

class FaultyFile : public shadow::File {
 public:
  FaultyFile(FaultyFiles* files, std::shared_ptr<std::string> contents)
      : files_(files), contents_(std::move(contents)) {}

  absl::StatusOr<size_t> ReadAt(uint64_t offset, char* buffer, size_t size) override {
    ++files_->reads;
    if (files_->faults.fail_reads > 0) {
      --files_->faults.fail_reads;
      return absl::UnavailableError("injected: Input/output error");
    }
    if (offset >= contents_->size()) return 0;
    const size_t n = std::min<uint64_t>(size, contents_->size() - offset);
    contents_->copy(buffer, n, offset);
    return n;
  }

  absl::StatusOr<size_t> WriteAt(uint64_t offset, std::string_view bytes) override {
    ++files_->writes;
    Faults& faults = files_->faults;
    if (faults.fail_writes > 0) {
      --faults.fail_writes;
      Put(offset, bytes.substr(0, bytes.size() / 2));
      return absl::UnavailableError("injected: Input/output error");
    }
    size_t take = std::min(bytes.size(), faults.short_write);
    if (faults.room) {
      const uint64_t inside = offset < contents_->size() ? contents_->size() - offset : 0;
      take = std::min<uint64_t>(take, inside + *faults.room);
      if (take == 0) return absl::ResourceExhaustedError("injected: No space left on device");
      *faults.room -= take > inside ? take - inside : 0;
    }
    Put(offset, bytes.substr(0, take));
    return take;
  }

  absl::Status Truncate(uint64_t size) override {
    if (files_->faults.fail_truncates > 0) {
      --files_->faults.fail_truncates;
      return absl::UnavailableError("injected: Input/output error");
    }
    if (files_->faults.room && size < contents_->size())
      *files_->faults.room += contents_->size() - size;
    contents_->resize(size);
    return absl::OkStatus();
  }

  absl::StatusOr<uint64_t> Size() override { return contents_->size(); }

  absl::Status Sync() override {
    ++files_->syncs;
    return absl::OkStatus();
  }

 private:
  void Put(uint64_t offset, std::string_view bytes) {
    if (contents_->size() < offset + bytes.size()) contents_->resize(offset + bytes.size());
    std::memcpy(contents_->data() + offset, bytes.data(), bytes.size());
  }

  FaultyFiles* const files_;
  const std::shared_ptr<std::string> contents_;
};

class FaultyLock : public shadow::FileLock {
 public:
  FaultyLock(FaultyFiles* files, std::string path) : files_(files), path_(std::move(path)) {}
  ~FaultyLock() override { files_->locks_.erase(path_); }

 private:
  FaultyFiles* const files_;
  const std::string path_;
};

FaultyFiles::FaultyFiles() = default;
FaultyFiles::~FaultyFiles() = default;

absl::StatusOr<std::unique_ptr<shadow::File>> FaultyFiles::OpenForReading(const std::string& path) {
  const auto found = files_.find(path);
  if (found == files_.end()) return absl::NotFoundError(path);
  return std::make_unique<FaultyFile>(this, found->second);
}

absl::StatusOr<std::unique_ptr<shadow::File>> FaultyFiles::OpenForWriting(const std::string& path) {
  if (faults.fail_creates > 0 && !files_.contains(path)) {
    --faults.fail_creates;
    return absl::ResourceExhaustedError("injected: No space left on device");
  }
  Contents(path);
  return std::make_unique<FaultyFile>(this, files_[path]);
}

absl::Status FaultyFiles::MakeDirectory(const std::string& path) {
  directories_.insert(path);
  return absl::OkStatus();
}

absl::StatusOr<std::vector<std::string>> FaultyFiles::List(const std::string& directory) {
  if (!directories_.contains(directory)) return absl::NotFoundError(directory);
  std::vector<std::string> names;
  for (const auto& [path, contents] : files_) {
    if (path.starts_with(directory + "/")) names.push_back(path.substr(directory.size() + 1));
  }
  return names;
}

absl::Status FaultyFiles::Rename(const std::string& from, const std::string& to) {
  if (faults.fail_renames > 0) {
    --faults.fail_renames;
    return absl::UnavailableError("injected: Input/output error");
  }
  const auto found = files_.find(from);
  if (found == files_.end()) return absl::NotFoundError(from);
  files_[to] = found->second;
  files_.erase(from);
  return absl::OkStatus();
}

absl::Status FaultyFiles::Remove(const std::string& path) {
  return files_.erase(path) > 0 ? absl::OkStatus() : absl::NotFoundError(path);
}

absl::StatusOr<std::unique_ptr<shadow::FileLock>> FaultyFiles::Lock(const std::string& path) {
  if (!locks_.insert(path).second) return absl::FailedPreconditionError(path + " is locked");
  return std::make_unique<FaultyLock>(this, path);
}

std::string& FaultyFiles::Contents(const std::string& path) {
  std::shared_ptr<std::string>& contents = files_[path];
  if (contents == nullptr) contents = std::make_shared<std::string>();
  return *contents;
}

std::vector<std::string> FaultyFiles::Paths() const {
  std::vector<std::string> paths;
  for (const auto& [path, contents] : files_) paths.push_back(path);
  return paths;
}

std::unique_ptr<FaultyFiles> FaultyFiles::Copy() const {
  auto copy = std::make_unique<FaultyFiles>();
  copy->directories_ = directories_;
  for (const auto& [path, contents] : files_)
    copy->files_[path] = std::make_shared<std::string>(*contents);
  return copy;
}

}  // namespace pgparity::support
