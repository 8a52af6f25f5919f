// Frames of a stream cut at arbitrary places. Input: a byte that gives the size of the pieces, and
// the stream. Whatever the pieces, the frames are the same.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/frame.h"
#include "tests/support/message_builders.h"

namespace {

using pgparity::protocol::Frame;
using pgparity::protocol::FrameReader;

struct Outcome {
  std::vector<std::string> frames;
  bool failed = false;
  friend bool operator==(const Outcome&, const Outcome&) = default;
};

Outcome Read(std::string_view stream, size_t piece) {
  Outcome outcome;
  FrameReader reader(1000);
  for (size_t at = 0; at < stream.size() && !outcome.failed; at += piece) {
    const pgparity::testing::ExactBuffer buffer(stream.substr(at, piece));
    reader.Push(buffer.view(), at);
    while (true) {
      const absl::StatusOr<std::optional<Frame>> frame = reader.Next();
      outcome.failed = !frame.ok();
      if (!frame.ok() || !*frame) break;
      outcome.frames.push_back((*frame)->tag + std::string((*frame)->body) +
                               std::to_string((*frame)->wire_length));
    }
  }
  return outcome;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view stream(reinterpret_cast<const char*>(data + 1), size - 1);
  if (Read(stream, 1 + data[0] % 64) != Read(stream, size)) std::abort();
  return 0;
}
