#include "protocol/sql_lexer.h"

#include <algorithm>
#include <array>

#include "absl/strings/ascii.h"
#include "protocol/text.h"

namespace pgparity::protocol {
namespace {

constexpr size_t kIdentifierBytes = 63;  // NAMEDATALEN - 1

// Follows CREATE [OR REPLACE] FUNCTION|PROCEDURE ... BEGIN ATOMIC ...; ... END, the one construct
// outside of parentheses in which a semicolon does not end the statement.
class RoutineBody {
 public:
  // To be told of each token outside of parentheses.
  void Add(const Token& token) {
    switch (state_) {
      case State::start:
        state_ = token.Is("CREATE") ? State::create : State::other;
        break;
      case State::create:
        if (token.Is("FUNCTION") || token.Is("PROCEDURE")) {
          state_ = State::routine;
        } else if (!token.Is("OR") && !token.Is("REPLACE")) {
          state_ = State::other;
        }
        break;
      case State::routine:
        if (token.Is("ATOMIC") && last_ == Last::begin) {
          state_ = State::body;
          depth_ = 1;
        }
        break;
      case State::body:
        // Behind a dot or AS these words are names.
        if (last_ == Last::names) break;
        if (token.Is("CASE")) ++depth_;
        if (token.Is("END") && --depth_ == 0) state_ = State::other;
        break;
      case State::other:
        break;
    }
    last_ = token.Is("BEGIN")                       ? Last::begin
            : token.Is("AS") || token.IsSymbol('.') ? Last::names
                                                    : Last::other;
  }
  bool open() const { return state_ == State::body; }

 private:
  enum class State : uint8_t { start, create, routine, body, other };
  enum class Last : uint8_t { begin, names, other };
  State state_ = State::start;
  Last last_ = Last::other;
  size_t depth_ = 0;
};

// First keywords of PostgreSQL's statements, sorted.
constexpr std::array<std::string_view, 52> kKeywords = {
    "ABORT",   "ALTER",   "ANALYZE", "BEGIN",    "CALL",      "CHECKPOINT", "CLOSE",
    "CLUSTER", "COMMENT", "COMMIT",  "COPY",     "CREATE",    "DEALLOCATE", "DECLARE",
    "DELETE",  "DISCARD", "DO",      "DROP",     "END",       "EXECUTE",    "EXPLAIN",
    "FETCH",   "GRANT",   "IMPORT",  "INSERT",   "LISTEN",    "LOAD",       "LOCK",
    "MERGE",   "MOVE",    "NOTIFY",  "PREPARE",  "REASSIGN",  "REFRESH",    "REINDEX",
    "RELEASE", "RESET",   "REVOKE",  "ROLLBACK", "SAVEPOINT", "SECURITY",   "SELECT",
    "SET",     "SHOW",    "START",   "TABLE",    "TRUNCATE",  "UNLISTEN",   "UPDATE",
    "VACUUM",  "VALUES",  "WITH"};

// The name that an identifier token stands for; nullopt when it takes decoding to tell.
std::optional<std::string> IdentifierName(const Token& token) {
  std::string name;
  if (token.kind == TokenKind::word) {
    name = absl::AsciiStrToLower(ToAbsl(token.text));
  } else if (token.kind == TokenKind::quoted_identifier && token.text.front() == '"' &&
             token.text.size() >= 2) {
    const std::string_view inner = token.text.substr(1, token.text.size() - 2);
    for (size_t i = 0; i < inner.size(); ++i) {
      name.push_back(inner[i]);
      if (inner[i] == '"') ++i;
    }
  } else {
    return std::nullopt;
  }
  if (name.size() > kIdentifierBytes) {
    size_t end = kIdentifierBytes;
    while (end > 0 && (static_cast<unsigned char>(name[end]) & 0xC0) == 0x80) --end;
    name.resize(end);
  }
  return name;
}

// Behind COMMIT or ROLLBACK: [WORK|TRANSACTION] [AND [NO] CHAIN].
bool Chains(SqlTokenizer* tokens, Token token) {
  if (token.Is("WORK") || token.Is("TRANSACTION")) token = tokens->Next();
  return token.Is("AND") && tokens->Next().Is("CHAIN");
}

TransactionCommand ClassifyRollback(SqlTokenizer* tokens) {
  Token token = tokens->Next();
  if (token.Is("PREPARED")) return TransactionCommand::rollback_prepared;
  if (token.Is("WORK") || token.Is("TRANSACTION")) token = tokens->Next();
  if (token.Is("TO")) return TransactionCommand::rollback_to_savepoint;
  return Chains(tokens, token) ? TransactionCommand::rollback_and_chain
                               : TransactionCommand::rollback;
}

// Behind PREPARE: name [(types)] AS statement.
PreparedStatementCommand ClassifyPrepare(std::string_view statement,
                                         bool standard_conforming_strings, SqlTokenizer* tokens) {
  PreparedStatementCommand command;
  const std::optional<std::string> name = IdentifierName(tokens->Next());
  if (!name) return command;
  Token token = tokens->Next();
  if (token.IsSymbol('(')) {
    for (size_t depth = 1; depth > 0 && token.kind != TokenKind::end;) {
      token = tokens->Next();
      if (token.IsSymbol('(')) ++depth;
      if (token.IsSymbol(')')) --depth;
    }
    token = tokens->Next();
  }
  if (!token.Is("AS")) return command;
  command.kind = PreparedStatementCommand::Kind::prepare;
  command.name = *name;
  const std::string_view rest = statement.substr(tokens->position());
  command.text =
      StatementSplitter(rest, standard_conforming_strings).Next().value_or(std::string_view());
  return command;
}

PreparedStatementCommand ClassifyDeallocate(SqlTokenizer* tokens) {
  using Kind = PreparedStatementCommand::Kind;
  PreparedStatementCommand command;
  Token token = tokens->Next();
  if (token.Is("PREPARE")) {
    const Token next = tokens->Next();
    if (next.kind != TokenKind::end) token = next;
  }
  const std::optional<std::string> name = IdentifierName(token);
  command.kind = token.Is("ALL") || !name ? Kind::deallocate_all : Kind::deallocate;
  if (command.kind == Kind::deallocate) command.name = *name;
  return command;
}

}  // namespace

std::optional<std::string_view> StatementSplitter::Next() {
  size_t begin = std::string_view::npos;
  size_t end = 0;
  size_t parentheses = 0;
  RoutineBody body;
  for (Token token = tokens_.Next(); token.kind != TokenKind::end; token = tokens_.Next()) {
    const bool started = begin != std::string_view::npos;
    if (token.IsSymbol(';') && parentheses == 0 && !body.open()) {
      if (started) break;
      continue;
    }
    if (!started) begin = static_cast<size_t>(token.text.data() - sql_.data());
    end = tokens_.position();
    if (token.IsSymbol('(')) ++parentheses;
    if (token.IsSymbol(')') && parentheses > 0) --parentheses;
    if (parentheses == 0) body.Add(token);
  }
  if (begin == std::string_view::npos) return std::nullopt;
  return sql_.substr(begin, end - begin);
}

std::vector<std::string_view> SplitStatements(std::string_view sql,
                                              bool standard_conforming_strings) {
  std::vector<std::string_view> statements;
  StatementSplitter splitter(sql, standard_conforming_strings);
  while (const std::optional<std::string_view> statement = splitter.Next())
    statements.push_back(*statement);
  return statements;
}

TransactionCommand ClassifyTransactionCommand(std::string_view statement) {
  using Command = TransactionCommand;
  // No token that decides lies behind the sixth, and no literal before it.
  SqlTokenizer tokens(statement, true);
  Token first = tokens.Next();
  while (first.IsSymbol(';')) first = tokens.Next();
  if (first.Is("BEGIN")) return Command::begin;
  if (first.Is("START")) return tokens.Next().Is("TRANSACTION") ? Command::begin : Command::none;
  if (first.Is("COMMIT") || first.Is("END")) {
    const Token next = tokens.Next();
    if (first.Is("COMMIT") && next.Is("PREPARED")) return Command::commit_prepared;
    return Chains(&tokens, next) ? Command::commit_and_chain : Command::commit;
  }
  if (first.Is("ROLLBACK")) return ClassifyRollback(&tokens);
  if (first.Is("ABORT")) {
    return Chains(&tokens, tokens.Next()) ? Command::rollback_and_chain : Command::rollback;
  }
  if (first.Is("SAVEPOINT")) return Command::savepoint;
  if (first.Is("RELEASE")) return Command::release_savepoint;
  // A statement may be called "transaction": PREPARE transaction AS ...
  if (first.Is("PREPARE") && tokens.Next().Is("TRANSACTION") &&
      tokens.Next().kind == TokenKind::string) {
    return Command::prepare_transaction;
  }
  return Command::none;
}

bool IsCommit(TransactionCommand command) {
  return command == TransactionCommand::commit || command == TransactionCommand::commit_and_chain ||
         command == TransactionCommand::prepare_transaction ||
         command == TransactionCommand::commit_prepared;
}

PreparedStatementCommand ClassifyPreparedStatementCommand(std::string_view statement,
                                                          bool standard_conforming_strings) {
  SqlTokenizer tokens(statement, standard_conforming_strings);
  const Token first = tokens.Next();
  if (first.Is("PREPARE")) return ClassifyPrepare(statement, standard_conforming_strings, &tokens);
  if (first.Is("DEALLOCATE")) return ClassifyDeallocate(&tokens);
  PreparedStatementCommand command;
  if (first.Is("DISCARD") && tokens.Next().Is("ALL"))
    command.kind = PreparedStatementCommand::Kind::discard_all;
  return command;
}

std::string_view FirstKeyword(std::string_view statement) {
  SqlTokenizer tokens(statement, true);
  Token token = tokens.Next();
  while (token.IsSymbol('(')) token = tokens.Next();
  if (token.kind != TokenKind::word || token.text.size() > 31) return {};
  const std::string upper = absl::AsciiStrToUpper(ToAbsl(token.text));
  const auto found = std::lower_bound(kKeywords.begin(), kKeywords.end(), std::string_view(upper));
  return found != kKeywords.end() && *found == upper ? *found : std::string_view();
}

}  // namespace pgparity::protocol
