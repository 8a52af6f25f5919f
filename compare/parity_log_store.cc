#include "compare/parity_log_store.h"

#include "compare/parity_log_schema.h"
#include "protocol/text.h"

namespace pgparity::compare {
namespace {

using protocol::StrCat;

constexpr int64_t kMinutesKept = kDay;
constexpr int64_t kHoursKept = 30 * kDay;

constexpr char kAddTally[] =
    "INSERT INTO tally (bucket, kind, key, n) VALUES (?1, ?2, ?3, ?4) "
    "ON CONFLICT (bucket, kind, key) DO UPDATE SET n = n + excluded.n";
constexpr char kReadLatency[] = "SELECT histogram FROM latency WHERE bucket = ?1 AND name = ?2";
constexpr char kWriteLatency[] =
    "INSERT INTO latency (bucket, name, histogram) VALUES (?1, ?2, ?3) "
    "ON CONFLICT (bucket, name) DO UPDATE SET histogram = excluded.histogram";
constexpr char kReadShape[] = "SELECT primary_us, shadow_us FROM shape WHERE fingerprint = ?1";
constexpr char kWriteShape[] =
    "INSERT INTO shape VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14) "
    "ON CONFLICT (fingerprint) DO UPDATE SET \"match\" = \"match\" + excluded.\"match\", "
    "divergent = divergent + excluded.divergent, consequence = consequence + excluded.consequence, "
    "ambiguous = ambiguous + excluded.ambiguous, volatile = volatile + excluded.volatile, "
    "waived = waived + excluded.waived, refused = refused + excluded.refused, "
    "not_compared = not_compared + excluded.not_compared, primary_us = excluded.primary_us, "
    "shadow_us = excluded.shadow_us, last_at_us = max(last_at_us, excluded.last_at_us)";
constexpr char kNewDivergence[] =
    "INSERT INTO divergence VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, 0, 0, 0, 0, 0, 0, ?10, "
    "?11, ?12)";
constexpr char kUpdateDivergence[] =
    "UPDATE divergence SET count = ?2, consequences = ?3, first_position = ?4, last_position = ?5, "
    "first_at_us = ?6, last_at_us = ?7 WHERE id = ?1";
constexpr char kNewExample[] =
    "INSERT INTO divergence_examples VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
constexpr char kWriteGap[] =
    "INSERT INTO gap VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (id) DO UPDATE SET "
    "detail = excluded.detail, count = excluded.count, first_at_us = excluded.first_at_us, "
    "last_at_us = excluded.last_at_us";
constexpr char kWriteFact[] =
    "INSERT INTO fact VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = excluded.value";
constexpr char kWriteMeta[] =
    "INSERT INTO meta VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = excluded.value";
constexpr char kReadMeta[] = "SELECT value FROM meta WHERE name = ?1";

}  // namespace

absl::Status CheckParityLogVersion(SqliteDatabase* db, const std::string& path, bool* empty) {
  *empty = false;
  const auto application = db->QueryInteger("PRAGMA application_id");
  const auto version = db->QueryInteger("PRAGMA user_version");
  const auto tables = db->QueryInteger("SELECT count(*) FROM sqlite_schema");
  for (const auto* result : {&application, &version, &tables}) {
    if (!result->ok()) {
      return absl::Status(result->status().code(),
                          protocol::ToAbsl(StrCat(path, " cannot be read as a parity log: ",
                                                  protocol::MessageOf(result->status()))));
    }
  }
  if (*version == 0 && *tables == 0) {
    *empty = true;
    return absl::OkStatus();
  }
  if (*application != kParityLogApplication) {
    return absl::FailedPreconditionError(StrCat(path, " is an SQLite file, but no parity log"));
  }
  if (*version != kParityLogVersion) {
    return absl::FailedPreconditionError(
        StrCat(path, " is a parity log of version ", *version, ", this pgparity reads version ",
               kParityLogVersion, ": use the pgparity that made it, or another --data-dir"));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<ParityLogStore>> ParityLogStore::Open(const std::string& path) {
  auto db = SqliteDatabase::Open(path, SqliteDatabase::Mode::create);
  if (!db.ok()) return db.status();
  bool empty = false;
  absl::Status status = CheckParityLogVersion(db->get(), path, &empty);
  if (!status.ok()) return status;
  // NORMAL: after a power failure the last flushes may be missing, but never torn.
  status = (*db)->Execute("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL");
  if (!status.ok()) return status;
  std::unique_ptr<ParityLogStore> store(new ParityLogStore(*std::move(db)));
  if (empty) {
    status = store->InTransaction([&store] {
      const std::string sql = StrCat(kParityLogSchema, "PRAGMA user_version = ", kParityLogVersion,
                                     "; PRAGMA application_id = ", kParityLogApplication);
      return store->db_->Execute(sql.c_str());
    });
    if (!status.ok()) return status;
  }
  return store;
}

absl::StatusOr<SqliteStatement*> ParityLogStore::Prepared(const char* sql) {
  auto& statement = statements_[sql];
  if (statement == nullptr) {
    auto prepared = db_->Prepare(sql);
    if (!prepared.ok()) return prepared.status();
    statement = std::make_unique<SqliteStatement>(*std::move(prepared));
  }
  return statement.get();
}

absl::Status ParityLogStore::InTransaction(const std::function<absl::Status()>& body) {
  absl::Status status = db_->Execute("BEGIN IMMEDIATE");
  if (!status.ok()) return status;
  status = body();
  if (status.ok()) status = db_->Execute("COMMIT");
  // SQLite rolls back by itself on some errors; then this one has nothing to do.
  if (!status.ok()) db_->Execute("ROLLBACK").IgnoreError();
  return status;
}

absl::Status ParityLogStore::Write(const Pending& pending) {
  return InTransaction([this, &pending] {
    absl::Status status = WriteBuckets(pending);
    if (status.ok()) status = WriteShapes(pending);
    if (status.ok()) status = WriteDivergences(pending);
    if (status.ok()) status = WriteExamples(pending);
    if (status.ok()) status = WriteGapsAndFacts(pending);
    return status;
  });
}

absl::Status ParityLogStore::WriteBuckets(const Pending& pending) {
  const auto prepared = Prepared(kAddTally);
  if (!prepared.ok()) return prepared.status();
  SqliteStatement& add = **prepared;
  absl::Status status;
  for (const auto& [bucket, delta] : pending.buckets) {
    const int64_t at = bucket;
    const auto tally = [&](std::string_view kind, std::string_view key, uint64_t n) {
      if (n == 0 || !status.ok()) return;
      status = add.Bind(1, at).Bind(2, kind).Bind(3, key).BindUnsigned(4, n).Run();
    };
    for (size_t i = 0; i < kClasses; ++i) {
      tally("class", ClassName(static_cast<Class>(i)), delta.classes[i]);
    }
    for (size_t i = 0; i < kCounters; ++i) tally("counter", kCounterNames[i], delta.counters[i]);
    tally("note", "incomplete", delta.incomplete);
    tally("note", "bytewise", delta.bytewise);
    tally("note", "digest-only", delta.digest_only);
    tally("soak", "us", delta.soak_us);
    tally("soak", "clean_us", delta.soak_clean_us);
    for (const auto& [table, use] : delta.tables) {
      tally("read", table, use.reads);
      tally("write", table, use.writes);
    }
    for (const auto& [reason, n] : delta.reasons) tally("reason", reason, n);
    for (const auto& [id, n] : delta.divergences) {
      tally("divergence", std::to_string(id), n.count);
      tally("consequence", std::to_string(id), n.consequences);
    }
    if (status.ok()) status = WriteLatency(at, "primary", delta.primary);
    if (status.ok()) status = WriteLatency(at, "shadow", delta.shadow);
    if (status.ok()) status = WriteLatency(at, "proxy_added", delta.proxy_added);
    if (!status.ok()) return status;
  }
  return status;
}

absl::Status ParityLogStore::WriteLatency(int64_t bucket, std::string_view name,
                                          const LatencyHistogram& added) {
  if (added.count() == 0) return absl::OkStatus();
  const auto read = Prepared(kReadLatency);
  if (!read.ok()) return read.status();
  const auto row = (*read)->Bind(1, bucket).Bind(2, name).Step();
  if (!row.ok()) return row.status();
  LatencyHistogram merged = added;
  if (*row) merged.Merge(LatencyHistogram::Deserialise((*read)->Text(0)));
  (*read)->Reset();
  const auto write = Prepared(kWriteLatency);
  if (!write.ok()) return write.status();
  return (*write)->Bind(1, bucket).Bind(2, name).BindBlob(3, merged.Serialise()).Run();
}

absl::Status ParityLogStore::WriteShapes(const Pending& pending) {
  const auto read = Prepared(kReadShape);
  const auto write = Prepared(kWriteShape);
  if (!read.ok()) return read.status();
  if (!write.ok()) return write.status();
  for (const auto& [key, delta] : pending.shapes) {
    const auto row = (*read)->Bind(1, delta.fingerprint).Step();
    if (!row.ok()) return row.status();
    LatencyHistogram primary, shadow;
    if (*row) {
      primary = LatencyHistogram::Deserialise((*read)->Text(0));
      shadow = LatencyHistogram::Deserialise((*read)->Text(1));
    }
    (*read)->Reset();
    delta.primary.MergeInto(&primary);
    delta.shadow.MergeInto(&shadow);
    (*write)->Bind(1, delta.fingerprint).Bind(2, delta.text);
    for (size_t i = 0; i < kClasses; ++i) {
      (*write)->BindUnsigned(static_cast<int>(3 + i), delta.classes[i]);
    }
    (*write)->BindBlob(11, primary.Serialise()).BindBlob(12, shadow.Serialise());
    (*write)->Bind(13, delta.first_at_us).Bind(14, delta.last_at_us);
    if (absl::Status status = (*write)->Run(); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status ParityLogStore::WriteDivergences(const Pending& pending) {
  const auto insert = Prepared(kNewDivergence);
  const auto update = Prepared(kUpdateDivergence);
  if (!insert.ok()) return insert.status();
  if (!update.ok()) return update.status();
  for (const auto& [id, text] : pending.new_divergences) {
    const absl::Status status = (*insert)
                                    ->Bind(1, id)
                                    .Bind(2, text.fingerprint)
                                    .Bind(3, text.cls)
                                    .Bind(4, text.kind)
                                    .Bind(5, text.shape)
                                    .Bind(6, text.what)
                                    .Bind(7, text.cause)
                                    .Bind(8, text.advice)
                                    .Bind(9, text.tables)
                                    .Bind(10, text.example_statement)
                                    .Bind(11, text.example_primary)
                                    .Bind(12, text.example_shadow)
                                    .Run();
    if (!status.ok()) return status;
  }
  for (const auto& [id, state] : pending.divergences) {
    const absl::Status status = (*update)
                                    ->Bind(1, id)
                                    .BindUnsigned(2, state.count)
                                    .BindUnsigned(3, state.consequences)
                                    .BindUnsigned(4, state.first_position)
                                    .BindUnsigned(5, state.last_position)
                                    .Bind(6, state.first_at_us)
                                    .Bind(7, state.last_at_us)
                                    .Run();
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status ParityLogStore::WriteExamples(const Pending& pending) {
  const auto insert = Prepared(kNewExample);
  if (!insert.ok()) return insert.status();
  for (const Example& example : pending.examples) {
    const absl::Status status = (*insert)
                                    ->Bind(1, example.divergence)
                                    .BindUnsigned(2, example.position)
                                    .Bind(3, example.at_us)
                                    .Bind(4, example.what)
                                    .Bind(5, example.statement)
                                    .Bind(6, example.primary)
                                    .Bind(7, example.shadow)
                                    .Run();
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status ParityLogStore::WriteGapsAndFacts(const Pending& pending) {
  const auto gap_row = Prepared(kWriteGap);
  const auto fact_row = Prepared(kWriteFact);
  const auto meta_row = Prepared(kWriteMeta);
  for (const auto* prepared : {&gap_row, &fact_row, &meta_row}) {
    if (!prepared->ok()) return prepared->status();
  }
  absl::Status status;
  for (const auto& [id, gap] : pending.gaps) {
    (*gap_row)->Bind(1, id).Bind(2, gap.reason).Bind(3, gap.detail).BindUnsigned(4, gap.count);
    status = (*gap_row)->Bind(5, gap.first_at_us).Bind(6, gap.last_at_us).Run();
    if (!status.ok()) return status;
  }
  for (const auto& [name, value] : pending.facts) {
    status = (*fact_row)->Bind(1, name).Bind(2, value).Run();
    if (!status.ok()) return status;
  }
  for (const auto& [name, value] : pending.meta) {
    status = (*meta_row)->Bind(1, name).Bind(2, value).Run();
    if (!status.ok()) return status;
  }
  return status;
}

absl::StatusOr<int64_t> ParityLogStore::Meta(std::string_view name) {
  const auto read = Prepared(kReadMeta);
  if (!read.ok()) return read.status();
  const auto row = (*read)->Bind(1, name).Step();
  if (!row.ok()) return row.status();
  const int64_t value = *row ? (*read)->Integer(0) : 0;
  (*read)->Reset();
  return value;
}

absl::Status ParityLogStore::RollUp(int64_t now_us) {
  const int64_t now = now_us / 1'000'000;
  const absl::Status status =
      RollUpTo(BucketStart(now - kMinutesKept, kHour), kHour, "hours_before");
  if (!status.ok()) return status;
  return RollUpTo(BucketStart(now - kHoursKept, kDay), kDay, "days_before");
}

absl::Status ParityLogStore::RollUpTo(int64_t before, int64_t width, std::string_view meta) {
  const absl::StatusOr<int64_t> done = Meta(meta);
  if (!done.ok()) return done.status();
  // A clock that was set back moves nothing.
  if (before <= *done) return absl::OkStatus();
  return InTransaction([&] {
    absl::Status status = RollUpLatency(*done, before, width);
    if (!status.ok()) return status;
    const std::string range = StrCat(" WHERE bucket >= ", *done, " AND bucket < ", before);
    // The sums go through a table of their own: the first bucket of each group has their key.
    const std::string sql =
        StrCat("CREATE TEMP TABLE rolled AS SELECT bucket - bucket % ", width,
               " AS start, kind, key, sum(n) AS n FROM tally", range,
               " GROUP BY 1, 2, 3; DELETE FROM tally", range,
               "; INSERT INTO tally SELECT start, kind, key, n FROM rolled; DROP TABLE rolled");
    status = db_->Execute(sql.c_str());
    if (!status.ok()) return status;
    const auto write = Prepared(kWriteMeta);
    if (!write.ok()) return write.status();
    return (*write)->Bind(1, meta).Bind(2, before).Run();
  });
}

absl::Status ParityLogStore::RollUpLatency(int64_t from, int64_t before, int64_t width) {
  std::map<std::pair<int64_t, std::string>, LatencyHistogram> merged;
  const std::string range = StrCat(" WHERE bucket >= ", from, " AND bucket < ", before);
  auto read = db_->Prepare(StrCat("SELECT bucket, name, histogram FROM latency", range));
  if (!read.ok()) return read.status();
  while (true) {
    const auto row = read->Step();
    if (!row.ok()) return row.status();
    if (!*row) break;
    merged[{BucketStart(read->Integer(0), width), std::string(read->Text(1))}].Merge(
        LatencyHistogram::Deserialise(read->Text(2)));
  }
  const std::string remove = StrCat("DELETE FROM latency", range);
  if (absl::Status status = db_->Execute(remove.c_str()); !status.ok()) return status;
  for (const auto& [key, histogram] : merged) {
    const absl::Status status = WriteLatency(key.first, key.second, histogram);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace pgparity::compare
