// A session tracker fed with wire bytes, and what it told.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "protocol/backend.h"
#include "protocol/frame.h"
#include "protocol/session_tracker.h"
#include "tests/support/message_builders.h"

namespace pgparity::protocol {

// One line an event: "busy", "commit sent", "copy data: ...", "ready T", "lost: ...", and for a
// statement "<sql> -> <tag>", "-> error <sqlstate>", "-> skipped", ...
class RecordedEvents : public TrackerEvents {
 public:
  void OnCommitSent(Stamp stamp) override {
    log.push_back("commit sent");
    commit_stamps.push_back(stamp);
  }
  void OnBusy(Stamp stamp) override { busy_stamps.push_back(stamp); }
  void OnCopyInData(const std::shared_ptr<const std::string>& sql, std::string_view data) override {
    log.push_back("copy data: " + *sql + ": " + std::string(data));
  }
  void OnStatement(StatementEvent event) override {
    std::string line = event.known_text ? *event.sql : "<unknown>";
    if (event.protocol == QueryProtocol::function_call) line = "<function>";
    if (event.implicit_commit) line = "<implicit commit>";
    log.push_back(line + " -> " + End(event.reply));
    statements.push_back(std::move(event));
  }
  void OnReady(TransactionStatus predicted, TransactionStatus actual, Stamp,
               bool outstanding) override {
    std::string line = "ready " + std::string(1, static_cast<char>(actual));
    if (predicted != actual) line += " predicted " + std::string(1, static_cast<char>(predicted));
    if (outstanding) line += " outstanding";
    log.push_back(line);
  }
  void OnParameterStatus(std::string_view name, std::string_view value) override {
    log.push_back("parameter " + std::string(name) + "=" + std::string(value));
  }
  void OnLost(const absl::Status& why) override {
    log.push_back("lost: " + std::string(why.message()));
  }

  std::vector<std::string> log;
  std::vector<StatementEvent> statements;
  std::vector<Stamp> busy_stamps, commit_stamps;

 private:
  static std::string End(const Reply& reply) {
    switch (reply.end) {
      case Reply::End::command_complete:
        return reply.tag;
      case Reply::End::empty_query:
        return "empty";
      case Reply::End::portal_suspended:
        return "suspended";
      case Reply::End::error: {
        const auto message = DecodeBackend('E', reply.error);
        return "error " + std::string(std::get<backend::ErrorResponse>(*message).sqlstate());
      }
      case Reply::End::function_result:
        return "function result";
      case Reply::End::skipped:
        return "skipped";
    }
    return "?";
  }
};

// Each call is one piece, stamped with the next number from 1 on.
class TrackedSession {
 public:
  explicit TrackedSession(size_t max_body = size_t{1} << 20)
      : client_(max_body), server_(max_body) {}

  TrackedSession& Client(std::string_view bytes) {
    ++stamp_;
    const testing::ExactBuffer buffer(bytes);
    client_.Push(buffer.view(), stamp_);
    while (const std::optional<Frame> frame = *client_.Next()) tracker.OnClientFrame(*frame);
    return *this;
  }
  TrackedSession& Server(std::string_view bytes) {
    ++stamp_;
    const testing::ExactBuffer buffer(bytes);
    server_.Push(buffer.view(), stamp_);
    while (const std::optional<Frame> frame = *server_.Next()) tracker.OnServerFrame(*frame);
    return *this;
  }
  // The lines logged since the last call.
  std::vector<std::string> Take() { return std::exchange(events.log, {}); }
  const StatementEvent& Last() const { return events.statements.back(); }
  Stamp stamp() const { return stamp_; }

  RecordedEvents events;
  SessionTracker tracker{&events};

 private:
  FrameReader client_, server_;
  Stamp stamp_ = 0;
};

}  // namespace pgparity::protocol
