#include "proxy/forward_thread.h"

#include <pthread.h>

#include <vector>

#include "protocol/text.h"

namespace pgparity::proxy {
namespace {

// Holds a typical burst of rows and stays in the processor's second-level cache; what one
// direction of a session may hold of unsent bytes is bounded by it.
constexpr size_t kBufferSize = 64 << 10;
constexpr Stamp kDebtPause = 20'000'000;

}  // namespace

void OpenConnections::Closed() {
  if (count_.fetch_sub(1) != 1 || waiting_.load() == 0) return;
  MutexLock lock(&mutex_);
  none_.notify_all();
}

bool OpenConnections::WaitForNone(std::chrono::milliseconds timeout)
    ABSL_NO_THREAD_SAFETY_ANALYSIS {
  ++waiting_;
  std::unique_lock<std::mutex> lock(mutex_.native());
  const bool none = none_.wait_for(lock, timeout, [this] { return count_.load() == 0; });
  --waiting_;
  return none;
}

absl::StatusOr<std::unique_ptr<ForwardThread>> ForwardThread::Create(
    int number, const StampClock* clock, ForwardShared* shared, Primary* primary,
    OpenConnections* connections, std::unique_ptr<Ring> ring, const CaptureSwitch* capture,
    CaptureWaker* waker, std::unique_ptr<EditContext> edit) {
  std::unique_ptr<ForwardThread> thread(new ForwardThread(number, connections));
  ForwardThread* self = thread.get();
  absl::StatusOr<std::unique_ptr<EventLoop>> loop = EventLoop::Create(clock, self);
  if (!loop.ok()) return loop.status();
  self->loop_ = *std::move(loop);
  if (ring != nullptr) {
    self->ring_ = std::move(ring);
    self->tap_ = std::make_unique<Tap>(self->ring_.get(), capture, waker);
  }
  self->edit_ = std::move(edit);
  SessionContext& context = self->context_;
  context.edit = self->edit_.get();
  context.loop = self->loop_.get();
  context.tap = self->tap_.get();
  context.clock = clock;
  context.primary = primary;
  context.shared = shared;
  context.buffer = std::make_unique<char[]>(kBufferSize);
  context.buffer_size = kBufferSize;
  context.on_closed = [self](uint64_t id) { self->OnClosed(id); };
  context.post = [self](uint64_t id, std::function<void(Session*)> task) {
    self->loop_->Post([self, id, task = std::move(task)] { self->Run(id, task); });
  };
  self->drain_timer_ = std::make_unique<EventLoop::Timer>(
      [self] { self->Each([](Session* session) { session->Shutdown(); }); });
  self->debt_timer_ = std::make_unique<EventLoop::Timer>([] {});  // the batch's end pays
  return thread;
}

ForwardThread::~ForwardThread() { Stop(); }

void ForwardThread::HoldRows(RowHolds* rows, HoldAnalyser* analyser, Stamp wait) {
  const RowHolds::Grant grant = [this](uint64_t session) {
    context_.post(session, [](Session* given) { given->RowGranted(); });
  };
  hold_ = std::make_unique<HoldContext>(rows, analyser, grant, wait);
  edit_->hold = hold_.get();
}

void ForwardThread::LearnShape(uint64_t fingerprint, const HoldShape& shape) {
  loop_->Post([this, fingerprint, shape] { hold_->Put(fingerprint, shape); });
}

void ForwardThread::Start() {
  thread_ = std::thread([this] { loop_->Run(); });
  pthread_setname_np(thread_.native_handle(), protocol::StrCat("forward/", number_).c_str());
}

void ForwardThread::Stop() {
  if (!thread_.joinable()) return;
  // Closing one takes it out of the map.
  loop_->Post([this] {
    while (!sessions_.empty()) sessions_.begin()->second->Abort();
    loop_->Stop();
  });
  thread_.join();
  loop_->Cancel(drain_timer_.get());
  loop_->Cancel(debt_timer_.get());
}

void ForwardThread::OnBatch(Stamp now) {
  if (tap_ != nullptr) tap_->Busy(now);
}

void ForwardThread::OnBatchDone(Stamp now) {
  if (tap_ == nullptr) return;
  if (tap_->owes()) [[unlikely]] {
    tap_->PayDebts(now);
    if (tap_->owes()) loop_->Arm(debt_timer_.get(), now + kDebtPause);
  }
  tap_->Idle();
}

void ForwardThread::Take(uint64_t id, Transport client) {
  auto owned = std::make_shared<Transport>(std::move(client));
  loop_->Post([this, id, owned] {
    auto session = std::make_unique<Session>(&context_, id, std::move(*owned));
    Session* started = session.get();
    sessions_.emplace(id, std::move(session));
    started->Start();
  });
}

void ForwardThread::Run(uint64_t id, const std::function<void(Session*)>& task) {
  const auto found = sessions_.find(id);
  if (found != sessions_.end()) task(found->second.get());
}

void ForwardThread::Each(const std::function<void(Session*)>& task) {
  std::vector<uint64_t> ids;
  ids.reserve(sessions_.size());
  for (const auto& [id, session] : sessions_) ids.push_back(id);
  for (const uint64_t id : ids) Run(id, task);
}

void ForwardThread::OnClosed(uint64_t id) {
  const auto found = sessions_.find(id);
  if (found == sessions_.end()) return;
  loop_->Bury(std::shared_ptr<Session>(std::move(found->second)));
  sessions_.erase(found);
  connections_->Closed();
}

void ForwardThread::Drain(Stamp deadline) {
  loop_->Post([this, deadline] {
    loop_->Arm(drain_timer_.get(), deadline);
    Each([](Session* session) { session->Drain(); });
  });
}

compare::LatencyHistogram ForwardThread::AddedLatency() ABSL_NO_THREAD_SAFETY_ANALYSIS {
  if (!thread_.joinable()) return context_.added_latency;
  std::unique_lock<std::mutex> lock(mutex_.native());
  const uint64_t before = published_count_;
  loop_->Post([this] {
    MutexLock inner(&mutex_);
    published_ = context_.added_latency;
    ++published_count_;
    merged_.notify_all();
  });
  merged_.wait_for(lock, std::chrono::seconds(1),
                   [&]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return published_count_ != before; });
  return published_;
}

}  // namespace pgparity::proxy
