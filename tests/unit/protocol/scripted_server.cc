#include "tests/unit/protocol/scripted_server.h"

#include <utility>

#include "tests/support/message_builders.h"

namespace pgparity::protocol {
namespace {

namespace client = testing::client;
namespace server = testing::server;

bool StartsWith(const std::string& text, const std::string& prefix) {
  return text.rfind(prefix, 0) == 0;
}

std::string Joined(const std::vector<std::string>& statements) {
  std::string sql;
  for (const std::string& statement : statements) sql += statement + "; /* ; */";
  return sql;
}

std::string RandomStatement(std::mt19937* random) {
  static const std::vector<std::string> kStatements = {
      "BEGIN",
      "START TRANSACTION",
      "COMMIT",
      "END",
      "ROLLBACK",
      "COMMIT AND CHAIN",
      "SAVEPOINT s",
      "ROLLBACK TO s",
      "ABORT AND CHAIN",
      "COPY t FROM STDIN",
      "COPY bad FROM STDIN",
      "COPY t TO STDOUT",
      "FAIL",
      "SYNTAX",
      "SELECT 3",
      "INSERT ';'",
      "INSERT $$;$$",
      "SELECT 0",
      "SELECT 2",
      "INSERT E'\\';'",
  };
  return kStatements[(*random)() % kStatements.size()];
}

void AppendCopyData(std::mt19937* random, std::vector<ScriptMessage>* script) {
  for (auto count = (*random)() % 3; count > 0; --count) {
    script->push_back({.tag = 'd', .other = "data" + std::to_string(count)});
  }
  script->push_back({.tag = (*random)() % 4 == 0 ? 'f' : 'c'});
}

std::string Name(std::mt19937* random, const char* prefix) {
  const auto pick = (*random)() % 3;
  return pick == 0 ? "" : prefix + std::to_string(pick);
}

void AppendExtended(std::mt19937* random, std::vector<ScriptMessage>* script) {
  const std::string statement = Name(random, "s");
  const std::string portal = Name(random, "p");
  const std::string sql = RandomStatement(random);
  if ((*random)() % 4 != 0) {
    script->push_back({.tag = 'C', .name = statement});
    script->push_back({.tag = 'P', .name = statement, .other = sql});
  }
  if ((*random)() % 5 == 0) script->push_back({.tag = 'D', .name = statement});
  if ((*random)() % 6 != 0) {
    script->push_back({.tag = 'C', .name = portal, .kind = 'P'});
    script->push_back({.tag = 'B', .name = portal, .other = statement});
  }
  for (auto count = (*random)() % 3; count > 0; --count) {
    script->push_back({.tag = 'E', .name = portal, .max_rows = static_cast<int>((*random)() % 3)});
    if (StartsWith(sql, "COPY t FROM") || StartsWith(sql, "COPY bad")) {
      if ((*random)() % 2 == 0) script->push_back({.tag = (*random)() % 2 == 0 ? 'S' : 'H'});
      AppendCopyData(random, script);
    }
  }
  if ((*random)() % 3 == 0) script->push_back({.tag = 'S'});
}

}  // namespace

std::string ScriptMessage::Bytes() const {
  switch (tag) {
    case 'Q':
      return client::Query(Joined(statements));
    case 'P':
      return client::Parse(name, other);
    case 'B':
      return client::Bind(name, other);
    case 'D':
      return kind == 'S' ? client::DescribeStatement(name) : client::DescribePortal(name);
    case 'C':
      return kind == 'S' ? client::CloseStatement(name) : client::ClosePortal(name);
    case 'E':
      return client::Execute(name, max_rows);
    case 'F':
      return client::FunctionCall(1);
    case 'd':
      return client::CopyData(other);
    case 'f':
      return client::CopyFail("no");
    default:
      return testing::Message(tag, "");
  }
}

std::vector<ScriptMessage> RandomScript(std::mt19937* random) {
  std::vector<ScriptMessage> script;
  while (script.size() < 60) {
    const auto pick = (*random)() % 10;
    if (pick < 6) {
      AppendExtended(random, &script);
    } else if (pick < 9) {
      ScriptMessage query{.tag = 'Q'};
      for (auto count = (*random)() % 5; count > 0; --count)
        query.statements.push_back(RandomStatement(random));
      script.push_back(query);
      for (const std::string& sql : query.statements) {
        if (StartsWith(sql, "COPY t FROM") || StartsWith(sql, "COPY bad"))
          AppendCopyData(random, &script);
      }
    } else {
      script.push_back({.tag = 'F'});
    }
  }
  // Whatever state it is in, a COPY included, this brings it to rest.
  script.push_back({.tag = 'c'});
  script.push_back({.tag = 'c'});
  script.push_back({.tag = 'S'});
  return script;
}

std::string ScriptedServer::Ready() {
  if (status_ == 'I') {
    portals_.clear();
    savepoint_ = false;
  }
  log_.push_back(std::string("ready ") + status_);
  return server::ReadyForQuery(status_);
}

bool ScriptedServer::Refuses(const std::string& sql) const {
  if (status_ != 'E') return false;
  return !StartsWith(sql, "COMMIT") && !StartsWith(sql, "END") && !StartsWith(sql, "ROLLBACK") &&
         !StartsWith(sql, "ABORT");
}

ScriptedServer::Result ScriptedServer::RunTransactional(const std::string& sql) {
  const bool chain = sql.find("CHAIN") != std::string::npos;
  if (sql == "BEGIN" || sql == "START TRANSACTION") {
    status_ = 'T';
    return {.tag = sql};
  }
  if (sql == "SAVEPOINT s") {
    if (status_ == 'I') return {.error = "25P01"};
    savepoint_ = true;
    return {.tag = "SAVEPOINT"};
  }
  if (sql == "ROLLBACK TO s") {
    if (status_ == 'I') return {.error = "25P01"};
    if (!savepoint_) return {.error = "3B001"};
    status_ = 'T';
    return {.tag = "ROLLBACK"};
  }
  if (chain && status_ == 'I') return {.error = "25P01"};
  const bool commit = (StartsWith(sql, "COMMIT") || sql == "END") && status_ != 'E';
  status_ = chain ? 'T' : 'I';
  savepoint_ = false;
  portals_.clear();
  return {.tag = commit ? "COMMIT" : "ROLLBACK"};
}

ScriptedServer::Result ScriptedServer::Run(const std::string& sql) {
  if (Refuses(sql)) return {.error = "25P02"};
  if (sql == "FAIL" || sql == "SYNTAX") return {.error = "22012"};
  if (StartsWith(sql, "SELECT")) return {.tag = sql, .rows = sql.back() - '0'};
  if (StartsWith(sql, "INSERT")) return {.tag = "INSERT 0 1"};
  if (sql == "COPY t TO STDOUT") return {.tag = "COPY 1", .copy = 'H'};
  if (StartsWith(sql, "COPY")) return {.tag = "COPY 1", .copy = 'G'};
  return RunTransactional(sql);
}

std::string ScriptedServer::Fail(const std::string& error) {
  if (status_ == 'T') status_ = 'E';
  return server::Error(error);
}

std::string ScriptedServer::AnswerQuery() {
  std::string replies;
  while (!query_.empty()) {
    const std::string sql = query_.front();
    const Result result = Run(sql);
    if (!result.error.empty()) {
      Log(sql, "error " + result.error);
      query_.clear();
      replies += Fail(result.error);
      return replies + Ready();
    }
    if (result.copy == 'G') {
      copying_ = sql;
      copying_extended_ = false;
      return replies + server::CopyInResponse();
    }
    if (result.copy == 'H')
      replies += server::CopyOutResponse() + server::CopyData("x") + server::CopyDone();
    if (result.rows > 0) replies += server::RowDescription({{"a"}});
    for (int i = 0; i < result.rows; ++i) replies += server::DataRow({"v"});
    replies += server::CommandComplete(result.tag);
    Log(sql, result.tag);
    query_.erase(query_.begin());
  }
  return replies + Ready();
}

std::string ScriptedServer::AnswerExecute(const ScriptMessage& message) {
  const auto found = portals_.find(message.name);
  if (found == portals_.end()) {
    Log("<unknown>", "error 34000");
    skipping_ = true;
    return Fail("34000");
  }
  const std::string sql = found->second.sql;
  if (StartsWith(sql, "SELECT") && message.max_rows > 0 && message.max_rows <= sql.back() - '0' &&
      !Refuses(sql)) {
    std::string replies;
    for (int i = 0; i < message.max_rows; ++i) replies += server::DataRow({"v"});
    Log(sql, "suspended");
    return replies + server::PortalSuspended();
  }
  const Result result = Run(sql);
  if (!result.error.empty()) {
    Log(sql, "error " + result.error);
    skipping_ = true;
    return Fail(result.error);
  }
  if (result.copy == 'G') {
    copying_ = sql;
    copying_extended_ = true;
    return server::CopyInResponse();
  }
  std::string replies;
  if (result.copy == 'H')
    replies = server::CopyOutResponse() + server::CopyData("x") + server::CopyDone();
  for (int i = 0; i < result.rows; ++i) replies += server::DataRow({"v"});
  Log(sql, result.tag);
  return replies + server::CommandComplete(result.tag);
}

// During COPY FROM STDIN.
std::string ScriptedServer::AnswerCopy(const ScriptMessage& message) {
  if (message.tag == 'S' || message.tag == 'H') return "";
  if (message.tag == 'd') log_.push_back("copy data: " + copying_ + ": " + message.other);
  const bool bad = copying_ == "COPY bad FROM STDIN";
  if (message.tag == 'd' && !bad) return "";
  const std::string sql = std::exchange(copying_, "");
  if (message.tag == 'c') {
    Log(sql, "COPY 1");
    if (copying_extended_) return server::CommandComplete("COPY 1");
    query_.erase(query_.begin());
    return server::CommandComplete("COPY 1") + AnswerQuery();
  }
  const std::string error = message.tag == 'd' ? "22P02" : "57014";
  Log(sql, "error " + error);
  const std::string reply = Fail(error);
  query_.clear();
  if (!copying_extended_) return reply + Ready();
  skipping_ = true;
  return reply;
}

void ScriptedServer::FlushRefused() {
  if (refused_) Log(refused_->statement.sql, "error " + refused_->error);
  refused_.reset();
}

void ScriptedServer::SkipExecute(const ScriptMessage& message) {
  const auto& from = skipped_portals_.count(message.name) > 0 ? skipped_portals_ : portals_;
  const auto found = from.find(message.name);
  const Statement statement = found == from.end() ? Statement() : found->second;
  const bool claims = refused_ && found != from.end() && statement.id == refused_->statement.id &&
                      (!refused_->portal || *refused_->portal == message.name);
  if (claims) {
    FlushRefused();
  } else {
    Log(statement.sql, "skipped");
  }
}

void ScriptedServer::Skip(const ScriptMessage& message) {
  if (message.tag == 'P') skipped_statements_[message.name] = {message.other, ++last_id_};
  if (message.tag == 'B') {
    const auto& from =
        skipped_statements_.count(message.other) > 0 ? skipped_statements_ : statements_;
    const auto found = from.find(message.other);
    // Two statements that are not known are not the same.
    skipped_portals_[message.name] =
        found == from.end() ? Statement{"<unknown>", ++last_id_} : found->second;
  }
  if (message.tag == 'E') SkipExecute(message);
  if (message.tag == 'Q') {
    for (const std::string& sql : message.statements) Log(sql, "skipped");
  }
}

// Parse, Bind, Describe, Close.
std::string ScriptedServer::AnswerNamed(const ScriptMessage& message) {
  Refused refused;
  if (message.tag == 'P') {
    refused.statement = {message.other, ++last_id_};
    if (message.other == "SYNTAX") refused.error = "42601";
    if (Refuses(message.other)) refused.error = "25P02";
    if (message.name.empty()) statements_.erase("");
    if (refused.error.empty()) {
      statements_[message.name] = refused.statement;
      return server::ParseComplete();
    }
    skipped_statements_[message.name] = refused.statement;
  } else if (message.tag == 'B') {
    const auto found = statements_.find(message.other);
    refused.statement =
        found == statements_.end() ? Statement{"<unknown>", ++last_id_} : found->second;
    refused.portal = message.name;
    if (found == statements_.end()) refused.error = "26000";
    if (found != statements_.end() && Refuses(found->second.sql)) refused.error = "25P02";
    if (refused.error.empty()) {
      portals_[message.name] = found->second;
      return server::BindComplete();
    }
    skipped_portals_[message.name] = refused.statement;
  } else if (message.tag == 'D') {
    const auto found = statements_.find(message.name);
    if (found != statements_.end()) {
      const bool rows = StartsWith(found->second.sql, "SELECT");
      return server::ParameterDescription({}) +
             (rows ? server::RowDescription({{"a"}}) : server::NoData());
    }
    refused.statement.id = ++last_id_;
    refused.error = "26000";
  } else {
    if (message.kind == 'S') statements_.erase(message.name);
    if (message.kind == 'P') portals_.erase(message.name);
    return server::CloseComplete();
  }
  refused_ = refused;
  skipping_ = true;
  return Fail(refused.error);
}

std::string ScriptedServer::Answer(const ScriptMessage& message) {
  if (!copying_.empty()) {
    if (std::string("dcfSH").find(message.tag) != std::string::npos) return AnswerCopy(message);
    const std::string sql = std::exchange(copying_, "");
    Log(sql, "error 08P01");
    query_.clear();
    const std::string reply = Fail("08P01");
    if (!copying_extended_) return reply + Ready();
    skipping_ = true;
    return reply;
  }
  if (message.tag == 'S') {
    if (skipping_) FlushRefused();
    skipping_ = false;
    skipped_statements_.clear();
    skipped_portals_.clear();
    return Ready();
  }
  if (skipping_) {
    Skip(message);
    return "";
  }
  switch (message.tag) {
    case 'Q':
      query_ = message.statements;
      statements_.erase("");
      portals_.erase("");
      if (query_.empty()) {
        Log("", "empty");
        return server::EmptyQueryResponse() + Ready();
      }
      return AnswerQuery();
    case 'E':
      return AnswerExecute(message);
    case 'F':
      if (status_ == 'E') {
        Log("<function>", "error 25P02");
        return server::Error("25P02") + Ready();
      }
      Log("<function>", "function result");
      return server::FunctionCallResponse("x") + Ready();
    case 'P':
    case 'B':
    case 'D':
    case 'C':
      return AnswerNamed(message);
    default:
      return "";
  }
}

}  // namespace pgparity::protocol
