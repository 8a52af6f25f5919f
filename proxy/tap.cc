#include "proxy/tap.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>

#include "protocol/check.h"

namespace pgparity::proxy {
namespace {

// The consumer is woken when this much is unread.
constexpr uint64_t kWakeBytes = 64 << 10;
// Room that only records about capture itself may use, so that a full ring can still say so.
constexpr size_t kReserve = 16 << 10;
// Debts beyond this are counted, not kept: those before them have told of the same trouble.
constexpr size_t kMaxDebts = 10000;

const std::string kRingFull = "ring-full";

}  // namespace

void CaptureSwitch::TurnOff(std::string_view reason) {
  auto known = std::find(reasons_.begin(), reasons_.end(), reason);
  if (known == reasons_.end()) known = reasons_.emplace(reasons_.end(), reason);
  off_.store(&*known, std::memory_order_release);
}

CaptureWaker::CaptureWaker() : event_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  PGPARITY_CHECK(event_ >= 0);
}

CaptureWaker::~CaptureWaker() { close(event_); }

void CaptureWaker::Wake() {
  if (signalled_.load(std::memory_order_relaxed) || signalled_.exchange(true)) return;
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t n = write(event_, &one, sizeof(one));
}

bool CaptureWaker::Sleep(int timeout_ms, bool drowsy) {
  drowsy_.store(drowsy, std::memory_order_relaxed);
  pollfd entry{event_, POLLIN, 0};
  const bool woken = poll(&entry, 1, timeout_ms) > 0;
  if (woken) {
    uint64_t count = 0;
    [[maybe_unused]] const ssize_t n = read(event_, &count, sizeof(count));
  }
  drowsy_.store(false, std::memory_order_relaxed);
  signalled_.store(false);
  return woken;
}

void Tap::Idle() { announcement_.since.store(BusyAnnouncement::kIdle, std::memory_order_release); }

bool Tap::Put(RecordKind kind, uint64_t session, std::string_view payload, Stamp stamp,
              size_t spare) {
  if (!ring_->Append(kind, session, stamp, payload, spare)) return false;
  counters_.records.Add();
  counters_.bytes.Add(payload.size());
  if (ring_->produced() - woken_at_ >= kWakeBytes) {
    ring_->FreeBytes();  // looks at the tail
    if (ring_->UnreadAtMost() >= kWakeBytes) {
      woken_at_ = ring_->produced();
      waker_->Wake();
    } else {
      woken_at_ = ring_->produced() - ring_->UnreadAtMost();
    }
  } else if (waker_->drowsy()) {
    waker_->Wake();
  }
  return true;
}

void Tap::Opened(TapSession* session, std::string info, bool replication, Stamp stamp) {
  PGPARITY_CHECK(session->state == CaptureState::off && !session->closed_owed);
  session->recordable = !replication;
  if (Put(RecordKind::opened, session->id, info, stamp, kReserve)) {
    session->closed_owed = true;
    if (session->recordable) session->state = CaptureState::on;
    return;
  }
  session->opened = std::move(info);
  session->reason = &kRingFull;
  session->state = CaptureState::losing;
  counters_.lost.Add();
}

void Tap::Lose(TapSession* session, const std::string* reason, Stamp stamp) {
  session->state = CaptureState::losing;
  session->reason = reason;
  counters_.lost.Add();
  SayLost(session, stamp);
}

bool Tap::SayLost(TapSession* session, Stamp stamp) {
  if (!session->opened.empty()) {
    if (!Put(RecordKind::opened, session->id, session->opened, stamp, kReserve)) return false;
    session->opened.clear();
    session->opened.shrink_to_fit();
    session->closed_owed = true;
  }
  if (!Put(RecordKind::lost, session->id, *session->reason, stamp, 0)) return false;
  session->state = CaptureState::lost;
  return true;
}

void Tap::Bytes(RecordKind kind, TapSession* session, std::string_view bytes, Stamp stamp) {
  switch (session->state) {
    case CaptureState::on:
      if (const std::string* off = switch_->off(); off != nullptr) [[unlikely]] {
        Lose(session, off, stamp);
      } else if (!Put(kind, session->id, bytes, stamp, kReserve)) [[unlikely]] {
        Lose(session, &kRingFull, stamp);
      }
      return;
    case CaptureState::losing:
      SayLost(session, stamp);
      return;
    case CaptureState::lost:
    case CaptureState::off:
      return;
  }
}

void Tap::Elided(TapSession* session, const protocol::RowDigest& digest, Stamp stamp) {
  Bytes(RecordKind::elided_rows, session,
        std::string_view(reinterpret_cast<const char*>(&digest), sizeof(digest)), stamp);
}

bool Tap::Resume(TapSession* session, Stamp stamp) {
  if (session->state == CaptureState::losing) SayLost(session, stamp);
  if (session->state != CaptureState::lost || !session->recordable) return false;
  if (switch_->off() != nullptr) return false;
  // A ring that is nearly full would only lose it again.
  if (ring_->FreeBytes() < ring_->capacity() / 2) return false;
  if (!Put(RecordKind::resynchronised, session->id, {}, stamp, kReserve)) return false;
  session->state = CaptureState::on;
  return true;
}

void Tap::Closed(TapSession* session, Stamp stamp) {
  if (session->state == CaptureState::losing) SayLost(session, stamp);
  const bool losing = session->state == CaptureState::losing;
  session->state = CaptureState::off;
  if (!losing) {
    if (!session->closed_owed || Put(RecordKind::closed, session->id, {}, stamp, 0)) return;
  }
  if (owed_.size() >= kMaxDebts) {
    counters_.unrecorded_sessions.Add();
    return;
  }
  owed_.push_back({session->id, std::move(session->opened), losing ? session->reason : nullptr});
}

void Tap::PayDebts(Stamp stamp) {
  while (!owed_.empty()) {
    Debt& debt = owed_.front();
    if (!debt.opened.empty()) {
      if (!Put(RecordKind::opened, debt.session, debt.opened, stamp, kReserve)) return;
      debt.opened.clear();
    }
    if (debt.lost != nullptr) {
      if (!Put(RecordKind::lost, debt.session, *debt.lost, stamp, 0)) return;
      debt.lost = nullptr;
    }
    if (!Put(RecordKind::closed, debt.session, {}, stamp, 0)) return;
    owed_.pop_front();
  }
}

}  // namespace pgparity::proxy
