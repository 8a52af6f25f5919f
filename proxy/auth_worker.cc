#include "proxy/auth_worker.h"

#include <pthread.h>

#include <utility>

namespace pgparity::proxy {

AuthWorker::AuthWorker(const std::string& name, size_t queue) : queue_(queue) {
  thread_ = std::thread([this] { Run(); });
  pthread_setname_np(thread_.native_handle(), name.c_str());
}

AuthWorker::~AuthWorker() { Stop(); }

bool AuthWorker::Do(std::function<void()> task) {
  MutexLock lock(&mutex_);
  if (stop_ || tasks_.size() >= queue_) return false;
  tasks_.push_back(std::move(task));
  changed_.notify_one();
  return true;
}

void AuthWorker::Stop() {
  std::deque<std::function<void()>> dropped;
  {
    MutexLock lock(&mutex_);
    stop_ = true;
    dropped.swap(tasks_);
    changed_.notify_one();
  }
  dropped.clear();
  if (thread_.joinable()) thread_.join();
}

void AuthWorker::Run() ABSL_NO_THREAD_SAFETY_ANALYSIS {
  std::unique_lock<std::mutex> lock(mutex_.native());
  while (true) {
    changed_.wait(lock,
                  [this]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return stop_ || !tasks_.empty(); });
    if (stop_) return;
    std::function<void()> task = std::move(tasks_.front());
    tasks_.pop_front();
    lock.unlock();
    task();
    task = nullptr;
    lock.lock();
  }
}

}  // namespace pgparity::proxy
