#include "compare/parity_log_pending.h"

#include <algorithm>
#include <iterator>

namespace pgparity::compare {

void SparseHistogram::Add(uint64_t micros) {
  AddToBucket(static_cast<uint16_t>(LatencyHistogram::BucketOf(micros)), 1);
}

void SparseHistogram::AddToBucket(uint16_t bucket, uint64_t count) {
  for (auto& [index, n] : counts_) {
    if (index == bucket) {
      n += count;
      return;
    }
  }
  counts_.emplace_back(bucket, count);
}

void SparseHistogram::MergeInto(LatencyHistogram* histogram) const {
  for (const auto& [index, n] : counts_) histogram->AddToBucket(index, n);
}

void SparseHistogram::Merge(const SparseHistogram& other) {
  for (const auto& [index, n] : other.counts_) AddToBucket(index, n);
}

void BucketDelta::Merge(const BucketDelta& other) {
  for (size_t i = 0; i < kClasses; ++i) classes[i] += other.classes[i];
  for (size_t i = 0; i < kCounters; ++i) counters[i] += other.counters[i];
  incomplete += other.incomplete;
  bytewise += other.bytewise;
  digest_only += other.digest_only;
  soak_us += other.soak_us;
  soak_clean_us += other.soak_clean_us;
  for (const auto& [name, use] : other.tables) {
    tables[name].reads += use.reads;
    tables[name].writes += use.writes;
  }
  for (const auto& [name, n] : other.reasons) reasons[name] += n;
  for (const auto& [id, n] : other.divergences) {
    divergences[id].count += n.count;
    divergences[id].consequences += n.consequences;
  }
  primary.Merge(other.primary);
  shadow.Merge(other.shadow);
  proxy_added.Merge(other.proxy_added);
}

void ShapeDelta::Merge(const ShapeDelta& other) {
  if (fingerprint.empty()) {
    fingerprint = other.fingerprint;
    text = other.text;
    first_at_us = other.first_at_us;
    last_at_us = other.last_at_us;
  }
  for (size_t i = 0; i < kClasses; ++i) classes[i] += other.classes[i];
  primary.Merge(other.primary);
  shadow.Merge(other.shadow);
  first_at_us = std::min(first_at_us, other.first_at_us);
  last_at_us = std::max(last_at_us, other.last_at_us);
}

void Pending::JoinOldestBuckets() {
  const auto first = buckets.begin();
  std::next(first)->second.Merge(first->second);
  buckets.erase(first);
}

void Pending::MergeOlder(Pending older, const ParityLogLimits& limits) {
  for (auto& [bucket, delta] : older.buckets) buckets[bucket].Merge(delta);
  while (buckets.size() > kPendingMinutes) JoinOldestBuckets();
  for (auto& [key, delta] : older.shapes) {
    const bool fits = shapes.contains(key) || shapes.size() < limits.dirty_shapes;
    ShapeDelta& target = shapes[fits ? key : kOtherShape];
    if (!fits) delta.fingerprint = delta.text = "other";
    target.Merge(delta);
  }
  divergences.merge(older.divergences);
  new_divergences.merge(older.new_divergences);
  std::move(examples.begin(), examples.end(), std::back_inserter(older.examples));
  examples = std::move(older.examples);
  if (examples.size() > limits.pending_examples) examples.resize(limits.pending_examples);
  gaps.merge(older.gaps);
  facts.merge(older.facts);
  meta.merge(older.meta);
}

}  // namespace pgparity::compare
