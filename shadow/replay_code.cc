// What the body of a DO block or other code does, as far as its words tell (replay_rules.h).
#include <string>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "shadow/replay_rules.h"
#include "shadow/token_scanner.h"
#include "shadow/words.h"

namespace pgparity::shadow {

namespace {

using Words = absl::flat_hash_set<std::string_view>;

bool IsClusterObject(std::string_view word) {
  static const Words& words =
      *new Words{"role",         "user",   "group",   "database", "tablespace",
                 "subscription", "server", "foreign", "system"};
  return words.contains(word);
}

constexpr int kMaxCodeNesting = 4;

// Calls fn(previous word, word, followed by '(') for the words of the code and of its literals.
template <typename Fn>
void ForEachWord(std::string_view code, int nesting, Fn&& fn) {
  TokenScanner scanner(code);
  std::string previous;
  Token token = scanner.Next();
  while (token.kind != TokenKind::end) {
    const std::string_view text = scanner.Text(token);
    const Token next =
        token.kind == TokenKind::bad && token.end() >= code.size() ? Token{} : scanner.Next();
    if (token.kind == TokenKind::identifier || token.kind == TokenKind::quoted_identifier) {
      std::string word =
          token.kind == TokenKind::identifier ? Lower(text) : std::string(InsideOfLiteral(text));
      fn(previous, word, IsChar(code, next, '('));
      previous = std::move(word);
    } else if (token.kind == TokenKind::string || token.kind == TokenKind::bad) {
      if (nesting < kMaxCodeNesting) {
        const std::string_view inside = token.kind == TokenKind::bad && text.size() > 1
                                            ? text.substr(1)
                                            : InsideOfLiteral(text);
        ForEachWord(inside, nesting + 1, fn);
      }
      previous.clear();
    } else if (!IsChar(code, token, '.')) {
      previous.clear();
    }
    token = next;
  }
}

}  // namespace

std::string_view ReasonAgainstCode(std::string_view code) {
  std::string_view reason;
  bool sets_config = false, names_role = false;
  ForEachWord(code, 0, [&](std::string_view previous, std::string_view word, bool call) {
    const FunctionRule rule = call ? RuleOfFunction("", word) : FunctionRule{};
    const bool changes = previous == "create" || previous == "alter" || previous == "drop";
    if (rule.cls == FunctionClass::never) {
      reason = rule.reason;
    } else if (word == "program" && previous != "as") {
      reason = "copy-program";
    } else if (changes && IsClusterObject(word)) {
      reason = word == "system"                   ? "alter-system"
               : word == "role" || word == "user" ? "role"
                                                  : "cluster";
    } else if ((word == "role" && (previous == "set" || previous == "local" ||
                                   previous == "session" || previous == "reset")) ||
               (word == "authorization" && previous == "session")) {
      reason = "role";
    }
    sets_config = sets_config || rule.cls == FunctionClass::set_config;
    names_role = names_role || word == "role" || word == "session_authorization";
  });
  return reason.empty() && sets_config && names_role ? "role" : reason;
}

bool CodeIsVolatile(std::string_view code) {
  static const Words& words =
      *new Words{"insert",       "copy",      "current_timestamp", "localtimestamp",
                 "current_date", "localtime", "current_time",      "merge"};
  bool found = false;
  ForEachWord(code, 0, [&](std::string_view, std::string_view word, bool call) {
    const FunctionClass cls = call ? RuleOfFunction("", word).cls : FunctionClass::ordinary;
    found = found || words.contains(word) || cls == FunctionClass::time ||
            cls == FunctionClass::sequence || cls == FunctionClass::generates ||
            cls == FunctionClass::state;
  });
  return found;
}

bool CodeCommits(std::string_view code) {
  bool commits = false;
  ForEachWord(code, kMaxCodeNesting, [&](std::string_view previous, std::string_view word, bool) {
    commits = commits || ((word == "commit" || word == "rollback") && previous != "on");
  });
  return commits;
}

}  // namespace pgparity::shadow
