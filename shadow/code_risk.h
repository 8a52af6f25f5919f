// What the code in a database (functions, triggers, views, DO blocks) may do beyond what its words
// tell: no statement of a client may make the shadow's connection act as another role, or on the
// server (DESIGN, "Roles").
//
// Code is *opaque* when it runs SQL that it makes at run time: EXECUTE of anything but one plain
// literal. Opaque code runs only on a connection whose own role can do no such thing ("confined",
// Store::Confined), and the unit is looked at before its COMMIT.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"

namespace pgparity::shadow {

struct CodeFinding {
  std::string_view reason;  // static, of replay_rules.h: it acts on the server or on roles
  bool opaque = false;
  bool secdef = false;   // opaque, and runs as its owner
  bool foreign = false;  // likewise, and the owner is not the role that read the catalog
  bool sets = false;     // leaves settings of the session changed
  bool relexes = false;  // among them those by which the server reads a text
  bool defines = false;  // makes or changes functions, operators and the like

  bool any() const { return !reason.empty() || opaque || sets || relexes || defines; }
  // True if something was added.
  bool Merge(const CodeFinding& other);
};

// Of a body in SQL or PL/pgSQL, or of a statement, as far as its words tell.
CodeFinding LookAtCode(std::string_view code);
// Of a DO block or function in that language ("" is plpgsql's default of DO).
CodeFinding LookAtCode(std::string_view language, std::string_view code);

// The names by which a statement may reach such code, over the whole database. Names are taken
// without their schema: the finding may be wrong, and is then on the safe side.
class CodeRisks {
 public:
  struct Piece {
    enum class Kind : uint8_t {
      function,
      relation,  // also domains
      anything,  // operators, casts, ...: any statement may reach them
      ddl,       // event triggers
    };
    Kind kind = Kind::function;
    std::string name;
    std::string text;   // its code, or what it names: bodies, definitions, default expressions
    CodeFinding known;  // what is known without the text
    bool secdef = false, foreign = false;
  };
  CodeRisks() = default;
  explicit CodeRisks(const std::vector<Piece>& pieces);

  // What the statement may reach. `code`: it is a definition or a block, where literals are code
  // too and a function is reached by its name alone; elsewhere by a call, or as x.name.
  CodeFinding Reached(std::string_view sql, bool code) const;
  // What any DDL reaches.
  const CodeFinding& OfDdl() const { return ddl_; }
  bool empty() const {
    return !everything_.any() && !ddl_.any() && functions_.empty() && relations_.empty();
  }

 private:
  CodeFinding everything_, ddl_;
  absl::flat_hash_map<std::string, CodeFinding> functions_, relations_;
};

// A definition that names the server's own schemas: CREATE OR REPLACE FUNCTION pg_catalog.x.
bool DefinesInCatalog(std::string_view statement);
// The first schema of a search path is one of the server's own: what is defined goes there.
bool BeginsInCatalog(std::string_view search_path);

// An extension whose CREATE EXTENSION gives no way to act on the server or outside it.
bool IsHarmlessExtension(std::string_view name);
// A procedural language whose code may do what the server's own account may.
bool IsUntrustedLanguage(std::string_view name);

}  // namespace pgparity::shadow
