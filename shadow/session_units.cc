// Cutting a session's statements into units.
#include <algorithm>
#include <utility>

#include "protocol/text.h"
#include "shadow/captured_statement.h"
#include "shadow/read_only.h"
#include "shadow/session_assembly.h"

namespace pgparity::shadow {

using protocol::Reply;
using protocol::StatementEvent;
using protocol::StrCat;
using protocol::TransactionCommand;

void SessionAssembly::OpenIfNone() {
  if (unit_.open()) return;
  unit_.settings = state_.settings();
  unit_.explicit_block = in_block_;
}

void SessionAssembly::OnCopyInData(const std::shared_ptr<const std::string>& sql,
                                   std::string_view data) {
  if (mode_ != Mode::following) return;
  OpenIfNone();
  copy_data_.append(data);
  if (copy_data_.size() + unit_.encoded.size() > context_->options->part_bytes) FlushCopyData(*sql);
}

// So that a large COPY is journalled as it comes.
void SessionAssembly::FlushCopyData(const std::string& sql) {
  Statement statement;
  statement.sql = MayCarrySecret(sql) ? WithoutSecret(sql) : sql;
  statement.sent = busy_since_.value_or(0);
  statement.copy_in = true;
  statement.copy_data = std::move(copy_data_);
  statement.copy_continues = true;
  copy_data_ = std::string();
  writer_->Add(statement, &unit_);
  writer_->WritePart(&unit_);
}

void SessionAssembly::OnStatement(StatementEvent event) {
  if (mode_ == Mode::closing) {
    unanswered_.push_back(std::move(event));
    return;
  }
  if (mode_ != Mode::following) return;
  ++answered_;
  front_failed_ = front_failed_ || event.reply.end == Reply::End::error;
  last_sent_ = std::max(last_sent_, event.sent_last);
  OpenIfNone();
  if (unit_.first_sent == 0) unit_.first_sent = event.sent_first;
  StatementEvent seen;  // what cutting needs, the buffers gone
  seen.transaction_command = event.transaction_command;
  seen.known_text = event.known_text;
  seen.sent_first = event.sent_first;
  seen.sent_last = event.sent_last;
  seen.done = event.done;
  seen.replies_outstanding_at_send = event.replies_outstanding_at_send;
  seen.reply.end = event.reply.end;
  seen.sql = event.sql;
  absl::StatusOr<Statement> statement = CaptureStatement(std::move(event), context_->cache);
  if (!statement.ok()) return OnLost(statement.status());
  if (statement->copy_in) {
    statement->copy_data = std::move(copy_data_);
    copy_data_ = std::string();
  }
  writer_->Add(*statement, &unit_);
  Cut(*statement, seen);
  state_.TakeReported();
}

void SessionAssembly::Cut(const Statement& statement, const StatementEvent& seen) {
  const std::string& tag = statement.primary.tag;
  if (seen.reply.end == Reply::End::error) {
    unit_.failed = true;
    fatal_ = compare::DecodeErrorFields(statement.primary.error).severity != "ERROR";
    fatal_on_commit_ =
        fatal_ && (protocol::IsCommit(seen.transaction_command) || !unit_.explicit_block);
  }
  if (seen.reply.end == Reply::End::command_complete) {
    state_.OnStatement(statement, tag);
    if (state_.TakeReplicationRoleChange())
      writer_->Gap("session-replication-role", StrCat("session ", id_));
    switch (seen.transaction_command) {
      case TransactionCommand::none:
        if (!unit_.explicit_block && CommitsAtOnce(statement)) {
          return EndAt(UnitEnd::committed, seen.done);
        }
        break;
      case TransactionCommand::begin:
        unit_.explicit_block = true;
        break;
      case TransactionCommand::commit:
        return CutAtCommit(seen, tag, false);
      case TransactionCommand::commit_and_chain:
        return CutAtCommit(seen, tag, true);
      case TransactionCommand::rollback:
        if (!seen.known_text) {
          unit_.unclear_rollback = true;
          break;
        }
        return EndAt(UnitEnd::rolled_back, seen.done);
      case TransactionCommand::rollback_and_chain:
        EndAt(UnitEnd::rolled_back, seen.done);
        in_block_ = true;
        return OpenIfNone();
      case TransactionCommand::rollback_to_savepoint:
        unit_.failed = false;
        break;
      case TransactionCommand::prepare_transaction:
        return CutAtPrepare(statement, seen);
      case TransactionCommand::commit_prepared:
      case TransactionCommand::rollback_prepared:
        return CutAtPreparedEnd(statement, seen);
      case TransactionCommand::savepoint:
      case TransactionCommand::release_savepoint:
        break;
    }
  }
  unit_.last_done = std::max(unit_.last_done, seen.done);
}

std::optional<Stamp> SessionAssembly::CommitInstant(const StatementEvent& seen) const {
  const bool alone = commit_sent_ && *commit_sent_ == seen.sent_last &&
                     !seen.replies_outstanding_at_send && unit_.last_done <= *commit_sent_;
  return alone ? commit_sent_ : std::nullopt;
}

void SessionAssembly::CutAtCommit(const StatementEvent& seen, const std::string& tag, bool chain) {
  const std::optional<Stamp> instant = CommitInstant(seen);
  if (tag != "COMMIT") {
    EndAt(UnitEnd::rolled_back, seen.done);
  } else if (instant) {
    EndAtInstant(*instant, seen.done);
  } else {
    EndAt(UnitEnd::committed, seen.done);
  }
  if (!chain) return;
  // The next unit is open from here, with no BEGIN of its own.
  in_block_ = true;
  OpenIfNone();
}

void SessionAssembly::CutAtPrepare(const Statement& statement, const StatementEvent& seen) {
  if (statement.primary.tag != "PREPARE TRANSACTION") return EndAt(UnitEnd::rolled_back, seen.done);
  const std::optional<std::string> gid = GidOf(statement.sql, standard_conforming_strings_);
  state_.Commit();
  CommitOver();
  in_block_ = false;
  if (!gid) {
    writer_->Gap("unknown-gid", StrCat("session ", id_));
    return writer_->Drop(&unit_);
  }
  ParkedUnit parked{HeaderOf(unit_), std::move(unit_)};
  unit_ = OpenUnit();
  parked.header.gid = *gid;
  context_->prepared->Park(*gid, std::move(parked));
}

// The statement itself goes into the unit that it ends.
void SessionAssembly::CutAtPreparedEnd(const Statement& statement, const StatementEvent& seen) {
  const bool commits = seen.transaction_command == TransactionCommand::commit_prepared;
  const std::optional<Stamp> instant = CommitInstant(seen);
  const std::optional<std::string> gid = GidOf(statement.sql, standard_conforming_strings_);
  std::optional<ParkedUnit> parked;
  if (gid) parked = context_->prepared->Take(info_.database, *gid);
  if (!parked) {
    if (commits) writer_->Gap("unknown-gid", StrCat("session ", id_));
    return EndAt(UnitEnd::committed, seen.done);
  }
  const bool alone = unit_.statements == 1;
  if (alone) {
    parked->unit.encoded.append(unit_.encoded);
    ++parked->unit.statements;
    writer_->Drop(&unit_);
  } else {
    EndAt(UnitEnd::committed, seen.done);
  }
  UnitHeader& header = parked->header;
  header.end = commits ? UnitEnd::committed : UnitEnd::rolled_back;
  header.interval =
      commits && instant ? Interval{*instant, *instant} : Interval{seen.sent_first, seen.done};
  header.key = header.interval.hi;
  header.done = seen.done;
  header.explicit_block = commits && instant.has_value();
  writer_->Finish(std::move(header), &parked->unit);
  CommitOver();
}

void SessionAssembly::CutAtIdle(Stamp stamp) {
  if (!unit_.open()) return;
  if (unit_.statements == 0) return writer_->Drop(&unit_);
  UnitEnd end = UnitEnd::committed;
  if (unit_.failed || unit_.unclear_rollback) {
    end = UnitEnd::rolled_back;
  } else if (unit_.explicit_block) {
    // No tag said how the block ended.
    end = UnitEnd::in_doubt;
  }
  EndAt(end, stamp);
}

UnitHeader SessionAssembly::HeaderOf(const OpenUnit& unit) const {
  UnitHeader header;
  header.session = id_;
  header.user = info_.user;
  header.database = info_.database;
  header.application = info_.application;
  header.settings = *unit.settings;
  header.interval = {unit.first_sent, unit.last_done};
  header.token = unit.token;
  return header;
}

void SessionAssembly::EndAt(UnitEnd end, Stamp done) {
  unit_.explicit_block = false;
  End(end, {unit_.first_sent, done}, done);
}

void SessionAssembly::EndAtInstant(Stamp instant, Stamp done) {
  End(UnitEnd::committed, {instant, instant}, done);
}

// The key is the interval's end: an instant between the last lock and the end of the commit.
void SessionAssembly::End(UnitEnd end, Interval interval, Stamp done) {
  UnitHeader header = HeaderOf(unit_);
  header.end = end;
  header.interval = interval;
  header.key = interval.hi;
  header.done = done;
  header.explicit_block = unit_.explicit_block;
  if (end == UnitEnd::committed) {
    state_.Commit();
  } else {
    state_.Rollback();
  }
  writer_->Finish(std::move(header), &unit_);
  CommitOver();
  in_block_ = false;
}

}  // namespace pgparity::shadow
