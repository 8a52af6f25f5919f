// A small model of a server, for random scripts: what it answers to each message of a client, and
// what a tracker that follows both must tell. It shares no code with the tracker.
#pragma once

#include <map>
#include <optional>
#include <random>
#include <string>
#include <vector>

namespace pgparity::protocol {

// A client's message. Texts are of the model's own small language; see RandomScript.
struct ScriptMessage {
  char tag = 0;
  std::string name = {};   // statement (Parse), portal (Bind, Execute), or of Describe and Close
  std::string other = {};  // Bind's statement, Parse's text, CopyData's data
  std::vector<std::string> statements = {};  // Query's
  char kind = 'S';                           // of Describe and Close
  int max_rows = 0;

  std::string Bytes() const;
};

std::vector<ScriptMessage> RandomScript(std::mt19937* random);

class ScriptedServer {
 public:
  // What the server answers to this message.
  std::string Answer(const ScriptMessage& message);
  // What is to be told, in the words of RecordedEvents, without "commit sent".
  const std::vector<std::string>& log() const { return log_; }

 private:
  // `id` tells statements of one text apart; 0: not known.
  struct Statement {
    std::string sql = "<unknown>";
    int id = 0;
  };
  struct Result {
    std::string error = {};
    std::string tag = {};
    int rows = 0;
    char copy = 0;  // 'G' in, 'H' out
  };
  // An error of Parse or Bind that waits for its Execute.
  struct Refused {
    std::string error;
    Statement statement;
    std::optional<std::string> portal;
  };

  std::string AnswerQuery();
  std::string AnswerExecute(const ScriptMessage& message);
  std::string AnswerNamed(const ScriptMessage& message);
  std::string AnswerCopy(const ScriptMessage& message);
  std::string Fail(const std::string& error);
  void Skip(const ScriptMessage& message);
  void SkipExecute(const ScriptMessage& message);
  void FlushRefused();
  std::string Ready();
  Result Run(const std::string& sql);
  Result RunTransactional(const std::string& sql);
  bool Refuses(const std::string& sql) const;
  void Log(const std::string& sql, const std::string& end) { log_.push_back(sql + " -> " + end); }

  char status_ = 'I';
  bool savepoint_ = false;
  bool skipping_ = false;
  std::vector<std::string> query_;  // statements of the Query that are still to run
  std::string copying_;             // the COPY FROM STDIN that is being fed
  bool copying_extended_ = false;
  std::map<std::string, Statement> statements_, skipped_statements_, portals_, skipped_portals_;
  int last_id_ = 0;
  std::optional<Refused> refused_;
  std::vector<std::string> log_;
};

}  // namespace pgparity::protocol
