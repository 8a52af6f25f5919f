// A session: pieces of both directions. Each piece begins with a byte whose low two bits say what
// it is (client, server, elided rows or a setting, resynchronise) and whose rest is its length in
// bytes.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string_view>
#include <utility>

#include "protocol/frame.h"
#include "protocol/session_tracker.h"
#include "tests/support/message_builders.h"

namespace {

using namespace pgparity::protocol;

// Checks what is promised whatever comes in.
class Checker : public TrackerEvents {
 public:
  void OnCommitSent(Stamp) override { Check(); }
  void OnBusy(Stamp) override { Check(); }
  void OnCopyInData(const std::shared_ptr<const std::string>& sql, std::string_view) override {
    Check();
    if (!sql) std::abort();
  }
  void OnStatement(StatementEvent event) override {
    Check();
    if (!event.sql || (!event.known_text && !event.sql->empty())) std::abort();
    if (event.parameters.values.size() != event.parameters.formats.size()) std::abort();
    if (event.sent_first > event.sent_last || event.sent_last > event.done) std::abort();
  }
  void OnReady(TransactionStatus, TransactionStatus, Stamp, bool) override { Check(); }
  void OnParameterStatus(std::string_view, std::string_view) override { Check(); }
  void OnLost(const absl::Status& why) override {
    Check();
    if (why.ok()) std::abort();
    lost_ = true;
  }
  void Resynchronised() { lost_ = false; }

 private:
  void Check() const {
    if (lost_) std::abort();
  }
  bool lost_ = false;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Checker checker;
  SessionTracker tracker(&checker);
  FrameReader client(4096), server(4096);
  Stamp stamp = 0;
  while (size > 0) {
    const unsigned what = data[0] & 3u;
    const size_t length = std::min<size_t>(data[0] >> 2u, size - 1);
    const pgparity::testing::ExactBuffer piece({reinterpret_cast<const char*>(data + 1), length});
    data += 1 + length;
    size -= 1 + length;
    ++stamp;
    if (what < 2) {
      FrameReader& reader = what == 0 ? client : server;
      reader.Push(piece.view(), stamp);
      while (true) {
        const absl::StatusOr<std::optional<Frame>> frame = reader.Next();
        if (!frame.ok() || !*frame) break;
        what == 0 ? tracker.OnClientFrame(**frame) : tracker.OnServerFrame(**frame);
      }
    } else if (what == 2) {
      length % 2 == 0 ? tracker.OnElidedRows({length, length, length, length})
                      : tracker.SetStandardConformingStrings(length % 4 == 1);
    } else {
      client.Reset();
      server.Reset();
      tracker.Resynchronise();
      checker.Resynchronised();
    }
  }
  return 0;
}
