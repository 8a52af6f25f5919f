// Finds the shapes of statements for ordering `hold`, off the forwarding threads.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <thread>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "compare/mutex.h"
#include "proxy/hold_shape.h"

namespace pgparity::proxy {

class HoldAnalyser {
 public:
  struct Hooks {
    std::function<absl::StatusOr<std::shared_ptr<const shadow::Catalog>>()> load_catalog;
    // What was found of a text; on the analyser's thread.
    std::function<void(uint64_t fingerprint, const HoldShape&)> publish;
    std::function<void(std::string_view)> log_warning;
  };

  explicit HoldAnalyser(Hooks hooks) : hooks_(std::move(hooks)) {}
  ~HoldAnalyser() { Stop(); }

  void Start();
  void Stop();
  // Any thread. False when too many wait: ask again another time.
  bool Ask(uint64_t fingerprint, std::string_view text);

 private:
  struct Question {
    uint64_t fingerprint;
    std::string text;
  };
  static constexpr size_t kMaxQuestions = 1000;
  void Run();
  // The catalog, read anew where it is old; null where it never could be read.
  const shadow::Catalog* Primary();

  const Hooks hooks_;
  Mutex mutex_;
  std::condition_variable changed_;
  bool stop_ ABSL_GUARDED_BY(mutex_) = false;
  std::deque<Question> questions_ ABSL_GUARDED_BY(mutex_);
  std::thread thread_;
  // Of its thread:
  std::shared_ptr<const shadow::Catalog> catalog_;
  absl::Time tried_ = absl::InfinitePast();
  bool warned_ = false;
};

// Over a connection that is made for it and closed again.
absl::StatusOr<std::shared_ptr<const shadow::Catalog>> LoadCatalogOnce(
    const std::string& conninfo, absl::Duration connect_timeout);

}  // namespace pgparity::proxy
