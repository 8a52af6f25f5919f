// Statement analysis with libpg_query: what a statement is, what it reads and writes, and what must
// be done before it may run on the shadow. Depends on the text alone; the catalog comes in later
// (rewrite.h). Thread-safe functions; one AnalysisCache a thread.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"

namespace pgparity::shadow {

enum class StatementKind : uint8_t {
  select,            // without FOR UPDATE and data-modifying CTEs; VALUES, TABLE
  select_for_update,
  insert, update, delete_, merge,
  copy_in, copy_out,
  truncate,
  ddl,               // everything that changes the catalog
  transaction,       // BEGIN, COMMIT, SAVEPOINT, ...
  set,               // SET, RESET, DISCARD
  show,              // SHOW, EXPLAIN without ANALYZE
  cursor,            // DECLARE, FETCH, MOVE, CLOSE
  prepare, execute, deallocate,
  call, do_block,
  lock, notify,      // LOCK; LISTEN, NOTIFY, UNLISTEN
  maintenance,       // VACUUM, ANALYZE, REINDEX, CLUSTER, CHECKPOINT, REFRESH MATERIALIZED VIEW
  other,
  unparsed,          // libpg_query refused it, or it is over the caps
};

// What becomes of it on the shadow (DESIGN, "Applying"). The list is in replay_rules.cc.
enum class ReplayRule : uint8_t {
  replay,
  no_effect,         // not replayed, without harm: advisory locks, LISTEN, LOCK, SHOW, EXPLAIN, ...
  outside_transaction,   // CREATE INDEX CONCURRENTLY, VACUUM, ...: alone, in no transaction
  never,             // acts on the server or outside it: a gap
  session_role,      // SET ROLE, SESSION AUTHORIZATION, RESET ALL, DISCARD: changes the session model alone
};

struct TableName {
  std::string schema;   // empty: along the search path
  std::string name;
  friend bool operator==(const TableName&, const TableName&) = default;
};

// A constant or a parameter in the text.
struct ValueSource {
  enum class Kind : uint8_t { literal, parameter, default_, other };
  Kind kind = Kind::other;
  std::string literal;      // text form of a constant, without quotes and casts; nullopt-like: see is_null
  bool is_null = false;
  int parameter = 0;        // $n, from 1
};

// column = value in a WHERE that is a conjunction over one table.
struct KeyPredicate {
  std::string column;
  ValueSource value;
};

// A place in the text where a time function of the transaction stands, to be replaced by a value.
struct TimeCall {
  enum class Kind : uint8_t { timestamptz, timestamp, date, time, timetz };
  Kind kind = Kind::timestamptz;
  size_t offset = 0, length = 0;   // bytes of the original text
};

// The shape of a plain INSERT ... VALUES, for pinning.
struct InsertShape {
  std::vector<std::string> columns;       // as listed; empty if the statement lists none
  size_t columns_insert_at = 0;           // offset of the ')' that closes the column list; 0 if none
  size_t overriding_at = 0;               // offset at which OVERRIDING SYSTEM VALUE may be put in (before VALUES)
  bool has_overriding = false;
  std::vector<size_t> row_ends;           // offset of the ')' that closes each VALUES row
  std::vector<std::vector<ValueSource>> rows;
  bool default_values = false;            // INSERT ... DEFAULT VALUES
  size_t default_values_offset = 0, default_values_length = 0;
  bool on_conflict = false, from_select = false;
  bool has_returning = false;
};

struct Analysis {
  StatementKind kind = StatementKind::unparsed;
  ReplayRule rule = ReplayRule::replay;
  std::string rule_reason;                // of never and no_effect: a short code ("copy-program", "advisory-lock")
  std::string fingerprint;                // 16 hex digits
  std::string shape;                      // normalised text
  std::string parse_error;                // of unparsed
  std::vector<TableName> reads, writes;
  std::vector<std::string> functions;     // called, "name" or "schema.name"
  bool ordered = false;                   // the outermost query has an ORDER BY
  bool limit_without_order = false;
  bool unordered_aggregate = false;       // array_agg, string_agg, json_agg without ORDER BY
  bool skip_locked = false;
  std::optional<std::vector<KeyPredicate>> key_predicates;   // single-table WHERE that is a conjunction of =
  std::optional<InsertShape> insert;
  std::vector<TimeCall> time_calls;
  std::vector<std::string> volatile_calls;   // random(), gen_random_uuid(), clock_timestamp(), ...: by name list
  bool system_catalog = false;            // reads pg_catalog or information_schema
  bool temp_table = false;                // CREATE TEMP ... or SELECT INTO TEMP
  bool sets_config = false;               // calls set_config()
  std::optional<std::pair<std::string, std::optional<std::string>>> set_variable;   // SET name = value / TO DEFAULT (nullopt)
  bool set_local = false;
  bool carries_secret = false;            // CREATE/ALTER ROLE with PASSWORD, USER MAPPING, SUBSCRIPTION, dblink
  int max_parameter = 0;                  // the largest $n
};

// Caps nesting and token count before any protobuf call.
Analysis Analyse(std::string_view statement);

// Keeps the analyses of recent texts; at most `capacity` entries and 64 MiB of text.
class AnalysisCache {
 public:
  explicit AnalysisCache(size_t capacity = 10000);
  std::shared_ptr<const Analysis> Get(std::string_view statement);

 private:
  size_t capacity_;
  absl::flat_hash_map<std::string, std::shared_ptr<const Analysis>> entries_;
};

// The statement's text with its secret taken out, for storing; "" if nothing of it can be kept.
std::string WithoutSecret(std::string_view statement);
// Cheap, without parsing: might the text carry a secret? No false negatives.
bool MayCarrySecret(std::string_view statement);

}  // namespace pgparity::shadow
