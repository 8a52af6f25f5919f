#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "absl/strings/str_split.h"
#include "compare/parity_log_pending.h"
#include "compare/parity_log_schema.h"
#include "compare/report.h"
#include "compare/sqlite_db.h"
#include "protocol/text.h"

namespace pgparity::compare {
namespace {

using protocol::StrCat;

constexpr int64_t kSecondUs = 1'000'000;

// Counts of one kind of tally, by key.
using Counts = std::map<std::string, uint64_t, std::less<>>;

uint64_t CountOf(const Counts& counts, std::string_view key) {
  const auto found = counts.find(key);
  return found == counts.end() ? 0 : found->second;
}

std::string JsonKeyOfClass(Class cls) {
  return cls == Class::not_compared ? "not_compared" : std::string(ClassName(cls));
}

class Loader {
 public:
  Loader(SqliteDatabase* db, const ReportOptions& options) : db_(db), options_(options) {}

  absl::StatusOr<Report> Run() {
    // A read transaction sees one state of the file, and hinders no writer.
    absl::Status status = db_->Execute("BEGIN");
    if (status.ok()) status = LoadMeta();
    if (status.ok()) status = LoadTallies();
    if (status.ok()) status = LoadPending();
    if (status.ok()) status = LoadLatencies();
    if (status.ok()) status = LoadDivergences();
    if (status.ok()) status = LoadGaps();
    if (status.ok()) status = LoadFactsAndShapes();
    if (!status.ok()) return status;
    return std::move(report_);
  }

 private:
  // Calls row(statement) for each row. In `sql` ?1 is the bucket at which the report begins, ?2 the
  // same as microseconds; it need not use them.
  template <typename Row>
  absl::Status ForEachRow(std::string_view sql, Row row) {
    auto statement = db_->Prepare(sql);
    if (!statement.ok()) return statement.status();
    statement->Bind(1, from_).Bind(2, from_us_);
    while (true) {
      const auto more = statement->Step();
      if (!more.ok()) return more.status();
      if (!*more) return absl::OkStatus();
      row(*statement);
    }
  }

  absl::Status LoadMeta() {
    std::map<std::string, int64_t, std::less<>> meta;
    const absl::Status status = ForEachRow(
        "SELECT name, value FROM meta",
        [&](const SqliteStatement& row) { meta[std::string(row.Text(0))] = row.Integer(1); });
    if (!status.ok()) return status;
    report_.started_us = meta["soak_started_us"];
    report_.ended_us = meta["soak_ended_us"];
    if (meta.contains("applied_position")) {
      report_.applied_position = static_cast<uint64_t>(meta["applied_position"]);
    }
    if (meta.contains("events_position"))
      report_.events_position = static_cast<uint64_t>(meta["events_position"]);
    if (!options_.since_us.has_value()) return status;
    const int64_t since = BucketStart(*options_.since_us, kSecondUs) / kSecondUs;
    int64_t width = kMinute;
    if (since < meta["hours_before"]) width = kHour;
    if (since < meta["days_before"]) width = kDay;
    from_ = BucketStart(since, width);
    from_us_ = from_ * kSecondUs;
    report_.since_us = from_us_;
    if (report_.started_us != 0) report_.started_us = std::max(report_.started_us, from_us_);
    if (report_.ended_us < from_us_) report_.started_us = report_.ended_us = 0;
    return status;
  }

  absl::Status LoadTallies() {
    const absl::Status status =
        ForEachRow("SELECT kind, key, sum(n) FROM tally WHERE bucket >= ?1 GROUP BY kind, key",
                   [this](const SqliteStatement& row) {
                     tallies_[std::string(row.Text(0))][std::string(row.Text(1))] = row.Unsigned(2);
                   });
    if (!status.ok()) return status;
    for (const std::string_view name : kCounterNames) {
      const uint64_t n = CountOf(tallies_["counter"], name);
      if (name.starts_with("statements_")) {
        report_.statements[std::string(name.substr(11))] = n;
      } else if (name.starts_with("rows_")) {
        report_.rows[std::string(name.substr(5))] = n;
      } else {
        report_.units[std::string(name.substr(6))] = n;
      }
    }
    uint64_t& unproved = report_.rows["unproved"];
    unproved -= std::min(unproved, report_.rows["settled"]);
    uint64_t compared = 0;
    for (size_t i = 0; i < kClasses; ++i) {
      const auto cls = static_cast<Class>(i);
      const uint64_t n = CountOf(tallies_["class"], ClassName(cls));
      report_.statements[JsonKeyOfClass(cls)] = n;
      if (cls != Class::refused && cls != Class::not_compared) compared += n;
    }
    report_.statements["compared"] = compared;
    const uint64_t classified =
        compared + report_.statements["refused"] + report_.statements["not_compared"];
    const uint64_t seen = report_.statements["seen"];
    report_.statements["unaccounted"] = seen - std::min(seen, classified);
    for (const auto& [name, n] : tallies_["reason"]) {
      report_.not_compared_reasons[name.substr(name.find('/') + 1)] += n;
    }
    for (const auto& [name, n] : tallies_["note"]) report_.partly[name] = n;
    report_.seconds = static_cast<double>(CountOf(tallies_["soak"], "us")) / 1e6;
    report_.clean_seconds = static_cast<double>(CountOf(tallies_["soak"], "clean_us")) / 1e6;
    LoadTables();
    return status;
  }

  void LoadTables() {
    std::map<std::string, TableCoverage> tables;
    for (const auto& [name, n] : tallies_["read"]) tables[name].reads = n;
    for (const auto& [name, n] : tallies_["write"]) tables[name].writes = n;
    for (auto& [name, coverage] : tables) {
      coverage.table = EscapeControl(name);
      report_.tables.push_back(std::move(coverage));
    }
  }

  // Pending is what stands now, whatever time the report begins at.
  absl::Status LoadPending() {
    if (options_.pending_units.has_value()) {
      report_.units["pending"] = *options_.pending_units;
      return absl::OkStatus();
    }
    Counts all;
    const absl::Status status = ForEachRow(
        "SELECT key, sum(n) FROM tally WHERE kind = 'counter' "
        "GROUP BY key",
        [&](const SqliteStatement& row) { all[std::string(row.Text(0))] = row.Unsigned(1); });
    const uint64_t finished = CountOf(all, "units_applied") + CountOf(all, "units_read_only") +
                              CountOf(all, "units_rolled_back") + CountOf(all, "units_in_doubt");
    const uint64_t seen = CountOf(all, "units_seen");
    report_.units["pending"] = seen - std::min(seen, finished);
    return status;
  }

  absl::Status LoadLatencies() {
    return ForEachRow("SELECT name, histogram FROM latency WHERE bucket >= ?1",
                      [this](const SqliteStatement& row) {
                        const std::string_view name = row.Text(0);
                        LatencyHistogram& into = name == "primary"  ? report_.primary_us
                                                 : name == "shadow" ? report_.shadow_us
                                                                    : report_.proxy_added_us;
                        into.Merge(LatencyHistogram::Deserialise(row.Text(1)));
                      });
  }

  // Rows of an example are apart by line feeds; those within values were escaped before.
  std::string Values(std::string_view text) const {
    std::string shown;
    for (const auto line : absl::StrSplit(protocol::ToAbsl(text), '\n')) {
      const std::string_view row = protocol::FromAbsl(line);
      if (!shown.empty()) shown += '\n';
      shown += EscapeControl(options_.reveal ? std::string(row) : RedactValues(row));
    }
    return shown;
  }
  std::string Statement(std::string_view text) const {
    return EscapeControl(options_.reveal ? std::string(text) : RedactStatement(text));
  }

  DivergenceEntry EntryOf(const SqliteStatement& row) {
    DivergenceEntry entry;
    entry.id = row.Unsigned(0);
    entry.fingerprint = EscapeControl(row.Text(1));
    entry.cls = std::string(row.Text(2));
    entry.kind = std::string(row.Text(3));
    entry.shape = Statement(row.Text(4));
    entry.what = EscapeControl(row.Text(5));
    entry.cause = EscapeControl(row.Text(6));
    entry.advice = EscapeControl(row.Text(7));
    for (const auto table :
         absl::StrSplit(protocol::ToAbsl(row.Text(8)), '\n', absl::SkipEmpty())) {
      entry.tables.push_back(EscapeControl(protocol::FromAbsl(table)));
    }
    const std::string id = std::to_string(entry.id);
    entry.count = CountOf(tallies_["divergence"], id);
    entry.consequences = CountOf(tallies_["consequence"], id);
    entry.first_position = row.Unsigned(9);
    entry.last_position = row.Unsigned(10);
    entry.first_at_us = row.Integer(11);
    entry.last_at_us = row.Integer(12);
    entry.example_statement = Statement(row.Text(13));
    entry.example_primary = Values(row.Text(14));
    entry.example_shadow = Values(row.Text(15));
    return entry;
  }

  absl::Status LoadDivergences() {
    const absl::Status status = ForEachRow(
        "SELECT id, fingerprint, class, kind, shape, what, cause, advice, tables, first_position, "
        "last_position, first_at_us, last_at_us, example_statement, example_primary, "
        "example_shadow, count FROM divergence ORDER BY id",
        [this](const SqliteStatement& row) {
          DivergenceEntry entry = EntryOf(row);
          if (report_.since_us.has_value() && entry.cls == ClassName(Class::divergent)) {
            report_.earlier_divergences +=
                row.Unsigned(16) - std::min(row.Unsigned(16), entry.count);
          }
          if (entry.count > 0) report_.divergences.push_back(std::move(entry));
        });
    const auto rank = [](const DivergenceEntry& entry) {
      if (entry.cls == ClassName(Class::divergent)) return 0;
      return entry.cls == ClassName(Class::ambiguous) ? 1 : 2;
    };
    std::stable_sort(report_.divergences.begin(), report_.divergences.end(),
                     [&](const DivergenceEntry& a, const DivergenceEntry& b) {
                       return rank(a) != rank(b) ? rank(a) < rank(b) : a.count > b.count;
                     });
    return status;
  }

  absl::Status LoadGaps() {
    return ForEachRow(
        "SELECT reason, detail, count, first_at_us, last_at_us FROM gap "
        "ORDER BY first_at_us, id",
        [this](const SqliteStatement& row) {
          GapEntry gap;
          gap.reason = EscapeControl(row.Text(0));
          gap.detail = EscapeControl(row.Text(1));
          gap.count = row.Unsigned(2);
          gap.first_at_us = row.Integer(3);
          gap.last_at_us = row.Integer(4);
          if (report_.since_us.has_value() && gap.last_at_us < from_us_) {
            report_.earlier_gaps += gap.count;
          } else {
            report_.gaps.push_back(std::move(gap));
          }
        });
  }

  absl::Status LoadFactsAndShapes() {
    absl::Status status =
        ForEachRow("SELECT name, value FROM fact", [this](const SqliteStatement& row) {
          report_.facts[EscapeControl(row.Text(0))] = EscapeControl(row.Text(1));
        });
    if (!status.ok()) return status;
    status = ForEachRow("SELECT count(*) FROM shape WHERE last_at_us >= ?2",
                        [this](const SqliteStatement& row) { report_.shapes = row.Unsigned(0); });
    if (!status.ok()) return status;
    return ForEachRow(
        "SELECT text FROM shape WHERE last_at_us >= ?2 AND \"match\" = 0 AND ambiguous > 0 "
        "ORDER BY ambiguous DESC, fingerprint",
        [this](const SqliteStatement& row) {
          report_.never_matched.push_back(Statement(row.Text(0)));
        });
  }

  SqliteDatabase* db_;
  const ReportOptions& options_;
  int64_t from_ = INT64_MIN;
  int64_t from_us_ = INT64_MIN;
  std::map<std::string, Counts> tallies_;
  Report report_;
};

}  // namespace

double Report::Coverage() const {
  const auto count = [](const std::map<std::string, uint64_t>& counts, const char* key) {
    const auto found = counts.find(key);
    return found == counts.end() ? 0.0 : static_cast<double>(found->second);
  };
  const double compared = count(statements, "compared");
  // A crash may have taken a count of those seen with it.
  const double seen = std::max(count(statements, "seen"), compared + count(statements, "refused") +
                                                              count(statements, "not_compared"));
  if (seen == 0) return 1;
  return (compared - count(partly, "incomplete")) / seen;
}

absl::StatusOr<Report> LoadReport(const std::string& parity_log_path,
                                  const ReportOptions& options) {
  struct stat unused;
  if (stat(parity_log_path.c_str(), &unused) != 0) {
    if (errno == ENOENT) {
      return absl::NotFoundError(
          StrCat("there is no parity log at ", parity_log_path,
                 ": has `pgparity serve` run with this --data-dir and with a shadow?"));
    }
    return absl::PermissionDeniedError(
        StrCat("cannot read ", parity_log_path, ": ", strerror(errno)));
  }
  auto db = SqliteDatabase::Open(parity_log_path, SqliteDatabase::Mode::read_only);
  if (!db.ok()) return db.status();
  bool empty = false;
  absl::Status status = CheckParityLogVersion(db->get(), parity_log_path, &empty);
  if (!status.ok()) return status;
  if (empty) return absl::NotFoundError(StrCat("the parity log ", parity_log_path, " is empty"));
  return Loader(db->get(), options).Run();
}

}  // namespace pgparity::compare
