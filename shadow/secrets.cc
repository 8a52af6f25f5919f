// Secrets in statements, found and masked by tokens alone, so that it also holds for texts that
// cannot be parsed.
#include "shadow/secrets.h"

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "shadow/analysis.h"
#include "shadow/token_scanner.h"
#include "shadow/words.h"

namespace pgparity::shadow {
namespace {

// Every statement that carries a secret holds one of these, in any case of letters.
constexpr std::array<std::string_view, 8> kSigns = {"password", "mapping", "subscription", "dblink",
                                                    "server",   "foreign", "system",       "u&\""};

constexpr int kMaxNesting = 4;

std::vector<Token> Tokens(std::string_view text) {
  std::vector<Token> tokens;
  TokenScanner scanner(text);
  for (Token token = scanner.Next(); token.kind != TokenKind::end; token = scanner.Next()) {
    tokens.push_back(token);
    if (token.kind == TokenKind::bad && token.end() >= text.size()) break;
  }
  return tokens;
}

std::string LowerWord(std::string_view text, const Token& token) {
  const std::string_view word = text.substr(token.offset, token.length);
  if (token.kind == TokenKind::quoted_identifier) return Lower(InsideOfLiteral(word));
  return token.kind == TokenKind::identifier ? Lower(word) : std::string();
}

// CREATE or ALTER of something that takes a secret.
bool IsSecretObject(std::string_view first, std::string_view second) {
  if (first != "create" && first != "alter") return false;
  return second == "role" || second == "user" || second == "group" || second == "subscription" ||
         second == "server" || second == "foreign" || second == "system";
}

bool IsString(const Token& token) {
  return token.kind == TokenKind::string || token.kind == TokenKind::bad;
}

// Do these tokens hold a secret in their literals? `code`: they are a function's body, in which the
// statement may stand anywhere.
bool HoldsSecret(std::string_view text, int nesting, bool code);

bool LiteralHoldsSecret(std::string_view text, const Token& token, int nesting) {
  const std::string_view literal = text.substr(token.offset, token.length);
  const std::string_view inside = token.kind == TokenKind::bad && !literal.empty()
                                      ? literal.substr(1)
                                      : InsideOfLiteral(literal);
  return nesting < kMaxNesting && MayCarrySecret(inside) && HoldsSecret(inside, nesting + 1, true);
}

bool HoldsSecret(std::string_view text, int nesting, bool code) {
  const std::vector<Token> tokens = Tokens(text);
  const bool any_string = std::any_of(tokens.begin(), tokens.end(), IsString) || code;
  if (!any_string) return false;
  std::string previous;
  bool creates = false, executes = code;
  for (size_t i = 0; i < tokens.size(); ++i) {
    const std::string word = LowerWord(text, tokens[i]);
    const bool keyword = tokens[i].kind == TokenKind::identifier;
    if (word.starts_with("dblink")) return true;
    if (keyword && IsSecretObject(previous, word)) return true;
    // In code, PASSWORD may stand apart from its CREATE ROLE: format('... PASSWORD %L').
    if (code && word == "password" && i + 1 < tokens.size() &&
        (IsString(tokens[i + 1]) || text[tokens[i + 1].offset] == '%')) {
      return true;
    }
    creates = creates || word == "function" || word == "procedure";
    executes = executes || (i == 0 && word == "do") || (creates && word == "as");
    if (executes && IsString(tokens[i]) && LiteralHoldsSecret(text, tokens[i], nesting))
      return true;
    previous = keyword ? word : std::string();
  }
  return false;
}

}  // namespace

bool TokensHoldSecret(std::string_view statement) {
  return MayCarrySecret(statement) && HoldsSecret(statement, 0, false);
}

bool MayCarrySecret(std::string_view statement) {
  for (size_t i = 0; i < statement.size(); ++i) {
    const char c = absl::ascii_tolower(static_cast<unsigned char>(statement[i]));
    if (c != 'p' && c != 'm' && c != 's' && c != 'd' && c != 'f' && c != 'u') continue;
    for (std::string_view sign : kSigns) {
      if (c == sign[0] && SameWord(statement.substr(i, sign.size()), sign)) return true;
    }
  }
  return false;
}

std::string WithoutSecret(std::string_view statement) {
  if (!MayCarrySecret(statement)) return std::string(statement);
  // U&"dbl\0069nk" hides a name from the eye; nobody writes it in good faith together with one of
  // these.
  bool hidden = false;
  std::string result;
  size_t copied = 0;
  const std::vector<Token> tokens = Tokens(statement);
  for (const Token& token : tokens) {
    hidden = hidden ||
             (token.kind == TokenKind::quoted_identifier && statement[token.offset] != '"' &&
              statement.substr(token.offset, token.length).find('\\') != std::string_view::npos);
  }
  if (hidden) {
    const Analysis analysis = Analyse(statement);
    if (analysis.kind == StatementKind::unparsed || analysis.carries_secret) return {};
    return std::string(statement);
  }
  if (!HoldsSecret(statement, 0, false)) return std::string(statement);
  for (const Token& token : tokens) {
    if (!IsString(token)) continue;
    if (token.kind == TokenKind::bad) return result;  // the rest may be the secret
    result.append(statement.substr(copied, token.offset - copied));
    // Two literals that touch would become one.
    if (result.ends_with('\'')) result.push_back(' ');
    result.append("'***'");
    copied = token.end();
  }
  return result.append(statement.substr(copied));
}

}  // namespace pgparity::shadow
