// What the body of a DO block or other code does, as far as its words tell (code_risk.h).
#include <array>
#include <string>

#include "absl/container/flat_hash_set.h"
#include "shadow/code_risk.h"
#include "shadow/code_words.h"
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

// Words of PL/pgSQL behind which a statement begins.
bool OpensStatement(std::string_view word) {
  return word == "begin" || word == "then" || word == "else" || word == "loop" || word == "atomic";
}

bool IsDefinedObject(std::string_view word) {
  static const Words& words =
      *new Words{"function", "procedure", "routine", "aggregate", "operator",
                 "cast",     "class",     "family",  "type",      "domain",
                 "view",     "table",     "rule",    "transform", "conversion"};
  return words.contains(word);
}

bool IsCatalogSchema(std::string_view word) {
  return word == "pg_catalog" || word == "information_schema";
}

// Settings that decide where the server sees a string end, or what a byte of it is.
bool IsTextSetting(std::string_view word) {
  return word == "standard_conforming_strings" || word == "client_encoding" || word == "names";
}

bool IsOneOf(std::string_view word, std::initializer_list<std::string_view> list) {
  for (const std::string_view one : list) {
    if (word == one) return true;
  }
  return false;
}

// Reads code statement by statement. Errs on the side of finding something.
class CodeReader {
 public:
  explicit CodeReader(CodeFinding* out) : out_(out) {}

  void Read(std::string_view code, int nesting) {
    TokenScanner scanner(code);
    StatementWords at;
    for (Token token = scanner.Next(); token.kind != TokenKind::end; token = scanner.Next()) {
      const std::string_view text = scanner.Text(token);
      // An unterminated quote or comment ends the text: the server may read it otherwise.
      if (token.kind == TokenKind::bad && token.end() >= code.size()) {
        out_->opaque = true;
        if (text.size() > 1) Nested(text.substr(1), nesting);
        return;
      }
      if (token.kind == TokenKind::identifier || token.kind == TokenKind::quoted_identifier) {
        if (token.kind == TokenKind::quoted_identifier && !text.starts_with('"'))
          out_->opaque = true;
        Word(token.kind == TokenKind::identifier ? Lower(text) : std::string(InsideOfLiteral(text)),
             code, scanner, nesting, &at);
      } else if (token.kind == TokenKind::string) {
        String(text, nesting, &at);
      } else if (IsChar(code, token, ';')) {
        at = {};
      } else if (!IsChar(code, token, '.')) {
        if (at.setting && (IsChar(code, token, '=') || text == ":=")) at.setting = false;
        at.Push("");
      }
    }
  }

 private:
  // Where in its statement a word stands.
  struct StatementWords {
    std::string first;
    std::array<std::string, 3> before;  // the words before, nearest first; "" for other tokens
    bool setting = false;               // in SET or RESET, before the value
    bool copy = false, on = false, extension = false;

    void Push(std::string word) {
      before[2] = std::move(before[1]);
      before[1] = std::move(before[0]);
      before[0] = std::move(word);
    }
  };

  // Where code moves the search path and defines, it may define in the server's own schema.
  void Defines() {
    out_->defines = true;
    if (moves_path_) out_->opaque = true;
  }
  void MovesPath() {
    moves_path_ = true;
    if (out_->defines) out_->opaque = true;
  }

  void Reason(std::string_view reason) {
    if (out_->reason.empty()) out_->reason = reason;
  }

  void Nested(std::string_view code, int nesting) {
    if (nesting < kMaxCodeNesting) return Read(code, nesting + 1);
    out_->opaque = true;
  }

  void Word(std::string word, std::string_view code, const TokenScanner& behind, int nesting,
            StatementWords* at) {
    if (at->first.empty()) {
      at->first = word;
      at->setting = word == "set" || word == "reset";
      out_->sets = out_->sets || at->setting;
    } else {
      NoteStatement(word, *at);
    }
    if (IsOwnName(word)) Reason("own-schema");
    if (at->setting && (word == "search_path" || word == "schema")) MovesPath();
    at->copy = at->copy || word == "copy";
    at->on = at->on || word == "on";
    if (at->extension && !IsOneOf(word, {"if", "not", "exists"})) {
      if (!IsHarmlessExtension(word)) Reason("extension");
      at->extension = false;
    }
    at->extension =
        at->extension || (word == "extension" && IsOneOf(at->before[0], {"create", "alter"}));
    TokenScanner ahead = behind;
    const Token next = ahead.Next();
    if (IsChar(code, next, '(')) NoteCall(word, at->before[0], code, ahead);
    if (word == "execute") NoteExecute(code, behind, nesting);
    if (OpensStatement(word)) {
      // Of CASE too: a COPY goes on behind it.
      const bool copy = at->copy;
      *at = {};
      at->copy = copy;
    } else {
      at->Push(std::move(word));
    }
  }

  void NoteStatement(std::string_view word, const StatementWords& at) {
    const std::string_view previous = at.before[0];
    const bool changes = IsOneOf(previous, {"create", "alter", "drop"});
    if (IsOneOf(at.first, {"create", "alter", "drop"}) && IsDefinedObject(word)) Defines();
    if (IsOneOf(at.first, {"create", "alter", "drop"}) && IsCatalogSchema(word) &&
        (IsDefinedObject(previous) || previous == "exists")) {
      Reason("system-catalog-write");
    }
    if (changes && IsClusterObject(word)) {
      Reason(word == "system"                   ? "alter-system"
             : word == "role" || word == "user" ? "role"
                                                : "cluster");
    }
    const bool role = IsOneOf(word, {"role", "session_authorization"}) ||
                      (word == "authorization" && previous == "session");
    const bool option = previous == "set" && IsOneOf(at.first, {"create", "alter"});
    if (role && (at.setting || option)) Reason("role");
    if (at.setting && IsTextSetting(word)) out_->relexes = true;
    if (word == "owned" && IsOneOf(previous, {"reassign", "drop"})) Reason("role");
    if (IsOneOf(at.first, {"grant", "revoke"}) && IsOneOf(word, {"to", "from"}) && !at.on)
      Reason("role");
    if (word == "foreign" && previous == "import") Reason("foreign-data");
    if (word == "program" && at.copy && IsOneOf(previous, {"to", "from"})) Reason("copy-program");
    if (previous == "language" && IsUntrustedLanguage(word)) Reason("untrusted-language");
    if (word == "language" && IsOneOf(previous, {"create", "procedural", "trusted"}))
      Reason("language");
    if (at.first == "load" && previous == "load") Reason("load-library");
    NoteCatalogWrite(word, at);
  }

  // UPDATE pg_catalog.pg_settings, DELETE FROM pg_authid.
  void NoteCatalogWrite(std::string_view word, const StatementWords& at) {
    const bool qualified = at.before[0] == "pg_catalog" || at.before[0] == "information_schema";
    if (!IsSystemRelation(qualified ? at.before[0] : "", word)) return;
    const std::string_view previous = at.before[qualified ? 1 : 0];
    const std::string_view earlier = at.before[qualified ? 2 : 1];
    if (IsOneOf(previous, {"update", "into", "only", "truncate"}) ||
        (previous == "from" && earlier == "delete")) {
      Reason("system-catalog-write");
    }
  }

  // `arguments` stands behind the parenthesis.
  void NoteCall(std::string_view word, std::string_view schema, std::string_view code,
                TokenScanner arguments) {
    const FunctionRule rule = RuleOfFunction("", word);
    if (rule.cls == FunctionClass::never) return Reason(rule.reason);
    if (rule.cls == FunctionClass::dynamic_sql) out_->opaque = true;
    if (const FunctionRule other = RuleOfFunction(schema, word);
        other.cls == FunctionClass::never) {
      return Reason(other.reason);
    }
    if (rule.cls != FunctionClass::set_config) return;
    out_->sets = true;
    const Token name = arguments.Next();
    bool exact = false;
    const std::string setting =
        name.kind == TokenKind::string ? Unquote(arguments.Text(name), &exact) : "";
    const Token behind = arguments.Next();
    if (!exact || !IsChar(code, behind, ',')) {
      out_->opaque = true;
    } else if (ClassOfSetting(setting) == SettingClass::role) {
      Reason("role");
    }
    if (IsTextSetting(Lower(setting))) out_->relexes = true;
    if (Lower(setting) == "search_path") MovesPath();
  }

  // EXECUTE of one plain literal is that literal; of anything else it is not known.
  void NoteExecute(std::string_view code, TokenScanner behind, int nesting) {
    const Token token = behind.Next();
    for (const std::string_view word : {"function", "procedure", "on"}) {
      if (IsWord(code, token, word)) return;  // CREATE TRIGGER, GRANT EXECUTE ON
    }
    bool exact = false;
    const std::string text =
        token.kind == TokenKind::string ? Unquote(behind.Text(token), &exact) : "";
    const Token end = behind.Next();
    const bool whole = end.kind == TokenKind::end || IsChar(code, end, ';') ||
                       IsWord(code, end, "using") || IsWord(code, end, "into") ||
                       IsWord(code, end, "loop");
    if (!exact || !whole) out_->opaque = true;
    if (!text.empty()) Nested(text, nesting);
  }

  void String(std::string_view literal, int nesting, StatementWords* at) {
    bool exact = false;
    const std::string text = Unquote(literal, &exact);
    if (at->copy && IsOneOf(at->before[0], {"to", "from"})) Reason("copy-file");
    if (at->first == "load") Reason("load-library");
    if (at->before[0] == "language" && IsUntrustedLanguage(text)) Reason("untrusted-language");
    // Definitions and blocks within code.
    if (IsOneOf(at->first, {"create", "alter", "do"})) Nested(text, nesting);
    at->Push("");
  }

  CodeFinding* const out_;
  bool moves_path_ = false;
};

}  // namespace

CodeFinding LookAtCode(std::string_view code) {
  CodeFinding finding;
  CodeReader(&finding).Read(code, 0);
  return finding;
}

bool DefinesInCatalog(std::string_view statement) {
  bool found = false;
  ForEachWord(statement, 0, [&](const CodeWord& word) {
    found = found || (IsCatalogSchema(word.text) &&
                      (IsDefinedObject(word.previous) || word.previous == "exists"));
  });
  return found;
}

bool BeginsInCatalog(std::string_view search_path) {
  std::string first;
  ForEachWord(search_path, 1, [&](const CodeWord& word) {
    if (first.empty()) first = word.unicode ? "pg_catalog" : word.text;
  });
  return IsCatalogSchema(first);
}

bool IsHarmlessExtension(std::string_view name) {
  // The trusted ones of PostgreSQL's own (their control files say so), and well-known others whose
  // functions stay within the database.
  static const Words& words = *new Words{"plpgsql",
                                         "btree_gin",
                                         "btree_gist",
                                         "citext",
                                         "cube",
                                         "dict_int",
                                         "dict_xsyn",
                                         "earthdistance",
                                         "fuzzystrmatch",
                                         "hstore",
                                         "intagg",
                                         "intarray",
                                         "isn",
                                         "ltree",
                                         "pg_trgm",
                                         "pgcrypto",
                                         "seg",
                                         "tablefunc",
                                         "tcn",
                                         "tsm_system_rows",
                                         "tsm_system_time",
                                         "unaccent",
                                         "uuid-ossp",
                                         "plperl",
                                         "pltcl",
                                         "jsonb_plperl",
                                         "hstore_plperl",
                                         "bool_plperl",
                                         "pg_stat_statements",
                                         "vector",
                                         "postgis",
                                         "postgis_topology",
                                         "postgis_raster",
                                         "postgis_tiger_geocoder",
                                         "address_standardizer",
                                         "pg_partman",
                                         "bloom",
                                         "pg_prewarm",
                                         "moddatetime",
                                         "autoinc",
                                         "insert_username",
                                         "refint",
                                         "timescaledb",
                                         "rum"};
  return words.contains(name);
}

bool CodeIsVolatile(std::string_view code) {
  static const Words& words =
      *new Words{"insert",       "copy",      "current_timestamp", "localtimestamp",
                 "current_date", "localtime", "current_time",      "merge"};
  bool found = false;
  ForEachWord(code, kMaxCodeNesting, [&](const CodeWord& word) {
    const FunctionClass cls =
        word.call ? RuleOfFunction("", word.text).cls : FunctionClass::ordinary;
    found = found || words.contains(word.text) || cls == FunctionClass::time ||
            cls == FunctionClass::sequence || cls == FunctionClass::generates ||
            cls == FunctionClass::state;
  });
  return found;
}

bool CodeCommits(std::string_view code) {
  bool commits = false;
  ForEachWord(code, 0, [&](const CodeWord& word) {
    commits =
        commits || ((word.text == "commit" || word.text == "rollback") && word.previous != "on");
  });
  return commits;
}

}  // namespace pgparity::shadow
