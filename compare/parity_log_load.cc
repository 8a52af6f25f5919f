// What a parity log that is opened again must know of its past.
#include <xxhash.h>

#include <cstdlib>

#include "compare/parity_log_schema.h"
#include "compare/parity_log_store.h"
#include "protocol/text.h"

namespace pgparity::compare {
namespace {

// Calls `row` for each row.
template <typename Row>
absl::Status ForEachRow(SqliteDatabase* db, std::string_view sql, Row row) {
  auto statement = db->Prepare(sql);
  if (!statement.ok()) return statement.status();
  while (true) {
    const auto more = statement->Step();
    if (!more.ok()) return more.status();
    if (!*more) return absl::OkStatus();
    row(*statement);
  }
}

}  // namespace

uint64_t ShapeKey(std::string_view fingerprint, std::string_view shape) {
  if (fingerprint == "other") return kOtherShape;
  const std::string_view text = fingerprint.empty() ? shape : fingerprint;
  const uint64_t key = XXH3_64bits(text.data(), text.size());
  return key == kOtherShape ? 1 : key;
}

std::string DivergenceKey(std::string_view fingerprint, std::string_view cls,
                          std::string_view kind) {
  return protocol::StrCat(fingerprint, "/", cls, "/", kind);
}

absl::StatusOr<ParityLogState> ParityLogStore::Load() {
  ParityLogState state;
  absl::Status status = ForEachRow(
      db_.get(), "SELECT fingerprint FROM shape",
      [&](const SqliteStatement& row) { state.shapes.insert(ShapeKey(row.Text(0), "")); });
  if (!status.ok()) return status;
  status = ForEachRow(db_.get(),
                      "SELECT DISTINCT kind = 'reason', key FROM tally WHERE kind IN ('read', "
                      "'write', 'reason')",
                      [&](const SqliteStatement& row) {
                        auto& names = row.Integer(0) != 0 ? state.reasons : state.tables;
                        names.insert(std::string(row.Text(1)));
                      });
  if (!status.ok()) return status;
  status = LoadDivergences(&state);
  if (!status.ok()) return status;
  status = LoadGaps(&state);
  if (!status.ok()) return status;
  status = ForEachRow(db_.get(), "SELECT name, value FROM meta", [&](const SqliteStatement& row) {
    if (row.Text(0) == "soak_started_us") state.soak_started_us = row.Integer(1);
    if (row.Text(0) == "soak_ended_us") state.soak_ended_us = row.Integer(1);
  });
  if (!status.ok()) return status;
  return state;
}

absl::Status ParityLogStore::LoadDivergences(ParityLogState* state) {
  return ForEachRow(
      db_.get(),
      "SELECT id, fingerprint, class, kind, count, consequences, first_position, last_position, "
      "first_at_us, last_at_us, (SELECT count(*) FROM divergence_examples WHERE divergence = id) "
      "FROM divergence ORDER BY id",
      [state](const SqliteStatement& row) {
        DivergenceState entry;
        entry.id = row.Integer(0);
        entry.count = row.Unsigned(4);
        entry.consequences = row.Unsigned(5);
        entry.first_position = row.Unsigned(6);
        entry.last_position = row.Unsigned(7);
        entry.first_at_us = row.Integer(8);
        entry.last_at_us = row.Integer(9);
        entry.examples = row.Unsigned(10);
        const std::string key = DivergenceKey(row.Text(1), row.Text(2), row.Text(3));
        if (row.Text(2) == "divergent") state->roots.try_emplace(std::string(row.Text(1)), key);
        state->divergences[key] = entry;
        state->next_divergence = entry.id + 1;
      });
}

absl::Status ParityLogStore::LoadGaps(ParityLogState* state) {
  return ForEachRow(
      db_.get(), "SELECT id, reason, detail, count, first_at_us, last_at_us FROM gap ORDER BY id",
      [state](const SqliteStatement& row) {
        GapState gap;
        gap.id = row.Integer(0);
        gap.reason = std::string(row.Text(1));
        gap.detail = std::string(row.Text(2));
        gap.count = row.Unsigned(3);
        gap.first_at_us = row.Integer(4);
        gap.last_at_us = row.Integer(5);
        state->next_gap = gap.id + 1;
        ++state->gap_rows[gap.reason];
        state->gaps[gap.reason] = std::move(gap);
      });
}

}  // namespace pgparity::compare
