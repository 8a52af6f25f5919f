// Assembles the reply to one statement from the server's messages. Part of the session tracker.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "absl/status/status.h"
#include "protocol/session_tracker.h"

namespace pgparity::protocol::tracker {

enum class ReplyPhase : uint8_t {
  none,  // nothing has come yet
  rows,
  copy_in,              // the server reads CopyData
  copy_in_ended,        // the client has sent CopyDone or CopyFail
  copy_in_interrupted,  // the client has sent what has no place in a COPY: an error must follow
  copy_out,
  copy_out_ended,
};

// Every step that the phase does not permit gives FailedPrecondition and changes nothing.
class ReplyAssembly {
 public:
  // Captured rows of one reply, at most. The tap elides them long before.
  static constexpr size_t kMaxRowBytes = size_t{256} << 20;

  ReplyPhase phase() const { return phase_; }

  absl::Status Describe(std::string_view row_description);
  absl::Status AddRow(std::string_view body);  // ResourceExhausted beyond kMaxRowBytes
  absl::Status AddElided(const RowDigest& digest);
  absl::Status BeginCopyIn();
  absl::Status BeginCopyOut();
  absl::Status AddCopyOut(std::string_view body);
  absl::Status EndCopyOut();
  void EndCopyIn();        // phase() is copy_in
  void InterruptCopyIn();  // phase() is copy_in

  // Whether the reply may end otherwise than by an error.
  bool MayComplete() const;
  // The reply as far as it came; starts anew.
  Reply Take(Reply::End end);
  void Reset() { *this = ReplyAssembly(); }

 private:
  absl::Status Append(std::string_view body);

  ReplyPhase phase_ = ReplyPhase::none;
  Reply reply_;
};

}  // namespace pgparity::protocol::tracker
