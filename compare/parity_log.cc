#include "compare/parity_log.h"

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <utility>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "compare/mutex.h"
#include "compare/parity_log_pending.h"
#include "compare/parity_log_schema.h"
#include "compare/parity_log_store.h"
#include "protocol/text.h"

namespace pgparity::compare {
namespace {

using protocol::StrCat;
using protocol::ToAbsl;

constexpr int64_t kSecondUs = 1'000'000;
constexpr int64_t kMaxTickUs = 5 * kSecondUs;
constexpr int64_t kGapJoinUs = 60 * kSecondUs;
constexpr size_t kMaxShapeText = 2048, kMaxExampleText = 4096, kMaxLine = 1024, kMaxDetail = 2000;
// Some facts are of one database, of which there may be a thousand.
constexpr size_t kMaxFacts = 5000, kMaxFactName = 128;
constexpr std::string_view kOther = "other";

// At most `limit` bytes, cut between UTF-8 characters, with a mark of the cut.
std::string Cut(std::string_view text, size_t limit) {
  if (text.size() <= limit) return std::string(text);
  size_t end = limit;
  while (end > 0 && (static_cast<uint8_t>(text[end]) & 0xc0) == 0x80) --end;
  return StrCat(text.substr(0, end), " ...");
}

// `name` if it is known or there is room for it, otherwise "other".
std::string_view Bounded(std::string_view name, size_t limit,
                         absl::flat_hash_set<std::string>* known) {
  if (known->contains(ToAbsl(name))) return name;
  if (known->size() >= limit) return kOther;
  known->insert(std::string(name));
  return name;
}

bool IsKept(Class cls) {
  return cls == Class::divergent || cls == Class::consequence || cls == Class::ambiguous;
}

std::string JoinTables(const StatementRecord& record) {
  std::vector<std::string> tables = record.tables_read;
  tables.insert(tables.end(), record.tables_written.begin(), record.tables_written.end());
  std::sort(tables.begin(), tables.end());
  tables.erase(std::unique(tables.begin(), tables.end()), tables.end());
  std::string joined;
  for (const std::string& table : tables) {
    if (joined.size() + table.size() > kMaxExampleText) break;
    if (!joined.empty()) joined += '\n';
    joined += table;
  }
  return joined;
}

std::string FingerprintOf(const StatementRecord& record, uint64_t key) {
  if (!record.fingerprint.empty()) return Cut(record.fingerprint, 64);
  char hex[17];
  std::snprintf(hex, sizeof(hex), "%016" PRIx64, key);
  return hex;
}

int64_t SystemClock() { return absl::GetCurrentTimeNanos() / 1000; }

}  // namespace

std::string_view ClassName(Class value) {
  switch (value) {
    case Class::match:
      return "match";
    case Class::divergent:
      return "divergent";
    case Class::consequence:
      return "consequence";
    case Class::ambiguous:
      return "ambiguous";
    case Class::volatile_value:
      return "volatile";
    case Class::waived:
      return "waived";
    case Class::refused:
      return "refused";
    case Class::not_compared:
      return "not-compared";
  }
  return "unknown";
}

struct ParityLog::Impl {
  std::function<int64_t()> now_us;
  ParityLogLimits limits;

  // Held while the file is written; taken before `mutex`.
  Mutex file_mutex;
  std::unique_ptr<ParityLogStore> store ABSL_GUARDED_BY(file_mutex);
  int64_t rolled_up_us ABSL_GUARDED_BY(file_mutex) = 0;

  Mutex mutex;
  ParityLogState state ABSL_GUARDED_BY(mutex);
  Pending pending ABSL_GUARDED_BY(mutex);
  std::optional<int64_t> last_tick_us ABSL_GUARDED_BY(mutex);  // of this process

  BucketDelta& BucketAt(int64_t at_us) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    const int64_t minute = BucketStart(at_us / kSecondUs, kMinute);
    auto& buckets = pending.buckets;
    // Nothing could be written for long: old counts move to a later minute, where "since" sees
    // them.
    if (buckets.size() >= kPendingMinutes && !buckets.contains(minute)) pending.JoinOldestBuckets();
    return buckets[minute];
  }

  void Count(const StatementRecord& record, BucketDelta* bucket)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    ++bucket->classes[static_cast<size_t>(record.cls)];
    bucket->primary.Add(record.primary_us);
    if (record.cls != Class::refused && record.cls != Class::not_compared) {
      bucket->shadow.Add(record.shadow_us);
    }
    if (record.cls == Class::match) {
      bucket->incomplete += record.comparison.incomplete ? 1 : 0;
      bucket->bytewise += record.comparison.bytewise ? 1 : 0;
      bucket->digest_only += record.comparison.digest_only ? 1 : 0;
    }
    if (!record.reason.empty()) {
      const std::string reason = StrCat(ClassName(record.cls), "/", Cut(record.reason, 64));
      ++bucket->reasons[ToAbsl(Bounded(reason, limits.reasons, &state.reasons))];
    }
    for (const std::string& table : record.tables_read) {
      ++bucket->tables[ToAbsl(Bounded(table, limits.tables, &state.tables))].reads;
    }
    for (const std::string& table : record.tables_written) {
      ++bucket->tables[ToAbsl(Bounded(table, limits.tables, &state.tables))].writes;
    }
  }

  void CountShape(const StatementRecord& record, uint64_t key, int64_t at_us)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    if (!state.shapes.contains(key)) {
      if (state.shapes.size() < limits.shapes) {
        state.shapes.insert(key);
      } else {
        key = kOtherShape;
      }
    }
    if (!pending.shapes.contains(key) && pending.shapes.size() >= limits.dirty_shapes) {
      key = kOtherShape;
    }
    ShapeDelta& delta = pending.shapes[key];
    if (delta.fingerprint.empty()) {
      const bool other = key == kOtherShape;
      delta.fingerprint = other ? std::string(kOther) : FingerprintOf(record, key);
      delta.text = other ? std::string(kOther) : Cut(record.shape, kMaxShapeText);
      delta.first_at_us = at_us;
    }
    ++delta.classes[static_cast<size_t>(record.cls)];
    delta.primary.Add(record.primary_us);
    delta.shadow.Add(record.shadow_us);
    delta.last_at_us = at_us;
  }

  DivergenceState& EntryOf(const StatementRecord& record, uint64_t shape_key)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    DivergenceText text;
    text.fingerprint = FingerprintOf(record, shape_key);
    text.cls = std::string(ClassName(record.cls));
    text.kind = std::string(KindName(record.comparison.kind));
    std::string key = DivergenceKey(text.fingerprint, text.cls, text.kind);
    auto found = state.divergences.find(key);
    if (found == state.divergences.end() && state.divergences.size() >= limits.divergences) {
      text.fingerprint = std::string(kOther);
      key = DivergenceKey(text.fingerprint, text.cls, text.kind);
      found = state.divergences.find(key);
    }
    if (found != state.divergences.end()) return found->second;
    const bool other = text.fingerprint == kOther;
    text.shape = other ? std::string(kOther) : Cut(record.shape, kMaxShapeText);
    text.what = Cut(record.comparison.what, kMaxLine);
    text.cause = Cut(record.cause, kMaxLine);
    text.advice = Cut(record.advice, kMaxLine);
    text.tables = JoinTables(record);
    text.example_statement = Cut(record.statement, kMaxExampleText);
    text.example_primary = Cut(record.comparison.primary_example, kMaxExampleText);
    text.example_shadow = Cut(record.comparison.shadow_example, kMaxExampleText);
    DivergenceState entry;
    entry.id = state.next_divergence++;
    if (record.cls == Class::divergent) state.roots.try_emplace(text.fingerprint, key);
    pending.new_divergences[entry.id] = std::move(text);
    return state.divergences[key] = entry;
  }

  void KeepDivergence(const StatementRecord& record, uint64_t shape_key, int64_t at_us,
                      BucketDelta* bucket) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    DivergenceState& entry = EntryOf(record, shape_key);
    const bool first = entry.count == 0;
    ++entry.count;
    entry.first_position =
        first ? record.position : std::min(entry.first_position, record.position);
    entry.last_position = std::max(entry.last_position, record.position);
    entry.first_at_us = first ? at_us : entry.first_at_us;
    entry.last_at_us = at_us;
    if (entry.examples < limits.examples_per_divergence &&
        pending.examples.size() < limits.pending_examples) {
      ++entry.examples;
      pending.examples.push_back({entry.id, record.position, at_us,
                                  Cut(record.comparison.what, kMaxLine),
                                  Cut(record.statement, kMaxExampleText),
                                  Cut(record.comparison.primary_example, kMaxExampleText),
                                  Cut(record.comparison.shadow_example, kMaxExampleText)});
    }
    pending.divergences[entry.id] = entry;
    ++bucket->divergences[entry.id].count;
    if (record.cls == Class::consequence) CountConsequence(record.cause, bucket);
  }

  void CountConsequence(std::string_view root_fingerprint, BucketDelta* bucket)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    const auto root = state.roots.find(ToAbsl(root_fingerprint));
    if (root == state.roots.end()) return;
    DivergenceState& entry = state.divergences[root->second];
    ++entry.consequences;
    ++bucket->divergences[entry.id].consequences;
    pending.divergences[entry.id] = entry;
  }

  void Gap(std::string_view reason_given, std::string_view detail, int64_t at_us, uint64_t count)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    std::string reason = Cut(reason_given.empty() ? kOther : reason_given, 64);
    if (!state.gaps.contains(reason) && state.gaps.size() >= limits.reasons) reason = kOther;
    GapState& gap = state.gaps[reason];
    const bool near = gap.id != 0 && at_us >= gap.first_at_us - kGapJoinUs &&
                      at_us <= gap.last_at_us + kGapJoinUs;
    if (gap.id == 0 || (!near && state.gap_rows[reason] < limits.gaps_per_reason)) {
      gap = {state.next_gap++, reason, Cut(detail, kMaxLine), 0, at_us, at_us};
      ++state.gap_rows[reason];
    }
    gap.count += count;
    gap.first_at_us = std::min(gap.first_at_us, at_us);
    gap.last_at_us = std::max(gap.last_at_us, at_us);
    if (!detail.empty() && gap.detail.find(Cut(detail, kMaxLine)) == std::string::npos &&
        gap.detail.size() < kMaxDetail) {
      gap.detail = Cut(StrCat(gap.detail, gap.detail.empty() ? "" : "; ", detail), kMaxDetail);
    }
    pending.gaps[gap.id] = gap;
  }
};

absl::StatusOr<std::unique_ptr<ParityLog>> ParityLog::Open(const std::string& path,
                                                           std::function<int64_t()> now_us,
                                                           const ParityLogLimits& limits) {
  auto store = ParityLogStore::Open(path);
  if (!store.ok()) return store.status();
  auto state = (*store)->Load();
  if (!state.ok()) return state.status();
  auto impl = std::make_unique<Impl>();
  impl->now_us = now_us ? std::move(now_us) : SystemClock;
  impl->limits = limits;
  {
    MutexLock lock(&impl->file_mutex);
    impl->store = *std::move(store);
  }
  {
    MutexLock lock(&impl->mutex);
    impl->state = *std::move(state);
  }
  return std::unique_ptr<ParityLog>(new ParityLog(std::move(impl)));
}

ParityLog::ParityLog(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

ParityLog::~ParityLog() { Flush().IgnoreError(); }

void ParityLog::Record(const StatementRecord& record) {
  const int64_t at_us = impl_->now_us();
  const uint64_t key = ShapeKey(record.fingerprint, record.shape);
  MutexLock lock(&impl_->mutex);
  BucketDelta& bucket = impl_->BucketAt(at_us);
  impl_->Count(record, &bucket);
  impl_->CountShape(record, key, at_us);
  if (IsKept(record.cls)) impl_->KeepDivergence(record, key, at_us, &bucket);
}

void ParityLog::Add(Counter counter, uint64_t n) {
  const int64_t at_us = impl_->now_us();
  MutexLock lock(&impl_->mutex);
  impl_->BucketAt(at_us).counters[static_cast<size_t>(counter)] += n;
}

void ParityLog::Gap(std::string_view reason, std::string_view detail, int64_t at_us,
                    uint64_t count) {
  MutexLock lock(&impl_->mutex);
  impl_->Gap(reason, detail, at_us, count);
}

void ParityLog::SoakTick(int64_t now_us, bool clean) {
  MutexLock lock(&impl_->mutex);
  const int64_t passed = now_us - std::exchange(impl_->last_tick_us, now_us).value_or(now_us);
  auto& state = impl_->state;
  if (!state.soak_started_us.has_value()) state.soak_started_us = now_us;
  state.soak_ended_us = std::max(state.soak_ended_us.value_or(now_us), now_us);
  impl_->pending.meta["soak_started_us"] = *state.soak_started_us;
  impl_->pending.meta["soak_ended_us"] = *state.soak_ended_us;
  if (passed <= 0 || passed > kMaxTickUs) return;
  BucketDelta& bucket = impl_->BucketAt(now_us);
  bucket.soak_us += static_cast<uint64_t>(passed);
  if (clean) bucket.soak_clean_us += static_cast<uint64_t>(passed);
}

void ParityLog::SetAppliedPosition(uint64_t position) {
  MutexLock lock(&impl_->mutex);
  impl_->pending.meta["applied_position"] = static_cast<int64_t>(position);
}

void ParityLog::SetEventsPosition(uint64_t position) {
  MutexLock lock(&impl_->mutex);
  impl_->pending.meta["events_position"] = static_cast<int64_t>(position);
}

void ParityLog::SetFact(std::string_view name, std::string_view value) {
  MutexLock lock(&impl_->mutex);
  auto& facts = impl_->pending.facts;
  const std::string key = Cut(name, kMaxFactName);
  if (facts.size() < kMaxFacts || facts.contains(key)) facts[key] = Cut(value, kMaxExampleText);
}

void ParityLog::AddProxyLatency(const LatencyHistogram& added_us) {
  const int64_t at_us = impl_->now_us();
  MutexLock lock(&impl_->mutex);
  impl_->BucketAt(at_us).proxy_added.Merge(added_us);
}

absl::Status ParityLog::Flush() {
  MutexLock file_lock(&impl_->file_mutex);
  Pending pending;
  {
    MutexLock lock(&impl_->mutex);
    std::swap(pending, impl_->pending);
  }
  absl::Status status = impl_->store->Write(pending);
  if (!status.ok()) {
    MutexLock lock(&impl_->mutex);
    impl_->pending.MergeOlder(std::move(pending), impl_->limits);
    return status;
  }
  const int64_t now_us = impl_->now_us();
  if (now_us - impl_->rolled_up_us < kHour * kSecondUs) return status;
  impl_->rolled_up_us = now_us;
  return impl_->store->RollUp(now_us);
}

}  // namespace pgparity::compare
