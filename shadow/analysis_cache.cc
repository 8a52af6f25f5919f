#include "shadow/analysis.h"

namespace pgparity::shadow {
namespace {

constexpr size_t kMaxBytes = 64 << 20;
constexpr size_t kMaxCachedText = 64 << 10;

size_t Footprint(std::string_view text, const Analysis& analysis) {
  size_t values = 0;
  if (analysis.insert) {
    for (const auto& row : analysis.insert->rows) values += row.size() + 1;
  }
  return 2 * text.size() + sizeof(Analysis) + values * sizeof(ValueSource);
}

}  // namespace

AnalysisCache::AnalysisCache(size_t capacity) : capacity_(capacity == 0 ? 1 : capacity) {}

void AnalysisCache::DropOldest() {
  const Entry& oldest = order_.back();
  bytes_ -= oldest.bytes;
  entries_.erase(oldest.text);
  order_.pop_back();
}

std::shared_ptr<const Analysis> AnalysisCache::Get(std::string_view statement) {
  if (const auto it = entries_.find(statement); it != entries_.end()) {
    order_.splice(order_.begin(), order_, it->second);
    return it->second->analysis;
  }
  auto analysis = std::make_shared<const Analysis>(Analyse(statement));
  if (statement.size() > kMaxCachedText) return analysis;
  order_.push_front({std::string(statement), analysis, Footprint(statement, *analysis)});
  entries_.emplace(order_.front().text, order_.begin());
  bytes_ += order_.front().bytes;
  while (entries_.size() > capacity_ || (bytes_ > kMaxBytes && entries_.size() > 1)) DropOldest();
  return analysis;
}

}  // namespace pgparity::shadow
