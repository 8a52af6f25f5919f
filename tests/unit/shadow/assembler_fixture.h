// A journal in memory, an assembler, and sessions that speak in wire bytes.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "protocol/text.h"
#include "shadow/assembler.h"
#include "shadow/sequencer.h"
#include "tests/support/faulty_files.h"
#include "tests/support/message_builders.h"

namespace pgparity::shadow {

namespace client = pgparity::testing::client;
namespace server = pgparity::testing::server;
using protocol::StrCat;
using support::FaultyFiles;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

inline constexpr uint64_t kA = 1, kB = 2;

// A journalled unit in one line: its end, whether its key is an instant, its statements.
inline std::string Summary(const Unit& unit) {
  std::string line;
  switch (unit.header.end) {
    case UnitEnd::committed:
      line = "committed";
      break;
    case UnitEnd::rolled_back:
      line = "rolled back";
      break;
    case UnitEnd::in_doubt:
      line = "in doubt";
      break;
    default:
      line = "?";
  }
  if (unit.header.explicit_block) line += " at";
  if (!unit.header.gid.empty()) line += " gid=" + unit.header.gid;
  line += ":";
  for (const Statement& statement : unit.statements) {
    using Kind = compare::Observation::Kind;
    const char* mark = statement.primary.kind == Kind::error     ? "!"
                       : statement.primary.kind == Kind::skipped ? "~"
                                                                 : "";
    line += StrCat(" ", statement.sql, mark, ";");
  }
  return line;
}

class AssemblerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    journal_ = JournalWriter::Open("/d", {.files = &files_}).value();
    Make({});
    Open(kA);
  }
  void TearDown() override { assembler_.reset(); }

  void Make(AssemblerOptions options) {
    assembler_.reset();
    options_ = options;
    assembler_ = std::make_unique<UnitAssembler>(journal_.get(), options, /*wall_offset=*/1000,
                                                 [this](std::string_view reason, std::string_view) {
                                                   unwritten_gaps_.emplace_back(reason);
                                                 });
  }
  void ReopenJournal(JournalOptions options) {
    assembler_.reset();
    journal_.reset();
    options.files = &files_;
    journal_ = JournalWriter::Open("/d", options).value();
  }
  void Open(uint64_t session, Settings startup = {}) {
    assembler_->SessionOpened(session, {"alice", "shop", "app", std::move(startup)}, ++now_);
  }
  // Each message is a step of the clock.
  Stamp Client(uint64_t session, const std::string& bytes) {
    const pgparity::testing::ExactBuffer buffer(bytes);
    assembler_->ClientBytes(session, buffer.view(), ++now_);
    return now_;
  }
  Stamp Server(uint64_t session, const std::string& bytes) {
    const pgparity::testing::ExactBuffer buffer(bytes);
    assembler_->ServerBytes(session, buffer.view(), ++now_);
    return now_;
  }
  // A simple Query that is answered with these tags ("!" for an error, "" for an empty query) and
  // status.
  void Simple(uint64_t session, const std::string& sql, const std::vector<std::string>& tags,
              char status) {
    Client(session, client::Query(sql));
    std::string answer;
    for (const std::string& tag : tags) {
      answer += tag == "!"    ? server::Error("23505")
                : tag.empty() ? server::EmptyQueryResponse()
                              : server::CommandComplete(tag);
    }
    Server(session, answer + server::ReadyForQuery(status));
  }
  static std::string Extended(const std::string& sql) {
    return client::Parse("", sql) + client::Bind("", "") + client::Execute();
  }
  static std::string Answer(const std::string& tag) {
    return server::ParseComplete() + server::BindComplete() + server::CommandComplete(tag);
  }
  void Close(uint64_t session) { assembler_->SessionClosed(session, ++now_); }
  void Advance() { assembler_->AdvanceTo(++now_); }

  // The units journalled so far, in journal order.
  std::vector<Unit> Units() {
    EXPECT_TRUE(journal_->Flush().ok());
    auto reader = JournalReader::Open("/d", &files_).value();
    std::vector<Unit> units;
    std::map<uint64_t, std::vector<Statement>> parts;
    gaps_.clear();
    skipped_ = watermarks_ = 0;
    while (true) {
      const auto record = reader->Next();
      EXPECT_TRUE(record.ok()) << record.status();
      if (!record.ok() || !record->has_value()) return units;
      const Record& r = **record;
      if (r.type == RecordType::gap) gaps_.push_back(std::string(r.gap_reason));
      if (r.type == RecordType::reads_skipped) skipped_ += r.skipped_units;
      if (r.type == RecordType::watermark) ++watermarks_;
      if (r.type == RecordType::unit_dropped) parts.erase(r.unit_id);
      if (r.type != RecordType::unit && r.type != RecordType::unit_part &&
          r.type != RecordType::unit_end)
        continue;
      std::vector<Statement> statements = DecodeStatements(r.statements).value();
      if (r.type == RecordType::unit_part) {
        for (Statement& s : statements) parts[r.unit_id].push_back(std::move(s));
        ++part_records_;
        continue;
      }
      Unit unit;
      unit.header = DecodeHeader(r.header).value();
      if (r.type == RecordType::unit_end) unit.statements = std::move(parts[r.unit_id]);
      for (Statement& s : statements) unit.statements.push_back(std::move(s));
      units.push_back(std::move(unit));
    }
  }
  std::vector<std::string> Summaries() {
    std::vector<std::string> lines;
    for (const Unit& unit : Units()) lines.push_back(Summary(unit));
    return lines;
  }

  FaultyFiles files_;
  std::unique_ptr<JournalWriter> journal_;
  AssemblerOptions options_;
  std::unique_ptr<UnitAssembler> assembler_;
  Stamp now_ = 100;
  std::vector<std::string> unwritten_gaps_, gaps_;
  uint64_t skipped_ = 0, watermarks_ = 0, part_records_ = 0;
};

}  // namespace pgparity::shadow
