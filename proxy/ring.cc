#include "proxy/ring.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <bit>
#include <cerrno>
#include <cstring>
#include <new>

#include "protocol/check.h"
#include "protocol/text.h"

namespace pgparity::proxy {
namespace {

using protocol::StrCat;

constexpr char kMagic[8] = {'p', 'g', 'p', 'r', 'i', 'n', 'g', '\n'};
constexpr uint32_t kVersion = 1;
constexpr size_t kHeaderPage = 4096;
static_assert(sizeof(RingHeader) <= kHeaderPage);
static_assert(std::atomic<uint64_t>::is_always_lock_free);

constexpr size_t Padded(size_t bytes) { return (bytes + 7) & ~size_t{7}; }

absl::Status Failed(std::string_view what, const std::string& path, int error) {
  return absl::UnavailableError(
      StrCat("capture ring ", path, ": ", what, ": ", std::strerror(error), "; see --ring-dir"));
}

// Closes on the way out unless released.
class OwnedFd {
 public:
  explicit OwnedFd(int fd) : fd_(fd) {}
  ~OwnedFd() {
    if (fd_ >= 0) close(fd_);
  }
  OwnedFd(const OwnedFd&) = delete;
  OwnedFd& operator=(const OwnedFd&) = delete;
  int get() const { return fd_; }
  int release() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

// What an earlier process left unread in the file, whatever its size.
uint64_t Leftover(int fd) {
  RingHeader header{};
  if (pread(fd, static_cast<void*>(&header), sizeof(header), 0) != ssize_t{sizeof(header)})
    return 0;
  const uint64_t head = header.head.load(std::memory_order_relaxed);
  const uint64_t tail = header.tail.load(std::memory_order_relaxed);
  const bool known =
      std::memcmp(header.magic, kMagic, sizeof(kMagic)) == 0 && header.version == kVersion;
  return known && head > tail && head - tail <= header.capacity ? head - tail : 0;
}

// Reserves the file's room, so that a later write cannot fail with a signal.
absl::Status Reserve(int fd, const std::string& path, size_t bytes) {
  struct stat file;
  if (fstat(fd, &file) != 0) return Failed("cannot stat", path, errno);
  if (!S_ISREG(file.st_mode) || file.st_uid != geteuid()) {
    return absl::FailedPreconditionError(StrCat(
        "capture ring ", path, " is not a file of this user; remove it or change --ring-dir"));
  }
  if (fchmod(fd, 0600) != 0) return Failed("cannot set its mode", path, errno);
  if (file.st_size != 0 && static_cast<size_t>(file.st_size) != bytes && ftruncate(fd, 0) != 0) {
    return Failed("cannot truncate", path, errno);
  }
  struct statvfs system;
  if (fstatvfs(fd, &system) != 0) return Failed("cannot read the file system's room", path, errno);
  if (fstat(fd, &file) != 0) return Failed("cannot stat", path, errno);
  const uint64_t room =
      uint64_t{system.f_bavail} * system.f_frsize + uint64_t(file.st_blocks) * 512;
  if (room < bytes) {
    return absl::ResourceExhaustedError(
        StrCat("capture ring ", path, " needs ", bytes >> 20, " MiB and its file system has ",
               room >> 20, " MiB free; give another --ring-dir, a smaller --ring-size, or (in a ",
               "container) a larger /dev/shm"));
  }
  if (const int error = posix_fallocate(fd, 0, static_cast<off_t>(bytes)); error != 0) {
    return Failed("cannot reserve its room", path, error);
  }
  return absl::OkStatus();
}

bool CarriesClientBytes(RecordKind kind) {
  return kind == RecordKind::client_bytes || kind == RecordKind::opened;
}

}  // namespace

Ring::Ring(int fd, char* map, size_t capacity)
    : fd_(fd),
      header_(reinterpret_cast<RingHeader*>(map)),
      data_(map + kHeaderPage),
      capacity_(capacity) {}

Ring::~Ring() {
  // A file that holds nothing unread has nothing to tell the next process.
  if (!path_.empty() && header_->head.load() == header_->tail.load()) unlink(path_.c_str());
  munmap(header_, kHeaderPage + capacity_);
  if (fd_ >= 0) close(fd_);
}

absl::StatusOr<std::unique_ptr<Ring>> Ring::Open(const std::string& path, size_t capacity,
                                                 Stamp stamp_base) {
  capacity = std::bit_ceil(std::max(capacity, kMinCapacity));
  const size_t bytes = kHeaderPage + capacity;
  OwnedFd fd(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (fd.get() < 0) return Failed("cannot open", path, errno);
  if (flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    return Failed("in use by another process", path, errno);
  }
  const uint64_t leftover = Leftover(fd.get());
  if (absl::Status status = Reserve(fd.get(), path, bytes); !status.ok()) return status;
  void* map = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd.get(), 0);
  if (map == MAP_FAILED) return Failed("cannot map", path, errno);
  // Where the limit of locked memory allows it, not swapped out either.
  mlock(map, bytes);
  std::unique_ptr<Ring> ring(new Ring(fd.release(), static_cast<char*>(map), capacity));

  ring->path_ = path;
  ring->leftover_ = leftover;
  // What was consumed of the client's bytes is zero already; what was not may hold secrets.
  std::memset(ring->data_, 0, capacity);
  RingHeader& header = *ring->header_;
  new (&header) RingHeader{};
  header.version = kVersion;
  header.pid = static_cast<uint32_t>(getpid());
  header.capacity = capacity;
  header.stamp_base = stamp_base;
  std::memcpy(header.magic, kMagic, sizeof(kMagic));
  return ring;
}

absl::StatusOr<std::unique_ptr<Ring>> Ring::Anonymous(size_t capacity) {
  capacity = std::bit_ceil(std::max(capacity, kMinCapacity));
  void* map = mmap(nullptr, kHeaderPage + capacity, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (map == MAP_FAILED) return Failed("cannot map", "(anonymous)", errno);
  std::unique_ptr<Ring> ring(new Ring(-1, static_cast<char*>(map), capacity));
  new (ring->header_) RingHeader{};
  ring->header_->capacity = capacity;
  return ring;
}

size_t Ring::FreeBytes() {
  seen_tail_ = header_->tail.load(std::memory_order_acquire);
  return capacity_ - (head_ - seen_tail_);
}

void Ring::Put(RecordKind kind, uint64_t session, Stamp stamp, std::string_view payload) {
  const RecordHeader header{static_cast<uint32_t>(payload.size()), kind, {}, session, stamp};
  char* at = At(head_);
  std::memcpy(at, &header, sizeof(header));
  if (!payload.empty()) std::memcpy(at + sizeof(header), payload.data(), payload.size());
  head_ += kRecordHeader + Padded(payload.size());
}

bool Ring::Append(RecordKind kind, uint64_t session, Stamp stamp, std::string_view payload,
                  size_t spare) {
  // A byte record may be cut in two at the end of the area; any other moves to its beginning, and
  // then costs the rest of the area.
  const bool stream = kind == RecordKind::client_bytes || kind == RecordKind::server_bytes;
  const size_t whole = kRecordHeader + Padded(payload.size());
  const size_t to_end = ToEnd(head_);
  size_t need = whole + spare;
  if (whole > to_end) need += stream ? 2 * kRecordHeader : to_end;
  if (capacity_ - UnreadAtMost() < need && FreeBytes() < need) return false;

  if (whole > to_end) {
    if (to_end < kRecordHeader) {
      head_ += to_end;
    } else if (stream) {
      const size_t first = to_end - kRecordHeader;
      Put(kind, session, stamp, payload.substr(0, first));
      payload.remove_prefix(first);
    } else {
      const RecordHeader pad{
          static_cast<uint32_t>(to_end - kRecordHeader), RecordKind::pad, {}, 0, 0};
      std::memcpy(At(head_), &pad, sizeof(pad));
      head_ += to_end;
    }
  }
  Put(kind, session, stamp, payload);
  header_->head.store(head_, std::memory_order_release);
  return true;
}

std::optional<Record> Ring::Next(uint64_t limit) {
  while (tail_ < limit) {
    const size_t to_end = ToEnd(tail_);
    if (to_end < kRecordHeader) {
      tail_ += to_end;
      continue;
    }
    RecordHeader header;
    std::memcpy(&header, At(tail_), sizeof(header));
    const size_t whole = kRecordHeader + Padded(header.length);
    PGPARITY_CHECK(whole <= to_end && tail_ + whole <= limit);
    if (header.kind == RecordKind::pad) {
      tail_ += whole;
      continue;
    }
    return Record{header.kind, header.session, header.stamp,
                  std::string_view(At(tail_) + kRecordHeader, header.length), tail_ + whole};
  }
  header_->tail.store(tail_, std::memory_order_release);
  return std::nullopt;
}

void Ring::Release(const Record& record) {
  if (CarriesClientBytes(record.kind)) {
    std::memset(At(tail_) + kRecordHeader, 0, record.payload.size());
  }
  tail_ = record.end;
  header_->tail.store(tail_, std::memory_order_release);
}

}  // namespace pgparity::proxy
