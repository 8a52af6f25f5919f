// Statement analysis with libpg_query: what a statement is, what it reads and writes, and what must
// be done before it may run on the shadow. Depends on the text alone; the catalog comes in later
// (rewrite.h). Thread-safe functions; one AnalysisCache a thread.
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "shadow/code_risk.h"

namespace pgparity::shadow {

enum class StatementKind : uint8_t {
  select,  // without FOR UPDATE and data-modifying CTEs; VALUES, TABLE. With such a CTE the kind is
           // that of the first one (insert, update, delete_), but `insert` stays empty
  select_for_update,
  insert,
  update,
  delete_,
  merge,
  copy_in,
  copy_out,
  truncate,
  ddl,          // everything that changes the catalog; CREATE TABLE AS and SELECT INTO too
  transaction,  // BEGIN, COMMIT, SAVEPOINT, ...
  set,          // SET, RESET, DISCARD
  show,         // SHOW, EXPLAIN without ANALYZE
  cursor,       // DECLARE, FETCH, MOVE, CLOSE
  prepare,
  execute,
  deallocate,
  call,
  do_block,
  lock,
  notify,       // LOCK; LISTEN, NOTIFY, UNLISTEN
  maintenance,  // VACUUM, ANALYZE, REINDEX, CLUSTER, CHECKPOINT, REFRESH MATERIALIZED VIEW
  other,
  unparsed,  // libpg_query refused it, or it is over the caps
};

// What becomes of it on the shadow (DESIGN, "Applying"). The list is in replay_rules.cc.
enum class ReplayRule : uint8_t {
  replay,
  no_effect,  // not replayed, without harm: advisory locks, LISTEN, LOCK, SHOW, EXPLAIN, ...
  outside_transaction,  // CREATE INDEX CONCURRENTLY, VACUUM, ...: alone, in no transaction
  never,                // acts on the server or outside it: a gap
  session_role,  // SET ROLE, SESSION AUTHORIZATION, RESET ALL, DISCARD: changes the session model
                 // alone
};

// Whether a statement is a definition alone, running nothing at once.
enum class DefinitionKind : uint8_t {
  none,
  named,          // what it defines is reached by its name
  unnamed,        // operators, casts, domains: reached by others' statements too
  event_trigger,  // likewise, by DDL; fires none itself
};

struct TableName {
  std::string schema;  // empty: along the search path
  std::string name;
  friend bool operator==(const TableName&, const TableName&) = default;
};

// A constant or a parameter in the text.
struct ValueSource {
  enum class Kind : uint8_t { literal, parameter, default_, other };
  Kind kind = Kind::other;
  std::string
      literal;  // text form of a constant, without quotes and casts; nullopt-like: see is_null
  bool is_null = false;
  int parameter = 0;  // $n, from 1
  // In an InsertShape's rows: the bytes of the text that the value takes, and what is generated in
  // it.
  size_t offset = 0, length = 0;
  bool generated = false;  // kind other: calls nextval(), random() or the like
  bool timed = false;      // kind other: calls now() or the like
  std::string nextval;     // kind other: exactly nextval('...'), its literal argument
};

// column = value among the conjuncts of the WHERE of a statement on one table. Other conjuncts may
// stand beside it (they only narrow the rows further).
struct KeyPredicate {
  std::string column;
  ValueSource value;
};

// A place in the text where a time function of the transaction stands, to be replaced by a value.
struct TimeCall {
  enum class Kind : uint8_t { timestamptz, timestamp, date, time, timetz };
  Kind kind = Kind::timestamptz;  // the call's own type
  size_t offset = 0, length = 0;  // bytes of the original text
  int precision = -1;             // CURRENT_TIMESTAMP(3); -1: none given
  // statement_timestamp(), clock_timestamp(): later than the transaction's begin.
  bool statement_time = false;
  // Not empty: stands in an unnamed result column that takes this name from the call.
  std::string column_name;
};

// A column that is filled from a time call.
struct TimeColumn {
  TableName table;
  std::string column;  // empty: by position, in an INSERT without a column list
  int position = -1;   // from 0; -1 with an empty column: any of the table's
  friend bool operator==(const TimeColumn&, const TimeColumn&) = default;
};

// A call of nextval(), currval(), lastval() or setval().
struct SequenceCall {
  enum class Kind : uint8_t { nextval, currval, lastval, setval };
  Kind kind = Kind::nextval;
  std::string sequence;           // the argument if it is a literal, as regclass would read it
  size_t offset = 0, length = 0;  // bytes of the original text
  // The outermost SELECT's result column that is this call (a cast about it allowed), or -1.
  int result_column = -1;
  std::string column_name;  // as in TimeCall
};

// A replacement that every replay needs: pg_sleep() never waits, advisory locks are never taken.
struct TextEdit {
  size_t offset = 0, length = 0;
  std::string text;
};

// A call of set_config(name, value, is_local).
struct ConfigCall {
  ValueSource name, value;
  bool is_local = false;  // true also when it is no literal
};

// A sort key that names a column of the result.
struct SortKey {
  std::string column;  // the name, without its table
  int position = 0;    // or the position, from 1
};

// The shape of a plain INSERT ... VALUES, for pinning.
struct InsertShape {
  std::vector<std::string> columns;  // as listed; empty if the statement lists none
  size_t columns_insert_at = 0;      // offset of the ')' that closes the column list; 0 if none
  size_t list_at = 0;                // where a column list may be put in, if there is none
  size_t overriding_at = 0;          // where OVERRIDING SYSTEM VALUE may be put in (before VALUES)
  bool has_overriding = false;
  // Of OVERRIDING USER VALUE; length 0 if none.
  size_t overriding_user_offset = 0, overriding_user_length = 0;
  std::vector<size_t> row_ends;  // offset of the ')' that closes each VALUES row
  std::vector<std::vector<ValueSource>> rows;
  bool default_values = false;  // INSERT ... DEFAULT VALUES
  size_t default_values_offset = 0, default_values_length = 0;
  bool on_conflict = false, from_select = false;
  bool conflict_update = false;               // DO UPDATE
  std::vector<std::string> conflict_columns;  // ON CONFLICT (a, b); empty if anything else
  bool has_returning = false;
};

struct Analysis {
  StatementKind kind = StatementKind::unparsed;
  ReplayRule rule = ReplayRule::replay;
  std::string rule_reason;  // of never and no_effect: a short code ("copy-program")
  std::string fingerprint;  // 16 hex digits
  std::string shape;        // normalised text
  std::string parse_error;  // of unparsed
  // Names of CTEs left out. The statement's own target is the first of `writes`.
  std::vector<TableName> reads, writes;
  bool cte_writes = false;             // a data-modifying CTE writes as well
  std::vector<std::string> functions;  // called, "name" or "schema.name"
  bool ordered = false;                // the outermost query has an ORDER BY
  bool limit_without_order = false;
  // Its sort keys, where each is a plain column name or a position of the result.
  std::optional<std::vector<SortKey>> sort_keys;
  bool limited = false, offset = false;  // the outermost query has a LIMIT, an OFFSET
  bool unordered_aggregate = false;      // array_agg, string_agg, json_agg without ORDER BY
  bool skip_locked = false;
  // Of a statement on one table; see KeyPredicate. Empty if its WHERE pins nothing.
  std::optional<std::vector<KeyPredicate>> key_predicates;
  std::optional<InsertShape> insert;
  // In SELECT, INSERT, UPDATE, DELETE, MERGE, and in the query of DECLARE CURSOR and CREATE TABLE
  // AS: these may take parameters. Elsewhere time functions count as volatile_calls. In order of
  // their offsets.
  std::vector<TimeCall> time_calls;
  std::vector<SequenceCall> sequence_calls;  // likewise; in order of their offsets
  // random(), gen_random_uuid(), clock_timestamp(), version(), pg_* state functions, ctid and other
  // system columns, 'now'::timestamptz, DO: by name list, each once.
  std::vector<std::string> volatile_calls;
  // One of these stands elsewhere than in RETURNING, and so may change what is written.
  bool volatile_effect = false;
  // One of these makes new values: random(), gen_random_uuid(), ...
  bool generates_values = false;
  std::vector<TextEdit> edits;  // in order of their offsets, apart from all time and sequence calls
  // UPDATE SET, ON CONFLICT DO UPDATE SET, of the statement itself.
  std::vector<std::string> set_columns;
  std::vector<TimeColumn> time_columns;   // columns that the statement fills from time calls
  std::vector<std::string> copy_columns;  // COPY t (a, b)
  bool system_catalog = false;            // reads pg_catalog or information_schema
  bool temp_table = false;                // CREATE TEMP ... or SELECT INTO TEMP
  bool sets_config = false;               // calls set_config()
  std::vector<ConfigCall> config_calls;
  std::optional<std::pair<std::string, std::optional<std::string>>>
      set_variable;  // SET name = value / TO DEFAULT (nullopt)
  bool set_local = false;
  bool ping = false;  // SELECT of one constant, or nothing at all: tells nothing of any data
  bool carries_secret =
      false;              // CREATE/ALTER ROLE with PASSWORD, USER MAPPING, SUBSCRIPTION, dblink
  int max_parameter = 0;  // the largest $n
  DefinitionKind definition = DefinitionKind::none;
  CodeFinding code;         // of the code in it: DO, CREATE FUNCTION and other definitions
  bool own_schema = false;  // names the schema pgparity, or may (U&"..." in DDL)
};

// Caps nesting and token count before any protobuf call. An empty statement is `other` with
// no_effect
// ("empty"); one that cannot be parsed is `unparsed` with never ("unparsed"), unless the primary
// refused it too. CALL and functions that commit cannot be told apart by their text: rule replay.
Analysis Analyse(std::string_view statement);

// Keeps the analyses of recent texts; at most `capacity` entries and 64 MiB, the least
// recently used going first. Texts over 64 KiB are not kept.
class AnalysisCache {
 public:
  explicit AnalysisCache(size_t capacity = 10000);
  std::shared_ptr<const Analysis> Get(std::string_view statement);
  size_t size() const { return entries_.size(); }
  size_t bytes() const { return bytes_; }

 private:
  struct Entry {
    std::string text;
    std::shared_ptr<const Analysis> analysis;
    size_t bytes = 0;  // about what both take
  };
  void DropOldest();

  size_t capacity_;
  size_t bytes_ = 0;
  std::list<Entry> order_;  // the most recently used first
  absl::flat_hash_map<std::string_view, std::list<Entry>::iterator> entries_;  // keys lie in order_
};

// The statement's text with its secret taken out ('***' for the literals that carry it), for
// storing; "" if nothing of it can be kept; unchanged if it carries none. Parameters bound to a
// statement with Analysis::carries_secret are secret as well.
std::string WithoutSecret(std::string_view statement);
// Cheap, without parsing: might the text carry a secret? No false negatives.
bool MayCarrySecret(std::string_view statement);

}  // namespace pgparity::shadow
