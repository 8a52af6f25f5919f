#include "proxy/hold_analyser.h"

#include <pthread.h>

#include <utility>

#include "absl/time/clock.h"
#include "protocol/text.h"
#include "shadow/postgres/lane.h"

namespace pgparity::proxy {
namespace {

using protocol::StrCat;

// How long a reading of the catalog serves new texts, and between two tries.
constexpr absl::Duration kCatalogAge = absl::Minutes(1);
constexpr absl::Duration kCatalogRetry = absl::Seconds(5);

}  // namespace

absl::StatusOr<std::shared_ptr<const shadow::Catalog>> LoadCatalogOnce(
    const std::string& conninfo, absl::Duration connect_timeout) {
  auto lane =
      shadow::postgres::Lane::Connect(conninfo + " application_name=pgparity", connect_timeout);
  if (!lane.ok()) return lane.status();
  return shadow::Catalog::Load((*lane)->connection());
}

void HoldAnalyser::Start() {
  thread_ = std::thread([this] { Run(); });
  pthread_setname_np(thread_.native_handle(), "hold-analysis");
}

void HoldAnalyser::Stop() {
  {
    MutexLock lock(&mutex_);
    stop_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

bool HoldAnalyser::Ask(uint64_t fingerprint, std::string_view text) {
  MutexLock lock(&mutex_);
  if (questions_.size() >= kMaxQuestions) return false;
  questions_.push_back({fingerprint, std::string(text)});
  changed_.notify_one();
  return true;
}

const shadow::Catalog* HoldAnalyser::Primary() {
  const absl::Duration age = absl::Now() - tried_;
  if (age < (catalog_ != nullptr ? kCatalogAge : kCatalogRetry)) return catalog_.get();
  tried_ = absl::Now();
  auto loaded = hooks_.load_catalog();
  if (loaded.ok()) {
    catalog_ = *std::move(loaded);
  } else if (catalog_ == nullptr && !std::exchange(warned_, true)) {
    hooks_.log_warning(StrCat("--ordering hold: the primary's catalog could not be read: ",
                              protocol::MessageOf(loaded.status()),
                              ". Until it is, no write is held back, and the order is found as by "
                              "passive"));
  }
  return catalog_.get();
}

void HoldAnalyser::Run() ABSL_NO_THREAD_SAFETY_ANALYSIS {
  std::unique_lock<std::mutex> lock(mutex_.native());
  while (!stop_) {
    if (questions_.empty()) {
      changed_.wait(lock);
      continue;
    }
    Question question = std::move(questions_.front());
    questions_.pop_front();
    lock.unlock();
    const shadow::Catalog* primary = Primary();
    if (primary != nullptr) {
      hooks_.publish(question.fingerprint, FindHoldShape(question.text, *primary));
    }
    lock.lock();
    if (primary != nullptr) continue;
    questions_.push_front(std::move(question));
    changed_.wait_for(lock, absl::ToChronoMilliseconds(kCatalogRetry),
                      [this]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return stop_; });
  }
}

}  // namespace pgparity::proxy
