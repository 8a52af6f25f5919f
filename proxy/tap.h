// The tap: what a forwarding thread does to have its traffic recorded. It appends to the thread's
// ring, never waits and takes no lock; what cannot be recorded makes a session `lost`, and is said.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <limits>
#include <string>
#include <string_view>

#include "protocol/session_tracker.h"
#include "proxy/counter.h"
#include "proxy/ring.h"

namespace pgparity::proxy {

// Whether capture is on; shared by all threads. The kill switch.
class CaptureSwitch {
 public:
  // The reason for being off, or null while on. Points to a string that lives as long as *this.
  const std::string* off() const { return off_.load(std::memory_order_acquire); }
  void TurnOn() { off_.store(nullptr, std::memory_order_relaxed); }
  // Few distinct reasons in the life of a process: each is kept. Callers serialise themselves.
  void TurnOff(std::string_view reason);

 private:
  std::atomic<const std::string*> off_{nullptr};
  std::deque<std::string> reasons_;
};

// Wakes the capture thread. Producers call Wake() at the points that Tap chooses; it costs a system
// call only the first time since the consumer looked.
class CaptureWaker {
 public:
  CaptureWaker();
  ~CaptureWaker();
  CaptureWaker(const CaptureWaker&) = delete;
  CaptureWaker& operator=(const CaptureWaker&) = delete;

  void Wake();
  // True while the consumer sleeps long, having seen nothing for a while.
  bool drowsy() const { return drowsy_.load(std::memory_order_relaxed); }

  // Consumer: sleeps until woken or `timeout_ms`. Whether it was woken.
  bool Sleep(int timeout_ms, bool drowsy);

 private:
  const int event_;
  std::atomic<bool> signalled_{false};
  std::atomic<bool> drowsy_{false};
};

// A thread's announcement (DESIGN, "Ordering"): no record that it appends from now on carries a
// stamp below `since`. Stored sequentially consistent before the thread reads the clock for stamps;
// kIdle once all records of those stamps are in the ring.
struct BusyAnnouncement {
  static constexpr Stamp kIdle = std::numeric_limits<Stamp>::max();
  alignas(64) std::atomic<Stamp> since{kIdle};
};

// Why and how far a session is recorded.
enum class CaptureState : uint8_t {
  off,     // nothing to record: before login, replication
  on,      // every byte is in the ring
  losing,  // bytes were left out and the ring does not say so yet
  lost,    // bytes are left out; the ring says so
};

// The tap's part of a session. Owned by the session; touched by its thread alone.
struct TapSession {
  uint64_t id = 0;
  CaptureState state = CaptureState::off;
  bool recordable = true;               // false: replication, opened and closed are all there is
  bool closed_owed = false;             // an `opened` record is in the ring
  std::string opened;                   // an `opened` payload that found no room yet
  const std::string* reason = nullptr;  // of losing
};

class Tap {
 public:
  struct Counters {
    Counter records, bytes, lost, unrecorded_sessions;
  };

  // All outlive the tap.
  Tap(Ring* ring, const CaptureSwitch* capture, CaptureWaker* waker)
      : ring_(ring), switch_(capture), waker_(waker) {}

  // Around a batch of events: every stamp given to the tap in between is >= now.
  void Busy(Stamp now) { announcement_.since.store(now, std::memory_order_seq_cst); }
  void Idle();

  // `replication`: only opened and closed are recorded.
  void Opened(TapSession* session, std::string info, bool replication, Stamp stamp);
  void Client(TapSession* session, std::string_view bytes, Stamp stamp) {
    Bytes(RecordKind::client_bytes, session, bytes, stamp);
  }
  void Server(TapSession* session, std::string_view bytes, Stamp stamp) {
    Bytes(RecordKind::server_bytes, session, bytes, stamp);
  }
  void Elided(TapSession* session, const protocol::RowDigest& digest, Stamp stamp);
  // An LSN token was put in here, or came here; `token` is as EncodeToken makes it.
  void TokenSent(TapSession* session, Stamp stamp) {
    Bytes(RecordKind::token_sent, session, {}, stamp);
  }
  void TokenSeen(TapSession* session, std::string_view token, Stamp stamp) {
    Bytes(RecordKind::token_seen, session, token, stamp);
  }
  // The session has become idle with the server's last byte: a lost one is taken up again where
  // capture is on and the ring has room. True when it was.
  bool Resume(TapSession* session, Stamp stamp);
  void Closed(TapSession* session, Stamp stamp);

  // Records owed from sessions that are gone, for want of room. Call now and then while true.
  bool owes() const { return !owed_.empty(); }
  void PayDebts(Stamp stamp);

  const BusyAnnouncement& announcement() const { return announcement_; }
  const Counters& counters() const { return counters_; }
  Ring* ring() { return ring_; }

 private:
  struct Debt {
    uint64_t session;
    std::string opened;
    const std::string* lost;  // null: only `closed` is owed
  };

  void Bytes(RecordKind kind, TapSession* session, std::string_view bytes, Stamp stamp);
  bool Put(RecordKind kind, uint64_t session, std::string_view payload, Stamp stamp, size_t spare);
  void Lose(TapSession* session, const std::string* reason, Stamp stamp);
  // losing -> lost, when there is room.
  bool SayLost(TapSession* session, Stamp stamp);

  Ring* const ring_;
  const CaptureSwitch* const switch_;
  CaptureWaker* const waker_;
  uint64_t woken_at_ = 0;  // produced() when the consumer was last woken or seen at work
  std::deque<Debt> owed_;
  Counters counters_;
  BusyAnnouncement announcement_;
};

}  // namespace pgparity::proxy
