// A directory of a test's own, removed with all that is in it.
#pragma once

#include <string>

namespace pgparity::support {

// Created under $TMPDIR or /tmp with a short name, since the path of a unix socket may have 107
// bytes only. Others may pass through it (mode 0711), so that a server of another user can live in
// it. Kept, and its path printed, when PGPARITY_KEEP_TEMP is set.
class TempDir {
 public:
  TempDir();
  ~TempDir();
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;

  const std::string& path() const { return path_; }
  // path() + "/" + name.
  std::string Path(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

// The whole file; empty when it cannot be read.
std::string ReadFile(const std::string& path);
// Creates or replaces the file. Aborts the test process when it cannot.
void WriteFile(const std::string& path, const std::string& content);

}  // namespace pgparity::support
