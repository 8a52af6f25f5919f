// A thread for what a login needs and a forwarding thread must not do: deriving keys, queries.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <string>
#include <thread>

#include "compare/mutex.h"

namespace pgparity::proxy {

// Thread-safe; Stop() and the destructor for one.
class AuthWorker {
 public:
  // At most `queue` tasks wait.
  AuthWorker(const std::string& name, size_t queue);
  ~AuthWorker();
  AuthWorker(const AuthWorker&) = delete;
  AuthWorker& operator=(const AuthWorker&) = delete;

  // False when too many wait, or after Stop().
  bool Do(std::function<void()> task);
  // Waits for the task under way; drops the others.
  void Stop();

 private:
  void Run();

  const size_t queue_;
  Mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> tasks_ ABSL_GUARDED_BY(mutex_);
  bool stop_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace pgparity::proxy
