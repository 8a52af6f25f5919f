// The capture ring: a single-producer, single-consumer queue of records in a memory-mapped file.
// A forwarding thread appends, the capture thread consumes; neither ever waits for the other.
//
// The file is one page of RingHeader and then `capacity` bytes of records. A record is a
// RecordHeader and its payload, padded to 8 bytes; positions count bytes since the ring was made,
// and their place is position modulo capacity. A record never wraps: the end of the area is filled
// with a `pad` record, or left alone when it is smaller than a header. The payload is written
// first, then the head moves (release).
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "protocol/frame.h"

namespace pgparity::proxy {

using protocol::Stamp;

enum class RecordKind : uint8_t {
  pad,
  opened,  // payload: EncodeSessionInfo
  client_bytes,
  server_bytes,
  elided_rows,  // payload: a RowDigest as it lies in memory
  lost,         // payload: the reason
  resynchronised,
  closed,
  token_sent,
  token_seen,  // payload: EncodeToken
};

struct Record {
  RecordKind kind = RecordKind::pad;
  uint64_t session = 0;
  Stamp stamp = 0;
  std::string_view payload;  // valid until the record is released
  uint64_t end = 0;          // position behind it
};

struct RingHeader {
  char magic[8];
  uint32_t version;
  uint32_t pid;
  uint64_t capacity;
  Stamp stamp_base;  // the first stamp that its process could give out
  alignas(64) std::atomic<uint64_t> head;
  alignas(64) std::atomic<uint64_t> tail;
};

class Ring {
 public:
  static constexpr size_t kMinCapacity = 256 << 10;

  // Makes or reuses the file, resident in memory, `capacity` rounded up to a power of two. It is
  // removed at the end unless something in it is unread. Errors
  // say what to do: no room in the file system, no permission, in use by another process.
  static absl::StatusOr<std::unique_ptr<Ring>> Open(const std::string& path, size_t capacity,
                                                    Stamp stamp_base);
  // The same without a file.
  static absl::StatusOr<std::unique_ptr<Ring>> Anonymous(size_t capacity);
  ~Ring();
  Ring(const Ring&) = delete;
  Ring& operator=(const Ring&) = delete;

  // Bytes that an earlier process left unread in the file: what it captured and never journalled.
  uint64_t leftover() const { return leftover_; }
  size_t capacity() const { return capacity_; }

  // --- producer ---
  // False, and nothing is appended, unless `spare` bytes stay free behind the record.
  bool Append(RecordKind kind, uint64_t session, Stamp stamp, std::string_view payload,
              size_t spare);
  size_t FreeBytes();
  uint64_t produced() const { return head_; }
  // Bytes not consumed yet, as far as the producer knows without looking.
  uint64_t UnreadAtMost() const { return head_ - seen_tail_; }

  // --- consumer ---
  uint64_t Head() const { return header_->head.load(std::memory_order_acquire); }
  // The next record that begins below `limit`, a value that Head() returned. Pads are passed over.
  std::optional<Record> Next(uint64_t limit);
  // Gives the record's room back. Payloads that a client sent are zeroed first.
  void Release(const Record& record);

 private:
  struct RecordHeader {
    uint32_t length;
    RecordKind kind;
    uint8_t reserved[3];
    uint64_t session;
    Stamp stamp;
  };
  static constexpr size_t kRecordHeader = sizeof(RecordHeader);

  Ring(int fd, char* map, size_t capacity);
  void Put(RecordKind kind, uint64_t session, Stamp stamp, std::string_view payload);
  char* At(uint64_t position) { return data_ + (position & (capacity_ - 1)); }
  size_t ToEnd(uint64_t position) const { return capacity_ - (position & (capacity_ - 1)); }

  const int fd_;
  RingHeader* const header_;
  char* const data_;
  const size_t capacity_;
  std::string path_;  // empty: no file, or none to remove
  uint64_t leftover_ = 0;
  alignas(64) uint64_t head_ = 0;  // producer's
  uint64_t seen_tail_ = 0;         // producer's: the tail when it last looked
  alignas(64) uint64_t tail_ = 0;  // consumer's
};

}  // namespace pgparity::proxy
