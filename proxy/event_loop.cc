#include "proxy/event_loop.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "protocol/check.h"
#include "protocol/text.h"

namespace pgparity::proxy {
namespace {

constexpr int kMaxEvents = 128;
constexpr Stamp kMillisecond = 1'000'000;

epoll_event Interest(EventLoop::Handler* handler, EventLoop::Trigger trigger) {
  epoll_event event{};
  event.data.ptr = handler;
  event.events = EPOLLIN;
  if (trigger != EventLoop::Trigger::level) event.events |= EPOLLRDHUP | EPOLLET;
  if (trigger == EventLoop::Trigger::edge_writable) event.events |= EPOLLOUT;
  return event;
}

}  // namespace

absl::StatusOr<std::unique_ptr<EventLoop>> EventLoop::Create(const StampClock* clock,
                                                             Observer* observer) {
  const int epoll = epoll_create1(EPOLL_CLOEXEC);
  const int wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (epoll < 0 || wake < 0) {
    const int error = errno;
    if (epoll >= 0) close(epoll);
    if (wake >= 0) close(wake);
    return absl::ResourceExhaustedError(
        protocol::StrCat("cannot make an event loop: ", std::strerror(error)));
  }
  std::unique_ptr<EventLoop> loop(new EventLoop(epoll, wake, clock, observer));
  epoll_event event{};  // data.ptr null: the wake-up
  event.events = EPOLLIN;
  PGPARITY_CHECK(epoll_ctl(epoll, EPOLL_CTL_ADD, wake, &event) == 0);
  loop->now_ = clock->Now();
  return loop;
}

EventLoop::~EventLoop() {
  buried_.clear();
  close(epoll_);
  close(wake_);
}

void EventLoop::Stop() {
  stopped_.store(true);
  Post([] {});
}

void EventLoop::Post(std::function<void()> task) {
  {
    MutexLock lock(&mutex_);
    posted_.push_back(std::move(task));
    if (posted_.size() > 1) return;  // the wake-up is on its way
  }
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t n = write(wake_, &one, sizeof(one));
}

absl::Status EventLoop::Add(int fd, Handler* handler, Trigger trigger) {
  epoll_event event = Interest(handler, trigger);
  if (epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event) == 0) return absl::OkStatus();
  return absl::ResourceExhaustedError(
      protocol::StrCat("cannot watch a socket: ", std::strerror(errno)));
}

void EventLoop::Change(int fd, Handler* handler, Trigger trigger) {
  epoll_event event = Interest(handler, trigger);
  epoll_ctl(epoll_, EPOLL_CTL_MOD, fd, &event);
}

void EventLoop::Remove(int fd) { epoll_ctl(epoll_, EPOLL_CTL_DEL, fd, nullptr); }

void EventLoop::Forget(Handler* handler) {
  again_.erase(std::remove(again_.begin(), again_.end(), handler), again_.end());
}

void EventLoop::Arm(Timer* timer, Stamp deadline) {
  Cancel(timer);
  timer->at_ = timers_.emplace(deadline, timer);
  timer->armed_ = true;
}

void EventLoop::Cancel(Timer* timer) {
  if (!timer->armed_) return;
  timers_.erase(timer->at_);
  timer->armed_ = false;
}

int EventLoop::TimeoutMs() const {
  if (!again_.empty()) return 0;
  if (timers_.empty()) return -1;
  const Stamp deadline = timers_.begin()->first;
  const Stamp now = clock_->Now();
  if (deadline <= now) return 0;
  return static_cast<int>(std::min<Stamp>((deadline - now) / kMillisecond + 1, 60'000));
}

void EventLoop::RunTimers() {
  while (!timers_.empty() && timers_.begin()->first <= now_) {
    Timer* timer = timers_.begin()->second;
    Cancel(timer);
    timer->fire_();
  }
}

void EventLoop::RunAgain() {
  running_again_.swap(again_);
  for (Handler* handler : running_again_) handler->OnEvents(0);
  running_again_.clear();
}

void EventLoop::RunPosted() {
  uint64_t count = 0;
  [[maybe_unused]] const ssize_t n = read(wake_, &count, sizeof(count));
  std::vector<std::function<void()>> tasks;
  {
    MutexLock lock(&mutex_);
    tasks.swap(posted_);
  }
  for (const auto& task : tasks) task();
}

void EventLoop::Run() {
  epoll_event events[kMaxEvents];
  while (!stopped_.load(std::memory_order_relaxed)) {
    const int count = epoll_wait(epoll_, events, kMaxEvents, TimeoutMs());
    PGPARITY_CHECK(count >= 0 || errno == EINTR);
    now_ = clock_->Now();
    if (observer_ != nullptr) observer_->OnBatch(now_);
    bool woken = false;
    for (int i = 0; i < count; ++i) {
      if (events[i].data.ptr == nullptr) {
        woken = true;
      } else {
        static_cast<Handler*>(events[i].data.ptr)->OnEvents(events[i].events);
      }
    }
    RunAgain();
    if (woken) RunPosted();
    RunTimers();
    buried_.clear();
    if (observer_ != nullptr) observer_->OnBatchDone(now_);
  }
}

}  // namespace pgparity::proxy
