#include "proxy/token_watch.h"

#include <pthread.h>

#include <utility>

#include "absl/time/clock.h"
#include "protocol/text.h"
#include "proxy/token.h"
#include "shadow/postgres/lane.h"

namespace pgparity::proxy {
namespace {

using protocol::StrCat;

constexpr auto kStep = std::chrono::seconds(1);
constexpr absl::Duration kRetryUnknown = absl::Seconds(1);
constexpr absl::Duration kRetryRefused = absl::Seconds(30);

}  // namespace

absl::Status AskForToken(const std::string& conninfo, absl::Duration connect_timeout,
                         std::string* identity) {
  auto lane =
      shadow::postgres::Lane::Connect(conninfo + " application_name=pgparity", connect_timeout);
  if (!lane.ok()) return absl::UnavailableError(lane.status().message());
  auto answer = (*lane)->Run(TokenSql());
  if (!answer.ok()) return absl::UnavailableError(answer.status().message());
  if (answer->kind != compare::Observation::Kind::error) {
    for (const char* sql :
         {"SELECT system_identifier FROM pg_catalog.pg_control_system()",
          "SELECT pg_catalog.left(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()), "
          "8)"}) {
      const auto part = (*lane)->Query(sql);
      if (part.ok()) *identity += StrCat(identity->empty() ? "" : "/", part->front().front());
    }
    return absl::OkStatus();
  }
  return absl::FailedPreconditionError(
      protocol::ToAbsl(compare::DecodeErrorFields(answer->error).message));
}

void TokenWatch::Start() {
  thread_ = std::thread([this] { Run(); });
  pthread_setname_np(thread_.native_handle(), "token-watch");
}

void TokenWatch::Stop() {
  {
    MutexLock lock(&mutex_);
    stop_ = true;
  }
  stopped_.notify_all();
  if (thread_.joinable()) thread_.join();
}

TokenWatch::Answer TokenWatch::answer() const {
  MutexLock lock(&mutex_);
  return answer_;
}

std::string TokenWatch::refusal() const {
  MutexLock lock(&mutex_);
  return refusal_;
}

void TokenWatch::Ask() {
  std::string identity;
  const absl::Status status = hooks_.ask(&identity);
  Answer before, now;
  bool changed = false;
  {
    MutexLock lock(&mutex_);
    before = answer_;
    // A primary that is away keeps its answer until it is back, and is asked then.
    if (!absl::IsUnavailable(status)) answer_ = status.ok() ? Answer::answered : Answer::refused;
    if (answer_ != Answer::refused) refusal_.clear();
    if (answer_ == Answer::refused) refusal_ = std::string(protocol::MessageOf(status));
    now = answer_;
    changed = !identity.empty() && !identity_.empty() && identity != identity_;
    if (!identity.empty()) identity_ = identity;
  }
  if (changed) hooks_.changed();
  if (now == before) return;
  hooks_.offer(now == Answer::answered);
  if (now == Answer::answered) {
    hooks_.log_info("--ordering exact: the primary tells its WAL position");
  } else {
    hooks_.log_warning(
        StrCat("--ordering exact: the primary does not tell its WAL position: ",
               protocol::MessageOf(status),
               ". Until it does, the order of commits is found as --ordering passive finds it, by "
               "the intervals that the proxy sees"));
  }
}

bool TokenWatch::IsDue(bool reachable, absl::Duration since_asked) {
  MutexLock lock(&mutex_);
  const bool back = reachable && !was_reachable_;
  was_reachable_ = reachable;
  if (back) return true;
  return (answer_ == Answer::unknown && since_asked >= kRetryUnknown) ||
         (answer_ == Answer::refused && since_asked >= kRetryRefused);
}

void TokenWatch::Run() ABSL_NO_THREAD_SAFETY_ANALYSIS {
  absl::Time asked = absl::Now();
  while (true) {
    {
      std::unique_lock<std::mutex> lock(mutex_.native());
      stopped_.wait_for(lock, kStep, [this]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return stop_; });
      if (stop_) return;
    }
    if (!IsDue(hooks_.primary_reachable(), absl::Now() - asked)) continue;
    Ask();
    asked = absl::Now();
  }
}

}  // namespace pgparity::proxy
