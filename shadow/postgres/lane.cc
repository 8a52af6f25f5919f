#include "shadow/postgres/lane.h"

#include <libpq-fe.h>
#include <poll.h>

#include <cerrno>
#include <cstring>

#include "absl/hash/hash.h"
#include "absl/strings/ascii.h"
#include "protocol/text.h"
#include "shadow/postgres/result.h"

namespace pgparity::shadow::postgres {

namespace {

// Statements kept prepared on a lane; the least recently used goes first.
constexpr size_t kMaxPrepared = 500;
// How often a COPY that makes no progress looks up.
constexpr absl::Duration kCopyWait = absl::Minutes(10);

struct ResultDeleter {
  void operator()(PGresult* result) const { PQclear(result); }
};
using ResultPtr = std::unique_ptr<PGresult, ResultDeleter>;

std::string OneLine(const char* message) {
  std::string text(absl::StripAsciiWhitespace(message == nullptr ? "" : message));
  for (char& c : text) {
    if (c == '\n' || c == '\r' || c == '\t') c = ' ';
  }
  return text;
}

// libpq's view of a statement's parameters; valid as long as the statement is.
struct ParameterArrays {
  explicit ParameterArrays(const ShadowStatement& statement) {
    for (size_t i = 0; i < statement.values.size(); ++i) {
      const auto& value = statement.values[i];
      values.push_back(value ? value->c_str() : nullptr);
      lengths.push_back(value ? static_cast<int>(value->size()) : 0);
      formats.push_back(i < statement.formats.size() ? statement.formats[i] : 0);
      types.push_back(i < statement.types.size() ? statement.types[i] : 0);
    }
  }
  int count() const { return static_cast<int>(values.size()); }
  std::vector<const char*> values;
  std::vector<int> lengths, formats;
  std::vector<Oid> types;
};

std::string CacheKey(const ShadowStatement& statement) {
  std::string key = statement.sql;
  key.push_back('\0');
  for (uint32_t type : statement.types) absl::StrAppend(&key, type, ",");
  return key;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Lane>> Lane::Connect(const std::string& conninfo,
                                                    absl::Duration timeout) {
  PGconn* connection = PQconnectStart(conninfo.c_str());
  if (connection == nullptr)
    return absl::ResourceExhaustedError("out of memory while connecting to the shadow");
  std::unique_ptr<Lane> lane(new Lane(connection));
  const absl::Time deadline = absl::Now() + timeout;
  PostgresPollingStatusType state = PGRES_POLLING_WRITING;
  while (PQstatus(connection) != CONNECTION_BAD && state != PGRES_POLLING_OK &&
         state != PGRES_POLLING_FAILED) {
    pollfd waiting{PQsocket(connection),
                   static_cast<short>(state == PGRES_POLLING_READING ? POLLIN : POLLOUT), 0};
    const int64_t left = absl::ToInt64Milliseconds(deadline - absl::Now());
    if (left <= 0) return absl::UnavailableError("no answer within the connect timeout");
    if (poll(&waiting, 1, static_cast<int>(left)) < 0 && errno != EINTR) break;
    state = PQconnectPoll(connection);
  }
  if (PQstatus(connection) != CONNECTION_OK)
    return absl::UnavailableError(OneLine(PQerrorMessage(connection)));
  PQsetnonblocking(connection, 1);
  PQsetNoticeProcessor(
      connection, [](void*, const char*) {}, nullptr);
  return lane;
}

Lane::~Lane() { PQfinish(connection_); }

absl::Status Lane::LostConnection(std::string_view doing) const {
  return absl::UnavailableError(
      protocol::StrCat(doing, ": ", OneLine(PQerrorMessage(connection_))));
}

absl::Status Lane::EnterPipeline() {
  if (PQpipelineStatus(connection_) != PQ_PIPELINE_OFF) return absl::OkStatus();
  return PQenterPipelineMode(connection_) == 1 ? absl::OkStatus()
                                               : LostConnection("entering pipeline mode");
}

absl::Status Lane::LeavePipeline() {
  if (PQpipelineStatus(connection_) == PQ_PIPELINE_OFF) return absl::OkStatus();
  while (PGresult* result = PQgetResult(connection_)) PQclear(result);
  return PQexitPipelineMode(connection_) == 1 ? absl::OkStatus()
                                              : LostConnection("leaving pipeline mode");
}

absl::StatusOr<std::string> Lane::PrepareIfWorthwhile(const ShadowStatement& statement) {
  if (statement.unprepared || statement.sql.size() > 65536) return std::string();
  std::string key = CacheKey(statement);
  absl::StrAppend(&key, ";", settings_hash_);
  auto found = prepared_.find(key);
  if (found == prepared_.end()) {
    if (prepared_.size() >= kMaxPrepared) {
      auto oldest = prepared_.find(ages_.back());
      if (!oldest->second.name.empty()) {
        const std::string sql = protocol::StrCat("DEALLOCATE ", oldest->second.name);
        if (PQsendQueryParams(connection_, sql.c_str(), 0, nullptr, nullptr, nullptr, nullptr, 0) !=
            1) {
          return LostConnection("sending DEALLOCATE");
        }
        pending_.push_back({.kind = Pending::Kind::deallocate, .tag = 0, .limits = {}});
      }
      prepared_.erase(oldest);
      ages_.pop_back();
    }
    ages_.push_front(key);
    prepared_.emplace(std::move(key), Prepared{"", 1, ages_.begin()});
    return std::string();
  }
  Prepared& entry = found->second;
  ages_.splice(ages_.begin(), ages_, entry.age);
  ++entry.uses;
  if (entry.name.empty()) {
    // Seen a second time: worth a prepared statement.
    entry.name = protocol::StrCat("pgparity_", ++next_name_);
    const ParameterArrays parameters(statement);
    if (PQsendPrepare(connection_, entry.name.c_str(), statement.sql.c_str(), parameters.count(),
                      parameters.types.data()) != 1) {
      return LostConnection("sending Parse");
    }
    pending_.push_back({.kind = Pending::Kind::prepare, .tag = 0, .limits = {}});
  }
  return entry.name;
}

absl::Status Lane::Send(const ShadowStatement& statement, const CaptureLimits& limits,
                        uint64_t tag) {
  if (absl::Status status = EnterPipeline(); !status.ok()) return status;
  absl::StatusOr<std::string> name = PrepareIfWorthwhile(statement);
  if (!name.ok()) return name.status();
  const ParameterArrays parameters(statement);
  const int sent = name->empty()
                       ? PQsendQueryParams(connection_, statement.sql.c_str(), parameters.count(),
                                           parameters.types.data(), parameters.values.data(),
                                           parameters.lengths.data(), parameters.formats.data(),
                                           statement.result_format)
                       : PQsendQueryPrepared(connection_, name->c_str(), parameters.count(),
                                             parameters.values.data(), parameters.lengths.data(),
                                             parameters.formats.data(), statement.result_format);
  if (sent != 1) return LostConnection("sending a statement");
  pending_.push_back({.kind = Pending::Kind::statement, .tag = tag, .limits = limits});
  return absl::OkStatus();
}

absl::Status Lane::Send(std::string_view sql, uint64_t tag) {
  ShadowStatement statement;
  statement.sql = std::string(sql);
  return Send(statement, CaptureLimits{}, tag);
}

absl::Status Lane::Sync(uint64_t tag) {
  if (absl::Status status = EnterPipeline(); !status.ok()) return status;
  if (PQpipelineSync(connection_) != 1) return LostConnection("sending Sync");
  pending_.push_back({.kind = Pending::Kind::sync, .tag = tag, .limits = {}});
  return absl::OkStatus();
}

absl::Status Lane::WaitReadable(absl::Time deadline, bool* timed_out) {
  *timed_out = false;
  const int unsent = PQflush(connection_);
  if (unsent < 0) return LostConnection("sending to the shadow");
  pollfd waiting{PQsocket(connection_), static_cast<short>(POLLIN | (unsent == 1 ? POLLOUT : 0)),
                 0};
  const int64_t left = std::max<int64_t>(0, absl::ToInt64Milliseconds(deadline - absl::Now()));
  const int ready = poll(&waiting, 1, static_cast<int>(left));
  if (ready < 0 && errno != EINTR)
    return absl::UnavailableError(protocol::StrCat("poll: ", strerror(errno)));
  if (ready == 0) {
    *timed_out = true;
    return absl::OkStatus();
  }
  if ((waiting.revents & (POLLIN | POLLERR | POLLHUP)) != 0 && PQconsumeInput(connection_) != 1) {
    return LostConnection("reading from the shadow");
  }
  return absl::OkStatus();
}

bool Lane::TakeResult(std::vector<Response>* responses) {
  Pending& current = pending_.front();
  if (!current.begun) {
    current.begun = true;
    if (current.kind == Pending::Kind::statement) PQsetSingleRowMode(connection_);
  }
  if (PQisBusy(connection_) != 0) return false;
  ResultPtr result(PQgetResult(connection_));
  if (result == nullptr) {
    // The NULL that ends a statement's results; stray ones (behind a Sync) mean nothing.
    if (!current.complete)
      return PQstatus(connection_) == CONNECTION_OK && current.kind == Pending::Kind::sync;
    if (current.kind == Pending::Kind::statement) {
      responses->push_back({Response::Kind::statement, current.tag, current.aborted,
                            std::move(current.observation)});
    }
    pending_.pop_front();
    return true;
  }
  const ExecStatusType status = PQresultStatus(result.get());
  if (status == PGRES_PIPELINE_SYNC) {
    responses->push_back({Response::Kind::sync, current.tag, false, {}});
    pending_.pop_front();
    return true;
  }
  if (current.kind == Pending::Kind::statement)
    AddResult(result.get(), current.limits, &current.observation);
  if (status == PGRES_PIPELINE_ABORTED) current.aborted = true;
  if (status != PGRES_SINGLE_TUPLE) {
    current.complete = true;
    // Pipelined: the server began when the statement before was done, or when this one was sent.
    const absl::Time now = absl::Now();
    current.observation.duration_us = static_cast<uint64_t>(
        absl::ToInt64Microseconds(now - std::max(current.sent, last_completed_)));
    last_completed_ = now;
  }
  return true;
}

absl::StatusOr<std::vector<Response>> Lane::Receive(absl::Duration timeout) {
  std::vector<Response> responses;
  const absl::Time deadline = absl::Now() + timeout;
  while (!pending_.empty()) {
    while (!pending_.empty() && TakeResult(&responses)) {
    }
    if (PQstatus(connection_) != CONNECTION_OK) return LostConnection("running on the shadow");
    if (!responses.empty()) {
      if (PQflush(connection_) < 0) return LostConnection("sending to the shadow");
      return responses;
    }
    if (pending_.empty()) break;
    bool timed_out = false;
    if (absl::Status status = WaitReadable(deadline, &timed_out); !status.ok()) return status;
    if (timed_out) break;
  }
  return responses;
}

absl::StatusOr<compare::Observation> Lane::FinishAlone(const CaptureLimits& limits) {
  compare::Observation observation;
  PQsetSingleRowMode(connection_);
  const absl::Time start = absl::Now();
  while (true) {
    while (PQisBusy(connection_) != 0) {
      bool timed_out = false;
      if (absl::Status status = WaitReadable(absl::Now() + absl::Hours(1), &timed_out);
          !status.ok())
        return status;
    }
    ResultPtr result(PQgetResult(connection_));
    if (result == nullptr) break;
    const ExecStatusType status = PQresultStatus(result.get());
    if (status == PGRES_COPY_IN) return absl::InternalError("COPY FROM STDIN outside CopyIn()");
    if (status == PGRES_COPY_OUT) {
      observation.copy_out = true;
      char* buffer = nullptr;
      int length = 0;
      while ((length = PQgetCopyData(connection_, &buffer, 1)) >= 0) {
        if (length > 0) {
          AddRowBody({buffer, static_cast<size_t>(length)}, limits, &observation);
          PQfreemem(buffer);
          continue;
        }
        bool timed_out = false;
        if (absl::Status wait = WaitReadable(absl::Now() + absl::Hours(1), &timed_out); !wait.ok())
          return wait;
      }
      continue;
    }
    AddResult(result.get(), limits, &observation);
  }
  if (PQstatus(connection_) != CONNECTION_OK) return LostConnection("running on the shadow");
  observation.duration_us = static_cast<uint64_t>(absl::ToInt64Microseconds(absl::Now() - start));
  return observation;
}

absl::StatusOr<compare::Observation> Lane::Run(const ShadowStatement& statement,
                                               const CaptureLimits& limits) {
  if (absl::Status status = LeavePipeline(); !status.ok()) return status;
  const ParameterArrays parameters(statement);
  if (PQsendQueryParams(connection_, statement.sql.c_str(), parameters.count(),
                        parameters.types.data(), parameters.values.data(),
                        parameters.lengths.data(), parameters.formats.data(),
                        statement.result_format) != 1) {
    return LostConnection("sending a statement");
  }
  return FinishAlone(limits);
}

absl::StatusOr<compare::Observation> Lane::Run(std::string_view sql) {
  ShadowStatement statement;
  statement.sql = std::string(sql);
  return Run(statement, CaptureLimits{});
}

absl::StatusOr<compare::Observation> Lane::CopyIn(std::string_view sql, std::string_view data) {
  absl::StatusOr<std::optional<compare::Observation>> refused = CopyBegin(sql);
  if (!refused.ok()) return refused.status();
  if (refused->has_value()) return **std::move(refused);
  if (absl::Status status = CopyPut(data); !status.ok()) return status;
  return CopyEnd();
}

absl::StatusOr<std::optional<compare::Observation>> Lane::CopyBegin(std::string_view sql) {
  if (absl::Status status = LeavePipeline(); !status.ok()) return status;
  if (PQsendQueryParams(connection_, std::string(sql).c_str(), 0, nullptr, nullptr, nullptr,
                        nullptr, 0) != 1) {
    return LostConnection("sending COPY");
  }
  while (PQisBusy(connection_) != 0) {
    bool timed_out = false;
    if (absl::Status status = WaitReadable(absl::Now() + kCopyWait, &timed_out); !status.ok())
      return status;
  }
  ResultPtr first(PQgetResult(connection_));
  if (first != nullptr && PQresultStatus(first.get()) == PGRES_COPY_IN)
    return std::optional<compare::Observation>();
  compare::Observation refused;
  if (first != nullptr) AddResult(first.get(), CaptureLimits{}, &refused);
  while (PGresult* more = PQgetResult(connection_)) PQclear(more);
  if (PQstatus(connection_) != CONNECTION_OK) return LostConnection("starting COPY");
  return std::optional<compare::Observation>(std::move(refused));
}

absl::Status Lane::CopyPut(std::string_view data) {
  constexpr size_t kPiece = 64 << 10;
  for (size_t offset = 0; offset < data.size();) {
    const size_t length = std::min(kPiece, data.size() - offset);
    const int queued = PQputCopyData(connection_, data.data() + offset, static_cast<int>(length));
    if (queued < 0) return LostConnection("sending COPY data");
    if (queued == 1) offset += length;
    if (queued == 1 && PQflush(connection_) == 0) continue;
    bool timed_out = false;
    if (absl::Status status = WaitReadable(absl::Now() + kCopyWait, &timed_out); !status.ok())
      return status;
  }
  return absl::OkStatus();
}

absl::StatusOr<compare::Observation> Lane::CopyEnd() {
  while (true) {
    const int ended = PQputCopyEnd(connection_, nullptr);
    if (ended < 0) return LostConnection("ending COPY");
    if (ended == 1) return FinishAlone(CaptureLimits{});
    bool timed_out = false;
    if (absl::Status status = WaitReadable(absl::Now() + kCopyWait, &timed_out); !status.ok())
      return status;
  }
}

absl::StatusOr<std::vector<std::vector<std::string>>> Lane::Query(
    std::string_view sql, const std::vector<std::string>& parameters) {
  ShadowStatement statement;
  statement.sql = std::string(sql);
  for (const std::string& parameter : parameters) statement.values.emplace_back(parameter);
  CaptureLimits limits;
  limits.bytes = 64 << 20;
  absl::StatusOr<compare::Observation> observation = Run(statement, limits);
  if (!observation.ok()) return observation.status();
  if (observation->kind == compare::Observation::Kind::error) {
    const compare::ErrorFields error = compare::DecodeErrorFields(observation->error);
    return absl::FailedPreconditionError(
        protocol::StrCat(error.message, " (SQLSTATE ", error.sqlstate, ")"));
  }
  std::vector<std::vector<std::string>> rows;
  compare::RowReader reader(observation->rows);
  for (compare::RowView row; reader.Next(&row);) {
    std::vector<std::string>& cells = rows.emplace_back();
    for (const compare::Cell& cell : row)
      cells.emplace_back(cell ? std::string(*cell) : std::string());
  }
  return rows;
}

std::vector<ShadowStatement> Lane::SettingsStatements(const Settings& settings) {
  std::vector<ShadowStatement> statements;
  if (!settings_known_) {
    statements.emplace_back().sql = "RESET ALL";
    settings_.clear();
    settings_known_ = true;
  }
  for (const auto& [name, value] : settings_) {
    if (settings.find(name) == settings.end())
      statements.emplace_back().sql = protocol::StrCat("RESET ", name);
  }
  ShadowStatement change;
  for (const auto& [name, value] : settings) {
    // The session's role is the store's affair, never the client's (DESIGN, "Roles").
    if (name == "role" || name == "session_authorization") continue;
    auto found = settings_.find(name);
    if (found != settings_.end() && found->second == value) continue;
    const size_t n = change.values.size();
    absl::StrAppend(&change.sql, n == 0 ? "SELECT " : ", ", "pg_catalog.set_config($", n + 1,
                    "::pg_catalog.text, $", n + 2, "::pg_catalog.text, false)");
    change.values.emplace_back(name);
    change.values.emplace_back(value);
  }
  if (!change.sql.empty()) statements.push_back(std::move(change));
  settings_ = settings;
  settings_.erase("role");
  settings_.erase("session_authorization");
  if (!statements.empty()) settings_hash_ = absl::HashOf(settings_);
  return statements;
}

absl::StatusOr<bool> Lane::SendSettings(const Settings& settings, uint64_t tag, uint64_t sync_tag) {
  const std::vector<ShadowStatement> statements = SettingsStatements(settings);
  for (const ShadowStatement& statement : statements) {
    if (absl::Status status = Send(statement, CaptureLimits{}, tag); !status.ok()) return status;
  }
  if (statements.empty()) return false;
  if (absl::Status status = Sync(sync_tag); !status.ok()) return status;
  return true;
}

absl::Status Lane::ApplySettings(const Settings& settings) {
  for (const ShadowStatement& statement : SettingsStatements(settings)) {
    absl::StatusOr<compare::Observation> done = Run(statement, CaptureLimits{});
    if (!done.ok()) return done.status();
  }
  return absl::OkStatus();
}

void Lane::ForgetPrepared() {
  // Names are never used again, so what the server still holds of them does no harm until this.
  if (idle() && LeavePipeline().ok()) (void)Run("DEALLOCATE ALL");
  prepared_.clear();
  ages_.clear();
}

}  // namespace pgparity::shadow::postgres
