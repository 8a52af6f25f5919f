// What ordering `hold` and `exact` need to know of a statement's text, told by a bounded lexer: no
// SQL parser. It errs towards `stop`.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace pgparity::proxy {

enum class StatementClass : uint8_t {
  unknown,  // its text was not seen, or is too long
  read,     // SELECT, VALUES, TABLE, WITH in which nothing that writes is mentioned; nothing at all
  write,    // INSERT, UPDATE, DELETE, MERGE, EXECUTE; of the former what may write
  begin,    // BEGIN, START TRANSACTION
  commit,   // COMMIT, END, PREPARE TRANSACTION
  commit_and_chain,
  rollback,
  rollback_and_chain,
  control,  // SET, SAVEPOINT and others that do no work, and may precede a transaction's first
  work,     // all else that neither copies nor ends or begins a transaction
  stop,     // COPY, DEALLOCATE, DISCARD, COMMIT PREPARED, and what is not known
};

// Of one statement. Takes time and may allocate: for texts that ClassCache does not have.
StatementClass Classify(std::string_view statement);

// One of that class ends the transaction.
constexpr bool EndsTransaction(StatementClass is) {
  return is == StatementClass::commit || is == StatementClass::commit_and_chain ||
         is == StatementClass::rollback || is == StatementClass::rollback_and_chain;
}

// One of that class writes, or may.
constexpr bool MayWrite(StatementClass is) {
  return is == StatementClass::write || is == StatementClass::work || is == StatementClass::stop ||
         is == StatementClass::unknown;
}

// A simple Query's text as one would edit it.
struct SimpleText {
  enum class Edit : uint8_t {
    none,           // it cannot be
    append,         // known reads and writes, complete: a statement may be put behind it
    before_commit,  // its last statement is a COMMIT, and one may be put before that
  };
  Edit edit = Edit::none;
  bool certain = false;                        // where its statements end is
  bool begins = false;                         // its first statement is BEGIN
  bool commits = false;                        // one of them is COMMIT
  bool works = false;                          // it reads or writes anything, or may
  bool writes = false;                         // it writes, or may
  uint16_t statements = 0;                     // before the place of the edit
  uint32_t at = 0;                             // the last one's offset in bytes
  StatementClass last = StatementClass::read;  // the last one's
};

// `scratch` is for the lexer's use.
SimpleText AnalyseSimple(std::string_view text, std::string* scratch);

// What was found out of texts, by their hash; one thread's. A place is taken by the latest comer.
class ClassCache {
 public:
  ClassCache();
  // Of a statement of the extended protocol.
  StatementClass Class(std::string_view statement);
  SimpleText Simple(std::string_view text);
  // Also for names: seeded, so that nobody can aim at another's.
  uint64_t Hash(std::string_view bytes) const;

 private:
  static constexpr size_t kPlaces = 4096;
  struct ClassPlace {
    uint64_t hash = 0;
    StatementClass value = StatementClass::unknown;
  };
  struct SimplePlace {
    uint64_t hash = 0;
    SimpleText value;
  };

  const uint64_t seed_;
  const std::unique_ptr<std::array<ClassPlace, kPlaces>> classes_;
  const std::unique_ptr<std::array<SimplePlace, kPlaces>> simple_;
  std::string scratch_;
};

}  // namespace pgparity::proxy
