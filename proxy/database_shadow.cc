#include "proxy/database_shadow.h"

#include <pthread.h>

#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "protocol/text.h"

namespace pgparity::proxy {

using protocol::StrCat;

namespace {

// Tables named one by one when the start check finds them unequal.
constexpr size_t kMaxNamedTables = 20;

}  // namespace

PrimaryCount::PrimaryCount(std::shared_ptr<shadow::postgres::OwnConnection> connection,
                           absl::Duration timeout)
    : connection_(std::move(connection)) {
  if (absl::Status begun = connection_->BeginCountSnapshot(); !begun.ok()) {
    counts_ = begun;
    return;
  }
  // Counted at once, so that the snapshot holds back the primary's vacuum no longer than it must.
  thread_ = std::thread([this, timeout] { counts_ = connection_->CountRows(timeout); });
  pthread_setname_np(thread_.native_handle(), "start-check");
}

PrimaryCount::~PrimaryCount() { Wait(); }

const absl::StatusOr<shadow::postgres::RowCounts>& PrimaryCount::Wait() {
  if (thread_.joinable()) thread_.join();
  return counts_;
}

DatabaseShadow::DatabaseShadow(DatabaseShadowOptions options, std::string data_dir,
                               compare::ParityLog* log,
                               std::shared_ptr<shadow::postgres::OwnConnection> primary,
                               std::unique_ptr<PrimaryCount> count, std::string uncounted)
    : options_(std::move(options)),
      data_dir_(std::move(data_dir)),
      log_(log),
      primary_(std::move(primary)),
      primary_count_(std::move(count)),
      uncounted_(std::move(uncounted)),
      store_({options_.shadow_conninfo, options_.connect_timeout, options_.roles}) {}

DatabaseShadow::~DatabaseShadow() { Stop(); }

std::string DatabaseShadow::Prefix() const {
  return options_.named ? StrCat("database ", options_.database, ": ") : "";
}

void DatabaseShadow::Gap(std::string_view reason, std::string_view detail) {
  log_->Gap(reason, StrCat(Prefix(), detail), absl::ToUnixMicros(absl::Now()));
}

absl::Status DatabaseShadow::Start(Hooks hooks) {
  shadow::ApplierHooks applier = std::move(hooks.applier);
  info_ = [log = applier.log_info, prefix = Prefix()](std::string_view line) {
    log(StrCat(prefix, line));
  };
  warning_ = [log = applier.log_warning, prefix = Prefix()](std::string_view line) {
    log(StrCat(prefix, line));
  };
  applier.log_info = info_;
  applier.log_warning = warning_;
  applier.load_primary_catalog =
      [this]() -> absl::StatusOr<std::shared_ptr<const shadow::Catalog>> {
    if (primary_ == nullptr) return absl::NotFoundError("no credentials for the primary");
    auto catalog = primary_->LoadCatalog();
    if (!catalog.ok())
      warning_(StrCat("the primary's catalog could not be read: ",
                      protocol::MessageOf(catalog.status())));
    return catalog;
  };
  if (primary_ != nullptr) {
    applier.read_primary = [this](const shadow::RowSelection& selection) {
      return primary_->ReadRows(selection);
    };
  }
  applier.on_first_connect = [this](bool first_start) { OnFirstConnect(first_start); };
  if (!options_.neighbour_conninfo.empty()) {
    applier.give_up = [this, given_up = std::move(hooks.given_up)](const absl::Status& why) {
      if (!absl::IsUnavailable(why) || !IsMissing()) return false;
      given_up_ = true;
      Gap("database-without-shadow", "there is no such database on the shadow");
      warning_("there is no such database on the shadow: it is not shadowed until the next start");
      given_up();
      return true;
    };
  }
  applier_ = std::make_unique<shadow::Applier>(options_.applier, std::move(applier), data_dir_,
                                               &store_, log_);
  return applier_->Start();
}

// What libpq hands on of a failed login is a text in the server's language.
bool DatabaseShadow::IsMissing() const {
  shadow::postgres::OwnConnection neighbour(options_.neighbour_conninfo, options_.connect_timeout);
  const auto found = neighbour.HasDatabase(options_.name_on_shadow);
  return found.ok() && !*found;
}

// On the applier's thread, before anything is applied: the shadow is as it was before the first
// write through the proxy, and is counted as of now, however long that takes.
void DatabaseShadow::OnFirstConnect(bool first_start) {
  if (!first_start) {
    checked_.set_value();
    return;
  }
  shadow_count_ = std::make_unique<shadow::postgres::OwnConnection>(options_.shadow_conninfo,
                                                                    options_.connect_timeout);
  const absl::Status begun = shadow_count_->BeginCountSnapshot();
  shadow_counter_ = std::thread([this, begun] {
    const absl::StatusOr<shadow::postgres::RowCounts> counts =
        begun.ok() ? shadow_count_->CountRows(options_.start_check_timeout)
                   : absl::StatusOr<shadow::postgres::RowCounts>(begun);
    shadow_count_.reset();
    const absl::StatusOr<shadow::postgres::RowCounts> none =
        absl::FailedPreconditionError(uncounted_);
    CompareCounts(primary_count_ != nullptr ? primary_count_->Wait() : none, counts);
    checked_.set_value();
  });
  pthread_setname_np(shadow_counter_.native_handle(), "start-check");
}

void DatabaseShadow::CompareCounts(const absl::StatusOr<shadow::postgres::RowCounts>& primary,
                                   const absl::StatusOr<shadow::postgres::RowCounts>& shadow) {
  const std::string fact =
      options_.named ? StrCat("start_check ", options_.database) : "start_check";
  if (!primary.ok() || !shadow.ok()) {
    const std::string_view why =
        protocol::MessageOf(primary.ok() ? shadow.status() : primary.status());
    Gap("unseeded", StrCat("the tables were not counted at the start: ", why));
    log_->SetFact(fact, StrCat("not made: ", why));
    return;
  }
  std::vector<std::string> unequal = shadow::postgres::UnequalTables(*primary, *shadow);
  if (unequal.empty()) {
    log_->SetFact(fact, StrCat("the row counts of ", primary->size(), " tables were equal"));
    return;
  }
  const size_t all = unequal.size();
  if (all > kMaxNamedTables) unequal.resize(kMaxNamedTables);
  const std::string named = absl::StrJoin(unequal, "; ");
  warning_(StrCat(
      "the shadow is not a copy of the primary: ", all, " tables differ: ", named,
      all > unequal.size() ? "; ..." : "",
      ". Copy them anew and start with an empty --data-dir; until then no verdict can be PASS"));
  Gap("start-not-equal",
      StrCat(named, ". Copy these tables anew and start with an empty data directory"));
  log_->SetFact(fact, StrCat(all, " tables differed: ", named));
}

absl::Status DatabaseShadow::Drain(shadow::Position end, absl::Time deadline) {
  if (given_up_) return absl::OkStatus();
  const auto left = [deadline] { return std::max(absl::ZeroDuration(), deadline - absl::Now()); };
  absl::Status status = applier_->WaitFor(end, left());
  if (given_up_) return absl::OkStatus();
  if (!status.ok())
    return absl::Status(status.code(),
                        protocol::ToAbsl(StrCat(Prefix(), protocol::MessageOf(status))));
  if (check_over_.wait_for(absl::ToChronoNanoseconds(left())) == std::future_status::timeout) {
    return absl::DeadlineExceededError(
        StrCat(Prefix(), "the tables are still being counted (--start-check)"));
  }
  return absl::OkStatus();
}

void DatabaseShadow::Stop() {
  // The applier's thread starts the count of the shadow: it ends first.
  if (applier_ != nullptr) applier_->Stop();
  if (shadow_counter_.joinable()) shadow_counter_.join();
  primary_count_.reset();
}

}  // namespace pgparity::proxy
