#include "proxy/capture.h"

#include <pthread.h>

#include <algorithm>
#include <cstring>
#include <limits>

#include "protocol/check.h"
#include "proxy/relay_login.h"
#include "proxy/token.h"

namespace pgparity::proxy {
namespace {

constexpr int kTickMs = 5;
// After this many ticks without a record it sleeps longer, and the first record wakes it.
constexpr int kTicksUntilDrowsy = 40;
constexpr int kDrowsyMs = 50;
// Clocks of two processors may disagree by less than this.
constexpr Stamp kClockGuard = 1000;

}  // namespace

CaptureThread::CaptureThread(std::vector<Source> sources, CaptureSink* sink,
                             const StampClock* clock, CaptureWaker* waker)
    : sources_(std::move(sources)), sink_(sink), clock_(clock), waker_(waker) {}

CaptureThread::~CaptureThread() { Stop(); }

void CaptureThread::Start() {
  PGPARITY_CHECK(!thread_.joinable());
  thread_ = std::thread([this] { Run(); });
  pthread_setname_np(thread_.native_handle(), "capture");
}

void CaptureThread::Stop() {
  if (!thread_.joinable()) return;
  stop_.store(true);
  waker_->Wake();
  thread_.join();
}

void CaptureThread::Run() {
  int quiet = 0;
  while (!stop_.load()) {
    quiet = Round() != 0 ? 0 : std::min(quiet + 1, kTicksUntilDrowsy);
    const bool drowsy = quiet == kTicksUntilDrowsy;
    waker_->Sleep(drowsy ? kDrowsyMs : kTickMs, drowsy);
  }
  Round();
  MutexLock lock(&mutex_);
  ended_ = true;
  moved_.notify_all();
}

// The order matters (DESIGN, "Ordering"). First the clock, then the announcements, then the heads:
// a thread that is seen idle takes its next stamps after the clock was read here, and what it
// appended before lies below the head; a thread that is seen busy since B may have records under
// way, none stamped below B. The store makes the clock's reading precede the loads.
uint64_t CaptureThread::Round() {
  const Stamp now = clock_->Now();
  looked_.store(now, std::memory_order_seq_cst);
  Stamp bound = now > kClockGuard ? now - kClockGuard : 0;
  for (const Source& source : sources_) {
    bound = std::min(bound, source.announcement->since.load(std::memory_order_seq_cst));
  }
  uint64_t delivered = 0;
  for (const Source& source : sources_) {
    const uint64_t head = source.ring->Head();
    while (const std::optional<Record> record = source.ring->Next(head)) {
      Deliver(*record);
      source.ring->Release(*record);
      ++delivered;
    }
  }
  if (bound <= advanced()) return delivered;
  sink_->AdvanceTo(bound);
  advanced_.store(bound);
  if (waiting_.load() != 0) {
    MutexLock lock(&mutex_);
    moved_.notify_all();
  }
  return delivered;
}

void CaptureThread::Deliver(const Record& record) {
  switch (record.kind) {
    case RecordKind::opened:
      sink_->SessionOpened(record.session, DecodeSessionInfo(record.payload), record.stamp);
      return;
    case RecordKind::client_bytes:
      sink_->ClientBytes(record.session, record.payload, record.stamp);
      return;
    case RecordKind::server_bytes:
      sink_->ServerBytes(record.session, record.payload, record.stamp);
      return;
    case RecordKind::elided_rows: {
      protocol::RowDigest digest;
      PGPARITY_CHECK(record.payload.size() == sizeof(digest));
      std::memcpy(&digest, record.payload.data(), sizeof(digest));
      sink_->ElidedRows(record.session, digest, record.stamp);
      return;
    }
    case RecordKind::token_sent:
      sink_->TokenSent(record.session, record.stamp);
      return;
    case RecordKind::token_seen:
      sink_->TokenSeen(record.session, DecodeToken(record.payload), record.stamp);
      return;
    case RecordKind::lost:
      sink_->Lost(record.session, record.payload, record.stamp);
      return;
    case RecordKind::resynchronised:
      sink_->Resynchronised(record.session, record.stamp);
      return;
    case RecordKind::closed:
      sink_->SessionClosed(record.session, record.stamp);
      return;
    case RecordKind::pad:
      return;
  }
}

bool CaptureThread::WaitDrainedTo(Stamp stamp, std::chrono::milliseconds timeout)
    ABSL_NO_THREAD_SAFETY_ANALYSIS {
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  ++waiting_;
  waker_->Wake();
  std::unique_lock<std::mutex> lock(mutex_.native());
  moved_.wait_until(lock, deadline,
                    [&]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return advanced() >= stamp || ended_; });
  --waiting_;
  return advanced() >= stamp;
}

}  // namespace pgparity::proxy
