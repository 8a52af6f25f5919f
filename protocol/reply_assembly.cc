#include "protocol/reply_assembly.h"

#include <utility>

#include "protocol/check.h"
#include "protocol/text.h"

namespace pgparity::protocol {
namespace {

constexpr uint64_t kChainFactor = 0x9E3779B97F4A7C15;

uint64_t Power(uint64_t base, uint64_t exponent) {
  uint64_t result = 1;
  for (; exponent > 0; exponent >>= 1) {
    if ((exponent & 1) != 0) result *= base;
    base *= base;
  }
  return result;
}

}  // namespace

RowDigest Combine(const RowDigest& first, const RowDigest& second) {
  RowDigest both;
  both.rows = first.rows + second.rows;
  both.bytes = first.bytes + second.bytes;
  both.sum = first.sum + second.sum;
  both.chain = first.chain * Power(kChainFactor, second.rows) + second.chain;
  return both;
}

namespace tracker {
namespace {

absl::Status Unexpected(std::string_view what) {
  return absl::FailedPreconditionError(StrCat("unexpected ", what, " in a statement's reply"));
}

}  // namespace

absl::Status ReplyAssembly::Describe(std::string_view row_description) {
  if (phase_ != ReplyPhase::none) return Unexpected("RowDescription");
  phase_ = ReplyPhase::rows;
  reply_.row_description = std::string(row_description);
  return absl::OkStatus();
}

absl::Status ReplyAssembly::Append(std::string_view body) {
  if (reply_.rows.size() + sizeof(uint32_t) + body.size() > kMaxRowBytes) {
    return absl::ResourceExhaustedError("the rows of one reply exceed the limit");
  }
  const auto length = static_cast<uint32_t>(body.size());
  reply_.rows.append(reinterpret_cast<const char*>(&length), sizeof(length));
  reply_.rows.append(body);
  ++reply_.row_count;
  return absl::OkStatus();
}

absl::Status ReplyAssembly::AddRow(std::string_view body) {
  if (phase_ != ReplyPhase::none && phase_ != ReplyPhase::rows) return Unexpected("DataRow");
  phase_ = ReplyPhase::rows;
  return Append(body);
}

absl::Status ReplyAssembly::AddElided(const RowDigest& digest) {
  if (phase_ != ReplyPhase::none && phase_ != ReplyPhase::rows && phase_ != ReplyPhase::copy_out) {
    return Unexpected("elided row");
  }
  if (phase_ == ReplyPhase::none) phase_ = ReplyPhase::rows;
  reply_.digest = Combine(reply_.digest, digest);
  return absl::OkStatus();
}

absl::Status ReplyAssembly::BeginCopyIn() {
  if (phase_ != ReplyPhase::none) return Unexpected("CopyInResponse");
  phase_ = ReplyPhase::copy_in;
  reply_.copy_in = true;
  return absl::OkStatus();
}

absl::Status ReplyAssembly::BeginCopyOut() {
  if (phase_ != ReplyPhase::none) return Unexpected("CopyOutResponse");
  phase_ = ReplyPhase::copy_out;
  reply_.copy_out = true;
  return absl::OkStatus();
}

absl::Status ReplyAssembly::AddCopyOut(std::string_view body) {
  if (phase_ != ReplyPhase::copy_out) return Unexpected("CopyData");
  return Append(body);
}

absl::Status ReplyAssembly::EndCopyOut() {
  if (phase_ != ReplyPhase::copy_out) return Unexpected("CopyDone");
  phase_ = ReplyPhase::copy_out_ended;
  return absl::OkStatus();
}

void ReplyAssembly::EndCopyIn() {
  PGPARITY_CHECK(phase_ == ReplyPhase::copy_in);
  phase_ = ReplyPhase::copy_in_ended;
}

void ReplyAssembly::InterruptCopyIn() {
  PGPARITY_CHECK(phase_ == ReplyPhase::copy_in);
  phase_ = ReplyPhase::copy_in_interrupted;
}

bool ReplyAssembly::MayComplete() const {
  return phase_ != ReplyPhase::copy_in && phase_ != ReplyPhase::copy_in_interrupted &&
         phase_ != ReplyPhase::copy_out;
}

Reply ReplyAssembly::Take(Reply::End end) {
  Reply reply = std::move(reply_);
  Reset();
  reply.end = end;
  return reply;
}

}  // namespace tracker
}  // namespace pgparity::protocol
