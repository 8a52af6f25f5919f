#include "compare/rows.h"

#include <xxhash.h>

#include <algorithm>
#include <tuple>

namespace pgparity::compare::internal {
namespace {

uint64_t Hash(std::string_view bytes) { return XXH3_64bits(bytes.data(), bytes.size()); }

void AppendLength(size_t length, std::string* out) {
  for (int shift = 0; shift < 32; shift += 8) out->push_back(static_cast<char>(length >> shift));
}

struct Item {
  uint64_t hash;
  std::string_view body;
  uint32_t index;
  bool operator<(const Item& other) const {
    return std::tie(hash, body, index) < std::tie(other.hash, other.body, other.index);
  }
};

std::vector<Item> SortedItems(const Bodies& bodies, size_t begin) {
  std::vector<Item> items;
  items.reserve(bodies.size() - std::min(begin, bodies.size()));
  for (size_t i = begin; i < bodies.size(); ++i) {
    items.push_back({Hash(bodies[i]), bodies[i], static_cast<uint32_t>(i)});
  }
  std::sort(items.begin(), items.end());
  return items;
}

void SortRows(Unmatched* unmatched) {
  for (auto& rows : unmatched->rows) std::sort(rows.begin(), rows.end());
}

}  // namespace

struct RowComparer::Key {
  uint64_t hash = 0;
  std::string bytes;           // everything but the frozen times
  std::vector<int64_t> times;  // of the frozen columns
  uint32_t index = 0;

  bool SameGroup(const Key& other) const { return hash == other.hash && bytes == other.bytes; }
  bool GroupBefore(const Key& other) const {
    return std::tie(hash, bytes) < std::tie(other.hash, other.bytes);
  }
  bool operator<(const Key& other) const {
    return std::tie(hash, bytes, times, index) <
           std::tie(other.hash, other.bytes, other.times, other.index);
  }
};

bool RowComparer::WithinTolerance(int64_t a, int64_t b) const {
  int64_t difference = 0;
  if (__builtin_sub_overflow(a, b, &difference) || difference == INT64_MIN) return false;
  return std::abs(difference) <= tolerance_us_;
}

bool RowComparer::WithinTolerance(const Key& a, const Key& b) const {
  for (size_t i = 0; i < a.times.size(); ++i) {
    if (i >= b.times.size() || !WithinTolerance(a.times[i], b.times[i])) return false;
  }
  return true;
}

// The form in which the two sides compare. What cannot be read stays as it came, marked, so that it
// equals nothing but itself in the same format.
void RowComparer::AppendCanonical(size_t column, Side side, std::string_view value,
                                  std::string* out) {
  ColumnPlan& plan = columns_[column];
  const ColumnPlan::Source& source = plan.sources[side];
  const auto canonical =
      protocol::Canonicalise(value, source.type_oid, source.format, *source.types, settings_);
  if (canonical.ok()) {
    if (!canonical->typed) {
      bytewise_ = true;
      if (!plan.same_format() && !plan.uncomparable) plan.uncomparable = restart_ = true;
    }
    out->append(canonical->typed ? "t" : "u").append(canonical->bytes);
    return;
  }
  bytewise_ = true;
  out->append(source.format == protocol::Format::binary ? "b" : "x").append(value);
}

bool RowComparer::CellsEqual(size_t column, const Cell& primary, const Cell& shadow) {
  const ColumnPlan& plan = columns_[column];
  if (plan.left_out) return true;
  if (!primary.has_value() || !shadow.has_value()) {
    return primary.has_value() == shadow.has_value();
  }
  if (plan.same_format() && *primary == *shadow) return true;
  if (plan.frozen) {
    const auto time = [&](Side side, std::string_view value) {
      return protocol::ToMicroseconds(value, plan.sources[side].type_oid, plan.sources[side].format,
                                      settings_);
    };
    const auto a = time(kPrimary, *primary);
    const auto b = time(kShadow, *shadow);
    if (a.has_value() && b.has_value()) return WithinTolerance(*a, *b);
  }
  for (std::string& canonical : canonical_) canonical.clear();
  AppendCanonical(column, kPrimary, *primary, &canonical_[kPrimary]);
  AppendCanonical(column, kShadow, *shadow, &canonical_[kShadow]);
  return canonical_[kPrimary] == canonical_[kShadow];
}

bool RowComparer::RowsEqual(std::string_view primary, std::string_view shadow) {
  RowView& a = scratch_[kPrimary];
  RowView& b = scratch_[kShadow];
  const bool readable = DecodeRow(primary, &a) && DecodeRow(shadow, &b);
  if (!readable || a.size() != columns_.size() || b.size() != columns_.size()) {
    bytewise_ = true;
    return primary == shadow;
  }
  for (size_t i = 0; i < columns_.size(); ++i) {
    if (!CellsEqual(i, a[i], b[i])) return false;
  }
  return true;
}

size_t RowComparer::CommonPrefix(const Bodies& primary, const Bodies& shadow) {
  const bool same_formats = std::all_of(columns_.begin(), columns_.end(),
                                        [](const ColumnPlan& c) { return c.same_format(); });
  const size_t count = std::min(primary.size(), shadow.size());
  for (size_t i = 0; i < count; ++i) {
    if (same_formats && primary[i] == shadow[i]) continue;
    if (!RowsEqual(primary[i], shadow[i])) return i;
  }
  return count;
}

RowComparer::Key RowComparer::MakeKey(Side side, std::string_view body, uint32_t index) {
  Key key;
  key.index = index;
  RowView& row = scratch_[side];
  if (!DecodeRow(body, &row) || row.size() != columns_.size()) {
    bytewise_ = true;
    key.bytes.append("!").append(body);
    key.hash = Hash(key.bytes);
    return key;
  }
  for (size_t i = 0; i < columns_.size(); ++i) {
    const ColumnPlan& plan = columns_[i];
    if (plan.left_out) continue;
    if (!row[i].has_value()) {
      key.bytes.push_back('N');
      continue;
    }
    if (plan.frozen) {
      const auto time = protocol::ToMicroseconds(*row[i], plan.sources[side].type_oid,
                                                 plan.sources[side].format, settings_);
      if (time.has_value()) {
        key.bytes.push_back('T');
        key.times.push_back(*time);
        continue;
      }
    }
    std::string& canonical = canonical_[side];
    canonical.clear();
    AppendCanonical(i, side, *row[i], &canonical);
    key.bytes.push_back('V');
    AppendLength(canonical.size(), &key.bytes);
    key.bytes.append(canonical);
  }
  key.hash = Hash(key.bytes);
  return key;
}

std::vector<RowComparer::Key> RowComparer::SortedKeys(Side side, const Bodies& bodies,
                                                      const std::vector<uint32_t>& rows) {
  std::vector<Key> keys;
  keys.reserve(rows.size());
  for (const uint32_t row : rows) {
    keys.push_back(MakeKey(side, bodies[row], row));
    if (restart_) return {};
  }
  std::sort(keys.begin(), keys.end());
  return keys;
}

// Pairs the rows of one group, both sorted by time. With one frozen column, taking the earliest
// that fits leaves the fewest over. With several the order of one may hide a pair, so that the few
// rows left are tried against each other.
void RowComparer::PairByTime(std::vector<const Key*> primary, std::vector<const Key*> shadow,
                             Unmatched* result) const {
  std::vector<const Key*> left;
  std::vector<const Key*> right;
  size_t i = 0;
  size_t j = 0;
  while (i < primary.size() && j < shadow.size()) {
    if (WithinTolerance(*primary[i], *shadow[j])) {
      ++i;
      ++j;
    } else if (primary[i]->times < shadow[j]->times) {
      left.push_back(primary[i++]);
    } else {
      right.push_back(shadow[j++]);
    }
  }
  left.insert(left.end(), primary.begin() + static_cast<ptrdiff_t>(i), primary.end());
  right.insert(right.end(), shadow.begin() + static_cast<ptrdiff_t>(j), shadow.end());
  constexpr size_t kFew = 1000;
  if (!left.empty() && left.front()->times.size() > 1 && left.size() <= kFew &&
      right.size() <= kFew) {
    std::erase_if(left, [&](const Key* a) {
      const auto fits = std::find_if(right.begin(), right.end(),
                                     [&](const Key* b) { return WithinTolerance(*a, *b); });
      if (fits == right.end()) return false;
      right.erase(fits);
      return true;
    });
  }
  for (const Key* key : left) result->rows[kPrimary].push_back(key->index);
  for (const Key* key : right) result->rows[kShadow].push_back(key->index);
}

// Takes out rows with identical bytes.
Unmatched RowComparer::CancelIdentical(const Bodies& primary, const Bodies& shadow,
                                       size_t begin) const {
  Unmatched result;
  const std::vector<Item> a = SortedItems(primary, begin);
  const std::vector<Item> b = SortedItems(shadow, begin);
  size_t i = 0;
  size_t j = 0;
  while (i < a.size() || j < b.size()) {
    if (i < a.size() && j < b.size() && a[i].hash == b[j].hash && a[i].body == b[j].body) {
      ++i;
      ++j;
    } else if (j == b.size() ||
               (i < a.size() && std::tie(a[i].hash, a[i].body) < std::tie(b[j].hash, b[j].body))) {
      result.rows[kPrimary].push_back(a[i++].index);
    } else {
      result.rows[kShadow].push_back(b[j++].index);
    }
  }
  SortRows(&result);
  return result;
}

// Takes out rows with equal values.
Unmatched RowComparer::CancelEqual(const Bodies& primary, const Bodies& shadow,
                                   const Unmatched& rest) {
  const std::vector<Key> a = SortedKeys(kPrimary, primary, rest.rows[kPrimary]);
  const std::vector<Key> b = SortedKeys(kShadow, shadow, rest.rows[kShadow]);
  Unmatched result;
  size_t i = 0;
  size_t j = 0;
  while (i < a.size() || j < b.size()) {
    const bool from_primary = j == b.size() || (i < a.size() && a[i].GroupBefore(b[j]));
    const Key& group = from_primary ? a[i] : b[j];
    std::vector<const Key*> left;
    std::vector<const Key*> right;
    while (i < a.size() && a[i].SameGroup(group)) left.push_back(&a[i++]);
    while (j < b.size() && b[j].SameGroup(group)) right.push_back(&b[j++]);
    PairByTime(std::move(left), std::move(right), &result);
  }
  SortRows(&result);
  return result;
}

Unmatched RowComparer::Difference(const Bodies& primary, const Bodies& shadow, size_t begin) {
  const bool frozen = std::any_of(columns_.begin(), columns_.end(),
                                  [](const ColumnPlan& c) { return c.frozen && !c.left_out; });
  const bool same_formats = std::all_of(columns_.begin(), columns_.end(),
                                        [](const ColumnPlan& c) { return c.same_format(); });
  // Equality within a tolerance is not transitive: taking a pair out may part another one.
  if (frozen) begin = 0;
  Unmatched rest;
  if (!frozen && same_formats) {
    rest = CancelIdentical(primary, shadow, begin);
  } else {
    for (size_t i = begin; i < primary.size(); ++i) {
      rest.rows[kPrimary].push_back(static_cast<uint32_t>(i));
    }
    for (size_t i = begin; i < shadow.size(); ++i) {
      rest.rows[kShadow].push_back(static_cast<uint32_t>(i));
    }
  }
  return rest.empty() ? rest : CancelEqual(primary, shadow, rest);
}

bool SplitRows(const Observation& observation, Bodies* bodies) {
  RowReader reader(observation.rows);
  std::string_view body;
  while (reader.NextBody(&body)) bodies->push_back(body);
  return !reader.failed() && bodies->size() == observation.row_count;
}

uint64_t HashSum(const Bodies& bodies) {
  uint64_t sum = 0;
  for (const std::string_view body : bodies) sum += Hash(body);
  return sum;
}

}  // namespace pgparity::compare::internal
