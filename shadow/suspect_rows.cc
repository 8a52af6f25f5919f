#include "shadow/suspect_rows.h"

#include <algorithm>

namespace pgparity::shadow {

// Before it becomes suspect.
void SuspectRows::Wake(Entry* entry) {
  ++entry->marks;
  if (entry->active()) return;
  entry->due = absl::InfinitePast();
  ++open_;
}

SuspectRows::Entry& SuspectRows::EntryOf(const RowAccess& row) {
  Table& table = tables_[row.table];
  const bool keyed =
      row.key.has_value() && (table.rows.size() < kMaxRows || table.rows.contains(*row.key));
  if (keyed) {
    Entry& entry = table.rows[*row.key];
    if (entry.row.table.empty()) entry.row = row;
    return entry;
  }
  if (table.whole == nullptr) {
    table.whole = std::make_unique<Entry>();
    table.whole->row = {row.table, std::nullopt};
  }
  return *table.whole;
}

size_t SuspectRows::AddUnproved(const std::vector<RowAccess>& rows) {
  size_t added = 0;
  for (const RowAccess& row : rows) {
    Entry& entry = EntryOf(row);
    Wake(&entry);
    if (entry.unproved.on) continue;
    entry.unproved.on = true;
    ++added;
    ++unproved_;
  }
  return added;
}

void SuspectRows::AddTainted(const std::vector<RowAccess>& rows, const TaintCause& cause) {
  for (const RowAccess& row : rows) {
    Entry& entry = EntryOf(row);
    Wake(&entry);
    if (entry.tainted.on) continue;
    entry.tainted.on = true;
    entry.cause = cause;
  }
}

void SuspectRows::AddAmbiguity(const std::vector<RowAccess>& rows, const std::string& fingerprint) {
  auto ambiguity = std::make_shared<Ambiguity>(Ambiguity{fingerprint, 0});
  for (const RowAccess& row : rows) {
    Entry& entry = EntryOf(row);
    if (std::find(entry.ambiguities.begin(), entry.ambiguities.end(), ambiguity) !=
        entry.ambiguities.end()) {
      continue;
    }
    Wake(&entry);
    ++ambiguity->open;
    entry.ambiguities.push_back(ambiguity);
  }
}

size_t SuspectRows::AddFromTable(const std::string& name, const std::vector<RowAccess>& rows) {
  const Entry* whole = WholeOf(name);
  if (whole == nullptr || rows.empty()) return 0;
  const TaintCause cause = whole->cause;
  if (whole->tainted.on) AddTainted(rows, cause);
  if (whole->unproved.on) return AddUnproved(rows);
  for (const RowAccess& row : rows) {
    Entry& entry = EntryOf(row);
    if (!entry.active()) AddAmbiguity({row}, "");
  }
  return 0;
}

template <typename Fn>
bool SuspectRows::AnyEntry(const Table& table, const RowAccess& row, Fn&& wanted) {
  if (table.whole && wanted(*table.whole)) return true;
  if (row.key.has_value()) {
    const auto found = table.rows.find(*row.key);
    return found != table.rows.end() && wanted(found->second);
  }
  return std::any_of(table.rows.begin(), table.rows.end(),
                     [&](const auto& entry) { return wanted(entry.second); });
}

bool SuspectRows::Unproved(const std::vector<RowAccess>& rows, uint64_t turn) const {
  return std::any_of(rows.begin(), rows.end(), [&](const RowAccess& row) {
    const auto table = tables_.find(row.table);
    return table != tables_.end() && AnyEntry(table->second, row, [&](const Entry& entry) {
             return entry.unproved.Holds(turn);
           });
  });
}

const TaintCause* SuspectRows::Tainted(const std::vector<RowAccess>& rows, uint64_t turn) const {
  const TaintCause* cause = nullptr;
  for (const RowAccess& row : rows) {
    const auto table = tables_.find(row.table);
    if (table == tables_.end()) continue;
    const bool found = AnyEntry(table->second, row, [&](const Entry& entry) {
      if (!entry.tainted.Holds(turn)) return false;
      cause = &entry.cause;
      return true;
    });
    if (found) break;
  }
  return cause != nullptr || !all_ ? cause : &*all_;
}

std::vector<RowAccess> SuspectRows::TakeDue(size_t limit, absl::Time now, absl::Time again) {
  std::vector<RowAccess> due;
  if (open_ == 0) return due;
  // Tables take turns.
  std::vector<std::string> names;
  for (const auto& [name, table] : tables_)
    if (!table.rows.empty()) names.push_back(name);
  std::sort(names.begin(), names.end());
  const auto next = std::upper_bound(names.begin(), names.end(), last_table_);
  std::rotate(names.begin(), next, names.end());
  for (const std::string& name : names) {
    for (auto& [key, entry] : tables_[name].rows) {
      if (due.size() == limit) break;
      if (!entry.active() || entry.due > now || entry.row.values == nullptr) continue;
      entry.due = again;
      due.push_back(entry.row);
    }
    if (due.empty()) continue;
    last_table_ = name;
    break;
  }
  return due;
}

std::string SuspectRows::UnprovedTables() const {
  std::vector<std::string_view> names;
  for (const auto& [name, table] : tables_) {
    const bool unproved = (table.whole && table.whole->unproved.on) ||
                          std::any_of(table.rows.begin(), table.rows.end(),
                                      [](const auto& entry) { return entry.second.unproved.on; });
    if (unproved) names.push_back(name);
  }
  std::sort(names.begin(), names.end());
  std::string lines;
  for (const std::string_view name : names) {
    if (!lines.empty()) lines += ", ";
    lines += name;
  }
  return lines;
}

bool SuspectRows::AnyDue(absl::Time until) const {
  const auto due = [until](const Entry& entry) { return entry.active() && entry.due <= until; };
  return std::any_of(tables_.begin(), tables_.end(), [&](const auto& table) {
    return (table.second.whole && due(*table.second.whole)) ||
           std::any_of(table.second.rows.begin(), table.second.rows.end(),
                       [&](const auto& row) { return due(row.second); });
  });
}

std::optional<std::string> SuspectRows::TakeDueTable(absl::Time now, absl::Time again) {
  for (auto& [name, table] : tables_) {
    if (!table.whole || !table.whole->active() || table.whole->due > now) continue;
    table.whole->due = again;
    return name;
  }
  return std::nullopt;
}

SuspectRows::Standing SuspectRows::Of(const RowAccess& row) const {
  Standing standing = all_ ? Standing::tainted : Standing::clear;
  const auto table = tables_.find(row.table);
  if (table == tables_.end()) return standing;
  AnyEntry(table->second, row, [&](const Entry& entry) {
    if (entry.tainted.on) standing = Standing::tainted;
    if (entry.unproved.on && standing == Standing::clear) standing = Standing::unproved;
    return standing == Standing::tainted;
  });
  return standing;
}

const SuspectEntry* SuspectRows::WholeOf(const std::string& name) const {
  const auto table = tables_.find(name);
  const bool suspect =
      table != tables_.end() && table->second.whole && table->second.whole->active();
  return suspect ? table->second.whole.get() : nullptr;
}

SuspectRows::Entry* SuspectRows::Find(const RowAccess& row) {
  const auto table = tables_.find(row.table);
  if (table == tables_.end()) return nullptr;
  if (!row.key.has_value()) return table->second.whole.get();
  const auto found = table->second.rows.find(*row.key);
  return found == table->second.rows.end() ? nullptr : &found->second;
}

bool SuspectRows::Proved(const RowAccess& row, uint64_t turn) {
  Entry* const entry = Find(row);
  if (entry == nullptr || !entry->active()) return false;
  const bool was_unproved = entry->unproved.on;
  if (was_unproved) --unproved_;
  --open_;
  entry->unproved.Clear(turn);
  entry->tainted.Clear(turn);
  for (const auto& ambiguity : entry->ambiguities)
    if (--ambiguity->open == 0 && !ambiguity->fingerprint.empty()) on_resolved_(*ambiguity);
  entry->ambiguities.clear();
  ForgetProved(turn);
  return was_unproved;
}

void SuspectRows::Postpone(const RowAccess& row, absl::Time until) {
  if (Entry* const entry = Find(row); entry != nullptr) entry->due = until;
}

// What was proved equal counts anew from here on.
void SuspectRows::ForgetProved(uint64_t turn) {
  if (turn < forgotten_at_ + kTurnsKept) return;
  forgotten_at_ = turn;
  const auto old = [turn](const Entry& entry) {
    return !entry.active() &&
           std::max(entry.unproved.until, entry.tainted.until) + kTurnsKept < turn;
  };
  for (auto table = tables_.begin(); table != tables_.end();) {
    absl::erase_if(table->second.rows, [&](const auto& entry) { return old(entry.second); });
    if (table->second.whole && old(*table->second.whole)) table->second.whole.reset();
    if (table->second.rows.empty() && !table->second.whole) {
      tables_.erase(table++);
    } else {
      ++table;
    }
  }
}

}  // namespace pgparity::shadow
