#include "proxy/relay_rows.h"

#include <xxhash.h>

namespace pgparity::proxy {

RowLimiter::RowLimiter(size_t limit) : limit_(limit), left_(limit) {}
RowLimiter::~RowLimiter() = default;

void RowLimiter::StateDeleter::operator()(XXH3_state_s* state) const { XXH3_freeState(state); }

void RowLimiter::AddRow(uint64_t hash, uint64_t bytes) {
  ++digest_.rows;
  digest_.bytes += bytes;
  digest_.sum += hash;
  digest_.chain = digest_.chain * 0x9E3779B97F4A7C15u + hash;
}

void RowLimiter::Skip(std::string_view part, bool whole) {
  if (!in_row_ && whole) {
    AddRow(XXH3_64bits(part.data(), part.size()), part.size());
    return;
  }
  if (!hash_) hash_.reset(XXH3_createState());
  if (!in_row_) {
    XXH3_64bits_reset(hash_.get());
    in_row_ = true;
    row_bytes_ = 0;
  }
  XXH3_64bits_update(hash_.get(), part.data(), part.size());
  row_bytes_ += part.size();
  if (!whole) return;
  AddRow(XXH3_64bits_digest(hash_.get()), row_bytes_);
  in_row_ = false;
}

}  // namespace pgparity::proxy
